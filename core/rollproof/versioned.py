"""An array whose every version stays readable, and whose newest costs O(1).

The newest version owns the cells.  An older one holds a single difference to its
successor; reading it first moves the cells back to it.  So a run that is stepped
forward pays for a plain array, and a search that branches still sees pure values
(Baker, 1978).  Versions of one array must not be used from several threads at once.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_blank = object.__new__
"""Makes a version without the call of its constructor; every event passes here."""


class Versioned(Generic[T]):
    """An immutable sequence; `put` and `put_all` make the next version."""

    __slots__ = ("_cells", "_index", "_next", "_value")

    _cells: MutableSequence[T] | None
    # Of a version that does not own the cells: how it differs from the next one.  The
    # index is one cell's, or the slice of neighbours that were written together: what is
    # done with it is the same, and no type says so.
    _index: Any
    _value: Any
    _next: Versioned[T]

    def __init__(self, cells: MutableSequence[T]) -> None:
        """Takes ``cells`` over: the caller must not touch them any more."""
        self._cells = cells

    def cells(self) -> MutableSequence[T]:
        """The cells as this version has them, to be read at once and never written."""
        cells = self._cells
        return cells if cells is not None else self._reroot()

    def put(self, index: int, value: T) -> Versioned[T]:
        """The next version, in which ``index`` holds ``value``."""
        cells = self._cells
        if cells is None:
            cells = self._reroot()
        successor: Versioned[T] = _blank(Versioned)
        successor._cells = cells
        self._index = index
        self._value = cells[index]
        self._next = successor
        self._cells = None
        cells[index] = value
        return successor

    def put_all(self, start: int, values: Sequence[T]) -> Versioned[T]:
        """The next version, in which the cells from ``start`` on hold ``values``: as many
        puts would make, at the price of one.  Raises IndexError where there is no cell."""
        stop = start + len(values)
        if not 0 <= start <= stop <= len(self.cells()):
            raise IndexError(f"no cells {start} to {stop}")
        neighbours: Any = slice(start, stop)
        written: Any = values
        return self.put(neighbours, written)

    def stretch(self, length: int, blank: T) -> None:
        """Make room for ``length`` cells.  New cells read ``blank`` in every version."""
        cells = self.cells()
        cells.extend([blank] * (length - len(cells)))

    def _reroot(self) -> MutableSequence[T]:
        chain: list[Versioned[T]] = []
        node = self
        while node._cells is None:
            chain.append(node)
            node = node._next
        cells = node._cells
        for older in reversed(chain):
            newer = older._next
            newer._index = older._index
            newer._value = cells[older._index]
            newer._next = older
            newer._cells = None
            cells[older._index] = older._value
            older._cells = cells
        return cells
