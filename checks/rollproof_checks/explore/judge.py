"""Every property on every state and every step.

States are judged a good while after they are found, many at once: a property costs as many
calls for one state as for a thousand.  They are judged in the order of their distance, so
what is found first is as near to the start as can be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import Row
from rollproof_checks.explore.layout import Column, part, span
from rollproof_checks.explore.search import CHUNK, Block, Level, Search
from rollproof_checks.explore.witness import Around, met
from rollproof_spec.vocabulary import Kind, Property

PATIENCE: Final = 4 * CHUNK
"""States that wait before they are judged, of each `State`; at first only a few, since a
wrong table mostly shows it soon."""


@attrs.frozen(kw_only=True, eq=False)
class Finding:
    """A property does not hold."""

    name: str
    depth: int
    """Rows from the start to the state, the last of which is the one at fault."""
    state: State
    columns: tuple[int, ...]
    """Fields of the state, or of that before the step."""
    row: Row | None = None


class Case(NamedTuple):
    """States, or steps from them by one row, that a property is asked of."""

    row: Row | None
    places: Any
    """Which of the states at hand."""
    c: Counts[Any]
    c2: Counts[Any]
    """After the step; of states, the same."""


class Judge:
    """Judges the levels of a search."""

    def __init__(
        self,
        search: Search,
        rows: Sequence[Row],
        properties: Sequence[Property],
        tested: Collection[str] = (),
    ):
        self._search = search
        self._rows = rows
        self._of_state = [p for p in properties if p.kind is Kind.STATE]
        self._of_step = [p for p in properties if p.kind is Kind.STEP]
        self._of_table = [p for p in properties if p.kind is Kind.TABLE]
        self.untested = set(tested)
        """Properties whose twin is looked for and was not met yet."""
        self._waiting: dict[State, list[tuple[int, Block]]] = {}
        self._patience = dict.fromkeys(State, 64)
        self.findings: list[Finding] = []

    def admit(self, depth: int, level: Level) -> None:
        """Take in a level; judge those states of which there are enough."""
        for state, block in level.items():
            waiting = self._waiting.setdefault(state, [])
            waiting.append((depth, block))
            if sum(block.keys.size for _, block in waiting) >= self._patience[state]:
                self._patience[state] = min(PATIENCE, 4 * self._patience[state])
                self._judge(state, self._waiting.pop(state))

    def finish(self) -> None:
        """Judge all that are left."""
        for state in list(self._waiting):
            self._judge(state, self._waiting.pop(state))
        self.findings.sort(key=lambda finding: finding.depth)  # stable: then as written

    def _judge(self, state: State, waiting: list[tuple[int, Block]]) -> None:
        layout = waiting[-1][1].layout
        keys = np.concatenate([layout.convert(b.keys, b.layout) for _, b in waiting])
        sizes = [block.keys.size for _, block in waiting]
        depths = np.repeat([depth for depth, _ in waiting], sizes)
        for start in range(0, keys.size, CHUNK):
            block = Block(layout, keys[start : start + CHUNK])
            self._judge_block(state, block, depths[start : start + CHUNK])

    def _judge_block(self, state: State, block: Block, depths: NDArray[np.intp]) -> None:
        columns = self._search.columns(block)
        for c in self._search.members(state, columns):
            for prop, case, holds in self._verdicts(state, columns, c):
                if holds is True or np.all(holds):
                    continue
                bad = np.flatnonzero(~np.broadcast_to(holds, depths[case.places].size))[:1]
                at = np.arange(depths.size)[case.places][bad]
                self.findings.append(
                    Finding(
                        name=prop.name,
                        depth=int(depths[at[0]]) + (case.row is not None),
                        state=state,
                        columns=tuple(span(part(x, at))[0] for x in columns),
                        row=case.row,
                    )
                )

    def _verdicts(
        self, state: State, columns: Sequence[Column], c: Counts[Any]
    ) -> Iterator[tuple[Property, Case, Any]]:
        """What is asked, of which states or steps, and where it holds."""
        p, rows = self._search.model.limits, self._rows
        here = Case(None, slice(None), c, c)
        yield from self._ask(self._of_state, lambda c, _: (state, c, p), here)
        yield from self._ask(self._of_table, lambda c, _: (rows, state, c, p), here)
        for row in self._search.by_state[state]:
            mask = self._search.enabled(row, columns, c)
            if mask is False or not np.any(mask):
                continue
            places: Any = slice(None)
            before = c
            if not np.all(mask):
                places = np.flatnonzero(mask)
                before = Counts(*(part(cell, places) for cell in c))
            case = Case(row, places, before, row.after(before, p))
            yield from self._ask(self._of_step, partial(_step, row, state, p), case)

    def _ask(
        self, properties: Sequence[Property], around: Around, case: Case
    ) -> Iterator[tuple[Property, Case, Any]]:
        for prop in properties:
            if prop.name in self.untested and met(prop.twin, around, case.c, case.c2):
                self.untested.discard(prop.name)
            yield prop, case, prop.holds(*around(case.c, case.c2))


def _step(
    row: Row, state: State, p: Limits[int], c: Counts[Any], c2: Counts[Any]
) -> tuple[Any, ...]:
    return row, state, c, p, row.target or state, c2
