"""A thread that keeps one outlet fed from the journal.

The journal is the queue: nothing is kept in memory that could be lost, and a host never
waits for an outlet.  Whatever goes wrong in here is logged and goes no further.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from rollproof.errors import RollproofError
from rollproof.installation.observing.lines import Dropped
from rollproof.installation.observing.outlet import Later, Outlet
from rollproof.installation.observing.place import Place
from rollproof.installation.observing.tap import Tap, Told
from rollproof.journal import Journal

log = logging.getLogger("rollproof.observing")

POLL: Final = 0.1
"""Seconds between two looks into the journal."""


@attrs.frozen(kw_only=True)
class Backoff:
    """How long to wait before an outlet that refused is told again: exponential, with
    jitter, so that many senders do not come back at once.  Seconds."""

    first: float = 1.0
    last: float = 60.0
    chance: Callable[[], float] = random.random
    """From 0 to 1."""

    def pause(self, attempt: int) -> float:
        """Between half of and all of ``first``, doubled with each attempt from 0."""
        whole = min(self.last, self.first * 2.0 ** min(attempt, 60))
        return whole * (0.5 + 0.5 * self.chance())


@attrs.frozen
class Standing:
    """How an outlet fares."""

    outlet: str
    told: int
    """Events it took since it was opened here."""
    dropped: int
    """Events it was told of only as dropped."""
    waiting: int
    """Events recorded and not taken."""
    error: str
    """What went wrong last; empty once it took something again."""


class Feed:
    """Keeps one outlet fed until it is closed."""

    def __init__(
        self,
        outlet: Outlet,
        journal: Path,
        place: Place,
        kept: Path | None,
        backoff: Backoff | None = None,
    ) -> None:
        """Begins at ``place``, which is kept in a file, if one is named."""
        self._outlet = outlet
        self._journal = journal
        self._place = place
        self._kept = kept
        self._backoff = backoff or Backoff()
        self._reached = dict(place.taken)
        self._dropped: dict[str, Dropped] = {}
        self._told = self._skipped = self._left = 0
        self._error = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=outlet.name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Have it end once it has told everything, or an attempt fails."""
        self._closing.set()

    def join(self, seconds: float) -> Standing:
        """Give it this long to end.  A receiver that takes longer keeps its thread, which
        ends with the process; it is told again next time."""
        self._thread.join(seconds)
        return Standing(self._outlet.name, self._told, self._skipped, self._left, self._error)

    # -- in the thread

    def _run(self) -> None:
        try:
            with Journal(self._journal, read_only=True) as journal:
                if self._insist(self._outlet.opens, again=True):
                    self._feed(Tap(journal, self._place), journal)
        except Exception as error:
            log.exception("%s: is told nothing more", self._outlet.name)
            self._error = str(error)
        finally:
            self._outlet.close()

    def _feed(self, tap: Tap, journal: Journal) -> None:
        while True:
            last = self._closing.is_set()
            self._pump(tap, journal)
            if last:
                self._left = tap.waiting(self._place.taken)
                return
            self._closing.wait(POLL)

    def _pump(self, tap: Tap, journal: Journal) -> None:
        """Tell what is new, batch by batch; to be called again if it was closed."""
        for batch in _batches(tap.news(), self._outlet.at_once):
            if not self._deliver(tap, batch):
                return
            if not self._dropped:
                self._settle(journal)

    def _deliver(self, tap: Tap, batch: list[Told]) -> bool:
        """Have a batch taken, or dropped because too many wait; False when closed."""
        if self._too_many(tap):
            self._drop(batch)
            return True

        def takes() -> None:
            self._outlet.takes(batch, tuple(self._dropped.values()))

        lasting = self._outlet.lasting
        if not self._insist(takes, again=lasting, unless=lambda: self._too_many(tap)):
            if self._closing.is_set():
                return False
            self._drop(batch)
            return True
        self._reach(batch)
        self._told += sum(not told.happening.past for told in batch)
        self._dropped.clear()
        return True

    def _insist(
        self,
        act: Callable[[], None],
        *,
        again: bool,
        unless: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Try until it succeeds; False when closed, or for the reason given.  Unless
        ``again``, it is tried once, and a failure passed over."""
        attempt = 0
        while True:
            last = self._closing.is_set()
            try:
                act()
            except Exception as error:
                self._complain(error)
                if not again:
                    return True
                wish = error.seconds if isinstance(error, Later) else 0.0
            else:
                self._recovered()
                return True
            if last or unless():
                return False
            self._closing.wait(max(wish, self._backoff.pause(attempt)))
            attempt += 1

    def _complain(self, error: Exception) -> None:
        """Once, until it recovers: a log is not to be filled with repetitions."""
        if not self._error:
            known = isinstance(error, Later | OSError | RollproofError)
            log.warning("%s: %s", self._outlet.name, error, exc_info=None if known else error)
        self._error = str(error) or type(error).__name__

    def _recovered(self) -> None:
        if self._error:
            log.warning("%s: goes on", self._outlet.name)
            self._error = ""

    # -- what is told, and what is dropped

    def _too_many(self, tap: Tap) -> bool:
        backlog = self._outlet.backlog
        return backlog is not None and tap.waiting(self._reached) > backlog

    def _drop(self, batch: list[Told]) -> None:
        """Not told; it is told that, with whatever is told next."""
        for told in batch:
            if not told.happening.past:
                seq, before = told.happening.seq, self._dropped.get(told.run)
                first = before.first if before else seq
                scale_set = told.happening.after.charter.scale_set
                self._dropped[told.run] = Dropped(told.run, scale_set, first, seq)
                self._skipped += 1
        self._reach(batch)
        log.warning("%s: too many events wait, so the oldest are dropped", self._outlet.name)

    def _reach(self, batch: list[Told]) -> None:
        for told in batch:
            seq = max(told.happening.seq, self._reached.get(told.run, 0))
            self._reached[told.run] = seq

    def _settle(self, journal: Journal) -> None:
        """Everything reached was taken: note it.  Where that cannot be written it is told
        again after a restart."""
        self._place.taken.update(self._reached)
        self._place.settle(self._place.runs(journal))
        self._reached = dict(self._place.taken)
        if self._kept is not None:
            try:
                self._place.save(self._kept)
            except OSError as error:
                self._complain(error)


def _batches(stream: Iterator[Told], size: int) -> Iterable[list[Told]]:
    while batch := list(islice(stream, size)):
        yield batch
