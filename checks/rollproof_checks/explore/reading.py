"""Merged counts: what may change at any moment is chosen when it is read.

Much of what a state holds cannot be told by what can follow from it, since it may change,
unasked, before anything reads it.  So a merged state leaves open

* the *health* of every instance that nothing is being done to: flips are always enabled;
* whether the run is *held*: an operator may pause and resume at any moment;
* *how far a batch has come*: which of the places that it may still fill are claimed, and
  which of the claimed disks are replaced, since claiming and replacing go on by themselves
  and are read only where the batch ends;
* *how far a restoring has come*, and how it went, likewise; one bit says whether any failed
  instance is still owed its disk;
* the *slack*: it bounds the healthy instances of a batch, and whether an instance is
  healthy is chosen when it is claimed.

`Reading.members` gives, for each merged state, the few counts on which the rows of the
table find every merged state that can follow.  The merging is exact: a merged state is
reached if and only if a state is that it merges, which the tests show by brute force for
small fleets and many policies.  It is so for the shipped table, and for fleets whose
members stay and runs that are not forced; a model has to bound the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import numpy as np

from rollproof.algebra import ite
from rollproof.counts import (
    EMPTY,
    PHASES,
    Counts,
    Limits,
    whole,
)
from rollproof.rules import share
from rollproof.states import State
from rollproof.table import Row
from rollproof_checks.explore.encodings import Change, Move
from rollproof_checks.explore.layout import Column
from rollproof_checks.explore.model import Model


class Merged(NamedTuple):
    """A merged state: counts, then registers as they are."""

    waiting: Any
    """Instances that nothing was decided of: pending, replacing, awaiting."""
    upgraded: Any
    lost: Any
    """Failed, be they restored, or being restored, or not."""
    skipped: Any
    places: Any
    """Places of the batch, claimed or not, that nothing was decided of."""
    owing: Any
    """1 while some failed instance was not restored."""
    view: Any
    """0 where no gate stands, since nothing reads it there; so for ``gated``."""
    gated: Any
    stop: Any
    cap: Any


KEPT: Final = ("view", "gated", "stop", "cap")

OUT_OF_REACH: Final = (
    "appear_*",
    "vanish_*",
    "exempt_*",
    "enlist_*",
    "force",
    "abandon_*",
    "shut",
)
"""Rows that a model must bound."""


FLYING: Final = ("replacing", "awaiting")
OWED: Final = ("failed_healthy", "failed_unhealthy", "restoring", "recovering")

UNDONE: Final = tuple(name for name in PHASES if name.startswith(("restored", "unrestored")))

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "waiting": ("pending_healthy", "pending_unhealthy", *FLYING),
    "upgraded": ("upgraded_healthy", "upgraded_unhealthy"),
    "lost": (
        *OWED,
        *(f"{u}restored_{s}" for u in ("", "un") for s in ("healthy", "unhealthy")),
    ),
    "skipped": ("skipped_healthy", "skipped_unhealthy"),
    "places": ("room", *FLYING),
    "owing": OWED,
    **{name: (name,) for name in KEPT},
}
"""What each field is the sum of."""

CELLS: Final = tuple(
    tuple(Counts._fields.index(name) for name in SOURCES[field]) for field in Merged._fields
)
GATED: Final = tuple(Merged._fields.index(name) for name in ("view", "gated"))
OWING: Final = Merged._fields.index("owing")


def merged(state: State, c: Counts[Any]) -> Merged:
    """The merged state of counts."""
    return Merged(*(_field(at, state, c) for at in range(len(Merged._fields))))


def _field(at: int, state: State, c: Counts[Any]) -> Any:
    if at in GATED and state is not State.PRECHECKING:
        return 0
    first, *others = (c[cell] for cell in CELLS[at])
    total = sum(others, first)
    return ite(total > 0, 1, 0) if at == OWING else total


class ByReading:
    """The fields are merged counts."""

    def __init__(self, model: Model, rows: Sequence[Row]) -> None:
        for row in rows:
            if any(fnmatchcase(row.name, pattern) for pattern in OUT_OF_REACH):
                raise ValueError(f"{row.name} cannot be read late: bound it in {model.name}")
        self.fields: tuple[str, ...] = Merged._fields
        self.start = tuple(int(value) for value in merged(State.IDLE, model.start))

    def members(
        self, columns: Sequence[Column], state: State, limits: Limits[int]
    ) -> Iterator[Counts[Any]]:
        m = Merged(*columns[: len(Merged._fields)])
        if state is State.PRECHECKING:
            yield from _between_batches(m, limits)
        elif state is State.ROLLING_FORWARD:
            yield from _in_batch(m, limits)
        elif state is State.ROLLING_BACK:
            yield from _restoring(m)
        else:
            yield _settled(m, limits)._replace(
                pending_healthy=m.waiting - m.places, awaiting=m.places
            )

    def moves(
        self,
        row: Row,
        state: State,
        columns: Sequence[Column],
        c: Counts[Any],
        c2: Counts[Any],
    ) -> Iterator[Move]:
        changes, target = {}, row.target or state
        for at, cells in enumerate(CELLS):
            if target is state and all(c2[cell] is c[cell] for cell in cells):
                continue
            after = _field(at, target, c2)
            if not np.array_equal(columns[at], after):
                changes[at] = Change(after)
        yield Move(True, changes)


def _settled(m: Merged, limits: Limits[int]) -> Counts[Any]:
    """The decided instances, all healthy.  With rollback on, one owed instance stands for
    however many; without, none was restored yet."""
    owed = m.owing if limits.rollback else m.lost * m.owing
    kept = {name: getattr(m, name) for name in KEPT}
    return EMPTY._replace(
        upgraded_healthy=m.upgraded,
        failed_healthy=owed,
        restored_healthy=m.lost - owed,
        skipped_healthy=m.skipped,
        **kept,
    )


def _between_batches(m: Merged, limits: Limits[int]) -> Iterator[Counts[Any]]:
    """What is read is how many are unhealthy, and how many of those are upgraded ones.
    No more of them are upgraded than must be, except where all are."""
    well = _settled(m, limits)._replace(pending_healthy=m.waiting)
    yield well
    yield well._replace(held=1)
    yield well._replace(upgraded_healthy=0, upgraded_unhealthy=m.upgraded)
    most = share(whole(well), limits.max_unhealthy)
    yield _with_unhealthy(well, _least(m.waiting, 1), ("pending",), m.waiting)
    others = ("skipped", "restored", "failed", "pending", "upgraded")
    yield _with_unhealthy(well, most, others, 0)  # a healthy one goes as the last resort
    yield _with_unhealthy(well, most + 1, others, m.waiting)


def _with_unhealthy(
    c: Counts[Any], number: Any, phases: tuple[str, ...], most_pending: Any
) -> Counts[Any]:
    """So many of the instances made unhealthy, phase by phase."""
    cells: dict[str, Any] = {}
    for phase in phases:
        healthy = getattr(c, f"{phase}_healthy")
        ill = _least(number, most_pending if phase == "pending" else healthy)
        number = number - ill
        cells |= {f"{phase}_healthy": healthy - ill, f"{phase}_unhealthy": ill}
    return c._replace(**cells)


def _in_batch(m: Merged, limits: Limits[int]) -> Iterator[Counts[Any]]:
    """What is read is whether all places are claimed or given up, and all disks replaced.
    A batch gives up its places one by one, and always has claimed one."""
    done = _settled(m, limits)
    claimed = _least(m.places, m.waiting)
    full = done._replace(
        pending_unhealthy=m.waiting - claimed,
        room=m.places - claimed,
    )
    yield full._replace(awaiting=claimed)
    yield full._replace(
        replacing=claimed,
        upgraded_healthy=0,
        upgraded_unhealthy=m.upgraded,
        failed_healthy=0,
        failed_unhealthy=done.failed_healthy,
    )
    claimed = ite(m.places >= 2, _least(m.places - 1, m.waiting), claimed)
    rest = m.waiting - claimed
    healthy = _least(rest, 1)
    yield done._replace(
        pending_healthy=healthy,
        pending_unhealthy=rest - healthy,
        replacing=claimed,
        room=m.places - claimed,
        slack=m.places - claimed,
        restored_healthy=0,
        restored_unhealthy=done.restored_healthy,
    )


def _restoring(m: Merged) -> Iterator[Counts[Any]]:
    """What is read is whether anything is left to restore."""
    kept = {name: getattr(m, name) for name in KEPT}
    done = EMPTY._replace(
        pending_healthy=m.waiting,
        upgraded_healthy=m.upgraded,
        unrestored_healthy=m.lost - m.owing,
        skipped_healthy=m.skipped,
        **kept,
    )
    yield done._replace(failed_healthy=m.owing)
    yield done._replace(
        failed_unhealthy=m.owing, unrestored_healthy=0, unrestored_unhealthy=m.lost - m.owing
    )
    yield done._replace(restoring=m.owing)
    yield done._replace(recovering=m.owing)


def _least(a: Any, b: Any) -> Any:
    return ite(a < b, a, b)
