"""The runs of an installation: opened, found again, told something."""

from __future__ import annotations

import uuid
from datetime import timedelta

import attrs

from rollproof.charter import Charter
from rollproof.errors import HomeInUse, NothingRunning, RunActive, UnknownRun
from rollproof.events import Event
from rollproof.history import MONTHS, Filter, prunable
from rollproof.host import Home, status_of, wall_clock
from rollproof.images import ImageVersion
from rollproof.installation.sets import Sets
from rollproof.installation.terms import months_before
from rollproof.journal import Journal
from rollproof.journal.journal import RunRecord
from rollproof.moments import MILLISECOND
from rollproof.status import RunStatus


@attrs.frozen
class Pruned:
    """What `prune` removed, or would remove."""

    runs: tuple[RunStatus, ...]
    """Their lines stay in the history."""
    events: int
    dry_run: bool
    """Nothing was removed: it was only asked for."""
    shrunk: bool
    """Whether the file gave the space back.  It does not while a process hosts; events to
    come use the space then."""


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
        return self._journal.run_count(scale_set) + 1

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

    def history(self, scale_set: str, asked: Filter) -> tuple[RunStatus, ...]:
        """The runs of a set, newest first (R7.1).  Raises UnknownScaleSet."""
        self._sets.get(scale_set)
        recent = months_before(wall_clock(), MONTHS)
        return asked.of(map(status_of, self._journal.history(scale_set)), recent)

    def prune(
        self, scale_set: str | None, older_than: timedelta, keep: int, *, dry_run: bool
    ) -> Pruned:
        """Remove the events of old runs, of one set or of all.  Raises UnknownScaleSet."""
        names = list(self._sets.all()) if scale_set is None else [scale_set]
        now = wall_clock()
        before = now - older_than // MILLISECOND
        found: list[RunRecord] = []
        for name in names:
            self._sets.get(name)
            found += prunable(self._journal.history(name), before, keep)
        if dry_run or not found:
            events = sum(each.turns for each in found)
            return Pruned(tuple(map(status_of, found)), events, dry_run, False)
        events = self._journal.prune([each.charter.run for each in found], now)
        records = (self._journal.run(each.charter.run) for each in found)
        gone = tuple(status_of(each) for each in records if each.pruned_at is not None)
        return Pruned(gone, events, dry_run, self._shrink())

    def _shrink(self) -> bool:
        """Give the space back, unless a process hosts: it must not be kept waiting."""
        try:
            lock = self._home.lock()
        except HomeInUse:
            return False
        try:
            self._journal.shrink()
        finally:
            lock.release()
        return True

    def hand_in(self, run: str, event: Event) -> bool:
        """Give the run an event; whether a process hosts it and will work it in."""
        self._journal.post(run, event, uuid.uuid4().hex)
        try:
            self._home.lock().release()
        except HomeInUse:
            return True
        return False
