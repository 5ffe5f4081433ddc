"""The images of an installation: its own store, and the sources it was told of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from attrs import evolve

from rollproof.adapters.sources import DirectorySource, Supplier
from rollproof.adapters.sources.at_once import at_once
from rollproof.adapters.sources.declared import HOME
from rollproof.adapters.store import ImageStore
from rollproof.catalog import Catalog, Sighting
from rollproof.errors import ListedElsewhere
from rollproof.host import Home, wall_clock
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation.image_files import ImageFiles
from rollproof.installation.sightings import look_anew
from rollproof.locations import location_key
from rollproof.published import Published


class Images:
    """Asks each source once, when it is first needed, and again on `refresh`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.files = ImageFiles(home)
        self.store = ImageStore(home.images)

    @cached_property
    def catalog(self) -> Catalog:
        """All sources as one, the installation's own first."""
        return Catalog(tuple(self._suppliers.values()), asking=at_once)

    @cached_property
    def _suppliers(self) -> dict[str, Supplier]:
        suppliers: dict[str, Supplier] = {
            HOME: DirectorySource(HOME, self.store, required=False)
        }
        for each in self.files.sources():
            suppliers[each.name] = each.made(self.files.indexes, wall_clock)
        return suppliers

    def refresh(self) -> tuple[Sighting, ...]:
        """Ask every source anew: what is new, or listed otherwise, since the last time."""
        return look_anew(self._home, self.catalog, wall_clock())

    def obtain(self, reference: ImageReference, version: ImageVersion) -> None:
        """Have the content of a listed version here, fetched where it has to be.

        Raises UnknownImage, UnknownImageVersion, SourceUnavailable, InvalidImage.
        """
        if not self.store.holds(reference.name, version):
            published = self.catalog.version(reference, version)
            self._suppliers[published.source].obtain(reference.name, published, self.store)

    # -- published here

    def publish(self, image: str, listing: Published, source: Path) -> None:
        """Publish a folder or a tar archive; see `ImageStore.publish`.

        The same content again is no later publication, and is listed as before unless
        `listing` says more than the version: a script that publishes twice must not undo
        an exclusion.
        """
        self._home.make()
        held = {each.version: each for each in self._own(image)}.get(listing.version)
        if held is None:
            dated = evolve(listing, published_at=wall_clock())
        elif listing == Published(version=listing.version):
            dated = held
        else:
            dated = evolve(listing, published_at=held.published_at)
        self.store.publish(image, listing.version, source, listing=dated)

    def exclude(self, image: str, version: ImageVersion, region: str | None) -> Published:
        """Keep a version from being the latest, anywhere or in one region (R3.2).

        Raises UnknownImage, UnknownImageVersion, ListedElsewhere, and InvalidFields for a
        region where it is not.
        """

        def excluded(each: Published) -> Published:
            if region is None:
                return evolve(each, excluded_from_latest=True)
            return evolve(each, excluded_regions=(*_without(each, region), region))

        return self._relist(image, version, excluded)

    def include(self, image: str, version: ImageVersion, region: str | None) -> Published:
        """Undo `exclude` of the same region, or of no region; raises what it does."""

        def included(each: Published) -> Published:
            if region is None:
                return evolve(each, excluded_from_latest=False)
            return evolve(each, excluded_regions=_without(each, region))

        return self._relist(image, version, included)

    def _relist(
        self, image: str, version: ImageVersion, change: Callable[[Published], Published]
    ) -> Published:
        if version not in (each.version for each in self._own(image)):
            found = self.catalog.version(ImageReference.named(image), version)
            raise ListedElsewhere(image, str(found.version), found.source)
        return self.store.relist(image, version, change)

    def _own(self, image: str) -> tuple[Published, ...]:
        return self.store.published(image)


def _without(each: Published, region: str) -> tuple[str, ...]:
    """The excluded regions but for this one."""
    return tuple(r for r in each.excluded_regions if location_key(r) != location_key(region))
