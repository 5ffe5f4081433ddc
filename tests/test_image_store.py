"""The image store: what is published, what is refused, what a crash leaves (R3.2, R3.3)."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from rollproof.adapters.local import write_sample_image
from rollproof.adapters.store import ImageStore
from rollproof.errors import (
    ImageVersionExists,
    InvalidDocument,
    InvalidFields,
    InvalidImage,
    ListedElsewhere,
    UnknownImage,
    UnknownImageVersion,
)
from rollproof.images import ImageVersion
from rollproof.published import Published

V1 = ImageVersion.parse("1.0.0")
V2 = ImageVersion.parse("1.1.0")
V10 = ImageVersion.parse("1.10.0")


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_sample_image(tmp_path / "source", V1)


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    """An archive of just these members."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    return member


START = (entry("bin/start", mode=0o755), b"#!/bin/sh\n")


class TestPublishing:
    def test_a_folder(self, store: ImageStore, source: Path) -> None:
        content = store.publish("web-os", V1, source)
        assert content == store.path("web-os", V1)
        assert os.access(content / "bin/start", os.X_OK)
        assert len(store.digest("web-os", V1)) == 64

    @pytest.mark.parametrize(
        ("ending", "mode"),
        [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.xz", "w:xz")],
        ids=["tar", "tar.gz", "tgz", "tar.xz"],
    )
    def test_an_archive_equals_its_folder(
        self, store: ImageStore, source: Path, tmp_path: Path, ending: str, mode: str
    ) -> None:
        (source / "current").symlink_to("bin/start")
        packed = tmp_path / f"image{ending}"
        with tarfile.open(packed, mode) as tar:  # type: ignore[call-overload]
            tar.add(source, ".")
        store.publish("web-os", V1, packed)
        store.publish("web-os", V1, source)  # the same content: no ImageVersionExists

    def test_other_content_under_a_published_version(
        self, store: ImageStore, source: Path
    ) -> None:
        store.publish("web-os", V1, source)
        before = store.digest("web-os", V1)
        (source / "more").write_text("more")
        with pytest.raises(ImageVersionExists):
            store.publish("web-os", V1, source)
        assert store.digest("web-os", V1) == before
        assert not (store.path("web-os", V1) / "more").exists()

    def test_one_version_however_it_is_spelled(self, store: ImageStore, source: Path) -> None:
        store.publish("web-os", ImageVersion.parse("1.00.0"), source)
        assert store.publish("web-os", V1, source) == store.path("web-os", V1)
        assert [str(version) for version in store.versions("web-os")] == ["1.00.0"]

    def test_a_platform_image(self, store: ImageStore, source: Path) -> None:
        store.publish("Canonical~UbuntuServer~18.04-LTS", V1, source)
        assert store.images() == ["Canonical~UbuntuServer~18.04-LTS"]

    @pytest.mark.parametrize("name", ["", "..", "../out", "a/b", ".lock", "a~b", "a~b~c~d"])
    def test_a_name_no_image_can_have(self, store: ImageStore, source: Path, name: str) -> None:
        with pytest.raises(InvalidFields):
            store.publish(name, V1, source)
        assert store.images() == []


class TestListing:
    """R3.2: where a version is replicated and excluded, kept beside its content."""

    LISTING = Published(
        version=V1,
        regions=("eastus", "West Europe"),
        excluded_regions=("westeurope",),
        published_at=1_700_000_000_123,
    )

    def test_it_is_kept(self, store: ImageStore, source: Path) -> None:
        store.publish("web-os", V1, source, listing=self.LISTING)
        assert ImageStore(store.root).published("web-os") == (self.LISTING,)

    def test_without_one_it_is_replicated_everywhere(
        self, store: ImageStore, source: Path
    ) -> None:
        for version in (V10, V2):
            store.publish("web-os", version, source)
        assert store.published("web-os") == (Published(version=V2), Published(version=V10))
        assert store.published("other") == ()

    def test_it_is_changed_where_it_is_given_again(
        self, store: ImageStore, source: Path
    ) -> None:
        store.publish("web-os", V1, source, listing=self.LISTING)
        store.publish("web-os", V1, source)
        assert store.published("web-os") == (self.LISTING,)
        store.publish("web-os", V1, source, listing=Published(version=V1))
        assert store.published("web-os") == (Published(version=V1),)

    def test_other_content_does_not_change_it(self, store: ImageStore, source: Path) -> None:
        store.publish("web-os", V1, source)
        (source / "more").write_text("more")
        with pytest.raises(ImageVersionExists):
            store.publish("web-os", V1, source, listing=self.LISTING)
        assert store.published("web-os") == (Published(version=V1),)

    def test_what_no_listing_may_say(self, store: ImageStore, source: Path) -> None:
        wrong = evolve(self.LISTING, excluded_regions=("nowhere",))
        with pytest.raises(InvalidFields, match="nowhere"):
            store.publish("web-os", V1, source, listing=wrong)
        assert store.images() == []
        store.publish("web-os", V1, source, listing=self.LISTING)
        with pytest.raises(InvalidFields, match="nowhere"):
            store.relist("web-os", V1, lambda _: wrong)
        assert store.published("web-os") == (self.LISTING,)

    def test_a_version_is_spelled_as_it_was_first(
        self, store: ImageStore, source: Path
    ) -> None:
        store.publish("web-os", ImageVersion.parse("1.00.0"), source)
        store.publish("web-os", V1, source, listing=self.LISTING)
        assert [str(each.version) for each in store.published("web-os")] == ["1.00.0"]

    def test_relisting(self, store: ImageStore, source: Path) -> None:
        store.publish("web-os", V1, source)
        before = store.digest("web-os", V1)
        changed = store.relist("web-os", V1, lambda each: evolve(each, regions=("eastus",)))
        assert store.published("web-os") == (changed,)
        assert changed.regions == ("eastus",)
        assert store.digest("web-os", V1) == before
        with pytest.raises(UnknownImageVersion):
            store.relist("web-os", V2, lambda each: each)

    def test_a_copy_is_held_and_not_listed(self, store: ImageStore, source: Path) -> None:
        store.publish("web-os", V1, source, fetched="corp")
        assert store.holds("web-os", V1)
        assert not store.holds("web-os", V2)
        assert store.published("web-os") == ()
        with pytest.raises(ListedElsewhere, match="'corp'"):
            store.relist("web-os", V1, lambda each: each)
        store.publish("web-os", V1, source, fetched="corp")
        assert store.published("web-os") == ()

    def test_what_was_published_is_no_copy_for_being_fetched(
        self, store: ImageStore, source: Path
    ) -> None:
        store.publish("web-os", V1, source, listing=self.LISTING)
        store.publish("web-os", V1, source, fetched="corp")
        assert store.published("web-os") == (self.LISTING,)

    def test_a_listing_damaged_by_hand(self, store: ImageStore, source: Path) -> None:
        store.publish("web-os", V1, source, listing=self.LISTING)
        (store.path("web-os", V1).parent / "published.json").write_text('{"regions": []}')
        with pytest.raises(InvalidDocument, match="2 problems"):
            store.published("web-os")


class TestLookingUp:
    def test_versions_are_ordered_by_their_numbers(
        self, store: ImageStore, source: Path
    ) -> None:
        for version in (V10, V1, V2):
            store.publish("web-os", version, source)
        assert store.versions("web-os") == [V1, V2, V10]
        assert store.latest("web-os") == V10
        assert store.images() == ["web-os"]

    def test_what_is_not_there(self, store: ImageStore, source: Path) -> None:
        assert store.images() == []
        with pytest.raises(UnknownImage):
            store.latest("web-os")
        store.publish("web-os", V1, source)
        with pytest.raises(UnknownImageVersion, match=r"1\.0\.0"):
            store.path("web-os", V2)
        with pytest.raises(UnknownImage, match="web-os"):
            store.path("web-oz", V1)


BAD_MEMBERS = {
    "traversal": [START, (entry("../out"), b"x")],
    "traversal within": [START, (entry("a/../../out"), b"x")],
    "absolute": [START, (entry("/tmp/rollproof-out"), b"x")],
    "link out": [START, (entry("out", tarfile.SYMTYPE, "../.."), b"")],
    "absolute link": [START, (entry("out", tarfile.SYMTYPE, "/etc"), b"")],
    "link up behind a link": [
        START,
        (entry("a/b/top", tarfile.SYMTYPE, "../.."), b""),
        (entry("out", tarfile.SYMTYPE, "a/b/top/../secret"), b""),
    ],
    "hard link out": [START, (entry("out", tarfile.LNKTYPE, "../../etc/passwd"), b"")],
    "member beneath a link": [
        START,
        (entry("down", tarfile.SYMTYPE, "bin"), b""),
        (entry("down/file"), b"x"),
    ],
    "member upon a link": [
        START,
        (entry("down", tarfile.SYMTYPE, "bin/start"), b""),
        (entry("down"), b"x"),
    ],
    "device": [START, (entry("zero", tarfile.CHRTYPE), b"")],
    "fifo": [START, (entry("pipe", tarfile.FIFOTYPE), b"")],
    "no entry point": [(entry("readme"), b"x")],
    "entry point not executable": [(entry("bin/start"), b"#!/bin/sh\n")],
    "entry point is a folder": [(entry("bin/start", tarfile.DIRTYPE, mode=0o755), b"")],
    "too large": [START, (entry("large"), b"x" * 300_000)],
    "name too long": [START, (entry("n" * 300), b"x")],
}


class TestRefusals:
    @pytest.mark.parametrize("members", BAD_MEMBERS.values(), ids=BAD_MEMBERS)
    def test_a_bad_archive(
        self, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
    ) -> None:
        store = ImageStore(tmp_path / "store", limit=200_000)
        with pytest.raises(InvalidImage):
            store.publish("web-os", V1, archive(tmp_path / "bad.tar", *members))
        assert store.images() == []
        assert {path.name for path in tmp_path.iterdir()} == {"store", "bad.tar"}
        assert {path.name for path in store.root.iterdir()} == {".lock"}

    def test_a_small_archive_of_a_large_image(self, tmp_path: Path) -> None:
        store = ImageStore(tmp_path / "store", limit=200_000)
        bomb = archive(
            tmp_path / "bomb.tgz", START, (entry("zeros"), bytes(50_000_000)), mode="w:gz"
        )
        assert bomb.stat().st_size < 200_000
        with pytest.raises(InvalidImage, match="200000 bytes"):
            store.publish("web-os", V1, bomb)

    def test_a_header_that_is_a_bomb_itself(self, tmp_path: Path) -> None:
        store = ImageStore(tmp_path / "store", limit=200_000)
        member = entry("file")
        member.pax_headers = {"comment": "x" * 50_000_000}
        bomb = archive(tmp_path / "bomb.tgz", START, (member, b""), mode="w:gz")
        with pytest.raises(InvalidImage, match="more than"):
            store.publish("web-os", V1, bomb)

    @pytest.mark.parametrize("ending", [".tar", ".tgz", ".tar.xz"])
    @pytest.mark.parametrize("part", [0, 5, 60, 700])
    def test_a_damaged_archive(
        self, store: ImageStore, source: Path, tmp_path: Path, ending: str, part: int
    ) -> None:
        modes = {".tar": "w", ".tgz": "w:gz", ".tar.xz": "w:xz"}
        packed = tmp_path / f"image{ending}"
        with tarfile.open(packed, modes[ending]) as tar:  # type: ignore[call-overload]
            tar.add(source, ".")
        packed.write_bytes(packed.read_bytes()[:part])
        with pytest.raises(InvalidImage):
            store.publish("web-os", V1, packed)
        assert store.images() == []

    def test_no_archive_and_no_file(self, store: ImageStore, tmp_path: Path) -> None:
        text = tmp_path / "image.txt"
        text.write_text("x")
        with pytest.raises(InvalidImage, match="ends in"):
            store.publish("web-os", V1, text)
        with pytest.raises(InvalidImage, match="no such"):
            store.publish("web-os", V1, tmp_path / "missing.tar")

    @pytest.mark.parametrize("target", ["/etc", "../..", "bin/../../.."])
    def test_a_folder_with_a_link_out(
        self, store: ImageStore, source: Path, target: str
    ) -> None:
        (source / "out").symlink_to(target)
        with pytest.raises(InvalidImage, match="leads out"):
            store.publish("web-os", V1, source)

    def test_a_folder_with_a_fifo(self, store: ImageStore, source: Path) -> None:
        os.mkfifo(source / "pipe")
        with pytest.raises(InvalidImage, match="pipe"):
            store.publish("web-os", V1, source)

    def test_a_folder_too_large(self, tmp_path: Path, source: Path) -> None:
        (source / "large").write_bytes(bytes(300_000))
        with pytest.raises(InvalidImage, match="more than"):
            ImageStore(tmp_path / "store", limit=200_000).publish("web-os", V1, source)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_publisher_killed_halfway_leaves_nothing_published(
    store: ImageStore, source: Path
) -> None:
    for number in range(3_000):
        (source / f"file-{number}").write_text("x")
    program = (
        "import sys; from pathlib import Path\n"
        "from rollproof.adapters.store import ImageStore\n"
        "from rollproof.images import ImageVersion\n"
        "ImageStore(Path(sys.argv[1])).publish("
        "'web-os', ImageVersion.parse('1.0.0'), Path(sys.argv[2]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, store.root, source]) as publisher:
        wait_for(lambda: any(store.root.glob(".new-*/content/file-1*")))
        publisher.send_signal(signal.SIGKILL)
    assert store.images() == []
    assert list(store.root.glob(".new-*"))
    store.publish("web-os", V1, source)
    assert not list(store.root.glob(".new-*"))
    assert len(list(store.path("web-os", V1).iterdir())) == 3_004
