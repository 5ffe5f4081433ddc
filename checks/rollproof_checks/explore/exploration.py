"""What came of exploring a model."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from rollproof.counts import Counts
from rollproof.states import State
from rollproof_checks.explore.model import Model
from rollproof_checks.verdicts import Verdict, spelt


@attrs.frozen(kw_only=True)
class Stop:
    """One state on the way, and the row that led there."""

    row: str | None
    """None: the start."""
    state: State
    cells: Mapping[str, int | str]
    """What is not zero; by instance, the phase of each."""
    counts: Counts[int]

    def __str__(self) -> str:
        cells = ", ".join(f"{name}={spelt(name, value)}" for name, value in self.cells.items())
        return f"{self.row or '':<22} {self.state:<15} {cells or 'nothing'}"


@attrs.frozen(kw_only=True)
class Trace:
    """A shortest way from the start to where something is wrong."""

    fails: str
    """The property that does not hold at the end, or ``deadlock``."""
    stops: tuple[Stop, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows taken."""
        return tuple(stop.row for stop in self.stops if stop.row is not None)

    def __str__(self) -> str:
        lines = (f"  {number:>3} {stop}" for number, stop in enumerate(self.stops))
        return "\n".join((f"counterexample to {self.fails}, from the start:", *lines))


@attrs.frozen(kw_only=True)
class Exploration:
    """A model explored."""

    model: Model
    states: int
    transitions: int
    depth: int
    """Rows from the start to the state that is farthest from it."""
    seconds: float
    peak_mib: float
    """Resident memory of the process at its largest."""
    taken: Mapping[str, int]
    """How often each row was taken."""
    uncovered: tuple[str, ...]
    """Rows never taken, though the model waives none of them."""
    untested: tuple[str, ...]
    """Properties of which the twin was met nowhere, likewise."""
    counterexample: Trace | None
    stopped: str
    """Why not every state was seen; empty when all were."""

    @property
    def verdict(self) -> Verdict:
        """REFUTED by a counterexample, and by a row or property that is there for
        nothing; UNDETERMINED when not every state was seen."""
        if self.counterexample is not None:
            return Verdict.REFUTED
        if self.stopped:
            return Verdict.UNDETERMINED
        return Verdict.REFUTED if self.uncovered or self.untested else Verdict.PROVED
