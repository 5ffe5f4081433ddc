"""Asking applications for their health: over HTTP, TCP, or by the report of a health
extension (R5.2).

An answer is never an exception: whatever goes wrong on the way is UNHEALTHY for a probe,
and no report, so UNKNOWN, for an extension. `rollproof.streaks` says what answers come to.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from rollproof.adapters.asking import Asker
from rollproof.adapters.clock import wall_clock
from rollproof.adapters.files import read_start
from rollproof.health import Health, HealthExtension, HealthSource, HttpProbe, TcpProbe
from rollproof.reports import LARGEST, Report, read_report, weigh
from rollproof.streaks import Streak

AT_ONCE = 512
"""Questions under way at the same time: 1,000 instances of which none answers are asked in
two waves of 2 s, the default timeout, and so within their interval of 5 s; and half of the
1,024 files that a process may have open is left for other uses."""


class Prober:
    """Asks the instances of one scale set, AT_ONCE at a time."""

    def __init__(
        self,
        source: HealthSource,
        *,
        folder: Path = Path(),
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """`folder` is where relative paths of the source begin."""
        self.source = source
        self.clock = clock
        self.asker = None if isinstance(source, TcpProbe) else Asker(source, folder)
        self._streaks: dict[str, Streak] = {}
        self._admitted: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    async def probe(self, host: str, boot: str = "") -> Health:
        """The health of the application at the host, after one more answer.

        `boot` tells one start of a server from the next: nothing is carried over from
        the server that was there before. What is remembered goes with this object.
        """
        now = self.clock()
        answer = await self.ask(host)
        streak = self._streaks.get(host, Streak()).of(boot).heard(answer, self.source, now)
        self._streaks[host] = streak
        return streak.verdict

    async def ask(
        self, host: str, *, booted_at: int | None = None, disk: Path | None = None
    ) -> Health:
        """One answer by itself: no threshold is applied, nothing is remembered.

        `booted_at`: when the instance started, in milliseconds since the Unix epoch;
        `disk`: its OS disk, where that can be read from here.
        """
        if isinstance(self.source, HealthExtension):
            report = await self.report(host, disk)
            return weigh(report, self.source, booted_at, self.clock())
        return Health.HEALTHY if await self._answers(host) else Health.UNHEALTHY

    async def report(self, host: str, disk: Path | None = None) -> Report | None:
        """What the extension of the instance published last; None when nothing was found."""
        assert isinstance(self.source, HealthExtension)
        try:
            text = await self._published(self.source, host, disk)
        except Exception:  # as above: each is an answer
            return None
        return read_report(text, self.clock()) if len(text) <= LARGEST else None

    async def _published(self, source: HealthExtension, host: str, disk: Path | None) -> bytes:
        if source.file is not None:
            return read_start(disk / source.file, LARGEST + 1) if disk is not None else b""
        assert self.asker is not None
        async with (
            self._admission(),
            asyncio.timeout(source.timeout.total_seconds()),
            self.asker.ask(host) as reply,
        ):
            return await reply.body(LARGEST + 1) if reply.status == 200 else b""

    async def _answers(self, host: str) -> bool:
        try:
            async with (
                self._admission(),
                asyncio.timeout(self.source.timeout.total_seconds()),
            ):
                if isinstance(self.source, TcpProbe):
                    return await _connects(self.source, host)
                return await self._expected(host)
        except Exception:  # refused, reset, too late, not HTTP: each is an answer
            return False

    async def _expected(self, host: str) -> bool:
        assert self.asker is not None
        assert isinstance(self.source, HttpProbe)
        # Only the status is read: a body may have no end.
        async with self.asker.ask(host) as reply:
            return reply.status == self.source.expected_status

    def _admission(self) -> asyncio.Semaphore:
        """A semaphore belongs to one event loop, and a prober may outlive several."""
        loop = asyncio.get_running_loop()
        if self._admitted is None or self._admitted[0] is not loop:
            self._admitted = (loop, asyncio.Semaphore(AT_ONCE))
        return self._admitted[1]


async def _connects(source: TcpProbe, host: str) -> bool:
    _, writer = await asyncio.open_connection(host, source.port)
    writer.transport.abort()
    return True


async def probe(source: HealthSource, host: str) -> Health:
    """One probe of one host; see `Prober` for many."""
    return await Prober(source).probe(host)
