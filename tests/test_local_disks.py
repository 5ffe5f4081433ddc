"""What provisioning wrote, and when previous disks go (R1.2, R4.3, R5.3, N2)."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from local_ground import (
    BROKEN,
    SECONDS,
    V1,
    V2,
    V3,
    Ground,
    published,
    scenario,
    script,
    see,
    standing,
)
from rollproof.adapters.local import DiskLog, LocalFleet, StepLog, outputs
from rollproof.adapters.local.disks import REMEMBERED
from rollproof.adapters.store import ImageStore
from rollproof.errors import OperationFailed, UnknownInstance, UnknownScaleSet
from rollproof.fleet import Extension, Health
from rollproof.policy import Timeouts

HOUR = timedelta(hours=1)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return published(tmp_path_factory.mktemp("images"))


@pytest.fixture
def ground(tmp_path: Path, images: ImageStore) -> Iterator[Ground]:
    with standing(tmp_path, images) as made:
        yield made


def says(name: str, text: str, seconds: float = 60) -> Extension:
    """An extension that is a script."""
    command = ("/bin/sh", "-c", text)
    return Extension(name=name, command=command, timeout=timedelta(seconds=seconds))


def step(disk: DiskLog, name: str) -> StepLog:
    (found,) = (each for each in disk.steps if each.step == name)
    return found


class TestOutput:
    """R1.2: what custom data and extensions wrote, by step and by disk."""

    def test_of_every_step_with_exit_code_and_time(self, ground: Ground) -> None:
        (ground.folder / "first-boot.sh").write_text("echo hello; echo oops >&2\n")
        extensions = (
            says("good", "sleep 0.2; echo done"),
            says("bad", "echo no licence; exit 3"),
            says("slow", "echo waiting; sleep 100", seconds=0.3),
            script("after", ("bad",)),
        )
        fleet = ground.fleet(health=None, custom_data="first-boot.sh", extensions=extensions)
        scenario(lambda: fleet.create(1, version=V1))
        (disk,) = fleet.logs("0")
        assert (disk.place, disk.version) == ("current", "1.0.0")
        assert [each.step for each in disk.steps] == [
            *("custom-data:", "good", "bad", "slow", "after")
        ]
        custom = step(disk, "custom-data:")
        assert (custom.output, custom.outcome.exit_code) == ("hello\noops\n", 0)
        good = step(disk, "good")
        assert (good.outcome.result, good.outcome.failed) == ("succeeded", False)
        assert good.outcome.seconds is not None
        assert good.outcome.seconds >= 0.2
        bad = step(disk, "bad")
        assert (bad.output, bad.outcome.exit_code) == ("no licence\n", 3)
        assert bad.outcome.result == "failed: exit code 3"
        slow = step(disk, "slow")
        assert (slow.output, slow.outcome.exit_code) == ("waiting\n", None)
        assert slow.outcome.result == "failed: not done after 0.3 s"
        after = step(disk, "after")
        assert (after.output, after.outcome.seconds) == ("", None)
        assert after.outcome.result == "not run: bad did not succeed"

    def test_a_failure_is_told_with_its_last_words(self, ground: Ground) -> None:
        """R5.3: not healthy, and why."""
        fleet = ground.fleet(extensions=(says("bad", "echo a; echo b; echo; exit 3"),))

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert (await see(fleet, "0")).health is Health.UNHEALTHY
            assert await fleet.words("0") == (
                "bad failed: exit code 3: b (rollproof local logs web 0)"
            )

        scenario(main)

    def test_a_program_that_is_not_there(self, ground: Ground) -> None:
        fleet = ground.fleet(extensions=(Extension(name="bad", command=("no-such",)),))
        scenario(lambda: fleet.create(1, version=V1))
        bad = step(fleet.logs("0")[0], "bad")
        assert bad.outcome.exit_code == 127
        assert "not found" in bad.output

    def test_only_its_end_is_kept(self, ground: Ground) -> None:
        """Bounded while it runs, too: a script that never stops writing fills no disk."""
        gate, written = ground.folder / "gate", ground.folder / "written"
        much = f"yes x | head -c {20 * outputs.KEPT}; touch {written}"
        wait = f"until [ -e {gate} ]; do sleep 0.01; done; echo the end"
        fleet = ground.fleet(extensions=(says("much", f"{much}; {wait}"),))

        async def main() -> None:
            creating = asyncio.create_task(fleet.create(1, version=V1))
            while not written.exists():
                await asyncio.sleep(0.01)
            file = outputs.place(ground.home("0").os, "much")
            deadline = time.monotonic() + SECONDS
            while file.stat().st_size > outputs.SLACK * outputs.KEPT:
                assert time.monotonic() < deadline, "it is never cut"
                await asyncio.sleep(0.01)
            gate.touch()
            await creating

        scenario(main)
        output = step(fleet.logs("0")[0], "much").output
        assert output.endswith("x\nthe end\n")
        assert output.startswith(outputs.CUT.decode())
        assert len(output) == outputs.KEPT

    def test_a_step_that_links_its_file_elsewhere(self, ground: Ground) -> None:
        """Nothing else is read, and nothing else is cut."""
        precious = ground.folder / "precious"
        precious.write_bytes(b"x" * (outputs.KEPT + 1))
        link = f"ln -sf {precious} .rollproof-output-it; sleep 0.3"
        fleet = ground.fleet(health=None, extensions=(says("it", link),))
        scenario(lambda: fleet.create(1, version=V1))
        it = step(fleet.logs("0")[0], "it")
        assert (it.outcome.exit_code, it.output) == (0, "")
        assert precious.stat().st_size == outputs.KEPT + 1

    def test_is_not_lost_with_the_disk(self, ground: Ground) -> None:
        """After a restore the disk that failed is gone; what it wrote is wanted most then."""
        extension = says("it", 'echo "on $ROLLPROOF_IMAGE_VERSION"')
        fleet = ground.fleet(extensions=(extension,))

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", V2)
            assert [each.place for each in fleet.logs("0")] == ["current", "previous"]
            await fleet.restore("r", "0", "k")

        scenario(main)
        current, removed = fleet.logs("0")
        assert (current.place, step(current, "it").output) == ("current", "on 1.0.0\n")
        assert (removed.place, step(removed, "it").output) == ("removed", "on 1.1.0\n")
        assert removed.version == "1.1.0"
        assert ground.disks("0") == 1

    def test_of_the_last_few_disks_only(self, ground: Ground) -> None:
        fleet = ground.fleet(health=None)

        async def main() -> None:
            await fleet.create(1, version=V1)
            for number in range(REMEMBERED + 3):
                await fleet.replace(f"k{number}", "0", (V2, V1)[number % 2])

        scenario(main)
        assert [each.place for each in fleet.logs("0")] == [
            *("current", "previous", *["removed"] * REMEMBERED)
        ]
        with pytest.raises(UnknownInstance):
            fleet.logs("7")

    def test_images_do_not_take_it_along(self, ground: Ground, tmp_path: Path) -> None:
        fleet = ground.fleet(extensions=(says("it", "echo secret"),))
        scenario(lambda: fleet.create(1, version=V1))
        ground.images = ImageStore(tmp_path / "own")
        ground.images.publish("web-os", V3, ground.home("0").os.resolve())
        other = ground.fleet()

        async def main() -> None:
            await other.replace("k", "0", V3)

        scenario(main)
        assert not outputs.place(ground.home("0").os, "it").exists()


def sweeping(ground: Ground, keep: timedelta | None) -> LocalFleet:
    return ground.fleet(timeouts=Timeouts(keep_previous_disk=keep))


def age(ground: Ground, instance: str, seconds: float) -> None:
    """Have the disk of an instance replaced so long ago."""
    then = time.time() - seconds
    os.utime(ground.home(instance).previous, (then, then), follow_symlinks=False)


class TestRetention:
    """The previous disk is kept at least so long as is declared (R4.3)."""

    def test_by_default_until_the_next_replace(self, ground: Ground) -> None:
        fleet = sweeping(ground, None)

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", V2)
            age(ground, "0", 10**8)
            assert await fleet.sweep() == ()
            await fleet.restore("r", "0", "k")
            assert (await see(fleet, "0")).version == "1.0.0"

        scenario(main)

    def test_not_a_moment_earlier(self, ground: Ground) -> None:
        fleet = sweeping(ground, HOUR)

        async def main() -> None:
            await fleet.create(2, version=V1)
            await asyncio.gather(*(fleet.replace(f"k{one}", one, V2) for one in "01"))
            previous = ground.home("0").previous.resolve().name
            age(ground, "0", 3600)
            age(ground, "1", 3500)
            (removed,) = await fleet.sweep()
            assert (removed.instance, removed.disk) == ("0", previous)
            assert removed.version == "1.0.0"
            assert (ground.disks("0"), ground.disks("1")) == (1, 2)
            await fleet.restore("r", "1", "k1")
            assert (await see(fleet, "1")).version == "1.0.0"

        scenario(main)

    def test_a_restore_that_comes_too_late_says_when_and_why(self, ground: Ground) -> None:
        fleet = sweeping(ground, HOUR)

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", V2)
            pids = ground.pids("0")
            age(ground, "0", 4000)
            await fleet.sweep()
            with pytest.raises(OperationFailed):
                await fleet.restore("r", "0", "k")
            with pytest.raises(OperationFailed) as caught:  # asking again does not help
                await fleet.restore("r", "0", "k")
            assert "(1.0.0) was removed at 2" in caught.value.why
            assert "timeouts.keep_previous_disk is PT1H" in caught.value.why
            assert ground.pids("0") == pids, "it runs on, on the disk it has"
            await fleet.replace("k2", "0", V3)  # and there is a previous disk again
            await fleet.restore("r2", "0", "k2")
            assert (await see(fleet, "0")).version == "1.1.0"

        scenario(main)

    def test_the_current_disk_is_never_removed(self, ground: Ground) -> None:
        """After a restore both links name the same disk."""
        fleet = sweeping(ground, timedelta(0))

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert await fleet.sweep() == ()
            await fleet.replace("k", "0", BROKEN)
            await fleet.restore("r", "0", "k")
            age(ground, "0", 10**8)
            assert await fleet.sweep() == ()
            assert ground.home("0").os.resolve(strict=True).is_dir()
            assert (await see(fleet, "0")).version == "1.0.0"

        scenario(main)

    def test_a_fleet_that_was_never_created(self, ground: Ground) -> None:
        async def main() -> None:
            with pytest.raises(UnknownScaleSet):
                await sweeping(ground, HOUR).sweep()

        scenario(main)


SWEEPING = '''
"""Sweep in a forked process that dies at its n-th line, then look."""
import os, signal, sys, time
from datetime import timedelta
from pathlib import Path
from rollproof.adapters.local import LocalFleet
from rollproof.adapters.store import ImageStore
from rollproof.errors import OperationFailed
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference, ImageVersion

root, store = sys.argv[1:]
scale_set = ScaleSet(name="web", image_reference=ImageReference(image="web-os"))
fleet = LocalFleet(Path(root), scale_set, ImageStore(Path(store)))
machine = fleet._machine(fleet.declared()[0])
home, hour = machine.home, timedelta(hours=1)


def killed(step):
    """Whether the sweep had so many lines, and died at the last of them."""
    left = step

    def line(frame, event, argument):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    ours = lambda frame: "rollproof/adapters" in frame.f_code.co_filename
    sys.settrace(lambda frame, event, argument: line if ours(frame) else None)
    machine.sweep(hour)
    os._exit(0)


def seen():
    """The version that runs; a server that was just started needs a while to enter its disk."""
    for _ in range(500):
        if (version := machine.see().version) is not None:
            return version
        time.sleep(0.01)


crashes = 0
while True:
    key, version = f"k{crashes}", ImageVersion.parse(("1.1.0", "1.0.0")[crashes % 2])
    before = seen()
    machine.replace(key, version)
    then = time.time() - 4000
    os.utime(home.previous, (then, then), follow_symlinks=False)
    crashed = killed(1 + crashes)
    kept = home.previous.is_symlink()
    if crashes % 2:  # go on where it stopped
        machine.sweep(hour)
        assert len(list(home.disks.iterdir())) == 1, crashes
        kept = False
    try:
        machine.restore(f"r{crashes}", key)
    except OperationFailed as error:
        assert not kept and "was removed at" in error.why, (crashes, error)
        assert seen() == str(version)
    else:
        assert kept, crashes
        assert seen() == before
    assert home.os.resolve(strict=True).is_dir()
    machine.sweep(hour)
    if not crashed:
        break
    crashes += 1
print(crashes)
'''


class TestCrashes:
    """N2: a sweep killed at any line leaves the disk, or the reason why it is gone."""

    def test_killed_at_every_line(self, ground: Ground) -> None:
        scenario(lambda: ground.fleet(health=None).create(1, version=V1))
        found = subprocess.run(
            [sys.executable, "-c", SWEEPING, ground.root, ground.images.root],
            check=True, stdout=subprocess.PIPE, text=True, timeout=300,
        )  # fmt: skip
        assert int(found.stdout) > 30

    def test_the_reason_is_there_before_the_disk_goes(self, ground: Ground) -> None:
        fleet = sweeping(ground, HOUR)

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", V2)
            age(ground, "0", 4000)
            await fleet.sweep()

        scenario(main)
        gone = json.loads(ground.home("0").gone.read_text())
        assert gone["disk"] not in os.listdir(ground.home("0").disks)
