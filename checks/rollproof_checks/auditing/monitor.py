"""Every promise of the registry, kept watch over row by row.

The properties are functions of an algebra, so thousands of rows are asked in one call:
rows are gathered in the order in which they were taken, and judged as arrays, one group
for each row of the table and state.  Whatever fails there is asked again on integers.

What is asked of each row: that the table admits it, that it leads where the run went, all
two-state promises of it, and all invariants of the state it led to.  Promises about the
table as a whole (`Kind.TABLE`) speak of no recording, and are left to the proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import TABLE, Row
from rollproof_spec import arrays
from rollproof_spec.properties import PROPERTIES, Kind, Property

BATCH: Final = 32_768
"""Rows judged at once: enough that calls cost nothing, few enough for the cache."""

WIDTH: Final = len(Counts._fields)

CODES: Final = {
    (row.name, state): number
    for number, (row, state) in enumerate((r, s) for r in TABLE for s in State)
}
"""What `Monitor.codes` holds of a row taken in a state."""

_PLACES: Final = [(row, state) for row in TABLE for state in State]

Column = NDArray[np.int64]


class Breach(NamedTuple):
    """A promise that a row broke."""

    number: int
    """Of the event."""
    row: str
    laws: tuple[str, ...]
    """Names of the properties, all that it broke; none where it broke the table itself."""
    why: str
    """The sentence of the first."""


class Monitor:
    """Watches one run."""

    def __init__(
        self, limits: Limits[int], properties: Sequence[Property] = PROPERTIES
    ) -> None:
        self._limits = limits
        self._states = [p for p in properties if p.kind is Kind.STATE]
        self._steps = [p for p in properties if p.kind is Kind.STEP]
        self.points: list[tuple[int, ...]] = []
        """Where the run stood before each row; `flush` is told where it stands at last."""
        self.codes: list[int] = []
        """The row, and the state in which it was taken."""
        self.numbers: list[int] = []
        """The event that took it."""
        self.rows = 0

    def flush(self, end: tuple[int, ...]) -> Breach | None:
        """Judge what was gathered; ``end`` is where the run stands now.  The first breach,
        if there is one."""
        if not self.codes:
            return None
        self.rows += len(self.codes)
        size = len(self.codes) + 1
        self.points.append(end)
        flat = np.fromiter(chain.from_iterable(self.points), np.int64, size * WIDTH)
        points = flat.reshape(size, WIDTH)
        codes = np.array(self.codes, np.int64)
        found = [
            (int(at[place]), law, why)
            for code in np.unique(codes).tolist()
            for at in [np.flatnonzero(codes == code)]
            for place, law, why in self._judge(_PLACES[code], points[at].T, points[at + 1].T)
        ]
        breach = None
        if found:
            place, _, why = min(found, key=lambda each: each[0])
            laws = tuple(law for where, law, _ in found if where == place and law)
            row, _ = _PLACES[self.codes[place]]
            breach = Breach(self.numbers[place], row.name, laws, why)
        self.points, self.codes, self.numbers = [], [], []
        return breach

    def _judge(
        self, place: tuple[Row, State], before: Column, after: Column
    ) -> Iterator[tuple[int, str, str]]:
        """Of each promise that is broken, the first place where."""
        row, state = place
        c, p = Counts[Any](*np.ascontiguousarray(before)), self._limits
        c2, state2 = row.after(c, p), row.target or state
        if state not in row.sources:
            yield 0, "", f"row {row.name!r} is not one of {state}"
            return
        admitted = row.enabled(c, p)
        yield from _first(admitted, "", f"the table does not admit row {row.name!r} here")
        moved = np.ones(before.shape[1], bool)
        for expected, found in zip(c2, after, strict=True):
            moved &= np.equal(expected, found)
        yield from _first(moved, "", f"row {row.name!r} does not lead to these counts")
        for promised in self._steps:
            kept = promised.holds(row, state, c, p, state2, c2)
            yield from _first(kept, promised.name, promised.why)
        for promised in self._states:
            kept = promised.holds(state2, c2, p)
            yield from _first(kept, promised.name, promised.why)


def _first(truth: arrays.Truths | bool, law: str, why: str) -> Iterator[tuple[int, str, str]]:
    if isinstance(truth, np.ndarray):
        if not truth.all():
            yield int(np.argmin(truth)), law, why
    elif not truth:
        yield 0, law, why
