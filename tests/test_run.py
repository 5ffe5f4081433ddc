"""`rollproof.run`: a new run, and which commands an outcome is still expected of."""

from collections.abc import Callable
from typing import Any

import pytest

from rollproof.commands import IDLE_VERBS, Command, Verb
from rollproof.counts import EMPTY
from rollproof.events import Cancel, Pause, Vanished
from rollproof.run import Run, expects, new_run
from rollproof.states import ACTIVE, Cause, State
from staging import Stage, charter, facts, fleet

OPEN: dict[str, Any] = {"max_unhealthy": 100, "max_unhealthy_upgraded": 100}


def prechecking() -> Stage:
    return Stage.of(fleet(5), bad=["i00"], **OPEN).start()


def rolling_forward() -> Stage:
    return prechecking().survey()


def waiting_health() -> Stage:
    return rolling_forward().replaced("i00")


def restoring() -> Stage:
    return waiting_health().overdue(Verb.WATCH, "i00")


def recovering() -> Stage:
    stage = restoring()
    return stage.answer(stage.open[0])


def pausing() -> Stage:
    return Stage.of(fleet(5), pause=60_000, **OPEN).begin().batch()


MOMENTS: dict[str, tuple[Callable[[], Stage], State, tuple[Verb, str, int]]] = {
    "survey": (prechecking, State.PRECHECKING, (Verb.SURVEY, "", 1)),
    "replace": (rolling_forward, State.ROLLING_FORWARD, (Verb.REPLACE, "i00", 1)),
    "watch": (waiting_health, State.WAITING_HEALTH, (Verb.WATCH, "i00", 1)),
    "restore": (restoring, State.ROLLING_BACK, (Verb.RESTORE, "i00", 1)),
    "watch back": (recovering, State.ROLLING_BACK, (Verb.WATCH, "i00", 2)),
    "wait": (pausing, State.PRECHECKING, (Verb.WAIT, "", 1)),
}


each_moment = pytest.mark.parametrize("moment", MOMENTS)


def test_a_new_run_has_not_begun() -> None:
    run = new_run(charter())
    assert (run.state, run.counts, run.surveys, run.batches) == (State.IDLE, EMPTY, 0, 0)
    assert run.cause is Cause.NONE
    assert list(run.ledger.members()) == []


def test_new_runs_share_nothing() -> None:
    """R4.9: each scale set has its own."""
    one, other = Stage.of(fleet(5)), Stage.of(fleet(5))
    was = facts(other.run)
    one.begin()
    assert facts(other.run) == was


class TestExpects:
    """N2, S13: after a crash only what the run still waits for is issued again."""

    @each_moment
    def test_one_command_of_all_that_could_be(self, moment: str) -> None:
        make, state, waited_for = MOMENTS[moment]
        stage = make()
        assert stage.state is state
        named = [
            (verb, instance, attempt)
            for verb in Verb
            for instance in ("", *stage.world, "nobody")
            for attempt in range(4)
            if (instance == "") == (verb in (Verb.SURVEY, *IDLE_VERBS))
            and expects(stage.run, Command(verb, instance, attempt, 0))
        ]
        assert named == [waited_for]
        assert [(c.verb, c.instance, c.attempt) for c in stage.open] == [waited_for]

    @each_moment
    def test_the_deadline_does_not_matter(self, moment: str) -> None:
        """A command that is late is still the one."""
        stage = MOMENTS[moment][0]()
        assert expects(stage.run, stage.open[0]._replace(deadline=0, version=None))

    @each_moment
    def test_nothing_before_the_start_nor_after_the_end(self, moment: str) -> None:
        stage = MOMENTS[moment][0]()
        command = stage.open[0]
        assert not expects(new_run(stage.run.charter), command)
        ended = stage.send(Cancel(stage.at, force=True))
        assert ended.state is State.CANCELLED
        assert not expects(ended.run, command)

    @each_moment
    def test_a_hold_waits_on(self, moment: str) -> None:
        """N6: the current batch is finished."""
        stage = MOMENTS[moment][0]()
        command = stage.open[0]
        assert expects(stage.send(Pause(stage.at)).run, command)

    @pytest.mark.parametrize("moment", ["replace", "watch", "restore", "watch back"])
    def test_a_vanished_instance_is_not_waited_for(self, moment: str) -> None:
        """S11."""
        stage = MOMENTS[moment][0]()
        command = stage.open[0]
        assert not expects(stage.send(Vanished(stage.at, "i00")).run, command)


class TestCancelling:
    """R4.9, S8: at any moment, and it ends."""

    @each_moment
    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("cause", [Cause.USER, Cause.OPTED_OUT])
    def test_in_every_state(self, moment: str, force: bool, cause: Cause) -> None:
        stage = MOMENTS[moment][0]()
        flying = stage.state is not State.PRECHECKING
        stage.send(Cancel(stage.at, cause, force))
        assert stage.run.cause is cause
        assert (stage.state in ACTIVE) == (flying and not force)
        assert stage.run.counts.indeterminate == (1 if flying and force else 0)
        assert stage.finish().state is State.CANCELLED

    @each_moment
    def test_what_was_in_flight_is_given_back(self, moment: str) -> None:
        """S8: judged, and restored where rollback is on."""
        stage = MOMENTS[moment][0]()
        flying = stage.state is not State.PRECHECKING
        assert stage.send(Cancel(stage.at)).finish().state is State.CANCELLED
        if flying:
            assert stage.phases["i00"] == "restored_healthy"


def test_the_cause_is_the_one_recorded() -> None:
    run: Run = prechecking().send(Cancel(1, Cause.OPTED_OUT)).run
    assert run.cause is Cause.OPTED_OUT
