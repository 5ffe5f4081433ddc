"""How the phase of an instance is shown: a letter, a colour and words.

The letters alone tell the phases apart, so nothing is lost without colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from rollproof.counts import PHASES
from rollproof.run import Run
from rollproof.states import TERMINAL


@attrs.frozen
class Look:
    """One phase as it is shown."""

    letter: str
    style: str
    """A style of rich."""
    words: str
    """After a number: "3 upgraded"."""


LOOKS: Final[Mapping[str, Look]] = {
    "upgraded_healthy": Look("U", "green", "upgraded"),
    "upgraded_unhealthy": Look("X", "bold red", "upgraded, ill since"),
    "replacing": Look("R", "bold cyan", "getting the new disk"),
    "awaiting": Look("H", "bold cyan", "awaiting health"),
    "failed_healthy": Look("f", "red", "failed, healthy now"),
    "failed_unhealthy": Look("F", "bold red", "failed"),
    "restoring": Look("B", "bold magenta", "getting the old disk back"),
    "recovering": Look("b", "bold magenta", "back, awaiting health"),
    "restored_healthy": Look("P", "yellow", "failed, old disk back"),
    "restored_unhealthy": Look("p", "bold yellow", "old disk back, unhealthy"),
    "unrestored_healthy": Look("e", "red", "not restored, healthy"),
    "unrestored_unhealthy": Look("E", "bold red", "not restored"),
    "indeterminate": Look("?", "bold yellow", "unknown"),
    "skipped_healthy": Look("=", "dim green", "left alone"),
    "skipped_unhealthy": Look("~", "yellow", "left alone, unhealthy"),
    "pending_unhealthy": Look("!", "bold yellow", "waiting, unhealthy"),
    "pending_healthy": Look(".", "dim", "waiting"),
}
"""Every phase, from done to not yet begun; a density bar is filled in this order."""

IN_FLIGHT: Final = ("replacing", "awaiting", "restoring", "recovering")


def by_zone(run: Run) -> dict[str, list[str]]:
    """The phases of all instances, by zone, in the order in which batches take them."""
    ledger = run.ledger
    zones: dict[str, list[str]] = {}
    cells = ledger.phases.cells()
    for lane in sorted(ledger.roster.lanes):
        stop = min(lane.stop, len(cells))
        found = [PHASES[code] for code in cells[lane.start : stop] if code < len(PHASES)]
        if found:
            zones.setdefault(lane.zone, []).extend(found)
    return zones


def tally(run: Run) -> dict[str, int]:
    """Instances by phase, in the order of LOOKS, without the empty ones."""
    counts = run.counts._asdict()
    return {phase: counts[phase] for phase in LOOKS if counts[phase]}


def legend(run: Run) -> list[tuple[Look, int, str]]:
    """What the letters in sight mean, with the numbers and the words."""
    over = run.state in TERMINAL
    return [
        (look := LOOKS[phase], number, look.words.replace("waiting", "not touched", over))
        for phase, number in tally(run).items()
    ]


def members_in(run: Run, phases: tuple[str, ...]) -> list[str]:
    """Ids of the instances in one of these phases."""
    return [name for name, phase in run.ledger.members() if phase in phases]


def some(names: list[str], most: int = 8) -> str:
    """ "instance 3", "instances 3, 4", "2,000 instances"."""
    if len(names) > most:
        return f"{len(names):,} instances"
    return f"instance{'s' * (len(names) != 1)} {', '.join(names)}"
