"""Opening a journal file: recognised before it is touched, created or migrated whole.

A file that is not ours, is damaged, or was written by a newer rollproof is refused
before SQLite is let near it, and never overwritten.

A process may open a journal several times.  It must not read the file by itself while it
has it open: the system drops all locks that a process has on a file when it closes any
descriptor of it, and whoever closes the journal next would then take itself for the last
and delete the write-ahead log that others still write.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
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
    """
    CREATE TABLE pruned (
        run TEXT PRIMARY KEY REFERENCES run (id),
        at INTEGER NOT NULL,
        digest BLOB NOT NULL        -- of the last event removed
    ) STRICT;
    """,
    """
    ALTER TABLE scale_set ADD COLUMN configured_at INTEGER NOT NULL DEFAULT 0;
    UPDATE scale_set SET configured_at = applied_at;
    CREATE TABLE control (
        name TEXT PRIMARY KEY,      -- of a switch that is on; no row: it is off
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE retry (
        scale_set TEXT PRIMARY KEY,
        at INTEGER NOT NULL         -- the last time an operator asked for it
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE publication (
        image TEXT NOT NULL,
        location TEXT NOT NULL,
        version TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        PRIMARY KEY (image, location, version)
    ) STRICT, WITHOUT ROWID;
    """,
)
"""The script that brings a journal from version n to n + 1, at place n."""

VERSION: Final = len(MIGRATIONS)

_MAGIC = b"SQLite format 3\x00"
_BEGINNING = 105
"""Bytes that tell whose file it is: the header, and how many tables page 1 lists."""
_LEAF = 13
"""Type of a page of a small table, as the list of the tables is in a new file."""


def connect(path: Path, *, read_only: bool = False) -> Connection:
    """A connection to the journal at ``path``, created or migrated if need be.

    Raises `ForeignJournal`, `DamagedJournal`, `NewerJournal` or `JournalUnwritable`; the
    file is then as it was.
    """
    with _opening:
        if not _is_open_here(path):
            _recognise(path)
        connection = _connect(path, read_only=read_only)
        connection.inode = _inode(path)
        _open_here.add(connection)
        return connection


class Connection(sqlite3.Connection):
    """A connection of which this module knows that it is open."""

    inode: tuple[int, int] | None = None
    """Device and number of the file."""

    def close(self) -> None:
        """Close it, and forget it."""
        super().close()
        _open_here.discard(self)


_open_here: Final[weakref.WeakSet[Connection]] = weakref.WeakSet()
"""The journals that this process has open."""
_opening: Final = threading.Lock()
"""Held while a file is recognised, opened and entered there."""


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_open_here(path: Path) -> bool:
    inode = _inode(path)
    return inode is not None and any(each.inode == inode for each in _open_here)


def _connect(path: Path, *, read_only: bool) -> Connection:
    with explained(path):
        # Beside a write-ahead log the file itself may tell an older story; and a
        # connection that could write would work the log in before it is asked to.
        if read_only:
            return _open(path, "ro", _admit_as_it_is)
        if Path(f"{path}-wal").exists():
            _open(path, "ro", _admit).close()
        return _open(path, "rwc", _prepare)


def _open(
    path: Path, mode: str, begin: Callable[[sqlite3.Connection, Path], None]
) -> Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=10.0,
        factory=Connection,
    )
    try:
        begin(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole file once.  Raises `DamagedJournal` when a page is unsound."""
    with explained(path):
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedJournal(str(path), verdict)


def shrink(connection: sqlite3.Connection, path: Path) -> None:
    """Give the space of what was deleted back to the system, by writing the file anew.
    Nobody else can write meanwhile."""
    with explained(path):
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors about the file into ours; an error of the program's own
    making passes through."""
    try:
        yield
    except UnicodeDecodeError as error:  # of a message that quotes what is damaged
        raise DamagedJournal(str(path), str(error)) from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if _is_damage(error, code):
            raise DamagedJournal(str(path), str(error)) from error
        if isinstance(error, sqlite3.OperationalError):
            why = _WORDS.get((code or 0) & 0xFF, str(error))
            raise JournalUnwritable(str(path), why) from error
        raise


def _is_damage(error: sqlite3.DatabaseError, code: int | None) -> bool:
    """Whether the file is at fault.

    An OperationalError without a code is a text that cannot be decoded; SQLITE_ERROR
    is a table that should be there and is not.
    """
    if code is None:
        return isinstance(error, sqlite3.OperationalError)
    return code == sqlite3.SQLITE_IOERR_SHORT_READ or code & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
    )


_WORDS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it, or its folder, cannot be opened",
    sqlite3.SQLITE_BUSY: "another process keeps it locked",
}


def _recognise(path: Path) -> None:
    """Look at the first bytes, so that a file that is not ours stays as it is."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalUnwritable(str(path), error.strerror or str(error)) from error
    if not beginning:
        return  # created, and then the machine went down
    if not beginning.startswith(_MAGIC):
        raise ForeignJournal(str(path), "it is not an SQLite database")
    if len(beginning) < _BEGINNING:
        raise DamagedJournal(str(path), "it ends within its header")
    version = int.from_bytes(beginning[60:64], "big")
    application = int.from_bytes(beginning[68:72], "big")
    empty = beginning[100] == _LEAF and not any(beginning[103:105])
    _judge(path, application, version, empty=empty)


def _admit(connection: sqlite3.Connection, path: Path) -> None:
    """`_recognise`, with what the write-ahead log adds."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    empty = connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
    _judge(path, application, version, empty=empty)


def _admit_as_it_is(connection: sqlite3.Connection, path: Path) -> None:
    _admit(connection, path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:  # else it was refused
        raise ForeignJournal(str(path), "it is empty")
    if version < VERSION:
        why = f"it has format {version}, is to be opened read-only, and needs migration"
        raise JournalUnwritable(str(path), why)


def _judge(path: Path, application: int, version: int, *, empty: bool) -> None:
    if application not in (0, APPLICATION_ID):
        raise ForeignJournal(str(path), "it belongs to another application")
    if application == 0 and (version != 0 or not empty):
        raise ForeignJournal(str(path), "it has tables of its own")
    if application == APPLICATION_ID and version == 0:
        raise DamagedJournal(str(path), "it bears no format version")
    if version > VERSION:
        raise NewerJournal(str(path), version, VERSION)


def _prepare(connection: sqlite3.Connection, _: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _migrate(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
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
