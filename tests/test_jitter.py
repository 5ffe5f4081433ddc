"""rollproof.jitter (R3.4)."""

from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from rollproof.jitter import spread


class TestSpread:
    @given(st.integers(0, 10**9), st.integers(0, 10**9), st.lists(st.text()))
    def test_within_its_bounds_and_always_the_same(
        self, low: int, more: int, texts: list[str]
    ) -> None:
        chosen = spread(low, low + more, *texts)
        assert low <= chosen <= low + more
        assert chosen == spread(low, low + more, *texts)

    def test_is_spread(self) -> None:
        """A thousand sets that see one version do not start at once."""
        chosen = [spread(0, 999, f"set-{number}", "1.2.0") for number in range(1000)]
        assert 450 < mean(chosen) < 550
        assert len(set(chosen)) > 550
        assert min(chosen) < 20
        assert max(chosen) > 980

    def test_tells_its_texts_apart(self) -> None:
        assert spread(0, 10**12, "a", "bc") != spread(0, 10**12, "ab", "c")
