"""Bodies of `serve`, `due`, `enable`, `disable`, `approve`, `stop-all` and `retry`."""

from __future__ import annotations

from typing import Any

from rollproof.cli.output import answer, instant, line, local_time, tell
from rollproof.cli.phases import some
from rollproof.cli.program import INTERRUPTED, Options
from rollproof.cli.summary import noted
from rollproof.durations import parse_duration
from rollproof.installation import Installation, Notice
from rollproof.scheduler import Act, Decision

HEADER = ("set", "now", "reason", "next look")


def serve(options: Options, forever: bool, every: str) -> int:
    """Keep the schedule; a signal ends it well."""
    period = parse_duration(every)
    told = _as_json if options.json else _as_text
    with Installation(options.place) as here:
        interrupted = here.serve(forever=forever, every=period, told=told)
    # A service is ended by a signal: that is no failure of it.
    return 0 if interrupted is None or forever else INTERRUPTED + interrupted


def _as_json(notice: Notice) -> None:
    value = {
        "kind": notice.kind,
        "at": instant(notice.at),
        "scale_set": notice.scale_set,
        "run": notice.run,
        "version": notice.version,
        "reason": notice.reason,
        "text": notice.text,
    }
    tell(line(value))


def _as_text(notice: Notice) -> None:
    about = notice.run or notice.scale_set
    reason = f" ({notice.reason})" if notice.reason else ""
    target = f" to {notice.version}" if notice.version else ""
    parts = [local_time(notice.at), f"{notice.kind}{reason}", f"{about}{target}"]
    text = "  ".join(part for part in parts if part)
    tell(f"{text}: {notice.text}" if notice.text else text)


def due(options: Options, scale_set: str | None) -> int:
    """What the schedule would do now, and why not more."""
    with Installation(options.place) as here:
        decisions = here.due(scale_set)
    text = "no scale set is declared: rollproof apply FILE"
    if decisions:
        text = noted(HEADER, list(map(_row, decisions)), [each.text for each in decisions])
    answer(options, {"due": [decision_json(each) for each in decisions]}, text)
    return 0


def _row(decision: Decision) -> tuple[str, ...]:
    until = "-" if decision.until is None else local_time(decision.until)
    act = "-" if decision.act is Act.NOTHING else decision.act.replace("_", " ")
    return decision.scale_set, act, decision.reason, until


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision; the names are a promise (docs/command-line.md)."""
    return {
        "scale_set": decision.scale_set,
        "act": decision.act.value,
        "reason": decision.reason.value,
        "text": decision.text,
        "until": instant(decision.until),
        "run": decision.run or None,
        "version": None if decision.version is None else str(decision.version),
    }


def switch(options: Options, scale_set: str, on: bool) -> int:
    """Automatic upgrades on or off."""
    with Installation(options.place) as here:
        if on:
            here.enable(scale_set)
        else:
            here.disable(scale_set)
        (decision,) = here.due(scale_set)
    state = "on" if on else "off"
    value = {"scale_set": scale_set, "enabled": on, "due": decision_json(decision)}
    answer(options, value, f"{scale_set}: automatic upgrades are {state}; {decision.text}")
    return 0


def approve(options: Options, scale_set: str, instances: tuple[str, ...]) -> int:
    """Approve all that is withheld, or some."""
    with Installation(options.place) as here:
        hosted = here.approve(scale_set, instances)
    what = some(list(instances)) if instances else "all that is withheld"
    text = f"{scale_set}: approved {what}"
    if not hosted:
        text += ".  No process hosts the run now; it takes effect once `rollproof serve` does"
    answer(
        options,
        {"scale_set": scale_set, "approved": list(instances) or "all", "hosted": hosted},
        text,
    )
    return 0


def stop_all(options: Options, off: bool) -> int:
    """The stop-all switch."""
    with Installation(options.place) as here:
        since = here.stop_all(off=off)
    text = "upgrades may go on"
    if since is not None:
        text = f"all upgrades are stopped since {local_time(since)}; rollproof stop-all --off"
    answer(options, {"stopped": since is not None, "since": instant(since)}, text)
    return 0


def retry(options: Options, scale_set: str) -> int:
    """Lift denials."""
    with Installation(options.place) as here:
        decision = here.retry(scale_set)
    value = {"scale_set": scale_set, "due": decision_json(decision)}
    answer(options, value, f"{scale_set}: forgiven; {decision.text}")
    return 0
