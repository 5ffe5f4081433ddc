"""The provider contract: all that a host ever asks of the world.

An adapter is one class with three coroutines.  It may assume nothing about when it
is called: after a crash the host asks again, with the same key, and the adapter
must look before it acts.

The laws
========
Idempotent by key
    Two calls with one key have the effect of one.  The second call returns when the
    effect of the first is there, or raises what the first would have raised.
Look before acting
    ``replace`` on an instance whose new disk already stems from this key must not
    make another.  ``restore`` undoes one replace, named by its key: where the disk does
    not stem from it, there is nothing to undo.
A thing undone stays undone
    Once ``restore`` has returned, a late repetition of the replace that it undid does
    nothing any more (S13).
Unknown is not success
    A dropped connection, a timeout, a half-read answer raise `OutcomeUnknown`.
    Returning normally means *done*; `OperationFailed` means *certainly not done, and
    asking again will not help*.  Any other exception is taken as unknown.
An expired credential is named
    What fails because a credential of the model has expired raises `CredentialExpired`, an
    `OperationFailed` that names it: every further instance would fail alike, so the run
    stops, and what failed is left as it is (R4.10).
Data disks stay
    Neither coroutine touches a data disk (R1.2).
The previous disk stays
    After ``replace`` the disk that was there before is kept at least until the run has
    ended, so that ``restore`` can bring it back (R4.3).  After that it is kept as long as
    the set declares (``timeouts.keep_previous_disk``), by default until the next replace
    with another key.  A restore that comes too late raises `OperationFailed`, which says
    when and why the disk went.
Observed means observed
    ``Instance.version`` is read off the running instance, never remembered from a
    command (S9).  What cannot be read is ``None``; health that cannot be told is
    ``Health.UNKNOWN``.

The fuzz kit drives any adapter through these laws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rollproof.fleet import Instance
from rollproof.images import ImageVersion


class Provider(Protocol):
    """A fleet of instances, as the host sees it (R1, S9, S13)."""

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        """The instances as they are now: all, or the named one.

        A vanished instance is absent from the answer; ids are unique within it.
        Raises `OutcomeUnknown` when the fleet cannot be asked.
        """
        ...

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        """Give ``instance`` a new OS disk made from ``version``, start it, run custom
        data and extensions in their declared order (R1.2).

        Returns when the disk is replaced and provisioning has been started; health is
        seen by ``observe``.  Raises `OperationFailed`, in particular `CredentialExpired`,
        or `OutcomeUnknown`.
        """
        ...

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        """Give ``instance`` the OS disk back that it had before the replace with the key
        ``undoes`` (R4.3).

        Returns when that disk is back, also when the replace never took place.  Raises
        `OperationFailed` (for instance when no previous disk is kept) or
        `OutcomeUnknown`.
        """
        ...
