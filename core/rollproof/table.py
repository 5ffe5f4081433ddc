"""Every transition of a run.  This file is the specification and the implementation.

Theory of operation
===================
A run is a state of `State` and a vector of `Counts`.  It changes by *rows* and by
nothing else.  A row may be taken in one of its source states when its guard holds and,
if an instance leaves a phase by it, when that phase is not empty.  Taking it moves at
most one instance from one phase to another, sets registers, and enters a target state.

Rule 1
    Whatever decides about a run stands here.  Adapters, host, journal and command line
    report facts and carry out commands; they decide nothing.
Rule 2
    Guards and effects are written with the words of `rollproof.algebra` only, so that
    the integers that run, the arrays that are explored and the terms that are proved
    pass through the very same functions.
Rule 3
    Prechecking is where every gate stands: thresholds, pause time, hold, window, approval,
    cancel (S7).  It is entered before the first batch and after every batch, with nothing
    in flight.
Rule 4
    The batch bound and the headroom are fixed when a batch begins, into ``room``,
    ``slack`` and ``cap``; a batch can then only claim less, never more (S1, S6).
Rule 5
    Once a cause is recorded in ``stop`` no row claims an instance (S8).
Rule 6
    Cancelled and Completed are dead ends: no row leaves them.

Who takes a row
===============
MACHINE rows are taken by `rollproof.run.step` itself, as soon as their guard holds; in
any state at most one of them can be.  PICK rows too, but there the ledger and the batch
module say which instance moves, or that no further one is to be had; what they say cannot
break what the table promises.  WORLD
rows are reports of providers, probes and deadlines.  OPERATOR rows are people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import attrs

from rollproof.algebra import all_of, any_of, ite, negate
from rollproof.counts import (
    PHASES,
    SETTLED,
    Counts,
    Limits,
    attempted,
    failed,
    in_flight,
    lost,
    pending,
    skipped,
    unhealthy,
    whole,
)
from rollproof.rules import batch_bound, exceeds, spare
from rollproof.states import ACTIVE, Cause, State, View

Term = Callable[[Counts[Any], Limits[Any]], Any]
"""A guard or an effect: the same function for every algebra."""

ABSENT: Final = 255
"""Phase code of an instance that is not in the set."""


class Actor(StrEnum):
    """Who takes a row."""

    MACHINE = "machine"
    PICK = "pick"
    WORLD = "world"
    OPERATOR = "operator"


def always(_c: Counts[Any], _p: Limits[Any]) -> Any:
    """The guard of a row that its states and its instance's phase already decide."""
    return True


@attrs.frozen(kw_only=True, eq=False)
class Row:
    """One transition."""

    name: str
    actor: Actor
    sources: frozenset[State]
    why: str
    """One sentence, with the requirement it serves."""
    guard: Term = always
    leaves: str | None = None
    """The phase that one instance leaves."""
    enters: str | None = None
    """The phase that one instance enters."""
    empty: tuple[str, ...] = ()
    """Phases that must be empty: a part of the guard, kept apart because a running
    orchestrator asks it first (`barred`), and mostly hears no."""
    sets: tuple[tuple[str, Term], ...] = ()
    """Registers and their new values, computed from the counts before the row."""
    target: State | None = None
    """The state entered; None: the run stays where it is."""

    leaves_code: int = attrs.field(init=False)
    enters_code: int = attrs.field(init=False)
    _empty_codes: tuple[int, ...] = attrs.field(init=False)
    _slots: tuple[tuple[int, Term], ...] = attrs.field(init=False)

    @leaves_code.default
    def _(self) -> int:
        return ABSENT if self.leaves is None else PHASES.index(self.leaves)

    @enters_code.default
    def _(self) -> int:
        return ABSENT if self.enters is None else PHASES.index(self.enters)

    @_empty_codes.default
    def _(self) -> tuple[int, ...]:
        return tuple(PHASES.index(phase) for phase in self.empty)

    @_slots.default
    def _(self) -> tuple[tuple[int, Term], ...]:
        return tuple((Counts._fields.index(name), value) for name, value in self.sets)

    def enabled(self, c: Counts[Any], p: Limits[Any]) -> Any:
        """Whether the row may be taken in one of its source states."""
        conditions = [c[code] == 0 for code in self._empty_codes]
        if self.leaves is not None:
            conditions.append(c[self.leaves_code] > 0)
        return all_of(*conditions, self.guard(c, p))

    def after(self, c: Counts[Any], p: Limits[Any]) -> Counts[Any]:
        """The counts once the row is taken."""
        cells = list(c)
        self.shift(cells, c, p)
        return Counts._make(cells)

    def shift(self, cells: list[Any], c: Counts[Any], p: Limits[Any]) -> None:
        """Take the row in ``cells``, which hold the same as ``c``."""
        for slot, value in self._slots:
            cells[slot] = value(c, p)
        leaves, enters = self.leaves_code, self.enters_code
        if leaves != ABSENT:
            cells[leaves] = cells[leaves] - 1
        if enters != ABSENT:
            cells[enters] = cells[enters] + 1

    def barred(self, cells: Sequence[int]) -> bool:
        """Whether a phase that must be empty is not: then `enabled` need not be asked."""
        for code in self._empty_codes:  # noqa: SIM110  # every report passes here
            if cells[code]:
                return True
        return False


# -- terms that several rows share ------------------------------------------------


def set_to(value: int) -> Term:
    """The effect that writes a constant."""
    return lambda _c, _p: value


def going(c: Counts[Any], _p: Limits[Any]) -> Any:
    """No cause to stop is recorded."""
    return c.stop == Cause.NONE


def open_gates(c: Counts[Any], _p: Limits[Any]) -> Any:
    """Nothing bids the run wait (S7).  Pause and window keep batches waiting: where nothing
    is pending there is nothing to wait for (R4.5, N10)."""
    return all_of(
        c.stop == Cause.NONE,
        c.held == 0,
        any_of(c.gated == 0, pending(c) == 0),
        any_of(c.shut == 0, pending(c) == 0),
    )


def deciding(c: Counts[Any], p: Limits[Any]) -> Any:
    """The gates of Prechecking are open and the picture of the fleet is fresh (S7)."""
    return all_of(open_gates(c, p), c.view == View.FRESH)


def upgraded_breached(c: Counts[Any], p: Limits[Any]) -> Any:
    """Too large a share of the attempted instances is lost (R4.4, S3, S4)."""
    return exceeds(lost(c), attempted(c), p.max_unhealthy_upgraded)


def fleet_breached(c: Counts[Any], p: Limits[Any]) -> Any:
    """Too large a share of the whole set is unhealthy (R4.1, S3, S5)."""
    return exceeds(unhealthy(c), whole(c), p.max_unhealthy)


def may_begin(c: Counts[Any], p: Limits[Any]) -> Any:
    """A batch may begin: gates open, thresholds kept, something pending."""
    return all_of(
        deciding(c, p),
        negate(upgraded_breached(c, p)),
        negate(fleet_breached(c, p)),
        pending(c) > 0,
    )


def only_withheld(c: Counts[Any], p: Limits[Any]) -> Any:
    """Nothing is left to be upgraded but what is withheld, if there is such (R4.11)."""
    return all_of(
        deciding(c, p), negate(upgraded_breached(c, p)), pending(c) == 0, c.deferred == 1
    )


def must_restore_on_breach(c: Counts[Any], p: Limits[Any]) -> Any:
    """A threshold ended the run, and the policy wants the failed instances back (R4.8)."""
    return all_of(
        any_of(c.stop == Cause.FLEET_UNHEALTHY, c.stop == Cause.UPGRADED_UNHEALTHY),
        p.restore_on_breach == 1,
        c.forced == 0,
        failed(c) > 0,
    )


def may_give_back(c: Counts[Any], _p: Limits[Any]) -> Any:
    """Previous disks are given back, unless the run is forced (S8), or a credential expired:
    then its failed instances are left as they are (R4.10)."""
    return all_of(c.forced == 0, c.stop != Cause.CREDENTIALS)


def must_roll_back(c: Counts[Any], p: Limits[Any]) -> Any:
    """The batch left failed instances, and rollback is on (R4.3, R4.8)."""
    return all_of(p.rollback == 1, may_give_back(c, p), failed(c) > 0)


def full_batch(c: Counts[Any], p: Limits[Any]) -> Any:
    """The batch bound, N counted now (S1)."""
    return batch_bound(whole(c), p.max_batch)


def headroom(c: Counts[Any], p: Limits[Any]) -> Any:
    """Healthy instances that may go down beside those that are (S6)."""
    return spare(whole(c), unhealthy(c), p.max_unhealthy)


def room_after_healthy(c: Counts[Any], p: Limits[Any]) -> Any:
    """Without headroom the one healthy instance is the whole batch (S6)."""
    return ite(headroom(c, p) >= 1, full_batch(c, p) - 1, 0)


def slack_after_healthy(c: Counts[Any], p: Limits[Any]) -> Any:
    """The first healthy instance used one of the headroom."""
    return ite(headroom(c, p) >= 1, headroom(c, p) - 1, 0)


def pause_gate(c: Counts[Any], p: Limits[Any]) -> Any:
    """The pause begins after every batch of a run that goes on (R4.5)."""
    return ite(all_of(p.paced == 1, c.stop == Cause.NONE), 1, 0)


def one_to_spare(c: Counts[Any], p: Limits[Any]) -> Any:
    """One more healthy instance may be taken down beside all that are (S6)."""
    return headroom(c, p) > in_flight(c)


# -- the rows -----------------------------------------------------------------------

IDLE = frozenset({State.IDLE})
PRECHECKING = frozenset({State.PRECHECKING})
ROLLING_FORWARD = frozenset({State.ROLLING_FORWARD})
WAITING_HEALTH = frozenset({State.WAITING_HEALTH})
ROLLING_BACK = frozenset({State.ROLLING_BACK})
UPGRADING = ROLLING_FORWARD | WAITING_HEALTH

BEGIN_PRECHECK = (("view", set_to(View.STALE)), ("gated", pause_gate))
"""What leaving a batch sets."""

APPROVED = (("deferred", set_to(0)), ("view", set_to(View.STALE)))
"""What the end of a deferral sets."""


def _operator_rows() -> Iterator[Row]:
    yield Row(
        name="start",
        actor=Actor.OPERATOR,
        sources=IDLE,
        sets=(("deferred", lambda _c, p: p.deferral),),
        target=State.PRECHECKING,
        why="A run begins with its gates, not with a batch (R4.1, S7, R4.11).",
    )
    yield Row(
        name="pause",
        actor=Actor.OPERATOR,
        sources=ACTIVE,
        guard=lambda c, _p: c.held == 0,
        sets=(("held", set_to(1)),),
        why="An operator may hold the run; the current batch is finished (N6).",
    )
    yield Row(
        name="resume",
        actor=Actor.OPERATOR,
        sources=ACTIVE,
        guard=lambda c, _p: c.held == 1,
        sets=(("held", set_to(0)), ("view", set_to(View.STALE))),
        why="What was asked or seen before the hold is not trusted after it (N6, R4.1).",
    )
    for name, cause in (("cancel", Cause.USER), ("opt_out", Cause.OPTED_OUT)):
        yield Row(
            name=name,
            actor=Actor.OPERATOR,
            sources=ACTIVE,
            guard=going,
            sets=(("stop", set_to(cause)),),
            why="The run may be ended at any moment; the first cause stands (R4.9, R2.1).",
        )
    yield Row(
        name="force",
        actor=Actor.OPERATOR,
        sources=ACTIVE,
        guard=lambda c, _p: c.forced == 0,
        sets=(
            ("forced", set_to(1)),
            ("stop", lambda c, _p: ite(c.stop == Cause.NONE, Cause.USER, c.stop)),
        ),
        why="A forced cancel waits for nothing (S8).",
    )
    yield Row(
        name="approve",
        actor=Actor.OPERATOR,
        sources=ACTIVE,
        guard=lambda c, _p: c.deferred == 1,
        sets=APPROVED,
        why="Whatever was withheld may be upgraded, once it is seen again (R4.11, R4.1).",
    )
    yield Row(
        name="approve_some",
        actor=Actor.OPERATOR,
        sources=PRECHECKING,
        guard=lambda c, _p: all_of(c.deferred == 1, c.view != View.STALE),
        sets=(("view", set_to(View.STALE)),),
        why="Some of what was withheld may be upgraded, once it is seen again (R4.11, R4.1).",
    )


def _prechecking_rows() -> Iterator[Row]:
    yield Row(
        name="ask",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(open_gates(c, p), c.view == View.STALE),
        sets=(("view", set_to(View.ASKED)),),
        why="Thresholds are judged on health as it is now, not as it was (R4.1).",
    )
    yield Row(
        name="surveyed",
        actor=Actor.WORLD,
        sources=PRECHECKING,
        guard=lambda c, _p: c.view == View.ASKED,
        sets=(("view", set_to(View.FRESH)),),
        why="The fleet answered (R4.1).",
    )
    yield Row(
        name="survey_overdue",
        actor=Actor.WORLD,
        sources=PRECHECKING,
        guard=lambda c, _p: all_of(c.view == View.ASKED, c.stop == Cause.NONE),
        sets=(("stop", set_to(Cause.INTERNAL)), ("view", set_to(View.STALE))),
        why="A fleet that cannot be seen is not touched (R4.1, R5.3).",
    )
    yield Row(
        name="pause_over",
        actor=Actor.WORLD,
        sources=PRECHECKING,
        guard=lambda c, _p: c.gated == 1,
        sets=(("gated", set_to(0)), ("view", set_to(View.STALE))),
        why="The pause has passed; what was seen during it is not trusted (R4.1, R4.5).",
    )
    yield Row(
        name="rest",
        actor=Actor.PICK,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(only_withheld(c, p), skipped(c) > 0),
        sets=(("view", set_to(View.RESTING)),),
        why="What is left is withheld; the picture will be old when it is not (R4.11, R4.1).",
    )
    yield Row(
        name="release",
        actor=Actor.PICK,
        sources=PRECHECKING,
        guard=only_withheld,
        sets=(("deferred", set_to(0)),),
        why="Nobody is withheld who wants an upgrade: nothing is to be approved (R4.11).",
    )
    yield Row(
        name="rouse",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(open_gates(c, p), c.view == View.RESTING, pending(c) > 0),
        sets=(("view", set_to(View.STALE)),),
        why="There is something to do by itself: look again first (R4.1, R4.11).",
    )
    yield Row(
        name="breach_upgraded",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(deciding(c, p), upgraded_breached(c, p)),
        sets=(("stop", set_to(Cause.UPGRADED_UNHEALTHY)),),
        why="The image harms what it is put on (R4.4); said even after the last batch.",
    )
    yield Row(
        name="complete",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(
            deciding(c, p), negate(upgraded_breached(c, p)), pending(c) == 0, c.deferred == 0
        ),
        target=State.COMPLETED,
        why="Every instance of the set has had its turn (R4.6).",
    )
    yield Row(
        name="breach_fleet",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(
            deciding(c, p),
            negate(upgraded_breached(c, p)),
            pending(c) > 0,
            fleet_breached(c, p),
        ),
        sets=(("stop", set_to(Cause.FLEET_UNHEALTHY)),),
        why="Too much of the set is down already, whatever the cause (R4.1).",
    )
    yield Row(
        name="begin_healthy",
        actor=Actor.PICK,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(
            may_begin(c, p), any_of(one_to_spare(c, p), c.pending_unhealthy == 0)
        ),
        leaves="pending_healthy",
        enters="replacing",
        sets=(
            ("room", room_after_healthy),
            ("slack", slack_after_healthy),
            ("cap", full_batch),
        ),
        target=State.ROLLING_FORWARD,
        why="Without headroom one healthy instance may go, if nothing else can (R4.2, S1, S6).",
    )
    yield Row(
        name="begin_unhealthy",
        actor=Actor.PICK,
        sources=PRECHECKING,
        guard=may_begin,
        leaves="pending_unhealthy",
        enters="replacing",
        sets=(
            ("room", lambda c, p: full_batch(c, p) - 1),
            ("slack", headroom),
            ("cap", full_batch),
        ),
        target=State.ROLLING_FORWARD,
        why="An instance that is down already costs no headroom (S6).",
    )
    yield Row(
        name="restore_on_breach",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=must_restore_on_breach,
        sets=(("cap", full_batch), ("gated", set_to(0))),
        target=State.ROLLING_BACK,
        why="The failed instances are given back when a threshold ends the run (R4.8).",
    )
    yield Row(
        name="end",
        actor=Actor.MACHINE,
        sources=PRECHECKING,
        guard=lambda c, p: all_of(c.stop != Cause.NONE, negate(must_restore_on_breach(c, p))),
        target=State.CANCELLED,
        why="A recorded cause ends the run at the end of the current batch (R4.1, S8).",
    )


def _batch_rows() -> Iterator[Row]:
    yield Row(
        name="claim_healthy",
        actor=Actor.PICK,
        sources=ROLLING_FORWARD,
        guard=lambda c, _p: all_of(c.stop == Cause.NONE, c.room > 0, c.slack > 0),
        leaves="pending_healthy",
        enters="replacing",
        sets=(("room", lambda c, _p: c.room - 1), ("slack", lambda c, _p: c.slack - 1)),
        why="A batch grows while it has room and headroom (R4.2, S1, S6).",
    )
    yield Row(
        name="claim_unhealthy",
        actor=Actor.PICK,
        sources=ROLLING_FORWARD,
        guard=lambda c, _p: all_of(c.stop == Cause.NONE, c.room > 0),
        leaves="pending_unhealthy",
        enters="replacing",
        sets=(("room", lambda c, _p: c.room - 1),),
        why="An instance that is down already costs no headroom (S6).",
    )
    yield Row(
        name="seal",
        actor=Actor.PICK,
        sources=ROLLING_FORWARD,
        guard=lambda c, _p: c.room > 0,
        sets=(("room", set_to(0)), ("slack", set_to(0))),
        why="No further instance of this zone or domain is to be had (R4.2, R6.1).",
    )
    yield Row(
        name="replaced",
        actor=Actor.WORLD,
        sources=ROLLING_FORWARD,
        leaves="replacing",
        enters="awaiting",
        why="The new OS disk is there; its health is not known yet (R1.2, S9).",
    )
    yield Row(
        name="replace_failed",
        actor=Actor.WORLD,
        sources=ROLLING_FORWARD,
        leaves="replacing",
        enters="failed_unhealthy",
        why="The provider refused, or did not report in time (R4.3).",
    )
    yield Row(
        name="succeed",
        actor=Actor.WORLD,
        sources=UPGRADING,
        leaves="awaiting",
        enters="upgraded_healthy",
        why="Seen healthy on the target version: nothing less counts (S9).",
    )
    yield Row(
        name="fail",
        actor=Actor.WORLD,
        sources=UPGRADING,
        leaves="awaiting",
        enters="failed_unhealthy",
        why="Not healthy within the time it was given (R4.3).",
    )
    yield Row(
        name="all_replaced",
        actor=Actor.MACHINE,
        sources=ROLLING_FORWARD,
        empty=("replacing",),
        guard=lambda c, _p: c.room == 0,
        sets=(("slack", set_to(0)),),
        target=State.WAITING_HEALTH,
        why="Every disk of the batch is replaced; the wait remains (R4.3).",
    )
    yield Row(
        name="roll_back",
        actor=Actor.MACHINE,
        sources=WAITING_HEALTH,
        empty=("awaiting",),
        guard=must_roll_back,
        target=State.ROLLING_BACK,
        why="Instances that did not become healthy get their previous disk back (R4.3).",
    )
    yield Row(
        name="batch_done",
        actor=Actor.MACHINE,
        sources=WAITING_HEALTH,
        empty=("awaiting",),
        guard=lambda c, p: negate(must_roll_back(c, p)),
        sets=BEGIN_PRECHECK,
        target=State.PRECHECKING,
        why="After every batch the gates decide anew (R4.1, S7).",
    )


def _rollback_rows() -> Iterator[Row]:
    yield Row(
        name="restore_healthy",
        actor=Actor.PICK,
        sources=ROLLING_BACK,
        guard=lambda c, p: all_of(
            may_give_back(c, p),
            in_flight(c) < c.cap,
            any_of(one_to_spare(c, p), in_flight(c) == 0),
        ),
        leaves="failed_healthy",
        enters="restoring",
        why="A failed instance that healed goes down for its old disk: as in a batch (S6).",
    )
    yield Row(
        name="restore_unhealthy",
        actor=Actor.PICK,
        sources=ROLLING_BACK,
        guard=lambda c, p: all_of(may_give_back(c, p), in_flight(c) < c.cap),
        leaves="failed_unhealthy",
        enters="restoring",
        why="Giving disks back takes no more instances at once than a batch (R4.3).",
    )
    yield Row(
        name="disk_restored",
        actor=Actor.WORLD,
        sources=ROLLING_BACK,
        leaves="restoring",
        enters="recovering",
        why="The previous disk is back; its health is not known yet (S9).",
    )
    yield Row(
        name="restore_failed",
        actor=Actor.WORLD,
        sources=ROLLING_BACK,
        leaves="restoring",
        enters="unrestored_unhealthy",
        why="The provider refused, or did not report in time (R7.1).",
    )
    yield Row(
        name="recovered",
        actor=Actor.WORLD,
        sources=ROLLING_BACK,
        leaves="recovering",
        enters="restored_healthy",
        why="Seen healthy on its previous version (S4, S9).",
    )
    yield Row(
        name="recovered_unhealthy",
        actor=Actor.WORLD,
        sources=ROLLING_BACK,
        leaves="recovering",
        enters="restored_unhealthy",
        why="Seen on its previous version, and not healthy within its time.",
    )
    yield Row(
        name="unrecovered",
        actor=Actor.WORLD,
        sources=ROLLING_BACK,
        leaves="recovering",
        enters="unrestored_unhealthy",
        why="Its previous version was not seen again: a provider's word is not enough (S9).",
    )
    yield Row(
        name="restores_done",
        actor=Actor.MACHINE,
        sources=ROLLING_BACK,
        empty=("restoring", "recovering"),
        guard=lambda c, p: any_of(failed(c) == 0, negate(may_give_back(c, p))),
        sets=BEGIN_PRECHECK,
        target=State.PRECHECKING,
        why="After every batch the gates decide anew (R4.1, S7).",
    )


def _force_rows() -> Iterator[Row]:
    places = {
        "replacing": ROLLING_FORWARD,
        "awaiting": UPGRADING,
        "restoring": ROLLING_BACK,
        "recovering": ROLLING_BACK,
    }
    for phase, sources in places.items():
        yield Row(
            name=f"abandon_{phase}",
            actor=Actor.PICK,
            sources=sources,
            guard=lambda c, _p: c.forced == 1,
            leaves=phase,
            enters="indeterminate",
            why="A forced cancel does not wait, and does not guess (S8).",
        )


def _fleet_rows() -> Iterator[Row]:
    """Health and membership change by themselves, at any moment."""
    for phase in SETTLED:
        healthy, unhealthy_side = f"{phase}_healthy", f"{phase}_unhealthy"
        yield Row(
            name=f"{phase}_falls_ill",
            actor=Actor.WORLD,
            sources=ACTIVE,
            leaves=healthy,
            enters=unhealthy_side,
            why="Seen unhealthy; unknown counts as unhealthy (R5.3).",
        )
        yield Row(
            name=f"{phase}_recovers",
            actor=Actor.WORLD,
            sources=ACTIVE,
            leaves=unhealthy_side,
            enters=healthy,
            why="Seen healthy.",
        )
    for side in ("healthy", "unhealthy"):
        yield Row(
            name=f"exempt_{side}",
            actor=Actor.WORLD,
            sources=ACTIVE,
            leaves=f"pending_{side}",
            enters=f"skipped_{side}",
            why="Reached the target by itself, or was protected (R1.4).",
        )
        yield Row(
            name=f"enlist_{side}",
            actor=Actor.WORLD,
            sources=ACTIVE,
            leaves=f"skipped_{side}",
            enters=f"pending_{side}",
            why="Left the target by itself, or is protected no longer (R4.6).",
        )
        for phase, why in (
            ("pending", "A new instance on another version wants its upgrade (S11)."),
            ("skipped", "A new instance on the target is done (S11)."),
        ):
            yield Row(
                name=f"appear_{phase}_{side}",
                actor=Actor.WORLD,
                sources=ACTIVE,
                enters=f"{phase}_{side}",
                why=why,
            )
    for phase in PHASES:
        yield Row(
            name=f"vanish_{phase}",
            actor=Actor.WORLD,
            sources=ACTIVE,
            leaves=phase,
            why="A vanished instance leaves the ledger (S11).",
        )
    yield Row(
        name="shut",
        actor=Actor.WORLD,
        sources=ACTIVE,
        guard=lambda c, _p: c.shut == 0,
        sets=(("shut", set_to(1)),),
        why="The maintenance window closes; the current batch is finished (S7, N10).",
    )
    yield Row(
        name="reopen",
        actor=Actor.WORLD,
        sources=ACTIVE,
        guard=lambda c, _p: c.shut == 1,
        sets=(("shut", set_to(0)), ("view", set_to(View.STALE))),
        why="The window opens; what was seen before is not trusted (N10, R4.1).",
    )
    yield Row(
        name="lapse",
        actor=Actor.WORLD,
        sources=ACTIVE,
        guard=lambda c, _p: c.deferred == 1,
        sets=APPROVED,
        why="The latest time for an approval has passed: the default holds (R4.11, R4.1).",
    )
    yield Row(
        name="fault",
        actor=Actor.WORLD,
        sources=ACTIVE,
        guard=going,
        sets=(("stop", set_to(Cause.INTERNAL)),),
        why="The host met an error that it must not work around (R8).",
    )
    yield Row(
        name="fault_credentials",
        actor=Actor.WORLD,
        sources=ACTIVE,
        guard=going,
        sets=(("stop", set_to(Cause.CREDENTIALS)),),
        why="A credential expired: every further instance would fail alike (R4.10).",
    )


TABLE: Final[tuple[Row, ...]] = (
    *_operator_rows(),
    *_prechecking_rows(),
    *_batch_rows(),
    *_rollback_rows(),
    *_force_rows(),
    *_fleet_rows(),
)
"""All rows.  The order carries no meaning."""

ROWS: Final[dict[str, Row]] = {row.name: row for row in TABLE}
"""The same rows by name."""
