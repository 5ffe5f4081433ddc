"""Every event that a run can be told at one moment.

Numbers are relative to the run: a report bears the attempt that the run waits for, or
one that is late or too early (see `rollproof_checks.conform.seats`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import combinations_with_replacement, product
from typing import Final

from rollproof.commands import Verb
from rollproof.counts import EMPTY, Counts, Limits
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
from rollproof.journal import codec
from rollproof.ledger import Place
from rollproof.run import Run
from rollproof.states import Cause, State, View
from rollproof_checks.conform.seats import Seat, Seats
from rollproof_checks.conform.settings import Breadth, Setting
from rollproof_checks.conform.table import Departure

OLD: Final = "1.0.0"
OTHER: Final = "1.5.0"
TARGET: Final = "2.0.0"

AT: Final = 1_000_000
"""One moment does for all: time enters deadlines only."""

ORDERS: Final[tuple[Event, ...]] = (
    Cancel(AT),
    Cancel(AT, Cause.OPTED_OUT),
    Cancel(AT, force=True),
    Cancel(AT, Cause.OPTED_OUT, force=True),
    Pause(AT),
    Resume(AT),
    Fault(AT, "why"),
    Fault(AT, "a token", Cause.CREDENTIALS),
    Start(AT),
    Approve(AT),
)
WINDOW: Final[tuple[Event, ...]] = (Shut(AT), Reopen(AT))


STALE: Final = {
    Breadth.FEW: (0, 1),
    Breadth.SOME: (-1, 0, 1),
    Breadth.ALL: (-2, -1, 0, 1, 2, 3),
}
"""Attempts that reports bear, from the one of the instance's present life: 1 is its way
back, 2 and 3 its next life, below 0 the one before."""

Offered = tuple[Event, Event]
"""An event, and what comes back of it from the journal."""


class Offers:
    """The events of one setting; each is made, and taken through the journal, once."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._made: dict[Hashable, tuple[Offered, ...]] = {}

    def to(self, run: Run, known: Seats) -> Iterator[Offered]:
        """Every event, as far as the setting's breadth goes."""
        yield from self._once("orders", lambda: ORDERS)
        if self._setting.windows:
            yield from self._once("window", lambda: WINDOW)
        stale = STALE[self._setting.breadth]
        names = (*known, *self._newcomer(known))
        for name in names:
            attempt = known[name].attempt if name in known else 1
            for off in stale:
                yield from self._reports(name, attempt + off)
                yield from self._looked(name, known.get(name), attempt + off)
            yield from self._sighted(name, known.get(name))
            if name in known and self._setting.limits.deferral:
                yield from self._approved(name)
        for off in (-1, 0, 1):
            yield from self._waits(run.surveys + off, run.batches + off)
        now = run.surveys
        asked = run.state is State.PRECHECKING and run.counts.view == View.ASKED
        heard = names if asked else names[:1]  # nobody listens: one piece of news will do
        told = tuple((name, self._where(known.get(name))) for name in heard)
        yield from self._once(
            ("surveys", now, told, asked), lambda: self._surveys(now, told, asked)
        )

    def first_surveys(self, run: Run) -> tuple[Offered, ...]:
        """The answers by which a run that was just started learns its fleet: healthy
        instances on the old version, dealt to the places in every way."""
        started = just_started(self._setting.limits)
        if run.state is not State.PRECHECKING or run.counts != started:
            return ()
        now = run.surveys
        return self._once(("first", now), lambda: self._first_surveys(now))

    def _first_surveys(self, now: int) -> Iterator[Event]:
        places = dict.fromkeys(self._setting.places)
        for dealt in combinations_with_replacement(places, len(self._setting.places)):
            yield Surveyed(
                AT,
                now,
                tuple(
                    _instance(f"i{number}", place, OLD, Health.HEALTHY, False)
                    for number, place in enumerate(dealt)
                ),
            )

    def _once(self, key: Hashable, make: Callable[[], Iterable[Event]]) -> tuple[Offered, ...]:
        made = self._made.get(key)
        if made is None:
            made = tuple((event, codec.event_of(codec.event_text(event))) for event in make())
            for event, recorded in made:
                if event != recorded:
                    raise Departure(f"the journal keeps {event} as {recorded}")
            self._made[key] = made
        return made

    def _newcomer(self, known: Seats) -> list[str]:
        """One instance that was never seen: a second would be just like it.  Beyond the
        bound it is still offered, and what it makes of the run is checked, but not
        entered."""
        return [f"i{len(known)}"] if len(known) <= self._setting.names else []

    def _reports(self, name: str, attempt: int) -> tuple[Offered, ...]:
        return self._once(("reports", name, attempt), lambda: _reports(name, attempt))

    def _approved(self, name: str) -> tuple[Offered, ...]:
        return self._once(("approved", name), lambda: (Approve(AT, (name,)),))

    def _waits(self, survey: int, batch: int) -> tuple[Offered, ...]:
        return self._once(
            ("waits", survey, batch),
            lambda: (
                Overdue(AT, Verb.SURVEY, "", survey),
                Overdue(AT, Verb.WAIT, "", batch),
                Overdue(AT, Verb.AWAIT, "", 1),
                Surveyed(AT, survey, ()),
            ),
        )

    def _sighted(self, name: str, seat: Seat | None) -> tuple[Offered, ...]:
        where = self._where(seat)
        return self._once(
            ("sights", name, where),
            lambda: (Vanished(AT, name), *(Observed(AT, i) for i in self._sights(name, where))),
        )

    def _looked(self, name: str, seat: Seat | None, attempt: int) -> tuple[Offered, ...]:
        """Every answer to a watch.  Where it stands is told only of what is settled, of
        which an answer says nothing: one place will do."""
        where = self._where(seat)[-1:]
        return self._once(
            ("looks", name, where, attempt),
            lambda: (Observed(AT, i, attempt) for i in self._sights(name, where)),
        )

    def _where(self, seat: Seat | None) -> tuple[Place, ...]:
        """Where an instance may be seen."""
        if seat is None or self._setting.moving:
            return (*dict.fromkeys(self._setting.places),)
        return (seat.place,)

    def _sights(self, name: str, where: tuple[Place, ...]) -> Iterator[Instance]:
        """Every way in which one instance can be seen."""
        breadth = self._setting.breadth
        healths = tuple(Health) if breadth is Breadth.ALL else WELL_OR_NOT
        rich = breadth is not Breadth.FEW
        for place in where:
            for version in (OLD, TARGET, None, OTHER) if rich else (OLD, TARGET, None):
                for health in healths:
                    yield _instance(name, place, version, health, False)
                    if rich:
                        yield _instance(name, place, version, health, True)

    def _surveys(
        self, now: int, told: tuple[tuple[str, tuple[Place, ...]], ...], asked: bool
    ) -> Iterator[Event]:
        """Answers with one piece of news, and with two."""
        news = [i for name, where in told for i in self._sights(name, where)]
        for instance in news:
            yield Surveyed(AT, now, (instance,))
        for name, _ in told:
            yield Surveyed(AT, now, (), (name,))
        if self._setting.breadth is not Breadth.ALL or not asked:
            return
        plain = [i for i in news if _is_plain(i)]
        for one, two in product(plain, plain):  # an adapter may name one instance twice
            yield Surveyed(AT, now, (one, two))
        for instance, (name, _) in product(plain, told):
            yield Surveyed(AT, now, (instance,), (name,))


WELL_OR_NOT: Final = (Health.HEALTHY, Health.UNHEALTHY)


def just_started(limits: Limits[int]) -> Counts[int]:
    """The counts of a run that has asked for its fleet."""
    return EMPTY._replace(view=View.ASKED, deferred=limits.deferral)


def _reports(name: str, attempt: int) -> tuple[Event, ...]:
    """Every report that bears an attempt number, but for the looks."""
    return (
        Replaced(AT, name, attempt),
        ReplaceFailed(AT, name, attempt, "why"),
        Restored(AT, name, attempt),
        RestoreFailed(AT, name, attempt, "why"),
        *(
            Overdue(AT, verb, name, attempt)
            for verb in (Verb.REPLACE, Verb.WATCH, Verb.RESTORE)
        ),
        *(
            Vanished(AT, name, attempt, verb)
            for verb in (Verb.REPLACE, Verb.WATCH, Verb.RESTORE)
        ),
    )


def _instance(
    name: str, place: Place, version: str | None, health: Health, protected: bool
) -> Instance:
    return Instance(
        id=name,
        zone=place.zone,
        update_domain=place.update_domain,
        version=version,
        health=health,
        protected=protected,
    )


def _is_plain(instance: Instance) -> bool:
    return (
        instance.version in (OLD, TARGET)
        and instance.health in WELL_OR_NOT
        and not instance.protected
    )
