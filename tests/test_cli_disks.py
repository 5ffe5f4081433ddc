"""`rollproof local logs` and `rollproof local gc`, and the same from Python (R1.2, R5.3)."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ground import Ground
from rollproof.errors import InvalidFields, RunActive, UnknownInstance, UnknownScaleSet
from rollproof.installation import Happening, Installation, Quiet, Shape

EXTENSIONS = """
custom_data = "first-boot.sh"

[[extensions]]
name = "agent"
command = ["/bin/sh", "-c", "printf 'one\\\\n\\\\033[2Jtwo\\\\n'"]

[[extensions]]
name = "licence"
command = ["/bin/sh", "-c", "v=$ROLLPROOF_IMAGE_VERSION; echo $v; [ $v = 1.0.0 ]"]
provision_after = ["agent"]
"""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    made.publish()
    try:
        yield made
    finally:
        made.clean_up()


def declare(ground: Ground, top: str = "", timeouts: str = "") -> None:
    """Apply a set, and start two instances of it."""
    (ground.folder / "first-boot.sh").write_text("echo hello\n")
    document = ground.document(health="PT3S")
    text = document.read_text().replace("[timeouts]\n", f"[timeouts]\n{timeouts}")
    head, name, rest = text.partition('name = "web"\n')
    top, brackets, extensions = top.partition("[[")
    document.write_text(f"{head}{name}{top}{rest}{brackets}{extensions}")
    with Installation(ground.home) as here:
        here.apply(document)
        here.create_local("web", Shape(instances=2, zones=0), version="1.0.0")


class TestLogs:
    """Everything that ran on a new disk can be read afterwards."""

    def test_of_an_instance(self, ground: Ground) -> None:
        declare(ground, EXTENSIONS)
        text = ground.rollproof("local", "logs", "web", "0").out
        assert "(current), 1.0.0" in text
        assert "  custom-data: succeeded after" in text
        assert "\n    hello\n" in text
        assert "\n    two\n" in text
        assert "one" not in text, "the last line, in short"
        assert "\x1b" not in text
        answer = ground.rollproof("local", "logs", "web", "0", "--json").json
        assert answer.keys() == {"scale_set", "instance", "disks"}
        (disk,) = answer["disks"]
        assert [step["step"] for step in disk["steps"]] == ["custom-data:", "agent", "licence"]
        assert disk["steps"][1]["output"] == "one\n\x1b[2Jtwo\n"
        assert disk["steps"][1]["exit_code"] == 0
        assert disk["steps"][1]["result"] == "succeeded"

    def test_of_a_step(self, ground: Ground) -> None:
        declare(ground, EXTENSIONS)
        text = ground.rollproof("local", "logs", "web", "1", "agent").out
        assert "\n    one\n    two\n" in text
        assert "licence" not in text
        with Installation(ground.home) as here:
            assert here.logs_local("web", "1", "custom-data")[0].steps[0].output == "hello\n"
            (disk,) = here.logs_local("web", "1", "agent")
        assert [each.output for each in disk.steps] == ["one\n\x1b[2Jtwo\n"]

    def test_where_a_failure_is_told(self, ground: Ground) -> None:
        """R5.3: a run says which extension failed, what it said, and where to read on."""
        declare(ground, EXTENSIONS)
        ran = ground.rollproof("run", "web", "--to", "1.1.0", "--rollback", "--json", code=4)
        (failure,) = ran.lines[-1]["failures"]
        assert "licence failed: exit code 1: 1.1.0" in failure["why"]
        assert f"rollproof local logs web {failure['instance']}" in failure["why"]
        disks = ground.rollproof(
            *("local", "logs", "web", failure["instance"], "licence", "--json")
        ).json["disks"]
        assert [(disk["place"], disk["version"]) for disk in disks] == [
            *(("current", "1.0.0"), ("removed", "1.1.0"))
        ]
        assert disks[1]["steps"][0]["exit_code"] == 1

    def test_unknown_names(self, ground: Ground) -> None:
        declare(ground, EXTENSIONS)
        with Installation(ground.home) as here:
            with pytest.raises(UnknownScaleSet):
                here.logs_local("wep", "0")
            with pytest.raises(UnknownInstance):
                here.logs_local("web", "7")
            with pytest.raises(InvalidFields, match="Did you mean agent"):
                here.logs_local("web", "0", "agnt")
            here.destroy_local("web")
            with pytest.raises(InvalidFields, match="local create web"):
                here.logs_local("web", "0")
        error = ground.rollproof("local", "logs", "wep", "0", "--json", code=2).error
        assert error["code"] == "UnknownScaleSet"

    def test_where_nothing_runs_on_new_disks(self, ground: Ground) -> None:
        declare(ground)
        assert "nothing ran" in ground.rollproof("local", "logs", "web", "0").out
        refused = ground.rollproof("local", "logs", "web", "0", "agent", code=2)
        assert "none did" in refused.err


def age(ground: Ground, instance: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(ground.instance(instance) / "previous", (then, then), follow_symlinks=False)


class Interrupting(Quiet):
    """Ends the waiting once a batch has begun."""

    def hears(self, happening: Happening) -> None:
        if "succeed" in happening.rows and not happening.past:
            os.kill(os.getpid(), signal.SIGINT)


class TestGc:
    """Previous disks go when their time has passed, never in the middle of a run (R4.3)."""

    KEEP = 'keep_previous_disk = "PT1H"\n'

    def disks(self, ground: Ground) -> list[int]:
        return [len(list((ground.instance(one) / "disks").iterdir())) for one in "01"]

    def test_what_was_kept_long_enough(self, ground: Ground) -> None:
        declare(ground, timeouts=self.KEEP)
        assert "kept long enough" in ground.rollproof("local", "gc").out
        with Installation(ground.home) as here:
            here.run("web", "1.1.0")
        assert self.disks(ground) == [2, 2]
        age(ground, "0", 3700)
        answer = ground.rollproof("local", "gc", "web", "--json").json
        assert answer["sets"] == ["web"]
        (removed,) = answer["removed"]
        assert removed.keys() == {"scale_set", "instance", "disk", "version"}
        assert (removed["instance"], removed["version"]) == ("0", "1.0.0")
        assert self.disks(ground) == [1, 2]
        age(ground, "1", 3700)
        assert "web: instance 1: os-" in ground.rollproof("local", "gc").out
        assert self.disks(ground) == [1, 1]
        assert ground.rollproof("local", "gc", "wep", code=2).err

    def test_a_run_that_begins_sweeps(self, ground: Ground) -> None:
        declare(ground, timeouts=self.KEEP)
        with Installation(ground.home) as here:
            here.run("web", "1.1.0")
            for one in "01":
                age(ground, one, 3700)
            here.run("web", "1.1.0")  # where nothing is left to be done
        assert self.disks(ground) == [1, 1]

    def test_creating_sweeps(self, ground: Ground) -> None:
        declare(ground, timeouts=self.KEEP)
        with Installation(ground.home) as here:
            here.run("web", "1.1.0")
            age(ground, "1", 3700)
            here.create_local("web")
        assert self.disks(ground) == [2, 1]

    def test_not_while_a_run_is_under_way(self, ground: Ground) -> None:
        declare(ground, timeouts=self.KEEP)
        with Installation(ground.home) as here:
            ended = here.run("web", "1.1.0", audience=Interrupting())
            assert ended.interrupted
            for one in "01":
                if (ground.instance(one) / "previous").is_symlink():
                    age(ground, one, 3700)
            before = self.disks(ground)
            with pytest.raises(RunActive, match=r"R4\.9"):
                here.gc_local("web")
            assert here.gc_local() == {}
            here.create_local("web", version="1.0.0")
            assert self.disks(ground) == before
            here.run("web")
            assert here.gc_local().keys() == {"web"}
        assert 2 in before
