"""What an adapter's author supplies, and the loop, the patience and the tally around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Hashable
from typing import Any, ClassVar, TypeVar

from rollproof.adapters.provider import Provider
from rollproof_checks.fuzz.contract import BLIND, WANTED, Ask, Judged, Law, LawBroken

T = TypeVar("T")


class AdapterHooks:
    """A world with instances in it, and the way to adapter objects over that world.

    One is made for each example, so ``__init__`` may set up a world of its own.
    """

    versions: ClassVar[tuple[str, ...]] = ()
    """Required: two or more versions of which instances can be made."""
    impossible: ClassVar[str] = ""
    """A version that cannot be made; empty: never tried."""
    stranger: ClassVar[str] = "no-such-instance"
    """An id that no instance bears."""
    most: ClassVar[int] = 3
    """Instances there are at once, at most."""
    patience: ClassVar[float] = 20.0
    """Seconds within which a command must answer, and what has happened must show."""
    look: ClassVar[float] = 0.02
    """Seconds between two looks at what must show."""
    moments: ClassVar[tuple[float, ...]] = (0.0, 0.001, 0.005, 0.02, 0.1)
    """Seconds after which a command is given up, or its controller killed."""
    without: ClassVar[frozenset[Law]] = frozenset()
    """Laws that need not be judged, because the world has no such thing."""

    _tally: ClassVar[Counter[Law]]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._tally = Counter()

    # -- required

    async def open(self) -> Provider:
        """A new adapter object over the same world, as a restarted controller makes it.

        It must know nothing but what the world, or its own storage, tells it.
        """
        raise NotImplementedError("return a new adapter object over the same world")

    async def create(self, version: str) -> str:
        """Add an instance on this version, and return its id when it runs.

        If the world has data disks, write something on them that ``data`` can read.
        """
        raise NotImplementedError("add an instance to the world, and return its id")

    # -- optional: leave one out and the laws that need it are not judged

    async def kill(self, instance: str) -> None:
        """Stop what runs on the instance behind the adapter's back, for good; its disks
        stay."""

    async def destroy(self, instance: str) -> None:
        """Remove the instance behind the adapter's back."""

    async def data(self, instance: str) -> Hashable:
        """What is on the data disks, read past the adapter."""

    async def disk(self, instance: str) -> Hashable:
        """What tells one OS disk from another, read past the adapter: its id, or a mark
        that it bears.  None while it cannot be read."""

    async def boot(self, instance: str) -> Hashable:
        """What tells one boot from another, read past the adapter: a process id with its
        start time, a boot id.  None while it cannot be read."""

    async def sever(self, severed: bool) -> None:
        """Cut adapters off from the world, or connect them again: calls that lead there
        fail, answers get lost."""

    async def crash(self, ask: Ask, moment: float) -> None:
        """Let a controller of its own carry out ``ask``, and kill it after so many
        seconds; return when it is dead."""

    # -- around an example

    async def close(self, provider: Provider) -> None:
        """Let go of an adapter object."""

    async def clear_up(self) -> None:
        """Put the world away."""

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that everything here runs in."""
        return asyncio.new_event_loop()

    # -- what was judged

    @classmethod
    def has(cls, hook: str) -> bool:
        """Whether the author supplied an optional hook."""
        return getattr(cls, hook) is not getattr(AdapterHooks, hook)

    @classmethod
    def judged(cls) -> tuple[Judged, ...]:
        """What became of each law in all examples so far."""
        found = []
        for law in Law:
            hook = WANTED.get(law, "")
            lacking = "" if not hook or cls.has(hook) else hook
            blind = tuple(
                f"without `{missing}` {what}"
                for missing, of, what in BLIND
                if of is law and not cls.has(missing)
            )
            found.append(Judged(law, 0 if lacking else cls._tally[law], lacking, blind))
        return tuple(found)

    @classmethod
    def report(cls) -> str:
        """The same as text, a line for each law."""
        return "\n".join(map(str, cls.judged()))

    def _hold(self, law: Law, kept: bool, story: str) -> None:
        """A law was put to the test."""
        if not kept:
            raise LawBroken(law, story)
        type(self)._tally[law] += 1

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    _loop: asyncio.AbstractEventLoop
