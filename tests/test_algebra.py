"""rollproof.algebra, and the two algebras that join it: arrays and solver terms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from rollproof.algebra import all_of, any_of, ite, negate
from rollproof.counts import Counts, Limits
from rollproof.states import Cause
from rollproof_spec import arrays, terms
from rollproof_spec.terms import Number, Truth, number


def holds(term: object) -> bool:
    """Whether a term without unknowns is true."""
    return z3.is_true(z3.simplify(terms.boolean(term)))


def value(term: object) -> int:
    """The integer that a term without unknowns equals."""
    simple = z3.simplify(terms.arith(term))
    assert z3.is_int_value(simple)
    return simple.as_long()


def literal(n: int) -> Number:
    return Number(z3.IntVal(n))


SLIPS: dict[str, Callable[[Any], Any]] = {
    "if": lambda x: 1 if x > 0 else 2,
    "and": lambda x: (x > 0) and (x < 3),
    "or": lambda x: (x > 0) or (x < 3),
    "not": lambda x: not (x > 0),
    "chain": lambda x: 0 < x < 3,
    "in": lambda x: x in (1, 2),
    "bool": bool,
    "max": lambda x: max(x, 1),
}
MIXTURES: dict[str, Callable[[Any], Any]] = {
    "plus a truth": lambda x: x + True,
    "equal to a truth": lambda x: x == True,  # noqa: E712  # the slip it is about
    "equal to a text": lambda x: x == "1",
    "unlike nothing": lambda x: x != None,  # noqa: E711  # likewise
    "below a float": lambda x: x < 1.5,
    "plus a truth term": lambda x: x + (x > 0),
    "truth and number": lambda x: (x > 0) & 1,
    "number or truth": lambda x: 1 | (x > 0),
    "truth equal to a number": lambda x: (x > 0) == 1,
    "number or else truth": lambda x: ite(x > 0, 1, True),
    "truth or else number": lambda x: ite(x > 0, True, x),
    "ite of a number": lambda x: ite(x, 1, 2),
    "negated number": negate,
    "hash": hash,
}


class TestIntegers:
    """The words on the integers that run."""

    def test_ite_chooses(self) -> None:
        assert ite(True, 1, 2) == 1
        assert ite(False, 1, 2) == 2

    def test_negate_is_not_the_tilde(self) -> None:
        assert negate(True) is False
        assert negate(False) is True

    @given(st.lists(st.booleans(), min_size=1))
    def test_all_of_and_any_of(self, truths: list[bool]) -> None:
        assert all_of(*truths) is all(truths)
        assert any_of(*truths) is any(truths)

    @pytest.mark.parametrize("truth", [1, 0, None, "true", 1.0])
    def test_what_is_no_truth_is_refused(self, truth: object) -> None:
        with pytest.raises(TypeError, match="as its truth"):
            ite(truth, 1, 2)
        with pytest.raises(TypeError, match="as its truth"):
            negate(truth)


class TestArrays:
    """The same words on arrays: every cell as the integers have it."""

    @given(st.lists(st.tuples(st.booleans(), st.integers(-9, 9), st.integers(-9, 9))))
    def test_cell_by_cell(self, rows: list[tuple[bool, int, int]]) -> None:
        truth = np.array([row[0] for row in rows], dtype=np.bool_)
        then, otherwise = (np.array([r[i] for r in rows], dtype=np.int16) for i in (1, 2))
        assert ite(truth, then, otherwise).tolist() == [ite(*row) for row in rows]
        assert ite(truth, then, 7).tolist() == [ite(t, a, 7) for t, a, _ in rows]
        assert negate(truth).tolist() == [negate(row[0]) for row in rows]
        assert all_of(True, truth, truth).tolist() == truth.tolist()
        assert any_of(False, truth, truth).tolist() == truth.tolist()

    def test_a_single_truth_of_numpy(self) -> None:
        assert ite(np.bool_(True), 1, 2) == 1
        assert negate(np.bool_(True)) == np.bool_(False)

    def test_constants_take_the_width_of_the_array(self) -> None:
        narrow = np.array([1, 2], dtype=np.int16)
        assert ite(narrow > 1, Cause.USER, narrow).dtype == np.int16
        assert ite(narrow > 1, narrow, 3).dtype == np.int16

    def test_numbers_are_no_truths(self) -> None:
        with pytest.raises(TypeError, match="is no truth"):
            ite(np.array([0, 1]), 1, 2)
        with pytest.raises(TypeError, match="is no truth"):
            negate(np.array([0, 1]))

    def test_no_guard_may_ask_an_array_for_its_truth(self) -> None:
        with pytest.raises(ValueError, match="ambiguous"):
            bool(np.array([True, False]))


class TestWidths:
    """A rule multiplies by a hundred: the type must hold that, on both sides of 0."""

    @pytest.mark.parametrize(
        ("instances", "kind"),
        [
            *[(0, np.int16), (327, np.int16), (328, np.int32), (21_474_836, np.int32)],
            *[(21_474_837, np.int64), ((2**63 - 1) // 100, np.int64)],
        ],
    )
    def test_narrowest(self, instances: int, kind: type) -> None:
        assert arrays.width(instances) is kind
        assert int(kind(instances)) * 100 <= np.iinfo(kind).max

    def test_one_more_does_not_fit(self) -> None:
        with pytest.raises(OverflowError, match="fit no integer"):
            arrays.width((2**63 - 1) // 100 + 1)

    def test_stack_makes_a_column_per_field(self) -> None:
        points = [Counts(*range(25)), Counts(*range(25, 50))]
        columns = arrays.stack(points, 49)
        assert [Counts(*map(int, row)) for row in zip(*columns, strict=True)] == points
        assert columns.cap.dtype == np.int16

    def test_no_points_at_all(self) -> None:
        assert all(column.shape == (0,) for column in arrays.stack([], 10))


class TestTerms:
    """The same words, and all operators, on solver terms."""

    @given(st.integers(-50, 50), st.integers(-50, 50))
    def test_numbers_as_python_has_them(self, a: int, b: int) -> None:
        left, right = literal(a), literal(b)
        assert value(left + right) == value(left + b) == value(a + right) == a + b
        assert value(left - right) == value(left - b) == value(a - right) == a - b
        assert value(left * right) == value(left * b) == value(a * right) == a * b
        for truth, fact in (
            *[(left < right, a < b), (left <= right, a <= b), (left == right, a == b)],
            *[(left > right, a > b), (left >= right, a >= b), (left != right, a != b)],
            *[(left < b, a < b), (a < right, a < b), (left == b, a == b), (a == right, a == b)],
        ):
            assert holds(truth) is fact

    @given(st.integers(-1000, 1000), st.integers(1, 100))
    def test_division_rounds_down_as_pythons(self, a: int, b: int) -> None:
        assert value(literal(a) // b) == a // b

    @pytest.mark.parametrize("divisor", [0, -1, True, literal(2), 1.5])
    def test_only_positive_literals_divide(self, divisor: Any) -> None:
        with pytest.raises(TypeError, match="positive literals"):
            literal(1) // divisor

    @given(st.booleans(), st.booleans())
    def test_truths_as_python_has_them(self, a: bool, b: bool) -> None:
        left, right = Truth(z3.BoolVal(a)), Truth(z3.BoolVal(b))
        assert holds(left & right) is holds(left & b) is holds(a & right) is (a and b)
        assert holds(left | right) is holds(left | b) is holds(a | right) is (a or b)
        assert holds(left == right) is holds(left == b) is (a is b)
        assert holds(left != right) is holds(left != b) is (a is not b)
        assert holds(negate(left)) is (not a)
        assert holds(all_of(a, right)) is (a and b)
        assert value(ite(left, 1, literal(2))) == ite(a, 1, 2)
        assert value(ite(left, literal(1), 2)) == ite(a, 1, 2)
        assert holds(ite(left, right, True)) is (b if a else True)
        assert holds(ite(left, False, right)) is (False if a else b)

    def test_enum_members_are_their_numbers(self) -> None:
        assert holds(literal(1) == Cause.USER)
        assert value(ite(Truth(z3.BoolVal(True)), Cause.USER, literal(0))) == 1

    @pytest.mark.parametrize("slip", SLIPS)
    def test_asking_for_truth_raises(self, slip: str) -> None:
        """What z3 sometimes answers silently must never get an answer."""
        with pytest.raises(TypeError, match="has no truth"):
            SLIPS[slip](number("x"))

    @pytest.mark.parametrize("mixture", MIXTURES)
    def test_numbers_and_truths_do_not_mix(self, mixture: str) -> None:
        with pytest.raises(TypeError):
            MIXTURES[mixture](number("x"))

    def test_terms_show_themselves(self) -> None:
        assert repr(number("x") + 1) == "Number(x + 1)"
        assert repr(Truth(z3.Bool("y"))) == "Truth(y)"

    def test_unknown_counts_and_limits_bear_their_fields_names(self) -> None:
        assert [str(c.expr) for c in terms.counts("old_")] == [
            f"old_{field}" for field in Counts._fields
        ]
        assert [str(p.expr) for p in terms.limits()] == list(Limits._fields)
