"""A fleet of real processes: the provider's laws, adoption, crashes (R1.2, R4.3, R5.3, S9)."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import psutil
import pytest

from local_ground import (
    BROKEN,
    DEAD,
    V1,
    V2,
    V3,
    Ground,
    published,
    scenario,
    script,
    see,
    standing,
    until,
)
from rollproof.adapters.local import LocalFleet, process, set_schema, write_sample_image
from rollproof.adapters.local.scale_set import at_once
from rollproof.adapters.store import ImageStore
from rollproof.errors import (
    AddressInUse,
    CredentialExpired,
    OperationFailed,
    OutcomeUnknown,
    UnknownInstance,
)
from rollproof.fleet import Extension, Health, PowerState
from rollproof.health import HttpProbe, TcpProbe
from rollproof.images import ImageReference, ImageVersion
from rollproof.resources import Credential


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return published(tmp_path_factory.mktemp("images"))


@pytest.fixture
def ground(tmp_path: Path, images: ImageStore) -> Iterator[Ground]:
    with standing(tmp_path, images) as made:
        yield made


class TestManyAtOnce:
    def test_given_up_before_its_turn_nothing_is_left_unawaited(self) -> None:
        """A call that was made for nothing would warn, and a warning fails the suite."""
        called: list[int] = []

        async def call(item: int) -> None:
            called.append(item)

        async def main() -> None:
            looking = asyncio.create_task(at_once(call, range(3)))
            await asyncio.sleep(0)  # the calls are due, and none has begun
            looking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await looking

        scenario(main)
        assert called == []


class TestCreating:
    def test_instances_are_spread_and_healthy(self, ground: Ground) -> None:
        fleet = ground.fleet()
        up: list[str] = []

        async def main() -> None:
            await fleet.create(7, zones=3, update_domains=2, version=V1, progress=up.append)
            for member in fleet.declared():
                await until(fleet, member.id, Health.HEALTHY)
            seen = await fleet.observe()
            assert [one.id for one in seen] == list("0123456")
            assert [one.zone for one in seen] == list("1231231")
            assert [one.update_domain for one in seen] == list("0101010")
            assert {one.version for one in seen} == {"1.0.0"}
            assert {one.power_state for one in seen} == {PowerState.RUNNING}

        scenario(main)
        assert sorted(up) == list("0123456")
        assert len(ground.pids()) == 7
        assert len({member.address for member in fleet.declared()}) == 7

    def test_a_half_made_fleet_is_completed(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(4, version=V1)
            await fleet.replace("k", "0", V2)
            before = ground.pids("0")
            (ground.home("1").os).unlink()  # its disk was not linked yet
            process.end(ground.home("1").path, 1.0)
            process.end(ground.home("2").path, 1.0)
            await ground.fleet().create(9, zones=1, version=V1)
            assert len(fleet.declared()) == 4
            for instance in "0123":
                seen = await until(fleet, instance, Health.HEALTHY)
                assert seen.version == ("1.1.0" if instance == "0" else "1.0.0")
            assert ground.pids("0") == before

        scenario(main)
        assert len(ground.pids()) == 4

    def test_the_port_is_taken(self, ground: Ground) -> None:
        with (
            socket.create_server(("0.0.0.0", ground.port)),
            pytest.raises(AddressInUse, match=str(ground.port)),
        ):
            scenario(lambda: ground.fleet().create(2, version=V1))
        assert ground.pids() == set()

    def test_another_fleet_on_the_addresses_moves_this_one(self, ground: Ground) -> None:
        first = ground.fleet()
        scenario(lambda: first.create(1, version=V1))
        before = first.declared()[0].address
        scenario(first.destroy)
        with socket.create_server((before, ground.port)):
            scenario(lambda: first.create(1, version=V1))
            assert first.declared()[0].address != before

    def test_a_fleet_never_created_cannot_be_asked(self, ground: Ground) -> None:
        with pytest.raises(OutcomeUnknown):
            scenario(lambda: see(ground.fleet(), "0"))  # type: ignore[arg-type,return-value]


class TestReplacing:
    def test_swaps_the_os_disk_and_nothing_else(self, ground: Ground) -> None:
        """R1.2: data disks are untouched; R4.3: the previous disk is kept."""
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(2, version=V1)
            kept = ground.home("0").data / "rows"
            kept.write_text("precious")
            before, other = ground.pids("0"), ground.pids("1")
            first = (await see(fleet, "0")).os_disk
            await fleet.replace("k1", "0", V2)
            after = await until(fleet, "0", Health.HEALTHY)
            assert (after.version, after.os_disk != first) == ("1.1.0", True)
            assert ground.pids("0").isdisjoint(before)
            assert ground.pids("1") == other
            assert kept.read_text() == "precious"
            assert ground.home("0").previous.resolve().name == first
            await fleet.replace("k2", "0", V3)
            assert (await see(fleet, "0")).version == "1.2.0"
            assert ground.home("0").previous.resolve().name == after.os_disk
            assert ground.disks("0") == 2

        scenario(main)

    def test_again_by_the_same_key_does_nothing(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await asyncio.gather(*(fleet.replace("k", "0", V2) for _ in range(5)))
            seen, pids = await see(fleet, "0"), ground.pids("0")
            await ground.fleet().replace("k", "0", V2)
            assert (await see(fleet, "0")).os_disk == seen.os_disk
            assert ground.pids("0") == pids
            assert (len(pids), ground.disks("0")) == (1, 2)

        scenario(main)

    def test_a_late_repetition_undoes_nothing(self, ground: Ground) -> None:
        """S13: the key is spent, though its disk is gone."""
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", V2)
            await fleet.restore("r", "0", "k")
            await fleet.replace("k", "0", V2)
            assert (await see(fleet, "0")).version == "1.0.0"
            await fleet.replace("k2", "0", V3)
            await fleet.restore("r", "0", "k")
            assert (await see(fleet, "0")).version == "1.2.0"

        scenario(main)

    def test_by_an_unknown_version_or_instance_fails_for_certain(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            pids = ground.pids()
            with pytest.raises(OperationFailed, match=r"9\.9\.9"):
                await fleet.replace("k", "0", ImageVersion.parse("9.9.9"))
            with pytest.raises(OperationFailed, match="'7'"):
                await fleet.replace("k", "7", V2)
            with pytest.raises(OperationFailed, match="'7'"):
                await fleet.restore("k", "7", "k")
            assert ground.pids() == pids
            assert await fleet.observe("7") == []

        scenario(main)

    def test_by_an_image_that_does_not_start_is_done_and_unhealthy(
        self, ground: Ground
    ) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", DEAD)
            seen = await until(fleet, "0", Health.UNHEALTHY)
            while seen.power_state is not PowerState.STOPPED:
                seen = await see(fleet, "0")
            assert seen.version is None  # nothing runs, so nothing is observed (S9)
            assert "not found" in ground.home("0").console.read_text()
            await fleet.restore("r", "0", "k")
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.0.0"

        scenario(main)

    def test_a_port_taken_meanwhile_leaves_the_outcome_unknown(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            process.end(ground.home("0").path, 5.0)
            with (
                socket.create_server((fleet.declared()[0].address, ground.port)),
                pytest.raises(OutcomeUnknown, match="AddressInUse"),
            ):
                await fleet.replace("k", "0", V2)
            await fleet.replace("k", "0", V2)
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.1.0"

        scenario(main)

    def test_a_server_deaf_to_sigterm_is_killed_with_its_workers(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        source = tmp_path / "deaf" / "bin" / "start"
        source.parent.mkdir(parents=True)
        source.write_text("#!/bin/sh\ntrap '' TERM\nsleep 1000 & sleep 1000 & wait\nwait\n")
        source.chmod(0o755)
        ground.images = ImageStore(tmp_path / "own")
        ground.images.publish("web-os", V1, source.parent.parent)
        ground.images.publish("web-os", V2, write_sample_image(tmp_path / "v2", V2))
        fleet = ground.fleet(grace=0.2)

        async def main() -> None:
            await fleet.create(1, version=V1)
            while len(ground.pids("0")) < 3:
                await asyncio.sleep(0.01)
            await fleet.replace("k", "0", V2)
            await until(fleet, "0", Health.HEALTHY)
            assert len(ground.pids("0")) == 1

        scenario(main)


class TestRestoring:
    def test_brings_the_previous_version_back(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k", "0", BROKEN)
            await until(fleet, "0", Health.UNHEALTHY)
            await fleet.restore("r", "0", "k")
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.0.0"
            pids = ground.pids("0")
            await fleet.restore("r", "0", "k")
            await fleet.restore("another", "0", "k")  # already back: left alone
            assert ground.pids("0") == pids
            assert ground.disks("0") == 1

        scenario(main)

    def test_without_a_previous_disk_fails_for_certain(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            with pytest.raises(OperationFailed, match="no previous"):
                await fleet.restore("r", "0", "create 1.0.0")

        scenario(main)

    def test_further_back_than_a_disk_is_kept_fails_for_certain(self, ground: Ground) -> None:
        """R4.3: it does not return as if the disk were back."""
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k1", "0", V2)
            await fleet.replace("k2", "0", V3)
            await fleet.restore("r2", "0", "k2")
            pids = ground.pids()
            with pytest.raises(OperationFailed, match="no previous"):
                await fleet.restore("r1", "0", "k1")
            assert (await see(fleet, "0")).version == "1.1.0"
            assert ground.pids() == pids

        scenario(main)

    def test_after_a_failed_replace_never_reaches_further_back(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k1", "0", V2)
            with pytest.raises(OperationFailed):
                await fleet.replace("k2", "0", ImageVersion.parse("9.9.9"))
            await fleet.restore("r", "0", "k2")
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.1.0"

        scenario(main)


class TestHealth:
    def test_one_data_disk_that_a_version_cannot_read(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(2, version=V1)
            set_schema(ground.home("0").data, 3)
            set_schema(ground.home("1").data, 2)
            await until(fleet, "0", Health.HEALTHY)
            await asyncio.gather(*(fleet.replace(f"k{one}", one, V2) for one in "01"))
            await until(fleet, "1", Health.HEALTHY)
            assert (await see(fleet, "0")).health is Health.UNHEALTHY
            await fleet.restore("r", "0", "k0")
            await until(fleet, "0", Health.HEALTHY)

        scenario(main)

    def test_a_dead_server_is_stopped_and_leaves_no_zombie(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await until(fleet, "0", Health.HEALTHY)
            (pid,) = ground.pids("0")
            os.kill(pid, signal.SIGKILL)
            while (seen := await see(fleet, "0")).power_state is PowerState.RUNNING:
                await asyncio.sleep(0.01)
            assert (seen.version, seen.health) == (None, Health.UNHEALTHY)
            while psutil.pid_exists(pid):  # each look reaps what it finds dead
                await see(fleet, "0")

        scenario(main)

    def test_a_probe_to_a_wrong_path(self, ground: Ground) -> None:
        fleet = ground.fleet(health=HttpProbe(port=ground.port, path="/wrong"))
        watched = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            await until(watched, "0", Health.HEALTHY)
            assert (await see(fleet, "0")).health is Health.UNHEALTHY

        scenario(main)

    def test_a_tcp_probe_and_none_at_all(self, ground: Ground) -> None:
        """R5.1: without an application signal, running and provisioned is healthy."""
        tcp = ground.fleet(health=TcpProbe(port=ground.port))

        async def main() -> None:
            await tcp.create(1, version=BROKEN)
            await until(tcp, "0", Health.HEALTHY)

        scenario(main)
        silent = ground.fleet(health=None)
        assert asyncio.run(see(silent, "0")).health is Health.HEALTHY


class TestProvisioning:
    def test_custom_data_then_extensions_in_order_on_every_new_disk(
        self, ground: Ground
    ) -> None:
        (ground.folder / "first-boot.sh").write_text(
            'echo "custom $ROLLPROOF_INSTANCE $ROLLPROOF_IMAGE_VERSION" >> ran\n'
        )
        extensions = (script("b", ("a",)), script("a"), script("c"))
        fleet = ground.fleet(custom_data="first-boot.sh", extensions=extensions)

        async def main() -> None:
            await fleet.create(1, version=V1)
            ran = ground.home("0").os / "ran"
            assert ran.read_text().split("\n") == ["custom 0 1.0.0", "a", "b", "c", ""]
            await fleet.replace("k", "0", V2)
            await fleet.replace("k", "0", V2)
            assert ran.read_text().split("\n") == ["custom 0 1.1.0", "a", "b", "c", ""]
            await until(fleet, "0", Health.HEALTHY)
            await fleet.restore("r", "0", "k")  # provisioned when it was made
            assert ran.read_text().split("\n") == ["custom 0 1.0.0", "a", "b", "c", ""]
            await until(fleet, "0", Health.HEALTHY)

        scenario(main)

    @pytest.mark.parametrize("how", ["exit 3", "sleep 100"])
    def test_a_failing_extension_is_never_healthy(self, ground: Ground, how: str) -> None:
        """R5.3; those that must come after it do not run, the others do."""
        extensions = (
            script("bad", seconds=0.3, text=how), script("after", ("bad",)), script("free"),
        )  # fmt: skip
        fleet = ground.fleet(health=None, extensions=extensions)

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert (await see(fleet, "0")).health is Health.UNHEALTHY
            await fleet.replace("k", "0", V2)
            await fleet.replace("k", "0", V2)
            assert (await see(fleet, "0")).health is Health.UNHEALTHY

        scenario(main)
        assert (ground.home("0").os / "ran").read_text() == "bad\nfree\n"
        assert len(ground.pids("0")) == 1

    def test_initializing_while_it_lasts(self, ground: Ground) -> None:
        gate = ground.folder / "gate"
        wait = f"until [ -e {gate} ]; do sleep 0.01; done"
        fleet = ground.fleet(extensions=(script("slow", text=wait),))

        async def main() -> None:
            creating = asyncio.create_task(fleet.create(1, version=V1))
            while not ground.home("0").data.joinpath("ran").exists():
                await asyncio.sleep(0.01)
            await until(fleet, "0", Health.INITIALIZING)
            gate.touch()
            await creating
            await until(fleet, "0", Health.HEALTHY)

        scenario(main)

    def test_custom_data_that_fails_or_is_missing(self, ground: Ground) -> None:
        fleet = ground.fleet(health=None, custom_data="missing.sh", extensions=(script("a"),))

        async def main() -> None:
            await fleet.create(1, version=V1)
            assert (await see(fleet, "0")).health is Health.UNHEALTHY

        scenario(main)
        assert not (ground.home("0").data / "ran").exists()


class TestChanging:
    def test_instances_appear_vanish_and_are_protected(self, ground: Ground) -> None:
        """S11."""
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(2, version=V1)
            assert await fleet.add_instance(V2) == "2"
            assert (await until(fleet, "2", Health.HEALTHY)).version == "1.1.0"
            fleet.protect("1")
            assert [one.protected for one in await fleet.observe()] == [False, True, False]
            await fleet.remove_instance("2")
            await fleet.remove_instance("0")
            assert [one.id for one in await ground.fleet().observe()] == ["1"]
            assert await fleet.add_instance(V1) == "3"  # no id twice
            with pytest.raises(UnknownInstance):
                await fleet.remove_instance("0")
            with pytest.raises(UnknownInstance):
                fleet.protect("0")

        scenario(main)
        assert len(ground.pids()) == 2

    def test_destroying_leaves_nothing(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(3, version=V1)
            ground.home("1").process.unlink()  # the record of a half-made instance
            ground.home("2").process.write_text("null")
            await ground.fleet().destroy()
            assert ground.pids() == set()
            assert list(ground.root.iterdir()) == []
            await fleet.destroy()

        scenario(main)

    def test_destroying_awaits_commands_under_way(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(2, version=V1)
            replacing = [
                asyncio.create_task(fleet.replace(f"k{one}{n}", one, V2))
                for one in "01"
                for n in range(3)
            ]
            await asyncio.sleep(0.01)
            await ground.fleet().destroy()
            await asyncio.gather(*replacing, return_exceptions=True)

        scenario(main)
        assert ground.pids() == set()


class TestAdoption:
    def test_a_new_object_adopts_what_runs(self, ground: Ground) -> None:
        scenario(lambda: ground.fleet().create(2, version=V1))
        pids, fleet = ground.pids(), ground.fleet()

        async def main() -> None:
            await until(fleet, "0", Health.HEALTHY)
            assert ground.pids() == pids
            await fleet.replace("k", "0", V2)
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.1.0"
            assert len(ground.pids()) == 2

        scenario(main)

    def test_a_process_with_the_same_id_is_not_the_server(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            process.end(ground.home("0").path, 5.0)
            ground.home("0").process.write_text(json.dumps([os.getpid(), 1.0]))
            assert (await see(fleet, "0")).power_state is PowerState.STOPPED
            await fleet.replace("k", "0", V2)
            await until(fleet, "0", Health.HEALTHY)

        scenario(main)

    def test_after_the_clock_was_set_the_server_is_still_known(self, ground: Ground) -> None:
        fleet = ground.fleet()

        async def main() -> None:
            await fleet.create(1, version=V1)
            (pid,) = ground.pids("0")
            ground.home("0").process.write_text(json.dumps([pid, 1.0]))
            assert (await until(fleet, "0", Health.HEALTHY)).version == "1.0.0"
            await fleet.create()
            assert json.loads(ground.home("0").process.read_text())[1] > 1.0
            assert ground.pids("0") == {pid}

        scenario(main)


CRASHING = '''
"""Replace an instance in a forked controller that dies at its n-th line, then look."""
import os, signal, sys
from pathlib import Path
from rollproof.adapters.local import LocalFleet
from rollproof.adapters.local.marks import bearing
from rollproof.adapters.store import ImageStore
from rollproof.fleet import Extension, ScaleSet
from rollproof.health import TcpProbe
from rollproof.images import ImageReference, ImageVersion

root, store, port, first, stride = sys.argv[1:]
extension = Extension(name="one", command=("/bin/sh", "-c", "echo one >> ran"))
scale_set = ScaleSet(
    name="web",
    image_reference=ImageReference(image="web-os"),
    health=TcpProbe(port=int(port)),
    extensions=(extension,),
)
fleet = LocalFleet(Path(root), scale_set, ImageStore(Path(store)))
machine = fleet._machine(fleet.declared()[0])
versions = [ImageVersion.parse(text) for text in ("1.1.0", "1.0.0")]
home = machine.home
# These only look, at every process there is: a crash in them is a crash before them.
LOOKING = {
    "bearing", "_environment", "_raw_environment", "runs", "_runs_or_reaped",
    "any_at_all", "<lambda>", "<genexpr>", "<dictcomp>",
}


def controller(step, last):
    """Die at this line of the package; return when the command has fewer."""
    left = step

    def line(frame, event, argument):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame, event, argument):
        code = frame.f_code
        ours = "rollproof/adapters" in code.co_filename and code.co_name not in LOOKING
        return line if ours else None

    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    sys.settrace(call)
    last()
    os._exit(0)


def check(version, previous, what):
    running = list(bearing(home.path))
    sight = machine.see()
    assert len(running) == 1, (what, running)
    assert sight.version == str(version), (what, sight)
    assert sight.provisioned, (what, sight)
    assert (home.data / "rows").read_text() == "precious", what
    assert (home.os / "ran").read_text().split()[-1] == "one", what
    assert home.previous.resolve().name == previous, what
    assert len(list(home.disks.iterdir())) == len({home.os.resolve().name, previous}), what


def many(command):
    """Crash ever later until the command gets through; how many crashes that were."""
    step, crashes = int(first), 0
    while True:
        version, key = versions[crashes % 2], f"{command} {crashes}"
        before, machine_version = home.os.resolve().name, machine.see().version
        if command == "replace":
            act = lambda: machine.replace(key, version)
            previous = before
        else:
            machine.replace(f"before {key}", version)
            act = lambda: machine.restore(key, f"before {key}")
            previous, version = before, machine_version
        crashed = controller(step, act)
        begun = home.previous.resolve().name == before
        if command == "replace" and crashes % 3 == 2 and begun:
            machine.restore(f"undo {key}", key)  # instead of asking again: back, never further
            check(versions[1 - crashes % 2], before, (command, step, "restored"))
            act = lambda: machine.replace(f"again {key}", version)
        act()
        check(version, previous, (command, step))
        if not crashed:
            return crashes
        step += int(stride)
        crashes += 1


machine.replace("first", versions[1])
machine.replace("second", versions[1])
print(many("replace"), many("restore"))
'''


class TestCrashes:
    """N2: a controller killed at any instruction; the same key then finishes its work."""

    @staticmethod
    def crash(ground: Ground, first: int, stride: int) -> tuple[int, int]:
        async def main() -> None:
            await ground.fleet().create(1, version=V1)

        scenario(main)
        process.end(ground.root, 5.0)
        (ground.home("0").data / "rows").write_text("precious")
        found = subprocess.run(
            [
                sys.executable, "-c", CRASHING,
                ground.root, ground.images.root, str(ground.port), str(first), str(stride),
            ],
            check=True, stdout=subprocess.PIPE, text=True, timeout=600,
        )  # fmt: skip
        replaces, restores = found.stdout.split()
        return int(replaces), int(restores)

    def test_killed_at_some_lines(self, ground: Ground) -> None:
        replaces, restores = self.crash(ground, first=1, stride=12)
        assert min(replaces, restores) > 10

    @pytest.mark.slow
    @pytest.mark.timeout(900)
    def test_killed_at_every_line(self, ground: Ground) -> None:
        replaces, restores = self.crash(ground, first=1, stride=1)
        assert min(replaces, restores) > 120

    def test_a_real_controller_killed_in_the_middle_of_replaces(self, ground: Ground) -> None:
        fleet = ground.fleet()
        program = (
            "import asyncio, sys; from pathlib import Path\n"
            "from rollproof.adapters.local import LocalFleet\n"
            "from rollproof.adapters.store import ImageStore\n"
            "from rollproof.fleet import ScaleSet\n"
            "from rollproof.health import HttpProbe\n"
            "from rollproof.images import ImageReference, ImageVersion\n"
            "root, store, port = sys.argv[1:]\n"
            "scale_set = ScaleSet(name='web', image_reference=ImageReference(image='web-os'),\n"
            "    health=HttpProbe(port=int(port), path='/health'))\n"
            "fleet = LocalFleet(Path(root), scale_set, ImageStore(Path(store)))\n"
            "async def main():\n"
            "    for n, version in enumerate(['1.1.0', '1.0.0'] * 100):\n"
            "        print(n, version, flush=True)\n"
            "        await asyncio.gather(*(fleet.replace(f'{n} {one}', one,\n"
            "            ImageVersion.parse(version)) for one in '0123'))\n"
            "asyncio.run(main())\n"
        )

        async def main() -> None:
            await fleet.create(4, version=V1)
            given: list[str | Path] = [ground.root, ground.images.root, str(ground.port)]
            for round_number in range(3):
                with subprocess.Popen(
                    [sys.executable, "-c", program, *given], stdout=subprocess.PIPE, text=True
                ) as controller:
                    assert controller.stdout is not None
                    lines = [controller.stdout.readline() for _ in range(2)]
                    await asyncio.sleep(0.03 * round_number)
                    controller.kill()
                    lines += controller.stdout
                number, version = lines[-1].split()
                target = ImageVersion.parse(version)
                again = (fleet.replace(f"{number} {one}", one, target) for one in "0123")
                await asyncio.gather(*again)
                for one in "0123":
                    assert (await until(fleet, one, Health.HEALTHY)).version == version
                    assert len(ground.pids(one)) == 1
                    assert ground.disks(one) <= 2
                for one in "0123":  # keys of the next round begin anew
                    ground.home(one).spent.unlink()
                    await fleet.replace(f"between {round_number}", one, V1)

        scenario(main)


class TestCredentials:
    """R4.10: one that has expired is named, before anything is touched."""

    SAS = Credential(name="sas", file="sas.token")

    def test_a_disk_is_refused(self, ground: Ground) -> None:
        token = ground.folder / "sas.token"
        fleet = ground.fleet(credentials=(self.SAS,))

        async def main() -> None:
            token.write_text("2100-01-01T00:00:00Z")
            await fleet.create(1, version=V1)
            await fleet.replace("k1", "0", V2)
            token.write_text("2020-01-01T00:00:00Z")
            await fleet.replace("k1", "0", V2)  # one key, one effect: done is done
            before = ground.pids()
            with pytest.raises(CredentialExpired) as caught:
                await fleet.replace("k2", "0", V3)
            assert (caught.value.credential, caught.value.instance) == ("sas", "0")
            assert caught.value.why == "at 2020-01-01T00:00:00Z"
            assert ground.pids() == before
            assert (await see(fleet, "0")).version == "1.1.0"
            await fleet.restore("k3", "0", "k1")  # an old disk needs nothing from elsewhere
            assert (await see(fleet, "0")).version == "1.0.0"

        asyncio.run(main())

    def test_a_file_that_tells_nothing_refuses_nothing(self, ground: Ground) -> None:
        """What is unknown is not known to have expired."""
        fleet = ground.fleet(credentials=(self.SAS,))

        async def main() -> None:
            await fleet.create(1, version=V1)
            await fleet.replace("k1", "0", V2)

        asyncio.run(main())


class TestModel:
    """R2.3: what an instance was set up by."""

    def test_outdated(self, ground: Ground) -> None:
        one = Extension(name="one", command=("true",))
        other = Extension(name="one", command=("true", "again"))

        async def main() -> None:
            assert await ground.fleet().outdated() == ()
            await ground.fleet(extensions=(one,)).create(2, version=V1)
            assert await ground.fleet(extensions=(one,)).outdated() == ()
            latest = ground.fleet(extensions=(other,))
            assert await latest.outdated() == ("0", "1")
            await latest.replace("k1", "1", V2)
            assert await latest.outdated() == ("0",)

        asyncio.run(main())

    def test_a_disk_that_was_to_run_nothing_stays_done(self, ground: Ground) -> None:
        """R5.1: a model that has an extension more makes no old disk unhealthy."""

        async def main() -> None:
            await ground.fleet(health=None).create(1, version=V1)
            more = ground.fleet(
                health=None, extensions=(Extension(name="a", command=("true",)),)
            )
            assert (await see(more, "0")).health is Health.HEALTHY
            assert await more.outdated() == ("0",)

        asyncio.run(main())

    def test_a_version_of_another_image_is_none_of_this_one(
        self, ground: Ground, images: ImageStore
    ) -> None:
        """R1.5, S9."""
        source = images.path("web-os", V1)
        images.publish("db-os", V1, source)

        async def main() -> None:
            await ground.fleet().create(1, version=V1)
            reference = ImageReference(image="db-os")
            edited = attrs.evolve(ground.scale_set(), image_reference=reference)
            other = LocalFleet(ground.root, edited, images, folder=ground.folder)
            ground.made.append(other)
            assert (await see(other, "0")).version == "web-os@1.0.0"
            await other.replace("k1", "0", V1)
            assert (await see(other, "0")).version == "1.0.0"

        asyncio.run(main())
