"""`rollproof.host.listening`: listeners of hosted runs, plain and async."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorded import Recorder
from rollproof.events import Observed
from rollproof.fleet import Health, Instance
from rollproof.host.listening import Listening
from rollproof.journal import Turned
from rollproof.run import Run, new_run
from rollproof.states import State
from shared_host import charter, fast_folder

PAGE = Path(__file__).parent.parent / "docs" / "library.md"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with fast_folder() as folder:
        recorder = Recorder(folder)
        with recorder.journals:
            yield recorder


class Plain:
    """Notes each row and each state."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.states: list[State] = []

    def on_transition(self, event: str) -> None:
        self.rows.append(event)

    def on_enter_state(self, run: Run, target: object) -> None:
        self.states.append(target.value)  # type: ignore[attr-defined]  # the chart's state


class Slow(Plain):
    """Takes ever less time for a row, so that later ones would overtake."""

    def __init__(self) -> None:
        super().__init__()
        self.pause = 3.0

    async def on_transition(self, event: str) -> None:  # type: ignore[override]  # async, too
        self.pause /= 2
        await asyncio.sleep(self.pause)
        self.rows.append(event)


def rows_of(recorder: Recorder, name: str = "r1") -> list[str]:
    return [row for event in recorder.journal.events(name) for row in event.rows]


class TestHosted:
    """A listener hears of a hosted run what its journal says."""

    def test_every_row_in_order(self, recorder: Recorder) -> None:
        plain, slow = Plain(), Slow()
        recorder.upgrade(observers=[Listening(plain, slow)])
        assert plain.rows == slow.rows == rows_of(recorder)
        assert plain.states[0] is State.PRECHECKING
        assert plain.states[-1] is State.COMPLETED

    def test_many_runs(self, recorder: Recorder) -> None:
        plain = Plain()
        listening = Listening(plain)
        recorder.upgrade("r1", "web", observers=[listening])
        recorder.upgrade("r2", "db", observers=[listening])
        assert plain.rows == rows_of(recorder, "r1") + rows_of(recorder, "r2")

    def test_one_under_way_is_heard_from_here_on(self, recorder: Recorder) -> None:
        """N2: the host before died, and its listeners with it."""
        recorder.upgrade(until=lambda turned: turned.after.batches == 2)
        heard = len(rows_of(recorder))
        plain = Plain()
        recorder.upgrade(observers=[Listening(plain)])
        assert heard > 0
        assert plain.rows == rows_of(recorder)[heard:]

    def test_what_a_listener_raises_stops_nothing(
        self, recorder: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            async def on_enter_rolling_forward(self) -> None:
                raise RuntimeError("no bell")

        plain = Plain()
        recorder.upgrade(observers=[Listening(Broken(), plain)])
        assert plain.rows == rows_of(recorder)
        assert recorder.journal.run("r1").state is State.COMPLETED
        assert "no bell" in caplog.text


def test_a_late_report_is_not_told() -> None:
    """S13: after the end a fact changes nothing."""
    ended = new_run(charter())._replace(state=State.CANCELLED)
    seen = Observed(5, Instance(id="i", health=Health.HEALTHY))
    plain = Plain()
    asyncio.run(Listening(plain)(Turned(ended, seen, ended, (), ())))
    assert plain.rows == []


class TestThePage:
    """R4.3, R8, N2: a host, a provider and a listener of one's own, as the page shows them."""

    PROGRAM, PRINTED = (
        re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)[0]
        for language in ("python", "text")
    )

    def start(self, folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-W", "error", "-c", self.PROGRAM]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)

    def printed(self, folder: Path) -> str:
        with self.start(folder) as program:
            out, err = program.communicate(timeout=60)
        assert (program.returncode, err) == (0, "")
        return out

    def test_it_prints_what_it_says(self, tmp_path: Path) -> None:
        assert self.printed(tmp_path) == self.PRINTED
        assert self.printed(tmp_path) == "Completed\n"

    def test_it_goes_on_after_a_kill(self, tmp_path: Path) -> None:
        with self.start(tmp_path) as program:
            assert program.stdout is not None
            assert [program.stdout.readline() for _ in range(2)] == ["batch 1\n", "batch 2\n"]
            program.kill()
        assert self.printed(tmp_path).endswith("3 upgraded, 1 restored\nCompleted\n")
