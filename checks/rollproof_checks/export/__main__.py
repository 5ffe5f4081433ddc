"""``python -m rollproof_checks.export [--check]``: write the files under ``spec/`` anew.

With ``--check`` nothing is written; ends with 1 when a file is not what it should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rollproof_checks.explore.standard import BATCHES, CONCRETE, PAIR
from rollproof_checks.export.promela import promela
from rollproof_checks.export.tla import NAME, configuration, tla

ROOT = Path(__file__).parents[3]
"""The checkout; an installed package has no files to write."""


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file, relative to the checkout, with what it should say."""
    yield Path(f"spec/tla/{NAME}.tla"), tla()
    yield Path(f"spec/tla/{NAME}.cfg"), configuration(PAIR)
    yield Path("spec/promela/rollproof.pml"), promela(PAIR)
    yield Path("spec/promela/batches.pml"), promela(BATCHES)
    yield Path("spec/promela/instances.pml"), promela(CONCRETE)


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m rollproof_checks.export")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args(argv).check
    stale = 0
    for path, said in files():
        there = root / path
        if there.is_file() and there.read_text("utf-8") == said:
            continue
        stale += 1
        if check:
            print(f"{path} is not what the table says; python -m rollproof_checks.export")
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(said, "utf-8")
            print(f"wrote {path}")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
