"""Ask the layers of evidence, one after the other, until one notices the mutant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from textwrap import shorten
from typing import Final, NamedTuple

from rollproof.table import ROWS, Row
from rollproof_checks.conform import conform
from rollproof_checks.explore import explore
from rollproof_checks.mutate.equivalence import (
    EXPLORED,
    differing,
    equivalent_by_graph,
    equivalent_by_proof,
    only_a_shortcut,
)
from rollproof_checks.mutate.fates import Fate, Layer, Mutation
from rollproof_checks.mutate.mutant import Mutant, Rows
from rollproof_checks.mutate.places import ASKED_DIRECTLY, SHORTCUT
from rollproof_checks.mutate.refuting import refuted, refuted_together
from rollproof_checks.mutate.sources import stepper
from rollproof_checks.prove import prove
from rollproof_checks.verdicts import Verdict

SAME_TERMS: Final = "the same terms"
PROVED: Final = "proved: alike wherever the invariants hold"
SLOWER: Final = "a shortcut that is taken less often, in the small fleets"
SAME_GRAPH: Final = "the same state graph, in the small fleets"


class Outcome(NamedTuple):
    """What came of a mutant."""

    fate: Fate
    layer: Layer | None = None
    by: tuple[str, ...] = ()
    reason: str = ""


def judge(mutant: Mutant) -> Mutation:
    """The fate of a mutant."""
    began = time.perf_counter()
    names: tuple[str, ...] = ()
    try:
        rows = mutant.build()
        names = differing(rows)
        if mutant.place == SHORTCUT and not names:
            outcome = _of_shortcut(mutant, rows)
        else:
            rows = tuple(row if row.name in names else ROWS[row.name] for row in rows)
            outcome = _judged(mutant, rows, names)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        outcome = Outcome(Fate.INVALID, reason=f"{type(error).__name__}: {error}")
    return Mutation(
        name=mutant.name,
        suite=mutant.suite,
        operator=mutant.operator,
        place=mutant.place,
        change=mutant.change,
        fate=outcome.fate,
        layer=outcome.layer,
        by=outcome.by,
        reason=outcome.reason,
        rows=names,
        seconds=round(time.perf_counter() - began, 3),
    )


def _judged(mutant: Mutant, rows: Rows, names: tuple[str, ...]) -> Outcome:
    if not names:
        return Outcome(Fate.EQUIVALENT, reason=SAME_TERMS)
    states = frozenset(
        state for row in (*rows, *ROWS.values()) if row.name in names for state in row.sources
    )
    if one := refuted(rows, names):
        return Outcome(Fate.KILLED, Layer.PROVE, (one,))
    if equivalent_by_proof(rows, names):
        if mutant.place == ASKED_DIRECTLY and (by := diverging(mutant, rows)):
            return Outcome(Fate.KILLED, Layer.CONFORM, by)
        return Outcome(Fate.EQUIVALENT, reason=PROVED)
    if one := refuted_together(rows, states):
        return Outcome(Fate.KILLED, Layer.PROVE, (one,))
    if by := disproved(rows, names):
        return Outcome(Fate.KILLED, Layer.PROVE, by)
    if equivalent_by_graph(rows, names):  # so `explore` would see nothing new
        return Outcome(Fate.EQUIVALENT, reason=SAME_GRAPH)
    if by := found(rows):
        return Outcome(Fate.KILLED, Layer.EXPLORE, by)
    if by := diverging(mutant, rows):
        return Outcome(Fate.KILLED, Layer.CONFORM, by)
    return Outcome(Fate.SURVIVED)


def _of_shortcut(mutant: Mutant, rows: Rows) -> Outcome:
    if by := diverging(mutant, rows):
        return Outcome(Fate.KILLED, Layer.CONFORM, by)
    if only_a_shortcut(rows):
        return Outcome(Fate.EQUIVALENT, reason=SLOWER)
    return Outcome(Fate.SURVIVED)


def disproved(rows: Sequence[Row], names: Sequence[str]) -> tuple[str, ...]:
    """The properties that `prove` refutes, asked in full."""
    by_property = prove(rows, only=names).by_property()
    return tuple(name for name, v in by_property.items() if v is Verdict.REFUTED)


def found(rows: Sequence[Row]) -> tuple[str, ...]:
    """What `explore` holds against the rows, in the first model that shows anything."""
    for model in EXPLORED:
        explored = explore(model, rows)
        if explored.counterexample is not None:
            return (explored.counterexample.fails,)
        never = (*explored.uncovered, *explored.untested)
        if never:
            return tuple(f"{name} never" for name in never)
    return ()


def diverging(mutant: Mutant, rows: Rows) -> tuple[str, ...]:
    """The law that the shipped step breaks when it runs on the rows."""
    divergence = conform(step=stepper(rows, mutant.text()), rows=rows).divergence
    return () if divergence is None else (shorten(divergence.law, 100),)
