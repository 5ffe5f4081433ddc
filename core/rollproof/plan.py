"""What a run will do, before anything is touched (N3), and what is left of one.

`plan` lets a run happen in imagination: `rollproof.step` is driven to its end by a world
that answers every command at once.  So a plan knows no rule of its own; it reports what
the very machine that will run decides.

Laws
----
* A run of this fleet in which nothing fails makes exactly the planned batches, in order.
* No run of this fleet, whatever fails or falls ill, passes ``guaranteed`` or
  ``duration.limit``, as long as its members, their protection and their versions are
  changed by nobody else, and neither an operator nor a closed window nor the want of an
  approval keeps it waiting.  Time counts while a host serves; each restart may add what had
  passed since the last event (`rollproof.run.resumed`).
* Planning costs O(1) per instance, and two searches of the ledger per batch.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, cast

import attrs

from rollproof.batch import FAILED, PENDING, RETURNING, Ground
from rollproof.charter import Charter
from rollproof.commands import Command, Verb
from rollproof.counts import failed, in_flight, lost, pending, unhealthy, whole
from rollproof.errors import InvalidFields, Problem
from rollproof.events import (
    Approve,
    Event,
    Observed,
    Overdue,
    Pause,
    Replaced,
    Restored,
    Resume,
    Start,
    Surveyed,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import CODE, news
from rollproof.rules import batch_bound, share
from rollproof.run import Run, expects, new_run
from rollproof.states import TERMINAL, Cause, State
from rollproof.status import CAUSES
from rollproof.step import step
from rollproof.table import full_batch, going, headroom
from rollproof.versioned import Versioned


class Outlook(StrEnum):
    """What a run that began now would do first."""

    STARTS = "starts"
    """Its gates let a first batch begin."""
    STOPS = "stops at once"
    """A threshold stands in the way: nothing would be touched (R4.1)."""
    NOTHING_TO_DO = "nothing to do"
    """Every instance is on the target or protected (R1.4)."""


@attrs.frozen(kw_only=True)
class Verdict:
    """Whether a run would start, with the numbers of the threshold that decides (R4.1)."""

    outlook: Outlook
    cause: Cause
    """What would stop it; `Cause.NONE` unless the outlook is STOPS."""
    unhealthy: int
    """Unhealthy instances now, whatever the cause."""
    instances: int
    """All instances of the set: the whole of the share (S3)."""
    percent: int
    """`max_unhealthy_instance_percent`."""
    allowed: int
    """The most unhealthy instances with which a batch may begin: that percentage of the
    set, rounded down (S2)."""

    @property
    def text(self) -> str:
        """The verdict in words."""
        numbers = (
            f"{self.unhealthy} of {self.instances} instances unhealthy, "
            f"{self.allowed} ({self.percent} %) allowed"
        )
        why = f"{CAUSES[self.cause]}, " if self.cause else ""
        return f"{self.outlook}: {why}{numbers}"


@attrs.frozen(kw_only=True)
class PlannedBatch:
    """One batch of a run in which nothing fails."""

    instances: tuple[str, ...]
    """Ids, in the order in which they are claimed."""
    zones: tuple[str, ...]
    """Where they stand, sorted; one, unless batches may cross zones (R4.2)."""
    update_domains: tuple[str, ...]
    """Theirs, sorted; one where the set is upgraded domain by domain (R6.1)."""
    unhealthy: int
    """How many of them are unhealthy before they are touched."""
    healthy_left: int
    """Healthy instances of the set while all of the batch are down."""

    @property
    def size(self) -> int:
        """Instances in the batch."""
        return len(self.instances)


@attrs.frozen(kw_only=True)
class Capacity:
    """The worst moment of a run, in instances."""

    in_flight: int
    """The most that are down at once because the run is at work on them (R4.2, S1)."""
    healthy: int
    """The fewest that are healthy."""


@attrs.frozen(kw_only=True)
class Duration:
    """How long a run takes, in milliseconds in which it is hosted:
    shortest <= expected <= longest <= limit."""

    shortest: int
    """Every command is answered at once: only the pauses remain (R4.5)."""
    expected: int | None
    """The instances of a batch take the estimated time, side by side; None without an
    estimate."""
    longest: int
    """The planned batches, and every wait lasts to its deadline: surveys, replacements,
    health, and with rollback the restores of every batch."""
    limit: int
    """Whatever fails.  Instances that stay ill shrink batches down to one (S6), so this
    reckons with a batch for every instance."""


@attrs.frozen(kw_only=True)
class Plan:
    """What a run under its charter would do to the fleet as it was seen."""

    scale_set: str
    target: str
    """The image version every instance is brought to (S10)."""
    verdict: Verdict
    batches: tuple[PlannedBatch, ...]
    """Empty unless the run starts."""
    one_domain: bool
    """Whether each batch is drawn from one update domain, in their order (R6.1)."""
    on_target: tuple[str, ...]
    """Ids left alone because they run the target already (R1.4)."""
    protected: tuple[str, ...]
    """Ids left alone because they are protected; they run something else (R1.4)."""
    planned: Capacity
    """If nothing fails."""
    guaranteed: Capacity
    """Whatever fails.  ``in_flight`` holds at every moment; ``healthy`` whenever a batch
    begins, for what falls ill by itself after that is no rule's doing."""
    breakable: int
    """Instances that an image on which none becomes healthy breaks before the run stops
    (R4.1, R4.4).  With rollback they are restored, and are counted all the same (S4)."""
    duration: Duration

    @property
    def instances(self) -> int:
        """Instances of the set."""
        return self.verdict.instances

    @property
    def touched(self) -> int:
        """Instances that the planned batches upgrade."""
        return sum(batch.size for batch in self.batches)


@attrs.frozen(kw_only=True)
class Remaining:
    """What is left of a run.  Times are milliseconds from its last event, or from its
    resumption while an operator holds it or nobody hosts it."""

    batches: int
    """Still to begin; as exact as a plan while all are healthy, else about."""
    longest: int
    """With so many batches, every wait lasting to its deadline."""
    limit: int
    """Whatever fails: a batch for every pending instance."""


def plan(
    charter: Charter, fleet: Sequence[Instance], *, per_instance: int | None = None
) -> Plan:
    """What a run under ``charter`` would do to ``fleet`` as it was last seen (N3).

    ``per_instance`` estimates how many milliseconds one instance takes from the order to
    replace its disk until it is healthy.  Raises `InvalidFields` if it is negative.
    """
    if per_instance is not None and per_instance < 0:
        raise InvalidFields((_negative(per_instance),))
    run = _seen(charter, fleet)
    counts, limits = run.counts, charter.limits
    breakable = _breakable(_fork(run))
    on_target, protected = _left_alone(run)
    batches, end = _batches(run)
    begins = bool(batches)
    attempts = pending(counts) if begins else 0
    size, ill, allowed = (
        whole(counts),
        unhealthy(counts),
        share(whole(counts), limits.max_unhealthy),
    )
    return Plan(
        scale_set=charter.scale_set,
        target=charter.target,
        verdict=Verdict(
            outlook=_OUTLOOK[begins, end.state],
            cause=end.cause,
            unhealthy=ill,
            instances=size,
            percent=limits.max_unhealthy,
            allowed=allowed,
        ),
        batches=batches,
        one_domain=charter.one_domain,
        on_target=on_target,
        protected=protected,
        planned=Capacity(
            in_flight=max((batch.size for batch in batches), default=0),
            healthy=min((batch.healthy_left for batch in batches), default=size - ill),
        ),
        guaranteed=Capacity(
            in_flight=min(attempts, batch_bound(size, limits.max_batch)),
            # A batch begins with at most `allowed` unhealthy (R4.1), and may then take
            # down one more although no headroom is left (S6).
            healthy=size - (min(size, allowed + 1) if begins else ill),
        ),
        breakable=breakable,
        duration=_duration(charter, len(batches), attempts, per_instance),
    )


def remaining(run: Run) -> Remaining | None:
    """What is left of ``run``; None until it has seen an instance, and so may last for
    any time."""
    counts, charter = run.counts, run.charter
    if run.state in TERMINAL:
        return Remaining(batches=0, longest=0, limit=0)
    if whole(counts) == 0:
        return None
    longest, limit = _until_the_gates(run)
    if not going(counts, charter.limits):
        return Remaining(batches=0, longest=longest, limit=limit)
    between = 0 if run.state is State.PRECHECKING else 1
    batches, attempts = _batches_to_come(run), pending(counts)
    on_breach = _on_breach(charter, attempts + in_flight(counts) + failed(counts))
    return Remaining(
        batches=batches,
        longest=longest + _ahead(charter, batches, between),
        limit=limit + _ahead(charter, attempts, between) + on_breach,
    )


def upcoming(run: Run, waiting: Sequence[Command]) -> tuple[tuple[str, ...], ...]:
    """The batches that ``run`` will still begin if nothing fails or falls ill from now on,
    and nobody holds it; ids in the order in which they are claimed.  ``waiting`` are the
    commands without an outcome.  Empty before the first survey."""
    run, queue, batches = _fork(run), deque(waiting), []
    if run.counts.held:
        run, commands = step(run, Resume(0))
        queue.extend(commands)
    while queue:
        command = queue.popleft()
        if not expects(run, command):  # a look that was asked for before a hold
            continue
        run, commands = step(run, _kind(run, command))
        queue.extend(commands)
        batch = tuple(c.instance for c in commands if c.verb is Verb.REPLACE)
        if batch:
            batches.append(batch)
    return tuple(batches)


# -- a run in imagination ---------------------------------------------------------------

_OUTLOOK: Final = {
    (True, State.COMPLETED): Outlook.STARTS,
    (False, State.COMPLETED): Outlook.NOTHING_TO_DO,
    (False, State.CANCELLED): Outlook.STOPS,
}
"""By whether a batch begins, and how the run ends if nothing fails.  One that begins a
batch then completes: what it upgrades is healthy, so no share of the ill can grow."""

Imagination = Callable[[Run, Command], Event]
"""What a world answers to a command, at once."""


def _seen(charter: Charter, fleet: Sequence[Instance]) -> Run:
    """The run when it has seen the fleet, held so that no batch begins yet; what must be
    approved is taken to be (R4.11)."""
    run, _ = step(new_run(charter), Start(0))
    run, _ = step(run, Approve(0))
    run, _ = step(run, Pause(0))
    present, _ = news(run.ledger, charter.target, [charter.read(each) for each in fleet])
    run, _ = step(run, Surveyed(0, run.surveys, present))
    return run


def _course(run: Run, imagine: Imagination) -> Iterator[tuple[Run, tuple[str, ...]]]:
    """Let a held run go on in imagination.

    Yields it as each batch begins, with the batch, and last when it has ended, with none.
    """
    run, commands = step(run, Resume(0))
    waiting = deque(commands)
    while waiting:
        command = waiting.popleft()
        run, commands = step(run, imagine(run, command))
        waiting.extend(commands)
        if command.verb is Verb.SURVEY and run.state not in TERMINAL:
            yield run, tuple(replace.instance for replace in commands)
    yield run, ()


def _smooth(_run: Run, command: Command) -> Event:
    """The world in which nothing fails and nothing changes by itself."""
    match command.verb:
        case Verb.SURVEY:
            return Surveyed(0, command.attempt, ())
        case Verb.REPLACE:
            return Replaced(0, command.instance, command.attempt)
        case Verb.WATCH:
            name, version = command.instance, command.version
            seen = Instance(id=name, version=version, health=Health.HEALTHY)
            return Observed(0, seen, command.attempt)
        case _:
            return Overdue(0, command.verb, command.instance, command.attempt)


def _ruinous(run: Run, command: Command) -> Event:
    """The world in which no instance becomes healthy on the target, and every restore
    heals."""
    match command.verb:
        case Verb.WATCH if command.version == run.charter.target:
            return Overdue(0, Verb.WATCH, command.instance, command.attempt)
        case Verb.WATCH:
            before = command.version or ""  # unknown: any but the target
            return _smooth(run, command._replace(version=before))
        case Verb.RESTORE:
            return Restored(0, command.instance, command.attempt)
        case _:
            return _smooth(run, command)


def _kind(run: Run, command: Command) -> Event:
    """The world in which nothing fails from now on, not even a restore under way."""
    match command.verb:
        case Verb.RESTORE:
            return Restored(0, command.instance, command.attempt)
        case Verb.WATCH if command.version is None:  # any but the target
            return _smooth(run, command._replace(version=""))
        case _:
            return _smooth(run, command)


def _batches(run: Run) -> tuple[tuple[PlannedBatch, ...], Run]:
    """The batches of a held run if nothing fails, and how it ends."""
    roster, batches = run.ledger.roster, []
    before = run.counts.pending_unhealthy
    for now, batch in _course(run, _smooth):
        run = now
        if batch:
            counts = run.counts
            places = [roster.place_of(roster.index[name]) for name in batch]
            planned = PlannedBatch(
                instances=batch,
                zones=tuple(sorted({place.zone for place in places})),
                update_domains=tuple(sorted({place.update_domain for place in places})),
                unhealthy=before - counts.pending_unhealthy,
                healthy_left=whole(counts) - unhealthy(counts) - in_flight(counts),
            )
            batches.append(planned)
            before = counts.pending_unhealthy
    return tuple(batches), run


def _breakable(run: Run) -> int:
    """How many instances a bad image breaks before a held run stops."""
    for now, _ in _course(run, _ruinous):
        run = now
    return cast(int, lost(run.counts))


def _fork(run: Run) -> Run:
    """The same run with cells of its own: of two courses from one run, each would undo
    the other's cells step by step, and keep all of its own alive for that."""
    ledger = run.ledger
    return run._replace(
        ledger=ledger._replace(
            phases=Versioned(bytearray(ledger.phases.cells())),
            versions=Versioned(list(ledger.versions.cells())),
            before=Versioned(list(ledger.before.cells())),
        )
    )


def _left_alone(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the skipped instances: those on the target, and those merely protected."""
    on_target: list[str] = []
    protected: list[str] = []
    versions, ids = run.ledger.versions.cells(), run.ledger.roster.ids
    for side in ("healthy", "unhealthy"):
        for index in _standing_in(run, f"skipped_{side}"):
            is_there = versions[index] == run.charter.target
            (on_target if is_there else protected).append(ids[index])
    return tuple(on_target), tuple(protected)


def _standing_in(run: Run, phase: str) -> Iterator[int]:
    """Indexes of the instances in a phase, by a search for bytes."""
    phases, code = _phases(run), CODE[phase]
    at = phases.find(code)
    while at >= 0:
        yield at
        at = phases.find(code, at + 1)


def _phases(run: Run) -> bytearray:
    return cast(bytearray, run.ledger.phases.cells())


# -- time, in milliseconds ----------------------------------------------------------------


def _forward(charter: Charter) -> int:
    """The longest a batch may take to be upgraded or to fail."""
    return charter.replace_wait + charter.health_wait


def _back(charter: Charter) -> int:
    """The longest one restore may take."""
    return charter.restore_wait + charter.health_wait


def _after_batch(charter: Charter, rounds: int = 1) -> int:
    """The longest that the rollback of a batch may take.  It is one round: no batch is
    larger than the number of restores under way at once (R4.3)."""
    return rounds * _back(charter) if charter.limits.rollback else 0


def _on_breach(charter: Charter, attempts: int) -> int:
    """The longest that restoring may take when a threshold ends the run after so many
    attempts (R4.8): what healed may go down for its old disk one by one (S6).  With
    rollback there is nothing left to restore by then."""
    if charter.limits.rollback or not charter.limits.restore_on_breach:
        return 0
    return attempts * _back(charter)


def _rounds(instances: int, at_once: int) -> int:
    return -(-instances // at_once)


def _pauses(charter: Charter, batches: int, between: int) -> int:
    """Pauses before so many batches; before the first of them only if it is not the
    run's first: ``between`` is 1 (R4.5)."""
    return charter.pause * max(0, batches - 1 + between)


def _ahead(charter: Charter, batches: int, between: int) -> int:
    """The longest that so many batches may take, with a survey before each and at the
    end."""
    each = charter.survey_wait + _forward(charter) + _after_batch(charter)
    return batches * each + _pauses(charter, batches, between) + charter.survey_wait


def _duration(
    charter: Charter, batches: int, attempts: int, per_instance: int | None
) -> Duration:
    pauses = _pauses(charter, batches, 0)
    expected = None
    if per_instance is not None:  # past its deadlines no instance is waited for
        expected = pauses + batches * min(per_instance, _forward(charter))
    return Duration(
        shortest=pauses,
        expected=expected,
        longest=_ahead(charter, batches, 0),
        limit=_ahead(charter, attempts, 0) + _on_breach(charter, attempts),
    )


def _until_the_gates(run: Run) -> tuple[int, int]:
    """The longest until the current batch or pause is over: while nobody heals or falls ill
    by himself, and whatever happens."""
    charter, counts = run.charter, run.counts
    may_return = failed(counts) + in_flight(counts)
    match run.state:
        case State.ROLLING_FORWARD:
            ahead = _forward(charter)
        case State.WAITING_HEALTH:
            ahead = charter.health_wait
        case State.ROLLING_BACK:
            at_most = failed(counts) + min(1, in_flight(counts))
            return _rounds_back(run) * _back(charter), at_most * _back(charter)
        case _:
            return charter.pause * counts.gated, charter.pause * counts.gated
    return ahead + _after_batch(charter), ahead + _after_batch(charter, may_return)


def _batches_to_come(run: Run) -> int:
    """Batches still to begin if nothing fails, about: each as large as the bound and the
    headroom allow once the pending instances are healed (R4.2, S1, S6)."""
    counts, limits = run.counts, run.charter.limits
    spare = headroom(counts, limits) + counts.pending_unhealthy
    size = max(1, min(full_batch(counts, limits), spare))
    found = _by_ground(run, PENDING, one_zone=not run.charter.cross_zone)
    return sum(_rounds(number, size) for number in found.values())


def _rounds_back(run: Run) -> int:
    """Rounds in which the disks of all that failed, or is on its way back, are given back,
    as many at once as a batch may hold (R4.3, R6.1)."""
    found = _by_ground(run, (*FAILED, *RETURNING), one_zone=False)
    return sum(_rounds(number, run.counts.cap) for number in found.values())


def _by_ground(run: Run, codes: Iterable[int], *, one_zone: bool) -> Mapping[Ground, int]:
    """How many instances stand in these phases, by the ground that a batch of them is
    drawn from."""
    found: Counter[Ground] = Counter()
    for lane in run.ledger.roster.lanes:
        domain = lane.update_domain if run.charter.one_domain else None
        ground = Ground(lane.zone if one_zone else None, domain)
        for code in codes:
            found[ground] += _phases(run).count(code, lane.start, lane.stop)
    return found


def _negative(per_instance: int) -> Problem:
    return Problem(
        field="per_instance",
        value=str(per_instance),
        bound="0 milliseconds or more",
        requirement="N3",
    )
