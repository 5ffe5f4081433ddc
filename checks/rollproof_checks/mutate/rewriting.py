"""Operators on the text of guards, effects, sums and rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final, TypeGuard

from rollproof.counts import PHASES
from rollproof.states import Cause, State, View
from rollproof_checks.mutate.mutant import Mutant, Rows, Suite
from rollproof_checks.mutate.places import (
    JOINS,
    Place,
    calls,
    changed,
    is_truth,
    places,
    predicates,
)
from rollproof_checks.mutate.sources import CHANGED, parsed, rows_of

Operator = Callable[[Place], Iterator[ast.expr]]
"""From an expression in its place to what may stand there instead."""

SIGNS: Final = (ast.Lt, ast.LtE, ast.Eq, ast.NotEq, ast.GtE, ast.Gt)

ENUMS: Final[dict[str, type[Cause | View | State]]] = {
    "Cause": Cause,
    "View": View,
    "State": State,
}

SIBLINGS: Final = (
    ("healthy", "unhealthy"),
    ("replacing", "awaiting", "restoring", "recovering", "indeterminate"),
    ("room", "slack", "cap"),
    ("view", "stop", "gated", "held", "forced", "shut", "deferred"),
    ("max_batch", "max_unhealthy", "max_unhealthy_upgraded"),
    ("rollback", "restore_on_breach", "paced", "deferral"),
)
"""Fields that may be taken for one another."""

KINDS: Final = ("failed", "restored", "unrestored", "upgraded", "pending", "skipped")


# -- suite one ----------------------------------------------------------------------


def comparison(place: Place) -> Iterator[ast.expr]:
    """Another sign."""
    node = place.node
    if isinstance(node, ast.Compare):
        (old,) = node.ops
        for sign in () if isinstance(old, ast.IsNot) else SIGNS:
            if not isinstance(old, sign):
                yield ast.Compare(node.left, [sign()], node.comparators)


def connective(place: Place) -> Iterator[ast.expr]:
    """And for or, or for and."""
    node = place.node
    if isinstance(node, ast.Call) and (word := ast.unparse(node.func)) in JOINS:
        other = JOINS[1 - JOINS.index(word)]
        yield ast.Call(ast.Name(other, ast.Load()), node.args, [])
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        yield ast.BinOp(node.left, ast.BitOr(), node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield ast.BinOp(node.left, ast.BitAnd(), node.right)


def dropped_condition(place: Place) -> Iterator[ast.expr]:
    """One part of a conjunction or disjunction left out."""
    node = place.node
    if isinstance(node, ast.Call) and ast.unparse(node.func) in JOINS and len(node.args) > 1:
        for at in range(len(node.args)):
            yield ast.Call(node.func, node.args[:at] + node.args[at + 1 :], [])


def negation(place: Place) -> Iterator[ast.expr]:
    """The contrary; of a comparison that is another sign."""
    node = place.node
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "negate":
        yield node.args[0]
    elif is_truth(node) and not isinstance(node, ast.Compare | ast.Constant):
        yield ast.Call(ast.Name("negate", ast.Load()), [node], [])


def constant(place: Place) -> Iterator[ast.expr]:
    """One more, one less; another truth; another member of its kind."""
    node = place.node
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield from (ast.Constant(node.value + by) for by in (-1, 1))
    elif isinstance(node, ast.Attribute) and (kind := ENUMS.get(ast.unparse(node.value))):
        for member in kind:
            if member.name != node.attr:
                yield ast.Attribute(node.value, member.name, ast.Load())


def arithmetic(place: Place) -> Iterator[ast.expr]:
    """Plus for minus, minus for plus, plus for times."""
    node = place.node
    others: dict[type[ast.operator], ast.operator] = {
        ast.Add: ast.Sub(),
        ast.Sub: ast.Add(),
        ast.Mult: ast.Add(),
    }
    if isinstance(node, ast.BinOp) and type(node.op) in others:
        yield ast.BinOp(node.left, others[type(node.op)], node.right)


def summand(place: Place) -> Iterator[ast.expr]:
    """One side of a sum or difference left out."""
    node = place.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from (node.left, node.right)


def sibling(place: Place) -> Iterator[ast.expr]:
    """Another name of the same kind: a field, a term, a sum, a rule or a number given to
    one."""
    node = place.node
    if isinstance(node, ast.Attribute) and not ENUMS.get(ast.unparse(node.value)):
        for other in _siblings(node.attr):
            yield ast.Attribute(node.value, other, ast.Load())
    elif isinstance(node, ast.Name):
        own = node.id in place.parameters
        for group in (place.parameters,) if own else _groups():
            if node.id in group:
                for other in group:
                    if other != node.id and place.where.rpartition(".")[2] not in calls(other):
                        yield ast.Name(other, ast.Load())


def _siblings(field: str) -> Iterator[str]:
    kind, _, side = field.rpartition("_")
    if kind in KINDS:
        yield f"{kind}_{'un' if side == 'healthy' else ''}{side.removeprefix('un')}"
        yield from (f"{other}_{side}" for other in KINDS if other != kind)
    for group in SIBLINGS:
        if field in group:
            yield from (other for other in group if other != field)


@cache
def _groups() -> tuple[tuple[str, ...], ...]:
    """Functions that take the same and give the same."""
    found: dict[tuple[str, bool], list[str]] = {}
    for module in CHANGED:
        for node in parsed(module).body:
            if not isinstance(node, ast.FunctionDef) or node.name.endswith("_rows"):
                continue
            takes = tuple(arg.arg.strip("_") for arg in node.args.args)
            if takes in (("c",), ("c", "p"), ("whole", "percent")) and node.name != "always":
                kind = (" ".join(takes), node.name in predicates())
                found.setdefault(kind, []).append(node.name)
    return tuple(tuple(names) for names in found.values())


# -- suite two ----------------------------------------------------------------------


def branch(place: Place) -> Iterator[ast.expr]:
    """The branches of a choice swapped, or one of them taken always."""
    node = place.node
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "ite":
        truth, then, otherwise = node.args
        yield ast.Call(node.func, [truth, otherwise, then], [])
        yield from (then, otherwise)


def rounding(place: Place) -> Iterator[ast.expr]:
    """Up, and to the nearest, for down."""
    node = place.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        whole = ast.unparse(node.right)
        for more in (f"{whole} - 1", f"{whole} // 2"):
            text = f"({ast.unparse(node.left)} + {more}) // {whole}"
            yield ast.parse(text, mode="eval").body


def turned(place: Place) -> Iterator[ast.expr]:
    """A difference, or the arguments of a rule, the other way round."""
    node = place.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        yield ast.BinOp(node.right, ast.Sub(), node.left)
    elif isinstance(node, ast.Call) and len(node.args) > 1 and not _is_word(node):
        for at in range(len(node.args) - 1):
            first, second = node.args[at : at + 2]
            if ast.unparse(first) != "c":
                swapped = [*node.args[:at], second, first, *node.args[at + 2 :]]
                yield ast.Call(node.func, swapped, [])


def _is_word(call: ast.Call) -> bool:
    return ast.unparse(call.func) in (*JOINS, "ite", "negate")


def added_summand(place: Place) -> Iterator[ast.expr]:
    """A sum of phases counts one phase more, or twice, or not."""
    node = place.node
    if _is_sum(node) and not _is_sum(node.left):  # once for a chain
        for phase in PHASES:
            field = ast.parse(f"c.{phase}", mode="eval").body
            yield ast.BinOp(node, ast.Add(), field)
            yield ast.BinOp(node, ast.Sub(), field)


def _is_sum(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def off_by_one(place: Place) -> Iterator[ast.expr]:
    """One more or one less of anything compared, given to a rule or added up."""
    node = place.node
    if isinstance(node, ast.Compare | ast.Call) and not _is_enum(node):
        sides = _sides(node)
        for at, side in enumerate(sides):
            for sign in (ast.Add(), ast.Sub()):
                moved = [*sides]
                moved[at] = ast.BinOp(side, sign, ast.Constant(1))
                yield _with_sides(node, moved)


def _is_enum(node: ast.expr) -> bool:
    return any(ast.unparse(n) in ENUMS for n in ast.walk(node) if isinstance(n, ast.Name))


def _sides(node: ast.Compare | ast.Call) -> list[ast.expr]:
    if isinstance(node, ast.Compare):
        return [node.left]
    rule = ast.unparse(node.func) in ("exceeds", "share", "batch_bound", "spare")
    return node.args if rule else []


def _with_sides(node: ast.Compare | ast.Call, sides: list[ast.expr]) -> ast.expr:
    if isinstance(node, ast.Compare):
        return ast.Compare(sides[0], node.ops, node.comparators)
    return ast.Call(node.func, sides, [])


FIRST: Final[dict[str, Operator]] = {
    "comparison": comparison,
    "connective": connective,
    "condition dropped": dropped_condition,
    "negation": negation,
    "constant": constant,
    "plus and minus": arithmetic,
    "summand dropped": summand,
    "sibling": sibling,
}

SECOND: Final[dict[str, Operator]] = {
    "branch of a choice": branch,
    "rounding": rounding,
    "turned round": turned,
    "summand added": added_summand,
    "off by one": off_by_one,
}


def rewritten() -> Iterator[Mutant]:
    """Every mutant of the text."""
    for suite, operators in ((Suite.FIRST, FIRST), (Suite.SECOND, SECOND)):
        for name, operator in operators.items():
            for place in places():
                for instead in operator(place):
                    yield _mutant(suite, name, place, instead)


def _mutant(suite: Suite, operator: str, place: Place, instead: ast.expr) -> Mutant:
    old, new = ast.unparse(place.node), ast.unparse(instead)
    return Mutant(
        suite=suite,
        operator=operator,
        place=place.where,
        change=f"{place.node.lineno}:{place.node.col_offset}: {old} -> {new}",
        build=partial(_build, place, instead),
        text=partial(_text, place, instead),
    )


def _text(place: Place, instead: ast.expr) -> dict[str, str]:
    return {place.module: changed(place, instead)}


def _build(place: Place, instead: ast.expr) -> Rows:
    return rows_of(_text(place, instead))
