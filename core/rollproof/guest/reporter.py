"""The reporter of a health extension: runs a check inside an instance and publishes what
it says (R5.2).

    python3 reporter.py --file /run/health-report.json -- check-app --quick
    python3 reporter.py --listen 0.0.0.0:9000 --interval 10 -- check-app --quick

The check exits with 0 for Healthy, with 75 ("try again later") for Initializing and with
anything else for Unhealthy; so does one that takes longer than its timeout. One that
cannot be started, exit codes 126 and 127 among it, is Unknown. The first line it prints
is the reason that people will read.

One file, the standard library alone, Python 3.8 or newer: copy it into an image and
start it there beside the application. What the options leave out is taken from the
environment, where rollproof's local fleets put it: ROLLPROOF_REPORT_FILE,
ROLLPROOF_REPORT_LISTEN, ROLLPROOF_REPORT_PATH and ROLLPROOF_REPORT_INTERVAL.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

LATER = 75  # EX_TEMPFAIL of sysexits.h
CANNOT_RUN = (126, 127)  # what a shell ends with that could not run the program
LONGEST_WHY = 160  # characters; nobody keeps more
OUTPUT = 4096  # bytes of a check's output that are looked at


def state_of(code: int) -> str:
    """The state that an exit code means."""
    if code in CANNOT_RUN:
        return "Unknown"
    return {0: "Healthy", LATER: "Initializing"}.get(code, "Unhealthy")


def check(command: list[str], timeout: float) -> tuple[str, str]:
    """Run the command once, and end all it started: the state, and the reason.

    Its output goes to a file: a child of it that lives on would keep a pipe open.
    """
    with tempfile.TemporaryFile() as output:
        try:
            running = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return "Unknown", f"{command[0]}: {error.strerror}"
        try:
            state, why = state_of(running.wait(timeout)), ""
        except subprocess.TimeoutExpired:
            state, why = "Unhealthy", f"the check took longer than {timeout:g} s"
        finally:
            end(running)
            code = running.wait()
        output.seek(0)
        lines = output.read(OUTPUT).decode("utf-8", "replace").split("\n")
    said = "".join(c if c.isprintable() else " " for c in lines[0]).strip()
    why = why or said
    if state != "Healthy":
        why = why or f"exit code {code}"
    return state, why[:LONGEST_WHY]


def end(running: subprocess.Popen[bytes]) -> None:
    """End the check and, where there are process groups, all that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(running.pid, signal.SIGKILL)
    else:  # Windows
        running.kill()


class Board:
    """The last report, and where it is published."""

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.publish("Initializing", "the first check has not ended")

    def publish(self, state: str, why: str) -> None:
        """Let everybody read this from now on."""
        with self._lock:
            self._state, self._why, self._since = state, why, time.monotonic()
        if self._file is not None:
            self._write({"state": state, "at": time.time(), "why": why}, self._file)

    def _write(self, report: dict[str, object], file: str) -> None:
        """By rename: a reader sees the old report or the new one."""
        os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
        fresh = f"{file}.new"
        with open(fresh, "w") as out:
            json.dump(report, out)
            out.write("\n")
        os.replace(fresh, file)

    def answer(self) -> bytes:
        """The report with its age, so that the reader's clock need not agree with ours."""
        with self._lock:
            state, why, since = self._state, self._why, self._since
        report = {"state": state, "age": time.monotonic() - since, "why": why}
        return (json.dumps(report) + "\n").encode()


class Server(socketserver.ThreadingTCPServer):
    """Answers whoever asks for the report."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], path: str, board: Board) -> None:
        self.path = path.encode()
        self.board = board
        super().__init__(address, Answer)


class Answer(socketserver.StreamRequestHandler):
    """One request per connection."""

    timeout = 5

    def handle(self) -> None:
        """Answer the path with the report, and any other with 404."""
        assert isinstance(self.server, Server)
        asked = self.rfile.readline(4096).split()[1:2]
        while self.rfile.readline(4096).strip():
            pass
        status, content = "404 Not Found", b""
        if asked == [self.server.path]:
            status, content = "200 OK", self.server.board.answer()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + content)


def report(board: Board, command: list[str], interval: float, timeout: float) -> None:
    """Check and publish for ever, in a rhythm that the time of a check does not shift.

    A file that cannot be written, for want of room perhaps, is written again later;
    meanwhile the old report grows stale, and says so to whoever reads it.
    """
    due = time.monotonic()
    while True:
        try:
            board.publish(*check(command, timeout))
        except OSError as error:
            sys.stderr.write(f"reporter: not published: {error}\n")
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """What was asked for, by options or by the environment."""
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="reporter.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--file", default=env("ROLLPROOF_REPORT_FILE"), help="write it here")
    parser.add_argument(
        "--listen",
        default=env("ROLLPROOF_REPORT_LISTEN"),
        metavar="HOST:PORT",
        help="answer HTTP here",
    )
    parser.add_argument("--path", default=env("ROLLPROOF_REPORT_PATH", "/report"))
    parser.add_argument(
        "--interval",
        type=float,
        default=float(env("ROLLPROOF_REPORT_INTERVAL", "5")),
        help="seconds between two checks (5)",
    )
    parser.add_argument("--timeout", type=float, help="longest check (the interval)")
    parser.add_argument("command", nargs="+", help="the check, after --")
    found = parser.parse_args(arguments)
    if found.file is None and found.listen is None:
        parser.error("say where to publish: --file or --listen")
    if found.interval <= 0:
        parser.error("--interval must be more than 0")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Publish until a signal ends the process."""
    asked = options(arguments)
    board = Board(asked.file)
    if asked.listen is not None:
        host, _, port = asked.listen.rpartition(":")
        server = Server((host.strip("[]"), int(port)), asked.path, board)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    report(board, asked.command, asked.interval, asked.timeout or asked.interval)


if __name__ == "__main__":
    main()
