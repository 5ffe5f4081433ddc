"""What the fields of a state are, and how a row changes them.

`Encoding.members` turns fields into the counts on which the table's own guards and effects
run; `Encoding.moves` turns what `Row.after` made of the counts into changes of fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from rollproof.counts import PHASE_COUNT, PHASES, REGISTERS, Counts, Limits
from rollproof.states import State
from rollproof.table import ABSENT, Row
from rollproof_checks.explore.layout import Column, settled
from rollproof_checks.explore.model import Model

OUTSIDE: Final = PHASE_COUNT
"""Code of an instance that is not in the set: the first after the phases."""


class Change(NamedTuple):
    """A field's new value, and by how much that differs where it does so by a constant."""

    value: Column
    delta: int | None = None


class Move(NamedTuple):
    """One way to take a row."""

    where: Any
    """The states in which this way is open; True: all."""
    changes: Mapping[int, Change]


class Encoding(Protocol):
    """Fields, and what they mean."""

    fields: tuple[str, ...]
    start: tuple[int, ...]
    """The fields in Idle."""

    def members(
        self, columns: Sequence[Column], state: State, limits: Limits[int]
    ) -> Iterator[Counts[Any]]:
        """The counts that the fields stand for; more than one where fields leave open
        what is chosen when it is read."""

    def moves(
        self,
        row: Row,
        state: State,
        columns: Sequence[Column],
        c: Counts[Any],
        c2: Counts[Any],
    ) -> Iterator[Move]:
        """The ways to take a row that leads from ``c`` to ``c2`` in the given state."""


class ByCounters:
    """The fields are the counts."""

    def __init__(self, model: Model) -> None:
        self.fields: tuple[str, ...] = Counts._fields
        self.start = tuple(model.start)

    def members(
        self, columns: Sequence[Column], _state: State, _limits: Limits[int]
    ) -> Iterator[Counts[Any]]:
        yield Counts(*columns[: len(Counts._fields)])

    def moves(
        self,
        row: Row,
        _state: State,
        _columns: Sequence[Column],
        c: Counts[Any],
        c2: Counts[Any],
    ) -> Iterator[Move]:
        yield Move(True, changed(row, c, c2))


class ByInstance:
    """The fields are the phase of each instance, and the registers."""

    def __init__(self, model: Model, rows: Sequence[Row]) -> None:
        if any(_writes_phases(row) for row in rows):
            raise ValueError("a row that writes the number in a phase moves no instance")
        names = tuple(f"instance_{number}" for number in range(model.instances))
        self.fields: tuple[str, ...] = names + REGISTERS
        codes = [code for code in range(PHASE_COUNT) for _ in range(model.start[code])]
        codes += [OUTSIDE] * (model.instances - len(codes))
        self.start = (*codes, *model.start[PHASE_COUNT:])
        self._size = model.instances
        self._reachable = reachable_phases(model, rows)
        """Codes of the phases that any row can fill: the others need no counting."""

    def members(
        self, columns: Sequence[Column], _state: State, _limits: Limits[int]
    ) -> Iterator[Counts[Any]]:
        size = self._size
        cells: list[Any] = [0] * PHASE_COUNT
        spread = []
        for column in columns[:size]:
            if not isinstance(column, np.ndarray):
                if column != OUTSIDE:
                    cells[column] += 1
            else:
                spread.append(column)
        if spread:
            least = min(int(column.min()) for column in spread)
            most = max(int(column.max()) for column in spread)
            for code in self._reachable:
                if least <= code <= most:
                    tally = np.zeros(spread[0].size, spread[0].dtype)
                    for column in spread:
                        tally += column == code
                    cells[code] = settled(tally + cells[code])
        yield Counts(*cells, *columns[size : size + len(REGISTERS)])

    def moves(
        self,
        row: Row,
        _state: State,
        columns: Sequence[Column],
        c: Counts[Any],
        c2: Counts[Any],
    ) -> Iterator[Move]:
        shared = {
            at - PHASE_COUNT + self._size: change
            for at, change in changed(row, c, c2).items()
            if at >= PHASE_COUNT
        }
        if row.leaves is None and row.enters is None:
            yield Move(True, shared)
            return
        leaves = OUTSIDE if row.leaves_code == ABSENT else row.leaves_code
        enters = OUTSIDE if row.enters_code == ABSENT else row.enters_code
        for at in range(self._size):
            yield Move(columns[at] == leaves, {**shared, at: Change(enters, enters - leaves)})


def changed(row: Row, c: Counts[Any], c2: Counts[Any]) -> dict[int, Change]:
    """The counts that `Row.after` wrote anew.  (What it left alone is the same object.)"""
    phases = {row.leaves_code: -1, row.enters_code: 1}
    if row.leaves_code == row.enters_code or _writes_phases(row):
        phases = {}
    return {
        at: Change(after, phases.get(at))
        for at, (before, after) in enumerate(zip(c, c2, strict=True))
        if after is not before
    }


def _writes_phases(row: Row) -> bool:
    return any(name in PHASES for name, _ in row.sets)


def reachable_phases(model: Model, rows: Sequence[Row]) -> frozenset[int]:
    """Codes of the phases that the rows of a model can ever fill."""
    found = {code for code in range(PHASE_COUNT) if model.start[code]}
    if len(PHASES) == len(found):
        return frozenset(found)
    while True:
        fresh = {
            row.enters_code
            for row in rows
            if row.enters is not None and (row.leaves is None or row.leaves_code in found)
        } - found
        if not fresh:
            return frozenset(found)
        found |= fresh
