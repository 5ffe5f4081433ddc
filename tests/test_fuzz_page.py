"""docs/fuzz.md: its examples run, and its tables are complete."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from memory_fleet import MemoryContract, MemoryFleet
from rollproof.adapters.provider import Provider
from rollproof_checks import fuzz
from rollproof_checks.fuzz import Law, LawBroken
from rollproof_checks.fuzz.contract import BLIND, WANTED
from rollproof_checks.fuzz.hooks import AdapterHooks

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "fuzz.md").read_text("utf-8")
EXAMPLE, IN_A_TEST, SCENARIO = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def told(program: str) -> list[str]:
    """What a program prints, with the example at hand."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_example_is_the_one_that_is_tested() -> None:
    """tests/test_fuzz_adapter.py runs it."""
    assert (TESTS / "memory_fleet.py").read_text("utf-8") == EXAMPLE


def test_it_runs_as_shown() -> None:
    """Every law is judged."""
    fewer = IN_A_TEST.replace("max_examples=50", "max_examples=25, database=None")
    assert fewer != IN_A_TEST
    lines = told(fewer)
    assert [line.partition(": judged ")[0] for line in lines] == [*Law]
    assert "idempotent by key: judged" in PAGE.partition(IN_A_TEST)[1]


def test_the_scenario_says_what_its_comment_says() -> None:
    promised = SCENARIO.rstrip().rpartition("# ")[2]
    assert told(SCENARIO)[-1] == promised


def test_the_other_examples_are_python_that_names_what_there_is() -> None:
    for block in re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL):
        compile(block, "docs/fuzz.md", "exec")
        (name,) = re.findall(r"rollproof_checks.fuzz import (\w+)", block)
        assert name in fuzz.__all__


class TestTables:
    """Laws and hooks, all of them."""

    def test_laws(self) -> None:
        rows = dict(re.findall(r"^\| ([a-z ]+?) \| (`\w+`)? ?\|$", PAGE, re.MULTILINE))
        assert rows == {str(law): f"`{WANTED[law]}`" if law in WANTED else "" for law in Law}

    def test_hooks(self) -> None:
        table = PAGE.partition("| Hook | Without it |")[2].partition("\n\n")[0]
        named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
        hooks = {hook for hook, _, _ in BLIND} | {*WANTED.values(), "impossible"}
        assert named == hooks
        assert all(hasattr(AdapterHooks, hook) for hook in hooks)


def test_a_broken_law_reads_as_shown() -> None:
    """S13: the rules can be called one by one, too."""

    class Amnesic(MemoryFleet):
        async def restore(self, key: str, instance: str, undoes: str) -> None:
            await super().restore(key, instance, undoes)
            self.world.machines[instance].spent.discard(undoes)

    class Broken(MemoryContract):
        async def open(self) -> Provider:
            return Amnesic(self.world)

    machine = Broken()
    machine.begin(versions=[1, 0])
    machine.replace(which=0, version=0, by=0)
    machine.restore(which=0, by=0, times=1)
    with pytest.raises(LawBroken) as error:
        machine.repeat(which=0, choice=1, by=0)
    machine.teardown()
    assert error.value.law is Law.UNDONE
    shown = PAGE.partition("```\nLawBroken: ")[2].partition("\n```")[0]
    assert " ".join(shown.split()) == str(error.value)
