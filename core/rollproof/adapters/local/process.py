"""The processes of an instance: start one, find it again, end them all.

A server must stay in the foreground and in the session it is started in. Its id and
create time are noted after the intent to start it; what is found under that id is
taken for it only when both agree, or when it bears the instance's mark.

An adopted process is nobody's child here: it can be watched, not waited for.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from rollproof.adapters.files import read_json, write_json
from rollproof.adapters.local.layout import Home
from rollproof.adapters.local.marks import MARK, STEP, Environment, any_at_all, bearing, runs

POLL = 0.003  # seconds between two looks at a process that is expected to end
CLOCK_STEP = 1.0  # seconds a create time may seem to differ while the clock is slewed
EXEC_GAP = 0.05  # seconds by which a spawned process surely bears its own environment
KILL_WAIT = 5.0  # seconds a process may take to die of SIGKILL
DEAF = {signal.SIGPIPE, signal.SIGXFSZ}  # Python ignores these; its children must not


def spawn(
    home: Home,
    argv: Sequence[str],
    folder: Path,
    environment: Environment,
    output: Path | None = None,
) -> psutil.Process:
    """Start a process of the instance in a session of its own, writing to the end of the
    output, by default the console.

    The shell enters the folder and becomes the program, keeping its process id; a
    program that cannot be executed thus leaves its reason there and exits with 126 or
    127.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv],
        {**os.environ, **environment, MARK: str(home.path)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(output or home.console), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=DEAF,
    )
    return psutil.Process(pid)


def _runs_or_reaped(process: psutil.Process) -> bool:
    """Whether it runs; a dead child of ours, for which nobody waits, is reaped."""
    if runs(process):
        return True
    with suppress(psutil.NoSuchProcess, ChildProcessError):
        if process.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(process.pid, os.WNOHANG)
    return False


def start(home: Home, folder: Path, environment: Environment) -> None:
    """Start `bin/start` of the folder as the instance's server; none may be running."""
    write_json(home.process, None)  # the intent: from here on a process may exist
    with suppress(psutil.NoSuchProcess):  # ended already
        process = spawn(home, ["bin/start"], folder, environment)
        record(home, process)


def record(home: Home, process: psutil.Process) -> None:
    """Note the process as the instance's server."""
    write_json(home.process, [process.pid, process.create_time()])


def server(home: Home) -> psutil.Process | None:
    """The running server, ours or adopted; None when there is none."""
    noted = read_json(home.process, ())
    if noted == ():
        return None
    if noted is not None:
        pid, created = noted
        try:
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < CLOCK_STEP:
                return process if _runs_or_reaped(process) else None
        except psutil.NoSuchProcess:
            return None
        # Another process has the id by now, or the clock was set: the mark decides.
    return _oldest(home) or (_oldest(home, EXEC_GAP) if noted is None else None)


def _oldest(home: Home, wait: float = 0.0) -> psutil.Process | None:
    """The oldest process of the instance that no script started is its server."""
    time.sleep(wait)
    found = bearing(home.path, lambda environment: STEP not in environment)
    return min(found, key=psutil.Process.create_time, default=None)


def end(
    folder: Path,
    grace: float,
    which: Callable[[Environment], bool] = any_at_all,
) -> None:
    """End every process of the instance, or of all instances beneath the folder.

    SIGTERM, after `grace` seconds SIGKILL, each to the process's group too, and again
    until none is left. Raises TimeoutError when one will not die.
    """
    signals = [signal.SIGTERM] if grace else []
    for number in (*signals, signal.SIGKILL, signal.SIGKILL):
        processes = list(bearing(folder, which))
        if not processes:
            return
        _signal({process.pid for process in processes}, number)
        deadline = time.monotonic() + (grace if number == signal.SIGTERM else KILL_WAIT)
        while time.monotonic() < deadline:
            processes = [process for process in processes if _runs_or_reaped(process)]
            if not processes:
                break
            time.sleep(POLL)
    if left := [process.pid for process in bearing(folder, which)]:
        raise TimeoutError(f"processes {left} survive SIGKILL")


def power_off(home: Home, grace: float) -> None:
    """End the instance. Raises TimeoutError.

    Its server is forgotten first: one that was told to end may answer for a while, and
    after a crash in that while it must not be taken for a server that runs.
    """
    home.process.unlink(missing_ok=True)
    end(home.path, grace)


def _signal(pids: set[int], number: signal.Signals) -> None:
    """Signal each process once, and with a group's leader its whole group."""
    for pid in pids:
        with suppress(ProcessLookupError):
            group = os.getpgid(pid)
            if group == pid:
                os.killpg(group, number)
            elif group not in pids:
                os.kill(pid, number)
