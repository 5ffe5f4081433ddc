"""Which instances form the next batch: zone, health order, update domain.

Only the order is decided here.  How many may go, and how many healthy ones among them,
stands in the table; it takes what is offered until its room is used up, so nothing in
this module can break what the table promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain
from typing import cast

from rollproof.ledger import CODE, Lane, Ledger

HEALTHY = CODE["pending_healthy"]
UNHEALTHY = CODE["pending_unhealthy"]
BOTH = (HEALTHY, UNHEALTHY)


def next_zone(ledger: Ledger, *, unhealthy_first: bool) -> str:
    """The zone from which the next batch is drawn (R4.2): that of an unhealthy instance
    with ``unhealthy_first``, else the first with anything pending; zones in the order
    of their names.  Something must be pending."""
    phases = _scannable(ledger)
    lanes = sorted(ledger.roster.lanes)
    for codes in ((UNHEALTHY,), (HEALTHY, UNHEALTHY)) if unhealthy_first else (BOTH,):
        for lane in lanes:
            if any(phases.find(code, lane.start, lane.stop) >= 0 for code in codes):
                return lane.zone
    raise AssertionError("nothing is pending")


def offer(
    ledger: Ledger, zone: str | None, *, unhealthy_first: bool, healthy: bool = True
) -> Iterator[int]:
    """Indexes of pending instances in the order in which a batch should claim them.

    All are of ``zone``, unless that is None (R4.2).  Unhealthy instances come first when
    asked for (R4.2), then one update domain follows the other; without ``healthy`` only
    the unhealthy are offered.
    """
    phases = _scannable(ledger)
    lanes = sorted(lane for lane in ledger.roster.lanes if zone is None or lane.zone == zone)
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
