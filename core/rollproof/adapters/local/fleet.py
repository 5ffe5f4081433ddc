"""A fleet of real server processes on this machine, as a `Provider`."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rollproof.adapters.facts import expiry
from rollproof.adapters.local.machine import Machine
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
from rollproof.health import judge
from rollproof.images import ImageVersion


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
    ) -> None:
        """`folder` is where the set's document lies, and its relative paths begin."""
        super().__init__(root, scale_set, images, folder=folder, grace=grace)
        self._folder = folder
        self._prober = Prober(scale_set.health) if scale_set.health else None

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        """The instances as they are now. Raises OutcomeUnknown when there is no fleet."""
        try:
            members = self.declared()
        except (UnknownScaleSet, OSError, ValueError) as error:
            raise OutcomeUnknown(instance or "", str(error)) from error
        wanted = [member for member in members if instance in (None, member.id)]
        return await at_once(self._observe, wanted)

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
        members = known.members if known is not None else ()

        async def latest(member: Member) -> bool:
            return await self._threaded(self._machine(member).up_to_date)

        found = await at_once(latest, members)
        return tuple(m.id for m, is_latest in zip(members, found, strict=True) if not is_latest)

    async def aclose(self) -> None:
        """Let go of threads and connections. The servers run on."""
        if self._prober:
            await self._prober.aclose()
        await super().aclose()

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
            at=time.time_ns() // 1_000_000,
            expiry={
                each.name: expiry(self._folder / each.file)
                for each in self.scale_set.credentials
                if each.file is not None
            },
        )
        for name, found in expired(self.scale_set, facts).items():
            raise CredentialExpired(instance, f"at {found}", name)

    async def _observe(self, member: Member) -> Instance:
        sight = await self._threaded(self._machine(member).see)
        application = None
        if self._prober and sight.power_state is PowerState.RUNNING:
            application = await self._prober.probe(member.address, sight.boot)
        return Instance(
            id=member.id,
            zone=member.zone,
            fault_domain=member.fault_domain,
            update_domain=member.update_domain,
            power_state=sight.power_state,
            version=sight.version,
            health=judge(sight.power_state, sight.provisioned, application),
            os_disk=sight.disk,
            data_disks=("data",),
            protected=member.protected,
        )
