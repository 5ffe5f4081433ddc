"""kill -9 of the real program at random moments (N2).

After each run: the state is that of a run that was never killed, no instance got a
second disk or a second server, and no process is left without an owner.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ground import Ground
from rollproof.installation import Installation
from rollproof.states import State

IDS = tuple("012345")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


def roll(ground: Ground, to: str, chance: random.Random, usual: float) -> int:
    """Run to a version, killed again and again until it gets through; how often it was.

    `usual` is how long it takes if nobody kills it, in seconds.
    """
    kills = 0
    while True:
        with ground.running("run", "web", "--to", to) as program:
            # Ever later, so that it gets through at last; the first well before the usual
            # end, for a run may be a good deal quicker than the one that was timed.
            deadline = time.monotonic() + usual * chance.uniform(0.1, 0.5 + 0.3 * kills)
            while program.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            if program.poll() is not None:
                output = program.communicate()[0]
                assert program.returncode == 0, output
                return kills
            program.kill()
            program.communicate()
            kills += 1


def check(ground: Ground, run: str, to: str) -> None:
    """The world is as if nothing had been killed."""
    with Installation(ground.home) as here:
        account = here.account(run)
        status = here.status(run)
    assert account is not None
    assert status is not None
    assert status.state is State.COMPLETED
    assert status.progress.successful == len(IDS)
    assert set(ground.versions().values()) == {to}
    for instance in IDS:
        home = ground.instance(instance)
        spent = json.loads((home / "spent.json").read_text())
        assert [key for key in spent if key.startswith(f"{run}/")] == [
            f"{run}/{instance}/replace/1"
        ]
        assert len(list((home / "disks").iterdir())) == 2, "the current and the previous"
    # Once, on a machine with five times the load it can bear, a look at all processes
    # missed one that answered before and after; so look again before it is believed.
    if len(ground.pids()) != len(IDS):
        time.sleep(1)
    assert len(ground.pids()) == len(IDS), "a server each, and nothing else"


def many(ground: Ground, times: int, seed: int) -> None:
    """Roll to and fro, so many times at least, and until enough were killed."""
    chance = random.Random(seed)
    ground.publish()
    # Short beside what nobody hosts between two lives, which does not count.
    ground.fleet(len(IDS), zones=3, batch=34, health="PT5S")
    began = time.monotonic()
    ground.rollproof("run", "web", "--to", "1.1.0")
    usual = time.monotonic() - began
    kills = 0
    boots = {"1.0.0": 1, "1.1.0": 1}
    for number in range(4 * times):
        if number >= times and kills >= times / 2:
            break
        to = "1.1.0" if number % 2 else "1.0.0"
        kills += roll(ground, to, chance, usual)
        boots[to] += 1
        with Installation(ground.home) as here:
            # One that died after its run had ended finds nothing to do in the next.
            status = next(each for each in here.history("web") if each.batches)
        check(ground, status.run, to)
        assert {ground.boots(each, to) for each in IDS} == {boots[to]}
    assert kills >= times / 2, "whoever is hardly ever killed shows nothing"


def test_killed_at_random(ground: Ground) -> None:
    many(ground, 2, seed=2)


@pytest.mark.slow
def test_killed_at_random_20_times(ground: Ground) -> None:
    many(ground, 20, seed=20)
