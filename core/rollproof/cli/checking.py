"""Body of `check`: the preconditions of automatic upgrades, as a checklist."""

from __future__ import annotations

import textwrap
from typing import Any

from rollproof.cli.output import answer
from rollproof.cli.program import Options
from rollproof.eligibility import Checklist, Item, Standing
from rollproof.errors import WIDTH, ExitCode
from rollproof.installation import Installation

_MARKS = {
    Standing.MET: "[x]",
    Standing.VIOLATED: "[ ]",
    Standing.NOT_APPLICABLE: "[-]",
    Standing.UNKNOWN: "[?]",
}


def check(options: Options, scale_set: str) -> int:
    """Judge every precondition; 0 when the set is eligible."""
    with Installation(options.place) as here:
        checklist = here.check(scale_set)
    answer(options, checklist_json(checklist), checklist_text(checklist))
    return ExitCode.COMPLETED if checklist.eligible else ExitCode.INVALID


def checklist_json(checklist: Checklist) -> dict[str, Any]:
    """A checklist; the names are a promise (docs/command-line.md)."""
    return {
        "scale_set": checklist.scale_set,
        "eligible": checklist.eligible,
        "checks": [
            {
                "code": item.code,
                "standing": item.standing.value,
                "message": item.message,
                "requirement": item.requirement,
                "remedy": item.remedy,
                "needed_by_hand": item.by_hand,
            }
            for item in checklist.items
        ],
    }


def checklist_text(checklist: Checklist) -> str:
    """A checklist for people, at most 80 columns wide."""
    wrong = sum(bool(item.remedy) for item in checklist.items)
    verdict = f"not eligible for automatic upgrades, {wrong} in the way"
    if checklist.eligible:
        verdict = "eligible for automatic upgrades"
    heading = f"{checklist.scale_set}: {verdict}"
    return "\n".join([heading, *(line for item in checklist.items for line in _lines(item))])


def _lines(item: Item) -> list[str]:
    head = f"{_MARKS[item.standing]} {item.code} ({item.requirement}): {item.message}"
    lines = textwrap.wrap(head, WIDTH, initial_indent="  ", subsequent_indent=" " * 6)
    if item.remedy:
        indent = " " * 6
        lines += textwrap.wrap(
            item.remedy, WIDTH, initial_indent=indent, subsequent_indent=indent
        )
    return lines
