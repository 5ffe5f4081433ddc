"""Progress as lines of JSON, one for each event."""

from __future__ import annotations

from rollproof.cli.output import line, tell
from rollproof.installation import Failure, Happening, Reasons
from rollproof.installation.observing.lines import event_line
from rollproof.run import Run


class Stream:
    """An audience that prints what it hears as JSON."""

    def __init__(self, reasons: Reasons) -> None:
        self._reasons = reasons
        self._run: Run | None = None

    def begins(self, run: Run) -> None:
        """The run before its first event."""
        self._run = run

    def hears(self, happening: Happening) -> None:
        """One event."""
        self._reasons.hears(happening)
        self._run = happening.after
        tell(line({**event_line(happening, self._reasons), "past": happening.past}))

    def finds(self, instance: str, answer: str) -> None:
        """What an unhealthy instance answers."""
        self._reasons.finds(instance, answer)

    def notes(self, text: str) -> None:
        """Who hosts the run."""
        tell(line({"kind": "note", "text": text}))

    def ticks(self, at: int) -> None:
        """Not worth a line."""

    def failures(self) -> tuple[Failure, ...]:
        """Who failed, and why."""
        return () if self._run is None else self._reasons.failures(self._run)

    def close(self) -> None:
        """Nothing to tidy up."""
