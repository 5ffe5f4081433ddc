"""rollproof.table: its shape, its language, and one meaning in every algebra."""

import ast
import builtins
import inspect
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import z3

from rollproof import counts, rules, table
from rollproof.counts import EMPTY, PHASES, REGISTERS, Counts, Limits, whole
from rollproof.states import ACTIVE, TERMINAL, Cause, State, View
from rollproof.table import ABSENT, ROWS, TABLE, Actor, Row
from rollproof_spec import arrays, terms

LARGEST = 10_000
"""Instances in one phase of a random point."""


def random_point(chance: random.Random, most: int = 4) -> tuple[Counts[int], Limits[int]]:
    """Any counts and limits within their types; many zeros, where rows differ most."""
    sparse = chance.random()
    phases = [0 if chance.random() < sparse else chance.randint(0, most) for _ in PHASES]
    registers = [
        chance.choice(list(View)),  # view
        chance.randint(0, 1),  # gated
        chance.randint(0, 1),  # held
        chance.choice([Cause.NONE, *Cause]),  # stop
        chance.randint(0, 1),  # forced
        chance.randint(0, 3),  # room
        chance.randint(0, 3),  # slack
        chance.randint(1, 4),  # cap
        chance.randint(0, 1),  # shut
        chance.randint(0, 1),  # deferred
    ]
    c = Counts(*phases, *registers)
    if chance.random() < 0.5:  # where Prechecking decides
        c = c._replace(view=View.FRESH, gated=0, held=0, stop=Cause.NONE, shut=0)
    p = Limits(
        max_batch=chance.randint(5, 100),
        max_unhealthy=chance.randint(5, 100),
        max_unhealthy_upgraded=chance.randint(0, 100),
        rollback=chance.randint(0, 1),
        restore_on_breach=chance.randint(0, 1),
        paced=chance.randint(0, 1),
        deferral=chance.randint(0, 1),
    )
    return c, p


def random_points(number: int, most: int = 4) -> list[tuple[Counts[int], Limits[int]]]:
    chance = random.Random(f"{number} points up to {most}")
    return [random_point(chance, most) for _ in range(number)]


POINTS = random_points(1000)
FEW = [*random_points(8), *random_points(4, LARGEST)]

each_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


class TestShape:
    """What the header promises of every row."""

    def test_names_are_unique(self) -> None:
        assert len(ROWS) == len(TABLE)
        assert list(ROWS.values()) == list(TABLE)

    def test_pinned(self) -> None:
        """A new row is a decision: it changes this number, and says why in its commit."""
        assert len(TABLE) == 86

    @each_row
    def test_terminal_states_have_no_exits(self, row: Row) -> None:
        """R8, rule 6: Cancelled and Completed are dead ends."""
        assert row.sources
        assert not row.sources & TERMINAL

    def test_every_state_but_the_first_is_entered(self) -> None:
        """R8: exactly these seven, and none for show."""
        assert {row.target for row in TABLE} - {None} == set(State) - {State.IDLE}
        assert frozenset(State) == ACTIVE | TERMINAL | {State.IDLE}

    def test_nothing_but_start_leaves_idle(self) -> None:
        assert [row.name for row in TABLE if State.IDLE in row.sources] == ["start"]

    @each_row
    def test_at_most_one_instance_moves_between_two_phases(self, row: Row) -> None:
        assert row.leaves is None or row.leaves in PHASES
        assert row.enters is None or row.enters in PHASES
        assert row.leaves is None or row.leaves != row.enters
        assert row.leaves_code == (ABSENT if row.leaves is None else PHASES.index(row.leaves))
        assert row.enters_code == (ABSENT if row.enters is None else PHASES.index(row.enters))
        assert len(PHASES) <= ABSENT

    @each_row
    def test_only_registers_are_set_and_each_once(self, row: Row) -> None:
        names = [name for name, _ in row.sets]
        assert set(names) <= set(REGISTERS)
        assert len(set(names)) == len(names)
        assert set(row.empty) <= set(PHASES)

    @each_row
    def test_every_row_says_why(self, row: Row) -> None:
        assert row.why.strip() == row.why
        assert row.why.endswith((".", ".)", ")"))

    @each_row
    def test_instances_are_conserved(self, row: Row) -> None:
        """Only what appears or vanishes changes how many there are (S11)."""
        gain = (row.enters is not None) - (row.leaves is not None)
        assert (gain != 0) == row.name.startswith(("appear_", "vanish_"))
        for c, p in POINTS[:200]:
            assert whole(row.after(c, p)) - whole(c) == gain

    @each_row
    def test_no_number_falls_below_zero(self, row: Row) -> None:
        for c, p in POINTS:
            if row.enabled(c, p):
                assert min(row.after(c, p)) >= 0

    @each_row
    def test_registers_stay_within_their_types(self, row: Row) -> None:
        for c, p in POINTS:
            if row.enabled(c, p):
                after = row.after(c, p)
                assert {after.gated, after.held, after.forced} <= {0, 1}
                assert after.view in list(View)
                assert after.stop in list(Cause)

    def test_every_row_may_be_taken_somewhere(self) -> None:
        never = [r.name for r in TABLE if not any(r.enabled(c, p) for c, p in POINTS)]
        assert never == []

    def test_an_empty_phase_is_not_left(self) -> None:
        p = POINTS[0][1]
        for row in TABLE:
            if row.leaves is not None:
                assert row.enabled(EMPTY._replace(forced=1, room=1, slack=1), p) is False


class TestRules:
    """Rules 3 to 5 of the header, on random points."""

    @pytest.mark.parametrize("state", list(State))
    def test_at_most_one_machine_row(self, state: State) -> None:
        """ "In any state at most one of them can be", so their order means nothing."""
        machine = [r for r in TABLE if r.actor is Actor.MACHINE and state in r.sources]
        for c, p in POINTS:
            assert sum(bool(row.enabled(c, p)) for row in machine) <= 1

    def test_prechecking_decides_whatever_it_sees(self) -> None:
        """S7: with all gates open and a fresh picture something follows, always."""
        ways = (
            "breach_upgraded",
            "complete",
            "rest",
            "release",
            "breach_fleet",
            "begin_healthy",
            "begin_unhealthy",
        )
        seen = set()
        for c, p in POINTS:
            open_ = [name for name in ways if ROWS[name].enabled(c, p)]
            if table.deciding(c, p):
                assert open_
            seen.update(open_)
        assert seen == set(ways)

    def test_nothing_is_claimed_after_a_cause(self) -> None:
        """Rule 5, S8."""
        claims = [row for row in TABLE if row.enters == "replacing"]
        assert len(claims) == 4
        for c, p in POINTS:
            if c.stop != Cause.NONE:
                assert not any(row.enabled(c, p) for row in claims)

    def test_the_first_cause_stands(self) -> None:
        """R8."""
        for row in TABLE:
            for c, p in POINTS:
                if c.stop != Cause.NONE and row.enabled(c, p):
                    assert row.after(c, p).stop == c.stop

    def test_only_prechecking_ends_a_run(self) -> None:
        """Rule 3, S7."""
        for row in TABLE:
            if row.target in TERMINAL:
                assert row.sources == {State.PRECHECKING}

    def test_nothing_is_restored_unless_rollback_or_a_breach_asks_for_it(self) -> None:
        """R4.3, R4.8: the ways into RollingBack."""
        ways = [row for row in TABLE if row.target is State.ROLLING_BACK]
        assert {row.name for row in ways} == {"roll_back", "restore_on_breach"}
        for c, p in POINTS:
            if ROWS["roll_back"].enabled(c, p):
                assert p.rollback == 1
            if ROWS["restore_on_breach"].enabled(c, p):
                assert p.restore_on_breach == 1
                assert c.stop in (Cause.FLEET_UNHEALTHY, Cause.UPGRADED_UNHEALTHY)

    def test_a_batch_begins_within_s1_and_s6(self) -> None:
        """S1, S6: the whole batch, played to its end with every claim that is left."""
        begun = 0
        for c, p in POINTS:
            for name in ("begin_healthy", "begin_unhealthy"):
                if ROWS[name].enabled(c, p):
                    begun += 1
                    check_batch(c, p, ROWS[name])
        assert begun > 50


def check_batch(c: Counts[int], p: Limits[int], begin: Row) -> None:
    n, ill = whole(c), counts.unhealthy(c)
    now, healthy, claimed = begin.after(c, p), int(begin.name == "begin_healthy"), 1
    for row in (ROWS["claim_healthy"], ROWS["claim_unhealthy"]):
        while row.enabled(now, p):
            now, claimed = row.after(now, p), claimed + 1
            healthy += row.leaves == "pending_healthy"
    assert claimed <= max(1, p.max_batch * n // 100)
    assert claimed == 1 or ill + healthy <= p.max_unhealthy * n // 100


class TestAlgebras:
    """Design, "One table, several algebras": integers, arrays and terms agree."""

    @each_row
    def test_arrays(self, row: Row) -> None:
        for points in (POINTS[:300], random_points(300, LARGEST)):
            c = arrays.stack([c for c, _ in points], LARGEST * len(PHASES))
            p = Limits(*np.array([p for _, p in points]).T)
            enabled = np.broadcast_to(row.enabled(c, p), len(points))
            assert enabled.tolist() == [bool(row.enabled(*point)) for point in points]
            after = np.array([np.broadcast_to(cell, len(points)) for cell in row.after(c, p)])
            assert after.T.tolist() == [[*map(int, row.after(*point))] for point in points]

    @each_row
    def test_terms(self, row: Row) -> None:
        c, p = terms.counts(), terms.limits()
        enabled, after = row.enabled(c, p), row.after(c, p)
        for points in FEW:
            assert at(enabled, points) == bool(row.enabled(*points))
            for field, cell in zip(Counts._fields, after, strict=True):
                if cell is not getattr(c, field):
                    assert at(cell, points) == getattr(row.after(*points), field)

    def test_shared_terms(self) -> None:
        """Every function of the counts that the rows are made of."""
        c, p = terms.counts(), terms.limits()
        for shared in SHARED:
            term = shared(c, p)
            for point in FEW:
                assert at(term, point) == shared(*point)


def two_arguments(of: Any) -> Any:
    """A function of the counts alone, as one of the counts and the limits."""
    if len(inspect.signature(of).parameters) == 2:
        return of
    return lambda c, _p: of(c)


SHARED = [
    two_arguments(f)
    for module in (table, counts)
    for _, f in inspect.getmembers(module, inspect.isfunction)
    if f.__module__ == module.__name__ and {"c", "_c"} & inspect.signature(f).parameters.keys()
]


def at(term: Any, point: tuple[Counts[int], Limits[int]]) -> int | bool:
    """What a term comes to at a point."""
    if isinstance(term, int):
        return term
    c, p = point
    values = {**c._asdict(), **p._asdict()}
    places = [(z3.Int(name), z3.IntVal(int(value))) for name, value in values.items()]
    if isinstance(term, terms.Number):
        number = z3.simplify(z3.substitute(term.expr, *places))
        assert z3.is_int_value(number)
        return number.as_long()
    truth = z3.simplify(z3.substitute(terms.boolean(term), *places))
    assert z3.is_true(truth) or z3.is_false(truth)
    return z3.is_true(truth)


# -- the language of guards and effects ----------------------------------------------

FORBIDDEN: dict[type[ast.AST], str] = {
    ast.If: "if",
    ast.IfExp: "if",
    ast.BoolOp: "and/or",
    ast.Not: "not",
    ast.Invert: "~",
    ast.In: "in",
    ast.NotIn: "in",
    ast.Is: "is",
    ast.IsNot: "is",
    ast.While: "while",
    ast.For: "for",
    ast.comprehension: "for",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.Assert: "assert",
    ast.Match: "match",
    ast.Try: "try",
    ast.NamedExpr: ":=",
}


def slips(source: str) -> Iterator[str]:
    """What guards and effects in ``source`` must not contain, with its line."""
    for function in guards_and_effects(ast.parse(source)):
        names = {argument.arg for argument in function.args.args}
        for node in ast.walk(function):
            word = FORBIDDEN.get(type(node))
            if word is None and isinstance(node, ast.Compare) and len(node.ops) > 1:
                word = "a chained comparison"
            if word is None and isinstance(node, ast.Call):
                word = asks(node, names)
            if word is not None:
                yield f"{getattr(node, 'lineno', function.lineno)}: {word}"


def asks(call: ast.Call, arguments: set[str]) -> str | None:
    """Calls to anything but plain functions of ours: builtins would ask for a truth or
    for an integer."""
    match call.func:
        case ast.Name(id=name) if not hasattr(builtins, name) and name not in arguments:
            return None
    return f"a call of {ast.unparse(call.func)}"


def guards_and_effects(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.Lambda]:
    """Every lambda, and every function of counts, limits or numbers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            yield node
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            annotations = {ast.unparse(a.annotation or a) for a in node.args.args}
            if annotations & {"Any", "Counts[Any]", "Limits[Any]"}:
                yield node


def source_of(module: Any) -> str:
    return Path(inspect.getfile(module)).read_text()


class TestLanguage:
    """Rule 2: guards and effects speak `rollproof.algebra` only."""

    @pytest.mark.parametrize("module", [table, rules, counts], ids=lambda m: m.__name__)
    def test_no_slips(self, module: Any) -> None:
        assert list(slips(source_of(module))) == []

    def test_the_lint_sees_all_of_them(self) -> None:
        found = {
            len(list(guards_and_effects(ast.parse(source_of(m))))) for m in (rules, counts)
        }
        assert found == {4, 11}
        functions = list(guards_and_effects(ast.parse(source_of(table))))
        assert {"may_begin", "pause_gate", "always"} <= {
            f.name for f in functions if isinstance(f, ast.FunctionDef)
        }
        lambdas = sum(isinstance(f, ast.Lambda) for f in functions)
        assert lambdas == source_of(table).count("lambda ")

    @pytest.mark.parametrize(
        "slip",
        [
            *["1 if c.a else 2", "c.a and c.b", "c.a or c.b", "not c.a", "c.a in (1, 2)"],
            *["0 < c.a < 2", "c.a / 2", "c.a % 2", "max(c.a, 1)", "c.a is c.b", "~c.a"],
            *["sum(x for x in c)", "c.a.bit_length()", "(x := c.a)", "c.a ** 2"],
        ],
    )
    def test_the_lint_catches(self, slip: str) -> None:
        assert list(slips(f"guard = lambda c, p: {slip}"))
        assert list(slips(f"def guard(c: Counts[Any], p: Limits[Any]) -> Any:\n return {slip}"))

    def test_the_lint_passes_what_is_allowed(self) -> None:
        assert not list(slips("guard = lambda c, p: all_of(c.a * 100 // 7 >= 1, c.b != 2) & x"))
