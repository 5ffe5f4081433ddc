"""The runs of an installation: opened, found again, told something."""

from __future__ import annotations

import uuid

from rollproof.charter import Charter
from rollproof.errors import HomeInUse, NothingRunning, RunActive, UnknownRun
from rollproof.events import Event
from rollproof.host import Home, wall_clock
from rollproof.images import ImageVersion
from rollproof.installation.sets import Sets
from rollproof.installation.terms import MONTHS, SHOWN, months_before
from rollproof.journal import Journal
from rollproof.journal.journal import RunRecord


class Runs:
    """What the journal knows of runs, and what can be asked of them from any process."""

    def __init__(self, home: Home, journal: Journal, sets: Sets) -> None:
        self._home = home
        self._journal = journal
        self._sets = sets

    def open(self, charter: Charter) -> str:
        """Enter a new run, for whoever hosts.  Raises RunActive (R4.9)."""
        self._journal.open_run(charter, wall_clock())
        return charter.run

    def number(self, scale_set: str) -> int:
        """The number of the next run of a set."""
        return len(self._journal.history(scale_set)) + 1

    def under_way(self, scale_set: str, to: str | None, rollback: bool | None) -> str | None:
        """The run of the set that is under way, if there is one.

        Raises RunActive when it is on other terms than these (R4.9).
        """
        active = self._journal.active_run(scale_set)
        if active is None:
            return None
        charter = active.charter
        other_version = to is not None and not ImageVersion.parse(to).spelled_by(charter.target)
        other_rollback = rollback is not None and int(rollback) != charter.limits.rollback
        if other_version or other_rollback:
            raise RunActive(charter.scale_set, charter.run)
        return charter.run

    def active(self, scale_set: str) -> str:
        """The run under way.  Raises UnknownScaleSet, NothingRunning."""
        self._sets.get(scale_set)
        active = self._journal.active_run(scale_set)
        if active is None:
            raise NothingRunning(scale_set)
        return active.charter.run

    def record(self, name: str) -> RunRecord | None:
        """The latest run of the set, or the run of this id, which may leave out what
        stands after its number.  Raises UnknownScaleSet, UnknownRun."""
        if "." not in name:  # in every run's name, and in no set's
            self._sets.get(name)
            return next(iter(self._journal.history(name)), None)
        return self._journal.run(self.named(name))

    def named(self, name: str) -> str:
        """The whole id of a run, which may leave out what stands after its number.  Raises
        UnknownRun."""
        try:
            return self._journal.run(name).charter.run
        except UnknownRun as error:
            short = [run for run in error.known if run.rpartition("-")[0] == name]
            if len(short) != 1:
                raise
            return short[0]

    def rollback_of(self, name: str) -> str | None:
        """The run under way that takes this one back.  Raises UnknownRun."""
        undone = self._journal.run(self.named(name)).charter
        active = self._journal.active_run(undone.scale_set)
        undo = None if active is None else active.charter.undo
        if active is None or undo is None or undo.run != undone.run:
            return None
        return active.charter.run

    def history(self, scale_set: str, *, everything: bool) -> tuple[RunRecord, ...]:
        """The runs of a set, newest first (R7.1).  Raises UnknownScaleSet."""
        self._sets.get(scale_set)
        records = self._journal.history(scale_set)
        if everything:
            return records
        since = months_before(wall_clock(), MONTHS)
        return tuple(each for each in records if each.opened_at >= since)[:SHOWN]

    def hand_in(self, run: str, event: Event) -> bool:
        """Give the run an event; whether a process hosts it and will work it in."""
        self._journal.post(run, event, uuid.uuid4().hex)
        try:
            self._home.lock().release()
        except HomeInUse:
            return True
        return False
