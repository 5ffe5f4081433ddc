"""Verification in a user's own pytest.

    @pytest.mark.rollproof("deploy/web.toml", instances=40, zones=3, tolerate=1)
    def test_policy_of_web():
        ...

The marked test fails before its body runs unless the policy is PROVED for such a fleet:
refused and undetermined alike.  The marker takes what `verify_policy` takes; a path is
looked up from pytest's root folder, then from the folder of the test.  A body that wants
the figures asks for a fixture:

``rollproof_policies``      the `PolicyVerdict` of each marker, the nearest first
``rollproof_verification``  the `Verification` of rollproof itself, once in a session

pytest loads this module wherever rollproof is installed, so it imports nothing but pytest
until a test asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rollproof_checks.verify import PolicyVerdict, Verification

MARKER = "rollproof"
_KNOWN = pytest.StashKey[dict[str, "PolicyVerdict"]]()
"""In the configuration: verdicts by what was asked, for tests that ask the same."""
_FOUND = pytest.StashKey[tuple["PolicyVerdict", ...]]()
"""In a test: the verdicts of its markers."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(path, instances, *, zones=1, tolerate=0, ...): fail unless the policy of "
        "the scale set is proved for such a fleet (rollproof_checks.verify.verify_policy)",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Verify the policies that a test is marked with: after pytest has heard whether it is
    to be skipped, and before the fixtures are set up."""
    found = tuple(_verified(item, marker) for marker in item.iter_markers(MARKER))
    item.stash[_FOUND] = found
    failed = [verdict for verdict in found if verdict.verdict.exit_code]
    if failed:
        from rollproof_checks.verify.words import policy_text

        pytest.fail("\n\n".join(map(policy_text, failed)), pytrace=False)


def _verified(item: pytest.Item, marker: pytest.Mark) -> PolicyVerdict:
    if not marker.args:
        pytest.fail(f"@pytest.mark.{MARKER} needs the path of a scale set", pytrace=False)
    path = _found(item, marker.args[0])
    known = item.config.stash.setdefault(_KNOWN, {})
    asked = repr((path, marker.args[1:], sorted(marker.kwargs.items())))
    if asked not in known:
        known[asked] = _asked(path, marker)
    return known[asked]


def _asked(path: Path, marker: pytest.Mark) -> PolicyVerdict:
    """The verdict; whatever prevents one fails the test in a sentence."""
    try:
        from rollproof.errors import InvalidInput
        from rollproof_checks.verify import verify_policy
    except ModuleNotFoundError as error:
        why = f"rollproof's marker needs {error.name}: pip install 'rollproof[checks]'"
        pytest.fail(why, pytrace=False)
    try:
        return verify_policy(path, *marker.args[1:], **marker.kwargs)
    except (InvalidInput, TypeError) as error:
        pytest.fail(f"@pytest.mark.{MARKER}: {error}", pytrace=False)


def _found(item: pytest.Item, path: Any) -> Path:
    """The document: below the root folder, or beside the test."""
    below_root = Path(item.config.rootpath, path)
    beside = Path(item.path.parent, path)
    return beside if beside.exists() and not below_root.exists() else below_root


@pytest.fixture
def rollproof_policies(request: pytest.FixtureRequest) -> tuple[PolicyVerdict, ...]:
    """The verdicts of the markers ``rollproof`` of this test, all of them PROVED."""
    found: tuple[PolicyVerdict, ...] = request.node.stash[_FOUND]
    return found


@pytest.fixture(scope="session")
def rollproof_verification() -> Verification:
    """The evidence for rollproof itself: seconds, once in a session."""
    from rollproof_checks.verify import verify

    return verify()
