"""Why a run ends: what the rows together offer, and a number that falls.

Every row of the run machine, and every report it waits for, lowers `rank`, a natural
number of at most ``384 * instances + 60``.  Only these may raise it: an instance appears or
comes to want its upgrade, an operator resumes or approves, and a window opens.  Nothing that
a run does brings one of them about, so once fleet, operator and calendar come to rest it ends
within so many steps, provided that every command and survey gets its report or its deadline,
every approval too (`ReportInv`: each is accepted), and no hold or closed window is left
standing (`ProgressInv`: nothing else can keep it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any, Final

from rollproof.algebra import all_of, any_of, ite, negate
from rollproof.states import ACTIVE, Cause, State, View
from rollproof.table import Actor, Row
from rollproof_spec.steps import MOVES
from rollproof_spec.vocabulary import (
    FAILED,
    FLYING,
    PENDING,
    C,
    P,
    Step,
    by_threshold,
    fleet_fit,
    gates_open,
    gives_back,
    image_fit,
    implies,
    of_steps,
    of_tables,
    owes_restore,
    taken_fits,
    total,
    unhindered,
)

WEIGHTS: Final = (
    (6, PENDING),
    (5, ("replacing",)),
    (4, ("awaiting",)),
    (3, FAILED),
    (2, ("restoring",)),
    (1, ("recovering",)),
)
"""Steps that an instance may have before it."""

STAGES: Final = {
    State.CANCELLED: 0,
    State.COMPLETED: 0,
    State.PRECHECKING: 1,  # 17 while failed ones may have to be restored from here
    State.ROLLING_BACK: 9,
    State.WAITING_HEALTH: 25,
    State.ROLLING_FORWARD: 33,  # 34 while the batch may grow
    State.IDLE: 42,
}
"""Apart by more than the seven that view and pause gain where a batch ends."""


def rank(state: State, c: C, p: P) -> Any:
    """What is left to do: instances first, then the way of the run as a whole."""
    work = sum(weight * total(c, phases) for weight, phases in WEIGHTS)
    stage: Any = STAGES[state]
    if state is State.PRECHECKING:
        stage = ite(owes_restore(c, p), 17, 1)
    elif state is State.ROLLING_FORWARD:
        stage = ite(c.room > 0, 34, 33)
    going = ite(c.stop == Cause.NONE, 4, 0)
    rests = ite(total(c, PENDING) > 0, 4, 0)
    look = ite(c.view == View.RESTING, rests, View.RESTING - c.view)
    rest = going + 4 * c.gated + 5 * c.deferred + look + (1 - c.forced)
    return 64 * work + stage + rest


def _stops(c: C, cause: Cause) -> Callable[[C], Any]:
    return lambda c2: all_of(c2.stop == cause, c2.forced == c.forced)


def _given_up(c2: C) -> Any:
    return all_of(c2.view != View.ASKED, c2.stop == Cause.INTERNAL)


def _sealed(c2: C) -> Any:
    return all_of(c2.room == 0, c2.slack == 0)


def _own(rows: Iterable[Row], state: State) -> list[Row]:
    return [r for r in rows if state in r.sources and r.actor in (Actor.MACHINE, Actor.PICK)]


def _can(rows: Iterable[Row], state: State, c: C, p: P, effect: Callable[[C], Any]) -> Any:
    """Whether some row that moves no instance may be taken and has the effect."""
    still = (r for r in rows if state in r.sources and r.leaves is None and r.enters is None)
    return any_of(False, *(r.enabled(c, p) & effect(r.after(c, p)) for r in still))


@of_steps(lambda t: t.row.actor is Actor.MACHINE and owes_restore(t.c, t.p))
def RankProp(t: Step) -> Any:
    """Every step of the run machine and every report that it waits for leaves less to do,
    so a fleet and an operator at rest see the run end (R4.6)."""
    before, after = rank(t.state, t.c, t.p), rank(t.state2, t.c2, t.p)
    falls = after < before
    if t.drifts:
        falls = True if t.row.enters in PENDING else after <= before
    elif t.row.actor is Actor.OPERATOR:
        some = all_of(t.c.deferred == 1, t.c.view != View.STALE, t.c2.view == View.STALE)
        falls = any_of(after <= before, t.c2.held < t.c.held, some)
    elif t.row.actor is Actor.WORLD:
        closes = all_of(after <= before, t.c2.shut > t.c.shut)
        falls = any_of(after < before, closes, t.c2.shut < t.c.shut)
    return all_of(falls, after >= 0)


@of_tables(lambda _r, s, c, _p: s is State.PRECHECKING and gates_open(c))
def ProgressInv(rows: Iterable[Row], state: State, c: C, p: P) -> Any:
    """A run that has begun and not ended goes on by itself, or waits for something that
    it names: a report, a survey, an approval, the end of a hold, or of a pause or a closed
    window where another batch is to come (R4.6, R4.5, R4.11, N10, S8)."""
    if state not in ACTIVE:
        return True
    resting = all_of(c.view == View.RESTING, c.deferred == 1, total(c, PENDING) == 0)
    waits = {
        State.PRECHECKING: all_of(
            c.stop == Cause.NONE, any_of(negate(unhindered(c)), c.view == View.ASKED, resting)
        ),
        State.ROLLING_FORWARD: c.replacing > 0,
        State.WAITING_HEALTH: c.awaiting > 0,
        State.ROLLING_BACK: c.restoring + c.recovering > 0,
    }
    return any_of(waits[state], *(row.enabled(c, p) for row in _own(rows, state)))


@of_tables(lambda _r, s, c, p: s is State.ROLLING_BACK and total(c, FAILED) > 0)
def ForwardInv(rows: Iterable[Row], state: State, c: C, p: P) -> Any:
    """What may be claimed, restored or must be abandoned can be: no batch is smaller than
    its bound because a row is missing (R4.2, R4.3, S1, S6, S8)."""
    begin = all_of(gates_open(c), image_fit(c, p), fleet_fit(c, p))
    claim = all_of(c.stop == Cause.NONE, c.room > 0)
    restore = all_of(gives_back(c), total(c, FLYING) < c.cap)
    due = dict.fromkeys(FLYING, c.forced == 1)
    if state is State.PRECHECKING:
        last = any_of(taken_fits(c, p), c.pending_unhealthy == 0)
        due |= {"pending_healthy": all_of(begin, last), "pending_unhealthy": begin}
    elif state is State.ROLLING_FORWARD:
        due |= {"pending_healthy": all_of(claim, c.slack > 0), "pending_unhealthy": claim}
    elif state is State.ROLLING_BACK:
        alone = any_of(taken_fits(c, p), total(c, FLYING) == 0)
        due |= {"failed_healthy": all_of(restore, alone), "failed_unhealthy": restore}
    picks = [row for row in _own(rows, state) if row.actor is Actor.PICK]
    return all_of(
        True,
        *(
            implies(
                all_of(getattr(c, phase) > 0, when),
                any_of(False, *(r.enabled(c, p) for r in picks if r.leaves == phase)),
            )
            for phase, when in due.items()
        ),
        implies(c.room > 0, _can(rows, state, c, p, _sealed)),
    )


@of_tables(lambda _r, s, c, _p: c.recovering == 1 and c.restoring == 1)
def ReportInv(rows: Iterable[Row], state: State, c: C, p: P) -> Any:
    """Whatever may be reported of an instance, a survey, a pause, a window or an approval
    that did not come finds a row, in every state of a run under way, so no wait is without
    end (R4.3, R4.5, R4.11, N10, S11, S13)."""
    if state not in ACTIVE:
        return True
    here = [row for row in rows if state in row.sources and row.actor is Actor.WORLD]
    moves = (
        implies(
            True if leaves is None else getattr(c, leaves) > 0,
            any_of(
                False,
                *(r.enabled(c, p) for r in here if (r.leaves, r.enters) == (leaves, enters)),
            ),
        )
        for (leaves, enters), actor in MOVES.items()
        if actor is Actor.WORLD
    )
    anywhere = (
        *moves,
        implies(c.shut == 0, _can(here, state, c, p, lambda c2: c2.shut == 1)),
        implies(c.shut == 1, _can(here, state, c, p, lambda c2: c2.shut == 0)),
        implies(c.deferred == 1, _can(here, state, c, p, lambda c2: c2.deferred == 0)),
    )
    if state is not State.PRECHECKING:
        return all_of(True, *anywhere)
    asked, going = c.view == View.ASKED, c.stop == Cause.NONE
    return all_of(
        *anywhere,
        implies(asked, _can(here, state, c, p, lambda c2: c2.view == View.FRESH)),
        implies(asked & going, _can(here, state, c, p, _given_up)),
        implies(c.gated == 1, _can(here, state, c, p, lambda c2: c2.gated == 0)),
    )


@of_tables(lambda _r, s, c, _p: s is State.WAITING_HEALTH and c.held == 1)
def OperatorInv(rows: Iterable[Row], state: State, c: C, p: P) -> Any:
    """People can begin a run; one under way they can hold, resume, approve, cancel and force
    at any moment, and an error or an expired credential stops it; it goes on as it was but
    for that; force is a user's cancel unless there was a cause before (R4.9, R4.11, R2.1, R8,
    N6, S8)."""
    if state is State.IDLE:
        here = (r for r in rows if state in r.sources and r.target is State.PRECHECKING)
        return any_of(False, *(row.enabled(c, p) for row in here))
    if state not in ACTIVE:
        return True
    going = c.stop == Cause.NONE
    cause_of_force = ite(going, Cause.USER, c.stop)
    gates = all_of(c.deferred == 1, c.view != View.STALE)
    some = gates if state is State.PRECHECKING else False

    staying = [row for row in rows if row.target in (None, state)]
    people = [row for row in staying if row.actor is Actor.OPERATOR]

    def can(when: Any, effect: Callable[[C], Any], by: Iterable[Row] = people) -> Any:
        return implies(when, _can(by, state, c, p, effect))

    return all_of(
        can(c.held == 0, lambda c2: all_of(c2.held == 1, c2.stop == c.stop)),
        can(c.held == 1, lambda c2: all_of(c2.held == 0, c2.stop == c.stop)),
        can(c.deferred == 1, lambda c2: all_of(c2.deferred == 0, c2.stop == c.stop)),
        can(
            some,
            lambda c2: all_of(c2.view == View.STALE, c2.deferred == 1, c2.held == c.held),
        ),
        can(c.forced == 0, lambda c2: all_of(c2.forced == 1, c2.stop == cause_of_force)),
        *(can(going, _stops(c, cause)) for cause in (Cause.USER, Cause.OPTED_OUT)),
        *(
            can(going, _stops(c, cause), staying)
            for cause in (Cause.INTERNAL, Cause.CREDENTIALS)
        ),
    )


@of_tables(lambda _r, s, c, _p: s is State.PRECHECKING and by_threshold(c))
def DisjointInv(rows: Iterable[Row], state: State, c: C, p: P) -> Any:
    """The run machine never has a choice: of the rows it takes by itself at most one can
    be taken, and none while an instance is still to be claimed or restored (R8, S7)."""
    own = [row for row in _own(rows, state) if row.enters != "indeterminate"]
    return all_of(
        True,
        *(
            negate(all_of(a.enabled(c, p), b.enabled(c, p)))
            for a, b in combinations(own, 2)
            if Actor.MACHINE in (a.actor, b.actor)
        ),
    )
