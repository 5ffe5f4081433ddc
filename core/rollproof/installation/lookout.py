"""What is known of every set, for the schedule: kept in step with journal and images.

Looking costs what has changed: a document is read again when it became another one, an
image is listed as often as the schedule asks for it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable

import attrs

from rollproof.catalog import Catalog
from rollproof.denial import RunFacts
from rollproof.document import loads
from rollproof.errors import RollproofError, UnknownImage
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference, ImageVersion
from rollproof.journal import Declared, Journal
from rollproof.journal.journal import RunRecord
from rollproof.pickup import Publication
from rollproof.policy import UpgradePolicy
from rollproof.published import Published
from rollproof.scheduler import Facts
from rollproof.states import Cause, State

log = logging.getLogger("rollproof.schedule")

Place = tuple[str, str]
"""Where versions are published: the name of an image, and a location."""


Source = Callable[[ImageReference, str], tuple[Published, ...]]
"""The versions of an image that count as latest at a location (R3.2)."""


def nowhere(_reference: ImageReference, _location: str) -> tuple[Published, ...]:
    """No versions, for whoever begins no runs."""
    return ()


def of_catalog(catalog: Catalog) -> Source:
    """The versions that a catalog lists, as of its last look."""

    def versions(reference: ImageReference, location: str) -> tuple[Published, ...]:
        try:
            listed = catalog.versions(reference, location)
        except UnknownImage:
            return ()
        return tuple(each for each in listed if each.is_candidate(location))

    return versions


@attrs.frozen
class _Known:
    document: str
    configured_at: int
    scale_set: ScaleSet

    @property
    def place(self) -> Place:
        return self.scale_set.image_reference.name, self.scale_set.location


class Lookout:
    """Reads what `rollproof.scheduler.decide` is given."""

    def __init__(
        self,
        journal: Journal,
        source: Source,
        *,
        records: bool = True,
        idle: bool = True,
    ) -> None:
        """Unless it ``records``, the journal does not learn of what is seen for the first
        time, and what is seen then is not noted.  Without ``idle`` only sets that have a
        run under way are known."""
        self._journal = journal
        self._source = source
        self._records = records
        self._idle = idle
        self._version: int | None = None
        self._sets: dict[str, _Known] = {}
        self._policies: dict[UpgradePolicy, UpgradePolicy] = {}
        self._at: dict[Place, set[str]] = defaultdict(set)
        self._publications: dict[Place, tuple[Publication, ...]] = {}
        self._read: dict[str, tuple[RunFacts, ...]] = {}
        self._retries: dict[str, int] = {}
        self._stopped: int | None = None
        self.under_way: dict[str, str] = {}
        """The run that holds each set that has one, as of the last `changes`."""

    # -- what may have changed

    def changes(self) -> set[str]:
        """The sets of which other processes may have changed something since the last
        call; at the first call, all."""
        version = self._journal.version()
        if version == self._version:
            return set()
        self._version = version
        return self.read()

    def read(self) -> set[str]:
        """As `changes`, for what this process has changed itself."""
        was, self.under_way = self.under_way, self._journal.under_way()
        # What happens in a run, its host hears; only that it began, or is gone, is news.
        changed = {name for name, _ in was.items() ^ self.under_way.items()}
        for declared in self._journal.declared():
            if (self._idle or declared.name in self.under_way) and self._is_new(declared):
                changed.add(declared.name)
        retries, self._retries = self._retries, self._journal.retries()
        changed.update(name for name, _ in retries.items() ^ self._retries.items())
        stopped, self._stopped = self._stopped, self._journal.stopped_since()
        if stopped != self._stopped:
            changed.update(self._sets)
        return changed & self._sets.keys()

    def _is_new(self, declared: Declared) -> bool:
        known = self._sets.get(declared.name)
        # Changed and changed back since, the document reads the same and is another model.
        if known is not None:
            same = known.document == declared.document
            if same and known.configured_at == declared.configured_at:
                return False
            self._at[known.place].discard(declared.name)
        scale_set = loads(declared.document, path=declared.name)
        policy = scale_set.upgrade_policy  # alike in many sets: held once
        scale_set = attrs.evolve(
            scale_set, upgrade_policy=self._policies.setdefault(policy, policy)
        )
        known = _Known(declared.document, declared.configured_at, scale_set)
        self._sets[declared.name] = known
        self._at[known.place].add(declared.name)
        return True

    def sight(self, now: int) -> set[str]:
        """List every image that a set with automatic upgrades has; the sets that see
        another choice of versions than before."""
        changed: set[str] = set()
        for place, names in self._at.items():
            followers = {
                name for name in names if self._sets[name].scale_set.upgrade_policy.is_automatic
            }
            if followers and self._sees_other(place, next(iter(followers)), now):
                changed |= followers
        return changed

    def _sees_other(self, place: Place, name: str, now: int) -> bool:
        image, location = place
        try:
            offered = self._source(self._sets[name].scale_set.image_reference, location)
        except (RollproofError, OSError) as error:
            log.warning(
                "the versions of %s cannot be listed; those known stand: %s", image, error
            )
            return False
        before = self._publications.get(place, ())
        if [(each.version, each.published_at) for each in before] == [
            (each.version, each.published_at) for each in offered
        ]:
            return False
        seen = self._journal.first_seen(image, location)
        fresh = [str(each.version) for each in offered if str(each.version) not in seen]
        if fresh and self._records:
            self._journal.sight(image, location, fresh, now)
        self._publications[place] = tuple(
            Publication(
                version=each.version,
                published_at=each.published_at,
                first_seen=seen.get(str(each.version), now),
                noted=self._records or str(each.version) in seen,
            )
            for each in offered
        )
        return True

    def began(self, name: str, run: str) -> None:
        """This process has begun a run."""
        self.under_way[name] = run

    # -- what is known

    @property
    def names(self) -> frozenset[str]:
        """The sets that are known."""
        return frozenset(self._sets)

    def scale_set(self, name: str) -> ScaleSet:
        """The set of this name, which is known."""
        return self._sets[name].scale_set

    def facts(self, name: str) -> Facts:
        """What is known of one set now."""
        known = self._sets[name]
        return Facts(
            scale_set=known.scale_set,
            configured_at=known.configured_at,
            publications=self._publications.get(known.place, ()),
            runs=self._runs(name, known.configured_at),
            retry_at=self._retries.get(name),
            stop_all_since=self._stopped,
        )

    def _runs(self, name: str, configured_at: int) -> tuple[RunFacts, ...]:
        """The runs of this model, newest first.  Those before the newest are read once."""
        known = [each for each in self._read.get(name, ()) if each.opened_at >= configured_at]
        since = known[0].opened_at if known else configured_at
        fresh = tuple(map(run_facts, self._journal.history(name, since)))
        read = {each.run for each in fresh}
        self._read[name] = (*fresh, *(each for each in known if each.run not in read))
        return self._read[name]


def run_facts(record: RunRecord) -> RunFacts:
    """A run, as the schedule sees it."""
    charter, counts = record.charter, record.counts
    return RunFacts(
        run=charter.run,
        target=None if charter.undo else ImageVersion.parse(charter.target),
        takes_back=charter.undo.run if charter.undo else "",
        started_by=charter.started_by,
        opened_at=record.opened_at,
        ended_at=record.closed_at,
        cause=Cause(counts.stop),
        completed=record.state is State.COMPLETED,
        shut=bool(counts.shut),
        awaiting_until=record.opened_at + charter.approval_wait if counts.deferred else None,
    )
