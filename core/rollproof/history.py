"""Which runs of the past are shown, and which are kept (R7.1).

Laws
----
* Runs come newest first, and stay so.
* By default the last 5 of the past 2 months are shown.  A run has to match every part of
  a filter; the newest of those that do are shown, so many as the limit says.
* A bound of time replaces the 2 months, a limit replaces the 5; ``everything`` lifts both.
* A run under way is never pruned, nor is one of the newest that are to be kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

import attrs

from rollproof.charter import StartedBy
from rollproof.errors import InvalidFields, Problem
from rollproof.states import Cause
from rollproof.status import RunningStatus, RunStatus

SHOWN: Final = 5
"""Runs in a history, unless more are asked for (R7.1)."""
MONTHS: Final = 2
"""How far it goes back (R7.1)."""


@attrs.frozen(kw_only=True)
class Filter:
    """Which runs of a set are asked for.  Raises `InvalidFields` for a limit below 1, or
    bounds that no run can keep."""

    everything: bool = False
    """Neither the last 5 only, nor the past 2 months only."""
    status: frozenset[RunningStatus] = frozenset()
    """Any of these; empty: whatever it is."""
    cause: frozenset[Cause] = frozenset()
    """Likewise."""
    target: str | None = None
    """The image version it goes to, spelled as the history does."""
    started_by: StartedBy | None = None
    since: int | None = None
    """Started then or later; milliseconds since the Unix epoch."""
    until: int | None = None
    """Started before then."""
    limit: int | None = None
    """The newest so many."""

    def __attrs_post_init__(self) -> None:
        problems = []
        if self.limit is not None and self.limit < 1:
            problems.append(Problem("limit", str(self.limit), "1 or more", "R7.1"))
        if self.since is not None and self.until is not None and self.since >= self.until:
            problems.append(
                Problem("until", str(self.until), f"later than since, {self.since}", "R7.1")
            )
        if problems:
            raise InvalidFields(tuple(problems))

    def admits(self, run: RunStatus) -> bool:
        """Whether the run is one of those asked for, its age and number apart."""
        return (
            (not self.status or run.running_status in self.status)
            and (not self.cause or run.cause in self.cause)
            and self.target in (None, run.target)
            and self.started_by in (None, run.started_by)
            and (self.since is None or run.started_at >= self.since)
            and (self.until is None or run.started_at < self.until)
        )

    def of(self, runs: Iterable[RunStatus], recent: int) -> tuple[RunStatus, ...]:
        """The runs asked for, of ``runs``, newest first.  ``recent`` is the moment before
        which a run is shown only if asked for."""
        timed = self.everything or self.since is not None or self.until is not None
        found = [run for run in runs if self.admits(run)]
        if not timed:
            found = [run for run in found if run.started_at >= recent]
        limit = self.limit or (None if self.everything else SHOWN)
        return tuple(found[:limit])


class Kept(Protocol):
    """What retention asks of a run."""

    @property
    def closed_at(self) -> int | None:
        """When it ended; None: it is under way."""
        ...

    @property
    def pruned_at(self) -> int | None:
        """When its events were removed; None: they are there."""
        ...


K = TypeVar("K", bound=Kept)


def prunable(runs: Iterable[K], before: int, keep: int) -> tuple[K, ...]:
    """The runs of one set whose events may go: ended before that moment, and not among
    the newest ``keep`` of the set.  ``runs`` are newest first.

    Raises `InvalidFields` when ``keep`` is negative.
    """
    if keep < 0:
        raise InvalidFields((Problem("keep", str(keep), "0 or more", "R7.1"),))
    return tuple(
        run
        for run in list(runs)[keep:]
        if run.closed_at is not None and run.closed_at < before and run.pruned_at is None
    )
