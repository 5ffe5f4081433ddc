"""rollproof.validation and rollproof.bounds: bounds stated once, problems all at once."""

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from rollproof.bounds import shown, whole, written
from rollproof.errors import InvalidFields, Problem
from rollproof.fleet import Extension, ScaleSet
from rollproof.health import HealthExtension, HttpProbe, TcpProbe
from rollproof.images import ImageReference, ImageVersion
from rollproof.policy import (
    AutomaticOSUpgradePolicy,
    RollingUpgradePolicy,
    Timeouts,
    UpgradePolicy,
)
from rollproof.resources import Credential
from rollproof.validation import (
    Declared,
    Rule,
    declaration_of,
    declare,
    names_borne_twice,
    problems_in,
)

DECLARED = [
    *[ScaleSet, Extension, HttpProbe, TcpProbe, HealthExtension, ImageReference, ImageVersion],
    *[AutomaticOSUpgradePolicy, RollingUpgradePolicy, Timeouts, UpgradePolicy],
]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.timedeltas(),
    st.lists(st.integers()),
    st.tuples(st.text()),
    st.dictionaries(st.text(), st.integers()),
    st.just(10**5000),
    st.just((10**5000,)),
)


def _in_order(low: int, high: int) -> list[Problem]:
    return [] if low <= high else [Problem("high", str(high), f"at least {low}")]


@frozen(kw_only=True)
class Range(Declared):
    """Two numbers in order."""

    low: int = field(metadata=declare(whole(0, 10), "The lower.", "R4.7"))
    high: int = field(default=10, metadata=declare(whole(0, 10), "The higher."))
    rules = (Rule(("low", "high"), _in_order),)


def fields_of(error: InvalidFields) -> list[str]:
    """The fields with a problem."""
    return [problem.field for problem in error.problems]


def fix_of(error: InvalidFields) -> str:
    """What the first problem says to do."""
    return error.problems[0].fix


class TestConstructing:
    """A value is within its bounds, or there is no value."""

    def test_every_field_is_checked(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Range(low=-1, high=11)
        assert fields_of(caught.value) == ["low", "high"]

    def test_a_rule_is_checked_when_its_fields_are_right(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Range(low=5, high=4)
        assert caught.value.problems == (Problem("high", "4", "at least 5"),)

    def test_a_rule_never_sees_a_field_outside_its_bound(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Range(low="5", high=4)  # type: ignore[arg-type]  # wrong on purpose
        assert fields_of(caught.value) == ["low"]

    def test_absent_fields_are_not_judged(self) -> None:
        assert problems_in(Range, {"high": 4}) == ()

    def test_evolving_checks_again(self) -> None:
        with pytest.raises(InvalidFields):
            attrs.evolve(Range(low=1), high=0)


class TestProblemsSayWhatToDo:
    """Each problem ends with the way out."""

    def test_leave_it_out(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Range(low=0, high=11)
        assert fix_of(caught.value) == "Leave it out for the default, 10."

    def test_drop_the_quotes(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Range(low="1")  # type: ignore[arg-type]  # wrong on purpose
        assert fix_of(caught.value) == "Write it without quotes."

    def test_an_example_where_there_is_no_default(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Range(low=-1)
        assert fix_of(caught.value) == "For example: low = 10"

    def test_the_spelling_of_a_duration(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            Timeouts(health="5 minutes")  # type: ignore[arg-type]  # wrong on purpose
        assert fix_of(caught.value) == 'Spell it like "PT5M", five minutes.'

    def test_a_default_when_no_choice_is_close(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            UpgradePolicy(mode="?")  # type: ignore[arg-type]  # wrong on purpose
        assert fix_of(caught.value) == 'Leave it out for the default, "Rolling".'


class TestNamesBorneTwice:
    """Every one but the first of a name is told, wherever names must differ."""

    @given(st.lists(st.sampled_from("abc")))
    def test_each_but_the_first(self, names: list[str]) -> None:
        credentials = [Credential(name=name, file="t") for name in names]
        found = list(names_borne_twice("here", credentials, "R4.10"))
        assert len(found) == len(names) - len(set(names))
        assert [problem.field for problem in found] == [
            f"here[{place}].name" for place, name in enumerate(names) if name in names[:place]
        ]
        assert {problem.requirement for problem in found} <= {"R4.10"}


@pytest.mark.parametrize("cls", DECLARED)
class TestEveryDeclaration:
    """What holds for each class that users write down."""

    def test_every_field_is_documented(self, cls: type[Declared]) -> None:
        for attribute in attrs.fields(cls):
            declaration = declaration_of(attribute)
            assert declaration.doc.endswith(".")
            assert declaration.bound.allowed

    def test_every_default_is_within_its_bound(self, cls: type[Declared]) -> None:
        for attribute in attrs.fields(cls):
            if attribute.default is not attrs.NOTHING:
                assert declaration_of(attribute).bound.accepts(attribute.default)

    @given(value=ANYTHING)
    def test_no_bound_ever_raises(self, cls: type[Declared], value: object) -> None:
        for attribute in attrs.fields(cls):
            assert declaration_of(attribute).bound.accepts(value) in (True, False)


class TestShown:
    """Wrong values are printed short, whatever they are."""

    @given(ANYTHING)
    def test_never_raises_and_stays_short(self, value: object) -> None:
        assert len(shown(value)) < 500

    def test_as_a_document_spells_them(self) -> None:
        assert shown(Timeouts().health) == '"PT5M"'
        assert shown(()) == "[]"
        assert shown(10**5000) == "a int too long to print"
        assert written(Timeouts()) == "its own defaults"
