"""What became of each instance of a run, and when, from the journal's events (R7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from rollproof.events import Observed, Surveyed
from rollproof.fleet import Instance
from rollproof.installation.following import Happening
from rollproof.installation.reasons import OUTCOMES, Reasons
from rollproof.ledger import IN_FLIGHT
from rollproof.phrases import STANDING
from rollproof.run import Run
from rollproof.table import ROWS, Actor


@attrs.frozen(kw_only=True)
class Entry:
    """One thing that happened to an instance."""

    at: int
    """Milliseconds since the Unix epoch, UTC."""
    instance: str
    event: str
    """Kind of the event that told of it, or brought it about."""
    phase: str | None
    """Where the instance stood after it; None: it was gone."""
    text: str


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one instance."""

    instance: str
    phase: str
    standing: str
    """The phase in words."""
    before: str | None
    """The version it had before the run touched it, as far as known."""
    version: str | None
    """The version last seen on it."""
    replaced_at: int | None
    """When its new disk was there."""
    judged_at: int | None
    """When it was found upgraded, or failed."""
    restored_at: int | None
    """When its previous disk was back."""
    why: str
    """Why it failed; empty when it did not."""


@attrs.frozen(kw_only=True)
class Timeline:
    """The events of one run, told by instance."""

    run: str
    scale_set: str
    target: str
    outcomes: tuple[Outcome, ...]
    entries: tuple[Entry, ...]
    """In the order in which they happened."""


_TOLD: Final[Mapping[str, str]] = {
    "replacing": "its disk is being replaced, in batch {batch}",
    "awaiting": "its disk is replaced; its health is awaited",
    "upgraded_healthy": "seen healthy on {target}: upgraded",
    "upgraded_unhealthy": "upgraded, and seen unhealthy since",
    "failed_healthy": "failed, and healthy now",
    "failed_unhealthy": "failed: {why}",
    "restoring": "its previous disk is being given back",
    "recovering": "its previous disk is back; its health is awaited",
    "restored_healthy": "healthy on its previous version: restored",
    "restored_unhealthy": "on its previous version, and not healthy",
    "unrestored_unhealthy": "not restored: {why}",
    "indeterminate": "left as it was by a forced cancel",
    "pending_healthy": "waits for a batch, healthy",
    "pending_unhealthy": "waits for a batch, unhealthy",
    "skipped_healthy": "left alone: protected, or on the target",
    "skipped_unhealthy": "left alone, unhealthy",
    "unrestored_healthy": "not restored, and healthy now",
}
"""What to say when an instance enters a phase."""


class Chronicle:
    """Collects the timeline of a run, or of one instance of it, event by event."""

    def __init__(self, reasons: Reasons, only: str | None) -> None:
        self._reasons = reasons
        self._only = only
        self._phases: dict[str, str] = {}
        self._seen: dict[str, tuple[str | None, str]] = {}
        self._moments: dict[str, dict[str, int]] = {}
        """By instance, when it first entered a phase."""
        self.entries: list[Entry] = []

    def hears(self, happening: Happening) -> None:
        """Work in one event."""
        self._reasons.hears(happening)
        event, run = happening.event, happening.after
        if isinstance(event, Observed):
            self._observed(event.at, event.instance, run)
        for name in self._concerned(happening):
            phase = run.ledger.phase_of(name)
            if phase != self._phases.get(name):
                self._moved(happening, name, phase)

    def _concerned(self, happening: Happening) -> Iterable[str]:
        """Instances that the event may have moved: the one it is about and, where the
        run picked some, any."""
        event, run = happening.event, happening.after
        instance = getattr(event, "instance", "")
        named = instance.id if isinstance(instance, Instance) else instance
        picked = any(ROWS[row].actor is Actor.PICK for row in happening.rows)
        names: Iterable[str] = [named] if named else []
        if isinstance(event, Surveyed) or picked:
            names = [*self._phases, *(name for name, _ in run.ledger.members())]
        return [name for name in dict.fromkeys(names) if self._only in (None, name)]

    def _observed(self, at: int, seen: Instance, run: Run) -> None:
        """Note a look at an instance in flight that saw something new."""
        if self._only not in (None, seen.id):
            return
        index = run.ledger.find(seen.id)
        if index is None or run.ledger.phases.cells()[index] not in IN_FLIGHT:
            return
        what = (seen.version, seen.health.value)
        if what != self._seen.get(seen.id):
            self._seen[seen.id] = what
            on = f" on {seen.version}" if seen.version is not None else ""
            phase = run.ledger.phase_of(seen.id)
            self._say(at, seen.id, "Observed", phase, f"seen {seen.health.value}{on}")

    def _moved(self, happening: Happening, name: str, phase: str | None) -> None:
        event, run = happening.event, happening.after
        kind = type(event).__name__
        if phase is None:
            del self._phases[name]
            self._moments.pop(name, None)  # should it come back, it is another life
            self._say(event.at, name, kind, None, "vanished from the set")
            return
        was = self._phases.get(name)
        self._phases[name] = phase
        self._seen.pop(name, None)
        why = self._reasons.why(name) or "no reason was recorded"
        for entered in _path(happening.rows, was, phase):
            self._moments.setdefault(name, {}).setdefault(entered, event.at)
            # Of a whole fleet only those that move are told of, not those first seen.
            if was is not None or self._only or not entered.startswith(("pending", "skipped")):
                text = _TOLD[entered].format(
                    batch=run.batches, target=run.charter.target, why=why
                )
                self._say(event.at, name, kind, entered, text)

    def _say(self, at: int, name: str, event: str, phase: str | None, text: str) -> None:
        self.entries.append(Entry(at=at, instance=name, event=event, phase=phase, text=text))

    def told(self, run: Run) -> Timeline:
        """The timeline up to now."""
        return Timeline(
            run=run.charter.run,
            scale_set=run.charter.scale_set,
            target=run.charter.target,
            outcomes=tuple(self._outcomes(run)),
            entries=tuple(self.entries),
        )

    def _outcomes(self, run: Run) -> Iterator[Outcome]:
        ledger = run.ledger
        for name, phase in ledger.members():
            if self._only not in (None, name):
                continue
            index = ledger.roster.index[name]
            failed = phase in OUTCOMES
            version = ledger.versions.cells()[index]
            yield Outcome(
                instance=name,
                phase=phase,
                standing=STANDING[phase],
                before=ledger.before.cells()[index],
                version=run.charter.target if phase == "upgraded_healthy" else version,
                replaced_at=self._moment(name, "awaiting"),
                judged_at=self._moment(name, "upgraded_healthy", "failed_unhealthy"),
                restored_at=self._moment(name, "recovering"),
                why=self._reasons.why(name) if failed else "",
            )

    def _moment(self, name: str, *phases: str) -> int | None:
        """When the instance first entered one of the phases."""
        entered = self._moments.get(name, {})
        return min((entered[phase] for phase in phases if phase in entered), default=None)


def _path(rows: Iterable[str], was: str | None, phase: str) -> list[str]:
    """The phases that one event led an instance through: a failed one is given its disk
    back at once."""
    path, at = [], was
    for row in (ROWS[name] for name in rows):
        if at != phase and row.leaves == at and at is not None and row.enters is not None:
            at = row.enters
            path.append(at)
    return path if at == phase else [phase]
