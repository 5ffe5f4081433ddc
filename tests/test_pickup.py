"""rollproof.pickup: when a published version may be gone to (R3.4, N10)."""

from datetime import timedelta

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rollproof.images import ImageVersion
from rollproof.pickup import Delay, Publication, pick_up, pick_up_again
from rollproof.policy import AutomaticOSUpgradePolicy

HOUR = 3_600_000
MINUTE = 60_000
NOON = 1_700_000_000_000
DEFAULT = AutomaticOSUpgradePolicy()


def published(at: int, version: str = "1.1.0", seen: int | None = None) -> Publication:
    """A version that was seen when it was published, or later."""
    return Publication(
        version=ImageVersion.parse(version),
        published_at=at,
        first_seen=at if seen is None else seen,
    )


class TestFirstRun:
    """R3.4: up to three hours after the configuration."""

    @given(st.text(max_size=9), st.integers(0, 1000))
    def test_within_three_hours(self, name: str, patch: int) -> None:
        there = published(NOON - HOUR, f"1.1.{patch}", seen=NOON + MINUTE)
        when = pick_up(DEFAULT, name, NOON, there)
        assert NOON <= when.at <= NOON + 3 * HOUR
        assert when.why is Delay.FIRST_RUN

    def test_configurable(self) -> None:
        at_once = AutomaticOSUpgradePolicy(first_run_within=timedelta(0))
        assert pick_up(at_once, "web", NOON, published(NOON)).at == NOON

    def test_the_same_when_asked_again_and_another_for_another(self) -> None:
        there = published(NOON)
        moments = {pick_up(DEFAULT, f"set-{n}", NOON, there).at for n in range(50)}
        assert len(moments) == 50
        assert pick_up(DEFAULT, "web", NOON, there) == pick_up(DEFAULT, "web", NOON, there)

    @given(st.text(max_size=9), st.integers(0, 1000))
    def test_the_same_for_every_version_that_was_there(self, name: str, patch: int) -> None:
        """The highest is gone to: no lower one is due before it."""
        first, other = published(NOON), published(NOON - HOUR, f"1.2.{patch}")
        assert pick_up(DEFAULT, name, NOON, first).at == pick_up(DEFAULT, name, NOON, other).at


class TestLaterPublications:
    """R3.4: picked up within 30 to 60 minutes."""

    @given(st.text(max_size=9), st.integers(1, 10**10), st.integers(0, 10**7))
    def test_within_half_an_hour_to_an_hour(self, name: str, later: int, unseen: int) -> None:
        fresh = published(NOON + later, seen=NOON + later + unseen)
        when = pick_up(DEFAULT, name, NOON, fresh)
        assert fresh.first_seen + 30 * MINUTE <= when.at <= fresh.first_seen + 60 * MINUTE
        assert when.why is Delay.PICK_UP
        assert "R3.4" in when.text

    def test_without_a_date_it_exists_since_it_was_seen(self) -> None:
        dateless = attrs.evolve(published(NOON + 5), published_at=None)
        assert dateless.appeared == NOON + 5

    def test_a_date_in_the_future_is_not_believed(self) -> None:
        """Its source's clock is wrong, or ours: it is there, so it exists."""
        odd = published(NOON + 999 * HOUR, seen=NOON + 1)
        assert odd.appeared == NOON + 1
        assert pick_up(DEFAULT, "web", NOON, odd).at <= NOON + 1 + HOUR


class TestSoak:
    """N10: an image must have reached an age."""

    SOAKING = AutomaticOSUpgradePolicy(minimum_image_age=timedelta(days=2))

    def test_holds_back_what_is_young(self) -> None:
        when = pick_up(self.SOAKING, "web", NOON, published(NOON + 1))
        assert (when.at, when.why) == (NOON + 1 + 48 * HOUR, Delay.SOAK)
        assert "P2D" in when.text

    def test_counts_from_the_publication_not_from_its_discovery(self) -> None:
        when = pick_up(self.SOAKING, "web", NOON, published(NOON + 1, seen=NOON + 47 * HOUR))
        assert when.at <= NOON + 48 * HOUR + 1
        assert pick_up(self.SOAKING, "web", NOON, published(NOON - 50 * HOUR)).why is (
            Delay.FIRST_RUN
        )


class TestUnseen:
    """R3.4: a delay that counts from the first sight has not begun before it."""

    def unseen(self, at: int, dated: bool = True) -> Publication:
        found = attrs.evolve(published(NOON + 1, seen=at), noted=False)
        return found if dated else attrs.evolve(found, published_at=None)

    @given(st.integers(2, 10**9))
    def test_it_names_the_delay_and_no_moment(self, at: int) -> None:
        when = pick_up(DEFAULT, "web", NOON, self.unseen(NOON + at))
        seen = pick_up(DEFAULT, "web", NOON, attrs.evolve(self.unseen(NOON + at), noted=True))
        assert (when.at, when.why) == (seen.at, Delay.PICK_UP), "should it be seen now"
        assert (seen.until, when.until) == (seen.at, None)
        assert when.text == pick_up(DEFAULT, "web", NOON, self.unseen(NOON + 1)).text
        assert "`rollproof serve` has not seen 1.1.0 yet; PT" in when.text

    def test_what_does_not_count_from_there_stands(self) -> None:
        """The first run, and the age of a version whose source dates it."""
        there = attrs.evolve(published(NOON - 1, seen=NOON + 5), noted=False)
        assert pick_up(DEFAULT, "web", NOON, there) == pick_up(
            DEFAULT, "web", NOON, attrs.evolve(there, noted=True)
        )
        when = pick_up(TestSoak.SOAKING, "web", NOON, self.unseen(NOON + 5))
        assert (when.until, when.why) == (NOON + 1 + 48 * HOUR, Delay.SOAK)

    def test_nor_has_it_an_age_where_nobody_dates_it(self) -> None:
        """N10."""
        when = pick_up(TestSoak.SOAKING, "web", NOON, self.unseen(NOON + 5, dated=False))
        assert (when.until, when.why) == (None, Delay.SOAK)
        assert "has not seen 1.1.0 yet, and must have for P2D (N10)" in when.text
        dated = attrs.evolve(self.unseen(NOON + 5, dated=False), noted=True)
        assert pick_up(TestSoak.SOAKING, "web", NOON, dated).until == NOON + 5 + 48 * HOUR


class TestAgain:
    def test_after_the_delay_of_a_publication(self) -> None:
        when = pick_up_again(DEFAULT, "web", "1.1.0", "web.1", NOON)
        assert NOON + 30 * MINUTE <= when.at <= NOON + 60 * MINUTE
        assert when.why is Delay.AGAIN
        later = pick_up_again(DEFAULT, "web", "1.1.0", "web.2", NOON + 1)
        assert later.at - NOON - 1 != when.at - NOON
