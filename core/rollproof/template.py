"""An ARM-style template: the scale set in it, read table by table and key by key (R2.4).

A template lists resources, and one of them must be the scale set.  A resource by itself has
``properties``, and so has a part of one: the body of a PUT or a PATCH.  What they say is
translated by `rollproof.counterparts`; what was not read of a table is told.

Of the template's expressions two are evaluated: ``[variables('x')]``, and
``[parameters('x')]`` of a parameter that has a default value.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, field, frozen

from rollproof.bounds import shown
from rollproof.errors import InvalidFields, Problem

TYPE: Final = "Microsoft.Compute/virtualMachineScaleSets"
"""What the resource is called there."""
DEEPEST: Final = 20
"""Expressions that lead to one another before they are taken for a circle."""
ALIKE: Final = 0.6
"""Likeness from which on one key is suggested for another."""
MISSPELLED: Final = 0.8
"""Likeness from which on a key that is not read is taken for one that is."""
REQUIREMENT: Final = "R2.4"

_KNOWN = re.compile(r"\[\s*(parameters|variables)\(\s*'([^']+)'\s*\)\s*\]", re.IGNORECASE)
_NAMED = "parameters", "variables"

Table = Mapping[str, object]


def folded(table: Table) -> dict[str, object]:
    """The same keys in lower case: in a template their case carries no meaning."""
    return {key.lower(): value for key, value in table.items()}


def is_template(table: Table) -> bool:
    """Whether a document is of that style; ours has no such keys."""
    keys = folded(table).keys()
    return "properties" in keys or ("resources" in keys and "contentversion" in keys)


def is_expression(value: object) -> bool:
    """Whether a text stands for something else; after "[[" it stands for itself."""
    return isinstance(value, str) and value[:1] == "[" != value[1:2] and value[-1:] == "]"


@frozen
class Found:
    """A resource, and what stands beside it."""

    resource: Table
    """As it is written."""
    place: str = ""
    """Where it stands in the document, as the beginning of a field; "" for all of it."""
    beside: Mapping[str, Table] = field(factory=dict)
    """The other resources of the template, by their places."""
    _known: Mapping[str, Table] = field(factory=dict)

    def value(self, written: object) -> object:
        """What is written, or what the expression written comes to, if that can be told."""
        for _ in range(DEEPEST):
            match = _KNOWN.fullmatch(written) if isinstance(written, str) else None
            if match is None:
                break
            kind, name = match[1].lower(), match[2].lower()
            held = self._known.get(kind, {}).get(name)
            if kind == "parameters" and isinstance(held, dict):
                held = folded(held).get("defaultvalue")
            if held is None:
                break
            written = held
        return written

    def within(self, resource_type: str, part: str) -> Iterator[tuple[Table, Table, str]]:
        """The tables in a list of the resources of a type: each with its resource, and its
        place."""
        for place, resource in self.beside.items():
            if is_of(resource, resource_type):
                properties = self.value(folded(resource).get("properties"))
                held = folded(properties) if isinstance(properties, dict) else {}
                listed = self.value(held.get(part.lower()))
                for number, each in enumerate(listed if isinstance(listed, list) else ()):
                    if isinstance(each, dict):
                        yield resource, each, f"{place}.properties.{part}[{number}]"

    def name_of(self, table: Table) -> object:
        """The name that a resource, or a table in one, bears."""
        return self.value(folded(table).get("name"))


def is_of(resource: Table, resource_type: str) -> bool:
    """Whether a resource is of a type, in whatever case that is written."""
    found = folded(resource).get("type")
    return isinstance(found, str) and found.lower() == resource_type.lower()


def scale_set_in(document: Table) -> Found:
    """The one scale set of a document.  Raises InvalidFields when a template has none, or
    several."""
    top = folded(document)
    if "properties" in top:
        return Found(document)
    listed = dict(_listed(top["resources"]))
    chosen = [place for place, each in listed.items() if is_of(each, TYPE)]
    if len(chosen) != 1:
        problem = Problem(
            field="resources",
            value=f"{len(chosen) or 'no'} scale sets",
            bound=f"one resource of the type {TYPE}",
            requirement=REQUIREMENT,
            fix="Leave one, or hand in the resource by itself.",
        )
        raise InvalidFields((problem,))
    resource = listed.pop(chosen[0])
    known = {name: folded(t) for name in _NAMED if isinstance(t := top.get(name), dict)}
    return Found(resource, f"{chosen[0]}.", listed, known)


def _listed(resources: object) -> Iterator[tuple[str, Table]]:
    """Each resource with its place: of a list, or under symbolic names."""
    if isinstance(resources, dict):
        named = [(f"resources.{name}", each) for name, each in resources.items()]
    else:
        listed = resources if isinstance(resources, list) else []
        named = [(f"resources[{number}]", each) for number, each in enumerate(listed)]
    yield from ((place, each) for place, each in named if isinstance(each, dict))


@define
class Reading:
    """One template while it is read, and what was found out about it."""

    found: Found
    problems: list[Problem] = field(factory=list)
    ignored: list[str] = field(factory=list)
    """Fields that were not read, and change no upgrade."""

    def tell(
        self, place: str, value: str, bound: str, fix: str, requirement: str = REQUIREMENT
    ) -> None:
        """Note a problem; of a place that has one already, no other."""
        if all(problem.field != place for problem in self.problems):
            self.problems.append(Problem(place, value, bound, requirement, fix))

    def value(self, written: object, place: str) -> object:
        """What is written, or what its expression comes to; None, and a problem, where that
        cannot be told."""
        value = self.found.value(written)
        if is_expression(value):
            bound = "a value; of expressions variables('x'), parameters('x') with a default"
            self.tell(place, shown(value), bound, "Write the value that it comes to.")
            return None
        return value[1:] if isinstance(value, str) and value.startswith("[[") else value


class Part:
    """A table of the template.  Every key of it is asked for, or told by `rest`."""

    def __init__(self, reading: Reading, written: object, place: str) -> None:
        """None is a table without keys; what is no table is a problem."""
        self._reading = reading
        self.place = place
        value = reading.value(written, place)
        if not isinstance(value, dict | None):
            reading.tell(place, shown(value), "a table", "Write a table, or leave it out.")
        held = value if isinstance(value, dict) else {}
        self._held = {key.lower(): (key, each) for key, each in held.items()}
        if len(self._held) < len(held):
            reading.tell(
                place, "a key in two spellings", "each key once", "Remove one of them."
            )

    def at(self, key: str) -> str:
        """The place of a key."""
        return f"{self.place}.{key}".lstrip(".")

    def has(self, key: str) -> bool:
        """Whether the key is there, and holds more than null."""
        return self._held.get(key.lower(), ("", None))[1] is not None

    def said(self, key: str) -> object:
        """The value of a key; None when it is not there, and where it cannot be told."""
        _, written = self._held.pop(key.lower(), ("", None))
        return self._reading.value(written, self.at(key))

    def text(self, key: str) -> str:
        """The text of a key; "" when it is not there."""
        value = self.said(key)
        if not isinstance(value, str | None):
            self._reading.tell(self.at(key), shown(value), "text", "Write it in quotes.")
        return value if isinstance(value, str) else ""

    def part(self, key: str) -> "Part":
        """The table of a key; one without keys when it is not there."""
        _, written = self._held.pop(key.lower(), ("", None))
        return Part(self._reading, written, self.at(key))

    def parts(self, key: str) -> Iterator["Part"]:
        """The tables in the list of a key."""
        listed = self.said(key)
        if not isinstance(listed, list | None):
            self._reading.tell(self.at(key), shown(listed), "a list", "Write a list.")
        for number, each in enumerate(listed if isinstance(listed, list) else ()):
            yield Part(self._reading, each, f"{self.at(key)}[{number}]")

    def rest(self, read: tuple[str, ...] = (), *, wholly: bool = False) -> None:
        """Whatever was not asked for is ignored; it is a problem where the whole table is
        ``read``, and where it looks like a slip of one of the keys that are."""
        likeness = ALIKE if wholly else MISSPELLED
        lower = {key.lower(): key for key in read}
        for folded, (key, _) in self._held.items():
            near = difflib.get_close_matches(folded, lower, n=1, cutoff=likeness)
            if near or wholly:
                self._reading.tell(
                    self.at(key),
                    "unknown field",
                    f"the fields {', '.join(read)}",
                    f"Did you mean {lower[near[0]]}?" if near else "Remove it.",
                )
            else:
                self._reading.ignored.append(self.at(key))
