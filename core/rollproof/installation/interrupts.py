"""SIGINT and SIGTERM, as a word to somebody who waits."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interrupts(tell: Callable[[int], None]) -> Iterator[None]:
    """Hear the signals by their numbers for as long as the context lasts."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Outside the main thread Python hears no signals.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, tell, number)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
