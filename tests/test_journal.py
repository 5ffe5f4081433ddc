"""rollproof.journal: what is committed stays, what is not ours is left alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest

from rollproof.charter import Charter
from rollproof.commands import Verb
from rollproof.errors import (
    DamagedJournal,
    ForeignJournal,
    InvalidFields,
    JournalError,
    JournalUnwritable,
    NewerJournal,
    NothingRunning,
    RunActive,
    UnknownRun,
)
from rollproof.events import Cancel, Event, Pause, Resume, Start, Surveyed
from rollproof.fleet import Instance
from rollproof.journal import Journal, Replay, Turned, file
from rollproof.journal.journal import genesis
from rollproof.run import Run, new_run
from rollproof.states import State
from rollproof.step import trace
from rollproof_checks.audit import Finding, audit
from rollproof_checks.crashes import Installation, Reaper
from rollproof_checks.simulated import SimulatedFleet
from rollproof_checks.virtual_time import VirtualClock
from shared_host import charter, fast_folder, instances

FIRST = Path(__file__).parent / "journal_v1.sql"
"""What `sqlite3 .dump` says of a journal in the first format."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with fast_folder() as path:
        yield path


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as journal:
        yield journal


def turned(run: Run, event: Event, *closed: str) -> Turned:
    """What `event` does to `run`."""
    after, commands, rows = trace(run, event)
    return Turned(run, event, after, commands, rows, closed)


def begun(journal: Journal, terms: Charter | None = None) -> list[Turned]:
    """A run that is opened, and its first two turns: it has asked, and has begun a batch."""
    terms = terms or charter()
    journal.open_run(terms, 5)
    first = turned(new_run(terms), Start(10))
    fleet = tuple(instances(3))
    second = turned(first.after, Surveyed(20, 1, fleet), f"{terms.run}//survey/1")
    return [first, second]


def finished(folder: Path) -> Path:
    """The journal of a whole run, all of it in one file; at least a dozen pages."""
    clock = VirtualClock()
    fleet = SimulatedFleet(clock, instances(12))
    with Installation(folder, clock, fleet) as installation:
        assert installation.live(charter(), Reaper())
    assert not Path(f"{installation.home.journal}-wal").exists()
    return installation.home.journal


def read_all(path: Path) -> list[object]:
    """All that a journal tells, if nothing is wrong with it."""
    with Journal(path) as journal:
        journal.check()
        Replay(journal, "r1").catch_up()
        return content(journal)


def content(journal: Journal) -> list[object]:
    """All that a journal of the run r1 tells."""
    return [
        journal.declared(),
        journal.open_runs(),
        journal.history("web"),
        journal.posts(),
        journal.outbox("r1"),
        list(journal.events("r1")),
    ]


class TestTurn:
    """N2: a turn is one transaction."""

    def test_all_of_it_is_there(self, journal: Journal, path: Path) -> None:
        first, second = begun(journal)
        journal.record([first, second])
        with Journal(path) as other:
            record = other.run("r1")
            assert record.charter == charter()
            assert record.state is second.after.state is State.ROLLING_FORWARD
            assert record.counts == second.after.counts
            assert (record.batches, record.turns, record.closed_at) == (1, 2, None)
            assert (record.opened_at, record.last_at) == (5, 20)
            assert [each.event for each in other.events("r1")] == [first.event, second.event]
            assert [each.rows for each in other.events("r1", after=1)] == [second.rows]
            assert set(other.outbox("r1")) == set(second.commands)

    def test_at_no_statement_is_half_of_it_there(self, journal: Journal, path: Path) -> None:
        """N2: kill -9 leaves the files as they are at that instruction."""
        first, second = begun(journal)
        journal.record([first])
        before = content(journal)
        copies: list[Path] = []

        def copy(_statement: str) -> None:
            copies.append(path.with_name(f"killed-{len(copies)}"))
            for each in path.parent.glob(f"{path.name}*"):
                to = each.name.replace(path.name, copies[-1].name)
                shutil.copyfile(each, each.with_name(to))

        journal._db.set_trace_callback(copy)
        journal.record([second])
        journal._db.set_trace_callback(None)
        assert len(copies) >= 6
        for each in copies:
            with Journal(each) as killed:
                killed.check()
                assert content(killed) == before
                killed.record([second])
                assert content(killed) == content(journal)

    def test_a_turn_that_fails_leaves_nothing(self, journal: Journal) -> None:
        first, second = begun(journal)
        journal.record([first])
        before = content(journal)
        nonsense = attrs.evolve(second, commands=second.commands + second.commands[:1])
        for _ in range(2):
            with pytest.raises(sqlite3.IntegrityError):
                journal.record([second, nonsense])
            assert content(journal) == before
        journal.record([second])
        Replay(journal, "r1").catch_up()

    def test_words_that_no_file_can_hold(self, journal: Journal) -> None:
        """Providers name instances and errors as they like, in half surrogate pairs too."""
        first, _ = begun(journal)
        odd = Instance(id="vm-\udc80\0", zone="\ud800", version="1.0.0")
        second = turned(first.after, Surveyed(20, 1, (odd,)), "r1//survey/1")
        journal.record([first, second])
        (replace,) = journal.outbox("r1")
        assert replace.instance == odd.id
        failed = Event.__args__[3](30, odd.id, 1, "no such file: \udcff")
        third = turned(second.after, failed, replace.key("r1"))
        journal.record([third])
        assert replace not in journal.outbox("r1")
        assert journal.run("r1").why == "no such file: \\udcff"
        replay = Replay(journal, "r1")
        replay.catch_up()
        assert replay.run.counts == third.after.counts


class TestR4_9:
    """R4.9: one run per scale set at a time."""

    def test_a_second_run_is_a_conflict_on_any_connection(
        self, journal: Journal, path: Path
    ) -> None:
        journal.open_run(charter("r1"), 0)
        with Journal(path) as other:
            for each in (journal, other):
                with pytest.raises(RunActive, match="'r1' under way"):
                    each.open_run(charter("r2"), 0)
            other.open_run(charter("r3", "db"), 0)
        assert [each.charter.run for each in journal.open_runs()] == ["r1", "r3"]

    def test_the_file_itself_refuses_it(self, journal: Journal) -> None:
        journal.open_run(charter("r1"), 0)
        copy = (
            "INSERT INTO run SELECT 'r2', scale_set, charter, state, counts,"
            " 0, 0, 0, 0, NULL, '' FROM run"
        )
        with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE.*run\.scale_set"):
            journal._db.execute(copy)

    def test_after_its_end_another_may_begin_under_another_id(self, journal: Journal) -> None:
        first, _ = begun(journal)
        journal.record([first, turned(first.after, Cancel(30))])
        assert journal.run("r1").closed_at == 30
        assert journal.active_run("web") is None
        with pytest.raises(InvalidFields, match="'r1'; allowed: an id that no run has borne"):
            journal.open_run(charter("r1"), 40)
        journal.open_run(charter("r2"), 40)
        assert [each.charter.run for each in journal.history("web")] == ["r2", "r1"]


class TestPost:
    """S13: what is handed in is handed in once."""

    def test_a_dedup_key_counts_once_per_run(self, journal: Journal, path: Path) -> None:
        journal.open_run(charter("r1"), 0)
        journal.open_run(charter("r2", "db"), 0)
        with Journal(path) as other:
            assert other.post("r1", Pause(1), "k")
            assert not journal.post("r1", Cancel(2), "k")
            assert journal.post("r2", Pause(3), "k")
        assert [(each.run, each.event) for each in journal.posts()] == [
            ("r1", Pause(1)),
            ("r2", Pause(3)),
        ]

    def test_taken_or_refused_it_is_posted_no_more(self, journal: Journal) -> None:
        first, second = begun(journal)
        for number in range(3):
            journal.post("r1", Pause(number), str(number))
        posts = journal.posts()
        taken = attrs.evolve(first, post=posts[0].id)
        journal.record([taken], [(posts[1], "not now: \udc80")])
        assert journal.posts() == posts[2:]
        assert not journal.post("r1", Pause(9), "1")
        journal.record([second])
        assert journal.posts() == posts[2:]

    def test_to_no_run_and_to_one_that_has_ended(self, journal: Journal) -> None:
        first, _ = begun(journal)
        with pytest.raises(UnknownRun):
            journal.post("r2", Pause(1), "k")
        assert journal.post("r1", Cancel(30), "k")
        (post,) = journal.posts()
        cancelled = turned(first.after, Cancel(30))
        journal.record([first, attrs.evolve(cancelled, post=post.id)])
        with pytest.raises(NothingRunning):
            journal.post("r1", Cancel(40), "other")
        # Who repeats it, not knowing that it arrived, hears that it did.
        assert not journal.post("r1", Cancel(40), "k")


def test_declarations_replace_each_other(journal: Journal) -> None:
    journal.declare("web", "one", "/a", 1)
    journal.declare("db", "two", "/b", 2)
    journal.declare("web", "three", "/c", 3)
    assert [(each.name, each.document) for each in journal.declared()] == [
        ("db", "two"),
        ("web", "three"),
    ]


class TestSchedule:
    """What the schedule goes by (R3.4, S12, N6)."""

    def test_the_same_document_is_no_change_of_the_model(self, journal: Journal) -> None:
        for at, document in ((1, "one"), (2, "one"), (3, "two"), (4, "one")):
            journal.declare("web", document, "/", at)
            (declared,) = journal.declared()
            assert declared.applied_at == at
            assert declared.configured_at == {1: 1, 2: 1, 3: 3, 4: 4}[at]

    def test_stop_all_keeps_its_first_time(self, journal: Journal) -> None:
        assert journal.stopped_since() is None
        for at in (5, 9):
            journal.stop_all(at)
            assert journal.stopped_since() == 5
        journal.stop_all(None)
        assert journal.stopped_since() is None

    def test_the_last_retry_of_each_set(self, journal: Journal) -> None:
        for name, at in (("web", 5), ("db", 6), ("web", 7)):
            journal.retry(name, at)
        assert journal.retries() == {"web": 7, "db": 6}

    def test_a_version_is_seen_for_the_first_time_once(self, journal: Journal) -> None:
        journal.sight("web-os", "local", ["1.0.0"], 5)
        journal.sight("web-os", "local", ["1.1.0", "1.0.0"], 6)
        journal.sight("web-os", "elsewhere", ["1.0.0"], 7)
        assert journal.first_seen("web-os", "local") == {"1.0.0": 5, "1.1.0": 6}
        assert journal.first_seen("web-os", "elsewhere") == {"1.0.0": 7}
        assert journal.first_seen("db-os", "local") == {}

    def test_runs_of_a_set(self, journal: Journal) -> None:
        assert journal.run_count("web") == 0
        journal.record(begun(journal))
        journal.open_run(charter("r2", "db"), 9)
        assert (journal.run_count("web"), journal.run_count("db")) == (1, 1)
        assert journal.under_way() == {"web": "r1", "db": "r2"}
        assert [each.charter.run for each in journal.history("web", since=6)] == ["r1"]


class TestMigration:
    """A journal is brought to the present format whole, or not at all."""

    @pytest.mark.parametrize("begin", [None, b""], ids=["no file", "an empty file"])
    def test_from_nothing(self, path: Path, begin: bytes | None) -> None:
        if begin is not None:
            path.write_bytes(begin)
        with Journal(path) as journal:
            journal.open_run(charter(), 0)
        header = path.read_bytes()[:100]
        assert int.from_bytes(header[60:64], "big") == file.VERSION
        assert int.from_bytes(header[68:72], "big") == file.APPLICATION_ID

    def test_from_a_database_that_was_never_migrated(self, path: Path) -> None:
        """The machine went down between the first page and the tables."""
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        assert path.stat().st_size
        with Journal(path) as journal:
            journal.open_run(charter(), 0)

    def test_killed_while_its_tables_are_only_in_the_log(self, path: Path) -> None:
        connection = file.connect(path)
        assert int.from_bytes(path.read_bytes()[68:72], "big") == 0
        with Journal(path) as journal:
            journal.open_run(charter(), 0)
        connection.close()

    def test_settings(self, journal: Journal) -> None:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
        ):
            assert journal._db.execute(f"PRAGMA {pragma}").fetchone() == (value,)

    def test_to_a_newer_format_step_by_step(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Journal(path) as journal:
            journal.open_run(charter(), 0)
            assert journal.run("r1").why == ""
        newer = (*file.MIGRATIONS, "UPDATE run SET why = 'migrated';\n")
        monkeypatch.setattr(file, "MIGRATIONS", newer)
        monkeypatch.setattr(file, "VERSION", len(newer))
        before = path.read_bytes()
        with pytest.raises(JournalUnwritable, match="needs migration"):
            Journal(path, read_only=True)
        assert path.read_bytes() == before
        for _ in range(2):
            with Journal(path) as journal:
                assert journal.run("r1").why == "migrated"

    def test_from_the_first_format(self, path: Path) -> None:
        """A journal that the first rollproof wrote: two runs, of which one has ended.  Its
        digests hold, and what was declared then was configured when it was last applied."""
        connection = sqlite3.connect(path)
        connection.executescript(FIRST.read_text("utf-8"))
        connection.execute(f"PRAGMA application_id = {file.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.close()
        with Journal(path) as journal:
            (declared,) = journal.declared()
            assert declared.configured_at == declared.applied_at > 0
            assert journal.stopped_since() is None
            assert journal.retries() == journal.first_seen("web-os", "local") == {}
            digest = genesis(journal.run("web.1").charter)
            for recorded in journal.events("web.1"):
                digest = recorded.digest_after(digest, "web.1")
                assert recorded.digest == digest
            assert recorded.state is State.COMPLETED
            begun = Replay(journal, "web.2")
            begun.catch_up()
            assert begun.run.state is State.IDLE
            assert journal.under_way() == {"web": "web.2"}
        assert int.from_bytes(path.read_bytes()[60:64], "big") == file.VERSION

    def test_one_that_fails_changes_nothing(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Journal(path) as journal:
            journal.open_run(charter(), 0)
        newer = (*file.MIGRATIONS, "UPDATE run SET why = 'half';\nnonsense;\n")
        with monkeypatch.context() as patch:
            patch.setattr(file, "MIGRATIONS", newer)
            patch.setattr(file, "VERSION", len(newer))
            with pytest.raises(DamagedJournal):
                Journal(path)
        with Journal(path) as journal:
            assert journal.run("r1").why == ""


def sqlite_file(path: Path, *statements: str) -> None:
    """A database of somebody else's."""
    connection = sqlite3.connect(path)
    for each in ("CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)", *statements):
        connection.execute(each)
    connection.commit()
    connection.close()


def sqlite_dump(path: Path) -> None:
    path.write_text("SQLite format 3, but in words\n")


def text_file(path: Path) -> None:
    path.write_text("Dear diary,\n" * 100)


def its_log_left_behind(path: Path) -> None:
    """A database whose tables stand only in its write-ahead log."""
    theirs = path.with_name("theirs")
    connection = sqlite3.connect(theirs)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE theirs (x)")
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{theirs}{suffix}", f"{path}{suffix}")
    connection.close()


FOREIGN: dict[str, Callable[[Path], None]] = {
    "text": text_file,
    "one line": sqlite_dump,
    "tables": sqlite_file,
    "tables and a version": lambda path: sqlite_file(path, "PRAGMA user_version = 1"),
    "in write-ahead mode": lambda path: sqlite_file(path, "PRAGMA user_version = 0"),
    "another application": lambda path: sqlite_file(path, "PRAGMA application_id = 7"),
    "tables in the log": its_log_left_behind,
}


class TestForeign:
    """A file that is not ours is refused, and not one byte of it changes."""

    @pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
    @pytest.mark.parametrize("kind", FOREIGN)
    def test_left_alone(self, path: Path, kind: str, read_only: bool) -> None:
        FOREIGN[kind](path)
        before = path.read_bytes()
        for _ in range(2):
            with pytest.raises(ForeignJournal, match="is not a journal of rollproof"):
                Journal(path, read_only=read_only)
            assert path.read_bytes() == before

    def test_no_litter_beside_it(self, path: Path) -> None:
        sqlite_file(path, "PRAGMA application_id = 7")
        with pytest.raises(ForeignJournal):
            Journal(path)
        assert [each.name for each in path.parent.iterdir()] == [path.name]


class TestNewer:
    """A journal of a newer rollproof is refused, and not one byte of it changes."""

    @pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
    @pytest.mark.parametrize("in_log", [False, True], ids=["in the file", "in its log"])
    def test_left_alone(self, path: Path, in_log: bool, read_only: bool) -> None:
        with Journal(path) as journal:
            journal._db.execute(f"PRAGMA user_version = {file.VERSION + 1}")
            if not in_log:
                journal.close()
            before = path.read_bytes()
            with pytest.raises(NewerJournal, match=f"has format {file.VERSION + 1}"):
                Journal(path, read_only=read_only)
            assert path.read_bytes() == before


class TestDamaged:
    """A damaged journal is refused; nothing but a JournalError is ever raised, and
    nothing is read from it that was not written."""

    @pytest.mark.parametrize("left", [17, 50, 104, 1000, 4096, 8192, 20_000])
    def test_truncated(self, folder: Path, left: int) -> None:
        path = finished(folder)
        path.write_bytes(path.read_bytes()[:left])
        before = path.read_bytes()
        assert len(before) == left
        with pytest.raises(DamagedJournal):
            read_all(path)
        assert path.read_bytes() == before

    def test_any_byte_flipped(self, folder: Path) -> None:
        path = finished(folder)
        whole, random = path.read_bytes(), Random(1)
        expected, found = read_all(path), 0
        for _ in range(400):
            # Half of them in the header and the list of tables, where most harm is done.
            at = random.randrange(random.choice((200, 4096, len(whole), len(whole))))
            broken = bytearray(whole)
            broken[at] ^= 1 << random.randrange(8)
            path.write_bytes(broken)
            try:
                told = read_all(path)
            except JournalError:
                found += 1
                assert path.read_bytes() == broken, at
            else:
                # A byte that no one uses, or one that only the file's keeper does.
                assert told == expected, at
            for beside in path.parent.glob(f"{path.name}-*"):
                beside.unlink()
        assert found > 100

    def test_a_page_of_zeros(self, folder: Path) -> None:
        path = finished(folder)
        whole = path.read_bytes()
        expected, found = read_all(path), 0
        for start in range(4096, len(whole), 4096):
            path.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
            before = path.read_bytes()
            try:
                told = read_all(path)
            except DamagedJournal:
                found += 1
                assert path.read_bytes() == before
            else:
                assert told == expected  # the page was free
        assert found >= 10

    def test_a_table_that_is_missing(self, path: Path) -> None:
        with Journal(path) as journal:
            journal._db.execute("DROP TABLE inbox")
            with pytest.raises(DamagedJournal, match="no such table"):
                journal.posts()

    def test_a_text_that_is_none(self, path: Path) -> None:
        with Journal(path) as journal:
            begun(journal)
            journal._db.execute("UPDATE run SET why = CAST(x'ff' AS TEXT)")
            with pytest.raises(DamagedJournal, match="decode"):
                journal.run("r1")

    def test_a_closed_journal_is_not_called_damaged(self, path: Path) -> None:
        journal = Journal(path)
        journal.close()
        with pytest.raises(sqlite3.ProgrammingError):
            journal.posts()


class TestOpenedTwice:
    """Several connections of one process, and others that come and go."""

    def test_no_other_process_takes_the_log_away(self, path: Path) -> None:
        """What is committed after another process has closed the journal is committed."""
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from rollproof.journal import Journal\n"
            "with Journal(Path(sys.argv[1])) as journal:\n"
            "    print(*(each.name for each in journal.declared()))\n"
        )

        def elsewhere() -> list[str]:
            asked = [sys.executable, "-c", program, str(path)]
            done = subprocess.run(asked, capture_output=True, text=True, check=True)
            return done.stdout.split()

        with Journal(path) as first:
            with Journal(path) as second:
                first.declare("a", "", "", 1)
                assert [each.name for each in second.declared()] == ["a"]
            assert elsewhere() == ["a"]
            first.declare("b", "", "", 2)
            assert elsewhere() == ["a", "b"]

    def test_another_file_under_the_name_is_recognised(self, path: Path) -> None:
        """Only the very file that is open is let pass."""
        with Journal(path):
            path.rename(path.with_suffix(".old"))
            path.write_text("precious")
            with pytest.raises(ForeignJournal):
                Journal(path)
        path.unlink()
        path.write_text("precious")
        with pytest.raises(ForeignJournal):
            Journal(path)


class TestUnwritable:
    """Where nothing can be recorded nothing is begun, and the reason is said.

    Permissions do not bind root, who may run these tests; so the system says no in ways
    that bind everybody.
    """

    @pytest.mark.parametrize(
        "where",
        ["/proc/none/journal.sqlite", "/dev/null/journal.sqlite", "/proc", "/none/such/file"],
    )
    def test_a_place_where_no_file_can_be(self, where: str) -> None:
        for read_only in (False, True):
            with pytest.raises(JournalUnwritable, match="cannot be written"):
                Journal(Path(where), read_only=read_only)

    def test_a_read_only_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """SQLite itself opens the file as a read-only one is opened."""
        Journal(path).close()
        before = path.read_bytes()
        connect = sqlite3.connect

        def read_only(name: str, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(name.replace("rwc", "ro"), **options)
            return connection

        monkeypatch.setattr(sqlite3, "connect", read_only)
        with Journal(path) as journal:
            with pytest.raises(JournalUnwritable, match="it is read-only"):
                journal.open_run(charter(), 0)
            with pytest.raises(JournalUnwritable, match="it is read-only"):
                journal.declare("web", "", "", 0)
        assert path.read_bytes() == before

    def test_a_file_that_may_not_be_read(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Journal(path).close()

        def forbidden(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", forbidden)
        with pytest.raises(JournalUnwritable, match="Permission denied"):
            Journal(path)

    def test_opened_to_read_it_refuses_to_write(self, journal: Journal, path: Path) -> None:
        first, _ = begun(journal)
        with Journal(path, read_only=True) as reader:
            with pytest.raises(JournalUnwritable, match="it is read-only"):
                reader.open_run(charter("r2", "db"), 0)
            with pytest.raises(JournalUnwritable, match="it is read-only"):
                reader.post("r1", Pause(1), "k")
            journal.record([first])
            assert reader.run("r1").turns == 1

    def test_locked_by_another_process(self, journal: Journal, path: Path) -> None:
        with Journal(path) as other:
            other._db.execute("BEGIN IMMEDIATE")
            journal._db.execute("PRAGMA busy_timeout = 10")
            with pytest.raises(JournalUnwritable, match="another process keeps it locked"):
                journal.open_run(charter(), 0)
            other._db.execute("ROLLBACK")

    def test_a_full_disk_leaves_nothing_half_done(self, journal: Journal) -> None:
        first, second = begun(journal)
        journal.record([first])
        before = content(journal)
        # Many rows to be inserted, so that the disk fills up in the middle of a turn.
        crowd = tuple(Instance(id=f"vm-{number}", version="1.0.0") for number in range(2_000))
        big = turned(first.after, Surveyed(20, 1, crowd), "r1//survey/1")
        limit(journal, 1)
        with pytest.raises(JournalUnwritable, match="the disk is full"):
            journal.record([big])
        assert content(journal) == before
        limit(journal, 100_000)
        journal.record([big])
        Replay(journal, "r1").catch_up()
        assert len(journal.outbox("r1")) == len(big.commands) > 100
        assert {each.verb for each in journal.outbox("r1")} == {Verb.REPLACE}
        assert second.after.charter == big.after.charter


def limit(journal: Journal, pages: int) -> None:
    """The disk has room for so many more pages."""
    (used,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {used + pages}")


class TestPrune:
    """Retention: the events of ended runs may go, and nothing else."""

    def end(self, journal: Journal, name: str, scale_set: str = "web", more: int = 0) -> None:
        """A run from its start to its cancel, with some events between."""
        terms = charter(name, scale_set)
        journal.open_run(terms, 1)
        run = new_run(terms)
        pauses = [event for n in range(more) for event in (Pause(3 + n), Resume(3 + n))]
        for event in (Start(2), *pauses, Cancel(9_999)):
            one = turned(run, event)
            journal.record([one])
            run = one.after

    def test_events_go_and_the_record_stays(self, journal: Journal) -> None:
        self.end(journal, "r1")
        self.end(journal, "r2")
        before = journal.run("r1")
        digest = list(journal.events("r1"))[-1].digest
        assert journal.prune(["r1"], at=77) == 2
        assert list(journal.events("r1")) == []
        assert journal.run("r1") == attrs.evolve(before, pruned_at=77)
        assert [each.charter.run for each in journal.history("web")] == ["r2", "r1"]
        assert journal._rows("SELECT digest FROM pruned") == [(digest,)]
        Replay(journal, "r2").catch_up()

    def test_a_run_under_way_keeps_everything(self, journal: Journal) -> None:
        journal.open_run(charter("r1"), 1)
        journal.record([turned(new_run(charter("r1")), Start(2))])
        assert journal.prune(["r1", "nobody"], at=77) == 0
        assert len(list(journal.events("r1"))) == 1
        assert journal.run("r1").pruned_at is None

    def test_once(self, journal: Journal) -> None:
        self.end(journal, "r1")
        assert journal.prune(["r1"], at=77) == 2
        assert journal.prune(["r1"], at=88) == 0
        assert journal.run("r1").pruned_at == 77

    def test_a_record_with_holes_is_left_as_evidence(self, journal: Journal) -> None:
        """What was truncated is not tidied away."""
        self.end(journal, "r1")
        journal._db.execute("DELETE FROM event WHERE run = 'r1' AND seq = 2")
        assert journal.prune(["r1"], at=77) == 0
        assert len(list(journal.events("r1"))) == 1

    def test_all_or_nothing(self, journal: Journal) -> None:
        """One transaction: a prune that fails in the middle removed nothing."""
        for name in ("r1", "r2"):
            self.end(journal, name)
        journal._db.execute(
            "CREATE TEMP TRIGGER refuse BEFORE DELETE ON event WHEN old.run = 'r2'"
            " BEGIN SELECT raise(ABORT, 'no'); END"
        )
        with pytest.raises(sqlite3.IntegrityError):
            journal.prune(["r1", "r2"], at=77)
        assert len(list(journal.events("r1"))) == 2
        assert journal.run("r1").pruned_at is None

    def test_the_file_shrinks(self, journal: Journal, path: Path) -> None:
        self.end(journal, "r1", more=800)
        self.end(journal, "r2")
        journal.shrink()
        before = path.stat().st_size
        journal.prune(["r1"], at=77)
        journal.shrink()
        assert path.stat().st_size < before / 2
        journal.check()
        assert [each.charter.run for each in journal.history("web")] == ["r2", "r1"]

    def test_what_is_left_is_audited(self, journal: Journal, path: Path) -> None:
        """N8: the runs that remain are sound; of a pruned one nothing is said."""
        for name in ("r1", "r2"):
            self.end(journal, name)
        journal.prune(["r1"], at=77)
        found = audit(path)
        assert (found.finding, found.pruned) == (Finding.SOUND, ("r1",))
        assert [each.run for each in found.runs] == ["r2"]
        alone = audit(path, "r1")
        assert (alone.exit_code, alone.runs) == (3, ())
        assert "pruned" in alone.why
        journal._db.execute("UPDATE run SET turns = 3 WHERE id = 'r2'")
        assert audit(path).finding is Finding.TRUNCATED

    def test_a_journal_of_before_is_brought_up(self, path: Path) -> None:
        """A file of the first format is migrated when it is opened."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(file, "MIGRATIONS", file.MIGRATIONS[:1])
            patch.setattr(file, "VERSION", 1)
            db = file.connect(path)
            db.close()
        with Journal(path) as journal:
            self.end(journal, "r1")
            assert journal.prune(["r1"], at=77) == 2
