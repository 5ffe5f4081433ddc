"""`step` is pure and forgetful of nothing, and the laws that RunMachine judges can fail.

Two more machines over it, then the machine itself over rules that were broken on purpose:
each law must notice.
"""

import sys
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from catching import catching
from rollproof import counts, rules, table
from rollproof import turn as turns
from rollproof.batch import EVERYWHERE, offer
from rollproof.commands import Verb
from rollproof.counts import PHASES
from rollproof.events import (
    Cancel,
    Event,
    Observed,
    Overdue,
    Pause,
    Replaced,
    Restored,
    Resume,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Instance
from rollproof.ledger import IN_FLIGHT
from rollproof.run import WAITED_FOR, Run, new_run
from rollproof.states import ACTIVE, Cause, State
from rollproof.step import step, trace
from rollproof.table import ROWS
from rollproof_checks.fuzz.run import RunMachine, place
from rollproof_checks.fuzz.stage import HEALTHY, ILL, NEW, OLD, Stage, facts, fleet, one_of_each
from test_step_properties import SETTINGS

steps: Any = sys.modules[step.__module__]  # the package's attribute is the function


def replayed(run: Run, events: list[Event]) -> Run:
    """The run that these events make of a new one."""
    fresh = new_run(run.charter)
    for event in events:
        fresh, _ = step(fresh, event)
    return fresh


def order(run: Run) -> list[str]:
    """All that is pending, as batches would take it."""
    return [
        run.ledger.roster.ids[i] for i in offer(run.ledger, EVERYWHERE, unhealthy_first=False)
    ]


class Branching(RunMachine):
    """S13: a run of long ago, stepped again, knows nothing of what came after."""

    def __init__(self) -> None:
        super().__init__()
        self.past: dict[int, Run] = {}

    @invariant()
    def remember(self) -> None:
        if hasattr(self, "stage"):
            self.past[len(self.stage.sent)] = self.stage.run

    @precondition(lambda self: self.past)
    @rule(
        choice=st.integers(0, 99),
        names=st.lists(st.integers(0, 45), min_size=1, max_size=4, unique=True),
        fields=place,
    )
    def branch(self, choice: int, names: list[int], fields: dict[str, Any]) -> None:
        length = sorted(self.past)[choice % len(self.past)]
        run = self.past[length]
        if run.state not in ACTIVE:
            return
        seen: list[Event] = [
            Observed(self.stage.at, Instance(id=f"i{n:02}", **fields)) for n in names
        ]
        gone: list[Event] = [Vanished(self.stage.at, f"i{n:02}") for n in names[1:]]
        branched = run
        for event in (*seen, *gone, *reversed(seen)):
            branched, _ = step(branched, event)
        fresh = replayed(run, [*self.stage.sent[:length], *seen, *gone, *reversed(seen)])
        assert facts(branched) == facts(fresh)
        assert order(branched) == order(fresh)
        assert facts(run) == facts(replayed(run, self.stage.sent[:length]))


class Repeating(RunMachine):
    """S13: a report that had its effect has none again, and no key is used twice."""

    @invariant()
    def the_last_report_repeated_changes_nothing(self) -> None:
        if hasattr(self, "stage") and self.stage.state in ACTIVE:
            last = self.stage.sent[-1]
            if not isinstance(last, Start | Cancel | Pause | Resume):
                assert self.stage.refuses(last)

    def teardown(self) -> None:
        super().teardown()
        if not hasattr(self, "stage"):
            return
        run, keys = new_run(self.stage.run.charter), set()
        had_effect: list[Event] = []
        for event in self.stage.sent:
            run, commands, rows = trace(run, event)
            for command in commands:
                assert command.key("r") not in keys, "one key, two commands"
                keys.add(command.key("r"))
            if run.state in ACTIVE:
                for earlier in had_effect:
                    again, _, taken = trace(run, earlier)
                    assert again == run
                    assert taken == ()
            if rows and getattr(event, "attempt", None) is not None:
                had_effect.append(event)


FEWER = settings(SETTINGS, max_examples=80, stateful_step_count=30)


@pytest.mark.parametrize("machine", [Branching, Repeating], ids=["branching", "repeating"])
def test_machine(machine: type[RunMachine]) -> None:
    """S13, N2."""
    run_state_machine_as_test(machine, settings=FEWER)


# -- the laws can fail ----------------------------------------------------------------

Patch = pytest.MonkeyPatch


def a_batch_too_large(patch: Patch) -> None:
    bound = rules.batch_bound
    patch.setattr(table, "batch_bound", lambda whole, percent: bound(whole, percent) + 1)


def no_headroom_kept(patch: Patch) -> None:
    patch.setattr(table, "spare", lambda whole, _ill, _percent: whole)


def the_unhealthy_forgotten(patch: Patch) -> None:
    patch.setattr(table, "fleet_breached", lambda _c, _p: False)
    patch.setattr(table, "spare", lambda _whole, _ill, _percent: 0)


def the_lost_forgotten(patch: Patch) -> None:
    patch.setattr(table, "upgraded_breached", lambda _c, _p: False)


def ceil_for_floor(patch: Patch) -> None:
    patch.setattr(table, "batch_bound", lambda whole, percent: -(-whole * percent // 100))


def a_batch_during_the_pause(patch: Patch) -> None:
    patch.setattr(table, "open_gates", lambda c, _p: (c.stop == Cause.NONE) & (c.held == 0))


def a_batch_after_a_cancel(patch: Patch) -> None:
    def open_gates(c: Any, _p: Any) -> bool:
        by_threshold = c.stop in (Cause.FLEET_UNHEALTHY, Cause.UPGRADED_UNHEALTHY)
        return c.held == c.gated == 0 and not by_threshold  # else a breach is found for ever

    patch.setattr(table, "open_gates", open_gates)


def success_unseen(patch: Patch) -> None:
    def replaced(turn: Any, event: Replaced) -> None:
        index = turn.reported(event.instance, event.attempt, ROWS["replaced"].leaves_code)
        if index >= 0:
            turn.take(ROWS["replaced"], index)
            turn.take(ROWS["succeed"], index)
            turn.settle()

    patch.setitem(steps._HANDLERS[State.ROLLING_FORWARD], Replaced, replaced)


def an_instance_miscounted(patch: Patch) -> None:
    take = turns.Turn.take

    def forgets(turn: Any, row: Any, index: int = -1) -> None:
        take(turn, row, -1 if row.name == "replace_failed" else index)

    patch.setattr(turns.Turn, "take", forgets)


def on_every_report(patch: Patch, kind: type[Event], bend: Callable[[Any, Any], Any]) -> None:
    """What is handed in is bent to what the run waits for."""
    handler = steps._HANDLERS[State.ROLLING_FORWARD][kind]
    for state in ACTIVE:
        patch.setitem(
            steps._HANDLERS[state], kind, lambda turn, event: handler(turn, bend(turn, event))
        )


def an_old_look_believed(patch: Patch) -> None:
    def as_of_now(turn: Any, event: Observed) -> Observed:
        index = turn.index_of(event.instance.id)
        flying = {code: PHASES[code] for code in IN_FLIGHT}.get(
            turn.phase(index) if index >= 0 else -1
        )
        now = turn.lives.get(index, 1) + (flying == "recovering")
        return attrs.evolve(event, attempt=now if flying else None)

    on_every_report(patch, Observed, as_of_now)


def an_old_vanishing_believed(patch: Patch) -> None:
    def as_of_now(turn: Any, event: Vanished) -> Vanished:
        index = turn.index_of(event.instance)
        phase = turn.phase(index) if index >= 0 else -1
        for (verb, back), waiting in WAITED_FOR.items():
            if waiting == phase:
                return Vanished(event.at, event.instance, turn.lives.get(index, 1) + back, verb)
        return Vanished(event.at, event.instance)

    on_every_report(patch, Vanished, as_of_now)


def no_deadline(patch: Patch) -> None:
    command = turns.Turn.command

    def at_once(turn: Any, verb: Any, index: int, _wait: int, *rest: Any, **more: Any) -> None:
        command(turn, verb, index, 0, *rest, **more)

    patch.setattr(turns.Turn, "command", at_once)


def restores_unasked(patch: Patch) -> None:
    patch.setattr(table, "must_roll_back", lambda c, _p: c.failed_unhealthy > 0)


BROKEN: dict[str, tuple[Callable[[Patch], None], str]] = {
    "S1": (a_batch_too_large, "S1"),
    "S6": (no_headroom_kept, "S6"),
    "R4.1": (the_unhealthy_forgotten, r"R4\.1|S6"),
    "R4.4": (the_lost_forgotten, r"R4\.4"),
    "ceil": (ceil_for_floor, "S1"),
    "R4.5": (a_batch_during_the_pause, r"R4\.5"),
    "S8": (a_batch_after_a_cancel, "."),
    "S9": (success_unseen, "S9"),
    "sums": (an_instance_miscounted, "."),
    "deadline": (no_deadline, "."),
    "R4.8": (restores_unasked, "."),
    "S13 look": (an_old_look_believed, "S13"),
    "S13 vanished": (an_old_vanishing_believed, "S13"),
}

QUICK = catching(SETTINGS, max_examples=3_000)


@pytest.mark.parametrize("law", BROKEN)
def test_a_broken_rule_is_noticed(law: str, monkeypatch: Patch) -> None:
    """Each law of staging.py fails where the code breaks it."""
    breaks, said = BROKEN[law]
    breaks(monkeypatch)
    with pytest.raises(AssertionError, match=said):
        run_state_machine_as_test(RunMachine, settings=QUICK)


def test_a_recovery_unseen_is_noticed(monkeypatch: Patch) -> None:
    """S9: too rare for chance."""
    monkeypatch.setattr(steps, "_is_back", lambda _turn, _index: True)
    stage = Stage.of(fleet(5), bad=["i00"], max_unhealthy=100).begin().replaced("i00")
    stage.overdue(Verb.WATCH, "i00").answer(stage.waiting(Verb.RESTORE, "i00"))
    with pytest.raises(AssertionError, match="S9"):
        stage.overdue(Verb.WATCH, "i00")


def test_healed_failures_that_leave_the_count_are_noticed(monkeypatch: Patch) -> None:
    """S4: too rare for chance."""
    monkeypatch.setattr(table, "lost", lambda c: counts.lost(c) - c.restored_healthy)
    stage = Stage.of(fleet(10), bad=["i00", "i01"], max_unhealthy=100).begin().batch()
    assert stage.of_phase("restored_healthy") == ["i00", "i01"]
    with pytest.raises(AssertionError, match=r"R4\.4"):
        stage.survey()


def test_disks_given_back_everywhere_are_noticed(monkeypatch: Patch) -> None:
    """R6.1: too rare for chance."""
    monkeypatch.setattr(turns, "restore_ground", lambda _ledger, **_which: EVERYWHERE)
    world = [attrs.evolve(each, update_domain=each.id) for each in fleet(5)]
    terms = {"rollback": 0, "restore_on_breach": 1, "max_batch": 40, "max_unhealthy": 20}
    stage = Stage.of(
        world, bad=["i00", "i01"], one_domain=True, max_unhealthy_upgraded=100, **terms
    )
    stage.begin().batch().survey().batch()
    with pytest.raises(AssertionError, match=r"R6\.1"):
        stage.survey()


# -- what was wrong once --------------------------------------------------------------


class TestOnceWrong:
    """Each of these failed before the code was mended."""

    OPEN: dict[str, Any] = {"max_unhealthy": 100, "max_unhealthy_upgraded": 100}  # noqa: RUF012

    def test_an_unhealthy_one_that_is_claimed_is_not_offered_again(self) -> None:
        """S6: the second look at a zone is at what is left of it."""
        stage = Stage.of(fleet(10), max_unhealthy=30).change("i00", health=ILL).begin()
        assert stage.of_phase("replacing") == ["i00", "i01"]

    def test_a_repeated_deadline_does_not_end_the_recovery(self) -> None:
        """S13: the watch forward and the watch back are two."""
        stage = Stage.of(fleet(5), bad=["i00"], **self.OPEN).begin().replaced("i00")
        late = stage.waiting(stage.open[0].verb, "i00")
        stage.overdue(late.verb, "i00").send(Restored(stage.at, "i00", 1))
        assert stage.phases["i00"] == "recovering"
        assert stage.refuses(Overdue(stage.at, late.verb, "i00", late.attempt))

    def test_an_old_disk_that_nobody_saw_is_not_restored(self) -> None:
        """S9: what was seen before the replacement says nothing."""
        stage = Stage.of(fleet(5), bad=["i00"], **self.OPEN).begin().replaced("i00")
        stage.overdue(stage.open[0].verb, "i00").send(Restored(stage.at, "i00", 1))
        stage.overdue(stage.open[0].verb, "i00")
        assert stage.phases["i00"] == "unrestored_unhealthy"

    def test_another_life_in_another_zone_has_other_keys(self) -> None:
        """S11, S13."""
        stage = Stage.of(fleet(10), **self.OPEN).begin()
        stage.send(Vanished(5, "i00", 1, Verb.REPLACE))
        stage.change("i00", zone="a").observed("i00").batch().survey()
        assert stage.waiting(stage.open[0].verb, "i00").attempt == 3

    def test_an_observation_repeated_after_the_success(self) -> None:
        """S13."""
        stage = Stage.of(fleet(10)).begin().replaced("i00").observed("i00")
        assert stage.refuses(Observed(stage.at, stage.world["i00"]))

    def test_an_upgraded_one_that_fell_ill_on_the_target_is_told_once(self) -> None:
        """S11: its version is known, whichever phase it is in."""
        stage = Stage.of(fleet(10)).begin().replaced("i00").observed("i00")
        ill = stage.change("i00", health=ILL).observed("i00").world["i00"]
        assert stage.phases["i00"] == "upgraded_unhealthy"
        assert stage.refuses(Observed(stage.at, ill))
        well = attrs.evolve(ill, health=HEALTHY)
        assert stage.send(Observed(stage.at, well)).refuses(Observed(stage.at, well))

    def test_a_whole_fleet_may_move_at_once(self) -> None:
        """R1.3: in time that grows with the fleet, not with its square."""
        found = [Instance(id=f"i{k:05}", zone="a", version=OLD) for k in range(20_000)]
        stage = Stage.of([], max_unhealthy=100).start()
        run, _ = step(stage.run, Pause(1))
        run, _ = step(run, Surveyed(1, 1, tuple(found)))
        run, _ = step(run, Resume(1))
        run, commands = step(
            run, Surveyed(2, run.surveys, tuple(attrs.evolve(i, zone="b") for i in found))
        )
        assert len(commands) == 4_000
        assert run.ledger.size() == 20_000
        assert run.ledger.roster.place_of(run.ledger.roster.index["i00000"]).zone == "b"

    def test_moved_instances_leave_other_branches_alone(self) -> None:
        """S13: the roster that a turn makes for itself is its own."""
        trunk = Stage.of(fleet(6), **self.OPEN).begin().run
        was = facts(trunk)
        moved = trunk
        for name in ("i04", "i05"):
            there = Instance(id=name, zone="a", version=OLD, health=HEALTHY)
            moved, _ = step(moved, Observed(5, there))
        again, _ = step(trunk, Observed(5, Instance(id="new", zone="z0", version=NEW)))
        assert facts(trunk) == was
        assert dict(again.ledger.members())["new"] == "skipped_unhealthy"
        assert "new" not in dict(moved.ledger.members())


looks = st.builds(
    Instance,
    id=st.sampled_from("abcdef"),
    zone=st.sampled_from(["z0", "z1"]),
    update_domain=st.sampled_from(["", "u"]),
    version=st.sampled_from([OLD, NEW, None]),
    health=st.sampled_from([HEALTHY, ILL]),
    protected=st.booleans(),
)


class TestSurvey:
    """S11: a survey works in together what looks that nobody asked for tell one by one."""

    @given(
        st.lists(looks, max_size=5),
        st.sets(st.sampled_from("abcdef")),
        st.lists(looks, max_size=5),
        st.lists(looks, max_size=9),
    )
    @settings(deadline=None, max_examples=150)
    def test_says_what_looks_say(
        self,
        known: list[Instance],
        gone: set[str],
        elsewhere: list[Instance],
        present: list[Instance],
    ) -> None:
        """Whoever is known, gone since, moved, named twice, or enrolled in another branch
        of the run, which shares what it can."""
        told = []
        for together in (True, False):
            run = Stage.of([]).start().run
            for event in (*looked_at(known), *(Vanished(1, name) for name in gone)):
                run, _ = step(run, event)
            branch = run
            for event in looked_at(elsewhere):
                branch, _ = step(branch, event)
            taken: list[str] = []
            for event in () if together else looked_at(present):
                run, _, rows = trace(run, event)
                taken += rows
            survey = Surveyed(2, 1, tuple(present) if together else ())
            run, commands, rows = trace(run, survey)
            taken += rows
            told.append((taken, commands, facts(run), order(run), facts(branch)))
        assert told[0] == told[1]


def looked_at(instances: list[Instance]) -> list[Event]:
    """Looks at these, which nobody asked for."""
    return [Observed(1, instance) for instance in instances]


def test_every_kind_of_event_is_tried() -> None:
    """The machines draw from all of them."""
    kinds = {type(event) for event in one_of_each(Stage.of(fleet(1)))}
    assert kinds == set(Event.__args__)
