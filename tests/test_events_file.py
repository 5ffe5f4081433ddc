"""Events appended to a file, which anybody may rotate (R7.1)."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from recorded import Recorder, recorder
from rollproof.installation.observing.events_file import EventsFile
from rollproof.installation.observing.tap import Told
from shared_host import fast_folder


@pytest.fixture
def scene() -> Iterator[Recorder]:
    with fast_folder() as folder, recorder(folder) as made:
        yield made


@pytest.fixture
def told(scene: Recorder) -> Sequence[Told]:
    tap = scene.tap()
    scene.upgrade()
    return list(tap.news())


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text("ascii").splitlines()]


def test_a_line_for_each_event(scene: Recorder, told: Sequence[Told], tmp_path: Path) -> None:
    """Appended to what is there; the folder is made."""
    path = tmp_path / "log" / "events.jsonl"
    for part in (told[:3], told[3:]):
        outlet = EventsFile(path)
        outlet.opens()
        outlet.takes(part, ())
        outlet.close()
    assert ids(path) == scene.ids("r1")
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("way", ["renamed", "removed", "replaced"])
def test_rotated_by_anybody(
    scene: Recorder, told: Sequence[Told], tmp_path: Path, way: str
) -> None:
    """The next line goes to the file that bears the name then; no line is lost."""
    path, old = tmp_path / "events.jsonl", tmp_path / "events.1"
    outlet = EventsFile(path)
    outlet.opens()
    outlet.takes(told[:3], ())
    before = ids(path)
    if way == "removed":
        path.unlink()
    else:
        path.rename(old)
    if way == "replaced":
        path.touch()
    outlet.takes(told[3:], ())
    outlet.close()
    assert before + ids(path) == scene.ids("r1")
    if way != "removed":
        assert ids(old) == before


def test_past_events_are_not_written(told: Sequence[Told], tmp_path: Path) -> None:

    past = [attrs.evolve(t, happening=attrs.evolve(t.happening, past=True)) for t in told]
    outlet = EventsFile(tmp_path / "events.jsonl")
    outlet.takes(past, ())
    assert not (tmp_path / "events.jsonl").exists()


def test_a_full_disk_leaves_no_half_a_line(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    path = tmp_path / "events.jsonl"
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from rollproof.installation.observing.events_file import EventsFile\n"
        "from rollproof.installation.observing.lines import Dropped\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))\n"
        "outlet = EventsFile(Path(sys.argv[1]))\n"
        "outlet.takes((), [Dropped('r1', 'web', 1, 2)])\n"
        "try:\n"
        "    outlet.takes((), [Dropped('r1', 'web', 3, 4)])\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == errno.ENOSPC
    assert ids(path) == ["r1/1-2"]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=os.strerror(errno.EEXIST)):
        EventsFile(tmp_path / "file" / "events.jsonl").opens()
