"""Breadth-first search over packed states: a whole frontier in one call.

The frontier is kept by state of the run, since the state decides which rows there are, and
taken in chunks that stay in the cache.  Each chunk is unpacked into columns, the guards
and effects of the rows run on these, and what they change is added to the keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollproof.counts import PHASE_COUNT, Counts
from rollproof.states import ACTIVE, TERMINAL, State
from rollproof.table import Row
from rollproof_checks.explore.encodings import (
    ByCounters,
    ByInstance,
    Change,
    Encoding,
    Move,
)
from rollproof_checks.explore.layout import Column, Keys, Layout, of, part, span
from rollproof_checks.explore.model import Bound, By, Model
from rollproof_checks.explore.reading import ByReading
from rollproof_checks.explore.visited import Visited, distinct
from rollproof_spec.arrays import width

CHUNK: Final = 1 << 15
"""States expanded at once: a column of these fits the second cache."""

HEAP: Final = 1 << 22
"""Successors gathered before the doubles among them are thrown out."""


class Runaway(Exception):
    """A field grew beyond anything a fleet of this size can mean."""


class OutOfMemory(Exception):
    """The search would hold more than it may."""


class Block(NamedTuple):
    """Some states of one `State`, packed."""

    layout: Layout
    keys: Keys

    def chunks(self) -> Iterator[Block]:
        """The same states in pieces."""
        for start in range(0, self.keys.size, CHUNK):
            yield Block(self.layout, self.keys[start : start + CHUNK])


Level = dict[State, Block]
"""All states at one distance from the start."""


class Chunk(NamedTuple):
    """States being expanded."""

    state: State
    block: Block
    columns: list[Column]


class Successors(NamedTuple):
    """What one way of taking one row made of a chunk."""

    row: Row
    state: State
    block: Block
    parents: NDArray[np.intp]
    """Place in the chunk of what each came from."""


class Search:
    """A search under way."""

    def __init__(self, model: Model, rows: Sequence[Row], memory: int | None = None) -> None:
        self.model = model
        self._memory = memory
        self.rows = model.playable(rows)
        self.encoding = _encoding(model, self.rows)
        self._bounds = {row.name: model.bound(row) for row in rows}
        self._limited = tuple(
            bound
            for bound in model.bounds
            if bound.most > 0 and any(bound.covers(row) for row in self.rows)
        )
        self.fields = (*self.encoding.fields, *(f"used_{b.rows[0]}" for b in self._limited))
        self.start = (*self.encoding.start, *(0 for _ in self._limited))
        self.most = max([32, model.instances + 1, *(bound.most for bound in self._limited)])
        """No field means anything beyond this, nor all phases together."""
        self.kind = width(2 * self.most)  # a rule may add a register to the phases
        self.by_state = {s: tuple(r for r in self.rows if s in r.sources) for s in State}
        self.visited: dict[State, Visited] = {}
        self.taken: Counter[str] = Counter()
        self.transitions = 0
        self.stuck: list[tuple[State, tuple[int, ...]]] = []
        """States of the last level in which a run would stand still for ever."""

    # -- levels

    def levels(self) -> Iterator[Level]:
        """Every level in turn, from the start to the last that has a new state."""
        layout = of(self.start)
        self.visited[State.IDLE] = Visited(layout)
        first = self.visited[State.IDLE].add_new(layout.pack(self.start, 1))
        level = {State.IDLE: Block(layout, first)}
        while level:
            yield level
            level = self._next(level)

    @property
    def states(self) -> int:
        """States seen."""
        return sum(seen.size for seen in self.visited.values())

    def _weigh(self, level: Level, heaps: dict[State, list[Block]]) -> None:
        """Stop where there is too much; what is held is known from the sizes of arrays,
        so every machine stops at the same place."""
        largest = max(seen.size for seen in self.visited.values())  # while runs are merged
        frontier = sum(block.keys.size for block in level.values())
        loose = sum(block.keys.size for blocks in heaps.values() for block in blocks)
        held = 8 * (self.states + largest + 3 * frontier + 3 * loose)
        if self._memory is not None and held > self._memory:
            raise OutOfMemory(f"{self.states:,} states need more than {self._memory:,} bytes")

    def _next(self, level: Level) -> Level:
        heaps: dict[State, list[Block]] = {}
        loose: Counter[State] = Counter()
        self.stuck = []
        for state, block in level.items():
            for chunk in block.chunks():
                for made in self.expand(state, chunk):
                    size = made.parents.size
                    self.transitions += size
                    self.taken[made.row.name] += size
                    heaps.setdefault(made.state, []).append(made.block)
                    loose[made.state] += size
                for place in loose:
                    if loose[place] > HEAP:
                        heaps[place] = [self._gathered(place, heaps[place])]
                        loose[place] = 0
                        self._weigh(level, heaps)
        self._weigh(level, heaps)
        found: Level = {}
        for state in list(heaps):
            block = self._gathered(state, heaps.pop(state))
            fresh = self.visited[state].add_new(block.keys)
            if fresh.size:
                found[state] = Block(block.layout, fresh)
        return found

    def _gathered(self, state: State, blocks: list[Block]) -> Block:
        layout = self.visited[state].layout
        return Block(layout, distinct([layout.convert(b.keys, b.layout) for b in blocks]))

    # -- one chunk

    def columns(self, block: Block) -> list[Column]:
        """The fields of packed states."""
        return block.layout.unpack(block.keys, self.kind)

    def members(self, state: State, columns: Sequence[Column]) -> Iterator[Counts[Any]]:
        """The counts that the fields stand for."""
        for c in self.encoding.members(columns, state, self.model.limits):
            _, most = span(sum(c[1:PHASE_COUNT], c[0]))
            if most > self.most:
                raise Runaway(f"there are {most} instances")
            yield c

    def enabled(self, row: Row, columns: Sequence[Column], c: Counts[Any]) -> Any:
        """Where the row may be taken and the model's bounds let it."""
        if row.leaves is not None and not np.any(c[row.leaves_code]):
            return False
        mask = row.enabled(c, self.model.limits)
        if row.leaves is None and row.enters is not None:
            mask = mask & (sum(c[1:PHASE_COUNT], c[0]) < self.model.instances)
        bound = self._bounds[row.name]
        if bound is not None and mask is not False:
            mask = mask & (columns[self._used(bound)] < bound.most)
        return mask

    def expand(self, state: State, block: Block) -> Iterator[Successors]:
        """Everything that can follow on the states of a chunk."""
        chunk = Chunk(state, block, self.columns(block))
        size = block.keys.size
        for c in self.members(state, chunk.columns):
            waits = _waits(state, c)
            for row in self.by_state[state]:
                mask = self.enabled(row, chunk.columns, c)
                if mask is False:
                    continue
                c2 = row.after(c, self.model.limits)
                for move in self.encoding.moves(row, state, chunk.columns, c, c2):
                    ways = mask & move.where
                    chosen = _chosen(ways, size)
                    if not chosen.size:
                        continue
                    if advances(row):
                        waits = waits | ways
                    changes = self._counted(row, chunk.columns, move)
                    if changes or row.target not in (None, state):
                        yield self._moved(row, chunk, chosen, changes)
                    else:
                        self.taken[row.name] += chosen.size
            if waits is not True:
                self._note_stuck(chunk, ~np.broadcast_to(waits, size))

    def _counted(self, row: Row, columns: Sequence[Column], move: Move) -> Mapping[int, Change]:
        bound = self._bounds[row.name]
        if bound is None:
            return move.changes
        at = self._used(bound)
        return {**move.changes, at: Change(columns[at] + 1, 1)}

    def _used(self, bound: Bound) -> int:
        return len(self.encoding.fields) + self._limited.index(bound)

    def _moved(
        self, row: Row, chunk: Chunk, chosen: NDArray[np.intp], changes: Mapping[int, Change]
    ) -> Successors:
        """The chosen states with some fields changed."""
        state, layout = row.target or chunk.state, chunk.block.layout
        values = {at: part(change.value, chosen) for at, change in changes.items()}
        if (
            state is chunk.state
            and layout is self.visited[state].layout
            and all(self._fits(layout, at, value) for at, value in values.items())
        ):
            keys = chunk.block.keys.take(chosen)
            shift = 0
            for at, change in changes.items():
                delta: Column = change.delta
                if delta is None:
                    delta = values[at] - part(chunk.columns[at], chosen)
                if isinstance(delta, np.ndarray):
                    keys += delta.astype(np.int64) << layout.shift[at]
                else:
                    shift += int(delta) << layout.shift[at]
            keys += shift
        else:
            fields = [
                values[at] if at in values else part(column, chosen)
                for at, column in enumerate(chunk.columns)
            ]
            layout = self._fitting(state, fields)
            keys = layout.pack(fields, chosen.size)
        return Successors(row, state, Block(layout, keys), chosen)

    def _fits(self, layout: Layout, at: int, value: Column) -> bool:
        least, most = span(value)
        return layout.holds(at, least, most) and most <= self.most

    def _fitting(self, state: State, columns: Sequence[Column]) -> Layout:
        """The layout of a state, made wide enough for these fields."""
        ranges = [span(column) for column in columns]
        for name, (least, most) in zip(self.fields, ranges, strict=True):
            if least < -1 or most > self.most:
                raise Runaway(f"{name} goes from {least} to {most}")
        if state not in self.visited:
            self.visited[state] = Visited(of([least for least, _ in ranges]))
        seen = self.visited[state]
        seen.widen(seen.layout.widened(ranges))
        return seen.layout

    def _note_stuck(self, chunk: Chunk, still: NDArray[np.bool_]) -> None:
        if still.any():
            first = np.flatnonzero(still)[:1]
            fields = tuple(span(part(column, first))[0] for column in chunk.columns)
            self.stuck.append((chunk.state, fields))


def _encoding(model: Model, rows: Sequence[Row]) -> Encoding:
    if model.by is By.COUNTERS:
        return ByCounters(model)
    if model.by is By.READ:
        return ByReading(model, rows)
    return ByInstance(model, rows)


def advances(row: Row) -> bool:
    """Whether a run may count on the row to be taken some time.  What may happen at any
    moment may as well never happen."""
    return not row.sources >= ACTIVE


def _waits(state: State, c: Counts[Any]) -> Any:
    """Where a run rightly stands still: it has ended or not begun, or somebody outside
    keeps it: an operator, the window, who has not approved."""
    if state in TERMINAL or state is State.IDLE:
        return True
    return c.held + c.shut + c.deferred > 0 if state is State.PRECHECKING else False


def _chosen(mask: Any, size: int) -> NDArray[np.intp]:
    if isinstance(mask, np.ndarray) and mask.ndim:
        return np.flatnonzero(mask)
    return np.arange(size) if mask else np.arange(0)
