"""Judge many mutants, on two processors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random
from typing import Final

from rollproof_checks.mutate.fates import Mutation, Report
from rollproof_checks.mutate.judging import judge
from rollproof_checks.mutate.mutant import Mutant
from rollproof_checks.mutate.mutants import mutants

QUICK: Final = 60
"""Mutants of the quick mode: always the same ones."""

CHUNK: Final = 20
"""Mutants handed to a process at once."""


def chosen(only: str | None = None, quick: bool = False) -> tuple[int, ...]:
    """Places among all mutants: those of one row, function or operator; the quick ones."""
    places = [
        at
        for at, mutant in enumerate(mutants())
        if only is None or only in (mutant.operator, re.split("[ .]", mutant.place)[-1])
    ]
    if quick and len(places) > QUICK:
        places = sorted(Random(0).sample(places, QUICK))
    return tuple(places)


def mutate(
    places: Sequence[int],
    *,
    processes: int = 2,
    watch: Callable[[Mutation], None] = lambda _mutation: None,
) -> Report:
    """Judge the mutants in these places."""
    began = time.perf_counter()
    judged = []
    for mutation in _judged(places, processes):
        watch(mutation)
        judged.append(mutation)
    return Report(mutations=tuple(judged), seconds=round(time.perf_counter() - began, 1))


def _judged(places: Sequence[int], processes: int) -> Iterable[Mutation]:
    if processes < 2:
        yield from map(_judge_at, places)
        return
    # Not forked: a solver may hold a lock.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_judge_at, places, chunksize=CHUNK)


def _judge_at(place: int) -> Mutation:
    mutant: Mutant = mutants()[place]
    return judge(mutant)
