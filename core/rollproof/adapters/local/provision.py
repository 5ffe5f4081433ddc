"""Provisioning: what runs once on a new OS disk, after its server was started (R1.2).

Like a machine that boots: the server comes up, then the custom-data script runs, then
the extensions in their order, each only after those it names have succeeded, all of
them after custom data. What became of each step is kept on the disk itself, so a disk
that is brought back brings its own result along; so is the end of what each step
wrote (`outputs`). A step that was under way when the controller died is ended and run
again.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from attrs import asdict, frozen

from rollproof.adapters.files import read_json, write_json
from rollproof.adapters.local import outputs
from rollproof.adapters.local.layout import Home
from rollproof.adapters.local.marks import STEP
from rollproof.adapters.local.process import end, spawn
from rollproof.fleet import ScaleSet, provisioning_order

RECORD = ".rollproof-provision.json"
MODEL = ".rollproof-model.json"  # what the disk was set up by, to be known as the latest (R2.3)
CUSTOM_DATA = "custom-data:"  # no extension's name has a colon
CUSTOM_DATA_TIMEOUT = 300.0  # seconds; as long as an extension has by default

OPEN, UNDER_WAY, SUCCEEDED = "open", "under way", "succeeded"
_UNFINISHED = (OPEN, UNDER_WAY)


@frozen
class Step:
    """One program to run on a new disk."""

    name: str
    """The extension's, or CUSTOM_DATA."""
    command: tuple[str, ...]
    """Program and arguments."""
    after: tuple[str, ...]
    """Steps that must have succeeded before."""
    timeout: float
    """Seconds it may take."""


def steps(scale_set: ScaleSet, folder: Path) -> tuple[Step, ...]:
    """What a scale set runs on a new disk, in order; its paths are relative to `folder`."""
    found = []
    if scale_set.custom_data is not None:
        script = str((folder / scale_set.custom_data).absolute())
        # A script that is not executable is the shell's.
        command = ("/bin/sh", "-c", 'if [ -x "$0" ]; then exec "$0"; fi; exec sh "$0"', script)
        found.append(Step(CUSTOM_DATA, command, (), CUSTOM_DATA_TIMEOUT))
    first = tuple(step.name for step in found)
    for extension in provisioning_order(scale_set.extensions):
        after = (*first, *extension.provision_after)
        timeout = extension.timeout.total_seconds()
        found.append(Step(extension.name, extension.command, after, timeout))
    return tuple(found)


@frozen
class Outcome:
    """What became of one step on one disk."""

    result: str
    """OPEN, UNDER_WAY, SUCCEEDED, or what went wrong."""
    exit_code: int | None = None
    """None when it did not run, or not to its end."""
    seconds: float | None = None
    """How long it ran."""

    @property
    def failed(self) -> bool:
        """Whether it will never succeed on this disk."""
        return self.result not in (SUCCEEDED, *_UNFINISHED)


def outcomes(disk: Path) -> dict[str, Outcome] | None:
    """What became of each step, in order; None when the disk was never provisioned."""
    found = read_json(disk / RECORD, None)
    return found and {name: Outcome(**outcome) for name, outcome in found.items()}


def provision(
    home: Home, disk: Path, todo: Iterable[Step], environment: Mapping[str, str]
) -> None:
    """Run the steps that this disk has not finished yet. A failed one is not repeated."""
    todo = tuple(todo)
    if not (disk / RECORD).exists():
        write_json(disk / MODEL, _spelled(todo))
    results = outcomes(disk) or {step.name: Outcome(OPEN) for step in todo}
    for step in todo:
        known = results.get(step.name)
        if known is None or known.result not in _UNFINISHED:  # newer than the disk, or done
            continue
        blocked = [name for name in step.after if not _succeeded(results.get(name))]
        if blocked:
            why = f"not run: {', '.join(blocked)} did not succeed"
            results[step.name] = Outcome(why)
        else:
            _end(home, step)
            _write(disk, {**results, step.name: Outcome(UNDER_WAY)})
            results[step.name] = _run(home, disk, step, environment)
        _write(disk, results)


def _succeeded(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.result == SUCCEEDED


def _write(disk: Path, results: Mapping[str, Outcome]) -> None:
    write_json(disk / RECORD, {name: asdict(outcome) for name, outcome in results.items()})


def set_up_by(disk: Path | None, todo: tuple[Step, ...]) -> bool:
    """Whether a disk was set up by these very steps (R2.3)."""
    return disk is not None and read_json(disk / MODEL, None) == _spelled(todo)


def _spelled(todo: tuple[Step, ...]) -> list[list[object]]:
    return [[step.name, [*step.command], [*step.after], step.timeout] for step in todo]


def _run(home: Home, disk: Path, step: Step, environment: Mapping[str, str]) -> Outcome:
    """Run one step to its end; what became of it."""
    output = outputs.fresh(disk, step.name)
    began = time.monotonic()
    process = spawn(home, step.command, disk, {**environment, STEP: step.name}, output)
    code = None
    while code is None and (left := began + step.timeout - time.monotonic()) > 0:
        with suppress(psutil.TimeoutExpired):
            code = process.wait(timeout=min(left, outputs.LOOK))
        outputs.bound(output)
    seconds = round(time.monotonic() - began, 3)
    if code is None:
        _end(home, step)
        result = f"failed: not done after {step.timeout:g} s"
    else:
        result = SUCCEEDED if code == 0 else f"failed: exit code {code}"
    outputs.bound(output, outputs.KEPT)
    return Outcome(result, code, seconds)


def _end(home: Home, step: Step) -> None:
    """End what still runs of the step, at once."""
    end(home.path, 0.0, lambda environment: environment.get(STEP) == step.name)


def provisioned(disk: Path | None, todo: tuple[Step, ...]) -> bool | None:
    """True when every step succeeded, False when one failed, None while that is open."""
    results = outcomes(disk) if disk is not None else None
    if results is None:
        # A disk that was to run nothing is done, whatever later models run (R2.3).
        model = read_json(disk / MODEL, None) if disk is not None else None
        return True if model == [] or not todo else None
    if any(outcome.failed for outcome in results.values()):
        return False
    return True if all(map(_succeeded, results.values())) else None
