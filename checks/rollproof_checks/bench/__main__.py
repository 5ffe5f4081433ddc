"""``python -m rollproof_checks.bench [step|run|roll|probe|idle|all]``: print the figures."""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable
from typing import TypeVar

import attrs

from rollproof_checks.bench.idling import time_idling
from rollproof_checks.bench.probing import time_probes
from rollproof_checks.bench.rolling import time_roll
from rollproof_checks.bench.stepping import time_run, time_step

T = TypeVar("T")

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def main() -> None:
    """Run the benchmarks, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="rollproof_checks.bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=("all", "step", "run", "roll", "probe", "idle"),
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per figure")
    parser.add_argument("--repeat", type=int, default=3, help="take the best of (3)")
    options = parser.parse_args()
    if options.what in ("all", "step"):
        for size in SIZES:
            figures = [_alone(time_step, size) for _ in range(options.repeat)]
            best = min(figures, key=lambda figure: figure.microseconds)
            _say(
                options.json,
                f"step  {size:>9,} instances  {best.per_second:>9,.0f} events/s"
                f"  {best.microseconds:.2f} us/event",
                {"figure": "step", **attrs.asdict(best), "per_second": best.per_second},
            )
    if options.what in ("all", "run"):
        for size in SIZES[2:]:
            run = _alone(time_run, size)
            _say(
                options.json,
                f"run   {size:>9,} instances  {run.seconds:>9.1f} s"
                f"  {run.peak_mib:,.0f} MiB  {run.batches} batches",
                {"figure": "run", **attrs.asdict(run)},
            )
    if options.what in ("all", "roll"):
        roll = _alone(time_roll, 40)
        _say(
            options.json,
            f"roll  {roll.size:>9,} processes  {roll.seconds:>9.1f} s"
            f"  {roll.swaps:.1f} s of swaps  {roll.ratio:.2f} times, {roll.batches} batches",
            {"figure": "roll", **attrs.asdict(roll), "ratio": roll.ratio},
        )
    if options.what in ("all", "probe"):
        for silent in (False, True):
            probes = time_probes(1_000, silent=silent)
            _say(
                options.json,
                f"probe {probes.size:>9,} {'silent ones' if silent else 'instances  '}"
                f"  {probes.milliseconds:>9.2f} ms of processor time a probe"
                f"  {probes.share:.0f} % of a core  {probes.late[1]:.2f} s late in round 2,"
                f" {probes.late[-1]:.2f} s in round {len(probes.late)}"
                f"  {probes.slowest:.2f} s the slowest",
                {"figure": "probe", "silent": silent, **attrs.asdict(probes)},
            )
    if options.what in ("all", "idle"):
        idle = _alone(time_idling, 10_000)
        _say(
            options.json,
            f"idle  {idle.size:>9,} sets  {idle.share:>9.2f} % of a core"
            f"  {idle.peak_mib:,.0f} MiB  {idle.begin:.1f} s to begin",
            {"figure": "idle", **attrs.asdict(idle), "share": idle.share},
        )


def _alone(measure: Callable[[int], T], size: int) -> T:
    """Measure in a fresh process, so that one figure's garbage is not the next one's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (size,))


def _say(as_json: bool, text: str, fields: dict[str, object]) -> None:
    print(json.dumps(fields) if as_json else text, flush=True)


if __name__ == "__main__":
    main()
