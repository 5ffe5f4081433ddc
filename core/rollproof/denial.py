"""How earlier runs to a version bear on the next one (S12, N7).

The law
=======
* A version whose run was ended by a threshold, whoever started it, is denied: no
  automatic run goes to it until a newer version, a model change or an explicit retry.
* A run that ended otherwise without completing (a user cancelled it, its window closed,
  a credential had expired, the host met an error) denies nothing; the version is picked
  up again, after the delay of a publication.
* A version that a run has completed is not gone to again, nor is a lower one: an
  installation that withdraws a version does not take fleets back.
* A version whose run was taken back as a whole is denied too, however that run ended: who
  took it back does not want it again (N7).
* Runs of an earlier model say nothing, and neither does one that a retry has forgiven.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import attrs

from rollproof.charter import StartedBy
from rollproof.images import ImageVersion
from rollproof.states import Cause

THRESHOLDS = frozenset({Cause.FLEET_UNHEALTHY, Cause.UPGRADED_UNHEALTHY})
"""Causes that deny the version (S12)."""


@attrs.frozen(kw_only=True)
class RunFacts:
    """A run, as the schedule sees it."""

    run: str
    target: ImageVersion | None
    """None of a run that takes another one back."""
    started_by: StartedBy
    opened_at: int
    ended_at: int | None = None
    """None while it is under way."""
    cause: Cause = Cause.NONE
    """What stopped it, or is stopping it."""
    completed: bool = False
    takes_back: str = ""
    """The run that this one takes back (N7)."""
    shut: bool = False
    """Its gate is shut (S7)."""
    awaiting_until: int | None = None
    """The latest time for the approvals it waits for; None: it waits for none (R4.11)."""


class Standing(Enum):
    """What a version's latest run makes of it."""

    NEW = "new"
    DONE = "done"
    DENIED = "denied"
    AGAIN = "again"


def standing(
    version: ImageVersion, runs: Iterable[RunFacts], configured_at: int, retry_at: int | None
) -> tuple[Standing, RunFacts | None]:
    """How a version stands, and the run that says so.  ``runs`` are those that have
    ended, newest first."""
    latest: RunFacts | None = None
    undone: dict[str, RunFacts] = {}
    for run in runs:
        if run.opened_at < configured_at:
            break
        if run.target is None:
            undone.setdefault(run.takes_back, run)
        elif run.completed and run.target >= version and run.run not in undone:
            return Standing.DONE, run
        elif run.target == version and latest is None:
            latest = undone.get(run.run, run)
    if latest is None or _is_forgiven(latest, retry_at):
        return Standing.NEW, None
    denied = latest.target is None or latest.cause in THRESHOLDS
    return (Standing.DENIED if denied else Standing.AGAIN), latest


def _is_forgiven(run: RunFacts, retry_at: int | None) -> bool:
    """Whether a retry was asked for since the run ended (S12)."""
    return retry_at is not None and run.ended_at is not None and run.ended_at <= retry_at
