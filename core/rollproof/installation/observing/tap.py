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
from rollproof.journal import Journal


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
        records = self._place.runs(self._journal)
        for known in (self._before, self._read):  # what is over is never asked for again
            for run in known.keys() - {each.charter.run for each in records}:
                del known[run]
        for record in records:
            run = record.charter.run
            ended = record.closed_at is not None
            read = self._read.get(run, self._before.get(run, 0) if ended else 0)
            if read < record.turns:
                yield from self._follow(run, record.charter.scale_set)
            if ended:
                self._following.pop(run, None)

    def waiting(self, reached: Mapping[str, int]) -> int:
        """How many events are recorded beyond those reached."""
        records = self._place.runs(self._journal)
        return sum(max(0, each.turns - reached.get(each.charter.run, 0)) for each in records)

    def _follow(self, run: str, scale_set: str) -> Iterator[Told]:
        if run not in self._following:
            follower = Follower(self._journal, run)
            self._following[run] = follower, Reasons(self._health(scale_set))
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
