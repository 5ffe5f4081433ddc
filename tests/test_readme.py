"""What the README shows is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

from rollproof.diagram import mermaid

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one block of the README in ``language``."""
    (found,) = re.finditer(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return found[1]


def test_the_library_example_does_what_its_comment_says() -> None:
    """R4.6: twelve instances, three zones, two a batch."""
    example = block("python")
    promised = example.rstrip().rpartition("# ")[2]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.strip() == promised


def test_the_diagram_is_that_of_the_table() -> None:
    """R8: the picture cannot drift from the states."""
    assert block("mermaid").strip() == mermaid()
