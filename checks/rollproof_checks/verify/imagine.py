"""Runs in imagination: the shipped `step` over a *quiet* fleet.

Quiet: nothing happens to it but the run.  Its members, their protection and their versions
stay; what is not touched stays healthy or unhealthy; an upgraded instance stays healthy;
nobody holds or cancels the run, and the fleet always answers.  What is left open is which
upgrades fail, and whether a restore heals.  So nothing here knows a rule: the numbers that
come out are what the very machine that will run does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush

import attrs

from rollproof.charter import Charter, Deferral
from rollproof.commands import Command, Verb
from rollproof.counts import Counts, attempted, in_flight, lost, pending, unhealthy, whole
from rollproof.events import (
    Event,
    Observed,
    Overdue,
    Replaced,
    Restored,
    RestoreFailed,
    Start,
    Surveyed,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import news
from rollproof.run import Run, new_run
from rollproof.states import Cause, State, View
from rollproof.step import trace
from rollproof.table import ROWS, TABLE, Actor

Image = Callable[[Run, tuple[str, ...]], Iterable[str]]
"""Which instances of a batch that has just begun fail on it."""

STOPS = tuple(
    row
    for row in TABLE
    if row.actor is Actor.MACHINE and any(register == "stop" for register, _ in row.sets)
)
"""The rows by which a run stops itself: its thresholds."""

BEGINS = tuple(
    row
    for row in TABLE
    if row.target is State.ROLLING_FORWARD and State.ROLLING_FORWARD not in row.sources
)
"""The rows by which a batch begins."""


@attrs.frozen(kw_only=True)
class Batch:
    """One batch of an imagined run."""

    instances: tuple[str, ...]
    """In the order in which they were claimed."""
    failed: tuple[str, ...]
    lost_before: int
    """Lost when the batch began (R4.4)."""


@attrs.frozen(kw_only=True)
class Imagined:
    """A run that took place in imagination."""

    batches: tuple[Batch, ...]
    state: State
    cause: Cause
    counts: Counts[int]
    """At the end."""
    stopped_by: str
    """The row that recorded the cause; empty if none did."""
    judged: Counts[int]
    """The counts on which that row was taken; else those at the end."""
    taken: tuple[tuple[str, str], ...]
    """Every row, with the instance that it moved; empty if it moved none."""
    most_in_flight: int
    elapsed: int
    """Milliseconds."""

    @property
    def completed(self) -> bool:
        """Whether every instance had its turn."""
        return self.state is State.COMPLETED

    @property
    def lost(self) -> int:
        """Instances that the image broke, restored since or not (R4.4, S4)."""
        return int(lost(self.counts))

    @property
    def numbers(self) -> str:
        """What the threshold that stopped it saw, in words."""
        c = self.judged
        if self.cause is Cause.FLEET_UNHEALTHY:
            return f"{unhealthy(c)} of {whole(c)} instances unhealthy"
        return f"{lost(c)} of {attempted(c)} attempted instances lost"


def imagine(
    charter: Charter,
    fleet: Sequence[Instance],
    image: Image,
    *,
    heals: bool = True,
    slow: bool = False,
) -> Imagined:
    """Let a run under ``charter`` upgrade ``fleet`` to ``image``.  What has to be approved is
    approved before it starts (R4.11).

    ``heals``: a restore succeeds and heals; else it fails.  ``slow``: every wait lasts to
    its deadline; else none lasts.
    """
    limits = charter.limits._replace(deferral=0)
    approved = attrs.evolve(charter, limits=limits, deferral=Deferral.NONE)
    run, commands, _ = trace(new_run(approved), Start(0))
    world = _World(fleet, heals)
    batches: list[Batch] = []
    most, now, order = 0, 0, 0
    stop, judged = "", run.counts
    taken = [("start", ""), ("ask", "")]
    answers: list[tuple[int, int, Command]] = []
    while True:
        for command in commands:
            order += 1
            heappush(answers, (command.deadline if slow else 0, order, command))
        if not answers:
            break
        now, _, command = heappop(answers)
        before = run.batches
        event = world.answer(run, command, now)
        run, commands, rows = trace(run, event)
        taken += _moved(event, rows, commands)
        counts = run.counts
        most = max(most, in_flight(counts))
        if not stop and counts.stop:
            stop = next(row.name for row in STOPS if row.name in rows)
            judged = counts._replace(stop=Cause.NONE)
        if run.batches > before:
            batch = tuple(c.instance for c in commands if c.verb is Verb.REPLACE)
            failed = tuple(image(run, batch))
            world.broken.update(failed)
            batches.append(Batch(instances=batch, failed=failed, lost_before=lost(counts)))
    return Imagined(
        batches=tuple(batches),
        state=run.state,
        cause=run.cause,
        counts=run.counts,
        stopped_by=stop,
        judged=judged if stop else run.counts,
        taken=tuple(taken),
        most_in_flight=most,
        elapsed=now,
    )


class _World:
    """A quiet world: what it says to commands."""

    def __init__(self, fleet: Sequence[Instance], heals: bool) -> None:
        self._fleet, self._heals = fleet, heals
        self.broken: set[str] = set()

    def answer(self, run: Run, command: Command, at: int) -> Event:
        """The outcome of a command."""
        name, attempt, target = command.instance, command.attempt, run.charter.target
        match command.verb:
            case Verb.SURVEY:
                # Later ones have no news: all that changed was reported.
                present = news(run.ledger, target, self._fleet)[0] if attempt == 1 else ()
                return Surveyed(at, attempt, present)
            case Verb.REPLACE:
                return Replaced(at, name, attempt)
            case Verb.WATCH if command.version != target or name not in self.broken:
                seen = Instance(id=name, version=command.version, health=Health.HEALTHY)
                return Observed(at, seen, attempt)
            case Verb.RESTORE if self._heals:
                return Restored(at, name, attempt)
            case Verb.RESTORE:
                return RestoreFailed(at, name, attempt, "it fails in imagination")
            case _:
                return Overdue(at, command.verb, name, attempt)


def _moved(
    event: Event, rows: tuple[str, ...], commands: Sequence[Command]
) -> Iterator[tuple[str, str]]:
    """The rows with the instances they moved: the reported ones, then the picked."""
    reported: list[str] = []
    match event:
        case Surveyed(present=present):
            reported = [instance.id for instance in present]
        case Observed(instance=seen):
            reported = [seen.id]
        case Overdue(instance=name) | Replaced(instance=name) | Restored(instance=name):
            reported = [name] if name else []
        case RestoreFailed(instance=name):
            reported = [name]
        case _:
            pass
    told = iter(reported)
    picked = iter([c.instance for c in commands if c.verb in (Verb.REPLACE, Verb.RESTORE)])
    for name in rows:
        row = ROWS[name]
        source = picked if row.actor is Actor.PICK else told
        moves = row.leaves is not None or row.enters is not None
        yield name, next(source) if moves else ""


# -- images ------------------------------------------------------------------------------


def works(_run: Run, _batch: tuple[str, ...]) -> tuple[str, ...]:
    """An image on which nothing fails."""
    return ()


def ruins(_run: Run, batch: tuple[str, ...]) -> tuple[str, ...]:
    """An image on which nothing works."""
    return batch


def fails_first(number: int) -> Image:
    """An image on which the first so many instances fail, of a batch the healthy ones
    first: the worst place for a failure."""

    def image(run: Run, batch: tuple[str, ...]) -> tuple[str, ...]:
        return batch[: max(0, number - lost(run.counts))]

    return image


def fails_last(number: int) -> Image:
    """An image on which the last so many instances fail: the best place for a failure."""

    def image(run: Run, batch: tuple[str, ...]) -> tuple[str, ...]:
        due = number - lost(run.counts) - pending(run.counts)
        return batch[len(batch) - min(max(0, due), len(batch)) :]

    return image


def passes(heals: bool) -> Image:
    """An image on which in each batch as many fail as no threshold notices."""

    def image(run: Run, batch: tuple[str, ...]) -> tuple[str, ...]:
        low, high = 0, len(batch)
        while low < high:
            middle = (low + high + 1) // 2
            if stops(_judged(run, len(batch), middle, heals), run):
                high = middle - 1
            else:
                low = middle
        return batch[len(batch) - low :]

    return image


def ruins_from(batch_number: int, before: Image) -> Image:
    """An image that is as ``before`` until the batch of this number, and then ruins."""

    def image(run: Run, batch: tuple[str, ...]) -> Iterable[str]:
        return batch if run.batches >= batch_number else before(run, batch)

    return image


def stops(counts: Counts[int], run: Run) -> bool:
    """Whether a threshold stops the run on these counts."""
    return any(row.enabled(counts, run.charter.limits) for row in STOPS)


def _judged(run: Run, batch: int, failing: int, heals: bool) -> Counts[int]:
    """The counts on which the gates decide after a batch of which so many fail."""
    counts = run.counts
    if not run.charter.limits.rollback:
        phase = "failed_unhealthy"
    else:
        phase = "restored_healthy" if heals else "unrestored_unhealthy"
    return counts._replace(
        replacing=0,
        upgraded_healthy=counts.upgraded_healthy + batch - failing,
        view=View.FRESH,
        **{phase: getattr(counts, phase) + failing},
    )
