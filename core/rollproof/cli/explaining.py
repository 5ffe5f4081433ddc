"""Body of `explain`: which rule holds what back (N5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from rollproof.cli.asking import plan_json, plan_text
from rollproof.cli.output import answer, instant, local_time, status_json
from rollproof.cli.program import Options
from rollproof.cli.scheduling import decision_json
from rollproof.cli.summary import headline, paragraph, wrapped
from rollproof.explain import InstanceAnswer, Margin, Prospect, RunAnswer, Wait
from rollproof.installation import Explanation, Installation
from rollproof.plan import Plan
from rollproof.scheduler import Decision

LISTED = 6
"""Waits that a text names; --json names all."""


def explain(options: Options, name: str, instance: str | None) -> int:
    """Say what holds a run, or an instance, back."""
    with Installation(options.place) as here:
        found = here.explain(name, instance)
    answer(options, explanation_json(found), "\n".join(explanation_text(found)))
    return 0


# -- for programs


def explanation_json(found: Explanation) -> dict[str, Any]:
    """An explanation; the names are a promise (docs/command-line.md)."""
    whole, instance = found.whole, found.instance
    return {
        "scale_set": found.scale_set,
        "run": None if found.status is None else status_json(found.status),
        "over": "" if whole is None else whole.over,
        "why": found.why,
        "next": [] if whole is None else _prospects_json(whole.prospects),
        "waits": [] if whole is None else _waits_json(whole.waits),
        "thresholds": [] if whole is None else [attrs.asdict(each) for each in whole.margins],
        "instance": None if instance is None else _instance_json(instance, found.outcome),
        "plan": None if found.plan is None else plan_json(found.plan),
        "place": None if found.place is None else attrs.asdict(found.place),
        "schedule": None if found.schedule is None else decision_json(found.schedule),
    }


def _instance_json(found: InstanceAnswer, outcome: str) -> dict[str, Any]:
    return {
        "instance": found.instance,
        "phase": found.phase,
        "standing": found.standing,
        "zone": found.zone,
        "update_domain": found.update_domain,
        "next": _prospects_json(found.prospects),
        "waits": _waits_json(found.waits),
        "batch": found.batch,
        "order": found.order,
        "outcome": outcome,
    }


def _prospects_json(prospects: Sequence[Prospect]) -> list[dict[str, Any]]:
    return [{**attrs.asdict(each), "open": each.open} for each in prospects]


def _waits_json(waits: Sequence[Wait]) -> list[dict[str, Any]]:
    return [
        {"verb": each.verb.value, "instance": each.instance, "until": instant(each.until)}
        for each in waits
    ]


# -- for people


def explanation_text(found: Explanation) -> Iterator[str]:
    """The same in lines of 80 columns."""
    if found.status is not None:
        status = found.status
        yield f"{status.scale_set} to {status.target}, run {status.run}"
    if found.plan is not None:
        yield from _planned(found, found.plan)
    elif found.instance is not None and found.whole is not None:
        yield from _instance(found, found.instance, found.whole)
    elif found.whole is not None and found.status is not None:
        yield from headline(found.status)
        yield from _whole(found, found.whole)
    if found.schedule is not None:
        yield from _schedule(found.schedule)


def _planned(found: Explanation, planned: Plan) -> Iterator[str]:
    begun = "has not seen its fleet yet" if found.status else "was never upgraded"
    yield f"{found.scale_set} {begun}; a run that began now:"
    if found.place is None:
        yield plan_text(planned)
    elif found.place.batch is None:
        yield from wrapped(f"instance {found.place.instance} would not be touched:")
        yield from wrapped(found.place.why)
    else:
        batches = len(planned.batches)
        yield from wrapped(
            f"instance {found.place.instance} would be in batch {found.place.batch} of "
            f"{batches}, if nothing fails"
        )


def _schedule(decision: Decision) -> Iterator[str]:
    yield f"the schedule now: {decision.act.replace('_', ' ')} ({decision.reason})"
    yield from wrapped(decision.text)
    if decision.until is not None:
        yield from wrapped(f"  next look: {local_time(decision.until)}")


def _whole(found: Explanation, whole: RunAnswer) -> Iterator[str]:
    if whole.over:
        yield from wrapped(f"it ended: {whole.over}")
    if found.why:
        yield from wrapped(f"why: {found.why}")
    yield from _nearest(whole.prospects)
    yield from _waits(whole.waits)
    yield "thresholds:"
    for margin in whole.margins:
        yield from wrapped(_margin(margin, over=bool(whole.over)))


def _instance(found: Explanation, told: InstanceAnswer, whole: RunAnswer) -> Iterator[str]:
    place = ", ".join(
        f"{name} {value}"
        for name, value in (("zone", told.zone), ("update domain", told.update_domain))
        if value
    )
    where = f" ({place})" if place else ""
    yield from paragraph(f"instance {told.instance}{where}: {told.standing}")
    if found.why:
        yield from wrapped(f"why: {found.why}")
    if found.outcome:
        yield from wrapped(found.outcome)
    if whole.over:
        yield from wrapped(f"the run ended: {whole.over}")
    if told.batch == 1:
        yield from wrapped("it will be in the next batch, if nothing fails")
    elif told.batch is not None:
        yield from wrapped(f"it will be in batch {told.batch} from now, if nothing fails")
    if told.order:
        yield from wrapped(told.order)
    for each in [p for p in told.prospects if p.open] or told.prospects:
        yield from _prospect(each)
    yield from _waits(told.waits)


def _nearest(prospects: Sequence[Prospect]) -> Iterator[str]:
    """Those rows that least is missing for; --json names all."""
    least = min((len(each.held_back_by) for each in prospects), default=0)
    for each in prospects:
        if len(each.held_back_by) == least:
            yield from _prospect(each)


def _prospect(each: Prospect) -> Iterator[str]:
    if each.open:
        yield f"{each.row} may be taken at any moment"
        return
    yield f"{each.row} is held back:"
    for condition in each.held_back_by:
        yield from wrapped(condition.why)
        if condition.release:
            yield from wrapped(f"  released by: {condition.release}")


def _waits(waits: Sequence[Wait]) -> Iterator[str]:
    for each in waits[:LISTED]:
        about = f" of instance {each.instance}" if each.instance else ""
        yield from paragraph(
            f"waiting for {each.verb.value}{about} until {local_time(each.until)}"
        )
    if len(waits) > LISTED:
        yield f"  ... and {len(waits) - LISTED} more; --json lists all"


def _margin(margin: Margin, *, over: bool) -> str:
    words = "unhealthy" if margin.requirement == "R4.1" else "touched failed"
    numbers = (
        f"{margin.part} of {margin.whole} {words}, {margin.allowed} ({margin.percent} %) "
        f"may be ({margin.requirement})"
    )
    if over:
        return numbers
    if margin.more is None:
        return f"{numbers}; no number of failures passes it"
    if margin.more == 0:
        return f"{numbers}; it is passed: no batch begins"
    return f"{numbers}; {margin.more} more would stop the run"
