"""Taking a whole run back: its instances get the disks that they had before it (N7).

A rollback is a run like any other, with the same gates, batches and thresholds, and with
all that is proved of them.  Two things differ, and both stand in its charter as an `Undo`:
which instances it is about and what each is brought to, and which command does it.  What is
seen of an instance is first put into the words of an ordinary run (`Undo.read`), so that no
rule, no row and no property has to know of rollbacks.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from rollproof.commands import Command, Verb
from rollproof.fleet import Instance


@attrs.frozen(kw_only=True)
class Undo:
    """What a rollback takes back."""

    run: str
    """The run whose replacements are undone."""
    version: str
    """The version that run put on its instances."""
    before: Mapping[str, str]
    """By instance, the version that ran before; the others are not ours to touch."""
    lives: Mapping[str, int] = attrs.field(factory=dict)
    """By instance, the attempt that its replacement bore, where it was not 1."""

    def read(self, instance: Instance, target: str) -> Instance:
        """The instance as the run is to see it.  Law: reading twice is reading once.

        On its version before it is on the ``target``; where somebody has put a third
        version on it since, or the run never touched it, it is protected.
        """
        before = self.before.get(instance.id)
        if before is None:
            return attrs.evolve(instance, protected=True)
        if instance.version in (before, target):
            return attrs.evolve(instance, version=target)
        if instance.version not in (None, self.version):
            return attrs.evolve(instance, protected=True)
        return instance

    def key(self, instance: str) -> str:
        """The idempotency key of the replacement that is undone."""
        attempt = self.lives.get(instance, 1)
        return Command(Verb.REPLACE, instance, attempt, 0).key(self.run)
