"""rollproof.streaks: what answers in a row come to (R5.2, R5.3)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.health import Health, HealthExtension, HealthSource, HttpProbe, TcpProbe
from rollproof.streaks import Streak

SECOND = 1_000
FIVE = 5 * SECOND
HEALTHY, INITIALIZING = Health.HEALTHY, Health.INITIALIZING
UNHEALTHY, UNKNOWN = Health.UNHEALTHY, Health.UNKNOWN
ANSWERS = st.lists(st.sampled_from(Health), max_size=40)
MINUTE = timedelta(minutes=1)


def verdicts(
    answers: list[Health], source: HealthSource, apart: int = FIVE, start: int = 0
) -> list[Health]:
    """What the answers come to, one after the other."""
    streak, found = Streak(), []
    for number, answer in enumerate(answers):
        streak = streak.heard(answer, source, start + number * apart)
        found.append(streak.verdict)
    return found


class TestThreshold:
    """R5.2: so many bad answers in a row, not one fewer, make an instance unhealthy."""

    @pytest.mark.parametrize(
        "source",
        [
            HttpProbe(port=80, unhealthy_threshold=3),
            TcpProbe(port=80, unhealthy_threshold=3),
            HealthExtension(port=80, unhealthy_threshold=3),
        ],
        ids=["http", "tcp", "extension"],
    )
    def test_the_third_in_a_row(self, source: HealthSource) -> None:
        bad = UNHEALTHY
        assert verdicts([HEALTHY, bad, bad, HEALTHY, bad, bad, bad, bad, HEALTHY], source) == [
            *(HEALTHY, HEALTHY, HEALTHY, HEALTHY, HEALTHY, HEALTHY, bad, bad, HEALTHY)
        ]

    @given(ANSWERS, st.integers(1, 24))
    def test_the_law(self, answers: list[Health], threshold: int) -> None:
        """After every answer: the last good one stands until `threshold` bad ones follow."""
        found = verdicts(answers, TcpProbe(port=80, unhealthy_threshold=threshold))
        for number, seen in enumerate(found):
            past = answers[: number + 1]
            row = 0
            while row < len(past) and past[-1 - row] in (UNHEALTHY, UNKNOWN):
                row += 1
            if row == 0 or row >= threshold:
                assert seen is past[-1]
            else:
                assert seen is (past[-1 - row] if row < len(past) else INITIALIZING)

    def test_before_the_first_verdict_it_is_initializing(self) -> None:
        assert verdicts([UNHEALTHY], TcpProbe(port=80, unhealthy_threshold=2)) == [INITIALIZING]
        assert verdicts([UNHEALTHY], TcpProbe(port=80)) == [UNHEALTHY]

    def test_unknown_counts_as_unhealthy(self) -> None:
        """R5.3."""
        source = HealthExtension(port=80, unhealthy_threshold=2)
        assert verdicts([HEALTHY, UNKNOWN, UNHEALTHY], source)[-1] is UNHEALTHY
        assert verdicts([HEALTHY, UNHEALTHY, UNKNOWN, UNKNOWN], source)[-1] is UNKNOWN

    def test_initializing_is_no_failure(self) -> None:
        """R5.3: wait."""
        source = HealthExtension(port=80, unhealthy_threshold=2)
        assert verdicts([UNHEALTHY, INITIALIZING, UNHEALTHY], source) == [INITIALIZING] * 3

    @given(st.integers(1, 2_499), st.integers(2, 24))
    def test_looking_more_often_does_not_judge_faster(self, apart: int, threshold: int) -> None:
        """Looks nearer than half an interval to the one counted last are one probe."""
        source = TcpProbe(port=80, unhealthy_threshold=threshold)
        found = verdicts([UNHEALTHY] * 200, source, apart)
        first = found.index(UNHEALTHY) if UNHEALTHY in found else 200
        assert first * apart >= (threshold - 1) * FIVE // 2 or first == 200

    def test_half_an_interval_is_the_limit(self) -> None:
        source = TcpProbe(port=80, unhealthy_threshold=2)
        assert verdicts([UNHEALTHY] * 2, source, 2_499)[-1] is INITIALIZING
        assert verdicts([UNHEALTHY] * 2, source, 2_500)[-1] is UNHEALTHY

    def test_a_clock_set_back_counts_on(self) -> None:
        source = TcpProbe(port=80, unhealthy_threshold=2)
        assert verdicts([UNHEALTHY] * 2, source, -2_500, start=FIVE)[-1] is UNHEALTHY

    def test_a_look_that_is_told_late_is_no_second_failure(self) -> None:
        """R5.2: of two who look at once the one who asked first may be told last."""
        source = TcpProbe(port=80, unhealthy_threshold=2)
        assert verdicts([UNHEALTHY] * 2, source, -2_499, start=FIVE)[-1] is INITIALIZING

    def test_a_steady_state_changes_nothing(self) -> None:
        """So nothing needs to be written."""
        source = TcpProbe(port=80, unhealthy_threshold=2)
        for answer in (HEALTHY, UNHEALTHY):
            streak = Streak().heard(answer, source, 0).heard(answer, source, FIVE)
            assert streak.heard(answer, source, 10 * FIVE) == streak

    def test_a_new_boot_inherits_nothing(self) -> None:
        streak = Streak("first", HEALTHY, 1, 5, 5)
        assert streak.of("first") is streak
        assert streak.of("second") == Streak("second")


class TestMinimumHealthyTime:
    """R4.3, R5.3: healthy without interruption for so long; until then initializing."""

    def test_until_it_has_passed_it_is_initializing(self) -> None:
        streak = Streak()
        for now, seen in ((0, INITIALIZING), (59_999, INITIALIZING), (60_000, HEALTHY)):
            streak, health = streak.settled(HEALTHY, MINUTE, now)
            assert health is seen

    @pytest.mark.parametrize("health", [UNHEALTHY, UNKNOWN, INITIALIZING])
    def test_an_interruption_begins_it_anew(self, health: Health) -> None:
        streak, _ = Streak().settled(HEALTHY, MINUTE, 0)
        streak, seen = streak.settled(health, MINUTE, 59_000)
        assert seen is health
        streak, seen = streak.settled(HEALTHY, MINUTE, 60_000)
        assert seen is INITIALIZING
        assert streak.settled(HEALTHY, MINUTE, 119_999)[1] is INITIALIZING
        assert streak.settled(HEALTHY, MINUTE, 120_000)[1] is HEALTHY

    @given(st.sampled_from(Health), st.integers(0, 10**12))
    def test_none_asked_for_changes_no_health(self, health: Health, now: int) -> None:
        assert Streak().settled(health, timedelta(0), now)[1] is health

    @given(st.lists(st.tuples(st.sampled_from(Health), st.integers(0, 40_000)), max_size=20))
    def test_the_law(self, looks: list[tuple[Health, int]]) -> None:
        """Healthy says that every look of the last minute, one at its beginning too, did."""
        streak, now, seen = Streak(), 0, []
        for health, after in looks:
            now += after
            seen.append((health, now))
            streak, counts_as = streak.settled(health, MINUTE, now)
            row = len(seen)
            while row and seen[row - 1][0] is HEALTHY:
                row -= 1
            since = seen[row][1] if row < len(seen) else None
            assert (counts_as is HEALTHY) == (since is not None and now - since >= 60_000)
            if health is not HEALTHY:
                assert counts_as is health

    def test_a_clock_set_back_begins_anew(self) -> None:
        streak, _ = Streak().settled(HEALTHY, MINUTE, 10**9)
        streak, seen = streak.settled(HEALTHY, MINUTE, 0)
        assert seen is INITIALIZING
        assert streak.settled(HEALTHY, MINUTE, 60_000)[1] is HEALTHY
