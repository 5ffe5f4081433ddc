"""What an outlet is: somebody who is told the events of all runs of a home, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rollproof.errors import NotInstalled
from rollproof.installation.observing.lines import Dropped
from rollproof.installation.observing.tap import Told


class Outlet(Protocol):
    """One receiver.  All calls come from one thread, and may take their time."""

    @property
    def name(self) -> str:
        """Names its place; unique within a home."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether it must be told everything, across restarts, and a refusal means "again
        later"; else an error is logged, and it is told the rest."""
        ...

    @property
    def at_once(self) -> int:
        """Most events in one telling."""
        ...

    @property
    def backlog(self) -> int | None:
        """Most events that may wait for it; of more, the oldest are dropped, and it is
        told which.  None: any number."""
        ...

    def opens(self) -> None:
        """Get ready; may be called again after it raised."""
        ...

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        """Take all of these, or raise.  Of a lasting outlet the same, or more, are told
        again after it raised."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Later(Exception):
    """Raised by an outlet that names the least number of seconds to wait."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


def fresh(told: Sequence[Told]) -> list[Told]:
    """Those that had not been taken before."""
    return [each for each in told if not each.happening.past]


def lines_of(told: Sequence[Told], dropped: Sequence[Dropped]) -> list[dict[str, Any]]:
    """What an outlet of lines is told: what was dropped first, then what is fresh."""
    return [each.line() for each in dropped] + [dict(each.line) for each in fresh(told)]


@contextmanager
def bringing(extra: str, what: str) -> Iterator[None]:
    """Import in here what an extra brings.  Raises `NotInstalled`, which says so."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "rollproof":
            raise
        raise NotInstalled(what, library, extra) from error
