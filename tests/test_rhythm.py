"""rollproof.host.rhythm: looks at a steady pace (R5.2)."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.host.rhythm import Rhythm
from rollproof_checks.virtual_time import VirtualClock, run


def beats(period: float, takes: list[float]) -> list[float]:
    """When the beats came, with so much time spent before each."""
    clock = VirtualClock()

    async def main() -> list[float]:
        rhythm, found = Rhythm(period), []
        for seconds in takes:
            await asyncio.sleep(seconds)
            await rhythm.beat()
            found.append(clock.seconds)
        return found

    return run(clock, main())


class TestRhythm:
    def test_what_looks_take_does_not_add_up(self) -> None:
        """The twin: looks of 0.7 s with a pause of 5 s between them would come at 57 s."""
        assert beats(5, [0.7] * 10) == pytest.approx([5.0 * n for n in range(1, 11)])

    def test_a_missed_beat_is_left_out(self) -> None:
        assert beats(5, [12, 0, 5, 0]) == pytest.approx([15, 20, 30, 35])

    @given(
        st.floats(0.001, 120),
        st.lists(st.floats(0, 300), min_size=1, max_size=20),
    )
    def test_the_law(self, period: float, takes: list[float]) -> None:
        """Every beat is a whole period, later than now, and none is there twice."""
        found = beats(period, takes)
        before = 0.0
        for seconds, at in zip(takes, found, strict=True):
            assert at / period == pytest.approx(round(at / period), abs=1e-6)
            assert at > before + seconds - period * 1e-6
            assert at - before > period / 2
            assert at - (before + seconds) <= period * 1.011
            before = at
