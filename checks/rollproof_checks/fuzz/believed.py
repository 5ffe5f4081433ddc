"""What must be so of one instance, after all that an adapter was told and answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

import attrs

from rollproof.commands import Verb
from rollproof_checks.fuzz.contract import Ask, Law


@attrs.define(eq=False)
class Disk:
    """An OS disk that was made."""

    version: str
    stem: str = ""
    """Key of the replace it was made by; empty for the first one."""
    before: Disk | None = None
    """The disk it displaced."""
    suspect: Law | None = None
    """The law that was broken if a restore brings back something else than ``before``:
    more than one disk may have been made."""
    mark: Hashable = None
    """By which it is told from others, once that was read."""


@attrs.define(eq=False)
class Believed:
    """One instance."""

    id: str
    disk: Disk
    data: Hashable = None
    """Fingerprint of its data disks."""
    boot: Hashable = None
    """By which its present boot is told from others; None: not to be compared."""
    kept: bool = False
    """Whether the disk before must still be there."""
    running: bool | None = True
    """None: whoever repeats a command may have booted it."""
    gone: bool = False
    open: Ask | None = None
    """Nobody can say whether this has happened."""
    asks: list[Ask] = attrs.Factory(list)
    """What was asked and answered; and replaces that were undone before they were asked."""
    askers: dict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    """Which adapter objects were asked, by key."""
    failed: set[str] = attrs.Factory(set)
    """Keys of replaces that certainly failed."""
    undone: set[str] = attrs.Factory(set)
    """Keys of replaces that were undone."""

    def shows(self) -> set[str | None]:
        """What may be observed once the instance has come to rest."""
        if self.open is not None:
            return {None, self.disk.version, *self._outcomes(self.open)}
        if self.running is None:
            return {None, self.disk.version}
        return {self.disk.version if self.running else None}

    def _outcomes(self, ask: Ask) -> set[str]:
        if ask.verb is Verb.REPLACE:
            return {ask.version}
        undone = self.disk.before if ask.undoes == self.disk.stem else None
        return {undone.version} if undone else set()

    def undoes(self, ask: Ask) -> bool:
        """Whether there is something that this restore undoes."""
        return self.disk.before is not None and ask.undoes == self.disk.stem

    def replaced(self, ask: Ask) -> None:
        """The replace has happened."""
        self.disk = Disk(ask.version, ask.key, self.disk)
        self.kept, self.running, self.boot = True, True, None

    def restored(self, ask: Ask) -> None:
        """The restore has happened."""
        self.undone.add(ask.undoes)
        if self.undoes(ask):
            assert self.disk.before is not None
            self.disk = self.disk.before
            self.kept, self.running, self.boot = False, True, None
        else:
            self.stirred()

    def stirred(self) -> None:
        """Something that has no effect was asked: where nothing ran, something may now."""
        if self.running is not True:
            self.running, self.boot = None, None
