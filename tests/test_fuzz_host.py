"""rollproof_checks.fuzz.HostMachine: the real host keeps the laws, broken ones are caught.

Issue 3, item 6.  The laws and their requirement ids stand in the machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from catching import catching
from rollproof import batch, turn
from rollproof.adapters.provider import Provider
from rollproof.commands import Command, Verb
from rollproof.events import Event, Observed, Overdue, Restored
from rollproof.fleet import Instance
from rollproof.host import EmbeddedHost
from rollproof.images import ImageVersion
from rollproof.journal import Journal
from rollproof.journal.journal import RunRecord
from rollproof.run import Run
from rollproof_checks.fuzz import HostMachine
from rollproof_checks.simulated import Twist

QUICK: Final = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
CATCH: Final = catching(QUICK, max_examples=300)


def test_the_host_keeps_the_laws() -> None:
    """S1, S5, S6, S8, S9, R4.1, R4.2, R4.4, R4.8, R4.9, N2, N6."""
    run_state_machine_as_test(HostMachine, settings=QUICK)


@pytest.mark.slow
def test_the_host_keeps_the_laws_for_longer() -> None:
    """The same, some thousand times."""
    longer = settings(QUICK, max_examples=3_000, stateful_step_count=60)
    run_state_machine_as_test(HostMachine, settings=longer)


class EagerHost(EmbeddedHost):
    """Commits the intent of effects a moment after they have begun."""

    def _commit(self, work: Any) -> None:
        commit = super()._commit

        def late() -> None:
            try:
                commit(work)
            except BaseException as error:  # killed at the checkpoint
                self._crash = error
                self._wake.set()

        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, late)


class ForgetfulHost(EmbeddedHost):
    """Does not look into the outbox when it comes back."""

    _adopting = False

    def _adopt(self, record: RunRecord) -> None:
        self._adopting = True
        super()._adopt(record)
        self._adopting = False

    def _issue(self, hosted: Any, command: Command) -> None:
        if not self._adopting:
            super()._issue(hosted, command)


class TimelessHost(EmbeddedHost):
    """Knows no deadlines."""

    def _fire_deadlines(self) -> None:
        super()._fire_deadlines()
        kept = [each for each in self._queue if not isinstance(each[1], Overdue)]
        self._queue = deque(kept)


class HoardingHost(EmbeddedHost):
    """Does not cross off what was handed in."""

    def _commit(self, work: Any) -> None:
        work.turn = [attrs.evolve(turned, post=None) for turned in work.turn]
        super()._commit(work)


class DeafHost(EmbeddedHost):
    """Does not notice what other processes hand in."""

    def _take_in(self) -> None:
        if self._journal_version is None:
            super()._take_in()


class LeakyHost(EmbeddedHost):
    """Leaves commands in the outbox that the run does not wait for any more."""

    def _closed_by(
        self, event: Event, after: Run, hosted: Any, opened: dict[str, Command]
    ) -> Sequence[str]:
        closed = super()._closed_by(event, after, hosted, opened)
        return [key for key in closed if f"/{Verb.WATCH}/" not in key]


class TrustingHost(EmbeddedHost):
    """Takes the provider's word for what it should see."""

    def report(self, run: str, event: Event) -> None:
        if isinstance(event, Observed):
            target = self.current(run).charter.target
            event = attrs.evolve(event, instance=attrs.evolve(event.instance, version=target))
        super().report(run, event)


class WordyHost(EmbeddedHost):
    """Tells the run what it did not record."""

    def _apply(self, work: Any) -> None:
        super()._apply(work)
        for name, hosted in self._hosted.items():
            charter = attrs.evolve(hosted.run.charter, run=name, pause=1)
            hosted.run = hosted.run._replace(charter=charter)


class WithProvider(EmbeddedHost):
    """Puts something between itself and the provider."""

    between: type[Provider]

    def __init__(
        self, journal: Journal, provider_of: Callable[[str], Provider], **more: Any
    ) -> None:
        super().__init__(journal, lambda name: self.between(provider_of(name)), **more)  # type: ignore[call-arg]  # each takes the provider


class _Keyless:
    """Every call is a new command."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._calls = count()

    async def observe(self, instance: str | None = None) -> Sequence[Instance]:
        return await self._provider.observe(instance)

    async def replace(self, key: str, instance: str, version: ImageVersion) -> None:
        await self._provider.replace(f"{key}/{next(self._calls)}", instance, version)

    async def restore(self, key: str, instance: str, undoes: str) -> None:
        await self._provider.restore(f"{key}/{next(self._calls)}", instance, undoes)


class KeylessHost(WithProvider):
    """Invents a key for every call."""

    between = _Keyless


class RepeatingHost(EmbeddedHost):
    """Not broken: reports everything twice, as a network may (S13)."""

    def report(self, run: str, event: Event) -> None:
        super().report(run, event)
        super().report(run, event)
        if isinstance(event, Restored):
            super().report(run, attrs.evolve(event, attempt=event.attempt + 7))


BROKEN: Final = {
    EagerHost: "before it was journaled",
    ForgetfulHost: "the run does not end",
    TimelessHost: "the run does not end",
    HoardingHost: "nobody worked in",
    DeafHost: "the run does not end|nobody worked in",
    LeakyHost: "nothing waits for",
    TrustingHost: "S9",
    WordyHost: "the journal replays to the live run",
    KeylessHost: "before it was journaled",
}
"""Hosts that break one rule each, and what the machine says of them."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda host: host.__name__)
def test_a_broken_host_is_caught(broken: type[EmbeddedHost]) -> None:
    class Broken(HostMachine):
        host = broken
        # Only where a provider lies does it matter whether its word is taken.
        faults = (Twist.LIED,) if broken is TrustingHost else HostMachine.faults

    with pytest.raises(AssertionError, match=BROKEN[broken]):
        run_state_machine_as_test(Broken, settings=CATCH)


def test_a_batch_across_zones_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """R4.2: the record is judged by the requirement, not by the code that wrote it."""
    every = batch.offer
    monkeypatch.setattr(
        turn,
        "offer",
        lambda ledger, ground, **rest: every(ledger, ground._replace(zone=None), **rest),
    )
    with pytest.raises(AssertionError, match=r"R4\.2: one zone"):
        run_state_machine_as_test(HostMachine, settings=CATCH)


def test_a_host_that_hears_everything_twice_is_not_broken() -> None:
    """S13."""

    class Repeating(HostMachine):
        host = RepeatingHost

    run_state_machine_as_test(Repeating, settings=settings(QUICK, max_examples=15))
