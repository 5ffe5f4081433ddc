"""An image store on disk: publish a folder or an archive, look versions up.

<root>/<image>/<version>/
    content/            the files of the image; `bin/start` is its entry point
    digest              of the content

A version appears by one rename and never changes. What a publication leaves that was
killed halfway is a `.new-*` folder, cleaned by the next one.
"""

import os
import shutil
import tempfile
from pathlib import Path

from rollproof.adapters.archive import unpack
from rollproof.adapters.files import flush, flush_one, locked
from rollproof.adapters.tree import GIB, copy, digest, entry_point
from rollproof.errors import (
    ImageVersionExists,
    InvalidFields,
    Problem,
    UnknownImage,
    UnknownImageVersion,
)
from rollproof.images import ImageReference, ImageVersion

_FRESH = ".new-"


class ImageStore:
    """The published images beneath one folder."""

    def __init__(self, root: Path, *, limit: int = GIB) -> None:
        """`limit` bounds the bytes of one image, unpacked."""
        self.root = root.absolute()
        self.limit = limit

    def publish(self, image: str, version: ImageVersion, source: Path) -> Path:
        """Publish a folder or a tar archive as a version; the path of its content.

        The same content again changes nothing. Raises ImageVersionExists for other
        content under a published version, InvalidImage for a source that cannot serve
        as an image, and InvalidFields for a name that cannot be one.
        """
        _check(image)
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / ".lock"):
            for leftover in self.root.glob(f"{_FRESH}*"):
                shutil.rmtree(leftover)
            fresh = Path(tempfile.mkdtemp(prefix=_FRESH, dir=self.root))
            try:
                return self._publish(image, version, source, fresh)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def _publish(self, image: str, version: ImageVersion, source: Path, fresh: Path) -> Path:
        content = fresh / "content"
        if source.is_dir():
            copy(source, content, self.limit)
        else:
            unpack(source, content, self.limit)
        entry_point(content, source)
        found = digest(content)
        if (published := self._folder(image, version)) is not None:
            if (published / "digest").read_text() != found:
                raise ImageVersionExists(image, published.name)
            return published / "content"
        (fresh / "digest").write_text(found)
        fresh.chmod(0o755)  # mkdtemp's 0700 would hide the image from other users
        flush(fresh)
        target = self.root / image / str(version)
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


def _check(image: str) -> None:
    """Raises InvalidFields unless an image reference could bear the name."""
    match image.split("~"):
        case [name]:
            ImageReference(image=name)
        case [publisher, offer, sku]:
            ImageReference(publisher=publisher, offer=offer, sku=sku)
        case _:
            problem = Problem("image", repr(image[:60]), "a name, or publisher~offer~sku")
            raise InvalidFields((problem,))
