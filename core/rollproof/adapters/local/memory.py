"""What is remembered of an instance's health, in its folder: every process that looks at
it counts on from there, also the one that takes over from a killed host (N2).
"""

from collections.abc import Callable

from attrs import asdict

from rollproof.adapters.files import locked_if_free, read_json, write_json
from rollproof.adapters.local.layout import Home
from rollproof.health import Health
from rollproof.streaks import Streak

Judge = Callable[[Streak], tuple[Streak, Health]]
"""From what was remembered to what is to be remembered, and the health."""


def judged(home: Home, boot: str, judge: Judge) -> Health:
    """The health by what is remembered of this boot, and remember what it led to.

    Looking waits for nobody. While a command is on the instance, or its folder is being
    removed, nothing is written: what is counted begins after that.
    """
    before = _read(home)
    after, health = judge(before.of(boot))
    if after != before:
        with locked_if_free(home.lock) as ours:
            if ours:
                after, health = judge(_read(home).of(boot))
                write_json(home.health, {**asdict(after), "verdict": after.verdict.value})
    return health


def _read(home: Home) -> Streak:
    found = read_json(home.health, None)
    return (
        Streak() if found is None else Streak(**{**found, "verdict": Health(found["verdict"])})
    )
