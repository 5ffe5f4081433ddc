"""The pure core stays pure: what it imports, and what it brings along (R8, design)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rollproof

PACKAGE = Path(rollproof.__file__).parent
CORE = sorted({*PACKAGE.glob("*.py")} - {PACKAGE / "__main__.py"})
"""Every module at the top of the package, but for the door to the command line."""

IMPURE = frozenset(
    {
        *("asyncio", "concurrent", "multiprocessing", "queue", "sched", "signal", "threading"),
        *("ctypes", "fcntl", "os", "platform", "psutil", "select", "shutil", "subprocess"),
        *("http", "httpx", "socket", "ssl", "urllib"),
        *("contextvars", "importlib", "locale", "sqlite3", "tempfile"),
        *("random", "secrets", "time", "uuid"),
    }
)
"""Clocks, chance, processes, threads, network, environment."""

CLOCKS = frozenset({"now", "utcnow", "today", "fromtimestamp"})
"""What `datetime` and `date` read a clock or the local time zone by."""

HEAVY = ("asyncio", "statemachine", "z3", "numpy", "hypothesis", "socket", "random", "httpx")


def imported(module: ast.Module) -> Iterator[str]:
    """Top names of everything that a module imports anywhere, lazily too."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, "import absolutely"
            yield node.module.partition(".")[0]


def from_here(module: ast.Module) -> Iterator[str]:
    """Modules of rollproof that a module imports."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rollproof"):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("rollproof"))


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
class TestModules:
    """Each module at the top of the package."""

    def test_imports_nothing_impure(self, path: Path) -> None:
        """No clock, no chance, no network, no thread, no process."""
        assert not IMPURE.intersection(imported(ast.parse(path.read_text("utf-8"))))

    def test_reads_no_clock(self, path: Path) -> None:
        """`datetime` is for spans; time comes inside the events."""
        names = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("datetime", "date", "time")
        }
        assert not names & CLOCKS

    def test_arrows_point_down(self, path: Path) -> None:
        """The core imports no folder of its own, nor what is written about it."""
        module = ast.parse(path.read_text("utf-8"))
        folders = {f"rollproof.{each.name}" for each in path.parent.iterdir() if each.is_dir()}
        for name in from_here(module):
            assert ".".join(name.split(".")[:2]) not in folders
            assert name.partition(".")[0] == "rollproof"

    def test_chart_stays_apart(self, path: Path) -> None:
        """Only `lifecycle` imports python-statemachine, and nothing imports `lifecycle`."""
        module = ast.parse(path.read_text("utf-8"))
        assert ("statemachine" in imported(module)) == (path.stem == "lifecycle")
        assert "rollproof.lifecycle" not in from_here(module)


def brought_by(*modules: str) -> list[str]:
    """What of the heavy is there once a new Python has imported some modules."""
    program = f"import sys, {', '.join(modules)}; print(*{{*sys.modules}} & {{*{HEAVY}}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


class TestImport:
    """What importing brings along."""

    def test_package(self) -> None:
        """`import rollproof` brings neither the chart nor a solver nor an event loop."""
        assert brought_by("rollproof") == []

    def test_all_modules_but_the_chart(self) -> None:
        """Nor does any module of the core, except the one that is there for it."""
        names = [path.stem for path in CORE if path.stem not in ("__init__", "lifecycle")]
        assert brought_by(*(f"rollproof.{name}" for name in names)) == []

    def test_chart(self) -> None:
        """The twin: this would be noticed."""
        assert {"asyncio", "statemachine"} <= {*brought_by("rollproof.lifecycle")}
