"""The models that are explored unless another is asked for.

Together they take every row and test every property; each alone is small.  What one of
them waives is there in another.
"""

from __future__ import annotations

from typing import Final

from rollproof.counts import EMPTY, Limits
from rollproof_checks.explore.model import Bound, By, Model, Waiver
from rollproof_checks.explore.reading import OUT_OF_REACH

SMALL_BATCHES: Final = Waiver(
    names=("RoomProp", "AvailabilityProp"), why="their twins want a batch of three"
)
NOTHING_OWED: Final = Waiver(
    names=("restore_on_breach", "ThresholdStopInv", "OwingInv", "RollbackInv", "ChangeProp"),
    why="with rollback on, no failed instance is left where a threshold ends the run",
)
NO_HEADROOM: Final = Waiver(
    names=("claim_healthy",), why="half of three is one, and the batch begins with that one"
)
LARGE_BATCHES: Final = Waiver(names=("BatchInv",), why="its twin wants a batch of just two")
FROM_THE_FIRST: Final = Waiver(names=("InitialInv",), why="the fleet is known from the start")
NEVER_TWO_LOST: Final = Waiver(
    names=("breach_fleet", "ImageThresholdProp", "BlastRadiusProp", "CauseDueProp"),
    why="all may be unhealthy, and one lost instance of two is the limit",
)
READ_LATE: Final = Bound(
    rows=OUT_OF_REACH,
    why="membership and force are read at once, so they cannot be merged; they are in the"
    " smaller models",
)
ONE_CAUSE: Final = Bound(
    rows=("cancel", "opt_out", "fault*"),
    why="a cause recorded in a batch only takes rows away; it would double the states, and"
    " is in the smaller models",
)
HEALTH_STANDS: Final = Bound(
    rows=("*_falls_ill", "*_recovers"),
    why="an instance is healthy or not when it is judged and stays so: every phase would be"
    " split in two for any number of instances; by read, health is in",
)

NO_ROLLBACK: Final = Waiver(
    names=("roll_back", "RestoredInv"), why="the policy has no rollback after a batch"
)
NO_HALVES: Final = Waiver(
    names=("FleetThresholdProp",), why="no share of three instances is the limit exactly"
)

KNOWN_FLEET: Final = Bound(
    rows=("appear_*", "vanish_*", "exempt_*", "enlist_*"),
    why="membership is in the smaller models: it neither reads nor sets a register, and"
    " multiplies the states by a hundred",
)
NO_WINDOW: Final = Bound(
    rows=("shut",),
    why="a closed window keeps batches waiting as a pause does; it would double the states,"
    " and is in the model with approvals",
)
ALWAYS_OPEN: Final = Waiver(names=("reopen", "WindowProp"), why="the window stays open")
NOTHING_WITHHELD: Final = Waiver(
    names=(
        *("approve", "approve_some", "lapse", "rest", "release", "rouse"),
        *("DeferralInv", "ApprovalProp"),
    ),
    why="the policy wants no approvals",
)
NOBODY_INTERFERES: Final = Bound(
    rows=("pause", "opt_out", "fault*", "force", "shut"),
    why="holds, and causes that end a run as a cancel does, are in the smaller models",
)
STAYS: Final = Waiver(
    names=(
        *("resume", "pause_over", "abandon_*", "skipped_*"),
        *("InitialInv", "NaturalInv", "RegisterInv", "BoundInv", "CancelledInv"),
        *("ForcedInv", "IndeterminateInv", "PauseInv", "FrameProp", "GatesProp"),
        *("AttemptedProp", "CauseKeptProp", "HoldProp", "AbandonProp", "ViewProp"),
        *("PacedProp", "RankProp", "OperatorInv"),
    ),
    why="they follow on what is bounded here",
)

ROLLBACK: Final = Model(
    name="rollback",
    instances=3,
    limits=Limits(67, 67, 50, 1, 1, 1),
    initial=EMPTY,
    bounds=(NO_WINDOW,),
    waivers=(NOTHING_OWED, SMALL_BATCHES, NO_HALVES, NOTHING_WITHHELD, ALWAYS_OPEN),
)
"""Everything the world and operators do, from an empty ledger as runs begin; but for
approvals and the window."""

BREACH: Final = Model(
    name="breach",
    instances=3,
    limits=Limits(100, 50, 50, 0, 1, 1),
    bounds=(NO_WINDOW,),
    waivers=(
        *(NO_ROLLBACK, NO_HEADROOM, SMALL_BATCHES, FROM_THE_FIRST),
        *(NOTHING_WITHHELD, ALWAYS_OPEN),
    ),
)
"""The same without rollback, but for the restoring after a breach."""

BATCHES: Final = Model(
    name="batches",
    instances=4,
    limits=Limits(75, 75, 50, 1, 0, 0),
    bounds=(KNOWN_FLEET, NOBODY_INTERFERES),
    waivers=(NOTHING_OWED, LARGE_BATCHES, STAYS, NOTHING_WITHHELD, ALWAYS_OPEN),
)
"""Batches of up to three."""

CONCRETE: Final = Model(
    name="concrete",
    instances=3,
    limits=Limits(67, 67, 50, 1, 0, 0),
    by=By.INSTANCE,
    bounds=(KNOWN_FLEET, NOBODY_INTERFERES),
    waivers=(NOTHING_OWED, SMALL_BATCHES, NO_HALVES, STAYS, NOTHING_WITHHELD, ALWAYS_OPEN),
)
"""Each instance by itself."""

APPROVALS: Final = Model(
    name="approvals",
    instances=2,
    limits=Limits(50, 50, 50, 0, 0, 0, 1),
    initial=EMPTY,
    waivers=(
        Waiver(
            names=(
                *("pause_over", "claim_*", "seal", "roll_back", "restor*", "disk_restored"),
                *("recovered*", "unrecovered", "abandon_re*", "unrestored_*", "vanish_*re*"),
                *("RegisterInv", "BatchInv", "BoundInv", "ThresholdStopInv", "PauseInv"),
                *("RollbackInv", "*RestoredInv", "FinalProp", "ChangeProp", "GatesProp"),
                *("ImageThresholdProp", "BoundProp", "RoomProp", "ClaimProp", "LostProp"),
                *("AvailabilityProp", "BlastRadiusProp", "RestoreProp", "PacedProp"),
                *("RankProp", "ForwardInv", "ReportInv"),
            ),
            why="a batch holds one, there is neither rollback nor pause; in the other models",
        ),
    ),
)
"""Everything is withheld at first, and the window may close."""

STANDARD: Final[tuple[Model, ...]] = (ROLLBACK, BREACH, BATCHES, CONCRETE, APPROVALS)

PAIR: Final = Model(
    name="pair",
    instances=2,
    limits=Limits(100, 100, 50, 1, 1, 1),
    waivers=(*(NOTHING_OWED, SMALL_BATCHES, FROM_THE_FIRST, NEVER_TWO_LOST, NOTHING_WITHHELD),),
)
"""The least fleet with a batch of two: a first look at a changed table."""


def of_size(instances: int, by: By, limits: Limits[int]) -> Model:
    """A fleet of some size under some policy, with the bounds that keep it small enough.
    Rows and properties that it leaves out are for the standard models to show."""
    bounds: tuple[Bound, ...] = ()
    if by is By.READ:
        bounds = (READ_LATE, *((ONE_CAUSE,) if instances > 300 else ()))
    elif instances > 3:
        bounds = (KNOWN_FLEET, NOBODY_INTERFERES)
        if by is By.COUNTERS and instances > 12:
            bounds += (HEALTH_STANDS,)
    else:
        bounds = (NO_WINDOW,)
    return Model(
        name=f"{instances} instances by {by}",
        instances=instances,
        limits=limits,
        by=by,
        bounds=bounds,
        waivers=(Waiver(names=("*",), why="the standard models take and test them"),),
    )
