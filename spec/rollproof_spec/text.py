"""The algebra of text: the guards and effects of the table, written out for tools that
know nothing of Python.

Importing this module teaches `rollproof.algebra` the truth of a text.  A `Text` is a small
tree; a `Dialect` spells it.  What need not be said is left out: ``True &`` something is
that something.

Laws
----
* Asking a text for its truth raises, as with a solver's terms.
* Every operation is in parentheses, so no reader has to know how strongly it binds.
* Texts are equal when they are the same tree (`Text.same`); ``==`` makes a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, NoReturn, TypeAlias, final

import attrs

from rollproof.algebra import ite, negate
from rollproof.counts import Counts, Limits

Tree: TypeAlias = tuple[Any, ...]


@final
class Text:
    """A number or a truth, written down."""

    __slots__ = ("tree",)

    def __init__(self, *tree: Any) -> None:
        self.tree: Final[Tree] = tree

    def __repr__(self) -> str:
        return f"Text{self.tree}"

    def __bool__(self) -> NoReturn:
        raise TypeError("a text has no truth: write & | ite negate all_of any_of")

    def same(self, other: Text) -> bool:
        """Whether both are the same tree."""
        return self.tree == other.tree

    def __add__(self, other: Any) -> Text:
        return _made("+", self, other)

    def __radd__(self, other: Any) -> Text:
        return _made("+", other, self)

    def __sub__(self, other: Any) -> Text:
        return _made("-", self, other)

    def __rsub__(self, other: Any) -> Text:
        return _made("-", other, self)

    def __mul__(self, other: Any) -> Text:
        return _made("*", self, other)

    def __rmul__(self, other: Any) -> Text:
        return _made("*", other, self)

    def __floordiv__(self, other: Any) -> Text:
        return _made("//", self, other)

    def __lt__(self, other: Any) -> Text:
        return _made("<", self, other)

    def __le__(self, other: Any) -> Text:
        return _made("<=", self, other)

    def __gt__(self, other: Any) -> Text:
        return _made(">", self, other)

    def __ge__(self, other: Any) -> Text:
        return _made(">=", self, other)

    def __eq__(self, other: object) -> Text:  # type: ignore[override]  # makes a text
        return _made("==", self, other)

    def __ne__(self, other: object) -> Text:  # type: ignore[override]  # makes a text
        return _made("!=", self, other)

    def __and__(self, other: Any) -> Any:
        return _joined("and", self, other)

    def __rand__(self, other: Any) -> Any:
        return _joined("and", other, self)

    def __or__(self, other: Any) -> Any:
        return _joined("or", self, other)

    def __ror__(self, other: Any) -> Any:
        return _joined("or", other, self)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equality makes a text


ZERO: Final[Tree] = ("number", 0)


def _made(sign: str, *parts: Any) -> Text:
    if sign in "+-" and isinstance(parts[0], Text) and _tree(parts[1]) == ZERO:
        return parts[0]
    return Text(sign, *(_tree(part) for part in parts))


def _joined(sign: str, a: Any, b: Any) -> Any:
    """Truths joined; a known one decides, or says nothing."""
    decides = sign == "or"
    for known, other in ((a, b), (b, a)):
        if isinstance(known, bool):
            return known if known is decides else other
    trees = [_tree(a), _tree(b)]
    flat = [part for tree in trees for part in (tree[1:] if tree[0] == sign else (tree,))]
    return Text(sign, *dict.fromkeys(flat))  # said twice is said once


def _tree(part: Any) -> Tree:
    if isinstance(part, Text):
        return part.tree
    if isinstance(part, bool):
        return ("truth", part)
    if isinstance(part, int):
        return ("number", int(part))
    raise TypeError(f"{part!r} cannot be written down")


@ite.register
def _(truth: Text, then: Any, otherwise: Any) -> Text:
    return _made("ite", truth, then, otherwise)


@negate.register
def _(truth: Text) -> Text:
    return Text(*truth.tree[1]) if truth.tree[0] == "not" else _made("not", truth)


def name(word: str) -> Text:
    """A variable or a constant."""
    return Text("name", word)


def conjuncts(term: Any) -> list[Any]:
    """What must hold together for the truth to hold; nothing for one that does."""
    if isinstance(term, Text) and term.tree[0] == "and":
        return [Text(*part) for part in term.tree[1:]]
    return [] if term is True else [term]


def names(tree: Tree) -> Iterator[str]:
    """Variables and constants in a tree."""
    sign, *parts = tree
    if sign == "name":
        yield parts[0]
    elif sign not in ("number", "truth"):
        for part in parts:
            yield from names(part)


def counts(pattern: str = "{}") -> Counts[Text]:
    """The counts by their names, each put into ``pattern``."""
    return Counts(*(name(pattern.format(field)) for field in Counts._fields))


def limits(pattern: str = "{}") -> Limits[Text]:
    """The limits, likewise."""
    return Limits(*(name(pattern.format(field)) for field in Limits._fields))


@attrs.frozen(kw_only=True)
class Dialect:
    """How a language spells the signs."""

    signs: Mapping[str, str]
    negation: str
    choice: str
    """With ``{0}``, ``{1}`` and ``{2}`` for the truth and the two values."""
    truths: tuple[str, str]
    """False and true."""

    def spell(self, term: Any) -> str:
        """A text, number or truth in this language."""
        return self._spell(_tree(term))

    def _spell(self, tree: Tree) -> str:
        sign, *parts = tree
        if sign == "name":
            return str(parts[0])
        if sign == "number":
            return str(parts[0])
        if sign == "truth":
            return self.truths[parts[0]]
        spelt = [self._spell(part) for part in parts]
        if sign == "ite":
            return f"({self.choice.format(*spelt)})"
        if sign == "not":
            return f"{self.negation}({spelt[0]})"
        return f"({f' {self.signs[sign]} '.join(spelt)})"


TLA: Final = Dialect(
    signs={
        **{sign: sign for sign in ("+", "-", "*", "<", "<=", ">", ">=")},
        "//": "\\div",
        "==": "=",
        "!=": "#",
        "and": "/\\",
        "or": "\\/",
    },
    negation="~",
    choice="IF {0} THEN {1} ELSE {2}",
    truths=("FALSE", "TRUE"),
)

PROMELA: Final = Dialect(
    signs={
        **{sign: sign for sign in ("+", "-", "*", "<", "<=", ">", ">=", "==", "!=")},
        "//": "/",
        "and": "&&",
        "or": "||",
    },
    negation="!",
    choice="{0} -> {1} : {2}",
    truths=("false", "true"),
)
