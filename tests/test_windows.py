"""rollproof.windows: when the gate of automatic runs stands open (N10, S7)."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow, Weekday
from rollproof.moments import from_ms, instant, to_ms
from rollproof.windows import Shutting, gate
from test_moments import ZONES, first_shown

HOUR = 3_600_000
BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    """The moment that ISO 8601 spells."""
    return to_ms(datetime.fromisoformat(text))


def night(hours: int = 4, **fields: object) -> MaintenanceWindow:
    """Every night from 22:00 in Berlin, or what is said."""
    given = {"begins": "22:00", "zone": BERLIN, "duration": timedelta(hours=hours), **fields}
    return MaintenanceWindow(**given)  # type: ignore[arg-type]  # the test says what it says


def opening(window: MaintenanceWindow, now: str) -> tuple[str, str]:
    """When a window opens next after a moment at which it is shut, and closes then."""
    shut = gate([window], [], at(now))
    assert shut.why is Shutting.OUTSIDE_WINDOW
    assert shut.until is not None
    opened = gate([window], [], shut.until)
    assert opened.is_open
    assert opened.until is not None
    return instant(shut.until), instant(opened.until)


class TestWindows:
    def test_without_any_it_is_open(self) -> None:
        stands = gate([], [], 0)
        assert stands.is_open
        assert stands.until is None

    def test_a_beginning_belongs_to_it_and_an_end_does_not(self) -> None:
        begins, ends = at("2026-06-01T20:00Z"), at("2026-06-02T00:00Z")
        for moment, is_open in (
            (begins - 1, False),
            (begins, True),
            (ends - 1, True),
            (ends, False),
        ):
            assert gate([night()], [], moment).is_open is is_open

    def test_only_on_its_days_by_the_zone_it_is_in(self) -> None:
        """Half past midnight on Sunday in Berlin is Saturday in UTC."""
        window = night(days=(Weekday.SUNDAY,), begins="00:30")
        assert opening(window, "2026-06-01T12:00Z")[0] == "2026-06-06T22:30:00Z"

    def test_those_that_touch_are_one(self) -> None:
        both = [night(), night(begins="02:00")]
        assert gate(both, [], at("2026-06-01T21:00Z")).until == at("2026-06-02T04:00Z")

    def test_always_open_says_when_to_look_again(self) -> None:
        stands = gate([night(24)], [], at("2026-06-01T21:00Z"))
        assert stands.is_open
        assert stands.until is not None

    def test_the_one_that_closed_last_says_what_becomes_of_runs(self) -> None:
        evening = night(1, begins="18:00", at_end=AtEnd.STOP_AT_ONCE)
        assert not gate([evening, night()], [], at("2026-06-02T12:00Z")).stop_at_once
        assert gate([evening, night()], [], at("2026-06-02T17:30Z")).stop_at_once


class TestDaylightSaving:
    """N10: both changes, spelled out."""

    def test_a_start_that_does_not_exist_begins_when_the_gap_ends(self) -> None:
        assert opening(night(2, begins="02:30"), "2026-03-28T12:00Z") == (
            "2026-03-29T01:00:00Z",  # 03:00 in Berlin, which comes right after 01:59
            "2026-03-29T03:00:00Z",
        )

    def test_one_that_exists_twice_begins_at_the_first(self) -> None:
        assert opening(night(2, begins="02:30"), "2026-10-24T12:00Z") == (
            "2026-10-25T00:30:00Z",
            "2026-10-25T02:30:00Z",
        )

    def test_the_duration_is_time_that_passes(self) -> None:
        """Six hours from 22:00, in the night of the jump and in the night it goes back."""
        ahead = opening(night(6), "2026-03-28T12:00Z")
        back = opening(night(6), "2026-10-24T12:00Z")
        assert [f"{from_ms(at(text), ZoneInfo(BERLIN)):%H:%M}" for text in ahead] == [
            "22:00",
            "05:00",
        ]
        assert [f"{from_ms(at(text), ZoneInfo(BERLIN)):%H:%M}" for text in back] == [
            "22:00",
            "03:00",
        ]


class TestFreezes:
    XMAS = Freeze(begins="2026-12-18T18:00", ends="2027-01-04T06:00", zone=BERLIN)

    def test_shuts_an_open_window_and_announces_itself(self) -> None:
        before = gate([], [self.XMAS], at("2026-12-18T16:59Z"))
        assert before.is_open
        assert before.until == at("2026-12-18T17:00Z")
        within = gate([night(24)], [self.XMAS], at("2026-12-24T12:00Z"))
        assert (within.why, within.until) == (Shutting.FROZEN, at("2027-01-04T05:00Z"))
        assert not within.stop_at_once
        assert "2027-01-04T05:00:00Z" in within.text
        assert gate([], [self.XMAS], at("2027-01-04T05:00Z")).is_open

    def test_closes_before_the_window_does(self) -> None:
        assert gate([night(24)], [self.XMAS], at("2026-12-18T16:00Z")).until == at(
            "2026-12-18T17:00Z"
        )

    def test_one_that_begins_before_the_window_opens(self) -> None:
        """Then the gate stands otherwise already: it is frozen."""
        waits = gate([night()], [self.XMAS], at("2026-12-18T12:00Z"))
        assert (waits.why, waits.until) == (
            Shutting.OUTSIDE_WINDOW,
            at("2026-12-18T17:00Z"),
        )
        assert gate([night()], [self.XMAS], at("2026-12-18T17:00Z")).why is Shutting.FROZEN

    def test_those_that_touch_are_one(self) -> None:
        longer = Freeze(begins="2027-01-01T00:00", ends="2027-01-10T00:00")
        both = gate([], [longer, self.XMAS], at("2026-12-24T12:00Z"))
        assert both.until == at("2027-01-10T00:00Z")

    def test_an_end_that_exists_twice_is_the_last(self) -> None:
        freeze = Freeze(begins="2026-10-24T00:00", ends="2026-10-25T02:30", zone=BERLIN)
        assert gate([], [freeze], at("2026-10-24T12:00Z")).until == at("2026-10-25T01:30Z")


WINDOWS = st.builds(
    MaintenanceWindow,
    days=st.lists(st.sampled_from(Weekday), max_size=3, unique=True).map(tuple),
    begins=st.times().map(lambda clock: f"{clock:%H:%M}"),
    duration=st.timedeltas(timedelta(minutes=1), timedelta(days=3)),
    zone=st.sampled_from(ZONES),
    at_end=st.sampled_from(AtEnd),
)
MOMENTS = st.datetimes(
    datetime.fromisoformat("2011-12-01"), datetime.fromisoformat("2027-01-01")
).map(lambda moment: at(f"{moment:%Y-%m-%dT%H:%M}Z"))
FREEZES = st.builds(
    lambda begins, hours, zone: Freeze(
        begins=f"{from_ms(begins):%Y-%m-%dT%H:%M}",
        ends=f"{from_ms(begins + hours * HOUR):%Y-%m-%dT%H:%M}",
        zone=zone,
    ),
    MOMENTS,
    st.integers(1, 900),
    st.sampled_from(ZONES),
)


class TestLaws:
    @given(WINDOWS, MOMENTS)
    def test_open_is_within_a_duration_of_a_start(
        self, window: MaintenanceWindow, now: int
    ) -> None:
        """Against the law of `rollproof.moments` in one sentence."""
        zone = ZoneInfo(window.zone)
        today = from_ms(now, zone).date()
        days = window.days or tuple(Weekday)
        starts = [
            first_shown(datetime.combine(day, time.fromisoformat(window.begins)), zone)
            for day in (today + timedelta(days=offset) for offset in range(-5, 2))
            if tuple(Weekday)[day.weekday()] in days
        ]
        within = any(
            start <= now < start + window.duration / timedelta(milliseconds=1)
            for start in starts
        )
        assert gate([window], [], now).is_open is within

    @given(
        st.lists(WINDOWS, max_size=3), st.lists(FREEZES, max_size=2), MOMENTS, st.floats(0, 1)
    )
    def test_nothing_changes_before_it_says(
        self, windows: list[MaintenanceWindow], freezes: list[Freeze], now: int, share: float
    ) -> None:
        stands = gate(windows, freezes, now)
        if stands.until is None:
            assert gate(windows, freezes, now + int(share * 400 * 24 * HOUR)).why is stands.why
            return
        assert stands.until > now
        for later in (now + int(share * (stands.until - now - 1)), stands.until - 1):
            assert gate(windows, freezes, later).why is stands.why

    @pytest.mark.parametrize("zone", ZONES)
    def test_looks_far_enough_for_every_window(self, zone: str) -> None:
        """A window of one day a week and the longest duration has a last and a next."""
        window = night(24 * 7 - 1, days=(Weekday.FRIDAY,), zone=zone, begins="12:00")
        for hours in range(0, 24 * 21, 5):
            stands = gate([window], [], at("2011-12-20T00:00Z") + hours * HOUR)
            assert stands.until is not None
