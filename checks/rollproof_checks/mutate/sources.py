"""Modules of rollproof run again from changed text, beside the installed ones.

A changed module sees the changed versions of what it imports, and the installed ones of
all else.  Values that the checks compare by identity stay the installed ones: who takes a
row is the same `Actor`, counts are the same `Counts`.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from rollproof.table import Row
from rollproof_checks.conform.search import Stepper
from rollproof_checks.mutate.mutant import Rows

CHANGED: Final = ("counts", "rules", "table")
"""The modules that are changed, each after those that it imports."""

KEPT: Final = {
    "counts": frozenset({"Counts", "Limits"}),
    "rules": frozenset[str](),
    "table": frozenset({"Actor"}),
}
"""Classes that stay the installed ones."""

RUNNING: Final = ("turn", "step")
"""The modules that run the table, likewise."""


@cache
def text(module: str) -> str:
    """The text of a module of rollproof as it is installed."""
    path = import_module(f"rollproof.{module}").__file__
    assert path is not None
    return Path(path).read_text("utf-8")


@cache
def parsed(module: str) -> ast.Module:
    """The same, parsed.  Not to be changed."""
    return ast.parse(text(module))


def compile_table(sources: Mapping[str, str]) -> dict[str, ModuleType]:
    """The modules of the table with some of their texts replaced."""
    made: dict[str, ModuleType] = {}
    for name in CHANGED:
        _run(name, sources.get(name, text(name)), KEPT[name], made)
    return made


def rows_of(sources: Mapping[str, str]) -> Rows:
    """The table that changed texts make."""
    rows: Rows = compile_table(sources)["table"].TABLE
    return rows


def stepper(rows: Sequence[Row], sources: Mapping[str, str]) -> Stepper:
    """The shipped `rollproof.step.trace`, over another table."""
    made = compile_table(sources)
    made["table"].__dict__.update(TABLE=tuple(rows), ROWS={row.name: row for row in rows})
    for name in RUNNING:
        _run(name, text(name), frozenset(), made)
    trace: Stepper = made["step"].trace
    return trace


def _run(name: str, source: str, kept: frozenset[str], made: dict[str, ModuleType]) -> None:
    """Run one module's text; it and what it imports of ``made`` are seen by each other
    only."""
    installed = import_module(f"rollproof.{name}")
    module = ModuleType(installed.__name__, installed.__doc__)

    def importing(wanted: str, *about: Any, **more: Any) -> ModuleType:
        head, _, tail = wanted.rpartition(".")
        if head == "rollproof" and tail in made:
            return made[tail]
        builtins.__import__(wanted, *about, **more)
        return sys.modules[wanted]  # no module here says `import a.b`

    vars(module)["__builtins__"] = {**vars(builtins), "__import__": importing}
    vars(module)["__file__"] = installed.__file__
    vars(module).update((each, getattr(installed, each)) for each in kept)
    if name == "table":  # a changed text may need words that this one does not import
        words = {**vars(made["counts"]), **vars(made["rules"])}
        vars(module).update((w, words[w]) for w in words.keys() - vars(module).keys())
    made[name] = module
    exec(_compiled(name, source, kept), vars(module))


@lru_cache(maxsize=8)
def _compiled(name: str, source: str, kept: frozenset[str]) -> CodeType:
    tree = ast.parse(source)
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.ClassDef) and node.name in kept)
    ]
    return compile(tree, f"<changed {name}>", "exec")
