"""A provider over machines in memory, and the contract pointed at it."""

import asyncio
from collections.abc import Sequence
from itertools import count

from attrs import Factory, define

from rollproof.adapters.provider import Provider
from rollproof.errors import OperationFailed, OutcomeUnknown
from rollproof.fleet import Health, Instance
from rollproof.images import ImageVersion
from rollproof_checks.fuzz import AdapterContract, Ask
from rollproof_checks.virtual_time import VirtualClock, VirtualTimeLoop

IMAGES = ("1.0.0", "1.1.0", "1.2.0")


@define
class Machine:
    """One instance.  A disk is its number and its version."""

    disk: tuple[int, str]
    data: str
    stem: str = ""
    before: tuple[tuple[int, str], str] | None = None
    spent: set[str] = Factory(set)
    boots: int = 1
    running: bool = True
    lock: asyncio.Lock = Factory(asyncio.Lock)

    def start_on(self, disk: tuple[int, str], stem: str) -> None:
        """Boot from a disk."""
        self.disk, self.stem = disk, stem
        self.boots, self.running = self.boots + 1, True


class World:
    """What is there whether somebody looks or not."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.disks = count()
        self.connected = True


class MemoryFleet:
    """The adapter.  All that it knows it reads from the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        await self.travel(instance or "")
        return [
            Instance(
                id=name,
                version=machine.disk[1] if machine.running else None,
                health=Health.HEALTHY if machine.running else Health.UNHEALTHY,
            )
            for name, machine in self.world.machines.items()
            if instance in (None, name)
        ]

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        machine = await self.machine(instance)
        async with machine.lock:
            if key in machine.spent:
                return
            if str(version) not in IMAGES:
                raise OperationFailed(instance, f"there is no image {version}")
            await self.travel(instance)
            machine.before = (machine.disk, machine.stem)
            machine.start_on((next(self.world.disks), str(version)), key)
            machine.spent.add(key)
        await self.travel(instance)

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        machine = await self.machine(instance)
        async with machine.lock:
            if key not in machine.spent and machine.stem == undoes:
                if machine.before is None:
                    raise OperationFailed(instance, "no previous disk is kept")
                await self.travel(instance)
                machine.start_on(*machine.before)
                machine.before = None
            machine.spent |= {key, undoes}
        await self.travel(instance)

    async def machine(self, instance: str) -> Machine:
        await self.travel(instance)
        if instance not in self.world.machines:
            raise OperationFailed(instance, "there is no such instance")
        return self.world.machines[instance]

    async def travel(self, instance: str) -> None:
        """A call takes its time, and may get lost."""
        await asyncio.sleep(0.002)
        if not self.world.connected:
            raise OutcomeUnknown(instance, "the connection is lost")


class MemoryContract(AdapterContract):
    """How the kit makes a world, reads it, and plays fate in it."""

    versions = IMAGES
    impossible = "6.6.6"

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """Nothing here waits for anything outside this process, so no time need pass."""
        return VirtualTimeLoop(VirtualClock())

    async def open(self) -> Provider:
        return MemoryFleet(self.world)

    async def create(self, version: str) -> str:
        name = f"vm-{next(self.world.disks)}"
        disk = (next(self.world.disks), version)
        self.world.machines[name] = Machine(disk, data=f"rows of {name}")
        return name

    async def kill(self, instance: str) -> None:
        self.world.machines[instance].running = False

    async def destroy(self, instance: str) -> None:
        del self.world.machines[instance]

    async def data(self, instance: str) -> str:
        return self.world.machines[instance].data

    async def disk(self, instance: str) -> int:
        return self.world.machines[instance].disk[0]

    async def boot(self, instance: str) -> int:
        return self.world.machines[instance].boots

    async def sever(self, severed: bool) -> None:
        self.world.connected = not severed

    async def crash(self, ask: Ask, moment: float) -> None:
        controller = asyncio.ensure_future(ask.of(await self.open()))
        await asyncio.wait({controller}, timeout=moment)
        controller.cancel()
        await asyncio.gather(controller, return_exceptions=True)
