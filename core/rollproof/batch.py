"""Which instances form the next batch, and which go back next: zone, health order, update
domain.

Only the order is decided here.  How many may go, and how many healthy ones among them,
stands in the table; it takes what is offered until its room is used up, so nothing in
this module can break what the table promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain
from typing import NamedTuple, cast

from rollproof.ledger import CODE, Lane, Ledger, Place

HEALTHY = CODE["pending_healthy"]
UNHEALTHY = CODE["pending_unhealthy"]
PENDING = (HEALTHY, UNHEALTHY)
FAILED = (CODE["failed_healthy"], CODE["failed_unhealthy"])
RETURNING = (CODE["restoring"], CODE["recovering"])


class Ground(NamedTuple):
    """Where a batch is drawn from; None: from everywhere."""

    zone: str | None = None
    update_domain: str | None = None

    def holds(self, place: Lane | Place) -> bool:
        """Whether the instances of the lane, or in that place, stand on it."""
        here = self.zone in (None, place.zone)
        return here and self.update_domain in (None, place.update_domain)


EVERYWHERE = Ground()


def next_ground(
    ledger: Ledger,
    *,
    one_zone: bool = True,
    one_domain: bool = False,
    unhealthy_first: bool = False,
) -> Ground:
    """The ground of the next batch: one zone (R4.2), one update domain (R6.1), or both.

    It is that of an unhealthy instance with ``unhealthy_first``, else the first with
    anything pending: zones in the order of their names, but one update domain is finished
    in every zone before the next is begun.  Something must be pending.
    """
    if not (one_zone or one_domain):
        return EVERYWHERE
    first = _first_lane(
        ledger, ((UNHEALTHY,), PENDING) if unhealthy_first else (PENDING,), by_domain=one_domain
    )
    return Ground(first.zone if one_zone else None, first.update_domain if one_domain else None)


def restore_ground(ledger: Ledger, *, one_domain: bool = False) -> Ground:
    """Where disks are given back: everywhere, or in one update domain at a time (R6.1), in
    which nothing is left to give back before the next is begun.  Something must have failed.
    """
    if not one_domain:
        return EVERYWHERE
    first = _first_lane(ledger, (RETURNING, FAILED), by_domain=True)
    return Ground(update_domain=first.update_domain)


def _first_lane(ledger: Ledger, choices: Iterable[tuple[int, ...]], *, by_domain: bool) -> Lane:
    """The first lane that holds an instance in a phase of the first choice, or else of the
    next: by zone and update domain, or by update domain and zone."""
    phases, lanes = _scannable(ledger), sorted(ledger.roster.lanes)
    if by_domain:
        lanes.sort(key=lambda lane: lane.update_domain)
    for codes in choices:
        for lane in lanes:
            if any(phases.find(code, lane.start, lane.stop) >= 0 for code in codes):
                return lane
    raise AssertionError("there is nobody to choose")


def offer(
    ledger: Ledger, ground: Ground, *, unhealthy_first: bool, healthy: bool = True
) -> Iterator[int]:
    """Indexes of pending instances in the order in which a batch should claim them.

    All stand on ``ground`` (R4.2, R6.1).  Unhealthy instances come first when asked for
    (R4.2), then one update domain follows the other; without ``healthy`` only the
    unhealthy are offered.
    """
    phases = _scannable(ledger)
    lanes = sorted(lane for lane in ledger.roster.lanes if ground.holds(lane))
    if not healthy:
        return _scan(phases, lanes, (UNHEALTHY,))
    if unhealthy_first:
        return chain(_scan(phases, lanes, (UNHEALTHY,)), _scan(phases, lanes, (HEALTHY,)))
    return _scan(phases, lanes, PENDING)


def stand(ledger: Ledger, code: int, ground: Ground = EVERYWHERE) -> Iterator[int]:
    """Indexes of the instances in a phase that stand on the ground, in their order."""
    phases, places = _scannable(ledger), ledger.roster.places
    everybody = Lane("", "", 0, len(phases))
    return (at for at in _scan_lane(phases, everybody, code) if ground.holds(places[at]))


def _scan(phases: bytearray, lanes: list[Lane], codes: tuple[int, ...]) -> Iterator[int]:
    for lane in lanes:
        yield from merge(*(_scan_lane(phases, lane, code) for code in codes))


def _scan_lane(phases: bytearray, lane: Lane, code: int) -> Iterator[int]:
    at = phases.find(code, lane.start, lane.stop)
    while at >= 0:
        yield at
        at = phases.find(code, at + 1, lane.stop)


def _scannable(ledger: Ledger) -> bytearray:
    """Phases live in one bytearray, so scanning is a byte search."""
    return cast(bytearray, ledger.phases.cells())
