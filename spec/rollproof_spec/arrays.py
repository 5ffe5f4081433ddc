"""The algebra of arrays: the guards and effects of the table, asked of a whole frontier
of states in one call.

Importing this module teaches `rollproof.algebra` numpy's truth.

An array wraps around silently where a Python integer grows, and an unsigned one has no
negative headroom (S6): `width` names the type that holds every number a rule can make.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rollproof.algebra import ite, negate
from rollproof.counts import Counts

Numbers: TypeAlias = NDArray[np.signedinteger[Any]]
"""One number for each state of a frontier."""

Truths: TypeAlias = NDArray[np.bool_]
"""One truth for each state of a frontier."""


@ite.register(np.ndarray)
@ite.register(np.bool_)
def _(truth: Truths, then: Any, otherwise: Any) -> Any:
    return np.where(_truths(truth), _plain(then), _plain(otherwise))


@negate.register(np.ndarray)
@negate.register(np.bool_)
def _(truth: Truths) -> Truths:
    return np.logical_not(_truths(truth))


def _truths(truth: Truths) -> Truths:
    """Only the bools among arrays: ``negate`` of a number would be taken for one."""
    if truth.dtype != np.bool_:
        raise TypeError(f"an array of {truth.dtype} is no truth")
    return truth


def _plain(value: Any) -> Any:
    """A member of an IntEnum as an int, which takes the width of the array it meets."""
    return int(value) if isinstance(value, int) else value


def width(instances: int) -> type[np.signedinteger[Any]]:
    """The narrowest type in which no rule wraps around, for a set of so many instances.

    The largest numbers are a hundred times a count (`rollproof.rules.exceeds`).
    Raises OverflowError when there is none.
    """
    for kind in (np.int16, np.int32, np.int64):
        if instances * 100 <= np.iinfo(kind).max:
            return kind
    raise OverflowError(f"a hundred times {instances} instances fit no integer of numpy")


def stack(points: Iterable[Counts[int]], instances: int) -> Counts[Numbers]:
    """Many counts as one, a column per field; none may hold more than ``instances``."""
    table = np.array(list(points), dtype=width(instances))
    return Counts(*table.reshape(-1, len(Counts._fields)).T)
