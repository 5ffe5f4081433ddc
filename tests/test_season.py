"""Months of a whole installation, in virtual time (R2.1, R3.4, R4.11, S12, N6, N8, N10)."""

from pathlib import Path

import pytest

from rollproof_checks.audit import Finding, audit
from rollproof_checks.season import Figures, Season
from shared_host import fast_folder


def lived(folder: Path, sets: int, days: int, seed: int) -> tuple[Season, Figures]:
    """A season whose journal is sound and whose schedule kept its rules."""
    season = Season(folder, sets=sets, seed=seed)
    figures = season.live(days)
    assert season.breaches() == []
    assert season.behind() == []
    assert audit(season.journal).finding is Finding.SOUND
    for fleet in season.fleets.values():
        fleet.assert_lawful()
    return season, figures


class TestSeason:
    def test_a_month_of_twenty_sets(self) -> None:
        with fast_folder() as folder:
            season, figures = lived(folder, sets=20, days=30, seed=1)
            assert figures.by_platform > 20
            assert {"none", "upgraded_unhealthy"} <= figures.causes.keys()
            acts = {carried.decision.act.value for carried in season.carried}
            assert {"start", "shut", "reopen", "stop"} <= acts
            season.journal.close()

    def test_the_same_seed_lives_the_same_month(self) -> None:
        """No chance is left in the schedule: what differs is what runs are called."""
        told = []
        for _ in range(2):
            with fast_folder() as folder:
                season = Season(folder, sets=8, seed=7)
                figures = season.live(20)
                decided = [
                    (each.at, each.decision.scale_set, each.decision.act)
                    for each in season.carried
                ]
                told.append((decided, figures))
                season.journal.close()
        assert told[0] == told[1]

    @pytest.mark.slow
    def test_a_year_of_two_hundred_sets(self) -> None:
        """A minute or so of processor time, the audit included."""
        with fast_folder() as folder:
            season, figures = lived(folder, sets=200, days=365, seed=1)
            assert figures.by_platform > 2_000
            acts = {carried.decision.act.value for carried in season.carried}
            assert {"start", "shut", "reopen", "stop", "opt_out"} <= acts
            season.journal.close()
