"""The states already seen, as a few sorted arrays of keys.

New keys come in sorted batches.  A batch is merged with its neighbours as soon as these
are not much larger, so there are only ever a logarithmic number of arrays, and each key
is moved a logarithmic number of times.  Sorted needles walk memory forwards: that is why
this beats a hash table in numpy.
"""

from __future__ import annotations

import numpy as np

from rollproof_checks.explore.layout import Keys, Layout


def distinct(parts: list[Keys]) -> Keys:
    """The keys of all parts, sorted, each once."""
    keys = _merged(parts)
    if keys.size < 2:
        return keys
    first = np.empty(keys.size, np.bool_)
    first[0] = True
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys.compress(first)


def _merged(parts: list[Keys]) -> Keys:
    """All keys, sorted.  A stable sort merges what is sorted in parts, and most is."""
    keys: Keys = np.concatenate(parts)
    keys.sort(kind="stable")
    return keys


class Visited:
    """A set of keys of one layout."""

    __slots__ = ("layout", "runs")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.runs: list[Keys] = []

    @property
    def size(self) -> int:
        """Keys in the set."""
        return sum(run.size for run in self.runs)

    def add_new(self, keys: Keys) -> Keys:
        """Take in sorted, distinct keys; those among them that are new."""
        for run in self.runs:
            if not keys.size:
                return keys
            at = np.searchsorted(run, keys)
            np.minimum(at, run.size - 1, out=at)
            keys = keys.compress(run.take(at) != keys)
        if keys.size:
            self.runs.append(keys)
        while len(self.runs) > 1 and self.runs[-2].size < 2 * self.runs[-1].size:
            last = self.runs.pop()
            self.runs[-1] = _merged([self.runs[-1], last])
        return keys

    def widen(self, layout: Layout) -> None:
        """Carry the keys over to a wider layout."""
        if layout is not self.layout:
            self.runs = [np.sort(layout.convert(run, self.layout)) for run in self.runs]
            self.layout = layout
