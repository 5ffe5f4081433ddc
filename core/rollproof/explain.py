"""Which rule holds what back, with the numbers, and what would release it (N5).

The table's own guards are evaluated on numbers that remember how they came about
(`rollproof.traced`); the parts that do not hold are told in words (`rollproof.phrases`).
Nothing here knows a rule: whether a row may be taken, how far a threshold is away and in
which batch an instance will be is asked of the guards and of the machine itself.

Laws
----
* A row is said to be open exactly when the table admits it now.
* What is said to hold a row back does not hold on the integers.
* With a margin's number of unhealthy or failed instances more its threshold is passed,
  and with one less it is not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from rollproof.batch import restore_ground
from rollproof.commands import Command, Verb
from rollproof.counts import PHASES, Counts, Limits, attempted, lost, unhealthy, whole
from rollproof.errors import UnknownInstance
from rollproof.ledger import IN_FLIGHT, Place
from rollproof.phrases import PHRASES, STANDING, numbered, spelled
from rollproof.plan import upcoming
from rollproof.rules import share
from rollproof.run import Run
from rollproof.states import TERMINAL, State
from rollproof.status import CAUSES
from rollproof.table import TABLE, Actor, Row, Term, fleet_breached, upgraded_breached
from rollproof.traced import Truth, conjuncts, traced, truth


@attrs.frozen(kw_only=True)
class Condition:
    """One part of a row's guard, as it is now."""

    holds: bool
    reads: str
    """The comparison, with the names of its numbers: ``held == 0``."""
    numbers: str
    """The same with the numbers: ``1 == 0``."""
    why: str
    """Where it does not hold: what is so now, in words."""
    release: str
    """Where it does not hold: what would release it; empty when nobody has said."""


@attrs.frozen(kw_only=True)
class Prospect:
    """A row, and what it waits for."""

    row: str
    serves: str
    """Why there is such a row, with the requirement."""
    enters: str | None
    """The phase an instance enters by it."""
    conditions: tuple[Condition, ...]
    """The state of the run first, then every part of the guard."""

    @property
    def open(self) -> bool:
        """Whether the table admits the row now."""
        return all(each.holds for each in self.conditions)

    @property
    def held_back_by(self) -> tuple[Condition, ...]:
        """The conditions that do not hold."""
        return tuple(each for each in self.conditions if not each.holds)


@attrs.frozen(kw_only=True)
class Margin:
    """How far a threshold is away."""

    threshold: str
    """Key of the policy."""
    requirement: str
    part: int
    """Instances that count against it: unhealthy ones, or lost ones."""
    whole: int
    """Of how many."""
    percent: int
    allowed: int
    """The most of ``whole`` that do not pass it."""
    more: int | None
    """So many more pass it, and one less does not; 0: it is passed.  None: no number of
    the instances there are passes it."""


@attrs.frozen(kw_only=True)
class Wait:
    """A command whose outcome the run waits for."""

    verb: Verb
    instance: str
    """Empty for a survey and a pause."""
    until: int
    """Its deadline, milliseconds since the Unix epoch."""


@attrs.frozen(kw_only=True)
class RunAnswer:
    """Where a run stands, and what comes next."""

    state: State
    over: str
    """Why it ended, in words; empty while it goes on."""
    prospects: tuple[Prospect, ...]
    """The rows the run itself may take next, those that least is missing for first."""
    waits: tuple[Wait, ...]
    margins: tuple[Margin, ...]


@attrs.frozen(kw_only=True)
class InstanceAnswer:
    """Where an instance stands in a run, and what comes next for it."""

    instance: str
    phase: str
    standing: str
    """The phase in words."""
    zone: str
    update_domain: str
    prospects: tuple[Prospect, ...]
    """The rows that may move it next."""
    waits: tuple[Wait, ...]
    """Commands about it."""
    batch: int | None
    """In which batch from now it will be, 1 for the next, if nothing fails; None when in
    none that can be foreseen."""
    order: str
    """Why it is not in the next batch, or not given its disk back yet though the table
    admits it, in words; else empty."""


# -- rows ---------------------------------------------------------------------------------


def prospect(row: Row, state: State, counts: Counts[int], limits: Limits[int]) -> Prospect:
    """Whether the row may be taken, and what holds it back."""
    guard = truth(row.enabled(*traced(counts, limits)))
    return Prospect(
        row=row.name,
        serves=row.why,
        enters=row.enters,
        conditions=(
            _in_state(row, state),
            *(_condition(part, counts, limits) for part in conjuncts(guard)),
        ),
    )


def _in_state(row: Row, state: State) -> Condition:
    sources = sorted(row.sources)
    holds = state in row.sources
    return Condition(
        holds=holds,
        reads=f"state in {', '.join(sources)}",
        numbers=state.value,
        why="" if holds else f"the run is {_DOING[state]}",
        release="" if holds else _arrival(row.sources, state),
    )


_DOING: Final[Mapping[State, str]] = {
    State.IDLE: "not begun (Idle)",
    State.PRECHECKING: "at its gates, between batches (Prechecking)",
    State.ROLLING_FORWARD: "in a batch, replacing disks (RollingForward)",
    State.WAITING_HEALTH: "in a batch, waiting for health (WaitingHealth)",
    State.ROLLING_BACK: "giving disks back (RollingBack)",
    State.CANCELLED: "ended (Cancelled)",
    State.COMPLETED: "ended (Completed)",
}
"""Every state, after "the run is"."""


def _arrival(sources: Iterable[State], state: State) -> str:
    if state in TERMINAL:
        return "another run"
    return " or ".join(_REACHED[source] for source in State if source in sources)


_REACHED: Final[Mapping[State, str]] = {
    State.IDLE: "a run that has not begun",
    State.PRECHECKING: "the end of the batch",
    State.ROLLING_FORWARD: "a batch that begins",
    State.WAITING_HEALTH: "every disk of the batch replaced",
    State.ROLLING_BACK: "a batch that leaves failed instances, with rollback on",
}


def _condition(part: Truth, counts: Counts[int], limits: Limits[int]) -> Condition:
    reads, numbers, why, release = spelled(part), numbered(part), "", ""
    if not part.holds:
        phrase = PHRASES.get(part.tree)
        why = phrase.fails(counts, limits) if phrase else f"not {reads}, for not {numbers}"
        release = phrase.release if phrase else ""
    return Condition(holds=part.holds, reads=reads, numbers=numbers, why=why, release=release)


def _prospects(run: Run, rows: Iterable[Row]) -> tuple[Prospect, ...]:
    return tuple(prospect(row, run.state, run.counts, run.charter.limits) for row in rows)


def _moves(code: int) -> Iterable[Row]:
    """Rows that may move an instance on from a phase: those the run picks it for and, of
    one in flight, the reports."""
    for row in TABLE:
        picked = row.actor is Actor.PICK or code in IN_FLIGHT
        if row.leaves_code == code and row.enters is not None and picked:
            yield row


def _own_rows(state: State) -> Iterable[Row]:
    """Rows by which the run itself goes on from a state: not those by which it merely
    picks one instance more."""
    for row in TABLE:
        begins = row.actor is Actor.PICK and row.target is not None
        if state in row.sources and (row.actor is Actor.MACHINE or begins):
            yield row


# -- thresholds -----------------------------------------------------------------------------

_ILL_ORDER: Final = ("skipped", "pending", "restored", "unrestored", "failed", "upgraded")
_FALLS_ILL: Final = tuple((f"{p}_healthy", f"{p}_unhealthy") for p in _ILL_ORDER)
"""Who falls ill, for the sake of the question."""
_FAILS: Final = (
    *(("replacing", "failed_unhealthy"), ("awaiting", "failed_unhealthy")),
    ("upgraded_healthy", "upgraded_unhealthy"),
    *(("pending_healthy", "failed_unhealthy"), ("pending_unhealthy", "failed_unhealthy")),
)
"""Whose upgrade fails: those touched already, then those that are touched for it."""


def worsened(counts: Counts[int], moves: Sequence[tuple[str, str]], number: int) -> Counts[int]:
    """The counts when so many instances more have fared badly, as ``moves`` say."""
    cells = counts._asdict()
    for leaves, enters in moves:
        moved = min(number, cells[leaves])
        cells[leaves] -= moved
        cells[enters] += moved
        number -= moved
    return Counts(**cells)


def _more(
    passed: Term, counts: Counts[int], limits: Limits[int], moves: Sequence[tuple[str, str]]
) -> int | None:
    """The fewest more with which the guard says that the threshold is passed."""
    cells = counts._asdict()
    most = sum(cells[leaves] for leaves, _ in moves)

    def asked(number: int) -> bool:
        return bool(passed(worsened(counts, moves, number), limits))

    found = bisect_left(range(most + 1), True, key=asked)
    return found if found <= most else None


def margins(counts: Counts[int], limits: Limits[int]) -> tuple[Margin, Margin]:
    """How far both thresholds are away (R4.1, R4.4)."""
    ill, all_, gone, tried = (
        unhealthy(counts),
        whole(counts),
        lost(counts),
        attempted(counts),
    )
    return (
        Margin(
            threshold="max_unhealthy_instance_percent",
            requirement="R4.1",
            part=ill,
            whole=all_,
            percent=limits.max_unhealthy,
            allowed=share(all_, limits.max_unhealthy),
            more=_more(fleet_breached, counts, limits, _FALLS_ILL),
        ),
        Margin(
            threshold="max_unhealthy_upgraded_instance_percent",
            requirement="R4.4",
            part=gone,
            whole=tried,
            percent=limits.max_unhealthy_upgraded,
            allowed=share(tried, limits.max_unhealthy_upgraded),
            more=_more(upgraded_breached, counts, limits, _FAILS),
        ),
    )


# -- answers --------------------------------------------------------------------------------


def explain_run(run: Run, waiting: Sequence[Command]) -> RunAnswer:
    """Where the run stands; ``waiting`` are its commands without an outcome."""
    prospects = _prospects(run, _own_rows(run.state))
    over = ""
    if run.state is State.COMPLETED:
        over = "every instance of the set has had its turn (R4.6)"
    elif run.state is State.CANCELLED:
        over = CAUSES[run.cause]
    return RunAnswer(
        state=run.state,
        over=over,
        prospects=tuple(sorted(prospects, key=lambda each: len(each.held_back_by))),
        waits=_waits(waiting, lambda _command: True),
        margins=margins(run.counts, run.charter.limits),
    )


def explain_instance(run: Run, instance: str, waiting: Sequence[Command]) -> InstanceAnswer:
    """Where an instance stands in the run.  Raises `UnknownInstance`."""
    index = run.ledger.find(instance)
    if index is None:
        raise UnknownInstance(instance, tuple(name for name, _ in run.ledger.members()))
    code = run.ledger.phases.cells()[index]
    phase = PHASES[code]
    place = run.ledger.roster.place_of(index)
    rows = () if run.state in TERMINAL else _moves(code)
    batch, order = None, ""
    if phase.startswith("pending") and run.state not in TERMINAL:
        batch, order = _turn_of(run, instance, waiting)
    elif phase.startswith("failed") and run.state is State.ROLLING_BACK:
        order = _after_domain(run, place)
    return InstanceAnswer(
        instance=instance,
        phase=phase,
        standing=_standing(run, index, phase),
        zone=place.zone,
        update_domain=place.update_domain,
        prospects=_prospects(run, rows),
        waits=_waits(waiting, lambda command: command.instance == instance),
        batch=batch,
        order=order,
    )


def _standing(run: Run, index: int, phase: str) -> str:
    if phase.startswith("pending") and run.state in TERMINAL:
        return STANDING[phase].replace("waiting for a batch", "not touched")
    if not phase.startswith("skipped"):
        return STANDING[phase]
    version, target = run.ledger.versions.cells()[index], run.charter.target
    if version == target:
        return f"{STANDING[phase]}: it is on the target {target} already (R1.4)"
    on = f", on {version}" if version is not None else ""
    return f"{STANDING[phase]}: it is protected{on} (R1.4)"


def _waits(waiting: Sequence[Command], about: Callable[[Command], bool]) -> tuple[Wait, ...]:
    return tuple(
        Wait(verb=each.verb, instance=each.instance, until=each.deadline)
        for each in waiting
        if about(each)
    )


def _turn_of(run: Run, instance: str, waiting: Sequence[Command]) -> tuple[int | None, str]:
    """The batch in which the machine will pick the instance if nothing fails, and who
    goes before it, and why (R4.2, R6.1)."""
    batches = upcoming(run, waiting)
    number = next((n for n, batch in enumerate(batches, 1) if instance in batch), None)
    if not batches:
        return None, "no batch can be foreseen as things stand"
    if number == 1:
        return 1, ""
    return number, _behind(run, instance, batches[0])


def _after_domain(run: Run, place: Place) -> str:
    """Whose disks are given back before its own (R6.1)."""
    ground = restore_ground(run.ledger, one_domain=run.charter.one_domain)
    if ground.holds(place):
        return ""
    return (
        f"disks are given back in update domain {ground.update_domain} first, and this one "
        f"stands in {place.update_domain} (R6.1)"
    )


def _behind(run: Run, instance: str, first: Sequence[str]) -> str:
    """What the next batch has that this instance has not."""
    roster = run.ledger.roster
    mine = roster.place_of(roster.index[instance])
    theirs = [roster.place_of(roster.index[each]) for each in first]
    if not run.charter.cross_zone and mine.zone != theirs[0].zone:
        return (
            f"the next batch is drawn from zone {theirs[0].zone}, and this one stands in "
            f"zone {mine.zone} (R4.2)"
        )
    ill = [each for each in first if run.ledger.phase_of(each) == "pending_unhealthy"]
    if ill and run.ledger.phase_of(instance) == "pending_healthy":
        return f"{len(ill)} unhealthy go before it in the next batch (R4.2, S6)"
    if mine.update_domain not in {each.update_domain for each in theirs}:
        domains = ", ".join(dict.fromkeys(each.update_domain for each in theirs))
        return (
            f"the next batch is drawn from update domain {domains}, and this one stands in "
            f"{mine.update_domain}"
        )
    return "the next batch is full before its turn (S1, S6)"
