"""rollproof.moments: what local times mean, on the days the clock changes too (N10)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollproof.moments import from_ms, instant, resolve, span_ms, spelled, to_ms, zone_of

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # until 2019 its clock jumped at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # which left out the whole of 2011-12-30
    "Asia/Kolkata",
)
MINUTE = 60_000


def local(text: str) -> datetime:
    """What a clock on a wall shows."""
    return datetime.fromisoformat(text)


def first_shown(wanted: datetime, zone: ZoneInfo) -> int:
    """The law in one sentence, slowly: the first minute at which the clock of the zone
    shows that time or a later one."""
    at = to_ms(wanted.replace(tzinfo=UTC)) - 30 * 60 * MINUTE
    while from_ms(at, zone).replace(tzinfo=None) < wanted:
        at += MINUTE
    return at


class TestResolve:
    """N10: one that does not exist begins when the jump ends, one of two is the first."""

    @pytest.mark.parametrize(
        ("shown", "zone", "first", "last"),
        [
            ("2026-06-01T22:00", "Europe/Berlin", "2026-06-01T20:00:00Z", None),
            # 02:00 to 03:00 does not exist: all of it means the moment the jump ends.
            ("2026-03-29T01:59", "Europe/Berlin", "2026-03-29T00:59:00Z", None),
            ("2026-03-29T02:00", "Europe/Berlin", "2026-03-29T01:00:00Z", None),
            ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00:00Z", None),
            ("2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00Z", None),
            # 02:00 to 03:00 exists twice.
            (
                "2026-10-25T02:30",
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            ("2026-10-25T03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", None),
            ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00:00Z", None),
            ("2018-11-04T00:15", "America/Sao_Paulo", "2018-11-04T03:00:00Z", None),
        ],
    )
    def test_on_the_days_the_clock_changes(
        self, shown: str, zone: str, first: str, last: str | None
    ) -> None:
        moment = local(shown)
        assert instant(resolve(moment, ZoneInfo(zone))) == first
        assert instant(resolve(moment, ZoneInfo(zone), last=True)) == (last or first)

    @given(
        st.datetimes(local("2011-01-01T00:00"), local("2030-01-01T00:00")),
        st.sampled_from(ZONES),
    )
    @example(local("2026-03-29T02:30"), "Europe/Berlin")
    @example(local("2026-10-25T02:30"), "Europe/Berlin")
    @example(local("2011-12-30T08:00"), "Pacific/Apia")
    @example(local("2026-10-04T02:10"), "Australia/Lord_Howe")
    @example(local("2026-04-05T01:40"), "Australia/Lord_Howe")
    def test_is_when_the_clock_first_shows_it(self, wanted: datetime, zone: str) -> None:
        wanted = wanted.replace(second=0, microsecond=0)
        where = ZoneInfo(zone)
        assert resolve(wanted, where) == first_shown(wanted, where)


class TestSpelling:
    @given(st.integers(0, 4_000_000_000_000))
    def test_round_trip(self, at: int) -> None:
        assert to_ms(from_ms(at)) == at
        assert to_ms(from_ms(at, ZoneInfo("Europe/Berlin"))) == at

    def test_spans(self) -> None:
        assert span_ms(timedelta(microseconds=1)) == 1
        assert span_ms(timedelta(seconds=1)) == 1000
        assert spelled(2_472_999) == "PT41M12S"

    @pytest.mark.parametrize("name", ["", "Berlin", "Europe", "../etc/passwd", "/etc/passwd"])
    def test_no_zone(self, name: str) -> None:
        assert zone_of(name) is None
        assert zone_of("Europe/Berlin") is not None
