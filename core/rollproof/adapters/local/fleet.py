"""A fleet of real server processes on this machine, as a `Provider`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rollproof.adapters import probe
from rollproof.adapters.clock import wall_clock
from rollproof.adapters.diagnosis import diagnose
from rollproof.adapters.facts import expiry
from rollproof.adapters.local import logs, memory
from rollproof.adapters.local.logs import DiskLog
from rollproof.adapters.local.machine import Machine, Sight
from rollproof.adapters.local.roster import Member
from rollproof.adapters.local.scale_set import GRACE, LocalSet, at_once
from rollproof.adapters.probe import Prober
from rollproof.adapters.store import ImageStore
from rollproof.eligibility import Facts, expired
from rollproof.errors import (
    CredentialExpired,
    OperationFailed,
    OutcomeUnknown,
    UnknownImage,
    UnknownImageVersion,
    UnknownInstance,
    UnknownScaleSet,
)
from rollproof.fleet import Instance, PowerState, ScaleSet
from rollproof.health import Health, judge
from rollproof.images import ImageVersion
from rollproof.streaks import Streak


class LocalFleet(LocalSet):
    """A scale set on this machine that a host observes and commands."""

    def __init__(
        self,
        root: Path,
        scale_set: ScaleSet,
        images: ImageStore,
        *,
        folder: Path = Path(),
        grace: float = GRACE,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """`folder` is where the set's document lies, and its relative paths begin;
        `clock` tells milliseconds since the Unix epoch."""
        super().__init__(root, scale_set, images, folder=folder, grace=grace)
        self._folder = folder
        self._clock = clock
        self._prober: Prober | None = None
        if scale_set.health is not None:
            self._prober = Prober(scale_set.health, folder=folder, clock=clock)

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        """The instances as they are now. Raises OutcomeUnknown when there is no fleet."""
        try:
            members = self.declared()
        except (UnknownScaleSet, OSError, ValueError) as error:
            raise OutcomeUnknown(instance or "", str(error)) from error
        wanted = [member for member in members if instance in (None, member.id)]
        machines = [self._machine(member) for member in wanted]
        sights = await self._each(Machine.see, machines)
        asks = list(zip(machines, sights, strict=True))
        answers = await at_once(self._ask, asks, probe.AT_ONCE)
        healths = await self._each(self._judged, machines, sights, answers)
        return list(map(_instance, wanted, sights, healths))

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        """Give the instance a new OS disk, start its server, provision it.

        Raises CredentialExpired where a credential of the model has: what is to run on the
        new disk could not fetch what it needs (R4.10).
        """

        def admit() -> None:
            self._require_credentials(instance)

        await self._command(instance, lambda machine: machine.replace(key, version, admit))

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        """Give the instance the OS disk back that it had before that replace."""
        await self._command(instance, lambda machine: machine.restore(key, undoes))

    async def outdated(self) -> tuple[str, ...]:
        """Instances that were not set up by the latest model (R2.3); none where there is
        no fleet yet."""
        known = self._load()
        machines = [self._machine(member) for member in (known.members if known else ())]
        found = await self._each(Machine.up_to_date, machines)
        return tuple(m.id for m, latest in zip(machines, found, strict=True) if not latest)

    def logs(self, instance: str) -> tuple[DiskLog, ...]:
        """What provisioning did, disk by disk. Raises UnknownScaleSet, UnknownInstance."""
        return logs.logs(self._machine(self._known().member(instance)).home)

    async def words(self, instance: str) -> str:
        """What an instance that is not healthy says of itself, for people; "" when it has
        nothing to say. Raises UnknownScaleSet, UnknownInstance."""
        member = self._known().member(instance)
        machine = self._machine(member)
        if failed := await self._threaded(logs.failed_step, machine.home):
            return f"{failed.words} (rollproof local logs {self.scale_set.name} {instance})"
        sight = await self._threaded(machine.see)
        if self._prober is None or sight.power_state is not PowerState.RUNNING:
            return ""
        disk = machine.home.disks / sight.disk
        return await diagnose(
            self._prober, member.address, booted_at=sight.booted_at, disk=disk
        )

    async def _command(self, instance: str, act: Callable[[Machine], None]) -> None:
        try:
            machine = self._machine(self._known().member(instance))
            await self._threaded(act, machine)
        except (UnknownInstance, UnknownImage, UnknownImageVersion) as error:
            raise OperationFailed(instance, str(error)) from error
        except OperationFailed:
            raise
        except Exception as error:
            raise OutcomeUnknown(instance, f"{type(error).__name__}: {error}") from error

    def _require_credentials(self, instance: str) -> None:
        facts = Facts(
            at=wall_clock(),
            expiry={
                each.name: expiry(self._folder / each.file)
                for each in self.scale_set.credentials
                if each.file is not None
            },
        )
        for name, found in expired(self.scale_set, facts).items():
            raise CredentialExpired(instance, f"at {found}", name)

    async def _ask(self, seen: tuple[Machine, Sight]) -> tuple[int, Health | None]:
        """When its application was asked, and what it answered."""
        (machine, sight), now = seen, self._clock()
        if self._prober is None or sight.power_state is not PowerState.RUNNING:
            return now, None
        disk = machine.home.disks / sight.disk
        ask = self._prober.ask(machine.address, booted_at=sight.booted_at, disk=disk)
        return now, await ask

    def _judged(
        self, machine: Machine, sight: Sight, answered: tuple[int, Health | None]
    ) -> Health:
        """What the signals come to, with what is remembered of them (R5.1, R5.3)."""
        source, least = self.scale_set.health, self.scale_set.timeouts.min_healthy_time
        now, answer = answered

        def judged(streak: Streak) -> tuple[Streak, Health]:
            application = None
            if source is not None and answer is not None:
                streak = streak.heard(answer, source, now)
                application = streak.verdict
            health = judge(sight.power_state, sight.provisioned, application)
            return streak.settled(health, least, now)

        return memory.judged(machine.home, sight.boot, judged)


def _instance(member: Member, sight: Sight, health: Health) -> Instance:
    return Instance(
        id=member.id,
        zone=member.zone,
        fault_domain=member.fault_domain,
        update_domain=member.update_domain,
        power_state=sight.power_state,
        version=sight.version,
        health=health,
        os_disk=sight.disk,
        data_disks=("data",),
        protected=member.protected,
    )
