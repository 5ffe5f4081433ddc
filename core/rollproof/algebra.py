"""The few words, beside Python's operators, in which guards and effects are written.

A guard of the table is evaluated on plain integers by the running orchestrator, on
arrays by the explorer, on solver terms by the proofs and on text by the exporters.
It may therefore use ``+ - * // < <= == != > >= & |`` and the words below, and never
``if``, ``and``, ``or``, ``not``, ``in`` or a chained comparison: those would ask a
solver term for its truth.

The words know integers.  Another algebra joins by registering its type of truth with
`ite` and `negate`; this module imports none of them.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any


@singledispatch
def ite(truth: Any, then: Any, otherwise: Any) -> Any:
    """``then`` where ``truth`` holds, ``otherwise`` elsewhere."""
    raise TypeError(f"no algebra has registered {type(truth).__name__} as its truth")


@ite.register
def _(truth: bool, then: Any, otherwise: Any) -> Any:
    return then if truth else otherwise


@singledispatch
def negate(truth: Any) -> Any:
    """The contrary of ``truth``.  (``~True`` is -2 in Python, hence a word.)"""
    raise TypeError(f"no algebra has registered {type(truth).__name__} as its truth")


@negate.register
def _(truth: bool) -> bool:
    return not truth


def all_of(first: Any, *others: Any) -> Any:
    """Conjunction."""
    for other in others:
        first = first & other
    return first


def any_of(first: Any, *others: Any) -> Any:
    """Disjunction."""
    for other in others:
        first = first | other
    return first
