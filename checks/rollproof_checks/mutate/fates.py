"""What became of the mutants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import attrs

from rollproof_checks.mutate.mutant import Suite
from rollproof_checks.verdicts import Verdict


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    EQUIVALENT = "equivalent"
    """It was shown to do just what the shipped table does."""
    SURVIVED = "survived"
    """Nothing noticed it, and it is not known to be equivalent."""
    INVALID = "invalid"
    """It raises whatever it is asked: not a table, so nothing is shown by it."""


class Layer(StrEnum):
    """The layers of evidence, in the order in which they are asked."""

    PROVE = "prove"
    EXPLORE = "explore"
    CONFORM = "conform"


@attrs.frozen(kw_only=True)
class Mutation:
    """A mutant and its fate."""

    name: str
    suite: Suite
    operator: str
    place: str
    change: str
    fate: Fate
    layer: Layer | None = None
    """The first that killed it."""
    by: tuple[str, ...] = ()
    """The properties, or whatever else of that layer, that failed."""
    reason: str = ""
    """Why it is equivalent, or what a layer said that could not decide."""
    rows: tuple[str, ...] = ()
    """Rows that differ from the shipped ones."""
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class Report:
    """All mutants of one run."""

    mutations: tuple[Mutation, ...]
    seconds: float

    def of(self, fate: Fate) -> tuple[Mutation, ...]:
        """Those that met a fate."""
        return tuple(m for m in self.mutations if m.fate is fate)

    @property
    def killed(self) -> dict[Layer, int]:
        """How many each layer killed, of those that the layers before it let live."""
        by = Counter(m.layer for m in self.of(Fate.KILLED))
        return {layer: by[layer] for layer in Layer}

    @property
    def score(self) -> tuple[int, int]:
        """How many were killed, and of how many that are not equivalent."""
        killed = len(self.of(Fate.KILLED))
        return killed, killed + len(self.of(Fate.SURVIVED))

    @property
    def verdict(self) -> Verdict:
        """PROVED when every mutant that is not equivalent was killed, and there was one."""
        if self.of(Fate.SURVIVED):
            return Verdict.REFUTED
        return Verdict.PROVED if self.of(Fate.KILLED) else Verdict.UNDETERMINED


def tally(mutations: Iterable[Mutation]) -> dict[tuple[Suite, str], Counter[str]]:
    """By suite and operator: how many there are, were killed by each layer, and so on."""
    found: dict[tuple[Suite, str], Counter[str]] = {}
    for m in mutations:
        counts = found.setdefault((m.suite, m.operator), Counter())
        counts["mutants"] += 1
        counts[m.layer or m.fate] += 1
    return found
