"""The last words on a run, and its status in text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rollproof.cli.output import clock, columns, local_time
from rollproof.cli.phases import LOOKS, by_zone, legend, tally
from rollproof.installation import Failure
from rollproof.run import Run
from rollproof.states import State
from rollproof.status import RunStatus

WIDTH = 80
LISTED = 10
"""Failures that a text names; --json names all."""
CELLS = 300
"""Instances up to which each has a cell."""


def summary(status: RunStatus, failures: Sequence[Failure], stop: str) -> str:
    """How a run ended, or stands, in a few lines."""
    return "\n".join([*headline(status), *_why(status, stop), *failure_lines(failures)])


def headline(status: RunStatus) -> list[str]:
    """What became of it, with the numbers; mostly one line."""
    progress = status.progress
    parts = [
        f"{number} {word}"
        for number, word in (
            (progress.successful, "upgraded"),
            (progress.failed, "failed"),
            (progress.in_progress, "in progress"),
            (progress.pending, "not touched" if status.ended_at else "waiting"),
            (progress.skipped, "left alone"),
        )
        if number
    ]
    spent = clock((status.ended_at or status.last_action_at) - status.started_at)
    held = " (paused)" if status.held else ""
    numbers = ", ".join(parts) or "nothing was touched"
    text = f"{outcome(status)}{held}: {numbers}; {batches(status.batches)}, {spent}"
    return paragraph(text)


def outcome(status: RunStatus) -> str:
    """The running status, with the cause where there is one."""
    name = status.running_status.value
    return f"{name} ({status.cause_text})" if status.cause_text else name


def batches(number: int) -> str:
    """ "1 batch", "2 batches"."""
    return f"{number} batch{'es' * (number != 1)}"


def _why(status: RunStatus, stop: str) -> list[str]:
    return wrapped(f"why: {stop}") if stop and status.cause.is_fault else []


def failure_lines(failures: Sequence[Failure], most: int = LISTED) -> list[str]:
    """Who failed, why, and what became of it."""
    lines = []
    for each in failures[:most]:
        lines += wrapped(f"instance {each.instance}: {each.why}; {each.outcome}".rstrip("; "))
    if len(failures) > most:
        lines.append(f"  ... and {len(failures) - most} more; --json lists all")
    return lines


def paragraph(text: str) -> list[str]:
    """The text, wrapped."""
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def wrapped(text: str, width: int = WIDTH) -> list[str]:
    """The text, indented and wrapped."""
    return textwrap.wrap(
        text,
        width,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=True,
        break_on_hyphens=False,
    )


def noted(header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """Rows in columns, and beneath each its note, where it has one."""
    first, *lines = columns([header, *rows]).splitlines()
    text = [first]
    for row, note in zip(lines, notes, strict=True):
        text += [row, *wrapped(note)]
    return "\n".join(text)


def picture(run: Run) -> list[str]:
    """The cells of a run, without colour, and what the letters mean."""
    phases = tally(run)
    if not phases:
        return []
    lines = []
    if sum(phases.values()) <= CELLS:
        for zone, cells in by_zone(run).items():
            label = f"  zone {zone}  " if zone else "  "
            lines += textwrap.wrap(
                " ".join(LOOKS[phase].letter for phase in cells),
                WIDTH,
                initial_indent=label,
                subsequent_indent=" " * len(label),
            )
    words = (f"{look.letter} {number} {text}" for look, number, text in legend(run))
    return [*lines, *wrapped(", ".join(words))]


def full_status(
    status: RunStatus, run: Run, failures: Sequence[Failure], stop: str, advice: str
) -> str:
    """`rollproof status` for people."""
    lines = [
        f"{status.scale_set} to {status.target}, run {status.run}",
        *headline(status),
        *_why(status, stop),
        f"  state {status.state}, started by {status.started_by} at "
        f"{local_time(status.started_at)}",
        f"  last action at {local_time(status.last_action_at)}"
        + (f", ended at {local_time(status.ended_at)}" if status.ended_at else ""),
        *picture(run),
        *failure_lines(failures),
    ]
    back = status.rollback_info
    if back.successfully_rolledback or back.failed_rolledback:
        done, not_done = back.successfully_rolledback, back.failed_rolledback
        lines.append(f"  rolled back: {done}, failed to: {not_done}")
    if status.pruned_at is not None:
        lines += wrapped(f"its events were pruned at {local_time(status.pruned_at)}")
    if advice and status.state not in (State.COMPLETED, State.CANCELLED):
        lines += wrapped(advice)
    return "\n".join(lines)
