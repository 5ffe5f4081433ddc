"""How a run looks from outside: the words and fields of Azure's status (R7.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import attrs

from rollproof.charter import Charter, StartedBy
from rollproof.counts import Counts, failed, in_flight, pending, skipped, undone
from rollproof.states import TERMINAL, Cause, State


class RunningStatus(StrEnum):
    """What the outside is told of a run's state (R7.1, R8)."""

    ROLLING_FORWARD = "RollingForward"
    ROLLING_BACK = "RollingBack"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"
    FAULTED = "Faulted"


class LastAction(StrEnum):
    """What was last asked of a run (R7.1)."""

    START = "Start"
    CANCEL = "Cancel"
    """By a user, or by switching automatic upgrades off (R2.1, R4.9)."""


CAUSES: Final[dict[Cause, str]] = {
    Cause.NONE: "",
    Cause.USER: "a user cancelled it",
    Cause.OPTED_OUT: "automatic upgrades were switched off",
    Cause.FLEET_UNHEALTHY: "too much of the scale set is unhealthy",
    Cause.UPGRADED_UNHEALTHY: "too many of the upgraded instances are unhealthy",
    Cause.CREDENTIALS: "a credential has expired",
    Cause.INTERNAL: "the fleet could not be seen, or the host met an error",
}
"""Every cause in words."""


@attrs.frozen(kw_only=True)
class Progress:
    """Instances by what became of them; with ``skipped`` they sum to the set."""

    successful: int
    """Upgraded, and healthy ever since."""
    failed: int
    """Failed, restored or not; upgraded and ill since; or indeterminate."""
    in_progress: int
    pending: int
    skipped: int
    """On the target before their turn, or protected (R1.4)."""


@attrs.frozen(kw_only=True)
class RollbackInfo:
    """What became of the failed instances' previous disks."""

    successfully_rolledback: int
    failed_rolledback: int
    error: str
    """Empty when none."""


@attrs.frozen(kw_only=True)
class RunStatus:
    """A run as `status` and `history` show it.  Times are milliseconds since the Unix
    epoch, UTC."""

    run: str
    scale_set: str
    state: State
    running_status: RunningStatus
    cause: Cause
    cause_text: str
    held: bool
    """An operator has paused it."""
    shut: bool
    """It is outside its maintenance window (N10)."""
    deferred: bool
    """It withholds instances until they are approved (R4.11)."""
    started_by: StartedBy
    target: str
    """The image version (S10)."""
    undoes: str
    """The run that it takes back; empty unless it is a rollback (N7)."""
    image: str
    """`ImageReference.name` of the image; empty for a run of before it was recorded."""
    started_at: int
    last_action: LastAction
    last_action_at: int
    """Time of the last event recorded."""
    ended_at: int | None
    batches: int
    """Begun so far."""
    progress: Progress
    rollback_info: RollbackInfo
    error: str
    """Words of the last failure reported, and of the cause; empty when none."""
    pruned_at: int | None = None
    """When its events were removed; None: they are there."""


def describe(  # noqa: PLR0917  # one argument per fact of the record
    charter: Charter,
    state: State,
    counts: Counts[int],
    batches: int,
    started_at: int,
    last_at: int,
    ended_at: int | None,
    why: str,
    pruned_at: int | None = None,
) -> RunStatus:
    """The status of a run from its record (R7.1)."""
    cause = Cause(counts.stop)
    unrestored = counts.unrestored_healthy + counts.unrestored_unhealthy
    faulted = cause.is_fault
    ordered = cause in (Cause.USER, Cause.OPTED_OUT) or bool(counts.forced)
    return RunStatus(
        run=charter.run,
        scale_set=charter.scale_set,
        state=state,
        running_status=_running_status(state, cause),
        cause=cause,
        cause_text=CAUSES[cause],
        held=bool(counts.held) and state not in TERMINAL,
        shut=bool(counts.shut) and state not in TERMINAL,
        deferred=bool(counts.deferred) and state not in TERMINAL,
        started_by=charter.started_by,
        target=charter.target,
        undoes=charter.undo.run if charter.undo else "",
        image=charter.image,
        started_at=started_at,
        last_action=LastAction.CANCEL if ordered else LastAction.START,
        last_action_at=last_at,
        ended_at=ended_at,
        batches=batches,
        progress=Progress(
            successful=counts.upgraded_healthy,
            failed=(
                counts.upgraded_unhealthy
                + failed(counts)
                + undone(counts)
                + counts.indeterminate
            ),
            in_progress=in_flight(counts),
            pending=pending(counts),
            skipped=skipped(counts),
        ),
        rollback_info=RollbackInfo(
            successfully_rolledback=counts.restored_healthy + counts.restored_unhealthy,
            failed_rolledback=unrestored,
            error=why if unrestored else "",
        ),
        error="; ".join(text for text in (CAUSES[cause] if faulted else "", why) if text),
        pruned_at=pruned_at,
    )


def _running_status(state: State, cause: Cause) -> RunningStatus:
    if state is State.COMPLETED:
        return RunningStatus.COMPLETED
    if state is State.CANCELLED:
        return RunningStatus.FAULTED if cause.is_fault else RunningStatus.CANCELLED
    if state is State.ROLLING_BACK:
        return RunningStatus.ROLLING_BACK
    return RunningStatus.ROLLING_FORWARD
