"""Events out of a journal, several times faster than by the codec, and no different.

The reports that a large run consists of are recognised by the very form in which the codec
writes them; whatever has another form goes to the codec.  So the law is
``event_of(text) == codec.event_of(text)`` for every text, errors included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import chain, groupby
from operator import itemgetter
from typing import Final

from rollproof.events import Event, Observed, Replaced, Restored, Surveyed, Vanished
from rollproof.fleet import Health, Instance
from rollproof.journal import codec

_TEXT: Final = r'"([^"\\\x00-\x1f]*)"'
_WORD: Final = _TEXT.replace("*", "+")
_NUMBER: Final = r"(-?(?:0|[1-9][0-9]{0,17}))"

_ABOUT: Final = rf'\{{"at":{_NUMBER},"instance":{_TEXT},"attempt":{_NUMBER},"event":"%s"\}}'
_ASKED: Final = rf'(?:,"attempt":{_NUMBER})?'
_GONE: Final = rf'\{{"at":{_NUMBER},"instance":{_TEXT}{_ASKED},"event":"Vanished"\}}'
_SEEN: Final = (
    rf'\{{"at":{_NUMBER},"instance":\{{"id":{_TEXT}(?:,"zone":{_TEXT})?'
    rf'(?:,"fault_domain":{_TEXT})?(?:,"update_domain":{_TEXT})?(?:,"version":{_WORD})?'
    r'(?:,"health":"(healthy|initializing|unhealthy)")?(?:,"os_disk":' + _TEXT + r")?"
    r"\}" + _ASKED + r',"event":"Observed"\}'
)

_HEALTH: Final = {health.value: health for health in Health} | {None: Health.UNKNOWN}


# -- what is made of the fields that a pattern found; one that is not there is empty or None


def _replaced(at: str, instance: str, attempt: str) -> Event:
    return Replaced(int(at), instance, int(attempt))


def _restored(at: str, instance: str, attempt: str) -> Event:
    return Restored(int(at), instance, int(attempt))


def _observed(  # noqa: PLR0917  # the groups of its pattern
    at: str,
    name: str,
    zone: str,
    fault: str,
    update: str,
    version: str,
    health: str,
    disk: str,
    attempt: str,
) -> Event:
    # Initialised by hand: to call a class with keywords gathers them in a dict first.
    instance = Instance.__new__(Instance)
    Instance.__init__(
        instance,
        id=name,
        zone=zone or "",
        fault_domain=fault or "",
        update_domain=update or "",
        version=version or None,
        health=_HEALTH[health or None],
        os_disk=disk or "",
    )
    return Observed(int(at), instance, int(attempt) if attempt else None)


def _vanished(at: str, instance: str, attempt: str) -> Event:
    return Vanished(int(at), instance, int(attempt) if attempt else None)


_FORMS: Final[dict[str, tuple[re.Pattern[str], Callable[..., Event]]]] = {
    kind + '"}': (re.compile(rf"^{pattern}$", re.MULTILINE), make)
    for kind, pattern, make in (
        ("Replaced", _ABOUT % "Replaced", _replaced),
        ("Restored", _ABOUT % "Restored", _restored),
        ("Observed", _SEEN, _observed),
        ("Vanished", _GONE, _vanished),
    )
}
"""The usual forms, by their last ten characters."""


def _surveyed(text: str) -> Event | None:
    """The first survey of a large set names every instance, each in its usual form."""
    try:
        told = json.loads(text)
        at, attempt, present = told["at"], told["attempt"], told["present"]
        gone = told.get("gone", [])
        usual = type(at) is type(attempt) is int and type(present) is type(gone) is list
        if not usual or told["event"] != "Surveyed" or len(told) != 4 + ("gone" in told):
            return None
        if not (_are_usual(present) and _STRING.issuperset(map(type, gone))):
            return None
        for fields in present:
            fields["health"] = _HEALTH[fields.get("health")]
        fleet = tuple(Instance(**fields) for fields in present)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return Surveyed(at, attempt, fleet, tuple(gone))


def _are_usual(present: list[dict[str, object]]) -> bool:
    """Whether no instance says anything but strings, under the usual names: else the codec
    must say what it makes of it.  Asked of all at once."""
    names = chain.from_iterable(present)
    values = chain.from_iterable(map(dict.values, present))
    return _USUAL.issuperset(names) and _STRING.issuperset(map(type, values))


_USUAL: Final = frozenset(
    {"id", "zone", "fault_domain", "update_domain", "version", "health", "os_disk"}
)
_STRING: Final = frozenset({str})


def event_of(text: str) -> Event:
    """The event that the codec reads in ``text``.  Raises ValueError as it does."""
    ending = text[-10:]
    form = _FORMS.get(ending)
    if form is not None:
        pattern, make = form
        found = pattern.fullmatch(text)
        if found is not None:
            return make(*found.groups())
    elif ending == 'Surveyed"}':
        event = _surveyed(text)
        if event is not None:
            return event
    return codec.event_of(text)


def events_of(texts: Iterable[str]) -> list[Event]:
    """As `event_of` for each text.  Reports of one kind come side by side, and one search
    finds all of them, a text in each line: it takes an eighth less."""
    events: list[Event] = []
    for ending, alike in groupby(texts, _ending):
        some, form = [*alike], _FORMS.get(ending)
        lines = "\n".join(some)
        if form is not None and lines.count("\n") == len(some) - 1:
            pattern, make = form
            found = pattern.findall(lines)
            if len(found) == len(some):
                events += [make(*fields) for fields in found]
                continue
        events += map(event_of, some)
    return events


_ending = itemgetter(slice(-10, None))
