"""A home with a scale set and images, for tests that use the real program."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollproof.adapters.local import process, set_schema, write_sample_image
from rollproof.adapters.local.marks import bearing
from rollproof.images import ImageVersion
from rollproof.installation import Installation, Shape

SECONDS = 60.0
"""Longest wait for anything."""

DOCUMENT = """\
name = "{name}"

[image_reference]
image = "web-os"

[health]
kind = "http"
port = {port}
path = "{path}"
interval = "PT0.05S"

[timeouts]
health = "{health}"

[upgrade_policy.rolling_upgrade_policy]
max_batch_instance_percent = {batch}
pause_time_between_batches = "{pause}"
"""


class Ground:
    """One home in a temporary folder, with images 1.0.0, 1.1.0 and a broken 1.2.0."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.home = self.folder / "home"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]

    def document(self, name: str = "web", **fields: Any) -> Path:
        """A set.toml with short waits."""
        given = {"path": "/health", "health": "PT2S", "batch": 20, "pause": "PT0S", **fields}
        path = self.folder / f"{name}.toml"
        path.write_text(DOCUMENT.format(name=name, port=self.port, **given))
        return path

    def publish(self) -> None:
        """The three versions of the sample image."""
        with Installation(self.home) as here:
            for text in ("1.0.0", "1.1.0", "1.2.0"):
                version = ImageVersion.parse(text)
                source = self.folder / f"image-{text}"
                schemas = (1, 2, 3) if text == "1.0.0" else (1, 2)
                write_sample_image(source, version, schemas=schemas, broken=text == "1.2.0")
                here.publish_image("web-os", text, source)

    def fleet(
        self, instances: int = 6, zones: int = 3, name: str = "web", **fields: Any
    ) -> None:
        """Apply a set and start its fleet on 1.0.0."""
        with Installation(self.home) as here:
            here.apply(self.document(name, **fields))
            here.create_local(name, Shape(instances=instances, zones=zones), version="1.0.0")

    def instance(self, instance: str, name: str = "web") -> Path:
        """The folder of an instance."""
        return self.home / "fleets" / name / "instances" / instance

    def spoil(self, instance: str) -> None:
        """Give a data disk a schema that only 1.0.0 reads."""
        set_schema(self.instance(instance) / "data", 3)

    def versions(self, name: str = "web") -> dict[str, str | None]:
        """What the processes run, by instance."""
        with Installation(self.home) as here:
            (view,) = (view for view in here.list_local() if view.scale_set == name)
            return {each.id: each.version for each in view.instances.values()}

    def pids(self) -> set[int]:
        """Every live process of every fleet."""
        return {found.pid for found in bearing(self.home)}

    def boots(self, instance: str, version: str) -> int:
        """How often the server of an instance was started from an image version."""
        console = (self.instance(instance) / "console.log").read_text()
        return len(re.findall(rf"^version {re.escape(version)} listens", console, re.MULTILINE))

    def clean_up(self) -> None:
        """End every process of this home."""
        process.end(self.home, 0.0)

    # -- the real program

    def rollproof(self, *arguments: str, code: int | None = 0, **env: str) -> "Answer":
        """Run the program to its end; its exit code must be this one."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(**env),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        answer = Answer(done.returncode, done.stdout, done.stderr)
        assert code is None or answer.code == code, answer
        assert "Traceback" not in answer.err, answer
        return answer

    @contextmanager
    def running(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """The program while it runs; killed by its process at the end."""
        with subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as started:
            try:
                yield started
            finally:
                if started.poll() is None:
                    started.kill()

    def command(self, *arguments: str) -> list[str]:
        """The command line of the program."""
        return [sys.executable, "-m", "rollproof", *arguments]

    def environment(self, **env: str) -> dict[str, str]:
        """Its environment."""
        return {**os.environ, "ROLLPROOF_HOME": str(self.home), "COLUMNS": "80", **env}


class Answer:
    """What the program answered."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The documents on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error on stderr."""
        return json.loads(self.err)["error"]

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


def eventually(what: Any, seconds: float = SECONDS) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "not within its time"
        time.sleep(0.02)
