"""Mutation of the table: every change of it is noticed, and by which layer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import pytest

from rollproof import rules, table
from rollproof.table import ROWS, TABLE, Actor, Row
from rollproof_checks.conform import conform
from rollproof_checks.conform.settings import ONE, Bounds, Breadth, Setting
from rollproof_checks.explore.standard import PAIR
from rollproof_checks.mutate import (
    Fate,
    Layer,
    Mutant,
    Mutation,
    Report,
    Suite,
    chosen,
    judge,
    judging,
    mutants,
    mutate,
)
from rollproof_checks.mutate import __main__ as command
from rollproof_checks.mutate.equivalence import (
    differing,
    equivalent_by_graph,
    equivalent_by_proof,
    graph,
    only_a_shortcut,
)
from rollproof_checks.mutate.places import functions
from rollproof_checks.mutate.refuting import refuted, refuted_together
from rollproof_checks.mutate.sources import compile_table, rows_of, stepper, text
from rollproof_checks.mutate.telling import as_json, as_markdown
from rollproof_checks.prove import prove
from rollproof_checks.verdicts import Verdict
from rollproof_spec.properties import PROPERTIES, Kind

PAGE = Path(__file__).parents[1] / "docs/mutation.md"


def mutant(operator: str, place: str, change: str) -> Mutant:
    """The one mutant whose change ends like this."""
    (found,) = (
        m
        for m in mutants()
        if (m.operator, m.place) == (operator, place) and m.change.endswith(change)
    )
    return found


def made(rows: Callable[[], tuple[Row, ...]]) -> Mutant:
    return Mutant(suite=Suite.FIRST, operator="made", place="here", change="", build=rows)


def with_row(name: str, **changes: object) -> tuple[Row, ...]:
    changed = attrs.evolve(ROWS[name], **changes)  # type: ignore[arg-type]  # any field
    return tuple(changed if row.name == name else row for row in TABLE)


def mutation(fate: Fate, layer: Layer | None = None) -> Mutation:
    return Mutation(
        name="m", suite=Suite.FIRST, operator="o", place="p", change="c", fate=fate, layer=layer
    )


class TestIsolation:
    """A mutant is a table of its own."""

    def test_unchanged_texts_make_the_shipped_table(self) -> None:
        assert differing(rows_of({})) == ()

    def test_nothing_installed_is_touched(self) -> None:
        before = dict(sys.modules), dict(vars(table)), dict(vars(rules))
        text_of_it = text("rules").replace("> whole", ">= whole")
        assert "breach_fleet" in differing(rows_of({"rules": text_of_it}))
        assert ({**sys.modules}, {**vars(table)}, {**vars(rules)}) == before

    def test_it_is_taken_by_the_same_actors(self) -> None:
        assert compile_table({})["table"].Actor is Actor
        assert {type(row.actor) for row in rows_of({})} == {Actor}

    def test_the_shipped_step_runs_on_it(self) -> None:
        """A step over a table whose WORLD row leads elsewhere does as that row says."""
        rows = with_row("replaced", enters="failed_unhealthy")
        one = Setting(
            name="one",
            why="one instance is replaced",
            places=(ONE,),
            limits=PAIR.limits,
            disturbances=0,
            names=1,
            breadth=Breadth.FEW,
        )
        bounds = Bounds(name="one", settings=(one,))
        assert conform(bounds, step=stepper(TABLE, {})).verdict is Verdict.PROVED
        found = conform(bounds, step=stepper(rows, {}), rows=rows).divergence
        assert found is not None
        assert found.rows[0] == "replaced"


class TestMutants:
    """What is changed: all that decides."""

    def test_each_is_another_one(self) -> None:
        names = [m.name for m in mutants()]
        assert len(set(names)) == len(names)

    def test_every_row_is_changed(self) -> None:
        assert {m.place for m in mutants()} >= {row.name for row in TABLE}

    @pytest.mark.parametrize("module", ["table", "rules", "counts"])
    def test_every_function_is_changed(self, module: str) -> None:
        """But for those that make rows, which are changed row by row, and for words that
        have nothing to change or that no row uses."""
        changed = {m.place for m in mutants()}
        there = {
            f"{module}.{name}"
            for name in functions()
            if f"\ndef {name}(" in text(module) and not name.endswith("_rows")
        }
        assert there - changed <= {"table.always", "table.set_to"}

    def test_every_guard_is_changed(self) -> None:
        guarded = {row.name for row in TABLE if row.guard is not table.always}
        assert guarded <= {m.place for m in mutants() if m.operator == "guard borrowed"}

    @pytest.mark.parametrize(
        ("operator", "place", "change"),
        [
            ("constant", "rules.exceeds", "100 -> 99"),
            ("constant", "rules.share", "100 -> 101"),
            ("rounding", "rules.share", "-> (whole * percent + 100 - 1) // 100"),
            ("sibling", "table.full_batch", "p.max_batch -> p.max_unhealthy"),
            ("condition dropped", "table.may_begin", "pending(c) > 0)"),
            ("branch of a choice", "rules.batch_bound", "ite(bound >= 1, 1, bound)"),
            ("phase entered", "fail", "enters upgraded_healthy"),
            ("target", "batch_done", "target RollingBack"),
        ],
    )
    def test_there_is(self, operator: str, place: str, change: str) -> None:
        assert any(
            (m.operator, m.place) == (operator, place) and change in m.change for m in mutants()
        )

    def test_the_quick_ones_are_always_the_same(self) -> None:
        assert chosen(quick=True) == chosen(quick=True)
        assert {mutants()[at].suite for at in chosen(quick=True)} == set(Suite)

    def test_one_place_may_be_chosen(self) -> None:
        assert {mutants()[at].place for at in chosen("batch_bound")} == {"rules.batch_bound"}
        assert {mutants()[at].operator for at in chosen("rounding")} == {"rounding"}
        assert chosen("nowhere") == ()


class TestDeliberateBugs:
    """Issue 3: each is caught by the layer meant to catch it."""

    def test_less_for_at_most_in_a_threshold(self) -> None:
        """S2: a share at the limit would be a breach."""
        wrong = mutant("comparison", "rules.exceeds", "part * 100 >= whole * percent")
        assert judge(wrong).layer is Layer.PROVE
        assert "CauseDueProp" in failing(wrong.build(), "breach_fleet")

    def test_ceil_for_floor(self) -> None:
        """S1: a batch would be one too large."""
        wrong = mutant("rounding", "rules.share", "(whole * percent + 100 - 1) // 100")
        assert judge(wrong).layer is Layer.PROVE
        assert "BoundProp" in failing(wrong.build(), "begin_healthy")

    def test_failed_instances_that_heal_leave_the_count(self) -> None:
        """S4: whoever was given a disk back would not count as lost any more."""
        healed = text("counts").replace("+ c.recovering + undone(c)", "+ c.recovering")
        assert healed != text("counts")
        found = judge(made(partial(rows_of, {"counts": healed})))
        assert found.layer is Layer.PROVE
        rows = rows_of({"counts": healed})
        assert "ImageThresholdProp" in failing(rows, "begin_healthy")

    def test_a_failed_instance_counted_as_upgraded(self) -> None:
        """S4, S9: the hole that a second suite once found."""
        found = judge(made(lambda: with_row("failed_recovers", enters="upgraded_healthy")))
        assert (found.layer, found.by) == (Layer.PROVE, ("MoveProp",))


def failing(rows: tuple[Row, ...], name: str) -> set[str]:
    """Properties that `prove` refutes of one row."""
    singly = [p for p in PROPERTIES if p.kind is not Kind.TABLE]
    report = prove(rows, singly, only=[name])
    return {p for p, v in report.by_property().items() if v is Verdict.REFUTED}


class TestFates:
    """Killed, equivalent, or neither."""

    def test_explored(self) -> None:
        """What is never done breaks no promise, but is missed."""
        never = attrs.evolve(ROWS["pause"], name="paused", guard=lambda c, _p: c.cap < 0)
        assert judging.found((*TABLE, never)) == ("paused never",)

    def test_conformed(self) -> None:
        """Only the step asks `barred`."""
        found = judge(mutant("constant", "Row.barred", "False -> True"))
        assert (found.fate, found.layer) == (Fate.KILLED, Layer.CONFORM)
        assert found.by[0].startswith("the run stands still where row")

    def test_noticed_by_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for layer in ("refuted", "refuted_together", "disproved", "found", "diverging"):
            monkeypatch.setattr(judging, layer, lambda *_: ())
        monkeypatch.setattr(judging, "equivalent_by_graph", lambda *_: False)
        found = judge(made(lambda: with_row("fail", enters="upgraded_healthy")))
        assert (found.fate, found.layer) == (Fate.SURVIVED, None)
        assert found.rows == ("fail",)

    def test_the_same_terms(self) -> None:
        found = judge(made(lambda: with_row("ask", guard=ROWS["ask"].guard)))
        assert (found.fate, found.reason) == (Fate.EQUIVALENT, judging.SAME_TERMS)

    def test_proved_equivalent(self) -> None:
        found = judge(mutant("comparison", "table.must_roll_back", "failed(c) != 0"))
        assert (found.fate, found.reason) == (Fate.EQUIVALENT, judging.PROVED)
        assert found.rows == ("roll_back", "batch_done")

    def test_a_shortcut_taken_less_often(self) -> None:
        """`barred` only saves asking `enabled`, and where it lies the step stands still."""
        never = mutant("constant", "Row.barred", "True -> False")
        always = mutant("constant", "Row.barred", "False -> True")
        assert only_a_shortcut(never.build())
        assert not only_a_shortcut(always.build())

    def test_another_actor_is_never_equivalent(self) -> None:
        rows = with_row("ask", actor=Actor.PICK)
        assert not equivalent_by_proof(rows, ["ask"])
        assert not equivalent_by_graph(rows, ["ask"])

    def test_graphs_tell_what_the_solver_cannot(self) -> None:
        rows = with_row("start", guard=lambda c, _p: c.pending_unhealthy < 7)
        assert not equivalent_by_proof(rows, ["start"])
        assert equivalent_by_graph(rows, ["start"])
        assert graph(PAIR).reached

    def test_what_raises_is_no_table(self) -> None:
        found = judge(made(lambda: with_row("ask", guard=lambda c, _p: c.nowhere)))
        assert found.fate is Fate.INVALID
        assert "nowhere" in found.reason


class TestRefuting:
    """The quick questions and `prove` agree."""

    @pytest.mark.parametrize(
        ("name", "changes"),
        [
            ("surveyed", {"sets": ()}),
            ("replaced", {"enters": "recovering"}),
            ("cancel", {"sources": ROWS["cancel"].sources - {*list(table.ROLLING_BACK)}}),
            ("claim_healthy", {"sets": ROWS["claim_healthy"].sets[1:]}),
            ("ask", {}),
            ("fail", {"why": "another"}),
        ],
    )
    def test_agree(self, name: str, changes: dict[str, object]) -> None:
        rows = with_row(name, **changes)
        states = ROWS[name].sources
        quickly = refuted(rows, [name]) or refuted_together(rows, states)
        report = prove(rows, only=[name])
        failed = {p for p, v in report.by_property().items() if v is Verdict.REFUTED}
        assert bool(quickly) == bool(failed)
        assert not quickly or quickly in failed


class TestReport:
    """Figures, verdicts, words."""

    @pytest.mark.parametrize(
        ("fates", "verdict"),
        [
            ((Fate.KILLED, Fate.EQUIVALENT), Verdict.PROVED),
            ((Fate.KILLED, Fate.SURVIVED), Verdict.REFUTED),
            ((Fate.EQUIVALENT, Fate.INVALID), Verdict.UNDETERMINED),
            ((), Verdict.UNDETERMINED),
        ],
    )
    def test_verdict(self, fates: tuple[Fate, ...], verdict: Verdict) -> None:
        report = Report(mutations=tuple(mutation(f) for f in fates), seconds=0)
        assert report.verdict is verdict

    def test_score(self) -> None:
        fates = (Fate.KILLED, Fate.KILLED, Fate.SURVIVED, Fate.EQUIVALENT, Fate.INVALID)
        layers = (Layer.PROVE, Layer.CONFORM, None, None, None)
        report = Report(mutations=tuple(map(mutation, fates, layers)), seconds=0)
        assert report.score == (2, 3)
        assert report.killed == {Layer.PROVE: 1, Layer.EXPLORE: 0, Layer.CONFORM: 1}
        assert "2 of 3 mutants" in as_markdown(report)

    def test_json(self) -> None:
        told = as_json(Report(mutations=(mutation(Fate.KILLED, Layer.PROVE),), seconds=1))
        assert json.loads(json.dumps(told))["score"] == {"killed": 1, "of": 1}


class TestCommandLine:
    """``python -m rollproof_checks.mutate``"""

    def test_one_place(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["--only", "rounding", "--processes", "1"]) == 0
        told = capsys.readouterr().out
        assert "PROVED: 2 of 2 mutants" in told
        assert "(2 by prove" in told

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["--only", "rounding", "--processes", "1", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["verdict"] == "PROVED"
        assert [m["layer"] for m in told["mutations"]] == ["prove", "prove"]

    def test_a_survivor_is_told(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lives = Report(mutations=(mutation(Fate.SURVIVED),), seconds=0)
        monkeypatch.setattr(command, "mutate", lambda *_, **__: lives)
        assert command.main(["--quick"]) == 1
        assert "survived: m" in capsys.readouterr().out

    def test_misuse(self) -> None:
        with pytest.raises(SystemExit) as ended:
            command.main(["--only", "nowhere"])
        assert ended.value.code == 2


def test_the_quick_ones_are_all_killed() -> None:
    report = mutate(chosen(quick=True), processes=1)
    assert [m.name for m in report.of(Fate.SURVIVED)] == []
    assert report.verdict is Verdict.PROVED


@pytest.mark.slow
def test_all_are_killed_and_the_page_says_how() -> None:
    """Pinned: every figure of `docs/mutation.md` (`make check-slow`)."""
    report = mutate(chosen())
    assert [m.name for m in report.of(Fate.SURVIVED)] == []
    assert as_markdown(report) in PAGE.read_text("utf-8")
