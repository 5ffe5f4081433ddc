"""What must hold of every turn of a run, told from its record alone.

Computed from the requirements, with integers, and not by the functions of
`rollproof.rules` or `rollproof.table` that it judges.
"""

from __future__ import annotations

from collections import Counter

from rollproof.charter import Charter
from rollproof.commands import Command, Verb
from rollproof.counts import PHASES
from rollproof.errors import DamagedJournal
from rollproof.events import Event, Observed, Resume, Surveyed
from rollproof.journal import Journal
from rollproof.run import Run, expects, new_run
from rollproof.states import TERMINAL, Cause, State, View
from rollproof.step import trace
from rollproof_checks.fuzz.stage import FLYING, check_returns

THRESHOLDS = (Cause.FLEET_UNHEALTHY, Cause.UPGRADED_UNHEALTHY)
CLAIMS = ("begin_healthy", "begin_unhealthy", "claim_healthy", "claim_unhealthy")


class RecordJudge:
    """Follows one run through the journal and judges each of its events."""

    def __init__(self, journal: Journal, charter: Charter) -> None:
        self._journal = journal
        self._zones: dict[str, str] = {}
        self._domains: dict[str, str] = {}
        self._seq = 0
        self.run = new_run(charter)
        """The run as far as it was judged."""
        self.succeeded: list[tuple[str, int]] = []
        """Instances that were counted as upgraded, and when."""

    def catch_up(self) -> None:
        """Judge what was recorded since.  Fails at the first law that is broken."""
        for recorded in self._journal.events(self.run.charter.run, self._seq):
            after, commands, rows = trace(self.run, recorded.event)
            if (rows, after.state) != (recorded.rows, recorded.state):
                raise DamagedJournal(str(self._journal.path), f"event {recorded.seq}")
            self._note(recorded.event, rows)
            self._judge(recorded.event, after, commands, rows)
            self.run, self._seq = after, recorded.seq

    def _note(self, event: Event, rows: tuple[str, ...]) -> None:
        seen = event.present if isinstance(event, Surveyed) else ()
        if isinstance(event, Observed):
            seen = (event.instance,)
            if "succeed" in rows:
                self.succeeded.append((event.instance.id, event.at))
        self._zones.update((instance.id, instance.zone) for instance in seen)
        self._domains.update((instance.id, instance.update_domain) for instance in seen)

    def _judge(
        self, event: Event, after: Run, commands: tuple[Command, ...], rows: tuple[str, ...]
    ) -> None:
        assert after.ledger.tally() == after.counts[: len(PHASES)], "the ledger is the counts"
        check_returns(after)
        batch = [command for command in commands if command.verb is Verb.REPLACE]
        claims = [row for row in rows if row in CLAIMS]
        assert len(batch) == len(claims)
        if batch:
            self._judge_batch(event, after, batch, claims)
        limits, cause = after.charter.limits, after.cause
        if any(command.verb is Verb.RESTORE for command in commands):
            on_breach = limits.restore_on_breach and cause in THRESHOLDS
            assert limits.rollback or on_breach, "R4.8: nothing is rolled back"
            assert self.run.cause is not Cause.CREDENTIALS, "R4.10: what failed is left failed"

    def _judge_batch(
        self, event: Event, after: Run, batch: list[Command], claims: list[str]
    ) -> None:
        charter, limits = after.charter, after.charter.limits
        names = {command.instance for command in batch}
        phases = dict(after.ledger.members())
        whole, others = len(phases), Counter(phases[name] for name in phases.keys() - names)
        healthy = sum(claim in ("begin_healthy", "claim_healthy") for claim in claims)
        ill = len(batch) - healthy + others["indeterminate"]
        ill += sum(many for phase, many in others.items() if phase.endswith("_unhealthy"))
        attempted = sum(
            many
            for phase, many in others.items()
            if not phase.startswith(("pending", "skipped"))
        )
        lost = attempted - others["upgraded_healthy"] - others["indeterminate"]

        assert len(names) == len(batch), "R4.2: an instance is in a batch once"
        assert self.run.cause is Cause.NONE, "S8: nothing is touched after cancel"
        assert not self.run.counts.held or isinstance(event, Resume), "N6: it is paused"
        assert len(batch) <= max(1, limits.max_batch * whole // 100), "S1: batch bound"
        assert 100 * ill <= limits.max_unhealthy * whole, "R4.1: too much is unhealthy"
        assert 100 * lost <= limits.max_unhealthy_upgraded * attempted, "R4.4"
        room = limits.max_unhealthy * whole // 100
        assert len(batch) == 1 or healthy == 0 or ill + healthy <= room, "S6: headroom"
        assert not any(others[phase] for phase in FLYING), "S5: one batch at a time"
        if not charter.cross_zone:
            assert len({self._zones[name] for name in names}) == 1, "R4.2: one zone"
        if charter.one_domain:
            assert len({self._domains[name] for name in names}) == 1, "R6.1: one domain"
        assert {command.version for command in batch} == {charter.target}, "S10"

    def judge_outbox(self) -> None:
        """Whatever is waited for has an open command, so that it has a deadline, and
        nothing else has."""
        run, counts = self.run, self.run.counts
        commands = self._journal.outbox(run.charter.run)
        stray = [command for command in commands if not expects(run, command)]
        assert not stray, f"nothing waits for {stray}"
        if run.state in TERMINAL:
            assert commands == (), "what has ended wants nothing"
            return
        asked = run.state is State.PRECHECKING and counts.view == View.ASKED
        wanted = {
            Verb.SURVEY: int(asked),
            Verb.WAIT: counts.gated,
            Verb.AWAIT: counts.deferred,
            Verb.REPLACE: counts.replacing,
            Verb.WATCH: counts.awaiting + counts.recovering,
            Verb.RESTORE: counts.restoring,
        }
        open_ = Counter(command.verb for command in commands)
        assert {verb: open_[verb] for verb in wanted} == wanted, "every wait has a deadline"
