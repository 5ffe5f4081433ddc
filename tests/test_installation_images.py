"""Images of an installation, from Python and from the command line (R3.1, R3.2, R3.3)."""

import hashlib
import json
import re
import signal
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from ground import Ground, eventually
from rollproof.adapters.local import write_sample_image
from rollproof.adapters.sources import ImageSource
from rollproof.cli.image_verbs import image as image_verbs
from rollproof.cli.image_verbs import source as source_verbs
from rollproof.cli.main import cli
from rollproof.document import dumps
from rollproof.errors import (
    ImageSourceExists,
    InvalidDocument,
    InvalidFields,
    ListedElsewhere,
    NoVersionForLocation,
    SourceUnavailable,
    UnknownImage,
    UnknownImageSource,
    UnknownImageVersion,
)
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation import Installation, Shape
from rollproof.installation.images import Images
from rollproof.installation.terms import target_of
from serving import Site, serving

DOCS = Path(__file__).parents[1] / "docs"
WEB = ImageReference(image="web-os")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is asked directly, whatever proxy the machine has."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def here(home: Path) -> Iterator[Installation]:
    with Installation(home) as opened:
        yield opened


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as opened:
        yield opened


def source(folder: Path, version: str = "1.0.0") -> Path:
    made = folder / f"source-{version}"
    return made if made.exists() else write_sample_image(made, ImageVersion.parse(version))


def serve(site: Site, folder: Path, *versions: str, **keys: Any) -> None:
    """List versions, each with its archive."""
    entries = []
    for version in versions:
        archive = folder / f"{version}.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(source(folder, version), ".")
        site.documents[f"/{archive.name}"] = archive.read_bytes()
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        entries.append({"version": version, "url": archive.name, "sha256": digest, **keys})
    document = {"format": 1, "images": [{"image": "web-os", "versions": entries}]}
    site.documents["/index.json"] = json.dumps(document).encode()


def corp(site: Site) -> ImageSource:
    return ImageSource(name="corp", place=f"{site.url}/index.json")


def target(here: Installation, location: str, to: str | None = None, **pinned: str) -> str:
    reference = ImageReference(image="web-os", **pinned)
    declared = ScaleSet(name="web", location=location, image_reference=reference)
    return str(target_of(declared, Images(here.home), to))


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *arguments])


def answered(home: Path, *arguments: str) -> Any:
    done = invoke(home, *arguments, "--json")
    assert done.exit_code == 0, done
    return json.loads(done.output)


class TestTarget:
    """R3.2: a run goes to the latest version for the location of its set."""

    def test_the_latest_there(self, here: Installation, tmp_path: Path) -> None:
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        here.publish_image("web-os", "1.1.0", source(tmp_path), regions=["East US"])
        here.publish_image("web-os", "1.2.0", source(tmp_path), excluded_from_latest=True)
        assert target(here, "eastus") == "1.1.0"
        assert target(here, "westeurope") == "1.0.0"

    def test_none_there(self, here: Installation, tmp_path: Path) -> None:
        here.publish_image("web-os", "1.1.0", source(tmp_path), regions=["East US"])
        with pytest.raises(NoVersionForLocation, match="There is one in East US"):
            target(here, "westeurope")

    def test_as_asked_or_pinned(self, here: Installation, tmp_path: Path) -> None:
        """An excluded version is taken where it is named; one that is not there is not."""
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        here.publish_image("web-os", "1.01.0", source(tmp_path), excluded_from_latest=True)
        here.publish_image("web-os", "2.0.0", source(tmp_path), regions=["eastus"])
        assert target(here, "westeurope", to="1.1.0") == "1.01.0"
        assert target(here, "westeurope", version="1.1.0") == "1.01.0"
        assert target(here, "westeurope", to="1.0.0", version="1.1.0") == "1.0.0"
        with pytest.raises(NoVersionForLocation, match=r"2\.0\.0 is replicated to eastus only"):
            target(here, "westeurope", to="2.0.0")
        with pytest.raises(UnknownImageVersion):
            target(here, "eastus", to="9.9.9")


class TestFlags:
    """R3.2: exclusion from latest, per version and per region, changed later."""

    def test_per_version(self, here: Installation, tmp_path: Path) -> None:
        for version in ("1.0.0", "1.1.0"):
            here.publish_image("web-os", version, source(tmp_path))
        here.exclude_image("web-os", "1.1.0")
        assert str(here.latest_image("web-os", "eastus").version) == "1.0.0"
        here.include_image("web-os", "1.1.0")
        assert str(here.latest_image("web-os", "eastus").version) == "1.1.0"

    def test_per_region(self, here: Installation, tmp_path: Path) -> None:
        for version in ("1.0.0", "1.1.0"):
            here.publish_image("web-os", version, source(tmp_path))
        for spelled in ("West Europe", "westeurope"):
            changed = here.exclude_image("web-os", "1.1.0", region=spelled)
            assert changed.excluded_regions == (spelled,)
        assert str(here.latest_image("web-os", "westeurope").version) == "1.0.0"
        assert str(here.latest_image("web-os", "eastus").version) == "1.1.0"
        assert here.include_image("web-os", "1.1.0").excluded_regions == ("westeurope",)
        here.include_image("web-os", "1.1.0", region="WEST EUROPE")
        assert str(here.latest_image("web-os", "westeurope").version) == "1.1.0"

    def test_where_it_is_not(self, here: Installation, tmp_path: Path) -> None:
        here.publish_image("web-os", "1.0.0", source(tmp_path), regions=["eastus"])
        with pytest.raises(InvalidFields, match="replicated to: eastus"):
            here.exclude_image("web-os", "1.0.0", region="eastsu")
        assert here.latest_image("web-os").excluded_regions == ()

    def test_what_does_not_exist(self, here: Installation, tmp_path: Path) -> None:
        with pytest.raises(UnknownImage):
            here.exclude_image("web-os", "1.0.0")
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        for change in (here.exclude_image, here.include_image):
            with pytest.raises(UnknownImageVersion):
                change("web-os", "9.9.9")

    def test_what_another_lists(self, here: Installation, site: Site, tmp_path: Path) -> None:
        serve(site, tmp_path, "1.0.0")
        here.add_image_source(corp(site))
        with pytest.raises(ListedElsewhere, match="'corp'"):
            here.exclude_image("web-os", "1.0.0")
        Images(here.home).obtain(WEB, ImageVersion(1, 0, 0))
        with pytest.raises(ListedElsewhere, match="'corp'"):
            here.exclude_image("web-os", "1.0.0")
        assert str(here.latest_image("web-os").version) == "1.0.0"

    def test_publishing_again(self, here: Installation, tmp_path: Path) -> None:
        """The same content may be listed otherwise, but was published when it was."""
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        first = here.latest_image("web-os")
        here.publish_image("web-os", "1.0.0", source(tmp_path), regions=["eastus"])
        second = here.latest_image("web-os", "eastus")
        assert (first.regions, second.regions) == (None, ("eastus",))
        assert first.published_at == second.published_at is not None

    def test_publishing_again_undoes_no_exclusion(
        self, here: Installation, tmp_path: Path
    ) -> None:
        here.publish_image("web-os", "1.0.0", source(tmp_path), regions=["eastus"])
        here.exclude_image("web-os", "1.0.0")
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        with pytest.raises(NoVersionForLocation, match="excluded from latest"):
            here.latest_image("web-os", "eastus")


class TestSources:
    """R3.1, R3.3: images come from more than one place."""

    def test_of_all(self, here: Installation, site: Site, tmp_path: Path) -> None:
        serve(site, tmp_path, "1.1.0")
        with Installation(tmp_path / "share-home") as other:
            other.publish_image("web-os", "1.2.0", source(tmp_path, "1.2.0"))
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        here.add_image_source(corp(site))
        share = ImageSource(name="share", place=str(tmp_path / "share-home/images"))
        here.add_image_source(share)
        assert [str(each) for each in here.images()["web-os"]] == ["1.0.0", "1.1.0", "1.2.0"]
        assert here.latest_image("web-os").source == "share"
        assert [each for each, _ in here.image_sources()] == [corp(site), share]
        for version in here.images()["web-os"]:
            Images(here.home).obtain(WEB, version)
            assert Images(here.home).store.holds("web-os", version)
        here.remove_image_source("share")
        assert [str(each) for each in here.images()["web-os"]] == ["1.0.0", "1.1.0"]

    def test_fetched_content_keeps_the_regions_of_its_source(
        self, here: Installation, site: Site, tmp_path: Path
    ) -> None:
        """R3.2: a copy here makes a version no latest elsewhere."""
        serve(site, tmp_path, "1.1.0", regions=["eastus"])
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        here.add_image_source(corp(site))
        Images(here.home).obtain(WEB, ImageVersion(1, 1, 0))
        assert target(here, "westeurope") == "1.0.0"
        assert target(here, "eastus") == "1.1.0"

    def test_all_are_asked_at_once(
        self, here: Installation, site: Site, tmp_path: Path
    ) -> None:
        """Each answers only when the other has been asked, too."""
        with serving() as other:
            serve(site, tmp_path, "1.0.0")
            serve(other, tmp_path, "1.1.0")
            site.meeting = other.meeting = threading.Barrier(2, timeout=5)
            here.add_image_source(corp(site))
            here.add_image_source(evolve(corp(other), name="other"))
            looks = here.catalog().looks
        assert [(each.source, each.trouble) for each in looks] == [
            ("home", ""),
            ("corp", ""),
            ("other", ""),
        ]
        assert str(here.catalog().latest(WEB).version) == "1.1.0"

    def test_what_is_here_asks_nobody(
        self, here: Installation, site: Site, tmp_path: Path
    ) -> None:
        here.publish_image("web-os", "1.0.0", source(tmp_path))
        here.add_image_source(corp(site))
        Images(here.home).obtain(WEB, ImageVersion(1, 0, 0))
        assert site.requests == []

    def test_names(self, here: Installation, site: Site) -> None:
        here.add_image_source(corp(site))
        with pytest.raises(ImageSourceExists):
            here.add_image_source(corp(site))
        with pytest.raises(UnknownImageSource, match="Did you mean 'corp'"):
            here.remove_image_source("crop")

    def test_a_document_that_was_edited_badly(self, here: Installation, site: Site) -> None:
        here.add_image_source(corp(site))
        (here.home.path / "image-sources.toml").write_text("sources = [{}]")
        with pytest.raises(InvalidDocument, match=r"image-sources\.toml: 2 problems"):
            here.images()

    def test_only_a_source_that_is_down_may_know_it(
        self, here: Installation, site: Site
    ) -> None:
        site.status = 503
        here.add_image_source(corp(site))
        with pytest.raises(SourceUnavailable, match="it answered 503"):
            here.latest_image("web-os")


class TestFleet:
    """R3.2, R1.2: real processes get the content of a version known only from an endpoint."""

    def test_it(self, ground: Ground, site: Site) -> None:
        serve(site, ground.folder, "1.0.0", "1.1.0")
        with Installation(ground.home) as here:
            here.add_image_source(corp(site))
            here.apply(ground.document())
            here.create_local("web", Shape(instances=1, zones=0), version="1.0.0")
            fetched = [path for path, _ in site.requests if path.endswith(".tar")]
            assert fetched == ["/1.0.0.tar"]
            assert here.plan("web").target == "1.1.0"
            assert "/1.1.0.tar" not in dict(site.requests), "a plan touches nothing"
            site.status = 500
            with pytest.raises(SourceUnavailable):
                here.run("web")
            assert here.history("web") == (), "no run begins without its content"
            site.status = 200
            assert here.run("web").status.target == "1.1.0"
        assert ground.versions() == {"0": "1.1.0"}


class TestNews:
    """R3.4: a publication is noticed without a restart, and once for all processes."""

    def test_it(self, here: Installation, site: Site, tmp_path: Path) -> None:
        serve(site, tmp_path, "1.0.0")
        here.add_image_source(corp(site))
        assert [each.is_new for each in here.refresh_images()] == [True]
        assert here.refresh_images() == ()
        with Installation(here.home.path) as other:
            other.publish_image("web-os", "1.1.0", source(tmp_path, "1.1.0"), regions=["x"])
            assert [str(s.published.version) for s in here.refresh_images()] == ["1.1.0"]
            assert other.refresh_images() == ()
            other.exclude_image("web-os", "1.1.0")
        (changed,) = here.refresh_images()
        assert not changed.is_new
        assert changed.first_seen < changed.seen_at
        site.status = 500
        assert here.refresh_images() == ()


class TestCommandLine:
    """Each verb of `rollproof image`, and what it answers."""

    def test_publish_list_latest(self, home: Path, tmp_path: Path) -> None:
        """R3.2, R3.3."""
        path = str(source(tmp_path))
        invoke(home, "image", "publish", "web-os", "1.0.0", path)
        flags = ["--region", "eastus", "--region", "West US", "--exclude-region", "westus"]
        done = answered(home, "image", "publish", "web-os", "1.1.0", path, *flags)
        assert done == {"published": {"image": "web-os", "version": "1.1.0"}}
        invoke(home, "image", "publish", "web-os", "1.2.0", path, "--exclude-from-latest")
        (listed,) = answered(home, "image", "list")["images"]
        assert (listed["versions"], listed["latest"]) == (["1.0.0", "1.1.0", "1.2.0"], "1.1.0")
        (listed,) = answered(home, "image", "list", "web-os", "--location", "x")["images"]
        assert (listed["versions"], listed["latest"]) == (["1.0.0", "1.2.0"], "1.0.0")
        latest = answered(home, "image", "latest", "web-os", "--location", "East US")
        assert latest["latest"].pop("published_at").endswith("Z")
        assert latest == {
            "image": "web-os",
            "location": "East US",
            "latest": {
                "version": "1.1.0",
                "regions": ["eastus", "West US"],
                "excluded_regions": ["westus"],
                "excluded_from_latest": False,
                "source": "home",
            },
            "sources": [{"name": "home", "as_of": None, "age_ms": None, "trouble": None}],
        }
        text = invoke(home, "image", "list", "web-os").output
        assert "1.1.0; in eastus, West US; excluded from latest in westus\n" in text
        assert invoke(home, "image", "latest", "web-os").output == "1.1.0\n"

    def test_no_version_there(self, home: Path, tmp_path: Path) -> None:
        """R3.2."""
        where = ("--region", "eastus")
        invoke(home, "image", "publish", "web-os", "1.0.0", str(source(tmp_path)), *where)
        refused = invoke(home, "image", "latest", "web-os", "--location", "westus", "--json")
        assert refused.exit_code == 2
        assert json.loads(refused.stderr)["error"]["code"] == "NoVersionForLocation"
        (listed,) = answered(home, "image", "list", "--location", "westus")["images"]
        assert (listed["versions"], listed["latest"]) == ([], None)
        text = invoke(home, "image", "list", "--location", "westus").output
        assert text == "web-os: none there\n"

    def test_exclude_include(self, home: Path, tmp_path: Path) -> None:
        """R3.2."""
        invoke(home, "image", "publish", "web-os", "1.0.0", str(source(tmp_path)))
        at = ("web-os", "1.0.0")
        changed = answered(home, "image", "exclude", *at, "--region", "eastus")["changed"]
        assert changed["excluded_regions"] == ["eastus"]
        assert answered(home, "image", "exclude", *at)["changed"]["excluded_from_latest"]
        assert invoke(home, "image", "latest", "web-os").exit_code == 2
        invoke(home, "image", "include", *at)
        text = invoke(home, "image", "include", *at, "--region", "eastus").output
        assert text == "web-os 1.0.0\n"
        assert invoke(home, "image", "exclude", "web-os", "9.9.9").exit_code == 2

    def test_sources(self, home: Path, site: Site, tmp_path: Path) -> None:
        serve(site, tmp_path, "1.0.0")
        place = f"{site.url}/index.json"
        added = answered(home, "image", "source", "add", "corp", place, "--timeout", "20")
        assert added == {"added": "corp", "place": place}
        assert invoke(home, "image", "source", "add", "corp", place).exit_code == 5
        (listed,) = answered(home, "image", "source", "list")["sources"]
        assert (listed["name"], listed["place"], listed["trouble"]) == ("corp", place, None)
        assert f"corp: {place}; up to date" in invoke(home, "image", "source", "list").output
        site.status = 500
        text = " ".join(invoke(home, "image", "list").output.split())
        assert text.startswith("web-os: 1.0.0 source corp: listed as it was ")
        assert text.endswith(" ago: it answered 500 Internal Server Error")
        (_, told) = answered(home, "image", "list")["sources"]
        assert told["as_of"].endswith("Z")
        assert told["age_ms"] >= 0
        assert answered(home, "image", "source", "remove", "corp") == {"removed": "corp"}
        assert invoke(home, "image", "source", "remove", "corp").exit_code == 2
        assert "image source add" in invoke(home, "image", "source", "list").output

    def test_a_source_never_seen(self, home: Path, site: Site) -> None:
        site.status = 500
        invoke(home, "image", "source", "add", "corp", f"{site.url}/index.json")
        assert "nothing new is known of it" in invoke(home, "image", "list").output
        assert invoke(home, "image", "latest", "web-os").exit_code == 6

    def test_ctrl_c_ends_the_wait(self, ground: Ground, site: Site) -> None:
        """At once, however long the source may take."""
        site.drip = 0.05
        ground.rollproof("image", "source", "add", "corp", site.url, "--timeout", "300")
        with ground.running("image", "list") as asking:
            eventually(lambda: site.requests)
            asking.send_signal(signal.SIGINT)
            assert asking.wait(60) == 130

    def test_a_place_that_is_none(self, home: Path) -> None:
        refused = invoke(home, "image", "source", "add", "corp", "ftp://h/x")
        assert refused.exit_code == 2
        assert "a URL of http or https" in " ".join(refused.output.split())

    def test_a_folder_is_taken_from_where_one_stands(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "images").mkdir()
        added = answered(home, "image", "source", "add", "share", "images")
        assert added["place"] == str(tmp_path / "images")

    def test_a_folder_that_is_not_there(self, home: Path, tmp_path: Path) -> None:
        """It is refused, and so are a file and a name no folder can bear; nothing is added."""
        (tmp_path / "file").touch()
        for place in (tmp_path / "nope", tmp_path / "file", tmp_path / ("x" * 300)):
            refused = invoke(home, "image", "source", "add", "share", str(place))
            assert refused.exit_code == 2
            said = " ".join(refused.output.split())
            assert "where there is no folder; allowed: a folder that is there" in said
            assert "make or mount the folder first" in said
        assert answered(home, "image", "source", "list") == {"sources": []}

    def test_a_folder_that_goes_away_later(self, home: Path, tmp_path: Path) -> None:
        """Whoever asks is told, and it need not come back to be removed."""
        share = tmp_path / "share"
        share.mkdir()
        invoke(home, "image", "source", "add", "share", str(share))
        share.rmdir()
        (listed,) = answered(home, "image", "source", "list")["sources"]
        assert listed["trouble"] == f"there is no folder {share}"
        assert answered(home, "image", "source", "remove", "share") == {"removed": "share"}

    def test_refresh(self, home: Path, tmp_path: Path) -> None:
        """R3.4."""
        invoke(home, "image", "publish", "web-os", "1.0.0", str(source(tmp_path)))
        (news,) = answered(home, "image", "refresh")["news"]
        assert (news["image"], news["new"]) == ("web-os", True)
        assert news["published"]["version"] == "1.0.0"
        assert invoke(home, "image", "refresh").output == "nothing new\n"
        invoke(home, "image", "exclude", "web-os", "1.0.0")
        text = invoke(home, "image", "refresh").output
        assert text == "changed: web-os 1.0.0; excluded from latest\n"

    def test_supported(self, home: Path, here: Installation, tmp_path: Path) -> None:
        """R3.1: the table as shipped, and extended."""
        shipped = answered(home, "image", "supported")["supported"]
        assert len(shipped) == 11
        first = {"publisher": "Canonical", "offer": "UbuntuServer", "sku": "16.04-LTS"}
        assert shipped[0] == first
        more = tmp_path / "more.toml"
        more.write_text('[[images]]\npublisher = "a"\noffer = "b"\nskus = ["c"]\n')
        for _ in range(2):
            assert (
                len(answered(home, "image", "supported", "--add", str(more))["supported"]) == 12
            )
        assert invoke(home, "image", "supported").output.splitlines()[-1].split() == [
            "a",
            "b",
            "c",
        ]
        assert len(list(here.supported_images())) == 12
        more.write_text("[[images]]\n")
        refused = invoke(home, "image", "supported", "--add", str(more))
        assert refused.exit_code == 2
        assert "3 problems" in refused.output
        assert len(list(here.supported_images())) == 12

    def test_every_verb_is_documented(self) -> None:
        page = (DOCS / "command-line.md").read_text("utf-8")
        verbs = [f"image {verb}" for verb in image_verbs.commands if verb != "source"]
        verbs += [f"image source {verb}" for verb in source_verbs.commands]
        for verb in verbs:
            assert re.search(rf"\| `rollproof {verb}[ `]", page), verb
            assert f"rollproof {verb} --json`" in page, verb
            shown = CliRunner().invoke(cli, [*verb.split(), "--help"]).output
            assert "--json" in shown
            for option in re.findall(r"--[a-z-]+", shown):
                if option not in ("--home", "--json", "--help"):
                    assert option in page, option


class TestPage:
    """docs/images.md: what it shows is taken."""

    def test_its_documents(self, here: Installation, tmp_path: Path) -> None:
        page = (DOCS / "images.md").read_text("utf-8")
        (index,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        with serving() as site:
            site.documents["/index.json"] = index.encode()
            here.add_image_source(corp(site))
            assert set(here.images()) == {"web-os", "Canonical~UbuntuServer~18.04-LTS"}
        (rows,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
        (tmp_path / "rows.toml").write_text(rows)
        assert len(list(here.supported_images(tmp_path / "rows.toml"))) > 11
        assert dumps(corp(site))
