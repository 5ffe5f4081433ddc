"""What provisioning did to an instance, told by its disks, those that are gone included."""

from pathlib import Path

from attrs import frozen

from rollproof.adapters.diagnosis import printable
from rollproof.adapters.files import pointed
from rollproof.adapters.local import outputs
from rollproof.adapters.local.disks import stamp
from rollproof.adapters.local.layout import Home
from rollproof.adapters.local.provision import Outcome, outcomes


@frozen
class StepLog:
    """One step on one disk."""

    step: str
    """The extension's name, or `custom-data:`."""
    outcome: Outcome
    """What became of it."""
    output: str
    """The end of what it wrote."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.step.removesuffix(":")

    @property
    def last_line(self) -> str:
        """The last line it wrote that holds anything."""
        lines = [line.strip() for line in self.output.splitlines()]
        return next((line for line in reversed(lines) if line), "")

    @property
    def words(self) -> str:
        """What became of it, and the last it said."""
        said = printable(self.last_line)
        return f"{self.name} {self.outcome.result}" + (f": {said}" if said else "")


@frozen
class DiskLog:
    """One OS disk."""

    disk: str
    """Its name."""
    version: str | None
    """Image version it was made from."""
    place: str
    """current, previous or removed."""
    steps: tuple[StepLog, ...]
    """In the order they ran in."""


def logs(home: Home) -> tuple[DiskLog, ...]:
    """The current disk, the previous one, and those that are gone, the last one first."""
    current, previous = pointed(home.os), pointed(home.previous)
    found = [_log(current, "current")] if current else []
    if previous and previous != current:
        found.append(_log(previous, "previous"))
    known = {log.disk for log in found}
    graves = sorted(home.past.glob("os-*"), key=lambda path: -path.stat().st_mtime)
    return (*found, *(_log(grave, "removed") for grave in graves if grave.name not in known))


def _log(disk: Path, place: str) -> DiskLog:
    mark = stamp(disk)
    steps = tuple(
        StepLog(step, outcome, outputs.read(disk, step))
        for step, outcome in (outcomes(disk) or {}).items()
    )
    return DiskLog(disk.name, mark.version if mark else None, place, steps)


def failed_step(home: Home) -> StepLog | None:
    """The step on the current disk that failed first; None when none did."""
    current = pointed(home.os)
    steps = _log(current, "current").steps if current else ()
    return next((log for log in steps if log.outcome.failed), None)
