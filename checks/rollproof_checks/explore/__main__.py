"""``python -m rollproof_checks.explore [--instances N] [--by counters|instance|read]``.

Without a size, the standard models.  Ends with 0 when every state was seen and all is well,
1 when something is REFUTED, 3 when a search had to stop; 2 is a misused command line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from rollproof.counts import Limits
from rollproof.table import TABLE
from rollproof_checks.explore.exploration import Exploration
from rollproof_checks.explore.exploring import MEMORY, Progress, explore
from rollproof_checks.explore.model import By, Model
from rollproof_checks.explore.standard import STANDARD, of_size
from rollproof_checks.verdicts import Verdict
from rollproof_spec.properties import PROPERTIES


def as_json(found: Exploration) -> dict[str, Any]:
    """An exploration for machines."""
    model = found.model
    trace = found.counterexample
    return {
        "model": {
            "name": model.name,
            "instances": model.instances,
            "by": model.by,
            "limits": model.limits._asdict(),
            "bounds": [attrs.asdict(bound) for bound in model.bounds],
            "waivers": [attrs.asdict(waiver) for waiver in model.waivers],
        },
        "verdict": found.verdict,
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "seconds": found.seconds,
        "peak_mib": round(found.peak_mib),
        "taken": found.taken,
        "uncovered": found.uncovered,
        "untested": found.untested,
        "stopped": found.stopped,
        "counterexample": trace
        and {
            "fails": trace.fails,
            "stops": [
                {"row": stop.row, "state": stop.state, "cells": stop.cells}
                for stop in trace.stops
            ],
        },
    }


def _print(found: Exploration) -> None:
    model = found.model
    print(
        f"{found.verdict:<12} {model.name}: {found.states:,} states,"
        f" {found.transitions:,} transitions, depth {found.depth},"
        f" {found.seconds:.1f} s, {found.peak_mib:,.0f} MiB"
    )
    for bound in model.bounds:
        times = f"at most {bound.most} times" if bound.most else "never"
        print(f"  bound: {', '.join(bound.rows)}: {times}. {bound.why}")
    if found.uncovered:
        print(f"  rows never taken: {', '.join(found.uncovered)}")
    if found.untested:
        print(f"  properties never put to the test: {', '.join(found.untested)}")
    if found.counterexample is not None:
        print(found.counterexample)
    elif found.stopped:
        print(f"  stopped: {found.stopped}")


def _watching(model: Model) -> AbstractContextManager[Callable[[Progress], None]]:
    """A bar for whoever waits at a terminal; nothing anywhere else."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext(lambda _progress: None)
    return _Watched(console, model)


class _Watched:
    def __init__(self, console: Console, model: Model) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Bar(*columns, console=console, transient=True)
        self._name = model.name
        self._line = self._bar.add_task(model.name, total=None)

    def __enter__(self) -> Callable[[Progress], None]:
        self._bar.start()
        return self._show

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def _show(self, progress: Progress) -> None:
        text = f"{self._name}: depth {progress.depth}, {progress.states:,} states"
        self._bar.update(self._line, description=f"{text}, {progress.frontier:,} new")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rollproof_checks.explore", description="Visit every state of a run."
    )
    parser.add_argument("--instances", type=int, metavar="N", help="size of the fleet")
    parser.add_argument("--by", type=By, choices=list(By), help="what a state is (counters)")
    for name, percent in (("batch", 20), ("unhealthy", 20), ("unhealthy-upgraded", 20)):
        parser.add_argument(f"--max-{name}", type=int, default=percent, metavar="PERCENT")
    parser.add_argument("--no-rollback", action="store_true")
    parser.add_argument("--restore-on-breach", action="store_true")
    parser.add_argument("--paced", action="store_true", help="a pause between batches")
    parser.add_argument("--no-properties", action="store_true", help="only visit")
    parser.add_argument(
        "--memory", type=int, default=MEMORY >> 20, metavar="MIB", help="what may be held"
    )
    parser.add_argument("--json", action="store_true", help="a report for machines")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = _parser()
    asked = parser.parse_args(argv)
    models = STANDARD
    if asked.instances is not None:
        if asked.instances < 1:
            parser.error("a fleet has at least one instance")
        limits = Limits(
            asked.max_batch,
            asked.max_unhealthy,
            asked.max_unhealthy_upgraded,
            int(not asked.no_rollback),
            int(asked.restore_on_breach),
            int(asked.paced),
        )
        models = (of_size(asked.instances, asked.by or By.COUNTERS, limits),)
    elif asked.by is not None:
        models = tuple(model for model in STANDARD if model.by is asked.by)
        if not models:
            parser.error(f"--by {asked.by} needs --instances")
    properties = () if asked.no_properties else PROPERTIES
    found = []
    for model in models:
        with _watching(model) as watch:
            found.append(
                explore(model, TABLE, properties, memory=asked.memory << 20, watch=watch)
            )
        if not asked.json:
            _print(found[-1])
    if asked.json:
        print(json.dumps([as_json(one) for one in found], indent=2))
    verdicts = {one.verdict for one in found}
    worst = next(
        v for v in (Verdict.REFUTED, Verdict.UNDETERMINED, Verdict.PROVED) if v in verdicts
    )
    return worst.exit_code


if __name__ == "__main__":
    sys.exit(main())
