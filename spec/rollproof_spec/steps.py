"""What one step may change.  State invariants alone would let a quarter of the wrong
tables pass: these say it of every row, by what the row does and never by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rollproof.algebra import all_of, any_of, negate
from rollproof.counts import PHASES, REGISTERS, SETTLED
from rollproof.states import TERMINAL, Cause, State, View
from rollproof.table import Actor
from rollproof_spec.vocabulary import (
    ATTEMPTED,
    BACKWARD,
    BATCH,
    DOWN,
    FAILED,
    FLYING,
    FORWARD,
    LOST,
    PENDING,
    SKIPPED,
    C,
    P,
    Step,
    by_threshold,
    fleet_fit,
    gates_open,
    gives_back,
    image_fit,
    implies,
    largest_within,
    of_steps,
    owes_restore,
    total,
    unhindered,
    within,
)

SIDES = ("healthy", "unhealthy")
STAY = (None, None)

MOVES: Final[Mapping[tuple[str | None, str | None], Actor]] = {
    **{(f"pending_{s}", "replacing"): Actor.PICK for s in SIDES},  # R4.2
    ("replacing", "awaiting"): Actor.WORLD,  # R1.2
    ("replacing", "failed_unhealthy"): Actor.WORLD,  # R4.3
    ("awaiting", "upgraded_healthy"): Actor.WORLD,  # S9
    ("awaiting", "failed_unhealthy"): Actor.WORLD,  # R4.3
    **{(f"failed_{s}", "restoring"): Actor.PICK for s in SIDES},  # R4.3, R4.8
    ("restoring", "recovering"): Actor.WORLD,
    ("restoring", "unrestored_unhealthy"): Actor.WORLD,  # R7.1
    ("recovering", "restored_healthy"): Actor.WORLD,  # S9
    ("recovering", "restored_unhealthy"): Actor.WORLD,
    ("recovering", "unrestored_unhealthy"): Actor.WORLD,  # S9
    **{(phase, "indeterminate"): Actor.PICK for phase in FLYING},  # S8
    **{(f"{p}_{a}", f"{p}_{b}"): Actor.WORLD for p in SETTLED for a, b in (SIDES, SIDES[::-1])},
    **{(f"pending_{s}", f"skipped_{s}"): Actor.WORLD for s in SIDES},  # R1.4
    **{(f"skipped_{s}", f"pending_{s}"): Actor.WORLD for s in SIDES},  # R4.6
    **{(None, name): Actor.WORLD for name in PENDING + SKIPPED},  # S11
    **{(phase, None): Actor.WORLD for phase in PHASES},  # S11
}
"""Every way an instance may go, and who says so; there is no other."""


def _completes(c: C, p: P) -> Any:
    return all_of(gates_open(c), image_fit(c, p), total(c, (*PENDING, "deferred")) == 0)


def _rests(c: C, p: P) -> Any:
    return all_of(gates_open(c), image_fit(c, p), total(c, PENDING) == 0, c.deferred == 1)


def _starts_batch(c: C, p: P) -> Any:
    return all_of(gates_open(c), image_fit(c, p), fleet_fit(c, p), total(c, PENDING) > 0)


def _rolls_back(c: C, p: P) -> Any:
    return all_of(p.rollback == 1, gives_back(c), total(c, FAILED) > 0)


def _restores(c: C, p: P) -> Any:
    return all_of(by_threshold(c), owes_restore(c, p))


def _restored(c: C) -> Any:
    return any_of(total(c, FAILED) == 0, negate(gives_back(c)))


_IDLE, _PRE, _FORWARD, _WAIT, _BACK, _CANCELLED, _COMPLETED = State

CHANGES: Final[Mapping[tuple[State, State], Callable[[C, P], Any]]] = {
    (_IDLE, _PRE): lambda _c, _p: True,
    (_PRE, _FORWARD): _starts_batch,
    (_PRE, _COMPLETED): _completes,
    (_PRE, _BACK): _restores,
    (_PRE, _CANCELLED): lambda c, p: all_of(c.stop != Cause.NONE, negate(_restores(c, p))),
    (_FORWARD, _WAIT): lambda c, _p: total(c, ("replacing", "room")) == 0,
    (_WAIT, _BACK): lambda c, p: all_of(c.awaiting == 0, _rolls_back(c, p)),
    (_WAIT, _PRE): lambda c, p: all_of(c.awaiting == 0, negate(_rolls_back(c, p))),
    (_BACK, _PRE): lambda c, _p: all_of(total(c, BACKWARD) == 0, _restored(c)),
}
"""Every way a run may go from state to state, and when (R8, S7)."""


@of_steps(lambda t: t.state is State.ROLLING_BACK)
def FinalProp(t: Step) -> Any:
    """Nothing happens to a run that has ended (S13, R4.9)."""
    return t.state not in TERMINAL


@of_steps(lambda t: t.state is State.IDLE)
def StartProp(t: Step) -> Any:
    """A run that has not begun is begun by somebody, at its gates and with nothing to
    remember but that instances are withheld; nothing else happens to it (S7, S13, R4.9,
    R4.11)."""
    if t.state is not State.IDLE:
        return True
    begun = t.row.actor is Actor.OPERATOR and t.state2 is State.PRECHECKING
    changed = (n for n in PHASES + REGISTERS if not t.keeps(n) and n != "deferred")
    same = (getattr(t.c2, n) == getattr(t.c, n) for n in changed)
    return all_of(begun, t.c2.deferred == t.p.deferral, *same)


@of_steps(lambda t: t.move == STAY and t.state is t.state2)
def EffectProp(t: Step) -> Any:
    """A step changes something: an order or a report that is repeated is none (S13)."""
    if t.state is not t.state2 or t.row.leaves != t.row.enters:
        return True
    set_anew = (name for name in REGISTERS if not t.keeps(name))
    return any_of(False, *(getattr(t.c2, n) != getattr(t.c, n) for n in set_anew))


@of_steps(lambda t: t.row.leaves is None and total(t.c, PHASES) > 0)
def ConservationProp(t: Step) -> Any:
    """A step moves the one instance it names and no other, so the ledger and the counts
    cannot part (S11)."""
    return all_of(
        True,
        *(
            getattr(t.c2, phase)
            == getattr(t.c, phase) - int(phase == t.row.leaves) + int(phase == t.row.enters)
            for phase in PHASES
            if phase in t.move or not t.keeps(phase)
        ),
    )


@of_steps(lambda t: t.row.enters == "upgraded_healthy")
def MoveProp(t: Step) -> Any:
    """An instance goes only where the requirements let it, on the word of whoever may say
    so: success by an observation, never from failure (S9, S4, R1.4, R4.3)."""
    if t.move == STAY:
        return True
    return MOVES.get(t.move) is t.row.actor


@of_steps(lambda t: t.state is State.PRECHECKING and t.state2 is State.ROLLING_BACK)
def ChangeProp(t: Step) -> Any:
    """A run goes from state to state only as, and when, the requirements say (R8, S7,
    R4.3, R4.6)."""
    if t.state is t.state2:
        return True
    when = CHANGES.get((t.state, t.state2))
    return False if when is None else when(t.c, t.p)


@of_steps(lambda t: t.row.enters == "indeterminate")
def FrameProp(t: Step) -> Any:
    """What moves an instance moves that instance and changes nothing else, unless it takes
    it into a batch (S13, S11, S8)."""
    if t.move == STAY or t.touches:
        return True
    changed = (name for name in REGISTERS if not t.keeps(name))
    return all_of(
        t.state is t.state2, *(getattr(t.c2, name) == getattr(t.c, name) for name in changed)
    )


# -- a batch begins and grows -----------------------------------------------------------


@of_steps(lambda t: t.begins and t.p.paced == 1)
def GatesProp(t: Step) -> Any:
    """No batch begins before the last is over, while a pause, a hold or a closed window
    lasts, after a cause to stop, or on an old picture of the fleet (S7, N6, N10, R4.1,
    R4.5)."""
    if not t.begins:
        return True
    return all_of(gates_open(t.c), total(t.c, FLYING) == 0, t.state is State.PRECHECKING)


@of_steps(
    lambda t: t.begins and 0 < total(t.c, DOWN) * 100 == total(t.c, PHASES) * t.p.max_unhealthy
)
def FleetThresholdProp(t: Step) -> Any:
    """No batch begins while too large a share of the whole set is unhealthy (R4.1, S2, S3,
    S5)."""
    return fleet_fit(t.c, t.p) if t.begins else True


@of_steps(lambda t: t.begins and total(t.c, LOST) > 0)
def ImageThresholdProp(t: Step) -> Any:
    """No batch begins while too large a share of the attempted instances is lost, healed
    since or not (R4.4, S2, S3, S4)."""
    return image_fit(t.c, t.p) if t.begins else True


@of_steps(lambda t: t.row.leaves is None and t.c.stop == Cause.USER)
def UntouchedProp(t: Step) -> Any:
    """Once a cause is recorded no further instance is taken down (S8)."""
    return t.c.stop == Cause.NONE if t.touches else True


@of_steps(lambda t: t.begins and t.c2.cap > 1)
def BoundProp(t: Step) -> Any:
    """The batch bound is the floor of the percentage, and at least one, of the set as it
    is when a batch or a restore after a breach begins; it stays so until the next (S1,
    R4.2)."""
    restores = (t.state, t.state2) == (State.PRECHECKING, State.ROLLING_BACK)
    if not (t.begins or restores):
        return t.keeps("cap") or t.c2.cap == t.c.cap
    whole = total(t.c, PHASES)
    least = all_of(t.c2.cap == 1, negate(within(1, whole, t.p.max_batch)))
    share = all_of(t.c2.cap >= 1, largest_within(t.c2.cap, whole, t.p.max_batch))
    return any_of(least, share)


@of_steps(lambda t: t.begins and t.c2.room > t.c2.slack > 0 < t.c.cap)
def RoomProp(t: Step) -> Any:
    """A batch may fill its bound, and take as many healthy instances as leave the
    unhealthy share within its limit; where that is none it is a single one (S1, S6)."""
    if not t.begins:
        return True
    whole, taken = total(t.c, PHASES), int(t.row.leaves == "pending_healthy")
    down = total(t.c, DOWN) + taken
    spent = all_of(
        negate(within(down, whole, t.p.max_unhealthy)), t.c2.room == 0, t.c2.slack == 0
    )
    roomy = all_of(
        largest_within(down + t.c2.slack, whole, t.p.max_unhealthy), t.c2.room == t.c2.cap - 1
    )
    return any_of(roomy, spent) if taken else roomy


@of_steps(lambda t: t.touches and t.state is t.state2)
def ClaimProp(t: Step) -> Any:
    """Every further instance of a batch uses up one of its room, and a healthy one of its
    headroom; nothing gives either back before the next batch, and none but the run itself
    closes it (R4.2, S1, S6, N6)."""
    if t.begins:
        return True
    if t.touches:
        slack = t.c.slack - int(t.row.leaves == "pending_healthy")
        return all_of(t.c2.room == t.c.room - 1, t.c2.slack == slack)
    if t.keeps("room", "slack"):
        return True
    kept = all_of(t.c2.room == t.c.room, t.c2.slack == t.c.slack)
    if t.row.actor not in (Actor.MACHINE, Actor.PICK):
        return kept
    return any_of(kept, all_of(t.c2.room == 0, t.c2.slack == 0))


@of_steps(lambda t: t.touches and t.state in BATCH and t.c.slack == 1 and t.c.replacing > 1)
def AvailabilityProp(t: Step) -> Any:
    """What is down, in flight or free to be taken never exceeds the unhealthy share, but
    for one healthy instance taken alone where nothing else can go, and by what the fleet
    does by itself (N1, S6)."""

    def exposed(counts: C) -> Any:
        return total(counts, (*DOWN, *FLYING, "slack"))

    share = within(exposed(t.c2), total(t.c, PHASES), t.p.max_unhealthy)
    if t.begins:
        alone = all_of(exposed(t.c2) <= total(t.c, DOWN) + 1, t.c.pending_unhealthy == 0)
        return any_of(share, alone)
    if t.move == ("failed_healthy", "restoring"):
        return any_of(share, total(t.c2, FLYING) == 1)
    still = t.drifts or t.keeps(*PHASES, "slack")
    return True if still else exposed(t.c2) <= exposed(t.c)


@of_steps(lambda t: t.begins and total(t.c, LOST) > 0 < t.c2.room)
def BlastRadiusProp(t: Step) -> Any:
    """What the image broke, is being given to or may still be given to grows only where a
    batch begins, by at most its bound and from within the threshold; beside that only by
    earlier upgrades that fall ill later.  Summed over a batch: never more are lost than
    floor(limit * attempted / 100) + the batch bound + those late ones (R4.4, N1)."""

    def exposed(counts: C) -> Any:
        return total(counts, (*LOST, *FORWARD, "room"))

    late = int(t.move == ("upgraded_healthy", "upgraded_unhealthy"))
    if t.begins:
        return all_of(image_fit(t.c, t.p), exposed(t.c2) <= total(t.c, LOST) + t.c2.cap)
    return t.keeps(*PHASES, "room") or exposed(t.c2) <= exposed(t.c) + late


# -- what has happened stays ------------------------------------------------------------


@of_steps(lambda t: t.row.enters == "restored_healthy")
def LostProp(t: Step) -> Any:
    """An instance stops counting as lost only when it vanishes, when an upgraded one
    recovers on the target, or when force gives it up (R4.4, S4, S8, S11)."""
    if t.row.enters is None or t.row.leaves == "upgraded_unhealthy" or t.keeps(*LOST):
        return True
    given_up = t.row.leaves in LOST and t.row.enters == "indeterminate"
    return total(t.c2, LOST) >= total(t.c, LOST) - int(given_up)


@of_steps(lambda t: t.row.enters == "indeterminate")
def AttemptedProp(t: Step) -> Any:
    """What was attempted stays attempted until it vanishes (S3, S11)."""
    if t.keeps(*ATTEMPTED):
        return True
    vanished = int(t.row.leaves in ATTEMPTED and t.row.enters is None)
    return total(t.c2, ATTEMPTED) >= total(t.c, ATTEMPTED) - vanished


@of_steps(lambda t: t.c.stop == 2 and t.row.actor is Actor.OPERATOR)
def CauseKeptProp(t: Step) -> Any:
    """The first cause recorded stands (R8, R4.9)."""
    return t.keeps("stop") or implies(t.c.stop != Cause.NONE, t.c2.stop == t.c.stop)


@of_steps(lambda t: t.c2.stop != t.c.stop and t.c2.stop == 3)
def CauseDueProp(t: Step) -> Any:
    """A threshold is the cause only where it was passed, and it mattered; people and the
    world bring the others (R4.1, R4.4, R8, R2.1)."""
    if t.keeps("stop"):
        return True
    if t.row.actor is Actor.MACHINE:
        image = all_of(t.c2.stop == Cause.UPGRADED_UNHEALTHY, negate(image_fit(t.c, t.p)))
        fleet = all_of(
            t.c2.stop == Cause.FLEET_UNHEALTHY,
            image_fit(t.c, t.p),
            negate(fleet_fit(t.c, t.p)),
            total(t.c, PENDING) > 0,
        )
        due = all_of(gates_open(t.c), any_of(image, fleet))
    else:
        causes = {
            Actor.OPERATOR: (Cause.USER, Cause.OPTED_OUT),
            Actor.WORLD: (Cause.INTERNAL, Cause.CREDENTIALS),
        }
        due = any_of(False, *(t.c2.stop == cause for cause in causes.get(t.row.actor, ())))
    return any_of(t.c2.stop == t.c.stop, due)


@of_steps(lambda t: t.c2.held == 0 < t.c.held and t.row.leaves is None)
def HoldProp(t: Step) -> Any:
    """Only people hold, resume and force a run; force is not taken back, and a hold is no
    cancel, nor a cancel a hold (N6, S8, R4.9)."""
    if t.keeps("held", "forced"):
        return True
    if t.row.actor is Actor.OPERATOR:
        cancels = all_of(t.c2.held == t.c.held, t.c2.forced >= t.c.forced)
        return any_of(cancels, all_of(t.c2.stop == t.c.stop, t.c2.forced == t.c.forced))
    return all_of(t.c2.held == t.c.held, t.c2.forced == t.c.forced)


@of_steps(lambda t: t.c2.shut > t.c.shut and t.state is State.WAITING_HEALTH)
def WindowProp(t: Step) -> Any:
    """The calendar alone closes and opens the window, and that is no cause, hold or approval
    (N10, S7)."""
    if t.keeps("shut"):
        return True
    kept = ("held", "stop", "gated", "forced", "deferred")
    alone = all_of(True, *(getattr(t.c2, name) == getattr(t.c, name) for name in kept))
    return any_of(t.c2.shut == t.c.shut, alone if t.row.actor is Actor.WORLD else False)


@of_steps(lambda t: t.c2.deferred < t.c.deferred and t.row.actor is Actor.WORLD)
def ApprovalProp(t: Step) -> Any:
    """What is withheld stays so until somebody approves, the latest time for that has
    passed, or nobody is found who waits for it; neither is anything else, and nothing is
    withheld again (R4.11)."""
    if t.keeps("deferred") or t.state is State.IDLE:
        return True
    apart = ("deferred", "view")
    others = (name for name in REGISTERS if name not in apart)
    over = all_of(
        t.c2.deferred < t.c.deferred,
        _rests(t.c, t.p) if t.row.actor is Actor.PICK else True,
        *(getattr(t.c2, name) == getattr(t.c, name) for name in others),
    )
    own = t.row.actor is Actor.MACHINE
    return any_of(t.c2.deferred == t.c.deferred, False if own else over)


# -- restoring, abandoning, seeing ------------------------------------------------------


@of_steps(lambda t: t.row.enters == "restoring" and t.c.failed_healthy > 0)
def RestoreProp(t: Step) -> Any:
    """A previous disk is given back where rollback is on, or a threshold ended the run and
    the policy wants it, and never by force or without credentials (R4.3, R4.8, R4.10, S8)."""
    if t.row.enters != "restoring":
        return True
    wanted = any_of(t.p.rollback == 1, all_of(by_threshold(t.c), t.p.restore_on_breach == 1))
    return all_of(t.state is State.ROLLING_BACK, wanted, gives_back(t.c))


@of_steps(lambda t: t.row.enters == "indeterminate")
def AbandonProp(t: Step) -> Any:
    """What is in flight is awaited and judged, unless the cancel was forced (S8)."""
    return t.c.forced == 1 if t.row.enters == "indeterminate" else True


@of_steps(lambda t: t.c2.view == View.STALE and t.c.held > t.c2.held)
def ViewProp(t: Step) -> Any:
    """The picture of the fleet is fresh only when the run asked for it after the last batch
    and was answered, which an overdue survey is not; the end of a hold, of a pause or of a
    closed window and an approval make it old, and nothing else but the next batch.  A run
    rests on it only where somebody is left and may be withheld, and looks again once that
    changed (R4.1, R4.5, R4.11, R5.3, S7, N6, N10)."""
    if t.keeps("view", "held", "gated", "shut", "deferred") and not t.ends:
        return True
    own, picks = t.row.actor is Actor.MACHINE, t.row.actor is Actor.PICK
    asked = all_of(unhindered(t.c), t.c.view == View.STALE) if own else False
    calm = all_of(t.c.view == View.ASKED, t.c2.stop == t.c.stop)
    answered = calm if t.row.actor is Actor.WORLD else False
    overdue = all_of(t.c.view == View.ASKED, t.c2.stop != t.c.stop, t.row.actor is Actor.WORLD)
    rests = all_of(_rests(t.c, t.p), total(t.c, SKIPPED) > 0) if picks else False
    resting = all_of(t.c.view == View.RESTING, unhindered(t.c), total(t.c, PENDING) > 0)
    opened, approved = t.c2.shut < t.c.shut, t.c2.deferred < t.c.deferred
    by_people = t.row.actor is Actor.OPERATOR and t.state is State.PRECHECKING
    some = t.c.deferred == 1 if by_people else False
    aged = any_of(
        *(t.ends, t.c2.held < t.c.held, t.c2.gated < t.c.gated, opened, overdue),
        *(False if picks else approved, some, resting if own else False),
    )
    return all_of(
        True if picks else implies(approved, t.c2.view == View.STALE),
        implies(all_of(t.c2.view == View.RESTING, t.c.view != View.RESTING), rests),
        implies(all_of(t.c2.view == View.ASKED, t.c.view != View.ASKED), asked),
        implies(all_of(t.c2.view == View.FRESH, t.c.view != View.FRESH), answered),
        implies(all_of(t.c2.view == View.STALE, t.c.view != View.STALE), aged),
        implies(t.c2.held < t.c.held, t.c2.view == View.STALE),
        implies(opened, t.c2.view == View.STALE),
        implies(t.c2.gated < t.c.gated, t.c2.view == View.STALE)
        if t.row.target is None
        else True,
        t.c2.view == View.STALE if t.ends else True,
    )


@of_steps(lambda t: t.ends and t.c2.gated == 1)
def PacedProp(t: Step) -> Any:
    """The pause begins after every batch of a run that goes on, and ends by itself or where
    the run restores at its end, not by what else is reported (R4.5)."""
    if t.ends:
        due = all_of(t.p.paced == 1, t.c.stop == Cause.NONE)
        return any_of(all_of(due, t.c2.gated == 1), all_of(negate(due), t.c2.gated == 0))
    if t.keeps("gated"):
        return True
    ending = t.row.actor is Actor.WORLD or t.state2 is State.ROLLING_BACK
    over = all_of(t.c2.gated == 0, t.c2.stop == t.c.stop) if ending else False
    return any_of(t.c2.gated == t.c.gated, over)
