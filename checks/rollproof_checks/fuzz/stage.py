"""A fleet to step runs over, and the laws every step must keep.

`Stage` plays host and provider: it keeps a world of instances, carries out commands in
it, and hands `step` the events.  Every event sent goes through `check_step`.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import attrs

from rollproof.charter import Charter, Deferral
from rollproof.commands import IDLE_VERBS, Command, Verb
from rollproof.counts import PHASES, Limits
from rollproof.events import (
    Approve,
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Reopen,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Shut,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import news
from rollproof.run import Run, expects, new_run
from rollproof.states import ACTIVE, TERMINAL, Cause, State
from rollproof.step import step, trace
from rollproof.table import ROWS

OLD, NEW, OTHER = "1.0.0", "2.0.0", "1.5.0"
RETURNING = ("restoring", "recovering")
FLYING = ("replacing", "awaiting", *RETURNING)
LOST = (
    *("upgraded_unhealthy", "failed_healthy", "failed_unhealthy", "restored_healthy"),
    *("restored_unhealthy", "unrestored_healthy", "unrestored_unhealthy"),
)
HEALTHY, ILL = Health.HEALTHY, Health.UNHEALTHY


def charter(**terms: Any) -> Charter:
    """The default policy with rollback on; ``terms`` are of the charter or its limits."""
    limits = {
        "max_batch": 20,
        "max_unhealthy": 20,
        "max_unhealthy_upgraded": 20,
        "rollback": 1,
        "restore_on_breach": 0,
        "paced": int(terms.get("pause", 0) > 0),
        "deferral": int(terms.get("deferral", Deferral.NONE) is not Deferral.NONE),
    }
    limits |= {n: terms.pop(n) for n in limits if n in terms and n != "deferral"}
    return Charter(run="r", scale_set="s", target=NEW, limits=Limits(**limits), **terms)


def fleet(size: int, zones: int = 1, **fields: Any) -> list[Instance]:
    """i00, i01, ...: healthy on the old version, dealt to the zones in turn."""
    return [
        Instance(**{"id": f"i{k:02}", "zone": f"z{k % zones}", **FINE, **fields})
        for k in range(size)
    ]


FINE = {"version": OLD, "health": HEALTHY}


def facts(run: Run) -> tuple[Any, ...]:
    """All that a run is, without the machinery that shares it with other versions."""
    ledger = run.ledger
    members = []
    for name, phase in ledger.members():
        index = ledger.roster.index[name]
        lane = ledger.roster.place_of(index)
        seen, before = ledger.versions.cells()[index], ledger.before.cells()[index]
        place = (lane.zone, lane.update_domain)
        members.append((name, phase, place, seen, before, ledger.attempt(index)))
    return (run.charter, run.state, run.counts, run.surveys, run.batches, tuple(members))


def phases(run: Run) -> dict[str, str]:
    """Phase by instance."""
    return dict(run.ledger.members())


def zones_of(run: Run, names: Iterable[str]) -> set[str]:
    roster = run.ledger.roster
    return {roster.place_of(roster.index[name]).zone for name in names}


# -- the laws of a step ---------------------------------------------------------------


def domains_of(run: Run, names: Iterable[str]) -> set[str]:
    roster = run.ledger.roster
    return {roster.place_of(roster.index[name]).update_domain for name in names}


def check_step(
    before: Run, event: Event, after: Run, commands: tuple[Command, ...], rows: tuple[str, ...]
) -> None:
    """What holds of every step, whatever the event."""
    check_rows(before, after, rows)
    check_sums(after)
    check_returns(after)
    check_commands(before, event, after, commands)
    replaced = [c.instance for c in commands if c.verb is Verb.REPLACE]
    if replaced:
        check_batch(before, event, after, replaced)
    if before.counts.stop != Cause.NONE:
        assert after.counts.stop == before.counts.stop, "the first cause stands (R8)"
    check_success(before, event, after)


def check_rows(before: Run, after: Run, rows: tuple[str, ...]) -> None:
    """Every change of a run is a sequence of rows that the table admits."""
    state, counts = before.state, before.counts
    for name in rows:
        row = ROWS[name]
        assert state in row.sources, f"{name} in {state}"
        assert row.enabled(counts, before.charter.limits), f"{name} of {counts}"
        counts = row.after(counts, before.charter.limits)
        state = row.target or state
    assert (state, counts) == (after.state, after.counts)


def check_sums(run: Run) -> None:
    """The ledger always sums to the counts; a run that ended has nothing in flight."""
    assert run.ledger.tally() == run.counts[: len(PHASES)]
    flying = [name for name, phase in run.ledger.members() if phase in FLYING]
    if run.state in TERMINAL | {State.IDLE, State.PRECHECKING}:
        assert not flying
    if run.state is State.COMPLETED:
        assert run.counts.pending_healthy + run.counts.pending_unhealthy == 0
        assert run.counts.stop == Cause.NONE
    if run.state is State.CANCELLED:
        assert run.counts.stop != Cause.NONE


def check_returns(run: Run) -> None:
    """R6.1: where one update domain is upgraded at a time, one is given its disks back at a
    time."""
    if run.charter.one_domain:
        back = [name for name, phase in run.ledger.members() if phase in RETURNING]
        assert len(domains_of(run, back)) <= 1, "R6.1"


def check_commands(
    before: Run, event: Event, after: Run, commands: tuple[Command, ...]
) -> None:
    """Every wait has an end; nothing is touched after a cause (S8); nothing is given
    back unless the policy says so (R4.8)."""
    keys = [command.key("r") for command in commands]
    assert len(set(keys)) == len(keys)
    for command in commands:
        assert command.deadline > event.at
        assert expects(after, command)
        limits = after.charter.limits
        if command.verb is Verb.REPLACE:
            assert Cause.NONE == before.counts.stop == after.counts.stop
            assert command.version == NEW
        if command.verb is Verb.RESTORE:
            breach = after.counts.stop in (Cause.FLEET_UNHEALTHY, Cause.UPGRADED_UNHEALTHY)
            assert limits.rollback or (limits.restore_on_breach and breach)
            assert not after.counts.forced


def share(part: int, whole: int) -> Fraction:
    return Fraction(100 * part, whole) if whole else Fraction(0)


def check_batch(before: Run, event: Event, after: Run, batch: list[str]) -> None:
    """R4.1, R4.2, R4.4, S1, S6, counted by instance: ``after`` is the moment at which
    the batch is in flight and nothing else is."""
    assert isinstance(event, Surveyed)  # it alone makes the picture fresh
    p, now, whole, size = after.charter.limits, phases(after), len(phases(after)), len(batch)
    assert before.state is State.PRECHECKING
    assert (after.state, after.batches) == (State.ROLLING_FORWARD, before.batches + 1)
    assert {name for name, phase in now.items() if phase in FLYING} == set(batch)
    assert after.charter.cross_zone or len(zones_of(after, batch)) == 1, "R4.2"
    assert not after.charter.one_domain or len(domains_of(after, batch)) == 1, "R6.1"
    told = {name: phase.endswith("_unhealthy") for name, phase in phases(before).items()}
    told |= {instance.id: instance.health is not HEALTHY for instance in event.present}
    ill_outside = sum(phase.endswith("_unhealthy") for phase in now.values())
    ill = ill_outside + sum(told[name] for name in batch)
    tried = [phase for phase in now.values() if not phase.startswith(("pending", "skipped"))]
    lost = sum(phase in LOST for phase in tried)
    assert size <= max(1, p.max_batch * whole // 100), "S1"
    assert size == 1 or ill_outside + size <= p.max_unhealthy * whole // 100, "S6"
    assert share(ill, whole) <= p.max_unhealthy, "R4.1"
    assert share(lost, len(tried) - size) <= p.max_unhealthy_upgraded, "R4.4"
    assert (after.counts.held, after.counts.gated) == (0, 0), "N6, R4.5"
    assert after.counts.shut == 0, "N10"
    approved = after.ledger.approved
    assert approved is None or approved.issuperset(batch), "R4.11"


def check_success(before: Run, event: Event, after: Run) -> None:
    """S9: upgraded means seen healthy on the target, restored means seen healthy on the
    version before; S10: the target stays."""
    assert after.charter is before.charter
    was = phases(before)
    for name, phase in phases(after).items():
        seen = seen_by(event).get(name)
        if phase == "upgraded_healthy" and was.get(name) != phase:
            assert seen is not None, "S9"
            assert (seen.version, seen.health) == (NEW, HEALTHY), "S9"
        if phase.startswith("restored_") and was.get(name) == "recovering":
            last = after.ledger.versions.cells()[after.ledger.roster.index[name]]
            assert last not in (None, NEW), "S9"
            assert phase == "restored_unhealthy" or (seen and seen.health is HEALTHY), "S9"


def seen_by(event: Event) -> dict[str, Instance]:
    """What an event says that somebody looked at."""
    if isinstance(event, Observed):
        return {event.instance.id: event.instance}
    return {i.id: i for i in event.present} if isinstance(event, Surveyed) else {}


# -- host, provider and world ---------------------------------------------------------


@attrs.define
class Stage:
    """A run, the fleet it is about, and the commands that wait for an outcome."""

    run: Run
    world: dict[str, Instance]
    bad: set[str] = attrs.Factory(set)
    """Instances that are ill on the target."""
    at: int = 1_000
    open: list[Command] = attrs.Factory(list)
    rows: list[str] = attrs.Factory(list)
    """Of the event sent last."""
    commands: tuple[Command, ...] = ()
    """Of the event sent last."""
    sent: list[Event] = attrs.Factory(list)

    @classmethod
    def of(
        cls, instances: Iterable[Instance], *, bad: Iterable[str] = (), **terms: Any
    ) -> "Stage":
        """A run that has not begun."""
        world = {instance.id: instance for instance in instances}
        return cls(new_run(charter(**terms)), world, set(bad))

    @property
    def state(self) -> State:
        return self.run.state

    @property
    def phases(self) -> dict[str, str]:
        return phases(self.run)

    def of_phase(self, phase: str) -> list[str]:
        return [name for name, its in self.run.ledger.members() if its == phase]

    def send(self, event: Event) -> "Stage":
        """Step, and check every law of a step; the old run is left as it was."""
        before, was = self.run, facts(self.run)
        after, commands, rows = trace(before, event)
        assert facts(before) == was, "the old run changed"
        check_step(before, event, after, commands, rows)
        self.run, self.rows, self.commands = after, list(rows), commands
        self.sent.append(event)
        self.open = [c for c in (*self.open, *commands) if expects(after, c)]
        waiting = self.state is State.PRECHECKING and (
            self.run.counts.held or self.run.counts.shut
        )
        assert bool(self.open) or self.state not in ACTIVE or waiting, "nothing to wait for"
        return self

    def refuses(self, event: Event) -> bool:
        """Whether the event changes nothing at all."""
        before = self.run
        after, commands, rows = trace(before, event)
        return after == before and not commands and not rows

    def start(self) -> "Stage":
        return self.send(Start(self.at))

    def begin(self) -> "Stage":
        """Up to the first batch, or to what the first survey decides."""
        return self.start().survey()

    def waiting(self, verb: Verb, instance: str = "") -> Command:
        """The open command."""
        (command,) = (c for c in self.open if (c.verb, c.instance) == (verb, instance))
        return command

    def survey(self) -> "Stage":
        """Answer the open survey with the world as it is."""
        return self.answer(self.waiting(Verb.SURVEY))

    def replaced(self, *names: str) -> "Stage":
        """The disks are there, and the instances are as well as they will ever be."""
        for name in names:
            self.answer(self.waiting(Verb.REPLACE, name))
        return self

    def observed(self, *names: str) -> "Stage":
        """The instances are looked at."""
        for name in names:
            self.send(Observed(self.at, self.world[name], self.watched(name)))
        return self

    def watched(self, name: str) -> int | None:
        """The attempt of the watch that is open over the instance, if one is."""
        asked = (c.attempt for c in self.open if (c.verb, c.instance) == (Verb.WATCH, name))
        return next(asked, None)

    def overdue(self, verb: Verb, *names: str) -> "Stage":
        """The deadline passes."""
        for name in names or ("",):
            command = self.waiting(verb, name)
            self.at = max(self.at, command.deadline)
            self.send(Overdue(self.at, verb, name, command.attempt))
        return self

    def change(self, name: str, **fields: Any) -> "Stage":
        """Something happens in the world; nobody has seen it."""
        self.world[name] = attrs.evolve(self.world[name], **fields)
        return self

    def answer(self, command: Command) -> "Stage":
        """Carry a command out as a good provider does."""
        name, attempt = command.instance, command.attempt
        self.at += 1
        if command.verb is Verb.SURVEY:
            present, gone = news(self.run.ledger, NEW, self.world.values())
            return self.send(Surveyed(self.at, attempt, present, gone))
        if command.verb in IDLE_VERBS:
            return self.overdue(command.verb)
        if name not in self.world:
            return self.send(Vanished(self.at, name, attempt, command.verb))
        if command.verb is Verb.REPLACE:
            self.change(name, version=NEW, health=ILL if name in self.bad else HEALTHY)
            return self.send(Replaced(self.at, name, attempt))
        if command.verb is Verb.RESTORE:
            self.change(name, version=OLD, health=HEALTHY)
            return self.send(Restored(self.at, name, attempt))
        self.observed(name)
        return self.overdue(Verb.WATCH, name) if command in self.open else self

    def batch(self) -> "Stage":
        """Carry out everything until the next survey, pause or end."""
        while todo := [c for c in self.open if c.verb not in (Verb.SURVEY, *IDLE_VERBS)]:
            self.answer(todo[0])
        return self

    def finish(self) -> "Stage":
        """Carry out everything until nothing is open, which must be some time (R4.6)."""
        for _ in range(1_000 + 100 * len(self.world)):
            if not self.open:
                return self
            self.answer(self.open[0])
        raise AssertionError(f"R4.6: in state {self.state} the run does not end")

    def replay(self) -> Run:
        """The run that the same events make of a new one: what a crash leaves."""
        run = new_run(self.run.charter)
        for event in self.sent:
            run, _ = step(run, event)
        return run


def reports_about(stage: Stage, name: str, attempt: int) -> Iterator[Event]:
    """Every report that bears an attempt number."""
    yield Replaced(stage.at, name, attempt)
    yield ReplaceFailed(stage.at, name, attempt, "why")
    yield Restored(stage.at, name, attempt)
    yield RestoreFailed(stage.at, name, attempt, "why")
    for verb in (Verb.REPLACE, Verb.WATCH, Verb.RESTORE):
        yield Overdue(stage.at, verb, name, attempt)
        yield Vanished(stage.at, name, attempt, verb)
    yield Observed(stage.at, stage.world.get(name, Instance(id=name)), attempt)


def one_of_each(stage: Stage) -> Iterator[Event]:
    """Every kind of event."""
    name = next(iter(stage.world))
    yield Start(stage.at)
    yield Surveyed(stage.at, max(1, stage.run.surveys), ())
    yield from reports_about(stage, name, 1)
    yield Observed(stage.at, stage.world[name])
    yield Vanished(stage.at, name)
    yield Overdue(stage.at, Verb.SURVEY, "", stage.run.surveys)
    yield Overdue(stage.at, Verb.WAIT, "", stage.run.batches)
    yield Cancel(stage.at)
    yield Cancel(stage.at, Cause.OPTED_OUT)
    yield Cancel(stage.at, force=True)
    yield Pause(stage.at)
    yield Resume(stage.at)
    yield Shut(stage.at)
    yield Reopen(stage.at)
    yield Approve(stage.at)
    yield Approve(stage.at, (name,))
    yield Overdue(stage.at, Verb.AWAIT, "", 1)
    yield Fault(stage.at, "why")
    yield Fault(stage.at, "a token", Cause.CREDENTIALS)
