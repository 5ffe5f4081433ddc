"""rollproof.counts."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof import counts
from rollproof.counts import EMPTY, PHASE_COUNT, PHASES, REGISTERS, SETTLED, Counts, Limits

COUNTS = st.builds(
    lambda cells: Counts(*cells),
    st.lists(st.integers(0, 50), min_size=len(EMPTY), max_size=len(EMPTY)),
)
FLYING = {"replacing", "awaiting", "restoring", "recovering"}


def named(start: str) -> set[str]:
    return {phase for phase in PHASES if phase.startswith(f"{start}_")}


def total(c: Counts[int], phases: Iterable[str]) -> int:
    """By names: another way than the module's."""
    return sum(getattr(c, phase) for phase in phases)


class TestShape:
    """Seventeen phases, then ten registers."""

    def test_fields(self) -> None:
        assert PHASE_COUNT == len(PHASES) == 17
        assert len(REGISTERS) == 10
        assert Counts._fields == PHASES + REGISTERS

    def test_every_phase_is_one_of_the_designs(self) -> None:
        settled = {f"{name}_{side}" for name in SETTLED for side in ("healthy", "unhealthy")}
        assert set(PHASES) == settled | FLYING | {"indeterminate"}

    def test_empty(self) -> None:
        assert tuple(EMPTY) == (0,) * 27
        assert len(Limits._fields) == 7


class TestSums:
    """S3, S4, S5: who is counted where."""

    @pytest.mark.parametrize(
        ("sum_of", "phases"),
        [
            (counts.whole, set(PHASES)),
            (counts.pending, named("pending")),
            (counts.skipped, named("skipped")),
            (counts.in_flight, FLYING),
            (counts.failed, named("failed")),
            (counts.upgraded, named("upgraded")),
            (counts.undone, named("restored") | named("unrestored")),
            (
                counts.settled_attempts,
                named("upgraded") | named("failed") | named("restored") | named("unrestored"),
            ),
            (counts.attempted, set(PHASES) - named("pending") - named("skipped")),
            (
                counts.lost,
                named("failed")
                | named("restored")
                | named("unrestored")
                | {"upgraded_unhealthy", "restoring", "recovering"},
            ),
            (
                counts.unhealthy,
                {phase for phase in PHASES if phase.endswith("_unhealthy")} | {"indeterminate"},
            ),
        ],
    )
    @given(c=COUNTS)
    def test_by_name(
        self, sum_of: Callable[[Counts[Any]], Any], phases: set[str], c: Counts[int]
    ) -> None:
        assert sum_of(c) == total(c, phases)

    @given(COUNTS)
    def test_the_groups_partition_the_set(self, c: Counts[int]) -> None:
        groups = (
            *(counts.pending, counts.in_flight, counts.upgraded, counts.failed),
            *(counts.undone, counts.skipped),
        )
        assert sum(group(c) for group in groups) + c.indeterminate == counts.whole(c)

    @given(COUNTS)
    def test_a_part_is_never_more_than_its_whole(self, c: Counts[int]) -> None:
        assert counts.unhealthy(c) + counts.in_flight(c) <= counts.whole(c)
        assert counts.lost(c) <= counts.attempted(c) <= counts.whole(c)

    @given(COUNTS)
    def test_registers_are_no_instances(self, c: Counts[int]) -> None:
        bare = c._replace(**dict.fromkeys(REGISTERS, 0))
        for sum_of in (counts.whole, counts.attempted, counts.lost, counts.unhealthy):
            assert sum_of(c) == sum_of(bare)

    def test_s4_healed_by_its_previous_disk_is_still_lost(self) -> None:
        """S4."""
        for phase in ("failed_healthy", "restored_healthy", "unrestored_healthy"):
            assert counts.lost(EMPTY._replace(**{phase: 1})) == 1
            assert counts.unhealthy(EMPTY._replace(**{phase: 1})) == 0

    def test_s5_in_flight_is_not_unhealthy(self) -> None:
        """S5."""
        for phase in FLYING:
            assert counts.unhealthy(EMPTY._replace(**{phase: 1})) == 0
