"""The folder in which one installation keeps its state, and who may host from it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from rollproof.errors import HomeInUse, JournalUnwritable


class Home:
    """Where journal, images and local fleets lie."""

    def __init__(self, path: Path) -> None:
        """The folder is made when it is first needed."""
        self.path = path

    @property
    def journal(self) -> Path:
        """The journal file."""
        return self.path / "journal.sqlite"

    @property
    def images(self) -> Path:
        """Published images."""
        return self.path / "images"

    @property
    def fleets(self) -> Path:
        """Local fleets."""
        return self.path / "fleets"

    def make(self) -> None:
        """Create the folder.  Raises `JournalUnwritable`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnwritable(str(self.path), error.strerror or str(error)) from error

    @property
    def outlets(self) -> Path:
        """What is told of the runs here, and to whom; the user's to write."""
        return self.path / "observe.toml"

    @property
    def places(self) -> Path:
        """How far each outlet has read the journal."""
        return self.path / "places"

    def lock(self, name: str = "host.lock") -> HomeLock:
        """Become the one process that hosts from here, or that holds another lock.

        Raises `HomeInUse` when another process does.  The kernel lets go of the lock
        when its holder dies, however it dies.
        """
        self.make()
        try:
            descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalUnwritable(str(self.path), error.strerror or str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise HomeInUse(str(self.path), int(holder) if holder.isdigit() else None) from None
        except OSError as error:
            os.close(descriptor)
            raise JournalUnwritable(str(self.path), error.strerror or str(error)) from error
        return HomeLock(descriptor)


class HomeLock:
    """The lock, until it is released."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the next process host.  May be called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
