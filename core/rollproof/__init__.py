"""Upgrades the operating-system image of a whole fleet, batch by batch, and can prove
what it will never do.

The pure part is here: values that users write down, the run machine and the questions
that can be asked of it.  What touches the world is imported by name:
`rollproof.host`, `rollproof.journal`, `rollproof.adapters`.
"""

from rollproof.charter import Charter, StartedBy, draw_up
from rollproof.commands import Command, Verb
from rollproof.counts import Counts, Limits
from rollproof.errors import RollproofError
from rollproof.events import (
    Approve,
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Reopen,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Shut,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance, ScaleSet
from rollproof.images import ImageReference, ImageVersion
from rollproof.ledger import Ledger, news
from rollproof.policy import RollingUpgradePolicy, Timeouts, UpgradePolicy
from rollproof.rollback import draw_up_rollback
from rollproof.run import Run, expects, new_run
from rollproof.states import Cause, State
from rollproof.step import step, trace
from rollproof.table import TABLE, Row

__all__ = [
    "TABLE",
    "Approve",
    "Cancel",
    "Cause",
    "Charter",
    "Command",
    "Counts",
    "Event",
    "Fault",
    "Health",
    "ImageReference",
    "ImageVersion",
    "Instance",
    "Ledger",
    "Limits",
    "Observed",
    "Overdue",
    "Pause",
    "Reopen",
    "ReplaceFailed",
    "Replaced",
    "RestoreFailed",
    "Restored",
    "Resume",
    "RollingUpgradePolicy",
    "RollproofError",
    "Row",
    "Run",
    "ScaleSet",
    "Shut",
    "Start",
    "StartedBy",
    "State",
    "Surveyed",
    "Timeouts",
    "UpgradePolicy",
    "Vanished",
    "Verb",
    "draw_up",
    "draw_up_rollback",
    "expects",
    "new_run",
    "news",
    "step",
    "trace",
]
