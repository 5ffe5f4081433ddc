"""rollproof.published: which version is the latest for a location (R3.2)."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from rollproof.errors import LISTED, NoVersionForLocation
from rollproof.images import ImageVersion
from rollproof.locations import location_key
from rollproof.published import Published, latest

PLACES = ("westeurope", "North Europe", "eastus")
SPELLED = (*PLACES, "West Europe", "northeurope", "EASTUS", "nowhere")


def one(version: str, *regions: str, **flags: bool | tuple[str, ...]) -> Published:
    return Published(
        version=ImageVersion.parse(version),
        regions=regions or None,
        **flags,  # type: ignore[arg-type]  # flags are what the fields hold
    )


VERSIONS = st.builds(
    Published,
    version=st.builds(ImageVersion, *[st.integers(0, 3)] * 3),
    regions=st.none() | st.lists(st.sampled_from(PLACES), min_size=1).map(tuple),
    excluded_regions=st.lists(st.sampled_from(PLACES)).map(tuple),
    excluded_from_latest=st.booleans(),
)
LISTINGS = st.lists(VERSIONS, min_size=1, unique_by=lambda each: each.version)


class TestR3_2:
    """R3.2: the highest that is replicated there and not excluded."""

    def test_the_highest_by_its_numbers(self) -> None:
        listed = [one("1.9.9"), one("1.10.0"), one("1.2.0")]
        assert str(latest("web-os", listed, "eastus").version) == "1.10.0"

    def test_platform_date_versions(self) -> None:
        listed = [one("2016.127.20180613"), one("2016.127.20181010"), one("2016.30.20190101")]
        assert str(latest("web-os", listed, None).version) == "2016.127.20181010"

    def test_only_what_is_replicated_there(self) -> None:
        listed = [one("1.0.0", "westeurope", "eastus"), one("1.1.0", "East US")]
        assert str(latest("web-os", listed, "West Europe").version) == "1.0.0"
        assert str(latest("web-os", listed, "eastus").version) == "1.1.0"
        assert str(latest("web-os", listed, None).version) == "1.1.0"

    def test_not_what_is_excluded_as_a_whole(self) -> None:
        listed = [one("1.0.0"), one("1.1.0", excluded_from_latest=True)]
        for location in (*SPELLED, None):
            assert str(latest("web-os", listed, location).version) == "1.0.0"

    def test_not_what_is_excluded_there(self) -> None:
        listed = [one("1.0.0"), one("1.1.0", excluded_regions=("West Europe",))]
        assert str(latest("web-os", listed, "westeurope").version) == "1.0.0"
        assert str(latest("web-os", listed, "eastus").version) == "1.1.0"
        assert str(latest("web-os", listed, None).version) == "1.1.0"

    def test_what_is_excluded_in_all_its_regions_is_the_latest_nowhere(self) -> None:
        everywhere = one("1.1.0", "East US", excluded_regions=("eastus", "westeurope"))
        listed = [one("1.0.0"), everywhere]
        assert str(latest("web-os", listed, None).version) == "1.0.0"

    @given(LISTINGS, st.sampled_from(SPELLED) | st.none())
    def test_the_law(self, listed: list[Published], location: str | None) -> None:
        """Against the law written down a second time, place by place."""

        def may(each: Published, place: str) -> bool:
            regions = PLACES if each.regions is None else each.regions
            there = {location_key(region) for region in regions}
            out = {location_key(region) for region in each.excluded_regions}
            if each.regions is None:
                there.add(location_key(place))
            return location_key(place) in there - out and not each.excluded_from_latest

        places = (*PLACES, "nowhere") if location is None else (location,)
        able = [each.version for each in listed if any(may(each, place) for place in places)]
        if able:
            assert latest("web-os", listed, location).version == max(able)
        else:
            with pytest.raises(NoVersionForLocation):
                latest("web-os", listed, location)

    @given(LISTINGS, st.sampled_from(SPELLED), st.data())
    def test_the_order_of_a_listing_means_nothing(
        self, listed: list[Published], location: str, data: st.DataObject
    ) -> None:
        shuffled = data.draw(st.permutations(listed))
        assert _or_none(listed, location) == _or_none(shuffled, location)

    @given(LISTINGS, st.sampled_from(SPELLED))
    def test_excluding_the_latest_never_raises_it(
        self, listed: list[Published], location: str
    ) -> None:
        before = _or_none(listed, location)
        if before is not None:
            left = [
                evolve(each, excluded_from_latest=True) if each == before else each
                for each in listed
            ]
            after = _or_none(left, location)
            assert after is None or after.version < before.version


def _or_none(listed: list[Published], location: str) -> Published | None:
    try:
        return latest("web-os", listed, location)
    except NoVersionForLocation:
        return None


class TestNoVersion:
    """R3.2: where there is none it says why, and where there is one."""

    def test_each_version_and_why(self) -> None:
        listed = [
            one("1.0.0", "eastus", "West US"),
            one("1.1.0", excluded_from_latest=True),
            one("1.2.0", "eastus", "westeurope", excluded_regions=("westeurope",)),
        ]
        with pytest.raises(NoVersionForLocation) as refused:
            latest("web-os", listed, "westeurope")
        assert refused.value.why == (
            "1.2.0 is excluded from latest in westeurope",
            "1.1.0 is excluded from latest",
            "1.0.0 is replicated to eastus, West US only",
        )
        assert refused.value.offered_in == ("West US", "eastus")
        assert "There is one in West US, eastus." in str(refused.value)

    def test_anywhere(self) -> None:
        listed = [one("1.0.0", "eastus", excluded_regions=("eastus",))]
        with pytest.raises(NoVersionForLocation, match="for any location") as refused:
            latest("web-os", listed, None)
        assert refused.value.why == ("1.0.0 is excluded from latest in eastus",)
        assert "There is one" not in str(refused.value)

    def test_a_long_listing_is_cut(self) -> None:
        listed = [one(f"1.{minor}.0", excluded_from_latest=True) for minor in range(LISTED + 3)]
        with pytest.raises(NoVersionForLocation, match="and 3 more") as refused:
            latest("web-os", listed, "eastus")
        assert "1.10.0" in str(refused.value)
        assert "1.0.0" not in str(refused.value)


class TestEquality:
    def test_where_it_lies_is_no_part_of_it(self) -> None:
        """A signed URL differs every time, and no version is news for that."""
        assert evolve(one("1.0.0"), url="x", source="a") == one("1.0.0")
        assert evolve(one("1.0.0"), sha256="0" * 64) != one("1.0.0")
