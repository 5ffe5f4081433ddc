"""rollproof.reports: what a health extension says, and what it is worth (R5.2, R5.3)."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.health import Health, HealthExtension
from rollproof.reports import LONGEST_WHY, SLACK, Report, fault_of, read_report, weigh

NOW = 1_700_000_000_000
SOURCE = HealthExtension(port=9000, grace_period=timedelta(0))
GRACED = HealthExtension(port=9000, grace_period=timedelta(seconds=30))
LONG_AGO = NOW - 3_600_000
BAD = (Health.UNHEALTHY, Health.UNKNOWN)


def text(**fields: object) -> bytes:
    return json.dumps({"state": "Healthy", "at": NOW / 1000, **fields}).encode()


class TestReading:
    """R5.2: the four states, and nothing else, are a report."""

    @pytest.mark.parametrize("state", ["Initializing", "Healthy", "Unhealthy", "Unknown"])
    def test_the_four_states(self, state: str) -> None:
        report = read_report(text(state=state, why="so"), NOW)
        assert report == Report(Health(state.lower()), NOW, "so")

    def test_an_age_needs_no_common_clock(self) -> None:
        assert read_report(b'{"state": "Healthy", "age": 2.5}', NOW) == Report(
            Health.HEALTHY, NOW - 2500
        )

    @pytest.mark.parametrize(
        "spelled",
        [
            *(b"", b"nonsense", b"[]", b"5", b"null", b"\xff", b"[" * 100_000),
            *(b"{}", b'{"state": "Healthy"}', b'{"at": 5}', b'{"state": [], "at": 5}'),
            *(text(state="healthy"), text(state="HEALTHY"), text(state="Well")),
            *(text(at="now"), text(at=True), text(at=None), b'{"state": "Healthy", "at": NaN}'),
            *(b'{"state": "Healthy", "at": 1e999}', b'{"state": "Healthy", "age": "1"}'),
        ],
    )
    def test_anything_else_is_no_report(self, spelled: bytes) -> None:
        assert read_report(spelled, NOW) is None

    @given(st.binary())
    def test_never_raises(self, spelled: bytes) -> None:
        read_report(spelled, NOW)

    def test_the_reason_is_bounded_and_optional(self) -> None:
        long = read_report(text(why="x" * 1000), NOW)
        assert long is not None
        assert long.why == "x" * LONGEST_WHY
        for report in (read_report(text(why=5), NOW), read_report(text(other=1), NOW)):
            assert report is not None
            assert report.why == ""


class TestStaleness:
    """R5.2: a report older than it may be is stale, and becomes unknown."""

    @given(st.sampled_from(Health), st.integers(0, 10_000))
    def test_a_fresh_report_counts(self, state: Health, age: int) -> None:
        assert weigh(Report(state, NOW - age), SOURCE, LONG_AGO, NOW) is state

    @given(st.sampled_from(Health), st.integers(10_001, 3_000_000))
    def test_one_older_than_twice_the_interval_is_unknown(
        self, state: Health, age: int
    ) -> None:
        report = Report(state, NOW - age)
        assert weigh(report, SOURCE, LONG_AGO, NOW) is Health.UNKNOWN
        assert fault_of(report, SOURCE, LONG_AGO, NOW) == f"the report is {age // 1000} s old"

    def test_the_limit_grows_with_the_interval(self) -> None:
        slow = HealthExtension(port=9000, interval=timedelta(minutes=1))
        for age, seen in ((120_000, Health.HEALTHY), (120_001, Health.UNKNOWN)):
            assert weigh(Report(Health.HEALTHY, NOW - age), slow, LONG_AGO, NOW) is seen

    def test_none_is_unknown(self) -> None:
        assert weigh(None, SOURCE, LONG_AGO, NOW) is Health.UNKNOWN
        assert fault_of(None, SOURCE, LONG_AGO, NOW) == "no report"

    def test_one_from_before_the_boot_is_unknown(self) -> None:
        report = Report(Health.HEALTHY, NOW - 5_000)
        assert weigh(report, SOURCE, NOW - 5_000 + SLACK, NOW) is Health.HEALTHY
        assert weigh(report, SOURCE, NOW - 4_999 + SLACK, NOW) is Health.UNKNOWN
        assert "before the boot" in fault_of(report, SOURCE, NOW, NOW)

    def test_one_from_the_future_is_unknown(self) -> None:
        """A clock that is ahead must not keep a dead reporter alive."""
        for ahead, seen in ((5_000, Health.HEALTHY), (5_001, Health.UNKNOWN)):
            assert weigh(Report(Health.HEALTHY, NOW + ahead), SOURCE, LONG_AGO, NOW) is seen
        assert "ahead" in fault_of(Report(Health.HEALTHY, NOW + 9_000), SOURCE, None, NOW)


class TestGrace:
    """R5.2, R5.3: for a while after a boot a bad or missing report means wait."""

    @pytest.mark.parametrize(
        "report", [None, *(Report(state, NOW) for state in BAD)], ids=["none", "bad", "unknown"]
    )
    def test_bad_and_missing_are_initializing(self, report: Report | None) -> None:
        assert weigh(report, GRACED, NOW - 29_999, NOW) is Health.INITIALIZING
        assert weigh(report, GRACED, NOW - 30_000, NOW) in BAD

    def test_a_stale_report_has_the_same_grace(self) -> None:
        stale = Report(Health.HEALTHY, NOW - 15_000)
        assert weigh(stale, GRACED, NOW - 20_000, NOW) is Health.INITIALIZING

    def test_healthy_need_not_wait(self) -> None:
        assert weigh(Report(Health.HEALTHY, NOW), GRACED, NOW - 1, NOW) is Health.HEALTHY

    def test_a_boot_at_an_unknown_time_has_none(self) -> None:
        assert weigh(None, GRACED, None, NOW) is Health.UNKNOWN

    @given(st.none() | st.builds(Report, st.sampled_from(Health), st.just(NOW)))
    def test_grace_never_makes_healthy(self, report: Report | None) -> None:
        graced = weigh(report, GRACED, NOW - 1, NOW)
        assert (graced is Health.HEALTHY) == (
            weigh(report, SOURCE, None, NOW) is Health.HEALTHY
        )
