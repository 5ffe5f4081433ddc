"""Body of `audit`: what happened, judged by the rules (N8)."""

from __future__ import annotations

from pathlib import Path

import click

from rollproof.cli.missing import the_checks
from rollproof.cli.output import answer, columns
from rollproof.cli.program import Options
from rollproof.cli.summary import wrapped
from rollproof.host.home import Home

with the_checks("audit"):
    from rollproof_checks.audit import Audit, as_json
    from rollproof_checks.audit import audit as judge


def audit(options: Options, journal: Path | None, only: str | None) -> int:
    """Judge the runs of a journal, or one of them."""
    journal = journal or Home(options.place).journal
    if not journal.exists():
        raise click.UsageError(f"there is no journal {journal}: name one, or its --home.")
    found = judge(journal, only)
    answer(options, as_json(found), audit_text(found))
    return found.exit_code


def audit_text(found: Audit) -> str:
    """A line for each run, and what is wrong with it."""
    lines = []
    if found.runs:
        heads = ("run", "set", "events", "rows", "finding")
        rows = [
            (each.run, each.scale_set, f"{each.events:,}", f"{each.rows:,}", each.finding.value)
            for each in found.runs
        ]
        lines.append(columns([heads, *rows]))
    for each in found.runs:
        if each.departure is not None:
            lines.append(f"\n{each.run}: {each.finding}")
            for line in str(each.departure).splitlines():
                lines += wrapped(line.strip())
    if found.unreadable is not None:
        lines += wrapped(found.why)
    if found.pruned:
        lines.append(f"pruned, so not judged: {', '.join(found.pruned)}")
    number = len(found.runs)
    told = f"{number} run{'s' * (number != 1)} of {found.journal}: {found.finding}"
    return "\n".join([*lines, f"{found.finding.verdict}: {told}"])
