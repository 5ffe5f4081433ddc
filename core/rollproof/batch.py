"""Which instances form the next batch: zone, health order, update domain.

Only the order is decided here.  How many may go, and how many healthy ones among them,
stands in the table; it takes what is offered until its room is used up, so nothing in
this module can break what the table promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain
from typing import NamedTuple, cast

from rollproof.ledger import CODE, Lane, Ledger

HEALTHY = CODE["pending_healthy"]
UNHEALTHY = CODE["pending_unhealthy"]
BOTH = (HEALTHY, UNHEALTHY)


class Ground(NamedTuple):
    """Where a batch is drawn from; None: from everywhere."""

    zone: str | None = None
    update_domain: str | None = None

    def holds(self, lane: Lane) -> bool:
        """Whether the instances of the lane stand on it."""
        return self.zone in (None, lane.zone) and self.update_domain in (
            None,
            lane.update_domain,
        )


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
    phases = _scannable(ledger)
    lanes = sorted(ledger.roster.lanes)
    if one_domain:
        lanes.sort(key=lambda lane: lane.update_domain)
    for codes in ((UNHEALTHY,), (HEALTHY, UNHEALTHY)) if unhealthy_first else (BOTH,):
        for lane in lanes:
            if any(phases.find(code, lane.start, lane.stop) >= 0 for code in codes):
                return Ground(
                    lane.zone if one_zone else None, lane.update_domain if one_domain else None
                )
    raise AssertionError("nothing is pending")


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
    return _scan(phases, lanes, BOTH)


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
