"""`rollproof.step`: the gates that a calendar and other people keep (N10, R4.11, S7)."""

from typing import Any

import pytest

from rollproof.charter import Deferral
from rollproof.commands import Verb
from rollproof.errors import IllegalEvent
from rollproof.events import Approve, Cancel, Observed, Overdue, Pause, Reopen, Resume, Shut
from rollproof.fleet import Instance
from rollproof.run import expects
from rollproof.states import Cause, State, View
from rollproof_checks.fuzz.stage import HEALTHY, ILL, NEW, OLD, Stage, fleet

OPEN: dict[str, Any] = {"max_unhealthy": 100, "max_unhealthy_upgraded": 100}


def withheld(size: int = 3, **more: Any) -> Stage:
    """A run that has seen its fleet, all of which must be approved."""
    given = {"deferral": Deferral.INSTANCE, "approval_wait": 60_000, **OPEN, **more}
    return Stage.of(fleet(size), **given).begin()


class TestWindow:
    """N10: outside its window a run begins no batch; the one under way is finished."""

    def test_a_batch_is_finished_and_no_other_begun(self) -> None:
        stage = Stage.of(fleet(10)).begin().send(Shut(5)).batch()
        assert (stage.state, stage.open, stage.run.batches) == (State.PRECHECKING, [], 1)
        stage.send(Reopen(6)).survey()
        assert (stage.state, stage.run.batches) == (State.ROLLING_FORWARD, 2)

    def test_what_was_seen_before_is_not_trusted(self) -> None:
        """R4.1."""
        stage = Stage.of(fleet(10)).start()
        asked = stage.waiting(Verb.SURVEY)
        stage.send(Shut(5)).send(Reopen(6))
        assert stage.waiting(Verb.SURVEY).attempt == asked.attempt + 1

    def test_a_run_with_nothing_to_do_ends_all_the_same(self) -> None:
        stage = Stage.of(fleet(3, version=NEW)).start().send(Shut(5)).survey()
        assert stage.state is State.COMPLETED

    def test_twice_is_once(self) -> None:
        """S13."""
        stage = Stage.of(fleet(10)).start()
        assert stage.refuses(Reopen(5))
        assert stage.send(Shut(5)).refuses(Shut(6))

    def test_neither_lifts_a_hold_nor_is_lifted_by_its_end(self) -> None:
        """N6."""
        stage = Stage.of(fleet(10)).start().send(Pause(5)).send(Shut(6))
        assert stage.send(Reopen(7)).state is State.PRECHECKING
        assert stage.open == [] or stage.run.counts.held
        stage.send(Shut(8)).send(Resume(9)).survey()
        assert (stage.state, stage.run.batches) == (State.PRECHECKING, 0)

    def test_a_cancel_does_not_wait_for_it(self) -> None:
        """R4.9."""
        stage = Stage.of(fleet(10)).start().survey().batch().send(Shut(9)).send(Cancel(9))
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.USER)
        assert stage.refuses(Shut(10))


class TestApproval:
    """R4.11: a run waits until somebody approves, at the latest until a given time."""

    def test_nothing_is_touched_before(self) -> None:
        stage = withheld()
        assert (stage.state, stage.run.batches) == (State.PRECHECKING, 0)
        assert stage.run.counts.view == View.RESTING
        assert [c.verb for c in stage.open] == [Verb.AWAIT]

    def test_all_at_once(self) -> None:
        stage = withheld().send(Approve(5)).survey()
        assert (stage.state, stage.run.batches) == (State.ROLLING_FORWARD, 1)
        assert stage.finish().state is State.COMPLETED
        assert stage.run.counts.upgraded_healthy == 3

    def test_it_is_looked_at_again_first(self) -> None:
        """R4.1: who fell ill meanwhile counts."""
        stage = withheld(max_unhealthy=20)
        stage.change("i01", health=ILL).send(Approve(5)).survey()
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.FLEET_UNHEALTHY)

    def test_one_by_one(self) -> None:
        stage = withheld().send(Approve(5, ("i01",))).survey()
        assert stage.of_phase("replacing") == ["i01"]
        stage.batch().survey()
        assert stage.run.counts.view == View.RESTING
        stage.send(Approve(6, ("i00", "i02"))).survey().batch().survey().batch().survey()
        assert stage.state is State.COMPLETED
        assert stage.run.counts.upgraded_healthy == 3

    def test_during_a_batch(self) -> None:
        stage = withheld().send(Approve(5, ("i01",))).survey()
        assert stage.of_phase("replacing") == ["i01"]
        stage.send(Approve(6, ("i02",))).batch().survey()
        assert stage.of_phase("replacing") == ["i02"]

    def test_before_the_fleet_is_seen(self) -> None:
        stage = Stage.of(fleet(2), deferral=Deferral.INSTANCE, **OPEN).start()
        asked = stage.waiting(Verb.SURVEY)
        stage.send(Approve(5, ("i01",)))
        assert stage.waiting(Verb.SURVEY).attempt == asked.attempt + 1
        assert stage.survey().of_phase("replacing") == ["i01"]

    def test_one_that_is_unknown_changes_nothing_yet(self) -> None:
        """S11: it counts once the instance appears."""
        stage = withheld().send(Approve(5, ("later",))).survey()
        assert (stage.run.batches, stage.run.counts.view) == (0, View.RESTING)
        stage.world["later"] = Instance(id="later", version=OLD, health=HEALTHY)
        stage.send(Observed(6, stage.world["later"])).survey()
        assert stage.of_phase("replacing") == ["later"]

    @pytest.mark.parametrize("approves", [True, False])
    def test_too_late_the_default_holds(self, approves: bool) -> None:
        stage = withheld(lapse_approves=approves).overdue(Verb.AWAIT)
        assert stage.finish().state is State.COMPLETED
        assert stage.run.counts.upgraded_healthy == (3 if approves else 0)
        assert stage.run.counts.skipped_healthy == (0 if approves else 3)

    def test_what_was_approved_is_upgraded_whatever_the_default(self) -> None:
        stage = withheld(lapse_approves=False).send(Approve(5, ("i01",))).survey().batch()
        stage.overdue(Verb.AWAIT).finish()
        assert (stage.state, stage.phases["i01"]) == (State.COMPLETED, "upgraded_healthy")
        assert stage.run.counts.skipped_healthy == 2

    def test_after_the_default_nothing_is_approved_any_more(self) -> None:
        """S13."""
        stage = withheld(lapse_approves=False).overdue(Verb.AWAIT)
        assert stage.refuses(Approve(99))
        assert stage.refuses(Overdue(99, Verb.AWAIT, "", 1))

    def test_where_none_is_wanted_it_changes_nothing(self) -> None:
        stage = Stage.of(fleet(3)).start()
        assert stage.refuses(Approve(5))
        assert stage.refuses(Overdue(5, Verb.AWAIT, "", 1))

    def test_nobody_waits_for_one_that_is_there_already(self) -> None:
        """R1.4."""
        stage = Stage.of(fleet(3, version=NEW), deferral=Deferral.SET, **OPEN).begin()
        assert stage.state is State.COMPLETED

    def test_one_that_nobody_approved_may_be_there_by_itself(self) -> None:
        stage = withheld(1).change("i00", version=NEW).observed("i00")
        assert stage.run.counts.view == View.RESTING  # it is looked at when it must be
        assert stage.overdue(Verb.AWAIT).survey().state is State.COMPLETED

    def test_the_command_is_waited_for_until_the_end_of_the_deferral(self) -> None:
        stage = withheld()
        command = stage.waiting(Verb.AWAIT)
        assert command.deadline == 1_000 + 60_000
        assert expects(stage.send(Approve(5, ("i00",))).run, command)
        assert not expects(stage.send(Approve(6)).run, command)

    def test_an_ended_run_takes_none(self) -> None:
        """R4.9."""
        stage = withheld().send(Cancel(5))
        assert stage.state is State.CANCELLED
        with pytest.raises(IllegalEvent):
            stage.send(Approve(6))
