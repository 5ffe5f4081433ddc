"""The proof: everything holds of the table that ships, and of no table with a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from broken_tables import MISTAKES, Mistake
from rollproof import table
from rollproof.counts import EMPTY, Limits
from rollproof.states import Cause, State, View
from rollproof.table import TABLE
from rollproof_checks import prove as prove_module
from rollproof_checks.explore.exploration import Stop
from rollproof_checks.obligations import policy, questions
from rollproof_checks.prove import as_json, digest, main, prove, prove_cached, sealed
from rollproof_checks.second import decide, disagreements, smtlib
from rollproof_checks.verdicts import Counterexample, Report, Verdict, spelt
from rollproof_spec.properties import INVARIANTS, PROPERTIES
from rollproof_spec.vocabulary import Kind, Property, promise


@pytest.fixture(scope="module")
def proof() -> Report:
    return prove()


def _prove(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> Report:
    if mistake.rule is not None:
        monkeypatch.setattr(table, *mistake.rule)
    asked = [p for p in PROPERTIES if p.kind is not Kind.TABLE or p.name in mistake.names]
    return prove(mistake.rows, asked, only=mistake.reaches)


class TestTheShippedTable:
    """S1 to S9, S11, S13, R4, N1: for every fleet and every policy."""

    def test_is_proved(self, proof: Report) -> None:
        assert [str(o.counterexample or o.reason) for o in proof.failures] == []
        assert proof.verdict is Verdict.PROVED

    def test_every_property_has_its_say(self, proof: Report) -> None:
        assert set(proof.by_property()) == {p.name for p in PROPERTIES}

    def test_every_row_in_each_of_its_states_is_asked_about(self) -> None:
        asked = {(q.row.name, q.state) for q in questions(TABLE, PROPERTIES) if q.row}
        assert asked == {(row.name, state) for row in TABLE for state in row.sources}

    def test_the_number_of_obligations_is_known(self, proof: Report) -> None:
        """Pinned: fewer mean that something is no longer asked."""
        assert (len(proof.obligations), sum(proof.settled.values())) == (1457, 9077)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(1, 8))
    def test_does_not_hang_on_the_solver_s_luck(self, seed: int) -> None:
        assert prove(seed=seed).verdict is Verdict.PROVED


class TestMistakes:
    """Each property can fail, and the verdict names it."""

    @pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.title)
    def test_is_refuted(self, mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
        report = _prove(mistake, monkeypatch)
        refuted = {name for name, v in report.by_property().items() if v is Verdict.REFUTED}
        assert mistake.names <= refuted
        assert report.verdict is Verdict.REFUTED
        assert report.verdict.exit_code == 1

    def test_every_property_is_refuted_by_some(self) -> None:
        caught = frozenset[str]().union(*(mistake.names for mistake in MISTAKES))
        assert caught == {p.name for p in PROPERTIES}

    def test_a_counterexample_replays_and_is_named_as_what_it_is(self) -> None:
        mistake = next(m for m in MISTAKES if "UntouchedProp" in m.names)
        (failure,) = (o for o in prove(mistake.rows, only=mistake.reaches).failures)
        example = failure.counterexample
        assert example is not None
        (row,) = (r for r in mistake.rows if r.name == failure.row)
        assert row.enabled(example.counts, example.limits)
        assert example.counts_after == row.after(example.counts, example.limits)
        for line in ("counterexample to induction", "unreachable", "policy", "claim_healthy"):
            assert line in str(example)


class TestVerdicts:
    """Undetermined is never a pass."""

    def test_a_solver_that_gives_up_proves_nothing(self) -> None:
        report = prove(budget=1)
        assert report.verdict is Verdict.UNDETERMINED
        assert report.verdict.exit_code == 3
        assert all(o.reason for o in report.failures)

    def test_contradictory_invariants_prove_nothing(self) -> None:
        @promise(Kind.STATE, lambda *_: True)
        def NeverInv(state: State, _c: object, _p: object) -> bool:
            """Holds in no state that a run comes to."""
            return state is State.IDLE

        report = prove(TABLE, (*PROPERTIES, NeverInv), only=())
        assert report.verdict is Verdict.UNDETERMINED
        assert "contradict" in report.failures[0].reason

    def test_nothing_asked_is_nothing_proved(self) -> None:
        assert prove((), ()).verdict is Verdict.UNDETERMINED

    def test_a_counterexample_that_does_not_replay_is_none(self) -> None:
        """A property that says one thing of terms and another of integers."""

        def two_faced(_row: object, _s: object, c: object, *_: object) -> object:
            return isinstance(c.cap, int) or c.cap == 0  # type: ignore[attr-defined]

        false = Property(
            name="FalseProp",
            kind=Kind.STEP,
            why="",
            requirements=(),
            holds=two_faced,
            twin=two_faced,
        )
        report = prove(TABLE, (*INVARIANTS, false), only={"start", "ask"})
        assert report.by_property()["FalseProp"] is Verdict.UNDETERMINED
        assert {o.reason for o in report.failures if o.of == "FalseProp"} == {
            "the solver's counterexample does not replay on integers"
        }

    def test_without_its_invariants_a_promise_may_not_be_inductive(self) -> None:
        bare = tuple(p for p in PROPERTIES if p.name in ("BatchInv", "ProgressInv"))
        report = prove(TABLE, bare)
        assert report.by_property()["ProgressInv"] is Verdict.REFUTED

    @pytest.mark.parametrize(
        ("percent", "fit"), [(4, False), (5, True), (100, True), (101, False)]
    )
    def test_policies_are_those_of_r4_7(self, percent: int, fit: bool) -> None:
        p = Limits(percent, 20, 0, 0, 1, 1)
        assert policy(p) is fit


class TestCounterexamples:
    """They are for people."""

    def test_registers_read_as_what_they_mean(self) -> None:
        counts = EMPTY._replace(pending_healthy=2, view=View.FRESH, stop=Cause.USER, cap=1)
        told = str(
            Counterexample(state=State.PRECHECKING, counts=counts, limits=Limits(*[5] * 7))
        )
        assert "Prechecking: pending_healthy=2 | view=fresh, stop=user, cap=1" in told
        stop = Stop(row="ask", state=State.PRECHECKING, cells={"view": 1}, counts=counts)
        assert str(stop).endswith("view=asked")

    def test_a_register_out_of_range_is_told_as_it_is(self) -> None:
        assert (spelt("view", 9), spelt("room", 2), spelt("stop", -1)) == ("9", "2", "-1")


class TestCache:
    """A proof is known again by what it depends on."""

    def test_a_proof_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = prove_cached(folder=tmp_path)
        monkeypatch.setattr(prove_module, "prove", None)
        again = prove_cached(folder=tmp_path)
        assert again == attrs.evolve(first, cached=True)

    def test_what_is_not_a_proof_is_not_believed(
        self, tmp_path: Path, proof: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prove_module, "prove", lambda **_: proof)
        kept = tmp_path / f"{digest(0)}.json"
        false = attrs.evolve(proof.obligations[0], verdict=Verdict.UNDETERMINED)
        for text in (
            "",
            "{}",
            json.dumps(attrs.asdict(attrs.evolve(proof, obligations=(false,)))),
        ):
            kept.write_bytes(sealed(text))
            assert not prove_cached(folder=tmp_path).cached
            kept.unlink()

    def test_a_damaged_file_is_as_good_as_none(
        self, tmp_path: Path, proof: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prove_module, "prove", lambda **_: proof)
        prove_cached(folder=tmp_path)
        (kept,) = tmp_path.iterdir()
        whole = kept.read_bytes()
        for damaged in (
            whole[: len(whole) // 2],
            whole.replace(b'"NaturalInv"', b'"NatureInv"', 1),
            b'{"obligations": [], "settled": [], "seed": 0, "seconds": 0}',
            b'{"obligations": [], "settled": {"InitialInv": 1e999}, "seed": 0, "seconds": 0}',
            b'{"obligations": [], "settled": {"InitialInv": 5}, "seed": 0, "seconds": 0}',
            b"[" * 200_000,
            b"\xff",
        ):
            kept.write_bytes(damaged)
            assert prove_cached(folder=tmp_path) == proof
            assert kept.read_bytes() == whole  # and it is whole again
        assert prove_cached(folder=tmp_path).cached

    def test_a_proof_that_cannot_be_kept_is_one(
        self, tmp_path: Path, proof: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prove_module, "prove", lambda **_: proof)
        no_folder = tmp_path / "file"
        no_folder.touch()
        assert prove_cached(folder=no_folder / "prove") == proof
        (tmp_path / f"{digest(0)}.json").mkdir()
        assert prove_cached(folder=tmp_path) == proof

    def test_two_at_once_do_not_get_in_each_other_s_way(
        self, tmp_path: Path, proof: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace = Path.replace

        def overtaken(self: Path, target: Path) -> Path:
            monkeypatch.setattr(Path, "replace", replace)
            other = "import sys; from pathlib import Path; from rollproof_checks import prove; "
            other += "assert prove.prove_cached(folder=Path(sys.argv[1])).verdict == 'PROVED'"
            subprocess.run([sys.executable, "-c", other, tmp_path], check=True)
            return replace(self, target)

        monkeypatch.setattr(prove_module, "prove", lambda **_: proof)
        monkeypatch.setattr(Path, "replace", overtaken)
        assert prove_cached(folder=tmp_path) == proof
        assert prove_cached(folder=tmp_path).cached

    def test_failures_are_not_kept(
        self, tmp_path: Path, proof: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        false = attrs.evolve(proof.obligations[0], verdict=Verdict.REFUTED)
        failed = attrs.evolve(proof, obligations=(false,))
        monkeypatch.setattr(prove_module, "prove", lambda **_: failed)
        assert prove_cached(folder=tmp_path) == failed
        assert list(tmp_path.iterdir()) == []

    def test_seeds_are_told_apart(self) -> None:
        assert digest(0) != digest(1)


class TestCommandLine:
    """``python -m rollproof_checks.prove``"""

    def test_json(
        self,
        proof: Report,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(prove_module, "prove", lambda **_: proof)
        assert main(["--no-cache", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told == json.loads(json.dumps(as_json(proof)))
        assert told["verdict"] == "PROVED"
        assert {p["name"] for p in told["properties"]} == {p.name for p in PROPERTIES}

    def test_a_failure_is_told_whole(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        mistake = next(m for m in MISTAKES if "UntouchedProp" in m.names)
        failed = prove(mistake.rows, only=mistake.reaches)
        monkeypatch.setattr(prove_module, "prove", lambda **_: failed)
        assert main(["--no-cache"]) == 1
        told = capsys.readouterr().out
        assert "REFUTED: UntouchedProp: claim_healthy in RollingForward" in told
        assert "counterexample to induction" in told


@pytest.mark.slow
class TestSecondSolver:
    """cvc5 agrees on every obligation it decides (`make check-slow`)."""

    def test_agrees_on_the_shipped_table(self, proof: Report) -> None:
        pytest.importorskip("cvc5")
        differing, decided = disagreements(proof)
        assert differing == []
        assert decided == len(proof.obligations)

    @pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.title)
    def test_agrees_on_mistakes(
        self, mistake: Mistake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("cvc5")
        report = _prove(mistake, monkeypatch)
        failures = {(o.of, o.state, o.row) for o in report.failures}
        for question in questions(mistake.rows, PROPERTIES, mistake.reaches):
            for goal in question.goals:
                row = question.row.name if question.row else None
                if (goal.prop.name, question.state, row) in failures:
                    assert decide(smtlib(question, goal)) is not Verdict.PROVED
