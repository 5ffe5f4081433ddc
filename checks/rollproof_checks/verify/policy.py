"""What a policy means for the user's own fleet (N1, N4).

`verify_policy` answers four questions: can a run finish, and with how many failures; how
many instances are down at once because of it; how many an image can break before it stops;
how long it can last.  The answers are for a *quiet* fleet (`rollproof_checks.verify.imagine`).
A figure that is proved comes from the solver, asked about the table's own rows; one that is
shown comes from a run of the shipped step.

What is refused, and what is only warned of
-------------------------------------------
A fleet of healthy instances can always be upgraded if nothing fails, whatever its size and
its policy: `FeasibleProp`, proved.  So no policy is refused for itself.  Refused is

* a fleet of which so many are unhealthy, or protected and unhealthy, that R4.1 forbids the
  first batch: a run touches nothing and ends, now and as long as they are so;
* a policy that tolerates fewer failures than was asked for.

Everything else can finish, and is warned of where a single failure, or a single unhealthy
instance, is enough to stop it, or where nothing ever does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import attrs

from rollproof.charter import Charter, StartedBy, draw_up
from rollproof.counts import Limits
from rollproof.document import load_path
from rollproof.durations import format_duration
from rollproof.errors import InvalidFields, Problem
from rollproof.fleet import Health, Instance, ScaleSet
from rollproof.images import ImageVersion
from rollproof.maintenance import AtEnd
from rollproof.plan import Duration, Outlook, Plan, plan
from rollproof.policy import AutomaticOSUpgradePolicy
from rollproof.rules import batch_bound, share
from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify.figures import RESTS_ON, Figures, Fleet, Undecided
from rollproof_checks.verify.imagine import (
    Image,
    Imagined,
    fails_first,
    fails_last,
    imagine,
    passes,
    ruins_from,
    works,
)

SIZES = (1, 3, 5, 10, 20, 50, 100, 1000)
"""Fleets that a policy is asked about when no size is given."""

LARGEST = 100_000
"""Instances up to which a fleet is imagined."""


class Severity(StrEnum):
    """How bad a finding is."""

    REFUSED = "refused"
    WARNING = "warning"
    NOTE = "note"


@attrs.frozen
class Finding:
    """Something a user should know before the policy meets the fleet."""

    severity: Severity
    name: str
    """What programs know it by."""
    text: str
    """One sentence, with the numbers and what it serves."""


@attrs.frozen(kw_only=True)
class Figure:
    """The most there can be of something."""

    proved: int | None
    """No quiet run passes this; None: the solver gave up."""
    shown: int
    """A run that took place in imagination reaches this."""

    @property
    def exact(self) -> bool:
        """Whether nothing is left between the two."""
        return self.proved == self.shown

    def __str__(self) -> str:
        if self.exact:
            return str(self.shown)
        bound = "unknown" if self.proved is None else str(self.proved)
        return f"{self.shown} (bound: {bound})"


@attrs.frozen(kw_only=True)
class PolicyVerdict:
    """What a policy means for one fleet."""

    scale_set: str
    limits: Limits[int]
    fleet: Fleet
    zones: int
    starts: bool
    """Whether a first batch would begin."""
    finishes: bool
    """Whether a run completes in which nothing fails."""
    tolerates: int | None
    """Proved: with so many failures, wherever they fall, a run completes.  None: the solver
    gave up."""
    counterexample: Imagined | None
    """A run that few failures stop: one more than are tolerated, where that is exact.  Of a
    fleet that is refused, the run that stops by itself.  None: no number of them does."""
    survives: Figure
    """Failures in a run that completes nevertheless: where they fall best."""
    down: Figure
    """Instances in flight at once, also where health changes by itself (N1, S1, S6)."""
    healthy: int
    """No batch begins that would leave fewer healthy, if nothing falls ill by itself."""
    useless: int
    """Instances that an image breaks on which nothing works."""
    broken: Figure
    """Instances that the worst image breaks before the run stops, one that works at first.
    What falls ill after it was seen healthy comes on top; no rule can prevent that."""
    duration: Duration
    findings: tuple[Finding, ...]
    seconds: float
    rests_on: tuple[str, ...] = RESTS_ON
    """Properties that `verify` proves, and these figures take for granted."""

    @property
    def failures(self) -> int | None:
        """Failures in the counterexample."""
        return None if self.counterexample is None else self.counterexample.lost

    @property
    def verdict(self) -> Verdict:
        """REFUTED when the policy is refused; UNDETERMINED where a solver gave up."""
        if any(each.severity is Severity.REFUSED for each in self.findings):
            return Verdict.REFUTED
        bounds = (self.tolerates, self.survives.proved, self.down.proved, self.broken.proved)
        return Verdict.UNDETERMINED if None in bounds else Verdict.PROVED


def verify_policy(
    scale_set: ScaleSet | str | Path,
    instances: int,
    *,
    zones: int = 1,
    unhealthy: int = 0,
    protected: int = 0,
    started_by: StartedBy | None = None,
    rollback: bool | None = None,
    tolerate: int = 0,
) -> PolicyVerdict:
    """What the policy of ``scale_set``, or of the document at that path, means for a fleet
    of so many ``instances`` dealt to ``zones`` in turn (N1, N4).

    ``unhealthy`` of them are so before the run; ``protected`` ones it must leave alone, and
    where both are given the unhealthy are among the protected first, which is the worst
    case.  ``started_by`` and ``rollback`` are as in `rollproof.charter.draw_up`; left open,
    the platform starts a set that has automatic upgrades switched on.  A policy under which
    fewer than ``tolerate`` failures may fall anywhere is refused.

    Raises `InvalidDocument`, and `InvalidFields` for numbers that make no fleet.
    """
    began = time.perf_counter()
    if not isinstance(scale_set, ScaleSet):
        scale_set = load_path(scale_set)
    _check(instances, zones, unhealthy, protected, tolerate)
    charter = terms(scale_set, started_by, rollback)
    stuck = min(unhealthy, protected)
    fleet = Fleet(
        instances=instances,
        unhealthy=unhealthy - stuck,
        protected=protected - stuck,
        protected_unhealthy=stuck,
    )
    study = _Study(charter, fleet, zones)
    answers = study.answers(tolerate)
    waits = tuple(_waits(charter, scale_set.upgrade_policy.automatic_os_upgrade_policy))
    if answers.starts:
        answers = attrs.evolve(answers, findings=(*answers.findings, *waits))
    return attrs.evolve(answers, seconds=round(time.perf_counter() - began, 3))


def terms(
    scale_set: ScaleSet, started_by: StartedBy | None = None, rollback: bool | None = None
) -> Charter:
    """The charter of an imagined run."""
    automatic = scale_set.upgrade_policy.automatic_os_upgrade_policy
    if started_by is None:
        switched_on = automatic.enable_automatic_os_upgrade
        started_by = StartedBy.PLATFORM if switched_on else StartedBy.USER
    return draw_up(scale_set, NEW, run="imagined", started_by=started_by, rollback=rollback)


OLD, NEW = "1.0.0", ImageVersion.parse("2.0.0")


def imagined_fleet(fleet: Fleet, zones: int) -> list[Instance]:
    """Instances 0, 1, ...: the protected last, and the unhealthy before those that are not."""
    alone = fleet.instances - fleet.protected - fleet.protected_unhealthy
    ill = {*range(fleet.unhealthy), *range(alone, alone + fleet.protected_unhealthy)}
    width = len(str(fleet.instances - 1))
    return [
        Instance(
            id=f"{number:0{width}}",
            zone=f"{number % zones + 1}" if zones > 1 else "",
            version=OLD,
            health=Health.UNHEALTHY if number in ill else Health.HEALTHY,
            protected=number >= alone,
        )
        for number in range(fleet.instances)
    ]


class _Study:
    """One policy and one fleet under study."""

    def __init__(self, charter: Charter, fleet: Fleet, zones: int) -> None:
        self._charter, self._fleet, self._zones = charter, fleet, zones
        self._heals = bool(charter.limits.rollback)
        self._instances = imagined_fleet(fleet, zones)
        self._plan = plan(charter, self._instances)
        self._figures = Figures(charter.limits, fleet)
        self._down = self._plan.planned.in_flight

    def answers(self, tolerate: int) -> PolicyVerdict:
        """Everything."""
        planned, begins = self._plan, self._plan.verdict.outlook is Outlook.STARTS
        tolerates, example = self._tolerated() if begins else (0, self._refused())
        survived = self._survived() if begins else NONE
        broken = self._broken(survived) if begins else NONE
        most_down = self._bound("most_down") if begins else 0
        answered = PolicyVerdict(
            scale_set=self._charter.scale_set,
            limits=self._charter.limits,
            fleet=self._fleet,
            zones=self._zones,
            starts=begins,
            finishes=planned.verdict.outlook is not Outlook.STOPS,
            tolerates=tolerates,
            counterexample=example,
            survives=survived,
            down=Figure(proved=most_down, shown=self._down),
            healthy=planned.guaranteed.healthy,
            useless=planned.breakable,
            broken=broken,
            duration=planned.duration,
            findings=(),
            seconds=0,
        )
        return attrs.evolve(answered, findings=tuple(findings(answered, planned, tolerate)))

    def _run(self, image: Image, heals: bool) -> Imagined:
        run = imagine(self._charter, self._instances, image, heals=heals)
        self._down = max(self._down, run.most_in_flight)
        return run

    def _bound(self, name: str, *given: int) -> int | None:
        try:
            return int(getattr(self._figures, name)(*given))
        except Undecided:
            return None

    def _refused(self) -> Imagined | None:
        run = self._run(works, heals=True)
        return None if run.completed else run

    def _tolerated(self) -> tuple[int | None, Imagined | None]:
        """How many failures are tolerated wherever they fall, and a run that few stop."""
        safe = self._bound("tolerated", self._plan.batches[0].size)
        attempts = sum(batch.size for batch in self._plan.batches)
        low, high = (safe or 0) + 1, attempts
        found = None
        for failures in (low, high):
            if failures <= attempts and found is None:
                run = self._run(fails_first(failures), heals=False)
                found = None if run.completed else run
        if found is None or found.lost == low:
            return safe, found
        high = found.lost
        while low < high:  # from a fleet that is not healthy at first
            middle = (low + high) // 2
            run = self._run(fails_first(middle), heals=False)
            if run.completed:
                low = middle + 1
            else:
                high, found = run.lost, run
        return safe, found

    def _survived(self) -> Figure:
        """The most failures in a run that completes."""
        bounds = [self._bound("most_survived"), self._bound("most_broken")]
        known = [bound for bound in bounds if bound is not None]
        most = min(known, default=0)
        run = self._run(fails_last(most), self._heals)
        if not (run.completed and run.lost == most):
            run = self._run(passes(self._heals), self._heals)
        shown = run.lost if run.completed else 0
        return Figure(proved=most if len(known) == len(bounds) else None, shown=shown)

    def _broken(self, survived: Figure) -> Figure:
        """The most that an image breaks before the run stops."""
        proved = self._bound("most_broken")
        shown = max(survived.shown, self._plan.breakable)
        if shown != proved:
            image = passes(self._heals)
            tried = self._run(image, self._heals)
            totals = [batch.lost_before + len(batch.instances) for batch in tried.batches]
            worst = max(range(len(totals)), key=totals.__getitem__) + 1
            run = self._run(ruins_from(worst, image), self._heals)
            shown = max(shown, run.lost)
        return Figure(proved=proved, shown=shown)


NONE = Figure(proved=0, shown=0)


def findings(found: PolicyVerdict, planned: Plan, tolerate: int) -> Sequence[Finding]:
    """What of the verdict a user should be told first."""
    limits, size = found.limits, found.fleet.instances
    made: list[Finding] = []

    def say(severity: Severity, name: str, text: str) -> None:
        made.append(Finding(severity, name, text))

    if not found.finishes:
        say(
            Severity.REFUSED,
            "cannot_start",
            f"{planned.verdict.unhealthy} of {size} instances are unhealthy and "
            f"{planned.verdict.allowed} may be ({limits.max_unhealthy} %): no batch begins, "
            "whatever the image (R4.1)",
        )
        return made
    if not found.starts:
        say(
            Severity.NOTE,
            "nothing_to_do",
            "all instances are protected: none is touched (R1.4)",
        )
        return made
    if tolerate and found.tolerates is not None and found.tolerates < tolerate:
        say(
            Severity.REFUSED,
            "tolerates_less",
            f"{found.tolerates} failures are tolerated wherever they fall, and {tolerate} "
            "were asked for (N4)",
        )
    if share(size, limits.max_unhealthy) == 0:
        say(
            Severity.WARNING,
            "no_unhealthy_tolerated",
            f"{limits.max_unhealthy} % of {size} is less than one instance: a single "
            "unhealthy one, whatever the cause, stops the run while any is pending (R4.1, S2)",
        )
    made += _about_failures(found)
    if batch_bound(size, limits.max_batch) > (found.down.proved or size):
        say(
            Severity.NOTE,
            "batch_not_reached",
            f"max_batch_instance_percent = {limits.max_batch} is never used up: "
            f"max_unhealthy_instance_percent = {limits.max_unhealthy} keeps batches at "
            f"{found.down.proved} (S6)",
        )
    if not limits.rollback:
        until = " unless a threshold stops the run" if limits.restore_on_breach else ""
        text = f"rollback is off: a failed instance keeps its new disk{until} (R4.8)"
        say(Severity.NOTE, "no_rollback", text)
    return made


def _about_failures(found: PolicyVerdict) -> Sequence[Finding]:
    if found.counterexample is None:
        text = (
            "no number of failures stops a run: an image on which nothing works is put on all"
        )
        return [Finding(Severity.WARNING, "nothing_stops", f"{text} (R4.1, R4.4)")]
    if found.counterexample.lost > 1 or found.tolerates:
        return []
    if found.survives.proved == 0:
        text = "one failure, wherever it falls, stops the run"
        return [Finding(Severity.WARNING, "any_failure_stops", f"{text} (R4.1, R4.4)")]
    text = (
        "one failure in the first batch stops the run, though as many as "
        f"{found.survives.shown} are survived where they fall later (R4.1, R4.4, S3)"
    )
    return [Finding(Severity.WARNING, "first_failure_stops", text)]


WAITS = ("waits_for_approval", "keeps_to_windows")
"""Findings of what no figure counts."""


def _waits(charter: Charter, automatic: AutomaticOSUpgradePolicy) -> Iterator[Finding]:
    """What a run waits for that is in nobody's figures."""
    if charter.limits.deferral:
        becomes = "upgraded" if charter.lapse_approves else "left alone"
        latest = format_duration(automatic.deferral.latest)
        yield Finding(
            Severity.NOTE,
            "waits_for_approval",
            f"all of this is so once the run is approved: it waits {latest} for that at most, "
            f"and what is not approved by then is {becomes} (R4.11)",
        )
    if charter.started_by is not StartedBy.PLATFORM:
        return
    windows = automatic.maintenance_windows
    shut = ["no maintenance window is open"] * bool(windows)
    shut += ["a freeze lasts"] * bool(automatic.freezes)
    if shut:
        text = f"the run waits while {' or '.join(shut)}"
        if any(window.at_end is AtEnd.STOP_AT_ONCE for window in windows):
            text += "; a window that closes over it cancels it, and another run goes on"
        yield Finding(Severity.NOTE, "keeps_to_windows", f"{text} (N10, S7)")


def _check(instances: int, zones: int, unhealthy: int, protected: int, tolerate: int) -> None:
    """Raises `InvalidFields` with every number that makes no fleet."""
    bounds = (
        ("instances", instances, 1, LARGEST),
        ("zones", zones, 1, 1000),
        ("unhealthy", unhealthy, 0, max(0, instances)),
        ("protected", protected, 0, max(0, instances)),
        ("tolerate", tolerate, 0, LARGEST),
    )
    problems = tuple(
        Problem(
            field=name,
            value=str(value),
            bound=f"a whole number from {least} to {most}",
            requirement="N4",
        )
        for name, value, least, most in bounds
        if not least <= value <= most
    )
    if problems:
        raise InvalidFields(problems)
