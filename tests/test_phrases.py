"""rollproof.phrases: every part of every guard has its words (N5)."""

from typing import Any

import pytest
from hypothesis import given, settings

from rollproof.algebra import ite
from rollproof.counts import EMPTY, PHASES, Counts, Limits
from rollproof.phrases import (
    NUMBERS,
    PHRASES,
    STANDING,
    numbered,
    some,
    spelled,
)
from rollproof.table import ROWS, TABLE, Row
from rollproof.traced import Number, conjuncts, traced, truth
from test_traced import COUNTS, LIMITS

POINT = traced(EMPTY, Limits(20, 20, 20, 1, 0, 0, 0))


def parts(row: Row, point: tuple[Counts[Any], Limits[Any]] = POINT) -> list[Any]:
    return [*conjuncts(truth(row.enabled(*point)))]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_part_of_every_guard_has_a_phrase(row: Row) -> None:
    """N5: what is missing here is shown as a bare comparison."""
    missing = [spelled(part) for part in parts(row) if part.tree not in PHRASES]
    assert missing == [], "write a phrase for it in rollproof.phrases"


def test_no_phrase_is_about_nothing() -> None:
    """The twin: a phrase that no guard uses any more is found."""
    used = {part.tree for row in TABLE for part in parts(row)}
    idle = [spelled(truth(p.term(*POINT))) for t, p in PHRASES.items() if t not in used]
    emptied = {phase for row in TABLE for phase in row.empty}
    phases = {f"{phase} == 0" for phase in PHASES if phase not in emptied}
    assert set(idle) <= phases | {"rollback == 1", "restore_on_breach == 1"}


@settings(max_examples=30)
@given(counts=COUNTS, limits=LIMITS)
def test_what_fails_is_said_in_words(counts: Counts[int], limits: Limits[int]) -> None:
    """No phrase breaks on any numbers."""
    for row in TABLE:
        for part in parts(row, traced(_legal(counts), limits)):
            if not part.holds:
                phrase = PHRASES[part.tree]
                assert phrase.fails(_legal(counts), limits)
                assert phrase.release


def _legal(counts: Counts[int]) -> Counts[int]:
    return counts._replace(stop=counts.stop % 7, view=counts.view % 4)


def test_every_phase_has_words() -> None:
    assert set(STANDING) == set(PHASES)


def test_numbers_bear_their_names() -> None:
    """N5: the comparison itself, with names and with numbers."""
    counts = EMPTY._replace(pending_healthy=9, pending_unhealthy=3)
    point = traced(counts, Limits(20, 20, 20, 1, 0, 0, 0))
    told = {spelled(part): numbered(part) for part in parts(ROWS["begin_unhealthy"], point)}
    assert told["(unhealthy * 100) <= (whole * max_unhealthy)"] == "300 <= 240"
    assert told["(gated == 0) or (pending == 0)"] == "(0 == 0) or (12 == 0)"
    assert told["held == 0"] == "0 == 0"
    assert {"headroom", "in_flight"} <= set(NUMBERS.values())


def test_what_has_no_name_is_spelled_out() -> None:
    x = Number(3, "name", "x")
    chosen = ite(x > 1, x, 7) > 2
    assert (spelled(chosen), numbered(chosen)) == ("(one of x, 7) > 2", "3 > 2")
    for known, word in ((True, "always"), (False, "never")):
        assert spelled(truth(known)) == numbered(truth(known)) == word


def test_how_many() -> None:
    assert [some(n, "ill") for n in (0, 1, 2)] == [
        "no instance is ill",
        "1 instance is ill",
        "2 instances are ill",
    ]
