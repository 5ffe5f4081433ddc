"""A host, its journal and a fleet under every fault that the kit knows.

The journal is a real file, the host the real one (or a subclass: set ``host``); the
fleet is `SimulatedFleet`, time is virtual.  Crashes strike at any checkpoint.  People
start, cancel, pause and resume from this and from other processes.

Judged after every rule
    The laws of `rollproof_checks.fuzz.laws` over all that was recorded (S1, S5, S6, S8,
    R4.1, R4.2, R4.4, R4.8); one active run per set (R4.9); no call to the provider
    whose intent was not committed before (N2); the host's run equals the journal's.
Judged in the end, when the faults cease
    The run ends.  No key changed a disk twice.  No instance was counted as upgraded
    that the provider had not shown healthy on the target meanwhile (S9).  Nothing is
    left in the outbox or the inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from rollproof.charter import Charter
from rollproof.counts import Limits
from rollproof.errors import InvalidFields, NothingRunning, RunActive
from rollproof.events import (
    Cancel,
    Event,
    Observed,
    Overdue,
    Pause,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.host import EmbeddedHost
from rollproof.journal import Journal
from rollproof.states import Cause
from rollproof_checks.crashes import Killed, Reaper
from rollproof_checks.fuzz.laws import RecordJudge
from rollproof_checks.simulated import COMMANDED, Call, SimulatedFleet, Twist, seeded
from rollproof_checks.virtual_time import VirtualClock, VirtualTimeLoop

T = TypeVar("T")

MEMORY = Path("/dev/shm")
"""Journals lie here where it is there: thousands of commits, each with an fsync."""

SET, OLD, TARGET = "web", "1.0.0", "1.1.0"
NAMES = [f"vm-{number}" for number in range(6)]
ZONES = ("1", "2", "3")
DOMAINS = ("", "0", "1")
STRIKES = [
    "fall ill",
    "recover",
    "be unknown",
    "die",
    "vanish",
    "vanish",
    "appear",
    "appear",
    "appear upgraded",
    "drift back",
    "drift on",
    "be protected",
    "be protected no more",
    "be spoiled",
]
REPORTS = (
    *(Replaced, ReplaceFailed, Restored, RestoreFailed),
    *(Overdue, Surveyed, Observed, Vanished),
)
"""What may come late, or once more."""
PATIENCE = 3 * 3600
"""Virtual seconds within which a run must end once the faults have ceased."""

names = st.sampled_from(NAMES)
places = st.tuples(st.sampled_from(ZONES), st.sampled_from(DOMAINS))
"""Zone and update domain."""
percents = st.sampled_from([20, 34, 50, 100, 5])
spans = st.sampled_from([3.0, 0.0, 0.4, 1.0, 8.0, 40.0, 200.0])
shares = st.sampled_from([30, 0, 80, 10])
seeds = st.integers(0, 2**16)
switches = st.integers(0, 1)
limits = st.builds(
    Limits[int],
    max_batch=percents,
    max_unhealthy=st.sampled_from([100, 50, 34, 20]),
    max_unhealthy_upgraded=st.sampled_from([100, 50, 20, 0]),
    rollback=switches,
    restore_on_breach=switches,
    paced=switches,
)


class HostMachine(RuleBasedStateMachine):
    """Subclass it, or use ``HostMachine.TestCase``."""

    host: ClassVar[type[EmbeddedHost]] = EmbeddedHost
    """What is fuzzed."""
    faults: ClassVar[tuple[Twist, ...]] = COMMANDED
    """What goes wrong with replace and restore, when it does."""

    def __init__(self) -> None:
        super().__init__()
        self._leavings = ExitStack()
        memory = MEMORY if MEMORY.is_dir() else None
        folder = self._leavings.enter_context(TemporaryDirectory(dir=memory))
        self._path = Path(folder) / "journal.sqlite"
        self._clock = VirtualClock()
        self._outside = self._connection()
        self._judges: dict[str, RecordJudge] = {}
        self._runs = 0
        self._posts = 0
        self._broken: list[str] = []
        self._begin_life()

    @initialize(
        places=st.lists(places, min_size=2, max_size=len(NAMES)),
        sick=st.sets(names, max_size=2),
        bad=st.sets(names, max_size=2),
        terms=limits,
        cross=st.booleans(),
        domain=st.booleans(),
        first=st.booleans(),
        seed=seeds,
        percent=shares,
    )
    def install(
        self,
        *,
        places: list[tuple[str, str]],
        sick: set[str],
        bad: set[str],
        terms: Limits[int],
        cross: bool,
        domain: bool,
        first: bool,
        seed: int,
        percent: int,
    ) -> None:
        """A fleet on the old version, some of it ill, some of it to become so; and a run
        that is to upgrade it."""
        members = [
            Instance(id=name, zone=zone, update_domain=domain, version=OLD)
            for name, (zone, domain) in zip(NAMES, places, strict=False)
        ]
        broken = [(name, TARGET) for name in sorted(bad)]
        self._fleet = SimulatedFleet(self._clock, members, bad=broken)
        self._fleet.on_call = self._expect_intent
        for name in sorted(sick):
            self._fleet.flip(name, Health.UNHEALTHY)
        self.weather(seed=seed, percent=percent)
        self.start(terms=terms, cross=cross, domain=domain, first=first, away=True)

    # -- people

    @precondition(lambda self: not self._outside.open_runs())
    @rule(
        terms=limits,
        cross=st.booleans(),
        domain=st.booleans(),
        first=st.booleans(),
        away=st.booleans(),
    )
    def start(
        self, terms: Limits[int], cross: bool, domain: bool, first: bool, away: bool
    ) -> None:
        """Somebody starts a run, in this process or in another."""
        self._runs += 1
        charter = Charter(
            run=f"run-{self._runs}",
            scale_set=SET,
            target=TARGET,
            limits=terms,
            cross_zone=cross,
            one_domain=domain,
            unhealthy_first=first,
            pause=5_000 * terms.paced,
            look=1_000,
            health_wait=6_000,
            replace_wait=60_000,
            restore_wait=60_000,
            survey_wait=30_000,
        )
        if away:
            self._outside.open_run(charter, self._clock())
        else:
            self._call(self._host.start(charter))

    @rule(another=st.booleans())
    def start_again(self, another: bool) -> None:
        """A run is under way, or it has borne its id (R4.9)."""
        for record in self._outside.history(SET)[:1]:
            if another and record.closed_at is not None:
                return
            charter = record.charter
            if another:
                charter = attrs.evolve(charter, run="another")
            with suppress(RunActive, InvalidFields):
                self._outside.open_run(charter, self._clock())
                raise AssertionError(f"{charter.run} was started")

    @rule(
        orders=st.lists(st.sampled_from(["pause", "resume", "cancel"]), max_size=3),
        cause=st.sampled_from([Cause.USER, Cause.OPTED_OUT]),
        force=st.booleans(),
        away=st.booleans(),
    )
    def order(self, orders: list[str], cause: Cause, force: bool, away: bool) -> None:
        """R4.9, R2.1, N6: people pause, resume and cancel, once or in quick succession."""
        now = self._clock()
        for each in orders:
            match each:
                case "pause":
                    self._post(Pause(now), away=away)
                case "resume":
                    self._post(Resume(now), away=away)
                case _:
                    self._post(Cancel(now, cause, force), away=away)

    @rule(which=st.integers(0, 1000), away=st.booleans())
    def report_again(self, which: int, away: bool) -> None:
        """A report comes late, or once more (S13)."""
        active = self._outside.active_run(SET)
        if active is None:
            return
        reports = [
            recorded.event
            for recorded in self._outside.events(active.charter.run)
            if isinstance(recorded.event, REPORTS)
        ]
        if reports:
            self._post(reports[which % len(reports)], away=away)

    # -- the world

    @rule(seed=seeds, percent=shares)
    def weather(self, seed: int, percent: int) -> None:
        """From now on calls go wrong in such a share."""
        slowest = 20.0 if percent else 2.0
        self._fleet.behaviour = seeded(Random(seed), percent / 100, slowest, self.faults)

    @rule(
        strikes=st.lists(
            st.tuples(st.sampled_from(STRIKES), st.integers(0, 5)), min_size=1, max_size=4
        ),
        zone=st.sampled_from(ZONES),
        seconds=spans,
    )
    def strike(self, strikes: list[tuple[str, int]], zone: str, seconds: float) -> None:
        """Instances change by themselves, and a while passes."""
        fleet = self._fleet
        for what, which in strikes:
            present = [*fleet.instances()] or NAMES
            name = present[which % len(present)]
            absent = [each for each in NAMES if each not in present]
            match what:
                case "fall ill":
                    fleet.flip(name, Health.UNHEALTHY)
                case "recover":
                    fleet.flip(name, None)
                case "be unknown":
                    fleet.flip(name, Health.UNKNOWN)
                case "die":
                    fleet.die(name)
                case "vanish":
                    fleet.vanish(name)
                case "appear" | "appear upgraded" if absent:
                    version = OLD if what == "appear" else TARGET
                    new = absent[which % len(absent)]
                    fleet.appear(Instance(id=new, zone=zone, version=version))
                case "drift back":
                    fleet.drift(name, OLD)
                case "drift on":
                    fleet.drift(name, TARGET)
                case "be protected":
                    fleet.protect(name)
                case "be protected no more":
                    fleet.protect(name, protected=False)
                case _:
                    fleet.bad.add((name, TARGET))
        self._pass(seconds)

    # -- time and the process

    @rule(seconds=spans)
    def time(self, seconds: float) -> None:
        """The host works, and time passes."""
        self._pass(seconds)

    @precondition(lambda self: self._outside.open_runs())
    @rule(batches=st.integers(1, 3))
    def batch(self, batches: int) -> None:
        """The host works until so many more batches have begun, or for a while."""
        for record in self._outside.open_runs():
            goal = record.batches + batches
            for _ in range(60):
                self._pass(1.0)
                now = self._outside.run(record.charter.run)
                if now.closed_at is not None or now.batches >= goal:
                    return

    @rule(points=st.integers(0, 60), downtime=spans)
    def crash(self, points: int, downtime: float) -> None:
        """The process dies at the checkpoint after so many, now or in a later rule."""
        self._reaper.at = len(self._reaper.points) + points
        self._pass(10.0, downtime=downtime)

    @rule(downtime=spans, kill=st.booleans())
    def restart(self, downtime: float, kill: bool) -> None:
        """The process dies while it waits, or is told to stop; and is started again."""
        if kill:
            self._reaper.dead = True
        else:
            self._host.stop()
            with suppress(Killed):
                self._loop.run_until_complete(self._serving)
        self._next_life(downtime)

    # -- what must hold

    @invariant()
    def nothing_is_broken(self) -> None:
        """No law was seen broken in the middle of a rule."""
        assert not self._broken, self._broken
        assert not self._loop.failures, self._loop.failures

    @invariant()
    def at_most_one_run(self) -> None:
        """R4.9."""
        assert len(self._outside.open_runs()) <= 1

    @invariant()
    def the_record_is_lawful(self) -> None:
        """Every event that was recorded kept the laws, and the host knows no more."""
        for record in self._outside.history(SET):
            run = record.charter.run
            if run not in self._judges:
                self._judges[run] = RecordJudge(self._outside, record.charter)
            judge = self._judges[run]
            judge.catch_up()
            judge.judge_outbox()
            assert (record.state, record.counts) == (judge.run.state, judge.run.counts)
            if self._reaper.dead:
                continue  # killed, and its effects are still being let go: it knows nothing
            try:
                live = self._host.current(run)
            except KeyError:
                continue
            assert live[:3] == judge.run[:3], "the journal replays to the live run"
            assert list(live.ledger.members()) == list(judge.run.ledger.members())

    def teardown(self) -> None:
        """The faults cease, and everything must come to its end."""
        try:
            if hasattr(self, "_fleet"):
                self._come_to_an_end()
        finally:
            self._end_life()
            self._leavings.close()

    def _come_to_an_end(self) -> None:
        self._fleet.mend()
        self._reaper.at = None
        self._post(Resume(self._clock()), away=True)
        deadline = self._clock.seconds + PATIENCE
        while self._outside.open_runs():
            assert self._clock.seconds < deadline, "the run does not end"
            self._pass(60.0)
        self._pass(1.0)
        self.nothing_is_broken()
        self.the_record_is_lawful()
        assert not self._outside.posts(), "something was handed in that nobody worked in"
        self._outside.check()
        self._fleet.assert_lawful()
        for run, judge in self._judges.items():
            began = self._outside.run(run).opened_at
            for instance, at in judge.succeeded:
                assert any(
                    began <= sight.at <= at
                    and (sight.instance, sight.version, sight.health)
                    == (instance, TARGET, Health.HEALTHY)
                    for sight in self._fleet.sights
                ), f"S9: {instance} was counted as upgraded, and never seen so"

    # -- below the surface

    def _connection(self) -> Journal:
        return self._leavings.enter_context(Journal(self._path))

    def _begin_life(self) -> None:
        self._lives = getattr(self, "_lives", 0) + 1
        self._reaper = Reaper()
        self._loop = VirtualTimeLoop(self._clock)
        self._host = self.host(
            self._connection(),
            lambda _set: self._fleet,
            clock=self._clock,
            checkpoint=self._reaper,
            poll=5.0,
        )
        self._serving = self._loop.create_task(self._host.serve(forever=True))

    def _end_life(self) -> None:
        """What is in memory is gone.  The connection stays as it was left."""
        self._reaper.dead = True
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            _, deaf = self._loop.run_until_complete(asyncio.wait(tasks, timeout=100.0))
            assert not deaf, f"these did not let themselves be cancelled: {deaf}"
        for task in {*tasks, self._serving}:
            if not task.cancelled():
                task.exception()  # seen: otherwise asyncio complains of it
        self._loop.close()

    def _next_life(self, downtime: float) -> None:
        self._end_life()
        self._clock.pass_by(downtime)
        self._begin_life()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T | None:
        """What a host answers; None if it was killed meanwhile."""
        try:
            return self._loop.run_until_complete(coroutine)
        except Killed:
            self._next_life(0.0)
            return None

    def _post(self, event: Event, *, away: bool) -> None:
        """Hand an event in, twice with one key, here or from another process."""
        for record in self._outside.history(SET)[:1]:
            run, ended = record.charter.run, record.closed_at is not None
            self._posts += 1
            key = f"post {self._posts}"
            known = False
            try:
                for _ in range(2):
                    if away:
                        fresh: bool | None = self._outside.post(run, event, key)
                    else:
                        fresh = self._call(self._host.post(run, event, key))
                    assert not (known and fresh), "a dedup key counts once"
                    if fresh is not None:  # None: killed, before or after the commit
                        assert not ended, "R4.9: there is nothing to act on"
                        known = True
            except NothingRunning:
                assert self._outside.run(run).closed_at is not None

    def _expect_intent(self, call: Call) -> None:
        """N2: what is asked of the provider is in the committed outbox."""
        run = call.key.partition("/")[0]
        keys = {command.key(run) for command in self._outside.outbox(run)}
        if call.key not in keys:
            self._broken.append(f"{call.key} was issued before it was journaled")

    def _pass(self, seconds: float, *, downtime: float = 0.0) -> None:
        """Let the host work.  If it was killed, the next one starts."""
        self._loop.run_until_complete(asyncio.wait({self._serving}, timeout=seconds))
        if self._serving.done():
            self._after_death(downtime)

    def _after_death(self, downtime: float) -> None:
        error = None if self._serving.cancelled() else self._serving.exception()
        assert isinstance(error, Killed), f"the host came to an end: {error!r}"
        self._next_life(downtime)
