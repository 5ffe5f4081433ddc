"""The laws that every concrete step keeps.  Each raises `Departure` with a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

from rollproof.commands import Command, Verb
from rollproof.counts import PHASE_COUNT
from rollproof.events import Event
from rollproof.run import Run, expects
from rollproof.states import State
from rollproof.table import Actor, Row
from rollproof_checks.conform.meaning import Meaning
from rollproof_checks.conform.seats import GONE, Seat, Seats
from rollproof_checks.conform.table import FLYING, OWN, RETURNING, Departure, Node, Table

Steps = tuple[Run, tuple[Command, ...], tuple[str, ...]]
"""What `rollproof.step.trace` returns."""

ORDER: Final = {
    "pending": 0,
    "skipped": 0,
    "replacing": 1,
    "awaiting": 2,
    "failed": 3,
    "upgraded": 3,
    "restoring": 4,
    "recovering": 5,
    "restored": 6,
    "unrestored": 6,
    "indeterminate": 7,
}
"""How far an instance is within one life: it never goes back, so no command about it is
repeated, and no key."""

BEFORE_MATTERS: Final = frozenset({*FLYING, "failed_healthy", "failed_unhealthy"})
COUNTED_LOST: Final = (
    *("upgraded_unhealthy", "failed_healthy", "failed_unhealthy"),
    *("restored_healthy", "restored_unhealthy"),
    *("unrestored_healthy", "unrestored_unhealthy"),
)


class Taken(NamedTuple):
    """One step: what it was told and what it made, with the seats before and after."""

    before: Run
    known: Seats
    event: Event
    meant: Meaning
    made: Steps
    now: Seats


def check(table: Table, taken: Taken) -> None:
    """All laws of a step that took rows."""
    _refines(table, taken)
    own = _as_meant(table, taken)
    picked = _moves(table, taken, own)
    _numbers(taken)
    _withheld(taken, own)
    _wanted(taken, picked)
    _lives(taken)
    _given_back(taken)
    if any(name.startswith("begin_") for name in own):
        _batch(taken, picked)


def check_stutter(taken: Taken) -> None:
    """No row and no command; what was seen may be noted, and a place."""
    before, meant = taken.before, taken.meant
    after, commands, rows = taken.made
    if rows or commands or meant.rows:
        raise Departure(f"rows {rows} and {commands} where {meant.rows} was meant")
    if before[:3] != after[:3] or before[4:] != after[4:]:
        raise Departure("something changed without a row")
    _same_but(taken.known, taken.now, meant.known)


def _refines(table: Table, taken: Taken) -> None:
    before, (after, _, rows) = taken.before, taken.made
    p = before.charter.limits
    if after.charter is not before.charter:
        raise Departure("the terms of the run changed (S10)")
    node = table.fold(Node(before.state, before.counts), p, rows)
    if node != (after.state, after.counts):
        raise Departure(f"the rows {rows} lead to {node}, the step to {after[1:3]}")
    if after.ledger.tally() != after.counts[:PHASE_COUNT]:
        raise Departure(f"the ledger sums to {after.ledger.tally()}, not to {after.counts}")
    for row in table.unfinished(node, p):
        if not _elsewhere(taken, row):
            raise Departure(f"the run stands still where row {row.name!r} may be taken")


def _elsewhere(taken: Taken, row: Row) -> bool:
    """Whether all whom the row could give their disks back stand in other update domains
    than the one in which that is under way (R6.1): the counts do not know it."""
    if row.enters != "restoring" or not taken.before.charter.one_domain:
        return False
    under_way = _domains(taken.now, RETURNING)
    return bool(under_way) and not under_way & _domains(taken.now, (row.leaves,))


def _domains(known: Seats, phases: Collection[str | None]) -> set[str]:
    return {seat.place.update_domain for seat in known.values() if seat.phase in phases}


def _as_meant(table: Table, taken: Taken) -> tuple[str, ...]:
    """The rows that the run took by itself; the others are what the event means."""
    meant, (_, _, rows) = taken.meant, taken.made
    told = tuple(name for name in rows if table.rows[name].actor not in OWN)
    if told != meant.rows or rows[: len(told)] != told:
        raise Departure(f"the event means {meant.rows}, the step took {rows}")
    return rows[len(told) :]


def _moves(table: Table, taken: Taken, own: tuple[str, ...]) -> Seats:
    """Each instance moved by one row; by name, what was picked stood before its pick."""
    known, now = taken.known, taken.now
    expected = {**known, **taken.meant.known}
    picked: Seats = {}
    moved: Counter[tuple[str, str]] = Counter()
    if expected.keys() != now.keys():
        raise Departure(f"known should be {sorted(expected)}, are {sorted(now)}")
    for name, seat in now.items():
        if (was := expected[name]).phase != seat.phase:
            picked[name] = was
            moved[was.phase, seat.phase] += 1
            note = was.seen if seat.phase == "replacing" else was.before
            expected[name] = was._replace(phase=seat.phase, before=note)
    named = Counter(
        (row.leaves or GONE, row.enters or GONE)
        for row in (table.rows[name] for name in own)
        if row.actor is Actor.PICK and row.leaves
    )
    if moved != named:
        raise Departure(f"the rows {own} move {dict(named)}, the ledger {dict(moved)}")
    _same_but(known, now, expected)
    return picked


def _same_but(known: Seats, now: Seats, meant: Seats) -> None:
    """Every seat is as it was or as it is meant to be, where that can matter."""
    last = max((seat.number for seat in known.values()), default=-1)
    for name, seat in now.items():
        should = meant.get(name) or known[name]
        if should.number < 0:
            if seat.number <= last:
                raise Departure(f"{name} has a new place, but not a new index")
            should = should._replace(number=seat.number)
        if should != seat and _told(should) != _told(seat):
            raise Departure(f"{name} should be {should}, is {seat}")
    if len(now) != len(known.keys() | meant.keys()):
        raise Departure("an instance was forgotten")


def _told(seat: Seat) -> Seat:
    """The seat without what no one will ask for."""
    if seat.phase not in BEFORE_MATTERS:
        seat = seat._replace(before=None)
    return seat._replace(seen=None) if seat.phase == GONE else seat


def _withheld(taken: Taken, own: tuple[str, ...]) -> None:
    """A run rests on its last batch only where somebody waits for an approval, and does not
    end while somebody does (R4.11)."""
    target = taken.before.charter.target
    waiting = [
        name
        for name, seat in taken.now.items()
        if seat.phase.startswith("skipped") and not seat.approved and seat.seen != target
    ]
    if "rest" in own and not waiting:
        raise Departure("the run rests, and nobody is withheld")
    if "release" in own and waiting:
        raise Departure(f"the run goes on without {waiting}, who are withheld")


def _numbers(taken: Taken) -> None:
    before, (after, _, rows) = taken.before, taken.made
    asked = rows.count("ask")
    begun = sum(name.startswith("begin_") for name in rows)
    if (after.surveys, after.batches) != (before.surveys + asked, before.batches + begun):
        raise Departure("surveys or batches are not counted one by one")


def _wanted(taken: Taken, picked: Seats) -> None:
    """Each move that wants something done has its command, and there is no other; each
    has its deadline (S8, S9, R4.5)."""
    before, meant, now = taken.before, taken.meant, taken.now
    after, commands, rows = taken.made
    terms, at = after.charter, taken.event.at
    due = []
    for name, seat in now.items():
        if name in picked and seat.phase == "replacing":
            wait = at + terms.replace_wait
            due.append(Command(Verb.REPLACE, name, seat.attempt, wait, terms.target))
        elif name in picked and seat.phase == "restoring":
            due.append(Command(Verb.RESTORE, name, seat.attempt, at + terms.restore_wait))
        elif name in meant.known and meant.rows in (("replaced",), ("disk_restored",)):
            back = meant.rows == ("disk_restored",)
            version = seat.before if back else terms.target
            wait = at + terms.health_wait
            due.append(Command(Verb.WATCH, name, seat.attempt + back, wait, version))
    if "start" in rows and terms.limits.deferral:
        due.append(Command(Verb.AWAIT, "", 1, at + terms.approval_wait))
    if "ask" in rows:
        due.append(Command(Verb.SURVEY, "", after.surveys, at + terms.survey_wait))
    pausing = after.state is State.PRECHECKING and after.counts.gated and not after.counts.stop
    if pausing and (not before.counts.gated or before.state is not State.PRECHECKING):
        due.append(Command(Verb.WAIT, "", after.batches, at + terms.pause))
    if sorted(due, key=repr) != sorted(commands, key=repr):
        raise Departure(f"wanted should be {due}, is {list(commands)}")
    for command in commands:
        if command.deadline <= at:
            raise Departure(f"{command} is overdue from the beginning")
        if not expects(after, command):
            raise Departure(f"{command} is not waited for")


def _lives(taken: Taken) -> None:
    """No instance goes back within one life, and a life that was touched is not lived
    again; so no two commands share a key."""
    for name, seat in taken.now.items():
        was = taken.known.get(name)
        if was is None or was.phase == GONE or was == seat:
            continue
        if seat.attempt != was.attempt:
            lived = seat.attempt > was.attempt and (seat.attempt - was.attempt) % 2 == 0
            if not lived or ORDER[_kind(was.phase)] == 0:
                raise Departure(f"{name} lives as {seat.attempt} after {was.attempt}")
        elif seat.phase == GONE:
            if ORDER[_kind(was.phase)] > 0:
                raise Departure(f"{name} vanished and may come back in the same life")
        elif ORDER[_kind(seat.phase)] < ORDER[_kind(was.phase)]:
            raise Departure(f"{name} went back from {was.phase} to {seat.phase}")


def _kind(phase: str) -> str:
    return phase.removesuffix("_healthy").removesuffix("_unhealthy")


def _given_back(taken: Taken) -> None:
    domains = _domains(taken.now, RETURNING)
    if len(domains) > 1 and taken.before.charter.one_domain:
        told = sorted(domains)
        raise Departure(f"disks are given back in the update domains {told} at once (R6.1)")


def _batch(taken: Taken, picked: Seats) -> None:
    """The batch, instance by instance: whom it holds, and that it may begin at all."""
    before, now = taken.before, taken.now
    terms = before.charter
    p = terms.limits
    told = {**taken.known, **taken.meant.known}
    stood = {
        name: told[name]._replace(number=seat.number)
        for name, seat in now.items()
        if seat.phase != GONE
    }
    phases = [seat.phase for seat in stood.values()]
    ill = sum(phase.endswith("_unhealthy") or phase == "indeterminate" for phase in phases)
    tried = sum(not phase.startswith(("pending", "skipped")) for phase in phases)
    lost = sum(phase in COUNTED_LOST for phase in phases)
    if 100 * ill > p.max_unhealthy * len(phases):
        raise Departure(f"a batch began with {ill} of {len(phases)} unhealthy (R4.1)")
    if 100 * lost > p.max_unhealthy_upgraded * tried:
        raise Departure(f"a batch began with {lost} of {tried} attempted lost (R4.4, S4)")
    batch = {name for name, seat in picked.items() if seat.phase.startswith("pending")}
    zones = {stood[name].place.zone for name in batch}
    if len(zones) > 1 and not terms.cross_zone:
        raise Departure(f"one batch was drawn from the zones {sorted(zones)} (R4.2)")
    domains = {stood[name].place.update_domain for name in batch}
    if len(domains) > 1 and terms.one_domain:
        raise Departure(f"one batch was drawn from the update domains {sorted(domains)} (R6.1)")
    due = _chosen(before, stood, ill)
    if batch != due:
        raise Departure(f"the batch should be {sorted(due)}, is {sorted(batch)}")


def _chosen(before: Run, stood: Seats, ill: int) -> set[str]:
    """The batch that R4.2, R6.1, S1 and S6 ask for, instance by instance."""
    terms = before.charter
    whole = len(stood)
    most = max(1, terms.limits.max_batch * whole // 100)
    spare = terms.limits.max_unhealthy * whole // 100 - ill
    first = terms.unhealthy_first or spare < 1
    waiting = sorted(
        ((n, s) for n, s in stood.items() if s.phase.startswith("pending")),
        key=lambda pair: (
            first and pair[1].phase == "pending_healthy",
            terms.one_domain and pair[1].place.update_domain,
            pair[1].place,
            pair[1].number,
        ),
    )
    if not terms.cross_zone:
        zone = waiting[0][1].place.zone
        waiting = [pair for pair in waiting if pair[1].place.zone == zone]
    if terms.one_domain:
        domain = waiting[0][1].place.update_domain
        waiting = [pair for pair in waiting if pair[1].place.update_domain == domain]
    batch: set[str] = set()
    for name, seat in waiting:
        healthy = seat.phase == "pending_healthy"
        if batch and (len(batch) == most or (healthy and spare < 1)):
            continue
        batch.add(name)
        if healthy:
            if spare < 1:
                break  # without headroom the one healthy instance is the whole batch
            spare -= 1
    return batch
