"""How a value that users write down declares and keeps its bounds.

Each field states its bound once, where it is defined:

    percent: int = field(
        default=20,
        metadata=declare(whole(5, 100), "Largest batch, in percent of the set.", "R4.2"),
    )

A `Declared` class checks every field when a value is constructed, then each rule over
several fields whose fields are all right, and raises InvalidFields with all problems.
No bound converts: "20", True and 20.5 are not whole numbers. The reader of documents
and the reference table in the docs use the same declarations.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Protocol

import attrs

from rollproof.bounds import Bound, shown, written
from rollproof.errors import InvalidFields, Problem, closest

_KEY = "rollproof"


@attrs.frozen
class Declaration:
    """What a field says about itself."""

    bound: Bound
    """Values the field may hold."""
    doc: str
    """One sentence: what the field means, with its unit."""
    requirement: str
    """Id of the requirement behind it, "" when none is."""


def declare(bound: Bound, doc: str, requirement: str = "") -> dict[str, Declaration]:
    """The metadata of a declared field."""
    return {_KEY: Declaration(bound=bound, doc=doc, requirement=requirement)}


def declaration_of(attribute: "attrs.Attribute[object]") -> Declaration:
    """What the field declared."""
    declaration: Declaration = attribute.metadata[_KEY]
    return declaration


@attrs.frozen
class Rule:
    """A law over several fields, checked when each of them is within its own bound."""

    fields: tuple[str, ...]
    """Fields the law reads, in the order `problems` takes them."""
    problems: Callable[..., Iterable[Problem]]
    """Every way the values break the law; none when they keep it."""


@attrs.frozen
class Declared:
    """Base of frozen classes whose fields are declared. Raises InvalidFields."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Laws over several fields."""

    def __attrs_post_init__(self) -> None:
        cls = type(self)
        values = {name: getattr(self, name) for name in attrs.fields_dict(cls)}
        if problems := problems_in(cls, values):
            raise InvalidFields(problems)


def problems_in(cls: type[Declared], values: Mapping[str, object]) -> tuple[Problem, ...]:
    """Every broken bound, then every broken rule, among the fields present in `values`."""
    problems = []
    sound = set()
    for name, attribute in attrs.fields_dict(cls).items():
        if name not in values:
            continue
        if declaration_of(attribute).bound.accepts(values[name]):
            sound.add(name)
        else:
            problems.append(_outside(attribute, values[name]))
    for rule in cls.rules:
        if sound.issuperset(rule.fields):
            problems.extend(rule.problems(*(values[name] for name in rule.fields)))
    return tuple(problems)


class Named(Protocol):
    """What bears a name."""

    @property
    def name(self) -> str: ...


def names_borne_twice(
    place: str, values: Iterable[Named], requirement: str = ""
) -> Iterator[Problem]:
    """A problem of every value in the list at `place` whose name an earlier one bears."""
    known = set()
    for position, value in enumerate(values):
        if value.name in known:
            yield Problem(
                field=f"{place}[{position}].name",
                value=repr(value.name),
                bound="a name that no other one bears",
                requirement=requirement,
                fix="Rename one of them.",
            )
        known.add(value.name)


def _outside(attribute: "attrs.Attribute[object]", value: object) -> Problem:
    """The problem of a value outside the bound of its field."""
    declaration = declaration_of(attribute)
    return Problem(
        field=attribute.name,
        value=shown(value),
        bound=declaration.bound.allowed,
        requirement=declaration.requirement,
        fix=_fix(attribute, value),
    )


def missing(attribute: "attrs.Attribute[object]") -> Problem:
    """The problem of a required field that was left out."""
    declaration = declaration_of(attribute)
    return Problem(
        field=attribute.name,
        value="missing",
        bound=declaration.bound.allowed,
        requirement=declaration.requirement,
        fix=_fix(attribute, None),
    )


def _fix(attribute: "attrs.Attribute[object]", value: object) -> str:
    """What to do about a value outside its bound."""
    bound = declaration_of(attribute).bound
    if isinstance(value, str):
        if bound.unquoted:
            return "Write it without quotes."
        if near := closest(value, bound.choices):
            return f'Did you mean "{near}"?'
        if bound.kind == "duration":
            return 'Spell it like "PT5M", five minutes.'
    wanted = attribute.default is None and not bound.nested  # else nobody had written it
    if attribute.default is attrs.NOTHING or wanted:
        return f"For example: {attribute.name} = {bound.example}"
    return f"Leave it out for the default, {written(attribute.default)}."
