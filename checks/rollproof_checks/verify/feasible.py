"""No policy is impossible: a healthy fleet is upgraded if nothing fails (N4)."""

from __future__ import annotations

from typing import Any, Final

from rollproof.algebra import all_of
from rollproof.states import Cause
from rollproof.table import TABLE, Actor, Row
from rollproof_checks.prove import prove
from rollproof_checks.verdicts import Report
from rollproof_spec.properties import INVARIANTS
from rollproof_spec.vocabulary import FLYING, LOST, P, Step, fleet_fit, implies, of_steps, total


def is_smooth(row: Row) -> bool:
    """Whether the row may be taken where nothing fails: nobody stops the run, the fleet does
    nothing by itself, and every report is good."""
    stops = any(register == "stop" for register, _ in row.sets)
    if row.actor in (Actor.MACHINE, Actor.PICK):
        return True
    if row.actor is Actor.OPERATOR or (row.leaves is None and row.enters is None):
        return not stops
    return row.leaves in FLYING and row.enters in ("awaiting", "upgraded_healthy")


SMOOTH: Final = tuple(row for row in TABLE if is_smooth(row))


@of_steps(lambda t: t.row.enters == "upgraded_healthy")
def FeasibleProp(t: Step) -> Any:
    """Where nothing fails and few enough are unhealthy at first, no threshold ever stops the
    run; since it ends (`RankProp`, `ProgressInv`), and without a cause, it completes (N4)."""

    def well(c: Any, p: P) -> Any:
        return all_of(c.stop == Cause.NONE, c.forced == 0, total(c, LOST) == 0, fleet_fit(c, p))

    going = all_of(t.c2.stop == Cause.NONE, total(t.c2, LOST) == 0, fleet_fit(t.c2, t.p))
    return implies(well(t.c, t.p), going)


def prove_feasible() -> Report:
    """`FeasibleProp`, for every fleet and every policy."""
    return prove(SMOOTH, (*INVARIANTS, FeasibleProp))
