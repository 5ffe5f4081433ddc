"""Bodies of `run`, `watch`, `pause`, `resume` and `cancel`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rollproof.cli.output import answer, exit_code, failures_json, line, status_json, tell
from rollproof.cli.program import INTERRUPTED, Options
from rollproof.cli.summary import summary
from rollproof.installation import Ended, Installation, Reasons

if TYPE_CHECKING:
    from rollproof.cli.live import Live
    from rollproof.cli.log import Log
    from rollproof.cli.stream import Stream

    Display = Live | Log | Stream


def run(options: Options, scale_set: str, to: str | None, rollback: bool | None) -> int:
    """Upgrade, showing it; the exit code tells how it ended."""
    return _shown(
        options,
        scale_set,
        lambda here, display: here.run(scale_set, to, rollback=rollback, audience=display),
    )


def rollback(options: Options, run_name: str, dry_run: bool) -> int:
    """Take a run back, showing it, or say what that would do."""
    if dry_run:
        from rollproof.cli.asking import plan_json, plan_text

        with Installation(options.place) as here:
            planned = here.plan_rollback(run_name)
        answer(options, plan_json(planned), plan_text(planned))
        return 0
    with Installation(options.place) as here:
        scale_set = here.set_of(run_name)
    return _shown(
        options, scale_set, lambda here, display: here.rollback(run_name, audience=display)
    )


def watch(options: Options, scale_set: str) -> int:
    """Look on."""
    return _shown(
        options, scale_set, lambda here, display: here.watch(scale_set, audience=display)
    )


def cancel(options: Options, scale_set: str, force: bool) -> int:
    """End the run; that it has ended is what was asked for, so the code is 0."""
    code = _shown(
        options,
        scale_set,
        lambda here, display: here.cancel(scale_set, force=force, audience=display),
    )
    return code if code > INTERRUPTED else 0


def pause(options: Options, scale_set: str) -> int:
    """Hold the run."""
    with Installation(options.place) as here:
        hosted = here.pause(scale_set)
    return _recorded(options, scale_set, "pause", hosted, "no further batch begins")


def resume(options: Options, scale_set: str) -> int:
    """Lift the hold."""
    with Installation(options.place) as here:
        hosted = here.resume(scale_set)
    return _recorded(options, scale_set, "resume", hosted, "batches go on")


def _recorded(options: Options, scale_set: str, what: str, hosted: bool, then: str) -> int:
    value = {"scale_set": scale_set, "recorded": what, "hosted": hosted}
    text = f"{scale_set}: {then}"
    if not hosted:
        text = (
            f"{scale_set}: recorded.  No process hosts the run now; it takes effect once "
            f"`rollproof run {scale_set}` goes on with it"
        )
    answer(options, value, text)
    return 0


def _shown(
    options: Options, scale_set: str, wait: Callable[[Installation, Display], Ended]
) -> int:
    """Wait for a run and show it; the exit code."""
    with Installation(options.place) as here:
        reasons = Reasons(here.scale_set(scale_set).health)
        display = _display(options, reasons)
        try:
            ended = wait(here, display)
        finally:
            display.close()
    _conclude(options, ended, reasons, display)
    if ended.interrupted is not None:
        return INTERRUPTED + ended.interrupted
    return exit_code(ended.status)


def _display(options: Options, reasons: Reasons) -> Display:
    if options.json:
        from rollproof.cli.stream import Stream

        return Stream(reasons)
    if sys.stdout.isatty():
        from rollproof.cli.live import Live

        return Live(reasons)
    from rollproof.cli.log import Log

    return Log(reasons)


def _conclude(options: Options, ended: Ended, reasons: Reasons, display: Display) -> None:
    status, failures = ended.status, display.failures()
    if options.json:
        value = {
            "kind": "status",
            **status_json(status),
            "stop": reasons.stop,
            "failures": failures_json(failures),
            "interrupted": ended.interrupted,
        }
        tell(line(value))
        return
    tell(summary(status, failures, reasons.stop))
    if ended.interrupted is not None and status.ended_at is None:
        name = status.scale_set
        tell(
            f"The run is not over, and nothing is lost.  Go on: rollproof run {name}\n"
            f"Or end it: rollproof cancel {name}"
        )
