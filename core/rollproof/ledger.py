"""Which instance stands in which phase, and what a run must remember of each.

The ledger is an index-addressed table: an instance gets an index when it is first seen
and keeps it.  Instances of one zone and update domain are kept side by side (a *lane*),
so a batch is chosen by scanning bytes, and a report costs the same in a set of a
thousand and of a million.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

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
ATTEMPTED: Final = frozenset(
    code for name, code in CODE.items() if not name.startswith(("pending", "skipped"))
)
UPGRADED: Final = frozenset((CODE["upgraded_healthy"], CODE["upgraded_unhealthy"]))


class Lane(NamedTuple):
    """A stretch of neighbouring indexes with one zone and one update domain."""

    zone: str
    update_domain: str
    start: int
    stop: int


@attrs.define(eq=False)
class Roster:
    """Who has which index: a value that only grows, one instance at a time.

    A roster shares its lists with those that it grew from, and owns the first ``size``
    entries.  What stands behind them belongs to another branch of the run: it is copied
    away before this one grows, so that branches never see each other.  In this branch's
    ledger such an index reads as absent.
    """

    ids: list[str] = attrs.Factory(list)
    index: dict[str, int] = attrs.Factory(dict)
    lanes: list[Lane] = attrs.Factory(list)
    size: int = 0

    def enrol(self, instance: Instance) -> Roster:
        """A roster in which ``instance`` has a new index, the last.

        O(1), except where a branch is left or a known instance moves: then O(size).
        """
        own = self
        if len(self.ids) != self.size or instance.id in self.index:
            own = self._copy()
        own.ids.append(instance.id)
        own.index[instance.id] = self.size
        own._into_lane(instance, self.size)
        return Roster(own.ids, own.index, own.lanes, self.size + 1)

    def lane_of(self, index: int) -> Lane:
        """The lane in which ``index`` stands."""
        low, high = 0, len(self.lanes)
        while high - low > 1:
            middle = (low + high) // 2
            if self.lanes[middle].start <= index:
                low = middle
            else:
                high = middle
        return self.lanes[low]

    def seats(self, index: int, instance: Instance) -> bool:
        """Whether ``index`` stands in the lane where the instance belongs."""
        if not 0 <= index < self.size:
            return False
        lane = self.lane_of(index)
        return lane.zone == instance.zone and lane.update_domain == instance.update_domain

    def _copy(self) -> Roster:
        """The same roster, sharing nothing."""
        ids = self.ids[: self.size]
        lanes = [
            lane._replace(stop=min(lane.stop, self.size))
            for lane in self.lanes
            if lane.start < self.size
        ]
        # Of the indexes that a moved instance has had, the last is the one that counts.
        return Roster(ids, {name: at for at, name in enumerate(ids)}, lanes, self.size)

    def _into_lane(self, instance: Instance, index: int) -> None:
        if self.lanes:
            zone, domain, start, stop = self.lanes[-1]
            if (zone, domain) == (instance.zone, instance.update_domain):
                self.lanes[-1] = Lane(zone, domain, start, stop + 1)
                return
        self.lanes.append(Lane(instance.zone, instance.update_domain, index, index + 1))


class Ledger(NamedTuple):
    """The concrete half of a run's state; the counts are its sums."""

    roster: Roster
    phases: Versioned[int]
    """Phase code by index, one byte each."""
    versions: Versioned[str | None]
    """Last observed version by index; None: unknown."""
    before: Versioned[str | None]
    """By index, the version that ran before this run touched the instance."""
    lives: Mapping[int, int]
    """Attempt number by index, where it is not 1: the instance vanished while or after
    it was attempted, and came back.  A life takes two numbers: the second is borne by
    the watch over its way back, so that no two commands about it share a key."""

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

    def attempt(self, index: int) -> int:
        """The number that commands about this instance bear now."""
        return self.lives.get(index, 1)

    def members(self) -> Iterator[tuple[str, str]]:
        """Instance and phase name, for all that are in the set."""
        for name, code in zip(self.roster.ids, self.phases.cells(), strict=False):
            if code != ABSENT:
                yield name, PHASES[code]

    def tally(self) -> tuple[int, ...]:
        """Instances per phase, counted anew: what the counts must equal."""
        cells = bytes(self.phases.cells())
        return tuple(cells.count(code) for code in range(PHASE_COUNT))


def empty_ledger() -> Ledger:
    """A ledger of no instances; the first survey fills it."""
    return Ledger(Roster(), Versioned(bytearray()), Versioned([]), Versioned([]), {})


def is_healthy(instance: Instance, code: int, target: str) -> bool:
    """Whether an instance in phase ``code`` counts as healthy (R5.3, S9).

    An upgraded instance that no longer runs the target does not.
    """
    if instance.health is not Health.HEALTHY:
        return False
    return code not in UPGRADED or instance.version == target


def is_exempt(instance: Instance, code: int, target: str) -> bool:
    """Whether the run must leave the instance alone: protected, or on the target (R1.4).

    Where the version cannot be read, what was decided before stands.
    """
    if instance.protected:
        return True
    if instance.version is None:
        return PHASES[code].startswith("skipped") if code != ABSENT else False
    return instance.version == target


def news(
    ledger: Ledger, target: str, fleet: Iterable[Instance]
) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    """What a survey says that the ledger does not know: instances that differ, sorted
    into lanes, and the ids of those that are gone (S11)."""
    differing = []
    seen = set()
    for instance in fleet:
        seen.add(instance.id)
        index = ledger.find(instance.id)
        if index is None or _differs(ledger, index, instance, target):
            differing.append(instance)
    differing.sort(key=lambda i: (i.zone, i.update_domain, i.id))
    gone = tuple(name for name, _ in ledger.members() if name not in seen)
    return tuple(differing), gone


def _differs(ledger: Ledger, index: int, instance: Instance, target: str) -> bool:
    code = ledger.phases.cells()[index]
    if code in IN_FLIGHT:
        return False
    return (
        PHASES[code].endswith("_healthy") != is_healthy(instance, code, target)
        or ledger.versions.cells()[index] != instance.version
        or not ledger.roster.seats(index, instance)
        or (
            PHASES[code].startswith(("pending", "skipped"))
            and PHASES[code].startswith("skipped") != is_exempt(instance, code, target)
        )
    )
