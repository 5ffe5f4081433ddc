"""Where a run stood between the rows of one event, which the step does not say.

A first survey takes two rows for each instance of a set: thousands that are alike, each
moving the counts by the same.  They are drawn as a line of arrays, and the table, asked of
the whole line at once, confirms that it leads from every point of it to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rollproof.counts import EMPTY, Counts, Limits
from rollproof.states import State
from rollproof.table import ROWS, Row

LINE: Final = 32
"""Rows alike from which on arrays are faster than taking one by one."""

Point: TypeAlias = tuple[int, ...]
Points: TypeAlias = NDArray[np.int64]
"""A point in each line."""
Fields: TypeAlias = NDArray[np.signedinteger[Any]]
"""Many points, a line for each field of the counts."""


class Taken(NamedTuple):
    """Rows taken one after the other in one state, all the same row."""

    row: str
    state: State
    times: int
    before: Point | Points
    """Where the run stood before each: a point, or of several a point in each line."""


class Walk:
    """Goes where rows lead, by their names alone."""

    def __init__(self, state: State, point: Point, limits: Limits[int]) -> None:
        self.state = state
        self._cells = list(point)
        self._limits = limits

    @property
    def point(self) -> Point:
        """Where it stands."""
        return tuple(self._cells)

    def go(self, row: Row) -> None:
        """Take a row, whether or not the table admits it."""
        cells = self._cells
        row.shift(cells, Counts._make(cells) if row.sets else EMPTY, self._limits)
        self.state = row.target or self.state

    def take(self, names: Sequence[str]) -> Iterator[Taken]:
        """Take these rows in turn, likewise.  Raises KeyError where there is no such row."""
        for name, alike in groupby(names):
            row, count = ROWS[name], len([*alike])
            line = self._line(row, count) if count >= LINE else None
            if line is None:
                yield from self._each(row, count)
            else:
                yield Taken(name, self.state, count, line[:-1])
                self._cells = line[-1].tolist()

    def _each(self, row: Row, count: int) -> Iterator[Taken]:
        for _ in range(count):
            yield Taken(row.name, self.state, 1, self.point)
            self.go(row)

    def _line(self, row: Row, count: int) -> Points | None:
        """Where it stands before, between and after taking ``row`` so often, in case the
        row moves it by the same each time, and stays in its state."""
        if row.target is not None:
            return None
        first = np.array(self._cells, np.int64)
        once = np.array(row.after(Counts._make(self._cells), self._limits), np.int64)
        line = first + np.arange(count + 1)[:, np.newaxis] * (once - first)
        return line if leads(row, line[:-1].T, line[1:].T, self._limits).all() else None


def leads(row: Row, before: Fields, after: Fields, limits: Limits[int]) -> NDArray[np.bool_]:
    """Of many points, whether the row leads from each to the one beside it."""
    kept = np.ones(len(before[0]), bool)
    for expected, found in zip(row.after(Counts[Any](*before), limits), after, strict=True):
        kept &= np.equal(expected, found)
    return kept
