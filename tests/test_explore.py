"""rollproof_checks.explore: what it visits, what it finds, and that its three ways of
looking at a run agree."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.algebra import all_of
from rollproof.counts import EMPTY, PHASE_COUNT, Counts, Limits
from rollproof.states import ACTIVE, Cause, State
from rollproof.table import ROWS, TABLE, Row
from rollproof_checks.explore import (
    Bound,
    By,
    Exploration,
    Model,
    Progress,
    Waiver,
    explore,
)
from rollproof_checks.explore.__main__ import main
from rollproof_checks.explore.layout import Layout, TooWide, of
from rollproof_checks.explore.reading import OUT_OF_REACH, Merged, merged
from rollproof_checks.explore.search import Search
from rollproof_checks.explore.standard import (
    APPROVALS,
    BATCHES,
    BREACH,
    CONCRETE,
    KNOWN_FLEET,
    NOBODY_INTERFERES,
    PAIR,
    ROLLBACK,
    STANDARD,
    of_size,
)
from rollproof_checks.explore.visited import Visited, distinct
from rollproof_checks.explore.witness import met
from rollproof_checks.verdicts import Verdict
from rollproof_spec.properties import PROPERTIES

Place = tuple[State, Counts[int]]

STILL = attrs.evolve(
    PAIR,
    name="still",
    bounds=(KNOWN_FLEET,),
    waivers=(*PAIR.waivers, Waiver(names=("skipped_*",), why="nobody is skipped")),
)
"""Small enough for plain Python."""


def changed(name: str, **changes: Any) -> tuple[Row, ...]:
    """The table with one row changed."""
    wrong = attrs.evolve(ROWS[name], **changes)
    return tuple(wrong if row is ROWS[name] else row for row in TABLE)


def plainly(model: Model, table: tuple[Row, ...] = TABLE) -> tuple[dict[Place, int], int]:
    """The same search in plain Python: distance by place, and the number of steps."""
    rows = model.playable(table)
    start = (State.IDLE, model.start)
    found, level, steps = {start: 0}, [start], 0
    while level:
        fresh = []
        for state, c in level:
            for row in rows:
                grows = row.leaves is None and row.enters is not None
                full = sum(c[:PHASE_COUNT]) == model.instances
                if state not in row.sources or (grows and full):
                    continue
                if row.enabled(c, model.limits):
                    steps += 1
                    place = (row.target or state, row.after(c, model.limits))
                    if place not in found:
                        found[place] = found[state, c] + 1
                        fresh.append(place)
        level = fresh
    return found, steps


def visited(model: Model) -> Iterator[tuple[State, tuple[int, ...]]]:
    """Every state that a search visits, as its fields."""
    search = Search(model, TABLE)
    for level in search.levels():
        for state, block in level.items():
            columns = search.columns(block)
            cells = (np.broadcast_to(c, block.keys.size).tolist() for c in columns)
            for fields in zip(*cells, strict=True):
                yield state, fields


class TestWhatIsVisited:
    """Every state, once."""

    @pytest.mark.parametrize(
        ("model", "states", "transitions", "depth"),
        [
            (ROLLBACK, 260_845, 2_032_985, 43),
            (BREACH, 208_853, 1_541_921, 34),
            (BATCHES, 11_819, 52_755, 34),
            (CONCRETE, 13_193, 52_384, 29),
            (PAIR, 99_305, 661_554, 25),  # with the window open and closed
            (APPROVALS, 47_087, 333_079, 29),
        ],
        ids=lambda value: value.name if isinstance(value, Model) else "",
    )
    def test_standard_models(
        self, model: Model, states: int, transitions: int, depth: int
    ) -> None:
        found = explore(model)
        assert found.verdict is Verdict.PROVED, (found.counterexample, found.uncovered)
        assert (found.states, found.transitions, found.depth) == (states, transitions, depth)

    @pytest.mark.parametrize("model", [attrs.evolve(PAIR, instances=1), STILL], ids=["1", "2"])
    def test_as_a_plain_search_does(self, model: Model) -> None:
        places, steps = plainly(model)
        found = explore(model, properties=())
        assert found.states == len(places)
        assert found.transitions == steps
        assert found.depth == max(places.values())
        assert {(state, Counts(*fields)) for state, fields in visited(model)} == set(places)

    def test_what_one_standard_model_waives_is_in_another(self) -> None:
        names = [row.name for row in TABLE] + [p.name for p in PROPERTIES]
        for name in names:
            assert any(not model.waived(name, TABLE) for model in STANDARD), name

    def test_twice_the_same(self) -> None:
        first, second = (explore(STILL) for _ in range(2))
        again = attrs.evolve(second, seconds=first.seconds, peak_mib=first.peak_mib)
        assert again == first

    def test_a_bound_counts(self) -> None:
        none, once, always = (
            explore(attrs.evolve(PAIR, bounds=bounds), properties=())
            for bounds in (
                (KNOWN_FLEET, Bound(rows=("pause",), why="x")),
                (KNOWN_FLEET, Bound(rows=("pause",), most=1, why="x")),
                (KNOWN_FLEET,),
            )
        )
        assert none.taken["pause"] == none.taken["resume"] == 0
        assert once.taken["pause"] > 0
        assert once.depth > none.depth
        assert none.states < always.states < once.states  # which also knows how often


class TestByInstance:
    """The counts are all that matters of instances."""

    @pytest.mark.parametrize(
        "model",
        [
            attrs.evolve(CONCRETE, instances=1),
            attrs.evolve(CONCRETE, instances=2),
            CONCRETE,
            attrs.evolve(PAIR, by=By.INSTANCE, instances=1),
            attrs.evolve(
                PAIR,
                by=By.INSTANCE,
                bounds=(
                    NOBODY_INTERFERES,
                    Bound(rows=("cancel", "exempt_*", "enlist_*", "skip*"), why="x"),
                ),
            ),
        ],
        ids=["1", "2", "3", "1, everything", "2, members"],
    )
    def test_bisimulation(self, model: Model) -> None:
        """Every state by instance has just the steps that its counts have."""
        by_counts = self._steps(attrs.evolve(model, by=By.COUNTERS))
        by_instance = self._steps(model)
        image = dict(by_counts)
        assert {place for place, _ in by_instance} == set(image)
        for place, steps in by_instance:
            assert steps == image[place]

    @staticmethod
    def _steps(model: Model) -> list[tuple[bytes, set[tuple[str, bytes]]]]:
        """The counts of every state, and of what can follow."""
        search = Search(model, TABLE)
        found = []
        for level in search.levels():
            for state, block in level.items():
                places = _counts(search, state, block)
                steps: list[set[tuple[str, bytes]]] = [set() for _ in places]
                for made in search.expand(state, block):
                    after = _counts(search, made.state, made.block)
                    for at, place in zip(made.parents.tolist(), after, strict=True):
                        steps[at].add((made.row.name, place))
                found += list(zip(places, steps, strict=True))
        return found


def _counts(search: Search, state: State, block: Any) -> list[bytes]:
    (c,) = search.members(state, search.columns(block))
    cells = np.empty((block.keys.size, len(c) + 1), np.int8)
    cells[:, 0] = list(State).index(state)
    for at, column in enumerate(c, 1):
        cells[:, at] = column
    return [row.tobytes() for row in cells]


class TestWhenRead:
    """Choosing late what may change at any moment loses nothing and adds nothing."""

    @pytest.mark.parametrize(
        ("instances", "limits"),
        [
            *(
                (1, Limits(100, *rest))
                for rest in product((5, 100), (0, 50), (0, 1), (1,), (1,))
            ),
            *((2, Limits(100, 50, *rest)) for rest in product((0, 50), (0, 1), (0, 1), (0,))),
            (3, Limits(67, 67, 34, 1, 0, 1)),
            (3, Limits(100, 34, 50, 0, 1, 0)),
            (3, Limits(100, 67, 0, 0, 1, 0)),
            (3, Limits(34, 100, 67, 1, 1, 0)),
            (4, Limits(50, 50, 25, 0, 1, 0)),
        ],
        ids=str,
    )
    def test_exact(self, instances: int, limits: Limits[int]) -> None:
        bounds = (Bound(rows=OUT_OF_REACH, why="read at once"),)
        model = Model(name="x", instances=instances, limits=limits, bounds=bounds)
        width = len(Merged._fields)
        image = {(state, merged(state, Counts(*cells))) for state, cells in visited(model)}
        late = {
            (state, Merged(*cells[:width]))
            for state, cells in visited(attrs.evolve(model, by=By.READ))
        }
        assert late == image

    def test_what_cannot_be_read_late_is_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot be read late"):
            explore(attrs.evolve(PAIR, by=By.READ))

    def test_every_property_holds(self) -> None:
        found = explore(of_size(12, By.READ, Limits(20, 20, 20, 1, 0, 0)))
        assert found.verdict is Verdict.PROVED
        assert found.states == 2_495


class TestWrongTables:
    """A wrong row is found, with a shortest way to where it shows."""

    def find(self, rows: tuple[Row, ...], model: Model = STILL) -> Exploration:
        found = explore(model, rows)
        assert found.verdict is Verdict.REFUTED
        assert found.verdict.exit_code == 1
        return found

    @pytest.mark.parametrize(
        ("name", "changes", "fails"),
        [
            ("begin_healthy", {"guard": lambda c, _p: c.view == 2}, "DisjointInv"),
            ("claim_unhealthy", {"guard": lambda c, _p: c.room > 0}, "UntouchedProp"),
            ("batch_done", {"target": State.COMPLETED}, "ChangeProp"),
            ("start", {"leaves": "pending_healthy", "enters": "replacing"}, "PlaceInv"),
        ],
        ids=["gates", "cancelled", "completed", "early"],
    )
    def test_shortest_way(self, name: str, changes: dict[str, Any], fails: str) -> None:
        rows = changed(name, **changes)
        found = self.find(rows, STILL)
        assert found.counterexample is not None
        assert found.counterexample.fails == fails
        distances, _ = plainly(STILL, rows)
        *way, last = found.counterexample.stops
        assert [distances[stop.state, stop.counts] for stop in way] == [*range(len(way))]
        assert distances[last.state, last.counts] <= len(way)  # of a wrong step, the end

    def test_the_way_can_be_taken(self) -> None:
        rows = changed("fail", enters="upgraded_healthy")
        found = self.find(rows, CONCRETE)
        assert found.counterexample is not None
        before, *after = found.counterexample.stops
        by_name = {row.name: row for row in rows}
        for stop in after:
            assert stop.row is not None
            row = by_name[stop.row]
            assert before.state in row.sources
            assert row.enabled(before.counts, CONCRETE.limits)
            assert row.after(before.counts, CONCRETE.limits) == stop.counts
            assert (row.target or before.state) is stop.state
            before = stop
        assert "instance_0=upgraded_healthy" in str(
            found.counterexample
        ) or "instance_1" in str(found.counterexample)

    def test_deadlock(self) -> None:
        rows = changed("end", guard=lambda c, _p: c.stop == Cause.OPTED_OUT)
        found = explore(STILL, rows, ())
        assert found.counterexample is not None
        assert found.counterexample.fails == "deadlock"
        assert found.counterexample.rows == ("start", "cancel")

    def test_a_row_never_taken(self) -> None:
        rows = changed("opt_out", guard=lambda c, _p: c.stop > 6)
        found = explore(STILL, rows, ())
        assert found.verdict is Verdict.REFUTED
        assert found.uncovered == ("opt_out",)

    def test_a_property_never_tested(self) -> None:
        idle = next(p for p in PROPERTIES if p.name == "BatchInv")
        idle = attrs.evolve(idle, twin=lambda _s, c, _p: c.cap == 3 and c.view == 0)
        found = explore(STILL, properties=[idle])
        assert found.verdict is Verdict.REFUTED
        assert found.untested == ("BatchInv",)

    def test_an_extra_row(self) -> None:
        wrong = Row(
            name="wake",
            actor=ROWS["start"].actor,
            sources=frozenset({State.COMPLETED}),
            target=State.PRECHECKING,
            why="It must not.",
        )
        found = self.find((*TABLE, wrong))
        assert found.counterexample is not None
        assert found.counterexample.rows[-1] == "wake"


class TestStops:
    """A search that cannot end says so, and is no pass."""

    def test_memory(self) -> None:
        found = explore(ROLLBACK, properties=(), memory=1 << 20)
        assert found.verdict is Verdict.UNDETERMINED
        assert found.verdict.exit_code == 3
        assert "1,048,576 bytes" in found.stopped
        assert not found.uncovered

    def test_what_grows_for_ever(self) -> None:
        rows = changed("seal", sets=(("cap", lambda c, _p: c.cap + 1),))
        found = explore(STILL, rows, ())
        assert found.verdict is Verdict.UNDETERMINED
        assert "cap goes" in found.stopped

    def test_too_many_fields(self) -> None:
        found = explore(
            Model(
                name="x",
                instances=60,
                limits=Limits(5, 100, 100, 1, 0, 0),
                by=By.INSTANCE,
                bounds=(KNOWN_FLEET, NOBODY_INTERFERES),
            ),
            properties=(),
        )
        assert found.verdict is Verdict.UNDETERMINED
        assert "bits" in found.stopped

    def test_progress(self) -> None:
        seen: list[Progress] = []
        found = explore(BATCHES, properties=(), watch=seen.append)
        assert [progress.depth for progress in seen] == list(range(found.depth + 1))
        assert sum(progress.frontier for progress in seen) == found.states


class TestLayout:
    """Packing loses nothing."""

    @given(st.lists(st.lists(st.integers(-1, 40), min_size=4, max_size=4), min_size=1))
    def test_there_and_back(self, states: list[list[int]]) -> None:
        layout = of(states[0])
        keys = layout.pack(states[0], 1)
        for fields in states[1:]:
            wider = layout.widened([(field, field) for field in fields])
            keys = np.append(wider.convert(keys, layout), wider.pack(fields, 1))
            layout = wider
        columns = layout.unpack(keys, np.int16)
        cells = [np.broadcast_to(column, keys.size).tolist() for column in columns]
        assert [list(fields) for fields in zip(*cells, strict=True)] == states

    def test_no_wider_than_a_word(self) -> None:
        Layout((0, 0), (31, 32))
        with pytest.raises(TooWide, match="64 bits"):
            Layout((0, 0), (32, 32))

    @given(st.lists(st.lists(st.integers(0, 60), min_size=1)))
    def test_visited_is_a_set(self, batches: list[list[int]]) -> None:
        seen, known = Visited(of([0])), set[int]()
        for batch in batches:
            fresh = seen.add_new(distinct([np.array(batch)]))
            assert fresh.tolist() == sorted(set(batch) - known)
            known |= set(batch)
        assert seen.size == len(known)


class TestTwins:
    """A twin, written for integers, is asked of many states at once."""

    TWINS: tuple[Callable[..., Any], ...] = (
        lambda c, _: c.room > c.slack > 0 < c.cap,
        lambda c, _: c.room == 2 and (c.slack == 1 or c.cap > 2) and c.held == 0,
        lambda c, c2: c.room < c2.room if c.held == 1 else c.slack == 3 == c.cap,
        lambda c, _: not c.room or c.slack > 5,
        lambda _c, _: False,
    )

    @pytest.mark.parametrize("twin", TWINS, ids=["chain", "and or", "if", "not", "never"])
    def test_as_one_by_one(self, twin: Callable[..., Any]) -> None:
        chance = random.Random(1)
        verdicts: Counter[bool] = Counter()
        for size in [1, 2, 3, 50] * 20:
            rows = [[chance.randint(0, 3) for _ in Counts._fields] for _ in range(2 * size)]
            before, after = (
                Counts(*zip(*half, strict=True)) for half in (rows[::2], rows[1::2])
            )
            one_by_one = any(
                twin(Counts(*a), Counts(*b)) for a, b in zip(rows[::2], rows[1::2], strict=True)
            )
            c, c2 = (Counts(*map(np.array, cells)) for cells in (before, after))
            assert met(twin, lambda a, b: (a, b), c, c2) is one_by_one
            verdicts[one_by_one] += 1
        assert verdicts[False]


class TestCommandLine:
    """Exit codes as those of the prover."""

    def test_by_read(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--instances", "3", "--by", "read"]) == 0
        said = capsys.readouterr().out
        assert said.startswith("PROVED")
        assert "bound: appear_*" in said

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--instances", "2", "--json", "--no-properties", "--paced"]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        assert found["verdict"] == "PROVED"
        assert found["model"]["limits"]["paced"] == 1
        assert found["taken"]["start"] == 1
        assert found["counterexample"] is None

    def test_out_of_memory(self, capsys: pytest.CaptureFixture[str]) -> None:
        asked = ["--instances", "10", "--memory", "1", "--no-properties"]
        assert main(asked) == 3
        assert "stopped" in capsys.readouterr().out

    @pytest.mark.parametrize("asked", [["--instances", "0"], ["--by", "read"], ["--by", "x"]])
    def test_misused(self, asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(asked)
        assert ended.value.code == 2
        assert "usage" in capsys.readouterr().err


def test_an_empty_ledger_is_a_start() -> None:
    assert ROLLBACK.start == EMPTY
    assert PAIR.start == EMPTY._replace(pending_healthy=2)
    assert all_of(*(row.sources <= ACTIVE for row in TABLE if row.enters is None)) is False
