"""ISO 8601 durations, strictly: PnDTnHnMnS and nothing else.

Years and months have no fixed length, and weeks, signs, commas and a fraction of
anything but seconds are spellings nobody needs in a policy, so they are refused; that
is why this is not a general library (isodate takes "PT" and "+PT1,5M", for one).
"""

import re
from datetime import timedelta

from rollproof.errors import InvalidFields, Problem

_FORM = re.compile(
    r"P(?=[0-9T])(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+)(?:\.(?P<fraction>[0-9]{1,6}))?S)?)?"
)
_LONGEST = 40  # characters; the longest timedelta needs 24


def parse_duration(text: str) -> timedelta:
    """The duration that `text` spells: "PT5M" is five minutes.

    Raises InvalidFields when it spells none, or one longer than a timedelta holds.
    """
    match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if match is not None:
        part = match.groupdict(default="0")
        try:
            return timedelta(
                days=int(part["days"]),
                hours=int(part["hours"]),
                minutes=int(part["minutes"]),
                seconds=int(part["seconds"]),
                microseconds=int(part["fraction"].ljust(6, "0")),
            )
        except OverflowError:
            pass
    problem = Problem(
        field="",
        value=repr(text[:_LONGEST]),
        bound="a duration PnDTnHnMnS",
        fix='Five minutes are "PT5M".',
    )
    raise InvalidFields((problem,))


def format_duration(duration: timedelta) -> str:
    """The shortest spelling of a duration: parse_duration(format_duration(d)) == d.

    Raises InvalidFields for a negative duration, which has no spelling.
    """
    if duration < timedelta(0):
        problem = Problem(field="", value=repr(duration), bound="a duration of PT0S or more")
        raise InvalidFields((problem,))
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{duration.microseconds:06}".rstrip("0") if duration.microseconds else ""
    days = f"{duration.days}D" if duration.days else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if seconds or fraction:
        clock += f"{seconds}{fraction}S"
    if not days and not clock:
        clock = "0S"
    return f"P{days}" + (f"T{clock}" if clock else "")
