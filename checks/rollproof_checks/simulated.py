"""A fleet in memory that keeps the provider contract, and otherwise behaves badly.

    fleet = SimulatedFleet(clock, [Instance(id="vm-0", version="1.0.0")])
    fleet.behaviour = scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.LOST)]})

Every call is treated as its `Conduct` says: refused, delayed, lost on the way there or
on the way back, never answered, answered with what was true a while ago.  What was asked
for happens when its time has come, whether the caller still lives or not: a command sent
to a cloud is not taken back by the death of who sent it.  So one fleet outlives the
crashes of many hosts.

Laws (the adapter's side of `rollproof.adapters.provider`)
----------------------------------------------------------
* One key changes a disk once, however often it is asked for.
* An instance does one thing at a time, in the order in which it was asked.
* A restore undoes the one replace that it names, for good.
* `OperationFailed` is said only of what did not happen, and is said again when asked
  again.
* What is observed was true at some time, though perhaps not now.

The caller's side is watched: `assert_lawful` tells what the host did wrong.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from random import Random
from typing import Final

import attrs

from rollproof.commands import Verb
from rollproof.errors import CredentialExpired, OperationFailed, OutcomeUnknown
from rollproof.fleet import Health, Instance
from rollproof.health import PowerState
from rollproof.images import ImageVersion


class Twist(StrEnum):
    """How a call goes wrong."""

    NONE = "none"
    REFUSED = "refused"
    """`OperationFailed`; nothing happens."""
    EXPIRED = "expired"
    """`CredentialExpired`; nothing happens (R4.10)."""
    DROPPED = "dropped"
    """`OutcomeUnknown`; nothing happens, as if never asked."""
    LOST = "lost"
    """`OutcomeUnknown`; it happens."""
    SILENT = "silent"
    """No answer ever; it happens."""
    HUNG = "hung"
    """No answer ever; nothing happens."""
    LIED = "lied"
    """Returns as if it had happened; nothing does (S9: a provider's word is not enough)."""
    FOREIGN = "foreign"
    """An exception that the contract does not name; nothing happens."""
    STALE = "stale"
    """Observing: each instance as it was before its last change."""
    TWICE = "twice"
    """Observing: one instance is named twice."""


@attrs.frozen
class Conduct:
    """How the fleet treats one call.  Times are seconds."""

    twist: Twist = Twist.NONE
    delay: float = 1.0
    """Until what was asked for has happened."""
    lag: float = 0.0
    """From there until the answer arrives: so answers overtake each other."""


Behaviour = Callable[[Verb, str], Conduct]
"""The conduct of the next call: its verb (SURVEY and WATCH observe) and instance."""


def steady(_verb: Verb, _instance: str) -> Conduct:
    """Nothing goes wrong."""
    return Conduct()


def scripted(script: Mapping[tuple[Verb, str], Sequence[Conduct]]) -> Behaviour:
    """The conducts that the script lists for a verb and an instance, one call after the
    other; steady after that, and where it lists none."""
    left = {which: list(conducts) for which, conducts in script.items()}

    def next_conduct(verb: Verb, instance: str) -> Conduct:
        conducts = left.get((verb, instance))
        return conducts.pop(0) if conducts else Conduct()

    return next_conduct


COMMANDED: Final = (
    Twist.REFUSED,
    Twist.EXPIRED,
    Twist.DROPPED,
    Twist.LOST,
    Twist.SILENT,
    Twist.HUNG,
    Twist.LIED,
    Twist.FOREIGN,
)
"""What may go wrong with replace and restore."""
OBSERVING: Final = (
    Twist.DROPPED,
    Twist.HUNG,
    Twist.FOREIGN,
    Twist.STALE,
    Twist.TWICE,
)
"""What may go wrong with observe."""


def seeded(
    random: Random,
    rate: float,
    slowest: float = 30.0,
    commanded: Sequence[Twist] = COMMANDED,
) -> Behaviour:
    """Something goes wrong with a share of ``rate`` of the calls, and delays differ;
    ``commanded`` is what may with replace and restore."""

    def next_conduct(verb: Verb, _instance: str) -> Conduct:
        twists = OBSERVING if verb in (Verb.SURVEY, Verb.WATCH) else commanded
        twist = random.choice(twists) if random.random() < rate else Twist.NONE
        return Conduct(twist, random.uniform(0, slowest), random.uniform(0, slowest / 4))

    return next_conduct


@attrs.frozen
class Call:
    """A caller asked for a disk to be changed."""

    at: int
    verb: Verb
    key: str
    instance: str
    version: str | None
    """REPLACE: the version asked for."""
    undoes: str = ""
    """RESTORE: the key of the replace to be undone."""


@attrs.frozen
class Effect:
    """A disk was really changed."""

    at: int
    verb: Verb
    key: str
    instance: str
    version: str | None
    """That runs now."""


@attrs.frozen
class Sight:
    """What a caller was told of an instance."""

    at: int
    instance: str
    version: str | None
    health: Health


@attrs.frozen
class _Disk:
    id: str
    version: str | None
    stem: str
    """The key it was made for; empty if it was there from the first."""


@attrs.define(eq=False)
class _Machine:
    """One life of an instance."""

    born: Instance
    disk: _Disk
    previous: _Disk | None = None
    undone: set[str] = attrs.Factory(set)
    """Keys of replaces that were undone, and stay so."""
    boots_until: int = 0
    busy_until: int = 0
    flipped: Health | None = None
    dead: bool = False
    protected: bool = False
    was: Instance | None = None
    """As it was before its last change."""


@attrs.define(eq=False)
class _Operation:
    call: Call
    machine: _Machine | None
    due: int
    failure: str = ""
    expired: str = ""
    """The credential that let it fail."""
    done: bool = False


class SimulatedFleet:
    """A `rollproof.adapters.provider.Provider`.  See the module for its laws."""

    def __init__(
        self,
        clock: Callable[[], int],
        instances: Iterable[Instance],
        behaviour: Behaviour = steady,
        *,
        boot: float = 2.0,
        bad: Iterable[tuple[str, str]] = (),
    ) -> None:
        """``clock`` tells milliseconds; a new disk takes ``boot`` seconds to start.

        ``bad``: pairs of an instance, or "" for all, and a version it never becomes
        healthy on.
        """
        self._clock = clock
        self.behaviour = behaviour
        self._boot = round(boot * 1000)
        self.bad = set(bad)
        self._machines: dict[str, _Machine] = {}
        self._operations: dict[str, _Operation] = {}
        self._under_way: list[_Operation] = []
        self._disks = 0
        self.calls: list[Call] = []
        """Every replace and restore asked for, repetitions too."""
        self.effects: list[Effect] = []
        """Every change of a disk."""
        self.sights: list[Sight] = []
        """Every answer to observe, one for each instance."""
        self.on_call: Callable[[Call], None] = lambda _call: None
        """Told of every replace and restore before anything else is done."""
        self._broken: list[str] = []
        for instance in instances:
            self.appear(instance)

    # -- the provider contract

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        """The instances as they are, or by `Twist.STALE` as they were."""
        verb = Verb.SURVEY if instance is None else Verb.WATCH
        conduct = self.behaviour(verb, instance or "")
        await asyncio.sleep(conduct.lag)
        await self._misbehave(conduct.twist, instance or "")
        seen = [
            machine.was if conduct.twist is Twist.STALE and machine.was else self._seen(machine)
            for machine in self._present(instance)
        ]
        self.sights += [
            Sight(self._clock(), each.id, each.version, each.health) for each in seen
        ]
        return seen + seen[:1] if conduct.twist is Twist.TWICE else seen

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        """Give the instance a disk made from ``version``, once for this key."""
        await self._command(Call(self._clock(), Verb.REPLACE, key, instance, str(version)))

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        """Give the instance the disk back that it had before the replace ``undoes``."""
        call = Call(self._clock(), Verb.RESTORE, key, instance, None, undoes)
        await self._command(call)

    # -- what happens by itself

    def appear(self, instance: Instance) -> None:
        """An instance is there, in a new life if its id was there before."""
        disk = _Disk(self._new_disk(), instance.version, "")
        self._machines[instance.id] = _Machine(instance, disk, protected=instance.protected)

    def vanish(self, instance: str) -> None:
        """An instance is gone; what was under way for it fails."""
        self._machines.pop(instance, None)

    def flip(self, instance: str, health: Health | None) -> None:
        """From now on an instance is as healthy as this, or (None) as its disk lets it."""
        if machine := self._changing(instance):
            machine.flipped = health

    def die(self, instance: str) -> None:
        """An instance stops running until its disk is changed or all is mended."""
        if machine := self._changing(instance):
            machine.dead = True

    def drift(self, instance: str, version: str) -> None:
        """Somebody else gives an instance another version."""
        if machine := self._changing(instance):
            machine.disk = _Disk(self._new_disk(), version, "")
            machine.dead = False

    def protect(self, instance: str, *, protected: bool = True) -> None:
        """An instance must not be upgraded, or may be again."""
        if machine := self._changing(instance):
            machine.protected = protected

    def mend(self) -> None:
        """Faults cease: every call succeeds, and nothing is ill but by its image."""
        self.behaviour = steady
        for machine in self._machines.values():
            machine.flipped, machine.dead = None, False

    # -- what the checks ask

    def instances(self) -> dict[str, Instance]:
        """The truth, by id."""
        return {machine.born.id: self._seen(machine) for machine in self._present(None)}

    def swaps(self) -> Counter[tuple[str, Verb]]:
        """How often the disk of an instance was really replaced or restored."""
        self._let_happen()
        return Counter((effect.instance, effect.verb) for effect in self.effects)

    def assert_lawful(self) -> None:
        """Fails when a caller broke the contract, or we did."""
        self._let_happen()
        keys = Counter(effect.key for effect in self.effects)
        twice = [f"{key} changed a disk twice" for key, count in keys.items() if count > 1]
        assert not self._broken + twice, self._broken + twice

    # -- below the surface

    async def _command(self, call: Call) -> None:
        self.on_call(call)
        self._watch_the_caller(call)
        self.calls.append(call)
        conduct = self.behaviour(call.verb, call.instance)
        if conduct.twist in (Twist.DROPPED, Twist.HUNG, Twist.FOREIGN):
            await asyncio.sleep(conduct.lag)
            await self._misbehave(conduct.twist, call.instance)
        if conduct.twist is Twist.LIED:
            await asyncio.sleep(conduct.lag)
            return
        operation = self._operations.get(call.key) or self._accept(call, conduct)
        if conduct.twist is Twist.SILENT:
            await asyncio.Event().wait()
        if conduct.twist is Twist.LOST:
            await asyncio.sleep(conduct.lag)
            raise OutcomeUnknown(call.instance, "the answer was lost")
        while not operation.done:
            await asyncio.sleep(max(operation.due - self._clock(), 1) / 1000)
            self._let_happen()
        await asyncio.sleep(conduct.lag)
        if operation.expired:
            raise CredentialExpired(call.instance, operation.failure, operation.expired)
        if operation.failure:
            raise OperationFailed(call.instance, operation.failure)

    def _accept(self, call: Call, conduct: Conduct) -> _Operation:
        now, delay = self._clock(), round(conduct.delay * 1000)
        machine = self._machines.get(call.instance)
        operation = _Operation(call, machine, now + delay)
        if machine is None:
            operation.failure = "there is no such instance"
        elif conduct.twist is Twist.REFUSED:
            operation.failure = "it was refused"
        elif conduct.twist is Twist.EXPIRED:
            operation.failure, operation.expired = "a while ago", "token"
        else:
            operation.due = max(now, machine.busy_until) + delay
            machine.busy_until = operation.due
        self._operations[call.key] = operation
        self._under_way.append(operation)
        return operation

    async def _misbehave(self, twist: Twist, instance: str) -> None:
        if twist is Twist.HUNG:
            await asyncio.Event().wait()
        if twist is Twist.DROPPED:
            raise OutcomeUnknown(instance, "the connection broke")
        if twist is Twist.FOREIGN:
            raise ConnectionResetError(f"{instance}: reset by peer")

    def _let_happen(self) -> None:
        """All that is due by now, in order."""
        now = self._clock()
        due = [each for each in self._under_way if each.due <= now]
        if not due:
            return
        self._under_way = [each for each in self._under_way if each.due > now]
        for operation in sorted(due, key=lambda each: each.due):
            operation.done = True
            if not operation.failure:
                self._change(operation)

    def _change(self, operation: _Operation) -> None:
        call, machine = operation.call, operation.machine
        if machine is None or self._machines.get(call.instance) is not machine:
            operation.failure = "the instance is gone"
            return
        if call.verb is Verb.REPLACE:
            if call.key in machine.undone:
                return
            disk, previous = _Disk(self._new_disk(), call.version, call.key), machine.disk
        else:
            if machine.disk.stem == call.undoes and machine.previous is machine.disk:
                operation.failure = "no previous disk is kept"
                return
            machine.undone.add(call.undoes)
            if machine.disk.stem != call.undoes:
                return  # it never took place, or something else has displaced it since
            assert machine.previous is not None
            disk = previous = machine.previous
        machine.was = self._seen(machine, operation.due - 1)
        machine.disk, machine.previous = disk, previous
        machine.dead = False
        machine.boots_until = operation.due + self._boot
        effect = Effect(operation.due, call.verb, call.key, call.instance, disk.version)
        self.effects.append(effect)

    def _watch_the_caller(self, call: Call) -> None:
        known = self._operations.get(call.key)
        if known is not None and attrs.evolve(known.call, at=call.at) != call:
            self._broken.append(f"{call.key} was used for two commands")
        undone = self._operations.get(call.undoes)
        if undone is not None and (
            undone.call.verb is not Verb.REPLACE or undone.call.instance != call.instance
        ):
            self._broken.append(f"{call.key} undoes what was not a replace of its instance")

    def _present(self, instance: str | None) -> list[_Machine]:
        self._let_happen()
        if instance is None:
            return list(self._machines.values())
        return [self._machines[instance]] if instance in self._machines else []

    def _changing(self, instance: str) -> _Machine | None:
        """The instance, if it is there, with a note of how it was."""
        for machine in self._present(instance):
            machine.was = self._seen(machine)
            return machine
        return None

    def _seen(self, machine: _Machine, at: int | None = None) -> Instance:
        running = not machine.dead
        return attrs.evolve(
            machine.born,
            power_state=PowerState.RUNNING if running else PowerState.STOPPED,
            version=machine.disk.version if running else None,
            health=self._health(machine, self._clock() if at is None else at),
            os_disk=machine.disk.id,
            protected=machine.protected,
        )

    def _health(self, machine: _Machine, at: int) -> Health:
        version = machine.disk.version or ""
        if machine.dead:
            return Health.UNHEALTHY
        if at < machine.boots_until:
            return Health.INITIALIZING
        if machine.flipped is not None:
            return machine.flipped
        if (machine.born.id, version) in self.bad or ("", version) in self.bad:
            return Health.UNHEALTHY
        return Health.HEALTHY

    def _new_disk(self) -> str:
        self._disks += 1
        return f"os-{self._disks}"
