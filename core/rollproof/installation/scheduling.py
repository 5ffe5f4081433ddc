"""The schedule's verbs: what is due, and what an operator may say to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import attrs

from rollproof.charter import Deferral
from rollproof.document import dumps
from rollproof.errors import (
    AllStopped,
    InvalidFields,
    NothingToApprove,
    NothingToRetry,
    Problem,
    UnknownInstance,
)
from rollproof.fleet import ScaleSet
from rollproof.host import wall_clock
from rollproof.installation.keeper import Fit
from rollproof.installation.lookout import Lookout, Source
from rollproof.installation.sets import Sets
from rollproof.journal import Journal, Replay
from rollproof.journal.journal import RunRecord
from rollproof.moments import instant
from rollproof.scheduler import Act, Decision, Facts, decide
from rollproof.states import State


class Scheduling:
    """Answers from, and notes in, the journal.  Whoever hosts sees to what follows."""

    def __init__(
        self,
        journal: Journal,
        sets: Sets,
        source: Callable[[], Source],
        fit: Fit,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """``source`` is made only to see what is due: a file that is wrong there must keep
        nobody from stopping everything."""
        self._journal = journal
        self._sets = sets
        self._source = source
        self._fit = fit
        self._clock = clock

    def due(self, name: str | None = None) -> tuple[Decision, ...]:
        """What is due now, of one set or of all by name.  Raises UnknownScaleSet."""
        if name is not None:
            self._sets.get(name)
        chosen = sorted(self._sets.all()) if name is None else [name]
        now = self._clock()
        lookout = self._looked(now)
        return tuple(self._decided(lookout.facts(each), now) for each in chosen)

    def switch(self, name: str, *, on: bool) -> ScaleSet:
        """Turn automatic upgrades on or off in the recorded declaration (R2.1)."""
        applied = self._sets.get(name)
        upgrade = applied.scale_set.upgrade_policy
        automatic = attrs.evolve(
            upgrade.automatic_os_upgrade_policy, enable_automatic_os_upgrade=on
        )
        edited = attrs.evolve(
            applied.scale_set,
            upgrade_policy=attrs.evolve(upgrade, automatic_os_upgrade_policy=automatic),
        )
        self._journal.declare(name, dumps(edited), str(applied.folder), self._clock())
        return edited

    def stop_all(self, *, on: bool) -> int | None:
        """Turn the stop-all switch (N6); since when it is on."""
        self._journal.stop_all(self._clock() if on else None)
        return self._journal.stopped_since()

    def check_approval(self, record: RunRecord, instances: tuple[str, ...]) -> None:
        """Raises unless the run withholds what is to be approved (R4.11): NothingToApprove,
        InvalidFields for instances of a run that is approved as a whole, UnknownInstance."""
        charter = record.charter
        if not charter.limits.deferral or not (
            record.counts.deferred or record.state is State.IDLE
        ):
            raise NothingToApprove(charter.run)
        if not instances:
            return
        if charter.deferral is not Deferral.INSTANCE:
            whole = Problem(
                field="instance",
                value=", ".join(instances),
                bound="none, for the run is approved as a whole",
                requirement="R4.11",
                fix='Leave them out; deferral.scope = "Instance" lets them be named.',
            )
            raise InvalidFields((whole,))
        replay = Replay(self._journal, charter.run)
        replay.catch_up()
        known = tuple(name for name, _ in replay.run.ledger.members())
        for name in instances:
            if name not in known:
                raise UnknownInstance(name, known)

    def check_not_stopped(self) -> None:
        """Raises AllStopped while the switch is on (N6)."""
        since = self._journal.stopped_since()
        if since is not None:
            raise AllStopped(instant(since))

    def retry(self, name: str) -> Decision:
        """Let the schedule forget how earlier runs ended (S12); what is due then.

        Raises UnknownScaleSet, or NothingToRetry when nothing is held against a version.
        """
        self._sets.get(name)
        now = self._clock()
        facts = self._looked(now).facts(name)
        if not _is_held_against(facts):
            raise NothingToRetry(name)
        self._journal.retry(name, now)
        return self._decided(attrs.evolve(facts, retry_at=now), now)

    def _decided(self, facts: Facts, now: int) -> Decision:
        decision = decide(facts, now)
        if decision.act is not Act.START or decision.version is None:
            return decision
        unfit = asyncio.run(self._fit(decision.scale_set, decision.version))
        return decide(attrs.evolve(facts, unfit=unfit), now)

    def _looked(self, now: int) -> Lookout:
        lookout = Lookout(self._journal, self._source(), records=False)
        lookout.read()
        lookout.sight(now)
        return lookout


def _is_held_against(facts: Facts) -> bool:
    """Whether a run of this model ended without completing, or was taken back, and was not
    forgiven."""
    return any(
        run.ended_at is not None
        and (not run.completed or bool(run.takes_back))
        and run.opened_at >= facts.configured_at
        and (facts.retry_at is None or run.ended_at > facts.retry_at)
        for run in facts.runs
    )
