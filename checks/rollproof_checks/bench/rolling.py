"""A whole roll of a local fleet against its swaps: what the orchestrator itself costs."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import attrs

from rollproof import ImageReference, ImageVersion, ScaleSet
from rollproof.adapters.local import write_sample_image
from rollproof.commands import Verb
from rollproof.health import HttpProbe
from rollproof.host import Home
from rollproof.installation import Installation, Shape
from rollproof.journal import Journal
from rollproof.run import new_run
from rollproof.step import trace

PORT = 18_080


@attrs.frozen
class RollFigure:
    """One roll of real processes."""

    size: int
    batches: int
    seconds: float
    """From the start of the run to its end."""
    swaps: float
    """Sum over the batches of the slowest swap: from the command until seen healthy."""

    @property
    def ratio(self) -> float:
        """1.0 would be an orchestrator that costs nothing."""
        return self.seconds / self.swaps


def time_roll(size: int) -> RollFigure:
    """Upgrade ``size`` processes in three zones, and read the times off the journal."""
    with tempfile.TemporaryDirectory(prefix="rollproof-bench-") as folder:
        home = Home(Path(folder).resolve() / "home")
        with Installation(home.path) as here:
            here.apply(
                ScaleSet(
                    name="web",
                    image_reference=ImageReference(image="web-os"),
                    health=HttpProbe(
                        port=PORT, path="/health", interval=timedelta(milliseconds=50)
                    ),
                )
            )
            for text in ("1.0.0", "1.1.0"):
                source = Path(folder) / text
                write_sample_image(source, ImageVersion.parse(text))
                here.publish_image("web-os", text, source)
            here.create_local("web", Shape(instances=size, zones=3), version="1.0.0")
            try:
                ended = here.run("web", to="1.1.0")
                return _read(home, ended.status.run, size)
            finally:
                here.destroy_local("web")


def _read(home: Home, name: str, size: int) -> RollFigure:
    with Journal(home.journal, read_only=True) as journal:
        record = journal.run(name)
        run = new_run(record.charter)
        began, batches = 0, 0
        slowest: dict[int, int] = {}
        for recorded in journal.events(name):
            at = recorded.event.at
            run, commands, rows = trace(run, recorded.event)
            if any(command.verb is Verb.REPLACE for command in commands):
                began, batches = at, batches + 1
            if "succeed" in rows:
                slowest[batches] = at - began
    assert run.counts.upgraded_healthy == size
    assert record.closed_at is not None
    seconds = (record.closed_at - record.opened_at) / 1000
    return RollFigure(size, batches, seconds, sum(slowest.values()) / 1000)
