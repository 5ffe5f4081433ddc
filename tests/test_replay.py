"""rollproof.journal.replay: the journal tells the run, or says that it cannot be trusted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollproof.commands import Verb
from rollproof.errors import DamagedJournal, UnknownRun
from rollproof.journal import Replay
from rollproof.states import State
from rollproof_checks.crashes import Installation, Reaper
from rollproof_checks.simulated import Conduct, SimulatedFleet, Twist, scripted
from rollproof_checks.virtual_time import VirtualClock
from shared_host import NO_LIMITS, charter, fast_folder, instances

Tampering = Callable[[sqlite3.Connection], object]


@pytest.fixture
def installation() -> Iterator[Installation]:
    """An installation after a run in which one instance got its disk back."""
    clock = VirtualClock()
    refused = scripted({(Verb.REPLACE, "vm-4"): [Conduct(Twist.REFUSED)]})
    fleet = SimulatedFleet(clock, instances(), refused, bad=[("vm-2", "1.1.0")])
    with fast_folder() as folder, Installation(folder, clock, fleet) as installation:
        terms = charter(limits=NO_LIMITS._replace(rollback=1))
        assert installation.live(terms, Reaper())
        yield installation


def tamper(installation: Installation, *tamperings: Tampering) -> None:
    """Change the file behind our back, past all that guards it."""
    with sqlite3.connect(installation.home.journal) as other:
        for each in tamperings:
            each(other)
    other.close()


def sql(statement: str) -> Tampering:
    """Tampering by one statement."""
    return lambda other: other.execute(statement)


class TestN2:
    """N2: the same `step` over the same events gives the same run."""

    def test_equals_the_live_run(self, installation: Installation) -> None:
        replay = Replay(installation.journal(), "r1")
        rows = replay.catch_up()
        live = installation.turns[-1].after
        assert replay.run.state is live.state is State.COMPLETED
        assert replay.run[:3] == live[:3]
        assert list(replay.run.ledger.members()) == list(live.ledger.members())
        assert (replay.run.surveys, replay.run.batches) == (live.surveys, live.batches)
        assert rows == tuple(row for turned in installation.turns for row in turned.rows)

    def test_can_be_kept_up_turn_by_turn(self) -> None:
        clock = VirtualClock()
        fleet = SimulatedFleet(clock, instances())
        with fast_folder() as folder, Installation(folder, clock, fleet) as installation:
            for at in range(4, 60, 7):
                installation.live(charter(), Reaper(at))
            installation.home.make()
            follower = Replay(installation.journal(), "r1")
            taken = follower.catch_up()
            installation.live(charter(), Reaper())
            taken += follower.catch_up()
            assert follower.catch_up() == ()
            assert taken == Replay(installation.journal(), "r1").catch_up()

    def test_counts_are_the_sums(self, installation: Installation) -> None:
        replay = Replay(installation.journal(), "r1")
        replay.catch_up()
        phases = len(replay.run.ledger.tally())
        assert replay.run.ledger.tally() == replay.run.counts[:phases]

    def test_unknown_run(self, installation: Installation) -> None:
        with pytest.raises(UnknownRun, match=r"Did you mean 'r1'|Known: r1"):
            Replay(installation.journal(), "r2")


EDITED = "UPDATE event SET body = replace(body, '\"vm-0\"', '\"vm-1\"') WHERE seq = 3"

TAMPERINGS: dict[str, tuple[str, ...]] = {
    "another instance": (EDITED,),
    "another time": ("UPDATE event SET body = replace(body, '\"at\":1', '\"at\":2')",),
    "refused by the run": (
        'UPDATE event SET body = \'{"event":"Start","at":7}\' WHERE seq = 3',
    ),
    "event of nonsense": ("UPDATE event SET body = 'nonsense' WHERE seq = 3",),
    "another row": ("UPDATE event SET rows = rows || ' seal' WHERE seq = 3",),
    "another state": ("UPDATE event SET state = 'Completed' WHERE seq = 3",),
    "state of nonsense": ("UPDATE event SET state = 'Splendid' WHERE seq = 3",),
    "another digest": ("UPDATE event SET digest = zeroblob(32) WHERE seq = 3",),
    "first removed": ("DELETE FROM event WHERE seq = 1",),
    "one removed": ("DELETE FROM event WHERE seq = 4",),
    "last removed": ("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",),
    "all removed": ("DELETE FROM event",),
    "two swapped": (
        "UPDATE event SET seq = 1004 WHERE seq = 4",
        "UPDATE event SET seq = 4 WHERE seq = 5",
        "UPDATE event SET seq = 5 WHERE seq = 1004",
    ),
    "last repeated": (
        "INSERT INTO event SELECT run, seq + 1, body, rows, state, digest FROM event"
        " WHERE seq = (SELECT max(seq) FROM event)",
    ),
    "record's state": ("UPDATE run SET state = 'Idle'",),
    "record's batches": ("UPDATE run SET batches = batches + 1",),
    "record's counts": (
        "UPDATE run SET counts = replace(counts, 'healthy\":4', 'healthy\":5')",
    ),
    "another target": ("UPDATE run SET charter = replace(charter, '1.1.0', '6.6.6')",),
    "another term": ("UPDATE run SET charter = replace(charter, 'look\":1', 'look\":2')",),
    "charter of nonsense": ("UPDATE run SET charter = 'nonsense'",),
}


class TestN8:
    """N8, R7.1: what was recorded cannot be changed unnoticed."""

    @pytest.mark.parametrize("name", TAMPERINGS)
    def test_tampering_is_found(self, installation: Installation, name: str) -> None:
        before = installation.journal()
        shown = dump(installation.home.journal)
        tamper(installation, *map(sql, TAMPERINGS[name]))
        assert dump(installation.home.journal) != shown, "nothing was changed"
        with pytest.raises(DamagedJournal, match=r"journal\.sqlite is damaged"):
            Replay(before, "r1").catch_up()

    def test_it_names_the_event(self, installation: Installation) -> None:
        tamper(installation, sql(EDITED))
        with pytest.raises(DamagedJournal, match="event 3 of run r1"):
            Replay(installation.journal(), "r1").catch_up()

    def test_a_host_does_not_go_on_from_it(self) -> None:
        clock = VirtualClock()
        fleet = SimulatedFleet(clock, instances())
        with fast_folder() as folder, Installation(folder, clock, fleet) as installation:
            installation.live(charter(), Reaper(30))
            tamper(installation, sql("UPDATE event SET digest = zeroblob(32) WHERE seq = 2"))
            calls = len(fleet.calls)
            with pytest.raises(DamagedJournal):
                installation.live(charter(), Reaper())
            assert len(fleet.calls) == calls


def dump(path: Path) -> list[str]:
    """All that is in the file."""
    other = sqlite3.connect(path)
    lines = list(other.iterdump())
    other.close()
    return lines
