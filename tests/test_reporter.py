"""rollproof.guest.reporter: from a check inside the guest to a report (R5.2)."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ground import eventually
from rollproof.adapters.probe import Prober
from rollproof.guest import reporter
from rollproof.health import Health, HealthExtension
from rollproof.reports import LONGEST_WHY, Report, read_report

HOST = "127.0.0.1"
LONG = 60.0  # seconds; nothing here is meant to last so long


def sh(script: str, timeout: float = LONG) -> tuple[str, str]:
    return reporter.check(["/bin/sh", "-c", script], timeout)


class TestCheck:
    """What the exit code of a check means."""

    @pytest.mark.parametrize(
        ("script", "state", "why"),
        [
            ("exit 0", "Healthy", ""),
            ("echo all is well", "Healthy", "all is well"),
            ("exit 1", "Unhealthy", "exit code 1"),
            ("echo queue is full; echo more; exit 3", "Unhealthy", "queue is full"),
            ("echo oops >&2; exit 1", "Unhealthy", "oops"),
            ("echo warming up; exit 75", "Initializing", "warming up"),
            ("exit 126", "Unknown", "exit code 126"),
            ("no-such-program", "Unknown", ""),
            ("kill -9 $$", "Unhealthy", "exit code -9"),
        ],
    )
    def test_states(self, script: str, state: str, why: str) -> None:
        found = sh(script)
        assert found[0] == state
        assert found[1].startswith(why)

    def test_a_program_that_is_not_there(self) -> None:
        state, why = reporter.check(["/no/such/check"], LONG)
        assert (state, why) == ("Unknown", "/no/such/check: No such file or directory")

    def test_one_that_hangs_is_ended_with_all_it_started(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        state, why = sh(f"sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait", 0.5)
        assert (state, why) == ("Unhealthy", "the check took longer than 0.5 s")
        for pid in map(int, pids.read_text().split()):
            eventually(lambda pid=pid: not alive(pid))

    def test_a_child_that_stays_is_ended_and_not_waited_for(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        assert sh(f"sleep 1000 & echo $! > {pids}")[0] == "Healthy"
        eventually(lambda: not alive(int(pids.read_text())))

    def test_the_reason_is_one_short_line(self) -> None:
        _, why = sh("printf '\\033[2Jx%01000d\\n' 5; exit 1")
        assert why.isprintable()
        assert len(why) == LONGEST_WHY == reporter.LONGEST_WHY


def alive(pid: int) -> bool:
    """Whether it runs; what nobody waits for any more may stay a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class TestOptions:
    def test_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As a local fleet tells them."""
        monkeypatch.setenv("ROLLPROOF_REPORT_FILE", "run/report")
        monkeypatch.setenv("ROLLPROOF_REPORT_INTERVAL", "7.5")
        found = reporter.options(["--", "check", "--deep"])
        assert (found.file, found.listen, found.path) == ("run/report", None, "/report")
        assert (found.interval, found.command) == (7.5, ["check", "--deep"])

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--", "check"], "--file or --listen"),
            (["--file", "f"], "command"),
            (["--file", "f", "--interval", "0", "check"], "more than 0"),
        ],
    )
    def test_wrong_use(
        self, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            reporter.options(arguments)
        assert why in capsys.readouterr().err


@contextmanager
def reporting(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The reporter as a guest runs it: a copy, by itself, and nothing else installed."""
    copy = folder / "reporter.py"
    copy.write_bytes(Path(reporter.__file__).read_bytes())
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(copy), *arguments], cwd=folder
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def now() -> int:
    return time.time_ns() // 1_000_000


class TestPublishing:
    """R5.2: over HTTP or as a file, by itself in the guest."""

    def test_a_file_is_renewed(self, tmp_path: Path) -> None:
        file, flag = tmp_path / "run" / "report", tmp_path / "flag"
        check = f"if [ -e {flag} ]; then echo broken; exit 1; fi"

        def report() -> Report | None:
            return read_report(file.read_bytes(), now()) if file.exists() else None

        def reported(state: Health) -> bool:
            found = report()
            return found is not None and found.state is state

        with reporting(
            tmp_path, "--file", str(file), "--interval", "0.05", "--", "sh", "-c", check
        ):
            eventually(lambda: reported(Health.HEALTHY))
            first = report()
            assert first is not None
            assert abs(now() - first.at) < 60_000
            eventually(lambda: (found := report()) is not None and found.at > first.at)
            flag.touch()
            eventually(lambda: reported(Health.UNHEALTHY))
            found = report()
            assert found is not None
            assert found.why == "broken"

    def test_before_the_first_check_has_ended(self, tmp_path: Path) -> None:
        """R5.3: initializing means wait."""
        file = tmp_path / "report"
        with reporting(tmp_path, "--file", str(file), "--", "sleep", "1000"):
            eventually(file.exists)
            assert json.loads(file.read_text())["state"] == "Initializing"

    def test_over_http(self, tmp_path: Path) -> None:
        with socket.create_server((HOST, 0)) as listener:
            port: int = listener.getsockname()[1]
        source = HealthExtension(port=port, path="/well")
        elsewhere = HealthExtension(port=port, path="/report")

        def asked(source: HealthExtension) -> Report | None:
            return asyncio.run(Prober(source).report(HOST))

        with reporting(
            tmp_path, *("--listen", f"{HOST}:{port}", "--path", "/well", "--interval", "60"),
            *("--", "sh", "-c", "echo no queue; exit 1"),
        ):  # fmt: skip
            eventually(
                lambda: (
                    (found := asked(source)) is not None
                    and (found.state, found.why) == (Health.UNHEALTHY, "no queue")
                )
            )
            assert asked(elsewhere) is None
            first, then = asked(source), asked(source)
            assert first is not None
            assert then is not None
            assert abs(then.at - first.at) < 1_000, "its age grows; when it was made does not"

    def test_no_reader_sees_half_a_report(self, tmp_path: Path) -> None:
        board = reporter.Board(str(tmp_path / "report"))
        for number in range(50):
            board.publish("Healthy", "x" * number)
            assert read_report((tmp_path / "report").read_bytes(), now()) is not None
        assert os.listdir(tmp_path) == ["report"]

    def test_a_file_that_cannot_be_written_is_written_later(self, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        file = folder / "report"
        with reporting(tmp_path, "--file", str(file), "--interval", "0.05", "--", "true"):
            eventually(lambda: file.exists() and "Healthy" in file.read_text())
            file.unlink()
            file.mkdir()  # it cannot be replaced now
            (file / "in-the-way").touch()
            time.sleep(0.2)
            (file / "in-the-way").unlink()
            file.rmdir()
            eventually(lambda: file.is_file() and "Healthy" in file.read_text())

    def test_as_a_module(self) -> None:
        shown = subprocess.run(
            [sys.executable, "-m", "rollproof.guest.reporter", "--help"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "--listen" in shown.stdout

    def test_stands_alone(self) -> None:
        """So that the one file can be copied into any guest."""
        text = Path(reporter.__file__).read_text("utf-8")
        assert "import rollproof" not in text
        assert "from rollproof" not in text

    def test_a_check_that_hangs_is_reported_at_every_interval(self, tmp_path: Path) -> None:
        """It is ended in time, so that the report does not grow stale."""
        file = tmp_path / "report"
        with reporting(
            tmp_path, *("--file", str(file), "--interval", "0.2", "--", "sleep", "1000")
        ):
            eventually(lambda: file.exists() and "took longer" in file.read_text())
            first = json.loads(file.read_text())
            assert first["state"] == "Unhealthy"
            eventually(lambda: json.loads(file.read_text())["at"] > first["at"])
