"""What the solver says of one policy over one fleet, asked on the table's own rows.

Each figure is a bound for every run from a fleet as it was described, however zones cut
its batches short: `most_down` whatever health does, the others for a quiet fleet (see
`rollproof_checks.verify.imagine`).  It is found between two
batches, where the gates decide; that nothing worse happens within a batch is what the
properties named here say, and `rollproof_checks.prove` proves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
import z3

from rollproof.algebra import any_of
from rollproof.counts import Counts, Limits, attempted, lost, pending, skipped, unhealthy, whole
from rollproof.rules import batch_bound
from rollproof.states import Cause, State
from rollproof.table import TABLE
from rollproof_checks.verify.imagine import BEGINS, STOPS
from rollproof_spec.properties import INVARIANTS
from rollproof_spec.terms import Number, boolean, counts, number

RESTS_ON: Final = (
    *("AttemptedProp", "BatchInv", "BlastRadiusProp", "BoundProp", "ClaimProp"),
    *("RestoredInv", "RoomProp", "UntouchedProp"),
)
"""Properties without which the figures would say nothing of what is within a batch."""

BUDGET: Final = 2_000_000
"""Solver steps a question may take; 20,000 are enough for the shipped table."""


class Undecided(Exception):
    """The solver gave up: the figure is UNDETERMINED."""


@attrs.frozen(kw_only=True)
class Fleet:
    """A fleet before its run, in numbers."""

    instances: int
    unhealthy: int = 0
    """Unhealthy ones that the run is to upgrade."""
    protected: int = 0
    """Instances that the run must leave alone (R1.4), healthy."""
    protected_unhealthy: int = 0
    """Likewise, unhealthy."""


class Figures:
    """The solver, with the policy and the fleet."""

    def __init__(self, limits: Limits[int], fleet: Fleet) -> None:
        self._limits, self._fleet = limits, fleet
        self._counts = c = counts()
        gates, alone = State.PRECHECKING, fleet.protected + fleet.protected_unhealthy
        self._any = _solver(
            *(q.holds(gates, c, limits) for q in INVARIANTS),
            whole(c) == fleet.instances,
            skipped(c) == alone,
        )
        """Any fleet: health changes as it likes."""
        self._quiet = _solver(
            *self._any.assertions(),
            c.skipped_unhealthy == fleet.protected_unhealthy,
            c.pending_unhealthy <= fleet.unhealthy,
            # Nobody stops it, and nothing recovers or falls ill by itself.
            c.stop == Cause.NONE,
            c.forced == 0,
            *(phase == 0 for phase in _never(c)),
        )

    def most_down(self) -> int:
        """The most instances in flight at once, also where health changes by itself: those
        of one batch, of which only failed ones are restored after it (R4.2, S1, S6, N1)."""
        batch = self._most_when_begun(self._any, lambda size: size)
        if self._limits.rollback or not self._limits.restore_on_breach:
            return batch
        # Failed ones of several batches are restored, as many at once as the bound allows.
        bound = batch_bound(self._fleet.instances, self._limits.max_batch)
        return max(batch, int(bound))

    def most_broken(self) -> int:
        """The most that an image can break before the run stops (R4.4, S3, S4)."""
        before = lost(self._counts)
        return self._most_when_begun(self._quiet, lambda size: before + size)

    def most_survived(self) -> int:
        """The most that can be lost when a run completes."""
        c, p = self._counts, self._limits
        completes = [r.enabled(c, p) for r in TABLE if r.target is State.COMPLETED]
        return self._most(self._quiet, lost(c), any_of(False, *completes))

    def tolerated(self, first_batch: int) -> int:
        """The most failures that no threshold can stop a run for, wherever they fall, if its
        first batch is so large."""
        c, p, fleet = self._counts, self._limits, self._fleet
        stopped = any_of(False, *(row.enabled(c, p) for row in STOPS))
        ill = fleet.unhealthy + fleet.protected_unhealthy

        def harmless(failures: int) -> bool:
            return not _possible(
                self._quiet,
                stopped,
                attempted(c) >= first_batch,
                lost(c) <= failures,
                unhealthy(c) <= ill + failures,
            )

        low, high = -1, fleet.instances - fleet.protected - fleet.protected_unhealthy
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if harmless(middle) else (low, middle - 1)
        return max(low, 0)

    def _most_when_begun(self, solver: z3.Solver, of: Callable[[Number], Number]) -> int:
        """The most, over every batch that may begin and every size it may come to: within
        its room, its headroom and what is left (ClaimProp)."""
        c, p, size = self._counts, self._limits, number("size")
        found = [0]
        for row in BEGINS:
            c2 = row.after(c, p)
            within = (1 + c2.room, 1 + c2.slack + c2.pending_unhealthy, 1 + pending(c2))
            bounds = (size <= bound for bound in within)
            found.append(self._most(solver, of(size), row.enabled(c, p), size >= 1, *bounds))
        return max(found)

    def _most(self, solver: z3.Solver, value: Any, *given: Any) -> int:
        """The largest value under these premises; 0 where they cannot hold."""
        low, high = 0, self._fleet.instances
        while low < high:
            middle = (low + high + 1) // 2
            possible = _possible(solver, *given, value >= middle)
            low, high = (middle, high) if possible else (low, middle - 1)
        return low


def _solver(*premises: Any) -> z3.Solver:
    solver = z3.Solver()
    solver.set("rlimit", BUDGET)
    solver.add(*(p if isinstance(p, z3.BoolRef) else boolean(p) for p in premises))
    return solver


def _possible(solver: z3.Solver, *premises: Any) -> bool:
    """Whether all can hold at once.  Raises `Undecided`."""
    answer = solver.check(*(boolean(premise) for premise in premises))
    if answer == z3.unknown:
        raise Undecided(solver.reason_unknown())
    return answer == z3.sat


def _never(c: Counts[Any]) -> tuple[Any, ...]:
    """What only a fleet that is not quiet, or a cancel by force, can fill."""
    return (c.upgraded_unhealthy, c.indeterminate, c.failed_healthy, c.unrestored_healthy)
