"""rollproof_checks.audit: what happened, replayed against the table."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollproof import table
from rollproof.charter import Charter
from rollproof.commands import Command, Verb
from rollproof.counts import EMPTY, Limits
from rollproof.errors import UnknownRun
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
    RestoreFailed,
    Resume,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance, PowerState
from rollproof.journal import Journal, Turned, codec
from rollproof.journal.journal import genesis
from rollproof.ledger import news
from rollproof.run import Run, new_run
from rollproof.states import TERMINAL, Cause, State
from rollproof.step import trace
from rollproof.table import ROWS
from rollproof.turn import Turn
from rollproof_checks.audit import Audit, Finding, audit, main
from rollproof_checks.auditing import decoder
from rollproof_checks.auditing.chain import Line, is_reordered
from rollproof_checks.auditing.monitor import CODES, Monitor
from rollproof_checks.verdicts import Verdict
from rollproof_spec.properties import PROPERTIES, Kind
from rollproof_spec.vocabulary import of_states, of_steps

T = TypeVar("T")

OLD, TARGET = "1.0.0", "2.0.0"
LIMITS = Limits(50, 50, 50, 1, 0, 0)


def charter(limits: Limits[int] = LIMITS, run: str = "r1") -> Charter:
    return Charter(run=run, scale_set="web", target=TARGET, limits=limits)


def fleet(size: int = 4) -> list[Instance]:
    return [seen(f"vm-{number}", OLD) for number in range(size)]


def seen(name: str, version: str, health: Health = Health.HEALTHY) -> Instance:
    return Instance(id=name, zone="1", version=version, health=health)


def played(terms: Charter, world: Sequence[Instance], bad: Sequence[str] = ()) -> list[Event]:
    """The events of a run in which every command is answered at once; the bad ones are ill
    on the target."""
    fleet = {instance.id: instance for instance in world}
    run = new_run(terms)
    commands: list[Command] = []
    events: list[Event] = [Start(1)]
    for event in events:
        run, opened, _ = trace(run, event)
        commands += opened
        while commands and event is events[-1]:
            events += answers(run, commands.pop(0), fleet, bad)
    assert run.state in TERMINAL
    return events


def answers(
    run: Run, command: Command, fleet: dict[str, Instance], bad: Sequence[str]
) -> list[Event]:
    verb, name, attempt = command.verb, command.instance, command.attempt
    if verb is Verb.SURVEY:
        return [Surveyed(2, attempt, *news(run.ledger, TARGET, [*fleet.values()]))]
    if verb is Verb.REPLACE:
        ill = Health.UNHEALTHY if name in bad else Health.HEALTHY
        fleet[name] = seen(name, TARGET, ill)
        return [Replaced(3, name, attempt)]
    if verb is Verb.RESTORE:
        fleet[name] = seen(name, OLD)
        return [Restored(5, name, attempt)]
    late = fleet[name].health is not Health.HEALTHY
    overdue = [Overdue(6, Verb.WATCH, name, attempt)] if late else []
    return [Observed(4, fleet[name], attempt), *overdue]


def record(path: Path, terms: Charter, events: Sequence[Event]) -> None:
    """Write down a run as a host does."""
    run = new_run(terms)
    with Journal(path) as journal:
        journal.open_run(terms, 1)
        for event in events:
            before = run
            run, commands, rows = trace(before, event)
            journal.record([Turned(before, event, run, commands, rows)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Path:
    """A completed run, one of whose instances was given its old disk back."""
    record(path, charter(), played(charter(), fleet(), bad=["vm-1"]))
    return path


def edit(path: Path, *statements: str) -> None:
    """Change the file behind rollproof's back."""
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def only(found: Audit) -> tuple[Finding, int, str]:
    (run,) = found.runs
    departure = run.departure
    if departure is None:
        return run.finding, -1, ""
    return run.finding, departure.event, departure.why


def rebound(path: Path) -> None:
    """Compute the chain anew, as a forger would."""
    with closing(sqlite3.connect(path)) as db:
        previous = genesis(charter())
        rows = db.execute("SELECT seq, body, rows, state FROM event ORDER BY seq").fetchall()
        for seq, *fields in rows:
            text = "\n".join(("r1", str(seq), *fields))
            previous = sha256(previous + text.encode()).digest()
            db.execute("UPDATE event SET digest = ? WHERE seq = ?", (previous, seq))
        db.commit()


class TestSound:
    """A journal that was written by these rules."""

    def test_whole_run(self, journal: Path) -> None:
        found = audit(journal)
        assert found.finding is Finding.SOUND
        assert found.exit_code == 0
        (run,) = found.runs
        with Journal(journal, read_only=True) as opened:
            taken = [row for each in opened.events("r1") for row in each.rows]
            assert (run.events, run.rows) == (opened.run("r1").turns, len(taken))
        assert {"roll_back", "recovered", "complete"} <= {*taken}

    def test_of_an_open_journal(self, journal: Path) -> None:
        with Journal(journal, read_only=True) as opened:
            assert audit(opened, "r1") == audit(journal)

    def test_run_under_way(self, path: Path) -> None:
        record(path, charter(), played(charter(), fleet())[:6])
        assert audit(path).finding is Finding.SOUND

    def test_run_that_has_not_begun(self, path: Path) -> None:
        record(path, charter(), [])
        assert audit(path).finding is Finding.SOUND

    def test_several_runs(self, journal: Path) -> None:
        again = charter(run="r2")
        record(journal, again, played(again, fleet()))
        assert [run.run for run in audit(journal).runs] == ["r1", "r2"]
        assert [run.run for run in audit(journal, "r2").runs] == ["r2"]

    def test_empty_journal(self, path: Path) -> None:
        """Where nothing was checked nothing is proved."""
        Journal(path).close()
        found = audit(path)
        assert (found.finding, found.exit_code) == (Finding.NOTHING, 3)

    def test_empty_file(self, path: Path) -> None:
        path.touch()
        found = audit(path)
        assert (found.finding, found.exit_code) == (Finding.FOREIGN, 3)
        assert "it is empty" in found.why
        assert path.stat().st_size == 0

    def test_every_kind_of_event(self, path: Path) -> None:
        """Late, early, of operators: whatever a run takes."""
        middle = played(charter(), fleet())[:5]
        events = [
            *middle,
            Pause(7),
            Replaced(7, "vm-0", 9),
            Observed(7, seen("vm-9", OLD, Health.UNKNOWN)),
            Vanished(7, "vm-3"),
            Observed(7, seen("vm-0", OLD), 9),
            Vanished(7, "vm-0", 9, Verb.REPLACE),
            Resume(8),
            Cancel(9, Cause.OPTED_OUT),
            Cancel(9, force=True),
            Fault(10, "late"),
        ]
        record(path, charter(), events)
        assert audit(path).finding is Finding.SOUND

    def test_nothing_is_touched(self, journal: Path) -> None:
        def held() -> dict[str, bytes]:
            return {each.name: each.read_bytes() for each in journal.parent.iterdir()}

        before = held()
        audit(journal)
        after = held()
        assert {name: after[name] for name in before} == before
        assert after[journal.name] == before[journal.name]

    def test_beside_a_host(self, path: Path) -> None:
        """While another connection records, the audit sees whole turns."""
        events = played(charter(), fleet())
        run = new_run(charter())
        with Journal(path) as journal:
            journal.open_run(charter(), 1)
            for event in events:
                before = run
                run, commands, rows = trace(before, event)
                journal.record([Turned(before, event, run, commands, rows)])
                assert audit(path).finding is Finding.SOUND


class TestChain:
    """Tampered, truncated and reordered journals are told apart."""

    @pytest.mark.parametrize(
        ("change", "event"),
        [
            ("UPDATE event SET body = replace(body, '1.0.0', '1.0.1') WHERE seq = 2", 2),
            ("UPDATE event SET body = body || ' ' WHERE seq = 5", 5),
            ("UPDATE event SET rows = '' WHERE seq = 4", 4),
            ("UPDATE event SET state = 'Cancelled' WHERE seq = 3", 3),
            ("UPDATE event SET digest = x'00' WHERE seq = 6", 6),
            ("UPDATE run SET charter = replace(charter, '50', '60')", 1),
            ("UPDATE run SET charter = '{}'", 0),
            ("UPDATE run SET state = 'Cancelled'", 0),
            ("UPDATE run SET counts = replace(counts, ':3', ':4')", 0),
            ("UPDATE run SET counts = 'none'", 0),
            ("UPDATE run SET batches = 1", 0),
            ("UPDATE run SET turns = turns - 1", 0),
            ("UPDATE run SET closed_at = NULL", 0),
            ("UPDATE run SET last_at = 0", 0),
            ("UPDATE run SET scale_set = 'other'", 0),
        ],
        ids=lambda value: str(value)[:48],
    )
    def test_tampered(self, journal: Path, change: str, event: int) -> None:
        edit(journal, change)
        assert only(audit(journal))[:2] == (Finding.TAMPERED, event)

    def test_events_without_a_run(self, journal: Path) -> None:
        edit(journal, "DELETE FROM run")
        assert only(audit(journal))[:2] == (Finding.TAMPERED, 0)

    def test_tail_is_missing(self, journal: Path) -> None:
        (run,) = audit(journal).runs
        edit(journal, f"DELETE FROM event WHERE seq > {run.events - 2}")
        finding, event, why = only(audit(journal))
        assert (finding, event) == (Finding.TRUNCATED, run.events - 1)
        assert why == "2 events are missing at the end"

    def test_all_is_missing(self, journal: Path) -> None:
        edit(journal, "DELETE FROM event")
        assert only(audit(journal))[:2] == (Finding.TRUNCATED, 1)

    def test_event_between_is_missing(self, journal: Path) -> None:
        edit(journal, "DELETE FROM event WHERE seq = 4")
        assert only(audit(journal))[:2] == (Finding.TRUNCATED, 4)

    def test_tail_is_missing_and_the_record_edited(self, journal: Path) -> None:
        """The rest of the record still tells."""
        edit(
            journal,
            "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
            "UPDATE run SET turns = turns - 1",
        )
        assert only(audit(journal))[0] is Finding.TAMPERED

    def test_two_events_change_places(self, journal: Path) -> None:
        edit(
            journal,
            "UPDATE event SET seq = -1 WHERE seq = 4",
            "UPDATE event SET seq = 4 WHERE seq = 7",
            "UPDATE event SET seq = 7 WHERE seq = -1",
        )
        assert only(audit(journal))[:2] == (Finding.REORDERED, 4)

    def test_all_the_other_way_round(self, journal: Path) -> None:
        (run,) = audit(journal).runs
        edit(
            journal,
            "UPDATE event SET seq = -seq",
            f"UPDATE event SET seq = {run.events + 1} + seq",
        )
        assert only(audit(journal))[:2] == (Finding.REORDERED, 1)

    def test_order_and_words_changed(self, journal: Path) -> None:
        edit(
            journal,
            "UPDATE event SET seq = -1 WHERE seq = 4",
            "UPDATE event SET seq = 4 WHERE seq = 7",
            "UPDATE event SET seq = 7 WHERE seq = -1",
            "UPDATE event SET body = replace(body, '2.0.0', '2.0.1') WHERE seq = 5",
        )
        assert only(audit(journal))[:2] == (Finding.TAMPERED, 4)

    def test_search_for_an_order_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A journal so large that nobody waits for it is called tampered with."""
        monkeypatch.setattr("rollproof_checks.auditing.chain.EFFORT", 10)
        lines = [Line(n, f"{n}", "", "Idle", bytes([n])) for n in range(20)]
        assert not is_reordered(b"", "r", lines)


class TestRules:
    """What the rules make of events that are as they were recorded."""

    def test_forged_rows(self, journal: Path) -> None:
        """The chain has no key: a forger who binds it anew is told by the rules."""
        edit(journal, "UPDATE event SET rows = '' WHERE seq = 4")
        rebound(journal)
        (run,) = audit(journal).runs
        assert (run.finding, run.events) == (Finding.DEPARTED, 3)
        assert run.departure is not None
        assert run.departure.expected == "replaced all_replaced, then WaitingHealth"
        assert run.departure.recorded.startswith("no row")

    def test_illegal_event(self, journal: Path) -> None:
        edit(journal, """UPDATE event SET body = '{"at":1,"event":"Start"}' WHERE seq = 4""")
        rebound(journal)
        assert only(audit(journal))[:2] == (Finding.DEPARTED, 4)

    def test_no_event(self, journal: Path) -> None:
        edit(journal, "UPDATE event SET body = '{}' WHERE seq = 4")
        rebound(journal)
        assert only(audit(journal))[:2] == (Finding.DEPARTED, 4)

    @pytest.mark.parametrize(
        "phase",
        ["replacing", "awaiting"],
    )
    def test_stale_report_was_acted_upon(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
    ) -> None:
        """S13: written by a step that does not ask which attempt a report is about."""
        events = played(charter(), fleet())[:3]
        run = new_run(charter())
        for event in events:
            run, _, _ = trace(run, event)
        late = Overdue(9, Verb.REPLACE, "vm-0", 7)
        if phase == "awaiting":
            events.append(Replaced(8, "vm-0", 1))
            late = Overdue(9, Verb.WATCH, "vm-0", 7)
        reported = Turn.reported
        with monkeypatch.context() as bug:
            bug.setattr(Turn, "reported", lambda t, name, _, code: reported(t, name, 1, code))
            record(path, charter(), [*events[:2], *events[3:], late])
        assert only(audit(path))[:2] == (Finding.DEPARTED, len(events))

    def test_success_was_taken_from_a_word(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """S9."""
        events = played(charter(), fleet(2))
        first = next(n for n, e in enumerate(events) if isinstance(e, Replaced))
        command = Turn.command

        def believing(turn: Turn, verb: Verb, index: int, *rest: object, **more: int) -> None:
            command(turn, verb, index, *rest, **more)  # type: ignore[arg-type]  # as told
            if verb is Verb.WATCH:
                turn.take(table.ROWS["succeed"], index)

        with monkeypatch.context() as bug:
            bug.setattr(Turn, "command", believing)
            record(path, charter(), events[: first + 1])
        assert only(audit(path))[:2] == (Finding.DEPARTED, first + 1)


class TestPromises:
    """Rules that are wrong themselves: the step agrees with what is recorded, and the
    properties do not."""

    def test_healed_failures_leave_the_count(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """S4."""
        strict = LIMITS._replace(max_unhealthy_upgraded=0)
        monkeypatch.setattr(table, "lost", lambda c: c.upgraded_unhealthy)
        record(path, charter(strict), played(charter(strict), fleet(), bad=["vm-0"]))
        (run,) = audit(path).runs
        assert run.finding is Finding.BROKE_PROMISE
        assert run.departure is not None
        assert "ImageThresholdProp" in run.departure.properties
        assert run.departure.why.startswith("row 'begin_healthy' breaks ")

    def test_threshold_off_by_one(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """R4.1, S2: more than the limit is let through, and the first batch tells."""
        strict = LIMITS._replace(max_unhealthy=20)
        monkeypatch.setattr(
            table, "exceeds", lambda part, whole, percent: part * 100 > whole * (percent + 10)
        )
        ill = [seen("vm-0", OLD, Health.UNHEALTHY), *fleet(4)[1:]]
        events: list[Event] = [Start(1), Surveyed(2, 1, tuple(ill))]
        record(path, charter(strict), events)
        (run,) = audit(path).runs
        assert (run.finding, run.departure and run.departure.event) == (
            Finding.BROKE_PROMISE,
            2,
        )

    def test_each_promise_is_watched(self) -> None:
        """Every state invariant and step property is asked, and one that fails is named."""
        for kind in (of_states, of_steps):

            def BrokenInv(*_: object) -> bool:
                """It never holds (S1)."""
                return False

            broken = kind(lambda *_: True)(BrokenInv)
            monitor = Monitor(LIMITS, [broken])
            monitor.points.append(EMPTY)
            monitor.codes.append(CODES["start", State.IDLE])
            monitor.numbers.append(7)
            breach = monitor.flush(EMPTY)
            assert breach is not None
            assert (breach.number, breach.row, breach.laws) == (7, "start", ("BrokenInv",))
        watched = Monitor(LIMITS)
        held = {p.name for p in PROPERTIES if p.kind is not Kind.TABLE}
        assert {p.name for p in (*watched._states, *watched._steps)} == held

    @pytest.mark.parametrize(
        ("row", "state", "end", "why"),
        [
            ("complete", State.PRECHECKING, EMPTY, "does not admit"),
            ("start", State.COMPLETED, EMPTY, "is not one of"),
            ("start", State.IDLE, EMPTY._replace(room=1), "does not lead"),
        ],
        ids=["guard", "state", "effect"],
    )
    def test_table_itself_is_watched(
        self, row: str, state: State, end: tuple[int, ...], why: str
    ) -> None:
        monitor = Monitor(LIMITS, [])
        monitor.points.append(EMPTY)
        monitor.codes.append(CODES[row, state])
        monitor.numbers.append(1)
        breach = monitor.flush(end)
        assert breach is not None
        assert breach.laws == ()
        assert why in breach.why

    @pytest.mark.parametrize("size", [10, 10**5, 10**6, 10**8, 10**12])
    def test_of_sets_of_every_size(self, size: int) -> None:
        """R1.3: no number that a property makes wraps around."""
        run = EMPTY._replace(pending_healthy=size - 1, view=1)
        monitor = Monitor(LIMITS)
        monitor.add_one("appear_pending_healthy", State.PRECHECKING, run, 1)
        assert monitor.flush(run._replace(pending_healthy=size)) is None
        monitor.add_one("surveyed", State.PRECHECKING, run, 1)
        monitor.add_one("begin_healthy", State.PRECHECKING, run._replace(view=2), 2)
        assert monitor.flush(ROWS["begin_healthy"].after(run._replace(view=2), LIMITS)) is None

    def test_first_breach_is_told(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A promise that breaks before the chain does comes first, however many rows are
        judged at once."""
        monkeypatch.setattr(table, "lost", lambda c: c.upgraded_unhealthy)
        strict = LIMITS._replace(max_unhealthy_upgraded=0)
        record(path, charter(strict), played(charter(strict), fleet(), bad=["vm-0"]))
        edit(path, "UPDATE event SET rows = '' WHERE seq = (SELECT max(seq) FROM event)")
        told = only(audit(path))
        assert told[0] is Finding.BROKE_PROMISE
        monkeypatch.setattr("rollproof_checks.audit.BATCH", 3)
        assert only(audit(path)) == told


class TestUnreadable:
    """Nothing is said of a file that cannot be read."""

    def test_foreign(self, path: Path) -> None:
        path.write_bytes(b"not a journal" * 100)
        found = audit(path)
        assert (found.finding, found.exit_code) == (Finding.FOREIGN, 3)

    def test_foreign_database(self, path: Path) -> None:
        edit(path, "CREATE TABLE event (seq)")
        assert audit(path).finding is Finding.FOREIGN

    def test_newer(self, journal: Path) -> None:
        edit(journal, "PRAGMA user_version = 99")
        assert audit(journal).finding is Finding.UNREADABLE

    def test_damaged(self, journal: Path) -> None:
        whole = journal.read_bytes()
        journal.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        found = audit(journal)
        assert found.finding is Finding.UNREADABLE
        assert found.finding.verdict is Verdict.UNDETERMINED
        assert found.why

    def test_absent(self, path: Path) -> None:
        assert audit(path).finding is Finding.UNREADABLE
        assert not path.exists()

    def test_unknown_run(self, journal: Path) -> None:
        with pytest.raises(UnknownRun, match="r1"):
            audit(journal, "r7")


class TestCommand:
    """``rollproof audit``."""

    def test_sound(self, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(journal)]) == 0
        assert "r1  web  sound" in capsys.readouterr().out

    def test_departed(self, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
        edit(journal, "UPDATE event SET rows = '' WHERE seq = 4")
        assert main([str(journal), "--run", "r1"]) == 1
        assert "event 4: " in capsys.readouterr().out

    def test_json(self, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
        edit(journal, "DELETE FROM event WHERE seq = 4")
        assert main([str(journal), "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["finding"], told["verdict"]) == ("truncated", "REFUTED")
        assert told["runs"][0]["departure"]["event"] == 4

    def test_foreign(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path.write_bytes(b"text" * 99)
        assert main([str(path)]) == 3
        assert "foreign" in capsys.readouterr().out

    def test_misused(self, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main([str(journal), "--run", "r7"])
        assert ended.value.code == 2
        assert "r7" in capsys.readouterr().err


EVENTS: list[Event] = [
    *(
        Replaced(at, name, attempt)
        for at in (0, -1)
        for name in ("", "é")
        for attempt in (1, -2)
    ),
    Restored(5, 'quoted "name"', 3),
    Restored(5, "back\\slash\n", 10**30),
    ReplaceFailed(1, "a", 1, "why"),
    RestoreFailed(1, "a", 1, "why"),
    Vanished(3, "vm"),
    Vanished(3, "vm", 1),
    Vanished(3, "vm", 1, Verb.RESTORE),
    Start(1),
    Cancel(1, force=True),
    Overdue(1, Verb.WATCH, "a", 1),
    *(Observed(2, seen("vm-1", "2.0", health)) for health in Health),
    Observed(2, Instance(id="a")),
    Observed(2, Instance(id="a"), 1),
    Observed(2, Instance(id="a", version="")),
    Observed(2, seen("a", "2.0"), -3),
    Observed(2, Instance(id="a", zone="z", fault_domain="f", update_domain="u", os_disk="d")),
    Observed(2, Instance(id="a", data_disks=("x",), protected=True)),
    Observed(2, Instance(id="a", power_state=PowerState.STOPPED, version="")),
    Surveyed(2, 1, ()),
    Surveyed(2, 1, (seen("a", OLD), Instance(id="b", version="")), ("c",)),
    Surveyed(2, 1, (Instance(id="b", protected=True), Instance(id="é\ud800"))),
    Surveyed(2, 1, (Instance(id="a", power_state=PowerState.STOPPED),)),
    Surveyed(2, 1, (Instance(id="a", fault_domain="f", update_domain="u", os_disk="d"),)),
]


def bent(text: str) -> Iterator[str]:
    """Texts that are nearly events."""
    yield text
    for old, new in (
        (",", ", "),
        ('"at":', '"at":1.5,"x":'),
        ('"at":2', '"at":true'),
        ('"at":2', '"at":"2"'),
        ('"at":', '"when":'),
        ("1", "01"),
        ("1", "\u0661"),
        ('"attempt":1', '"attempt":null'),
        ('"attempt":1', '"attempt":true'),
        ('"healthy"', "null"),
        ('"healthy"', '"well"'),
        ('"version":"2.0"', '"version":null'),
        ('"version":"2.0"', '"version":2'),
        ('"id":"a"', '"id":7'),
        ('"id":"a"', '"id":null'),
        ('"id":"a"', '"id":"a","id":"b"'),
        ('"zone"', '"zonk"'),
        ("[", '["x",'),
        ('"present":[]', '"present":""'),
        ('"present":[]', '"present":{}'),
        ('"gone":["c"]', '"gone":"c"'),
        ('"gone":["c"]', '"gone":[3]'),
        ('"event":"Surveyed"', '"event":"Start","x":"Surveyed"'),
        ('"event":"Observed"', '"event":"Nothing"'),
        ("}", ""),
        ("{", '{"more":1,'),
    ):
        yield text.replace(old, new, 1)


def outcome(read: Callable[[T], object], text: T) -> object:
    try:
        return read(text)
    except ValueError as error:
        return str(error)


GOOD = [codec.event_text(event) for event in EVENTS]
TEXTS = [
    *(codec.event_text(Replaced(at, name, 1)) for at in (1, 2) for name in "abc"),
    *(codec.event_text(Observed(at, seen("a", "2.0"), 1)) for at in (1, 2, 3)),
    *(near for text in GOOD for near in (text, f"{text}\n", f"\n{text}", f"{text}\n{text}")),
]


class TestDecoder:
    """Faster than the codec, and no different."""

    @pytest.mark.parametrize("number", range(len(EVENTS)))
    def test_as_the_codec(self, number: int) -> None:
        event = EVENTS[number]
        text = codec.event_text(event)
        assert decoder.event_of(text) == event
        for near in bent(text):
            ours, theirs = outcome(decoder.event_of, near), outcome(codec.event_of, near)
            assert ours == theirs
            assert repr(ours) == repr(theirs)  # 1 and True are equal

    @given(st.lists(st.sampled_from(TEXTS), max_size=12))
    @settings(deadline=None)
    def test_many_as_one_by_one(self, texts: list[str]) -> None:
        """Whatever stands in a line beside what."""
        many = outcome(decoder.events_of, texts)
        each = outcome(lambda some: [decoder.event_of(text) for text in some], texts)
        assert repr(many) == repr(each)

    def test_lines_within_a_text_are_not_taken_for_texts(self) -> None:
        """Two events in one text, and none in the next, are not one in each."""
        text = codec.event_text(Replaced(1, "a", 1))
        with pytest.raises(ValueError, match="not a"):
            decoder.events_of([f"{text}\n{text}", '{"event":"Replaced"}'])
