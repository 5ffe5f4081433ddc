"""rollproof.rules, against exact fractions."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.rules import batch_bound, exceeds, share, spare

PERCENTS = range(101)
SIZES = range(2001)


class TestS2:
    """S2: a share exceeds p when it is more than p, in integers, never floats."""

    @pytest.mark.parametrize("percent", PERCENTS)
    def test_around_every_boundary(self, percent: int) -> None:
        for n in SIZES[1:]:
            edge = Fraction(percent * n, 100)
            for part in {0, floor(edge), floor(edge) + 1, n}:
                assert exceeds(part, n, percent) is (part > edge)

    @pytest.mark.parametrize("percent", PERCENTS)
    def test_of_no_instances_nothing_exceeds(self, percent: int) -> None:
        assert exceeds(0, 0, percent) is False

    @given(st.integers(0, 10**30), st.integers(1, 10**30), st.integers(0, 100))
    def test_exact_where_a_float_is_not(self, part: int, n: int, percent: int) -> None:
        assert exceeds(part, n, percent) is (Fraction(part, n) > Fraction(percent, 100))

    def test_a_float_would_get_this_wrong(self) -> None:
        assert 7 / 100 * 100 > 7  # what it would say of 7 in 100 and 7 %
        assert exceeds(7, 100, 7) is False

    def test_reaching_is_not_passing(self) -> None:
        assert exceeds(1, 5, 20) is False
        assert exceeds(2, 9, 20) is True


class TestS1:
    """S1: a batch is max(1, floor(percent * N / 100))."""

    @pytest.mark.parametrize("percent", PERCENTS)
    def test_every_size(self, percent: int) -> None:
        for n in SIZES:
            assert batch_bound(n, percent) == max(1, floor(Fraction(percent, 100) * n))

    @pytest.mark.parametrize(
        ("n", "percent", "most"),
        [
            *[(1, 20, 1), (4, 20, 1), (5, 20, 1), (9, 20, 1), (10, 20, 2), (14, 20, 2)],
            *[(1, 100, 1), (7, 100, 7), (19, 5, 1), (20, 5, 1), (39, 5, 1), (40, 5, 2)],
            (1_000_000, 20, 200_000),
        ],
    )
    def test_cases(self, n: int, percent: int, most: int) -> None:
        assert batch_bound(n, percent) == most


class TestS6:
    """S6: already unhealthy and batch together stay within the floor of the share."""

    @pytest.mark.parametrize("percent", PERCENTS)
    def test_share_is_the_largest_that_does_not_exceed(self, percent: int) -> None:
        for n in SIZES:
            most = share(n, percent)
            assert exceeds(most, n, percent) is False
            assert exceeds(most + 1, n, percent) is True

    @pytest.mark.parametrize("percent", PERCENTS)
    def test_spare_is_what_remains(self, percent: int) -> None:
        for n in SIZES[::7]:
            allowed = floor(Fraction(percent * n, 100))
            for ill in {0, 1, allowed, allowed + 1, n}:
                assert spare(n, ill, percent) == allowed - ill

    def test_nothing_is_spare_where_the_share_is_reached(self) -> None:
        assert spare(10, 2, 20) == 0
        assert spare(10, 3, 20) == -1
        assert spare(10, 0, 20) == 2
