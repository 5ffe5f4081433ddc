"""From the journal back to the run: the same `step`, the same events."""

from __future__ import annotations

from rollproof.errors import DamagedJournal, IllegalEvent
from rollproof.journal.journal import Journal, Recorded, RunRecord, genesis
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
        self._digest = genesis(self.run.charter)

    def catch_up(self) -> tuple[str, ...]:
        """Work in what was recorded since, and name the rows taken.

        Raises `DamagedJournal` when the record is not what `step` makes of its events:
        it was tampered with, or written by other rules.
        """
        name = self.run.charter.run
        record = self._journal.run(name)
        taken: list[str] = []
        for recorded in self._journal.events(name, self._seq):
            after, names = self._next(recorded)
            if (
                recorded.seq != self._seq + 1
                or recorded.digest_after(self._digest, name) != recorded.digest
                or names != recorded.rows
                or after.state != recorded.state
            ):
                raise self._departs(recorded.seq)
            self.run, self._seq, self._digest = after, recorded.seq, recorded.digest
            taken.extend(names)
            if self._seq == record.turns:
                self._compare(record)
        if self._seq < record.turns:  # more may have been recorded meanwhile, never less
            raise self._departs(record.turns)
        return tuple(taken)

    def _next(self, recorded: Recorded) -> tuple[Run, tuple[str, ...]]:
        try:
            after, _, names = trace(self.run, recorded.event)
        except IllegalEvent as error:
            raise self._departs(recorded.seq) from error
        return after, names

    def _compare(self, record: RunRecord) -> None:
        """The last turn left the run's record as the events leave the run."""
        run = self.run
        if (record.charter, record.state, record.counts, record.batches) != (
            run.charter,
            run.state,
            run.counts,
            run.batches,
        ):
            raise self._departs(self._seq)

    def _departs(self, seq: int) -> DamagedJournal:
        return DamagedJournal(
            str(self._journal.path),
            f"event {seq} of run {self.run.charter.run} is not what follows event {self._seq}"
            " by the rules of this version",
        )
