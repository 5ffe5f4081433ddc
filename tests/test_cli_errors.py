"""Wrong use, and a hostile world: each is answered with a sentence and a code (R4.9)."""

import os
import re
import resource
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner

from ground import SECONDS, Ground
from rollproof.cli.main import cli
from rollproof.installation import Installation
from rollproof.journal import file as journal_file

NOBODY = 65534


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


@pytest.fixture
def anybody(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Makes this process an ordinary user's, for root may write everywhere."""
    root = os.geteuid() == 0

    def become() -> None:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(folder.stat().st_mode | 0o055)
        if root:
            os.seteuid(NOBODY)

    try:
        yield become
    finally:
        if root:
            os.seteuid(0)
        for path in (tmp_path, *tmp_path.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)


class TestWrongUse:
    """Exit code 2, and what to do instead."""

    def test_unknown_set_with_a_suggestion(self, ground: Ground) -> None:
        ground.rollproof("apply", str(ground.document()))
        refused = ground.rollproof("run", "wbe", code=2)
        assert refused.err == ("rollproof: no scale set is named 'wbe'. Did you mean 'web'?\n")

    def test_in_json(self, ground: Ground) -> None:
        error = ground.rollproof("--json", "status", "web", code=2).error
        assert error["code"] == "UnknownScaleSet"
        assert error["exit_code"] == 2
        assert ground.rollproof("history", "--json", code=2).error["code"] == "InvalidUsage"

    def test_bad_toml(self, ground: Ground) -> None:
        document = ground.folder / "bad.toml"
        document.write_text("name = \n")
        refused = ground.rollproof("apply", "bad.toml", code=2)
        assert "at line 1" in refused.err
        assert "bad.toml" in refused.err
        assert "No such file" in ground.rollproof("apply", "none.toml", code=2).err

    def test_every_problem_of_a_document(self, ground: Ground) -> None:
        document = ground.document(batch=3, pause="soon")
        error = ground.rollproof("apply", str(document), "--json", code=2).error
        assert [problem["requirement"] for problem in error["problems"]] == ["R4.7", "R4.7"]

    def test_a_version_that_does_not_exist(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(1, zones=0)
        refused = ground.rollproof("run", "web", "--to", "9.9.9", code=2)
        assert "has no version '9.9.9'" in refused.err
        assert "Known: 1.0.0, 1.1.0, 1.2.0" in refused.err
        assert "major.minor.patch" in ground.rollproof("run", "web", "--to", "v2", code=2).err

    def test_an_image_that_is_none(self, ground: Ground) -> None:
        (ground.folder / "empty").mkdir()
        refused = ground.rollproof("image", "publish", "web-os", "1.0.0", "empty", code=2)
        assert "bin/start" in refused.err
        ground.rollproof("image", "publish", "web-os", "1.0.0", "nowhere", code=2)
        ground.rollproof("image", "list", "wep-os", code=2)

    def test_usage(self, ground: Ground) -> None:
        assert ground.rollproof("frobnicate", code=2).err.startswith("rollproof: ")
        assert "Try `rollproof run --help`" in ground.rollproof("run", code=2).err
        assert (
            "--instances"
            in ground.rollproof(*("local", "create", "web", "--instances", "0"), code=2).err
        )


class TestConflict:
    """Exit code 5: right in itself, but not now (R4.9)."""

    def test_nothing_runs(self, ground: Ground) -> None:
        ground.rollproof("apply", str(ground.document()))
        for verb in ("cancel", "pause", "resume", "watch"):
            assert "no run under way" in ground.rollproof(verb, "web", code=5).err

    def test_two_starts(self, ground: Ground) -> None:
        """The same run is followed; another one is a conflict."""
        ground.publish()
        ground.fleet(3, zones=0, pause="PT5S")  # time for a slow machine to start others
        with ground.running("run", "web", "--to", "1.1.0") as first:
            assert first.stdout is not None
            first.stdout.readline()
            conflict = ground.rollproof("run", "web", "--to", "1.0.0", code=5)
            assert "one run at a time" in conflict.err
            followed = ground.rollproof("run", "web")
            assert f"hosted by process {first.pid}" in followed.out
            assert "Completed" in followed.out

    def test_a_published_version_never_changes(self, ground: Ground) -> None:
        ground.publish()
        refused = ground.rollproof(
            *("image", "publish", "web-os", "1.0.0", "image-1.1.0"), code=5
        )
        assert "never changes" in refused.err


class TestEnvironment:
    """Exit code 6: the machine does not play along."""

    def test_a_home_that_cannot_be(self, ground: Ground) -> None:
        (ground.folder / "file").write_text("")
        refused = ground.rollproof(
            "--home", "file/home", "apply", str(ground.document()), code=6
        )
        assert "cannot be written" in refused.err

    def test_a_read_only_home(self, ground: Ground, anybody: Callable[[], None]) -> None:
        home = ground.home
        with Installation(home) as here:
            here.apply(ground.document())
        for path in (home, *home.iterdir()):
            path.chmod(0o555 if path.is_dir() else 0o444)
        document = str(ground.document())
        for arguments in (("status", "web"), ("apply", document), ("history", "web")):
            CliRunner().invoke(cli, ["--home", str(home), *arguments])  # imports what it needs
        with Installation(home) as here:
            here.home.lock().release()
        anybody()
        for arguments in (("apply", document), ("pause", "web")):
            refused = CliRunner().invoke(cli, ["--home", str(home), *arguments])
            assert refused.exit_code == 6, refused
            assert "cannot be written" in refused.stderr

    def test_a_full_disk_while_a_run_goes_on(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is done that cannot be recorded, and the run goes on once there is room."""
        ground.publish()
        ground.fleet(8, zones=0, batch=25)
        connect = journal_file.connect

        def cramped(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
            connection = connect(path, read_only=read_only)
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + 1}")
            return connection

        with monkeypatch.context() as patch:
            patch.setattr(journal_file, "connect", cramped)
            full = CliRunner().invoke(
                cli, ["--home", str(ground.home), "run", "web", "--to", "1.1.0"]
            )
        assert full.exit_code == 6
        assert "the disk is full" in full.stderr
        assert "batch 1" in full.output, "it had begun"
        assert "Completed: 8 upgraded" in ground.rollproof("run", "web", "--to", "1.1.0").out

    def test_a_limit_on_file_sizes(self, ground: Ground) -> None:
        """As a full disk, by the kernel."""
        ground.publish()
        limited = subprocess.run(
            ground.command("image", "publish", "big", "1.0.0", "image-1.0.0"),
            env=ground.environment(),
            cwd=ground.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        )
        assert limited.returncode == 6, limited
        told = r"rollproof: (\S+) -> (\S+): File too large\. Mend that and repeat\.\n"
        named = re.fullmatch(told, limited.stderr)
        assert named is not None, "one file, where none could be written"
        assert (ground.folder / named[1]).is_file()
        assert Path(named[2]).is_relative_to(ground.home / "images")
        assert "big" not in ground.rollproof("image", "list").out

    def test_the_port_is_taken(self, ground: Ground) -> None:
        ground.publish()
        ground.rollproof("apply", str(ground.document()))
        with socket.create_server(("0.0.0.0", ground.port)):
            refused = ground.rollproof("local", "create", "web", "--version", "1.0.0", code=6)
        assert f":{ground.port} is in use" in refused.err

    def test_not_a_journal(self, ground: Ground) -> None:
        ground.home.mkdir()
        (ground.home / "journal.sqlite").write_text("my diary")
        refused = ground.rollproof("history", "web", code=6)
        assert "not a journal of rollproof" in refused.err
        assert (ground.home / "journal.sqlite").read_text() == "my diary"


class TestUnderstandable:
    def test_a_probe_to_a_wrong_path(self, ground: Ground) -> None:
        """The fleet is unhealthy by that probe: nothing is touched, and it says why (R4.1)."""
        ground.publish()
        ground.fleet(3, zones=0)
        ground.rollproof("apply", str(ground.document(path="/wrong")))
        planned = ground.rollproof("plan", "web", "--to", "1.1.0").out
        assert "web to 1.1.0: stops at once" in planned
        assert max(map(len, planned.splitlines())) <= 80
        stopped = ground.rollproof("run", "web", "--to", "1.1.0", code=4)
        assert "3 of 3 instances are unhealthy, and at most 20 % may be" in stopped.out
        assert "GET /wrong on port" in " ".join(stopped.out.split())
        assert set(ground.versions().values()) == {"1.0.0"}

    def test_a_bug_is_not_shown_as_a_traceback(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("unheard of")

        monkeypatch.setattr(Installation, "history", broken)
        monkeypatch.delenv("ROLLPROOF_DEBUG", raising=False)
        shown = CliRunner().invoke(cli, ["--home", str(ground.home), "history", "web"])
        assert shown.exit_code == 1
        assert "a bug in rollproof: ZeroDivisionError: unheard of" in shown.stderr
        assert "Traceback" not in shown.stderr
        debug = CliRunner().invoke(
            cli, ["--home", str(ground.home), "history", "web"], env={"ROLLPROOF_DEBUG": "1"}
        )
        assert "Traceback" in debug.stderr

    @pytest.mark.parametrize(
        "arguments", [("image", "list", "--json"), ("--help",), ("--version",), ("run", "-h")]
    )
    def test_a_reader_that_goes_away(self, ground: Ground, arguments: tuple[str, ...]) -> None:
        """`rollproof ... | head` is no error, and no bug either, which 1 would mean."""
        left = without_reader(ground, *arguments)
        assert (left.returncode, left.stderr) == (0, "")
        assert ground.rollproof("image", "list", "--json").json["images"] == []

    def test_a_verdict_that_nobody_reads(self, ground: Ground) -> None:
        """Its exit code is what it was: a set that is not eligible does not become so."""
        document = ground.document()
        document.write_text("single_placement_group = false\n" + document.read_text())
        ground.rollproof("apply", str(document))
        ground.rollproof("check", "web", code=2)
        left = without_reader(ground, "check", "web")
        assert (left.returncode, left.stderr) == (2, "")

    def test_a_pipe_that_breaks_elsewhere(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only that of the output is no error."""

        def broken(*_: object, **__: object) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        monkeypatch.setattr(Installation, "history", broken)
        shown = CliRunner().invoke(cli, ["--home", str(ground.home), "history", "web"])
        assert shown.exit_code == 6
        assert shown.stderr == "rollproof: a pipe broke. Repeat.\n"

    @pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
    def test_a_reader_that_goes_away_from_a_run(
        self, ground: Ground, options: tuple[str, ...]
    ) -> None:
        """The upgrade goes on, and the exit code tells how it ended."""
        ground.publish()
        ground.fleet(2, zones=0, health="PT0.5S")
        left = without_reader(ground, "run", "web", "--to", "1.2.0", *options)
        assert (left.returncode, left.stderr) == (4, "")
        assert sorted(map(str, ground.versions().values())) == ["1.0.0", "1.2.0"]

    @pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
    def test_output_that_cannot_be_written(
        self, ground: Ground, options: tuple[str, ...]
    ) -> None:
        """Nor does a full disk stop an upgrade of which it was to keep the log; said once.
        An answer that cannot be written is none."""
        ground.publish()
        ground.fleet(2, zones=0)
        with open("/dev/full", "w") as full:
            left = told_to(full, ground, "run", "web", "--to", "1.1.0", *options)
        assert left.returncode == 0
        assert left.stderr == ("rollproof: nothing more is shown: No space left on device\n")
        assert set(ground.versions().values()) == {"1.1.0"}
        with open("/dev/full", "w") as full:
            assert told_to(full, ground, "status", "web", *options).returncode == 6


def without_reader(ground: Ground, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The program whose output nobody reads."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as deaf:
        return told_to(deaf, ground, *arguments)


def told_to(
    output: IO[str], ground: Ground, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """The program, with its output going there."""
    return subprocess.run(
        ground.command(*arguments),
        env=ground.environment(),
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
    )
