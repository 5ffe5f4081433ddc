"""rollproof.denial: how earlier runs to a version bear on the next one (S12, N7)."""

from typing import Any

import attrs
import pytest

from rollproof.charter import StartedBy
from rollproof.denial import THRESHOLDS, RunFacts, Standing, standing
from rollproof.images import ImageVersion
from rollproof.states import Cause

V1, V2, V3 = (ImageVersion.parse(text) for text in ("1.0.0", "2.0.0", "3.0.0"))


def ended(cause: Cause = Cause.NONE, target: ImageVersion = V2, **fields: Any) -> RunFacts:
    """A run that has ended, completed unless a cause says otherwise."""
    given = {"run": "web.1", "opened_at": 100, "ended_at": 200, **fields}
    completed = cause is Cause.NONE
    by = given.pop("started_by", StartedBy.PLATFORM)
    return RunFacts(target=target, started_by=by, cause=cause, completed=completed, **given)


def stands(
    version: ImageVersion, *runs: RunFacts, configured: int = 0, retry: int | None = None
) -> Standing:
    """How a version stands after runs, newest first."""
    return standing(version, runs, configured, retry)[0]


class TestS12:
    """S12: a version whose run ended by threshold is not retried automatically."""

    @pytest.mark.parametrize("cause", [each for each in Cause if each is not Cause.NONE])
    def test_only_a_threshold_denies(self, cause: Cause) -> None:
        """By the letter of S12: not a user's cancel, nor a fault of ours."""
        expected = Standing.DENIED if cause in THRESHOLDS else Standing.AGAIN
        assert stands(V2, ended(cause)) is expected

    def test_whoever_started_it(self) -> None:
        by_hand = ended(Cause.UPGRADED_UNHEALTHY, started_by=StartedBy.USER)
        assert stands(V2, by_hand) is Standing.DENIED

    def test_until_a_newer_version(self) -> None:
        assert stands(V3, ended(Cause.FLEET_UNHEALTHY)) is Standing.NEW

    def test_until_a_model_change(self) -> None:
        bad = ended(Cause.FLEET_UNHEALTHY)
        assert stands(V2, bad, configured=100) is Standing.DENIED
        assert stands(V2, bad, configured=101) is Standing.NEW

    def test_until_an_explicit_retry(self) -> None:
        bad = ended(Cause.FLEET_UNHEALTHY)
        assert stands(V2, bad, retry=199) is Standing.DENIED
        assert stands(V2, bad, retry=200) is Standing.NEW

    def test_a_retry_forgives_what_was_before_it_only(self) -> None:
        first, second = (
            ended(Cause.FLEET_UNHEALTHY),
            ended(Cause.FLEET_UNHEALTHY, opened_at=300, ended_at=400),
        )
        assert stands(V2, second, first, retry=250) is Standing.DENIED

    def test_the_latest_run_to_it_counts(self) -> None:
        bad, cancelled = (
            ended(Cause.FLEET_UNHEALTHY),
            ended(Cause.USER, opened_at=300, ended_at=400),
        )
        assert stands(V2, cancelled, bad) is Standing.AGAIN
        assert stands(V2, bad, cancelled) is Standing.DENIED


class TestDone:
    def test_what_was_completed_is_not_gone_to_again(self) -> None:
        verdict, run = standing(V2, [ended()], 0, None)
        assert verdict is Standing.DONE
        assert run is not None
        assert run.run == "web.1"

    def test_nor_what_is_lower(self) -> None:
        """A version that is withdrawn takes no fleet back."""
        assert stands(V1, ended()) is Standing.DONE
        assert stands(V3, ended()) is Standing.NEW

    def test_a_fall_back_by_hand_is_not_fought(self) -> None:
        back = ended(target=V1, opened_at=300, ended_at=400)
        assert stands(V2, back, ended()) is Standing.DONE

    def test_a_later_completion_outweighs_a_denial(self) -> None:
        again = ended(opened_at=300, ended_at=400)
        assert stands(V2, again, ended(Cause.FLEET_UNHEALTHY)) is Standing.DONE

    def test_an_earlier_model_says_nothing(self) -> None:
        assert stands(V2, ended(), configured=101) is Standing.NEW


class TestTakenBack:
    """N7: who takes a whole run back does not want its version again."""

    def back(self, **fields: Any) -> RunFacts:
        given = {"run": "web.2", "opened_at": 300, "ended_at": 400, **fields}
        return attrs.evolve(ended(), target=None, takes_back="web.1", **given)

    @pytest.mark.parametrize("cause", Cause)
    def test_however_it_ended(self, cause: Cause) -> None:
        verdict, run = standing(V2, [self.back(), ended(cause)], 0, None)
        assert verdict is Standing.DENIED
        assert run is not None
        assert run.takes_back == "web.1"

    def test_a_newer_version_or_a_retry_lifts_it(self) -> None:
        assert stands(V3, self.back(), ended()) is Standing.NEW
        assert stands(V2, self.back(), ended(), retry=399) is Standing.DENIED
        assert stands(V2, self.back(), ended(), retry=400) is Standing.NEW

    def test_another_run_is_not_meant(self) -> None:
        assert stands(V2, self.back(), ended(run="web.0")) is Standing.DONE
