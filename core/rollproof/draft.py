"""A document of ours while it is drawn from a template (R2.4)."""

import re
from collections.abc import Mapping

from attrs import define, field, fields_dict

from rollproof.bounds import Bound
from rollproof.fleet import ScaleSet
from rollproof.validation import declaration_of


@define
class Draft:
    """A document of ours while it is written, with the place that each key came from."""

    keys: dict[str, object] = field(factory=dict)
    """Values by dotted key."""
    health: list[dict[str, object]] = field(factory=list)
    extensions: list[dict[str, object]] | None = None
    """None: nothing was said of them."""
    places: dict[str, str] = field(factory=dict)

    def put(self, key: str, value: object, place: str) -> None:
        """Write a key; a text stands for a number or a truth where ours has one."""
        self.keys[key] = _read_as(_bound(key), value)
        self.places[key] = place

    def add_health(self, place: str, **keys: tuple[object, str]) -> None:
        """Write a health source: the value and the place of each key."""
        at = f"further_health[{len(self.health) - 1}]" if self.health else "health"
        self.health.append(self._item(at, place, keys))

    def add_extension(self, place: str, **keys: tuple[object, str]) -> None:
        """Write an extension, likewise."""
        extensions = self.extensions = self.extensions or []
        extensions.append(self._item(f"extensions[{len(extensions)}]", place, keys))

    def _item(
        self, at: str, place: str, keys: Mapping[str, tuple[object, str]]
    ) -> dict[str, object]:
        self.places[at] = place
        self.places |= {f"{at}.{key}": where for key, (_, where) in keys.items()}
        return {key: value for key, (value, _) in keys.items() if value is not None}

    def table(self) -> dict[str, object]:
        """The document, as `rollproof.reading` takes it."""
        table = _nested({tuple(key.split(".")): value for key, value in self.keys.items()})
        if self.health:
            table["health"], *further = self.health
            table["further_health"] = further
        if self.extensions is not None:
            table["extensions"] = self.extensions
        return table


def _nested(values: Mapping[tuple[str, ...], object]) -> dict[str, object]:
    """Values by path as tables in tables."""
    table: dict[str, object] = {}
    for first in dict.fromkeys(path[0] for path in values):
        below = {path[1:]: value for path, value in values.items() if path[0] == first}
        table[first] = below[()] if () in below else _nested(below)
    return table


def _bound(key: str) -> Bound:
    """The bound of a key of our document."""
    *tables, last = key.split(".")
    cls: type = ScaleSet
    for name in tables:
        (cls,) = declaration_of(fields_dict(cls)[name]).bound.nested
    return declaration_of(fields_dict(cls)[last]).bound


def _read_as(bound: Bound, value: object) -> object:
    """A value in the way in which templates are read: "20" is a number, "true" is true, and
    the words of a choice have no case.  What is none of that stays as it is."""
    if not isinstance(value, str):
        return value
    if bound.kind == "true or false":
        return {"true": True, "false": False}.get(value.lower(), value)
    if bound.kind == "whole number":
        return number(value)
    return next((each for each in bound.choices if each.lower() == value.lower()), value)


def number(value: object) -> object:
    """The number that a text spells; else what it was."""
    digits = isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value)
    return int(digits[0]) if digits else value
