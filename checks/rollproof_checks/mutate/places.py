"""Which expressions of the table, of its sums and of its rules are changed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from rollproof_checks.mutate.sources import CHANGED, parsed, text

GENERATORS: Final = "_rows"
"""How the functions end that make rows.  Of these only guards and effects are changed as
text; moves, states and names are changed row by row."""

METHODS: Final = ("enabled", "shift", "barred")
"""Of `Row`: how a row is asked and taken."""

SHORTCUT: Final = "Row.barred"
"""What the step asks before it asks `Row.enabled`; no other layer sees it."""

ASKED_DIRECTLY: Final = "table.may_begin"
"""A term that the step asks by itself, beside the rows that do."""

JOINS: Final = ("all_of", "any_of")

TRUTHS: Final = frozenset({*JOINS, "negate"})
"""Words whose value is a truth."""


class Place(NamedTuple):
    """An expression, and where it stands."""

    module: str
    at: int
    """Number of the expression, in the order of `ast.walk` over its module."""
    node: ast.expr
    where: str
    parameters: tuple[str, ...] = ()
    """Of the rule that it is in: numbers that may be taken for one another."""


@cache
def places() -> tuple[Place, ...]:
    """Every expression that may be changed, in the order of the text."""
    return tuple(place for module in CHANGED for place in _of(module))


def _of(module: str) -> Iterator[Place]:
    tree = parsed(module)
    index = {node: at for at, node in enumerate(ast.walk(tree))}
    parameters = {
        f"rules.{node.name}": tuple(arg.arg for arg in node.args.args)
        for node in tree.body
        if module == "rules" and isinstance(node, ast.FunctionDef)
    }
    seen: set[int] = set()
    for root, where in _roots(module, tree):
        for node in ast.walk(root):
            if isinstance(node, ast.expr) and index[node] not in seen:
                seen.add(index[node])
                yield Place(module, index[node], node, where, parameters.get(where, ()))


def _roots(module: str, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """What may be changed as a whole or in parts, and the name of its place."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.endswith(GENERATORS):
            yield from _of_rows(node)
        elif isinstance(node, ast.FunctionDef):
            yield from ((part, f"{module}.{node.name}") for part in _body(node))
        elif isinstance(node, ast.ClassDef) and node.name == "Row":
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name in METHODS:
                    yield from ((part, f"Row.{method.name}") for part in _body(method))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BEGIN_PRECHECK":
            yield from _effects(node.value, "BEGIN_PRECHECK")


def _body(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The statements without the docstring."""
    for node in function.body:
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield node


def _of_rows(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str]]:
    for call in ast.walk(function):
        if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "Row"):
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        row = _plain(given["name"])
        if "guard" in given:
            yield given["guard"], f"guard of {row}"
        yield from _effects(given.get("sets"), row)


def _effects(sets: ast.expr | None, row: str) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(sets, ast.Tuple):
        for pair in sets.elts:
            assert isinstance(pair, ast.Tuple)
            register, effect = pair.elts
            yield effect, f"{_plain(register)} of {row}"


def _plain(name: ast.expr) -> str:
    """A name without the quotes, and without the ``f`` before them."""
    return ast.unparse(name).removeprefix("f").strip("\"'")


@cache
def functions() -> dict[str, ast.FunctionDef]:
    """Functions of the sources, by name."""
    return {
        node.name: node
        for module in CHANGED
        for node in parsed(module).body
        if isinstance(node, ast.FunctionDef)
    }


@cache
def calls(name: str) -> frozenset[str]:
    """The function and all that it calls, at last."""
    if name not in functions():
        return frozenset({name})
    named = {n.id for n in ast.walk(functions()[name]) if isinstance(n, ast.Name)}
    below = (calls(other) for other in named & functions().keys() - {name})
    return frozenset({name}).union(*below)


@cache
def predicates() -> frozenset[str]:
    """Functions of the sources whose value is a truth."""
    found = set(TRUTHS)
    values = {
        name: node.body[-1].value
        for name, node in functions().items()
        if isinstance(node.body[-1], ast.Return)
    }
    for _ in values:  # each may call those that were found before it
        found |= {name for name, value in values.items() if _is_truth(value, found)}
    return frozenset(found)


def is_truth(node: ast.AST | None) -> bool:
    """Whether the value of an expression is a truth, and not a number."""
    return _is_truth(node, predicates())


def _is_truth(node: ast.AST | None, known: frozenset[str] | set[str]) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in known
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool)
    return isinstance(node, ast.Compare)


def changed(place: Place, instead: ast.expr) -> str:
    """The text of the module with another expression in that place."""
    tree = ast.parse(text(place.module))
    old = next(node for at, node in enumerate(ast.walk(tree)) if at == place.at)

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return instead if node is old else self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Put().visit(tree)))
