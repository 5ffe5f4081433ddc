"""Carries out what the schedule decides, on a host, as long as somebody serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, Final

import attrs

from rollproof.agenda import Agenda
from rollproof.charter import StartedBy, draw_up
from rollproof.errors import NothingRunning, RunActive
from rollproof.events import Cancel, Event, Reopen, Shut
from rollproof.host import Host
from rollproof.images import ImageVersion
from rollproof.installation.lookout import Lookout
from rollproof.installation.terms import name_of_run
from rollproof.journal import Journal, Turned
from rollproof.run import Run
from rollproof.scheduler import Act, Decision, decide
from rollproof.states import TERMINAL, Cause

SLICE: Final = 50
"""Sets that are looked at before others get a word in."""


Fit = Callable[[str, ImageVersion], Coroutine[Any, Any, str]]
"""Why no run of a set to a version can begin; empty when one can."""


async def whole(_name: str, _version: ImageVersion) -> str:
    """Every set is fit."""
    return ""


@attrs.frozen(kw_only=True)
class Carried:
    """A decision that was carried out."""

    at: int
    decision: Decision
    run: str
    """That was started, or acted upon."""


class Keeper:
    """Keeps the schedule.  Nothing here decides: see `rollproof.scheduler`."""

    def __init__(
        self,
        host: Host,
        journal: Journal,
        lookout: Lookout,
        *,
        clock: Callable[[], int],
        every: int = 60_000,
        starts: bool = True,
        fit: Fit = whole,
        refresh: Callable[[], Awaitable[object]] | None = None,
        told: Callable[[Carried], None] = lambda _carried: None,
    ) -> None:
        """``every``: milliseconds between two looks at the images.  Without ``starts``
        only runs that are under way are seen to.  ``fit`` is asked before a run begins,
        ``refresh`` awaited before the images are listed."""
        self._host = host
        self._journal = journal
        self._lookout = lookout
        self._clock = clock
        self._every = every
        self.starts = starts
        self._fit = fit
        self._refresh = refresh
        self._told = told
        self._agenda = Agenda()
        self._sight_at = self._looked_at = clock()
        self._stirred = True
        self._wake = asyncio.Event()

    # -- what wakes it

    def hears(self, turned: Turned) -> None:
        """An observer of the host: a run that turned may want something."""
        if _matters(turned.before) != _matters(turned.after):
            self.stir(turned.after.charter.scale_set)

    def stir(self, scale_set: str | None = None) -> None:
        """Something of this set changed; without a name: look for what did."""
        if scale_set is None:
            self._stirred = True
        else:
            self._agenda.enter(scale_set, self._clock())
        self._wake.set()

    # -- keeping

    async def keep(self, poll: float) -> None:
        """For ever: do what is due, and sleep until something is, or ``poll`` seconds,
        after which the journal is asked for the changes of others."""
        while True:
            await self.look()
            moment = self._agenda.next
            if self.starts:
                moment = self._sight_at if moment is None else min(moment, self._sight_at)
            seconds = poll
            if moment is not None:
                seconds = min(poll, max(0.0, (moment - self._clock()) / 1000))
            # Not `wait_for`: in Python 3.11 it may lose the cancellation of this very task.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            self._wake.clear()

    async def look(self) -> None:
        """Do all that is due by now."""
        now = self._clock()
        if now < self._looked_at:  # the clock went back: no moment that was entered counts
            self._sight_at = now
            self._enter(self._lookout.names, now)
        self._looked_at = now
        self._catch_up(now)
        if self.starts and self._sight_at <= now:
            if self._refresh is not None:
                await self._refresh()
            self._enter(self._lookout.sight(now), now)
            self._sight_at = now + self._every
        while names := list(islice(self._agenda.due(now), SLICE)):
            for name in names:
                await self._see_to(name)
            await asyncio.sleep(0)

    def _catch_up(self, now: int) -> None:
        """Enter every set of which something has changed."""
        changed = self._lookout.read() if self._stirred else self._lookout.changes()
        self._stirred = False
        self._enter(changed, now)

    def _enter(self, names: Iterable[str], now: int) -> None:
        for name in sorted(names):
            self._agenda.enter(name, now)

    async def _see_to(self, name: str) -> None:
        if not self.starts and name not in self._lookout.under_way:
            return
        facts = self._lookout.facts(name)
        decision = decide(facts, now := self._clock())
        if decision.version is not None and decision.act is Act.START:
            unfit = await self._fit(name, decision.version)
            self._catch_up(now)  # that may have taken long
            if self._lookout.facts(name) != facts:
                self._enter((name,), now)
                return
            decision = decide(attrs.evolve(facts, unfit=unfit), now := self._clock())
        self._agenda.enter(name, decision.until)
        if decision.act is Act.START:
            await self._start(decision, now)
        elif decision.act is not Act.NOTHING:
            await self._post(decision, now)

    async def _start(self, decision: Decision, now: int) -> None:
        name, version = decision.scale_set, decision.version
        assert version is not None
        charter = draw_up(
            self._lookout.scale_set(name),
            version,
            run=name_of_run(name, self._journal.run_count(name) + 1),
            started_by=StartedBy.PLATFORM,
        )
        try:
            await self._host.start(charter)
        except RunActive as faster:
            self._lookout.began(name, faster.run)
        else:
            self._lookout.began(name, charter.run)
            self._told(Carried(at=now, decision=decision, run=charter.run))
        self._agenda.enter(name, now)

    async def _post(self, decision: Decision, now: int) -> None:
        turns = self._journal.run(decision.run).turns  # once for each state of the run
        key = f"schedule/{decision.act}/{turns}"
        with contextlib.suppress(NothingRunning):
            if await self._host.post(decision.run, _EVENTS[decision.act](now), key):
                self._told(Carried(at=now, decision=decision, run=decision.run))


def _matters(run: Run) -> tuple[object, ...]:
    """What the schedule asks of a run."""
    counts = run.counts
    return run.state in TERMINAL, counts.stop, counts.shut, counts.deferred


_EVENTS: Final[dict[Act, Callable[[int], Event]]] = {
    Act.OPT_OUT: lambda at: Cancel(at, Cause.OPTED_OUT),
    Act.STOP: lambda at: Cancel(at, Cause.USER),
    Act.SHUT: Shut,
    Act.REOPEN: Reopen,
}
"""What is handed in for each act."""
