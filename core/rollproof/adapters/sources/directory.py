"""A folder as a source of images: an image store, here or on a mounted share."""

from __future__ import annotations

from attrs import evolve

from rollproof.adapters.sources.remembering import Listed, Remembering
from rollproof.adapters.store import ImageStore
from rollproof.catalog import Look
from rollproof.errors import RollproofError
from rollproof.published import Published


class DirectorySource(Remembering):
    """Lists what is published in an image store."""

    def __init__(self, name: str, store: ImageStore, *, required: bool = True) -> None:
        """A folder that is not there is trouble, unless it is not `required` yet."""
        super().__init__(name)
        self._store = store
        self._required = required

    def obtain(self, image: str, published: Published, store: ImageStore) -> None:
        """Have the content of a version in a store.

        Raises what `ImageStore.publish` does, UnknownImage and UnknownImageVersion.
        """
        if not store.holds(image, published.version):
            content = self._store.path(image, published.version)
            store.publish(image, published.version, content, fetched=self.name)

    def _ask(self, known: Listed) -> tuple[Listed, Look]:
        try:
            if self._required and not self._store.root.is_dir():
                return known, Look(self.name, trouble=f"there is no folder {self._store.root}")
            return self._read(), Look(self.name)
        except (RollproofError, OSError) as error:
            return known, Look(self.name, trouble=f"{self._store.root}: {error}")

    def _read(self) -> Listed:
        found = {}
        for image in self._store.images():
            if listed := self._store.published(image):
                found[image] = tuple(evolve(each, source=self.name) for each in listed)
        return found
