"""What holds whenever a run stands still: together these are inductive.

Some are not wanted for themselves but carry others through the induction; each of those
says so.  A run begins in Idle with whatever `InitialInv` admits.
"""

from __future__ import annotations

from typing import Any

from rollproof.algebra import all_of, any_of, negate
from rollproof.counts import PHASES, REGISTERS
from rollproof.states import TERMINAL, Cause, State, View
from rollproof_spec.vocabulary import (
    ATTEMPTED,
    BACKWARD,
    BATCH,
    FAILED,
    FLAGS,
    FLYING,
    PENDING,
    RESTORED,
    C,
    P,
    by_threshold,
    gives_back,
    implies,
    of_states,
    owes_restore,
    total,
)

ENDED = frozenset({State.PRECHECKING, State.COMPLETED, State.CANCELLED})
"""Where the batch before, if there was one, is over."""


@of_states(lambda s, c, _p: s is State.IDLE and total(c, PHASES) == 0)
def InitialInv(state: State, c: C, _p: P) -> Any:
    """A run that has not begun has touched nothing and remembers nothing (R4.9)."""
    if state is not State.IDLE:
        return True
    return total(c, ATTEMPTED + REGISTERS) == 0


@of_states(lambda _s, c, _p: total(c, PHASES) == 1)
def NaturalInv(_state: State, c: C, _p: P) -> Any:
    """No phase holds fewer than no instances, so what is counted exists (S11)."""
    return all_of(True, *(getattr(c, phase) >= 0 for phase in PHASES))


@of_states(lambda _s, c, _p: c.held == 1 and c.gated == 1 and c.room == 0)
def RegisterInv(_state: State, c: C, _p: P) -> Any:
    """Every register stays in its range, so its names mean what they say (R8, S6)."""
    ranges = (("view", max(View)), ("stop", max(Cause)), *((flag, 1) for flag in FLAGS))
    return all_of(
        *(getattr(c, register) >= 0 for register in REGISTERS),
        *(getattr(c, register) <= most for register, most in ranges),
    )


@of_states(lambda s, c, _p: s is State.WAITING_HEALTH and c.awaiting > 0)
def PlaceInv(state: State, c: C, _p: P) -> Any:
    """Disks are replaced, awaited and given back each in its own state, so nothing is in
    flight where the gates stand (S5, S7)."""
    places = {
        "replacing": {State.ROLLING_FORWARD},
        "awaiting": BATCH,
        "restoring": {State.ROLLING_BACK},
        "recovering": {State.ROLLING_BACK},
        "room": {State.ROLLING_FORWARD},
        "slack": {State.ROLLING_FORWARD},
    }
    empty = tuple(name for name, states in places.items() if state not in states)
    return True if not empty else total(c, empty) == 0


@of_states(lambda _s, c, _p: total(c, FLYING) == 2 and c.cap == 2)
def BatchInv(_state: State, c: C, _p: P) -> Any:
    """What is in flight and what the batch may still claim stay within the batch bound
    fixed when it began (S1, R4.2, N1)."""
    return total(c, (*FLYING, "room")) <= c.cap


@of_states(lambda s, c, _p: s is State.ROLLING_BACK and c.cap == 1)
def BoundInv(state: State, c: C, _p: P) -> Any:
    """A batch bound is at least one, or a rollback could never restore anybody: carries
    `ProgressInv` (R4.2, S1)."""
    return c.cap >= 1 if state in BATCH | {State.ROLLING_BACK} else True


@of_states(lambda s, c, _p: s in TERMINAL and total(c, ATTEMPTED) > 1)
def TerminalInv(state: State, c: C, _p: P) -> Any:
    """A run that has ended has nothing in flight (S8)."""
    return total(c, FLYING) == 0 if state in TERMINAL else True


@of_states(lambda s, c, _p: s is State.COMPLETED and c.upgraded_healthy > 0)
def CompletedInv(state: State, c: C, _p: P) -> Any:
    """Completed means that every instance had its turn, that none is withheld and nothing
    stopped the run (R4.6, R4.11)."""
    if state is not State.COMPLETED:
        return True
    return all_of(total(c, PENDING) == 0, c.stop == Cause.NONE, c.deferred == 0)


@of_states(lambda s, c, _p: s is State.CANCELLED and c.stop == Cause.OPTED_OUT)
def CancelledInv(state: State, c: C, _p: P) -> Any:
    """A cancelled run knows its cause (R8)."""
    return c.stop != Cause.NONE if state is State.CANCELLED else True


@of_states(lambda _s, c, _p: c.forced == 1 and c.indeterminate == 0)
def ForcedInv(_state: State, c: C, _p: P) -> Any:
    """Force is a way to cancel, never a way to go on (S8)."""
    return implies(c.forced == 1, c.stop != Cause.NONE)


@of_states(lambda _s, c, _p: c.indeterminate == 1)
def IndeterminateInv(_state: State, c: C, _p: P) -> Any:
    """Only a forced cancel gives an instance up unjudged (S8)."""
    return implies(c.indeterminate > 0, c.forced == 1)


@of_states(lambda s, c, _p: s is State.ROLLING_BACK and by_threshold(c))
def ThresholdStopInv(state: State, c: C, _p: P) -> Any:
    """Thresholds are judged between batches alone; carries `RollbackInv` (S5, S7)."""
    judged = {State.PRECHECKING, State.ROLLING_BACK, State.CANCELLED}
    return True if state in judged else negate(by_threshold(c))


@of_states(lambda _s, c, _p: c.gated == 1)
def PauseInv(state: State, c: C, p: P) -> Any:
    """Only between batches, and only where the policy has a pause, does one last (R4.5)."""
    if state not in (State.PRECHECKING, State.CANCELLED, State.COMPLETED):
        return c.gated == 0
    return implies(c.gated == 1, p.paced == 1)


@of_states(lambda s, c, _p: s is State.PRECHECKING and c.deferred == 1)
def DeferralInv(_state: State, c: C, p: P) -> Any:
    """Nothing is withheld unless the policy wants approvals, and a run rests only on what
    was (R4.11)."""
    return all_of(
        implies(c.deferred == 1, p.deferral == 1),
        implies(c.view == View.RESTING, c.deferred == 1),
    )


@of_states(lambda _s, c, p: p.rollback == 0 and c.restored_healthy > 0)
def RollbackInv(state: State, c: C, p: P) -> Any:
    """Nobody is given a previous disk unless rollback is on, or a threshold ended the run
    and the policy wants it (R4.8)."""
    wanted = any_of(p.rollback == 1, all_of(p.restore_on_breach == 1, by_threshold(c)))
    rolling = state is State.ROLLING_BACK
    return any_of(wanted, False if rolling else total(c, BACKWARD + RESTORED) == 0)


@of_states(lambda s, c, p: s in ENDED and p.rollback == 1 and total(c, RESTORED) > 1)
def RestoredInv(state: State, c: C, p: P) -> Any:
    """With rollback on, a batch is not over while one of its failed instances has not
    been tried to be given its previous disk, unless the run is forced or a credential
    expired (R4.3, R4.10)."""
    if state not in ENDED:
        return True
    return implies(all_of(p.rollback == 1, gives_back(c)), total(c, FAILED) == 0)


@of_states(lambda s, c, p: s is State.CANCELLED and c.restored_healthy > p.rollback)
def BreachRestoredInv(state: State, c: C, p: P) -> Any:
    """Where the policy wants it, a run that a threshold ended leaves no failed instance
    untried (R4.8)."""
    if state is not State.CANCELLED:
        return True
    return implies(by_threshold(c), negate(owes_restore(c, p)))
