"""The tables of docs/proof.md: every property, and every model, with its last verdict.

    python -m rollproof_checks.verify.page             verifies, and writes the tables
    python -m rollproof_checks.verify.page --check     fails if others would be written

Run it in the root of the repository, or name another file.  Whatever stands outside the
marked tables is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify.verification import (
    CLAIMS,
    Check,
    Layer,
    Verification,
    verify,
)
from rollproof_spec.vocabulary import Kind

PAGE: Final = Path("docs/proof.md")
COMMAND: Final = "python -m rollproof_checks.verify.page"

KINDS: Final = {
    Kind.STATE: "whenever a run stands still",
    Kind.STEP: "of every step",
    Kind.TABLE: "of the rows together",
}


def properties_table(found: Verification) -> str:
    """One line for each property: what it says, and what the solver said."""
    checks = {check.name: check for check in found.of(Layer.PROVE)}
    lines = ["| Property | Holds | Why | Obligations | Verdict |", "|" + " --- |" * 5]
    for claim in CLAIMS:
        check = checks[claim.name]
        scale = check.scale.removesuffix(" obligations")
        cells = (f"`{claim.name}`", KINDS[claim.kind], claim.why, scale, check.verdict)
        lines.append(_line(cells))
    return "\n".join(lines)


def searches_table(found: Verification) -> str:
    """One line for each model explored, and for each fleet conformed."""
    searched = (*found.of(Layer.EXPLORE), *found.of(Layer.CONFORM))
    heads = ["| Layer | Fleet and policy | Seen | Verdict |", "|" + " --- |" * 4]
    lines = [_line((each.layer, _about(each), each.scale, each.verdict)) for each in searched]
    return "\n".join(heads + lines)


def _about(check: Check) -> str:
    if check.layer is Layer.CONFORM:
        return check.name
    from rollproof_checks.explore.standard import STANDARD

    (model,) = (model for model in STANDARD if model.name == check.name)
    limits = ", ".join(f"{name} {value}" for name, value in model.limits._asdict().items())
    bounds = "; ".join(f"bounded: {bound.why}" for bound in model.bounds)
    about = f"`{check.name}`: {model.instances} instances by {model.by}, {limits}"
    return f"{about}; {bounds}" if bounds else about


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


TABLES: Final[dict[str, Callable[[Verification], str]]] = {
    "properties": properties_table,
    "searches": searches_table,
}


def written(text: str, found: Verification, tables: Sequence[str] = tuple(TABLES)) -> str:
    """The page with its tables made anew.  Raises ValueError where one has no place."""
    for name in tables:
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        parts = re.split(f"({begin}\n).*?({end})", text, flags=re.DOTALL)
        if len(parts) != 4:  # before, the two marks, after
            raise ValueError(f"there is no one place between {begin!r} and {end!r}")
        text = f"{TABLES[name](found)}\n".join(("".join(parts[:2]), "".join(parts[2:])))
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables, or check them; returns the exit code of the verdict."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Writes the tables of proofs.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE, help=f"default: {PAGE}")
    asked = parser.parse_args(argv)
    found = verify()
    text = asked.page.read_text("utf-8")
    fresh = written(text, found)
    if not asked.check:
        asked.page.write_text(fresh, "utf-8")
    elif fresh != text:
        print(f"{asked.page} is out of date; write it again: {COMMAND}", file=sys.stderr)
        return 1
    if found.verdict is not Verdict.PROVED:
        print(f"{found.verdict}: see rollproof verify", file=sys.stderr)
    return found.verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
