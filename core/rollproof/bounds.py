"""Bounds: which values one field may hold, with the words that say so."""

import enum
import json
import operator
import re
import reprlib
from collections.abc import Callable
from datetime import timedelta

from attrs import evolve, frozen

from rollproof.durations import format_duration


@frozen(kw_only=True)
class Bound:
    """Which values a field may hold, and how a document spells them."""

    kind: str
    """What a document writes: "whole number", "text", "table" and so on."""
    allowed: str
    """The values allowed, as the end of the sentence "it must be ..."."""
    accepts: Callable[[object], bool]
    """Whether a value is allowed. Never raises, whatever the type."""
    example: str
    """One allowed value, as a document spells it."""
    choices: tuple[str, ...] = ()
    """The spellings, when there are only these."""
    nested: tuple[type, ...] = ()
    """Declared classes that the field holds."""
    unquoted: bool = False
    """Whether a document never writes it in quotes."""


def whole(low: int, high: int) -> Bound:
    """An int, not a bool, from low to high, both included."""
    return Bound(
        kind="whole number",
        allowed=f"a whole number from {low} to {high}",
        accepts=lambda value: type(value) is int and low <= value <= high,
        example=str(high),
        unquoted=True,
    )


def switch() -> Bound:
    """True or False."""
    return Bound(
        kind="true or false",
        allowed="true or false",
        accepts=lambda value: isinstance(value, bool),
        example="true",
        unquoted=True,
    )


def text(pattern: str, allowed: str, example: str) -> Bound:
    """A str that the whole pattern matches."""
    form = re.compile(pattern)
    return Bound(
        kind="text",
        allowed=allowed,
        accepts=lambda value: isinstance(value, str) and form.fullmatch(value) is not None,
        example=written(example),
    )


def relative_path(example: str) -> Bound:
    """A path that stays beneath the folder it is relative to."""
    # No "..", no leading "/" and no "\\".
    return text(
        r"(?!/)(?!(.*/)?\.\.(/|$))[^\x00-\x1f\x7f\\:\ud800-\udfff]{1,255}",
        "a relative path, with / and without ..",
        example,
    )


def choice(options: type[enum.Enum]) -> Bound:
    """A member of an enum whose values are text."""
    spellings = tuple(str(option.value) for option in options)
    return Bound(
        kind="text",
        allowed="one of " + ", ".join(written(spelling) for spelling in spellings),
        accepts=lambda value: isinstance(value, options),
        example=written(spellings[0]),
        choices=spellings,
    )


def duration(
    *,
    more_than: timedelta | None = None,
    at_least: timedelta | None = None,
    below: timedelta | None = None,
    at_most: timedelta | None = None,
) -> Bound:
    """A timedelta within the limits given."""
    limits = [
        (words, holds, limit)
        for words, holds, limit in (
            ("more than", operator.gt, more_than),
            ("at least", operator.ge, at_least),
            ("below", operator.lt, below),
            ("at most", operator.le, at_most),
        )
        if limit is not None
    ]
    spelled = " and ".join(f"{words} {format_duration(limit)}" for words, _, limit in limits)
    return Bound(
        kind="duration",
        allowed=f"a duration {spelled}",
        accepts=lambda value: (
            isinstance(value, timedelta)
            and all(holds(value, limit) for _, holds, limit in limits)
        ),
        example='"PT5M"',
    )


def texts(least: int, item: Bound, allowed: str, example: str) -> Bound:
    """A tuple of at least so many texts, each within the bound of an item."""
    return Bound(
        kind="list of text",
        allowed=allowed,
        accepts=lambda value: (
            isinstance(value, tuple) and len(value) >= least and all(map(item.accepts, value))
        ),
        example=example,
    )


def table(*classes: type, example: str = "{}") -> Bound:
    """A value of one of the classes; a document writes a table."""
    names = " or ".join(cls.__name__ for cls in classes)
    return Bound(
        kind="table",
        allowed=f"a table ({names})",
        accepts=lambda value: isinstance(value, classes),
        example=example,
        nested=classes,
    )


def tables(*classes: type) -> Bound:
    """A tuple of values of the classes; a document writes a list of tables."""
    names = " or ".join(cls.__name__ for cls in classes)
    return Bound(
        kind="list of tables",
        allowed=f"a list of tables ({names})",
        accepts=lambda value: (
            isinstance(value, tuple) and all(isinstance(item, classes) for item in value)
        ),
        example="[]",
        nested=classes,
    )


def optional(bound: Bound) -> Bound:
    """The same bound, or None, which a document writes by leaving the key out."""
    return evolve(
        bound,
        allowed=f"{bound.allowed}, or left out",
        accepts=lambda value: value is None or bound.accepts(value),
    )


def written(value: object) -> str:
    """A default as the docs print it: the spelling of a document, or what it stands for."""
    if isinstance(value, enum.Enum):
        return json.dumps(value.value)
    if isinstance(value, timedelta):
        return json.dumps(format_duration(value))
    if value is None:
        return "none"
    if isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    return "[]" if value == () else "its own defaults"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


def shown(value: object) -> str:
    """A wrong value as a problem prints it, cut to some 60 characters."""
    if isinstance(value, timedelta) and value >= timedelta(0):
        return written(value)
    try:
        return _short.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:  # Python refuses to print an int of more than 4,300 digits
        return f"a {type(value).__name__} too long to print"
