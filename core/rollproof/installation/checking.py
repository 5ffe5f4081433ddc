"""Eligibility of the sets of an installation: the facts gathered, the rules judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from rollproof.adapters.facts import accesses, expiry_dates
from rollproof.charter import StartedBy
from rollproof.eligibility import PRECONDITIONS, Checklist, Facts, judge
from rollproof.errors import Ineligible, UnknownScaleSet
from rollproof.fleet import Instance, ScaleSet
from rollproof.host import wall_clock
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation.sets import Applied, Sets
from rollproof.policy import UpgradeMode
from rollproof.supported import SupportedImages


class Checking:
    """Asks the world no more than the rules need."""

    def __init__(self, sets: Sets, supported: Callable[[], SupportedImages]) -> None:
        """``supported`` gives the table of platform images (R3.1), where it is needed."""
        self._sets = sets
        self._supported = supported

    def checklist(self, name: str) -> Checklist:
        """Every rule, as it stands.  Raises UnknownScaleSet."""
        applied = self._sets.get(name)
        return judge(applied.scale_set, asyncio.run(self._facts(applied, by_hand=False)))

    def require(self, name: str, started_by: StartedBy) -> None:
        """Raises Ineligible with every rule that is in the way of such a run."""
        applied = self._sets.get(name)
        by_hand = started_by is StartedBy.USER
        facts = asyncio.run(self._facts(applied, by_hand=by_hand))
        rules = [rule for rule in PRECONDITIONS if rule.by_hand or not by_hand]
        judge(applied.scale_set, facts, rules).require(started_by)

    async def hindrance(self, name: str, version: ImageVersion) -> str:
        """Why the platform cannot begin a run of a set to a version now, in words; empty
        when it can."""
        applied = self._sets.get(name)
        fleet = self._sets.fleet(name)
        try:
            fleet.declared()
            if words := _would_lower(version, await fleet.observe()):
                return words
        except UnknownScaleSet:
            return f"{name} has no instances yet: rollproof local create {name} (R1.1)"
        finally:
            await fleet.aclose()
        facts = await self._facts(applied, by_hand=False)
        try:
            judge(applied.scale_set, facts).require(StartedBy.PLATFORM)
        except Ineligible as error:
            return f"not eligible: {'; '.join(map(str, error.violations))}"
        return ""

    async def _facts(self, applied: Applied, *, by_hand: bool) -> Facts:
        """What was found; of what only the platform needs nothing, ``by_hand``."""
        scale_set, folder = applied.scale_set, applied.folder
        access, expiry = await asyncio.gather(
            accesses(scale_set.external_resources, folder),
            expiry_dates(scale_set.credentials, folder),
        )
        return Facts(
            at=wall_clock(),
            access=access,
            expiry=expiry,
            outdated=None if by_hand else await self._outdated(scale_set),
            sku_supported=None if by_hand else self._is_supported(scale_set.image_reference),
        )

    def _is_supported(self, reference: ImageReference) -> bool:
        """Whether it is of a gallery, or in the table (R2.2, R3.1)."""
        return reference.image is not None or reference.name in {
            each.name for each in self._supported()
        }

    async def _outdated(self, scale_set: ScaleSet) -> tuple[str, ...] | None:
        """Who does not run the latest model (R2.3); asked where it matters alone."""
        if scale_set.upgrade_policy.mode is not UpgradeMode.MANUAL:
            return None
        fleet = self._sets.fleet(scale_set.name)
        try:
            return await fleet.outdated()
        finally:
            await fleet.aclose()


def _would_lower(version: ImageVersion, instances: Iterable[Instance]) -> str:
    """Which instance a run to a version would take to a lower one than it has: what was
    put on it by hand, or by an earlier model, nobody asked the platform to take away."""
    for each in instances:
        if not each.protected and each.version and ImageVersion.parse(each.version) > version:
            return (
                f"instance {each.id} runs {each.version}, and no run of the platform goes to "
                f"a lower version; rollproof run SET --to {version} does"
            )
    return ""
