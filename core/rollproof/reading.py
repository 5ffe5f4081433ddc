"""Tables to values and back, by cattrs, with every problem of a table at once.

Reading converts only what a document cannot spell (durations, enums, tuples, nested
tables) and passes all else on as it is, convertible or not: the bound of the field then
refuses it, in the same words as when the value is built in Python.
"""

import enum
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar, get_args, get_origin

import attrs
from cattrs import Converter

from rollproof.bounds import shown
from rollproof.durations import format_duration, parse_duration
from rollproof.errors import InvalidFields, Problem, closest
from rollproof.health import KIND_OF, KINDS, HealthSource
from rollproof.validation import Declared, missing, problems_in

D = TypeVar("D", bound=Declared)

_converter = Converter(unstruct_collection_overrides={tuple: list})


def read_table(table: Mapping[str, object], cls: type[D]) -> D:
    """The value that the table spells. Raises InvalidFields with every problem in it."""
    fields = attrs.fields_dict(cls)
    problems = [_unknown(key, tuple(fields)) for key in table if key not in fields]
    values: dict[str, object] = {}
    for name, attribute in fields.items():
        if name in table:
            try:
                values[name] = _read(table[name], attribute.type)
            except InvalidFields as error:
                problems += _under(name, error)
        elif attribute.default is attrs.NOTHING:
            problems.append(missing(attribute))
        else:
            values[name] = attribute.default
    problems += problems_in(cls, values)
    if problems:
        raise InvalidFields(tuple(problems))
    construct: Callable[..., D] = cls
    return construct(**values)


def write_table(value: Declared) -> dict[str, object]:
    """The table that spells the value, every key but those that hold None."""
    table: dict[str, object] = {}
    if type(value) in KIND_OF:
        table["kind"] = KIND_OF[type(value)]
    for name in attrs.fields_dict(type(value)):
        held = getattr(value, name)
        if held is not None:
            table[name] = _converter.unstructure(held)
    return table


def _read(value: object, declared: type | None) -> object:
    """The value as the declared type; what cannot be converted stays as it is."""
    converted: object = _converter.structure(value, declared or object)
    return converted


def _under(place: str, error: InvalidFields) -> list[Problem]:
    """The problems of a nested value, seen from outside it."""
    nested = []
    for problem in error.problems:
        dot = "." if problem.field and not problem.field.startswith("[") else ""
        nested.append(attrs.evolve(problem, field=f"{place}{dot}{problem.field}"))
    return nested


def _unknown(key: str, known: tuple[str, ...]) -> Problem:
    near = closest(key, known)
    return Problem(
        field=key if key.isidentifier() else shown(key),
        value="unknown key",
        bound=f"the keys {', '.join(known)}",
        fix=f"Did you mean {near}?" if near else "Remove it.",
    )


def _as_it_is(value: object, _: type) -> object:
    return value


def _read_duration(value: object, _: type) -> object:
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except InvalidFields:
        return value  # the bound of the field says it better


def _read_enum(value: object, cls: type[enum.Enum]) -> object:
    try:
        return cls(value)
    except ValueError:
        return value


def _read_tuple(value: object, cls: type) -> object:
    """A list, item by item; the problems of all its items together."""
    if not isinstance(value, list):
        return value
    items = []
    problems: list[Problem] = []
    for position, item in enumerate(value):
        try:
            items.append(_read(item, get_args(cls)[0]))
        except InvalidFields as error:
            problems += _under(f"[{position}]", error)
    if problems:
        raise InvalidFields(tuple(problems))
    return tuple(items)


def _read_declared(value: object, cls: type[Declared]) -> object:
    return read_table(value, cls) if isinstance(value, dict) else value


def _read_health(value: object, _: type) -> object:
    """The probe that the key `kind` names (R5.2)."""
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "")
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        kinds = " or ".join(f'"{known}"' for known in KINDS)
        near = closest(str(kind), tuple(KINDS)) or "http"
        fix = f'For example: kind = "{near}"'
        problem = Problem("kind", shown(kind), kinds, "R5.2", fix)
        raise InvalidFields((problem,))
    return read_table({key: value[key] for key in value if key != "kind"}, cls)


def _is_tuple(cls: object) -> bool:
    origin: object = get_origin(cls)
    return origin is tuple


def _is_declared(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, Declared)


for scalar in (int, bool, str):
    _converter.register_structure_hook(scalar, _as_it_is)
_converter.register_structure_hook(timedelta, _read_duration)
_converter.register_unstructure_hook(timedelta, format_duration)
_converter.register_structure_hook(enum.Enum, _read_enum)
_converter.register_structure_hook_func(_is_tuple, _read_tuple)
_converter.register_structure_hook_func(_is_declared, _read_declared)
_converter.register_structure_hook_func(
    lambda cls: cls in (HealthSource, HealthSource | None), _read_health
)
_converter.register_unstructure_hook_func(_is_declared, write_table)
