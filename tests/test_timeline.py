"""rollproof.installation.timeline: what became of each instance, and when (R7.1)."""

from rollproof.commands import Verb
from rollproof.counts import PHASES
from rollproof.events import Cancel, Surveyed, Vanished
from rollproof.fleet import Instance
from rollproof.installation import Happening, Reasons, Timeline
from rollproof.installation.timeline import _TOLD, Chronicle
from rollproof.phrases import STANDING
from rollproof.run import Run, new_run
from rollproof.step import trace
from rollproof_checks.fuzz.stage import ILL, NEW, OLD, Stage, fleet


def told(stage: Stage, only: str | None = None) -> Timeline:
    """The timeline of what was sent to a stage."""
    run: Run = new_run(stage.run.charter)
    chronicle = Chronicle(Reasons(None), only)
    for event in stage.sent:
        after, _, rows = trace(run, event)
        chronicle.hears(Happening(run, event, after, rows, past=True))
        run = after
    return chronicle.told(run)


def texts(timeline: Timeline) -> list[str]:
    return [each.text for each in timeline.entries]


class TestOneInstance:
    def test_upgraded(self) -> None:
        """When its disk was replaced, what was seen, and what it ran before."""
        stage = Stage.of(fleet(10)).begin()
        began = stage.at
        stage.batch()
        timeline = told(stage, "i00")
        assert texts(timeline) == [
            "its disk is being replaced, in batch 1",
            "its disk is replaced; its health is awaited",
            f"seen healthy on {NEW}: upgraded",
        ]
        (outcome,) = timeline.outcomes
        assert (outcome.phase, outcome.before, outcome.version) == (
            "upgraded_healthy",
            OLD,
            NEW,
        )
        assert outcome.replaced_at is not None
        assert outcome.judged_at is not None
        assert began <= outcome.replaced_at <= outcome.judged_at
        assert (outcome.restored_at, outcome.why) == (None, "")

    def test_failed_and_restored(self) -> None:
        """Why it failed comes before the restore that follows in the same moment."""
        stage = Stage.of(fleet(10), bad=["i00"], max_unhealthy_upgraded=100).begin()
        stage.batch()
        timeline = told(stage, "i00")
        entered = [each.phase for each in timeline.entries if each.text[:4] != "seen"]
        assert entered == [
            *("replacing", "awaiting", "failed_unhealthy"),
            *("restoring", "recovering", "restored_healthy"),
        ]
        failed = next(each for each in timeline.entries if each.phase == "failed_unhealthy")
        assert failed.event == "Overdue"
        assert failed.text.startswith("failed: not healthy within 5 min")
        (outcome,) = timeline.outcomes
        assert outcome.judged_at == failed.at
        assert outcome.restored_at is not None
        assert outcome.why in failed.text
        assert outcome.standing == STANDING["restored_healthy"]

    def test_what_was_seen_is_told_once(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00"]).begin().replaced("i00")
        stage.observed("i00").observed("i00").observed("i00")
        assert texts(told(stage, "i00"))[-1:] == [f"seen unhealthy on {NEW}"]

    def test_first_seen_then_vanished_then_back(self) -> None:
        """S11: another life begins anew."""
        stage = Stage.of(fleet(10)).begin().batch()
        stage.send(Vanished(stage.at, "i00"))
        assert texts(told(stage, "i00"))[-1] == "vanished from the set"
        assert told(stage, "i00").outcomes == ()
        stage.survey()
        timeline = told(stage, "i00")
        assert timeline.entries[-1].event == "Surveyed"
        (outcome,) = timeline.outcomes
        assert (outcome.replaced_at, outcome.judged_at) == (None, None)

    def test_left_in_flight(self) -> None:
        """S8."""
        stage = Stage.of(fleet(10)).begin().send(Cancel(5_000, force=True))
        assert texts(told(stage, "i01"))[-1] == "left as it was by a forced cancel"

    def test_one_that_is_not_there(self) -> None:
        timeline = told(Stage.of(fleet(3)).begin(), "i09")
        assert (timeline.entries, timeline.outcomes) == ((), ())

    def test_ill_since(self) -> None:
        stage = Stage.of(fleet(10)).begin().batch().change("i00", health=ILL).survey()
        (outcome,) = told(stage, "i00").outcomes
        assert outcome.why == f"upgraded, and then seen unhealthy on {NEW}"


class TestWholeRun:
    def test_every_instance_has_its_outcome(self) -> None:
        stage = Stage.of(fleet(10)).change("i09", version=NEW).begin().batch()
        timeline = told(stage)
        assert {each.instance: each.phase for each in timeline.outcomes} == stage.phases
        assert (timeline.run, timeline.scale_set, timeline.target) == ("r", "s", NEW)

    def test_only_those_that_moved_are_told_of(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        assert {each.instance for each in told(stage).entries} == {"i00", "i01"}

    def test_it_is_all_the_single_ones(self) -> None:
        """The timeline of a run is those of its instances, in order."""
        stage = Stage.of(fleet(10), bad=["i00"], max_unhealthy_upgraded=100).begin()
        stage.finish()
        whole = told(stage).entries
        assert [each.at for each in whole] == sorted(each.at for each in whole)
        for name in stage.phases:
            mine = [each for each in whole if each.instance == name]
            alone = [e for e in told(stage, name).entries if "waits for a batch" not in e.text]
            assert mine == alone

    def test_a_batch_that_fails_at_once(self) -> None:
        """An instance that failed first is not taken for the one that failed last."""
        stage = Stage.of(fleet(10), bad=["i00", "i01"]).begin().replaced("i00", "i01")
        stage.overdue(Verb.WATCH, "i00", "i01")
        for name in ("i00", "i01"):
            phases = [each.phase for each in told(stage, name).entries]
            assert phases[-2:] == ["failed_unhealthy", "restoring"]


def test_every_phase_is_told() -> None:
    assert set(_TOLD) == set(PHASES)


def test_an_event_of_a_fleet_that_came_late() -> None:
    """A survey that nobody asked for moves nobody (S13)."""
    stage = Stage.of(fleet(2)).begin().send(Surveyed(5, 9, (Instance(id="x"),)))
    assert "x" not in {each.instance for each in told(stage).entries}
