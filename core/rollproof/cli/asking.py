"""Bodies of `plan`, `status` and `history`: questions that change nothing."""

from __future__ import annotations

from typing import Any

from rollproof.cli.output import (
    answer,
    cause_name,
    clock,
    columns,
    failures_json,
    local_time,
    status_json,
)
from rollproof.cli.phases import some
from rollproof.cli.program import Options
from rollproof.cli.summary import full_status
from rollproof.installation import Installation
from rollproof.installation.reasons import span
from rollproof.plan import Plan
from rollproof.states import Cause
from rollproof.status import RunStatus


def plan(options: Options, scale_set: str, to: str | None, rollback: bool | None) -> int:
    """Say what a run would do."""
    with Installation(options.place) as here:
        planned = here.plan(scale_set, to, rollback=rollback)
    answer(options, plan_json(planned), plan_text(planned))
    return 0


def plan_json(planned: Plan) -> dict[str, Any]:
    """A plan; the names are a promise (docs/command-line.md)."""
    verdict, duration = planned.verdict, planned.duration
    return {
        "scale_set": planned.scale_set,
        "target": planned.target,
        "outlook": verdict.outlook.value,
        "verdict": verdict.text,
        "instances": planned.instances,
        "unhealthy": verdict.unhealthy,
        "unhealthy_allowed": verdict.allowed,
        "batches": [
            {
                "instances": list(batch.instances),
                "zones": list(batch.zones),
                "update_domains": list(batch.update_domains),
                "unhealthy": batch.unhealthy,
                "healthy_left": batch.healthy_left,
            }
            for batch in planned.batches
        ],
        "on_target": list(planned.on_target),
        "protected": list(planned.protected),
        "planned": {
            "in_flight": planned.planned.in_flight,
            "healthy": planned.planned.healthy,
        },
        "guaranteed": {
            "in_flight": planned.guaranteed.in_flight,
            "healthy": planned.guaranteed.healthy,
        },
        "breakable": planned.breakable,
        "duration_ms": {
            "shortest": duration.shortest,
            "longest": duration.longest,
            "limit": duration.limit,
        },
    }


SHOWN = 20
"""Batches that a text lists."""


def plan_text(planned: Plan) -> str:
    """A plan for people."""
    lines = [f"{planned.scale_set} to {planned.target}: {planned.verdict.text}"]
    for number, batch in enumerate(planned.batches[:SHOWN], start=1):
        zones = f" of zone {', '.join(batch.zones)}" if any(batch.zones) else ""
        if planned.one_domain:
            zones += f" in update domain {', '.join(batch.update_domains) or 'none'}"
        left = f"{batch.healthy_left} healthy ones left"
        lines.append(f"  batch {number}: {some(list(batch.instances))}{zones}; {left}")
    if len(planned.batches) > SHOWN:
        lines.append(f"  ... and {len(planned.batches) - SHOWN} more batches")
    if planned.on_target:
        lines.append(f"  on {planned.target} already: {some(list(planned.on_target))}")
    if planned.protected:
        lines.append(f"  protected: {some(list(planned.protected))}")
    if planned.batches:
        duration = planned.duration
        paused = f" and {span(duration.shortest)} of pauses" if duration.shortest else ""
        lines += [
            f"at most {planned.guaranteed.in_flight} are down at once because of the run, and "
            f"no batch begins that would\n  leave fewer than {planned.guaranteed.healthy} of "
            f"{planned.instances} healthy",
            f"an image on which nothing works breaks at most {planned.breakable} before the "
            "run stops",
            f"it takes as long as its replacements{paused}; at most {span(duration.longest)}, "
            f"should every\n  wait last to its deadline, and whatever fails "
            f"{span(duration.limit)}",
        ]
    return "\n".join(lines)


def status(options: Options, name: str) -> int:
    """Show one run."""
    with Installation(options.place) as here:
        found, account = here.status(name), here.account(name)
    if found is None or account is None:
        answer(
            options,
            {"scale_set": name, "run": None},
            f"{name}: no run yet.  Start one: rollproof run {name}",
        )
        return 0
    follower, reasons = account
    failures = reasons.failures(follower.run)
    value = {
        **status_json(found),
        "stop": reasons.stop,
        "failures": failures_json(failures),
        "instances": dict(follower.run.ledger.members()),
    }
    advice = f"go on with it: rollproof run {found.scale_set} (or follow it, if it is hosted)"
    text = full_status(found, follower.run, failures, reasons.stop, advice)
    answer(options, value, text)
    return 0


def history(options: Options, scale_set: str, everything: bool) -> int:
    """List the runs of a set."""
    with Installation(options.place) as here:
        runs = here.history(scale_set, everything=everything)
    empty = f"{scale_set}: no run yet" if everything else f"{scale_set}: no run in 2 months"
    text = columns([HEADER, *map(_row, runs)]) if runs else empty
    answer(options, {"scale_set": scale_set, "runs": [status_json(r) for r in runs]}, text)
    return 0


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
        run.run.rpartition("-")[0],  # which `status` takes too
        run.running_status.value + (f": {cause}" if cause else ""),
    )
