"""Asking an adapter, and comparing what it shows with what must be so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from enum import Enum

import attrs

from rollproof.adapters.provider import Provider
from rollproof.errors import OperationFailed
from rollproof.fleet import Health, Instance
from rollproof.images import ImageVersion
from rollproof_checks.fuzz.believed import Believed
from rollproof_checks.fuzz.contract import Ask, Law, LawBroken
from rollproof_checks.fuzz.hooks import AdapterHooks


class Outcome(Enum):
    """What a command's answer means."""

    DONE = "returned normally"
    FAILED = "raised OperationFailed"
    UNKNOWN = "left the outcome unknown"


@attrs.frozen
class Finding:
    """One thing that a law demands of what is shown."""

    law: Law
    kept: bool
    story: str
    late: bool = False
    """Whether it may still come to be, in a while."""


class Looking(AdapterHooks):
    """Everything here is judged against ``_believed``."""

    _believed: dict[str, Believed]

    async def _ask(
        self, provider: Provider, ask: Ask, *, severed: bool = False
    ) -> tuple[Outcome, str]:
        """Give a command; what its answer means, and the answer."""
        limit = self.patience / 10 if severed else self.patience
        within = asyncio.timeout(limit)
        try:
            async with within:
                await ask.of(provider)
        except OperationFailed as error:
            return Outcome.FAILED, repr(error)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            if within.expired() and not severed:
                why = f"{ask} did not answer within {limit:g} s: mend it, or set `patience`"
                raise AssertionError(why) from error
            return Outcome.UNKNOWN, repr(error)
        return Outcome.DONE, "returned normally"

    async def _ask_until_known(self, provider: Provider, ask: Ask) -> tuple[Outcome, str]:
        """Repeat a command by its key until the answer means something."""
        deadline = self._loop.time() + self.patience
        while True:
            outcome, answer = await self._ask(provider, ask)
            if outcome is not Outcome.UNKNOWN:
                return outcome, answer
            if self._loop.time() > deadline:
                raise AssertionError(f"{ask} never comes to an outcome; at last {answer}")
            await asyncio.sleep(self.look)

    async def _look(self, provider: Provider, asked: Mapping[str, Law], story: str) -> None:
        """See that everything is as it must be.

        ``asked`` names the instances that something was asked of just now, and the law
        that is at stake; where there are none, somebody just looks.
        """
        deadline = self._loop.time() + self.patience
        while True:
            seen = await self._observe(provider, None)
            findings = list(self._findings(seen, asked, story))
            wrong = [finding for finding in findings if not finding.kept]
            sure = [finding for finding in wrong if not finding.late]
            if sure or (wrong and self._loop.time() > deadline):
                raise LawBroken((sure or wrong)[0].law, (sure or wrong)[0].story)
            if not wrong:
                break
            await asyncio.sleep(self.look)
        for finding in findings:
            self._hold(finding.law, finding.kept, finding.story)
        for believed in self._believed.values():
            if not believed.gone:
                await self._read(believed, asked, story)

    async def _observe(self, provider: Provider, instance: str | None) -> list[Instance]:
        """What is shown; every id once (the contract of ``observe``)."""
        seen = await self._seen(provider, instance)
        names = [one.id for one in seen]
        twice = f"observe({instance!r}) names an instance twice: {names}"
        self._hold(Law.OBSERVED, len({*names}) == len(names), twice)
        return seen

    async def _seen(self, provider: Provider, instance: str | None) -> list[Instance]:
        """Ask until there is an answer."""
        deadline = self._loop.time() + self.patience
        while True:
            try:
                async with asyncio.timeout(self.patience):
                    return list(await provider.observe(instance))
            except Exception as error:
                if self._loop.time() > deadline:
                    why = f"observe({instance!r}) never answers; at last {error!r}"
                    raise AssertionError(why) from error
            await asyncio.sleep(self.look)

    def _findings(
        self, seen: list[Instance], asked: Mapping[str, Law], story: str
    ) -> Iterator[Finding]:
        shown = {one.id: one for one in seen}
        others = Law.NAMED if asked else Law.OBSERVED
        for name in shown.keys() - self._believed.keys():
            yield Finding(others, False, f"After {story} there is an instance {name!r}.")
        for name, believed in self._believed.items():
            law = asked.get(name, others)
            one = shown.get(name)
            if believed.gone:
                story_ = f"{name} was removed, and is still shown after {story}."
                yield Finding(Law.OBSERVED, one is None, story_, late=True)
            elif one is None:
                yield Finding(law, False, f"After {story} {name} is not shown.", late=True)
            else:
                yield self._of_version(believed, one, law, story)
                if believed.running is False and believed.open is None:
                    well = f"{name} was killed, and is shown healthy after {story}."
                    healthy = one.health is Health.HEALTHY
                    yield Finding(Law.OBSERVED, not healthy, well, late=True)

    def _of_version(self, believed: Believed, one: Instance, law: Law, story: str) -> Finding:
        allowed = believed.shows()
        kept = any(_same(version, one.version) for version in allowed)
        wanted = " or ".join(sorted(str(version) for version in allowed))
        text = f"After {story} {one.id} must show {wanted}, and shows {one.version}."
        if believed.running is False and _same(believed.disk.version, one.version):
            killed = f"{one.id} was killed, and still shows {one.version} after {story}."
            return Finding(Law.OBSERVED, kept, killed, late=True)
        return Finding(law, kept, text, late=one.version is None)

    async def _read(self, believed: Believed, asked: Mapping[str, Law], story: str) -> None:
        """Compare what is read past the adapter."""
        name = believed.id
        law = asked.get(name, Law.NAMED if asked else Law.OBSERVED)
        if self.has("data"):
            data = await self.data(name)
            wrong = f"After {story} the data disks of {name} hold {data!r}"
            self._hold(Law.DATA, data == believed.data, f"{wrong}, not {believed.data!r}.")
        if believed.open is not None:
            return
        if self.has("disk") and (mark := await self.disk(name)) is not None:
            disk = believed.disk
            if disk.mark is None:
                disk.mark = mark
                old = disk.before is not None and disk.before.mark == mark
                text = f"After {story} {name} still has the disk {mark!r} from before."
                self._hold(Law.UNKNOWN, not old, text)
            text = f"After {story} {name} has the OS disk {mark!r}, not {disk.mark!r}."
            self._hold(law, mark == disk.mark, text)
        if self.has("boot") and believed.running is True:
            boot = await self.boot(name)
            if believed.boot is None:
                believed.boot = boot
            text = f"After {story} {name} was booted anew: {boot!r}, not {believed.boot!r}."
            self._hold(law, boot in (None, believed.boot), text)


def _same(version: str | None, shown: str | None) -> bool:
    if version is None or shown is None:
        return version is shown
    return ImageVersion.parse(version).spelled_by(shown)
