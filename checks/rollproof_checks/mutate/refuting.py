"""The proof asked of a changed table, until the first property is refuted.

These are the questions of `rollproof_checks.prove`.  It would answer all of them and look
for a readable counterexample; here any one will do, so ten thousand tables can be asked in
minutes.  A refutation counts when it replays on plain integers, as there.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import cache
from typing import Any, Final

import attrs
import z3

from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import TABLE, Row
from rollproof_checks.obligations import Goal, Question, policy, questions
from rollproof_checks.verdicts import after
from rollproof_spec.properties import INVARIANTS, PROPERTIES, Kind, Property
from rollproof_spec.terms import Number

BUDGET: Final = 500_000
"""Solver steps for a question.  One that needs more is left to `prove`."""


def refuted(rows: Sequence[Row], names: Container[str]) -> str:
    """A property that does not hold of one of the rows named by itself; empty if none was
    found."""
    asked = (q for q in questions(rows, _SINGLY, names) if q.row is not None)
    return next(filter(None, (_refuted(rows, q, q.goals) for q in asked)), "")


def refuted_together(rows: Sequence[Row], states: Container[State]) -> str:
    """A property that does not hold of all rows together in one of these states, outside
    of which they are those of the shipped table."""
    once: list[Any] = [_shipped(row) if row in TABLE else _Once(row) for row in rows]
    for question in questions(once, _together(states), ()):
        goals = [goal for goal in question.goals if goal.prop.kind is Kind.TABLE]
        if name := _refuted(once, question, goals):
            return name
    return ""


def _refuted(rows: Sequence[Row], question: Question, goals: Sequence[Goal]) -> str:
    if not goals:
        return ""
    solver = z3.Solver()
    solver.set("rlimit", BUDGET)
    solver.add(*question.given, question.guard)
    if solver.check(z3.Not(z3.And([goal.claim for goal in goals]))) != z3.sat:
        return ""
    model = solver.model()
    c, p = _integers(model, Counts), _integers(model, Limits)
    return next((g.prop.name for g in goals if _fails(rows, question, g.prop, c, p)), "")


def _integers(model: z3.ModelRef, kind: Any) -> Any:
    return kind(*(int(str(model.eval(z3.Int(f), model_completion=True))) for f in kind._fields))


def _fails(
    rows: Sequence[Row], question: Question, prop: Property, c: Counts[int], p: Limits[int]
) -> bool:
    """Whether the property fails there, in a state in which the invariants hold."""
    row, state = question.row, question.state
    if not policy(p) or not all(q.holds(state, c, p) for q in INVARIANTS):
        return False
    if row is None:
        return not prop.holds(rows, state, c, p)
    if not row.enabled(c, p):
        return False
    c2, state2 = row.after(c, p), after(row, state)
    if prop.kind is Kind.STATE:
        return not prop.holds(state2, c2, p)
    return not prop.holds(row, state, c, p, state2, c2)


# -- properties that are cheap to ask of few rows -------------------------------------


def _together(states: Container[State]) -> tuple[Property, ...]:
    invariants = (p for p in _SINGLY if p.kind is Kind.STATE)
    return (*invariants, *(_in_states(p, states) for p in PROPERTIES if p.kind is Kind.TABLE))


def _in_states(p: Property, states: Container[State]) -> Property:
    def holds(rows: Any, state: State, *about: Any) -> Any:
        return p.holds(rows, state, *about) if state in states else True

    return attrs.evolve(p, holds=holds)


def _remembered(p: Property) -> Property:
    """An invariant that builds its term once for each state: it is always asked of the
    same unknowns."""
    if p.kind is not Kind.STATE:
        return p
    known: dict[State, Any] = {}

    def holds(state: State, c: Any, limits: Any) -> Any:
        if not isinstance(c.cap, Number):
            return p.holds(state, c, limits)
        if state not in known:
            known[state] = p.holds(state, c, limits)
        return known[state]

    return attrs.evolve(p, holds=holds)


_SINGLY: Final = tuple(_remembered(p) for p in PROPERTIES if p.kind is not Kind.TABLE)


class _Once:
    """A row that builds its terms once."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._made: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)

    def enabled(self, c: Any, p: Any) -> Any:
        """As `Row.enabled`."""
        return self._asked("enabled", c, p)

    def after(self, c: Any, p: Any) -> Any:
        """As `Row.after`."""
        return self._asked("after", c, p)

    def _asked(self, method: str, c: Any, p: Any) -> Any:
        if not isinstance(c.cap, Number):
            return getattr(self._row, method)(c, p)
        if method not in self._made:
            self._made[method] = getattr(self._row, method)(c, p)
        return self._made[method]


_shipped = cache(_Once)
