"""rollproof.errors: one tree, messages that say what, why and what to do."""

import copy
import pickle
import re

import pytest
from attrs.exceptions import FrozenInstanceError

from rollproof import errors
from rollproof.errors import ExitCode, InvalidDocument, InvalidFields, Problem, RollproofError

PROBLEM = Problem("a.b", "200", "a whole number from 5 to 100", "R4.7", "Lower it.")
EXAMPLES = [
    errors.InvalidInput((PROBLEM,)),
    errors.InvalidFields((PROBLEM,)),
    errors.InvalidDocument((PROBLEM,), "web.toml"),
    errors.UnknownScaleSet("wbe", ("web", "db")),
    errors.UnknownImage("web-so", ("web-os",)),
    errors.UnknownImageVersion("web-os", "1.0.9", ("1.0.0",)),
    errors.UnknownRun("run-1", ("run-2",)),
    errors.UnknownInstance("i-1", ("i-2",)),
    errors.RunPruned("run-1"),
    errors.UnknownImageSource("crop", ("corp",)),
    errors.NoVersionForLocation("web-os", "eastus", ("1.0.0 is excluded from latest",)),
    errors.UnsupportedSku("a~b~c", ("a~b~d",)),
    errors.RunActive("web", "run-1"),
    errors.NothingRunning("web"),
    errors.NothingToUndo("web.1-86eb91"),
    errors.NothingToRetry("web"),
    errors.NothingToApprove("web.1-86eb91"),
    errors.AllStopped("2026-11-25T13:12:23Z"),
    errors.HomeInUse("/srv/rollproof", 7),
    errors.HomeInUse("/srv/rollproof"),
    errors.ImageVersionExists("web-os", "1.0.0"),
    errors.ImageSourceExists("corp", "/srv/images"),
    errors.ListedElsewhere("web-os", "1.0.0", "corp"),
    errors.IllegalEvent("Completed", "Approve"),
    errors.ForeignJournal("/srv/j", "another application id"),
    errors.DamagedJournal("/srv/j", "row 3 is missing"),
    errors.NewerJournal("/srv/j", 3, 2),
    errors.JournalUnwritable("/srv/j", "the file system is full"),
    errors.OperationFailed("i-1", "no such disk"),
    errors.CredentialExpired("i-1", "at noon", "storage"),
    errors.Ineligible(
        "web", (errors.Violation("ApiVersionTooOld", "it is 2018", "R2.2", "Raise it."),)
    ),
    errors.OutcomeUnknown("i-1", "the connection dropped"),
    errors.InvalidImage("/srv/image", "no VERSION file"),
    errors.SourceUnavailable("corp", "it answered 500"),
    errors.AddressInUse("127.0.0.1:8080"),
    errors.NotInstalled("[metrics]", "prometheus_client", "metrics"),
]
ABSTRACT = {"RollproofError", "NotFound", "Conflict", "JournalError", "ProviderError"}


def classes() -> dict[str, type[RollproofError]]:
    """Every class of the tree by name."""
    found: dict[str, type[RollproofError]] = {}
    waiting: list[type[RollproofError]] = [RollproofError]
    while waiting:
        cls = waiting.pop()
        found[cls.__name__] = cls
        waiting.extend(sub for sub in cls.__subclasses__() if sub.__module__ == cls.__module__)
    return found


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
class TestEveryError:
    """What holds for each class of the tree."""

    def test_survives_pickling_and_copying(self, error: RollproofError) -> None:
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(twin) is type(error)
            assert twin.args == error.args
            assert (str(twin), repr(twin)) == (str(error), repr(error))

    def test_says_something_and_ends_a_sentence(self, error: RollproofError) -> None:
        assert re.search(r"[.?]$", str(error))
        assert "{" not in str(error)

    def test_names_every_attribute_in_its_message(self, error: RollproofError) -> None:
        for value in error.args:
            if isinstance(value, str):
                assert value in str(error)

    def test_is_frozen_and_can_still_be_raised_from_another(
        self, error: RollproofError
    ) -> None:
        with pytest.raises(FrozenInstanceError):
            error.problems = ()  # type: ignore[attr-defined]  # the point of the test
        with pytest.raises(RollproofError) as caught:
            raise error from ValueError("cause")
        assert isinstance(caught.value.__cause__, ValueError)


class TestTree:
    """The tree as a whole."""

    def test_every_concrete_class_has_an_example(self) -> None:
        assert {type(error).__name__ for error in EXAMPLES} == set(classes()) - ABSTRACT

    def test_docstring_prints_exactly_the_tree(self) -> None:
        drawn: dict[str, str] = {}
        path: list[str] = []
        for line in (errors.__doc__ or "").splitlines():
            if match := re.match(r"([ │]*)(?:[├└] )?([A-Z][A-Za-z]+)(?:  |$)", line):
                depth = line.index(match[2]) // 3
                path = [*path[:depth], match[2]]
                drawn[match[2]] = path[-2] if depth else "Exception"
        real = {name: cls.__mro__[1].__name__ for name, cls in classes().items()}
        assert drawn == real

    def test_exit_codes_are_fixed(self) -> None:
        assert {code.name: code.value for code in ExitCode} == {
            "COMPLETED": 0,
            "FAILURE": 1,
            "INVALID": 2,
            "CANCELLED": 3,
            "STOPPED": 4,
            "CONFLICT": 5,
            "ENVIRONMENT": 6,
        }

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("RollproofError", ExitCode.FAILURE),
            ("IllegalEvent", ExitCode.FAILURE),
            ("InvalidDocument", ExitCode.INVALID),
            ("UnknownRun", ExitCode.INVALID),
            ("InvalidImage", ExitCode.INVALID),
            ("HomeInUse", ExitCode.CONFLICT),
            ("DamagedJournal", ExitCode.ENVIRONMENT),
            ("OutcomeUnknown", ExitCode.ENVIRONMENT),
            ("AddressInUse", ExitCode.ENVIRONMENT),
            ("NotInstalled", ExitCode.ENVIRONMENT),
        ],
    )
    def test_each_branch_has_its_code(self, name: str, code: ExitCode) -> None:
        assert classes()[name].exit_code is code


class TestSuggestions:
    """A name that nothing bears leads to one that exists."""

    def test_the_closest_name(self) -> None:
        assert "Did you mean 'web'?" in str(errors.UnknownScaleSet("wbe", ("db", "web")))

    def test_the_few_known_names(self) -> None:
        assert "Known: db, web." in str(errors.UnknownScaleSet("zzz", ("db", "web")))

    def test_where_to_look_when_nothing_or_too_much_is_known(self) -> None:
        many = tuple(str(number) for number in range(100))
        for known in ((), many):
            assert "List the scale sets" in str(errors.UnknownScaleSet("zzz", known))

    def test_a_million_names_cost_nothing(self) -> None:
        known = ("i-1",) * 1_000_000
        assert errors.closest("zzz", known) == ""


class TestProblems:
    """Problems read in a terminal of 80 columns."""

    def test_one_problem_on_one_line(self) -> None:
        assert str(InvalidDocument((PROBLEM,), "web.toml")) == (
            "web.toml: 1 problem\n"
            "  a.b: 200; allowed: a whole number from 5 to 100 (R4.7). Lower it."
        )

    def test_all_problems_wrapped(self) -> None:
        long = Problem("x" * 100, "word " * 50, "nothing\nelse")
        lines = str(InvalidFields((PROBLEM, long))).splitlines()
        assert lines[0] == "invalid fields: 2 problems"
        assert all(len(line) <= 80 for line in lines if "xxx" not in line)
        assert [line for line in lines if line.startswith("  ") and line[2] != " "] == [
            lines[1],
            lines[2],
        ]

    def test_a_problem_without_field_requirement_or_fix(self) -> None:
        assert str(Problem("", "nothing", "something")) == "nothing; allowed: something."
