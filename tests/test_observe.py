"""Telling others, by the real program on real processes (R7.1, R7.3, N2)."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ground import Ground, eventually
from recorded import Receiver, receiver
from rollproof.cli.main import cli
from rollproof.errors import InvalidDocument
from rollproof.installation import Audiences, Happening, Installation, Quiet
from rollproof.installation.observing.observatory import LOCK
from rollproof.run import Run, new_run
from rollproof.states import State
from shared_host import charter

SECRET = "0123456789abcdef"
HOOK = '[[webhooks]]\nname = "pager"\nurl = "{url}"\nsecret_file = "pager.secret"\n'


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Ground(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


def told(ground: Ground, text: str, to: Receiver | None = None) -> Path:
    """Write observe.toml, and the secret beside it; where the lines will be."""
    ground.home.mkdir(exist_ok=True)
    (ground.home / "pager.secret").write_text(SECRET)
    hook = HOOK.format(url=to.url) if to else ""
    (ground.home / "observe.toml").write_text(text + hook)
    return ground.home / "events.jsonl"


def invoke(ground: Ground, *arguments: str) -> Result:
    """The program, in this process."""
    return CliRunner().invoke(cli, ["--home", str(ground.home), *arguments])


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def recorded(ground: Ground) -> list[str]:
    """The ids of all events of all runs of the set, by run."""
    with Installation(ground.home) as here:
        found = []
        for status in reversed(here.history("web", everything=True)):
            account = here.account(status.run)
            assert account is not None
            found += [f"{status.run}/{n + 1}" for n in range(account[0].seq)]
        return found


class TestWhole:
    """Everything at once, from one file."""

    def test_a_run_is_told_to_all_that_are_named(self, ground: Ground) -> None:
        """R7.1: one spelling in the file, the webhook and on stdout."""
        ground.publish()
        ground.fleet(2, zones=0)
        with receiver() as to:
            file = told(ground, '[events]\n[metrics]\ntextfile = "rollproof.prom"\n', to)
            shown = ground.rollproof("run", "web", "--to", "1.1.0", "--json").lines
        ids = recorded(ground)
        assert [line["id"] for line in lines(file)] == to.ids() == ids
        events = [line for line in shown if line["kind"] == "event"]
        assert [line.pop("past") for line in events] == [False] * len(ids)
        assert events == lines(file)
        metrics = (ground.home / "rollproof.prom").read_text()
        assert (
            'rollproof_runs_total{cause="none",scale_set="web",state="Completed"} 1.0'
            in metrics
        )
        assert SECRET not in json.dumps(shown)

    def test_killed_and_gone_on_with(self, ground: Ground) -> None:
        """N2: kill -9 loses no event, neither for the file nor for the receiver."""
        ground.publish()
        ground.fleet(4, zones=0, batch=25, pause="PT0.2S")
        with receiver() as to:
            file = told(ground, "[events]\n", to)
            with ground.running("run", "web", "--to", "1.1.0") as first:
                eventually(lambda: to.posts)
                first.kill()
                first.wait()
            ground.rollproof("run", "web")
            received = to.ids()
        ids = recorded(ground)
        assert list(dict.fromkeys(received)) == ids
        assert list(dict.fromkeys(line["id"] for line in lines(file))) == ids

    def test_the_metrics_are_served_while_it_runs(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(3, zones=0, pause="PT60S")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        told(ground, f"[metrics]\naddress = '{port}'\n")

        def scraped() -> str:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    return str(answer.read().decode())
            except OSError:
                return ""

        with ground.running("run", "web", "--to", "1.1.0") as first:
            upgraded = 'rollproof_instances{phase="upgraded_healthy",scale_set="web"} 1.0'
            eventually(lambda: upgraded in scraped())
            ground.rollproof("cancel", "web")
            assert first.wait(30) == 3

    def test_wrong_settings_stop_it_before_anything_is_touched(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(1, zones=0)
        told(ground, "[event]\n")
        refused = invoke(ground, "run", "web", "--to", "1.1.0")
        assert (refused.exit_code, "event: unknown key" in refused.output) == (2, True)
        with Installation(ground.home) as here:
            assert here.history("web") == ()
            with pytest.raises(InvalidDocument):
                here.run("web", "1.1.0")


class TestObserve:
    """A process of its own for telling."""

    def test_what_was_left_over(self, ground: Ground) -> None:
        """The receiver was away during the run; later it is told everything."""
        ground.publish()
        ground.fleet(1, zones=0)
        with receiver() as to:
            port = to.port
            told(ground, "", to)
        with Installation(ground.home) as here:
            here.run("web", "1.1.0")
        ids = recorded(ground)
        behind = invoke(ground, "observe", "--once", "--json")
        (outlet,) = json.loads(behind.output)["outlets"]
        assert (outlet["told"], outlet["waiting"], behind.exit_code) == (0, len(ids), 6)
        assert "cannot be reached" in outlet["error"]
        with receiver(port) as to:
            done = invoke(ground, "observe", "--once")
            assert to.ids() == ids
            assert json.loads(invoke(ground, "observe", "--once", "--json").output) == {
                "kind": "outlets",
                "outlets": [
                    {
                        "outlet": "webhook-pager",
                        "told": 0,
                        "dropped": 0,
                        "waiting": 0,
                        "error": "",
                    }
                ],
                "interrupted": None,
            }
        assert done.output.splitlines()[1].split() == [
            *("webhook-pager", str(len(ids)), "0", "0", "none")
        ]

    def test_lines_on_stdout_until_a_signal(self, ground: Ground) -> None:
        """Without any observe.toml; another process hosts."""
        ground.publish()
        ground.fleet(1, zones=0)
        with ground.running("observe", "--json") as observer:
            eventually(lambda: feeds(observer, ground))
            ground.rollproof("run", "web", "--to", "1.1.0")
            ids = recorded(ground)
            assert observer.stdout is not None
            shown = [json.loads(observer.stdout.readline()) for _ in ids]
            assert [line["id"] for line in shown] == ids
            observer.send_signal(signal.SIGTERM)
            (last,) = map(json.loads, observer.stdout.read().splitlines())
            assert observer.wait(30) == 128 + signal.SIGTERM
        assert last == {"kind": "outlets", "outlets": [], "interrupted": signal.SIGTERM}

    def test_a_reader_that_goes_ends_it(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(1, zones=0)
        with ground.running("observe", "--json") as observer:
            eventually(lambda: feeds(observer, ground))
            assert observer.stdout is not None
            observer.stdout.close()
            ground.rollproof("run", "web", "--to", "1.1.0")
            assert observer.wait(30) == 128 + signal.SIGTERM

    def test_one_at_a_time(self, ground: Ground) -> None:
        """A second one is a conflict; a run takes its turn, and is not held up."""
        ground.publish()
        ground.fleet(1, zones=0)
        file = told(ground, "[events]\n")
        with ground.running("observe") as observer:
            eventually(lambda: feeds(observer, ground))
            refused = invoke(ground, "observe")
            assert (refused.exit_code, "in use by process" in refused.output) == (5, True)
            with Installation(ground.home) as here:
                assert here.run("web", "1.1.0").status.state is State.COMPLETED
            eventually(lambda: len(lines(file)) == len(recorded(ground)))

    def test_from_python(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(1, zones=0)
        heard: list[str] = []
        with Installation(ground.home) as here:
            reported = here.observe(hears=lambda line: heard.append(line["id"]), once=True)
        assert [each.outlet for each in reported.outlets] == ["called"]
        assert (heard, reported.interrupted) == ([], None)


def feeds(observer: subprocess.Popen[str], ground: Ground) -> bool:
    """Whether it feeds the outlets of the home.  The lock is read, not tried: who tries it
    has it for a moment, in which the observer would be refused."""
    lock = ground.home / LOCK
    return lock.exists() and lock.read_text() == f"{observer.pid}\n"


class Broken(Quiet):
    """Raises whatever it is told."""

    def begins(self, run: Run) -> None:
        raise ValueError("begins")

    def hears(self, happening: Happening) -> None:
        raise ValueError("hears")

    def notes(self, text: str) -> None:
        raise ValueError("notes")

    def finds(self, instance: str, answer: str) -> None:
        raise ValueError("finds")

    def ticks(self, at: int) -> None:
        raise ValueError("ticks")


class Heard(Quiet):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.happenings: list[Happening] = []

    def begins(self, run: Run) -> None:
        self.told.append("begins")

    def hears(self, happening: Happening) -> None:
        self.happenings.append(happening)

    def notes(self, text: str) -> None:
        self.told.append(text)

    def finds(self, instance: str, answer: str) -> None:
        self.told.append(answer)

    def ticks(self, at: int) -> None:
        self.told.append(str(at))


class TestAudiences:
    """Several who follow one run, in the host's own thread."""

    def test_the_errors_of_one_are_nobody_elses(self, caplog: pytest.LogCaptureFixture) -> None:
        heard = Heard()
        both = Audiences([Broken(), heard])
        calls: list[Callable[[], None]] = [
            lambda: both.begins(new_run(charter())),
            lambda: both.notes("n"),
            lambda: both.finds("0", "f"),
            lambda: both.ticks(7),
        ]
        for call in calls:
            call()
        assert heard.told == ["begins", "n", "f", "7"]
        assert caplog.text.count("an audience failed; the run goes on") == 4

    def test_a_real_run_goes_on(self, ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
        """And events bear the numbers of the journal, whoever is heard."""
        ground.publish()
        ground.fleet(2, zones=0)
        heard = Heard()
        with Installation(ground.home) as here:
            ended = here.run("web", "1.1.0", audience=Audiences([Broken(), heard]))
            assert ended.status.state is State.COMPLETED
            account = here.account("web")
        assert account is not None
        assert [each.seq for each in heard.happenings] == list(range(1, account[0].seq + 1))
        assert "ValueError: hears" in caplog.text
        assert sum(len(each.commands) for each in heard.happenings) >= 4
