"""`rollproof.status`: a run as R7.1 wants it told."""

import pytest

from rollproof.commands import Verb
from rollproof.counts import PHASE_COUNT
from rollproof.events import Cancel, Fault, Pause, RestoreFailed
from rollproof.run import Run
from rollproof.states import Cause, State
from rollproof.status import RunningStatus, RunStatus, describe
from rollproof_checks.fuzz.stage import NEW, Stage, fleet


def status(run: Run, why: str = "", ended_at: int | None = None) -> RunStatus:
    return describe(run.charter, run.state, run.counts, run.batches, 1, 2, ended_at, why)


def rolling_back() -> Stage:
    stage = Stage.of(fleet(10), bad=["i00", "i01"], max_unhealthy_upgraded=100).begin()
    return stage.replaced("i00", "i01").overdue(Verb.WATCH, "i00", "i01")


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        (Stage.of(fleet(2)).start(), RunningStatus.ROLLING_FORWARD),
        (Stage.of(fleet(2)).begin(), RunningStatus.ROLLING_FORWARD),
        (rolling_back(), RunningStatus.ROLLING_BACK),
        (Stage.of(fleet(2, version=NEW)).begin(), RunningStatus.COMPLETED),
        (Stage.of(fleet(2)).start().send(Cancel(5)), RunningStatus.CANCELLED),
        (Stage.of(fleet(2)).start().send(Cancel(5, Cause.OPTED_OUT)), RunningStatus.FAULTED),
        (Stage.of(fleet(2)).start().send(Fault(5, "why")), RunningStatus.FAULTED),
    ],
    ids=["prechecking", "batch", "restoring", "completed", "by user", "opted out", "fault"],
)
def test_running_status(stage: Stage, said: RunningStatus) -> None:
    """R8: a cause other than the user's reads Faulted."""
    told = status(stage.run)
    assert told.running_status is said
    assert bool(told.cause_text) == (told.cause is not Cause.NONE)


def test_progress_sums_to_the_set() -> None:
    """R7.1: successful, failed, in progress, pending; and what was skipped."""
    stage = Stage.of(fleet(10), bad=["i00"], max_unhealthy=100, max_unhealthy_upgraded=100)
    stage.change("i09", version=NEW).begin()
    while stage.open:
        progress = status(stage.run).progress
        assert (
            progress.successful
            + progress.failed
            + progress.in_progress
            + progress.pending
            + progress.skipped
            == sum(stage.run.counts[:PHASE_COUNT])
        )
        stage.answer(stage.open[0])
    assert stage.state is State.COMPLETED
    last = status(stage.run).progress
    assert (last.successful, last.failed, last.skipped) == (8, 1, 1)


def test_rollback_info_and_error() -> None:
    """R7.1: restored, failed to restore, and why."""
    stage = rolling_back().send(RestoreFailed(9, "i00", 1, "no disk"))
    stage.answer(stage.waiting(Verb.RESTORE, "i01"))
    stage.batch()
    told = status(stage.run, "no disk")
    assert told.rollback_info.successfully_rolledback == 1
    assert told.rollback_info.failed_rolledback == 1
    assert told.rollback_info.error == told.error == "no disk"


def test_held() -> None:
    """N6: a run that has ended is not held."""
    stage = Stage.of(fleet(3)).begin().send(Pause(5))
    assert status(stage.run).held
    stage.send(Cancel(6, force=True))
    assert not status(stage.run, ended_at=6).held
