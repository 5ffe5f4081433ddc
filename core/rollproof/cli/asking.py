"""Bodies of `plan` and `status`: questions that change nothing."""

from __future__ import annotations

from typing import Any

from rollproof.cli.output import answer, failures_json, status_json
from rollproof.cli.phases import some
from rollproof.cli.program import Options
from rollproof.cli.summary import full_status, paragraph
from rollproof.installation import Installation
from rollproof.installation.reasons import span
from rollproof.plan import Plan


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
    lines = paragraph(f"{planned.scale_set} to {planned.target}: {planned.verdict.text}")
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
