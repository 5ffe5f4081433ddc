"""Looking at a steady pace."""

from __future__ import annotations

import asyncio

EARLY = 0.01
"""Share of a period by which a timer may be early and its beat still count as met."""


class Rhythm:
    """Beats at whole periods from its making, however long what is done between them takes:
    a thousand watchers do not drift.  A beat that was missed is left out, not made up for."""

    def __init__(self, period: float) -> None:
        """``period`` in seconds; made in the event loop that will wait for the beats."""
        self._period = period
        self._began = asyncio.get_running_loop().time()

    async def beat(self) -> None:
        """Wait for the next beat; it is never now."""
        now = asyncio.get_running_loop().time()
        passed = int((now - self._began) / self._period + EARLY)
        await asyncio.sleep(self._began + (passed + 1) * self._period - now)
