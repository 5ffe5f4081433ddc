"""Bodies of `history`, `timeline` and `prune`: what happened, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rollproof.charter import StartedBy
from rollproof.cli.output import (
    answer,
    cause_name,
    clock,
    instant,
    local_time,
    status_json,
)
from rollproof.cli.program import Options
from rollproof.cli.summary import noted, wrapped
from rollproof.durations import parse_duration
from rollproof.errors import InvalidFields, Problem
from rollproof.host import wall_clock
from rollproof.installation import Filter, Installation, Pruned, Timeline
from rollproof.installation.timeline import Entry, Outcome
from rollproof.moments import MILLISECOND
from rollproof.states import Cause
from rollproof.status import RunningStatus, RunStatus


def history(
    options: Options,
    scale_set: str,
    *,
    status: Sequence[str] = (),
    cause: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    started_by: str | None = None,
    **asked: Any,
) -> int:
    """List the runs of a set."""
    now = wall_clock()
    chosen = Filter(
        status=frozenset(map(RunningStatus, status)),
        cause=frozenset(Cause[each.upper()] for each in cause),
        since=moment("since", since, now),
        until=moment("until", until, now),
        started_by=None if started_by is None else StartedBy(started_by),
        **asked,
    )
    with Installation(options.place) as here:
        runs = here.history(scale_set, chosen)
    text = f"{scale_set}: {_none(chosen)}"
    if runs:
        text = noted(HEADER, list(map(_row, runs)), list(map(_note, runs)))
    answer(options, {"scale_set": scale_set, "runs": [status_json(r) for r in runs]}, text)
    return 0


def moment(name: str, text: str | None, now: int) -> int | None:
    """The time that an option spells: a date or time of ISO 8601, on the clock of whoever
    asks unless it names a zone, or a duration before now.  Raises InvalidFields."""
    if text is None:
        return None
    try:
        if text.startswith("P"):
            return now - parse_duration(text) // MILLISECOND
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (InvalidFields, ValueError, OverflowError, OSError):
        problem = Problem(
            field=f"--{name}",
            value=repr(text),
            bound="a date, a time of ISO 8601, or how long ago",
            requirement="R7.1",
            fix="For example 2026-11-01, 2026-11-01T08:30:00Z or P7D.",
        )
        raise InvalidFields((problem,)) from None


def _none(asked: Filter) -> str:
    if asked == Filter():
        return "no run in 2 months"
    return "no run yet" if asked == Filter(everything=True) else "no such run"


HEADER = ("started", "took", "target", "up", "failed", "left", "run", "outcome")


def _row(run: RunStatus) -> tuple[str, ...]:
    progress = run.progress
    cause = "" if run.cause is Cause.NONE else cause_name(run.cause).replace("_", " ")
    return (
        local_time(run.started_at)[5:16],
        clock((run.ended_at or run.last_action_at) - run.started_at),
        run.target,
        str(progress.successful),
        str(progress.failed),
        str(progress.pending + progress.in_progress + progress.skipped),
        _short(run.run),
        run.running_status.value + (f": {cause}" if cause else ""),
    )


def _note(run: RunStatus) -> str:
    """What a row cannot tell in 80 columns: that it is a rollback, and of which run (N7)."""
    return f"takes {_short(run.undoes)} back" if run.undoes else ""


def _short(run: str) -> str:
    """The id of a run without what makes it unique for ever; `status` takes it too."""
    return run.rpartition("-")[0]


# -- timeline


def timeline(options: Options, name: str, instance: str | None) -> int:
    """Tell of the instances of a run, or of one."""
    with Installation(options.place) as here:
        told = here.timeline(name, instance)
    answer(options, timeline_json(told), timeline_text(told))
    return 0


def timeline_json(told: Timeline) -> dict[str, Any]:
    """A timeline; the names are a promise (docs/command-line.md)."""
    return {
        "run": told.run,
        "scale_set": told.scale_set,
        "target": told.target,
        "instances": [_outcome_json(each) for each in told.outcomes],
        "timeline": [_entry_json(each) for each in told.entries],
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "instance": outcome.instance,
        "phase": outcome.phase,
        "standing": outcome.standing,
        "before": outcome.before,
        "version": outcome.version,
        "replaced_at": instant(outcome.replaced_at),
        "judged_at": instant(outcome.judged_at),
        "restored_at": instant(outcome.restored_at),
        "why": outcome.why,
    }


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "at": instant(entry.at),
        "instance": entry.instance,
        "event": entry.event,
        "phase": entry.phase,
        "text": entry.text,
    }


def timeline_text(told: Timeline) -> str:
    """A timeline for people."""
    lines = [f"{told.scale_set} to {told.target}, run {told.run}"]
    width = max((len(each.instance) for each in told.entries), default=0)
    for each in told.entries:
        when = local_time(each.at)[5:]
        lines += wrapped(f"{when}  {each.instance:<{width}}  {each.text}")
    for outcome in told.outcomes if len(told.outcomes) == 1 else ():
        lines += wrapped(f"now it is {outcome.standing}; {_versions(outcome)}")
    return "\n".join(lines)


def _versions(outcome: Outcome) -> str:
    seen = f"last seen on {outcome.version or 'an unknown version'}"
    return seen if outcome.before is None else f"before the run {outcome.before}, {seen}"


# -- retention


def prune(
    options: Options, scale_set: str | None, older_than: str, keep: int, dry_run: bool
) -> int:
    """Remove the events of old runs."""
    age = _age(older_than)
    with Installation(options.place) as here:
        gone = here.prune(scale_set, older_than=age, keep=keep, dry_run=dry_run)
    value = {
        "pruned": [each.run for each in gone.runs],
        "events": gone.events,
        "dry_run": gone.dry_run,
        "shrunk": gone.shrunk,
    }
    answer(options, value, prune_text(gone))
    return 0


def _age(text: str) -> timedelta:
    """Raises InvalidFields that names the option."""
    try:
        return parse_duration(text)
    except InvalidFields:
        problem = Problem(
            field="--older-than",
            value=repr(text),
            bound="a duration of ISO 8601",
            requirement="R7.1",
            fix="For example P90D.",
        )
        raise InvalidFields((problem,)) from None


def prune_text(gone: Pruned) -> str:
    """What was removed, or would be, for people."""
    if not gone.runs:
        return "nothing to prune"
    number = len(gone.runs)
    what = f"{gone.events:,} events of {number} run{'s' * (number != 1)}"
    lines = [f"{'would remove' if gone.dry_run else 'removed'} {what}:"]
    lines += [f"  {each.run}, ended {local_time(each.ended_at or 0)}" for each in gone.runs]
    if not gone.dry_run and not gone.shrunk:
        lines += wrapped("the file keeps its size while a process hosts; events to come use it")
    return "\n".join(lines)
