"""What a health extension reports from inside an instance, and what it is worth (R5.2).

A report is one JSON object:

    {"state": "Unhealthy", "at": 1767225600.25, "why": "queue is full"}

`state` is Initializing, Healthy, Unhealthy or Unknown; `at` the time it was found out,
in seconds since the Unix epoch; `why` one line for people, and may be left out. `age`,
in seconds, may stand in the place of `at`: so a reporter that serves HTTP answers, and
its clock need not agree with ours. Other keys are ignored.
"""

import json

from attrs import frozen

from rollproof.health import Health, HealthExtension
from rollproof.moments import MILLISECOND

STATES = {health.value.capitalize(): health for health in Health}
"""How a report spells each state."""
LARGEST = 64 * 1024
"""Bytes of a report that are read; a longer one is no report."""
LONGEST_WHY = 160
"""Characters of `why` that are kept."""
SLACK = 1_000
"""Milliseconds by which the time of a boot may be off: some systems tell it in seconds."""


@frozen
class Report:
    """What a reporter said last."""

    state: Health
    """The state of the application, as it sees it."""
    at: int
    """When it found that out, in milliseconds since the Unix epoch."""
    why: str = ""
    """One line for people."""


def read_report(text: bytes, now: int) -> Report | None:
    """The report that a text spells at this time; None when it spells none."""
    try:
        found = json.loads(text)
        state = STATES[found["state"]]
        at = now - _milliseconds(found["age"]) if "age" in found else _milliseconds(found["at"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    why = found.get("why", "")
    return Report(state, at, why[:LONGEST_WHY] if isinstance(why, str) else "")


def _milliseconds(seconds: object) -> int:
    """Raises TypeError or ValueError for what is no point in time, NaN among it."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(seconds)
    return round(seconds * 1000)


def fault_of(
    report: Report | None, source: HealthExtension, booted_at: int | None, now: int
) -> str:
    """Why the report says nothing about the instance as it is now; "" when it does."""
    if report is None:
        return "no report"
    interval = source.interval // MILLISECOND
    if booted_at is not None and report.at < booted_at - SLACK:
        return "the report is from before the boot"
    if now - report.at > 2 * interval:
        return f"the report is {(now - report.at) // 1000} s old"
    if report.at - now > interval:
        return f"the report is {(report.at - now) // 1000} s ahead of the clock"
    return ""


def weigh(
    report: Report | None, source: HealthExtension, booted_at: int | None, now: int
) -> Health:
    """What one look at the extension says.

    No report, one from before the boot, a stale one, and one from the future are
    UNKNOWN. During the grace period after the boot UNKNOWN and UNHEALTHY are
    INITIALIZING: wait (R5.3). A boot at an unknown time has no grace period.
    """
    if report is None or fault_of(report, source, booted_at, now):
        said = Health.UNKNOWN
    else:
        said = report.state
    if said in (Health.HEALTHY, Health.INITIALIZING) or booted_at is None:
        return said
    graced = now - booted_at < source.grace // MILLISECOND
    return Health.INITIALIZING if graced else said
