"""When automatic runs may work: windows that come every week, and freezes (N10).

What users write down; `rollproof.windows` says when it is open.
"""

import enum
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from rollproof.bounds import Bound, choice, duration, text, texts, written
from rollproof.errors import Problem
from rollproof.moments import zone_of
from rollproof.validation import Declared, Rule, declare

_FORM: Final = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


class Weekday(enum.Enum):
    """A day of the week, in the order of `datetime.date.weekday`."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class AtEnd(enum.Enum):
    """What becomes of a run when its window closes."""

    FINISH_BATCH = "FinishBatch"
    """The batch at hand is finished; the run waits for the next window (S7)."""
    STOP_AT_ONCE = "StopAtOnce"
    """The run is cancelled: no further instance is touched, and what is in flight is
    judged (S8).  The version is picked up again in a later window."""


def _is_moment(value: object) -> bool:
    if not isinstance(value, str) or _FORM.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_ZONE = Bound(
    kind="text",
    allowed='a zone of the IANA database, such as "Europe/Berlin"',
    accepts=lambda value: isinstance(value, str) and zone_of(value) is not None,
    example=written("Europe/Berlin"),
)
_MOMENT = Bound(
    kind="text",
    allowed="a local date and time YYYY-MM-DDTHH:MM of the years 2000 to 2999",
    accepts=_is_moment,
    example=written("2026-12-18T18:00"),
)


@frozen(kw_only=True)
class MaintenanceWindow(Declared):
    """A time of the week in which automatic runs may work (N10)."""

    days: tuple[Weekday, ...] = field(
        default=(),
        metadata=declare(
            texts(0, choice(Weekday), "days from Monday to Sunday", '["Saturday"]'),
            "Days on which it begins; without any, every day.",
            "N10",
        ),
    )
    begins: str = field(
        metadata=declare(
            text(
                r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time of day from 00:00 to 23:59", "22:00"
            ),
            "Local time at which it begins.",
            "N10",
        )
    )
    duration: timedelta = field(
        metadata=declare(
            duration(more_than=timedelta(0), at_most=timedelta(days=7)),
            "How long it stays open, as time that passes.",
            "N10",
        )
    )
    zone: str = field(
        default="UTC", metadata=declare(_ZONE, "Zone whose clocks and days count.", "N10")
    )
    at_end: AtEnd = field(
        default=AtEnd.FINISH_BATCH,
        metadata=declare(
            choice(AtEnd),
            "What becomes of a run that is under way when it closes: the batch is finished "
            "and the run waits, or the run is cancelled.",
            "S7",
        ),
    )


def _in_order(begins: str, ends: str) -> Iterator[Problem]:
    if ends <= begins:
        yield Problem(
            field="ends",
            value=written(ends),
            bound=f"later than {written(begins)}",
            requirement="N10",
            fix="Exchange begins and ends, or correct the one that is wrong.",
        )


@frozen(kw_only=True)
class Freeze(Declared):
    """A time in which no automatic run begins, and those under way wait (N10)."""

    begins: str = field(metadata=declare(_MOMENT, "Local time at which it begins.", "N10"))
    ends: str = field(metadata=declare(_MOMENT, "Local time at which it ends.", "N10"))
    zone: str = field(default="UTC", metadata=declare(_ZONE, "Zone whose clocks count.", "N10"))

    rules = (Rule(("begins", "ends"), _in_order),)
