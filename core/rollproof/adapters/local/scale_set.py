"""A scale set kept on this machine: created, grown, shrunk, protected, destroyed."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from rollproof.adapters.files import locked
from rollproof.adapters.local import process, roster
from rollproof.adapters.local.disks import Removed
from rollproof.adapters.local.layout import Grounds, Home
from rollproof.adapters.local.machine import Machine
from rollproof.adapters.local.provision import steps
from rollproof.adapters.local.roster import Member, Roster
from rollproof.adapters.store import ImageStore
from rollproof.errors import UnknownScaleSet
from rollproof.fleet import ScaleSet
from rollproof.health import HttpProbe, TcpProbe
from rollproof.images import ImageVersion

DEFAULT_PORT = 8080  # where servers listen when no probe names a port
AT_ONCE = 64  # instances commanded or seen at the same time
TOGETHER = 16  # instances looked at in one go: a look is shorter than a change of threads
GRACE = 3.0  # seconds a server has to end after SIGTERM; most need milliseconds

_S = TypeVar("_S")
_T = TypeVar("_T")


class LocalSet:
    """The declared instances of a scale set and the machines that carry them out.

    Any number of these may look at one set, in any number of processes: what is known
    is on disk, and a lock per instance lets commands on it through one by one.
    """

    def __init__(
        self,
        root: Path,
        scale_set: ScaleSet,
        images: ImageStore,
        *,
        folder: Path = Path(),
        grace: float = GRACE,
    ) -> None:
        """`folder` is where the set's document lies, and its relative paths begin."""
        self.scale_set = scale_set
        self.images = images
        # A probe asks the server itself; a reporter listens beside it, if at all.
        source = scale_set.health
        self.port = source.port if isinstance(source, HttpProbe | TcpProbe) else DEFAULT_PORT
        self.folder = folder
        self.grace = grace
        self._grounds = Grounds(root.resolve() / scale_set.name)
        self._steps = steps(scale_set, folder)
        # asyncio's own pool has a handful of threads: a batch would queue up.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="local-fleet")

    def declared(self) -> tuple[Member, ...]:
        """The instances declared, running or not. Raises UnknownScaleSet."""
        return self._known().members

    async def create(
        self,
        instances: int = 12,
        zones: int = 3,
        update_domains: int = 5,
        version: ImageVersion | None = None,
        *,
        progress: Callable[[str], None] = lambda instance: None,
    ) -> None:
        """Declare the fleet and start it on a version, the latest by default.

        A fleet declared already is completed as it was declared: what has a disk keeps
        it, what does not run is started. `progress` hears of each instance that is up.
        Raises AddressInUse, UnknownImage, UnknownImageVersion.
        """
        image = self.scale_set.image_reference.name
        chosen = version or self.images.latest(image)
        self.images.path(image, chosen)
        self._grounds.path.mkdir(parents=True, exist_ok=True)
        with roster.changing(self._grounds) as known:
            full = known
            if full is None:
                empty = Roster(zones=zones, update_domains=update_domains)
                full = empty.grown(instances, self._grounds.path, self.port)
                roster.save(self._grounds, full)

        async def bring_up(member: Member) -> None:
            await self._threaded(self._machine(member).create, chosen)
            progress(member.id)

        await at_once(bring_up, full.members)

    async def add_instance(self, version: ImageVersion | None = None) -> str:
        """Add one instance, on the latest version by default; its id (S11)."""
        chosen = version or self.images.latest(self.scale_set.image_reference.name)
        with roster.changing(self._grounds):
            grown = self._known().grown(1, self._grounds.path, self.port)
            roster.save(self._grounds, grown)
        await self._threaded(self._machine(grown.members[-1]).create, chosen)
        return grown.members[-1].id

    async def remove_instance(self, instance: str) -> None:
        """End the instance and remove its disks (S11). Raises UnknownInstance."""
        self._known().member(instance)
        await self._threaded(self._remove, instance)

    def protect(self, instance: str, protected: bool = True) -> None:
        """Protect the instance from upgrades, or no longer. Raises UnknownInstance."""
        with roster.changing(self._grounds):
            roster.save(self._grounds, self._known().protecting(instance, protected))

    async def sweep(self) -> tuple[Removed, ...]:
        """Remove the previous disks that were kept as long as the set declares; which.

        Not for the middle of a run, which may have to give one of them back (R4.3).
        Raises UnknownScaleSet.
        """
        keep = self.scale_set.timeouts.keep_previous_disk
        if keep is None:
            return ()

        async def sweep(member: Member) -> Removed | None:
            return await self._threaded(self._machine(member).sweep, keep)

        swept = await at_once(sweep, self._known().members)
        return tuple(removed for removed in swept if removed is not None)

    async def destroy(self) -> None:
        """End every process and remove every disk, also of a half-made fleet."""
        if self._grounds.path.is_dir():
            await at_once(partial(self._threaded, self._raze), self._grounds.homes())
            await self._threaded(self._clear)

    async def aclose(self) -> None:
        """Let go of the threads. The servers run on."""
        self._threads.shutdown(wait=False)

    def _remove(self, instance: str) -> None:
        home = self._grounds.home(instance)
        self._raze(home)
        with roster.changing(self._grounds):
            roster.save(self._grounds, self._known().without(instance))

    def _raze(self, home: Home) -> None:
        """End the instance and remove its folder; commands that wait for it then fail."""
        home.make()  # of a half-made instance
        with locked(home.lock):
            process.power_off(home, self.grace)
            shutil.rmtree(home.path)

    def _clear(self) -> None:
        process.end(self._grounds.path, self.grace)  # of instances whose folder was lost
        shutil.rmtree(self._grounds.path)

    def _load(self) -> Roster | None:
        return roster.load(self._grounds)

    def _known(self) -> Roster:
        if (known := self._load()) is None:
            raise UnknownScaleSet(self.scale_set.name)
        return known

    def _machine(self, member: Member) -> Machine:
        return Machine(
            id=member.id,
            home=self._grounds.home(member.id),
            address=member.address,
            port=self.port,
            images=self.images,
            image=self.scale_set.image_reference.name,
            steps=self._steps,
            source=self.scale_set.health,
            grace=self.grace,
        )

    async def _threaded(self, call: Callable[..., _T], *arguments: object) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

    async def _each(self, look: Callable[..., _T], *columns: Sequence[object]) -> list[_T]:
        """A short look at every instance, TOGETHER at a time; arguments as of `map`."""

        def some(rows: Sequence[tuple[object, ...]]) -> list[_T]:
            return [look(*row) for row in rows]

        rows = list(zip(*columns, strict=True))
        goes = [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]
        return [*chain.from_iterable(await at_once(partial(self._threaded, some), goes))]


async def at_once(
    call: Callable[[_S], Awaitable[_T]], items: Iterable[_S], most: int = AT_ONCE
) -> list[_T]:
    """Call it with each of the items, so many at a time; then raise the first error, if any.

    A call is made when its turn has come: one that was made and then given up, because
    we were cancelled, would never be awaited.
    """
    admitted = asyncio.Semaphore(most)

    async def one(item: _S) -> _T:
        async with admitted:
            return await call(item)

    results = await asyncio.gather(*map(one, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
