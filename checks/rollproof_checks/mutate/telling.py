"""The report for people, for pages and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import attrs

from rollproof_checks.mutate.fates import Fate, Layer, Report, tally

COLUMNS: Final = ("mutants", *Layer, Fate.EQUIVALENT, Fate.SURVIVED, Fate.INVALID)


def as_json(report: Report) -> dict[str, Any]:
    """The figures, and every mutant."""
    killed, of = report.score
    return {
        "verdict": report.verdict,
        "score": {"killed": killed, "of": of},
        "mutants": len(report.mutations),
        "killed": report.killed,
        "equivalent": equivalents(report),
        "survived": len(report.of(Fate.SURVIVED)),
        "invalid": len(report.of(Fate.INVALID)),
        "seconds": report.seconds,
        "operators": [
            {"suite": suite, "operator": operator, **counts}
            for (suite, operator), counts in tally(report.mutations).items()
        ],
        "mutations": [attrs.asdict(mutation) for mutation in report.mutations],
    }


def equivalents(report: Report) -> dict[str, int]:
    """By reason, how many mutants are equivalent."""
    return dict(Counter(m.reason for m in report.of(Fate.EQUIVALENT)))


def summary(report: Report) -> str:
    """One sentence."""
    killed, of = report.score
    layers = ", ".join(f"{times:,} by {layer}" for layer, times in report.killed.items())
    return (
        f"{killed:,} of {of:,} mutants that are not equivalent killed ({layers});"
        f" {len(report.of(Fate.EQUIVALENT)):,} equivalent"
    )


def as_markdown(report: Report) -> str:
    """The figures as they stand in `docs/mutation.md`: all but the time they took."""
    return "\n".join((*_by_operator(report), "", f"{summary(report)}.", "", *_rest(report)))


def _by_operator(report: Report) -> Iterator[str]:
    yield f"| suite | operator | {' | '.join(COLUMNS)} |"
    yield f"|---|---|{'---:|' * len(COLUMNS)}"
    for (suite, operator), counts in tally(report.mutations).items():
        yield f"| {suite} | {operator} | {' | '.join(str(counts[c] or '') for c in COLUMNS)} |"


def _rest(report: Report) -> Iterator[str]:
    for reason, times in equivalents(report).items():
        yield f"- equivalent, {reason}: {times:,}"
    for mutation in report.of(Fate.SURVIVED):
        yield f"- survived: `{mutation.name}`"
    for place, times in Counter(m.place for m in report.of(Fate.INVALID)).items():
        yield f"- invalid, of `{place}`: {times}"
