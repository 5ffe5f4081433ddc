"""Answers: JSON for programs, text for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click

from rollproof.cli.program import Options
from rollproof.errors import ExitCode
from rollproof.installation.observing import lines
from rollproof.installation.reasons import Failure
from rollproof.states import Cause, State
from rollproof.status import RunStatus

instant: Final = lines.instant
"""A time as every answer spells it."""


def answer(options: Options, value: Any, text: str) -> None:
    """Print the value as one JSON document, or else the text."""
    try:
        click.echo(json.dumps(value, indent=1) if options.json else text)
    except BrokenPipeError:  # the reader has gone: the exit code still is the answer's
        _silence()


def line(value: Any) -> str:
    """The value as one line of JSON."""
    return json.dumps(value, separators=(",", ":"))


def tell(text: str) -> bool:
    """Print what goes on, at once; False when that could not be written, and from then on
    nothing is.  It goes on all the same: an upgrade is not stopped by a reader who has
    gone, or by a log that fills a disk."""
    try:
        click.echo(text)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            click.echo(f"rollproof: nothing more is shown: {error.strerror}", err=True)
        _silence()
        return False
    return True


def _silence() -> None:
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def exit_code(status: RunStatus) -> ExitCode:
    """What a command ends with that waited for this run."""
    if status.state is State.CANCELLED:
        return ExitCode.STOPPED if status.cause.is_fault else ExitCode.CANCELLED
    return ExitCode.COMPLETED


def local_time(at: int) -> str:
    """Date and time on the clock of whoever reads it."""
    return f"{datetime.fromtimestamp(at / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def clock(milliseconds: int) -> str:
    """A span of time as a clock shows it: 0:07, 12:30, 1:02:30."""
    minutes, seconds = divmod(max(0, milliseconds) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def status_json(status: RunStatus) -> dict[str, Any]:
    """The status of a run; the names are a promise (docs/command-line.md)."""
    progress, rollback = status.progress, status.rollback_info
    return {
        "run": status.run,
        "scale_set": status.scale_set,
        "state": status.state.value,
        "running_status": status.running_status.value,
        "cause": cause_name(status.cause),
        "cause_text": status.cause_text,
        "held": status.held,
        "shut": status.shut,
        "deferred": status.deferred,
        "started_by": status.started_by.value,
        "target": status.target,
        "undoes": status.undoes or None,
        "target_image": image_json(status.image, status.target),
        "started_at": instant(status.started_at),
        "last_action": status.last_action.value,
        "last_action_at": instant(status.last_action_at),
        "ended_at": instant(status.ended_at),
        "batches": status.batches,
        "progress": {
            "successful": progress.successful,
            "failed": progress.failed,
            "in_progress": progress.in_progress,
            "pending": progress.pending,
            "skipped": progress.skipped,
        },
        "rollback_info": {
            "successfully_rolledback": rollback.successfully_rolledback,
            "failed_rolledback": rollback.failed_rolledback,
            "error": rollback.error,
        },
        "error": status.error,
        "pruned_at": instant(status.pruned_at),
    }


def image_json(image: str, version: str) -> dict[str, str]:
    """A version of an image, in the form in which the image is named (R7.1)."""
    parts = image.split("~")  # as `ImageReference.name` joins the platform's three
    names = ("publisher", "offer", "sku") if len(parts) == 3 else ("image",)
    return {**dict(zip(names, parts, strict=True)), "version": version}


def failures_json(failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """The failures of a run."""
    return [
        {
            "instance": each.instance,
            "at": instant(each.at),
            "why": each.why,
            "outcome": each.outcome,
        }
        for each in failures
    ]


def cause_name(cause: Cause) -> str:
    """The cause as JSON spells it: none, user, fleet_unhealthy..."""
    return cause.name.lower()


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns, two spaces apart; the last may be of any width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
