"""rollproof.policy and rollproof.durations."""

from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.durations import format_duration, parse_duration
from rollproof.errors import InvalidFields
from rollproof.policy import (
    AutomaticOSUpgradePolicy,
    RollingUpgradePolicy,
    Timeouts,
    UpgradeMode,
    UpgradePolicy,
)

FIVE_TO_HUNDRED = ["max_batch_instance_percent", "max_unhealthy_instance_percent"]
UPGRADED = "max_unhealthy_upgraded_instance_percent"
PERCENTS = [*FIVE_TO_HUNDRED, UPGRADED]


def policy(**fields: object) -> RollingUpgradePolicy:
    """A policy whose fields the type checker does not know."""
    return RollingUpgradePolicy(**fields)  # type: ignore[arg-type]  # wrong on purpose


class TestR4_7:
    """R4.7: policy bounds, and what use_rolling_upgrade_policy means."""

    def test_defaults(self) -> None:
        assert attrs.asdict(RollingUpgradePolicy()) == {
            "max_batch_instance_percent": 20,
            "max_unhealthy_instance_percent": 20,
            "max_unhealthy_upgraded_instance_percent": 20,
            "pause_time_between_batches": timedelta(0),
            "enable_cross_zone_upgrade": False,
            "prioritize_unhealthy_instances": False,
            "rollback_failed_instances_on_policy_breach": False,
        }

    @pytest.mark.parametrize(
        ("field", "low"), [*((field, 5) for field in FIVE_TO_HUNDRED), (UPGRADED, 0)]
    )
    def test_every_percent_within_bounds_and_no_other(self, field: str, low: int) -> None:
        for percent in range(-10, 121):
            if low <= percent <= 100:
                assert getattr(policy(**{field: percent}), field) == percent
            else:
                with pytest.raises(InvalidFields, match=r"R4\.7"):
                    policy(**{field: percent})

    @pytest.mark.parametrize("field", PERCENTS)
    @pytest.mark.parametrize("value", ["20", True, 20.0, 20.5, None, [20]])
    def test_only_whole_numbers_are_percents(self, field: str, value: object) -> None:
        with pytest.raises(InvalidFields) as caught:
            policy(**{field: value})
        assert [problem.field for problem in caught.value.problems] == [field]

    def test_pause_is_not_negative(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            policy(pause_time_between_batches=timedelta(microseconds=-1))
        assert caught.value.problems[0].bound == "a duration at least PT0S"

    @pytest.mark.parametrize("value", [0, "PT0S", None])
    def test_pause_is_a_timedelta(self, value: object) -> None:
        with pytest.raises(InvalidFields):
            policy(pause_time_between_batches=value)

    @pytest.mark.parametrize("value", [0, 1, "false", None])
    def test_switches_are_bools(self, value: object) -> None:
        with pytest.raises(InvalidFields):
            policy(enable_cross_zone_upgrade=value)

    def test_all_problems_at_once(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            policy(**dict.fromkeys(attrs.fields_dict(RollingUpgradePolicy), "x"))
        assert len(caught.value.problems) == len(attrs.fields(RollingUpgradePolicy))

    def test_effective_is_the_declared_policy(self) -> None:
        declared = RollingUpgradePolicy(max_batch_instance_percent=50)
        assert UpgradePolicy(rolling_upgrade_policy=declared).effective is declared

    def test_effective_is_the_defaults_when_switched_off(self) -> None:
        upgrade_policy = UpgradePolicy(
            rolling_upgrade_policy=RollingUpgradePolicy(max_batch_instance_percent=50),
            automatic_os_upgrade_policy=AutomaticOSUpgradePolicy(
                use_rolling_upgrade_policy=False
            ),
        )
        assert upgrade_policy.effective == RollingUpgradePolicy()


class TestR2_1:
    """R2.1: automatic upgrades are off until switched on."""

    def test_defaults(self) -> None:
        policy = AutomaticOSUpgradePolicy()
        assert not policy.enable_automatic_os_upgrade
        assert not policy.disable_automatic_rollback
        assert policy.use_rolling_upgrade_policy


class TestR2_3:
    """R2.3: the upgrade mode."""

    def test_modes(self) -> None:
        assert [mode.value for mode in UpgradeMode] == ["Manual", "Automatic", "Rolling"]

    def test_mode_is_a_member_not_its_spelling(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            UpgradePolicy(mode="rolling")  # type: ignore[arg-type]  # wrong on purpose
        assert caught.value.problems[0].fix == 'Did you mean "Rolling"?'


class TestR3_4:
    """R3.4: up to 3 hours for the first run, 30 to 60 minutes for a later one; configurable."""

    def test_defaults(self) -> None:
        policy = AutomaticOSUpgradePolicy()
        assert policy.first_run_within == timedelta(hours=3)
        assert policy.pick_up_at_least == timedelta(minutes=30)
        assert policy.pick_up_at_most == timedelta(hours=1)

    @pytest.mark.parametrize(
        "field", ["first_run_within", "pick_up_at_least", "pick_up_at_most"]
    )
    def test_no_delay_is_negative(self, field: str) -> None:
        negative = {field: timedelta(microseconds=-1)}
        with pytest.raises(InvalidFields) as caught:
            AutomaticOSUpgradePolicy(**negative)  # type: ignore[arg-type]  # the name is given
        found = [(problem.field, problem.requirement) for problem in caught.value.problems]
        assert (field, "R3.4") in found

    def test_the_shortest_delay_is_not_above_the_longest(self) -> None:
        half_an_hour = timedelta(minutes=30)
        AutomaticOSUpgradePolicy(pick_up_at_most=half_an_hour)  # the very same is a delay too
        with pytest.raises(InvalidFields) as caught:
            AutomaticOSUpgradePolicy(pick_up_at_most=half_an_hour - timedelta(microseconds=1))
        (problem,) = caught.value.problems
        assert (problem.field, problem.requirement) == ("pick_up_at_most", "R3.4")


class TestR4_3:
    """R4.3: health is awaited for 5 minutes; every wait has a deadline."""

    def test_defaults(self) -> None:
        assert attrs.asdict(Timeouts()) == {
            "replace": timedelta(minutes=30),
            "health": timedelta(minutes=5),
            "restore": timedelta(minutes=30),
            "survey": timedelta(minutes=5),
            "min_healthy_time": timedelta(0),
            "keep_previous_disk": None,
        }

    @pytest.mark.parametrize("field", ["replace", "health", "restore", "survey"])
    def test_more_than_zero_and_at_most_a_day(self, field: str) -> None:
        for good in (timedelta(microseconds=1), timedelta(hours=24)):
            assert getattr(Timeouts(**{field: good}), field) == good
        for bad in (timedelta(0), timedelta(hours=24, microseconds=1)):
            with pytest.raises(InvalidFields, match="a duration more than PT0S and at most"):
                Timeouts(**{field: bad})

    def test_min_healthy_time_and_retention_may_be_nothing(self) -> None:
        """A day at most to prove oneself; a disk may be kept for ever."""
        day = timedelta(days=1)
        assert Timeouts(min_healthy_time=day).min_healthy_time == day
        assert Timeouts(keep_previous_disk=400 * day).keep_previous_disk == 400 * day
        assert Timeouts(keep_previous_disk=timedelta(0)).keep_previous_disk == timedelta(0)
        for field, bad in (
            ("min_healthy_time", day + timedelta(seconds=1)),
            ("min_healthy_time", timedelta(seconds=-1)),
            ("keep_previous_disk", timedelta(seconds=-1)),
        ):
            with pytest.raises(InvalidFields) as caught:
                Timeouts(**{field: bad})
            (problem,) = caught.value.problems
            assert problem.field == field
            assert problem.bound.startswith("a duration at least PT0S")


class TestDurations:
    """R4.5: durations are spelled in ISO 8601, strictly."""

    @given(st.timedeltas(min_value=timedelta(0)))
    def test_round_trip(self, duration: timedelta) -> None:
        assert parse_duration(format_duration(duration)) == duration

    @pytest.mark.parametrize(
        ("spelled", "duration", "shortest"),
        [
            ("PT0S", timedelta(0), "PT0S"),
            ("P0D", timedelta(0), "PT0S"),
            ("PT5M", timedelta(minutes=5), "PT5M"),
            ("PT90M", timedelta(minutes=90), "PT1H30M"),
            ("PT24H", timedelta(days=1), "P1D"),
            ("P1DT2H3M4.05S", timedelta(1, 2 * 3600 + 184, 50_000), "P1DT2H3M4.05S"),
            ("PT0.000001S", timedelta(microseconds=1), "PT0.000001S"),
        ],
    )
    def test_spellings(self, spelled: str, duration: timedelta, shortest: str) -> None:
        assert parse_duration(spelled) == duration
        assert format_duration(duration) == shortest

    @pytest.mark.parametrize(
        "spelled",
        [
            *["", "P", "PT", "P1DT", "5M", "T5M", "PT5", "P5M", "P1Y", "P1W", "-PT5M"],
            *["+PT5M", "PT-5M", "pt5m", "PT5M ", " PT5M", "PT5M\n", "PT1M1H", "PT1.5M"],
            *["PT1,5S", "PT.5S", "PT1.S", "PT0.0000001S", "PT\u0665M", "P1D1H"],
            *["P1000000000D", "PT" + "9" * 35 + "H", "PT" + "9" * 5000 + "H"],
        ],
    )
    def test_everything_else_is_refused(self, spelled: str) -> None:
        with pytest.raises(InvalidFields, match="PnDTnHnMnS"):
            parse_duration(spelled)

    @given(st.text(alphabet="PTDHMS0123456789.", max_size=12))
    def test_what_is_accepted_round_trips(self, spelled: str) -> None:
        try:
            duration = parse_duration(spelled)
        except InvalidFields:
            return
        assert parse_duration(format_duration(duration)) == duration

    def test_a_negative_duration_has_no_spelling(self) -> None:
        with pytest.raises(InvalidFields, match="PT0S"):
            format_duration(timedelta(seconds=-1))
