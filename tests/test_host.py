"""rollproof.host: it keeps runs alive, carries out their commands, and decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from rollproof.charter import Charter
from rollproof.commands import Verb
from rollproof.errors import (
    CredentialExpired,
    HomeInUse,
    InvalidFields,
    JournalUnwritable,
    NothingRunning,
    OperationFailed,
    OutcomeUnknown,
    RunActive,
    UnknownRun,
)
from rollproof.events import (
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Replaced,
    ReplaceFailed,
    Restored,
    Resume,
    Start,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.host import EmbeddedHost, Home, Host
from rollproof.images import ImageVersion
from rollproof.journal import Journal, Replay, Turned
from rollproof.states import Cause, State
from rollproof.status import RunningStatus, RunStatus
from rollproof_checks.simulated import (
    Behaviour,
    Conduct,
    SimulatedFleet,
    Twist,
    scripted,
    steady,
)
from rollproof_checks.virtual_time import VirtualClock, run
from shared_host import NO_LIMITS, charter, fast_folder, instances


class World:
    """A journal, fleets and a clock, and hosts that come and go."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite"
        self.clock = VirtualClock()
        self.fleets: dict[str, SimulatedFleet] = {}
        self.turns: list[Turned] = []
        self.points: list[str] = []
        self.journals = contextlib.ExitStack()

    def journal(self) -> Journal:
        """Another connection."""
        return self.journals.enter_context(Journal(self.path))

    def fleet(
        self, name: str = "web", behaviour: Behaviour = steady, **more: Any
    ) -> SimulatedFleet:
        """A fleet of four in one zone, or what is said."""
        members = more.pop("instances", None) or instances(4)
        fleet = SimulatedFleet(self.clock, members, behaviour, **more)
        self.fleets[name] = fleet
        return fleet

    def host(self, provider: Any = None, **more: Any) -> EmbeddedHost:
        """A host on a connection of its own."""
        observers = [self.turns.append, *more.pop("observers", [])]
        return EmbeddedHost(
            more.pop("journal", None) or self.journal(),
            (lambda name: self.fleets[name]) if provider is None else (lambda _: provider),
            clock=self.clock,
            observers=observers,
            checkpoint=self.points.append,
            poll=more.pop("poll", 1.0),
        )

    def run(self, main: Coroutine[Any, Any, Any]) -> None:
        """In virtual time."""
        run(self.clock, main)

    def whole(
        self, *charters: Charter, provider: Any = None, **more: Any
    ) -> tuple[RunStatus, ...]:
        """Runs from their beginning to their end."""
        host = self.host(provider, **more)

        async def main() -> None:
            for each in charters:
                await host.start(each)
            await host.serve()

        self.run(main())
        return tuple(self.status(each.run) for each in charters)

    def status(self, name: str = "r1") -> RunStatus:
        """How a run stands in the journal, which must replay."""
        journal = self.journal()
        Replay(journal, name).catch_up()
        found: list[RunStatus] = []

        async def ask() -> None:
            found.append(await self.host(journal=journal).status(name))

        self.run(ask())
        return found[0]

    def phases(self, name: str = "r1") -> dict[str, str]:
        """The phase of every instance."""
        replay = Replay(self.journal(), name)
        replay.catch_up()
        return dict(replay.run.ledger.members())

    def events(self, name: str = "r1") -> list[str]:
        """The names of what happened."""
        return [type(each.event).__name__ for each in self.journal().events(name)]


@pytest.fixture
def world() -> Iterator[World]:
    with fast_folder() as folder:
        world = World(folder)
        with world.journals:
            yield world
        for fleet in world.fleets.values():
            fleet.assert_lawful()


async def soon(condition: Callable[[], object], within: float = 600.0) -> None:
    """Wait for something to be the case."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.05)


def is_a_host(host: EmbeddedHost) -> Host:
    """The type checker is the test."""
    return host


class TestManySets:
    """R4.9: one run per set, any number of sets."""

    def test_at_once_they_take_the_time_of_one(self, world: World) -> None:
        names = [f"set-{number}" for number in range(25)]
        for name in names:
            world.fleet(name)
        began = world.clock.seconds
        world.whole(charter("alone", names[0]))
        alone = world.clock.seconds - began
        began = world.clock.seconds
        rest = [charter(f"run-{name}", name) for name in names[1:]]
        for status in world.whole(*rest):
            assert (status.state, status.progress.successful) == (State.COMPLETED, 4)
        assert world.clock.seconds - began < alone + 1

    def test_reports_that_come_together_are_committed_together(self, world: World) -> None:
        """One fsync for many."""
        for number in range(25):
            world.fleet(f"set-{number}")
        world.whole(*(charter(f"r{number}", f"set-{number}") for number in range(25)))
        commits = world.points.count("before commit") - 25  # those of `start`
        assert commits == world.points.count("after commit") - 25
        assert commits < len(world.turns) / 20

    def test_one_that_hangs_holds_up_no_other(self, world: World) -> None:
        world.fleet("web", lambda *_: Conduct(Twist.HUNG))
        world.fleet("db")
        host = world.host()

        async def main() -> None:
            await host.start(charter("r1", "web"))
            await host.start(charter("r2", "db"))
            serving = asyncio.create_task(host.serve())
            await soon(lambda: world.journal().run("r2").closed_at)
            assert world.journal().run("r1").closed_at is None
            host.stop()
            await serving

        world.run(main())

    def test_one_whose_provider_talks_nonsense_ends_alone(self, world: World) -> None:
        """R8: a fault of one run; the host, and every other run, goes on."""

        class Nonsense(SimulatedFleet):
            async def observe(self, instance: str | None = None) -> Sequence[Instance]:
                first, *others = await super().observe()
                return [attrs.evolve(first, zone=cast(str, None)), *others]

        world.fleet("db")
        world.fleets["web"] = Nonsense(world.clock, instances(4))
        web, db = world.whole(charter("r1", "web"), charter("r2", "db"))
        assert (web.state, web.cause) == (State.CANCELLED, Cause.INTERNAL)
        assert "TypeError" in web.error
        assert db.state is State.COMPLETED
        assert world.events("r1") == ["Start", "Fault"]

    def test_a_target_that_is_no_version_ends_the_run(self, world: World) -> None:
        fleet = world.fleet()
        (status,) = world.whole(charter(target="splendid"))
        assert (status.state, status.cause) == (State.CANCELLED, Cause.INTERNAL)
        assert fleet.calls == []


class TestCredentials:
    """R4.10: one that expires in the middle of a run is named, and stops it."""

    EXPIRED = Conduct(Twist.EXPIRED)
    TERMS = charter(limits=NO_LIMITS._replace(rollback=1, max_batch=50))

    def test_the_first_batch_is_left_failed(self, world: World) -> None:
        script = {
            (Verb.REPLACE, "vm-0"): [self.EXPIRED],
            (Verb.REPLACE, "vm-1"): [self.EXPIRED],
        }
        fleet = world.fleet(behaviour=scripted(script))
        (status,) = world.whole(self.TERMS)
        assert (status.state, status.cause) == (State.CANCELLED, Cause.CREDENTIALS)
        assert status.running_status is RunningStatus.FAULTED
        assert [world.phases()[f"vm-{n}"] for n in range(4)] == [
            *("failed_unhealthy", "failed_unhealthy"),
            *("pending_healthy", "pending_healthy"),
        ]
        assert {call.verb for call in fleet.calls} == {Verb.REPLACE}

    def test_the_last_of_a_batch_is_not_restored_either(self, world: World) -> None:
        """The cause is told before the failure, after which a batch is over."""
        fleet = world.fleet(behaviour=scripted({(Verb.REPLACE, "vm-0"): [self.EXPIRED]}))
        (status,) = world.whole(charter(limits=NO_LIMITS._replace(rollback=1, max_batch=5)))
        assert (status.cause, status.batches) == (Cause.CREDENTIALS, 1)
        assert world.phases()["vm-0"] == "failed_unhealthy"
        assert {call.verb for call in fleet.calls} == {Verb.REPLACE}

    def test_any_other_failure_is_restored(self, world: World) -> None:
        """R4.3: the twin."""
        script = {(Verb.REPLACE, "vm-0"): [Conduct(Twist.REFUSED)]}
        world.fleet(behaviour=scripted(script))
        (status,) = world.whole(self.TERMS)
        assert (status.state, status.cause) == (State.COMPLETED, Cause.NONE)
        assert world.phases()["vm-0"] == "restored_healthy"

    def test_the_others_of_the_batch_are_awaited(self, world: World) -> None:
        """S8: and the credential is named."""
        world.fleet(behaviour=scripted({(Verb.REPLACE, "vm-0"): [self.EXPIRED]}))
        (status,) = world.whole(self.TERMS)
        assert world.phases()["vm-1"] == "upgraded_healthy"
        assert (status.progress.successful, status.progress.failed) == (1, 1)
        (fault,) = (e.event for e in world.journal().events("r1") if type(e.event) is Fault)
        assert fault.why == "credential 'token' has expired, a while ago (R4.10)"
        assert fault.why in status.error

    def test_while_restoring(self, world: World) -> None:
        script = {
            (Verb.REPLACE, "vm-0"): [Conduct(Twist.REFUSED)],
            (Verb.RESTORE, "vm-0"): [self.EXPIRED],
        }
        world.fleet(behaviour=scripted(script))
        (status,) = world.whole(self.TERMS)
        assert status.cause is Cause.CREDENTIALS
        assert world.phases()["vm-0"] == "unrestored_unhealthy"

    def test_while_looking(self, world: World) -> None:
        class Locked(SimulatedFleet):
            async def observe(self, instance: str | None = None) -> Sequence[Instance]:
                raise CredentialExpired("", "at noon", "reader")

        world.fleets["web"] = Locked(world.clock, instances(4))
        (status,) = world.whole(self.TERMS)
        assert status.cause is Cause.CREDENTIALS
        assert world.events() == ["Start", "Fault"]


class TestStart:
    """R4.9, S10: how a run begins."""

    def test_twice(self, world: World) -> None:
        world.fleet()
        host = is_a_host(world.host())

        async def main() -> None:
            await host.start(charter("r1"))
            with pytest.raises(RunActive):
                await host.start(charter("r2"))
            with pytest.raises(RunActive):
                await host.start(charter("r1"))
            with pytest.raises(InvalidFields):
                await host.start(charter("r1", "db"))

        world.run(main())

    def test_while_a_host_serves_for_ever(self, world: World) -> None:
        world.fleet()
        host = world.host()

        async def main() -> None:
            serving = asyncio.create_task(host.serve(forever=True))
            await asyncio.sleep(100)
            await host.start(charter())
            await soon(lambda: world.journal().run("r1").closed_at, within=60)
            assert not serving.done()
            host.stop()
            await serving

        world.run(main())

    def test_by_another_process(self, world: World) -> None:
        world.fleet()
        host = world.host()

        async def main() -> None:
            serving = asyncio.create_task(host.serve(forever=True))
            await asyncio.sleep(100)
            world.journal().open_run(charter(), world.clock())
            assert world.journal().post("r1", Pause(world.clock()), "k")
            await asyncio.sleep(5)
            assert (await host.status("r1")).held
            assert world.journal().posts() == ()
            host.stop()
            await serving

        world.run(main())

    def test_status_of_no_run(self, world: World) -> None:
        async def main() -> None:
            with pytest.raises(UnknownRun):
                await world.host().status("r1")

        world.run(main())

    def test_nothing_to_do(self, world: World) -> None:
        world.run(world.host().serve())
        assert world.points == []


class TestPost:
    """S13, N6: what people hand in."""

    def test_on_another_connection_it_is_seen_within_a_poll(self, world: World) -> None:
        world.fleet(boot=100)
        host = world.host(poll=3.0)

        async def main() -> None:
            await host.start(charter(health_wait=500_000, look=200_000))
            serving = asyncio.create_task(host.serve())
            await asyncio.sleep(30)
            world.journal().post("r1", Cancel(world.clock()), "k")
            before = world.clock.seconds
            await soon(lambda: world.turns[-1].after.cause is Cause.USER)
            assert world.clock.seconds - before <= 3.1
            await serving

        world.run(main())
        assert world.status().state is State.CANCELLED

    def test_one_that_the_run_refuses_is_set_aside(self, world: World) -> None:
        world.fleet()
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            assert await host.post("r1", Start(0), "s")
            assert await host.post("r1", Pause(0), "p")
            serving = asyncio.create_task(host.serve())
            await asyncio.sleep(60)
            assert (await host.status("r1")).held
            assert not await host.post("r1", Resume(0), "p")
            assert await host.post("r1", Resume(0), "q")
            await serving
            with pytest.raises(NothingRunning):
                await host.post("r1", Cancel(0), "late")
            assert not await host.post("r1", Cancel(0), "q")

        world.run(main())
        assert world.status().state is State.COMPLETED
        assert world.events().count("Start") == 1
        query = "SELECT dedup_key, refused != '' FROM inbox WHERE taken = 1 ORDER BY id"
        assert world.journal()._rows(query) == [("s", 1), ("p", 0), ("q", 0)]

    def test_waits_for_no_host_and_counts_from_when_it_is_worked_in(self, world: World) -> None:
        """R4.1: a survey that a Resume asks for is not overdue because nobody hosted."""
        world.fleet()
        host = world.host()

        async def before() -> None:
            await host.start(charter())
            await host.post("r1", Pause(host.now()), "p")
            serving = asyncio.create_task(host.serve())
            await asyncio.sleep(30)
            host.stop()
            await serving
            await host.post("r1", Resume(host.now()), "q")

        world.run(before())
        world.clock.pass_by(3_600)
        world.run(world.host().serve())
        assert world.status().state is State.COMPLETED

    def test_cancel_of_a_run_that_has_not_begun(self, world: World) -> None:
        fleet = world.fleet()
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            await host.post("r1", Cancel(0), "c")
            await host.serve()

        world.run(main())
        assert world.status().state is State.CANCELLED
        assert world.events() == ["Start", "Cancel"]
        assert fleet.calls == []


class TestS13:
    """S13: reports that are late, repeated or out of order change nothing."""

    def test_by_hand(self, world: World) -> None:
        world.fleet(bad=[("vm-1", "1.1.0")])
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            serving = asyncio.create_task(host.serve())
            await soon(lambda: len(world.turns) > 5)
            late: list[Event] = [
                Replaced(0, "vm-0", 1),
                Replaced(0, "vm-0", 1),
                Replaced(0, "vm-3", 7),
                ReplaceFailed(0, "vm-9", 1, "who?"),
                Restored(0, "vm-0", 1),
                Overdue(0, Verb.RESTORE, "vm-0", 1),
                Overdue(0, Verb.SURVEY, "", 1),
                Vanished(0, "vm-9"),
            ]
            for number, event in enumerate(late):
                assert await host.post("r1", event, f"late {number}")
            await serving

        world.run(main())
        assert world.phases() == {
            "vm-0": "upgraded_healthy",
            "vm-1": "failed_unhealthy",
            "vm-2": "upgraded_healthy",
            "vm-3": "upgraded_healthy",
        }

    def test_an_answer_that_comes_after_the_end_is_not_heard(self, world: World) -> None:
        slow = Conduct(delay=1, lag=100)
        fleet = world.fleet(
            behaviour=lambda verb, _: slow if verb is Verb.REPLACE else Conduct()
        )
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            serving = asyncio.create_task(host.serve())
            await soon(fleet.swaps)
            await host.post("r1", Cancel(0, force=True), "f")
            await serving
            await asyncio.sleep(200)

        world.run(main())
        assert world.status().state is State.CANCELLED
        assert world.phases()["vm-0"] == "indeterminate"
        assert "Replaced" not in world.events()

    def test_a_deadline_of_an_earlier_command_is_not_one_of_a_later(self, world: World) -> None:
        """A WATCH that somebody else ended early must not end the next one early."""
        world.fleet(bad=[("", "1.1.0")], instances=instances(1), boot=1.0)
        host = world.host()
        terms = charter(limits=NO_LIMITS._replace(rollback=1), health_wait=60_000)

        async def main() -> None:
            await host.start(terms)
            serving = asyncio.create_task(host.serve())
            await soon(lambda: "Observed" in {type(t.event).__name__ for t in world.turns})
            await host.post("r1", Overdue(0, Verb.WATCH, "vm-0", 1), "early")
            await serving

        world.run(main())
        assert world.phases() == {"vm-0": "restored_healthy"}


class TestForce:
    """S8: a forced cancel waits for nothing."""

    def test_of_what_never_answers(self, world: World) -> None:
        fleet = world.fleet(behaviour=lambda *_: Conduct(Twist.SILENT))
        fleet.behaviour = scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.SILENT)]})
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            serving = asyncio.create_task(host.serve())
            await soon(fleet.swaps)
            at = world.clock.seconds
            await host.post("r1", Cancel(host.now(), force=True), "f")
            await serving
            assert world.clock.seconds - at < 0.1
            # Neither the effect nor its deadline is left behind.
            assert asyncio.all_tasks() == {asyncio.current_task()}

        world.run(main())
        assert world.phases() == {
            "vm-0": "indeterminate",
            "vm-1": "pending_healthy",
            "vm-2": "pending_healthy",
            "vm-3": "pending_healthy",
        }
        assert len(fleet.calls) == 1


class TestDeadlines:
    """N2, R4.3: time in which nobody hosts is not counted against a wait."""

    def until(self, world: World, condition: Callable[[], object], terms: Charter) -> None:
        """Begin a run, and stop once something is the case."""
        host = world.host()

        async def main() -> None:
            await host.start(terms)
            serving = asyncio.create_task(host.serve())
            await soon(condition)
            host.stop()
            await serving

        world.run(main())

    def overdue(self, world: World) -> list[Event]:
        return [t.event for t in world.turns if isinstance(t.event, Overdue)]

    def test_what_hung_before_an_hour_without_a_host_is_asked_again(self, world: World) -> None:
        fleet = world.fleet(behaviour=scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.HUNG)]}))
        self.until(world, lambda: fleet.calls, charter())
        world.clock.pass_by(3_600)
        world.run(world.host().serve())
        assert self.overdue(world) == []
        assert world.status().progress.successful == 4
        assert len([c for c in fleet.calls if c.instance == "vm-0"]) == 2

    @pytest.mark.parametrize("down", [0.0, 2.0, 5.0, 3_600.0, -900.0])
    def test_a_wait_goes_on_with_what_it_had_left(self, world: World, down: float) -> None:
        """R4.3: counted from the last event recorded; also where the clock went back."""
        world.fleet(bad=[("vm-0", "1.1.0")], instances=instances(1), boot=2.0)

        def seen() -> list[Turned]:
            return [t for t in world.turns if isinstance(t.event, Observed)]

        self.until(world, lambda: len(seen()) == 2, charter())
        (watch,) = next(t for t in world.turns if isinstance(t.event, Replaced)).commands
        left = watch.deadline - seen()[1].event.at
        assert 0 < left < 6_000
        world.clock.seconds += down
        back = world.clock()
        world.run(world.host().serve())
        assert self.overdue(world) == [Overdue(back + left, Verb.WATCH, "vm-0", 1)]

    def test_a_wait_is_resumed_more_than_once(self, world: World) -> None:
        """What was recorded between two absences does not make the rest overdue."""
        hung = Conduct(Twist.HUNG)
        script = {(Verb.REPLACE, "vm-0"): [hung] * 2, (Verb.REPLACE, "vm-1"): [hung]}
        fleet = world.fleet(behaviour=scripted(script), instances=instances(6))
        self.until(world, lambda: len(fleet.calls) == 2, charter())
        for answered in ("vm-1", "vm-0"):
            world.clock.pass_by(3_600)
            resumed = world.host()

            async def main(host: EmbeddedHost = resumed, name: str = answered) -> None:
                serving = asyncio.create_task(host.serve())
                await soon(lambda: world.phases()[name] == "upgraded_healthy", within=100)
                host.stop()
                await serving

            world.run(main())
        assert self.overdue(world) == []
        world.run(world.host().serve())
        assert world.status().progress.successful == 6

    def test_an_absence_gives_no_more_than_what_was_left(self, world: World) -> None:
        """However often it is resumed, what hangs fails after a wait that is hosted."""
        fleet = world.fleet(
            behaviour=lambda verb, _: (
                Conduct(Twist.HUNG) if verb is Verb.REPLACE else Conduct()
            ),
            instances=instances(1),
        )
        self.until(world, lambda: fleet.calls, charter())
        issued = world.turns[-1].event.at
        for _ in range(3):
            world.clock.pass_by(3_600)
            back = world.clock()
            host = world.host()

            async def main(host: EmbeddedHost = host) -> None:
                serving = asyncio.create_task(host.serve())
                await asyncio.sleep(10)
                host.stop()
                await serving

            world.run(main())
            assert self.overdue(world) == []
        back = world.clock()
        world.run(world.host().serve())
        assert self.overdue(world) == [Overdue(back + 60_000, Verb.REPLACE, "vm-0", 1)]
        assert back - issued > 60_000

    def test_the_pause_between_batches_goes_on_meanwhile(self, world: World) -> None:
        """R4.5."""
        fleet = world.fleet()
        terms = charter(limits=NO_LIMITS._replace(paced=1), pause=600_000)
        waiting = lambda: world.turns and world.turns[-1].after.counts.gated  # noqa: E731
        self.until(world, waiting, terms)
        began = world.turns[-1].event.at
        world.clock.pass_by(500)
        host = world.host()

        async def main() -> None:
            serving = asyncio.create_task(host.serve())
            await soon(lambda: len(fleet.calls) > 1)
            host.stop()
            await serving

        world.run(main())
        assert 600_000 <= fleet.calls[1].at - began <= 602_000

    def test_a_fleet_that_does_not_answer(self, world: World) -> None:
        """R4.1: every wait ends."""
        world.fleet(behaviour=lambda *_: Conduct(Twist.HUNG))
        (status,) = world.whole(charter())
        assert (status.state, status.cause) == (State.CANCELLED, Cause.INTERNAL)
        assert status.ended_at is not None
        assert status.ended_at - status.started_at == charter().survey_wait


class TestStop:
    """N2: a host that is told to stop leaves its work resumable."""

    def test_in_flight_and_again(self, world: World) -> None:
        fleet = world.fleet()
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            for _ in range(12):
                serving = asyncio.create_task(host.serve())
                await asyncio.sleep(1.7)
                host.stop()
                await serving
                assert asyncio.all_tasks() == {asyncio.current_task()}
                recorded = len(world.events())
                await asyncio.sleep(0.4)
                assert len(world.events()) == recorded
            await host.serve()

        world.run(main())
        assert world.status().state is State.COMPLETED
        assert set(fleet.swaps().values()) == {1}

    @pytest.mark.parametrize("steps", range(6))
    def test_cancelled_while_it_is_being_woken(self, world: World, steps: int) -> None:
        """`asyncio.wait_for` of Python 3.11 loses such a cancellation."""
        host = world.host()

        async def main() -> None:
            serving = asyncio.create_task(host.serve(forever=True))
            await asyncio.sleep(10)
            await host.start(charter())
            for _ in range(steps):
                await asyncio.sleep(0)
            serving.cancel()
            await asyncio.wait({serving}, timeout=100)
            assert serving.cancelled()

        world.fleet()
        world.run(main())

    def test_before_it_serves(self, world: World) -> None:
        fleet = world.fleet()
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            host.stop()
            await host.serve()

        world.run(main())
        assert fleet.calls == []
        assert world.status().state is State.IDLE

    def test_an_adapter_that_does_not_let_go_does_not_hold_it(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Clinging(SimulatedFleet):
            async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
                for _ in range(100):
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(20)

        world.fleets["web"] = Clinging(world.clock, instances(4))
        host = world.host()

        async def main() -> None:
            await host.start(charter())
            serving = asyncio.create_task(host.serve())
            await asyncio.sleep(10)
            host.stop()
            at = world.clock.seconds
            await serving
            assert world.clock.seconds - at < 10

        world.run(main())
        assert "does not let go" in caplog.text


class TestObservers:
    """Those who look on hear everything and harm nothing."""

    def test_each_hears_every_event_once_in_order(self, world: World) -> None:
        world.fleet()
        heard: list[str] = []
        slowly: list[int] = []

        async def slow(turned: Turned) -> None:
            await asyncio.sleep(0.5)
            slowly.append(turned.event.at)

        world.whole(
            charter(),
            observers=[lambda turned: heard.append(type(turned.event).__name__), slow],
        )
        assert heard == world.events()
        assert len(slowly) == len(heard)
        befores = [turned.before for turned in world.turns[1:]]
        assert befores == [turned.after for turned in world.turns[:-1]]

    def test_errors_are_logged_and_go_no_further(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.fleet()

        def raises(_turned: Turned) -> None:
            raise RuntimeError("observer one")

        async def raises_later(_turned: Turned) -> None:
            await asyncio.sleep(0.1)
            raise RuntimeError("observer two")

        def returns_nonsense(_turned: Turned) -> Any:
            return True

        heard: list[Turned] = []
        observers = [raises, raises_later, returns_nonsense, heard.append]
        (status,) = world.whole(charter(), observers=observers)
        assert status.state is State.COMPLETED
        assert len(heard) == len(world.events())
        assert "observer one" in caplog.text
        assert "observer two" in caplog.text

    def test_an_observer_may_stop_the_host(self, world: World) -> None:
        world.fleet()
        hosts: list[EmbeddedHost] = []

        def stop(turned: Turned) -> None:
            if turned.after.batches == 2:
                hosts[0].stop()

        hosts.append(world.host(observers=[stop]))

        async def main() -> None:
            await hosts[0].start(charter())
            await hosts[0].serve()

        world.run(main())
        assert world.status().batches == 2


class TestUnknown:
    """S9: what nobody can say is asked again, with the same key."""

    @pytest.mark.parametrize("twist", [Twist.DROPPED, Twist.LOST, Twist.FOREIGN])
    def test_replace(self, world: World, twist: Twist) -> None:
        fleet = world.fleet(behaviour=scripted({(Verb.REPLACE, "vm-0"): [Conduct(twist)] * 3}))
        (status,) = world.whole(charter())
        assert status.progress.successful == 4
        calls = [call for call in fleet.calls if call.instance == "vm-0"]
        assert len({call.key for call in calls}) == 1
        assert len(calls) == 4
        gaps = [b.at - a.at for a, b in pairwise(calls)]
        assert gaps == [500, 1000, 2000]
        assert set(fleet.swaps().values()) == {1}

    @pytest.mark.parametrize("twist", [Twist.DROPPED, Twist.FOREIGN, Twist.TWICE])
    def test_survey(self, world: World, twist: Twist) -> None:
        world.fleet(behaviour=scripted({(Verb.SURVEY, ""): [Conduct(twist)] * 3}))
        (status,) = world.whole(charter())
        assert status.state is State.COMPLETED
        assert world.events().count("Surveyed") == 5

    def test_for_ever_until_the_deadline(self, world: World) -> None:
        fleet = world.fleet(
            behaviour=lambda verb, _: (
                Conduct(Twist.DROPPED) if verb is Verb.REPLACE else Conduct()
            )
        )
        (status,) = world.whole(charter())
        assert status.progress.failed == 4
        assert fleet.swaps() == {}

    def test_a_refusal_is_not_repeated(self, world: World) -> None:
        fleet = world.fleet(
            behaviour=scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.REFUSED)]})
        )
        (status,) = world.whole(charter())
        assert (status.progress.failed, status.error) == (1, "it was refused")
        assert len(fleet.calls) == 4

    def test_a_cancellation_that_was_not_ours(self, world: World) -> None:
        """An adapter's own timeouts may end in CancelledError: that too is unknown."""

        class Cancelling(SimulatedFleet):
            times = 0

            async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
                self.times += 1
                if self.times == 1:
                    raise asyncio.CancelledError
                await super().replace(key, instance, version)

        world.fleets["web"] = Cancelling(world.clock, instances(4))
        (status,) = world.whole(charter())
        assert status.progress.successful == 4

    @pytest.mark.parametrize("answer", [OutcomeUnknown, OperationFailed, None])
    def test_our_cancellation_ends_it_whatever_the_adapter_makes_of_it(
        self, world: World, answer: type[OutcomeUnknown | OperationFailed] | None
    ) -> None:
        """S8: what the run does not wait for any more is not asked for again."""

        class Translating(SimulatedFleet):
            async def _translated(self, call: Coroutine[Any, Any, Any]) -> Any:
                try:
                    return await call
                except asyncio.CancelledError:
                    if answer is not None:
                        raise answer("", "cancelled") from None
                    return []

            async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
                await self._translated(super().replace(key, instance, version))

            async def observe(self, instance: str | None = None) -> Sequence[Instance]:
                seen: Sequence[Instance] = await self._translated(super().observe(instance))
                return seen

        def never_answers(verb: Verb) -> Behaviour:
            return lambda asked, _: Conduct(Twist.HUNG) if asked is verb else Conduct()

        for verb in (Verb.SURVEY, Verb.REPLACE, Verb.WATCH):
            name = f"set-{verb}"
            fleet = world.fleets[name] = Translating(world.clock, instances(4))
            fleet.behaviour = never_answers(verb)
            host = world.host()
            before = len(world.turns)

            async def main(host: EmbeddedHost = host, run: str = name) -> None:
                await host.start(charter(run, run))
                serving = asyncio.create_task(host.serve())
                await asyncio.sleep(10)
                calls = len(world.points)
                await host.post(run, Cancel(host.now(), force=True), "f")
                await serving
                await asyncio.sleep(100)
                calls += 4  # the commits of the post and of the turn
                assert len(world.points) == calls, world.points[-6:]

            world.run(main())
            assert world.status(name).state is State.CANCELLED
            assert isinstance(world.turns[-1].event, Cancel)
            assert len(world.turns) > before


class TestWatch:
    """S9, S11: one instance is looked at until the run knows enough."""

    def test_only_news_is_reported(self, world: World) -> None:
        world.fleet(instances=instances(1), boot=100)
        world.whole(charter(health_wait=200_000))
        seen = [t.event.instance.health for t in world.turns if isinstance(t.event, Observed)]
        assert seen == [Health.INITIALIZING, Health.HEALTHY]

    def test_of_an_instance_that_vanishes(self, world: World) -> None:
        fleet = world.fleet(instances=instances(2), boot=100)
        host = world.host()

        async def main() -> None:
            await host.start(charter(health_wait=200_000))
            serving = asyncio.create_task(host.serve())
            await soon(fleet.swaps)
            fleet.vanish("vm-0")
            await serving

        world.run(main())
        assert world.phases() == {"vm-1": "upgraded_healthy"}

    def test_of_a_provider_that_answers_with_all_of_them(self, world: World) -> None:
        class Generous(SimulatedFleet):
            async def observe(self, instance: str | None = None) -> Sequence[Instance]:
                return await super().observe()

        world.fleets["web"] = Generous(world.clock, instances(4), bad=[("vm-3", "1.1.0")])
        world.whole(charter())
        assert [name for name, phase in world.phases().items() if "failed" in phase] == ["vm-3"]


class TestFullDisk:
    """R8: nothing is done that cannot be recorded; once it can, the run goes on."""

    @pytest.mark.parametrize("room", range(0, 12, 2))
    def test_in_the_middle_of_a_run(self, world: World, room: int) -> None:
        # Long words, so that few events fill a page.
        long = [attrs.evolve(each, data_disks=("d" * 1000,)) for each in instances(6)]
        fleet = world.fleet(instances=long, boot=5)
        journal = world.journal()
        host = world.host(journal=journal)
        calls: list[tuple[str, bool]] = []
        reader = world.journal()
        fleet.on_call = lambda call: calls.append(
            (call.key, call.key in {each.key("r1") for each in reader.outbox("r1")})
        )

        async def main() -> None:
            await host.start(charter(health_wait=30_000))
            serving = asyncio.create_task(host.serve())
            await soon(fleet.swaps)
            (used,) = journal._db.execute("PRAGMA page_count").fetchone()
            journal._db.execute(f"PRAGMA max_page_count = {used + room}")
            with pytest.raises(JournalUnwritable, match="the disk is full"):
                await serving
            assert asyncio.all_tasks() == {asyncio.current_task()}
            recorded = world.events()
            with pytest.raises(JournalUnwritable, match="the disk is full"):
                await host.serve()
            assert world.events() == recorded
            journal.check()
            journal._db.execute("PRAGMA max_page_count = 1000000")
            await host.serve()

        world.run(main())
        assert world.status().state is State.COMPLETED
        assert set(fleet.swaps().values()) == {1}
        assert calls
        assert all(intended for _, intended in calls)


HOLD = """
import sys, time
from pathlib import Path
from rollproof.host import Home
lock = Home(Path(sys.argv[1])).lock()
print("locked", flush=True)
time.sleep(60)
"""


class TestHome:
    """One process hosts from a home, and the kernel sees to it."""

    def test_two_locks(self, folder: Path) -> None:
        home = Home(folder / "deep" / "home")
        lock = home.lock()
        with pytest.raises(HomeInUse, match=f"in use by process {os.getpid()}"):
            home.lock()
        lock.release()
        lock.release()
        home.lock().release()

    def test_kill_9_lets_go(self, folder: Path) -> None:
        """N2: no stale lock keeps the next host away."""
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "locked\n"
            with pytest.raises(HomeInUse) as caught:
                Home(folder).lock()
            assert caught.value.pid == child.pid
            child.send_signal(signal.SIGKILL)
            child.wait()
            Home(folder).lock().release()

    def test_a_lock_file_of_nonsense(self, folder: Path) -> None:
        (folder / "host.lock").write_bytes(b"\xff\xfe half a number")
        home = Home(folder)
        lock = home.lock()
        (folder / "host.lock").write_bytes(b"\xff\xfe half a number")
        with pytest.raises(HomeInUse, match="in use by another process") as caught:
            home.lock()
        assert caught.value.pid is None
        lock.release()

    @pytest.mark.parametrize("where", ["/proc/none/home", "/dev/null/home", "/proc"])
    def test_where_none_can_be(self, where: str) -> None:
        with pytest.raises(JournalUnwritable, match="cannot be written"):
            Home(Path(where)).lock()

    def test_on_a_full_disk(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        home = Home(folder)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(JournalUnwritable, match="No space left"):
                home.lock()
        home.lock().release()

    def test_where_things_lie(self, folder: Path) -> None:
        home = Home(folder)
        assert {home.journal.parent, home.images.parent, home.fleets.parent} == {folder}


@pytest.fixture
def folder() -> Iterator[Path]:
    with fast_folder() as path:
        yield path
