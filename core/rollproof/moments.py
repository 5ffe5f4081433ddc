"""Moments: milliseconds since the Unix epoch, and what clocks on walls make of them.

A zone is one of the IANA database, and it decides what a local time means:

* a time that does not exist that day, since the clock jumps over it, means the moment at
  which the jump ends;
* a time that exists twice, since the clock goes back, means the first of the two, unless
  the last is asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollproof.durations import format_duration

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
SECOND: Final = timedelta(seconds=1)


def from_ms(at: int, zone: ZoneInfo | None = None) -> datetime:
    """The moment as a date and time of a zone, by default UTC."""
    moment = EPOCH + at * MILLISECOND
    return moment if zone is None else moment.astimezone(zone)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the Unix epoch, rounded up."""
    return -((EPOCH - moment) // MILLISECOND)


def span_ms(span: timedelta) -> int:
    """Milliseconds, rounded up: a wait is never shorter than it was asked for."""
    return -(-span // MILLISECOND)


def instant(at: int) -> str:
    """ISO 8601, UTC, to the second: 2026-03-29T01:00:00Z."""
    return from_ms(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_ms(at: int) -> str:
    """ISO 8601, UTC, to the millisecond: 2026-03-29T01:00:00.250Z."""
    return from_ms(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spelled(milliseconds: int) -> str:
    """A span as ISO 8601 spells it, to the second: PT41M12S."""
    return format_duration(timedelta(seconds=milliseconds // 1000))


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The zone of this name; None where the database has none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
        return None


def resolve(local: datetime, zone: ZoneInfo, *, last: bool = False) -> int:
    """The moment that a local time means in a zone, by the law of this module.

    ``local`` bears no zone.  ``last`` takes the second of a time that exists twice.
    """
    before = local.replace(tzinfo=zone, fold=0)  # read with the offset before a change
    after = local.replace(tzinfo=zone, fold=1)  # and with the one after it
    early, late = before.astimezone(UTC), after.astimezone(UTC)
    if late >= early:  # no change, or a time that exists twice
        return to_ms(late if last else early)
    return to_ms(_jump(late, early, zone))


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between two at which the clock of a zone jumps, to the second."""
    old = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
