"""An image store on disk: publish a folder or an archive, look versions up.

<root>/<image>/<version>/
    content/            the files of the image; `bin/start` is its entry point
    digest              of the content
    published.json      how it is listed: regions, exclusions, when it was published;
                        without it the version is replicated everywhere
    fetched             name of the source that lists it, where this is but a copy

A version appears by one rename and its content never changes. What a publication leaves
that was killed halfway is a `.new-*` folder, cleaned by the next one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from rollproof.adapters.archive import unpack
from rollproof.adapters.files import flush, flush_one, locked, write_json
from rollproof.adapters.tree import GIB, copy, digest, entry_point
from rollproof.document import load_path_as
from rollproof.errors import (
    ImageVersionExists,
    ListedElsewhere,
    UnknownImage,
    UnknownImageVersion,
)
from rollproof.images import ImageReference, ImageVersion
from rollproof.index import Entry
from rollproof.published import Published
from rollproof.reading import write_table

_ENTRY, _FETCHED = "published.json", "fetched"
_FRESH = ".new-"


class ImageStore:
    """The published images beneath one folder."""

    def __init__(self, root: Path, *, limit: int = GIB) -> None:
        """`limit` bounds the bytes of one image, unpacked."""
        self.root = root.absolute()
        self.limit = limit

    def publish(
        self,
        image: str,
        version: ImageVersion,
        source: Path,
        *,
        listing: Published | None = None,
        fetched: str = "",
    ) -> Path:
        """Publish a folder or a tar archive as a version; the path of its content.

        `listing` says where it is replicated and excluded, everywhere and nowhere without
        it. The same content again changes no more than that. With `fetched`, the name of
        a source, it is kept as a copy, which the source lists and this store does not.

        Raises ImageVersionExists for other content under a published version,
        InvalidImage for a source that cannot serve as an image, and InvalidFields for a
        name that cannot be one.
        """
        ImageReference.named(image)
        entry = None if listing is None else Entry.of_published(listing)
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / ".lock"):
            for leftover in self.root.glob(f"{_FRESH}*"):
                shutil.rmtree(leftover)
            fresh = Path(tempfile.mkdtemp(prefix=_FRESH, dir=self.root))
            try:
                found = _fill(fresh / "content", source, self.limit)
                if (held := self._folder(image, version)) is None:
                    (fresh / "digest").write_text(found)
                    if fetched:
                        (fresh / _FETCHED).write_text(fetched)
                    _note(fresh, entry)
                    return self._enter(fresh, self.root / image / str(version))
                if (held / "digest").read_text() != found:
                    raise ImageVersionExists(image, held.name)
                if not fetched:
                    _note(held, entry)
                    (held / _FETCHED).unlink(missing_ok=True)
                return held / "content"
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def _enter(self, fresh: Path, target: Path) -> Path:
        """Let the version appear; the path of its content."""
        fresh.chmod(0o755)  # mkdtemp's 0700 would hide the image from other users
        flush(fresh)
        target.parent.mkdir(exist_ok=True)
        os.rename(fresh, target)
        flush_one(target.parent)
        flush_one(self.root)
        return target / "content"

    def images(self) -> list[str]:
        """Names of the images that have a version, sorted."""
        if not self.root.is_dir():
            return []
        names = (path.name for path in self.root.iterdir() if not path.name.startswith("."))
        return sorted(name for name in names if self._found(name))

    def versions(self, image: str) -> list[ImageVersion]:
        """Its versions, lowest first (R3.3). Raises UnknownImage."""
        if found := self._found(image):
            return sorted(found)
        raise UnknownImage(image, tuple(self.images()))

    def latest(self, image: str) -> ImageVersion:
        """Its highest version (R3.2). Raises UnknownImage."""
        return self.versions(image)[-1]

    def published(self, image: str) -> tuple[Published, ...]:
        """Its versions as they are listed, lowest first, without copies (R3.2, R3.3).

        Raises InvalidDocument for a listing that was damaged by hand.
        """
        folders = (self.root / image / str(version) for version in sorted(self._found(image)))
        return tuple(_listing(each) for each in folders if not (each / _FETCHED).exists())

    def relist(
        self, image: str, version: ImageVersion, change: Callable[[Published], Published]
    ) -> Published:
        """List a published version otherwise (R3.2).

        Raises UnknownImage, UnknownImageVersion, ListedElsewhere for a copy, and
        InvalidFields for what no listing may say.
        """
        folder = self.path(image, version).parent
        with locked(self.root / ".lock"):
            if (folder / _FETCHED).exists():
                source = (folder / _FETCHED).read_text()
                raise ListedElsewhere(image, folder.name, source)
            changed = change(_listing(folder))
            _note(folder, Entry.of_published(changed))
        return changed

    def holds(self, image: str, version: ImageVersion) -> bool:
        """Whether the content of the version is here, as a copy or not."""
        return self._folder(image, version) is not None

    def path(self, image: str, version: ImageVersion) -> Path:
        """Folder with the content. Raises UnknownImage, UnknownImageVersion."""
        versions = self.versions(image)
        if (folder := self._folder(image, version)) is None:
            raise UnknownImageVersion(image, str(version), tuple(map(str, versions)))
        return folder / "content"

    def digest(self, image: str, version: ImageVersion) -> str:
        """Digest of the content. Raises UnknownImage, UnknownImageVersion."""
        return (self.path(image, version).parent / "digest").read_text()

    def _found(self, image: str) -> list[ImageVersion]:
        folder = self.root / image
        if not image or "/" in image or image.startswith(".") or not folder.is_dir():
            return []
        return [ImageVersion.parse(path.name) for path in folder.iterdir()]

    def _folder(self, image: str, version: ImageVersion) -> Path | None:
        """Folder of the version, however it was spelled when published."""
        for found in self._found(image):
            if found == version:
                return self.root / image / str(found)
        return None


def _fill(content: Path, source: Path, limit: int) -> str:
    """Bring the content of an image there; its digest. Raises InvalidImage."""
    if source.is_dir():
        copy(source, content, limit)
    else:
        unpack(source, content, limit)
    entry_point(content, source)
    return digest(content)


def _listing(folder: Path) -> Published:
    version = ImageVersion.parse(folder.name)  # which is how it was spelled first
    if (folder / _ENTRY).exists():
        return evolve(load_path_as(Entry, folder / _ENTRY).published(""), version=version)
    return Published(version=version)


def _note(folder: Path, entry: Entry | None) -> None:
    if entry is not None:
        write_json(folder / _ENTRY, write_table(entry))
        flush_one(folder / _ENTRY)
