"""Operators on rows: moves, states, effects, who takes them, and whether they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Final

import attrs
import z3

from rollproof.algebra import all_of, any_of
from rollproof.counts import PHASES, REGISTERS, Counts, Limits
from rollproof.states import ACTIVE, TERMINAL, Cause, State, View
from rollproof.table import ROWS, TABLE, Actor, Row, Term, always, set_to
from rollproof_checks.mutate.mutant import Mutant, Rows, Suite
from rollproof_spec.terms import boolean, counts, limits

Change = tuple[str, Callable[[], Rows]]
"""What is changed, in words, and the table that comes of it."""

Operator = Callable[[Row], Iterator[Change]]

FLAGS: Final = ("gated", "held", "forced", "shut", "deferred")
RANGES: Final = {"view": len(View), "stop": len(Cause), **dict.fromkeys(FLAGS, 2)}
"""How many values a register has; of others two are tried."""

FEW: Final = 2
"""How many changes each operator makes to a row that has dozens like it."""

FIELDS: Final = frozenset(Counts._fields + Limits._fields)

PENDING: Final = {"pending_healthy", "pending_unhealthy"}

CONDITIONS: Final[dict[str, Term]] = {
    "held": lambda c, _p: c.held == 1,
    "not held": lambda c, _p: c.held == 0,
    "gated": lambda c, _p: c.gated == 1,
    "not gated": lambda c, _p: c.gated == 0,
    "stopping": lambda c, _p: c.stop != Cause.NONE,
    "going": lambda c, _p: c.stop == Cause.NONE,
    "cancelled by a user": lambda c, _p: c.stop == Cause.USER,
    "forced": lambda c, _p: c.forced == 1,
    "not forced": lambda c, _p: c.forced == 0,
    "fresh": lambda c, _p: c.view == View.FRESH,
    "stale": lambda c, _p: c.view == View.STALE,
    "room": lambda c, _p: c.room > 0,
    "no room": lambda c, _p: c.room == 0,
    "rollback": lambda _c, p: p.rollback == 1,
    "no rollback": lambda _c, p: p.rollback == 0,
    "paced": lambda _c, p: p.paced == 1,
    "shut": lambda c, _p: c.shut == 1,
    "not shut": lambda c, _p: c.shut == 0,
    "deferred": lambda c, _p: c.deferred == 1,
    "not deferred": lambda c, _p: c.deferred == 0,
    "deferral": lambda _c, p: p.deferral == 1,
}
"""What a guard may ask beside what it asks."""


def replaced(row: Row, **changes: Any) -> Callable[[], Rows]:
    """The table with one row changed."""
    return partial(_replaced, row.name, changes)


def _replaced(name: str, changes: dict[str, Any]) -> Rows:
    changed = attrs.evolve(ROWS[name], **changes)
    return tuple(changed if row.name == name else row for row in TABLE)


def _without(name: str) -> Rows:
    return tuple(row for row in TABLE if row.name != name)


def _with(row: Row, **changes: Any) -> Callable[[], Rows]:
    return lambda: (*TABLE, attrs.evolve(row, name=f"{row.name}_again", **changes))


def _states(states: frozenset[State]) -> str:
    return "+".join(state for state in State if state in states)


def _drifts(row: Row) -> bool:
    """Whether it is one of the many rows, all alike, by which the fleet changes by itself.
    Of what an operator can do to them a few are tried on each, others on the next."""
    return row.actor is Actor.WORLD and row.sources == ACTIVE and row.guard is always


# -- suite one ----------------------------------------------------------------------


def leaves(row: Row) -> Iterator[Change]:
    """Another phase is left, or none."""
    if row.leaves is not None:
        for phase in (*PHASES, None):
            if phase != row.leaves:
                yield f"leaves {phase}", replaced(row, leaves=phase)


def enters(row: Row) -> Iterator[Change]:
    """Another phase is entered, or none."""
    if row.enters is not None or row.leaves is not None:
        for phase in (*PHASES, None):
            if phase != row.enters:
                yield f"enters {phase}", replaced(row, enters=phase)


def target(row: Row) -> Iterator[Change]:
    """Another state is entered, or none."""
    for state in (*State, None):
        if not _same_target(row, state):
            yield f"target {state}", replaced(row, target=state)


def _same_target(row: Row, state: State | None) -> bool:
    """Whether the row leads where it would with that target."""
    return all((row.target or source) is (state or source) for source in row.sources)


def source_added(row: Row) -> Iterator[Change]:
    """One source state more."""
    for state in State:
        if state not in row.sources:
            yield f"from {state} too", replaced(row, sources=row.sources | {state})


def source_removed(row: Row) -> Iterator[Change]:
    """One source state less."""
    for state in State:
        if state in row.sources and len(row.sources) > 1:
            yield f"not from {state}", replaced(row, sources=row.sources - {state})


def removed(row: Row) -> Iterator[Change]:
    """The row is not there."""
    yield "removed", partial(_without, row.name)


def doubled(row: Row) -> Iterator[Change]:
    """The row is there twice, with two targets."""
    for state in (*State, None):
        if not _same_target(row, state):
            yield f"again, with target {state}", _with(row, target=state)


def effect_dropped(row: Row) -> Iterator[Change]:
    """A register is left alone."""
    for register, _ in row.sets:
        kept = tuple(pair for pair in row.sets if pair[0] != register)
        yield f"{register} is not set", replaced(row, sets=kept)


def effect_replaced(row: Row) -> Iterator[Change]:
    """A register is set to something else."""
    for register, effect in row.sets:
        for what, other in _effects(register):
            if not _same(effect, other):
                yield f"{register} = {what}", replaced(row, sets=_put(row, register, other))


def _effects(register: str) -> Iterator[tuple[str, Term]]:
    for value in range(RANGES.get(register, 2)):
        yield str(value), set_to(value)
    for by in (-1, 1):
        yield f"{register} {by:+}", partial(_moved, register, by)


def _moved(register: str, by: int, c: Counts[Any], _p: Limits[Any]) -> Any:
    return getattr(c, register) + by


def _put(row: Row, register: str, effect: Term) -> tuple[tuple[str, Term], ...]:
    return (*(pair for pair in row.sets if pair[0] != register), (register, effect))


def emptiness(row: Row) -> Iterator[Change]:
    """A phase that must be empty need not be, or another must be."""
    for phase in row.empty:
        kept = tuple(other for other in row.empty if other != phase)
        yield f"{phase} may be full", replaced(row, empty=kept)
        for other in PHASES:
            if other not in row.empty:
                yield f"{other} is empty for {phase}", replaced(row, empty=(*kept, other))


def actor(row: Row) -> Iterator[Change]:
    """Somebody else takes the row."""
    for other in Actor:
        if other is not row.actor:
            yield f"taken by {other}", replaced(row, actor=other)


# -- suite two ----------------------------------------------------------------------


def borrowed_guard(row: Row) -> Iterator[Change]:
    """The guard of another row that has a source state in common, or none."""
    kinds: list[Row] = []
    for other in TABLE:
        known = any(_same(kind.guard, other.guard) for kind in kinds)
        if other.sources & row.sources and not known and not _same(other.guard, row.guard):
            kinds.append(other)
            name = "no guard" if other.guard is always else f"the guard of {other.name}"
            yield name, replaced(row, guard=other.guard)


def borrowed_effects(row: Row) -> Iterator[Change]:
    """The effects of another row that has a source state in common."""
    kinds: list[Row] = []
    for other in TABLE:
        known = any(kind.sets == other.sets for kind in (row, *kinds))
        if other.sets and other.sources & row.sources and not known:
            kinds.append(other)
            yield f"the effects of {other.name}", replaced(row, sets=other.sets)


def extra_effect(row: Row) -> Iterator[Change]:
    """A register is set that the row has no business with."""
    for register in REGISTERS:
        if all(name != register for name, _ in row.sets):
            for what, effect in _effects(register):
                yield (
                    f"{register} = {what} too",
                    replaced(row, sets=_put(row, register, effect)),
                )


def one_gate_more(row: Row) -> Iterator[Change]:
    """The guard asks for something else too."""
    for name, condition in CONDITIONS.items():
        yield f"only if {name}", replaced(row, guard=partial(_both, row.guard, condition))


def one_way_round(row: Row) -> Iterator[Change]:
    """The guard is waived where something else holds."""
    if row.guard is not always:
        for name, condition in CONDITIONS.items():
            yield f"or if {name}", replaced(row, guard=partial(_either, row.guard, condition))


def _both(guard: Term, condition: Term, c: Counts[Any], p: Limits[Any]) -> Any:
    return all_of(condition(c, p), guard(c, p))


def _either(guard: Term, condition: Term, c: Counts[Any], p: Limits[Any]) -> Any:
    return any_of(condition(c, p), guard(c, p))


def blind(row: Row) -> Iterator[Change]:
    """The guard, or an effect, takes a count or a limit for nothing, or for one more."""
    for slot, term in (("guard", row.guard), *row.sets):
        for name in sorted(_read_by(term)):
            for by in (None, 1):
                seeing = partial(_misread, term, name, by)
                changes = (
                    {"guard": seeing} if slot == "guard" else {"sets": _put(row, slot, seeing)}
                )
                what = f"{name} taken for {'0' if by is None else f'{name} {by:+}'}"
                yield f"{slot}: {what}", replaced(row, **changes)


def _misread(term: Term, name: str, by: int | None, c: Counts[Any], p: Limits[Any]) -> Any:
    def wrong(fields: Any) -> Any:
        return fields._replace(**{name: 0 if by is None else getattr(fields, name) + by})

    return term(wrong(c), p) if name in Counts._fields else term(c, wrong(p))


def late_effect(row: Row) -> Iterator[Change]:
    """An effect is computed from the counts after the move."""
    for register, effect in row.sets:
        if row.leaves is not None and _read_by(effect) & set(PHASES):
            late = partial(_after_move, row.leaves, row.enters, effect)
            yield f"{register} computed late", replaced(row, sets=_put(row, register, late))


def _after_move(
    gone: str, come: str | None, effect: Term, c: Counts[Any], p: Limits[Any]
) -> Any:
    c = c._replace(**{gone: getattr(c, gone) - 1})
    return effect(c if come is None else c._replace(**{come: getattr(c, come) + 1}), p)


def borrowed_move(row: Row) -> Iterator[Change]:
    """The move of another row that is taken by whom this is."""
    for other in TABLE:
        move = {"leaves": other.leaves, "enters": other.enters}
        if (
            other.actor is row.actor
            and other.sources & row.sources
            and move != {"leaves": row.leaves, "enters": row.enters}
            and (not _drifts(other) or PENDING & {other.leaves, other.enters})
        ):
            yield f"the move of {other.name}", replaced(row, **move)


def second_move(row: Row) -> Iterator[Change]:
    """Two instances move, not one."""
    for phase, by in ((row.leaves, -1), (row.enters, 1)):
        if phase is not None:
            moved = (*row.sets, (phase, partial(_moved, phase, by)))
            yield f"{phase} {by:+} once more", replaced(row, sets=moved)


def borrowed_states(row: Row) -> Iterator[Change]:
    """The row is taken in quite other states."""
    kinds = {other.sources for other in TABLE} | {frozenset({s}) for s in TERMINAL}
    for states in sorted(kinds, key=_states):
        if not states & row.sources:
            yield f"from {_states(states)} instead", replaced(row, sources=states)


def _read_by(term: Term) -> frozenset[str]:
    """Names of the counts and limits that a guard or an effect reads."""
    return _names(term)


@cache
def _names(term: Term) -> frozenset[str]:
    value = _symbolic(term)
    found: set[str] = set()
    todo = [value] if value is not None else []
    while todo:
        at = todo.pop()
        if z3.is_const(at) and at.decl().name() in FIELDS:
            found.add(at.decl().name())
        todo += at.children()
    return frozenset(found)


@cache
def _symbolic(term: Term) -> z3.ExprRef | None:
    value = term(counts(), limits())
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, int):
        return z3.IntVal(int(value))
    expr: z3.ExprRef = value.expr
    return expr


def _same(one: Term, other: Term) -> bool:
    """Whether two terms are the same but for the name."""
    first, second = _symbolic(one), _symbolic(other)
    return first is not None and second is not None and first.eq(second)


FIRST: Final[dict[str, Operator]] = {
    "phase left": leaves,
    "phase entered": enters,
    "target": target,
    "source added": source_added,
    "source removed": source_removed,
    "row removed": removed,
    "row doubled": doubled,
    "effect dropped": effect_dropped,
    "effect replaced": effect_replaced,
    "emptiness": emptiness,
    "actor": actor,
}

SECOND: Final[dict[str, Operator]] = {
    "guard borrowed": borrowed_guard,
    "effects borrowed": borrowed_effects,
    "effect added": extra_effect,
    "gate added": one_gate_more,
    "gate avoided": one_way_round,
    "misread": blind,
    "effect late": late_effect,
    "move borrowed": borrowed_move,
    "second move": second_move,
    "states borrowed": borrowed_states,
}


def rows_changed() -> Iterator[Mutant]:
    """Every mutant of a row."""
    for suite, operators in ((Suite.FIRST, FIRST), (Suite.SECOND, SECOND)):
        for name, operator in operators.items():
            for number, row in enumerate(TABLE):
                changes = list(operator(row))
                turn = max(1, -(-len(changes) // FEW)) if _drifts(row) else 1
                for change, build in changes[number % turn :: turn]:
                    yield Mutant(
                        suite=suite, operator=name, place=row.name, change=change, build=build
                    )
