"""Events in words: what tells one from another, and no more."""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs

from rollproof.events import Event
from rollproof.fleet import Instance


def words(event: Event) -> str:
    """Its kind and what it says; nothing that it leaves open, and not when it was."""
    said = attrs.asdict(event, recurse=False, filter=attrs.filters.exclude("at"))
    parts = [
        f"{name} {_value(value)}" for name, value in said.items() if value not in ((), None)
    ]
    return ", ".join((type(event).__name__, *parts))


def _value(value: Any) -> str:
    if isinstance(value, Instance):
        return _instance(value)
    if isinstance(value, tuple):
        return f"({'; '.join(map(_value, value))})"
    return str(value.value if isinstance(value, Enum) else value)


def _instance(seen: Instance) -> str:
    """As the fleets of `rollproof_checks.conform.settings` differ."""
    where = "/".join(filter(None, (seen.zone, seen.update_domain)))
    kept = " protected" if seen.protected else ""
    return f"{seen.id} in {where} on {seen.version} {seen.health.value}{kept}"
