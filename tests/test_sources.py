"""Sources of images: a folder, and an endpoint over real HTTP on loopback (R3.2, R3.3)."""

import asyncio
import hashlib
import json
import ssl
import tarfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollproof.adapters.local import write_sample_image
from rollproof.adapters.sources import (
    DirectorySource,
    EndpointSource,
    ImageSource,
    ImageSources,
)
from rollproof.adapters.sources.at_once import at_once
from rollproof.adapters.store import ImageStore
from rollproof.catalog import Look, Source
from rollproof.document import dumps, loads_as
from rollproof.errors import (
    ImageVersionExists,
    InvalidDocument,
    InvalidFields,
    InvalidImage,
    SourceUnavailable,
    UnknownImage,
)
from rollproof.images import ImageReference, ImageVersion
from rollproof.published import Published
from serving import Site, serving

WEB = ImageReference(image="web-os")
V1, V2 = ImageVersion(1, 0, 0), ImageVersion(1, 1, 0)
CERTIFICATES = Path(__file__).parent


class Clock:
    def __init__(self) -> None:
        self.now = 1000

    def __call__(self) -> int:
        return self.now


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is asked directly, whatever proxy the machine has."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(site: Site, tmp_path: Path, clock: Clock) -> EndpointSource:
    return endpoint(site, tmp_path, clock)


def endpoint(site: Site, folder: Path, clock: Clock, timeout: float = 30) -> EndpointSource:
    url = f"{site.url}/index.json?key=secret"
    return EndpointSource(
        "corp", url, folder / "indexes/corp.json", clock=clock, timeout=timeout
    )


def index(*versions: str, **keys: object) -> bytes:
    listed = [{"version": version, **keys} for version in versions]
    document = {"format": 1, "images": [{"image": "web-os", "versions": listed}]}
    return json.dumps(document).encode()


def spelled(source: Source, location: str | None = None) -> list[str]:
    return [str(each.version) for each in source.versions(WEB, location)]


def image(folder: Path, version: ImageVersion = V1) -> Path:
    return write_sample_image(folder / f"source-{version}", version)


class TestDirectory:
    """A folder: what another installation published, on a share."""

    def test_it_lists_what_is_published_there(self, tmp_path: Path) -> None:
        store = ImageStore(tmp_path / "share")
        store.publish("web-os", V1, image(tmp_path))
        listing = Published(version=V2, regions=("eastus",), published_at=7)
        store.publish("web-os", V2, image(tmp_path, V2), listing=listing)
        source = DirectorySource("share", ImageStore(tmp_path / "share"))
        assert source.refresh() == Look("share")
        assert source.images() == ("web-os",)
        assert spelled(source) == ["1.0.0", "1.1.0"]
        assert spelled(source, "westeurope") == ["1.0.0"]
        found = source.versions(WEB)[1]
        assert (found, found.source) == (listing, "share")

    def test_a_publication_is_seen_at_the_next_look(self, tmp_path: Path) -> None:
        store = ImageStore(tmp_path / "share")
        store.publish("web-os", V1, image(tmp_path))
        source = DirectorySource("share", store)
        assert spelled(source) == ["1.0.0"]
        store.publish("web-os", V2, image(tmp_path, V2))
        assert spelled(source) == ["1.0.0"]
        source.refresh()
        assert spelled(source) == ["1.0.0", "1.1.0"]

    def test_a_share_that_goes_away_hides_nothing(self, tmp_path: Path) -> None:
        store = ImageStore(tmp_path / "share")
        store.publish("web-os", V1, image(tmp_path))
        source = DirectorySource("share", store)
        source.refresh()
        store.root.rename(tmp_path / "elsewhere")
        assert "there is no folder" in source.refresh().trouble
        assert spelled(source) == ["1.0.0"]

    def test_a_folder_that_is_no_store(self, tmp_path: Path) -> None:
        (tmp_path / "share/web-os/notes").mkdir(parents=True)
        source = DirectorySource("share", ImageStore(tmp_path / "share"))
        assert "major.minor.patch" in source.refresh().trouble
        assert source.images() == ()

    def test_a_folder_that_cannot_even_be_looked_for(self, tmp_path: Path) -> None:
        """As where no one may look: it is trouble, not a crash."""
        source = DirectorySource("share", ImageStore(tmp_path / ("x" * 300)))
        assert "name too long" in source.refresh().trouble
        assert source.images() == ()

    def test_its_content_is_copied_once(self, tmp_path: Path) -> None:
        share, home = ImageStore(tmp_path / "share"), ImageStore(tmp_path / "home")
        share.publish("web-os", V1, image(tmp_path))
        source = DirectorySource("share", share)
        (found,) = source.versions(WEB)
        source.obtain("web-os", found, home)
        assert home.digest("web-os", V1) == share.digest("web-os", V1)
        assert home.published("web-os") == (), "the share lists it, and we do not"
        share.root.rename(tmp_path / "elsewhere")
        source.obtain("web-os", found, home)
        with pytest.raises(UnknownImage):
            source.obtain("web-os", found, ImageStore(tmp_path / "third"))


class TestIndex:
    """R3.3: what an endpoint lists, asked as seldom and as cheaply as can be."""

    def test_it_is_asked_once(self, site: Site, source: EndpointSource, clock: Clock) -> None:
        site.documents["/index.json"] = index("1.0.0", "1.1.0", regions=["eastus"])
        assert source.images() == ("web-os",)
        assert spelled(source) == ["1.0.0", "1.1.0"]
        assert spelled(source, "East US") == ["1.0.0", "1.1.0"]
        assert spelled(source, "westeurope") == []
        assert source.versions(ImageReference(image="other")) == ()
        assert site.requests == [("/index.json?key=secret", None)]

    def test_what_has_not_changed_is_not_sent_again(
        self, site: Site, source: EndpointSource, clock: Clock
    ) -> None:
        site.documents["/index.json"] = index("1.0.0")
        assert source.refresh() == Look("corp", 1000)
        clock.now = 2000
        assert source.refresh() == Look("corp", 2000)
        assert site.statuses == [200, 304]
        assert spelled(source) == ["1.0.0"]

    def test_nor_after_a_restart(
        self, site: Site, source: EndpointSource, tmp_path: Path, clock: Clock
    ) -> None:
        site.documents["/index.json"] = index("1.0.0")
        source.refresh()
        restarted = endpoint(site, tmp_path, clock)
        assert spelled(restarted) == ["1.0.0"]
        assert site.statuses == [200, 304]

    def test_a_publication_is_seen_at_the_next_look(
        self, site: Site, source: EndpointSource
    ) -> None:
        site.documents["/index.json"] = index("1.0.0")
        source.refresh()
        site.documents["/index.json"] = index("1.0.0", "1.1.0")
        source.refresh()
        assert spelled(source) == ["1.0.0", "1.1.0"]
        assert site.statuses == [200, 200]

    def test_from_within_an_event_loop(self, site: Site, source: EndpointSource) -> None:
        site.documents["/index.json"] = index("1.0.0")

        async def ask() -> list[str]:
            return spelled(source)

        assert asyncio.run(ask()) == ["1.0.0"]


class TestTrouble:
    """Whatever goes wrong, the last good index is listed, and its age is told."""

    @pytest.fixture
    def known(self, site: Site, source: EndpointSource, clock: Clock) -> EndpointSource:
        site.documents["/index.json"] = index("1.0.0")
        source.refresh()
        clock.now = 5000
        return source

    def test_an_answer_that_is_none(self, site: Site, known: EndpointSource) -> None:
        for status in (500, 404, 302, 204):
            site.status = status
            look = known.refresh()
            assert look.as_of == 1000
            assert f"it answered {status}" in look.trouble
            assert spelled(known) == ["1.0.0"]
        site.status = 200
        assert known.refresh() == Look("corp", 5000)

    def test_nobody_answers(
        self, site: Site, known: EndpointSource, tmp_path: Path, clock: Clock
    ) -> None:
        gone = Site()
        gone.url = site.url
        with serving() as other:
            gone.url = other.url
            other.documents["/index.json"] = index("1.0.0")
            endpoint(gone, tmp_path, clock).refresh()
        look = (restarted := endpoint(gone, tmp_path, clock)).refresh()
        assert look.as_of == 5000
        assert look.trouble
        assert spelled(restarted) == ["1.0.0"]

    def test_too_slow_as_a_whole(
        self, site: Site, known: EndpointSource, tmp_path: Path, clock: Clock
    ) -> None:
        """A byte now and then is no answer, however long it goes on."""
        site.drip = 0.05
        began = time.monotonic()
        slow = endpoint(site, tmp_path, clock, timeout=0.5)
        look = slow.refresh()
        assert look == Look("corp", 1000, "no whole answer within 0.5 s")
        assert time.monotonic() - began < 30
        assert spelled(slow) == ["1.0.0"]

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "format"),
            (b"<html>", "TOML"),
            (b'{"format": 1', "JSON"),
            (b"\xff\xfe\x00", "TOML"),
            (b'{"format": 1, "format": 1}', "twice"),
            (b'{"format": 9, "images": [{"image": "a~b"}]}', "2 problems"),
            (index("1.0.0", "1.00.0"), "second time"),
        ],
        ids=["empty", "html", "cut", "binary", "twice", "two problems", "same version"],
    )
    def test_a_document_that_is_no_index(
        self,
        site: Site,
        known: EndpointSource,
        tmp_path: Path,
        clock: Clock,
        *,
        body: bytes,
        words: str,
    ) -> None:
        """Every problem is named, and the good one is kept, with its ETag."""
        site.documents["/index.json"] = body
        look = known.refresh()
        assert words in look.trouble
        assert "secret" not in look.trouble
        assert look.as_of == 1000
        assert spelled(known) == ["1.0.0"]
        known.refresh()
        assert site.statuses == [200, 200, 200], "no 304 makes a bad document good"
        restarted = endpoint(site, tmp_path, clock)
        assert restarted.refresh().as_of == 1000
        assert spelled(restarted) == ["1.0.0"]

    def test_too_long(self, site: Site, tmp_path: Path, clock: Clock) -> None:
        site.documents["/index.json"] = index("1.0.0") + b" " * 1000
        short = EndpointSource(
            "corp", f"{site.url}/index.json", tmp_path / "c.json", clock=clock, limit=1000
        )
        assert short.refresh() == Look("corp", trouble="it answered with more than 1000 bytes")
        assert short.images() == ()

    def test_encoded(self, site: Site, source: EndpointSource) -> None:
        """What is packed may have no end."""
        site.documents["/index.json"] = index("1.0.0")
        site.headers["Content-Encoding"] = "gzip"
        assert "encoded as gzip" in source.refresh().trouble

    def test_304_out_of_the_blue(self, site: Site, source: EndpointSource) -> None:
        site.status = 304
        assert "304" in source.refresh().trouble

    def test_never_seen(self, site: Site, source: EndpointSource) -> None:
        site.status = 500
        assert source.refresh() == Look("corp", trouble="it answered 500 Internal Server Error")
        assert source.images() == ()

    def test_without_a_plain_etag(self, site: Site, source: EndpointSource) -> None:
        site.documents["/index.json"] = index("1.0.0")
        for etag in ("", "\xe9"):
            site.headers["ETag"] = etag
            assert not source.refresh().trouble
        assert {known for _, known in site.requests} == {None}

    @pytest.mark.parametrize("kept", ["", "{}", '{"url": 3}', "\0"], ids=repr)
    def test_a_damaged_copy(
        self, site: Site, known: EndpointSource, tmp_path: Path, clock: Clock, kept: str
    ) -> None:
        (tmp_path / "indexes/corp.json").write_text(kept)
        assert not known.refresh().trouble
        assert spelled(known) == ["1.0.0"]
        assert site.statuses == [200, 200]

    def test_a_copy_that_is_no_index_any_more(
        self, site: Site, known: EndpointSource, tmp_path: Path
    ) -> None:
        path = tmp_path / "indexes/corp.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "text": "{}"}))
        known.refresh()
        assert site.statuses == [200, 200]

    def test_the_copy_of_another_endpoint(
        self, site: Site, known: EndpointSource, tmp_path: Path, clock: Clock
    ) -> None:
        moved = EndpointSource(
            "corp", f"{site.url}/other", tmp_path / "indexes/corp.json", clock=clock
        )
        assert moved.refresh().as_of is None
        assert moved.images() == ()

    def test_nowhere_to_keep_it(self, site: Site, tmp_path: Path, clock: Clock) -> None:
        (tmp_path / "indexes").write_text("a file")
        site.documents["/index.json"] = index("1.0.0")
        source = endpoint(site, tmp_path, clock)
        look = source.refresh()
        assert look.trouble.startswith("its index cannot be kept: ")
        assert look.as_of == 1000
        assert spelled(source) == ["1.0.0"]


class TestTls:
    """Certificates are verified; a CA of one's own may be named."""

    @pytest.fixture
    def secure(self) -> Iterator[Site]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATES / "loopback.pem")
        with serving(tls) as opened:
            opened.documents["/index.json"] = index("1.0.0")
            yield opened

    def asked(self, site: Site, folder: Path, ca_file: Path | None) -> Look:
        url = f"{site.url}/index.json"
        made = EndpointSource("corp", url, folder / "c.json", clock=Clock(), ca_file=ca_file)
        return made.refresh()

    def test_an_unknown_certificate_is_refused(self, secure: Site, tmp_path: Path) -> None:
        assert "CERTIFICATE_VERIFY_FAILED" in self.asked(secure, tmp_path, None).trouble
        assert secure.requests == []

    def test_a_ca_of_ones_own(self, secure: Site, tmp_path: Path) -> None:
        ca_file = CERTIFICATES / "loopback-ca.pem"
        assert self.asked(secure, tmp_path, ca_file) == Look("corp", 1000)

    def test_a_ca_file_that_is_none(self, secure: Site, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        for name in ("ca.pem", "none.pem"):
            look = self.asked(secure, tmp_path, tmp_path / name)
            assert look.trouble.startswith(f"its CA file {tmp_path / name}")


class TestContent:
    """An archive is fetched on demand, and unpacked once its digest is seen to be right."""

    @pytest.fixture
    def archive(self, site: Site, tmp_path: Path) -> bytes:
        path = tmp_path / "web.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(image(tmp_path), ".")
        return path.read_bytes()

    @pytest.fixture
    def store(self, tmp_path: Path) -> ImageStore:
        return ImageStore(tmp_path / "home")

    def listed(self, site: Site, archive: bytes, **keys: object) -> None:
        site.documents["/web.tar.gz"] = archive
        whole = {
            "url": "web.tar.gz?sig=secret",
            "sha256": hashlib.sha256(archive).hexdigest(),
            **keys,
        }
        kept = {key: value for key, value in whole.items() if value}
        site.documents["/index.json"] = index("1.0.0", **kept)

    def test_it_is_fetched_once(
        self, site: Site, source: EndpointSource, store: ImageStore, archive: bytes
    ) -> None:
        self.listed(site, archive)
        (found,) = source.versions(WEB)
        for _ in range(2):
            source.obtain("web-os", found, store)
        assert (store.path("web-os", V1) / "bin/start").is_file()
        assert [path for path, _ in site.requests[1:]] == ["/web.tar.gz?sig=secret"]
        assert store.published("web-os") == (), "the endpoint lists it, and we do not"
        assert sorted(path.name for path in store.root.iterdir()) == [
            ".fetch.lock",
            ".lock",
            "web-os",
        ]

    def test_publishing_what_was_fetched_lists_it(
        self,
        site: Site,
        source: EndpointSource,
        store: ImageStore,
        archive: bytes,
        tmp_path: Path,
    ) -> None:
        self.listed(site, archive)
        source.obtain("web-os", source.versions(WEB)[0], store)
        store.publish("web-os", V1, tmp_path / "source-1.0.0")
        assert [str(each.version) for each in store.published("web-os")] == ["1.0.0"]
        with pytest.raises(ImageVersionExists):
            store.publish("web-os", V1, image(tmp_path, V2))

    def test_another_digest(
        self, site: Site, source: EndpointSource, store: ImageStore, archive: bytes
    ) -> None:
        """Nothing is unpacked, and nothing is left."""
        self.listed(site, archive, sha256="0" * 64)
        with pytest.raises(InvalidImage, match="the index promises 0000") as refused:
            source.obtain("web-os", source.versions(WEB)[0], store)
        assert "secret" not in str(refused.value)
        assert not store.holds("web-os", V1)
        assert not (store.root / ".fetch").exists()

    def test_no_image(self, site: Site, source: EndpointSource, store: ImageStore) -> None:
        """Its digest is right, and it is refused as any other archive."""
        self.listed(site, b"not an archive")
        with pytest.raises(InvalidImage, match="cannot be read"):
            source.obtain("web-os", source.versions(WEB)[0], store)
        assert store.images() == []

    def test_too_long(
        self, site: Site, source: EndpointSource, archive: bytes, tmp_path: Path
    ) -> None:
        self.listed(site, archive)
        small = ImageStore(tmp_path / "small", limit=len(archive) - 1)
        with pytest.raises(SourceUnavailable, match="more than"):
            source.obtain("web-os", source.versions(WEB)[0], small)
        assert small.images() == []

    def test_not_there(
        self, site: Site, source: EndpointSource, store: ImageStore, archive: bytes
    ) -> None:
        self.listed(site, archive)
        del site.documents["/web.tar.gz"]
        with pytest.raises(SourceUnavailable, match="it answered 404"):
            source.obtain("web-os", source.versions(WEB)[0], store)
        assert not store.holds("web-os", V1)

    def test_listed_without_content(
        self, site: Site, source: EndpointSource, store: ImageStore, archive: bytes
    ) -> None:
        self.listed(site, archive, url=None, sha256=None)
        with pytest.raises(InvalidImage, match="lists it without its content"):
            source.obtain("web-os", source.versions(WEB)[0], store)

    def test_after_a_fetch_that_was_killed(
        self, site: Site, source: EndpointSource, store: ImageStore, archive: bytes
    ) -> None:
        self.listed(site, archive)
        (store.root / ".fetch").mkdir(parents=True)
        (store.root / ".fetch/web.tar.gz").write_bytes(b"half of it")
        source.obtain("web-os", source.versions(WEB)[0], store)
        assert store.holds("web-os", V1)


class TestAtOnce:
    """Sources are asked together, and answer in their order."""

    def test_the_slowest_first(self) -> None:
        """Each waits for the one after it to have answered."""
        answered = [threading.Event() for _ in range(4)]
        answered[3].set()

        class Slow(DirectorySource):
            def __init__(self, number: int) -> None:
                super().__init__(f"s{number}", ImageStore(Path("/nowhere")))
                self.number = number

            def refresh(self) -> Look:
                waited = answered[self.number + 1].wait(20)
                answered[self.number].set()
                return Look(self.name, trouble="" if waited else "nobody came")

        looks = at_once([Slow(number) for number in range(3)])
        assert looks == (Look("s0"), Look("s1"), Look("s2"))

    def test_what_one_raises_is_raised(self, tmp_path: Path) -> None:
        class Broken(DirectorySource):
            def refresh(self) -> Look:
                raise MemoryError(self.name)

        store = ImageStore(tmp_path)
        with pytest.raises(MemoryError, match="b"):
            at_once([DirectorySource("a", store), Broken("b", store)])

    def test_none(self) -> None:
        assert at_once([]) == ()


class TestDeclaring:
    def test_names_are_borne_once(self) -> None:
        """Else one of two would be asked no more, and nobody told."""
        text = '[[sources]]\nname = "corp"\nplace = "/a"\n'
        with pytest.raises(InvalidDocument, match=r"sources\[1\]\.name: 'corp'"):
            loads_as(ImageSources, text + text)

    def test_a_document_makes_sources(self, tmp_path: Path, clock: Clock) -> None:
        declared = ImageSources(
            sources=(
                ImageSource(name="share", place=str(tmp_path)),
                ImageSource(
                    name="corp",
                    place="https://images.example.org/index.json?a=b",
                    ca_file="/etc/ca.pem",
                    timeout=timedelta(seconds=3),
                ),
            )
        )
        assert loads_as(ImageSources, dumps(declared)) == declared
        made = [each.made(tmp_path, clock) for each in declared.sources]
        assert [type(each) for each in made] == [DirectorySource, EndpointSource]
        assert [each.name for each in made] == ["share", "corp"]

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"name": "home"}, "name"),
            ({"name": "A"}, "name"),
            ({"place": "images"}, "place"),
            ({"place": "ftp://h/x"}, "place"),
            ({"place": "https://user:word@h/x"}, "place"),
            ({"ca_file": "ca.pem"}, "ca_file"),
            ({"place": "http://h/x", "ca_file": "/ca.pem"}, "ca_file"),
            ({"place": "/srv", "ca_file": "/ca.pem"}, "ca_file"),
            ({"timeout": timedelta(0)}, "timeout"),
            ({"timeout": 3}, "timeout"),
        ],
        ids=repr,
    )
    def test_what_is_no_source(self, fields: dict[str, Any], wrong: str) -> None:
        with pytest.raises(InvalidFields) as refused:
            ImageSource(**{"name": "corp", "place": "https://h/x"} | fields)
        assert [problem.field for problem in refused.value.problems] == [wrong]
