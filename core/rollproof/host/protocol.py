"""What every host offers, wherever it keeps its state.

The embedded host (one process, SQLite) implements it; a host on a workflow engine will
stand beside it, with the same core.
"""

from __future__ import annotations

from typing import Protocol

from rollproof.charter import Charter
from rollproof.events import Event
from rollproof.status import RunStatus


class Host(Protocol):
    """Starts runs, takes events, tells how a run stands."""

    async def start(self, charter: Charter) -> None:
        """Begin a run.  Raises `RunActive` when its set has one under way (R4.9)."""
        ...

    async def post(self, run: str, event: Event, dedup_key: str) -> bool:
        """Hand an event in; False when ``dedup_key`` was handed in before.

        Returns when the event is recorded, not when it is worked in.  Raises
        `UnknownRun` or `NothingRunning`.
        """
        ...

    async def status(self, run: str) -> RunStatus:
        """How the run stands now.  Raises `UnknownRun`."""
        ...
