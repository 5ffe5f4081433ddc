"""A scale set, or another declared value, as a document: TOML or JSON (R2.4).

Law: loads(dumps(scale_set)) == scale_set.

A scale set may also come as an ARM-style template: `rollproof.counterparts`.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import tomli_w

from rollproof.counterparts import translate
from rollproof.errors import InvalidDocument, InvalidFields, Problem
from rollproof.fleet import ScaleSet
from rollproof.reading import read_table, write_table
from rollproof.template import is_template
from rollproof.validation import Declared

D = TypeVar("D", bound=Declared)


Ignores = Callable[[str], None]
"""Hears each field of a template that changes no upgrade."""


def loads(
    text: str,
    *,
    path: str = "<string>",
    onto: ScaleSet | None = None,
    ignores: Ignores = lambda _field: None,
) -> ScaleSet:
    """The scale set that a document declares, or, with ``onto``, that one with all that the
    document says in the place of what it said; a list is replaced as a whole.

    Raises InvalidDocument, naming `path`, with every problem of the document at once.
    """
    table = _read(text, path)
    try:
        if not is_template(table):
            return read_table(_upon(onto, _one_health(table)), ScaleSet)
        translated = translate(table, whole=onto is None)
    except InvalidFields as error:
        raise InvalidDocument(error.problems, path) from None
    try:
        scale_set = read_table(_upon(onto, translated.table), ScaleSet)
    except InvalidFields as error:
        raise InvalidDocument(translated.all_problems(error), path) from None
    if translated.problems:
        raise InvalidDocument(translated.problems, path)
    for each in translated.ignored:
        ignores(each)
    return scale_set


def loads_as(cls: type[D], text: str, *, path: str = "<string>") -> D:
    """The value of a class that a document declares.

    A document that begins with "{" is JSON, which no TOML document does. Raises
    InvalidDocument, naming `path`, with every problem of the document at once.
    """
    try:
        return read_table(_read(text, path), cls)
    except InvalidFields as error:
        raise InvalidDocument(error.problems, path) from None


def load_path(
    path: str | Path,
    *,
    onto: ScaleSet | None = None,
    ignores: Ignores = lambda _field: None,
) -> ScaleSet:
    """The scale set that a UTF-8 file declares; the rest as `loads`."""
    return loads(_text(path), path=str(path), onto=onto, ignores=ignores)


def load_path_as(cls: type[D], path: str | Path) -> D:
    """The value of a class that a UTF-8 file declares. Raises InvalidDocument."""
    return loads_as(cls, _text(path), path=str(path))


def dumps(declared: Declared) -> str:
    """The TOML document of a scale set or another value, defaults spelled out."""
    return tomli_w.dumps(write_table(declared))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(path, str(error), "UTF-8 text", "Save it as UTF-8.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise _invalid(path, why, "a file that can be read", "Check the path.") from error


def _read(text: str, path: str) -> dict[str, object]:
    return _json(text, path) if text.lstrip().startswith("{") else _toml(text, path)


def _upon(scale_set: ScaleSet | None, table: dict[str, object]) -> dict[str, object]:
    """The table, put upon that of a scale set. A health source is of one kind, so that the
    keys of two do not mix."""
    if scale_set is None:
        return table
    beneath = write_table(scale_set)
    if "health" in table:
        beneath.pop("health", None)
    return _merged(beneath, table)


def _merged(beneath: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Both tables as one; what is above counts, key by key."""
    merged = {**beneath, **above}
    for key, held in beneath.items():
        upper = above.get(key)
        if isinstance(held, dict) and isinstance(upper, dict):
            merged[key] = _merged(held, upper)
    return merged


def _one_health(table: dict[str, object]) -> dict[str, object]:
    """The table in which a list of health sources, `[[health]]`, is the first and the
    others: more than one can be read, and is then refused by its own name (R2.2)."""
    match table.get("health"), table.get("further_health", []):
        case [first, *others], [*further]:
            return {**table, "health": first, "further_health": [*others, *further]}
        case _:
            return table


def _toml(text: str, path: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the message bears line and column
        raise _invalid(path, str(error), "TOML", "Correct the text there.") from error


def _json(text: str, path: str) -> dict[str, object]:
    try:
        table: dict[str, object] = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, str(error), "JSON", "Correct the text there.") from error
    return table


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, refused where json would keep the last of two equal keys."""
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {repeated!r} is written twice in one table")
    return table


def _invalid(path: str | Path, value: str, bound: str, fix: str) -> InvalidDocument:
    return InvalidDocument((Problem(field="", value=value, bound=bound, fix=fix),), str(path))
