"""rollproof_checks.conform: the shipped step refines the table, and it would be noticed if
it did not.  Each deliberate bug has its own test."""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import attrs
import pytest

from rollproof import turn
from rollproof.batch import EVERYWHERE, Ground, offer
from rollproof.charter import Charter
from rollproof.commands import Verb
from rollproof.counts import EMPTY, PHASES, Limits
from rollproof.errors import IllegalEvent
from rollproof.events import Cancel, Event, Observed, Replaced, Vanished
from rollproof.journal import codec
from rollproof.ledger import Lane, Ledger, Place
from rollproof.run import Run
from rollproof.states import State
from rollproof.step import trace
from rollproof.table import ROWS, TABLE, Actor, Row
from rollproof.turn import Turn
from rollproof_checks.conform import (
    NEVER,
    QUICK,
    THOROUGH,
    Bounds,
    Breadth,
    Conformance,
    Setting,
    conform,
)
from rollproof_checks.conform.__main__ import main
from rollproof_checks.conform.chart import charted
from rollproof_checks.conform.laws import Steps
from rollproof_checks.conform.settings import (
    D2,
    DOMAINS_BACK,
    ONE,
    TWO,
    TWO_DOMAINS,
    UNHEALTHY_FIRST,
)
from rollproof_checks.conform.table import Departure, Node
from rollproof_checks.verdicts import Verdict


def setting(
    *places: Any, limits: tuple[int, ...] = (50, 50, 50, 1, 0, 0), **more: Any
) -> Setting:
    """A small fleet, no disturbances."""
    usual = {"disturbances": 0, "names": len(places), "breadth": Breadth.FEW}
    return Setting(name="t", why="", places=places, limits=Limits(*limits), **{**usual, **more})


def bounds(*settings: Setting, **more: Any) -> Bounds:
    return Bounds(name="t", settings=settings, charted=0, **more)


def pending_in(ledger: Ledger, lane: Lane) -> bool:
    waiting = (PHASES.index("pending_healthy"), PHASES.index("pending_unhealthy"))
    return any(ledger.phases.cells()[i] in waiting for i in range(lane.start, lane.stop))


Z2D1 = Place("z2", "d1")
PAIR = bounds(setting(ONE, ONE))
PAIR_APART = bounds(setting(ONE, TWO, limits=(100, 100, 100, 0, 0, 0)))
ONE_DISTURBED = bounds(setting(ONE, disturbances=1, breadth=Breadth.SOME))


def law(result: Conformance) -> str:
    assert result.verdict is Verdict.REFUTED
    assert result.divergence is not None
    return result.divergence.law


class TestShippedStep:
    """The step that runs is the table that is proved."""

    def test_quick(self) -> None:
        """Pinned: a change of the counts is a change of what a run can do."""
        result = conform()
        assert result.divergence is None, str(result.divergence)
        assert result.verdict is Verdict.PROVED
        found = {each.setting: (each.runs, each.nodes, each.edges) for each in result.settings}
        assert found == PINNED
        assert all(each.charted for each in result.settings)

    @pytest.mark.slow
    def test_thorough(self) -> None:
        """Every row is taken, fleets of up to six, two of them without bound."""
        result = conform(THOROUGH)
        assert result.divergence is None, str(result.divergence)
        assert result.missing == ()
        assert not NEVER.keys() & result.rows.keys(), "a reason holds no longer"
        assert len(result.rows) + len(NEVER) == len(TABLE)
        assert result.verdict is Verdict.PROVED
        assert {len(each.places) for each in THOROUGH.settings} == {1, 2, 3, 4, 5, 6}

    def test_bounds_say_why(self) -> None:
        for each in (*QUICK.settings, *THOROUGH.settings):
            assert each.why
        assert len({each.name for each in THOROUGH.settings}) == len(THOROUGH.settings)

    def test_command(self, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
        monkeypatch.setattr("rollproof_checks.conform.__main__.QUICK", bounds(setting(ONE)))
        assert main([]) == 0
        assert "PROVED within the bounds 't'" in capsys.readouterr().out
        assert main(["--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "PROVED"
        monkeypatch.setattr("rollproof_checks.conform.__main__.conform", broken)
        assert main([]) == 1
        told = capsys.readouterr().out
        assert "accepted, though the state does not take such an event" in told
        assert "REFUTED within the bounds 't'" in told


def broken(given: Bounds, progress: object = None) -> Conformance:
    return conform(given, step=deaf)


def deaf(run: Run, event: Event) -> Steps:
    """A step that accepts what it must refuse."""
    try:
        return trace(run, event)
    except IllegalEvent:
        return run, (), ()


class TestDeliberateBugs:
    """Bugs of the step, each caught by the law meant to catch it."""

    def test_success_taken_from_a_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """S9."""
        command = Turn.command

        def believing(of: Turn, verb: Verb, number: int, *rest: Any, **more: Any) -> None:
            command(of, verb, number, *rest, **more)
            if verb is Verb.WATCH and of.state is not State.ROLLING_BACK:
                of.take(ROWS["succeed"], number)

        monkeypatch.setattr(Turn, "command", believing)
        result = conform(PAIR)
        assert law(result).startswith("the event means ('replaced',), the step took")
        assert "Replaced" in str(result.divergence)

    def test_healed_failures_leave_the_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """S4: seen instance by instance, since the table itself is wrong."""
        monkeypatch.setattr("rollproof.table.lost", lambda c: c.upgraded_unhealthy)
        assert "attempted lost (R4.4, S4)" in law(conform(PAIR))

    def test_batch_across_zones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R4.2."""
        monkeypatch.setattr(
            turn, "offer", lambda ledger, _, **which: offer(ledger, EVERYWHERE, **which)
        )
        assert (
            law(conform(PAIR_APART)) == "one batch was drawn from the zones ['z1', 'z2'] (R4.2)"
        )

    def test_batch_across_update_domains(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R6.1."""
        told = "one batch was drawn from the update domains ['d1', 'd2'] (R6.1)"
        assert conform(bounds(TWO_DOMAINS)).verdict is Verdict.PROVED
        monkeypatch.setattr(
            turn, "offer", lambda ledger, _, **which: offer(ledger, EVERYWHERE, **which)
        )
        assert law(conform(bounds(TWO_DOMAINS))) == told

    def test_unhealthy_instances_in_their_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R4.2: where they are asked for first."""

        def in_turn(ledger: Ledger, ground: Ground, **which: Any) -> Iterator[int]:
            return offer(ledger, ground, **{**which, "unhealthy_first": False})

        monkeypatch.setattr(turn, "offer", in_turn)
        told = law(conform(bounds(UNHEALTHY_FIRST)))
        assert told == "the batch should be ['i2'], is ['i1']"

    def test_update_domains_out_of_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R6.1: one domain is finished in every zone before the next is begun."""

        def by_zone(ledger: Ledger, **which: Any) -> Ground:
            lanes = (lane for lane in sorted(ledger.roster.lanes) if pending_in(ledger, lane))
            return next(Ground(None, lane.update_domain) for lane in lanes)

        crossed = attrs.evolve(TWO_DOMAINS, places=(D2, Z2D1), cross_zone=True)
        assert conform(bounds(crossed)).verdict is Verdict.PROVED
        monkeypatch.setattr(turn, "next_ground", by_zone)
        assert law(conform(bounds(crossed))).startswith("the batch should be")

    def test_disks_given_back_across_update_domains(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """R6.1, R4.8."""
        told = "disks are given back in the update domains ['d1', 'd2'] at once (R6.1)"
        monkeypatch.setattr(turn, "restore_ground", lambda _, **which: EVERYWHERE)
        assert law(conform(bounds(DOMAINS_BACK))) == told

    def test_no_disk_given_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R4.8: waiting for another domain is no excuse where nothing is under way."""
        monkeypatch.setattr(turn, "restore_ground", lambda _, **which: Ground("nowhere"))
        told = "the run stands still where row 'restore_unhealthy' may be taken"
        assert law(conform(bounds(DOMAINS_BACK))) == told

    def test_stale_report_is_acted_upon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """S13: whichever attempt a report is about."""
        reported = Turn.reported
        monkeypatch.setattr(
            Turn,
            "reported",
            lambda of, name, _, phase: reported(of, name, of.lives.get(0, 1), phase),
        )
        assert law(conform(bounds(setting(ONE)))).startswith("the event means ()")

    @pytest.mark.parametrize("kind", [Observed, Vanished])
    @pytest.mark.parametrize("asked", [True, False])
    def test_old_observation_is_believed(self, kind: type[Event], asked: bool) -> None:
        """S13: what answers another question, or none, is taken for the answer."""

        def believing(run: Run, event: Event) -> Steps:
            if not isinstance(event, Observed | Vanished) or not isinstance(event, kind):
                return trace(run, event)
            name = event.instance if isinstance(event, Vanished) else event.instance.id
            if asked is (event.attempt is not None):
                index, phase = run.ledger.find(name), run.ledger.phase_of(name)
                if index is not None and phase in ("awaiting", "recovering"):
                    now = run.ledger.attempt(index) + (phase == "recovering")
                    event = attrs.evolve(event, attempt=now)
            return trace(run, event)

        found = law(conform(ONE_DISTURBED, step=believing))
        assert found.startswith("the event means (), the step took")

    def test_life_is_lived_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two commands would share a key."""
        shipped = sys.modules["rollproof.step"]  # the name in the package is the function
        monkeypatch.setattr(shipped, "ATTEMPTED", frozenset())
        assert "should be Seat" in law(conform(ONE_DISTURBED))

    def test_batch_bound_rounds_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """S1: ceil for floor."""
        monkeypatch.setattr(
            "rollproof.table.batch_bound",
            lambda whole, percent: max(1, -(-whole * percent // 100)),
        )
        three = bounds(setting(ONE, ONE, ONE, limits=(34, 100, 100, 0, 0, 0)))
        assert law(conform(three)).startswith("the batch should be ['i0'], is ['i0', 'i1']")

    def test_threshold_reached_is_passed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R4.1, S2: a share above the limit lets a batch begin."""
        monkeypatch.setattr(
            "rollproof.table.exceeds", lambda part, whole, percent: part * 100 > whole * 100
        )
        strict = setting(ONE, disturbances=1, limits=(50, 50, 50, 1, 0, 0))
        assert "unhealthy (R4.1)" in law(conform(bounds(strict)))

    def test_command_is_forgotten(self) -> None:
        def silent(run: Run, event: Event) -> Steps:
            after, _, rows = trace(run, event)
            return after, (), rows

        assert law(conform(PAIR, step=silent)).startswith("wanted should be [Command(")

    def test_deadline_has_passed(self) -> None:
        def hasty(run: Run, event: Event) -> Steps:
            after, commands, rows = trace(run, event)
            return after, tuple(c._replace(deadline=event.at) for c in commands), rows

        assert law(conform(PAIR, step=hasty)).startswith("wanted should be [Command(")

    def test_illegal_event_is_swallowed(self) -> None:
        assert law(conform(PAIR, step=deaf)).startswith("accepted, though")

    def test_legal_event_is_refused(self) -> None:
        def shy(run: Run, event: Event) -> Steps:
            if isinstance(event, Cancel):
                raise IllegalEvent(run.state, "Cancel")
            return trace(run, event)

        assert law(conform(PAIR, step=shy)).startswith("refused, though it means")

    def test_step_breaks_down(self) -> None:
        """Whatever it raises, the way there is told."""

        def clumsy(run: Run, event: Event) -> Steps:
            if run.batches == 1:
                raise KeyError("i7")
            return trace(run, event)

        divergence = conform(PAIR, step=clumsy).divergence
        assert divergence is not None
        assert divergence.law == "broke down: KeyError: 'i7'"
        assert divergence.path

    def test_refusal_changes_the_run(self) -> None:
        """R4.9: a refused event leaves the run as it was."""

        def careless(run: Run, event: Event) -> Steps:
            try:
                return trace(run, event)
            except IllegalEvent:
                if run.ledger.size():
                    run.ledger.before.cells()[0] = "9.9"
                raise

        assert conform(PAIR, step=careless).verdict is Verdict.REFUTED

    def test_step_depends_on_more_than_its_event(self) -> None:
        """A replay after a crash would differ."""
        calls = count()

        def moody(run: Run, event: Event) -> Steps:
            after, commands, rows = trace(run, event)
            late = next(calls) % 2
            return after, tuple(c._replace(deadline=c.deadline + late) for c in commands), rows

        assert conform(PAIR, step=moody).verdict is Verdict.REFUTED

    def test_journal_loses_something(self, monkeypatch: pytest.MonkeyPatch) -> None:
        event_of = codec.event_of

        def lossy(text: str) -> Event:
            event = event_of(text)
            return attrs.evolve(event, attempt=1) if isinstance(event, Replaced) else event

        monkeypatch.setattr(codec, "event_of", lossy)
        assert law(conform(PAIR)).startswith("the journal keeps Replaced(")

    def test_ledger_and_counts_part(self) -> None:
        def careless(run: Run, event: Event) -> Steps:
            after, commands, rows = trace(run, event)
            if "fail" in rows:
                counts = after.counts._replace(failed_unhealthy=0, failed_healthy=1)
                after = after._replace(cells=tuple(counts))
            return after, commands, rows

        assert law(conform(PAIR, step=careless)).startswith("the rows ('fail'")

    def test_target_moves(self) -> None:
        """S10."""

        def fickle(run: Run, event: Event) -> Steps:
            after, commands, rows = trace(run, event)
            newer: Charter = attrs.evolve(run.charter, target="3.0.0")
            return (after._replace(charter=newer) if rows else after), commands, rows

        assert law(conform(PAIR, step=fickle)) == "the terms of the run changed (S10)"


def without(name: str) -> tuple[Row, ...]:
    return tuple(row for row in TABLE if row.name != name)


def changed(name: str, **how: Any) -> tuple[Row, ...]:
    row = ROWS[name]
    fields = ("actor", "sources", "why", "guard", "leaves", "enters", "empty", "sets", "target")
    given = {field: getattr(row, field) for field in fields} | how
    return (*without(name), Row(name=name, **given))


class TestOtherTables:
    """The shipped step against a table that it does not refine."""

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            (without("replaced"), "no row 'replaced'"),
            (changed("fail", enters="failed_healthy"), "lead to"),
            (changed("fail", sources=frozenset({State.IDLE})), "is not one of"),
            (changed("fail", guard=lambda c, _p: c.held == 1), "does not admit"),
            (changed("all_replaced", target=None), "'batch_done' is not one of"),
            (changed("seal", sources=frozenset(State)), "stands still where row 'seal'"),
            (changed("seal", actor=Actor.WORLD), "the event means"),
        ],
        ids=["missing", "move", "source", "guard", "target", "unfinished", "actor"],
    )
    def test_is_told(self, rows: Sequence[Row], words: str) -> None:
        loose = rows
        if "stands still" in words:
            loose = changed("seal", sources=ROWS["seal"].sources | {State.WAITING_HEALTH})
            loose = (*without("seal"), _anywhere(loose[-1]))
        result = conform(
            bounds(setting(ONE, ONE, ONE, limits=(67, 67, 67, 1, 0, 0))), rows=loose
        )
        assert words in law(result)

    def test_table_offers_more_than_can_be_said(self) -> None:
        """What is compared is compared both ways."""
        more = Row(
            name="lose_heart",
            actor=Actor.WORLD,
            sources=frozenset({State.WAITING_HEALTH}),
            leaves="awaiting",
            enters="failed_healthy",
            why="no event means this",
        )
        assert "that no run does" in law(conform(PAIR, rows=(*TABLE, more)))

    def test_row_that_is_never_taken(self) -> None:
        """Row coverage: a failure where every row must be taken."""
        result = conform(bounds(setting(ONE), every_row=True))
        assert result.verdict is Verdict.REFUTED
        assert "restore_on_breach" in result.missing
        assert conform(bounds(setting(ONE))).missing == ()


def _anywhere(row: Row) -> Row:
    return Row(
        name=row.name,
        actor=row.actor,
        sources=row.sources,
        guard=lambda c, _p: c.awaiting > 0,
        sets=row.sets,
        why=row.why,
    )


class TestSearch:
    """The search itself can be trusted."""

    def test_form_that_hides_what_matters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The canonical form is put to the test by the runs that it merges."""
        monkeypatch.setattr("rollproof_checks.conform.seats._matters", lambda *_: None)
        coarse = bounds(setting(ONE, disturbances=1, limits=(50, 50, 100, 1, 0, 0)), doubts=1)
        assert law(conform(coarse)) == "the form hides what matters"

    def test_form_hides_nothing(self) -> None:
        """The twin: every merged run is stepped again, every new one replayed."""
        result = conform(attrs.evolve(PAIR, doubts=1))
        (found,) = result.settings
        assert result.verdict is Verdict.PROVED
        assert found.doubted > found.runs
        assert found.replayed >= found.runs

    def test_gives_up(self) -> None:
        """UNDETERMINED is not a pass."""
        result = conform(attrs.evolve(ONE_DISTURBED, runs=20))
        assert (result.verdict, result.gave_up) == (Verdict.UNDETERMINED, "t")
        assert conform(bounds()).verdict is Verdict.UNDETERMINED

    def test_shortest_way_is_told(self) -> None:
        told = str(conform(PAIR, step=deaf).divergence)
        assert told.splitlines()[1].startswith("  1. ")
        assert "in Idle with nobody" in told

    def test_way_can_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of an instance what tells it from another; no field that says nothing."""
        monkeypatch.setattr("rollproof.table.lost", lambda c: c.upgraded_unhealthy)
        told = str(conform(PAIR).divergence)
        assert (
            "  2. Surveyed, attempt 1, "
            "present (i0 in z1 on 1.0.0 healthy; i1 in z1 on 1.0.0 healthy)\n"
        ) in told
        assert max(map(len, told.splitlines())) <= 120

    def test_chart_disagrees(self) -> None:
        node = Node(State.IDLE, EMPTY)
        limits = Limits(50, 50, 50, 1, 0, 0)
        assert charted([(node, ("start",), Node(State.PRECHECKING, EMPTY))], limits) == 1
        with pytest.raises(Departure, match="lead the chart"):
            charted([(node, ("start",), node)], limits)
        with pytest.raises(Departure, match="the chart refuses 'complete'"):
            charted([(node, ("complete",), node)], limits)


PINNED = {
    "1, rBP, 1 disturbances": (127, 114, 460),
    "1, RbP, 1 disturbances": (187, 172, 702),
    "1 withheld, then approved, 1 disturbances": (139, 83, 0),
    "1 withheld, then left alone, 1 disturbances": (225, 83, 0),
    "two zones, apart, 0 disturbances": (179, 20, 184),
    "two domains, apart": (179, 20, 184),
    "two domains, given back": (179, 17, 0),
    "two, unhealthy first": (341, 177, 970),
    "three at once": (466, 95, 961),
    "four in turn": (107, 24, 236),
}
"""Concrete runs, states of the table, turns that agree.  The same as before observations
bore an attempt: what an instance in flight can be told is the same, only by whom is not."""
