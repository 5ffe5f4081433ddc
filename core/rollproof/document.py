"""A scale set, or another declared value, as a document: TOML or JSON (R2.4).

Law: loads(dumps(scale_set)) == scale_set.
"""

import json
import tomllib
from pathlib import Path
from typing import TypeVar

import tomli_w

from rollproof.errors import InvalidDocument, InvalidFields, Problem
from rollproof.fleet import ScaleSet
from rollproof.reading import read_table, write_table
from rollproof.validation import Declared

D = TypeVar("D", bound=Declared)


def loads(text: str, *, path: str = "<string>") -> ScaleSet:
    """The scale set that a document declares. Raises InvalidDocument."""
    return loads_as(ScaleSet, text, path=path)


def loads_as(cls: type[D], text: str, *, path: str = "<string>") -> D:
    """The value of a class that a document declares.

    A document that begins with "{" is JSON, which no TOML document does. Raises
    InvalidDocument, naming `path`, with every problem of the document at once.
    """
    table = _json(text, path) if text.lstrip().startswith("{") else _toml(text, path)
    try:
        return read_table(_one_health(table) if cls is ScaleSet else table, cls)
    except InvalidFields as error:
        raise InvalidDocument(error.problems, path) from None


def load_path(path: str | Path) -> ScaleSet:
    """The scale set that a UTF-8 file declares. Raises InvalidDocument."""
    return load_path_as(ScaleSet, path)


def load_path_as(cls: type[D], path: str | Path) -> D:
    """The value of a class that a UTF-8 file declares. Raises InvalidDocument."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(path, str(error), "UTF-8 text", "Save it as UTF-8.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise _invalid(path, why, "a file that can be read", "Check the path.") from error
    return loads_as(cls, text, path=str(path))


def dumps(declared: Declared) -> str:
    """The TOML document of a scale set or another value, defaults spelled out."""
    return tomli_w.dumps(write_table(declared))


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
