"""rollproof.history: which runs are shown, and which are kept (R7.1)."""

from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.charter import StartedBy
from rollproof.counts import EMPTY
from rollproof.errors import InvalidFields
from rollproof.history import SHOWN, Filter, prunable
from rollproof.states import Cause, State
from rollproof.status import RunningStatus, RunStatus, describe
from rollproof_checks.fuzz.stage import charter


def run(
    started_at: int,
    *,
    cause: Cause = Cause.NONE,
    by: StartedBy = StartedBy.USER,
    target: str = "1.1.0",
) -> RunStatus:
    terms = attrs.evolve(charter(), started_by=by, target=target)
    state = State.COMPLETED if cause is Cause.NONE else State.CANCELLED
    counts = EMPTY._replace(stop=cause)
    return describe(terms, state, counts, 1, started_at, started_at, started_at + 5, "")


TEN = tuple(run(at) for at in range(100, 0, -10))
"""Started at 100, 90, ... 10."""


def started(runs: tuple[RunStatus, ...]) -> list[int]:
    return [each.started_at for each in runs]


class TestFilter:
    """R7.1: the last 5 of 2 months by default, everything on request."""

    def test_the_last_five(self) -> None:
        assert started(Filter().of(TEN, recent=0)) == [100, 90, 80, 70, 60]

    def test_of_two_months(self) -> None:
        assert started(Filter().of(TEN, recent=81)) == [100, 90]
        assert Filter().of(TEN, recent=101) == ()

    def test_everything(self) -> None:
        assert Filter(everything=True).of(TEN, recent=101) == TEN

    def test_a_limit_replaces_the_five(self) -> None:
        assert started(Filter(limit=7).of(TEN, recent=0))[-1] == 40
        assert started(Filter(limit=7).of(TEN, recent=75)) == [100, 90, 80]
        assert started(Filter(limit=2, everything=True).of(TEN, recent=101)) == [100, 90]

    def test_bounds_of_time_replace_the_two_months(self) -> None:
        """From since on, before until."""
        assert started(Filter(since=30, until=60).of(TEN, recent=101)) == [50, 40, 30]
        assert started(Filter(until=100).of(TEN, recent=101)) == [90, 80, 70, 60, 50]
        assert started(Filter(since=90).of(TEN, recent=101)) == [100, 90]

    def test_by_status_and_cause(self) -> None:
        runs = (run(3), run(2, cause=Cause.USER), run(1, cause=Cause.INTERNAL))
        for asked, found in (
            (Filter(status=frozenset({RunningStatus.COMPLETED})), [3]),
            (
                Filter(status=frozenset({RunningStatus.FAULTED, RunningStatus.CANCELLED})),
                [2, 1],
            ),
            (Filter(cause=frozenset({Cause.INTERNAL, Cause.CREDENTIALS})), [1]),
            (Filter(status=frozenset({RunningStatus.ROLLING_BACK})), []),
        ):
            assert started(asked.of(runs, recent=0)) == found

    def test_by_target_and_who_started_it(self) -> None:
        runs = (run(3), run(2, by=StartedBy.PLATFORM), run(1, target="1.2.0"))
        assert started(Filter(target="1.2.0").of(runs, recent=0)) == [1]
        assert started(Filter(target="9.9.9").of(runs, recent=0)) == []
        assert started(Filter(started_by=StartedBy.PLATFORM).of(runs, recent=0)) == [2]

    @given(
        since=st.none() | st.integers(0, 100),
        limit=st.none() | st.integers(1, 12),
        recent=st.integers(0, 100),
    )
    def test_newest_first_and_no_other(
        self, since: int | None, limit: int | None, recent: int
    ) -> None:
        found = Filter(since=since, limit=limit).of(TEN, recent)
        assert len(found) <= (limit or SHOWN)
        assert all(a > b for a, b in pairwise(started(found)))
        passed_over = [each for each in TEN if each not in found]
        for each in passed_over:
            too_old = each.started_at < (recent if since is None else since)
            assert too_old or len(found) == (limit or SHOWN)

    @pytest.mark.parametrize(
        ("bounds", "field"),
        [({"limit": 0}, "limit"), ({"since": 5, "until": 5}, "until")],
        ids=["limit", "until"],
    )
    def test_bounds_that_no_run_can_keep(self, bounds: dict[str, int], field: str) -> None:
        with pytest.raises(InvalidFields) as error:
            Filter(**bounds)  # type: ignore[arg-type]  # the test names the fields
        assert [problem.field for problem in error.value.problems] == [field]


@attrs.frozen
class Kept:
    closed_at: int | None
    pruned_at: int | None = None


class TestPrunable:
    """A run under way is never pruned, nor one of those that are to be kept."""

    def test_by_age(self) -> None:
        runs = [Kept(None), Kept(30), Kept(20), Kept(10)]
        assert prunable(runs, before=20, keep=0) == (Kept(10),)
        assert prunable(runs, before=31, keep=0) == (Kept(30), Kept(20), Kept(10))

    def test_the_newest_stay(self) -> None:
        """Those pruned before count among them: keep says how many lines are spared."""
        runs = [Kept(40), Kept(30, 99), Kept(20), Kept(10)]
        assert prunable(runs, before=99, keep=3) == (Kept(10),)
        assert prunable(runs, before=99, keep=9) == ()

    def test_once(self) -> None:
        assert prunable([Kept(10, 99)], before=99, keep=0) == ()

    def test_keep_is_not_negative(self) -> None:
        with pytest.raises(InvalidFields, match="keep"):
            prunable([Kept(10)], before=99, keep=-1)


def test_last_action_and_image() -> None:
    """R7.1: what was last asked of the run, and which image it goes to."""
    assert run(1).last_action == "Start"
    assert run(1, cause=Cause.INTERNAL).last_action == "Start"
    assert run(1, cause=Cause.USER).last_action == "Cancel"
    assert run(1, cause=Cause.OPTED_OUT).last_action == "Cancel"
    forced = EMPTY._replace(stop=Cause.INTERNAL, forced=1)
    told = describe(
        attrs.evolve(charter(), image="web-os"), State.CANCELLED, forced, 1, 1, 1, 1, "", 7
    )
    assert (told.last_action, told.image, told.pruned_at) == ("Cancel", "web-os", 7)
