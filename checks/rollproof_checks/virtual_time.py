"""An asyncio event loop whose time is a number.

When nothing is ready the loop does not sleep: time jumps to the next timer.  Minutes of
a run take milliseconds, and every repetition sees the same times.

    clock = VirtualClock()
    run(clock, main())      # asyncio.sleep(3600) returns at once, an hour later

The clock outlives the loop, as time outlives a crashed process: give it to the host as
its clock, and to the next loop when the host is started again.

Laws
----
* Time never goes back, and moves only while nothing is ready.
* A loop that has no timer and nothing ready raises `NothingWillHappen`: in real time it
  would hang for ever.
* What comes from threads, processes and sockets is heard only if it is there already:
  this loop is for what happens within one process.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

EPOCH: Final = 1_700_000_000_000
"""Where the clock begins: milliseconds since the Unix epoch, in November 2023."""


class NothingWillHappen(Exception):
    """The loop waits, and there is no timer that could end its wait."""


class VirtualClock:
    """Seconds since the clock was made; called, milliseconds since the Unix epoch."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> int:
        """What `EmbeddedHost` takes for its ``clock``."""
        return EPOCH + round(self.seconds * 1000)

    def pass_by(self, seconds: float) -> None:
        """Let time pass while nothing runs, as between a crash and the next start."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self.seconds += seconds


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that lives by a `VirtualClock`."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._clock = clock
        # asyncio's own nanosecond is less than a step of the float after half a year: a
        # timer that is due now would never be taken.
        self._clock_resolution = 1e-6
        self.failures: list[Mapping[str, Any]] = []
        """What asyncio would have logged: exceptions that nobody looked at."""
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        """Seconds since the clock was made."""
        return self._clock.seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise NothingWillHappen
        if timeout > 0:
            self._clock.pass_by(timeout)
        return ready


def run(clock: VirtualClock, main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time.  Fails if an exception was left unlooked at."""
    loop = VirtualTimeLoop(clock)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
    assert not loop.failures, loop.failures
    return result
