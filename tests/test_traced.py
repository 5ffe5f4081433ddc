"""rollproof.traced: the algebra of explanations."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollproof.algebra import all_of, any_of, ite, negate
from rollproof.counts import EMPTY, Counts, Limits
from rollproof.table import TABLE, Row
from rollproof.traced import Number, Truth, conjuncts, traced, truth

COUNTS = st.builds(
    lambda cells: Counts(*cells),
    st.lists(st.integers(0, 9), min_size=len(EMPTY), max_size=len(EMPTY)),
)
LIMITS = st.builds(
    Limits,
    st.integers(5, 100),
    st.integers(5, 100),
    st.integers(0, 100),
    *(st.integers(0, 1) for _ in range(4)),
)
SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def named(value: int, name: str = "x") -> Number:
    return Number(value, "name", name)


class TestValues:
    """A traced value is what the guard makes of the bare integers (N5)."""

    @settings(max_examples=30)
    @given(counts=COUNTS, limits=LIMITS)
    def test_every_guard(self, counts: Counts[int], limits: Limits[int]) -> None:
        for row in TABLE:
            told = truth(row.enabled(*traced(counts, limits)))
            assert told.holds == bool(row.enabled(counts, limits)), row.name

    @settings(max_examples=30)
    @given(counts=COUNTS, limits=LIMITS)
    def test_every_effect(self, counts: Counts[int], limits: Limits[int]) -> None:
        for row in TABLE:
            for _, effect in row.sets:
                value = effect(*traced(counts, limits))
                bare = effect(counts, limits)
                assert (value.value if isinstance(value, Number) else value) == bare

    @pytest.mark.parametrize("sign", SUMS)
    @given(a=st.integers(-99, 99), b=st.integers(1, 99))
    def test_sums(self, sign: str, a: int, b: int) -> None:
        act = SUMS[sign]
        assert act(named(a), b).value == act(named(a), named(b)).value == act(a, b)

    @pytest.mark.parametrize("sign", [sign for sign in SUMS if sign != "//"])
    def test_sums_of_a_bare_number(self, sign: str) -> None:
        made = SUMS[sign](7, named(3))
        assert (made.value, made.tree[0]) == (SUMS[sign](7, 3), sign)

    @pytest.mark.parametrize("sign", COMPARISONS)
    @given(a=st.integers(-3, 3), b=st.integers(-3, 3))
    def test_comparisons_and_their_contrary(self, sign: str, a: int, b: int) -> None:
        made = COMPARISONS[sign](named(a), b)
        assert made.holds is COMPARISONS[sign](a, b)
        assert negate(made).holds is not made.holds
        assert negate(negate(made)).tree == made.tree

    def test_a_choice(self) -> None:
        for n in (0, 1):
            chosen = ite(named(n) == 1, named(5, "a"), 6)
            assert chosen.value == (5 if n else 6)
        assert ite(named(0) == 1, 5, 6).tree == ite(named(1) == 1, 5, 6).tree


class TestParts:
    """What a truth consists of."""

    def test_nested_conjunctions_are_one(self) -> None:
        a, b, c = (named(1, name) == 0 for name in "abc")
        whole = all_of(a, all_of(b, c), True)
        assert [part.tree for part in conjuncts(whole)] == [a.tree, b.tree, c.tree]

    def test_said_twice_is_said_once(self) -> None:
        a, b = (named(1, name) == 0 for name in "ab")
        assert len(conjuncts(all_of(a, b, a))) == 2

    def test_the_order_of_an_alternative_is_no_matter(self) -> None:
        a, b = (named(1, name) == 0 for name in "ab")
        assert any_of(a, b).tree == any_of(b, a).tree
        assert any_of(a, b).tree != all_of(a, b).tree

    def test_negation_goes_inward(self) -> None:
        a, b = (named(n, name) == 0 for n, name in enumerate("ab"))
        for join, inside in ((all_of, "or"), (any_of, "and")):
            told = negate(join(a, b))
            assert told.sign == inside
            assert told.holds is not join(a, b).holds
            assert {part.sign for part in told.parts} == {"!="}

    def test_a_known_truth_decides_or_says_nothing(self) -> None:
        a = named(1) == 0
        assert (a & True) is a
        assert (False | a) is a
        assert (False & a).holds is False
        assert (a | True).holds is True
        assert conjuncts(truth(True)) == ()
        assert [each.holds for each in conjuncts(truth(False))] == [False]
        assert negate(truth(True)).holds is False
        assert truth(True).tree != truth(False).tree

    @pytest.mark.parametrize("value", [named(1), named(1) == 1], ids=["number", "truth"])
    def test_asking_for_its_truth_raises(self, value: Number | Truth) -> None:
        with pytest.raises(TypeError, match="traced"):
            bool(value)

    @pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
    def test_expressions_do_not_depend_on_values(self, row: Row) -> None:
        limits = Limits(20, 20, 20, 1, 1, 1)
        trees = {
            truth(row.enabled(*traced(Counts(*(n for _ in EMPTY)), limits))).tree
            for n in (0, 1, 7)
        }
        assert len(trees) == 1
