"""What an event means: the rows by which people and the world speak, and what the run
then knows of each instance.

The table says which rows there are and when; not which report may cause which.  That is
written down here once more, from the requirements and not from `rollproof.step`: what is
late, repeated or about another life of the instance means nothing (S13), nor does what
nobody asked for, said of an instance in flight; a provider's word is no success (S9), a
failed instance that heals stays failed (S4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from rollproof.commands import Verb
from rollproof.events import (
    Approve,
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Reopen,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Shut,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import Place
from rollproof.run import Run
from rollproof.states import ACTIVE, TERMINAL, Cause, State, View
from rollproof_checks.conform.seats import GONE, Seat, Seats, is_back
from rollproof_checks.conform.table import FLYING


class Meaning(NamedTuple):
    """What the outside brought about, before the run goes on by itself."""

    rows: tuple[str, ...]
    known: Seats
    """Of the instances about which something new is known, what that is.  An index of -1
    stands for a new one, beyond all others."""


NOTHING: Final = Meaning((), {})


def meaning(run: Run, known: Seats, event: Event) -> Meaning | None:
    """What ``event`` means to ``run``, whose seats are ``known``.  None: the state does
    not accept it (R4.9)."""
    state = run.state
    if isinstance(event, Start):
        return Meaning(("start",), {}) if state is State.IDLE else None
    if isinstance(event, Cancel | Pause | Resume):
        return Meaning(_operator(run, event), {}) if state in ACTIVE else None
    if isinstance(event, Approve):
        return _approved(run, known, event.instances) if state in ACTIVE else None
    if state is State.IDLE:
        return None
    if state in TERMINAL:
        return NOTHING
    if isinstance(event, Fault):
        expired = event.cause is Cause.CREDENTIALS
        row = "fault_credentials" if expired else "fault"
        return NOTHING if run.counts.stop else Meaning((row,), {})
    if isinstance(event, Shut | Reopen):
        closes = isinstance(event, Shut)
        row = "shut" if closes else "reopen"
        return Meaning((row,), {}) if run.counts.shut != closes else NOTHING
    if isinstance(event, Observed):
        if event.attempt is None:
            return _told(run, known, (event.instance,), ())
        return _watched(run.charter.target, known, event.instance, event.attempt)
    if isinstance(event, Vanished):
        if not _may_vanish(known.get(event.instance), event):
            return NOTHING
        return _told(run, known, (), (event.instance,))
    if isinstance(event, Surveyed):
        if not _asked(run) or event.attempt != run.surveys:
            return NOTHING
        rows, news = _told(run, known, event.present, event.gone)
        return Meaning((*rows, "surveyed"), news)
    if isinstance(event, Overdue) and event.verb is Verb.AWAIT:
        return _lapsed(run, known)
    if isinstance(event, Overdue) and not event.instance:
        return Meaning(_waited(run, event), {})
    return _reported(run.charter.target, known, event)


def _operator(run: Run, event: Cancel | Pause | Resume) -> tuple[str, ...]:
    held, stop = run.counts.held, run.counts.stop
    if isinstance(event, Pause):
        return () if held else ("pause",)
    if isinstance(event, Resume):
        return ("resume",) if held else ()
    by = "opt_out" if event.cause is Cause.OPTED_OUT else "cancel"
    force = event.force and not run.counts.forced
    return (*(() if stop else (by,)), *(("force",) if force else ()))


def _approved(run: Run, known: Seats, named: tuple[str, ...]) -> Meaning:
    """R4.11: what is named is withheld no longer, or nothing is; the fleet is looked at
    before anything is done."""
    if not run.counts.deferred:
        return NOTHING
    if not named:
        return Meaning(("approve",), _all_approved(known))
    if all(known[name].approved for name in named):
        return NOTHING  # heard before (S13)
    old = run.state is not State.PRECHECKING or run.counts.view == View.STALE
    free = {name: known[name]._replace(approved=True) for name in named}
    return Meaning(() if old else ("approve_some",), free)


def _lapsed(run: Run, known: Seats) -> Meaning:
    if not run.counts.deferred:
        return NOTHING
    return Meaning(("lapse",), _all_approved(known) if run.charter.lapse_approves else {})


def _all_approved(known: Seats) -> Seats:
    return {name: seat._replace(approved=True) for name, seat in known.items()}


def _asked(run: Run) -> bool:
    return run.state is State.PRECHECKING and run.counts.view == View.ASKED


def _waited(run: Run, event: Overdue) -> tuple[str, ...]:
    if event.verb is Verb.SURVEY and event.attempt == run.surveys and _asked(run):
        return () if run.counts.stop else ("survey_overdue",)
    if event.verb is Verb.WAIT and event.attempt == run.batches and run.counts.gated:
        return ("pause_over",) if run.state is State.PRECHECKING else ()
    return ()


def _reported(
    target: str,
    known: Seats,
    event: Replaced | ReplaceFailed | Restored | RestoreFailed | Overdue,
) -> Meaning:
    """A report about one instance: it is about this life of it, and what it goes through
    now, or it means nothing."""
    seat = known.get(event.instance)
    if seat is None:
        return NOTHING
    back = event.attempt - seat.attempt  # 1: the watch over its way back
    row, phase, seen = "", "", seat.seen
    match seat.phase, back, event:
        case "replacing", 0, Replaced():
            row, phase = "replaced", "awaiting"
        case "replacing", 0, ReplaceFailed() | Overdue(verb=Verb.REPLACE):
            row, phase = "replace_failed", "failed_unhealthy"
        case "awaiting", 0, Overdue(verb=Verb.WATCH):
            row, phase = "fail", "failed_unhealthy"
        case "restoring", 0, Restored():
            row, phase, seen = "disk_restored", "recovering", None
        case "restoring", 0, RestoreFailed() | Overdue(verb=Verb.RESTORE):
            row, phase = "restore_failed", "unrestored_unhealthy"
        case "recovering", 1, Overdue(verb=Verb.WATCH):
            if is_back(seat, target):
                row, phase = "recovered_unhealthy", "restored_unhealthy"
            else:
                row, phase = "unrecovered", "unrestored_unhealthy"
        case _:
            return NOTHING
    return Meaning((row,), {event.instance: seat._replace(phase=phase, seen=seen)})


def _told(run: Run, known: Seats, present: Iterable[Instance], gone: Iterable[str]) -> Meaning:
    """What was seen of the fleet, one instance after the other."""
    rows: list[str] = []
    news: Seats = {}
    target, approved = run.charter.target, run.ledger.approved
    for instance in present:
        free = approved is None or instance.id in approved
        seat = news.get(instance.id) or known.get(instance.id)
        news[instance.id] = _seen(target, seat, instance, rows, free)
    for name in gone:
        seat = news.get(name) or known.get(name)
        if seat is None or seat.phase == GONE:
            continue
        rows.append(f"vanish_{seat.phase}")
        attempted = not seat.phase.startswith(("pending", "skipped"))
        attempt = seat.attempt + 2 if attempted else seat.attempt
        news[name] = seat._replace(phase=GONE, attempt=attempt)
    return Meaning(tuple(rows), news)


def _seen(
    target: str, seat: Seat | None, instance: Instance, rows: list[str], free: bool
) -> Seat:
    """The seat of an instance that was looked at; adds the rows to ``rows``.  Unless it is
    ``free`` it is withheld (R4.11)."""
    version, healthy = instance.version, instance.health is Health.HEALTHY
    place = Place(instance.zone, instance.update_domain)
    if seat is None or seat.phase == GONE:
        ours = free and not instance.protected and version != target
        phase = f"{'pending' if ours else 'skipped'}_{_side(healthy)}"
        rows.append(f"appear_{phase}")
        seat = seat or Seat(-1, place, phase, version, None, 1, free)
        return _moved(seat, place)._replace(phase=phase, seen=version)
    if seat.phase in FLYING:
        return seat  # only an answer says how it fares
    seat = _moved(seat, place)._replace(seen=version)
    kind, side = seat.phase.rsplit("_", 1)
    if kind in ("pending", "skipped"):
        skip = kind == "skipped" if version is None else version == target
        skip = skip or instance.protected or not free
        if skip != (kind == "skipped"):
            rows.append(f"{'exempt' if skip else 'enlist'}_{side}")
            kind = "skipped" if skip else "pending"
    well = healthy and (kind != "upgraded" or version == target)
    if _side(well) != side:
        rows.append(f"{kind}_{'recovers' if well else 'falls_ill'}")
    return seat._replace(phase=f"{kind}_{_side(well)}")


def _watched(target: str, known: Seats, instance: Instance, attempt: int) -> Meaning:
    """What the answer to a watch means: nothing, unless it is the one that is open."""
    seat = known.get(instance.id)
    if seat is None:
        return NOTHING
    version, healthy = instance.version, instance.health is Health.HEALTHY
    match seat.phase, attempt - seat.attempt:
        case "awaiting", 0:
            if not healthy or version != target:
                return NOTHING
            row, seat = "succeed", seat._replace(phase="upgraded_healthy", seen=target)
        case "recovering", 1:
            seat = seat._replace(seen=version)
            if not healthy or not is_back(seat, target):
                return Meaning((), {instance.id: seat})
            row, seat = "recovered", seat._replace(phase="restored_healthy")
        case _:
            return NOTHING
    return Meaning((row,), {instance.id: seat})


def _may_vanish(seat: Seat | None, event: Vanished) -> bool:
    """Whether it is the answer to the command that is open about an instance in flight;
    or was not asked for, and there is none."""
    if seat is None:
        return False
    wanted = _OPEN.get(seat.phase)
    if wanted is None:
        return event.attempt is None
    verb, back = wanted
    return (event.verb, event.attempt) == (verb, seat.attempt + back)


_OPEN: Final = {
    "replacing": (Verb.REPLACE, 0),
    "awaiting": (Verb.WATCH, 0),
    "restoring": (Verb.RESTORE, 0),
    "recovering": (Verb.WATCH, 1),
}
"""Which command is open about an instance, and how far its number is beyond its life's."""


def _moved(seat: Seat, place: Place) -> Seat:
    return seat if seat.place == place else seat._replace(place=place, number=-1)


def _side(healthy: bool) -> str:
    return "healthy" if healthy else "unhealthy"
