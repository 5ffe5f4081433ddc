"""Explore one model: search, judge, and say what came of it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from rollproof.table import TABLE, Row
from rollproof_checks.explore.exploration import Exploration
from rollproof_checks.explore.judge import Finding, Judge
from rollproof_checks.explore.layout import TooWide
from rollproof_checks.explore.model import Model
from rollproof_checks.explore.retrace import retrace
from rollproof_checks.explore.search import OutOfMemory, Runaway, Search
from rollproof_spec.properties import PROPERTIES
from rollproof_spec.vocabulary import Property

MEMORY: Final = 3 << 30
"""Bytes that a search may hold."""


@attrs.frozen(kw_only=True)
class Progress:
    """How far a search has come."""

    depth: int
    states: int
    frontier: int


def explore(
    model: Model,
    rows: Sequence[Row] = TABLE,
    properties: Sequence[Property] = PROPERTIES,
    *,
    memory: int = MEMORY,
    watch: Callable[[Progress], None] = lambda _progress: None,
) -> Exploration:
    """Visit every state of ``model`` that ``rows`` can reach, and judge it.

    Ends at the first counterexample, and where the search would hold more than ``memory``
    bytes.  The same model ends the same way on every machine.
    """
    began = time.perf_counter()
    search = Search(model, rows, memory)
    tested = [p.name for p in properties if not model.waived(p.name)]
    judge = Judge(search, rows, properties, tested)
    depth, stopped = 0, ""
    try:
        for depth, level in enumerate(search.levels()):
            for state, fields in search.stuck:
                judge.findings.append(
                    Finding(name="deadlock", depth=depth - 1, state=state, columns=fields)
                )
            if judge.findings:
                break
            judge.admit(depth, level)
            frontier = sum(block.keys.size for block in level.values())
            watch(Progress(depth=depth, states=search.states, frontier=frontier))
    except (OutOfMemory, Runaway, TooWide) as reason:
        stopped = f"{reason} (after {depth} levels)"
    judge.finish()
    found = judge.findings[0] if judge.findings else None
    if found is not None and not stopped:
        stopped = "a counterexample was found"
    counterexample = None if found is None else retrace(model, rows, found)
    complete = not stopped
    return Exploration(
        model=model,
        states=search.states,
        transitions=search.transitions,
        depth=depth,
        seconds=round(time.perf_counter() - began, 3),
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        taken={row.name: search.taken[row.name] for row in rows},
        uncovered=tuple(
            row.name
            for row in rows
            if complete and not search.taken[row.name] and not model.waived(row.name, rows)
        ),
        untested=tuple(name for name in tested if complete and name in judge.untested),
        counterexample=counterexample,
        stopped=stopped,
    )
