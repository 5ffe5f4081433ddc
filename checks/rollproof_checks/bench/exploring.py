"""How fast the explorer is, by itself and beside SPIN on the same model.

Searches alone, without properties, as SPIN runs them here; `time_explored` has both.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import attrs

from rollproof.counts import Limits
from rollproof.table import TABLE
from rollproof_checks.explore import Bound, By, Model, explore
from rollproof_checks.explore.standard import KNOWN_FLEET, NOBODY_INTERFERES, of_size
from rollproof_checks.export.promela import promela
from rollproof_checks.export.spin import run_spin
from rollproof_spec.properties import PROPERTIES

DEFAULT: Final = Limits(20, 20, 20, 1, 0, 0)
"""The default policy, with rollback."""

EIGHT: Final = Model(
    name="8 concrete instances",
    instances=8,
    limits=Limits(25, 25, 25, 0, 0, 0),
    by=By.INSTANCE,
    bounds=(
        KNOWN_FLEET,
        NOBODY_INTERFERES,
        Bound(
            rows=("cancel", "survey_overdue"),
            why="the size of the prototype's model, which had no such rows",
        ),
    ),
)
"""About as many states as the model of the figures to beat; health flips at any time."""


@attrs.frozen
class ExploreFigure:
    """One model, searched."""

    model: str
    states: int
    transitions: int
    depth: int
    seconds: float
    peak_mib: float
    complete: bool
    properties: int
    """How many were judged on the way."""

    @property
    def per_second(self) -> float:
        """States a second."""
        return self.states / self.seconds


@attrs.frozen
class DuelFigure:
    """The same model by SPIN, depth-first, and by the explorer; one core each, in turn."""

    model: str
    states: int
    spin_seconds: float
    spin_mib: float
    seconds: float
    peak_mib: float

    @property
    def times_faster(self) -> float:
        """SPIN's wall time by the explorer's."""
        return self.spin_seconds / self.seconds


def time_model(model: Model, *, judged: bool = False) -> ExploreFigure:
    """One exploration."""
    properties = PROPERTIES if judged else ()
    found = explore(model, TABLE, properties)
    return ExploreFigure(
        model=model.name,
        states=found.states,
        transitions=found.transitions,
        depth=found.depth,
        seconds=found.seconds,
        peak_mib=found.peak_mib,
        complete=not found.stopped,
        properties=len(properties),
    )


def time_counters(size: int) -> ExploreFigure:
    """By counters, health as it was judged (see ``HEALTH_STANDS``)."""
    return time_model(of_size(size, By.COUNTERS, DEFAULT))


def time_read(size: int) -> ExploreFigure:
    """Merged, health chosen when it is read."""
    return time_model(of_size(size, By.READ, DEFAULT))


def time_explored(size: int) -> ExploreFigure:
    """As `time_read`, and every property judged on every state and step."""
    return time_model(of_size(size, By.READ, DEFAULT), judged=True)


def duel(model: Model = EIGHT) -> DuelFigure:
    """SPIN first, then the explorer.  Raises ValueError where they do not agree."""
    with tempfile.TemporaryDirectory() as folder:
        spin = run_spin(promela(model, properties=()), Path(folder), hash_bits=25)
    ours = time_model(model)
    if not (spin.complete and ours.complete and spin.states == ours.states):
        raise ValueError(f"SPIN stores {spin.states:,} states, the explorer {ours.states:,}")
    return DuelFigure(
        model=model.name,
        states=ours.states,
        spin_seconds=spin.seconds,
        spin_mib=spin.mib,
        seconds=ours.seconds,
        peak_mib=ours.peak_mib,
    )
