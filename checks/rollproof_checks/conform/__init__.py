"""The shipped step refines the table: exhaustively, on small fleets.

    conform().verdict                   # a few seconds
    conform(THOROUGH).verdict           # minutes
    conform(step=mine)                  # another step, or one with a deliberate bug
    conform(rows=mutated)               # the shipped step against another table

From a new run on, every event is tried at every moment on concrete runs (instances, zones,
versions, lives), breadth first, within the bounds of `settings`.  Each step must be what
the event means (`meaning`), by rows that the table admits one after the other, and leave
the run in exactly their state and counts, with the ledger, the commands and the batch that
follow from them (`laws`).  Then the graph of concrete runs is compared with that of the
table (`compare`), and python-statemachine takes the same rows (`chart`).

``step`` is called as `rollproof.step.trace`.  Parts of the shipped step can be replaced in
their modules (``monkeypatch.setattr("rollproof.turn.offer", ...)``): nothing is cached
from one call to the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice

from rollproof.step import trace
from rollproof.table import TABLE, Row
from rollproof_checks.conform.search import (
    Divergence,
    Search,
    Searched,
    Stepper,
    Stopped,
    TooMany,
    searched,
)
from rollproof_checks.conform.settings import (
    NEVER,
    QUICK,
    THOROUGH,
    Bounds,
    Breadth,
    Setting,
)
from rollproof_checks.conform.table import Departure, Table
from rollproof_checks.conform.verdict import Conformance

__all__ = [
    "NEVER",
    "QUICK",
    "THOROUGH",
    "Bounds",
    "Breadth",
    "Conformance",
    "Divergence",
    "Setting",
    "conform",
]


def conform(
    bounds: Bounds = QUICK,
    *,
    step: Stepper | None = None,
    rows: Sequence[Row] = TABLE,
    progress: Callable[[Searched], None] | None = None,
) -> Conformance:
    """Search all settings of ``bounds``; stops at the first law that is broken.

    ``progress`` hears of each setting that was searched whole.
    """
    began = time.perf_counter()
    whole: list[Searched] = []
    divergence, gave_up = None, ""
    for setting in bounds.settings:
        try:
            whole.append(_search(setting, bounds, step or trace, rows))
        except Stopped as stopped:
            divergence = stopped.divergence
            break
        except TooMany:
            gave_up = setting.name
            break
        if progress is not None:
            progress(whole[-1])
    taken = {name for each in whole for name in each.rows}
    complete = len(whole) == len(bounds.settings)
    missing = tuple(row.name for row in rows if row.name not in taken | NEVER.keys())
    return Conformance(
        bounds=bounds.name,
        settings=tuple(whole),
        divergence=divergence,
        missing=missing if bounds.every_row and complete else (),
        gave_up=gave_up,
        seconds=round(time.perf_counter() - began, 3),
    )


def _search(setting: Setting, bounds: Bounds, step: Stepper, rows: Sequence[Row]) -> Searched:
    began = time.perf_counter()
    search = Search(setting, bounds, Table(rows), step)
    edges, repeated = 0, 0
    try:
        search.run()
        if setting.compared:
            from rollproof_checks.conform.compare import compare

            edges = compare(search)
        if rows is TABLE and bounds.charted:
            from rollproof_checks.conform.chart import charted

            every = max(1, len(search.turns) // bounds.charted)
            some = islice(search.turns.items(), 0, None, every)
            turns = ((node, names, end) for (node, names), end in some)
            repeated = charted(turns, setting.limits)
    except Departure as departure:
        raise Stopped(search.general(str(departure))) from departure
    return searched(search, edges, repeated, began)
