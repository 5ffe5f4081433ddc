"""Bodies of `local logs` and `local gc`."""

from __future__ import annotations

import click

from rollproof.adapters.local import DiskLog, StepLog
from rollproof.cli.output import answer
from rollproof.cli.program import Options
from rollproof.installation import Installation


def logs(options: Options, scale_set: str, instance: str, step: str | None) -> int:
    """Show what provisioning did."""
    with Installation(options.place) as here:
        disks = here.logs_local(scale_set, instance, step)
    value = {
        "scale_set": scale_set,
        "instance": instance,
        "disks": [
            {
                "disk": disk.disk,
                "version": disk.version,
                "place": disk.place,
                "steps": [
                    {
                        "step": each.step,
                        "result": each.outcome.result,
                        "exit_code": each.outcome.exit_code,
                        "seconds": each.outcome.seconds,
                        "output": each.output,
                    }
                    for each in disk.steps
                ],
            }
            for disk in disks
        ],
    }
    answer(options, value, "\n".join(_disk(each, whole=step is not None) for each in disks))
    return 0


def _disk(disk: DiskLog, *, whole: bool) -> str:
    """A disk with its steps: the last line of each, or all that was kept."""
    lines = [f"{disk.disk} ({disk.place}), {disk.version or 'of no known version'}"]
    if not disk.steps:
        lines.append("  nothing ran")
    for each in disk.steps:
        lines.append(f"  {_outcome(each)}")
        said = each.output.splitlines() if whole else [each.last_line]
        lines += [f"    {_clean(line)}" for line in said if line]
    return "\n".join(lines)


def _outcome(log: StepLog) -> str:
    took = "" if log.outcome.seconds is None else f" after {log.outcome.seconds:g} s"
    return f"{log.name}: {log.outcome.result}{took}"


def _clean(line: str) -> str:
    """Without what would command a terminal; --json gives it as it is."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in click.unstyle(line))


def gc(options: Options, scale_set: str | None) -> int:
    """Remove what was kept long enough."""
    with Installation(options.place) as here:
        swept = here.gc_local(scale_set)
    removed = [
        {
            "scale_set": name,
            "instance": each.instance,
            "disk": each.disk,
            "version": each.version,
        }
        for name, disks in swept.items()
        for each in disks
    ]
    lines = [
        f"{name}: instance {each.instance}: {each} removed"
        for name, disks in swept.items()
        for each in disks
    ]
    empty = "no previous disk was kept long enough (timeouts.keep_previous_disk)"
    answer(options, {"sets": list(swept), "removed": removed}, "\n".join(lines) or empty)
    return 0
