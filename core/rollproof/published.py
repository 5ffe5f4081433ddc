"""Published versions of an image, and which of them is the latest somewhere (R3.2).

The law: the latest version for a location is the highest major.minor.patch that is
replicated there and excluded from latest neither as a whole nor there.
"""

from collections.abc import Iterable

from attrs import field, frozen

from rollproof.errors import NoVersionForLocation
from rollproof.images import ImageVersion
from rollproof.locations import location_key


@frozen(kw_only=True)
class Published:
    """One version as a source lists it. Whoever lists it answers for its fields."""

    version: ImageVersion
    """The version, spelled as it was published."""
    regions: tuple[str, ...] | None = None
    """Locations it is replicated to, None for everywhere."""
    excluded_regions: tuple[str, ...] = ()
    """Locations where it is never the latest."""
    excluded_from_latest: bool = False
    """Whether it is the latest nowhere."""
    published_at: int | None = None
    """When, in milliseconds since the Unix epoch; None when nobody noted it."""
    url: str | None = field(default=None, eq=False)
    """Where a tar archive of its content lies; a signed one differs every time."""
    sha256: str | None = None
    """Digest of that archive, in hexadecimal."""
    source: str = field(default="", eq=False)
    """Name of the source that lists it."""

    def is_replicated(self, location: str | None) -> bool:
        """Whether it is there at all; None asks for any place."""
        if location is None or self.regions is None:
            return True
        return location_key(location) in map(location_key, self.regions)

    def is_excluded(self, location: str | None) -> bool:
        """Whether it is kept from being the latest there; None asks for all its places."""
        excluded = {location_key(region) for region in self.excluded_regions}
        if self.excluded_from_latest:
            return True
        if location is not None:
            return location_key(location) in excluded
        return self.regions is not None and excluded >= set(map(location_key, self.regions))

    def is_candidate(self, location: str | None) -> bool:
        """Whether it may be the latest there."""
        return self.is_replicated(location) and not self.is_excluded(location)

    @property
    def offered_in(self) -> tuple[str, ...]:
        """The named locations where it may be the latest."""
        return tuple(region for region in self.regions or () if self.is_candidate(region))

    def why_not(self, location: str | None) -> str:
        """Why it is no candidate there, in words."""
        if not self.is_replicated(location):
            return f"{self.version} is replicated to {', '.join(self.regions or ())} only"
        if self.excluded_from_latest:
            return f"{self.version} is excluded from latest"
        places = self.excluded_regions if location is None else (location,)
        return f"{self.version} is excluded from latest in {', '.join(places)}"


def latest(image: str, versions: Iterable[Published], location: str | None) -> Published:
    """The latest version for a location, or anywhere (R3.2). Raises NoVersionForLocation."""
    listed = sorted(versions, key=lambda each: each.version, reverse=True)
    for each in listed:
        if each.is_candidate(location):
            return each
    raise NoVersionForLocation(
        image,
        location or "",
        tuple(each.why_not(location) for each in listed),
        tuple(sorted({place for each in listed for place in each.offered_in})),
    )
