"""docs/events.md says what the code does."""

from __future__ import annotations

import hmac
import json
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from recorded import Recorder, receiver, recorder
from rollproof.commands import Verb
from rollproof.events import Event
from rollproof.host import Home
from rollproof.installation.observing.feed import Feed
from rollproof.installation.observing.lines import Dropped
from rollproof.installation.observing.metrics import metrics_table
from rollproof.installation.observing.place import Place
from rollproof.installation.observing.settings import Settings, load_settings, outlets_of
from rollproof.installation.observing.signing import SIGNATURE, TIMESTAMP, WINDOW
from rollproof.installation.observing.traces import NAMES
from rollproof.installation.observing.webhook import Webhook
from rollproof.reference import reference_table
from rollproof_checks.simulated import Conduct, Twist, scripted
from shared_host import fast_folder

PAGE = (Path(__file__).parents[1] / "docs" / "events.md").read_text("utf-8")
SECRET = b"0123456789abcdef"


@pytest.fixture
def scene() -> Iterator[Recorder]:
    with fast_folder() as folder, recorder(folder) as made:
        yield made


def block(language: str) -> str:
    """The one block of the page in a language."""
    (found,) = re.finditer(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return found[1]


EXAMPLES: list[dict[str, Any]] = [json.loads(line) for line in block("json").splitlines()]


def test_example_lines_have_the_keys_of_real_ones(scene: Recorder) -> None:
    """In their order; the values are of the same kinds."""
    tap = scene.tap()
    scene.upgrade(behaviour=scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.REFUSED)]}))
    real = {each.line["event"]: dict(each.line) for each in tap.news()}
    for example in EXAMPLES:
        if example["kind"] == "dropped":
            line = Dropped("web.1-c12126", "web", 3, 16).line()
            assert line == example
        else:
            line = real[example["event"]]
        assert list(line) == list(example)
        assert [type(value) for value in line.values()] == [
            type(value) for value in example.values()
        ]
        assert example["id"].startswith(f"{example['run']}/")


def test_every_key_and_every_event_is_described() -> None:
    described = {
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert {key for example in EXAMPLES for key in example} <= described
    assert {kind.__name__ for kind in get_args(Event)} <= described


def test_the_file_to_begin_with(tmp_path: Path) -> None:
    path = tmp_path / "observe.toml"
    path.write_text(block("toml"))
    environment = {"ROLLPROOF_WEBHOOK_SECRET": SECRET.decode()}
    outlets = outlets_of(load_settings(path), Home(tmp_path), environment)
    assert len(outlets) == len(tomllib.loads(block("toml"))) == 4


def test_generated_tables() -> None:
    assert metrics_table() in PAGE
    assert PAGE.rstrip().endswith(reference_table(Settings).rstrip())


def test_spans() -> None:
    for name in ("rollproof.run", "rollproof.batch", *NAMES.values()):
        assert f"| `{name}` |" in PAGE


def test_the_check_of_the_signature(scene: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a receiver would paste it, on a real post."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    code = block("python")
    assert len(code.strip().splitlines()) == 5
    assert (f"<= {WINDOW}" in code, TIMESTAMP in code, SIGNATURE in code) == (True,) * 3
    pasted: dict[str, Any] = {"hmac": hmac, "time": time}
    exec(code, pasted)
    is_genuine: Callable[..., bool] = pasted["is_genuine"]
    place = Place.present(scene.journal, scene.clock())
    scene.upgrade(size=1)
    with receiver() as to:
        now = time.time_ns() // 1_000_000
        feed = Feed(
            Webhook("x", to.url, SECRET, clock=lambda: now), scene.home.journal, place, None
        )
        feed.start()
        feed.close()
        feed.join(60)
        ((headers, body, _),) = to.posts
    assert is_genuine(SECRET, headers, body)
    assert not is_genuine(SECRET, headers, body + b"\n")
    assert not is_genuine(b"another", headers, body)
    old = {**headers, TIMESTAMP: str(int(headers[TIMESTAMP]) - 400)}
    assert not is_genuine(SECRET, old, body)
