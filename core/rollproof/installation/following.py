"""A run as its journal tells it, event by event, whoever hosts it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import attrs

from rollproof.commands import Command
from rollproof.errors import DamagedJournal
from rollproof.events import Event
from rollproof.journal import Journal
from rollproof.run import Run, new_run
from rollproof.step import trace

log = logging.getLogger("rollproof.following")


@attrs.frozen
class Happening:
    """One event that was recorded, and what it did to the run."""

    before: Run
    event: Event
    after: Run
    rows: tuple[str, ...]
    """Names of the rows of the table that were taken."""
    past: bool
    """Whether it had happened before we began to look."""
    seq: int = 0
    """Its number within the run, from 1, as in the journal."""
    commands: tuple[Command, ...] = ()
    """What the run wanted done because of it."""


class Audience(Protocol):
    """Somebody who follows a run.  An async host feeds it, so it must not block."""

    def begins(self, run: Run) -> None:
        """Told once: the run before its first event."""
        ...

    def hears(self, happening: Happening) -> None:
        """Told of every event in order, those of the past first."""
        ...

    def finds(self, instance: str, answer: str) -> None:
        """Told what an unhealthy instance answers, where it is hosted here."""
        ...

    def notes(self, text: str) -> None:
        """Told who hosts the run, and when that changes; a sentence for a person."""
        ...

    def ticks(self, at: int) -> None:
        """Told the time, in milliseconds since the Unix epoch, several times a second."""
        ...


class Follower:
    """Reads the events of one run out of the journal, from the first one on."""

    def __init__(self, journal: Journal, run: str) -> None:
        """Raises `UnknownRun`."""
        self._journal = journal
        self._seq = 0
        self._version: int | None = None
        self.run = new_run(journal.run(run).charter)

    @property
    def seq(self) -> int:
        """Number of the last event that was read; 0 before the first."""
        return self._seq

    def news(self, *, past: bool = False) -> Iterator[Happening]:
        """What was recorded since the last call.

        Raises `DamagedJournal` when the record is not what the table makes of it.
        """
        version = self._journal.version()
        if version == self._version and not past:
            return
        self._version = version
        name = self.run.charter.run
        for recorded in self._journal.events(name, self._seq):
            before = self.run
            after, commands, rows = trace(before, recorded.event)
            if rows != recorded.rows or after.state != recorded.state:
                raise DamagedJournal(
                    str(self._journal.path),
                    f"event {recorded.seq} of run {name} does not follow from those before",
                )
            self.run, self._seq = after, recorded.seq
            yield Happening(before, recorded.event, after, rows, past, self._seq, commands)


class Quiet:
    """An audience that asks for nothing; derive from it to hear only what you want."""

    def begins(self, run: Run) -> None:
        """The run before its first event."""

    def hears(self, happening: Happening) -> None:
        """One event."""

    def finds(self, instance: str, answer: str) -> None:
        """What an unhealthy instance answers."""

    def notes(self, text: str) -> None:
        """A sentence for a person."""

    def ticks(self, at: int) -> None:
        """The time."""


class Audiences:
    """Several audiences as one, told in their order.

    What one of them raises is logged and goes no further: the others are told, and the
    run goes on.
    """

    def __init__(self, many: Sequence[Audience]) -> None:
        self._many = tuple(many)

    def begins(self, run: Run) -> None:
        """The run before its first event."""
        self._tell(lambda each: each.begins(run))

    def hears(self, happening: Happening) -> None:
        """One event."""
        self._tell(lambda each: each.hears(happening))

    def finds(self, instance: str, answer: str) -> None:
        """What an unhealthy instance answers."""
        self._tell(lambda each: each.finds(instance, answer))

    def notes(self, text: str) -> None:
        """A sentence for a person."""
        self._tell(lambda each: each.notes(text))

    def ticks(self, at: int) -> None:
        """The time."""
        self._tell(lambda each: each.ticks(at))

    def _tell(self, tell: Callable[[Audience], None]) -> None:
        for each in self._many:
            try:
                tell(each)
            except Exception:
                log.exception("an audience failed; the run goes on: %r", each)
