"""What a run wants done.

Every command has a deadline: the host answers it with an outcome, or with `Overdue`
once the deadline has passed.  So every wait of a run ends.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verb(StrEnum):
    """What is wanted."""

    SURVEY = "survey"
    """Look at the whole fleet; outcome `Surveyed`."""
    REPLACE = "replace"
    """Replace the OS disk; outcome `Replaced` or `ReplaceFailed`."""
    WATCH = "watch"
    """Look at one instance until it is healthy on ``version``; outcome `Observed` or
    `Vanished`."""
    RESTORE = "restore"
    """Give the previous OS disk back; outcome `Restored` or `RestoreFailed`."""
    WAIT = "wait"
    """Do nothing until the deadline; outcome `Overdue` (R4.5)."""
    AWAIT = "await"
    """Do nothing until everything is approved, or the deadline; outcome `Approve` or
    `Overdue` (R4.11)."""


IDLE_VERBS = frozenset({Verb.WAIT, Verb.AWAIT})
"""Commands that nobody carries out: people or time answer them, and time by the wall
clock, whoever serves meanwhile."""


class Command(NamedTuple):
    """One thing to be done, once, however often it is issued."""

    verb: Verb
    instance: str
    """Empty for SURVEY, WAIT and AWAIT."""
    attempt: int
    """Which attempt on the instance, or which survey or wait, this is about; with the
    verb and the instance it names the command."""
    deadline: int
    """Milliseconds since the Unix epoch, absolute."""
    version: str | None = None
    """REPLACE: the target.  WATCH: the version to be seen; None: any but the target."""

    def key(self, run: str) -> str:
        """The idempotency key: the same for every issue of this command."""
        return f"{run}/{self.instance}/{self.verb}/{self.attempt}"
