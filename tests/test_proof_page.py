"""docs/proof.md and docs/verify.md: what they say is what is so."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from rollproof.cli.main import cli
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference
from rollproof_checks.explore.standard import STANDARD
from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify import Check, Layer, Verification, page, policy, verify
from rollproof_checks.verify.policy import verify_policy
from rollproof_checks.verify.verification import CLAIMS, _settings
from rollproof_checks.verify.words import policy_text

ROOT = Path(__file__).parents[1]
PROOF = (ROOT / page.PAGE).read_text("utf-8")
VERIFY = (ROOT / "docs" / "verify.md").read_text("utf-8")


@pytest.fixture(scope="module")
def proofs() -> Verification:
    return verify((Layer.PROVE,), processes=1)


def a_search(layer: Layer, name: str) -> Check:
    return Check(layer=layer, name=name, verdict=Verdict.PROVED, scale="@", seconds=0)


@pytest.fixture(scope="module")
def everything(proofs: Verification) -> Verification:
    """The proofs as they are, and the searches as if each had seen "@"."""
    searches = [a_search(Layer.EXPLORE, model.name) for model in STANDARD]
    searches += [a_search(Layer.CONFORM, name) for name in _settings()]
    return attrs.evolve(proofs, checks=(*proofs.checks, *searches))


class TestProofPage:
    """The tables of docs/proof.md are generated."""

    def test_properties_do_not_drift(self, proofs: Verification) -> None:
        """Style 8: from the registry, with the verdicts of a run."""
        assert page.written(PROOF, proofs, ("properties",)) == PROOF, f"run: {page.COMMAND}"

    def test_searches_do_not_drift(self, everything: Verification) -> None:
        """The models are the standard ones; how much they see is for the slow test."""
        table = PROOF.partition("<!-- begin searches -->\n")[2].partition("\n<!-- end")[0]
        seen = re.sub(r"\| [^|]+ \| PROVED \|$", "| @ | PROVED |", table, flags=re.MULTILINE)
        assert seen == page.searches_table(everything), f"run: {page.COMMAND}"

    @pytest.mark.slow
    def test_nothing_drifts(self) -> None:
        assert page.main(["--check", str(ROOT / page.PAGE)]) == 0

    def test_every_property_is_explained(self, proofs: Verification) -> None:
        lines = page.properties_table(proofs).splitlines()[2:]
        assert [line.split("`")[1] for line in lines] == [claim.name for claim in CLAIMS]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {6}
        for line, claim in zip(lines, CLAIMS, strict=True):
            assert claim.requirements
            assert all(each in line for each in claim.requirements)

    def test_a_file_without_places(self, proofs: Verification) -> None:
        for text in ("", PROOF + PROOF):
            with pytest.raises(ValueError, match="no one place"):
                page.written(text, proofs)

    @pytest.mark.parametrize("verdict", Verdict)
    def test_command(
        self,
        verdict: Verdict,
        everything: Verification,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """It writes what it accepts, says what is not proved, and never hides it."""
        checks = tuple(attrs.evolve(check, verdict=verdict) for check in everything.checks)
        monkeypatch.setattr(
            page,
            "verify",
            lambda: Verification(
                checks=tuple(
                    attrs.evolve(c, tested=tuple(claim.name for claim in CLAIMS))
                    for c in checks
                ),
                seconds=0,
                cached=False,
            ),
        )
        file = tmp_path / "proof.md"
        file.write_text(
            "a\n<!-- begin properties -->\n<!-- end properties -->\n"
            "b\n<!-- begin searches -->\n<!-- end searches -->\nc\n",
            "utf-8",
        )
        assert page.main(["--check", str(file)]) == 1
        assert "write it again" in capsys.readouterr().err
        assert page.main([str(file)]) == page.main(["--check", str(file)]) == verdict.exit_code
        assert file.read_text("utf-8").count(f" {verdict} |") == len(checks)
        assert (str(verdict) in capsys.readouterr().err) == (verdict is not Verdict.PROVED)


class TestVerifyPage:
    """docs/verify.md."""

    def test_the_example_is_the_answer(self) -> None:
        web = ScaleSet(name="web", image_reference=ImageReference(image="web-os"))
        example = VERIFY.partition("--instances 3\n")[2].partition("\n```")[0]
        assert example == policy_text(verify_policy(web, 3))

    def test_findings_are_listed(self) -> None:
        """Every name that a program may meet."""
        source = Path(policy.__file__).read_text("utf-8")
        found = set(re.findall(r'Severity\.(?:WARNING|NOTE),\s*"(\w+)"', source))
        assert len(found) == 9
        assert {name for name in found if f"`{name}`" not in VERIFY} == set()

    def test_options_exist(self) -> None:
        """In the table, in the workflow and in the examples; and none is left out."""
        options = {name for param in cli.commands["verify"].params for name in param.opts}
        options |= {name for p in cli.commands["verify"].params for name in p.secondary_opts}
        lines = [line for line in VERIFY.splitlines() if "rollproof verify" in line]
        lines += [line.split("|")[1] for line in VERIFY.splitlines() if line.startswith("| `-")]
        used = set(re.findall(r"--[a-z-]+", " ".join(lines)))
        assert used <= options
        assert options - used == {"--home"}

    def test_python_compiles_and_is_that_of_the_readme(self) -> None:
        blocks = re.findall(r"```python\n(.*?)```", VERIFY, re.DOTALL)
        for block in blocks:
            compile(block, "docs/verify.md", "exec")
        assert blocks[0] in (ROOT / "README.md").read_text("utf-8")
