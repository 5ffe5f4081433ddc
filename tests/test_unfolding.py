"""rollproof_checks.auditing.unfolding: rows drawn as a line are the rows taken one by one."""

from collections.abc import Sequence

import numpy as np
import pytest

from rollproof.counts import EMPTY, Counts, Limits
from rollproof.states import State
from rollproof.table import ROWS
from rollproof_checks.auditing import unfolding
from rollproof_checks.auditing.unfolding import Fields, Point, Walk, leads

LIMITS = Limits(20, 20, 20, 1, 0, 0)
START = EMPTY._replace(pending_healthy=900, pending_unhealthy=100, room=90, slack=80, cap=100)


def one_by_one(names: Sequence[str]) -> list[tuple[str, State, Point]]:
    """The rows as the table takes them on integers, and where they end."""
    state, counts, found = State.ROLLING_FORWARD, START, []
    for name in names:
        found.append((name, state, tuple(counts)))
        state, counts = ROWS[name].target or state, ROWS[name].after(counts, LIMITS)
    return [*found, ("end", state, tuple(counts))]


def unfolded(names: Sequence[str]) -> tuple[list[tuple[str, State, Point]], int]:
    """The same by a walk, and how many rows it drew as lines."""
    walk, found, drawn = Walk(State.ROLLING_FORWARD, START, LIMITS), [], 0
    for row, state, times, before in walk.take(names):
        points = [before] if isinstance(before, tuple) else [*map(tuple, before.tolist())]
        assert len(points) == times
        drawn += times if times > 1 else 0
        found += [(row, state, point) for point in points]
    return [*found, ("end", walk.state, walk.point)], drawn


class TestWalk:
    """Where a run stood before each row of one event."""

    @pytest.mark.parametrize(
        ("names", "drawn"),
        [
            ([], 0),
            (["appear_pending_healthy"] * 500, 500),
            (["appear_pending_healthy"] * (unfolding.LINE - 1), 0),
            (["claim_unhealthy"] * 40 + ["claim_healthy"] * 50 + ["seal"], 90),
            (["appear_skipped_healthy", "appear_pending_healthy"] * 40, 0),
            (["seal"] * 40, 0),
            (["batch_done"] * 40, 0),
        ],
        ids=["none", "alike", "too few", "registers", "in turn", "not by the same", "leaves"],
    )
    def test_as_one_by_one(self, names: list[str], drawn: int) -> None:
        """A row that sets a register is drawn only where it moves by the same each time,
        and one that enters a state never is."""
        assert unfolded(names) == (one_by_one(names), drawn)

    def test_goes_on_from_where_it_stands(self) -> None:
        walk = Walk(State.ROLLING_FORWARD, START, LIMITS)
        walk.go(ROWS["claim_healthy"])
        assert walk.point == ROWS["claim_healthy"].after(START, LIMITS)
        (taken,) = walk.take(["seal"])
        assert taken.before == ROWS["claim_healthy"].after(START, LIMITS)

    def test_a_row_that_is_none(self) -> None:
        with pytest.raises(KeyError, match="leap"):
            list(Walk(State.IDLE, START, LIMITS).take(["leap"]))


def columns(*points: Counts[int]) -> Fields:
    return np.array(points, np.int64).T


class TestLeads:
    """Whether a row leads from one point to another."""

    def test_each_pair_by_itself(self) -> None:
        row = ROWS["claim_healthy"]
        after = row.after(START, LIMITS)
        wrong = after._replace(room=3)
        told = leads(row, columns(START, START, START), columns(after, wrong, after), LIMITS)
        assert told.tolist() == [True, False, True]

    def test_constants(self) -> None:
        """What a row sets is no array."""
        after = START._replace(room=0, slack=0)
        told = leads(ROWS["seal"], columns(START, START), columns(after, START), LIMITS)
        assert told.tolist() == [True, False]
