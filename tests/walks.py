"""Reachable steps of the table on plain integers, for small fleets.

Walks from Idle, not a search: the explorer is exhaustive, this is quick.  What takes a run
forward is likelier than what ends it or merely happens to the fleet, and of each the row
taken least often so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

from rollproof.counts import EMPTY, PHASE_COUNT, Counts, Limits
from rollproof.states import State
from rollproof.table import TABLE, Actor, Row
from rollproof_spec.vocabulary import FLYING

FLEET = 6
"""The most instances of a walk."""

POLICIES = [
    Limits(batch, fleet, image, *switches)
    for batch, fleet, image in product((40, 100), (20, 50), (0, 50, 100))
    for switches in product((0, 1), repeat=4)
]

StepTaken = tuple[Row, State, Counts[int], Limits[int], State, Counts[int]]


def walks(times: int, length: int = 100, seed: int = 1) -> Iterator[StepTaken]:
    """The steps of so many walks, one after the other."""
    random = Random(seed)
    taken: Counter[Any] = Counter()
    for number in range(times):
        p = POLICIES[number % len(POLICIES)]
        c, state = EMPTY._replace(pending_healthy=random.randint(0, FLEET)), State.IDLE
        for _ in range(length):
            rows = [r for r in TABLE if state in r.sources and r.enabled(c, p) and _small(r, c)]
            if not rows:
                break
            (row,) = random.choices(
                rows, [_weight(r, c) / (3 + taken[r.name]) ** 0.5 for r in rows]
            )
            taken[row.name] += 1
            c2, state2 = row.after(c, p), row.target or state
            yield row, state, c, p, state2, c2
            c, state = c2, state2


def _weight(row: Row, c: Counts[int]) -> float:
    if row.actor in (Actor.MACHINE, Actor.PICK) or (row.leaves in FLYING and row.enters):
        return 200
    if row.name in ("surveyed", "pause_over", "resume", "reopen"):
        return 200
    if row.name == "force" and c.recovering:  # else chance may never bring the two together
        return 200
    if row.name == "force" and c.recovering:  # else chance may never bring the two together
        return 200
    if row.name == "force" or row.leaves in FLYING:
        return 20
    return 1 if row.enters is None else 4


def _small(row: Row, c: Counts[int]) -> bool:
    return row.leaves is not None or row.enters is None or sum(c[:PHASE_COUNT]) < FLEET
