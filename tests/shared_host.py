"""What the tests of journal and host share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rollproof.charter import Charter
from rollproof.counts import Limits
from rollproof.fleet import Health, Instance

MEMORY = Path("/dev/shm")

NO_LIMITS = Limits(
    max_batch=34,
    max_unhealthy=100,
    max_unhealthy_upgraded=100,
    rollback=0,
    restore_on_breach=0,
    paced=0,
)


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A folder, in memory where there is one: thousands of commits, each with an fsync."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def charter(run: str = "r1", scale_set: str = "web", **terms: object) -> Charter:
    """A run with short waits; percentages that let six instances go two by two."""
    settled: dict[str, object] = {
        "limits": NO_LIMITS,
        "target": "1.1.0",
        "look": 1_000,
        "health_wait": 6_000,
        "replace_wait": 60_000,
        "restore_wait": 60_000,
        "survey_wait": 30_000,
    }
    return Charter(run=run, scale_set=scale_set, **(settled | terms))  # type: ignore[arg-type]  # the test says what it says


def instances(count: int = 6, zones: int = 1) -> list[Instance]:
    """Healthy instances on 1.0.0, spread over zones."""
    return [
        Instance(
            id=f"vm-{number}",
            zone=str(number % zones + 1),
            version="1.0.0",
            health=Health.HEALTHY,
        )
        for number in range(count)
    ]
