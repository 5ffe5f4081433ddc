"""What a proof may come to, and what it says of a failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import attrs

from rollproof.counts import PHASES, Counts, Limits
from rollproof.states import Cause, State, View
from rollproof.table import Row


class Verdict(StrEnum):
    """UNDETERMINED is never a pass: a solver that gives up has shown nothing."""

    PROVED = "PROVED"
    REFUTED = "REFUTED"
    UNDETERMINED = "UNDETERMINED"

    @property
    def exit_code(self) -> int:
        """0, 1 and 3; 2 is what a command line ends with that was misused."""
        return {"PROVED": 0, "REFUTED": 1, "UNDETERMINED": 3}[self]


@attrs.frozen(kw_only=True)
class Counterexample:
    """A state, and where there is one a step, in which a property fails: replayed on
    integers, so it is no artefact of the solver.

    It refutes the induction.  The state may be one that no run reaches; then an invariant
    is missing, not a guard.
    """

    state: State
    counts: Counts[int]
    limits: Limits[int]
    row: str | None = None
    state_after: State | None = None
    counts_after: Counts[int] | None = None

    def __str__(self) -> str:
        lines = [
            "counterexample to induction (the first state may be unreachable)",
            f"  policy  {_spell(self.limits._asdict(), zeros=True)}",
            f"  before  {self.state}: {_spell_counts(self.counts)}",
        ]
        if self.row is not None and self.state_after and self.counts_after:
            lines.append(f"  row     {self.row}")
            lines.append(f"  after   {self.state_after}: {_spell_counts(self.counts_after)}")
        return "\n".join(lines)


def _spell(fields: dict[str, int], *, zeros: bool = False) -> str:
    shown = (f"{name}={spelt(name, value)}" for name, value in fields.items() if value or zeros)
    return ", ".join(shown) or "nothing"


def _spell_counts(counts: Counts[int]) -> str:
    fields = counts._asdict()
    phases = {name: fields.pop(name) for name in PHASES}
    return f"{_spell(phases)} | {_spell(fields)}"


def spelt(register: str, value: int | str) -> str:
    """A value as a reader knows it: ``view=fresh`` says more than ``view=2``."""
    return _NAMES.get(register, {}).get(value, str(value))


_NAMES: Final[Mapping[str, Mapping[int | str, str]]] = {
    "view": {each.value: each.name.lower() for each in View},
    "stop": {each.value: each.name.lower() for each in Cause},
}


@attrs.frozen(kw_only=True)
class Obligation:
    """One question, answered."""

    of: str
    """The property's name."""
    state: State
    row: str | None
    """The row taken; None: of the state itself, or of all rows together."""
    verdict: Verdict
    seconds: float
    """Its own, where it was asked alone; else its part of the question it shared."""
    counterexample: Counterexample | None = None
    reason: str = ""
    """Why it is undetermined."""

    @property
    def name(self) -> str:
        """``property: row in state``."""
        return f"{self.of}: {self.row or 'every run'} in {self.state}"


@attrs.frozen(kw_only=True)
class Report:
    """All obligations of one run of the prover."""

    obligations: tuple[Obligation, ...]
    """What was asked of the solver."""
    settled: Mapping[str, int]
    """By property, in how many places there was nothing to ask: the row does not concern
    it, leaves alone what it reads, or is admitted by its phases and states alone."""
    seed: int
    seconds: float
    cached: bool = False

    @property
    def verdict(self) -> Verdict:
        """REFUTED as soon as one is; PROVED only when all are, and there are some."""
        return _worst(self.by_property().values())

    @property
    def failures(self) -> tuple[Obligation, ...]:
        """What was not proved."""
        return tuple(o for o in self.obligations if o.verdict is not Verdict.PROVED)

    def by_property(self) -> dict[str, Verdict]:
        """The verdict of each property that there was something to say of."""
        found = {name: [Verdict.PROVED] for name in self.settled}
        for obligation in self.obligations:
            found.setdefault(obligation.of, []).append(obligation.verdict)
        return {name: _worst(verdicts) for name, verdicts in found.items()}


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    seen = set(verdicts)
    for verdict in (Verdict.REFUTED, Verdict.UNDETERMINED):
        if verdict in seen:
            return verdict
    return Verdict.PROVED if seen else Verdict.UNDETERMINED


def after(row: Row, state: State) -> State:
    """The state in which ``row``, taken in ``state``, leaves the run."""
    return row.target or state
