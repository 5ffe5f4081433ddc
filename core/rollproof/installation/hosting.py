"""Keeping a run alive: host it here, or follow whoever does, and take over from them.

One process hosts at a time, the one that holds the home's lock; it hosts every run that
is under way there.  The kernel lets go of the lock when its holder dies, so whoever
waits for a run sees that nobody hosts it any more, and does so itself.
"""

from __future__ import annotations

import asyncio
import contextlib

import attrs

from rollproof.errors import HomeInUse, NotFound
from rollproof.events import Observed
from rollproof.fleet import Health
from rollproof.host import EmbeddedHost, Home, HomeLock, status_of, wall_clock
from rollproof.host.embedded import POLL
from rollproof.installation.following import Audience, Follower, Happening
from rollproof.installation.interrupts import interrupts
from rollproof.installation.keeper import Keeper
from rollproof.installation.lookout import Lookout, nowhere
from rollproof.installation.providers import Providers
from rollproof.installation.sets import Sets
from rollproof.installation.together import until_one_ends
from rollproof.journal import Journal, Turned
from rollproof.states import TERMINAL
from rollproof.status import RunStatus

NOBODY = "hosted by nobody: `rollproof run` goes on with it"
ASK = 1.0
"""Seconds between two questions to an unhealthy instance."""
ASKED_AT_ONCE = 8
ILL = (Health.UNHEALTHY, Health.UNKNOWN)
"""What an instance is asked about."""
TICK = 0.25
"""Seconds between two looks at the clock by those who follow."""


@attrs.frozen
class Ended:
    """How `run`, `watch` or `cancel` came to its end."""

    status: RunStatus
    """Of the run, as it stands."""
    interrupted: int | None = None
    """The signal that ended the waiting, not the run; it can be resumed."""


class Waiting:
    """Waits for one run to end.  `alive` also keeps it going; `watched` only looks."""

    def __init__(
        self, home: Home, journal: Journal, sets: Sets, run: str, audience: Audience
    ) -> None:
        self._home = home
        self._journal = journal
        self._providers = Providers(journal, sets)
        self._run = run
        self._audience = audience
        self._follower = Follower(journal, run)
        self._host: EmbeddedHost | None = None
        self._keeper: Keeper | None = None
        self._seq = 0
        self._interrupted: int | None = None
        self._stop = asyncio.Event()
        self._latest = self._follower.run
        self._questions: dict[str, asyncio.Task[None]] = {}

    async def alive(self) -> Ended:
        """Have the run hosted, by us if by nobody else, until it ends."""
        return await self._until_ended(hosting=True)

    async def watched(self) -> Ended:
        """Look on until the run ends, whoever hosts it."""
        return await self._until_ended(hosting=False)

    async def _until_ended(self, *, hosting: bool) -> Ended:
        self._audience.begins(self._follower.run)
        self._catch_up(past=True)
        with interrupts(self._interrupt):
            ticking = asyncio.create_task(self._tick())
            try:
                await self._wait(hosting=hosting)
            finally:
                for task in (ticking, *self._questions.values()):
                    task.cancel()
                await self._providers.aclose()
        return Ended(status_of(self._journal.run(self._run)), self._interrupted)

    async def _wait(self, *, hosting: bool) -> None:
        said = ""
        while not self._over():
            lock, holder = self._try_lock()
            if lock is not None:
                try:
                    if hosting:
                        if said:
                            self._audience.notes(f"{said} no more, so hosted here now")
                        await self._serve()
                        return
                finally:
                    lock.release()
            now_said = f"hosted by {holder}" if holder else NOBODY
            if now_said != said:
                said = now_said
                self._audience.notes(said)
            # Not `wait_for`: in Python 3.11 it may lose the cancellation of this very task.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._stop.wait()
            self._catch_up()

    def _over(self) -> bool:
        return self._follower.run.state in TERMINAL or self._stop.is_set()

    def _try_lock(self) -> tuple[HomeLock | None, str]:
        """The lock, or else who holds it."""
        try:
            return self._home.lock(), ""
        except HomeInUse as error:
            return None, error.owner

    def _catch_up(self, *, past: bool = False) -> None:
        for happening in self._follower.news(past=past):
            self._audience.hears(happening)

    async def _serve(self) -> None:
        """Host all that is under way until our run has ended, and keep its gates: windows,
        opting out and the stop-all switch.  Nothing is begun."""
        self._catch_up()  # what the host before us recorded last
        if self._over():
            return
        self._seq = self._follower.seq
        self._host = EmbeddedHost(
            self._journal,
            self._providers.take_up,
            observers=[self._turned, self._hears_keeper],
        )
        lookout = Lookout(self._journal, nowhere, idle=False)
        self._keeper = Keeper(
            self._host, self._journal, lookout, clock=wall_clock, starts=False
        )
        try:
            await until_one_ends(self._host.serve(), self._keeper.keep(POLL))
        finally:
            self._host = None

    def _hears_keeper(self, turned: Turned) -> None:
        if self._keeper is not None:
            self._keeper.hears(turned)

    def _turned(self, turned: Turned) -> None:
        if turned.after.charter.run != self._run:
            return
        if turned.after.state in TERMINAL and self._host is not None:
            self._host.stop()
        self._seq += 1  # every event of the run is heard here, in the journal's order
        self._audience.hears(
            Happening(
                turned.before,
                turned.event,
                turned.after,
                turned.rows,
                past=False,
                seq=self._seq,
                commands=turned.commands,
            )
        )

        self._latest = turned.after
        match turned.event:
            case Observed(instance=seen) if seen.health in ILL:
                if seen.id not in self._questions and len(self._questions) < ASKED_AT_ONCE:
                    self._questions[seen.id] = asyncio.create_task(self._ask(seen.id))
            case _:
                pass

    async def _ask(self, instance: str) -> None:
        """Ask an unhealthy instance what is wrong, for people to read, as long as the run
        gives it time."""
        fleet = self._providers.current(self._latest.charter.scale_set)
        with contextlib.suppress(NotFound):  # it vanished
            while self._latest.ledger.phase_of(instance) == "awaiting":
                if answer := await fleet.words(instance):
                    self._audience.finds(instance, answer)
                await asyncio.sleep(ASK)
        del self._questions[instance]

    async def _tick(self) -> None:
        while True:
            self._audience.ticks(wall_clock())
            await asyncio.sleep(TICK)

    def _interrupt(self, number: int) -> None:
        self._interrupted = number
        self._stop.set()
        if self._host is not None:
            self._host.stop()
