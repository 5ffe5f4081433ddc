"""Which sets are to be looked at, and when: a heap of moments, one for each set.

Fair: sets come up in the order of their moments, and those of one moment in the order in
which they were entered.  A set that is entered anew has only its new moment.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

_SLACK: Final = 64
"""Replaced moments that may lie about before the heap is made anew."""


class Agenda:
    """Moments by name.  Looking costs what is due, not what waits."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str]] = []
        self._entry: dict[str, int] = {}
        self._entries = 0

    def __len__(self) -> int:
        return len(self._entry)

    def enter(self, name: str, at: int | None) -> None:
        """Look at it at this moment and at none that was entered before; None: never."""
        self._entry.pop(name, None)
        if at is not None:
            self._entries += 1
            self._entry[name] = self._entries
            heapq.heappush(self._heap, (at, self._entries, name))

    @property
    def next(self) -> int | None:
        """The first moment of all; None when there is none."""
        self._tidy()
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> Iterator[str]:
        """Take off, one by one, what is to be looked at by ``now``."""
        while (moment := self.next) is not None and moment <= now:
            _, _, name = heapq.heappop(self._heap)
            del self._entry[name]
            yield name

    def _tidy(self) -> None:
        """Drop the moments that later entries have replaced."""
        if len(self._heap) > 2 * len(self._entry) + _SLACK:
            self._heap = [each for each in self._heap if self._entry.get(each[2]) == each[1]]
            heapq.heapify(self._heap)
        while self._heap and self._entry.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
