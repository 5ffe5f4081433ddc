"""Listeners of the runs that a host hosts.

    host = EmbeddedHost(journal, provider_of, observers=[Listening(Bell())])

`rollproof.listeners` says which methods of a listener are called, and with what.  Import
this where somebody listens: it brings python-statemachine.
"""

from __future__ import annotations

import asyncio

import attrs

from rollproof.journal import Turned
from rollproof.lifecycle import Lifecycle
from rollproof.states import TERMINAL


@attrs.frozen
class _Followed:
    """One run, and its order: what happened first is told first."""

    lifecycle: Lifecycle
    order: asyncio.Lock = attrs.Factory(asyncio.Lock)


class Listening:
    """An observer that lets listeners, plain or async, hear of every run, row by row, in
    the order of the journal.  Of a run that was under way they hear what follows.

    The host does not wait for them: who takes his time hears late, and the run goes on.
    When the host ends, what is left to be heard has a second.
    """

    def __init__(self, *listeners: object) -> None:
        """Several runs may be told side by side: ``run`` says which it is about."""
        self._listeners = listeners
        self._followed: dict[str, _Followed] = {}

    async def __call__(self, turned: Turned) -> None:
        """Hear of one event.  The host calls this in the order of the journal, and a lock
        lets through in the order of arrival."""
        name, after = turned.after.charter.run, turned.after
        if name not in self._followed:
            self._followed[name] = _Followed(Lifecycle(turned.before, self._listeners))
        followed = self._followed[name]
        if after.state in TERMINAL:
            del self._followed[name]
        async with followed.order:
            await followed.lifecycle.afollow(after, turned.rows, turned.event.at)
