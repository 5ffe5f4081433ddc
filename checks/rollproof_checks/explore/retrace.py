"""The way to a state, found by searching again and then walking back.

A search keeps no predecessors: eight bytes a state are what makes it large.  The levels of
a second search, kept whole as far as the state, tell them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rollproof.counts import PHASES
from rollproof.states import State
from rollproof.table import Row
from rollproof_checks.explore.encodings import OUTSIDE
from rollproof_checks.explore.exploration import Stop, Trace
from rollproof_checks.explore.judge import Finding
from rollproof_checks.explore.layout import part, span
from rollproof_checks.explore.model import By, Model
from rollproof_checks.explore.search import Block, Level, Search

Place = tuple[State, tuple[int, ...]]
"""A state and its fields."""


def retrace(model: Model, rows: Sequence[Row], finding: Finding) -> Trace:
    """A shortest way to what was found."""
    search = Search(model, rows)
    levels: list[Level] = []
    last = finding.depth - (finding.row is not None)
    for level in search.levels():
        levels.append(level)
        if len(levels) > last:
            break
    way: list[tuple[str | None, Place]] = []
    place: Place = (finding.state, finding.columns)
    if finding.row is not None:
        way.append((finding.row.name, _after(search, place, finding.row)))
    for level in reversed(levels[:last]):
        row, parent = _parent(search, level, place)
        way.append((row.name, place))
        place = parent
    way.append((None, place))
    stops = tuple(_stop(search, row, *place) for row, place in reversed(way))
    return Trace(fails=finding.name, stops=stops)


def _parent(search: Search, level: Level, place: Place) -> tuple[Row, Place]:
    state, fields = place
    for before, block in level.items():
        for chunk in block.chunks():
            for made in search.expand(before, chunk):
                if made.state is not state:
                    continue
                layout = made.block.layout
                if not all(layout.holds(at, x, x) for at, x in enumerate(fields)):
                    continue
                hits = np.flatnonzero(made.block.keys == layout.pack(fields, 1)[0])[:1]
                if hits.size:
                    parent = made.parents.take(hits)
                    return made.row, (before, _fields(search, chunk, parent))
    raise AssertionError("a state that was reached has a predecessor")


def _after(search: Search, place: Place, row: Row) -> Place:
    state, fields = place
    layout = search.visited[state].layout
    block = Block(layout, layout.pack(fields, 1))
    for made in search.expand(state, block):
        if made.row is row:
            return made.state, _fields(search, made.block, np.arange(1))
    raise AssertionError("a step that was judged can be taken")


def _fields(search: Search, block: Block, at: np.ndarray) -> tuple[int, ...]:
    return tuple(span(part(column, at))[0] for column in search.columns(block))


def _stop(search: Search, row: str | None, state: State, fields: tuple[int, ...]) -> Stop:
    named = dict(zip(search.fields, fields, strict=True))
    cells: dict[str, int | str] = {name: value for name, value in named.items() if value}
    if search.model.by is By.INSTANCE:
        for name in search.fields[: search.model.instances]:
            code = named[name]
            cells[name] = "absent" if code == OUTSIDE else PHASES[code]
    counts = next(iter(search.members(state, fields)))
    return Stop(row=row, state=state, cells=cells, counts=counts)
