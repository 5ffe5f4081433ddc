"""`rollproof.run`: a new run, and which commands an outcome is still expected of."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.charter import Charter
from rollproof.commands import IDLE_VERBS, Command, Verb
from rollproof.counts import EMPTY
from rollproof.events import Cancel, Pause, Vanished
from rollproof.run import Run, expects, new_run, resumed
from rollproof.states import ACTIVE, Cause, State
from rollproof_checks.fuzz.stage import NEW, Stage, charter, facts, fleet

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
        """S11: if the answer to this very command says so (S13)."""
        stage = MOMENTS[moment][0]()
        command = stage.open[0]
        for attempt, verb in product((None, *range(5)), Verb):
            gone = Vanished(stage.at, "i00", attempt, verb)
            if (attempt, verb) != (command.attempt, command.verb):
                assert stage.refuses(gone)
        gone = Vanished(stage.at, "i00", command.attempt, command.verb)
        assert not expects(stage.send(gone).run, command)
        assert "i00" not in stage.phases


TIMES = st.integers(0, 2**41)
SPANS = st.integers(0, 10**9)
TERMS = st.builds(
    charter,
    **dict.fromkeys(("survey_wait", "replace_wait", "health_wait", "restore_wait"), SPANS),
    pause=SPANS,
)
ASKED = st.sampled_from([verb for verb in Verb if verb not in IDLE_VERBS])


def issued(terms: Charter, verb: Verb, at: int) -> Command:
    return Command(verb, "i00", 1, at + terms.wait(verb), NEW)


class TestResumed:
    """N2: time in which nobody hosted is not counted against a wait."""

    @given(TERMS, ASKED, TIMES, SPANS, SPANS)
    def test_it_has_what_it_had_left(
        self, terms: Charter, verb: Verb, at: int, heard: int, down: int
    ) -> None:
        command = issued(terms, verb, at)
        last = at + heard
        again = resumed(terms, command, last, last + down)
        assert again.deadline - (last + down) == command.deadline - last
        assert again._replace(deadline=0) == command._replace(deadline=0)

    @given(TERMS, ASKED, TIMES, SPANS, TIMES)
    def test_whatever_the_clock_did_it_has_no_more_than_its_wait(
        self, terms: Charter, verb: Verb, at: int, back: int, now: int
    ) -> None:
        """The clock went back while it was hosted, or while nobody did."""
        again = resumed(terms, issued(terms, verb, at), at - back, now)
        assert again.deadline == now + terms.wait(verb)

    @given(TERMS, st.sampled_from(sorted(IDLE_VERBS)), TIMES, TIMES, TIMES)
    def test_a_pause_goes_on_without_a_host(
        self, terms: Charter, verb: Verb, at: int, last: int, now: int
    ) -> None:
        """R4.5, R4.11: it is a time on the clock, and so is the one for an approval."""
        pause = issued(terms, verb, at)
        again = resumed(terms, pause, last, now)
        assert again.deadline == (pause.deadline if now >= at else now + terms.wait(verb))

    def test_each_wait_is_its_own(self) -> None:
        waits = {"survey_wait": 1, "replace_wait": 2, "health_wait": 3, "restore_wait": 4}
        terms = charter(**waits, pause=5, approval_wait=6)
        assert {verb.value: terms.wait(verb) for verb in Verb} == {
            "survey": 1,
            "replace": 2,
            "watch": 3,
            "restore": 4,
            "wait": 5,
            "await": 6,
        }


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
