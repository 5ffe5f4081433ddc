"""Kill a host at a chosen point, and start the next one on what is left.

The host tells its ``checkpoint`` hook of every commit and of every call to a provider,
before and after.  A `Reaper` in that place counts the points of a run, or ends the
process at one of them; `Installation.live` is one life of such a process.

What a killed process leaves is the journal's file, the fleet, and time.  Its memory is
gone, its connection to the journal is never closed, its lock is let go by the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from rollproof.charter import Charter
from rollproof.errors import InvalidFields, RunActive
from rollproof.host import EmbeddedHost, Home
from rollproof.journal import Journal, Turned
from rollproof_checks.simulated import SimulatedFleet
from rollproof_checks.virtual_time import VirtualClock, run


class Killed(BaseException):
    """The process is dead.  Not an Exception: nothing that runs in it may survive."""


class Reaper:
    """A checkpoint hook that counts, and kills at the point with number ``at``."""

    def __init__(self, at: int | None = None) -> None:
        """Points are numbered from 0; None: count only."""
        self.at = at
        self.points: list[str] = []
        """Points passed."""
        self.dead = False

    def __call__(self, point: str) -> None:
        """Raises `Killed` at the chosen point, and at every later one."""
        if not self.dead and len(self.points) != self.at:
            self.points.append(point)
            return
        self.dead = True
        raise Killed(point)


Operator = Callable[[EmbeddedHost], Awaitable[None]]
"""What people do during a run.  Repeated from its beginning in every life, so it must
hand in events with the same dedup keys."""


async def nobody(_host: EmbeddedHost) -> None:
    """Nobody interferes."""


class Installation:
    """A home, a fleet and a clock: what outlives the processes."""

    def __init__(
        self,
        folder: Path,
        clock: VirtualClock,
        fleet: SimulatedFleet,
        host: type[EmbeddedHost] = EmbeddedHost,
    ) -> None:
        self.home = Home(folder)
        self.clock = clock
        self.fleet = fleet
        self._host = host
        self._left_open: list[Journal] = []
        self.turns: list[Turned] = []
        """What observers heard, over all lives."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for journal in self._left_open:
            journal.close()

    def journal(self) -> Journal:
        """Another connection, as another process has it; closed with the rest."""
        journal = Journal(self.home.journal)
        self._left_open.append(journal)
        return journal

    def live(self, charter: Charter, reaper: Reaper, operator: Operator = nobody) -> bool:
        """One process: it begins the run, or resumes it, and works until no run is
        under way.  False if it was killed."""
        with contextlib.suppress(Killed):
            lock = self.home.lock()
            try:
                run(self.clock, self._life(charter, reaper, operator))
            finally:
                lock.release()
        return not reaper.dead

    async def _life(self, charter: Charter, reaper: Reaper, operator: Operator) -> None:
        host = self._host(
            self.journal(),
            lambda _set: self.fleet,
            clock=self.clock,
            observers=[self.turns.append],
            checkpoint=reaper,
            poll=10.0,
        )
        # Begun in an earlier life; or begun and ended.
        with contextlib.suppress(RunActive, InvalidFields):
            await host.start(charter)
        tasks = [
            asyncio.ensure_future(host.serve()),
            asyncio.ensure_future(operator(host)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        failures = [each for each in outcomes if isinstance(each, BaseException)]
        # The one that was cancelled was so because the other failed.
        failures.sort(key=lambda each: isinstance(each, asyncio.CancelledError))
        if failures:
            raise failures[0]
