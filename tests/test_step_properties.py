"""`step` under arbitrary events: the laws of staging.py after each, and an end to all."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rollproof import batch, turn
from rollproof.errors import IllegalEvent
from rollproof.events import Cancel, Event, Fault, Observed, Overdue, Pause, Resume, Vanished
from rollproof.fleet import Health, Instance
from rollproof.states import ACTIVE, TERMINAL, Cause, State
from staging import HEALTHY, ILL, NEW, OLD, OTHER, Stage, facts, one_of_each, phases

percent = st.sampled_from([20, 5, 34, 50, 100])
terms = st.fixed_dictionaries(
    {
        "max_batch": percent,
        "max_unhealthy": percent,
        "max_unhealthy_upgraded": st.sampled_from([0, 20, 50, 100]),
        "rollback": st.integers(0, 1),
        "restore_on_breach": st.integers(0, 1),
        "pause": st.sampled_from([0, 1_000]),
        "cross_zone": st.booleans(),
        "one_domain": st.booleans(),
        "unhealthy_first": st.booleans(),
    }
)
place = st.fixed_dictionaries(
    {
        "zone": st.sampled_from(["a", "b", "c"]),
        "update_domain": st.sampled_from(["0", "1"]),
        "version": st.sampled_from([*[OLD] * 8, NEW, OTHER, None]),
        "health": st.sampled_from([*[HEALTHY] * 8, ILL, Health.UNKNOWN]),
        "protected": st.sampled_from([*[False] * 9, True]),
    }
)


class RunMachine(RuleBasedStateMachine):
    """Host, provider and fleet do as they like; `Stage.send` checks every step."""

    stage: Stage

    @initialize(
        found=st.lists(place, min_size=1, max_size=30),
        bad=st.sets(st.integers(0, 29), max_size=4),
        terms=terms,
    )
    def begin(self, found: list[dict[str, Any]], bad: set[int], terms: dict[str, Any]) -> None:
        world = [Instance(id=f"i{k:02}", **fields) for k, fields in enumerate(found)]
        self.stage = Stage.of(world, bad={f"i{k:02}" for k in bad}, **terms).start()

    def send(self, event: Event) -> None:
        """An event that the state refuses must change nothing (R4.9)."""
        was = facts(self.stage.run)
        try:
            self.stage.send(event)
        except IllegalEvent:
            assert self.stage.state in TERMINAL
            assert facts(self.stage.run) == was

    @precondition(lambda self: self.stage.open)
    @rule(choice=st.integers(0, 99))
    def something_is_done(self, choice: int) -> None:
        self.stage.answer(self.stage.open[choice % len(self.stage.open)])

    @precondition(lambda self: self.stage.open)
    @rule(choice=st.integers(0, 99))
    def something_is_overdue(self, choice: int) -> None:
        command = self.stage.open[choice % len(self.stage.open)]
        self.stage.at = max(self.stage.at, command.deadline)
        self.send(Overdue(self.stage.at, command.verb, command.instance, command.attempt))

    @precondition(lambda self: len(self.stage.sent) > 1)
    @rule(choice=st.integers(0, 99))
    def a_report_is_repeated(self, choice: int) -> None:
        """S13."""
        sent = self.stage.sent[1:]
        event = sent[choice % len(sent)]
        if not isinstance(event, Cancel | Pause | Resume):
            self.send(event)

    @rule(choice=st.integers(0, 99))
    def anything_is_reported(self, choice: int) -> None:
        if self.stage.world:
            events = list(one_of_each(self.stage))[1:]
            event = events[choice % len(events)]
            if not isinstance(event, Fault | Cancel | Pause):
                self.send(event)

    @rule(name=st.integers(0, 34), fields=place)
    def the_fleet_changes(self, name: int, fields: dict[str, Any]) -> None:
        """S11."""
        self.stage.world[f"i{name:02}"] = Instance(id=f"i{name:02}", **fields)
        self.send(Observed(self.stage.at, self.stage.world[f"i{name:02}"]))

    @rule(name=st.integers(0, 34), seen=st.booleans())
    def an_instance_vanishes(self, name: int, seen: bool) -> None:
        self.stage.world.pop(f"i{name:02}", None)
        if seen:
            self.send(Vanished(self.stage.at, f"i{name:02}"))

    @rule()
    def an_operator_pauses(self) -> None:
        self.send(Pause(self.stage.at))

    @rule()
    def an_operator_resumes(self) -> None:
        self.send(Resume(self.stage.at))

    @rule(
        cause=st.sampled_from([Cause.USER, Cause.OPTED_OUT]),
        force=st.sampled_from([False, False, True]),
        chance=st.integers(0, 5),
    )
    def an_operator_cancels(self, cause: Cause, force: bool, chance: int) -> None:
        if chance == 0:
            self.send(Cancel(self.stage.at, cause, force))

    @invariant()
    def a_crash_loses_nothing(self) -> None:
        """N2: the same events make the same run."""
        if hasattr(self, "stage") and len(self.stage.sent) % 5 == 0:
            assert facts(self.stage.replay()) == facts(self.stage.run)

    def teardown(self) -> None:
        """R4.6, S8: once fleet and operators are at rest, the run ends."""
        if hasattr(self, "stage"):
            if self.stage.run.counts.held and self.stage.state in ACTIVE:
                self.stage.send(Resume(self.stage.at))
            self.stage.finish()
            assert self.stage.state in TERMINAL
            if self.stage.state is State.COMPLETED:
                assert not any(p.startswith("pending") for p in phases(self.stage.run).values())


SETTINGS = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_run_machine() -> None:
    """S1-S13 on the running code."""
    run_state_machine_as_test(RunMachine, settings=SETTINGS)


def test_a_batch_across_update_domains_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """R6.1: the machine can fail."""
    every = batch.offer
    monkeypatch.setattr(
        turn,
        "offer",
        lambda ledger, ground, **rest: every(
            ledger, ground._replace(update_domain=None), **rest
        ),
    )
    quick = settings(
        SETTINGS, max_examples=500, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError, match=r"R6\.1"):
        run_state_machine_as_test(RunMachine, settings=quick)


def test_a_batch_across_zones_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """R4.2: the machine can fail."""
    every = batch.offer
    monkeypatch.setattr(
        turn, "offer", lambda ledger, _, **rest: every(ledger, batch.EVERYWHERE, **rest)
    )
    # Without shrinking: that it is found is enough, and takes a second.
    quick = settings(
        SETTINGS, max_examples=500, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError, match=r"R4\.2"):
        run_state_machine_as_test(RunMachine, settings=quick)
