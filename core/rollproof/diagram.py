"""The table of a run drawn and written out: docs/state-machine.md is made here.

    python -m rollproof.diagram             writes docs/state-machine.md
    python -m rollproof.diagram --check     fails if it is not what would be written

Run it in the root of the repository, or name another file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rollproof.states import ACTIVE, TERMINAL, State
from rollproof.table import ROWS, TABLE, Actor, Row

PAGE: Final = Path("docs/state-machine.md")
"""Where the page is, seen from the root of the repository."""

_COMMAND: Final = "python -m rollproof.diagram"

_ACTORS: Final = {
    Actor.OPERATOR: "Taken by people.",
    Actor.MACHINE: "Taken by the run itself as soon as the guard holds.",
    Actor.PICK: "Taken by the run itself, for the instance that the ledger names, if any.",
    Actor.WORLD: "Reports of providers, probes and deadlines.",
}


def mermaid() -> str:
    """The Mermaid diagram: one arrow for each pair of states that rows connect.

    Rows that stay where they are would be arrows from every state to itself, and are
    left out.
    """
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in TABLE:
        if row.target is not None:
            for source in row.sources:
                arrows.setdefault((source, row.target), []).append(row.name)
    order = list(State)
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE}"]
    for source, target in sorted(arrows, key=lambda a: (order.index(a[0]), order.index(a[1]))):
        lines.append(f"    {source} --> {target}: {', '.join(arrows[source, target])}")
    lines += [f"    {state} --> [*]" for state in State if state in TERMINAL]
    return "\n".join(lines)


def page() -> str:
    """The whole of docs/state-machine.md."""
    return "\n\n".join(_sections()) + "\n"


def _sections() -> Iterator[str]:
    yield "# The state machine of a run"
    yield f"<!-- Generated from core/rollproof/table.py; do not edit. Write it: {_COMMAND} -->"
    yield (
        "Generated from [the table](../core/rollproof/table.py), which is also the code that\n"
        f"runs. `{_COMMAND}` writes this page; with `--check` it fails where\n"
        "the page is out of date."
    )
    yield f"```mermaid\n{mermaid()}\n```"
    active = ", ".join(state for state in State if state in ACTIVE)
    yield (
        "A run changes by rows and by nothing else, each taken only where its guard in the\n"
        "table holds. Arrows bear the names of rows; rows that stay in their state are not\n"
        f"drawn. *Active* stands for\n{active}."
    )
    for actor, who in _ACTORS.items():
        rows = [_line(row) for row in ROWS.values() if row.actor is actor]
        header = "| Row | From | To | Moves | Why |\n|" + " --- |" * 5
        yield f"## {actor.value.capitalize()}\n\n{who}\n\n{header}\n" + "\n".join(rows)


def _line(row: Row) -> str:
    sources = [state for state in State if state in row.sources]
    cells = (
        f"`{row.name}`",
        "*active*" if row.sources == ACTIVE else ", ".join(sources),
        row.target or "",
        _moves(row),
        row.why,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _moves(row: Row) -> str:
    """The instance that moves, then the registers that are set."""
    moves = []
    if row.leaves is not None or row.enters is not None:
        moves.append(f"{row.leaves or 'new'} → {row.enters or 'gone'}")
    if row.sets:
        moves.append("sets " + ", ".join(name for name, _ in row.sets))
    return "; ".join(moves)


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Writes the table out.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE, help=f"default: {PAGE}")
    asked = parser.parse_args()
    if not asked.check:
        asked.page.write_text(page(), encoding="utf-8")
    elif not asked.page.is_file() or asked.page.read_text(encoding="utf-8") != page():
        sys.exit(f"{asked.page} is out of date; write it again: {_COMMAND}")


if __name__ == "__main__":
    main()
