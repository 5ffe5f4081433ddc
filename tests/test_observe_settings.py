"""observe.toml: what a home tells, and to whom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rollproof.errors import InvalidDocument
from rollproof.host import Home
from rollproof.installation import Installation
from rollproof.installation.observing.settings import (
    MetricsTable,
    Settings,
    load_settings,
    outlets_of,
)

SECRET = "0123456789abcdef"
HOOK = """
[[webhooks]]
name = "pager"
url = "https://pager.example.org/hook?token=hidden"
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "observe.toml"
    path.write_text(text)
    return load_settings(path)


def problems(folder: Path, text: str) -> dict[str, str]:
    """Of a file that is refused: what was found, by field."""
    with pytest.raises(InvalidDocument) as error:
        loaded(folder, text)
    assert error.value.path == str(folder / "observe.toml")
    return {each.field: each.value for each in error.value.problems}


class TestReading:
    """Every problem at once, in the words of the other documents (R2.2 is the model)."""

    def test_all_of_it(self, tmp_path: Path) -> None:
        text = f'otel = true\n[events]\n{HOOK}secret_env = "S"\n[metrics]\naddress = "9464"\n'
        settings = loaded(tmp_path, text)
        outlets = outlets_of(settings, Home(tmp_path), {"S": SECRET})
        names = [outlet.name for outlet in outlets]
        assert names == ["events", "webhook-pager", "metrics", "traces"]
        assert [outlet.lasting for outlet in outlets] == [True, True, False, False]

    def test_nothing_of_it(self, tmp_path: Path) -> None:
        assert outlets_of(loaded(tmp_path, ""), Home(tmp_path), {}) == ()

    def test_every_problem_at_once(self, tmp_path: Path) -> None:
        found = problems(
            tmp_path,
            'otel = 1\n[events]\npath = "x"\n[[webhooks]]\nname = "P"\nurl = "ftp://x"\n'
            "backlog = 3\n[metrics]\n",
        )
        assert set(found) == {
            *("otel", "events.path", "webhooks[0].name", "webhooks[0].url"),
            *("webhooks[0].backlog", "webhooks[0].secret_file", "metrics.address"),
        }

    @pytest.mark.parametrize("secrets", ["", 'secret_file = "a"\nsecret_env = "B"\n'])
    def test_exactly_one_secret(self, tmp_path: Path, secrets: str) -> None:
        assert set(problems(tmp_path, HOOK + secrets)) == {"webhooks[0].secret_file"}

    def test_names_are_distinct(self, tmp_path: Path) -> None:
        """They name how far each was told."""
        hook = HOOK + 'secret_env = "S"\n'
        assert problems(tmp_path, hook + hook) == {"webhooks[1].name": "'pager'"}

    def test_no_toml(self, tmp_path: Path) -> None:
        assert "at line 1" in problems(tmp_path, "events = ?")[""]
        (tmp_path / "observe.toml").write_bytes(b"\xff")
        with pytest.raises(InvalidDocument, match="codec can't decode"):
            load_settings(tmp_path / "observe.toml")
        with pytest.raises(InvalidDocument, match="No such file"):
            load_settings(tmp_path / "none.toml")

    @pytest.mark.parametrize(
        ("address", "means"),
        [
            ("9464", ("127.0.0.1", 9464)),
            (":9464", ("127.0.0.1", 9464)),
            ("0.0.0.0:80", ("0.0.0.0", 80)),
            ("[::1]:80", ("::1", 80)),
            ("metrics.example.org:0", ("metrics.example.org", 0)),
        ],
    )
    def test_addresses(self, address: str, means: tuple[str, int]) -> None:
        """Loopback unless another host is named."""
        assert MetricsTable(address=address).host_and_port == means
        assert MetricsTable(textfile="x").host_and_port is None

    @pytest.mark.parametrize("address", ["", "localhost", "127.0.0.1:", "a b:1", "1:70000"])
    def test_no_addresses(self, tmp_path: Path, address: str) -> None:
        assert set(problems(tmp_path, f'[metrics]\naddress = "{address}"\n')) == {
            "metrics.address"
        }


class TestSecrets:
    """From a file or the environment, and into no message."""

    def test_of_a_file(self, tmp_path: Path) -> None:
        """Relative to the home; an editor's newline is not part of it."""
        settings = loaded(tmp_path, HOOK + 'secret_file = "pager.secret"\n')
        for written in (SECRET, f"{SECRET}\n"):
            (tmp_path / "pager.secret").write_text(written)
            (outlet,) = outlets_of(settings, Home(tmp_path), {})
            assert outlet._secret == SECRET.encode()  # type: ignore[attr-defined]  # a webhook

    @pytest.mark.parametrize(
        ("secret", "environment", "said"),
        [
            ('secret_env = "S"', {}, "S is not set"),
            ('secret_env = "S"', {"S": "short"}, "holds 5 bytes"),
            ('secret_file = "none"', {}, "'none': No such file or directory"),
        ],
        ids=["unset", "short", "no file"],
    )
    def test_one_that_is_not_to_be_had(
        self, tmp_path: Path, secret: str, environment: dict[str, str], said: str
    ) -> None:
        settings = loaded(tmp_path, HOOK + secret)
        with pytest.raises(InvalidDocument) as error:
            outlets_of(settings, Home(tmp_path), environment)
        (problem,) = error.value.problems
        assert said in problem.value
        assert problem.bound == "a secret of at least 16 bytes"
        assert "short" not in str(error.value)

    def test_a_home_whose_file_names_nobody(self, tmp_path: Path) -> None:
        with Installation(tmp_path / "home") as here:
            with pytest.raises(InvalidDocument, match="there is no such file"):
                here.observe(once=True)
            here.home.make()
            here.home.outlets.write_text("")
            with pytest.raises(InvalidDocument, match="no outlet is named"):
                here.observe(once=True)


class TestExtras:
    """Nothing is imported that is not asked for; what is missing is named."""

    @pytest.mark.parametrize(
        ("text", "brought"),
        [
            ("[events]\n", []),
            ('[metrics]\naddress = "0"\n', ["prometheus_client"]),
            ("otel = true\n", ["opentelemetry"]),
        ],
        ids=["events", "metrics", "otel"],
    )
    def test_what_is_imported(self, tmp_path: Path, text: str, brought: list[str]) -> None:
        (tmp_path / "observe.toml").write_text(text)
        program = (
            "import json, sys\n"
            "from pathlib import Path\n"
            "from rollproof.installation import Installation\n"
            "with Installation(Path(sys.argv[1])) as here, here.observed():\n"
            "    pass\n"
            "found = {n for n in ('prometheus_client', 'opentelemetry') if n in sys.modules}\n"
            "print(json.dumps(sorted(found)))\n"
        )
        assert json.loads(python(program, str(tmp_path))) == brought

    def test_without_the_file_not_even_ours(self, tmp_path: Path) -> None:
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from rollproof.installation import Installation\n"
            "with Installation(Path(sys.argv[1])) as here, here.observed():\n"
            "    print(*(n for n in sys.modules if '.observing' in n))\n"
        )
        assert python(program, str(tmp_path)) == "\n"

    @pytest.mark.parametrize(
        ("text", "absent", "extra"),
        [
            ('[metrics]\naddress = "0"\n', "prometheus_client", "metrics"),
            ("otel = true\n", "opentelemetry", "otel"),
            ("otel = true\n", "opentelemetry.sdk", "otel"),
        ],
    )
    def test_what_is_missing_is_named(
        self, tmp_path: Path, text: str, absent: str, extra: str
    ) -> None:
        """Exit code 6, before anything is touched."""
        (tmp_path / "observe.toml").write_text(text)
        program = (
            f"import sys; sys.modules[{absent!r}] = None\n"
            "from rollproof.cli.main import main\n"
            "main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, "--home", str(tmp_path), "observe", "--once"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 6
        library = absent.partition(".")[0]
        assert f"needs {library}, which is not installed" in done.stderr
        assert f"pip install 'rollproof[{extra}]'" in done.stderr


def python(program: str, *arguments: str) -> str:
    """What a new Python prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
