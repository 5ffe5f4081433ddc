"""Observing a home without hosting anything in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs

from rollproof.host import Home
from rollproof.installation.interrupts import interrupts
from rollproof.installation.observing.feed import Standing
from rollproof.installation.observing.observatory import Observatory
from rollproof.installation.observing.outlet import Outlet
from rollproof.journal import Journal

WHILE_IT_LASTS = 24 * 3600.0
"""Seconds that `once` gives the outlets; each ends by itself when it has told everything,
or is refused."""


@attrs.frozen
class Reported:
    """How the outlets fared."""

    outlets: tuple[Standing, ...]
    interrupted: int | None = None
    """The signal that ended it."""


def observe(home: Home, journal: Journal, outlets: Sequence[Outlet], *, once: bool) -> Reported:
    """Feed the outlets until SIGINT or SIGTERM; or ``once``, with what waits for them.

    Raises `HomeInUse` while another process feeds those of this home.
    """
    observatory = Observatory(home, outlets)
    observatory.open(journal)
    if once:
        return Reported(observatory.close(WHILE_IT_LASTS))
    number = asyncio.run(_interrupted())
    return Reported(observatory.close(), number)


async def _interrupted() -> int:
    """The number of the signal that comes."""
    came: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def comes(number: int) -> None:
        if not came.done():
            came.set_result(number)

    with interrupts(comes):
        return await came
