"""``python -m rollproof_checks.bench [FIGURE]``: print the figures, each measured in a
process of its own, so that one figure's garbage is not the next one's."""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import attrs

from rollproof_checks.bench.auditing import time_audit
from rollproof_checks.bench.exploring import (
    ExploreFigure,
    duel,
    time_counters,
    time_explored,
    time_read,
)
from rollproof_checks.bench.idling import time_idling
from rollproof_checks.bench.probing import time_probes
from rollproof_checks.bench.proving import time_proofs
from rollproof_checks.bench.rolling import time_roll
from rollproof_checks.bench.stepping import time_run, time_step
from rollproof_checks.export.spin import SpinMissing

T = TypeVar("T")

Told = tuple[str, dict[str, Any]]
"""A figure for people, and its fields."""


def main() -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="rollproof_checks.bench", description=__doc__)
    names = ("all", *FIGURES)
    parser.add_argument("figure", nargs="?", default="all", choices=names)
    parser.add_argument("--json", action="store_true", help="one JSON object per figure")
    parser.add_argument("--repeat", type=int, default=3, help="take the best of (3)")
    options = parser.parse_args()
    for name, figures in FIGURES.items():
        if options.figure in ("all", name):
            for text, fields in figures(options.repeat):
                line = json.dumps({"figure": name, **fields}) if options.json else text
                print(line if options.json else f"{name:<7} {line}", flush=True)


def _step(repeat: int) -> Iterator[Told]:
    for size in (1_000, 10_000, 100_000, 1_000_000):
        best = _best(time_step, size, repeat, lambda figure: figure.microseconds)
        yield (
            f"{size:>9,} instances  {best.per_second:>9,.0f} events/s"
            f"  {best.microseconds:.2f} us/event",
            {**attrs.asdict(best), "per_second": best.per_second},
        )


def _run(_repeat: int) -> Iterator[Told]:
    for size in (100_000, 1_000_000):
        run = _alone(time_run, size)
        yield (
            f"{size:>9,} instances  {run.seconds:>9.1f} s  {run.peak_mib:,.0f} MiB"
            f"  {run.batches} batches",
            attrs.asdict(run),
        )


def _roll(_repeat: int) -> Iterator[Told]:
    roll = _alone(time_roll, 40)
    yield (
        f"{roll.size:>9,} processes  {roll.seconds:>9.1f} s  {roll.swaps:.1f} s of swaps"
        f"  {roll.ratio:.2f} times, {roll.batches} batches",
        {**attrs.asdict(roll), "ratio": roll.ratio},
    )


def _probe(_repeat: int) -> Iterator[Told]:
    for silent in (False, True):
        probes = time_probes(1_000, silent=silent)
        yield (
            f"{probes.size:>9,} {'silent ones' if silent else 'instances  '}"
            f"  {probes.milliseconds:>8.2f} ms of processor time a probe"
            f"  {probes.share:.0f} % of a core  {probes.late[1]:.2f} s late in round 2,"
            f" {probes.late[-1]:.2f} s in round {len(probes.late)}"
            f"  {probes.slowest:.2f} s the slowest",
            {"silent": silent, **attrs.asdict(probes)},
        )


def _idle(_repeat: int) -> Iterator[Told]:
    idle = _alone(time_idling, 10_000)
    yield (
        f"{idle.size:>9,} sets  {idle.share:>14.2f} % of a core  {idle.peak_mib:,.0f} MiB"
        f"  {idle.begin:.1f} s to begin",
        {**attrs.asdict(idle), "share": idle.share},
    )


def _audit(repeat: int) -> Iterator[Told]:
    for size in (10_000, 100_000):
        best = _best(time_audit, size, repeat, lambda figure: figure.microseconds)
        yield (
            f"{size:>9,} instances  {best.per_second:>9,.0f} events/s"
            f"  {best.microseconds:.1f} us/event, {best.rows:,} rows",
            {**attrs.asdict(best), "per_second": best.per_second},
        )


def _prove(repeat: int) -> Iterator[Told]:
    best = _best(time_proofs, 0, repeat, lambda figure: figure.seconds)
    yield (
        f"{best.asked:>9,} obligations {best.seconds:>9.2f} s, {best.settled:,} need no solver",
        attrs.asdict(best),
    )


def _explore(_repeat: int) -> Iterator[Told]:
    searches: tuple[tuple[Callable[[int], ExploreFigure], int], ...] = (
        *((time_counters, 20), (time_explored, 20)),
        *((time_read, 100), (time_read, 1_000)),
    )
    for search, size in searches:
        found = _alone(search, size)
        yield (
            f"{found.states:>11,} states  {found.seconds:>7.1f} s  {found.peak_mib:,.0f} MiB"
            f"  {found.per_second:,.0f} states/s, {found.properties} properties: {found.model}",
            {**attrs.asdict(found), "per_second": found.per_second},
        )


def _duel(_repeat: int) -> Iterator[Told]:
    try:
        met = duel()
    except SpinMissing as error:
        yield f"left out: {error}", {"left_out": str(error)}
        return
    yield (
        f"{met.states:>11,} states  {met.seconds:>7.1f} s  {met.peak_mib:,.0f} MiB; SPIN"
        f" {met.spin_seconds:.1f} s  {met.spin_mib:,.0f} MiB: {met.times_faster:.1f} times",
        {**attrs.asdict(met), "times_faster": met.times_faster},
    )


FIGURES: Final[dict[str, Callable[[int], Iterator[Told]]]] = {
    "step": _step,
    "run": _run,
    "roll": _roll,
    "probe": _probe,
    "idle": _idle,
    "audit": _audit,
    "prove": _prove,
    "explore": _explore,
    "duel": _duel,
}
"""Every figure by its name; each is told how many times to repeat."""


def _best(
    measure: Callable[[int], T], argument: int, repeat: int, cost: Callable[[T], float]
) -> T:
    """The cheapest of so many measurements."""
    return min((_alone(measure, argument) for _ in range(repeat)), key=cost)


def _alone(measure: Callable[[int], T], argument: int) -> T:
    """Measure in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (argument,))


if __name__ == "__main__":
    main()
