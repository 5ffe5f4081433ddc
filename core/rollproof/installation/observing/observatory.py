"""All outlets of a home, fed by one process at a time.

Whoever holds the lock feeds them; others wait for it, and take over when it is let go
of, as those who follow a run do with hosting it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rollproof.errors import HomeInUse
from rollproof.host import Home, HomeLock, wall_clock
from rollproof.installation.observing.feed import Backoff, Feed, Standing
from rollproof.installation.observing.outlet import Outlet
from rollproof.installation.observing.place import Place
from rollproof.journal import Journal

log = logging.getLogger("rollproof.observing")

LOCK: Final = "observe.lock"
LOOK: Final = 1.0
"""Seconds between two tries to take over."""
GRACE: Final = 5.0
"""Seconds that the outlets get at the end to take what is left."""


class Observatory:
    """Feeds outlets while it is open."""

    def __init__(
        self,
        home: Home,
        outlets: Sequence[Outlet],
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """``clock`` is the one by which runs are opened."""
        self._home = home
        self._clock = clock
        self._outlets = tuple(outlets)
        self._backoff = backoff
        self._feeds: list[Feed] = []
        self._lock: HomeLock | None = None
        self._closing = threading.Event()
        self._waiting: threading.Thread | None = None

    def open(self, journal: Journal) -> None:
        """Begin; raises `HomeInUse` while another process feeds the outlets."""
        self._lock = self._home.lock(LOCK)
        try:
            places = [(each, self._place(each, journal)) for each in self._outlets]
        except BaseException:
            self._lock.release()
            raise
        for outlet, place in places:
            kept = self._kept(outlet)
            feed = Feed(outlet, self._home.journal, place, kept, self._backoff)
            self._feeds.append(feed)
            feed.start()

    def open_in_turn(self, journal: Journal) -> None:
        """Begin now, or as soon as nobody else feeds the outlets."""
        try:
            self.open(journal)
        except HomeInUse:
            self._waiting = threading.Thread(target=self._wait, name="observatory", daemon=True)
            self._waiting.start()

    def close(self, grace: float = GRACE) -> tuple[Standing, ...]:
        """Have the outlets take what is left, as long as that is quick, and end."""
        self._closing.set()
        if self._waiting is not None:
            self._waiting.join()
        for feed in self._feeds:
            feed.close()
        deadline = time.monotonic() + grace
        ended = [feed.join(max(0.0, deadline - time.monotonic())) for feed in self._feeds]
        if self._lock is not None:
            self._lock.release()
        return tuple(ended)

    def _place(self, outlet: Outlet, journal: Journal) -> Place:
        kept = self._kept(outlet)
        if kept is None:
            return Place.present(journal, self._clock())
        return Place.load(kept, journal, self._clock())

    def _kept(self, outlet: Outlet) -> Path | None:
        """The file that keeps the place of a lasting outlet."""
        return self._home.places / f"{outlet.name}.json" if outlet.lasting else None

    def _wait(self) -> None:
        while not self._closing.wait(LOOK):
            try:
                with Journal(self._home.journal, read_only=True) as journal:
                    self.open(journal)
            except HomeInUse:
                continue
            except Exception:
                log.exception("the outlets are told nothing")
            return
