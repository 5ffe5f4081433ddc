"""rollproof.lifecycle: the chart agrees with the table, and listeners hear a run (R8)."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, combinations_with_replacement, product
from random import Random
from typing import Any, NoReturn

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statemachine import State as Charted
from statemachine.exceptions import TransitionNotAllowed
from statemachine.utils import _cached_loop

from rollproof.charter import Charter
from rollproof.commands import IDLE_VERBS, Command, Verb
from rollproof.counts import EMPTY, PHASES, Counts, Limits
from rollproof.errors import IllegalEvent
from rollproof.events import (
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import news
from rollproof.lifecycle import Chart, Diverged, Lifecycle, Position
from rollproof.run import Run, new_run
from rollproof.states import TERMINAL, Cause, State, View
from rollproof.step import trace
from rollproof.table import ROWS, TABLE, Row

STRICT = Limits(20, 20, 20, 1, 1, 1, 1)
LOOSE = Limits(100, 100, 100, 0, 0, 0)

UNCONDITIONAL = {"start"} | {row.name for row in TABLE if row.name.startswith("appear_")}
"""Rows that their states alone admit."""


# -- positions ------------------------------------------------------------------------


def small_counts(most: int) -> Iterator[Counts[int]]:
    """Every way to put up to ``most`` instances into the phases, in every gate's state."""
    placed = chain.from_iterable(
        combinations_with_replacement(PHASES, instances) for instances in range(most + 1)
    )
    gates = list(
        product(
            *(View, (0, 1), (0, 1), (Cause.NONE, Cause.FLEET_UNHEALTHY), (0, 1), (0, 1)),
            *(((0, 0), (1, 0), (0, 1)),),
        )
    )
    for phases, (view, gated, held, stop, forced, room, late) in product(placed, gates):
        yield EMPTY._replace(
            **{phase: phases.count(phase) for phase in phases},
            view=int(view),
            gated=gated,
            held=held,
            stop=int(stop),
            forced=forced,
            room=room,
            slack=room,
            cap=1,
            shut=late[0],
            deferred=late[1],
        )


@cache
def shuffled() -> list[Counts[int]]:
    """The same with two instances, in an order that is always the same."""
    counts = list(small_counts(2))
    Random(8).shuffle(counts)
    return counts


def witnesses(
    row: Row, outcome: bool, enough: int = 3
) -> list[tuple[Counts[int], Limits[int]]]:
    """Small counts for which the row's guard has this outcome; none if there are none."""
    found = (
        (counts, limits)
        for counts in shuffled()
        for limits in (STRICT, LOOSE)
        if bool(row.enabled(counts, limits)) is outcome
    )
    return [pair for pair, _ in zip(found, range(enough), strict=False)]


_CHARTS: list[Chart] = []
"""The chart in use: making one takes as long as thirty rows, so it is moved about."""


def chart_at(place: Position) -> Chart:
    """A chart that stands there."""
    if not _CHARTS or _CHARTS[-1].is_terminated:
        _CHARTS[:] = [Chart(attrs.evolve(place))]
    chart = _CHARTS[-1]
    position = chart.model
    position.state, position.counts, position.limits = place.state, place.counts, place.limits
    return chart


def agree(before: Position, row: Row) -> bool:
    """Check that chart and table do the same at ``row``; whether they take it."""
    chart, taken = chart_at(before), attrs.evolve(before)
    position = chart.model
    if position.state in row.sources and row.enabled(position.counts, position.limits):
        counts = row.after(position.counts, position.limits)
        chart.send(row.name)
        taken.take(row)
        assert position == taken == Position(row.target or before.state, counts, before.limits)
        assert [state.value for state in chart.configuration] == [position.state]
        return True
    with pytest.raises(TransitionNotAllowed):
        chart.send(row.name)
    with pytest.raises(Diverged, match=row.name):
        taken.take(row)
    assert position == taken == before
    assert [state.value for state in chart.configuration] == [position.state]
    return False


class TestChart:
    """The chart is the table (R8)."""

    def test_states(self) -> None:
        """R8: exactly the seven; Idle is the first, Cancelled and Completed the last."""
        assert [state.value for state in Chart.states] == list(State)
        assert [state.value for state in Chart.states if state.initial] == [State.IDLE]
        assert {state.value for state in Chart.states if state.final} == TERMINAL

    def test_transitions(self) -> None:
        """R8: one for each row and source state, and no other."""
        charted = [
            (transition.event, state.value, transition.target and transition.target.value)
            for state in Chart.states
            for transition in state.transitions
        ]
        assert sorted(charted, key=str) == sorted(
            ((row.name, source, row.target) for row in TABLE for source in row.sources), key=str
        )

    @pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
    def test_every_state_and_guard_outcome(self, row: Row) -> None:
        """R8: a row is accepted where the table admits it; elsewhere nothing changes."""
        admitted, refused = witnesses(row, True), witnesses(row, False)
        assert admitted
        assert bool(refused) == (row.name not in UNCONDITIONAL)
        for state in State:
            for counts, limits in admitted:
                assert agree(Position(state, counts, limits), row) == (state in row.sources)
            for counts, limits in refused:
                assert not agree(Position(state, counts, limits), row)

    @pytest.mark.parametrize("state", State)
    def test_every_guard_over_small_counts(self, state: State) -> None:
        """R8: with up to one instance, whatever the gates, the same rows are enabled."""
        position = Position(state, EMPTY, STRICT)
        chart = Chart(position)
        rows = [row for row in TABLE if state in row.sources]
        for position.counts in small_counts(1):
            enabled = {str(event) for event in chart.enabled_events()}
            assert enabled == {r.name for r in rows if r.enabled(position.counts, STRICT)}

    @given(
        st.sampled_from(State),
        st.sampled_from(TABLE),
        st.lists(
            st.sampled_from([0, 1, 2, 4, 5, 10**6]) | st.integers(0, 10**7),
            min_size=len(PHASES),
            max_size=len(PHASES),
        ),
        st.tuples(
            st.sampled_from(View),
            st.integers(0, 1),
            st.integers(0, 1),
            st.sampled_from(Cause),
            st.integers(0, 1),
            *[st.sampled_from([0, 1, 2]) | st.integers(0, 10**7)] * 3,
            *[st.integers(0, 1)] * 2,
        ),
        st.tuples(
            st.integers(5, 100),
            st.integers(5, 100),
            st.integers(0, 100),
            *[st.integers(0, 1)] * 4,
        ),
    )
    @settings(deadline=None)
    def test_any_position(
        self,
        state: State,
        row: Row,
        phases: list[int],
        registers: tuple[int, ...],
        limits: tuple[int, ...],
    ) -> None:
        """R8: whatever the size of the set, the registers and the policy."""
        agree(Position(state, Counts(*phases, *map(int, registers)), Limits(*limits)), row)

    @pytest.mark.parametrize("name", ["no_such_row", "Start", "start_"])
    def test_unknown_event(self, name: str) -> None:
        """R8: what is no row is refused as well."""
        position = Position(State.IDLE, EMPTY, STRICT)
        with pytest.raises(TransitionNotAllowed):
            Chart(position).send(name)
        assert position == Position(State.IDLE, EMPTY, STRICT)

    def test_errors_in_guards_are_raised(self) -> None:
        """R8: a guard that fails is neither a no nor another event."""
        fresh = EMPTY._replace(view=int(View.FRESH))
        broken = STRICT._replace(max_unhealthy_upgraded=None)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            Chart(Position(State.PRECHECKING, fresh, broken)).send("complete")


# -- a simulated run ------------------------------------------------------------------


CHARTER = Charter(run="r", scale_set="web", target="2", limits=LOOSE, cross_zone=True)


def fleet(size: int) -> dict[str, Instance]:
    """Healthy instances on the old version."""
    return {
        f"i{n}": Instance(id=f"i{n}", zone=str(n % 2), version="1", health=Health.HEALTHY)
        for n in range(size)
    }


class World:
    """Answers commands; what succeeds is told by a row of outcomes, then everything does."""

    def __init__(self, charter: Charter, size: int, outcomes: Sequence[bool] = ()) -> None:
        self.run = new_run(charter)
        self.fleet = fleet(size)
        self.outcomes = iter(outcomes)
        self.events: list[Event] = [Start(1)]

    def turns(
        self, said: Sequence[tuple[int, Event]] = ()
    ) -> Iterator[tuple[Event, list[str]]]:
        """Play the run to its end: each event, and the rows it caused.

        ``said`` interrupts it: each event comes in its place, if the run accepts it.
        """
        orders = dict(said)
        turn = 0
        while self.events or turn in orders:
            event = orders.pop(turn) if turn in orders else self.events.pop(0)
            turn += 1
            try:
                self.run, commands, rows = trace(self.run, event)
            except IllegalEvent:
                continue
            self.events += [self.answer(command) for command in commands]
            yield event, [*rows]

    def answer(self, command: Command) -> Event:
        """What becomes of a command."""
        verb, name, attempt, deadline, _ = command
        at = deadline - 1
        if verb is Verb.SURVEY:
            differing, gone = news(self.run.ledger, CHARTER.target, self.fleet.values())
            return Surveyed(at, attempt, differing, gone)
        if verb in IDLE_VERBS or not next(self.outcomes, True):
            failures: dict[Verb, Event] = {
                Verb.REPLACE: ReplaceFailed(at, name, attempt, "refused"),
                Verb.RESTORE: RestoreFailed(at, name, attempt, "refused"),
            }
            return failures.get(verb, Overdue(deadline, verb, name, attempt))
        if verb is Verb.WATCH:
            return Observed(at, self.fleet[name], attempt)
        version = "2" if verb is Verb.REPLACE else "1"
        self.fleet[name] = attrs.evolve(self.fleet[name], version=version)
        return (Replaced if verb is Verb.REPLACE else Restored)(at, name, attempt)


class Diary:
    """Writes down every row."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def after_transition(self, event: str) -> None:
        """Called after each row."""
        self.rows.append(str(event))


class AsyncDiary(Diary):
    """The same, asynchronously."""

    async def after_transition(self, event: str) -> None:  # type: ignore[override]
        """Called after each row."""
        await asyncio.sleep(0)
        self.rows.append(str(event))


def said() -> st.SearchStrategy[list[tuple[int, Event]]]:
    """Interruptions of a run, each in its place."""
    unwell = Instance(id="i0", zone="0", version="2", health=Health.UNHEALTHY)
    events: list[Event] = [
        Cancel(5),
        Cancel(5, force=True),
        Cancel(5, Cause.OPTED_OUT),
        Pause(5),
        Resume(5),
        Fault(5, "lost"),
        Fault(5, "a token", Cause.CREDENTIALS),
        Observed(5, unwell),
        Vanished(5, "i1"),
        *(Vanished(5, "i1", 1, verb) for verb in (Verb.REPLACE, Verb.WATCH)),
    ]
    return st.lists(st.tuples(st.integers(1, 30), st.sampled_from(events)), max_size=4)


class TestFollow:
    """The chart goes where the run goes (R8)."""

    @given(
        size=st.integers(0, 6),
        limits=st.sampled_from([STRICT, LOOSE, LOOSE._replace(rollback=1, max_batch=40)]),
        outcomes=st.lists(st.booleans(), max_size=20),
        interruptions=said(),
    )
    @settings(deadline=None, max_examples=50)
    def test_whole_runs(
        self,
        size: int,
        limits: Limits[int],
        outcomes: list[bool],
        interruptions: list[tuple[int, Event]],
    ) -> None:
        """R8: through the chart or past it, state and counts equal the run's."""
        world = World(attrs.evolve(CHARTER, limits=limits, pause=7), size, outcomes)
        diary = Diary()
        heard, unheard = Lifecycle(world.run, [diary]), Lifecycle(world.run)
        taken: list[str] = []
        for event, rows in world.turns(interruptions):
            taken += rows
            for lifecycle in (heard, unheard):
                lifecycle.follow(world.run, rows, event.at)
                assert (lifecycle.state, lifecycle.counts) == (
                    world.run.state,
                    world.run.counts,
                )
        assert diary.rows == taken

    def test_simulation_reaches_every_state(self) -> None:
        """R8: the runs above are not all alike."""
        ends, seen = set(), set()
        for outcomes in ([], [False] * 9, [True, False] * 9):
            world = World(attrs.evolve(CHARTER, limits=STRICT), 4, outcomes)
            for _, rows in world.turns():
                seen |= {ROWS[name].target for name in rows}
            ends.add(world.run.state)
        assert ends == TERMINAL
        assert seen - {None} == set(State) - {State.IDLE}

    def test_under_way(self) -> None:
        """A listener that comes late hears what follows, and no entry anew."""
        world = World(CHARTER, 3)
        turns = world.turns()
        next(turns)
        entered: list[State] = []

        class Bell:
            def on_enter_state(self, target: Charted) -> None:
                entered.append(target.value)

        lifecycle = Lifecycle(world.run, [Bell()])
        assert entered == []
        for event, rows in turns:
            lifecycle.follow(world.run, rows, event.at)
        assert entered[0] is State.ROLLING_FORWARD
        assert entered[-1] is State.COMPLETED

    def test_unheard_rows_skip_the_chart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only rows that some method hears are sent to the chart."""
        sent: list[str] = []
        send = Chart.send

        def note(chart: Chart, event: str, **injected: Any) -> object:
            sent.append(event)
            answer: object = send(chart, event, **injected)
            return answer

        monkeypatch.setattr(Chart, "send", note)
        ended: list[str] = []

        class Bell:
            def on_enter_completed(self, event: str) -> None:
                ended.append(event)

        world = World(CHARTER, 50)
        lifecycle = Lifecycle(world.run, [Bell()])
        for event, rows in world.turns():
            lifecycle.follow(world.run, rows, event.at)
        assert lifecycle.state is State.COMPLETED
        assert sent == ended == ["complete"]


def started() -> tuple[Run, Run, tuple[str, ...]]:
    """A run before and after its start, and the rows between."""
    idle = new_run(CHARTER)
    run, _, rows = trace(idle, Start(1))
    return idle, run, rows


@pytest.mark.parametrize("listeners", [[Diary], []], ids=["heard", "unheard"])
class TestDiverged:
    """Rows that do not lead to the run are an error, and in vain."""

    def check(self, listeners: list[type[Diary]], run: Run, rows: Sequence[str]) -> None:
        """Such rows are refused, and the right ones are then taken as if nothing were."""
        idle, right, all_rows = started()
        lifecycle = Lifecycle(idle, [listener() for listener in listeners])
        with pytest.raises(Diverged):
            lifecycle.follow(run, rows, 1)
        assert (lifecycle.state, lifecycle.counts) == (State.IDLE, EMPTY)
        lifecycle.follow(right, all_rows, 1)
        assert (lifecycle.state, lifecycle.counts) == (right.state, right.counts)

    def test_row_left_out(self, listeners: list[type[Diary]]) -> None:
        """R8: the states or the counts differ."""
        _, run, rows = started()
        self.check(listeners, run, rows[:-1])
        self.check(listeners, run, ())

    def test_row_refused(self, listeners: list[type[Diary]]) -> None:
        """R8: the table does not admit a row."""
        _, run, rows = started()
        self.check(listeners, run, [*rows, "complete"])
        self.check(listeners, run, rows[1:])

    def test_no_such_row(self, listeners: list[type[Diary]]) -> None:
        """R8: the table has no such row, not even if the library has an attribute so named."""
        _, run, rows = started()
        self.check(listeners, run, [*rows, "model"])

    def test_past_the_end(self, listeners: list[type[Diary]]) -> None:
        """R8: a chart that ended in vain is as new afterwards."""
        _, run, rows = started()
        self.check(listeners, run, [*rows, "fault", "end"])
        self.check(listeners, run, [*rows, "fault", "end", "start"])


def test_stands_where_it_last_followed() -> None:
    """R8: what was followed before the error is not undone by it."""
    idle, run, rows = started()
    lifecycle = Lifecycle(idle, [Diary()])
    lifecycle.follow(run, rows, 1)
    with pytest.raises(Diverged):
        lifecycle.follow(run, ["surveyed"], 2)
    assert (lifecycle.state, lifecycle.counts) == (run.state, run.counts)


class Witness:
    """Hears everything about two rows, with the state and the counts at that moment."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, State, int]] = []

    def note(self, method: str, event: str, model: Position) -> None:
        """Write down what is so now."""
        self.heard.append((method, str(event), model.state, model.counts.view))

    def before_transition(self, event: str, model: Position) -> None:
        """First of all."""
        self.note("before_transition", event, model)

    def on_exit_idle(self, event: str, model: Position) -> None:
        """Only if there is a target."""
        self.note("on_exit_idle", event, model)

    def on_transition(self, event: str, model: Position) -> None:
        """Between exit and entry."""
        self.note("on_transition", event, model)

    def on_enter_state(self, event: str, model: Position) -> None:
        """Only if there is a target."""
        self.note("on_enter_state", event, model)

    def on_enter_prechecking(self, event: str, model: Position) -> None:
        """Only if there is a target, and this one."""
        self.note("on_enter_prechecking", event, model)

    def after_ask(self, event: str, model: Position) -> None:
        """Only after that row."""
        self.note("after_ask", event, model)

    def after_transition(self, event: str, model: Position) -> None:
        """Last of all."""
        self.note("after_transition", event, model)


class AsyncWitness(Witness):
    """The same; some of it asynchronously."""

    async def on_enter_prechecking(  # type: ignore[override]
        self, event: str, model: Position
    ) -> None:
        """Takes its time, and yet all is heard in order."""
        await asyncio.sleep(0.001)
        self.note("on_enter_prechecking", event, model)

    async def after_ask(self, event: str, model: Position) -> None:  # type: ignore[override]
        """Only after that row."""
        self.note("after_ask", event, model)


HEARD = [
    ("before_transition", "start", State.IDLE, View.STALE),
    ("on_exit_idle", "start", State.IDLE, View.STALE),
    ("on_transition", "start", State.IDLE, View.STALE),
    ("on_enter_state", "start", State.PRECHECKING, View.STALE),
    ("on_enter_prechecking", "start", State.PRECHECKING, View.STALE),
    ("after_transition", "start", State.PRECHECKING, View.STALE),
    ("before_transition", "ask", State.PRECHECKING, View.STALE),
    ("on_transition", "ask", State.PRECHECKING, View.STALE),
    ("after_ask", "ask", State.PRECHECKING, View.ASKED),
    ("after_transition", "ask", State.PRECHECKING, View.ASKED),
]
"""The start of a run, as `Witness` hears it."""


@pytest.fixture
def library_loop() -> Iterator[None]:
    """Close the event loop that the library keeps for asynchronous listeners."""
    yield
    _cached_loop.loop.close()
    del _cached_loop.loop


class TestListeners:
    """Listeners hear a run, plain or asynchronous (R8)."""

    def test_order(self) -> None:
        """R8: exit before entry, and neither for a row that stays where it is."""
        idle, run, rows = started()
        witness = Witness()
        Lifecycle(idle, [witness]).follow(run, rows, 1)
        assert witness.heard == HEARD

    @pytest.mark.parametrize("kinds", [[Witness], [AsyncWitness], [AsyncWitness, Witness]])
    def test_order_awaited(self, kinds: list[type[Witness]]) -> None:
        """R8: the same, for either kind and for both at once."""
        idle, run, rows = started()
        witnesses = [kind() for kind in kinds]
        lifecycle = Lifecycle(idle, witnesses)
        asyncio.run(lifecycle.afollow(run, rows, 1))
        assert (lifecycle.state, lifecycle.counts) == (run.state, run.counts)
        for witness in witnesses:
            assert sorted(witness.heard) == sorted(HEARD)
        assert witnesses[0].heard[-4:] == HEARD[-4:]

    @pytest.mark.usefixtures("library_loop")
    def test_asynchronous_without_a_loop(self) -> None:
        """Plain code may follow too, if no event loop is running."""
        idle, run, rows = started()
        witness = AsyncWitness()
        Lifecycle(idle, [witness]).follow(run, rows, 1)
        assert sorted(witness.heard) == sorted(HEARD)

    def test_asynchronous_within_a_loop(self) -> None:
        """Where one is running `follow` refuses, and nothing was heard."""
        idle, run, rows = started()
        witness = AsyncWitness()
        lifecycle = Lifecycle(idle, [witness])

        async def host() -> None:
            with pytest.raises(RuntimeError, match="afollow"):
                lifecycle.follow(run, rows, 1)
            assert witness.heard == []
            await lifecycle.afollow(run, rows, 1)

        asyncio.run(host())
        assert lifecycle.state is State.PRECHECKING

    def test_whole_run_awaited(self) -> None:
        """R8: a whole run, heard asynchronously."""
        world = World(attrs.evolve(CHARTER, limits=STRICT), 3, [True, True, True, False])
        diary = AsyncDiary()
        lifecycle = Lifecycle(world.run, [diary])

        async def host() -> list[str]:
            taken = []
            for event, rows in world.turns():
                await lifecycle.afollow(world.run, rows, event.at)
                taken += rows
            return taken

        assert diary.rows == asyncio.run(host()) != []
        assert (lifecycle.state, lifecycle.counts) == (world.run.state, world.run.counts)

    def test_diverged_awaited(self) -> None:
        """R8: rows that the table does not admit are refused here as well."""
        idle, run, rows = started()
        lifecycle = Lifecycle(idle, [AsyncDiary()])

        async def host() -> None:
            with pytest.raises(Diverged):
                await lifecycle.afollow(run, [*rows, "complete"], 1)
            await lifecycle.afollow(run, rows, 1)

        asyncio.run(host())
        assert lifecycle.state is State.PRECHECKING

    def test_injected(self) -> None:
        """R8: everything that a method may name."""
        idle, run, rows = started()
        got: dict[str, dict[str, object]] = {}

        class Bell:
            def after_transition(self, event: str, **injected: object) -> None:
                got[event] = injected

        lifecycle = Lifecycle(idle, [Bell()])
        lifecycle.follow(run, rows, 17)
        for name, places in (
            ("start", (State.IDLE, State.PRECHECKING)),
            ("ask", (State.PRECHECKING, None)),
        ):
            injected = got[name]
            ends = (injected["source"], injected["target"])
            assert places == tuple(e.value if isinstance(e, Charted) else e for e in ends)
            assert injected["row"] is ROWS[name]
            assert injected["run"] is run
            assert injected["at"] == 17

    def test_namesakes(self) -> None:
        """Two listeners of one name, one of them asynchronous, are told apart."""
        idle, run, rows = started()
        heard: list[str] = []

        def plain() -> object:
            class Bell:
                def after_start(self) -> None:
                    heard.append("plain")

            Bell.after_start.__qualname__ = "Bell.after_start"
            return Bell()

        def asynchronous() -> object:
            class Bell:
                async def after_start(self) -> None:
                    heard.append("asynchronous")

            Bell.after_start.__qualname__ = "Bell.after_start"
            return Bell()

        Lifecycle(idle, [plain()]).follow(run, rows, 1)
        asyncio.run(Lifecycle(idle, [asynchronous()]).afollow(run, rows, 1))
        assert heard == ["plain", "asynchronous"]

    def test_raising_listener(self, caplog: pytest.LogCaptureFixture) -> None:
        """R8: it is logged, the others hear, and the upgrade goes on."""

        class Broken:
            def before_transition(self) -> NoReturn:
                raise OSError("no bell")

            def on_enter_prechecking(self) -> NoReturn:
                raise TransitionNotAllowed(None, set())

            async def after_ask(self) -> None:
                raise Diverged

        idle, run, rows = started()
        witness = Witness()
        lifecycle = Lifecycle(idle, [Broken(), witness])
        with caplog.at_level(logging.ERROR, "rollproof.listeners"):
            asyncio.run(lifecycle.afollow(run, rows, 1))
        assert (lifecycle.state, lifecycle.counts) == (run.state, run.counts)
        assert sorted(witness.heard) == sorted(HEARD)
        assert len(caplog.records) == 4

    def test_interrupted(self) -> None:
        """An interrupt passes, and what was interrupted can be repeated in whole."""
        idle, run, rows = started()
        heard: list[str] = []

        class Bell:
            def after_transition(self, event: str) -> None:
                heard.append(str(event))
                if len(heard) == len(rows):
                    raise KeyboardInterrupt

        lifecycle = Lifecycle(idle, [Bell()])
        with pytest.raises(KeyboardInterrupt):
            lifecycle.follow(run, rows, 1)
        assert (lifecycle.state, lifecycle.counts) == (State.IDLE, EMPTY)
        lifecycle.follow(run, rows, 1)
        assert heard == [*rows, *rows]
