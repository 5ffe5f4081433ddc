"""How a state becomes one number: fields side by side in a 64-bit word.

A layout knows for each field the least value and the number of bits.  A field that has
been the same in every state so far takes none.  Nothing is assumed of the values: where
one does not fit, `Layout.widened` makes room, and `Layout.convert` carries over what was
packed before.  Packing is linear, so a step that changes a field by ``d`` changes the
word by ``d << shift``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = Any
"""One field of many states: an array, or a plain int where all of them agree.  The guards
run on either; on ints they are cut short."""

Keys: TypeAlias = NDArray[np.int64]
"""Packed states."""

WORD: Final = 63
"""Bits of a key; the sign stays free, so that keys sort as they are packed."""


class TooWide(Exception):
    """The fields of a state need more bits than a word has."""


@attrs.frozen(eq=False)
class Layout:
    """Where each field stands; the first field is the most significant."""

    low: tuple[int, ...]
    bits: tuple[int, ...]
    shift: tuple[int, ...] = attrs.field(init=False)

    @shift.default
    def _(self) -> tuple[int, ...]:
        return tuple(sum(self.bits[at + 1 :]) for at in range(len(self.bits)))

    def __attrs_post_init__(self) -> None:
        if sum(self.bits) > WORD:
            raise TooWide(f"{sum(self.bits)} bits, and a word has {WORD}")

    def high(self, at: int) -> int:
        """The largest value of a field."""
        return self.low[at] + (1 << self.bits[at]) - 1

    def holds(self, at: int, least: int, most: int) -> bool:
        """Whether the values from ``least`` to ``most`` fit the field."""
        return self.low[at] <= least and most <= self.high(at)

    def widened(self, ranges: Iterable[tuple[int, int]]) -> Layout:
        """A layout with room for these values too, one range for each field; itself when
        there is."""
        low, bits = list(self.low), list(self.bits)
        for at, (least, most) in enumerate(ranges):
            if self.holds(at, least, most):
                continue
            bottom, top = min(least, low[at]), max(most, self.high(at))
            bits[at] = (top - bottom).bit_length()
            # Grow where the values go: downwards as far as the bits reach, but not below 0.
            spare = (1 << bits[at]) - 1 - (top - bottom)
            low[at] = max(bottom - spare, min(bottom, 0)) if least < low[at] else bottom
        if (tuple(low), tuple(bits)) == (self.low, self.bits):
            return self
        return Layout(tuple(low), tuple(bits))

    def pack(self, columns: Sequence[Column], size: int) -> Keys:
        """The keys of ``size`` states, all of which must fit."""
        keys: Keys = np.zeros(size, np.int64)
        constant = 0
        for column, low, shift in zip(columns, self.low, self.shift, strict=True):
            if isinstance(column, np.ndarray):
                keys += (column.astype(np.int64) - low) << shift
            else:
                constant += (int(column) - low) << shift
        keys += constant
        return keys

    def unpack(self, keys: Keys, kind: type[np.signedinteger[Any]]) -> list[Column]:
        """The fields of states; those on which all agree, as ints."""
        columns: list[Column] = []
        for low, bits, shift in zip(self.low, self.bits, self.shift, strict=True):
            if not bits:
                columns.append(low)
                continue
            column = ((keys >> shift) & ((1 << bits) - 1)).astype(kind)
            if low:
                column += kind(low)
            columns.append(settled(column))
        return columns

    def convert(self, keys: Keys, old: Layout) -> Keys:
        """Keys of an older layout in this one, in any order."""
        if old is self:
            return keys
        fresh: Keys = np.zeros(keys.size, np.int64)
        for at, bits in enumerate(old.bits):
            fresh += old.low[at] - self.low[at] << self.shift[at]
            if bits:
                fresh += ((keys >> old.shift[at]) & ((1 << bits) - 1)) << self.shift[at]
        return fresh


def of(values: Sequence[int]) -> Layout:
    """The layout of a single state."""
    return Layout(tuple(values), (0,) * len(values))


def settled(column: NDArray[Any]) -> Column:
    """A column as an int where all states agree."""
    least = column.min()
    return int(least) if least == column.max() else column


def span(column: Column) -> tuple[int, int]:
    """The least and the largest value of a column."""
    if isinstance(column, np.ndarray):
        return int(column.min()), int(column.max())
    return int(column), int(column)


def part(column: Column, chosen: NDArray[np.intp]) -> Column:
    """The column of the chosen states."""
    return column.take(chosen) if isinstance(column, np.ndarray) else column
