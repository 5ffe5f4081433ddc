"""What happened, judged: every recorded run replayed against the table.

    rollproof audit JOURNAL [--run RUN] [--json]

For each event: it is bound to those before it by its digest; `rollproof.step` makes of it
the rows and the state that stand beside it; each row is one that the table admits, and
breaks no promise of the registry.  At the end the record of the run says what its events
say.  The journal is read through a connection that cannot write, in one transaction, so a
host may go on recording meanwhile.  Of a long run a second process confirms digests and
promises, where there is a core for it (`auditing.confirming`).

Findings, each of its own kind: see `Finding`.  An audit ends with 0 when all is sound, 1
when something departs, 3 when the journal cannot be read: then nothing is said of it.
"""

from __future__ import annotations

import argparse
import gc
import json
import sqlite3
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs

from rollproof.charter import Charter
from rollproof.counts import Counts
from rollproof.errors import (
    ForeignJournal,
    IllegalEvent,
    JournalError,
    RunPruned,
    UnknownRun,
)
from rollproof.journal import Journal, codec, file
from rollproof.journal.journal import genesis
from rollproof.run import Run, new_run
from rollproof.states import TERMINAL
from rollproof.step import trace
from rollproof_checks.auditing.chain import Line, is_reordered
from rollproof_checks.auditing.decoder import event_of, events_of
from rollproof_checks.extra import brought
from rollproof_checks.verdicts import Verdict

with brought():
    from rollproof_checks.auditing.confirming import LONG, Second, has_two_cores, hashed
    from rollproof_checks.auditing.monitor import BATCH, CODES, Breach, Monitor
    from rollproof_checks.auditing.unfolding import Walk

TOGETHER: Final = 500
"""Lines that are read at once beside a second process."""


class Finding(StrEnum):
    """What an audit may come to, from best to worst."""

    SOUND = "sound"
    NOTHING = "nothing recorded"
    """There is no run to judge: none was begun, or all are pruned."""
    BROKE_PROMISE = "broke a promise"
    """The events are as recorded, and so are the rows; but a row breaks a property: the
    table itself was another, or is wrong."""
    DEPARTED = "departed from the rules"
    """The events are as recorded, and the rules make something else of them."""
    TRUNCATED = "truncated"
    """Events that were recorded are missing, at the end or between."""
    REORDERED = "reordered"
    """The events are all there, in another order."""
    TAMPERED = "tampered with"
    """Something is not what was recorded."""
    UNREADABLE = "unreadable"
    """A journal that is damaged, of a newer rollproof, or cannot be opened."""
    FOREIGN = "foreign"
    """Not a journal of rollproof."""

    @property
    def verdict(self) -> Verdict:
        """PROVED: what is recorded kept the rules."""
        if self is Finding.SOUND:
            return Verdict.PROVED
        unknown = self in (Finding.NOTHING, Finding.UNREADABLE, Finding.FOREIGN)
        return Verdict.UNDETERMINED if unknown else Verdict.REFUTED


@attrs.frozen(kw_only=True)
class Departure:
    """The first thing that is not as it should be."""

    event: int
    """Number of the event, from 1; 0: the record of the run as a whole."""
    why: str
    expected: str = ""
    recorded: str = ""
    properties: tuple[str, ...] = ()
    """Names of the promises that were broken."""

    def __str__(self) -> str:
        place = f"event {self.event}" if self.event else "the run's record"
        lines = [f"{place}: {self.why}"]
        if self.expected or self.recorded:
            lines += [f"  expected {self.expected}", f"  recorded {self.recorded}"]
        return "\n".join(lines)


@attrs.frozen(kw_only=True)
class RunAudit:
    """One run, audited."""

    run: str
    scale_set: str
    finding: Finding
    events: int
    """Events replayed."""
    rows: int
    """Rows watched."""
    departure: Departure | None = None


@attrs.frozen(kw_only=True)
class Audit:
    """A journal, audited."""

    journal: str
    runs: tuple[RunAudit, ...] = ()
    pruned: tuple[str, ...] = ()
    """Runs whose events were removed on purpose: nothing is said of them."""
    unreadable: Finding | None = None
    why: str = ""
    """Why it cannot be read."""

    @property
    def finding(self) -> Finding:
        """The worst of all."""
        order = list(Finding)
        each = [run.finding for run in self.runs]
        if self.unreadable is not None:
            each.append(self.unreadable)
        return max(each, key=order.index, default=Finding.NOTHING)

    @property
    def exit_code(self) -> int:
        """0 sound, 1 departed, 3 cannot say."""
        return self.finding.verdict.exit_code


def audit(journal: Path | Journal, run: str | None = None) -> Audit:
    """Audit every run of a journal, or one.  Raises `UnknownRun`; all else is told."""
    path = journal.path if isinstance(journal, Journal) else journal
    try:
        connection = file.connect(path, read_only=True)
        with (
            closing(connection) as db,
            closing(Second(path)) as second,
            file.explained(path),
            _uncollected(),
        ):
            db.execute("BEGIN")  # one story, whatever is recorded meanwhile
            pruned = _pruned(db)
            if run in pruned:
                why = str(RunPruned(run))
                return Audit(journal=str(path), unreadable=Finding.UNREADABLE, why=why)
            runs = tuple(_runs(db, run, pruned, second))
            return Audit(journal=str(path), runs=runs, pruned=pruned)
    except ForeignJournal as error:
        return Audit(journal=str(path), unreadable=Finding.FOREIGN, why=str(error))
    except JournalError as error:
        return Audit(journal=str(path), unreadable=Finding.UNREADABLE, why=str(error))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles: a replay makes none, and millions of short-lived values."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _pruned(db: sqlite3.Connection) -> tuple[str, ...]:
    """Runs that are noted as pruned and of which no event is left."""
    query = (
        "SELECT run FROM pruned WHERE NOT EXISTS"
        " (SELECT 1 FROM event WHERE event.run = pruned.run) ORDER BY run"
    )
    return tuple(name for (name,) in db.execute(query))


def _runs(
    db: sqlite3.Connection, only: str | None, pruned: Collection[str], second: Second
) -> Iterator[RunAudit]:
    records = db.execute("SELECT * FROM run ORDER BY opened_at, id").fetchall()
    known = tuple(record[0] for record in records)
    if only is not None and only not in known:
        raise UnknownRun(only, known)
    for record in records:
        if only in (None, record[0]) and record[0] not in pruned:
            yield _audit_run(db, _Record(*record), second)
    for name in _events_of(db):
        if name not in known and only is None:
            gone = Departure(event=0, why="there are events of a run that has no record")
            yield _told(name, "", Finding.TAMPERED, gone)


def _events_of(db: sqlite3.Connection) -> Iterator[str]:
    """Every run that events name; by leaps, since events are many."""
    (name,) = db.execute("SELECT min(run) FROM event").fetchone()
    while name is not None:
        yield name
        (name,) = db.execute("SELECT min(run) FROM event WHERE run > ?", (name,)).fetchone()


@attrs.frozen
class _Record:
    """A line of the table of runs, as it stands in the file."""

    id: str
    scale_set: str
    charter: str
    state: str
    counts: str
    batches: int
    turns: int
    opened_at: int
    last_at: int
    closed_at: int | None
    why: str


def _told(name: str, scale_set: str, finding: Finding, departure: Departure) -> RunAudit:
    """A run of which nothing could be replayed."""
    return RunAudit(
        run=name,
        scale_set=scale_set,
        finding=finding,
        events=0,
        rows=0,
        departure=departure,
    )


# -- one run ------------------------------------------------------------------------------


class _Departs(Exception):
    """The first departure; ends the replay."""

    def __init__(self, finding: Finding, departure: Departure) -> None:
        super().__init__(departure)
        self.finding = finding
        self.departure = departure


def _audit_run(db: sqlite3.Connection, record: _Record, second: Second) -> RunAudit:
    try:
        charter = codec.charter_of(record.charter)
    except ValueError as error:
        broken = Departure(event=0, why="its terms cannot be read", recorded=str(error))
        return _told(record.id, record.scale_set, Finding.TAMPERED, broken)
    replay = _Replay(db, record, charter)
    finding, departure = Finding.SOUND, None
    try:
        if not (record.turns >= LONG and has_two_cores() and replay.beside(second)):
            replay = _Replay(db, record, charter)
            replay.all()
        replay.compare()
    except _Departs as departs:
        finding, departure = departs.finding, departs.departure
    return RunAudit(
        run=record.id,
        scale_set=record.scale_set,
        finding=finding,
        events=replay.seq,
        rows=replay.rows,
        departure=departure,
    )


class _Replay:
    """A run rebuilt from its events, and watched."""

    def __init__(self, db: sqlite3.Connection, record: _Record, charter: Charter) -> None:
        self._db = db
        self._record = record
        self.run = new_run(charter)
        self.seq = 0
        self.last_at = record.opened_at
        self.rows = 0
        self.monitor = Monitor(charter.limits)
        self._genesis = genesis(charter)

    def all(self) -> None:
        """Replay every event.  Raises `_Departs` at the first that is not as it should
        be; a promise broken before it comes first."""
        try:
            self._replay()
        finally:
            self._watch()

    def beside(self, second: Second) -> bool:
        """Replay every event, and leave digests, numbers and promises to the second process.
        Whether the two agree that all is sound: if not, they tell nothing."""
        record = self._record
        query = "SELECT max(seq) FROM event WHERE run = ?"
        (last,) = self._db.execute(query, (record.id,)).fetchone()
        second.ask(record.id, record.charter, last or 0)
        mark = self._step_all()
        confirmed = None if mark is None else second.answer()
        if confirmed is None or confirmed[::2] != (self.seq, mark):
            second.close()  # it may be at work still
            return False
        self.rows = confirmed.rows
        return True

    def _step_all(self) -> int | None:
        """Step every event, and compare; the hash of the counts after each.  None where the
        rules make something else of one."""
        run, seq, mark = self.run, 0, 0
        query = "SELECT body, rows, state FROM event WHERE run = ? ORDER BY seq"
        lines = self._db.execute(query, (self._record.id,))
        try:
            while some := lines.fetchmany(TOGETHER):
                events = events_of(body for body, _, _ in some)
                for event, (_, recorded_rows, recorded_state) in zip(events, some, strict=True):
                    after, _, names = trace(run, event)
                    if " ".join(names) != recorded_rows or after.state != recorded_state:
                        return None
                    mark = hashed(mark, after.cells)
                    run, seq, self.last_at = after, seq + 1, event.at
        except (ValueError, IllegalEvent):
            return None
        self.run, self.seq = run, seq
        return mark

    def _replay(self) -> None:
        """Everything that is done for each event stands here, in one loop: an audit is to
        keep up with a large journal."""
        record, monitor = self._record, self.monitor
        name, previous, run, seq = record.id, self._genesis, self.run, 0
        codes, points, numbers = monitor.codes, monitor.points, monitor.numbers
        for number, body, recorded_rows, recorded_state, recorded in self._lines():
            text = f"{name}\n{number}\n{body}\n{recorded_rows}\n{recorded_state}"
            previous = sha256(previous + text.encode()).digest()
            if previous != recorded or number != seq + 1:
                raise self._broken(
                    seq + 1, Line(number, body, recorded_rows, recorded_state, recorded)
                )
            try:
                event = event_of(body)
                after, _, names = trace(run, event)
            except (ValueError, IllegalEvent) as error:
                raise self._departs(number, "its state refuses it", str(error), body) from error
            if " ".join(names) != recorded_rows or after.state != recorded_state:
                raise self._departs(
                    number,
                    f"the rules make something else of {body}",
                    f"{' '.join(names) or 'no row'}, then {after.state}",
                    f"{recorded_rows or 'no row'}, then {recorded_state}",
                )
            if len(names) == 1:
                codes.append(CODES[names[0], run.state])
                points.append(run.cells)
                numbers.append(number)
            elif names:
                self._unfold(run, names, number)
            run = self.run = after
            seq = self.seq = number
            self.last_at = event.at
            if len(codes) >= BATCH:
                self._watch()
                codes, points, numbers = monitor.codes, monitor.points, monitor.numbers

    def _unfold(self, run: Run, names: Sequence[str], number: int) -> None:
        """Watch the rows of an event that took several."""
        walk = Walk(run.state, run.cells, run.charter.limits)
        for taken in walk.take(names):
            self.monitor.add(taken, number)

    def _watch(self) -> None:
        breach = self.monitor.flush(self.run.cells)
        self.rows = self.monitor.rows
        if breach is not None:
            raise _Departs(Finding.BROKE_PROMISE, _broke(breach))

    def _departs(self, number: int, why: str, expected: str, recorded: str) -> _Departs:
        departure = Departure(event=number, why=why, expected=expected, recorded=recorded)
        return _Departs(Finding.DEPARTED, departure)

    # -- what the chain tells

    def _lines(self) -> sqlite3.Cursor:
        return self._db.execute(
            "SELECT seq, body, rows, state, digest FROM event WHERE run = ? ORDER BY seq",
            (self._record.id,),
        )

    def _broken(self, due: int, line: Line) -> _Departs:
        lines = [Line(*line) for line in self._lines()]
        expected, recorded = f"event {due} after those before", f"event {line.seq}"
        if line.seq != due:
            why = f"{line.seq - due} events before it are missing"
            return self._chain(Finding.TRUNCATED, due, why, expected, recorded)
        if is_reordered(self._genesis, self._record.id, lines):
            why = "the events are those recorded, in another order"
            return self._chain(Finding.REORDERED, due, why, expected, line.body)
        why = "it, or what stands before it, is not what was recorded: its digest differs"
        return self._chain(Finding.TAMPERED, due, why, expected, line.body)

    @staticmethod
    def _chain(finding: Finding, due: int, why: str, expected: str, recorded: str) -> _Departs:
        departure = Departure(event=due, why=why, expected=expected, recorded=recorded)
        return _Departs(finding, departure)

    # -- what the record tells

    def compare(self) -> None:
        """The record of the run says what its events say.  Raises `_Departs`."""
        record, run = self._record, self.run
        if self.seq < record.turns:
            why = f"{record.turns - self.seq} events are missing at the end"
            told = (f"{record.turns} events", f"{self.seq} events")
            raise self._chain(Finding.TRUNCATED, self.seq + 1, why, *told)
        try:
            counts: Counts[int] | str = codec.counts_of(record.counts)
        except ValueError:
            counts = record.counts
        ended = run.state in TERMINAL
        facts: dict[str, tuple[object, object]] = {
            "events": (self.seq, record.turns),
            "run": (run.charter.run, record.id),
            "scale set": (run.charter.scale_set, record.scale_set),
            "state": (run.state, record.state),
            "counts": (run.counts, counts),
            "batches": (run.batches, record.batches),
            "last event": (self.last_at, record.last_at),
            "ended": (ended, record.closed_at is not None),
        }
        for what, (expected, recorded) in facts.items():
            if expected != recorded:
                why = f"its {what} is not what the events say"
                raise self._chain(Finding.TAMPERED, 0, why, str(expected), str(recorded))


def _broke(breach: Breach) -> Departure:
    broken = ", ".join(breach.laws) or "the table"
    return Departure(
        event=breach.number,
        why=f"row {breach.row!r} breaks {broken}: {breach.why}",
        properties=breach.laws,
    )


# -- the command line ---------------------------------------------------------------------


def as_json(found: Audit) -> dict[str, Any]:
    """The audit for machines."""
    return {
        "finding": found.finding,
        "verdict": found.finding.verdict,
        **attrs.asdict(found),
    }


def _print(found: Audit) -> None:
    for each in found.runs:
        print(
            f"{each.run}  {each.scale_set}  {each.finding}"
            f"  {each.events:,} events, {each.rows:,} rows"
        )
        if each.departure is not None:
            print("  " + str(each.departure).replace("\n", "\n  "))
    if found.unreadable is not None:
        print(f"{found.journal}: {found.why}")
    print(f"{found.finding}: {len(found.runs)} runs")


def main(argv: Sequence[str] | None = None) -> int:
    """``rollproof audit``; returns its exit code."""
    parser = argparse.ArgumentParser(prog="rollproof audit")
    parser.add_argument("journal", type=Path, help="the file to audit; it is not touched")
    parser.add_argument("--run", help="this run only")
    parser.add_argument("--json", action="store_true", help="a report for machines")
    asked = parser.parse_args(argv)
    try:
        found = audit(asked.journal, asked.run)
    except UnknownRun as error:
        parser.error(str(error))
    if asked.json:
        print(json.dumps(as_json(found), indent=2))
    else:
        _print(found)
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main())
