"""Live progress on a terminal: one picture, redrawn in place."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live as RichLive

from rollproof.cli.narrator import Telling
from rollproof.cli.scene import Scene, draw
from rollproof.installation import Failure, Happening, Reasons
from rollproof.run import Run

RECENT = 3
"""Sentences that are kept in sight."""


class Live:
    """An audience that shows the run as it is now.

    It draws on a tick only, four times a second and when something changed: a burst of
    events costs one drawing, and a terminal over a slow line does not flicker.
    """

    def __init__(self, reasons: Reasons, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._reasons = reasons
        self._telling: Telling | None = None
        self._scene: Scene | None = None
        self._live = RichLive(
            console=self._console, auto_refresh=False, vertical_overflow="crop"
        )

    def begins(self, run: Run) -> None:
        """The run before its first event."""
        self._scene = Scene(run=run)
        self._telling = Telling(run, self._reasons, self._say)
        self._live.start()

    def hears(self, happening: Happening) -> None:
        """One event."""
        assert self._scene is not None, "begins comes first"
        assert self._telling is not None
        scene = self._scene
        scene.run = happening.after
        scene.began = scene.began or happening.event.at
        scene.last = happening.event.at
        self._telling.hears(happening)
        scene.failures = self._telling.failures(happening.after)

    def finds(self, instance: str, answer: str) -> None:
        """What an unhealthy instance answers."""
        self._reasons.finds(instance, answer)

    def notes(self, text: str) -> None:
        """Who hosts the run."""
        if self._scene is not None:
            self._scene.host = text

    def ticks(self, at: int) -> None:
        """Draw what is now."""
        if self._scene is not None:
            self._scene.now = at
            self._draw()

    def failures(self) -> tuple[Failure, ...]:
        """Who failed, and why."""
        return self._scene.failures if self._scene else ()

    def close(self) -> None:
        """Leave the last picture on the screen, and give the cursor back."""
        if self._scene is not None:
            self._scene.now = self._scene.last
            self._scene.over = True
            self._draw()
        self._live.stop()

    def _draw(self) -> None:
        assert self._scene is not None
        # Two columns are left for the "^C" that a terminal echoes: one line more than was
        # drawn, and the picture would be drawn beneath itself.
        self._live.update(draw(self._scene, self._console.width - 2), refresh=True)

    def _say(self, text: str, _trouble: bool) -> None:
        if self._scene is not None:
            self._scene.recent = [*self._scene.recent, text][-RECENT:]
