"""``python -m rollproof_checks.conform [--thorough] [--json]``: does the step refine the
table?  Ends with 0 when it does, 1 when it does not, 3 when nobody can say."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import attrs

from rollproof_checks.conform import QUICK, THOROUGH, Conformance, conform
from rollproof_checks.conform.search import Searched


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m rollproof_checks.conform")
    parser.add_argument("--thorough", action="store_true", help="minutes, not seconds")
    parser.add_argument("--json", action="store_true", help="a report for machines")
    asked = parser.parse_args(argv)
    bounds = THOROUGH if asked.thorough else QUICK
    result = conform(bounds, progress=None if asked.json else _say)
    if asked.json:
        print(json.dumps(as_json(result), indent=2))
    else:
        _conclude(result)
    return result.verdict.exit_code


def as_json(result: Conformance) -> dict[str, Any]:
    """The report for machines."""
    return {
        "verdict": result.verdict,
        "bounds": result.bounds,
        "runs": result.runs,
        "steps": result.steps,
        "seconds": result.seconds,
        "settings": [attrs.asdict(each) for each in result.settings],
        "missing": result.missing,
        "gave_up": result.gave_up,
        "divergence": None if result.divergence is None else str(result.divergence),
    }


def _say(each: Searched) -> None:
    print(
        f"{each.setting:<40} {each.runs:>8,} runs {each.steps:>10,} steps"
        f" {each.nodes:>7,} states {each.edges:>8,} turns {each.seconds:>7.1f} s",
        flush=True,
    )


def _conclude(result: Conformance) -> None:
    if result.divergence is not None:
        print(f"\n{result.divergence}")
    if result.missing:
        print(f"\nrows that no step took: {', '.join(result.missing)}")
    if result.gave_up:
        print(f"\n{result.gave_up}: more runs than can be kept")
    print(
        f"\n{result.verdict} within the bounds {result.bounds!r}: {result.runs:,} runs,"
        f" {result.steps:,} steps, {len(result.rows)} rows taken, {result.seconds:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
