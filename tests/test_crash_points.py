"""N2: a run that is killed at any point ends as if it had not been.

The host tells its hook of every commit and every call to a provider, before and after.
Each scenario is run once to count these points, then once more for every one of them:
killed there, resumed by another host on the same journal and fleet.  None is skipped.
The next life begins at once, or when every deadline has long passed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

import attrs
import pytest

from rollproof.charter import Charter
from rollproof.commands import Verb
from rollproof.errors import NothingRunning, UnknownRun
from rollproof.events import Cancel, Event, Pause, Resume
from rollproof.host import EmbeddedHost
from rollproof.journal import Replay
from rollproof.states import TERMINAL, Cause, State
from rollproof_checks.crashes import Installation, Operator, Reaper, nobody
from rollproof_checks.simulated import Behaviour, Conduct, SimulatedFleet, Twist, scripted
from rollproof_checks.virtual_time import VirtualClock
from shared_host import NO_LIMITS, charter, fast_folder, instances

DOWN: Final = (0.3, 3_600.0)
"""Seconds from a death to the next life: while what was asked for is still under way, and
beyond every deadline."""


def never() -> Behaviour:
    """No faults but the crash."""
    return scripted({})


ORDINARY = charter()


@attrs.frozen(kw_only=True)
class Scenario:
    """One kind of run."""

    charter: Charter = ORDINARY
    bad: tuple[tuple[str, str], ...] = ()
    behaviour: Callable[[], Behaviour] = never
    operator: Callable[[SimulatedFleet], Operator] = lambda _fleet: nobody
    state: State = State.COMPLETED
    cause: Cause = Cause.NONE
    certain: bool = True
    """Whether it is certain which disks are replaced: not when a forced cancel leaves
    some in flight, for their calls may not have been made yet (S8)."""
    points: int
    """How many there are at least, so that a hook that is lost is noticed.  How many
    exactly depends on which reports happen to be committed together."""

    @contextmanager
    def installed(self) -> Iterator[Installation]:
        clock = VirtualClock()
        fleet = SimulatedFleet(clock, instances(zones=2), self.behaviour(), bad=self.bad)
        with fast_folder() as folder, Installation(folder, clock, fleet) as installation:
            yield installation


@attrs.frozen
class Outcome:
    """What must not depend on crashes."""

    state: State
    cause: Cause
    batches: int
    phases: dict[str, str]
    swaps: Counter[tuple[str, Verb]]


def when(
    fleet: SimulatedFleet, instance: str, *events: tuple[float, Callable[[int], Event]]
) -> Operator:
    """Hand in events, each so many seconds after the instance's disk was replaced or
    after the one before.  Repeated in every life, with the same dedup keys."""

    async def operate(host: EmbeddedHost) -> None:
        while not fleet.swaps()[instance, Verb.REPLACE]:
            await asyncio.sleep(0.05)
            if await over(host):
                return
        with suppress(NothingRunning):
            for number, (seconds, event) in enumerate(events):
                await asyncio.sleep(seconds)
                await host.post("r1", event(host.now()), f"event {number}")

    async def over(host: EmbeddedHost) -> bool:
        with suppress(UnknownRun):
            return (await host.status("r1")).state in TERMINAL
        return False

    return operate


def sick_with(**limits: int) -> Charter:
    """A charter whose limits are not those of the others."""
    return charter(limits=NO_LIMITS._replace(**limits))


LOST = Conduct(Twist.LOST, delay=3.0)
DROPPED = Conduct(Twist.DROPPED)

SCENARIOS: Final = {
    "happy": Scenario(points=80),
    "answers lost": Scenario(
        behaviour=lambda: scripted(
            {
                (Verb.SURVEY, ""): [DROPPED],
                (Verb.REPLACE, "vm-0"): [LOST],
                (Verb.REPLACE, "vm-1"): [DROPPED, LOST],
                (Verb.WATCH, "vm-2"): [DROPPED, DROPPED],
            }
        ),
        points=100,
    ),
    "rollback": Scenario(
        charter=sick_with(rollback=1),
        bad=(("vm-2", "1.1.0"), ("vm-3", "1.1.0")),
        behaviour=lambda: scripted({(Verb.RESTORE, "vm-2"): [Conduct(Twist.REFUSED)]}),
        points=120,
    ),
    "credential expired": Scenario(
        charter=sick_with(rollback=1),
        behaviour=lambda: scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.EXPIRED)]}),
        state=State.CANCELLED,
        cause=Cause.CREDENTIALS,
        points=20,
    ),
    "cancel": Scenario(
        operator=lambda fleet: when(fleet, "vm-1", (0, Cancel)),
        state=State.CANCELLED,
        cause=Cause.USER,
        points=60,
    ),
    "force": Scenario(
        operator=lambda fleet: when(fleet, "vm-1", (0, lambda at: Cancel(at, force=True))),
        certain=False,
        state=State.CANCELLED,
        cause=Cause.USER,
        points=50,
    ),
    "pause and resume": Scenario(
        charter=charter(limits=NO_LIMITS._replace(paced=1), pause=5_000),
        operator=lambda fleet: when(fleet, "vm-1", (0, Pause), (20, Resume)),
        points=90,
    ),
    "threshold": Scenario(
        charter=sick_with(max_unhealthy_upgraded=20, restore_on_breach=1),
        bad=(("", "1.1.0"),),
        state=State.CANCELLED,
        cause=Cause.UPGRADED_UNHEALTHY,
        points=60,
    ),
}


def ended(installation: Installation, scenario: Scenario) -> Outcome:
    """How the run ended; fails unless its journal replays and the fleet was well used."""
    installation.fleet.assert_lawful()
    journal = installation.journal()
    journal.check()
    assert journal.outbox("r1") == ()
    assert journal.posts() == ()
    replay = Replay(journal, "r1")
    replay.catch_up()
    swaps = installation.fleet.swaps()
    assert set(swaps.values()) == {1}
    return Outcome(
        replay.run.state,
        replay.run.cause,
        replay.run.batches,
        dict(replay.run.ledger.members()),
        swaps if scenario.certain else Counter(),
    )


def live_on(
    installation: Installation, scenario: Scenario, down: float, *deaths: int
) -> list[Reaper]:
    """Live and die at the points given, each counted in its own life; then to the end."""
    reapers = [Reaper(at) for at in deaths]
    operator = scenario.operator(installation.fleet)
    for reaper in reapers:
        if installation.live(scenario.charter, reaper, operator):
            return reapers
        installation.clock.pass_by(down)
    assert installation.live(scenario.charter, Reaper(), operator)
    return reapers


def undisturbed(scenario: Scenario) -> tuple[list[str], Outcome]:
    """The points of a run that nobody kills, and its end."""
    with scenario.installed() as installation:
        reaper = Reaper()
        operator = scenario.operator(installation.fleet)
        assert installation.live(scenario.charter, reaper, operator)
        passed = Counter(reaper.points)
        assert passed["before commit"] == passed["after commit"]
        calls = Counter(f"before {call.key}" for call in installation.fleet.calls)
        assert calls == Counter({point: passed[point] for point in calls})
        return reaper.points, ended(installation, scenario)


every_scenario = pytest.mark.parametrize("name", SCENARIOS)
however_long = pytest.mark.parametrize("down", DOWN)


@however_long
@every_scenario
def test_killed_at_every_point_it_ends_the_same(name: str, down: float) -> None:
    """N2, S8: same state, same phases, no disk replaced twice."""
    scenario = SCENARIOS[name]
    points, expected = undisturbed(scenario)
    assert (expected.state, expected.cause) == (scenario.state, scenario.cause)
    for at, point in enumerate(points):
        with scenario.installed() as installation:
            (reaper,) = live_on(installation, scenario, down, at)
            assert reaper.dead, f"point {at} was never reached"
            assert reaper.points == points[:at]
            assert ended(installation, scenario) == expected, f"killed at {at}: {point}"
    assert len(points) >= scenario.points


@however_long
@every_scenario
def test_killed_twice_it_ends_the_same(name: str, down: float) -> None:
    """N2: the second death may strike while the first is being recovered from."""
    scenario, random = SCENARIOS[name], Random(name)
    points, expected = undisturbed(scenario)
    for _ in range(8):
        first, second = random.randrange(len(points)), random.randrange(20)
        with scenario.installed() as installation:
            live_on(installation, scenario, down, first, second)
            assert ended(installation, scenario) == expected, (first, second)
