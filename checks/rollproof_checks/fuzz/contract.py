"""The laws of the provider contract by name, and what `AdapterContract` tells of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import attrs

from rollproof.adapters.provider import Provider
from rollproof.commands import Verb
from rollproof.images import ImageVersion

CONTRACT: Final = "rollproof.adapters.provider"


class Law(StrEnum):
    """The laws, named as the contract names them."""

    IDEMPOTENT = "idempotent by key"
    LOOK = "look before acting"
    UNDONE = "a thing undone stays undone"
    UNKNOWN = "unknown is not success"
    DATA = "data disks stay"
    PREVIOUS = "the previous disk stays"
    OBSERVED = "observed means observed"
    NAMED = "only the named instance"
    """Not spelled out in the contract, since every one of its sentences says it."""


WANTED: Final = {
    Law.IDEMPOTENT: "disk",
    Law.LOOK: "disk",
    Law.DATA: "data",
    Law.OBSERVED: "kill",
}
"""The hook without which a law cannot be judged."""

BLIND: Final = (
    ("destroy", Law.OBSERVED, "an instance that is gone may still be shown"),
    ("boot", Law.IDEMPOTENT, "a repetition may boot the instance anew"),
    ("disk", Law.PREVIOUS, "another disk of the same version may come back"),
    ("disk", Law.NAMED, "another instance may get a new disk of its version"),
    ("boot", Law.NAMED, "another instance may be booted anew"),
    ("sever", Law.UNKNOWN, "a lost connection may be taken for success, or for failure"),
    ("crash", Law.LOOK, "a controller may die in the middle; only cancellation is tried"),
)
"""Without this hook the law is judged, but for this."""


class LawBroken(AssertionError):
    """An adapter broke a law of the provider contract."""

    def __init__(self, law: Law, story: str) -> None:
        super().__init__(f"law broken: {law}. {story} (see {CONTRACT})")
        self.law = law


@attrs.frozen
class Ask:
    """A command as an adapter is given it."""

    verb: Verb
    """REPLACE or RESTORE."""
    key: str
    instance: str
    version: str = ""
    """REPLACE: the version asked for."""
    undoes: str = ""
    """RESTORE: key of the replace to be undone."""

    async def of(self, provider: Provider) -> None:
        """Ask the provider; raises what it raises."""
        if self.verb is Verb.REPLACE:
            version = ImageVersion.parse(self.version)
            await provider.replace(self.key, self.instance, version)
        else:
            await provider.restore(self.key, self.instance, self.undoes)

    def __str__(self) -> str:
        last = self.version or f"undoes={self.undoes!r}"
        return f"{self.verb.value.lower()}({self.key!r}, {self.instance!r}, {last})"


@attrs.frozen
class Judged:
    """What became of one law."""

    law: Law
    times: int
    """How often it was put to the test.  0: not judged, which is no pass."""
    lacking: str = ""
    """The hook without which it cannot be judged."""
    blind: tuple[str, ...] = ()
    """What would go unnoticed, for want of which hook."""

    def __str__(self) -> str:
        if self.lacking:
            return f"{self.law}: NOT JUDGED: it needs the hook `{self.lacking}`"
        if not self.times:
            return f"{self.law}: NOT JUDGED: no example came to it"
        but = f"; {'; '.join(self.blind)}" if self.blind else ""
        return f"{self.law}: judged {self.times} times{but}"
