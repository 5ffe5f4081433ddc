"""rollproof.catalog: what all sources list together, and what is new (R3.1-R3.4)."""

import pytest
from attrs import evolve

from rollproof.catalog import Catalog, Look, Source
from rollproof.errors import (
    NoVersionForLocation,
    SourceUnavailable,
    UnknownImage,
    UnknownImageVersion,
)
from rollproof.images import ImageReference, ImageVersion
from rollproof.published import Published

WEB = ImageReference(image="web-os")
UBUNTU = ImageReference(publisher="Canonical", offer="UbuntuServer", sku="18.04-LTS")


def one(version: str, *regions: str) -> Published:
    return Published(version=ImageVersion.parse(version), regions=regions or None)


class Shelf:
    """A source in memory; its word changes at a refresh only, as that of a real one."""

    def __init__(self, name: str, **listed: tuple[Published, ...]) -> None:
        self.name = name
        self.listed = dict(listed)
        self.trouble = ""
        self.looks = 0
        self._seen: dict[str, tuple[Published, ...]] = {}

    def refresh(self) -> Look:
        self.looks += 1
        if not self.trouble:
            self._seen = dict(self.listed)
        return Look(self.name, trouble=self.trouble)

    def images(self) -> tuple[str, ...]:
        return tuple(self._seen)

    def versions(
        self, reference: ImageReference, location: str | None = None
    ) -> tuple[Published, ...]:
        listed = self._seen.get(reference.name, ())
        return tuple(each for each in listed if each.is_replicated(location))


def spelled(versions: tuple[Published, ...]) -> list[str]:
    return [str(each.version) for each in versions]


class TestR3_3:
    """R3.3: list the versions of an image; ask which is the latest."""

    def test_versions_are_listed_lowest_first(self) -> None:
        catalog = Catalog([Shelf("home", **{"web-os": (one("1.10.0"), one("1.9.0"))})])
        assert spelled(catalog.versions(WEB)) == ["1.9.0", "1.10.0"]
        assert str(catalog.latest(WEB).version) == "1.10.0"

    def test_of_all_sources_together(self) -> None:
        """R3.1: platform images beside those of a gallery."""
        catalog = Catalog(
            [
                Shelf("home", **{"web-os": (one("1.1.0"),)}),
                Shelf("corp", **{UBUNTU.name: (one("18.04.1"),), "web-os": (one("1.0.0"),)}),
            ]
        )
        assert catalog.images() == (UBUNTU.name, "web-os")
        assert spelled(catalog.versions(WEB)) == ["1.0.0", "1.1.0"]
        assert spelled(catalog.versions(UBUNTU)) == ["18.04.1"]

    def test_the_first_source_that_lists_a_version_is_believed(self) -> None:
        first = evolve(one("1.0.0", "eastus"), source="home")
        catalog = Catalog(
            [
                Shelf("home", **{"web-os": (first,)}),
                Shelf("corp", **{"web-os": (evolve(one("1.00.0"), source="corp"),)}),
            ]
        )
        assert catalog.versions(WEB) == (first,)
        assert catalog.versions(WEB)[0].source == "home"

    def test_at_a_location(self) -> None:
        """R3.2."""
        catalog = Catalog([Shelf("home", **{"web-os": (one("1.0.0"), one("1.1.0", "eastus"))})])
        assert spelled(catalog.versions(WEB, "West Europe")) == ["1.0.0"]
        assert str(catalog.latest(WEB, "West Europe").version) == "1.0.0"
        assert str(catalog.latest(WEB, "East US").version) == "1.1.0"

    def test_nothing_at_a_location(self) -> None:
        catalog = Catalog([Shelf("home", **{"web-os": (one("1.1.0", "eastus"),)})])
        assert catalog.versions(WEB, "westeurope") == ()
        with pytest.raises(NoVersionForLocation, match="There is one in eastus"):
            catalog.latest(WEB, "westeurope")

    def test_an_image_nobody_lists(self) -> None:
        catalog = Catalog([Shelf("home", **{"web-os": (one("1.0.0"),)})])
        for ask in (catalog.versions, catalog.latest):
            with pytest.raises(UnknownImage, match="Did you mean 'web-os'"):
                ask(ImageReference(image="wep-os"))
        with pytest.raises(UnknownImage):
            Catalog([]).versions(WEB)

    def test_one_version(self) -> None:
        listed = (one("1.0.0"), one("1.01.0", "eastus"))
        catalog = Catalog([Shelf("home", **{"web-os": listed})])
        wanted = ImageVersion.parse("1.1.0")
        assert str(catalog.version(WEB, wanted, "East US").version) == "1.01.0"
        assert str(catalog.version(WEB, wanted).version) == "1.01.0"
        with pytest.raises(
            NoVersionForLocation, match=r"1\.01\.0 is replicated to eastus only"
        ):
            catalog.version(WEB, wanted, "westeurope")
        with pytest.raises(UnknownImageVersion, match=r"Known: 1\.0\.0, 1\.01\.0"):
            catalog.version(WEB, ImageVersion.parse("9.9.9"))

    def test_an_excluded_version_can_be_asked_for_by_name(self) -> None:
        """R3.2: it is kept from being the latest, and from nothing else."""
        excluded = evolve(one("2.0.0"), excluded_from_latest=True)
        catalog = Catalog([Shelf("home", **{"web-os": (one("1.0.0"), excluded)})])
        assert str(catalog.latest(WEB, "eastus").version) == "1.0.0"
        assert catalog.version(WEB, ImageVersion(2, 0, 0), "eastus") == excluded


class TestAsking:
    def test_each_source_once(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0"),)})
        for question in (Catalog.images, lambda catalog: catalog.versions(WEB)):
            shelf.looks = 0
            catalog = Catalog([shelf])
            question(catalog)
            question(catalog)
            assert catalog.looks == (Look("home"),)
            assert shelf.looks == 1

    def test_a_source_in_trouble_hides_no_other(self) -> None:
        down = Shelf("corp")
        down.trouble = "it answered 500"
        catalog = Catalog([down, Shelf("home", **{"web-os": (one("1.0.0"),)})])
        assert spelled(catalog.versions(WEB)) == ["1.0.0"]
        assert [look.trouble for look in catalog.looks] == ["it answered 500", ""]

    def test_what_only_it_may_know_is_not_said_to_be_unknown(self) -> None:
        down = Shelf("corp")
        down.trouble = "it answered 500"
        with pytest.raises(SourceUnavailable, match="'corp' cannot be used: it answered 500"):
            Catalog([Shelf("home"), down]).versions(WEB)

    def test_a_catalog_answers_as_a_source_does(self) -> None:
        source: Source = Shelf("home", **{"web-os": (one("1.0.0"),)})
        catalog = Catalog([source])
        catalog.refresh(1)
        assert catalog.versions(WEB, "x") == source.versions(WEB, "x")


class TestNews:
    """R3.4: a publication is noticed without a restart, and once."""

    def test_publications(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0"),)})
        catalog = Catalog([shelf])
        (first,) = catalog.refresh(100)
        assert (first.image, first.first_seen, first.is_new) == ("web-os", 100, True)
        assert catalog.refresh(200) == ()
        shelf.listed["web-os"] += (one("1.1.0"),)
        (second,) = catalog.refresh(300)
        assert (str(second.published.version), second.first_seen) == ("1.1.0", 300)
        assert catalog.refresh(400) == ()

    def test_nothing_is_noticed_between_two_looks(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0"),)})
        catalog = Catalog([shelf])
        catalog.refresh(100)
        shelf.listed["web-os"] += (one("1.1.0"),)
        assert spelled(catalog.versions(WEB)) == ["1.0.0"]

    def test_a_change_keeps_the_time_of_the_publication(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0", "eastus"),)})
        catalog = Catalog([shelf])
        catalog.refresh(100)
        shelf.listed["web-os"] = (one("1.0.0", "eastus", "westeurope"),)
        (changed,) = catalog.refresh(200)
        assert (changed.first_seen, changed.seen_at, changed.is_new) == (100, 200, False)
        assert changed.published.is_replicated("westeurope")
        assert catalog.refresh(300) == ()

    def test_what_vanished_and_came_back_is_no_news(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0"),)})
        catalog = Catalog([shelf])
        catalog.refresh(100)
        shelf.listed.clear()
        assert catalog.refresh(200) == ()
        shelf.listed["web-os"] = (one("1.0.0"),)
        assert catalog.refresh(300) == ()

    def test_trouble_is_no_news(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0"),)})
        catalog = Catalog([shelf])
        catalog.refresh(100)
        shelf.trouble = "slow"
        assert catalog.refresh(200) == ()
        assert catalog.looks == (Look("home", trouble="slow"),)

    def test_an_earlier_catalog_had_seen_it(self) -> None:
        shelf = Shelf("home", **{"web-os": (one("1.0.0"),)})
        earlier = Catalog([shelf])
        earlier.refresh(100)
        later = Catalog([shelf], earlier.sightings)
        assert later.refresh(200) == ()
        assert later.sightings["web-os", ImageVersion(1, 0, 0)].first_seen == 100
