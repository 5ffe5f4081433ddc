"""Progress as lines of JSON, one for each event."""

from __future__ import annotations

from typing import Any

from rollproof.cli.output import instant, line
from rollproof.cli.phases import tally
from rollproof.events import Surveyed
from rollproof.installation import Failure, Happening, Reasons
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
        line(event_json(happening, self._reasons))

    def finds(self, instance: str, answer: str) -> None:
        """What an unhealthy instance answers."""
        self._reasons.finds(instance, answer)

    def notes(self, text: str) -> None:
        """Who hosts the run."""
        line({"kind": "note", "text": text})

    def ticks(self, at: int) -> None:
        """Not worth a line."""

    def failures(self) -> tuple[Failure, ...]:
        """Who failed, and why."""
        return () if self._run is None else self._reasons.failures(self._run)

    def close(self) -> None:
        """Nothing to tidy up."""


def event_json(happening: Happening, reasons: Reasons) -> dict[str, Any]:
    """One event and what it did; the names are a promise (docs/command-line.md)."""
    event, after = happening.event, happening.after
    instance = getattr(event, "instance", "")
    value: dict[str, Any] = {
        "kind": "event",
        "run": after.charter.run,
        "at": instant(event.at),
        "event": type(event).__name__,
        "transitions": list(happening.rows),
        "state": after.state.value,
        "batch": after.batches,
        "phases": tally(after),
        "past": happening.past,
    }
    if isinstance(event, Surveyed):
        value["changed"] = len(event.present)
        value["gone"] = list(event.gone)
    elif instance:
        name = instance if isinstance(instance, str) else instance.id
        value["instance"] = name
        value["phase"] = after.ledger.phase_of(name)
        if not isinstance(instance, str):
            value["version"] = instance.version
            value["health"] = instance.health.value
        if why := reasons.why(name):
            value["why"] = why
    return value
