"""rollproof_checks.pytest_plugin: a user's policy in the user's own pytest (N4)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

POLICY = """
name = "web"
[image_reference]
image = "web-os"
"""

THREE_LINES = """
import pytest
@pytest.mark.rollproof("deploy/web.toml", instances=40, tolerate=1)
def test_policy_of_web(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with a policy, in which all warnings are errors and markers are strict."""
    pytester.mkdir("deploy")
    (pytester.path / "deploy" / "web.toml").write_text(POLICY, "utf-8")
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\nfilterwarnings=['error']\naddopts='--strict-markers'\n"
    )
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """pytest in another process, as a user starts it."""
    return project.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


class TestMarker:
    """``@pytest.mark.rollproof``."""

    def test_three_lines_are_enough(self, project: pytest.Pytester) -> None:
        """N4: as docs/verify.md shows them."""
        project.makepyfile(THREE_LINES)
        run(project).assert_outcomes(passed=1)

    def test_a_refused_policy_fails_the_test_in_words(self, project: pytest.Pytester) -> None:
        """N4: with the counterexample, and without a traceback."""
        project.makepyfile(THREE_LINES.replace("instances=40", "instances=3"))
        result = run(project)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            ["*REFUSED*0 failures are tolerated*", "*fail *0", "*breach_upgraded *1 of 1*"]
        )
        result.stdout.no_fnmatch_line("*Traceback*")

    def test_mistakes_are_told(self, project: pytest.Pytester) -> None:
        """In a sentence each, whatever is wrong with a marker."""
        told = {
            '"deploy/none.toml", instances=4': "*No such file or directory*",
            '"deploy/web.toml", instances=0': "*whole number from 1 to 100000*",
            '"deploy/web.toml"': "*missing 1 required positional argument*",
            '"deploy/web.toml", instances=4, zone=2': "*unexpected keyword argument 'zone'*",
            "": "*needs the path of a scale set*",
        }
        project.makepyfile(
            "import pytest\n"
            + "".join(
                f"@pytest.mark.rollproof({marker})\ndef test_{number}(): pass\n"
                for number, marker in enumerate(told)
            )
        )
        result = run(project)
        result.assert_outcomes(errors=len(told))
        result.stdout.fnmatch_lines(list(told.values()))

    def test_skip_and_xfail_are_kept(self, project: pytest.Pytester) -> None:
        """The test's own marks come first, as for any other reason to fail."""
        project.makepyfile(
            """
            import pytest
            @pytest.mark.skip
            @pytest.mark.rollproof("deploy/web.toml", instances=3, tolerate=1)
            def test_skipped(): pass
            @pytest.mark.xfail(strict=True)
            @pytest.mark.rollproof("deploy/web.toml", instances=3, tolerate=1)
            def test_expected_to_fail(rollproof_policies): pass
            """
        )
        run(project).assert_outcomes(skipped=1, xfailed=1)

    def test_is_listed(self, project: pytest.Pytester) -> None:
        listed = run(project, "--markers").stdout
        listed.fnmatch_lines(
            ["@pytest.mark.rollproof(path*rollproof_checks.verify.verify_policy)"]
        )


class TestFixtures:
    """What the body of a test can ask for."""

    def test_verdicts(self, project: pytest.Pytester) -> None:
        """The nearest marker first; a path beside the test is found, too."""
        (project.path / "beside.toml").write_text(POLICY.replace("web", "db", 1), "utf-8")
        project.makepyfile(
            """
            import pytest
            pytestmark = pytest.mark.rollproof("beside.toml", 100)
            @pytest.mark.rollproof("deploy/web.toml", instances=40, zones=3)
            def test_figures(rollproof_policies):
                web, db = rollproof_policies
                assert (web.scale_set, db.scale_set) == ("web", "db")
                assert web.down.proved == 8 and db.down.proved == 20
            """
        )
        run(project).assert_outcomes(passed=1)


class TestManners:
    """Whoever installs rollproof and does not use the plugin does not notice it."""

    def test_nothing_is_imported_before_it_is_asked_for(self, project: pytest.Pytester) -> None:
        project.makepyfile(
            """
            import sys
            def test_it():
                slow = {"numpy", "z3", "hypothesis.core", "rollproof", "attrs"}
                assert "rollproof_checks.pytest_plugin" in sys.modules
                assert not slow & sys.modules.keys()
            """
        )
        run(project, "-p", "no:hypothesispytest").assert_outcomes(passed=1)

    def test_a_missing_extra_is_told(self, project: pytest.Pytester) -> None:
        """A sentence that says what to install, and only where a test asks."""
        project.makeconftest("import sys\nsys.modules['z3'] = None")
        project.makepyfile(THREE_LINES + "def test_other(): pass\n")
        result = run(project)
        result.assert_outcomes(errors=1, passed=1)
        result.stdout.fnmatch_lines(["*needs z3: pip install 'rollproof?checks?'*"])

    def test_the_entry_point_is_the_module(self) -> None:
        """pyproject.toml names it, or no user's pytest would find it."""
        project = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
        assert '[project.entry-points.pytest11]\nrollproof = "rollproof_checks.' in project

    def test_import_costs_little(self) -> None:
        """The plugin and its package bring pytest, and nothing else of weight."""
        program = (
            "import sys, pytest; before = len(sys.modules); "
            "import rollproof_checks.pytest_plugin; print(len(sys.modules) - before)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert int(done.stdout) <= 3
