"""LocalFleet keeps the provider contract: real processes, fuzzed by AdapterContract.

The quick form runs an image that only waits; the slow one the sample web server, probed
over HTTP, with controllers that are killed with -9 in the middle.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings

from rollproof.adapters.files import pointed
from rollproof.adapters.local import LocalFleet, process, write_sample_image
from rollproof.adapters.local.layout import Home
from rollproof.adapters.provider import Provider
from rollproof.adapters.store import ImageStore
from rollproof.commands import Verb
from rollproof.fleet import ScaleSet
from rollproof.health import HealthSource, HttpProbe
from rollproof.images import ImageReference, ImageVersion
from rollproof_checks.fuzz import AdapterContract, Ask, Law

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
START = "#!/bin/sh\nexec sleep 1000\n"

CONTROLLER = """
import asyncio, sys
from pathlib import Path
from rollproof.adapters.local import LocalFleet
from rollproof.adapters.store import ImageStore
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference, ImageVersion

root, store, verb, key, instance, last = sys.argv[1:]
web = ScaleSet(name="web", image_reference=ImageReference(image="web-os"))
fleet = LocalFleet(Path(root), web, ImageStore(Path(store)))
print("ready", flush=True)
sys.stdin.readline()
if verb == "REPLACE":
    asyncio.run(fleet.replace(key, instance, ImageVersion.parse(last)))
else:
    asyncio.run(fleet.restore(key, instance, last))
"""


class LocalContract(AdapterContract):
    """A fleet of two or three processes, in a folder of its own."""

    versions = VERSIONS
    impossible = "6.6.6"
    moments = (0.0, 0.002, 0.005, 0.01, 0.03)
    images: ClassVar[ImageStore]
    health: ClassVar[HealthSource | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name).resolve() / "fleets"
        reference = ImageReference(image="web-os")
        self.set = ScaleSet(name="web", image_reference=reference, health=self.health)

    def home(self, instance: str) -> Home:
        return Home(self.root / "web" / "instances" / instance)

    async def open(self) -> LocalFleet:
        return LocalFleet(self.root, self.set, self.images, grace=2.0)

    async def close(self, provider: Provider) -> None:
        assert isinstance(provider, LocalFleet)
        await provider.aclose()

    async def create(self, version: str) -> str:
        fleet = await self.open()
        if not (self.root / "web").is_dir():
            await fleet.create(0)
        name = await fleet.add_instance(ImageVersion.parse(version))
        (self.home(name).data / "rows").write_text(f"rows of {name}")
        await self.close(fleet)
        return name

    async def kill(self, instance: str) -> None:
        process.end(self.home(instance).path, 0.0)

    async def destroy(self, instance: str) -> None:
        fleet = await self.open()
        await fleet.remove_instance(instance)
        await self.close(fleet)

    async def data(self, instance: str) -> Hashable:
        found = self.home(instance).data.rglob("*")
        return tuple(sorted((path.name, path.read_text()) for path in found))

    async def disk(self, instance: str) -> Hashable:
        """Its folder and whatever image lies there."""
        disk = pointed(self.home(instance).os)
        if disk is None:
            return None
        content = b"".join(path.read_bytes() for path in sorted(disk.glob("*.txt")))
        return disk.name, disk.stat().st_ino, hashlib.sha256(content).hexdigest()

    async def boot(self, instance: str) -> Hashable:
        running = process.server(self.home(instance))
        return None if running is None else (running.pid, running.create_time())

    async def sever(self, severed: bool) -> None:
        """The roster cannot be read for a while."""
        roster, aside = self.root / "web" / "fleet.json", self.root / "aside.json"
        os.replace(*((roster, aside) if severed else (aside, roster)))

    async def clear_up(self) -> None:
        process.end(self.root, 0.0)
        self.folder.cleanup()


class Sampled(LocalContract):
    """With the web server of the sample image, and controllers that are killed."""

    async def crash(self, ask: Ask, moment: float) -> None:
        last = ask.version if ask.verb is Verb.REPLACE else ask.undoes
        given = (str(self.root), str(self.images.root), ask.verb.name, ask.key, ask.instance)
        with subprocess.Popen(
            [sys.executable, "-c", CONTROLLER, *given, last],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as controller:
            assert controller.stdout is not None
            assert controller.stdin is not None
            assert controller.stdout.readline() == "ready\n"
            controller.stdin.write("go\n")
            controller.stdin.flush()
            await asyncio.sleep(moment)
            controller.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    """Images whose server listens to nothing, and so starts at once."""
    folder = tmp_path_factory.mktemp("images")
    store = ImageStore(folder / "store")
    for version in VERSIONS:
        start = folder / version / "bin" / "start"
        start.parent.mkdir(parents=True)
        start.write_text(START)
        start.chmod(0o755)
        (folder / version / "version.txt").write_text(version)
        store.publish("web-os", ImageVersion.parse(version), folder / version)
    return store


def test_the_local_fleet_keeps_the_contract(
    waiting: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1.2, R4.3, S9, S11, S13, N2."""

    class Local(LocalContract):
        images = waiting
        without = frozenset(Law)  # few examples: which laws they come to is chance

    found = Local.fuzz(
        settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # a counterexample of real processes takes long to shrink
            suppress_health_check=list(HealthCheck),
        )
    )
    assert sum(each.times for each in found) > 100
    assert not [each for each in found if each.lacking]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_local_fleet_keeps_the_contract_for_longer(tmp_path: Path) -> None:
    """The same with real servers, probes and kills."""
    store = ImageStore(tmp_path / "store")
    for text in VERSIONS:
        version = ImageVersion.parse(text)
        source = write_sample_image(tmp_path / text, version)
        (source / "version.txt").write_text(text)
        store.publish("web-os", version, source)

    class Local(Sampled):
        images = store
        health = HttpProbe(port=free_port(), path="/health")

    found = Local.fuzz(
        settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
    assert not [each for each in found if each.lacking or each.blind]
