"""The seven states of a run and the causes that can stop it (R8)."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class State(StrEnum):
    """Where a run stands.  Exactly seven; the last two are dead ends."""

    IDLE = "Idle"
    PRECHECKING = "Prechecking"
    ROLLING_FORWARD = "RollingForward"
    WAITING_HEALTH = "WaitingHealth"
    ROLLING_BACK = "RollingBack"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"


TERMINAL = frozenset({State.CANCELLED, State.COMPLETED})
"""No row of the table leaves these."""

ACTIVE = frozenset(State) - TERMINAL - {State.IDLE}
"""A run in one of these holds its scale set: no second one may start (R4.9)."""


class Cause(IntEnum):
    """Why no further batch may begin; the first one recorded stands (R8)."""

    NONE = 0
    USER = 1
    OPTED_OUT = 2
    FLEET_UNHEALTHY = 3
    UPGRADED_UNHEALTHY = 4
    CREDENTIALS = 5
    INTERNAL = 6

    @property
    def is_fault(self) -> bool:
        """Whether the outside reads Faulted rather than Cancelled (R8)."""
        return self not in (Cause.NONE, Cause.USER)


class View(IntEnum):
    """How current the run's picture of the fleet is while it prechecks."""

    STALE = 0
    ASKED = 1
    FRESH = 2
    RESTING = 3
    """Nothing is left but what is withheld: the run looks again once that changes (R4.11)."""
