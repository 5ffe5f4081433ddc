"""What a home has seen of its image sources, across processes: since when each version is
known. Without it every restart would take all versions for news."""

from attrs import field, frozen

from rollproof.adapters.files import locked, write_json
from rollproof.bounds import table, tables, text, whole
from rollproof.catalog import Catalog, Sighting
from rollproof.document import load_path_as
from rollproof.host import Home
from rollproof.index import Entry
from rollproof.reading import write_table
from rollproof.validation import Declared, declare

_TIME = whole(0, 2**63)


@frozen(kw_only=True)
class Seen(Declared):
    """One sighting, as it is kept."""

    image: str = field(metadata=declare(text(".+", "a name", "web-os"), "Name of the image."))
    entry: Entry = field(metadata=declare(table(Entry), "The version, as it was listed."))
    first_seen: int = field(metadata=declare(_TIME, "Milliseconds since 1970."))
    seen_at: int = field(metadata=declare(_TIME, "Milliseconds since 1970."))

    @property
    def sighting(self) -> Sighting:
        """What the catalog makes of it."""
        return Sighting(
            image=self.image,
            published=self.entry.published(""),
            first_seen=self.first_seen,
            seen_at=self.seen_at,
        )


@frozen(kw_only=True)
class AllSeen(Declared):
    """All of them."""

    seen: tuple[Seen, ...] = field(default=(), metadata=declare(tables(Seen), "The sightings."))


def look_anew(home: Home, catalog: Catalog, at: int) -> tuple[Sighting, ...]:
    """Refresh the catalog: what is new since the last time that any process of this home
    did so. `at` is the time, in milliseconds since the Unix epoch."""
    home.make()
    path = home.path / "sightings.json"
    with locked(home.path / "sightings.lock"):
        if path.exists():
            sightings = [each.sighting for each in load_path_as(AllSeen, path).seen]
            catalog.sightings = {(s.image, s.published.version): s for s in sightings}
        fresh = catalog.refresh(at)
        if fresh:
            kept = AllSeen(seen=tuple(map(_kept, catalog.sightings.values())))
            write_json(path, write_table(kept))
    return fresh


def _kept(sighting: Sighting) -> Seen:
    return Seen(
        image=sighting.image,
        entry=Entry.of_published(sighting.published),
        first_seen=sighting.first_seen,
        seen_at=sighting.seen_at,
    )
