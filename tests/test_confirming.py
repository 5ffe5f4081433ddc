"""rollproof_checks.auditing.confirming: the second process of an audit tells nothing by
itself, and hides nothing."""

import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest

from rollproof import table
from rollproof.fleet import Health
from rollproof.journal import codec, file
from rollproof.run import Run, new_run
from rollproof.states import State
from rollproof.step import trace
from rollproof.turn import Turn
from rollproof_checks import audit as auditing
from rollproof_checks.audit import Audit, Finding, audit
from rollproof_checks.auditing import confirming
from rollproof_checks.auditing.confirming import Confirmed, Second, confirm, hashed
from test_audit import LIMITS, OLD, charter, edit, fleet, played, rebound, record, seen

SWAP = (
    "UPDATE event SET seq = -1 WHERE seq = 4",
    "UPDATE event SET seq = 4 WHERE seq = 7",
    "UPDATE event SET seq = 7 WHERE seq = -1",
)
UNSOUND: list[tuple[str, ...]] = [
    ("UPDATE event SET body = replace(body, '1.0.0', '1.0.1') WHERE seq = 2",),
    ("UPDATE event SET rows = '' WHERE seq = 4",),
    ("UPDATE event SET state = 'Cancelled' WHERE seq = 3",),
    ("UPDATE event SET digest = x'00' WHERE seq = 6",),
    ("UPDATE run SET charter = replace(charter, '50', '60')",),
    ("UPDATE run SET counts = replace(counts, ':3', ':4')",),
    ("UPDATE run SET turns = turns + 1",),
    ("UPDATE run SET turns = 1",),
    ("DELETE FROM event WHERE seq = 4",),
    ("DELETE FROM event WHERE seq > 6",),
    ("DELETE FROM event",),
    SWAP,
    ("UPDATE event SET rows = '' WHERE seq = 4", "forged"),
    ("UPDATE event SET rows = 'leap' WHERE seq = 4", "forged"),
    ("UPDATE event SET state = 'Cancelled' WHERE seq = 4", "forged"),
    ("UPDATE event SET body = '{}' WHERE seq = 4", "forged"),
    ("UPDATE event SET body = replace(body, 't\":1', 't\":7') WHERE seq = 4", "forged"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Path:
    """A completed run of a set large enough that its surveys are drawn as lines."""
    record(path, charter(), played(charter(), fleet(40), bad=["vm-1"]))
    return path


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is long, and there are cores."""
    monkeypatch.setattr(auditing, "LONG", 0)
    monkeypatch.setattr(auditing, "has_two_cores", lambda: True)


class Here(Second):
    """The second process, in this one: its answers, without its start."""

    answers: ClassVar[list[Confirmed | None]] = []

    def ask(self, run: str, charter: str, last: int) -> None:
        with closing(file.connect(self._journal, read_only=True)) as db:
            self.answers.append(confirm(db, run, codec.charter_of(charter), last))

    def answer(self) -> Confirmed | None:
        return self.answers[-1]


@pytest.fixture
def here(long: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Audit]:
    """An audit beside a second one, in one process."""
    monkeypatch.setattr(auditing, "Second", Here)
    monkeypatch.setattr(Here, "answers", [])
    return audit


@pytest.fixture
def never_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit that does all by itself is caught."""
    monkeypatch.setattr(auditing._Replay, "all", lambda _: pytest.fail("alone"))


def alone(path: Path) -> Audit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "LONG", sys.maxsize)
        return audit(path)


class TestConfirm:
    """What follows recorded rows."""

    def test_a_sound_run_is_confirmed(self, journal: Path) -> None:
        (run,) = alone(journal).runs
        with closing(file.connect(journal, read_only=True)) as db:
            found = confirm(db, "r1", charter(), run.events)
            part = confirm(db, "r1", charter(), 3)
        mark, at, rows, marks = 0, new_run(charter()), 0, []
        for event in played(charter(), fleet(40), bad=["vm-1"]):
            at, _, names = trace(at, event)
            mark, rows = hashed(mark, at.cells), rows + len(names)
            marks.append((rows, mark))
        assert found == (run.events, *marks[-1])
        assert found.rows == run.rows
        assert part == (3, *marks[2])

    @pytest.mark.parametrize("batch", [1, 50])
    def test_breaches_are_seen_in_every_batch(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
    ) -> None:
        """S4: however many rows are judged at once."""
        monkeypatch.setattr(table, "lost", lambda c: c.upgraded_unhealthy)
        strict = charter(LIMITS._replace(max_unhealthy_upgraded=0))
        record(path, strict, played(strict, fleet(), bad=["vm-0"]))
        monkeypatch.setattr("rollproof_checks.auditing.monitor.BATCH", batch)
        with closing(file.connect(path, read_only=True)) as db:
            assert confirm(db, "r1", strict, 99) is None
            assert confirm(db, "r1", strict, 2) is not None


class TestSameWords:
    """What departs is told as by an audit alone: the same event, the same words."""

    @pytest.mark.parametrize("changes", UNSOUND, ids=lambda each: str(each)[:60])
    def test_unsound(
        self, journal: Path, here: Callable[[Path], Audit], changes: tuple[str, ...]
    ) -> None:
        statements = [each for each in changes if each != "forged"]
        edit(journal, *statements)
        if len(statements) != len(changes):
            rebound(journal)
        assert here(journal) == alone(journal)
        assert here(journal).finding is not Finding.SOUND

    def test_sound(
        self, journal: Path, here: Callable[[Path], Audit], never_alone: None
    ) -> None:
        told = here(journal)
        assert told.finding is Finding.SOUND
        assert [each and each.events for each in Here.answers] == [told.runs[0].events]

    def test_sound_as_alone(self, journal: Path, here: Callable[[Path], Audit]) -> None:
        record(journal, charter(run="r2"), played(charter(run="r2"), fleet(3)))
        assert here(journal) == alone(journal)

    def test_broken_promise(
        self, path: Path, here: Callable[[Path], Audit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """R4.1, S2: a promise that breaks before the chain does comes first."""
        monkeypatch.setattr(
            table, "exceeds", lambda part, whole, percent: part * 100 > whole * (percent + 10)
        )
        strict = charter(LIMITS._replace(max_unhealthy=20))
        ill = [seen("vm-0", OLD, Health.UNHEALTHY), *fleet(4)[1:]]
        record(path, strict, played(strict, ill)[:4])
        edit(path, "UPDATE event SET rows = '' WHERE seq = 4")
        assert here(path) == alone(path)
        assert here(path).finding is Finding.BROKE_PROMISE

    def test_counts_that_no_row_made(
        self, path: Path, here: Callable[[Path], Audit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A step that changes a count beside its rows, and mends it in time."""
        freeze = Turn.freeze

        def careless(turn: Turn) -> Run:
            run = freeze(turn)
            if turn.at not in (3, 4):  # between the disk and the look at it
                return run
            return run._replace(cells=run.counts._replace(cap=9 if turn.at == 3 else 4))

        monkeypatch.setattr(Turn, "freeze", careless)
        record(path, charter(), played(charter(), fleet(8)))
        assert here(path) == alone(path)
        assert here(path).finding is Finding.BROKE_PROMISE

    def test_a_state_that_no_row_led_to(
        self, path: Path, here: Callable[[Path], Audit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A step that goes on to the wait before every disk is replaced."""
        freeze = Turn.freeze

        def hasty(turn: Turn) -> Run:
            run = freeze(turn)
            return run._replace(state=State.WAITING_HEALTH) if turn.at == 3 else run

        events = played(charter(), fleet(8))[:4]
        monkeypatch.setattr(Turn, "freeze", hasty)
        record(path, charter(), events)
        assert here(path) == alone(path)
        assert here(path).finding is Finding.BROKE_PROMISE


class TestProcess:
    """The process itself; whatever becomes of it, the audit is the same."""

    def test_confirms(self, journal: Path, long: None, never_alone: None) -> None:
        record(journal, charter(run="r2"), played(charter(run="r2"), fleet(3)))
        assert audit(journal).finding is Finding.SOUND

    def test_is_asked_anew_after_a_departure(
        self, journal: Path, long: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it still owes is not taken for the next run's."""
        edit(journal, "UPDATE event SET rows = '' WHERE seq = 4")
        record(journal, charter(run="r2"), played(charter(run="r2"), fleet(3)))
        replayed_alone = []
        every = auditing._Replay.all

        def all_alone(replay: auditing._Replay) -> None:
            replayed_alone.append(replay._record.id)
            every(replay)

        monkeypatch.setattr(auditing._Replay, "all", all_alone)
        found = audit(journal)
        assert replayed_alone == ["r1"]
        assert found == alone(journal)

    def test_does_not_confirm(self, journal: Path, long: None) -> None:
        edit(journal, "UPDATE event SET digest = x'00' WHERE seq = 6")
        record(journal, charter(run="r2"), played(charter(run="r2"), fleet(3)))
        assert audit(journal) == alone(journal)

    @pytest.mark.parametrize("program", ["/nonexistent/python", "", "/bin/cat", sys.executable])
    def test_fails(
        self, journal: Path, long: None, monkeypatch: pytest.MonkeyPatch, program: str
    ) -> None:
        """It cannot be begun, or ends before it has read anything."""
        monkeypatch.setattr(sys, "executable", program)
        monkeypatch.setattr(confirming, "__name__", "rollproof_checks.no_such_module")
        assert audit(journal) == alone(journal)
        assert audit(journal).finding is Finding.SOUND

    def test_a_program_that_embeds_python_is_not_begun(
        self, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody knows what it would do."""
        monkeypatch.setattr(sys, "executable", "/bin/cat")
        with pytest.raises(OSError, match="embeds"):
            Second(journal)._begin()

    def test_is_killed(
        self, journal: Path, long: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask = Second.ask

        def asked(second: Second, run: str, terms: str, last: int) -> None:
            ask(second, run, terms, last)
            assert second._process is not None
            second._process.kill()
            second._process.wait()
            ask(second, run, terms, last)

        monkeypatch.setattr(Second, "ask", asked)
        assert audit(journal) == alone(journal)

    def test_short_runs_need_none(self, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Second, "_begin", lambda _: pytest.fail("begun"))
        monkeypatch.setattr(auditing, "has_two_cores", lambda: True)
        assert audit(journal).finding is Finding.SOUND

    def test_one_core_has_none(self, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Second, "_begin", lambda _: pytest.fail("begun"))
        monkeypatch.setattr(auditing, "LONG", 0)
        monkeypatch.setattr(auditing, "has_two_cores", lambda: False)
        assert audit(journal).finding is Finding.SOUND

    def test_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those that this process may use, where the system says."""
        for cores in ({3}, {1, 2}):
            monkeypatch.setattr(
                os, "sched_getaffinity", lambda _, held=cores: held, raising=False
            )
            assert confirming.has_two_cores() is (len(cores) == 2)
        monkeypatch.delattr(os, "sched_getaffinity")
        for count in (None, 1, 2):
            monkeypatch.setattr(os, "cpu_count", lambda held=count: held)
            assert confirming.has_two_cores() is (count == 2)
