"""rollproof.explain: the answers come from the guards that decide (N5)."""

from itertools import islice
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollproof.algebra import all_of
from rollproof.charter import Deferral
from rollproof.commands import Verb
from rollproof.counts import PHASES, Counts, Limits, attempted, lost, unhealthy, whole
from rollproof.errors import UnknownInstance
from rollproof.events import Cancel, Pause, RestoreFailed, Resume
from rollproof.explain import (
    InstanceAnswer,
    Prospect,
    RunAnswer,
    explain_instance,
    explain_run,
    margins,
    prospect,
)
from rollproof.plan import upcoming
from rollproof.states import ACTIVE, State, View
from rollproof.table import PRECHECKING, ROWS, TABLE, Actor, Row, fleet_breached, going
from rollproof.table import upgraded_breached as image_breached
from rollproof_checks.fuzz.stage import ILL, NEW, OLD, Stage, fleet
from test_traced import COUNTS, LIMITS
from walks import walks


def answer(stage: Stage, instance: str) -> InstanceAnswer:
    return explain_instance(stage.run, instance, stage.open)


def of_run(stage: Stage) -> RunAnswer:
    return explain_run(stage.run, stage.open)


def reasons(found: Prospect) -> list[str]:
    return [each.reads for each in found.held_back_by]


class TestRows:
    """N5: a row is said to be open exactly when the table admits it."""

    def test_on_reachable_counts(self) -> None:
        for _, state, c, p, _, _ in islice(walks(4), 0, None, 9):
            for row in TABLE:
                told = prospect(row, state, c, p)
                assert told.open == (state in row.sources and bool(row.enabled(c, p)))
                assert told.open == (not told.held_back_by)

    @settings(max_examples=20)
    @given(counts=COUNTS, limits=LIMITS, state=st.sampled_from(State))
    def test_on_any_counts(
        self, counts: Counts[int], limits: Limits[int], state: State
    ) -> None:
        counts = counts._replace(stop=counts.stop % 7, view=counts.view % 4)
        for row in TABLE:
            told = prospect(row, state, counts, limits)
            assert told.open == (state in row.sources and bool(row.enabled(counts, limits)))

    def test_what_holds_back_is_false_on_the_integers(self) -> None:
        """The comparison that is shown, read again as Python, is false; one that holds is
        true."""
        for _, state, c, p, _, _ in islice(walks(2), 0, None, 25):
            for row in TABLE:
                for each in prospect(row, state, c, p).conditions[1:]:
                    assert eval(each.numbers) is each.holds, each  # our own text
                    assert bool(each.why) == bool(each.release) == (not each.holds)

    @pytest.mark.parametrize("state", State)
    def test_the_state_comes_first(self, state: State) -> None:
        """Where the run does not stand where the row begins, that is said, and how it
        would get there."""
        stage = Stage.of(fleet(2)).begin()
        for row in TABLE:
            first = prospect(row, state, stage.run.counts, stage.run.charter.limits)
            condition = first.conditions[0]
            assert condition.holds == (state in row.sources)
            assert bool(condition.why) == bool(condition.release) == (not condition.holds)

    def test_a_part_without_a_phrase_shows_its_numbers(self) -> None:
        """A new gate is explained from its first day."""
        row = Row(
            name="new",
            actor=Actor.MACHINE,
            sources=PRECHECKING,
            guard=lambda c, p: all_of(going(c, p), c.gated + c.held == 2),
            why="A gate that nobody has described.",
        )
        stage = Stage.of(fleet(2)).begin()
        told = prospect(row, State.PRECHECKING, stage.run.counts, stage.run.charter.limits)
        (missing,) = told.held_back_by
        assert missing.why == "not (gated + held) == 2, for not 0 == 2"
        assert missing.release == ""


class TestMargins:
    """R4.1, R4.4, S2: how many more pass a threshold, asked of the guard."""

    @given(counts=COUNTS, limits=LIMITS)
    def test_they_are_tight(self, counts: Counts[int], limits: Limits[int]) -> None:
        """With one less the threshold is kept, with the margin it is passed; counted here
        by whole instances, not by what explain did to the counts."""
        fleet_, image = margins(counts, limits)
        size, ill = whole(counts), unhealthy(counts)
        flying = counts.replacing + counts.awaiting + counts.restoring + counts.recovering
        fits = [
            k for k in range(size - ill - flying + 1) if _over(ill + k, size, fleet_.percent)
        ]
        assert fleet_.more == (min(fits) if fits else None)
        assert (fleet_.part, fleet_.whole, fleet_.percent) == (ill, size, limits.max_unhealthy)
        assert (fleet_.more == 0) == fleet_breached(counts, limits)
        assert (image.more == 0) == image_breached(counts, limits)
        assert _over(fleet_.allowed + 1, size, fleet_.percent) or not size
        assert not _over(fleet_.allowed, size, fleet_.percent)
        assert image.more == _failures(counts, limits)

    def test_in_words_of_a_fleet(self) -> None:
        """12 instances, 20 %: 2 may be unhealthy, 3 stop the run; the first batch of two
        is in flight, and one failure in it stops the run."""
        fleet_, image = of_run(Stage.of(fleet(12)).begin()).margins
        assert (fleet_.allowed, fleet_.more) == (2, 3)
        assert (image.part, image.whole, image.more) == (0, 2, 1)

    def test_where_nothing_passes(self) -> None:
        told = margins(Stage.of(fleet(3)).begin().run.counts, Limits(20, 100, 100, 0, 0, 0))
        assert [each.more for each in told] == [None, None]


def _over(part: int, size: int, percent: int) -> bool:
    return 100 * part > percent * size


def _failures(c: Counts[int], p: Limits[int]) -> int | None:
    """Failures one by one: of those touched first, then of others, touched for it."""
    gone, tried = lost(c), attempted(c)
    spent = c.replacing + c.awaiting + c.upgraded_healthy
    untouched = c.pending_healthy + c.pending_unhealthy
    for k in range(spent + untouched + 1):
        if _over(gone + k, tried + max(0, k - spent), p.max_unhealthy_upgraded):
            return k
    return None


class TestInstance:
    """Per instance: which rule blocks it, with the numbers."""

    def test_one_of_another_zone_waits(self) -> None:
        """R4.2: the order is asked of the machine that picks."""
        stage = Stage.of(fleet(12, zones=3)).begin()
        told = answer(stage, "i01")
        assert (told.batch, told.phase, told.zone) == (2, "pending_healthy", "z1")
        assert "drawn from zone z0, and this one stands in zone z1" in told.order
        begin, claim = told.prospects
        assert (begin.row, reasons(begin)) == ("begin_healthy", ["state in Prechecking"])
        assert reasons(claim) == ["room > 0", "slack > 0"]
        assert answer(stage, "i06").batch == 1
        assert answer(stage, "i06").order == ""

    def test_the_batch_foretold_is_the_batch_that_comes(self) -> None:
        """N5, N3: if nothing fails, each instance is in the batch that was said."""
        stage = Stage.of(fleet(9, zones=2)).begin()
        foretold = {name: answer(stage, name).batch for name in stage.phases}
        came = dict.fromkeys(stage.of_phase("replacing"))
        batch = 0
        while stage.state is not State.COMPLETED:
            came |= dict.fromkeys(stage.of_phase("replacing"), batch or None)
            stage.batch()
            stage.survey()
            batch += 1
        assert came == foretold
        assert batch > 4

    def test_unhealthy_first(self) -> None:
        """R4.2: prioritize_unhealthy_instances."""
        stage = Stage.of(fleet(10), unhealthy_first=True)
        stage.change("i08", health=ILL).change("i09", health=ILL)
        stage.start().send(Pause(5)).survey()
        told = answer(stage, "i00")
        assert told.batch == 2
        assert told.order == "2 unhealthy go before it in the next batch (R4.2, S6)"
        assert reasons(told.prospects[0])[0] == "held == 0"

    def test_another_update_domain_goes_first(self) -> None:
        world = [*fleet(4, update_domain="0")]
        later = [*fleet(8, update_domain="1")][4:]
        stage = Stage.of([*world, *later], max_batch=50, max_unhealthy=50).start()
        stage.send(Pause(5)).survey()
        assert answer(stage, "i07").order == (
            "the next batch is drawn from update domain 0, and this one stands in 1"
        )

    def test_disks_of_another_update_domain_come_back_first(self) -> None:
        """R6.1: what failed in the second domain waits for the first."""
        terms: dict[str, Any] = {
            "rollback": 0,
            "restore_on_breach": 1,
            "max_batch": 100,
            "max_unhealthy": 50,
            "max_unhealthy_upgraded": 100,
        }
        world = [
            attrs.evolve(each, update_domain=str(number))
            for number, each in enumerate(fleet(3))
        ]
        stage = Stage.of(world, bad=["i00", "i01"], one_domain=True, **terms)
        stage.begin().batch().survey()
        assert answer(stage, "i00").order == ""
        stage.batch().survey()
        assert (stage.phases["i00"], stage.phases["i01"]) == ("restoring", "failed_unhealthy")
        assert answer(stage, "i01").order == (
            "disks are given back in update domain 0 first, and this one stands in 1 (R6.1)"
        )
        stage.send(RestoreFailed(stage.at, "i00", 1, "no quota"))
        assert stage.phases["i01"] == "restoring"

    def test_a_disk_that_waits_for_room_alone(self) -> None:
        """R4.3, R4.8: the row says so, with its numbers."""
        terms: dict[str, Any] = {
            "rollback": 0,
            "restore_on_breach": 1,
            "max_unhealthy": 30,
            "max_unhealthy_upgraded": 100,
        }
        stage = Stage.of(fleet(4), bad=["i00", "i01"], **terms)
        stage.begin().batch().survey().batch().survey()
        assert (stage.phases["i00"], stage.phases["i01"]) == ("restoring", "failed_unhealthy")
        told = answer(stage, "i01")
        assert (told.order, reasons(told.prospects[0])) == ("", ["in_flight < cap"])

    def test_a_full_batch(self) -> None:
        """S1: of the same place, but behind."""
        stage = Stage.of(fleet(10)).start().send(Pause(5)).survey()
        told = answer(stage, "i05")
        assert told.order == "the next batch is full before its turn (S1, S6)"
        assert told.batch == 3

    def test_no_batch_to_come(self) -> None:
        """R4.9, S8: after a cancel nothing is touched."""
        stage = Stage.of(fleet(10)).begin().send(Cancel(5))
        told = answer(stage, "i09")
        assert (told.batch, told.order) == (None, "no batch can be foreseen as things stand")
        assert "stop == 0" in reasons(told.prospects[0])

    def test_in_flight(self) -> None:
        """Waiting for a command until its deadline; its reports may come at any moment."""
        stage = Stage.of(fleet(10)).begin()
        told = answer(stage, "i00")
        ((verb, until),) = [(wait.verb, wait.until) for wait in told.waits]
        assert (verb, until) == (Verb.REPLACE, stage.waiting(Verb.REPLACE, "i00").deadline)
        assert [each.row for each in told.prospects if each.open] == [
            "replaced",
            "replace_failed",
        ]
        assert (told.batch, told.order) == (None, "")

    def test_left_alone(self) -> None:
        """R1.4: on the target, or protected, and which."""
        stage = Stage.of(fleet(10)).change("i00", version=NEW).change("i01", protected=True)
        stage.change("i02", protected=True, version=None).begin()
        for name, words in (
            ("i00", f"it is on the target {NEW} already (R1.4)"),
            ("i01", f"it is protected, on {OLD} (R1.4)"),
            ("i02", "it is protected (R1.4)"),
        ):
            told = answer(stage, name)
            assert told.standing.endswith(words)
            assert told.prospects == ()

    def test_unknown(self) -> None:
        stage = Stage.of(fleet(3)).begin()
        with pytest.raises(UnknownInstance, match="Did you mean 'i00'"):
            answer(stage, "i000")

    def test_after_the_end(self) -> None:
        """Nothing moves an instance of a run that is over."""
        stage = Stage.of(fleet(3)).begin().send(Cancel(5, force=True))
        told = answer(stage, "i01")
        assert (told.phase, told.prospects, told.batch) == ("pending_healthy", (), None)
        assert told.standing == "not touched, healthy"


class TestRun:
    """For a set: what comes next, and what it waits for."""

    def test_in_a_batch(self) -> None:
        told = of_run(Stage.of(fleet(12)).begin())
        first = told.prospects[0]
        assert (first.row, reasons(first)) == ("all_replaced", ["replacing == 0"])
        assert first.held_back_by[0].why == "2 instances are being given the new disk"
        assert [wait.instance for wait in told.waits] == ["i00", "i01"]
        assert told.over == ""

    def test_held(self) -> None:
        """N6: the hold is named, and what lifts it."""
        stage = Stage.of(fleet(12)).start().send(Pause(5)).survey()
        (held,) = of_run(stage).prospects[0].held_back_by
        assert (held.reads, held.release) == ("held == 0", "`rollproof resume`")
        stage.send(Resume(6))
        assert "held == 0" not in reasons(of_run(stage).prospects[0])

    def test_while_the_fleet_is_looked_at(self) -> None:
        """R4.1: the gates wait for a survey, or its deadline."""
        stage = Stage.of(fleet(12)).begin().batch()
        told = of_run(stage)
        begin = next(each for each in told.prospects if each.row == "begin_healthy")
        assert reasons(begin) == ["view == 2"]
        assert "its answer is not there yet" in begin.held_back_by[0].why
        assert [wait.verb for wait in told.waits] == [Verb.SURVEY]

    @pytest.mark.parametrize(
        ("view", "said"),
        [
            (View.STALE, "the fleet has not been looked at since the last batch"),
            (View.ASKED, "its answer is not there yet"),
            (View.RESTING, "nothing is left but what is withheld until it is approved"),
        ],
    )
    def test_why_the_picture_is_not_fresh(self, view: View, said: str) -> None:
        """R4.1, R4.11."""
        run = Stage.of(fleet(3)).start().run
        told = prospect(
            ROWS["begin_healthy"],
            run.state,
            run.counts._replace(view=view),
            run.charter.limits,
        )
        (stale,) = (each for each in told.held_back_by if each.reads == "view == 2")
        assert said in stale.why

    def test_a_run_that_rests(self) -> None:
        """R4.11: what it waits for, and who may end that."""
        told = of_run(Stage.of(fleet(3), deferral=Deferral.INSTANCE).start().survey())
        assert [wait.verb for wait in told.waits] == [Verb.AWAIT]
        complete = next(each for each in told.prospects if each.row == "complete")
        releases = {each.reads: each.release for each in complete.held_back_by}
        assert releases["deferred == 0"] == "`rollproof approve`, or the latest time for it"

    def test_a_pause_between_batches(self) -> None:
        """R4.5."""
        stage = Stage.of(fleet(12), pause=60_000).begin().batch()
        told = of_run(stage)
        assert [wait.verb for wait in told.waits] == [Verb.WAIT]
        ask = next(each for each in told.prospects if each.row == "ask")
        assert [each.release for each in ask.held_back_by] == ["the end of the pause"]

    def test_how_it_ended(self) -> None:
        """R7.1, R8."""
        done = of_run(Stage.of(fleet(2, version=NEW)).begin())
        assert done.over == "every instance of the set has had its turn (R4.6)"
        cancelled = of_run(Stage.of(fleet(2)).start().send(Cancel(5)))
        assert cancelled.over == "a user cancelled it"
        stopped = Stage.of(fleet(2)).change("i00", health=ILL).begin()
        assert of_run(stopped).over == "too much of the scale set is unhealthy"
        assert of_run(stopped).margins[0].more == 0

    def test_every_state_has_an_answer(self) -> None:
        """Through a run with failures, restores and a hold, at every step."""
        stage = Stage.of(fleet(10), bad=["i00"], max_unhealthy=50, max_unhealthy_upgraded=100)
        stage.begin()
        states = set()
        while stage.state in ACTIVE:
            states.add(stage.state)
            assert of_run(stage).prospects
            for name, phase in stage.phases.items():
                told = answer(stage, name)
                assert told.phase == phase
                assert bool(told.prospects) == (
                    any(
                        row.leaves == phase and row.enters and row.actor is Actor.PICK
                        for row in TABLE
                    )
                )
            stage.answer(stage.open[0])
        assert states == {*ACTIVE}


class TestUpcoming:
    """The batches to come, as the machine itself would choose them."""

    def test_the_run_is_left_as_it_is(self) -> None:
        stage = Stage.of(fleet(6)).begin()
        before = dict(stage.run.ledger.members())
        assert upcoming(stage.run, stage.open) == upcoming(stage.run, stage.open)
        assert dict(stage.run.ledger.members()) == before

    def test_a_restore_under_way_succeeds(self) -> None:
        """R4.3: then the next batch comes; of an instance whose version before was not
        known, too."""
        for version in (OLD, None):
            stage = Stage.of(
                fleet(10, version=version), bad=["i00"], max_unhealthy_upgraded=100
            ).begin()
            stage.replaced("i00", "i01").observed("i01").overdue(Verb.WATCH, "i00")
            assert stage.state is State.ROLLING_BACK
            batches = upcoming(stage.run, stage.open)
            assert batches[0] == ("i02", "i03")
            assert sum(map(len, batches)) == 8

    def test_nothing_before_the_first_look(self) -> None:
        stage = Stage.of(fleet(6)).start()
        assert upcoming(stage.run, stage.open) == ()

    def test_a_look_asked_for_before_a_hold_is_not_waited_for(self) -> None:
        """N6: after `resume` the fleet is looked at anew."""
        stage = Stage.of(fleet(6)).begin().batch().send(Pause(9))
        assert [len(batch) for batch in upcoming(stage.run, stage.open)] == [1] * 5


def test_rows_that_an_instance_waits_for_are_of_the_table() -> None:
    """No phase is forgotten: what leads on from it is found by its shape, not by name."""
    onward = {row.leaves for row in ROWS.values() if row.actor is Actor.PICK and row.enters}
    assert onward < set(PHASES)
