"""Which instance stands in which phase, and what a run must remember of each.

The ledger is an index-addressed table: an instance gets an index when it is first seen
and keeps it.  Instances of one zone and update domain are kept side by side (a *lane*),
so a batch is chosen by scanning bytes, and a report costs the same in a set of a
thousand and of a million.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, cast

import attrs

from rollproof.counts import PHASE_COUNT, PHASES
from rollproof.fleet import Health, Instance
from rollproof.table import ABSENT
from rollproof.versioned import Versioned

CODE: Final[Mapping[str, int]] = {name: code for code, name in enumerate(PHASES)}
"""Phase code by phase name."""

IN_FLIGHT: Final = frozenset(
    CODE[name] for name in ("replacing", "awaiting", "restoring", "recovering")
)


def _codes(*beginnings: str) -> frozenset[int]:
    return frozenset(code for name, code in CODE.items() if name.startswith(beginnings))


_UPGRADED_HEALTHY: Final = CODE["upgraded_healthy"]
HEALTHY: Final = frozenset(code for name, code in CODE.items() if name.endswith("_healthy"))
UPGRADED: Final = _codes("upgraded")
SKIPPED: Final = _codes("skipped")
OPEN: Final = _codes("pending", "skipped")
"""Not attempted: what is observed decides whether they are ours to touch."""
ATTEMPTED: Final = frozenset(CODE.values()) - OPEN


class Place(NamedTuple):
    """Where an instance stands in the set."""

    zone: str
    update_domain: str


class Lane(NamedTuple):
    """A stretch of neighbouring indexes with one place."""

    zone: str
    update_domain: str
    start: int
    stop: int


@attrs.define(eq=False)
class Roster:
    """Who has which index: a value that only grows.

    A roster shares its lists with those that it grew from, and owns the first ``size``
    entries.  What stands behind them belongs to another branch of the run: it is copied
    away before this one grows, so that branches never see each other.  In this branch's
    ledger such an index reads as absent.
    """

    ids: list[str] = attrs.Factory(list)
    index: dict[str, int] = attrs.Factory(dict)
    places: list[Place] = attrs.Factory(list)
    lanes: list[Lane] = attrs.Factory(list)
    size: int = 0

    def enrol(self, *instances: Instance, alone: bool = False) -> Roster:
        """A roster in which each of these, which differ in id, has a new index: the last
        ones, in their order.

        O(1) for an instance, except where a branch is left or a known one moves: then
        O(size), unless the caller is ``alone`` with this roster and may give up the old one.
        """
        names = [instance.id for instance in instances]
        own = self
        if len(self.ids) != self.size or not (alone or self.index.keys().isdisjoint(names)):
            own = self._copy()
        own.ids.extend(names)
        size = len(own.ids)
        own.index.update(zip(names, range(self.size, size), strict=True))
        for place, neighbours in groupby(instances, _place_of):
            own._extend_lanes(Place(*place), len([*neighbours]))
        return Roster(own.ids, own.index, own.places, own.lanes, size)

    def place_of(self, index: int) -> Place:
        """Zone and update domain of the instance with this index."""
        return self.places[index]

    def seats(self, index: int, instance: Instance) -> bool:
        """Whether ``index`` stands in the lane where the instance belongs."""
        if not 0 <= index < self.size:
            return False
        return self.places[index] == (instance.zone, instance.update_domain)

    def _copy(self) -> Roster:
        """The same roster, sharing nothing."""
        ids = self.ids[: self.size]
        lanes = [
            lane._replace(stop=min(lane.stop, self.size))
            for lane in self.lanes
            if lane.start < self.size
        ]
        # Of the indexes that a moved instance has had, the last is the one that counts.
        index = {name: at for at, name in enumerate(ids)}
        return Roster(ids, index, self.places[: self.size], lanes, self.size)

    def _extend_lanes(self, place: Place, length: int) -> None:
        """So many stand at this place who come next; neighbours share one value."""
        start = len(self.places)
        stop = start + length
        if self.places and self.places[-1] == place:
            place = self.places[-1]
            self.lanes[-1] = self.lanes[-1]._replace(stop=stop)
        else:
            self.lanes.append(Lane(*place, start, stop))
        self.places.extend([place] * length)


_place_of = attrgetter("zone", "update_domain")


class Ledger(NamedTuple):
    """The concrete half of a run's state; the counts are its sums."""

    roster: Roster
    phases: Versioned[int]
    """Phase code by index, one byte each."""
    versions: Versioned[str | None]
    """Last observed version by index; None: unknown.  Of an instance in the phase
    upgraded_healthy the phase says it: the target.  In flight it is what was observed
    before; on the way back, what its watch saw last."""
    before: Versioned[str | None]
    """By index, the version that ran before this run touched the instance."""
    lives: Mapping[int, int]
    """Attempt number by index, where it is not 1: the instance vanished while or after
    it was attempted, and came back.  A life takes two numbers: the second is borne by
    the watch over its way back, so that no two commands about it share a key."""
    approved: frozenset[str] | None = None
    """Instances that are not withheld; None: nobody is (R4.11)."""

    def find(self, instance: str) -> int | None:
        """The index of an instance that is in the set."""
        index = self.roster.index.get(instance)
        if index is None or self.phases.cells()[index] == ABSENT:
            return None
        return index

    def phase_of(self, instance: str) -> str | None:
        """The phase of an instance; None when it is not in the set."""
        index = self.find(instance)
        return None if index is None else PHASES[self.phases.cells()[index]]

    def withholds(self, target: str) -> bool:
        """Whether an instance is left alone for want of an approval alone, as far as is
        known: it was not seen on the target (R4.11)."""
        if self.approved is None:
            return False
        ids, seen = self.roster.ids, self.versions.cells()
        return any(
            code in SKIPPED and ids[index] not in self.approved and seen[index] != target
            for index, code in enumerate(self.phases.cells())
        )

    def attempt(self, index: int) -> int:
        """The number that commands about this instance bear now."""
        return self.lives.get(index, 1)

    def size(self) -> int:
        """Instances in the set."""
        cells = cast(bytearray, self.phases.cells())
        return len(cells) - cells.count(ABSENT)

    def members(self) -> Iterator[tuple[str, str]]:
        """Instance and phase name, for all that are in the set."""
        for name, code in zip(self.roster.ids, self.phases.cells(), strict=False):
            if code != ABSENT:
                yield name, PHASES[code]

    def tally(self) -> tuple[int, ...]:
        """Instances per phase, counted anew: what the counts must equal."""
        cells = bytes(self.phases.cells())
        return tuple(cells.count(code) for code in range(PHASE_COUNT))


def empty_ledger(*, withholding: bool = False) -> Ledger:
    """A ledger of no instances; the first survey fills it."""
    approved = frozenset[str]() if withholding else None
    return Ledger(Roster(), Versioned(bytearray()), Versioned([]), Versioned([]), {}, approved)


def is_healthy(instance: Instance, code: int, target: str) -> bool:
    """Whether an instance in phase ``code`` counts as healthy (R5.3, S9).

    An upgraded instance that no longer runs the target does not.
    """
    if instance.health is not Health.HEALTHY:
        return False
    return code not in UPGRADED or instance.version == target


def is_exempt(
    instance: Instance, code: int, target: str, approved: frozenset[str] | None = None
) -> bool:
    """Whether the run must leave the instance alone: protected, on the target, or withheld
    (R1.4, R4.11).

    Where the version cannot be read, what was decided before stands.
    """
    if instance.protected or (approved is not None and instance.id not in approved):
        return True
    if instance.version is None:
        return code in SKIPPED
    return instance.version == target


def news(
    ledger: Ledger, target: str, fleet: Collection[Instance]
) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    """What a survey says that the ledger does not know: instances that differ, sorted
    into lanes, and the ids of those that are gone (S11)."""
    differing = []
    known = 0
    cells, versions, roster = ledger.phases.cells(), ledger.versions.cells(), ledger.roster
    for instance in fleet:
        index = roster.index.get(instance.id)
        code = ABSENT if index is None else cells[index]
        if index is None or code == ABSENT:
            differing.append(instance)
            continue
        known += 1
        if code in IN_FLIGHT:
            continue
        version = target if code == _UPGRADED_HEALTHY else versions[index]
        if (
            version != instance.version
            or (code in HEALTHY) != is_healthy(instance, code, target)
            or (
                code in OPEN
                and is_exempt(instance, code, target, ledger.approved) != (code in SKIPPED)
            )
            or not roster.seats(index, instance)
        ):
            differing.append(instance)
    differing.sort(key=lambda i: (i.zone, i.update_domain, i.id))
    if known == ledger.size():
        return tuple(differing), ()
    seen = {instance.id for instance in fleet}
    gone = tuple(name for name, _ in ledger.members() if name not in seen)
    return tuple(differing), gone
