"""rollproof_checks.verify, and the verbs `verify` and `audit` (N4, N8)."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import attrs
import pytest
from click.testing import CliRunner, Result

from rollproof.cli.main import cli
from rollproof.events import Cancel, Start
from rollproof.journal import Journal, Turned
from rollproof.run import new_run
from rollproof.step import trace
from rollproof.table import always
from rollproof_checks.explore.standard import PAIR, STANDARD
from rollproof_checks.fuzz.stage import charter
from rollproof_checks.prove import prove
from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify import Check, Layer, Verification, verification, verify
from rollproof_checks.verify.feasible import SMOOTH, FeasibleProp, prove_feasible
from rollproof_checks.verify.reports import (
    Case,
    junit,
    verification_cases,
    verification_json,
)
from rollproof_checks.verify.verification import CLAIMS, Advance, worst
from rollproof_checks.verify.words import verification_text
from rollproof_spec.properties import INVARIANTS, PROPERTIES

POLICY = 'name = "web"\nimage_reference = { image = "web-os" }\n'


@pytest.fixture(scope="module")
def proofs() -> Verification:
    """The proofs alone, in this process; known from before where they are."""
    return verify((Layer.PROVE,), processes=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "web.toml"
    made.write_text(POLICY, "utf-8")
    return made


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def a_check(verdict: Verdict, **fields: Any) -> Check:
    given = {"layer": Layer.PROVE, "name": "BatchInv", "scale": "2 obligations", "seconds": 0.5}
    return Check(verdict=verdict, **{**given, **fields})


def a_verification(*checks: Check) -> Verification:
    return Verification(checks=checks, seconds=1.0, cached=False)


class TestFeasibleProp:
    """N4: no policy is refused for itself."""

    def test_is_proved(self) -> None:
        report = prove_feasible()
        assert report.by_property()[FeasibleProp.name] is Verdict.PROVED

    def test_says_something(self) -> None:
        """A threshold that stops a run for nothing refutes it."""
        rows = tuple(
            attrs.evolve(row, guard=always) if row.name == "breach_fleet" else row
            for row in SMOOTH
        )
        report = prove(rows, (*INVARIANTS, FeasibleProp), only={"breach_fleet"})
        assert report.by_property()[FeasibleProp.name] is Verdict.REFUTED

    def test_smooth_rows(self) -> None:
        """All that a run needs to complete, and no failure."""
        names = {row.name for row in SMOOTH}
        assert {"start", "surveyed", "begin_healthy", "succeed", "complete"} <= names
        assert not names & {"fail", "replace_failed", "cancel", "fault", "survey_overdue"}
        assert not [name for name in names if name.startswith(("vanish", "appear", "exempt"))]


class TestVerify:
    """The layers together."""

    def test_the_proofs(self, proofs: Verification) -> None:
        assert proofs.verdict is Verdict.PROVED
        assert [check.name for check in proofs.checks] == [claim.name for claim in CLAIMS]
        assert not proofs.untested

    def test_in_processes(self) -> None:
        """What is done there is what is done here; progress is told of each errand."""
        told: list[Advance] = []
        found = verify((Layer.PROVE,), processes=2, progress=told.append)
        assert [check.verdict for check in found.checks] == [Verdict.PROVED] * len(CLAIMS)
        assert [check.name for check in found.checks] == [claim.name for claim in CLAIMS]
        assert [(each.done, each.of) for each in told] == [(1, 2), (2, 2)]
        assert {each.name for each in told} == {"prove properties", "prove FeasibleProp"}

    def test_conformance(self) -> None:
        """Of the smallest fleet; all of them are for the slow test below."""
        name = next(iter(verification._settings()))
        (check,), cached = verification._run(verification._Errand(Layer.CONFORM, name))
        assert (check.verdict, check.name, cached) == (Verdict.PROVED, name, False)
        assert check.scale.endswith(" events")

    def test_conformance_keeps_zones_and_domains_apart(self) -> None:
        """R4.2, R6.1: no verdict on what ships without the fleets that show it."""
        settings = verification._settings().values()
        assert any(len({place.zone for place in each.places}) > 1 for each in settings)
        assert any(each.one_domain for each in settings)
        assert any(each.unhealthy_first for each in settings)

    def test_without_the_cache(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The switch: what is known is not asked."""
        known: list[bool] = []

        def keep(errand: Any) -> Any:
            known.append(errand.cache)
            return (a_check(Verdict.PROVED),), errand.cache and errand.name == "properties"

        monkeypatch.setattr(verification, "_run", keep)
        assert verify((Layer.PROVE,), processes=1).cached
        assert not verify((Layer.PROVE,), cache=False, processes=1).cached
        assert known == [True, True, False, True]

    def test_a_failing_layer_fails_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A model in which a row is never taken is REFUTED, and says which."""
        bare = attrs.evolve(PAIR, waivers=())
        monkeypatch.setattr(verification, "_models", lambda: {"pair": bare})
        found = verify((Layer.EXPLORE,), processes=1)
        assert found.verdict is Verdict.REFUTED
        assert "row never taken: breach_fleet" in found.failures[0].failure
        assert "REFUTED: explore pair" in verification_text(found)

    def test_a_twin_that_no_model_met_fails_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Style 10: a property that nothing puts to the test is no evidence."""
        monkeypatch.setattr(verification, "_models", lambda: {"pair": PAIR})
        found = verify((Layer.EXPLORE,), processes=1)
        assert {check.verdict for check in found.checks} == {Verdict.PROVED}
        assert "ImageThresholdProp" in found.untested
        assert found.verdict is Verdict.REFUTED

    def test_of_twins_nothing_is_said_where_a_search_broke_off(self) -> None:
        """Neither by the verdict: what stopped it is UNDETERMINED, or refutes by itself."""
        for verdict in (Verdict.UNDETERMINED, Verdict.REFUTED):
            found = a_verification(a_check(verdict, layer=Layer.EXPLORE, failure="why"))
            assert (found.untested, found.verdict) == ((), verdict)
            assert "never put to the test" not in verification_text(found)

    def test_the_standard_models_test_every_property(self) -> None:
        """So that the verdict cannot turn on a waiver that all of them have."""
        waived = [{p.name for p in PROPERTIES if model.waived(p.name)} for model in STANDARD]
        assert set.intersection(*waived) == set()

    @pytest.mark.parametrize(
        ("verdicts", "expected"),
        [
            ("", "UNDETERMINED"),
            ("PROVED PROVED", "PROVED"),
            ("PROVED UNDETERMINED", "UNDETERMINED"),
            ("UNDETERMINED REFUTED PROVED", "REFUTED"),
        ],
        ids=["nothing", "all", "one unknown", "one wrong"],
    )
    def test_the_worst_counts(self, verdicts: str, expected: str) -> None:
        assert worst(map(Verdict, verdicts.split())) is Verdict(expected)

    @pytest.mark.slow
    def test_all_of_it_in_time(self, tmp_path: Path) -> None:
        """Under 20 s on two processors: here in processor time, for others may be at work."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = tmp_path / "report.xml"
        program = [sys.executable, "-m", "rollproof", "verify", "--no-cache", "--json"]
        done = subprocess.run([*program, "--junit", report], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 40
        told = json.loads(done.stdout)
        assert told["verdict"] == "PROVED"
        assert {check["layer"] for check in told["verification"]["checks"]} == set(Layer)
        assert (
            len(Xml.parse(report).findall(".//testcase"))
            == len(told["verification"]["checks"]) + 1
        )


class TestWords:
    """For people, in 80 columns."""

    def test_the_table(self, proofs: Verification) -> None:
        text = verification_text(attrs.evolve(proofs, cached=True))
        assert max(map(len, text.splitlines())) <= 80
        assert f"{len(PROPERTIES) + 1} checks" in text
        assert "--no-cache" in text
        for claim in CLAIMS:
            assert f"  PROVED    {claim.name} " in text

    def test_failures(self) -> None:
        """With what refutes them, whole."""
        found = a_verification(
            a_check(Verdict.PROVED),
            a_check(Verdict.REFUTED, failure="before  Idle\nafter   Idle"),
            a_check(Verdict.UNDETERMINED, name="rollback", failure="out of memory"),
        )
        text = verification_text(found)
        assert "REFUTED: prove BatchInv\nbefore  Idle\nafter   Idle\n" in text
        assert "UNDETERMINED: prove rollback\nout of memory\n" in text
        assert text.splitlines()[-1] == "REFUTED: 3 checks, 1.0 s"


class TestJUnit:
    """For continuous integration."""

    def test_a_case_for_each_check(self, proofs: Verification) -> None:
        root = Xml.fromstring(junit(list(verification_cases(proofs))).encode())
        names = [case.get("name") for case in root.iter("testcase")]
        assert names == [claim.name for claim in CLAIMS]
        for suite in root.iter("testsuite"):
            assert suite.get("tests") == str(len(suite.findall("testcase")))
            assert (suite.get("failures"), suite.get("errors")) == ("0", "0")

    @pytest.mark.parametrize(
        ("verdict", "tested", "said"),
        [
            ("PROVED", [claim.name for claim in CLAIMS], None),
            ("PROVED", [], "REFUTED"),
            ("UNDETERMINED", [], "UNDETERMINED"),
        ],
        ids=["all", "none", "nobody knows"],
    )
    def test_the_twins_are_a_case_where_models_were_searched(
        self, verdict: str, tested: list[str], said: str | None
    ) -> None:
        model = a_check(Verdict(verdict), layer=Layer.EXPLORE, tested=tuple(tested))
        found = a_verification(model)
        *_, case = Xml.fromstring(junit(list(verification_cases(found))).encode()).iter(
            "testcase"
        )
        assert case.get("name") == "every twin was met"
        assert [each.get("type") for each in case if each.get("type")] == [said] * bool(said)
        assert found.verdict is Verdict(said or "PROVED")

    def test_no_verdict_but_proved_passes(self) -> None:
        """REFUTED is a failure, UNDETERMINED an error; neither is ever skipped."""
        cases = [Case("s", verdict, verdict, 0.0, f"{verdict}\nmore") for verdict in Verdict]
        root = Xml.fromstring(junit(cases).encode())
        found = {
            case.get("name"): [each.tag for each in case] for case in root.iter("testcase")
        }
        assert found == {"PROVED": [], "REFUTED": ["failure"], "UNDETERMINED": ["error"]}
        failure = root.find(".//failure")
        assert failure is not None
        assert (failure.get("message"), failure.text) == ("REFUTED", "REFUTED\nmore")
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")

    def test_any_text_is_well_formed(self) -> None:
        nasty = "<&>\"'\x00\x1b]]>\ud800 \U0001f600"
        (case,) = Xml.fromstring(
            junit([Case("s", nasty, Verdict.REFUTED, 0.0, nasty, nasty)]).encode()
        ).iter("testcase")
        assert case.get("name") == "<&>\"'??]]>? \U0001f600"


class TestVerifyVerb:
    """`rollproof verify`: its answers and exit codes."""

    @pytest.fixture(autouse=True)
    def _known(self, proofs: Verification, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rollproof_checks.verify.verify", lambda *_, **__: proofs)

    def test_of_rollproof(self, proofs: Verification) -> None:
        shown = invoke("verify")
        assert (shown.exit_code, shown.output) == (0, verification_text(proofs) + "\n")
        told = json.loads(invoke("verify", "--json").output)
        assert told == {
            "verdict": "PROVED",
            "verification": verification_json(proofs),
            "policies": [],
        }

    @pytest.mark.parametrize(("verdict", "code"), [("REFUTED", 1), ("UNDETERMINED", 3)])
    def test_failures(self, verdict: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
        failed = a_verification(a_check(Verdict(verdict)))
        monkeypatch.setattr("rollproof_checks.verify.verify", lambda *_, **__: failed)
        assert invoke("verify").exit_code == code

    def test_of_a_policy(self, file: Path) -> None:
        shown = invoke("verify", "--policy", file, "--instances", 40, "--zones", 3)
        assert shown.exit_code == 0
        assert "Down at once        at most 8" in shown.output
        assert f"The {len(CLAIMS)} properties they rest on are PROVED." in shown.output

    def test_several_sizes(self, file: Path) -> None:
        shown = invoke("verify", "--policy", file)
        assert (shown.exit_code, shown.output.count(" min\n")) == (0, 8)

    def test_json(self, file: Path) -> None:
        shown = invoke("verify", "--json", "--policy", file, "--instances", 3, "--rollback")
        (told,) = json.loads(shown.output)["policies"]
        assert told["tolerates"] == 0
        assert told["limits"]["rollback"] == 1
        assert told["counterexample"]["failures"] == 1
        assert {"row": "fail", "instance": "0"} in told["counterexample"]["rows"]

    def test_a_refused_policy(self, file: Path, tmp_path: Path) -> None:
        """N4: with the exit code of REFUTED, and a failure in the report."""
        report = tmp_path / "junit.xml"
        asked = ("--policy", file, "--instances", 10, "--unhealthy", 3, "--junit", report)
        shown = invoke("verify", *asked)
        assert shown.exit_code == 1
        assert "REFUSED             3 of 10 instances are unhealthy" in shown.output
        (failure,) = Xml.parse(report).iter("failure")
        assert "no batch begins" in (failure.text or "")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--instances", 3), "--instances is about a policy"),
            (("--no-rollback",), "--rollback is about a policy"),
            (("--policy", "none.toml"), "No such file or directory"),
            (("--policy", "FILE", "--tolerate", 1), "give --instances, too"),
            (("--policy", "FILE", "--instances", 0), "a whole number from 1 to 100000 (N4)"),
            (("--policy", "FILE", "--instances", "x"), "not a valid integer"),
        ],
        ids=["no policy", "switch", "no file", "no size", "no fleet", "no number"],
    )
    def test_mistakes(self, arguments: tuple[Any, ...], told: str, file: Path) -> None:
        """R7.3: exit code 2, and a sentence."""
        shown = invoke("verify", *(file if each == "FILE" else each for each in arguments))
        assert shown.exit_code == 2
        assert told in " ".join(shown.output.split())


class TestAuditVerb:
    """`rollproof audit`: over a journal, or that of the home (N8)."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        with Journal(tmp_path / "journal.sqlite") as journal:
            run = new_run(charter())
            journal.open_run(run.charter, at=1)
            for event in (Start(1), Cancel(2)):
                after, commands, rows = trace(run, event)
                journal.record([Turned(run, event, after, commands, rows)])
                run = after
        return tmp_path

    def test_sound(self, home: Path) -> None:
        shown = invoke("--home", home, "audit")
        assert shown.exit_code == 0
        assert shown.output.splitlines()[-1].startswith("PROVED: 1 run of ")
        told = json.loads(invoke("audit", home / "journal.sqlite", "--json").output)
        assert (told["verdict"], told["runs"][0]["run"]) == ("PROVED", "r")

    def test_mistakes(self, home: Path) -> None:
        assert invoke("--home", home, "audit", "--run", "s").exit_code == 2
        missing = invoke("--home", home / "none", "audit")
        assert missing.exit_code == 2
        assert "there is no journal" in missing.output

    def test_not_a_journal(self, file: Path) -> None:
        shown = invoke("audit", file)
        assert shown.exit_code == 3
        assert "UNDETERMINED: 0 runs" in shown.output


class TestMissingExtra:
    """A user without the extra is told what to install, in one sentence."""

    @pytest.mark.parametrize(
        ("verb", "module"), [("verify", "z3"), ("verify", "numpy"), ("audit", "numpy")]
    )
    def test_is_told(self, verb: str, module: str) -> None:
        program = (
            f"import sys; sys.modules[{module!r}] = None; from rollproof.cli.main import cli; "
            f"sys.exit(cli.main([{verb!r}], standalone_mode=False))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (6, "")
        assert done.stderr == (
            f"rollproof: `rollproof {verb}` needs {module}, which is not installed: "
            "pip install 'rollproof[checks]'\n"
        )

    @pytest.mark.parametrize(
        ("imported", "module"),
        [
            ("rollproof_checks.verify", "z3"),
            ("rollproof_checks.prove", "z3"),
            ("rollproof_checks.explore", "numpy"),
            ("rollproof_checks.export", "numpy"),
            ("rollproof_checks.audit", "numpy"),
            ("rollproof_checks.mutate", "numpy"),
            ("rollproof_checks.mutate", "z3"),
            ("rollproof_checks.fuzz", "hypothesis"),
        ],
    )
    def test_is_told_in_a_program(self, imported: str, module: str) -> None:
        """By the import that the pages name, so also by ``python -m``; programs that look
        for a missing module find its name."""
        program = (
            f"import sys; sys.modules[{module!r}] = None\n"
            f"try: import {imported}\n"
            "except ModuleNotFoundError as error: print(error.name, error, sep='; ')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        told = f"{module}; {module} is not installed: pip install 'rollproof[checks]'\n"
        assert done.stdout == told

    def test_in_json(self) -> None:
        program = (
            "import sys; sys.modules['z3'] = None; from rollproof.cli.main import cli; "
            "sys.exit(cli.main(['verify', '--json'], standalone_mode=False))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        error = json.loads(done.stderr)["error"]
        assert (error["code"], error["exit_code"]) == ("MissingExtra", 6)

    def test_a_policy_needs_no_numpy(self, file: Path) -> None:
        program = (
            "import sys; sys.modules['numpy'] = None; from rollproof.cli.main import cli; "
            f"sys.exit(cli.main(['verify', '--policy', {str(file)!r}, '--instances', '3'], "
            "standalone_mode=False))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
