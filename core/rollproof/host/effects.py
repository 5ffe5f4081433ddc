"""Carrying out commands: the only place where a host calls a provider.

An effect reports what it learnt and decides nothing.  It goes on asking until it has an
answer; the host ends it when the run does not wait for it any more, at the latest by
the command's deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from rollproof.adapters.provider import Provider
from rollproof.commands import Command, Verb
from rollproof.errors import CredentialExpired, OperationFailed, OutcomeUnknown
from rollproof.events import (
    Event,
    Fault,
    Observed,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Instance
from rollproof.host.rhythm import Rhythm
from rollproof.images import ImageVersion
from rollproof.ledger import news
from rollproof.run import Run
from rollproof.states import Cause

log = logging.getLogger("rollproof.host")

T = TypeVar("T")

FIRST_RETRY = 0.5
"""Seconds before an unknown outcome is asked for again; doubled each time."""
LAST_RETRY = 30.0


class Setting(Protocol):
    """What an effect needs of its host."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def current(self, run: str) -> Run:
        """The run as it stands."""
        ...

    def report(self, run: str, event: Event) -> None:
        """Hand in what was learnt."""
        ...

    def checkpoint(self, point: str) -> None:
        """Told before and after every call to a provider; a test may die here."""
        ...


async def carry_out(setting: Setting, provider: Provider, run: Run, command: Command) -> None:
    """Do what ``command`` wants and report the outcome.

    An answer that cannot be made sense of stops its own run, and no other (R8).
    """
    try:
        await _EFFECTS[command.verb](setting, provider, run, command)
    except CredentialExpired as error:  # while looking: nothing failed that could be named
        _stop_if_expired(setting, run.charter.run, error)
    except Exception as error:
        name = run.charter.run
        log.exception("%s: the provider's answer makes no sense", command.key(name))
        setting.report(name, Fault(setting.now(), f"{type(error).__name__}: {error}"))


def _why(error: OperationFailed) -> str:
    """The words of a failure; an expired credential is always named (R4.10)."""
    if isinstance(error, CredentialExpired):
        return f"credential {error.credential!r} has expired, {error.why} (R4.10)"
    return error.why


def _stop_if_expired(setting: Setting, run: str, error: OperationFailed) -> None:
    """Told before the failure itself, which is then not restored (R4.10)."""
    if isinstance(error, CredentialExpired):
        setting.report(run, Fault(setting.now(), _why(error), Cause.CREDENTIALS))


async def _survey(setting: Setting, provider: Provider, run: Run, command: Command) -> None:
    name = run.charter.run

    async def look() -> Sequence[Instance]:
        fleet = await provider.observe()
        if len({instance.id for instance in fleet}) != len(fleet):
            raise OutcomeUnknown("", "the provider named an instance twice")
        return [run.charter.read(instance) for instance in fleet]

    fleet = await _insist(setting, command.key(name), look)
    present, gone = news(setting.current(name).ledger, run.charter.target, fleet)
    setting.report(name, Surveyed(setting.now(), command.attempt, present, gone))


async def _replace(setting: Setting, provider: Provider, run: Run, command: Command) -> None:
    name, key, undo = run.charter.run, command.key(run.charter.run), run.charter.undo
    instance, attempt = command.instance, command.attempt
    replace: Callable[[], Awaitable[None]]
    if undo is None:
        version = ImageVersion.parse(run.charter.target)
        replace = partial(provider.replace, key, instance, version)
    else:
        replace = partial(provider.restore, key, instance, undo.key(instance))

    try:
        await _insist(setting, key, replace)
    except OperationFailed as error:
        _stop_if_expired(setting, name, error)
        outcome: Event = ReplaceFailed(setting.now(), instance, attempt, _why(error))
    else:
        outcome = Replaced(setting.now(), instance, attempt)
    setting.report(name, outcome)


async def _restore(setting: Setting, provider: Provider, run: Run, command: Command) -> None:
    name, key = run.charter.run, command.key(run.charter.run)
    instance, attempt = command.instance, command.attempt
    undoes = command._replace(verb=Verb.REPLACE).key(name)
    try:
        await _insist(setting, key, lambda: provider.restore(key, instance, undoes))
    except OperationFailed as error:
        _stop_if_expired(setting, name, error)
        outcome: Event = RestoreFailed(setting.now(), instance, attempt, _why(error))
    else:
        outcome = Restored(setting.now(), instance, attempt)
    setting.report(name, outcome)


async def _watch(setting: Setting, provider: Provider, run: Run, command: Command) -> None:
    """Look again and again; report what differs from the look before."""
    name = run.charter.run

    async def look() -> Instance | None:
        seen = await provider.observe(command.instance)
        return next((one for one in seen if one.id == command.instance), None)

    last: Instance | None = None
    rhythm = Rhythm(run.charter.look / 1000)
    while True:
        seen = await _insist(setting, command.key(name), look)
        if seen is None:
            setting.report(name, Vanished(setting.now(), command.instance, command.attempt))
            return
        if seen != last:
            last = seen
            setting.report(name, Observed(setting.now(), last, command.attempt))
        await rhythm.beat()


async def _wait(_: Setting, __: Provider, ___: Run, ____: Command) -> None:
    """The deadline is the outcome."""


_EFFECTS = {
    Verb.SURVEY: _survey,
    Verb.REPLACE: _replace,
    Verb.RESTORE: _restore,
    Verb.WATCH: _watch,
    Verb.WAIT: _wait,
    Verb.AWAIT: _wait,
}


async def _insist(setting: Setting, key: str, call: Callable[[], Awaitable[T]]) -> T:
    """Call until the outcome is known.  Raises `OperationFailed` only."""
    pause = FIRST_RETRY
    while True:
        setting.checkpoint(f"before {key}")
        try:
            answer = await call()
        except OperationFailed:
            _end_if_cancelled()
            setting.checkpoint(f"after {key}")
            raise
        except (Exception, asyncio.CancelledError) as error:
            # The contract: whatever else an adapter raises means that nobody can say;
            # also a cancellation that was not ours.
            _end_if_cancelled()
            setting.checkpoint(f"after {key}")
            log.warning("%s: outcome unknown, asking again in %.1f s: %r", key, pause, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY)
        else:
            _end_if_cancelled()
            setting.checkpoint(f"after {key}")
            return answer


def _end_if_cancelled() -> None:
    """The run does not wait for this effect any more, even if its adapter made another
    exception, or an answer, of the cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
