"""The algebra of solver terms: the guards and effects of the table, read by z3.

Importing this module teaches `rollproof.algebra` the truth of a solver, so that the very
functions that run on integers build terms instead::

    row.enabled(counts(), limits())    # a `Truth` for every fleet and every policy

z3's own terms will not do: they have no ``//``, ``True & term`` is a TypeError, and
their ``__bool__`` sometimes answers silently.  So they are wrapped, and the wrapper is
strict: what the table must not write raises TypeError here.

Laws
----
* Asking a term for its truth raises: ``if``, ``and``, ``or``, ``not``, ``in`` and a
  chained comparison cannot slip through.
* A number never meets a truth; a Python bool is a truth, a Python int a number.
* ``a // b`` rounds down, as Python's: z3's division does so for ``b`` > 0, and nothing
  but a positive literal is accepted for ``b``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, NoReturn, TypeAlias, final

import z3

from rollproof.algebra import ite, negate
from rollproof.counts import Counts, Limits


class Term:
    """What `Number` and `Truth` share: neither has a truth of its own, nor a hash."""

    __slots__ = ()

    __hash__: ClassVar[None]  # type: ignore[assignment]  # equality makes a term

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a solver term has no truth: write & | ite negate all_of any_of instead of"
            " if, and, or, not, in or a chained comparison"
        )


@final
class Number(Term):
    """An integer term."""

    __slots__ = ("expr",)

    expr: Final[z3.ArithRef]
    """The wrapped term."""

    def __init__(self, expr: z3.ArithRef) -> None:
        self.expr = expr

    def __repr__(self) -> str:
        return f"Number({self.expr})"

    def __add__(self, other: _NumberLike) -> Number:
        return Number(self.expr + arith(other))

    def __radd__(self, other: int) -> Number:
        return Number(arith(other) + self.expr)

    def __sub__(self, other: _NumberLike) -> Number:
        return Number(self.expr - arith(other))

    def __rsub__(self, other: int) -> Number:
        return Number(arith(other) - self.expr)

    def __mul__(self, other: _NumberLike) -> Number:
        return Number(self.expr * arith(other))

    def __rmul__(self, other: int) -> Number:
        return Number(arith(other) * self.expr)

    def __floordiv__(self, other: int) -> Number:
        if not _is_int(other) or other <= 0:
            raise TypeError(f"terms are divided by positive literals only, not by {other!r}")
        return Number(self.expr / arith(other))

    def __lt__(self, other: _NumberLike) -> Truth:
        return Truth(self.expr < arith(other))

    def __le__(self, other: _NumberLike) -> Truth:
        return Truth(self.expr <= arith(other))

    def __gt__(self, other: _NumberLike) -> Truth:
        return Truth(self.expr > arith(other))

    def __ge__(self, other: _NumberLike) -> Truth:
        return Truth(self.expr >= arith(other))

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]  # a term
        return Truth(self.expr == arith(other))

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]  # a term
        return Truth(self.expr != arith(other))

    __hash__ = None


@final
class Truth(Term):
    """A boolean term."""

    __slots__ = ("expr",)

    expr: Final[z3.BoolRef]
    """The wrapped term."""

    def __init__(self, expr: z3.BoolRef) -> None:
        self.expr = expr

    def __repr__(self) -> str:
        return f"Truth({self.expr})"

    def __and__(self, other: _TruthLike) -> Truth:
        return Truth(z3.And(self.expr, boolean(other)))

    def __rand__(self, other: bool) -> Truth:
        return Truth(z3.And(boolean(other), self.expr))

    def __or__(self, other: _TruthLike) -> Truth:
        return Truth(z3.Or(self.expr, boolean(other)))

    def __ror__(self, other: bool) -> Truth:
        return Truth(z3.Or(boolean(other), self.expr))

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]  # a term
        return Truth(self.expr == boolean(other))

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]  # a term
        return Truth(self.expr != boolean(other))

    __hash__ = None


_NumberLike: TypeAlias = Number | int
_TruthLike: TypeAlias = Truth | bool


def _is_int(value: object) -> bool:
    """Whether it is a number to Python *and* to a solver, as a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def arith(value: object) -> z3.ArithRef:
    """The z3 term of a number, or of a Python integer."""
    if isinstance(value, Number):
        return value.expr
    if isinstance(value, int) and not isinstance(value, bool):
        return z3.IntVal(int(value))  # int(): z3 cannot read a member of an IntEnum
    raise TypeError(f"{value!r} is no number to a solver")


def boolean(value: object) -> z3.BoolRef:
    """The z3 term of a truth, or of a Python bool."""
    if isinstance(value, Truth):
        return value.expr
    if isinstance(value, bool):
        return z3.BoolVal(value)
    raise TypeError(f"{value!r} is no truth to a solver")


@ite.register
def _(truth: Truth, then: Any, otherwise: Any) -> Any:
    if isinstance(then, Truth | bool):
        return Truth(z3.If(truth.expr, boolean(then), boolean(otherwise)))
    return Number(z3.If(truth.expr, arith(then), arith(otherwise)))


@negate.register
def _(truth: Truth) -> Truth:
    return Truth(z3.Not(truth.expr))


def number(name: str) -> Number:
    """An unknown integer."""
    return Number(z3.Int(name))


def counts(prefix: str = "") -> Counts[Number]:
    """Unknown counts, each named ``prefix`` and its field; not bounded in any way."""
    return Counts(*(number(prefix + field) for field in Counts._fields))


def limits(prefix: str = "") -> Limits[Number]:
    """Unknown limits, likewise."""
    return Limits(*(number(prefix + field) for field in Limits._fields))
