"""What has to be shown so that every property holds for every fleet and every policy.

The shape is induction.  Idle implies every invariant; each row, in each of its source
states, keeps every invariant and every promise about steps, from *any* counts and limits
that satisfy the invariants before; so do the promises about the rows together.  Nothing
is bounded: counts are unknown integers, percentages too.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import z3

from rollproof.algebra import all_of, any_of
from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import Row
from rollproof_checks.verdicts import after
from rollproof_spec.terms import Number, Truth, arith, boolean, counts, limits
from rollproof_spec.vocabulary import Kind, Property

BOUNDS = {"max_batch": 5, "max_unhealthy": 5, "max_unhealthy_upgraded": 0}
"""The least that R4.7 lets a policy say; the most is 100."""

FOUNDATION = frozenset({"InitialInv", "NaturalInv", "RegisterInv"})
"""What Idle is assumed to be: the empty ledger of `rollproof.run.new_run`, and more, since
any instances may be known before the start."""

SWITCHES = ("rollback", "restore_on_breach", "paced", "deferral")


@attrs.frozen(kw_only=True, eq=False)
class Goal:
    """A property where it is to be shown."""

    prop: Property
    claim: z3.BoolRef


@attrs.frozen(kw_only=True, eq=False)
class Question:
    """Goals that share their premises: one row in one state, or one state by itself."""

    state: State
    row: Row | None
    given: tuple[z3.BoolRef, ...]
    """Of the state: the policy's bounds and the invariants."""
    guard: z3.BoolRef
    """Of the row: that it may be taken."""
    goals: tuple[Goal, ...]
    settled: tuple[str, ...]
    """Properties that need no solver here."""


def policy(p: Limits[Any]) -> Any:
    """The limits are what the bounds of a policy let them be (R4.7)."""
    fields = p._asdict()
    return all_of(
        *(all_of(fields[name] >= least, fields[name] <= 100) for name, least in BOUNDS.items()),
        *(any_of(fields[name] == 0, fields[name] == 1) for name in SWITCHES),
    )


def questions(
    rows: Sequence[Row], properties: Sequence[Property], only: Container[str] | None = None
) -> Iterator[Question]:
    """Every question, in the order of states and rows; of single rows only those whose
    names are in ``only``."""
    c, p = counts(), limits()
    base = boolean(policy(p))
    invariants = [q for q in properties if q.kind is Kind.STATE]
    held_in = {s: {q.name: boolean(q.holds(s, c, p)) for q in invariants} for s in State}
    for state, held in held_in.items():
        if state is State.IDLE:
            assumed = (base, *(held[name] for name in held if name in FOUNDATION))
            rest = ((q, Truth(held[q.name])) for q in invariants if q.name not in FOUNDATION)
            yield _ask(state, None, assumed, True, rest)
        given = (base, *held.values())
        together = ((q, q.holds(rows, state, c, p)) for q in properties if q.kind is Kind.TABLE)
        yield _ask(state, None, given, True, together)
        for row in rows:
            if state not in row.sources or not (only is None or row.name in only):
                continue
            c2, state2 = row.after(c, p), after(row, state)
            kept = _kept(invariants, held, held_in[state2], c, c2)
            steps = (
                (q, q.holds(row, state, c, p, state2, c2))
                for q in properties
                if q.kind is Kind.STEP
            )
            yield _ask(state, row, given, row.enabled(c, p), (*kept, *steps))


def _kept(
    invariants: Iterable[Property],
    before: Mapping[str, z3.BoolRef],
    entered: Mapping[str, z3.BoolRef],
    c: Counts[Number],
    c2: Counts[Any],
) -> Iterator[tuple[Property, Any]]:
    """The invariants of the state entered, with the counts after the row put for those
    before: what ``holds`` would build of them, much sooner.  One that reads nothing the
    row changes is its own premise."""
    changes = [(x.expr, arith(y)) for x, y in zip(c, c2, strict=True) if x is not y]
    for q in invariants:
        claim = z3.substitute(entered[q.name], *changes)
        plain = claim.eq(before[q.name]) or z3.is_true(claim)
        yield q, True if plain else Truth(claim)


def _ask(
    state: State,
    row: Row | None,
    given: tuple[z3.BoolRef, ...],
    guard: Any,
    claims: Iterable[tuple[Property, Any]],
) -> Question:
    pairs = tuple(claims)
    asked = [(q, claim) for q, claim in pairs if claim is not True]
    return Question(
        state=state,
        row=row,
        given=given,
        guard=boolean(guard),
        goals=tuple(Goal(prop=q, claim=boolean(claim)) for q, claim in asked),
        settled=tuple(q.name for q, claim in pairs if claim is True),
    )
