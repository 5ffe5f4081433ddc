"""Charters, events and commands as JSON.

The form is part of the journal's format: a change of it needs a new schema version and
a migration.  Fields at their default are left out.
"""

from __future__ import annotations

import json
from typing import Any, Final

from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from rollproof.charter import Charter
from rollproof.commands import Command, Verb
from rollproof.counts import Counts, Limits
from rollproof.events import Event

_CONVERTER: Final = make_converter(omit_if_default=True)
configure_tagged_union(Event, _CONVERTER, tag_name="event")


def _class_of(type_: Any) -> Any:
    """``Counts`` for ``Counts[int]``."""
    return getattr(type_, "__origin__", type_)


def _named(value: Counts[int] | Limits[int]) -> dict[str, int]:
    """By name, without what stands at its default: journals from before a register was
    added keep their digests."""
    defaults = value._field_defaults
    return {name: held for name, held in value._asdict().items() if held != defaults.get(name)}


_CONVERTER.register_unstructure_hook_func(
    lambda type_: _class_of(type_) in (Counts, Limits), _named
)
_CONVERTER.register_structure_hook_func(
    lambda type_: _class_of(type_) in (Counts, Limits),
    lambda value, type_: _class_of(type_)(**value),
)


def _text(value: Any) -> str:
    # In ASCII: a provider may name an instance with half a surrogate pair, which JSON
    # can spell and UTF-8 cannot.
    return json.dumps(value, separators=(",", ":"))


def event_text(event: Event) -> str:
    """``event`` as one line of JSON, tagged with its class."""
    return _text(_CONVERTER.unstructure(event, Event))


def event_of(text: str) -> Event:
    """The event that `event_text` wrote.  Raises ValueError on anything else."""
    event: Event = _structured(text, Event)
    return event


def charter_text(charter: Charter) -> str:
    """``charter`` as one line of JSON."""
    return _text(_CONVERTER.unstructure(charter))


def charter_of(text: str) -> Charter:
    """The charter that `charter_text` wrote.  Raises ValueError on anything else."""
    charter: Charter = _structured(text, Charter)
    return charter


def command_text(command: Command) -> str:
    """``command`` as one line of JSON."""
    return _text(command._asdict())


def command_of(text: str) -> Command:
    """The command that `command_text` wrote.  Raises ValueError on anything else."""
    try:
        fields = json.loads(text)
        return Command(Verb(fields.pop("verb")), **fields)
    except Exception as error:
        raise ValueError(f"not a command: {text[:200]!r}") from error


def counts_text(counts: Counts[int]) -> str:
    """``counts`` as one line of JSON."""
    return _text(_named(counts))


def counts_of(text: str) -> Counts[int]:
    """The counts that `counts_text` wrote.  Raises ValueError on anything else."""
    counts: Counts[int] = _structured(text, Counts[int])
    return counts


def _structured(text: str, type_: Any) -> Any:
    try:
        return _CONVERTER.loads(text, type_)
    except Exception as error:  # cattrs raises groups of whatever went wrong inside
        raise ValueError(f"not a {type_}: {text[:200]!r}") from error
