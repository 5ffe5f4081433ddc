"""The local fleets of an installation: made, seen, destroyed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import attrs

from rollproof.adapters.local import DiskLog, LocalFleet, Member, Removed
from rollproof.errors import InvalidFields, Problem, UnknownScaleSet, closest
from rollproof.fleet import Health, Instance
from rollproof.images import ImageVersion
from rollproof.installation.sets import Sets

T = TypeVar("T")

LOOK = 0.05
"""Seconds between two looks at a fleet that is starting."""


@attrs.frozen
class LocalSetView:
    """A local fleet as it is now."""

    scale_set: str
    members: Sequence[Member]
    """As declared."""
    instances: Mapping[str, Instance]
    """As observed, by id."""

    @property
    def healthy(self) -> int:
        """How many are healthy."""
        return sum(each.health is Health.HEALTHY for each in self.instances.values())


@attrs.frozen(kw_only=True)
class Shape:
    """How many instances a new fleet has, and how they are spread."""

    instances: int = 12
    zones: int = 3
    """0 for none."""
    update_domains: int = 5
    """0 for none."""


class Fleets:
    """What can be done to a fleet by hand.  Each call has an event loop of its own."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets

    def create(
        self,
        name: str,
        version: ImageVersion,
        shape: Shape,
        progress: Callable[[str], None],
    ) -> LocalSetView:
        """Start what does not run yet, and give it time to become healthy: the fleet as
        it is then.  A run that found it still starting would stop at once (R4.1)."""

        async def create(fleet: LocalFleet) -> LocalSetView:
            await fleet.create(
                shape.instances, shape.zones, shape.update_domains, version, progress=progress
            )
            deadline = time.monotonic() + fleet.scale_set.timeouts.health.total_seconds()
            while True:
                view = await _view(fleet)
                if view.healthy == len(view.members) or time.monotonic() >= deadline:
                    return view
                await asyncio.sleep(LOOK)

        return self._with(name, create)

    def observe(self, name: str) -> Sequence[Instance]:
        """The instances as they are now.  Raises InvalidFields when there is no fleet."""

        async def observe(fleet: LocalFleet) -> Sequence[Instance]:
            _require(fleet)
            return await fleet.observe()

        return self._with(name, observe)

    def require(self, name: str) -> None:
        """Raises InvalidFields when there is no fleet, saying how to make one."""

        async def require(fleet: LocalFleet) -> None:
            _require(fleet)

        self._with(name, require)

    def view(self, name: str) -> LocalSetView | None:
        """The fleet, declared and observed; None when there is none."""

        async def view(fleet: LocalFleet) -> LocalSetView | None:
            if not _exists(fleet):
                return None
            return await _view(fleet)

        return self._with(name, view)

    def logs(self, name: str, instance: str, step: str | None) -> tuple[DiskLog, ...]:
        """What provisioning did, disk by disk, in all steps or in one.

        Raises UnknownInstance, and InvalidFields when no disk knows the step.
        """

        async def logs(fleet: LocalFleet) -> tuple[DiskLog, ...]:
            _require(fleet)
            return fleet.logs(instance)

        found = self._with(name, logs)
        return found if step is None else _of_step(found, step)

    def sweep(self, name: str) -> tuple[Removed, ...]:
        """Remove the previous disks that were kept long enough; none without a fleet."""

        async def sweep(fleet: LocalFleet) -> tuple[Removed, ...]:
            return await fleet.sweep() if _exists(fleet) else ()

        return self._with(name, sweep)

    def destroy(self, name: str) -> None:
        """End every process and remove every disk."""
        self._with(name, LocalFleet.destroy)

    def _with(self, name: str, act: Callable[[LocalFleet], Awaitable[T]]) -> T:
        """Do something with the fleet and let go of it.  Raises UnknownScaleSet."""

        async def acted() -> T:
            fleet = self._sets.fleet(name)
            try:
                return await act(fleet)
            finally:
                await fleet.aclose()

        return asyncio.run(acted())


async def _view(fleet: LocalFleet) -> LocalSetView:
    seen = {instance.id: instance for instance in await fleet.observe()}
    return LocalSetView(fleet.scale_set.name, fleet.declared(), seen)


def _exists(fleet: LocalFleet) -> bool:
    try:
        fleet.declared()
    except UnknownScaleSet:
        return False
    return True


def _require(fleet: LocalFleet) -> None:
    if _exists(fleet):
        return
    name = fleet.scale_set.name
    problem = Problem(
        field=name,
        value="the scale set has no instances yet",
        bound="a fleet that was created",
        requirement="R1.1",
        fix=f"Create one: rollproof local create {name}",
    )
    raise InvalidFields((problem,))


def _of_step(found: tuple[DiskLog, ...], step: str) -> tuple[DiskLog, ...]:
    """What the disks say of one step. An extension may be named custom-data, too."""
    ran = [each for disk in found for each in disk.steps]
    known = tuple(dict.fromkeys(each.step for each in ran))
    if step not in known:
        step = next((each.step for each in ran if each.name == step), step)
    if step not in known:
        near = closest(step, known)
        problem = Problem(
            field="step",
            value=repr(step),
            bound=f"a step that ran: {', '.join(known) or 'none did'}",
            requirement="R1.2",
            fix=f"Did you mean {near}?" if near else "",
        )
        raise InvalidFields((problem,))
    only = (
        attrs.evolve(disk, steps=tuple(each for each in disk.steps if each.step == step))
        for disk in found
    )
    return tuple(disk for disk in only if disk.steps)
