"""rollproof.scheduler: what is due for a set, and why not more (R2.1, R3.4, R4.8, S12)."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.charter import StartedBy
from rollproof.denial import RunFacts
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference, ImageVersion
from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow
from rollproof.moments import instant
from rollproof.pickup import Publication
from rollproof.policy import AutomaticOSUpgradePolicy, UpgradePolicy
from rollproof.scheduler import LOOK_AGAIN, Act, Decision, Facts, Reason, decide
from rollproof.states import Cause

DAY = 86_400_000
HOUR = 3_600_000
MIDNIGHT = 1_700_006_400_000 - 1_700_006_400_000 % DAY
NIGHT = MaintenanceWindow(begins="00:00", duration=timedelta(hours=6))
HASTY = MaintenanceWindow(
    begins="00:00", duration=timedelta(hours=6), at_end=AtEnd.STOP_AT_ONCE
)


def version(text: str) -> ImageVersion:
    return ImageVersion.parse(text)


def scale_set(pinned: str = "latest", **policy: Any) -> ScaleSet:
    """A set that follows its image without delay, or as is said."""
    given = {
        "enable_automatic_os_upgrade": True,
        "first_run_within": timedelta(0),
        "pick_up_at_least": timedelta(minutes=30),
        "pick_up_at_most": timedelta(minutes=30),
        **policy,
    }
    return ScaleSet(
        name="web",
        image_reference=ImageReference(image="web-os", version=pinned),
        upgrade_policy=UpgradePolicy(
            automatic_os_upgrade_policy=AutomaticOSUpgradePolicy(**given)
        ),
    )


def published(text: str = "1.0.0", at: int = 0) -> Publication:
    return Publication(version=version(text), published_at=at, first_seen=at)


def facts(pinned: str = "latest", **known: Any) -> Facts:
    """A set configured at midnight that has seen 1.0.0; fields of facts and of policy."""
    own = {name: known.pop(name) for name in tuple(known) if name in Facts.__annotations__}
    given = {
        "scale_set": scale_set(pinned, **known),
        "configured_at": MIDNIGHT,
        "publications": (published(),),
        **own,
    }
    return Facts(**given)


def run(**fields: Any) -> RunFacts:
    """A run of the platform to 1.0.0 under way, or as is said."""
    given = {
        "run": "web.1",
        "target": version("1.0.0"),
        "started_by": StartedBy.PLATFORM,
        "opened_at": MIDNIGHT,
        **fields,
    }
    return RunFacts(**given)


BAD: dict[str, Any] = {"cause": Cause.UPGRADED_UNHEALTHY, "ended_at": MIDNIGHT + HOUR}
"""What becomes of a run that a threshold ends."""


def done(**fields: Any) -> RunFacts:
    """A run that has completed."""
    return run(completed=True, ended_at=MIDNIGHT + HOUR, **fields)


def told(decision: Decision) -> tuple[Act, Reason, int | None]:
    """What a decision comes to."""
    return decision.act, decision.reason, decision.until


class TestStart:
    """R3.4, R4.8: a run of the platform begins by itself."""

    def test_what_is_due_begins(self) -> None:
        decision = decide(facts(), MIDNIGHT)
        assert told(decision) == (Act.START, Reason.DUE, None)
        assert decision.version == version("1.0.0")

    def test_not_before_its_delay_is_over(self) -> None:
        waiting = facts(first_run_within=timedelta(hours=3))
        decision = decide(waiting, MIDNIGHT)
        assert decision.reason is Reason.FIRST_RUN_DELAY
        assert decision.until is not None
        assert MIDNIGHT < decision.until <= MIDNIGHT + 3 * HOUR
        assert instant(decision.until) in decision.text
        assert decide(waiting, decision.until - 1).act is Act.NOTHING
        assert decide(waiting, decision.until).act is Act.START

    def test_a_later_publication_after_half_an_hour(self) -> None:
        later = facts(
            publications=(published(), published("1.1.0", MIDNIGHT + 2 * HOUR)), runs=(done(),)
        )
        due = MIDNIGHT + 2 * HOUR + HOUR // 2
        assert told(decide(later, due - 1)) == (Act.NOTHING, Reason.UP_TO_DATE, due)
        assert decide(later, due).version == version("1.1.0")

    def test_what_was_never_noted_has_no_moment(self) -> None:
        """R3.4: only a schedule that is kept can begin to count."""
        unseen = attrs.evolve(published("1.1.0", MIDNIGHT + HOUR), noted=False)
        waits = decide(facts(publications=(unseen,)), MIDNIGHT + HOUR)
        assert told(waits) == (Act.NOTHING, Reason.PICK_UP_DELAY, None)
        assert waits.version == version("1.1.0")
        beside = facts(publications=(published(), unseen), runs=(done(),))
        assert told(decide(beside, MIDNIGHT + HOUR)) == (Act.NOTHING, Reason.UP_TO_DATE, None)
        cancelled = run(cause=Cause.USER, ended_at=MIDNIGHT + HOUR)
        again = decide(
            facts(publications=(published(), unseen), runs=(cancelled,)), MIDNIGHT + HOUR
        )
        assert told(again) == (
            Act.NOTHING,
            Reason.PICK_UP_AFTER_AN_END,
            MIDNIGHT + HOUR + HOUR // 2,
        )

    def test_a_stream_of_publications_starves_nobody(self) -> None:
        """A version every twenty minutes, each to be picked up after thirty: the newest
        that is due is gone to, and does not wait for those after it."""
        stream = tuple(
            published(f"1.{n}.0", MIDNIGHT + 1 + n * HOUR // 3) for n in range(1, 10)
        )
        decision = decide(facts(publications=stream), MIDNIGHT + 2 * HOUR)
        assert decision.act is Act.START
        assert decision.version == version("1.4.0")

    @pytest.mark.parametrize("name", [f"set-{n}" for n in range(9)])
    def test_the_highest_of_those_that_were_there(self, name: str) -> None:
        """R3.4: whenever its moment comes, a set that was configured goes to no other."""
        many = tuple(published(f"1.{n}.0") for n in range(9))
        waiting = facts(publications=many, first_run_within=timedelta(hours=3))
        waiting = attrs.evolve(waiting, scale_set=attrs.evolve(waiting.scale_set, name=name))
        until = decide(waiting, MIDNIGHT).until
        assert until is not None
        assert decide(waiting, until).version == version("1.8.0")

    def test_a_version_to_come_is_looked_for_while_another_is_unfit(self) -> None:
        soon = MIDNIGHT + 2 * HOUR
        both = (published(), published("1.1.0", soon - HOUR // 2))
        for at, until in ((soon - 1, soon), (soon - HOUR // 4, soon - HOUR // 4 + LOOK_AGAIN)):
            decision = decide(facts(publications=both, unfit="no fleet"), at)
            assert told(decision) == (Act.NOTHING, Reason.UNFIT, until)

    def test_a_lower_version_that_comes_later_is_not_waited_for(self) -> None:
        both = (published("1.1.0"), published("1.0.5", MIDNIGHT + HOUR))
        reached = facts(publications=both, runs=(done(target=version("1.1.0")),))
        assert told(decide(reached, MIDNIGHT + HOUR)) == (
            Act.NOTHING,
            Reason.UP_TO_DATE,
            None,
        )

    @pytest.mark.parametrize(
        ("known", "reason"),
        [
            ({"enable_automatic_os_upgrade": False}, Reason.SWITCHED_OFF),
            ({"stop_all_since": MIDNIGHT}, Reason.STOPPED_ALL),
            ({"pinned": "1.0.0"}, Reason.PINNED),
            ({"publications": ()}, Reason.NO_VERSION),
        ],
    )
    def test_not_at_all(self, known: dict[str, Any], reason: Reason) -> None:
        """R2.1, N6, R2.2."""
        decision = decide(facts(**known), MIDNIGHT + DAY)
        assert told(decision) == (Act.NOTHING, reason, None)
        assert decision.text

    def test_a_set_that_is_unfit_is_looked_at_again(self) -> None:
        now = MIDNIGHT + HOUR
        decision = decide(facts(unfit="no fleet"), now)
        assert told(decision) == (Act.NOTHING, Reason.UNFIT, now + LOOK_AGAIN)
        assert decision.text == "no fleet"

    @pytest.mark.parametrize("window", [NIGHT, HASTY])
    def test_not_outside_a_window(self, window: MaintenanceWindow) -> None:
        """N10."""
        waiting = facts(maintenance_windows=(window,))
        assert told(decide(waiting, MIDNIGHT + 7 * HOUR)) == (
            Act.NOTHING,
            Reason.OUTSIDE_WINDOW,
            MIDNIGHT + DAY,
        )
        assert decide(waiting, MIDNIGHT + DAY).act is Act.START

    def test_not_in_a_freeze(self) -> None:
        """N10."""
        frozen = Freeze(begins=instant(MIDNIGHT)[:16], ends=instant(MIDNIGHT + 2 * HOUR)[:16])
        assert told(decide(facts(freezes=(frozen,)), MIDNIGHT + HOUR)) == (
            Act.NOTHING,
            Reason.FROZEN,
            MIDNIGHT + 2 * HOUR,
        )


class TestEarlierRuns:
    """S12."""

    def test_a_denied_version_is_not_gone_to(self) -> None:
        decision = decide(facts(runs=(run(**BAD),)), MIDNIGHT + DAY)
        assert told(decision) == (Act.NOTHING, Reason.DENIED, None)
        assert "S12" in decision.text
        assert "web.1" in decision.text

    def test_what_was_taken_back_is_denied(self) -> None:
        """N7."""
        back = run(run="web.2", target=None, takes_back="web.1", ended_at=MIDNIGHT + 2 * HOUR)
        decision = decide(facts(runs=(back, done())), MIDNIGHT + DAY)
        assert decision.reason is Reason.DENIED
        assert "web.2 took web.1 back" in decision.text

    def test_a_newer_one_is(self) -> None:
        newer = (published(), published("1.1.0", MIDNIGHT + 3 * HOUR))
        denied = facts(publications=newer, runs=(run(**BAD),))
        due = MIDNIGHT + 3 * HOUR + HOUR // 2
        assert told(decide(denied, due - 1)) == (Act.NOTHING, Reason.DENIED, due)
        assert decide(denied, due).act is Act.START

    def test_nor_is_the_one_before_it(self) -> None:
        """Latest is latest: nothing is gone to in place of what is denied."""
        both = (published("0.9.0"), published())
        assert decide(facts(publications=both, runs=(run(**BAD),)), MIDNIGHT + DAY).act is (
            Act.NOTHING
        )

    def test_a_retry_makes_it_due(self) -> None:
        denied = facts(runs=(run(**BAD),), retry_at=MIDNIGHT + 2 * HOUR)
        assert decide(denied, MIDNIGHT + 2 * HOUR).act is Act.START

    def test_a_cancelled_run_is_begun_again_after_a_delay(self) -> None:
        cancelled = facts(runs=(run(cause=Cause.USER, ended_at=MIDNIGHT + HOUR),))
        again = MIDNIGHT + HOUR + HOUR // 2
        assert told(decide(cancelled, again - 1)) == (
            Act.NOTHING,
            Reason.PICK_UP_AFTER_AN_END,
            again,
        )
        assert decide(cancelled, again).act is Act.START

    def test_a_newer_version_may_come_before_that(self) -> None:
        newer = (published(), published("1.1.0", MIDNIGHT + HOUR - 60_000))
        cancelled = facts(
            publications=newer, runs=(run(cause=Cause.USER, ended_at=MIDNIGHT + HOUR),)
        )
        assert decide(cancelled, MIDNIGHT + HOUR).until == MIDNIGHT + HOUR * 3 // 2 - 60_000

    def test_what_is_reached_is_not_gone_to_again(self) -> None:
        assert told(decide(facts(runs=(done(),)), MIDNIGHT + DAY)) == (
            Act.NOTHING,
            Reason.UP_TO_DATE,
            None,
        )


class TestUnderWay:
    """R2.1, N6, N10, S7, S8: runs that have begun."""

    def test_no_second_one(self) -> None:
        """R4.9."""
        decision = decide(facts(runs=(run(),)), MIDNIGHT + DAY)
        assert told(decision) == (Act.NOTHING, Reason.UNDER_WAY, None)

    def test_switched_off_ends_a_run_of_the_platform(self) -> None:
        """R2.1, and before all else."""
        off = facts(
            enable_automatic_os_upgrade=False, stop_all_since=MIDNIGHT, runs=(run(shut=True),)
        )
        decision = decide(off, MIDNIGHT + HOUR)
        assert (decision.act, decision.run) == (Act.OPT_OUT, "web.1")

    def test_but_none_that_was_started_by_hand(self) -> None:
        off = facts(enable_automatic_os_upgrade=False, runs=(run(started_by=StartedBy.USER),))
        assert decide(off, MIDNIGHT + HOUR).act is Act.NOTHING

    def test_nor_one_that_began_when_it_was_off_already(self) -> None:
        """Somebody asked for it in the platform's name."""
        off = facts(enable_automatic_os_upgrade=False, runs=(run(opened_at=MIDNIGHT + 1),))
        assert decide(off, MIDNIGHT + HOUR).act is Act.NOTHING

    def test_what_is_ending_is_let_end(self) -> None:
        off = facts(enable_automatic_os_upgrade=False, runs=(run(cause=Cause.USER),))
        assert told(decide(off, MIDNIGHT)) == (Act.NOTHING, Reason.ENDING, None)

    @pytest.mark.parametrize("by", StartedBy)
    def test_stop_all_shuts_every_run(self, by: StartedBy) -> None:
        """N6."""
        for shut, act in ((False, Act.SHUT), (True, Act.NOTHING)):
            stopped = facts(stop_all_since=MIDNIGHT, runs=(run(shut=shut, started_by=by),))
            assert told(decide(stopped, MIDNIGHT + 1)) == (act, Reason.STOPPED_ALL, None)

    @pytest.mark.parametrize("by", StartedBy)
    def test_and_opens_them_again(self, by: StartedBy) -> None:
        opened = facts(runs=(run(shut=True, started_by=by),))
        assert told(decide(opened, MIDNIGHT)) == (Act.REOPEN, Reason.GATE_OPEN, None)

    def test_the_end_of_a_window_shuts(self) -> None:
        """S7: the batch is finished."""
        at_night = facts(maintenance_windows=(NIGHT,), runs=(run(),))
        closes, opens = MIDNIGHT + 6 * HOUR, MIDNIGHT + DAY
        assert told(decide(at_night, closes - 1)) == (Act.NOTHING, Reason.UNDER_WAY, closes)
        assert told(decide(at_night, closes)) == (Act.SHUT, Reason.OUTSIDE_WINDOW, opens)
        shut = facts(maintenance_windows=(NIGHT,), runs=(run(shut=True),))
        assert told(decide(shut, closes)) == (Act.NOTHING, Reason.OUTSIDE_WINDOW, opens)
        assert told(decide(shut, opens)) == (Act.REOPEN, Reason.GATE_OPEN, opens + 6 * HOUR)

    def test_or_stops_at_once(self) -> None:
        """S8."""
        for shut in (False, True):
            hasty = facts(maintenance_windows=(HASTY,), runs=(run(shut=shut),))
            assert decide(hasty, MIDNIGHT + 6 * HOUR).act is Act.STOP

    def test_a_freeze_shuts_and_never_stops(self) -> None:
        frozen = Freeze(begins=instant(MIDNIGHT)[:16], ends=instant(MIDNIGHT + 9 * HOUR)[:16])
        hasty = facts(maintenance_windows=(HASTY,), freezes=(frozen,), runs=(run(),))
        assert decide(hasty, MIDNIGHT + 8 * HOUR).act is Act.SHUT

    def test_windows_do_not_concern_a_run_by_hand(self) -> None:
        by_hand = facts(maintenance_windows=(HASTY,), runs=(run(started_by=StartedBy.USER),))
        assert told(decide(by_hand, MIDNIGHT + 6 * HOUR)) == (
            Act.NOTHING,
            Reason.UNDER_WAY,
            None,
        )


class TestDeferral:
    """R4.11: what becomes of an approval that nobody gives in time, the run knows."""

    def test_says_until_when(self) -> None:
        waiting = facts(
            maintenance_windows=(NIGHT,), runs=(run(awaiting_until=MIDNIGHT + 2 * HOUR),)
        )
        decision = decide(waiting, MIDNIGHT)
        assert told(decision) == (Act.NOTHING, Reason.AWAITING_APPROVAL, MIDNIGHT + 6 * HOUR)
        assert instant(MIDNIGHT + 2 * HOUR) in decision.text

    def test_its_window_closes_all_the_same(self) -> None:
        waiting = facts(
            maintenance_windows=(NIGHT,), runs=(run(awaiting_until=MIDNIGHT + DAY),)
        )
        assert decide(waiting, MIDNIGHT + 6 * HOUR).act is Act.SHUT


RUNS = st.lists(
    st.builds(
        lambda target, cause, completed, opened, length: run(
            target=version(f"1.{target}.0"),
            cause=Cause.NONE if completed else cause,
            completed=completed,
            opened_at=MIDNIGHT + opened,
            ended_at=MIDNIGHT + opened + length,
        ),
        st.integers(0, 3),
        st.sampled_from([each for each in Cause if each is not Cause.NONE]),
        st.booleans(),
        st.integers(-DAY, 2 * DAY),
        st.integers(0, DAY),
    ),
    max_size=4,
).map(lambda runs: tuple(sorted(runs, key=lambda each: -each.opened_at)))
SITUATIONS = st.builds(
    facts,
    publications=st.lists(
        st.builds(
            lambda minor, at: published(f"1.{minor}.0", MIDNIGHT + at),
            st.integers(0, 3),
            st.integers(-DAY, 2 * DAY),
        ),
        max_size=4,
        unique_by=lambda each: each.version,
    ).map(tuple),
    runs=RUNS,
    retry_at=st.none() | st.integers(MIDNIGHT - DAY, MIDNIGHT + 2 * DAY),
    maintenance_windows=st.sampled_from([(), (NIGHT,), (HASTY,)]),
    first_run_within=st.timedeltas(timedelta(0), timedelta(hours=3)),
    minimum_image_age=st.timedeltas(timedelta(0), timedelta(days=2)),
)


class TestLaws:
    @given(SITUATIONS, st.integers(MIDNIGHT, MIDNIGHT + 3 * DAY), st.floats(0, 1))
    def test_nothing_becomes_due_before_it_says(
        self, known: Facts, now: int, share: float
    ) -> None:
        """Sleeping until the next moment misses nothing."""
        decision = decide(known, now)
        if decision.act is not Act.NOTHING:
            assert decision == decide(known, now)
            return
        horizon = 5 * DAY if decision.until is None else decision.until - now - 1
        assert decision.until is None or decision.until > now
        assert decide(known, now + int(share * horizon)).act is Act.NOTHING

    @given(SITUATIONS, st.integers(MIDNIGHT, MIDNIGHT + 3 * DAY))
    def test_never_to_what_a_threshold_ended_nor_down(self, known: Facts, now: int) -> None:
        """S12, over every situation."""
        decision = decide(known, now)
        if decision.act is not Act.START:
            return
        assert decision.version in {each.version for each in known.publications}
        for each in known.runs:
            if each.opened_at >= known.configured_at:
                assert each.target is not None
                assert not (each.completed and each.target >= decision.version)
        to_it = [
            each
            for each in known.runs
            if each.target == decision.version and each.opened_at >= known.configured_at
        ]
        if to_it and (known.retry_at is None or to_it[0].ended_at > known.retry_at):  # type: ignore[operator]  # all of these have ended
            assert to_it[0].cause not in (Cause.FLEET_UNHEALTHY, Cause.UPGRADED_UNHEALTHY)
