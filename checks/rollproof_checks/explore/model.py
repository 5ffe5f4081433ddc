"""What is explored: a fleet, a policy, and how much the world may do to them.

Bounds live here and not in the table, each with its reason.  What needs no bound:

* *Crash and restart at any point* change no count: a run is its journal replayed, and
  replay is exact.  That is shown on the shipped step (``conform``).
* *Stale, late and repeated reports* take no row (S13): they are stutters of the table.
  Shown there too.
* *Deadlines* are rows: ``fail``, ``replace_failed``, ``survey_overdue`` and their like may
  be taken whenever what they end is waited for, so every order of time is included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

import attrs

from rollproof.counts import EMPTY, Counts, Limits
from rollproof.table import Row


class By(StrEnum):
    """What a state of the search is."""

    COUNTERS = "counters"
    """State and counts: exactly what the rules see."""
    INSTANCE = "instance"
    """State, registers and the phase of each instance: what the counts abstract from."""
    READ = "read"
    """State and merged counts: what may change at any moment is chosen when it is read
    (see `rollproof_checks.explore.reading`)."""


@attrs.frozen(kw_only=True)
class Bound:
    """Rows that may be taken so many times in a run, and no more."""

    rows: tuple[str, ...]
    """Names, or patterns of names."""
    most: int = 0
    why: str

    def covers(self, row: Row) -> bool:
        """Whether the row is bounded by this."""
        return any(fnmatchcase(row.name, pattern) for pattern in self.rows)


@attrs.frozen(kw_only=True)
class Waiver:
    """Rows that are never taken in a model, or properties that it does not put to the
    test, though nothing bounds them: what the policy or the fleet excludes."""

    names: tuple[str, ...]
    why: str

    def covers(self, name: str) -> bool:
        """Whether the row or property is waived."""
        return any(fnmatchcase(name, pattern) for pattern in self.names)


@attrs.frozen(kw_only=True)
class Model:
    """One question for the explorer."""

    name: str
    instances: int
    """The set starts with so many, all pending and healthy, and never has more: a larger
    set is another model.  Within that, instances appear and vanish without bound."""
    limits: Limits[int]
    by: By = By.COUNTERS
    initial: Counts[int] | None = None
    """Another start, in Idle."""
    bounds: tuple[Bound, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @property
    def start(self) -> Counts[int]:
        """The counts in Idle."""
        return self.initial or EMPTY._replace(pending_healthy=self.instances)

    def bound(self, row: Row) -> Bound | None:
        """The first bound that covers the row."""
        return next((bound for bound in self.bounds if bound.covers(row)), None)

    def playable(self, rows: Iterable[Row]) -> Sequence[Row]:
        """The rows that this model lets be taken at all."""
        kept = ((row, self.bound(row)) for row in rows)
        return tuple(row for row, bound in kept if bound is None or bound.most > 0)

    def waived(self, name: str, rows: Iterable[Row] = ()) -> str:
        """Why a row need not be taken, or a property not be tested; empty if it must."""
        for row in rows:
            bound = self.bound(row)
            if row.name == name and bound is not None:
                return bound.why
        return next((waiver.why for waiver in self.waivers if waiver.covers(name)), "")
