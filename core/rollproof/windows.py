"""When the gate of automatic runs stands open: maintenance windows and freezes (N10, S7).

The law
=======
* Without windows the gate is open, but for freezes.  With windows it is open while at
  least one of them is.
* A window begins on each of its days at its local time.  A start that does not exist
  that day, since the clock jumps over it, begins when the jump ends; one that exists
  twice begins at the first.
* A window's duration is time that passes, not what clocks show: six hours from 22:00
  end at 05:00 in the night the clock jumps ahead, and at 03:00 in the night it goes back.
* A freeze closes the gate whatever the windows say, from the first moment its beginning
  names to the last moment its end names.
* A beginning belongs to what begins, an end does not: [begin, end).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import attrs

from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow, Weekday
from rollproof.moments import from_ms, instant, resolve, span_ms, zone_of

_WEEK: Final = 8
"""Days in which every window begins at least once, and the longest ends; a jump may move
one by a day."""
_DAYS: Final = tuple(Weekday)


class Shutting(StrEnum):
    """Why a gate is shut, or that it is not."""

    OPEN = "open"
    OUTSIDE_WINDOW = "outside_window"
    FROZEN = "frozen"


@attrs.frozen(kw_only=True)
class Gate:
    """How the gate stands at one moment."""

    why: Shutting
    until: int | None
    """The next moment at which it may stand otherwise; None: it stays so."""
    text: str
    """In words, with the times."""
    stop_at_once: bool = False
    """Whether a run that is still under way is to be cancelled: the window that closed
    last says so."""

    @property
    def is_open(self) -> bool:
        """Whether runs may work."""
        return self.why is Shutting.OPEN


class _Occurrence(NamedTuple):
    """One time that a window is open."""

    begins: int
    ends: int
    window: MaintenanceWindow


def gate(windows: Iterable[MaintenanceWindow], freezes: Iterable[Freeze], now: int) -> Gate:
    """How the gate stands at ``now``."""
    spans = [(_local(each.begins, each.zone), _end(each)) for each in freezes]
    thaw = _reach(spans, now)
    if thaw > now:
        text = f"a freeze lasts until {instant(thaw)}"
        return Gate(why=Shutting.FROZEN, until=thaw, text=text)
    frost = min((begins for begins, _ in spans if begins > now), default=None)
    declared = tuple(windows)
    if not declared:
        return Gate(why=Shutting.OPEN, until=frost, text="no window is declared")
    return _by_windows(declared, frost, now)


def _by_windows(windows: tuple[MaintenanceWindow, ...], frost: int | None, now: int) -> Gate:
    around = [each for window in windows for each in _occurrences(window, now)]
    closes = _reach([(each.begins, each.ends) for each in around], now)
    if closes > now:
        until = closes if frost is None else min(closes, frost)
        text = f"a maintenance window is open until {instant(closes)}"
        return Gate(why=Shutting.OPEN, until=until, text=text)
    opens = min(each.begins for each in around if each.begins > now)
    last = max((each for each in around if each.ends <= now), key=lambda each: each.ends)
    return Gate(
        why=Shutting.OUTSIDE_WINDOW,
        until=opens if frost is None else min(opens, frost),
        text=f"outside every maintenance window; the next one opens at {instant(opens)}",
        stop_at_once=last.window.at_end is AtEnd.STOP_AT_ONCE,
    )


def _occurrences(window: MaintenanceWindow, now: int) -> Iterator[_Occurrence]:
    """The times about ``now``: those open, the last one closed, the next to come."""
    zone, length = _zone(window.zone), span_ms(window.duration)
    days = window.days or _DAYS
    clock = time.fromisoformat(window.begins)
    today = from_ms(now, zone).date()
    for offset in range(-_WEEK, _WEEK + 1):
        day = today + timedelta(days=offset)
        if _DAYS[day.weekday()] in days:
            begins = resolve(datetime.combine(day, clock), zone)
            yield _Occurrence(begins, begins + length, window)


def _reach(spans: Iterable[tuple[int, int]], now: int) -> int:
    """How far spans that follow each other without a gap cover time from ``now`` on;
    ``now`` when none covers it."""
    reached = now
    for begins, ends in sorted(spans):
        if begins <= reached < ends:
            reached = ends
    return reached


def _end(freeze: Freeze) -> int:
    zone = _zone(freeze.zone)
    return resolve(datetime.fromisoformat(freeze.ends), zone, last=True)


def _local(moment: str, zone: str) -> int:
    return resolve(datetime.fromisoformat(moment), _zone(zone))


def _zone(name: str) -> ZoneInfo:
    """The zone of a declaration, which admits no name without one."""
    zone = zone_of(name)
    assert zone is not None, name
    return zone
