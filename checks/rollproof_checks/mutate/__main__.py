"""``python -m rollproof_checks.mutate [--quick] [--only PLACE]``.

Ends with 0 when every mutant that is not equivalent was killed, 1 when one survived, 3
when nothing was shown; 2 is a misused command line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rollproof_checks.mutate.fates import Fate, Mutation, Report, tally
from rollproof_checks.mutate.running import chosen, mutate
from rollproof_checks.mutate.telling import COLUMNS, as_json, as_markdown, summary


def _print(report: Report, console: Console) -> None:
    table = Table("suite", "operator", box=None)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for (suite, operator), counts in tally(report.mutations).items():
        table.add_row(suite, operator, *(str(counts[c] or "") for c in COLUMNS))
    console.print(table)
    for fate in (Fate.SURVIVED, Fate.INVALID):
        for mutation in report.of(fate):
            console.print(f"\n{fate}: {mutation.name}", markup=False, soft_wrap=True)
            changed = f"rows that differ: {', '.join(mutation.rows)}"
            console.print(f"  {mutation.reason or changed}", markup=False, soft_wrap=True)
    told = f"\n{report.verdict}: {summary(report)}, in {report.seconds:,.0f} s"
    console.print(told, soft_wrap=True)


@contextmanager
def _watching(total: int) -> Iterator[Callable[[Mutation], None]]:
    """A bar for whoever waits at a terminal; nothing anywhere else."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        line = bar.add_task("mutants", total=total)
        survived = 0

        def show(mutation: Mutation) -> None:
            nonlocal survived
            survived += mutation.fate is Fate.SURVIVED
            bar.update(line, advance=1, description=f"{survived} survived")

        yield show


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rollproof_checks.mutate",
        description="Change the table in thousands of small ways; each must be noticed.",
    )
    parser.add_argument("--quick", action="store_true", help="a small sample, always the same")
    parser.add_argument(
        "--only", metavar="PLACE", help="mutants of one row, function or operator"
    )
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="a report for machines")
    forms.add_argument("--markdown", action="store_true", help="what docs/mutation.md says")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = _parser()
    asked = parser.parse_args(argv)
    places = chosen(asked.only, asked.quick)
    if not places:
        parser.error(f"there is no row, function or operator {asked.only!r}")
    with _watching(len(places)) as watch:
        report = mutate(places, processes=1 if asked.quick else asked.processes, watch=watch)
    if asked.json:
        print(json.dumps(as_json(report), indent=2))
    elif asked.markdown:
        print(as_markdown(report))
    else:
        _print(report, Console())
    return report.verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
