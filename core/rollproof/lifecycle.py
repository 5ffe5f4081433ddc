"""The table of a run as a chart of python-statemachine, for those who want to listen.

`Chart` is derived from `rollproof.table` and from nothing else: a second oracle, and the
bearer of that library's listeners (`rollproof.listeners` says what they may hear).  It
is some hundred times slower than the table and decides nothing: `Lifecycle` takes, after
the fact, the rows that a run took.

    lifecycle = Lifecycle(run, listeners=[Bell()])
    ...
    run, commands, rows = trace(run, event)
    lifecycle.follow(run, rows, event.at)

Laws
----
* After `Lifecycle.follow`, state and counts equal those of the run, or it raises
  `Diverged`.  If it raises, whatever the cause, the lifecycle stands where it stood, and
  all rows are heard at a repetition.
* A row that nobody would hear never reaches the chart: the table takes it, in a
  microsecond or two.
* The first state is not entered anew: who listens to a run under way hears what follows.

This module alone imports python-statemachine, which brings asyncio; import it where it
is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from types import SimpleNamespace

import attrs
import statemachine
from statemachine.exceptions import TransitionNotAllowed
from statemachine.states import States
from statemachine.utils import run_async_from_sync

from rollproof.counts import Counts, Limits
from rollproof.listeners import methods_for, shielded, state_id
from rollproof.run import Run
from rollproof.states import TERMINAL, State
from rollproof.table import ROWS, TABLE, Row


class Diverged(AssertionError):
    """The rows do not lead from the run last followed to the one given: either an event
    was left out, or chart and run disagree about the table, which is a bug."""


@attrs.define
class Position:
    """Where a chart stands: what the guards see, and what the rows change."""

    state: State
    counts: Counts[int]
    limits: Limits[int]

    def take(self, row: Row) -> None:
        """Take ``row`` without a chart; `Diverged` if the table does not admit it here."""
        if self.state not in row.sources or not _admits(row, self):
            raise Diverged(f"row {row.name!r} cannot be taken in {self.state}")
        _move(row, self)
        self.state = row.target or self.state


def _admits(row: Row, model: Position) -> bool:
    return bool(row.enabled(model.counts, model.limits))


def _move(row: Row, model: Position) -> None:
    model.counts = row.after(model.counts, model.limits)


def _states() -> States:
    """The states, with all transitions on them.

    A row without target is a transition without target: the library exits and enters
    nothing by it.
    """
    charted = {
        state: statemachine.State(
            name=state.value, value=state, initial=state is State.IDLE, final=state in TERMINAL
        )
        for state in State
    }
    for row in TABLE:
        target = None if row.target is None else charted[row.target]
        for source in sorted(row.sources):
            charted[source].to(
                target, event=row.name, cond=partial(_admits, row), on=partial(_move, row)
            )
    return States({state_id(state): each for state, each in charted.items()})


class Chart(statemachine.StateChart[Position]):
    """The chart.  ``chart.send(row)`` takes a row, or raises `TransitionNotAllowed` and
    changes nothing.  It starts wherever its `Position` is."""

    allow_event_without_transition = False  # by default an illegal event is swallowed,
    catch_errors_as_events = False  # and so is an exception in a guard
    atomic_configuration_update = True  # by default there is no state while on_* runs
    states = _states()


class Lifecycle:
    """Follows one run, and lets listeners hear of it."""

    _run: Run
    _position: Position
    _chart: Chart

    def __init__(self, run: Run, listeners: Iterable[object] = ()) -> None:
        ears = [shielded(listener) for listener in listeners]
        names = frozenset[str]().union(*ears)
        self._heard = {row.name for row in TABLE if names & methods_for(row)}
        self._is_async = any(iscoroutinefunction(m) for each in ears for m in each.values())
        self._listeners = [SimpleNamespace(**each) for each in ears]
        self._stand(run)

    @property
    def state(self) -> State:
        """Where the chart stands."""
        return self._position.state

    @property
    def counts(self) -> Counts[int]:
        """The counts of the chart."""
        return self._position.counts

    def follow(self, run: Run, rows: Iterable[str], at: int) -> None:
        """Take ``rows``, by which the run became ``run`` at time ``at``.

        Not to be called by a listener.  Asynchronous listeners are run in an event loop
        that the library keeps for that; where a loop runs already, this raises
        `RuntimeError` before anything is heard, and `afollow` is to be awaited.
        """
        if self._is_async:
            waiting = self.afollow(run, rows, at)
            if run_async_from_sync(waiting) is waiting:  # it found a loop, and ran nothing
                waiting.close()
                raise RuntimeError("an event loop is running: await `afollow` instead")
            return
        with self._following(run):
            for _ in self._taken(run, rows, at):
                pass

    async def afollow(self, run: Run, rows: Iterable[str], at: int) -> None:
        """As `follow`, for listeners of either kind.  One call at a time."""
        with self._following(run):
            for taken in self._taken(run, rows, at):
                if isawaitable(taken):
                    await taken

    def _taken(self, run: Run, rows: Iterable[str], at: int) -> Iterator[object]:
        """What the chart answers to each row that is heard: it is taken once awaited."""
        for name in rows:
            row = ROWS.get(name)
            if row is None:
                raise Diverged(f"the table has no row {name!r}")
            if name in self._heard:
                yield self._chart.send(name, row=row, run=run, at=at)
            else:
                self._position.take(row)

    @contextmanager
    def _following(self, run: Run) -> Iterator[None]:
        before = self._run
        try:
            yield
            if (self.state, self.counts) != (run.state, run.counts):
                raise Diverged(
                    f"the rows lead to {self.state}, {self.counts}; "
                    f"the run is in {run.state}, {run.counts}"
                )
            self._run = run
        except BaseException as why:
            self._stand(before)
            if isinstance(why, TransitionNotAllowed):
                raise Diverged(f"the chart refused a row: {why}") from why
            raise

    def _stand(self, run: Run) -> None:
        """Begin anew at ``run``; a chart that was interrupted is of no further use."""
        self._run = run
        self._position = Position(run.state, run.counts, run.charter.limits)
        self._chart = Chart(self._position, listeners=[*self._listeners])
