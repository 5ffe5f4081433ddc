"""Breadth-first over concrete runs: every event at every moment, every law on every step."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import attrs

from rollproof.errors import IllegalEvent
from rollproof.events import Event
from rollproof.run import Run, new_run
from rollproof.states import State
from rollproof_checks.conform.events import Offered, Offers
from rollproof_checks.conform.laws import Steps, Taken, check, check_stutter
from rollproof_checks.conform.meaning import NOTHING, Meaning, meaning
from rollproof_checks.conform.seats import Form, Seats, canonical, seats
from rollproof_checks.conform.settings import Bounds, Setting
from rollproof_checks.conform.table import Departure, Node, Table
from rollproof_checks.conform.words import words

Stepper: TypeAlias = Callable[[Run, Event], Steps]
"""`rollproof.step.trace`, or what stands in for it."""

Head: TypeAlias = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Divergence:
    """A step that breaks a law, with the shortest way to it in disturbances."""

    setting: str
    law: str
    path: tuple[Event, ...]
    """From a new run."""
    state: State
    before: tuple[str, ...]
    """Phase of each instance before the last event."""
    rows: tuple[str, ...]
    """Taken by the last event."""

    def __str__(self) -> str:
        lines = [f"{self.setting}: {self.law}"]
        lines += [f"  {number}. {words(event)}" for number, event in enumerate(self.path, 1)]
        lines.append(f"  in {self.state} with {', '.join(self.before) or 'nobody'}")
        lines.append(f"  rows: {' '.join(self.rows) or 'none'}")
        return "\n".join(lines)


class Stopped(Exception):
    """A law was broken; carries the `Divergence`."""

    def __init__(self, divergence: Divergence) -> None:
        super().__init__(str(divergence))
        self.divergence = divergence


class TooMany(Exception):
    """The bound on runs was reached: nothing is said of the rest."""


@attrs.frozen(kw_only=True)
class Searched:
    """What one setting came to."""

    setting: str
    runs: int
    """Concrete runs, up to renaming."""
    steps: int
    nodes: int
    """States of the table that they are in."""
    edges: int
    """Turns of the table, compared one by one; 0: not compared."""
    doubted: int
    """Runs stepped again though their form was known."""
    replayed: int
    charted: int
    rows: Counter[str]
    seconds: float


@attrs.define
class Search:
    """One setting's search."""

    setting: Setting
    bounds: Bounds
    table: Table
    step: Stepper
    costs: dict[Form, int] = attrs.Factory(dict)
    parents: dict[Form, tuple[Form | None, Event | None]] = attrs.Factory(dict)
    images: dict[Form, Node] = attrs.Factory(dict)
    heads: dict[Form, set[Head]] = attrs.Factory(lambda: defaultdict(set))
    stutters: dict[Form, set[Form]] = attrs.Factory(lambda: defaultdict(set))
    edges: dict[Node, set[tuple[Head, Node]]] = attrs.Factory(lambda: defaultdict(set))
    rows: Counter[str] = attrs.Factory(Counter)
    steps: int = 0
    doubted: int = 0
    replayed: int = 0
    turns: dict[tuple[Node, Head], Node] = attrs.Factory(dict)
    """Distinct turns, for the chart."""
    offers: Offers = attrs.field(init=False)
    _queues: dict[int, deque[tuple[Run, Form]]] = attrs.Factory(lambda: defaultdict(deque))
    _met: int = 0

    @offers.default
    def _(self) -> Offers:
        return Offers(self.setting)

    def run(self) -> None:
        """Search everything within the bounds.  Raises `Stopped` or `TooMany`."""
        run = new_run(self.setting.charter)
        self._enter(run, {}, 0, None, None)
        cost = 0
        while self._queues:
            if not (queue := self._queues.get(cost)):
                self._queues.pop(cost, None)
                cost += 1
                continue
            run, form = queue.popleft()
            if self.costs[form] == cost:
                self._expand(run, form, cost)

    # -- one run

    def _expand(self, run: Run, form: Form, cost: int) -> None:
        known = seats(run)
        for offered in self.offers.to(run, known):
            self._offer(run, known, form, offered, cost)
        for first in self.offers.first_surveys(run):
            self._offer(run, known, form, first, cost, free=True)
        if seats(run) != known:
            raise self._stop(form, run, known, "the run changed under its steps")

    def _offer(
        self,
        run: Run,
        known: Seats,
        form: Form,
        offered: Offered,
        cost: int,
        *,
        free: bool = False,
    ) -> None:
        self.steps += 1
        event, _ = offered
        meant, made, now = self._checked(run, known, form, offered)
        if made is None:
            return
        after, _, rows = made
        self.rows.update(rows)
        if not rows and now == known:
            return
        inside = len(now) <= self.setting.names
        if not free:
            self._note_turn(run, form, meant.rows, made, inside)
            cost += self.table.cost(meant.rows)
        if inside and (self.setting.disturbances is None or cost <= self.setting.disturbances):
            to = self._enter(after, now, cost, form, event)
            if not rows:
                self.stutters[form].add(to)

    def _checked(
        self, run: Run, known: Seats, form: Form, offered: Offered
    ) -> tuple[Meaning, Steps | None, Seats]:
        """The step of an event, all laws kept; None for one that is refused."""
        event, recorded = offered
        meant = meaning(run, known, event)
        rows: tuple[str, ...] = ()
        try:
            try:
                made = self.step(run, event)
            except IllegalEvent as error:
                if meant is not None:
                    raise Departure(
                        f"refused, though it means {meant.rows}: {error}"
                    ) from error
                return NOTHING, None, known
            except Exception as error:
                raise Departure(f"broke down: {type(error).__name__}: {error}") from error
            after, commands, rows = made
            if meant is None:
                raise Departure("accepted, though the state does not take such an event")
            if not rows and after == run and not commands and not meant.rows:
                if meant.known:
                    check_stutter(Taken(run, known, event, meant, made, known))
                return meant, made, known
            now = seats(after)
            judge = partial(check, self.table) if rows else check_stutter
            judge(Taken(run, known, event, meant, made, now))
            self._again(run, recorded, made)
        except Departure as departure:
            raise self._stop(form, run, known, str(departure), (event, rows)) from departure
        return meant, made, now

    def _again(self, run: Run, recorded: Event, made: Steps) -> None:
        """The event as it comes back from the journal makes the same again of the same
        run.  So, by induction over the events, a run that is replayed after a crash,
        wherever that was, is equal to the one that was lost."""
        after, commands, rows = self.step(run, recorded)
        if (commands, rows) != made[1:] or _bare(after) != _bare(made[0]):
            raise Departure("the journal's word of the event made something else of the run")

    # -- bookkeeping

    def _enter(
        self, run: Run, known: Seats, cost: int, parent: Form | None, event: Event | None
    ) -> Form:
        form = canonical(run, known)
        if form in self.costs:
            self._met += 1
            if self._met % self.bounds.doubts == 0:
                self._doubt(run, known, form)
            if self.costs[form] <= cost:
                return form
        elif len(self.costs) >= self.bounds.runs:
            raise TooMany
        self.costs[form] = cost
        self.parents[form] = (parent, event)
        self.images[form] = Node(run.state, run.counts)
        self._queues[cost].append((run, form))
        if len(self.costs) % self.bounds.doubts == 0:
            self._replay(run, known, form)
        return form

    def _note_turn(self, run: Run, form: Form, head: Head, made: Steps, inside: bool) -> None:
        after, _, rows = made
        if not rows:
            return
        node, end = Node(run.state, run.counts), Node(after.state, after.counts)
        self.turns.setdefault((node, rows), end)
        self.heads[form].add(head)
        if inside:
            self.edges[node].add((head, end))

    def path(self, form: Form | None) -> tuple[Event, ...]:
        """The events that lead from a new run to a form's first run."""
        found: list[Event] = []
        while form is not None:
            form, event = self.parents.get(form, (None, None))
            if event is not None:
                found.append(event)
        return (*found[::-1],)

    def first(self, form: Form) -> Run:
        """The first run of this form, made anew from its events."""
        run = new_run(self.setting.charter)
        for event in self.path(form):
            run = self.step(run, event)[0]
        return run

    def _replay(self, run: Run, known: Seats, form: Form) -> None:
        self.replayed += 1
        again = self.first(form)
        if _facts(again, seats(again)) != _facts(run, known):
            raise self._stop(form, run, known, "replay makes another run")

    def _doubt(self, run: Run, known: Seats, form: Form) -> None:
        """Whether two runs of one form are indeed alike to every event."""
        self.doubted += 1
        other = self.first(form)
        if self._future(run, known) != self._future(other, seats(other)):
            raise self._stop(form, run, known, "the form hides what matters")

    def _future(self, run: Run, known: Seats) -> Counter[tuple[Head, Form | None]]:
        found: Counter[tuple[Head, Form | None]] = Counter()
        for event, _ in self.offers.to(run, known):
            try:
                after, _, rows = self.step(run, event)
            except IllegalEvent:
                found[(), None] += 1
            else:
                found[rows, canonical(after, seats(after))] += 1
        return found

    def general(self, law: str) -> Divergence:
        """A law that is broken by the graph, and by no single step."""
        return Divergence(
            setting=self.setting.name, law=law, path=(), state=State.IDLE, before=(), rows=()
        )

    def _stop(
        self,
        form: Form,
        run: Run,
        known: Seats,
        law: str,
        last: tuple[Event | None, Head] = (None, ()),
    ) -> Stopped:
        event, rows = last
        way = self.path(form)
        return Stopped(
            Divergence(
                setting=self.setting.name,
                law=law,
                path=way if event is None else (*way, event),
                state=run.state,
                before=tuple(f"{name} {seat.phase or 'gone'}" for name, seat in known.items()),
                rows=rows,
            )
        )


def _bare(run: Run) -> tuple[object, ...]:
    """Every field of a run, read out: two runs may share the machinery of their arrays."""
    roster, phases, versions, before, lives, approved = run.ledger
    arrays = (bytes(phases.cells()), (*versions.cells(),), (*before.cells(),))
    return (*run[:3], *run[4:], arrays, lives, approved, roster.size)


def _facts(run: Run, known: Seats) -> tuple[object, ...]:
    """All that a run is, without the machinery that it shares with other versions."""
    return (run.charter, *run[1:3], run.surveys, run.batches, run.ledger.approved, known)


def searched(search: Search, edges: int, charted: int, began: float) -> Searched:
    """The figures of a search that is over."""
    return Searched(
        setting=search.setting.name,
        runs=len(search.costs),
        steps=search.steps,
        nodes=len(set(search.images.values())),
        edges=edges,
        doubted=search.doubted,
        replayed=search.replayed,
        charted=charted,
        rows=search.rows,
        seconds=round(time.perf_counter() - began, 3),
    )
