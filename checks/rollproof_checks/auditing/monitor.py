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
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np

from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import TABLE, Row
from rollproof_checks.auditing.unfolding import Fields, Point, Points, Taken, leads
from rollproof_spec import arrays
from rollproof_spec.properties import PROPERTIES, Kind, Property
from rollproof_spec.vocabulary import MAGNITUDE

BATCH: Final = 32_768
"""Rows judged at once: enough that calls cost nothing, few enough for the cache."""

WIDTH: Final = len(Counts._fields)

_pack = Struct(f"{WIDTH}q").pack
"""A point as an array holds it: twice as fast as handing the array its numbers."""

CODES: Final = {
    (row.name, state): number
    for number, (row, state) in enumerate((r, s) for r in TABLE for s in State)
}
"""What `Monitor.codes` holds of a row taken in a state."""

_PLACES: Final = [(row, state) for row in TABLE for state in State]


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
        self.points: list[Point | Points] = []
        """Where the run stood before each row, or before each of several; `flush` is told
        where it stands at last."""
        self.codes: list[int] = []
        """The row, and the state in which it was taken."""
        self.numbers: list[int] = []
        """The event that took it."""
        self.rows = 0

    def add_one(self, row: str, state: State, before: Point, number: int) -> None:
        """Gather a row that an event took.  Raises KeyError where there is no such row."""
        self.codes.append(CODES[row, state])
        self.points.append(before)
        self.numbers.append(number)

    def add(self, taken: Taken, number: int) -> None:
        """Gather the rows that an event took in one state."""
        self.codes += [CODES[taken.row, taken.state]] * taken.times
        self.points.append(taken.before)
        self.numbers += [number] * taken.times

    def flush(self, end: tuple[int, ...]) -> Breach | None:
        """Judge what was gathered; ``end`` is where the run stands now.  The first breach,
        if there is one."""
        if not self.codes:
            return None
        self.rows += len(self.codes)
        size = len(self.codes) + 1
        self.points.append(end)
        flat = b"".join(
            [_pack(*p) if isinstance(p, tuple) else p.tobytes() for p in self.points]
        )
        points = np.frombuffer(flat, np.int64).reshape(size, WIDTH)
        fields = np.ascontiguousarray(points.T, _width(points))
        codes = np.array(self.codes, np.int64)
        found = [
            (int(at[place]), law, why)
            for code in np.unique(codes).tolist()
            for at in [np.flatnonzero(codes == code)]
            for place, law, why in self._judge(_PLACES[code], fields[:, at], fields[:, at + 1])
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
        self, place: tuple[Row, State], before: Fields, after: Fields
    ) -> Iterator[tuple[int, str, str]]:
        """Of each promise that is broken, the first place where."""
        row, state = place
        c, p = Counts[Any](*before), self._limits
        c2, state2 = row.after(c, p), row.target or state
        if state not in row.sources:
            yield 0, "", f"row {row.name!r} is not one of {state}"
            return
        admitted = row.enabled(c, p)
        yield from _first(admitted, "", f"the table does not admit row {row.name!r} here")
        moved = leads(row, before, after, p)
        yield from _first(moved, "", f"row {row.name!r} does not lead to these counts")
        for promised in self._steps:
            kept = promised.holds(row, state, c, p, state2, c2)
            yield from _first(kept, promised.name, promised.why)
        for promised in self._states:
            kept = promised.holds(state2, c2, p)
            yield from _first(kept, promised.name, promised.why)


def _width(points: Points) -> type[np.signedinteger[Any]]:
    """The narrower type, where it holds whatever a property makes of these counts: half as
    much is to be moved."""
    largest = max(int(points.max()), -int(points.min())) * WIDTH * MAGNITUDE
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64


def _first(truth: arrays.Truths | bool, law: str, why: str) -> Iterator[tuple[int, str, str]]:
    if isinstance(truth, np.ndarray):
        if not truth.all():
            yield int(np.argmin(truth)), law, why
    elif not truth:
        yield 0, law, why
