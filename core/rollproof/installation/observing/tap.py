"""The events of all runs of a journal, read on: in order within each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from rollproof.document import loads
from rollproof.health import HealthSource
from rollproof.installation.following import Follower, Happening
from rollproof.installation.observing.lines import event_line
from rollproof.installation.observing.place import Place
from rollproof.installation.reasons import Reasons
from rollproof.journal import Journal, RunMark


@attrs.frozen
class Told:
    """One event, for an outlet."""

    happening: Happening
    """It is past when it had been taken before the tap was opened."""
    line: Mapping[str, Any]
    """As it is spelled."""

    @property
    def run(self) -> str:
        """The run it belongs to."""
        return self.happening.after.charter.run

    @property
    def why(self) -> str:
        """Why its instance failed; empty when it did not."""
        return str(self.line.get("why", ""))


class Tap:
    """Reads a journal from a place on, by a connection that nothing is written by, for
    what is written by it is no news to it.

    The events of a run under way are read from its first one, since they make the run
    what it is; those taken before are past.
    """

    def __init__(self, journal: Journal, place: Place) -> None:
        self._journal = journal
        self._place = place
        self._before = dict(place.taken)
        self._read: dict[str, int] = {}
        self._version: int | None = None
        self._following: dict[str, tuple[Follower, Reasons]] = {}

    def news(self) -> Iterator[Told]:
        """What was recorded since the last call; to be read to its end.

        Raises `DamagedJournal` when the record is not what the table makes of it.
        """
        version = self._journal.version()
        if version == self._version:
            return
        self._version = version
        marks = self._place.runs(self._journal)
        for known in (self._before, self._read):  # what is over is never asked for again
            for run in known.keys() - {each.run for each in marks}:
                del known[run]
        for mark in marks:
            read = self._read.get(mark.run, self._before.get(mark.run, 0) if mark.ended else 0)
            if read < mark.turns:
                yield from self._follow(mark)
            if mark.ended:
                self._following.pop(mark.run, None)

    def waiting(self, reached: Mapping[str, int]) -> int:
        """How many events are recorded beyond those reached."""
        marks = self._place.runs(self._journal)
        return sum(max(0, each.turns - reached.get(each.run, 0)) for each in marks)

    def _follow(self, mark: RunMark) -> Iterator[Told]:
        run = mark.run
        if run not in self._following:
            follower = Follower(self._journal, run)
            self._following[run] = follower, Reasons(self._health(mark.scale_set))
        follower, reasons = self._following[run]
        before = self._before.get(run, 0)
        for happening in follower.news(past=True):
            reasons.hears(happening)
            self._read[run] = happening.seq
            if happening.seq > before:
                happening = attrs.evolve(happening, past=False)  # noqa: PLW2901  # the same event
            yield Told(happening, event_line(happening, reasons))

    def _health(self, scale_set: str) -> HealthSource | None:
        """The probe of a set, for the words of a failure."""
        for each in self._journal.declared():
            if each.name == scale_set:
                return loads(each.document, path=each.name).health
        return None
