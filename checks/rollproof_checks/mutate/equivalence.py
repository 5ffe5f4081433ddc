"""Whether a mutant does just what the shipped table does.

First it is asked of the solver: in every state that satisfies the proved invariants, for
every fleet and every policy, the rows may be taken alike and lead to the same.  By
induction such a table has the same runs.

Where the solver finds a difference that no run may come to, the state graphs are compared:
if no row differs in any state that the shipped table reaches, both graphs are the same, by
induction along the paths.  That is done for small fleets only, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import attrs
import numpy as np
import z3

from rollproof.counts import EMPTY, Counts, Limits
from rollproof.states import State
from rollproof.table import ROWS, TABLE, Row
from rollproof_checks.explore.model import Bound, Model
from rollproof_checks.explore.search import Block, Search
from rollproof_checks.explore.standard import APPROVALS, BATCHES, BREACH, PAIR, ROLLBACK
from rollproof_checks.obligations import policy
from rollproof_checks.verdicts import after
from rollproof_spec.properties import INVARIANTS
from rollproof_spec.terms import Number, arith, boolean, counts, limits

BUDGET: Final = 5_000_000
"""Solver steps for a question; see `rollproof_checks.prove`."""

EXPLORED: Final = (PAIR, APPROVALS, ROLLBACK, BREACH, BATCHES)
"""Where a mutant that no proof killed is explored, the smallest fleet first."""

_SETTLED: Final = Bound(
    rows=(
        *("appear_*", "vanish_*", "exempt_*", "enlist_*"),
        *("pause", "opt_out", "fault*", "shut"),
    ),
    why="membership, holds and the window are in the fleets of up to three",
)

_OTHERS: Final = (
    (3, (5, 100, 100, 0, 0, 1), ()),
    (3, (100, 34, 0, 1, 1, 1), ()),
    (4, (50, 50, 25, 0, 1, 0), (_SETTLED,)),
    (4, (5, 5, 0, 1, 1, 0), (_SETTLED,)),
    (5, (40, 60, 20, 1, 0, 1), (_SETTLED,)),
    (5, (100, 100, 100, 0, 1, 0), (_SETTLED,)),
)

_MIXED: Final = Model(
    name="3, known before the start",
    instances=3,
    limits=Limits(67, 67, 50, 1, 1, 1),
    initial=EMPTY._replace(pending_unhealthy=1, skipped_healthy=1, skipped_unhealthy=1),
)

MODELS: Final = (
    *EXPLORED,
    _MIXED,
    *(
        Model(name=f"{size} of {p}", instances=size, limits=Limits(*p), bounds=bounds)
        for size, p, bounds in _OTHERS
    ),
)
"""Small fleets whose graphs are compared."""


def differing(rows: Sequence[Row]) -> tuple[str, ...]:
    """Names of the rows that are not, term for term, those of the shipped table."""
    mutated = {row.name: row for row in rows}
    names = [*ROWS, *(name for name in mutated if name not in ROWS)]
    return tuple(
        name for name in names if not _written_alike(ROWS.get(name), mutated.get(name))
    )


def _written_alike(one: Row | None, other: Row | None) -> bool:
    if one is None or other is None or one is other:
        return one is other
    if (one.sources, one.actor) != (other.sources, other.actor):
        return False
    if any(after(one, state) is not after(other, state) for state in one.sources):
        return False
    if (one.leaves, one.enters) != (other.leaves, other.enters):
        return False
    return all(a.eq(b) for a, b in zip(_shipped_terms(one), _terms(other), strict=True))


def _terms(row: Row) -> tuple[z3.ExprRef, ...]:
    c, p = _unknown()
    return (boolean(row.enabled(c, p)), *(arith(cell) for cell in row.after(c, p)))


@cache
def _unknown() -> tuple[Counts[Number], Limits[Number]]:
    return counts(), limits()


_shipped_terms = cache(_terms)


# -- by the solver ------------------------------------------------------------------


def equivalent_by_proof(rows: Sequence[Row], names: Iterable[str]) -> bool:
    """Whether the rows named do the same as the shipped ones wherever the invariants
    hold."""
    mutated = {row.name: row for row in rows}
    for name in names:
        one, other = ROWS.get(name), mutated.get(name)
        if one is not None and other is not None and one.actor is not other.actor:
            return False
        for state in State:
            if not _same_in(state, one, other):
                return False
    return True


def _same_in(state: State, one: Row | None, other: Row | None) -> bool:
    before = _enabled(one, state)
    now = _enabled(other, state)
    if before is False and now is False:
        return True
    solver = z3.Solver()
    solver.set("rlimit", BUDGET)
    solver.add(*_given(state))
    differs = [z3.Xor(boolean(before), boolean(now))]
    if one is not None and other is not None and before is not False and now is not False:
        if after(one, state) is not after(other, state):
            differs.append(boolean(before))
        c, p = _unknown()
        pairs = zip(one.after(c, p), other.after(c, p), strict=True)
        apart = z3.Or(*(arith(a) != arith(b) for a, b in pairs))
        differs.append(z3.And(boolean(before), apart))
    return bool(solver.check(z3.Or(*differs)) == z3.unsat)


def _enabled(row: Row | None, state: State) -> Any:
    if row is None or state not in row.sources:
        return False
    return row.enabled(*_unknown())


@cache
def _given(state: State) -> tuple[z3.BoolRef, ...]:
    c, p = _unknown()
    return (boolean(policy(p)), *(boolean(q.holds(state, c, p)) for q in INVARIANTS))


# -- by the state graphs ------------------------------------------------------------


@attrs.frozen(eq=False)
class Graph:
    """Every state of a small fleet that the shipped table reaches."""

    model: Model
    reached: tuple[tuple[State, Counts[Any]], ...]

    def separates(self, one: Row | None, other: Row | None) -> bool:
        """Whether the rows differ in some state."""
        p = self.model.limits
        return any(
            _apart(one, other, state, c, p)
            for state, c in self.reached
            if any(row is not None and state in row.sources for row in (one, other))
        )


def _apart(
    one: Row | None, other: Row | None, state: State, c: Counts[Any], p: Limits[int]
) -> bool:
    before = one.enabled(c, p) if one is not None and state in one.sources else False
    now = other.enabled(c, p) if other is not None and state in other.sources else False
    if np.any(np.not_equal(before, now)):
        return True
    if one is None or other is None or not np.any(before):
        return False
    if one.actor is not other.actor or after(one, state) is not after(other, state):
        return True
    ends = zip(one.after(c, p), other.after(c, p), strict=True)
    return any(bool(np.any(np.not_equal(a, b) & before)) for a, b in ends if a is not b)


@cache
def graph(model: Model) -> Graph:
    """All states of the model."""
    search = Search(model, TABLE)
    for _ in search.levels():
        pass
    reached = []
    for state, seen in search.visited.items():
        columns = search.columns(Block(seen.layout, np.concatenate(seen.runs)))
        reached += [(state, c) for c in search.members(state, columns)]
    return Graph(model, tuple(reached))


def equivalent_by_graph(rows: Sequence[Row], names: Iterable[str]) -> bool:
    """Whether the rows named do the same as the shipped ones in every state of every
    small fleet."""
    mutated = {row.name: row for row in rows}
    return not any(
        graph(model).separates(ROWS.get(name), mutated.get(name))
        for name in names
        for model in MODELS
    )


def only_a_shortcut(rows: Sequence[Row]) -> bool:
    """Whether `Row.barred` keeps no row from being taken that may be."""
    small = graph(PAIR)
    for state, c in small.reached:
        here = [row for row in rows if state in row.sources and row.empty]
        columns = np.broadcast_arrays(*c) if here else ()
        for cells in zip(*(column.ravel().tolist() for column in columns), strict=True):
            point: Counts[int] = Counts._make(cells)
            if any(r.barred(cells) and r.enabled(point, small.model.limits) for r in here):
                return False
    return True


def graphs() -> Iterator[tuple[Model, int]]:
    """The small fleets, and how many states each reaches."""
    for model in MODELS:
        states = (np.size(c.pending_healthy + 0 * sum(c)) for _, c in graph(model).reached)
        yield model, sum(states)
