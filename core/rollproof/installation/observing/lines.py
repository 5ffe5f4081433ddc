"""How an event is spelled for programs: the one spelling, wherever it is sent.

The names are a promise (docs/events.md): keys may be added, and their meaning stays as
long as `SCHEMA` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from rollproof.counts import PHASES
from rollproof.events import Surveyed
from rollproof.installation.following import Happening
from rollproof.installation.reasons import Reasons
from rollproof.moments import instant_ms

SCHEMA: Final = 1
"""Version of the lines."""


def event_line(happening: Happening, reasons: Reasons) -> dict[str, Any]:
    """One event and what it did; `reasons` has heard of it."""
    event, after = happening.event, happening.after
    charter, counts = after.charter, after.counts._asdict()
    instance = getattr(event, "instance", "")
    value: dict[str, Any] = {
        "kind": "event",
        "schema": SCHEMA,
        "id": f"{charter.run}/{happening.seq}",
        "run": charter.run,
        "seq": happening.seq,
        "scale_set": charter.scale_set,
        "at": instant(event.at),
        "event": type(event).__name__,
        "transitions": list(happening.rows),
        "state": after.state.value,
        "cause": after.cause.name.lower(),
        "batch": after.batches,
        "phases": {phase: counts[phase] for phase in PHASES if counts[phase]},
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


@attrs.frozen
class Dropped:
    """Events of one run that an outlet was not told, for too many were waiting."""

    run: str
    scale_set: str
    first: int
    """Number of the first of them."""
    last: int

    def line(self) -> dict[str, Any]:
        """As it is told instead."""
        return {
            "kind": "dropped",
            "schema": SCHEMA,
            "id": f"{self.run}/{self.first}-{self.last}",
            "run": self.run,
            "scale_set": self.scale_set,
            "first": self.first,
            "last": self.last,
        }


def text_of(line: Mapping[str, Any]) -> str:
    """On one line, in ASCII, without its end."""
    return json.dumps(line, separators=(",", ":"))


def instant(at: int | None) -> str | None:
    """ISO 8601, UTC, with milliseconds."""
    return None if at is None else instant_ms(at)
