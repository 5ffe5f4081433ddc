"""An outlet that appends lines of JSON to a file.

Anybody may rotate the file, by renaming or removing it: each telling looks whether the
name still leads to the file that is open, and opens it anew where it does not.  No signal
is needed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from rollproof.installation.observing.lines import Dropped, text_of
from rollproof.installation.observing.outlet import lines_of
from rollproof.installation.observing.tap import Told


class EventsFile:
    """Appends each line by one write, so that a reader never sees two of them mixed."""

    lasting = True
    at_once = 100
    backlog = None

    def __init__(self, path: Path, *, name: str = "events") -> None:
        self.name = name
        self._path = path
        self._descriptor: int | None = None

    def opens(self) -> None:
        """Open the file, made where there is none, with its folder."""
        self._reopen()

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        """Append them."""
        lines = lines_of(told, dropped)
        if not lines:
            return
        descriptor = self._current()
        for line in lines:
            _write(descriptor, (text_of(line) + "\n").encode())
        os.fsync(descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _current(self) -> int:
        """The file that bears the name now."""
        if self._descriptor is None or not self._is_current(self._descriptor):
            return self._reopen()
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(descriptor))

    def _reopen(self) -> int:
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._descriptor = os.open(self._path, flags, 0o644)
        return self._descriptor


def _write(descriptor: int, text: bytes) -> None:
    """By one write; what a full disk cut off is taken back, lest half a line remain."""
    written = os.write(descriptor, text)
    if written < len(text):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(errno.ENOSPC, "no room for a whole line")
