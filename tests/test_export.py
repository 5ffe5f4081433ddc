"""rollproof_checks.export and the algebra of text: what other checkers are given says what
the table says."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest

from rollproof.algebra import all_of, any_of, ite, negate
from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import ROWS, TABLE, Row
from rollproof_checks.explore import By, explore
from rollproof_checks.explore.standard import BATCHES, CONCRETE, PAIR
from rollproof_checks.export import configuration, promela, tla
from rollproof_checks.export.__main__ import main
from rollproof_checks.export.spin import run_spin
from rollproof_spec import text
from rollproof_spec.properties import PROPERTIES
from rollproof_spec.text import PROMELA, TLA, Dialect, Text, name
from rollproof_spec.vocabulary import Kind

PYTHON = Dialect(
    signs={
        **{sign: sign for sign in ("+", "-", "*", "//", "<", "<=", ">", ">=", "==", "!=")},
        "and": "and",
        "or": "or",
    },
    negation="not ",
    choice="{1} if {0} else {2}",
    truths=("False", "True"),
)
"""To read a text back."""

A, B = name("a"), name("b")


def meant(term: Any, **values: int) -> Any:
    """What a text says where its names have these values."""
    return eval(PYTHON.spell(term), {"__builtins__": {}}, values)


def points() -> Iterator[tuple[Counts[int], Counts[int], Limits[int]]]:
    """Counts before and after, and limits, at random."""
    chance = Random(1)
    for _ in range(5):
        before, after = (
            Counts(*(chance.choice((0, 0, 1, 2, 3)) for _ in Counts._fields)) for _ in range(2)
        )
        percents = (chance.randint(0, 100) for _ in range(3))
        yield before, after, Limits(*percents, *(chance.randint(0, 1) for _ in range(3)))


def values(c: Counts[int], c2: Counts[int], p: Limits[int]) -> dict[str, int]:
    """The names of a step's numbers."""
    then = {f"{field}_then": value for field, value in c2._asdict().items()}
    return {**c._asdict(), **then, **p._asdict()}


class TestText:
    """The algebra of text."""

    @pytest.mark.parametrize(
        ("term", "tla_says", "promela_says"),
        [
            (A + 1, "(a + 1)", "(a + 1)"),
            (2 - A * B, "(2 - (a * b))", "(2 - (a * b))"),
            (A // 100, "(a \\div 100)", "(a / 100)"),
            (
                all_of(A == 1, B != 2, A < B),
                "((a = 1) /\\ (b # 2) /\\ (a < b))",
                "((a == 1) && (b != 2) && (a < b))",
            ),
            (any_of(A <= 1, B >= 2), "((a <= 1) \\/ (b >= 2))", "((a <= 1) || (b >= 2))"),
            (negate(A > B), "~((a > b))", "!((a > b))"),
            (ite(A > 1, A, 0), "(IF (a > 1) THEN a ELSE 0)", "((a > 1) -> a : 0)"),
            (negate(negate(A > B)), "(a > b)", "(a > b)"),
            (A + 0, "a", "a"),
            (True, "TRUE", "true"),
            (all_of(A > 1, A > 1, B > 1), "((a > 1) /\\ (b > 1))", "((a > 1) && (b > 1))"),
        ],
        ids=["+", "-", "//", "all", "any", "not", "ite", "not not", "+ 0", "true", "twice"],
    )
    def test_spelling(self, term: Any, tla_says: str, promela_says: str) -> None:
        assert TLA.spell(term) == tla_says
        assert PROMELA.spell(term) == promela_says

    def test_what_is_known_is_not_said(self) -> None:
        assert (True & (A > 1)).same(A > 1)
        assert ((A > 1) & False) is False
        assert ((A > 1) | True) is True
        assert (False | (A > 1)).same(A > 1)

    def test_a_text_has_no_truth(self) -> None:
        with pytest.raises(TypeError, match="has no truth"):
            assert A > 1
        with pytest.raises(TypeError, match="unhashable"):
            hash(A)
        with pytest.raises(TypeError, match="cannot be written down"):
            _ = A + 1.5

    def test_rows_mean_the_same(self) -> None:
        c, p = text.counts(), text.limits()
        for row in TABLE:
            guard, after = row.enabled(c, p), row.after(c, p)
            for before, then, limits in points():
                given = values(before, then, limits)
                assert meant(guard, **given) == row.enabled(before, limits), row.name
                cells = tuple(meant(cell, **given) for cell in after)
                assert cells == row.after(before, limits), row.name

    @pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: prop.name)
    def test_properties_mean_the_same(self, prop: Any) -> None:
        c, p, c2 = text.counts(), text.limits(), text.counts("{}_then")
        for state in State:
            around: list[tuple[Any, ...]] = [()]
            if prop.kind is Kind.TABLE:
                around = [(TABLE,)]
            elif prop.kind is Kind.STEP:
                around = [(row,) for row in TABLE if state in row.sources]
            for before, then, limits in points():
                given = values(before, then, limits)
                for first in around:
                    target = first[0].target or state if prop.kind is Kind.STEP else state
                    rest = (target, c2) if prop.kind is Kind.STEP else ()
                    truth = (target, then) if prop.kind is Kind.STEP else ()
                    said = prop.holds(*first, state, c, p, *rest)
                    assert meant(said, **given) == prop.holds(
                        *first, state, before, limits, *truth
                    )


class TestFiles:
    """What is committed under spec/ is what the table says."""

    def test_no_drift(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--check"]) == 0, capsys.readouterr().out

    def test_writing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--check"], tmp_path) == 1
        assert "Rollproof.tla is not what the table says" in capsys.readouterr().out
        assert main([], tmp_path) == 0
        assert main(["--check"], tmp_path) == 0
        (tmp_path / "spec/tla/Rollproof.cfg").write_text("CONSTANTS\n")
        assert main(["--check"], tmp_path) == 1

    def test_the_module_has_every_row_and_property(self) -> None:
        lines = tla().splitlines()
        for row in TABLE:
            title = row.name.title().replace("_", "")
            assert f"{title} ==" in lines
            assert f"  \\/ {title}" in lines
        said = configuration(PAIR)
        for prop in PROPERTIES:
            assert any(line.startswith(f"{prop.name} ==") for line in lines)
            assert f"  {prop.name}\n" in said

    def test_actions_leave_no_variable_open(self) -> None:
        blocks = tla().split("\n\n")
        for row in TABLE:
            title = row.name.title().replace("_", "")
            (block,) = (b for b in blocks if f"\n{title} ==\n" in f"\n{b}")
            for variable in ("state", *Counts._fields):
                kept = block.split("UNCHANGED")[1].strip(" <>\n").split(", ")
                assert (f" {variable}' =" in block) != (variable in kept)

    def test_terminal_states_have_no_way_out(self) -> None:
        lines = promela(PAIR).splitlines()
        at = {line: number for number, line in enumerate(lines)}
        for state in ("CANCELLED", "COMPLETED"):
            assert lines[at[f"{state}:"] + 1] == f"end_{state}: false;"
        assert all(a != b for a, b in pairwise(lines) if a.endswith(":"))

    def test_models_that_cannot_be_exported(self) -> None:
        with pytest.raises(ValueError, match="no model of the table"):
            promela(attrs.evolve(PAIR, by=By.READ))
        with pytest.raises(ValueError, match="no model of the module"):
            configuration(BATCHES)


@pytest.mark.slow
class TestSpin:
    """A checker that shares no line with ours counts the same states."""

    @pytest.mark.parametrize("model", [PAIR, BATCHES, CONCRETE], ids=lambda model: model.name)
    def test_the_same_states(self, model: Any, tmp_path: Path) -> None:
        ours = explore(model, properties=())
        spin = run_spin(promela(model), tmp_path)
        assert spin.complete
        assert spin.errors == 0
        assert spin.states == ours.states
        assert spin.transitions == ours.transitions + 1  # into the first state

    def test_it_finds_what_is_wrong(self, tmp_path: Path) -> None:
        wrong: Row = attrs.evolve(ROWS["claim_unhealthy"], sets=())
        rows = tuple(wrong if row.name == wrong.name else row for row in TABLE)
        assert run_spin(promela(PAIR, rows), tmp_path).errors == 1


def test_equal_texts_are_the_same_tree() -> None:
    assert (A + B).same(name("a") + name("b"))
    assert not (A + B).same(B + A)
    assert isinstance(A == B, Text)
