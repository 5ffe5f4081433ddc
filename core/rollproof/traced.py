"""The algebra of explanations: integers and truths that remember how they came about.

Importing this module teaches `rollproof.algebra` the truth `Truth`.  The guards of the
table, evaluated on `Number`s, then say not only whether they hold but of which parts they
consist, and with which numbers.  There is no second copy of a rule to fall out of step.

Laws
----
* A traced value is what the guard makes of the bare integers.
* Negation goes inward, to the comparisons, so every truth is ``and``, ``or`` or a
  comparison of two numbers.
* Asking a traced truth for its truth raises, as with a solver's terms: read ``holds``.
* ``==`` makes a truth; two are the same expression when their ``tree`` is equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import add, eq, floordiv, ge, gt, le, lt, mul, ne, sub
from typing import Any, ClassVar, Final, NoReturn, TypeAlias, final

from rollproof.algebra import ite, negate
from rollproof.counts import Counts, Limits

Tree: TypeAlias = tuple[Any, ...]
"""An expression without its values: hashable, and equal where the expression is."""

_SUMS: Final[Mapping[str, Callable[[int, int], int]]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "//": floordiv,
}
_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    "==": eq,
    "!=": ne,
}
_CONTRARY: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


@final
class Number:
    """An integer, and the expression that made it."""

    __slots__ = ("tree", "value")

    def __init__(self, value: int, *tree: Any) -> None:
        self.value: Final = value
        self.tree: Final[Tree] = tree

    def __bool__(self) -> NoReturn:
        raise TypeError("a traced number has no truth: compare it")

    def __add__(self, other: Any) -> Number:
        return _made("+", self, other)

    def __radd__(self, other: Any) -> Number:
        return _made("+", other, self)

    def __sub__(self, other: Any) -> Number:
        return _made("-", self, other)

    def __rsub__(self, other: Any) -> Number:
        return _made("-", other, self)

    def __mul__(self, other: Any) -> Number:
        return _made("*", self, other)

    def __rmul__(self, other: Any) -> Number:
        return _made("*", other, self)

    def __floordiv__(self, other: Any) -> Number:
        return _made("//", self, other)

    def __lt__(self, other: Any) -> Truth:
        return _compared("<", self, other)

    def __le__(self, other: Any) -> Truth:
        return _compared("<=", self, other)

    def __gt__(self, other: Any) -> Truth:
        return _compared(">", self, other)

    def __ge__(self, other: Any) -> Truth:
        return _compared(">=", self, other)

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]  # makes a truth
        return _compared("==", self, other)

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]  # makes a truth
        return _compared("!=", self, other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equality makes a truth


@final
class Truth:
    """A truth, and what it consists of."""

    __slots__ = ("holds", "parts", "sign")

    def __init__(self, holds: bool, sign: str, *parts: Any) -> None:
        self.holds: Final = holds
        self.sign: Final = sign
        """``and`` or ``or`` of truths, a comparison of two numbers, or ``known``."""
        self.parts: Final = parts

    @property
    def tree(self) -> Tree:
        """The expression, without its values."""
        inner = sorted(map(_tree, self.parts), key=repr) if self.sign in _JOINED else None
        return (self.sign, *(inner or map(_tree, self.parts)))

    def __bool__(self) -> NoReturn:
        raise TypeError("a traced truth is not asked for its truth: read `holds`")

    def __and__(self, other: Any) -> Truth:
        return _joined("and", self, truth(other))

    __rand__ = __and__

    def __or__(self, other: Any) -> Truth:
        return _joined("or", self, truth(other))

    __ror__ = __or__


_JOINED: Final = ("and", "or")


def truth(value: Any) -> Truth:
    """A bare truth as a traced one."""
    return value if isinstance(value, Truth) else Truth(value, "known", value)


def conjuncts(term: Truth) -> tuple[Truth, ...]:
    """What must hold together for ``term`` to hold; nothing for one that always does."""
    if term.sign == "and":
        return term.parts
    return () if term.sign == "known" and term.holds else (term,)


def traced(counts: Counts[int], limits: Limits[int]) -> tuple[Counts[Any], Limits[Any]]:
    """The same numbers, each under its own name."""
    return (
        Counts(*(Number(n, "name", w) for w, n in counts._asdict().items())),
        Limits(*(Number(n, "name", w) for w, n in limits._asdict().items())),
    )


def _number(value: Any) -> Number:
    return value if isinstance(value, Number) else Number(int(value), "number", int(value))


def _made(sign: str, a: Any, b: Any) -> Number:
    a, b = _number(a), _number(b)
    return Number(_SUMS[sign](a.value, b.value), sign, a.tree, b.tree)


def _compared(sign: str, a: Any, b: Any) -> Truth:
    a, b = _number(a), _number(b)
    return Truth(_COMPARISONS[sign](a.value, b.value), sign, a, b)


def _joined(sign: str, a: Truth, b: Truth) -> Truth:
    """Truths joined; a known one decides, or says nothing."""
    decides = sign == "or"
    for known, other in ((a, b), (b, a)):
        if known.sign == "known":
            return known if known.holds is decides else other
    parts = [p for each in (a, b) for p in (each.parts if each.sign == sign else (each,))]
    once = {part.tree: part for part in parts}  # said twice is said once
    holds = (any if decides else all)(part.holds for part in once.values())
    return Truth(holds, sign, *once.values())


def _tree(part: Any) -> Any:
    return part if isinstance(part, bool) else part.tree


@ite.register
def _(condition: Truth, then: Any, otherwise: Any) -> Number:
    then, otherwise = _number(then), _number(otherwise)
    chosen = then if condition.holds else otherwise
    return Number(chosen.value, "ite", condition.tree, then.tree, otherwise.tree)


@negate.register
def _(term: Truth) -> Truth:
    if term.sign in _CONTRARY:
        return Truth(not term.holds, _CONTRARY[term.sign], *term.parts)
    if term.sign == "known":
        return truth(not term.holds)
    other = "or" if term.sign == "and" else "and"
    first, *others = map(negate, term.parts)
    for each in others:
        first = _joined(other, first, each)
    return truth(first)
