"""Twins, asked of many states at once.

A twin is written for integers and may use ``and``, ``or`` and chained comparisons, which
ask an array for its truth.  So it is run once for each way its questions can be answered:
`Asking` answers yes for all states, and remembers for which that is right, then no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rollproof.counts import Counts

Around = Callable[[Counts[Any], Counts[Any]], tuple[Any, ...]]


class _Path:
    """One way to answer, and the states for which all answers so far are right."""

    def __init__(self, answers: list[bool]) -> None:
        self.answers = answers
        self.asked = 0
        self.mask: Any = True

    def answer(self, truths: Any) -> bool:
        if self.asked == len(self.answers):
            self.answers.append(bool(np.any(self.mask & truths)))
        said = self.answers[self.asked]
        self.mask = self.mask & (truths == said)
        self.asked += 1
        return said


class Asking(np.ndarray[Any, Any]):
    """An array that answers when it is asked for its truth."""

    path: _Path | None

    def __array_finalize__(self, made_of: Any) -> None:
        self.path = getattr(made_of, "path", None)

    def __bool__(self) -> bool:
        if self.path is None:
            raise ValueError("the truth of many states")
        return self.path.answer(np.asarray(self))


def met(twin: Callable[..., Any], around: Around, c: Counts[Any], c2: Counts[Any]) -> bool:
    """Whether the twin holds in one of the steps from ``c`` to ``c2``; ``around`` makes
    its parameters of them."""
    answers: list[bool] = []
    while True:
        path = _Path(answers)
        truth = twin(*around(_asking(c, path), _asking(c2, path)))
        if np.any(path.mask & np.asarray(truth)):
            return True
        del answers[path.asked :]
        while answers and not answers[-1]:
            answers.pop()
        if not answers:
            return False
        answers[-1] = False


def _asking(c: Counts[Any], path: _Path) -> Counts[Any]:
    return Counts(*(_one(cell, path) for cell in c))


def _one(cell: Any, path: _Path) -> Any:
    if not isinstance(cell, np.ndarray):
        return cell
    view = cell.view(Asking)
    view.path = path
    return view
