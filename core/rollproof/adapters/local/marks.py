"""Finding the processes of an instance by the mark in their environment.

Every process of an instance bears the instance's folder in its environment and passes
that mark on to its children: workers, scripts, and whatever a controller left behind
that was killed between a spawn and its record.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "ROLLPROOF_HOME"  # environment variable naming the instance's folder
STEP = "ROLLPROOF_STEP"  # environment variable naming the step that a script belongs to
EXEC_LOOKS = 4  # times to look at a process whose environment reads empty
EXEC_TIME = 0.003  # seconds between two such looks; becoming a program takes far less

Environment = Mapping[str, str]


def runs(process: psutil.Process) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.is_running())
    except psutil.NoSuchProcess:
        return False


def _raw_environment(pid: int) -> bytes:
    """What the process was started with; empty when it is gone, or not ours to read.

    Read from /proc: psutil would first read the whole status, seven times slower.
    """
    found = b""
    with suppress(OSError):
        for _ in range(EXEC_LOOKS):
            with open(f"/proc/{pid}/environ", "rb") as file:
                if found := file.read():
                    break
            # Empty: a dead process, or a thread of the kernel, and neither has a program;
            # or one that is just about to become another program. It cannot be missed.
            os.readlink(f"/proc/{pid}/exe")
            time.sleep(EXEC_TIME)
    return found


def _environment(pid: int, folder: Path) -> Environment:
    """The environment of a process marked with the folder or one beneath; else empty."""
    found = _raw_environment(pid)
    if f"{MARK}={folder}".encode(errors="surrogateescape") not in found:
        return {}
    pairs = (line.partition("=") for line in os.fsdecode(found).split("\0"))
    environment = {name: value for name, _, value in pairs}
    return environment if Path(environment.get(MARK, "")).is_relative_to(folder) else {}


def any_at_all(environment: Environment) -> bool:
    """Every process, whatever it was started with."""
    return True


def bearing(
    folder: Path, which: Callable[[Environment], bool] = any_at_all
) -> Iterator[psutil.Process]:
    """Live processes marked with this folder or one beneath it."""
    for pid in psutil.pids():
        environment = _environment(pid, folder)
        if environment and which(environment):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if pid != os.getpid() and runs(process):
                    yield process
