"""Keeping the schedule: hold the home, host every run, and begin what is due.

    with Installation(Path("state")) as here:
        here.serve(told=print)  # until SIGINT or SIGTERM

One process serves a home.  What it has begun outlives it: the next one goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import attrs

from rollproof.errors import RollproofError
from rollproof.host import EmbeddedHost, Home, status_of, wall_clock
from rollproof.host.embedded import POLL
from rollproof.images import ImageVersion
from rollproof.installation.checking import Checking
from rollproof.installation.images import Images
from rollproof.installation.interrupts import interrupts
from rollproof.installation.keeper import Carried, Keeper
from rollproof.installation.lookout import Lookout, of_catalog
from rollproof.installation.providers import Providers
from rollproof.installation.sets import Sets
from rollproof.installation.together import until_one_ends
from rollproof.journal import Journal, Turned
from rollproof.journal.journal import RunRecord
from rollproof.scheduler import Act
from rollproof.states import TERMINAL, State, View

RESTING: Final = 0.5
"""Seconds between two looks whether all runs under way only wait."""


@attrs.frozen(kw_only=True)
class Notice:
    """Something that `serve` did or saw."""

    kind: str
    """``serving``, ``stopping``, ``ended``, or the name of an `Act`."""
    at: int
    """Milliseconds since the Unix epoch."""
    text: str
    """In words."""
    scale_set: str = ""
    run: str = ""
    reason: str = ""
    """Name of the `Reason` of an act; of an end, the running status."""
    version: str = ""


class Serving:
    """One process that serves."""

    def __init__(
        self,
        home: Home,
        journal: Journal,
        sets: Sets,
        images: Images,
        checking: Checking,
        *,
        every: int,
        told: Callable[[Notice], None],
    ) -> None:
        """``every``: milliseconds between two looks at the images."""
        self._home = home
        self._journal = journal
        self._sets = sets
        self._images = images
        self._checking = checking
        self._told = told
        self._providers = Providers(journal, sets)
        self._interrupted: int | None = None
        self._host = EmbeddedHost(
            journal, self._providers.take_up, observers=[self._turned, self._hears_keeper]
        )
        self._keeper = Keeper(
            self._host,
            journal,
            Lookout(journal, of_catalog(images.catalog)),
            clock=wall_clock,
            every=every,
            fit=self._fit,
            refresh=self._refresh,
            told=self._carried,
        )

    async def serve(self, *, forever: bool) -> int | None:
        """Serve until a signal, whose number is returned; or (not ``forever``) look
        once, and host what is under way for as long as any of it moves.

        Raises `HomeInUse`, and what made it impossible to go on.
        """
        lock = self._home.lock()
        try:
            self._say("serving", "looks for what is due")
            with interrupts(self._interrupt):
                await (self._for_ever() if forever else self._once())
            self._say("stopping", "what is under way stays resumable")
        finally:
            lock.release()
            await self._providers.aclose()
        return self._interrupted

    async def _for_ever(self) -> None:
        await until_one_ends(self._host.serve(forever=True), self._keeper.keep(POLL))

    async def _once(self) -> None:
        await self._keeper.look()
        self._keeper.starts = False
        await until_one_ends(
            self._host.serve(), self._keeper.keep(POLL), self._until_all_rest()
        )

    async def _until_all_rest(self) -> None:
        """Until nothing moves before somebody, or a window, lets it."""
        while self._journal.posts() or not all(map(_rests, self._journal.open_runs())):
            await asyncio.sleep(RESTING)

    def _interrupt(self, number: int) -> None:
        self._interrupted = number
        self._host.stop()

    # -- what the keeper asks; sources may be far away

    async def _refresh(self) -> None:
        await asyncio.to_thread(self._images.catalog.refresh, wall_clock())

    async def _fit(self, name: str, version: ImageVersion) -> str:
        """Why no run can begin; its content is fetched, where it has to be."""
        if words := await self._checking.hindrance(name, version):
            return words
        reference = self._sets.get(name).scale_set.image_reference
        try:
            await asyncio.to_thread(self._images.obtain, reference, version)
        except (RollproofError, OSError) as error:
            return f"{version} cannot be fetched: {error}"
        return ""

    # -- what the host tells

    def _hears_keeper(self, turned: Turned) -> None:
        self._keeper.hears(turned)

    def _turned(self, turned: Turned) -> None:
        after = turned.after
        if after.state in TERMINAL and turned.before.state not in TERMINAL:
            status = status_of(self._journal.run(after.charter.run))
            self._told(
                Notice(
                    kind="ended",
                    at=turned.event.at,
                    text=status.error or status.cause_text,
                    scale_set=status.scale_set,
                    run=status.run,
                    reason=status.running_status,
                    version=status.target,
                )
            )

    def _carried(self, carried: Carried) -> None:
        decision = carried.decision
        self._told(
            Notice(
                kind=decision.act,
                at=carried.at,
                text=decision.text,
                scale_set=decision.scale_set,
                run=carried.run,
                reason=decision.reason,
                version=str(decision.version) if decision.act is Act.START else "",
            )
        )

    def _say(self, kind: str, text: str) -> None:
        self._told(Notice(kind=kind, at=wall_clock(), text=text))


def _rests(record: RunRecord) -> bool:
    """Whether a run waits at a gate for somebody or for a window (S7)."""
    counts = record.counts
    waits = counts.held or counts.shut or counts.view == View.RESTING
    return record.state is State.PRECHECKING and bool(waits)
