"""The properties themselves: how they are written, and that something puts them to the
test in runs that really happen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rollproof_spec
from rollproof.counts import EMPTY, Counts, Limits
from rollproof.states import TERMINAL, State
from rollproof.table import TABLE, Row
from rollproof_spec import steps
from rollproof_spec.arrays import stack
from rollproof_spec.progress import rank
from rollproof_spec.properties import PROPERTIES, Kind, Property
from rollproof_spec.vocabulary import MAGNITUDE, Step
from walks import FLEET, StepTaken, walks

WALKS = 2500
CHECKED = 1500
"""Steps at which every property is evaluated."""

REQUIREMENTS = {
    *("R1.2", "R1.4", "R2.1", "R5.3", "R7.1", "R8", "N1", "N6", "N10"),
    *(f"R4.{n}" for n in range(1, 12)),
    *(f"S{n}" for n in range(1, 14)),
}


@pytest.fixture(scope="module")
def taken() -> list[StepTaken]:
    return list(walks(WALKS))


def _arguments(
    prop: Property, step: StepTaken, rows: tuple[Row, ...] = TABLE
) -> Iterator[tuple[Any, ...]]:
    """What the property may be asked at one step: of the step, or of its two ends."""
    _row, state, c, p, state2, c2 = step
    if prop.kind is Kind.STEP:
        yield step
        return
    for place in ((state, c, p), (state2, c2, p)):
        yield place if prop.kind is Kind.STATE else (rows, *place)


class TestHowTheyAreWritten:
    def test_names_are_unique_and_say_what_kind_they_are(self) -> None:
        names = [p.name for p in PROPERTIES]
        assert len(set(names)) == len(names)
        for p in PROPERTIES:
            assert p.name.endswith("Prop" if p.kind is Kind.STEP else "Inv")

    @pytest.mark.parametrize("prop", PROPERTIES, ids=lambda p: p.name)
    def test_each_says_why_and_whom_it_serves(self, prop: Property) -> None:
        assert prop.why.endswith(".")
        assert prop.requirements
        assert set(prop.requirements) <= REQUIREMENTS

    def test_none_is_forgotten(self) -> None:
        folder = Path(rollproof_spec.__file__).parent
        written = {
            node.name
            for source in folder.glob("*.py")
            for node in ast.parse(source.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name.endswith(("Inv", "Prop"))
        }
        assert written == {p.name for p in PROPERTIES}

    def test_none_asks_the_rules_what_the_rules_mean(self) -> None:
        """A sum or a threshold taken from the table's own words would prove nothing."""
        folder = Path(rollproof_spec.__file__).parent
        allowed = {
            "rollproof.algebra": {"all_of", "any_of", "ite", "negate"},
            "rollproof.counts": {"PHASES", "REGISTERS", "SETTLED", "Counts", "Limits"},
            "rollproof.states": {"ACTIVE", "TERMINAL", "Cause", "State", "View"},
            "rollproof.table": {"Actor", "Row"},
        }
        for name in ("vocabulary", "invariants", "steps", "progress", "properties"):
            for node in ast.walk(ast.parse((folder / f"{name}.py").read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith(
                    "rollproof."
                ):
                    assert {a.name for a in node.names} <= allowed[str(node.module)], name

    def test_they_stay_shorter_than_what_they_speak_of(self) -> None:
        """At or under the lines of core: the table, what it is written in, and the turn,
        which takes the rows that `rank` and `DisjointInv` are about."""
        core = Path(rollproof_spec.__file__).parents[2] / "core/rollproof"
        spoken_of = ("algebra", "counts", "rules", "states", "table", "turn")
        written = ("vocabulary", "invariants", "steps", "progress", "properties")

        def lines(folder: Path, names: tuple[str, ...]) -> int:
            return sum(len((folder / f"{n}.py").read_text().splitlines()) for n in names)

        assert lines(Path(rollproof_spec.__file__).parent, written) <= lines(core, spoken_of)

    def test_every_move_of_the_table_is_listed_and_the_reverse(self) -> None:
        moves = {(r.leaves, r.enters): r.actor for r in TABLE if r.leaves or r.enters}
        assert moves == steps.MOVES

    def test_every_change_of_state_is_listed_and_the_reverse(self) -> None:
        assert set(steps.CHANGES) == {
            (source, r.target)
            for r in TABLE
            if r.target is not None
            for source in r.sources
            if source is not r.target
        }


class TestInRealRuns:
    def test_every_row_is_taken(self, taken: list[StepTaken]) -> None:
        assert {step[0].name for step in taken} == {row.name for row in TABLE}

    @pytest.mark.parametrize("prop", PROPERTIES, ids=lambda p: p.name)
    def test_its_twin_is_reached(self, prop: Property, taken: list[StepTaken]) -> None:
        """Else it might hold only because nothing ever puts it to the test."""
        assert any(prop.twin(*at) for step in taken for at in _arguments(prop, step))

    @pytest.mark.parametrize("prop", PROPERTIES, ids=lambda p: p.name)
    def test_it_holds(self, prop: Property, taken: list[StepTaken]) -> None:
        some = taken[:: 10 if prop.kind is Kind.TABLE else 1][:CHECKED]
        for step in some:
            for at in _arguments(prop, step):
                assert prop.holds(*at) is True, step

    def test_a_run_ends_within_its_rank(self, taken: list[StepTaken]) -> None:
        """R4.6: rank is natural, and at most what its text says."""
        for _, state, c, p, _, _ in taken:
            assert 0 <= rank(state, c, p) <= 384 * FLEET + 60

    def test_an_ended_run_has_no_rows(self) -> None:
        assert not any(row.sources & TERMINAL for row in TABLE)


class TestOnArrays:
    """One function for integers and arrays: they must agree (design, One table)."""

    @pytest.mark.parametrize("prop", PROPERTIES, ids=lambda p: p.name)
    def test_agrees_with_integers(self, prop: Property, taken: list[StepTaken]) -> None:
        groups: dict[Any, list[StepTaken]] = {}
        for step in taken[-400:]:
            groups.setdefault((step[0].name, step[1]), []).append(step)
        for steps_taken in groups.values():
            row, state, _, _, state2, _ = steps_taken[0]
            c = stack([s[2] for s in steps_taken], FLEET * MAGNITUDE)
            c2 = stack([s[5] for s in steps_taken], FLEET * MAGNITUDE)
            p = Limits(*np.array([s[3] for s in steps_taken]).T)
            one = (row, state, c, p, state2, c2)
            for number, at in enumerate(_arguments(prop, one)):  # type: ignore[arg-type]
                plain = [prop.holds(*[*_arguments(prop, s)][number]) for s in steps_taken]
                array = np.broadcast_to(prop.holds(*at), len(plain))
                assert array.dtype == np.bool_
                assert array.tolist() == plain


def test_a_step_may_leave_things_alone() -> None:
    """`Step.keeps` claims nothing of values that merely are equal."""
    before: Counts[int] = EMPTY._replace(cap=1000)
    p = Limits(20, 20, 20, 0, 0, 0)
    same = Step(TABLE[0], State.IDLE, before, p, State.IDLE, before)
    assert same.keeps("cap", "room")
    assert not Step(TABLE[0], State.IDLE, before, p, State.IDLE, EMPTY).keeps("cap")
