"""Opening a journal file: recognised before it is touched, created or migrated whole.

A file that is not ours, is damaged, or was written by a newer rollproof is refused
before SQLite is let near it, and never overwritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rollproof.errors import DamagedJournal, ForeignJournal, JournalUnwritable, NewerJournal

APPLICATION_ID: Final = 0x524C5046
"""Written into the header of every journal, so that it can be told from other files."""

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE scale_set (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL,     -- TOML, as `rollproof.document` writes it
        folder TEXT NOT NULL,       -- what paths in the document are relative to
        applied_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE run (
        id TEXT PRIMARY KEY,
        scale_set TEXT NOT NULL,
        charter TEXT NOT NULL,
        state TEXT NOT NULL,
        counts TEXT NOT NULL,
        batches INTEGER NOT NULL,
        turns INTEGER NOT NULL,     -- events recorded
        opened_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        closed_at INTEGER,
        why TEXT NOT NULL           -- words of the last failure reported
    ) STRICT;
    CREATE UNIQUE INDEX one_active_run ON run (scale_set) WHERE closed_at IS NULL;
    CREATE INDEX runs_of_a_set ON run (scale_set, opened_at);
    CREATE TABLE event (
        run TEXT NOT NULL REFERENCES run (id),
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        rows TEXT NOT NULL,         -- names of the rows taken, separated by spaces
        state TEXT NOT NULL,        -- the state after them
        digest BLOB NOT NULL,       -- of all this and the digest before
        PRIMARY KEY (run, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outbox (
        run TEXT NOT NULL REFERENCES run (id),
        key TEXT NOT NULL,
        command TEXT NOT NULL,
        PRIMARY KEY (run, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE inbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES run (id),
        dedup_key TEXT NOT NULL,
        body TEXT NOT NULL,
        taken INTEGER NOT NULL DEFAULT 0,
        refused TEXT NOT NULL DEFAULT '',
        UNIQUE (run, dedup_key)
    ) STRICT;
    CREATE INDEX inbox_waiting ON inbox (id) WHERE taken = 0;
    """,
)
"""The script that brings a journal from version n to n + 1, at place n."""

VERSION: Final = len(MIGRATIONS)

_MAGIC = b"SQLite format 3\x00"
_HEADER_SIZE = 100


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to the journal at ``path``, created or migrated if need be.

    Raises `ForeignJournal`, `DamagedJournal`, `NewerJournal` or `JournalUnwritable`.
    """
    _recognise(path)
    with explained(path):
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=10.0,
        )
        try:
            if not read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole file once.  Raises `DamagedJournal` when a page is unsound."""
    with explained(path):
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedJournal(str(path), verdict)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors about the file into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise JournalUnwritable(str(path), _in_words(error)) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError):
            raise
        raise DamagedJournal(str(path), str(error)) from error


def _in_words(error: sqlite3.OperationalError) -> str:
    words = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "it is read-only",
        sqlite3.SQLITE_CANTOPEN: "it, or its folder, cannot be opened",
        sqlite3.SQLITE_BUSY: "another process keeps it locked",
    }
    return words.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))


def _recognise(path: Path) -> None:
    """Look at the first bytes, so that a file that is not ours stays as it is."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_SIZE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalUnwritable(str(path), error.strerror or str(error)) from error
    if not header:
        return  # created, and then the machine went down
    if not header.startswith(_MAGIC):
        raise ForeignJournal(str(path), "it is not an SQLite database")
    if len(header) < _HEADER_SIZE:
        raise DamagedJournal(str(path), "it ends within its header")
    version = int.from_bytes(header[60:64], "big")
    application = int.from_bytes(header[68:72], "big")
    if application not in (0, APPLICATION_ID) or (application == 0 and version != 0):
        raise ForeignJournal(str(path), "it belongs to another application")
    if version > VERSION:
        raise NewerJournal(str(path), version, VERSION)


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0 and connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
            (path,) = connection.execute(
                "SELECT file FROM pragma_database_list WHERE name = 'main'"
            ).fetchone()
            raise ForeignJournal(path, "it has tables of its own")
        for script in MIGRATIONS[found:]:
            for statement in script.split(";\n"):
                connection.execute(statement)
        if found < VERSION:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
