"""The providers of the runs that one process hosts."""

from __future__ import annotations

import asyncio

from rollproof.adapters.local import LocalFleet
from rollproof.installation.sets import Sets
from rollproof.journal import Journal


class Providers:
    """Gives each run the provider of its set, as the set is declared when the run is taken
    up; the image is the run's own, which the model may have left since (R1.5)."""

    def __init__(self, journal: Journal, sets: Sets) -> None:
        self._journal = journal
        self._sets = sets
        self._current: dict[str, LocalFleet] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def take_up(self, scale_set: str) -> LocalFleet:
        """A new provider for the run of a set that is under way; that of an earlier run is
        let go.  Raises UnknownScaleSet."""
        active = self._journal.active_run(scale_set)
        image = "" if active is None else active.charter.image
        fresh = self._sets.fleet(scale_set, image)
        if (earlier := self._current.get(scale_set)) is not None:
            closing = asyncio.create_task(earlier.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._current[scale_set] = fresh
        return fresh

    def current(self, scale_set: str) -> LocalFleet:
        """The provider of the run that was taken up last."""
        return self._current[scale_set]

    async def aclose(self) -> None:
        """Let go of all of them.  The instances run on."""
        for fleet in self._current.values():
            await fleet.aclose()
        if self._closing:
            await asyncio.wait(self._closing)
