"""All sources asked at the same time: a slow one costs its own bound, and nobody's turn."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread

from rollproof.catalog import Look, Source


def at_once(sources: Sequence[Source]) -> tuple[Look, ...]:
    """What asking each came to, in the order of the sources. Raises what the first of them
    raised, which none does for what is wrong out there.

    Each is asked by a thread of its own, for sources are few: somebody wrote them down.
    """
    asked: list[Future[Look]] = []
    for source in sources:
        look: Future[Look] = Future()
        # A pool would be waited for when the program ends; a Ctrl-C must not wait.
        Thread(target=_ask, args=(source, look), daemon=True).start()
        asked.append(look)
    return tuple(look.result() for look in asked)


def _ask(source: Source, look: Future[Look]) -> None:
    try:
        look.set_result(source.refresh())
    except BaseException as error:  # it belongs to whoever waits for the answer
        look.set_exception(error)
