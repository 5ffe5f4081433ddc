"""Progress as plain lines, for logs and pipes."""

from __future__ import annotations

from datetime import datetime

from rollproof.cli.narrator import Telling
from rollproof.cli.output import tell
from rollproof.installation import Failure, Happening, Reasons
from rollproof.run import Run


class Log:
    """An audience that prints a line for whatever is worth one."""

    def __init__(self, reasons: Reasons) -> None:
        self._reasons = reasons
        self._telling: Telling | None = None
        self._run: Run | None = None
        self._at = 0
        self._past = False

    def begins(self, run: Run) -> None:
        """The run before its first event."""
        self._run = run
        self._telling = Telling(run, self._reasons, self._say)

    def hears(self, happening: Happening) -> None:
        """One event."""
        assert self._telling is not None, "begins comes first"
        self._run, self._at = happening.after, happening.event.at
        self._past = happening.past
        self._telling.hears(happening)

    def finds(self, instance: str, answer: str) -> None:
        """What an unhealthy instance answers."""
        self._reasons.finds(instance, answer)

    def notes(self, text: str) -> None:
        """Who hosts the run."""
        self._print(text)

    def ticks(self, at: int) -> None:
        """The time."""
        self._at = max(self._at, at)

    def failures(self) -> tuple[Failure, ...]:
        """Who failed, and why."""
        return () if self._run is None else self._reasons.failures(self._run)

    def close(self) -> None:
        """Nothing to tidy up."""

    def _say(self, text: str, _trouble: bool) -> None:
        if not self._past:  # what happened before is in the log of whoever saw it
            self._print(text)

    def _print(self, text: str) -> None:
        moment = datetime.fromtimestamp(self._at / 1000).astimezone() if self._at else None
        stamp = f"{moment:%H:%M:%S} " if moment else ""
        tell(f"{stamp}{text}")
