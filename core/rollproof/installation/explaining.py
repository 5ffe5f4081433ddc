"""Why an instance, or a run, stands where it stands (N5): `rollproof.explain`, asked of
what the journal holds, or of a run that might begin."""

from __future__ import annotations

import attrs

from rollproof.commands import Command
from rollproof.errors import UnknownInstance
from rollproof.explain import InstanceAnswer, RunAnswer, explain_instance, explain_run
from rollproof.installation.reasons import OUTCOMES, Reasons
from rollproof.plan import Plan
from rollproof.run import Run, expects
from rollproof.scheduler import Decision
from rollproof.states import TERMINAL
from rollproof.status import RunStatus


@attrs.frozen(kw_only=True)
class PlannedPlace:
    """What a run that began now would do with one instance."""

    instance: str
    batch: int | None
    """Number of its batch, if nothing fails; None: it would not be touched."""
    why: str
    """Why it would be in none; empty when it would."""


@attrs.frozen(kw_only=True)
class Explanation:
    """An answer about a set: of its latest run, or else of the run that might begin."""

    scale_set: str
    status: RunStatus | None
    """None: the set never had a run, and the answer is about one that might begin."""
    whole: RunAnswer | None
    """Of the run."""
    instance: InstanceAnswer | None
    """Of the instance asked about; None when none was, or the run has not seen it."""
    why: str
    """Why the instance failed, or else what stopped the run; empty when neither."""
    outcome: str
    """What became of the instance, if it failed."""
    plan: Plan | None
    """Of the run that might begin; None where a run has seen its fleet."""
    place: PlannedPlace | None
    """Of the instance in that plan."""
    schedule: Decision | None = None
    """What the schedule would do with the set now, and why not more; None where a run or an
    instance was asked about, and where automatic upgrades are off."""


def explained(
    status: RunStatus,
    run: Run,
    reasons: Reasons,
    outbox: tuple[Command, ...],
    asked: str | None,
) -> Explanation:
    """The answer about a run that has seen its fleet.  Raises `UnknownInstance`."""
    waiting = tuple(each for each in outbox if expects(run, each))
    instance = None if asked is None else explain_instance(run, asked, waiting)
    why = reasons.stop if instance is None else reasons.why(instance.instance)
    return Explanation(
        scale_set=status.scale_set,
        status=status,
        whole=explain_run(run, waiting),
        instance=instance,
        why=why,
        outcome=OUTCOMES.get(instance.phase, "") if instance is not None and why else "",
        plan=None,
        place=None,
    )


def foreseen(status: RunStatus | None, planned: Plan, asked: str | None) -> Explanation:
    """The answer about a run that might begin, or has not seen its fleet yet.  Raises
    `UnknownInstance`."""
    return Explanation(
        scale_set=planned.scale_set,
        status=status,
        whole=None,
        instance=None,
        why="",
        outcome="",
        plan=planned,
        place=None if asked is None else _place(planned, asked),
    )


def has_seen(run: Run) -> bool:
    """Whether the run can answer: it knows an instance, or has ended."""
    return run.state in TERMINAL or run.ledger.size() > 0


def _place(planned: Plan, asked: str) -> PlannedPlace:
    for number, batch in enumerate(planned.batches, start=1):
        if asked in batch.instances:
            return PlannedPlace(instance=asked, batch=number, why="")
    if asked in planned.on_target:
        why = f"it is on the target {planned.target} already (R1.4)"
    elif asked in planned.protected:
        why = "it is protected (R1.4)"
    elif planned.batches or not planned.verdict.instances:
        known = (*planned.on_target, *planned.protected)
        batched = (name for batch in planned.batches for name in batch.instances)
        raise UnknownInstance(asked, (*known, *batched))
    else:
        why = f"no batch would begin; {planned.verdict.text} (R4.1)"
    return PlannedPlace(instance=asked, batch=None, why=why)
