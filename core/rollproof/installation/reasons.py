"""Why instances failed, in words, from what the journal holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from rollproof.counts import attempted, lost, unhealthy, whole
from rollproof.events import (
    Fault,
    Observed,
    Overdue,
    ReplaceFailed,
    RestoreFailed,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance, PowerState
from rollproof.health import HealthExtension, HealthSource, HttpProbe
from rollproof.installation.following import Happening
from rollproof.run import Run


def _fleet_unhealthy(run: Run) -> str:
    ill = unhealthy(run.counts) + run.counts.restoring  # restores may have begun with it
    return (
        f"{ill} of {whole(run.counts)} instances are unhealthy, and at most "
        f"{run.charter.limits.max_unhealthy} % may be (max_unhealthy_instance_percent, R4.1)"
    )


def _upgraded_unhealthy(run: Run) -> str:
    return (
        f"{lost(run.counts)} of the {attempted(run.counts)} instances this run touched failed, "
        f"and at most {run.charter.limits.max_unhealthy_upgraded} % may "
        "(max_unhealthy_upgraded_instance_percent, R4.4)"
    )


def _not_seen(run: Run) -> str:
    return f"the fleet could not be seen within {span(run.charter.survey_wait)} (R4.1)"


_STOPS: Mapping[str, Callable[[Run], str]] = {
    "breach_fleet": _fleet_unhealthy,
    "breach_upgraded": _upgraded_unhealthy,
    "survey_overdue": _not_seen,
}
"""Rows that stop a run, and what to say of them."""

OUTCOMES: Mapping[str, str] = {
    "failed_healthy": "it keeps the new disk",
    "failed_unhealthy": "it keeps the new disk",
    "upgraded_unhealthy": "it keeps the new disk",
    "restoring": "its previous disk is being given back",
    "recovering": "its previous disk is back, its health is awaited",
    "restored_healthy": "its previous disk is back, and it is healthy",
    "restored_unhealthy": "its previous disk is back, and it is not healthy",
    "unrestored_healthy": "its previous disk could not be given back",
    "unrestored_unhealthy": "its previous disk could not be given back",
}
"""What became of a failed instance, by the phase it stands in."""


@attrs.frozen
class Failure:
    """One instance whose upgrade failed."""

    instance: str
    at: int
    why: str
    outcome: str
    """What became of it since."""


class Reasons:
    """Collects the failures of one run from its events."""

    def __init__(self, health: HealthSource | None) -> None:
        """``health`` names the probe in the words of a failure."""
        self._probe = probe_in_words(health)
        self._seen: dict[str, Instance] = {}
        self._answers: dict[str, str] = {}
        self._why: dict[str, tuple[int, str]] = {}
        self._stop = ""

    def hears(self, happening: Happening) -> None:
        """Work in one event."""
        event = happening.event
        match event:
            case Observed(instance=seen):
                self._seen[seen.id] = seen
            case ReplaceFailed(at=at, instance=name, why=why) if happening.rows:
                self._why[name] = (at, f"its disk could not be replaced: {why}")
            case RestoreFailed(at=at, instance=name, why=why) if happening.rows:
                before = self._why.get(name, (at, "it failed"))
                self._why[name] = (before[0], f"{before[1]}; the restore failed: {why}")
            case Overdue(at=at, instance=name) if "fail" in happening.rows:
                self._why[name] = (at, self._not_healthy(happening.before, name))
            case Overdue(at=at, instance=name) if "replace_failed" in happening.rows:
                wait = span(happening.before.charter.replace_wait)
                self._why[name] = (at, f"no word within {wait} that its disk was replaced")
            case Vanished(instance=name) if happening.rows:
                self._forget(name)
            case Surveyed():
                self._surveyed(event, happening.after)
            case Fault(why=why):
                self._stop = why
            case _:
                pass
        for row in happening.rows:
            if row in _STOPS:
                probe = self._probe if row == "breach_fleet" else ""
                self._stop = _STOPS[row](happening.after) + probe

    def finds(self, instance: str, answer: str) -> None:
        """Note what an unhealthy instance answers."""
        self._answers[instance] = answer

    def failures(self, run: Run) -> tuple[Failure, ...]:
        """All failures so far, in the order they happened."""
        return tuple(
            Failure(name, at, why, OUTCOMES.get(run.ledger.phase_of(name) or "", ""))
            for name, (at, why) in self._why.items()
        )

    def why(self, instance: str) -> str:
        """Why the instance failed; empty when it did not."""
        return self._why.get(instance, (0, ""))[1]

    @property
    def stop(self) -> str:
        """What stopped the run, with the numbers; empty when nothing did."""
        return self._stop

    def _surveyed(self, event: Surveyed, run: Run) -> None:
        for name in event.gone:
            self._forget(name)
        for seen in event.present:
            phase = run.ledger.phase_of(seen.id)
            if phase == "upgraded_unhealthy":
                ill = f"upgraded, and then seen {seen.health.value} on {seen.version}"
                self._why[seen.id] = (event.at, ill)
            elif phase == "upgraded_healthy":
                self._forget(seen.id)

    def _forget(self, instance: str) -> None:
        self._why.pop(instance, None)
        self._seen.pop(instance, None)
        self._answers.pop(instance, None)

    def _not_healthy(self, run: Run, name: str) -> str:
        wait, target = span(run.charter.health_wait), run.charter.target
        seen = self._seen.get(name)
        if seen is None:
            return f"not healthy within {wait}, it could not be observed"
        if seen.version is not None and seen.version != target:
            return f"not on {target} within {wait}: it was seen running {seen.version}"
        if seen.power_state is not PowerState.RUNNING:
            return f"not healthy within {wait}, its server was {seen.power_state.value}"
        health = "still starting" if seen.health is Health.INITIALIZING else seen.health.value
        answer = self._answers.get(name)
        why = f": {answer}" if answer else self._probe
        return f"not healthy within {wait}, last seen {health}{why}"


def probe_in_words(source: HealthSource | None) -> str:
    """ " (probe: ...)", or nothing where there is no probe."""
    if source is None:
        return ""
    if isinstance(source, HttpProbe):
        asked = f"GET {source.path} on port {source.port} must answer {source.expected_status}"
    elif isinstance(source, HealthExtension):
        place = source.file or f"GET {source.path} on port {source.port}"
        return f" (health extension: {place} must report Healthy)"
    else:
        asked = f"port {source.port} must accept a connection"
    return f" (probe: {asked})"


def span(milliseconds: int) -> str:
    """A span of time as people write it: 3 s, 5 min, 1 h 30 min."""
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest if not hours else 0, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n)
