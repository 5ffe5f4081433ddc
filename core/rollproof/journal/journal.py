"""The journal: what was declared, what was asked for, what happened.

A *turn* is one transaction: the events worked in, the rows they took, the commands they
opened and closed, and the run's state afterwards.  Nothing is done in the world before
its turn is committed, and what is committed is never changed (the write-ahead rule); only
`prune` removes the events of runs that ended, whole runs at a time.

Several processes may read, declare and post at once.  Turns are recorded by one: the
host that holds the home (see `rollproof.host`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import attrs

from rollproof.charter import Charter
from rollproof.commands import Command
from rollproof.counts import EMPTY, Counts
from rollproof.errors import (
    DamagedJournal,
    InvalidFields,
    NothingRunning,
    Problem,
    RunActive,
    UnknownRun,
)
from rollproof.events import Event
from rollproof.journal import codec, file
from rollproof.run import Run
from rollproof.states import TERMINAL, State


def genesis(charter: Charter) -> bytes:
    """The digest before the first event of a run: of the terms it was begun on."""
    return hashlib.sha256(codec.charter_text(charter).encode()).digest()


@attrs.frozen(kw_only=True)
class RunRecord:
    """One line of the history: a run as its last turn left it."""

    charter: Charter
    state: State
    counts: Counts[int]
    batches: int
    turns: int
    """Events recorded."""
    opened_at: int
    last_at: int
    """Time of the last event."""
    closed_at: int | None
    why: str
    """Words of the last failure reported; empty if none was."""
    pruned_at: int | None = None
    """When its events were removed; None: they are there."""


@attrs.frozen
class RunMark:
    """How far a run has come, for those who follow many."""

    run: str
    scale_set: str
    turns: int
    """Events recorded."""
    opened_at: int
    ended: bool


@attrs.frozen
class Recorded:
    """One event as it was worked in."""

    seq: int
    """From 1, without a gap."""
    body: str
    """The event as it stands in the file."""
    event: Event
    rows: tuple[str, ...]
    state: State
    """After the rows."""
    digest: bytes
    """As it stands in the file; what it should be, `digest_after` tells."""

    def digest_after(self, previous: bytes, run: str) -> bytes:
        """SHA-256 over the digest of the event before, and all of this one."""
        fields = (run, str(self.seq), self.body, " ".join(self.rows), self.state)
        return hashlib.sha256(previous + "\n".join(fields).encode()).digest()


@attrs.frozen
class Turned:
    """What one event did to a run; several make a turn."""

    before: Run
    event: Event
    after: Run
    commands: tuple[Command, ...]
    rows: tuple[str, ...]
    closed: tuple[str, ...] = ()
    """Keys of the commands that are not waited for any more."""
    post: int | None = None
    """The post this event came from, if it came from the inbox."""


@attrs.frozen
class Post:
    """An event that somebody handed in, not yet worked in."""

    id: int
    run: str
    event: Event


@attrs.frozen
class Declared:
    """A scale set as it was last applied."""

    name: str
    document: str
    folder: str
    applied_at: int
    configured_at: int
    """When the document last became another one; applying the same again is no change."""


class Journal:
    """An open journal."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Opens, creates or migrates the file; raises a `JournalError` that says why
        it cannot."""
        self.path = path
        self._db = file.connect(path, read_only=read_only)
        self._tails: dict[str, tuple[int, bytes]] = {}

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Read the whole file.  Raises `DamagedJournal`."""
        file.check(self._db, self.path)

    def version(self) -> int:
        """A number that differs once another connection has committed."""
        with file.explained(self.path):
            (number,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(number)

    # -- declarations

    def declare(self, name: str, document: str, folder: str, at: int) -> None:
        """Record the document of a scale set, in place of an earlier one."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO scale_set (name, document, folder, applied_at, configured_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " configured_at = CASE WHEN document = excluded.document"
                " THEN configured_at ELSE excluded.configured_at END,"
                " document = excluded.document, folder = excluded.folder,"
                " applied_at = excluded.applied_at",
                (name, document, folder, at, at),
            )

    def declared(self) -> tuple[Declared, ...]:
        """All scale sets, by name."""
        columns = "name, document, folder, applied_at, configured_at"
        rows = self._rows(f"SELECT {columns} FROM scale_set ORDER BY name")
        return tuple(Declared(*row) for row in rows)

    # -- what the schedule goes by

    def stop_all(self, at: int | None) -> None:
        """Turn the stop-all switch on, or (None) off (N6).  On twice keeps its time."""
        with self._transaction():
            if at is None:
                self._db.execute("DELETE FROM control WHERE name = 'stop_all'")
            else:
                self._db.execute("INSERT OR IGNORE INTO control VALUES ('stop_all', ?)", (at,))

    def stopped_since(self) -> int | None:
        """Since when the stop-all switch is on; None: it is off."""
        rows = self._rows("SELECT since FROM control WHERE name = 'stop_all'")
        return rows[0][0] if rows else None

    def retry(self, scale_set: str, at: int) -> None:
        """An operator forgives what runs of the set ended before this moment (S12)."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO retry VALUES (?, ?)", (scale_set, at))

    def retries(self) -> dict[str, int]:
        """When a retry was last asked for, by set."""
        return dict(self._rows("SELECT scale_set, at FROM retry"))

    def sight(self, image: str, location: str, versions: Sequence[str], at: int) -> None:
        """Record which versions of an image are to be seen at a location; those that
        were seen before keep their moment (R3.4)."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO publication VALUES (?, ?, ?, ?)",
                ((image, location, version, at) for version in versions),
            )

    def first_seen(self, image: str, location: str) -> dict[str, int]:
        """When each version of an image was first seen at a location."""
        query = "SELECT version, first_seen FROM publication WHERE image = ? AND location = ?"
        return dict(self._rows(query, image, location))

    # -- runs

    def open_run(self, charter: Charter, at: int) -> None:
        """Enter a new run, Idle.  Raises `RunActive` when its set has one (R4.9), or
        `InvalidFields` when a run has borne its id before."""
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT INTO run VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, NULL, '')",
                    (
                        charter.run,
                        charter.scale_set,
                        codec.charter_text(charter),
                        State.IDLE,
                        codec.counts_text(EMPTY),
                        at,
                        at,
                    ),
                )
        except sqlite3.IntegrityError:
            active = self.active_run(charter.scale_set)
            if active is not None:
                raise RunActive(charter.scale_set, active.charter.run) from None
            unique = Problem(
                field="run",
                value=repr(charter.run),
                bound="an id that no run has borne",
                requirement="R4.9",
                fix="Choose another.",
            )
            raise InvalidFields((unique,)) from None

    def run(self, run: str) -> RunRecord:
        """The record of a run.  Raises `UnknownRun`."""
        for record in self._records("WHERE id = ?", run):
            return record
        known = tuple(name for (name,) in self._rows("SELECT id FROM run"))
        raise UnknownRun(run, known)

    def active_run(self, scale_set: str) -> RunRecord | None:
        """The run that holds the set, if any."""
        for record in self._records("WHERE scale_set = ? AND closed_at IS NULL", scale_set):
            return record
        return None

    def open_runs(self) -> tuple[RunRecord, ...]:
        """All runs that have not ended, oldest first."""
        return tuple(self._records("WHERE closed_at IS NULL ORDER BY opened_at, id"))

    def under_way(self) -> dict[str, str]:
        """The run that holds each set that has one."""
        return dict(self._rows("SELECT scale_set, id FROM run WHERE closed_at IS NULL"))

    def run_count(self, scale_set: str) -> int:
        """How many runs the set has had."""
        rows = self._rows("SELECT count(*) FROM run WHERE scale_set = ?", scale_set)
        return int(rows[0][0])

    def history(self, scale_set: str, since: int = 0) -> tuple[RunRecord, ...]:
        """All runs of a set, newest first: those opened at ``since`` or later, and the
        one under way.  Their order is that in which they were entered: a clock may go
        back."""
        where = (
            "WHERE scale_set = ? AND (opened_at >= ? OR closed_at IS NULL) ORDER BY rowid DESC"
        )
        return tuple(self._records(where, scale_set, since))

    def marks_since(self, at: int) -> tuple[RunMark, ...]:
        """All runs opened at this time or later, and all that have not ended, oldest
        first."""
        # Each half is answered by an index, however many runs there were.
        rows = self._rows(
            "SELECT id, scale_set, turns, opened_at, closed_at IS NOT NULL FROM run"
            " WHERE rowid IN (SELECT rowid FROM run WHERE opened_at >= ?"
            " UNION SELECT rowid FROM run WHERE closed_at IS NULL)"
            " ORDER BY opened_at, rowid",
            at,
        )
        return tuple(
            RunMark(run, scale_set, turns, opened_at, bool(ended))
            for run, scale_set, turns, opened_at, ended in rows
        )

    # -- posts

    def post(self, run: str, event: Event, dedup_key: str) -> bool:
        """Hand an event in, for the host to work in.  False when ``dedup_key`` was
        handed in for this run before, whatever became of it: the event is not repeated.

        Raises `UnknownRun`, or `NothingRunning` when the run has ended (R4.9).
        """
        record = self.run(run)
        with self._transaction():
            if self._rows(
                "SELECT 1 FROM inbox WHERE run = ? AND dedup_key = ?", run, dedup_key
            ):
                return False
            if self._rows("SELECT 1 FROM run WHERE id = ? AND closed_at IS NOT NULL", run):
                raise NothingRunning(record.charter.scale_set)
            self._db.execute(
                "INSERT INTO inbox (run, dedup_key, body) VALUES (?, ?, ?)",
                (run, dedup_key, codec.event_text(event)),
            )
        return True

    def posts(self) -> tuple[Post, ...]:
        """What was handed in and is not worked in yet, in order."""
        rows = self._rows("SELECT id, run, body FROM inbox WHERE taken = 0 ORDER BY id")
        return tuple(Post(id_, run, self._event(body)) for id_, run, body in rows)

    # -- turns

    def record(
        self,
        turn: Sequence[Turned],
        refused: Sequence[tuple[Post, str]] = (),
        put_off: Sequence[tuple[str, Command]] = (),
    ) -> None:
        """Commit one turn: all of it, or nothing.  ``refused`` are the posts that their
        runs did not accept, and why; ``put_off`` are open commands of the runs of this
        turn whose deadlines have changed since a host resumed them.

        Raises `JournalUnwritable` when it cannot be committed; nothing of the turn may
        then be carried out.
        """
        # Should the commit fail, what is known of the tails goes with it.
        tails, self._tails = self._tails, {}
        with self._transaction():
            self._db.executemany(
                "UPDATE outbox SET command = ? WHERE run = ? AND key = ?",
                ((codec.command_text(c), run, _writable(c.key(run))) for run, c in put_off),
            )
            for turned in turn:
                self._record_one(turned, tails)
            self._db.executemany(
                "UPDATE inbox SET taken = 1, refused = ? WHERE id = ?",
                ((_writable(why), post.id) for post, why in refused),
            )
        self._tails = tails

    def _record_one(self, turned: Turned, tails: dict[str, tuple[int, bytes]]) -> None:
        run, event = turned.after, turned.event
        name = run.charter.run
        seq, previous = tails.get(name) or self._tail(run.charter)
        recorded = Recorded(
            seq + 1, codec.event_text(event), event, turned.rows, run.state, b""
        )
        digest = recorded.digest_after(previous, name)
        tails[name] = (seq + 1, digest)
        self._db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
            (name, seq + 1, recorded.body, " ".join(turned.rows), run.state, digest),
        )
        self._db.executemany(
            "INSERT INTO outbox VALUES (?, ?, ?)",
            ((name, _writable(c.key(name)), codec.command_text(c)) for c in turned.commands),
        )
        self._db.executemany(
            "DELETE FROM outbox WHERE run = ? AND key = ?",
            ((name, _writable(key)) for key in turned.closed),
        )
        ended = run.state in TERMINAL and turned.before.state not in TERMINAL
        self._db.execute(
            "UPDATE run SET state = ?, counts = ?, batches = ?, turns = ?, last_at = ?,"
            " closed_at = CASE WHEN ? THEN ? ELSE closed_at END,"
            " why = CASE WHEN ? = '' THEN why ELSE ? END WHERE id = ?",
            (
                run.state,
                codec.counts_text(run.counts),
                run.batches,
                seq + 1,
                event.at,
                ended,
                event.at,
                why := _writable(getattr(event, "why", "")),
                why,
                name,
            ),
        )
        if ended:
            self._db.execute("DELETE FROM outbox WHERE run = ?", (name,))
        if turned.post is not None:
            self._db.execute("UPDATE inbox SET taken = 1 WHERE id = ?", (turned.post,))

    def outbox(self, run: str) -> tuple[Command, ...]:
        """Commands whose outcome is not recorded yet."""
        rows = self._rows("SELECT command FROM outbox WHERE run = ?", run)
        return tuple(self._command(text) for (text,) in rows)

    def events(self, run: str, after: int = 0) -> Iterator[Recorded]:
        """What happened in a run, in order, from number ``after`` + 1 on."""
        rows = self._rows(
            "SELECT seq, body, rows, state, digest FROM event WHERE run = ? AND seq > ?"
            " ORDER BY seq",
            run,
            after,
        )
        for seq, body, names, state, digest in rows:
            try:
                after_rows = State(state)
            except ValueError as error:
                raise DamagedJournal(str(self.path), str(error)) from error
            yield Recorded(
                seq, body, self._event(body), tuple(names.split()), after_rows, digest
            )

    # -- retention

    def prune(self, runs: Sequence[str], at: int) -> int:
        """Remove the events of ended runs, all in one transaction; the number removed.

        The record of each stays, and the digest of its last event, by which a copy of the
        events is known to be the whole of them.  Runs that have not ended, or were pruned
        before, are passed over.
        """
        removed = 0
        with self._transaction():
            for run in runs:
                self._db.execute(
                    "INSERT INTO pruned SELECT id, ?, digest FROM run JOIN event"
                    " ON event.run = id AND seq = turns"
                    " WHERE id = ? AND closed_at IS NOT NULL",
                    (at, run),
                )
                if self._rows("SELECT 1 FROM pruned WHERE run = ?", run):
                    gone = self._db.execute("DELETE FROM event WHERE run = ?", (run,))
                    removed += gone.rowcount
                    self._db.execute("DELETE FROM inbox WHERE run = ?", (run,))
        return removed

    def shrink(self) -> None:
        """Give the space of what was pruned back.  Only for who holds the home: until it
        is done nobody can write, and a host must not be kept waiting."""
        file.shrink(self._db, self.path)

    # -- below the surface

    def _tail(self, charter: Charter) -> tuple[int, bytes]:
        query = "SELECT seq, digest FROM event WHERE run = ? ORDER BY seq DESC LIMIT 1"
        rows = self._rows(query, charter.run)
        return (rows[0][0], rows[0][1]) if rows else (0, genesis(charter))

    def _records(self, where: str, *values: str | int) -> Iterator[RunRecord]:
        rows = self._rows(
            "SELECT charter, state, counts, batches, turns, opened_at, last_at, closed_at, why,"
            f" (SELECT at FROM pruned WHERE pruned.run = id) FROM run {where}",
            *values,
        )
        for charter, state, counts, batches, turns, opened, last, closed, why, pruned in rows:
            try:
                yield RunRecord(
                    charter=codec.charter_of(charter),
                    state=State(state),
                    counts=codec.counts_of(counts),
                    batches=batches,
                    turns=turns,
                    opened_at=opened,
                    last_at=last,
                    closed_at=closed,
                    why=why,
                    pruned_at=pruned,
                )
            except ValueError as error:
                raise DamagedJournal(str(self.path), str(error)) from error

    def _event(self, text: str) -> Event:
        try:
            return codec.event_of(text)
        except ValueError as error:
            raise DamagedJournal(str(self.path), str(error)) from error

    def _command(self, text: str) -> Command:
        try:
            return codec.command_of(text)
        except ValueError as error:
            raise DamagedJournal(str(self.path), str(error)) from error

    def _rows(self, query: str, *values: str | int) -> list[tuple]:  # type: ignore[type-arg]  # columns differ by query
        with file.explained(self.path):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with file.explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _writable(text: str) -> str:
    """``text`` in which half a surrogate pair, which no file can hold, is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
