"""The command line: its verbs, its JSON, its exit codes, its pictures (R7.1, R7.3)."""

import importlib
import io
import json
import os
import pty
import re
import resource
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from ground import Ground, eventually
from rollproof.charter import draw_up
from rollproof.cli.main import cli
from rollproof.cli.output import clock, instant
from rollproof.cli.phases import LOOKS
from rollproof.cli.scene import Scene, draw
from rollproof.counts import PHASES
from rollproof.document import load_path
from rollproof.events import Observed, Pause, Replaced, Start, Surveyed
from rollproof.fleet import Health, Instance, ScaleSet
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation import Failure, Installation
from rollproof.run import Run, new_run
from rollproof.step import step

DOCS = Path(__file__).parents[1] / "docs" / "command-line.md"
STATUS_KEYS = {
    *("run", "scale_set", "state", "running_status", "cause", "cause_text", "held"),
    *("shut", "deferred", "undoes"),
    *("started_by", "target", "started_at", "last_action_at", "ended_at", "batches"),
    *("progress", "rollback_info", "error", "target_image", "last_action", "pruned_at"),
    *("shut", "deferred", "undoes"),
}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *arguments])


class TestHelp:
    def test_starts_fast(self) -> None:
        """Under 0.3 s of processor time, and nothing slow is imported."""
        times, shown = [], None
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            shown = subprocess.run(
                [sys.executable, "-X", "importtime", "-m", "rollproof", "--help"],
                capture_output=True,
                text=True,
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert min(times) < 0.3
        assert shown is not None
        imported = set(re.findall(r"\| +([\w.]+)$", shown.stderr, re.MULTILINE))
        slow = {"rich", "httpx", "cattrs", "asyncio", "sqlite3", "psutil", "statemachine"}
        assert not imported & slow
        assert "rollproof.host" not in imported

    def test_names_every_verb(self) -> None:
        shown = CliRunner().invoke(cli, ["--help"]).output
        for verb in ("init", "apply", "plan", "run", "status", "watch", "history", "pause"):
            assert f"\n  {verb} " in shown
        assert max(map(len, shown.splitlines())) <= 80

    @pytest.mark.parametrize("verb", sorted(cli.commands))
    def test_every_verb_is_documented_and_takes_the_common_options(self, verb: str) -> None:
        shown = CliRunner().invoke(cli, [verb, "--help"])
        assert shown.exit_code == 0
        assert f"`rollproof {verb} " in DOCS.read_text("utf-8")
        if verb not in ("image", "local"):
            assert "--home" in shown.output
            assert "--json" in shown.output

    def test_python_m(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["rollproof", "--version"])
        with pytest.raises(SystemExit) as left:
            runpy.run_module("rollproof", run_name="__main__")
        assert left.value.code == 0
        importlib.import_module("rollproof.__main__")  # which by itself does nothing
        monkeypatch.delitem(sys.modules, "rollproof.__main__")


class TestDeclaring:
    def test_init_writes_what_apply_takes(self, tmp_path: Path) -> None:
        file = tmp_path / "set.toml"
        assert invoke(tmp_path, "init", str(file), "--name", "db").exit_code == 0
        assert load_path(file).name == "db"
        applied = invoke(tmp_path / "home", "apply", str(file), "--json")
        assert json.loads(applied.output)["applied"]["name"] == "db"

    def test_apply_takes_a_template_and_a_part_of_one(self, tmp_path: Path) -> None:
        """R2.4: the examples of the docs, and what of them was ignored."""
        page = (Path(__file__).parents[1] / "docs/template.md").read_text("utf-8")
        whole, part = (block.partition("```")[0] for block in page.split("```json\n")[1:])
        file, home = tmp_path / "web.json", tmp_path / "home"
        file.write_text(whole)
        shown = invoke(home, "apply", str(file)).output.splitlines()
        assert shown[0] == (
            "applied web: image Canonical~UbuntuServer~18.04-LTS, batches of at most 10 %"
        )
        assert shown[1] == "ignored, for they change no upgrade:"
        assert max(map(len, shown)) <= 80
        told = json.loads(invoke(home, "apply", str(file), "--json").output)
        (ignored,) = told["ignored"]
        assert "".join(line.strip() for line in shown[2:]) == ignored
        file.write_text(part)
        refused = invoke(home, "apply", str(file))
        assert refused.exit_code == 2
        assert "--onto" in refused.output
        edited = json.loads(invoke(home, "apply", str(file), "--onto", "web", "--json").output)
        policy = edited["applied"]["upgrade_policy"]
        assert policy["automatic_os_upgrade_policy"]["enable_automatic_os_upgrade"] is False
        assert policy["rolling_upgrade_policy"]["max_batch_instance_percent"] == 10
        assert edited["ignored"] == []

    def test_init_overwrites_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "set.toml"
        file.write_text("precious")
        refused = invoke(tmp_path, "init", str(file))
        assert refused.exit_code == 2
        assert "It was left as it is" in " ".join(refused.output.split())
        assert file.read_text() == "precious"

    def test_options_before_and_after_the_verb(self, ground: Ground) -> None:
        ground.publish()
        home = str(ground.home)
        before = CliRunner().invoke(cli, ["--json", "--home", home, "image", "list"])
        after = CliRunner().invoke(cli, ["image", "list", "--home", home, "--json"])
        named = CliRunner().invoke(
            cli, ["image", "list", "web-os", "--json"], env={"ROLLPROOF_HOME": home}
        )
        assert before.output == after.output == named.output
        (listed,) = json.loads(before.output)["images"]
        assert listed["image"] == "web-os"
        assert listed["versions"] == ["1.0.0", "1.1.0", "1.2.0"]
        assert listed["latest"] == "1.2.0"

    def test_an_empty_home_says_what_to_do(self, tmp_path: Path) -> None:
        assert "rollproof image publish" in invoke(tmp_path, "image", "list").output
        assert "rollproof local create" in invoke(tmp_path, "local", "list").output


class TestWholeStory:
    """From nothing to a history, by the real program (R7.1, R7.3)."""

    def test_it(self, ground: Ground) -> None:
        ground.publish()
        document = ground.document(batch=34)
        ground.rollproof("apply", str(document))
        created = ground.rollproof(
            *("local", "create", "web", "--instances", "6", "--version", "1.0.0", "--json")
        ).json
        assert created["healthy"] == len(created["instances"]) == 6
        listed = ground.rollproof("local", "list", "--json").json["fleets"][0]["instances"]
        assert {each["version"] for each in listed} == {"1.0.0"}
        assert ground.rollproof("status", "web", "--json").json["run"] is None
        ground.spoil("5")

        planned = ground.rollproof("plan", "web", "--to", "1.1.0", "--json").json
        assert planned["outlook"] == "starts"
        assert len(planned["batches"]) == 6

        lines = ground.rollproof(
            *("run", "web", "--to", "1.1.0", "--rollback", "--json"), code=0
        ).lines
        events = [line for line in lines if line["kind"] == "event"]
        assert events[0]["transitions"][:1] == ["start"]
        assert events[-1]["transitions"][-1] == "complete"
        assert lines[-1]["kind"] == "status"
        assert lines[-1]["progress"]["failed"] == 1
        assert "503 instead of 200" in lines[-1]["failures"][0]["why"]

        stopped = ground.rollproof("run", "web", code=4)
        assert "Faulted (too many of the upgraded instances are unhealthy)" in stopped.out
        assert "keeps the new disk" in stopped.out

        status = ground.rollproof("status", "web", "--json").json
        assert status.keys() == STATUS_KEYS | {"stop", "failures", "instances"}
        assert status["cause"] == "upgraded_unhealthy"
        assert status["started_by"] == "User"
        text = ground.rollproof("status", "web").out
        assert "not touched" in text
        assert max(map(len, text.splitlines())) <= 80

        history = ground.rollproof("history", "web", "--all", "--json").json["runs"]
        assert [run["target"] for run in history] == ["1.2.0", "1.1.0"]
        assert set(history[0]) == STATUS_KEYS
        assert max(map(len, ground.rollproof("history", "web").out.splitlines())) <= 80
        ground.rollproof("status", "web.1")
        ground.rollproof("local", "destroy", "web")
        assert ground.pids() == set()


class TestStopping:
    """Signals, cancel, and their exit codes (R4.9, N6)."""

    def test_signal_cancel_and_codes(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(3, zones=0, pause="PT30S")
        with ground.running("run", "web", "--to", "1.1.0") as first:
            with Installation(ground.home) as here:
                eventually(lambda: (s := here.status("web")) is not None and s.batches == 1)
                eventually(
                    lambda: (s := here.status("web")) is not None and s.progress.successful
                )
            first.send_signal(signal.SIGTERM)
            output, _ = first.communicate(timeout=20)
        assert first.returncode == 128 + signal.SIGTERM
        assert "Go on: rollproof run web" in output
        assert "rollproof run web" in ground.rollproof("pause", "web").out
        assert ground.rollproof("resume", "web", "--json").json == {
            "scale_set": "web",
            "recorded": "resume",
            "hosted": False,
        }
        cancelled = ground.rollproof("cancel", "web")
        assert "Cancelled (a user cancelled it): 1 upgraded, 2 not touched" in cancelled.out

    def test_the_run_that_is_cancelled_ends_with_3(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(3, zones=0, pause="PT30S")
        with ground.running("run", "web", "--to", "1.1.0") as first:
            with Installation(ground.home) as here:
                eventually(lambda: (s := here.status("web")) is not None and s.batches == 1)
            ground.rollproof("cancel", "web", "--force")
            assert first.wait(20) == 3


class TestTerminal:
    """What a person sees."""

    def test_on_a_terminal(self, ground: Ground) -> None:
        """A pty of 80 columns: drawn in place, and the cursor is given back."""
        ground.publish()
        ground.fleet(3, zones=3, pause="PT0.3S")
        master, slave = pty.openpty()
        env = ground.environment(TERM="xterm", NO_COLOR="1", LINES="24")
        with subprocess.Popen(
            ground.command("run", "web", "--to", "1.1.0"),
            stdout=slave,
            stderr=slave,
            stdin=slave,
            env=env,
        ) as shown:
            os.close(slave)
            output = b""
            try:
                while chunk := os.read(master, 65536):
                    output += chunk
            except OSError:  # Linux: the other end is closed
                pass
        os.close(master)
        text = output.decode()
        assert shown.returncode == 0
        assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
        assert "\x1b[31m" not in text, "NO_COLOR"
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        assert "batch 1 of about 3" in plain
        assert "zone 3  U" in plain
        assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 80

    @pytest.mark.parametrize("width", [20, 40, 80, 200])
    @pytest.mark.parametrize("size", [1, 12, 300, 301, 5000])
    def test_fits_every_width(self, width: int, size: int) -> None:
        run = in_the_middle(size)
        failure = Failure("3", 0, "a long story " * 20, "it keeps the new disk")
        scene = Scene(run=run, now=5000, began=1, host="x" * 300, failures=(failure,))
        console = Console(width=width, no_color=True, record=True, file=io.StringIO())
        console.print(draw(scene, width))
        text = console.export_text()
        assert max(map(len, text.splitlines())) <= width
        assert "\n" in text

    def test_a_bar_shows_every_phase(self) -> None:
        """One instance of thousands is not lost in a density bar."""
        console = Console(width=60, no_color=True, record=True, file=io.StringIO())
        console.print(draw(Scene(run=in_the_middle(5000)), 60))
        (bar,) = [line for line in console.export_text().splitlines() if "....." in line]
        assert set(bar.strip()) == set("UHR.")

    def test_letters_tell_phases_apart(self) -> None:
        assert set(LOOKS) == set(PHASES)
        assert len({look.letter for look in LOOKS.values()}) == len(LOOKS)

    def test_paused_is_said(self) -> None:
        run, _ = step(in_the_middle(12), Pause(9))
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(draw(Scene(run=run), 80))
        assert "PAUSED" in console.export_text()

    def test_clocks(self) -> None:
        assert [clock(n) for n in (-5, 7_000, 754_000, 3_750_000)] == [
            *("0:00", "0:07", "12:34", "1:02:30")
        ]
        assert instant(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
        assert instant(None) is None


def in_the_middle(size: int) -> Run:
    """A run with instances in several phases."""
    scale_set = ScaleSet(name="web", image_reference=ImageReference(image="x"))
    fleet = tuple(
        Instance(id=str(n), zone=str(n % 3), version="1.0.0", health=Health.HEALTHY)
        for n in range(size)
    )
    run = new_run(draw_up(scale_set, ImageVersion.parse("1.1.0"), run="web.1-a"))
    run, _ = step(run, Start(1))
    run, commands = step(run, Surveyed(2, 1, fleet))
    for number, command in enumerate(commands[:2]):
        run, _ = step(run, Replaced(3, command.instance, command.attempt))
        if number == 0:
            seen = Instance(id=command.instance, version="1.1.0", health=Health.HEALTHY)
            run, _ = step(run, Observed(4, seen, command.attempt))
    return run
