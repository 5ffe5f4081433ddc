"""rollproof_checks.fuzz.AdapterContract: lawful adapters pass, and each law can fail.

Issue 3, item 6.  The laws are those of rollproof.adapters.provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from catching import catching
from memory_fleet import IMAGES, Machine, MemoryContract, MemoryFleet, World
from rollproof.adapters.provider import Provider
from rollproof.commands import Verb
from rollproof.errors import OperationFailed, OutcomeUnknown
from rollproof.fleet import Instance
from rollproof.images import ImageVersion
from rollproof_checks.fuzz import (
    AdapterContract,
    Ask,
    Law,
    LawBroken,
    NotJudged,
)
from rollproof_checks.fuzz.hooks import AdapterHooks
from rollproof_checks.simulated import Behaviour, Conduct, SimulatedFleet, Twist, steady
from rollproof_checks.virtual_time import VirtualClock, VirtualTimeLoop

QUICK: Final = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
CATCH: Final = catching(QUICK, max_examples=300)


def of(law: Law) -> str:
    """What the kit says of a broken law."""
    return f"law broken: {law}"


class TestLawfulAdapters:
    """They pass, and every law was judged."""

    def test_in_memory(self) -> None:
        """R1.2, R4.3, S9, S11, S13, N2: the example of docs/fuzz.md."""
        found = MemoryContract.fuzz(settings(QUICK, max_examples=60, derandomize=True))
        assert [each.law for each in found] == list(Law)
        assert all(each.times and not each.lacking for each in found)
        assert not any(each.blind for each in found)

    def test_the_simulated_fleet(self) -> None:
        """The fleet that hosts are fuzzed with keeps the contract itself."""
        thorough = settings(QUICK, max_examples=60, derandomize=True)
        found = {each.law: each for each in SimulatedContract.fuzz(thorough)}
        assert found[Law.DATA].lacking == "data"
        assert all(each.times for law, each in found.items() if law is not Law.DATA)

    def test_under_unittest(self) -> None:
        """The other door."""

        class Case(MemoryContract.TestCase):  # type: ignore[misc,valid-type]  # made when asked
            settings = settings(QUICK, max_examples=3)

        Case().runTest()


class TestWhatTheKitFound:
    """Each of these failed before the fleet was mended."""

    def test_a_disk_restored_onto_itself_is_no_restore(self) -> None:
        """R4.3: of disks one is kept, and a restore may not return as if it had more."""
        machine = SimulatedContract()
        machine.begin(versions=[0, 0])
        machine.replace(which=0, version=1, by=0)
        machine.replace(which=0, version=2, by=0)
        machine.restore(which=0, by=0, times=2)
        machine.teardown()


class SimulatedContract(AdapterContract):
    """`SimulatedFleet` is world and adapter in one; it has no data disks."""

    versions = ("1.0.0", "1.1.0", "1.2.0")
    without = frozenset({Law.DATA})
    moments = (0.0, 0.5, 1.0, 1.5)
    look = 1.0
    patience = 100.0
    calm: Behaviour = staticmethod(steady)

    def __init__(self) -> None:
        self.clock = VirtualClock()
        super().__init__()
        self.fleet = SimulatedFleet(self.clock, [], self.calm)
        self.born = 0
        self.faults = cycle([Twist.DROPPED, Twist.LOST, Twist.FOREIGN, Twist.HUNG])

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualTimeLoop(self.clock)

    async def open(self) -> Provider:
        return self.fleet

    async def create(self, version: str) -> str:
        self.born += 1
        self.fleet.appear(Instance(id=f"vm-{self.born}", version=version))
        return f"vm-{self.born}"

    async def kill(self, instance: str) -> None:
        self.fleet.die(instance)

    async def destroy(self, instance: str) -> None:
        self.fleet.vanish(instance)

    async def disk(self, instance: str) -> str:
        return self.fleet.instances()[instance].os_disk

    async def sever(self, severed: bool) -> None:
        twist = next(self.faults)
        self.fleet.behaviour = (lambda _v, _i: Conduct(twist)) if severed else self.calm

    async def clear_up(self) -> None:
        self.fleet.assert_lawful()


# -- one adapter for each way to break a law --------------------------------------------


class Retrying(MemoryFleet):
    """Makes another disk when one object is asked twice."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.asked: set[str] = set()

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        machine = await self.machine(instance)
        if key in self.asked and key == machine.stem:
            machine.spent.discard(key)
        self.asked.add(key)
        await super().replace(key, instance, version)


class Restarting(MemoryFleet):
    """Boots the instance anew when it is asked again."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        machine = await self.machine(instance)
        if key == machine.stem:
            machine.start_on(machine.disk, machine.stem)
        await super().replace(key, instance, version)


class Racing(MemoryFleet):
    """Looks, and acts later: two at once both see that nothing was done."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        machine = await self.machine(instance)
        if str(version) not in IMAGES:
            raise OperationFailed(instance, "no image")
        if key not in machine.spent:
            await self.travel(instance)
            machine.before = (machine.disk, machine.stem)
            machine.start_on((next(self.world.disks), str(version)), key)
            machine.spent.add(key)


class Forgiving(MemoryFleet):
    """Fails, and when asked again says that all is well."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        try:
            await super().replace(key, instance, version)
        except OperationFailed:
            if instance in self.world.machines:
                self.world.machines[instance].spent.add(key)
            raise


class Forgetful(MemoryFleet):
    """Remembers in memory which keys it has done, and does not look."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.done: set[str] = set()

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        known = key in self.done
        self.done.add(key)
        machine = await self.machine(instance)
        if not known and key == machine.stem:
            machine.spent.discard(key)
        await super().replace(key, instance, version)


class Undiscerning(MemoryFleet):
    """Restores whatever is there, not the replace it is told to undo."""

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        machine = await self.machine(instance)
        present = machine.stem if machine.before and key not in machine.spent else undoes
        await super().restore(key, instance, present)
        machine.spent.add(undoes)


class Amnesic(MemoryFleet):
    """Forgets what it has undone."""

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        await super().restore(key, instance, undoes)
        self.world.machines[instance].spent.discard(undoes)


class Optimist(MemoryFleet):
    """Takes a lost connection for success."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        try:
            await super().replace(key, instance, version)
        except OutcomeUnknown:
            return


class Pessimist(MemoryFleet):
    """Takes a lost connection for failure."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        try:
            await super().replace(key, instance, version)
        except OutcomeUnknown as error:
            raise OperationFailed(instance, "no answer") from error


class Hasty(MemoryFleet):
    """Returns before it is done."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        await self.machine(instance)
        if str(version) not in IMAGES:
            raise OperationFailed(instance, "no image")
        soon = asyncio.get_running_loop().create_task(super().replace(key, instance, version))
        soon.add_done_callback(lambda task: task.cancelled() or task.exception())


class Guessing(MemoryFleet):
    """Fails after it has acted."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        await super().replace(key, instance, version)
        if str(version) == IMAGES[-1]:
            raise OperationFailed(instance, "it seems")


class Wiping(MemoryFleet):
    """Gives the instance new data disks, too."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        machine = await self.machine(instance)
        fresh = key not in machine.spent
        await super().replace(key, instance, version)
        if fresh:
            machine.data = ""


class Thrifty(MemoryFleet):
    """Throws the previous disk away."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        await super().replace(key, instance, version)
        self.world.machines[instance].before = None


class Remaking(MemoryFleet):
    """Makes a new disk of the previous version instead of keeping the previous one."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        await super().replace(key, instance, version)
        machine = self.world.machines[instance]
        if machine.before:
            (_, before), stem = machine.before
            machine.before = ((next(self.world.disks), before), stem)


class Believing(MemoryFleet):
    """Shows what it has commanded."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.commanded: dict[str, str] = {}

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        return [
            attrs.evolve(one, version=self.commanded.get(one.id, one.version))
            for one in await super().observe(instance)
        ]

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        await super().replace(key, instance, version)
        if self.world.machines[instance].stem == key:
            self.commanded[instance] = str(version)

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        self.commanded.pop(instance, None)
        await super().restore(key, instance, undoes)


class Nostalgic(MemoryFleet):
    """Shows what is no more."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.seen: dict[str, Instance] = {}

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        self.seen |= {one.id: one for one in await super().observe()}
        return [one for name, one in self.seen.items() if instance in (None, name)]


class Doubling(MemoryFleet):
    """Shows an instance twice."""

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        return [*await super().observe(instance), *await super().observe(instance)]


class Cheerful(MemoryFleet):
    """Shows everybody as healthy."""

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        seen = await super().observe(instance)
        return [attrs.evolve(one, health=type(one.health).HEALTHY) for one in seen]


class Clumsy(MemoryFleet):
    """Boots a neighbour as well."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        machine = await self.machine(instance)
        fresh = key not in machine.spent
        await super().replace(key, instance, version)
        others = [each for name, each in self.world.machines.items() if name != instance]
        if fresh and others and others[0].running:
            others[0].start_on(others[0].disk, others[0].stem)


class Founding(MemoryFleet):
    """Makes the instance that it is asked for."""

    async def machine(self, instance: str) -> Machine:
        if instance not in self.world.machines:
            self.world.machines[instance] = Machine((next(self.world.disks), IMAGES[0]), "")
        return await super().machine(instance)


class Obliging(MemoryFleet):
    """Finds nothing wrong with an instance that is not there."""

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        if instance in self.world.machines:
            await super().replace(key, instance, version)


BROKEN: Final = {
    Retrying: [Law.IDEMPOTENT],
    Restarting: [Law.IDEMPOTENT, Law.LOOK],
    Racing: [Law.IDEMPOTENT, Law.LOOK],
    Forgiving: [Law.IDEMPOTENT, Law.LOOK],
    Forgetful: [Law.LOOK],
    Undiscerning: [Law.LOOK, Law.PREVIOUS],
    Amnesic: [Law.UNDONE],
    Optimist: [Law.UNKNOWN],
    Pessimist: [Law.UNKNOWN],
    Hasty: [Law.UNKNOWN],
    Guessing: [Law.UNKNOWN],
    Wiping: [Law.DATA],
    Thrifty: [Law.PREVIOUS],
    Remaking: [Law.PREVIOUS, Law.IDEMPOTENT, Law.LOOK],
    Believing: [Law.OBSERVED],
    Nostalgic: [Law.OBSERVED],
    Doubling: [Law.OBSERVED],
    Cheerful: [Law.OBSERVED],
    Clumsy: [Law.NAMED],
    Founding: [Law.NAMED],
    Obliging: [Law.NAMED],
}
"""Adapters that break one law each, and the law by name; several where it depends on chance
which object is asked again, or what else the wrong disk could come from."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda adapter: adapter.__name__)
def test_a_broken_adapter_is_caught(broken: type[MemoryFleet]) -> None:
    class Broken(MemoryContract):
        async def open(self) -> Provider:
            return broken(self.world)

    with pytest.raises(LawBroken, match="|".join(of(law) for law in BROKEN[broken])):
        Broken.fuzz(CATCH)


def test_every_law_has_a_broken_adapter() -> None:
    assert {law for laws in BROKEN.values() if len(laws) == 1 for law in laws} == {*Law}


def test_a_success_that_is_a_word_is_caught() -> None:
    """S9: `Twist.LIED` is what hosts must not believe, and no adapter may do."""

    class Lying(SimulatedContract):
        calm: Behaviour = staticmethod(lambda _verb, _instance: Conduct(Twist.LIED))

    with pytest.raises(LawBroken, match=of(Law.UNKNOWN)):
        Lying.fuzz(CATCH)


class TestSilence:
    """What was not judged has not passed."""

    class Bare(AdapterContract):
        """The required hooks and no more."""

        versions = IMAGES

        def __init__(self) -> None:
            super().__init__()
            self.world = World()

        def make_loop(self) -> asyncio.AbstractEventLoop:
            return VirtualTimeLoop(VirtualClock())

        async def open(self) -> Provider:
            return MemoryFleet(self.world)

        create = MemoryContract.create

    LACKING: Final = {
        Law.IDEMPOTENT: "disk",
        Law.LOOK: "disk",
        Law.DATA: "data",
        Law.OBSERVED: "kill",
    }

    def test_a_law_without_its_hook_fails_the_run(self) -> None:
        """And says which hook it is."""
        with pytest.raises(NotJudged) as told:
            self.Bare.fuzz(QUICK)
        for law, hook in self.LACKING.items():
            assert f"{law}: NOT JUDGED: it needs the hook `{hook}`" in str(told.value)
        assert str(told.value).count("NOT JUDGED") == len(self.LACKING)

    def test_unless_it_is_named(self) -> None:
        """And still it is not called judged."""

        class Modest(self.Bare):  # type: ignore[name-defined,misc]  # a class made here
            without = frozenset(self.LACKING)

        found = {each.law: each for each in Modest.fuzz(QUICK)}
        assert {law: each.lacking for law, each in found.items() if each.lacking} == (
            self.LACKING
        )
        assert "NOT JUDGED" in Modest.report()
        assert "without `sever`" in str(found[Law.UNKNOWN])
        assert "without `crash`" in "".join(found[Law.LOOK].blind)

    def test_no_example_came_to_it(self) -> None:
        """Nothing was run at all."""

        class Never(MemoryContract):
            pass

        assert {each.times for each in Never.judged()} == {0}
        assert Never.report().count("NOT JUDGED: no example came to it") == len(Law)

    def test_required_hooks_say_what_they_are(self) -> None:
        hooks: Any = AdapterHooks()
        for call in (hooks.open(), hooks.create("1.0.0")):
            with pytest.raises(NotImplementedError, match="world"):
                asyncio.run(call)


class TestPatience:
    """An adapter that gives no answer gets no verdict."""

    def test_one_that_hangs(self) -> None:
        class Hanging(MemoryFleet):
            async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
                await asyncio.Event().wait()

        class Broken(MemoryContract):
            async def open(self) -> Provider:
                return Hanging(self.world)

        with pytest.raises(AssertionError, match="did not answer within 20 s"):
            run_state_machine_as_test(Broken, settings=CATCH)

    def test_one_that_never_knows(self) -> None:
        class Wavering(MemoryFleet):
            async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
                await self.travel(instance)
                raise OutcomeUnknown(instance, "who knows")

        class Broken(MemoryContract):
            async def open(self) -> Provider:
                return Wavering(self.world)

        with pytest.raises(AssertionError, match=r"never comes to an outcome.*who knows"):
            run_state_machine_as_test(Broken, settings=CATCH)

    def test_one_that_cannot_be_looked_at(self) -> None:
        class Blind(MemoryFleet):
            async def observe(self, instance: str | None = None) -> Sequence[Instance]:
                await self.travel("")
                raise OutcomeUnknown("", "too dark")

        class Broken(MemoryContract):
            async def open(self) -> Provider:
                return Blind(self.world)

        with pytest.raises(AssertionError, match=r"never answers.*too dark"):
            run_state_machine_as_test(Broken, settings=CATCH)


def test_asks_read_as_calls() -> None:
    """In stories of failure."""
    assert str(Ask(Verb.REPLACE, "k", "vm", "1.0.0")) == "replace('k', 'vm', 1.0.0)"
    assert str(Ask(Verb.RESTORE, "r", "vm", undoes="k")) == "restore('r', 'vm', undoes='k')"
