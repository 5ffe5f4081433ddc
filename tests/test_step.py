"""`rollproof.step`: scenarios, one clause of the requirements each.

`Stage.send` checks the laws of every step on the way (see rollproof_checks.fuzz.stage).
"""

from typing import Any

import attrs
import pytest

from rollproof.commands import Verb
from rollproof.errors import IllegalEvent
from rollproof.events import (
    Approve,
    Cancel,
    Fault,
    Observed,
    Overdue,
    Pause,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.run import expects
from rollproof.states import ACTIVE, TERMINAL, Cause, State
from rollproof.step import step, trace
from rollproof_checks.fuzz.stage import (
    FLYING,
    HEALTHY,
    ILL,
    NEW,
    OLD,
    OTHER,
    Stage,
    facts,
    fleet,
    one_of_each,
    reports_about,
    zones_of,
)

OPEN: dict[str, Any] = {"max_unhealthy": 100, "max_unhealthy_upgraded": 100}
EXPIRED = Fault(5, "the token expired", Cause.CREDENTIALS)


class TestBatches:
    """R4.2, R4.6, S1, S6."""

    def test_a_fleet_is_upgraded_zone_by_zone(self) -> None:
        stage = Stage.of(fleet(12, zones=3)).begin()
        zones = []
        while stage.state in ACTIVE:
            zones += sorted(zones_of(stage.run, stage.of_phase("replacing")))
            stage.batch().survey()
        assert stage.state is State.COMPLETED
        assert zones == ["z0", "z0", "z1", "z1", "z2", "z2"]
        assert stage.run.counts.upgraded_healthy == 12

    def test_zones_mix_where_the_policy_lets_them(self) -> None:
        stage = Stage.of(fleet(12, zones=12), cross_zone=True).begin()
        assert len(zones_of(stage.run, stage.of_phase("replacing"))) == 2

    @pytest.mark.parametrize(("size", "batch"), [(1, 1), (4, 1), (5, 1), (9, 1), (10, 2)])
    def test_the_bound_is_rounded_down_to_at_least_one(self, size: int, batch: int) -> None:
        stage = Stage.of(fleet(size)).begin()
        assert len(stage.of_phase("replacing")) == batch

    def test_without_headroom_one_healthy_instance_goes(self) -> None:
        stage = Stage.of(fleet(9), max_unhealthy=5, max_batch=50).begin()
        assert len(stage.of_phase("replacing")) == 1

    def test_headroom_left_by_others_is_used(self) -> None:
        stage = Stage.of(fleet(10), max_unhealthy=30, max_batch=50)
        stage.change("i09", version=NEW, health=ILL).begin()
        assert len(stage.of_phase("replacing")) == 2

    def test_the_unhealthy_cost_no_headroom(self) -> None:
        """Not counted twice; and where no headroom is left they go before a healthy one."""
        stage = Stage.of(fleet(10), max_batch=50)
        stage.change("i08", health=ILL).change("i09", health=ILL).begin()
        assert stage.of_phase("replacing") == ["i08", "i09"]

    def test_unhealthy_first(self) -> None:
        stage = Stage.of(fleet(10), unhealthy_first=True).change("i07", health=ILL).begin()
        assert stage.of_phase("replacing") == ["i00", "i07"]
        assert stage.commands[0].instance == "i07"

    def test_what_runs_the_target_or_is_protected_is_skipped(self) -> None:
        """R1.4."""
        stage = Stage.of(fleet(3)).change("i00", version=NEW).change("i01", protected=True)
        stage.begin().finish()
        assert stage.phases == {
            "i00": "skipped_healthy",
            "i01": "skipped_healthy",
            "i02": "upgraded_healthy",
        }

    def test_nothing_to_do(self) -> None:
        stage = Stage.of(fleet(3, version=NEW)).begin()
        assert (stage.state, stage.run.batches) == (State.COMPLETED, 0)


class TestThresholds:
    """R4.1, R4.4, S2, S3, S4, S5."""

    @pytest.mark.parametrize(
        ("ill", "state"), [(2, State.ROLLING_FORWARD), (3, State.CANCELLED)]
    )
    def test_before_the_run(self, ill: int, state: State) -> None:
        stage = Stage.of(fleet(10))
        for number in range(ill):
            stage.change(f"i{number:02}", health=ILL)
        stage.begin()
        assert stage.state is state
        assert stage.run.cause is (Cause.NONE if ill == 2 else Cause.FLEET_UNHEALTHY)

    def test_during_the_run_it_ends_with_the_batch(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        for name in ("i07", "i08", "i09"):
            stage.change(name, health=ILL).observed(name)
        assert stage.state is State.ROLLING_FORWARD
        stage.batch().survey()
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.FLEET_UNHEALTHY)
        assert stage.run.counts.upgraded_healthy == 2

    def test_a_bad_image_stops_after_its_first_batch(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00"]).begin().batch().survey()
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.UPGRADED_UNHEALTHY)

    def test_a_failure_counts_although_the_old_disk_healed_it(self) -> None:
        """S4."""
        stage = Stage.of(fleet(10), bad=["i04"], max_unhealthy_upgraded=16).begin()
        stage.batch().survey().batch().survey().batch().survey()
        assert stage.run.counts.restored_healthy == 1
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.UPGRADED_UNHEALTHY)

    def test_after_the_last_batch_it_is_still_said(self) -> None:
        stage = Stage.of(fleet(1), bad=["i00"], max_unhealthy=100).begin().finish()
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.UPGRADED_UNHEALTHY)

    def test_an_upgraded_one_that_falls_ill_counts(self) -> None:
        stage = Stage.of(fleet(5), max_unhealthy=100).begin().batch()
        stage.change("i00", health=ILL).survey()
        assert stage.run.cause is Cause.UPGRADED_UNHEALTHY

    def test_a_fleet_that_cannot_be_seen_is_not_touched(self) -> None:
        """R5.3: every wait has an end."""
        stage = Stage.of(fleet(3)).start().overdue(Verb.SURVEY)
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.INTERNAL)


class TestFailing:
    """R4.3, R4.8, S9."""

    def test_gets_its_previous_disk_back(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00"], **OPEN).begin().finish()
        assert stage.state is State.COMPLETED
        assert stage.phases["i00"] == "restored_healthy"
        assert stage.world["i00"].version == OLD

    def test_by_hand_it_does_not(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00"], rollback=0, **OPEN).begin().finish()
        assert stage.phases["i00"] == "failed_unhealthy"

    def test_on_breach_it_does(self) -> None:
        terms: dict[str, Any] = {"rollback": 0, "restore_on_breach": 1}
        stage = Stage.of(fleet(10), bad=["i00", "i01"], **terms).begin().finish()
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.UPGRADED_UNHEALTHY)
        assert stage.run.counts.restored_healthy == 2

    def test_healed_ones_are_restored_within_the_headroom(self) -> None:
        """S6, N1: a failed instance that healed goes down for its old disk."""
        terms: dict[str, Any] = {
            "rollback": 0,
            "restore_on_breach": 1,
            "max_batch": 50,
            "max_unhealthy": 50,
        }
        stage = Stage.of(fleet(10), bad=[f"i0{k}" for k in range(5)], **terms).begin().batch()
        for number in range(5):
            stage.change(f"i0{number}", health=HEALTHY)
        for number in range(5, 10):
            stage.change(f"i0{number}", health=ILL)
        stage.survey()
        assert stage.state is State.ROLLING_BACK
        assert len(stage.of_phase("restoring")) == 1
        assert stage.finish().run.counts.restored_healthy == 5

    def test_disks_come_back_to_one_update_domain_at_a_time(self) -> None:
        """R6.1, R4.8: three in two domains have failed, and four might be restored at once."""
        terms: dict[str, Any] = {
            "rollback": 0,
            "restore_on_breach": 1,
            "max_batch": 100,
            "max_unhealthy": 60,
            "max_unhealthy_upgraded": 100,
        }
        world = [
            attrs.evolve(each, update_domain="01"[number % 2])
            for number, each in enumerate(fleet(4))
        ]
        stage = Stage.of(world, bad=[each.id for each in world], one_domain=True, **terms)
        stage.begin().batch().survey().batch().survey()
        assert stage.state is State.ROLLING_BACK
        assert stage.of_phase("restoring") == ["i00", "i02"]
        stage.send(RestoreFailed(stage.at, "i00", 1, "no quota"))
        assert stage.of_phase("restoring") == ["i02"]
        stage.send(RestoreFailed(stage.at, "i02", 1, "no quota"))
        assert stage.of_phase("restoring") == ["i01"]
        assert stage.finish().run.counts.restored_healthy == 1

    def test_a_replace_that_is_refused(self) -> None:
        stage = Stage.of(fleet(10), **OPEN).begin()
        stage.send(ReplaceFailed(stage.at, "i00", 1, "no quota"))
        assert stage.phases["i00"] == "failed_unhealthy"
        assert stage.finish().phases["i00"] == "restored_healthy"

    def test_a_restore_that_is_refused(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00", "i01"], **OPEN).begin()
        stage.replaced("i00", "i01").overdue(Verb.WATCH, "i00", "i01")
        assert stage.state is State.ROLLING_BACK
        stage.send(RestoreFailed(stage.at, "i00", 1, "no previous disk"))
        assert stage.phases["i00"] == "unrestored_unhealthy"

    def test_deadlines(self) -> None:
        """Every wait ends in a failure, never in a success."""
        stage = Stage.of(fleet(10), bad=["i01"], **OPEN).begin()
        stage.overdue(Verb.REPLACE, "i00").replaced("i01").overdue(Verb.WATCH, "i01")
        stage.overdue(Verb.RESTORE, "i00")
        assert stage.phases["i00"] == "unrestored_unhealthy"
        stage.send(Restored(stage.at, "i01", 1)).overdue(Verb.WATCH, "i01")
        assert stage.phases["i01"] == "unrestored_unhealthy"  # never seen on the old version

    def test_restored_but_ill(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00"], **OPEN).begin()
        stage.replaced("i00", "i01").observed("i01").overdue(Verb.WATCH, "i00")
        stage.send(Restored(stage.at, "i00", 1)).change("i00", version=OLD).observed("i00")
        assert stage.phases["i00"] == "recovering"
        assert stage.overdue(Verb.WATCH, "i00").phases["i00"] == "restored_unhealthy"

    @pytest.mark.parametrize(
        ("version", "phase"),
        [(OTHER, "restored_healthy"), (NEW, "recovering"), (None, "recovering")],
    )
    def test_where_the_version_before_was_not_known(self, version: str, phase: str) -> None:
        """Any but the target will do."""
        stage = Stage.of(fleet(10, version=None), bad=["i00"], **OPEN).begin()
        stage.replaced("i00", "i01").observed("i01").overdue(Verb.WATCH, "i00")
        stage.send(Restored(stage.at, "i00", 1))
        stage.change("i00", version=version, health=HEALTHY).observed("i00")
        assert stage.phases["i00"] == phase

    @pytest.mark.parametrize(
        ("version", "health"), [(OLD, HEALTHY), (None, HEALTHY), (NEW, ILL)]
    )
    def test_success_needs_the_observed_target_and_health(
        self, version: str | None, health: Health
    ) -> None:
        """S9: a provider's word is not enough."""
        stage = Stage.of(fleet(10)).begin().replaced("i00")
        stage.change("i00", version=version, health=health)
        assert stage.observed("i00").phases["i00"] == "awaiting"

    def test_what_is_replacing_is_not_judged(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        assert stage.refuses(Observed(stage.at, stage.world["i00"]))


class TestPausing:
    """R4.5, N6."""

    def test_between_batches(self) -> None:
        stage = Stage.of(fleet(2), pause=60_000, **OPEN).begin().batch()
        assert [c.verb for c in stage.open] == [Verb.WAIT]
        assert stage.open[0].deadline == stage.at + 60_000
        stage.overdue(Verb.WAIT).survey()
        assert (stage.state, stage.run.batches) == (State.ROLLING_FORWARD, 2)

    def test_not_after_the_last(self) -> None:
        stage = Stage.of(fleet(1), pause=60_000, **OPEN).begin().batch().survey()
        assert stage.state is State.COMPLETED

    def test_but_for_one_that_appears_then(self) -> None:
        """S11: the pause is not skipped by a late instance."""
        stage = Stage.of(fleet(1), pause=60_000, **OPEN).begin().batch()
        stage.world["x"] = Instance(id="x", version=OLD, health=HEALTHY)
        stage.survey()
        assert (stage.state, stage.run.batches) == (State.PRECHECKING, 1)
        stage.overdue(Verb.WAIT).survey()
        assert stage.run.batches == 2

    def test_a_late_end_of_a_pause_ends_nothing(self) -> None:
        """S13."""
        stage = Stage.of(fleet(5), pause=60_000, **OPEN).begin()
        assert stage.refuses(Overdue(stage.at, Verb.WAIT, "", 0))

    def test_a_hold_finishes_the_batch(self) -> None:
        stage = Stage.of(fleet(10)).begin().send(Pause(stage_time := 5)).batch()
        assert (stage.state, stage.open) == (State.PRECHECKING, [])
        stage.send(Resume(stage_time)).survey()
        assert stage.state is State.ROLLING_FORWARD

    def test_what_was_asked_before_the_hold_is_not_trusted(self) -> None:
        stage = Stage.of(fleet(10)).start()
        asked = stage.waiting(Verb.SURVEY)
        stage.send(Pause(stage.at)).send(Resume(stage.at))
        assert stage.refuses(Surveyed(stage.at, asked.attempt, tuple(fleet(3))))
        assert stage.waiting(Verb.SURVEY).attempt == asked.attempt + 1

    def test_a_survey_during_the_hold_begins_nothing(self) -> None:
        stage = Stage.of(fleet(10)).start().send(Pause(5)).survey()
        assert stage.state is State.PRECHECKING
        assert stage.refuses(Pause(stage.at))


class TestEnding:
    """R4.9, S8, R2.1."""

    def test_before_the_first_batch(self) -> None:
        stage = Stage.of(fleet(3)).start().send(Cancel(5))
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.USER)

    def test_in_a_batch_what_is_in_flight_is_finished(self) -> None:
        stage = Stage.of(fleet(20), bad=["i00"], **OPEN).begin().send(Cancel(5))
        assert stage.of_phase("replacing") == ["i00", "i01", "i02", "i03"]
        assert stage.finish().state is State.CANCELLED
        assert stage.run.counts[:2] == (16, 0)
        assert stage.phases["i00"] == "restored_healthy"

    def test_twice_changes_nothing(self) -> None:
        stage = Stage.of(fleet(3)).begin().send(Cancel(5))
        assert stage.refuses(Cancel(6, Cause.OPTED_OUT))

    def test_opting_out(self) -> None:
        stage = Stage.of(fleet(3)).begin().send(Cancel(5, Cause.OPTED_OUT)).finish()
        assert stage.run.cause is Cause.OPTED_OUT

    def test_by_force_nothing_is_waited_for(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00"]).begin().replaced("i00")
        stage.send(Cancel(stage.at, force=True))
        assert (stage.state, stage.open) == (State.CANCELLED, [])
        assert stage.run.counts.indeterminate == 2

    def test_by_force_while_restoring(self) -> None:
        stage = Stage.of(fleet(10), bad=["i00", "i01"], **OPEN).begin()
        stage.replaced("i00", "i01").overdue(Verb.WATCH, "i00", "i01")
        stage.send(Restored(stage.at, "i00", 1)).send(Cancel(stage.at, force=True))
        assert (stage.state, stage.run.counts.indeterminate) == (State.CANCELLED, 2)

    def test_a_held_run_can_be_cancelled(self) -> None:
        stage = Stage.of(fleet(3)).start().send(Pause(5)).send(Cancel(6))
        assert stage.state is State.CANCELLED

    def test_a_fault(self) -> None:
        stage = Stage.of(fleet(3)).begin().send(Fault(5, "disk full")).finish()
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.INTERNAL)
        assert stage.refuses(Fault(6, "again"))


class TestCredentials:
    """R4.10: the run fails, and what failed of its batch is left as it is."""

    def test_the_batch_is_left_failed(self) -> None:
        stage = Stage.of(fleet(10), **OPEN).begin().send(EXPIRED)
        stage.send(ReplaceFailed(5, "i00", 1, "the token expired"))
        stage.send(ReplaceFailed(5, "i01", 1, "the token expired"))
        assert (stage.state, stage.run.cause) == (State.CANCELLED, Cause.CREDENTIALS)
        assert stage.of_phase("failed_unhealthy") == ["i00", "i01"]

    def test_any_other_fault_restores_it(self) -> None:
        """The twin (R4.3)."""
        stage = Stage.of(fleet(10), **OPEN).begin().send(Fault(5, "disk full"))
        stage.send(ReplaceFailed(5, "i00", 1, "full"))
        stage.send(ReplaceFailed(5, "i01", 1, "full"))
        assert (stage.state, len(stage.of_phase("restoring"))) == (State.ROLLING_BACK, 2)

    @pytest.mark.parametrize("expired", [True, False], ids=["expired", "the twin"])
    def test_no_restore_begins_after_it(self, expired: bool) -> None:
        """A restore under way is finished; who waits for its end, for want of headroom
        (S6), is left failed."""
        names = ("i00", "i01", "i02")
        stage = Stage.of(fleet(15), bad=names).begin().replaced(*names)
        stage.overdue(Verb.WATCH, "i00", "i01")
        for name, health in (("i00", HEALTHY), ("i01", HEALTHY), ("i13", ILL), ("i14", ILL)):
            stage.change(name, health=health).observed(name)
        stage.overdue(Verb.WATCH, "i02")
        assert stage.of_phase("restoring") == ["i00", "i02"]
        if expired:
            stage.send(EXPIRED)
        for name in ("i00", "i02"):
            stage.send(RestoreFailed(stage.at, name, 1, "the token expired"))
        after = (
            (State.CANCELLED, "failed_healthy")
            if expired
            else (State.ROLLING_BACK, "restoring")
        )
        assert (stage.state, stage.phases["i01"]) == after

    def test_a_cause_that_came_before_stands(self) -> None:
        """R8: and its restores go on."""
        stage = Stage.of(fleet(10), **OPEN).begin().send(Cancel(4))
        assert stage.refuses(EXPIRED)
        stage.send(ReplaceFailed(5, "i00", 1, "full")).replaced("i01").observed("i01")
        assert (stage.run.cause, stage.of_phase("restoring")) == (Cause.USER, ["i00"])

    def test_nobody_else_is_touched(self) -> None:
        """S8."""
        stage = Stage.of(fleet(10)).start().send(EXPIRED).finish()
        assert (stage.state, stage.of_phase("replacing")) == (State.CANCELLED, [])


class TestTheFleetChanges:
    """S11."""

    def test_a_new_instance_is_pending_or_done(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        stage.send(Observed(5, Instance(id="a", zone="z0", version=OLD, health=ILL)))
        stage.send(Observed(5, Instance(id="b", zone="z9", version=NEW, health=HEALTHY)))
        assert stage.phases["a"] == "pending_unhealthy"
        assert stage.phases["b"] == "skipped_healthy"

    def test_one_that_vanishes_in_flight_is_not_waited_for(self) -> None:
        stage = Stage.of(fleet(5)).begin().send(Vanished(5, "i00", 1, Verb.REPLACE))
        assert stage.state is State.PRECHECKING
        for attempt in (None, 1, 3):
            assert stage.refuses(Vanished(6, "i00", attempt, Verb.REPLACE))
            assert stage.refuses(Vanished(6, "nobody", attempt))

    def test_one_that_vanishes_before_it_is_touched(self) -> None:
        stage = Stage.of(fleet(10)).begin().send(Vanished(5, "i09"))
        assert "i09" not in stage.phases
        assert stage.refuses(Vanished(6, "i09"))

    def test_one_that_comes_back_has_another_life(self) -> None:
        """S13: reports about the first are late."""
        stage = Stage.of(fleet(10)).begin().replaced("i00").send(Vanished(5, "i00", 1))
        stage.change("i00", version=OLD).observed("i00").batch().survey()
        while stage.phases["i00"] != "replacing":
            stage.batch().survey()
        command = stage.waiting(Verb.REPLACE, "i00")
        assert command.attempt == 3
        assert all(stage.refuses(event) for event in reports_about(stage, "i00", 1))
        stage.answer(command)
        assert stage.phases["i00"] == "awaiting"

    def test_protection_begins_and_ends(self) -> None:
        stage = Stage.of(fleet(10)).begin().change("i09", protected=True).observed("i09")
        assert stage.phases["i09"] == "skipped_healthy"
        stage.change("i09", protected=False, health=ILL).observed("i09")
        assert stage.phases["i09"] == "pending_unhealthy"
        stage.change("i09", health=HEALTHY).observed("i09")
        assert stage.phases["i09"] == "pending_healthy"

    def test_an_upgraded_one_that_leaves_the_target_is_ill(self) -> None:
        stage = Stage.of(fleet(5)).begin().batch().change("i00", version=OTHER).observed("i00")
        assert stage.phases["i00"] == "upgraded_unhealthy"

    def test_a_zone_may_change(self) -> None:
        """R4.2: a batch is drawn by where instances are now."""
        stage = Stage.of(fleet(10), **OPEN, max_batch=100).start()
        stage.survey()
        stage = Stage.of(fleet(10), **OPEN).begin().change("i09", zone="a").observed("i09")
        stage.batch().survey()
        assert stage.of_phase("replacing") == ["i09"]
        assert stage.finish().state is State.COMPLETED

    def test_one_with_an_earlier_life_may_change_its_zone(self) -> None:
        stage = Stage.of(fleet(10)).begin().send(Vanished(5, "i00", 1, Verb.REPLACE))
        stage.send(Observed(6, Instance(id="i00", zone="z9", version=OLD, health=HEALTHY)))
        assert stage.run.ledger.attempt(stage.run.ledger.roster.index["i00"]) == 3


def seen(version: str | None, health: Health = HEALTHY) -> Instance:
    return Instance(id="i00", zone="z0", version=version, health=health)


def lost_once() -> Stage:
    """i00 was replaced, watched and lost; it is on its way back, seen by nobody yet."""
    stage = Stage.of(fleet(5), bad=["i00"], **OPEN).begin().replaced("i00")
    stage.overdue(Verb.WATCH, "i00")
    return stage.answer(stage.waiting(Verb.RESTORE, "i00"))


def second_life() -> Stage:
    """i00 vanished while it was watched, came back, and is watched again."""
    stage = Stage.of(fleet(1), **OPEN).begin().replaced("i00").send(Vanished(5, "i00", 1))
    return stage.change("i00", version=OLD).survey().replaced("i00")


class TestWhatWasSeen:
    """S13: an answer counts while its question is open, and at no other time; what nobody
    asked for decides about nothing that is in flight."""

    def test_what_was_seen_before_a_restore_is_no_recovery(self) -> None:
        stage = lost_once()
        assert stage.phases["i00"] == "recovering"
        for attempt in (None, 0, 1, 3):
            assert stage.refuses(Observed(stage.at, seen(OLD), attempt))
        assert stage.overdue(Verb.WATCH, "i00").phases["i00"] == "unrestored_unhealthy"

    def test_what_was_seen_in_an_earlier_life_is_no_success(self) -> None:
        stage = second_life()
        assert stage.phases["i00"] == "awaiting"
        for attempt in (None, 1, 2, 4):
            assert stage.refuses(Observed(stage.at, seen(NEW), attempt))
        stage.send(Observed(stage.at, seen(NEW), 3))
        assert stage.phases["i00"] == "upgraded_healthy"

    @pytest.mark.parametrize("late", [None, 1], ids=["unasked", "asked"])
    def test_a_late_vanished_drops_nothing_in_flight(self, late: int | None) -> None:
        """Commands of one life share a number: the watch that said so is over."""
        gone = Vanished(5, "i00", late)
        restoring = Stage.of(fleet(5), bad=["i00"], **OPEN).begin().replaced("i00")
        restoring.overdue(Verb.WATCH, "i00")
        for stage in (Stage.of(fleet(5)).begin(), restoring, lost_once(), second_life()):
            assert stage.phases["i00"] in FLYING
            assert stage.refuses(gone)

    def test_an_answer_says_nothing_of_what_is_settled(self) -> None:
        """Its watch is over, so what it says is old."""
        stage = Stage.of(fleet(10)).begin().replaced("i00").observed("i00")
        for attempt in range(4):
            for version in (OLD, NEW, OTHER, None):
                assert stage.refuses(Observed(stage.at, seen(version, ILL), attempt))
            assert stage.refuses(Vanished(stage.at, "i00", attempt))
            assert stage.refuses(Vanished(stage.at, "i05", attempt))
            ill = attrs.evolve(stage.world["i05"], health=ILL, zone="z9")
            assert stage.refuses(Observed(stage.at, ill, attempt))

    def test_an_answer_brings_nobody_in(self) -> None:
        """Nobody is watched whom the run does not know."""
        stage = Stage.of(fleet(5)).begin()
        stranger = Instance(id="a", zone="z0", version=OLD, health=HEALTHY)
        assert stage.refuses(Observed(stage.at, stranger, 1))

    def test_what_nobody_asked_for_is_news_of_what_is_settled(self) -> None:
        """S11."""
        stage = Stage.of(fleet(10)).begin().batch()
        stage.send(Observed(stage.at, seen(NEW, ILL)))
        assert stage.phases["i00"] == "upgraded_unhealthy"
        assert "i00" not in stage.send(Vanished(stage.at, "i00")).phases

    @pytest.mark.parametrize(
        ("looks", "phase"),
        [
            ((OLD,), "restored_unhealthy"),
            ((None, NEW, OLD), "restored_unhealthy"),
            ((OLD, NEW), "unrestored_unhealthy"),
            ((), "unrestored_unhealthy"),
        ],
    )
    def test_the_last_look_of_the_open_watch_counts(
        self, looks: tuple[str | None, ...], phase: str
    ) -> None:
        """S9: of one watch, the looks are handed in in their order."""
        stage = lost_once()
        for version in looks:
            stage.send(Observed(stage.at, seen(version, ILL), 2))
        assert stage.overdue(Verb.WATCH, "i00").phases["i00"] == phase

    def test_healthy_elsewhere_is_not_back(self) -> None:
        """S9: one look has to show both."""
        stage = lost_once().send(Observed(9, seen(OLD, ILL), 2))
        stage.send(Observed(stage.at, seen(NEW), 2))
        assert stage.phases["i00"] == "recovering"
        stage.send(Observed(stage.at, seen(OLD), 2))
        assert stage.phases["i00"] == "restored_healthy"


class TestReports:
    """S13, R4.9: what is late or repeated changes nothing; what cannot be is refused."""

    def test_repeated(self) -> None:
        stage = Stage.of(fleet(10)).begin().replaced("i00").observed("i00")
        for event in reports_about(stage, "i00", 1):
            assert stage.refuses(event)
        for event in reports_about(stage, "nobody", 1):
            assert stage.refuses(event)
        assert stage.refuses(Replaced(5, "i01", 2))

    def test_after_the_end(self) -> None:
        stage = Stage.of(fleet(2, version=NEW)).begin()
        assert stage.state in TERMINAL
        for event in one_of_each(stage):
            if isinstance(event, Start | Cancel | Pause | Resume | Approve):
                with pytest.raises(IllegalEvent, match=type(event).__name__):
                    step(stage.run, event)
            else:
                assert stage.refuses(event)

    def test_before_the_start(self) -> None:
        stage = Stage.of(fleet(2))
        for event in one_of_each(stage):
            if not isinstance(event, Start):
                with pytest.raises(IllegalEvent, match="Idle"):
                    step(stage.run, event)
        assert stage.run == Stage.of(fleet(2)).run._replace(ledger=stage.run.ledger)

    def test_a_second_start(self) -> None:
        stage = Stage.of(fleet(2)).start()
        with pytest.raises(IllegalEvent):
            step(stage.run, Start(1))

    def test_an_old_survey(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        assert stage.refuses(Surveyed(5, stage.run.surveys, tuple(fleet(1, health=ILL))))
        assert stage.refuses(Overdue(5, Verb.SURVEY, "", 0))
        assert stage.refuses(Overdue(5, Verb.SURVEY, "", stage.run.surveys))


class TestPurity:
    """`step` is a function of its arguments."""

    def test_an_old_run_can_be_stepped_again(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        old, was = stage.run, facts(stage.run)
        one, _ = step(old, Replaced(5, "i00", 1))
        stage.finish()
        two, _ = step(old, Replaced(5, "i00", 1))
        assert facts(one) == facts(two)
        assert facts(old) == was

    def test_branches_each_have_their_own_instances(self) -> None:
        """S11."""
        trunk = Stage.of(fleet(3)).begin().run
        left, _ = step(trunk, Observed(5, Instance(id="l", zone="z8", version=OLD)))
        right, _ = step(trunk, Observed(5, Instance(id="r", zone="z9", version=OLD)))
        assert "l" not in dict(right.ledger.members())
        assert right.ledger.roster.place_of(right.ledger.roster.index["r"]).zone == "z9"
        assert dict(left.ledger.members())["l"] == "pending_unhealthy"

    def test_step_is_trace_without_names(self) -> None:
        stage = Stage.of(fleet(3)).begin()
        run, commands = step(stage.run, Replaced(5, "i00", 1))
        traced, the_same, rows = trace(stage.run, Replaced(5, "i00", 1))
        assert (facts(run), commands) == (facts(traced), the_same)
        assert rows == ("replaced", "all_replaced")

    def test_a_command_that_is_answered_is_expected_no_more(self) -> None:
        stage = Stage.of(fleet(10)).begin()
        command = stage.waiting(Verb.REPLACE, "i00")
        assert expects(stage.run, command)
        assert not expects(stage.run, command._replace(attempt=2))
        assert not expects(stage.run, command._replace(instance="nobody"))
        stage.answer(command)
        assert not expects(stage.run, command)
        assert not expects(stage.finish().run, command)
