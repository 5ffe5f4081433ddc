"""What happened: every input of a run.  Time comes inside, in milliseconds since the
Unix epoch, UTC; the core reads no clock.

Reports about one instance carry its ``attempt``, the number the command bore, so that
a report that is late, repeated or about an earlier life of the instance is known as
such and changes nothing (S13).

What was seen comes in two kinds:

* *Asked for*: `Observed` and `Vanished` with an attempt answer the command that bore it.
  While the run waits for that very command they decide about its instance; the looks
  of one watch are handed in in their order.  At any other moment they change nothing,
  whatever the instance goes through by then, settled or not.
* *Unasked*: without an attempt they are what a host learnt by itself.  Nothing tells an
  old one from a new one, so they never decide about an instance in flight.  Of any
  other they are taken as what is so now; every survey corrects them, and no batch begins
  without one (R4.1).
"""

from __future__ import annotations

import attrs

from rollproof.commands import Verb
from rollproof.fleet import Instance
from rollproof.states import Cause


@attrs.frozen
class Start:
    """The run is to begin (R4.1)."""

    at: int


@attrs.frozen
class Surveyed:
    """The answer to a survey: the instances that differ from what the run knew, and
    those that are gone (R4.1, S11).  `rollproof.ledger.news` computes it."""

    at: int
    attempt: int
    present: tuple[Instance, ...]
    gone: tuple[str, ...] = ()


@attrs.frozen
class Replaced:
    """A provider reports that the new OS disk is there (R1.2)."""

    at: int
    instance: str
    attempt: int


@attrs.frozen
class ReplaceFailed:
    """A provider reports that the disk was certainly not replaced."""

    at: int
    instance: str
    attempt: int
    why: str


@attrs.frozen
class Observed:
    """One instance was looked at (R5, S9)."""

    at: int
    instance: Instance
    attempt: int | None = None
    """The one that the WATCH bore which this answers; None: nobody asked."""


@attrs.frozen
class Vanished:
    """One instance is no longer there (S11)."""

    at: int
    instance: str
    attempt: int | None = None
    """The one that the command bore which this answers; None: nobody asked."""
    verb: Verb = Verb.WATCH
    """What was asked for: commands of one life share a number.  Without an attempt it
    says nothing."""


@attrs.frozen
class Restored:
    """A provider reports that the previous OS disk is back (R4.3)."""

    at: int
    instance: str
    attempt: int


@attrs.frozen
class RestoreFailed:
    """A provider reports that the previous disk cannot be given back."""

    at: int
    instance: str
    attempt: int
    why: str


@attrs.frozen
class Overdue:
    """The deadline of a command passed without an outcome."""

    at: int
    verb: Verb
    instance: str
    attempt: int


@attrs.frozen
class Cancel:
    """The run is to end; ``force`` waits for nothing (R4.9, S8).

    ``cause`` is `Cause.USER`, or `Cause.OPTED_OUT` when automatic upgrades were
    switched off (R2.1).
    """

    at: int
    cause: Cause = Cause.USER
    force: bool = False


@attrs.frozen
class Pause:
    """No further batch until `Resume` (N6)."""

    at: int


@attrs.frozen
class Resume:
    """The hold is lifted (N6)."""

    at: int


@attrs.frozen
class Shut:
    """The maintenance window has closed: no further batch until `Reopen` (N10)."""

    at: int


@attrs.frozen
class Reopen:
    """The maintenance window is open (N10)."""

    at: int


@attrs.frozen
class Approve:
    """What was withheld may be upgraded: these instances, or where none is named all, those
    that appear later among them (R4.11)."""

    at: int
    instances: tuple[str, ...] = ()


@attrs.frozen
class Fault:
    """The host met an error that it must not work around (R8).

    ``cause`` is `Cause.INTERNAL`, or `Cause.CREDENTIALS` when a credential has expired
    (R4.10).
    """

    at: int
    why: str
    cause: Cause = Cause.INTERNAL


Event = (
    Start
    | Surveyed
    | Replaced
    | ReplaceFailed
    | Observed
    | Vanished
    | Restored
    | RestoreFailed
    | Overdue
    | Cancel
    | Pause
    | Resume
    | Shut
    | Reopen
    | Approve
    | Fault
)
