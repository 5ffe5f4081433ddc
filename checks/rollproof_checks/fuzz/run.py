"""`step` under arbitrary events: every step keeps the laws, and every run ends.

No host, no journal, no clock: the pure run machine, played by a `Stage`.  Reports come
late, twice and out of order; the fleet changes as it likes; people interfere.

Judged at every step, by `rollproof_checks.fuzz.stage.check_step`
    A step is a sequence of rows that the table admits.  The ledger sums to the counts
    (S11).  Batch bound and headroom (S1, S6), thresholds in exact fractions (R4.1, R4.4,
    S2 to S5), one zone in a batch (R4.2), pause, hold, window and approval (R4.5, N6, N10,
    R4.11).  Nothing is touched
    after a cause (S8); nothing is given back unless the policy says so (R4.8).  Upgraded
    means seen healthy on the target, restored means seen healthy on the version before
    (S9); the target stays (S10).  Every command has a key of its own and a deadline to
    come, and is waited for.  The first cause stands (R8).
Judged besides
    The run before the step is left as it was.  An event that is refused changes nothing
    (R4.9), and so does an observation that is old (S13).  The same events make the same run
    (N2).  Once fleet, calendar and people are at rest the run ends, and completed means
    nothing pending (R4.6, S8).
"""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from rollproof.charter import Deferral
from rollproof.commands import Verb
from rollproof.errors import IllegalEvent
from rollproof.events import (
    Approve,
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Reopen,
    Resume,
    Shut,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.states import ACTIVE, TERMINAL, Cause, State
from rollproof_checks.fuzz.stage import (
    FLYING,
    HEALTHY,
    ILL,
    NEW,
    OLD,
    OTHER,
    Stage,
    facts,
    one_of_each,
    phases,
)

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
        "deferral": st.sampled_from([Deferral.NONE, Deferral.NONE, Deferral.INSTANCE]),
        "lapse_approves": st.booleans(),
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
    """Host, provider and fleet do as they like; `Stage.send` judges every step.

    Subclass it, or use ``RunMachine.TestCase``.
    """

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[Observed] = []
        """Taken while a watch was open, and on their way for any time."""

    @initialize(
        found=st.lists(place, min_size=1, max_size=30),
        bad=st.sets(st.integers(0, 29), max_size=4),
        terms=terms,
    )
    def begin(self, found: list[dict[str, Any]], bad: set[int], terms: dict[str, Any]) -> None:
        world = [Instance(id=f"i{k:02}", **fields) for k, fields in enumerate(found)]
        self.stage = Stage.of(world, bad={f"i{k:02}" for k in bad}, **terms).start()

    def send(self, event: Event) -> None:
        """An event that the state refuses must change nothing (R4.9); nor an observation
        that is old, or that nobody asked for of what is in flight (S13)."""
        was, idle = facts(self.stage.run), self.is_old(event)
        try:
            self.stage.send(event)
        except IllegalEvent:
            assert self.stage.state in TERMINAL
            idle = True
        assert not idle or facts(self.stage.run) == was, "S13"

    def is_old(self, event: Event) -> bool:
        """Whether nothing is open that this observation could answer; one that answers
        nothing is old to what is in flight."""
        if not isinstance(event, Observed | Vanished):
            return False
        name = event.instance if isinstance(event, Vanished) else event.instance.id
        if event.attempt is None:
            return phases(self.stage.run).get(name) in FLYING
        verb = event.verb if isinstance(event, Vanished) else Verb.WATCH
        asked = (verb, name, event.attempt)
        return all((c.verb, c.instance, c.attempt) != asked for c in self.stage.open)

    @precondition(lambda self: self.stage.open)
    @rule(choice=st.integers(0, 99), times=st.integers(1, 6))
    def something_is_done(self, choice: int, times: int) -> None:
        """Several at a time, or a run would seldom get beyond its first batch."""
        for _ in range(times):
            if self.stage.open:
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
        if not isinstance(event, Cancel | Pause | Resume | Approve):
            self.send(event)

    @precondition(lambda self: any(c.verb is Verb.WATCH for c in self.stage.open))
    @rule(choice=st.integers(0, 99), fields=place)
    def somebody_looks(self, choice: int, fields: dict[str, Any]) -> None:
        """What he saw is on its way: it may arrive at once, or whenever."""
        watches = [c for c in self.stage.open if c.verb is Verb.WATCH]
        watch = watches[choice % len(watches)]
        seen = Instance(id=watch.instance, **fields)
        if choice % 2:  # as the watch would have it
            seen = attrs.evolve(seen, version=watch.version, health=HEALTHY)
        self.looks.append(Observed(self.stage.at, seen, watch.attempt))

    @precondition(lambda self: self.looks)
    @rule(choice=st.integers(0, 99), asked=st.sampled_from([True, True, True, False]))
    def a_look_arrives(self, choice: int, asked: bool) -> None:
        """S13: late, and again and again."""
        look = self.looks[choice % len(self.looks)]
        self.send(look if asked else attrs.evolve(look, attempt=None))

    @rule(choice=st.integers(0, 99))
    def anything_is_reported(self, choice: int) -> None:
        if self.stage.world:
            events = list(one_of_each(self.stage))[1:]
            event = events[choice % len(events)]
            if not isinstance(event, Fault | Cancel | Pause):
                self.send(event)

    @precondition(lambda self: self.stage.state in ACTIVE)
    @rule(shut=st.booleans())
    def the_window_changes(self, shut: bool) -> None:
        """N10."""
        self.send(Shut(self.stage.at) if shut else Reopen(self.stage.at))

    @precondition(lambda self: self.stage.state in ACTIVE)
    @rule(names=st.lists(st.integers(0, 34), max_size=6))
    def somebody_approves(self, names: list[int]) -> None:
        """R4.11: these, or all."""
        self.send(Approve(self.stage.at, tuple(f"i{n:02}" for n in names)))

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
            if self.stage.state in ACTIVE:
                self.stage.send(Resume(self.stage.at)).send(Reopen(self.stage.at))
            self.stage.finish()
            assert self.stage.state in TERMINAL
            if self.stage.state is State.COMPLETED:
                assert not any(p.startswith("pending") for p in phases(self.stage.run).values())
