"""`make demo` keeps what it announces, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rollproof.adapters.local.marks import bearing


def demo(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "rollproof.cli.demo"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left(folder: Path) -> tuple[list[Path], int]:
    """Files and processes."""
    return list(folder.iterdir()), len(list(bearing(folder)))


def test_goes_as_announced(tmp_path: Path) -> None:
    began = time.monotonic()
    with demo(tmp_path) as playing:
        output, _ = playing.communicate(timeout=60)
    assert playing.returncode == 0, output
    assert time.monotonic() - began < 40
    assert "NOT SO" not in output
    for fact in (
        "Completed: 11 upgraded, 1 failed",
        "the data disk has schema 3",
        "Faulted (too many of the upgraded instances are unhealthy): 2 failed",
        "this image is broken",
        "All went as announced",
    ):
        assert fact in output
    assert left(tmp_path) == ([], 0)


@pytest.mark.parametrize(
    ("number", "marker"),
    [
        pytest.param(signal.SIGINT, "$ rollproof image publish", id="int, publishing"),
        pytest.param(signal.SIGTERM, "$ rollproof local create", id="term, starting"),
        pytest.param(signal.SIGINT, "batch 2 of", id="int, running"),
    ],
)
def test_interrupted(tmp_path: Path, number: int, marker: str) -> None:
    """Wherever it is interrupted, everything is cleaned up."""
    with demo(tmp_path) as playing:
        assert playing.stdout is not None
        for line in playing.stdout:
            if (marker in line and "rollproof" in line) or line.find("batch 2 of") > 0:
                break
        playing.send_signal(number)
        rest, _ = playing.communicate(timeout=30)
    assert playing.returncode == 128 + number, rest
    assert left(tmp_path.resolve()) == ([], 0)
