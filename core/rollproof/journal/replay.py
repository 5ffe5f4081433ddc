"""From the journal back to the run: the same `step`, the same events."""

from __future__ import annotations

from rollproof.errors import DamagedJournal
from rollproof.journal.journal import GENESIS, Journal
from rollproof.run import Run, new_run
from rollproof.step import trace


class Replay:
    """A run rebuilt from its journal, and kept up with it.

    Any process may follow a run this way, whoever hosts it.
    """

    def __init__(self, journal: Journal, run: str) -> None:
        """Raises `UnknownRun`."""
        self._journal = journal
        self.run: Run = new_run(journal.run(run).charter)
        self._seq = 0
        self._digest = GENESIS

    def catch_up(self) -> tuple[str, ...]:
        """Work in what was recorded since, and name the rows taken.

        Raises `DamagedJournal` when the record is not what `step` makes of its events:
        it was tampered with, or written by other rules.
        """
        name = self.run.charter.run
        taken: list[str] = []
        for recorded in self._journal.events(name, self._seq):
            after, _, names = trace(self.run, recorded.event)
            if (
                recorded.seq != self._seq + 1
                or recorded.digest_after(self._digest, name) != recorded.digest
                or names != recorded.rows
                or after.state != recorded.state
            ):
                raise DamagedJournal(
                    str(self._journal.path),
                    f"event {recorded.seq} of run {name} is not what follows event {self._seq}",
                )
            self.run, self._seq, self._digest = after, recorded.seq, recorded.digest
            taken.extend(names)
        return tuple(taken)
