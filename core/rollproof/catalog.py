"""The catalog: what all sources of images list together, and what is new (R3.1-R3.4).

Sources are asked in order, and a version that several list is taken from the first. A
source that cannot be asked keeps its last answer; it hides no other source.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from rollproof.errors import (
    NoVersionForLocation,
    SourceUnavailable,
    UnknownImage,
    UnknownImageVersion,
)
from rollproof.images import ImageReference, ImageVersion
from rollproof.published import Published, latest


@frozen
class Look:
    """What asking a source came to."""

    source: str
    """Name of the source."""
    as_of: int | None = None
    """When what it lists was last confirmed, in milliseconds since the Unix epoch; None
    for a source without a copy: it lists what is so now, or nothing."""
    trouble: str = ""
    """Why it could not be asked, "" when it could."""


class Source(Protocol):
    """Something that lists images: a folder, an endpoint."""

    @property
    def name(self) -> str:
        """Its name, unique in a catalog."""
        ...

    def refresh(self) -> Look:
        """Ask anew. Never raises for what is wrong out there: that is the trouble told."""
        ...

    def images(self) -> tuple[str, ...]:
        """Names of the images listed, as `ImageReference.name` spells them."""
        ...

    def versions(
        self, reference: ImageReference, location: str | None = None
    ) -> tuple[Published, ...]:
        """Its versions, or those replicated to a location; empty when it lists none.

        Answers from the last look, and takes the first one by itself.
        """
        ...


@frozen(kw_only=True)
class Sighting:
    """A version as it was last seen, and since when."""

    image: str
    """Name of the image."""
    published: Published
    """The version."""
    first_seen: int
    """When it was seen for the first time, in milliseconds since the Unix epoch."""
    seen_at: int
    """When it was last seen to be new, or listed otherwise than before."""

    @property
    def is_new(self) -> bool:
        """Whether it is a publication, and not a change of one."""
        return self.first_seen == self.seen_at


Sightings = Mapping[tuple[str, ImageVersion], Sighting]


Asking = Callable[[Sequence[Source]], tuple[Look, ...]]
"""Asks every source anew: what that came to, in the order of the sources."""


def one_by_one(sources: Sequence[Source]) -> tuple[Look, ...]:
    """The plainest way of asking."""
    return tuple(source.refresh() for source in sources)


class Catalog:
    """All sources as one. It is a source itself, but for its name."""

    def __init__(
        self,
        sources: Sequence[Source],
        sightings: Sightings | None = None,
        *,
        asking: Asking = one_by_one,
    ) -> None:
        """`sightings` is what an earlier catalog had seen; `asking`, how sources are asked."""
        self.sources = tuple(sources)
        self._asking = asking
        self.sightings: Sightings = dict(sightings or {})
        self._looks: tuple[Look, ...] | None = None

    @property
    def looks(self) -> tuple[Look, ...]:
        """What asking each source came to; asks for the first time when needed."""
        if self._looks is None:
            self._looks = self._asking(self.sources)
        return self._looks

    def refresh(self, at: int) -> tuple[Sighting, ...]:
        """Ask every source anew: what is new or listed otherwise since the last time.

        `at` is the time, in milliseconds since the Unix epoch. What no source lists any
        more stays seen, so that its return is no publication.
        """
        self._looks = self._asking(self.sources)
        seen = dict(self.sightings)
        fresh = []
        for image in self.images():
            for published in self.versions(ImageReference.named(image)):
                key = image, published.version
                before = seen.get(key)
                if before is None or before.published != published:
                    first = at if before is None else before.first_seen
                    seen[key] = Sighting(
                        image=image, published=published, first_seen=first, seen_at=at
                    )
                    fresh.append(seen[key])
        self.sightings = seen
        return tuple(fresh)

    def images(self) -> tuple[str, ...]:
        """Names of all images, sorted."""
        if self._looks is None:
            self._looks = self._asking(self.sources)
        return tuple(sorted({image for source in self.sources for image in source.images()}))

    def versions(
        self, reference: ImageReference, location: str | None = None
    ) -> tuple[Published, ...]:
        """The versions of an image, lowest first, or those replicated to a location (R3.3).

        Raises UnknownImage, or SourceUnavailable where a source that cannot be asked may
        know it.
        """
        looks = self.looks
        found: dict[ImageVersion, Published] = {}
        for source in self.sources:
            for published in source.versions(reference):
                found.setdefault(published.version, published)
        if not found:
            for look in looks:
                if look.trouble:
                    raise SourceUnavailable(look.source, look.trouble)
            raise UnknownImage(reference.name, self.images())
        return tuple(found[v] for v in sorted(found) if found[v].is_replicated(location))

    def latest(self, reference: ImageReference, location: str | None = None) -> Published:
        """The latest version for a location, or anywhere (R3.2).

        Raises UnknownImage, SourceUnavailable, NoVersionForLocation.
        """
        return latest(reference.name, self.versions(reference), location)

    def version(
        self, reference: ImageReference, wanted: ImageVersion, location: str | None = None
    ) -> Published:
        """One version, as it was published; excluded from latest or not.

        Raises UnknownImage, SourceUnavailable, UnknownImageVersion, and
        NoVersionForLocation where it is not replicated to the location.
        """
        listed = self.versions(reference)
        known = {each.version: each for each in listed}
        if wanted not in known:
            spelled = tuple(str(each.version) for each in listed)
            raise UnknownImageVersion(reference.name, str(wanted), spelled)
        found = known[wanted]
        if not found.is_replicated(location):
            why = (found.why_not(location),)
            raise NoVersionForLocation(reference.name, location or "", why, found.regions or ())
        return found
