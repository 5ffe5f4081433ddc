"""Health of real processes: reports from inside, and what outlives a look (R5.1-R5.3, N2)."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import ground as whole
from local_ground import (
    BROKEN,
    V1,
    V2,
    Ground,
    published,
    scenario,
    script,
    see,
    standing,
    until,
)
from rollproof.adapters.clock import wall_clock
from rollproof.adapters.files import locked
from rollproof.adapters.local import process
from rollproof.adapters.local.marks import bearing
from rollproof.adapters.store import ImageStore
from rollproof.document import load_path
from rollproof.fleet import Health, PowerState, ScaleSet
from rollproof.health import HealthExtension, HttpProbe
from rollproof.installation import Installation, Shape
from rollproof.installation.reasons import probe_in_words
from rollproof.policy import Timeouts

NO_GRACE = timedelta(0)
FILE = "run/report.json"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return published(tmp_path_factory.mktemp("images"))


@pytest.fixture
def ground(tmp_path: Path, images: ImageStore) -> Iterator[Ground]:
    with standing(tmp_path, images) as made:
        yield made


class Clock:
    """The clock of the wall, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> int:
        return wall_clock() + round(1000 * self.ahead)


def end_reporter(ground: Ground, instance: str) -> None:
    """End the reporter of an instance, and nothing else."""
    for found in bearing(ground.home(instance).path):
        if "reporter.py" in found.cmdline():
            found.kill()


class TestExtension:
    """R5.2: the reporter in the sample image, for real."""

    def test_over_http(self, ground: Ground) -> None:
        clock = Clock()
        extension = HealthExtension(port=ground.port, grace_period=timedelta(minutes=1))
        fleet = ground.fleet(clock=clock, health=extension)

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.0.0"
            await fleet.replace("k", "0", BROKEN)
            while (await see(fleet, "0")).version != "6.6.6":
                await asyncio.sleep(0.01)
            while "broken" not in await fleet.words("0"):
                await asyncio.sleep(0.01)
            assert (await see(fleet, "0")).health is Health.INITIALIZING  # the grace period
            clock.ahead = 61
            assert (await see(fleet, "0")).health is Health.UNHEALTHY
            assert await fleet.words("0") == "it reports unhealthy: this image is broken"
            end_reporter(ground, "0")
            seen = await until(fleet, "0", Health.UNKNOWN)
            assert seen.power_state is PowerState.RUNNING
            await fleet.restore("r", "0", "k")
            clock.ahead = 0
            await until(fleet, "0", Health.HEALTHY)

        scenario(main)

    def test_by_a_file(self, ground: Ground) -> None:
        """R5.3: a report that is renewed no more becomes unknown."""
        clock = Clock()
        extension = HealthExtension(
            file=FILE, interval=timedelta(minutes=1), grace_period=NO_GRACE
        )
        fleet = ground.fleet(clock=clock, health=extension)

        async def main() -> None:
            await fleet.create(1, version=V1)
            await until(fleet, "0", Health.HEALTHY)
            end_reporter(ground, "0")
            assert (await see(fleet, "0")).health is Health.HEALTHY  # it is fresh enough
            clock.ahead = 180
            assert (await see(fleet, "0")).health is Health.UNKNOWN
            assert "s old" in await fleet.words("0")

        scenario(main)

    def test_a_boot_begins_without_a_report(self, ground: Ground, tmp_path: Path) -> None:
        """What the boot before said is no word about this one; the grace is for that."""
        source = tmp_path / "silent" / "bin" / "start"
        source.parent.mkdir(parents=True)
        source.write_text("#!/bin/sh\nexec sleep 1000\n")
        source.chmod(0o755)
        ground.images = ImageStore(tmp_path / "own")
        ground.images.publish("web-os", V1, source.parent.parent)
        extension = HealthExtension(file=FILE, grace_period=timedelta(minutes=1))
        fleet = ground.fleet(health=extension)

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert (await see(fleet, "0")).health is Health.INITIALIZING
            report = ground.home("0").os / FILE
            report.parent.mkdir()
            report.write_text(json.dumps({"state": "Healthy", "at": time.time()}))
            assert (await see(fleet, "0")).health is Health.HEALTHY
            process.end(ground.home("0").path, 5.0)
            await fleet.create()
            assert not report.exists()
            assert (await see(fleet, "0")).health is Health.INITIALIZING

        scenario(main)

    def test_not_before_the_extensions_have_succeeded(self, ground: Ground) -> None:
        """R5.3: whatever the application reports."""
        gate = ground.folder / "gate"
        wait = f"until [ -e {gate} ]; do sleep 0.01; done; exit 1"
        fleet = ground.fleet(
            health=HealthExtension(port=ground.port), extensions=(script("slow", text=wait),)
        )

        async def main() -> None:
            creating = asyncio.create_task(fleet.create(1, version=V1))
            while not ground.home("0").process.exists():
                await asyncio.sleep(0.01)
            while await fleet.words("0") != "":  # it reports that it is healthy
                await asyncio.sleep(0.01)
            assert (await see(fleet, "0")).health is Health.INITIALIZING
            gate.touch()
            await creating
            assert (await see(fleet, "0")).health is Health.UNHEALTHY

        scenario(main)


class TestMemory:
    """N2: what was counted is counted on, whoever looks next."""

    TIMEOUTS = Timeouts(health=timedelta(hours=1), min_healthy_time=timedelta(minutes=10))

    def test_minimum_healthy_time(self, ground: Ground) -> None:
        clock = Clock()
        given: dict[str, Any] = {"health": None, "timeouts": self.TIMEOUTS}
        fleet = ground.fleet(clock=clock, **given)

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert (await see(fleet, "0")).health is Health.INITIALIZING
            clock.ahead = 300
            assert (await see(fleet, "0")).health is Health.INITIALIZING
            clock.ahead = 601
            assert (await see(ground.fleet(clock=clock, **given), "0")).health is Health.HEALTHY
            await fleet.replace("k", "0", V2)  # a new boot has proved nothing yet
            assert (await see(fleet, "0")).health is Health.INITIALIZING
            clock.ahead = 1300
            assert (await see(fleet, "0")).health is Health.HEALTHY

        scenario(main)

    def test_an_interruption_begins_it_anew(self, ground: Ground) -> None:
        clock = Clock()
        healthy = ground.fleet(clock=clock, timeouts=self.TIMEOUTS)
        ill = ground.fleet(
            clock=clock,
            timeouts=self.TIMEOUTS,
            health=HttpProbe(port=ground.port, path="/wrong"),
        )

        async def main() -> None:
            await healthy.create(1, version=V1)
            await until(healthy, "0", Health.INITIALIZING)
            assert json.loads(ground.home("0").health.read_text())["healthy_since"] is not None
            assert (await see(ill, "0")).health is Health.UNHEALTHY
            clock.ahead = 601
            assert (await see(healthy, "0")).health is Health.INITIALIZING

        scenario(main)

    def test_failures_are_counted_across_processes(self, ground: Ground) -> None:
        """R5.2: the threshold, and the pace at which failures count."""
        clock = Clock()
        wrong = HttpProbe(
            port=ground.port,
            path="/wrong",
            unhealthy_threshold=3,
            interval=timedelta(minutes=1),
        )

        async def look() -> Health:
            return (await see(ground.fleet(clock=clock, health=wrong), "0")).health

        async def main() -> None:
            await ground.fleet().create(1, version=V1)
            seen = []
            for clock.ahead in (0, 0, 0, 60, 60, 120):
                seen.append(await look())
            assert seen == [Health.INITIALIZING] * 5 + [Health.UNHEALTHY]

        scenario(main)

    def test_a_steady_state_writes_nothing(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await until(fleet, "0", Health.HEALTHY)
            before = ground.home("0").health.stat().st_ino
            for _ in range(3):
                await see(fleet, "0")
            assert ground.home("0").health.stat().st_ino == before

        scenario(main)

    def test_looking_waits_for_no_command(self, ground: Ground) -> None:
        """And writes nothing into a folder that a command works on."""
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            with locked(ground.home("0").lock):
                await until(fleet, "0", Health.HEALTHY)
                assert not ground.home("0").health.exists()
            assert (await see(fleet, "0")).health is Health.HEALTHY
            assert ground.home("0").health.exists()

        scenario(main)


EXTENSION = """\
name = "web"
image_reference = {image = "web-os"}
health = {kind = "extension", file = "report", grace_period = "PT0S"}
timeouts = {health = "PT6S"}
"""


class TestRuns:
    """R4.3, R5.2: a run waits for, and is judged by, what counts as health."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Iterator[whole.Ground]:
        made = whole.Ground(tmp_path)
        made.publish()
        try:
            yield made
        finally:
            made.clean_up()

    def test_a_report_fails_an_instance(self, home: whole.Ground) -> None:
        document = home.folder / "web.toml"
        document.write_text(EXTENSION)
        expected = " (health extension: report must report Healthy)"
        assert probe_in_words(load_path(document).health) == expected
        assert "GET /report on port 9" in probe_in_words(HealthExtension(port=9))
        with Installation(home.home) as here:
            here.apply(document)
            view = here.create_local("web", Shape(instances=1, zones=0), version="1.0.0")
            assert view.healthy == 1
            status = home.rollproof("run", "web", "--json", code=4).lines[-1]
        (failure,) = status["failures"]
        assert "not healthy within 6 s, last seen unhealthy" in failure["why"]
        assert "it reports unhealthy: this image is broken" in failure["why"]

    def test_minimum_healthy_time_is_waited_for(self, home: whole.Ground) -> None:
        declared = load_path(home.document(health="PT20S"))
        timeouts = Timeouts(health=timedelta(seconds=20), min_healthy_time=timedelta(seconds=1))
        scale_set = ScaleSet(
            name="web",
            image_reference=declared.image_reference,
            health=declared.health,
            timeouts=timeouts,
        )
        with Installation(home.home) as here:
            here.apply(scale_set)
            began = time.monotonic()
            view = here.create_local("web", Shape(instances=1, zones=0), version="1.0.0")
            assert view.healthy == 1
            assert time.monotonic() - began >= 1
            ended = here.run("web", "1.1.0").status
            assert ended.progress.successful == 1
            assert ended.ended_at is not None
            assert ended.ended_at - ended.started_at >= 1_000
