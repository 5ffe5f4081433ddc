"""What happens in a run, in sentences: a listener of its lifecycle.

`rollproof.listeners` says which methods are called when.  They know the row and the run;
which instance it was about, and why, stands in the event, which `Telling` keeps.
"""

from __future__ import annotations

from collections.abc import Callable

from rollproof.cli.phases import members_in, some
from rollproof.counts import whole
from rollproof.events import Event, Surveyed
from rollproof.installation import Failure, Happening, Reasons
from rollproof.installation.reasons import span
from rollproof.plan import remaining
from rollproof.run import Run

Say = Callable[[str, bool], None]
"""Told a sentence, and whether it is a trouble."""


class Narrator:
    """Says each noteworthy row once."""

    def __init__(self, say: Say, reasons: Reasons) -> None:
        self._say = say
        self._reasons = reasons
        self.event: Event | None = None
        """The event whose rows are heard."""

    def after_start(self, run: Run) -> None:
        """A run begins."""
        back = "gets its old disk back" if run.charter.limits.rollback else "keeps its new disk"
        if undo := run.charter.undo:
            name = f"run {run.charter.run}"
            self._say(f"{name}: {run.charter.scale_set} takes {undo.run} back", False)
            return
        self._say(
            f"run {run.charter.run}: {run.charter.scale_set} goes to {run.charter.target}; "
            f"an instance that fails {back}",
            False,
        )

    def after_surveyed(self, run: Run) -> None:
        """The fleet was looked at; worth a word the first time, and when it changed."""
        event = self.event
        if run.surveys == 1:
            self._say(f"{whole(run.counts)} instances seen", False)
        elif isinstance(event, Surveyed) and event.gone:
            self._say(f"gone from the set: {some(list(event.gone))}", False)

    def after_begin_healthy(self, run: Run) -> None:
        """A batch begins; the run has claimed all of it already."""
        batch = members_in(run, ("replacing",))
        rest = remaining(run)
        of = f" of about {run.batches + rest.batches}" if rest else ""
        zones = {run.ledger.roster.place_of(run.ledger.roster.index[n]).zone for n in batch}
        where = f" of zone {', '.join(sorted(zones))}" if zones - {""} else ""
        self._say(f"batch {run.batches}{of}: {some(batch)}{where}", False)

    after_begin_unhealthy = after_begin_healthy

    def after_succeed(self, run: Run) -> None:
        """An instance is done."""
        self._about(f"healthy on {run.charter.target}")

    def after_fail(self, run: Run) -> None:
        """An instance failed; the reason was collected before."""
        self._about(self._reasons.why(self._instance), trouble=True)

    after_replace_failed = after_fail

    def after_roll_back(self, run: Run) -> None:
        """Disks are given back."""
        self._say(f"giving the old disk back: {some(members_in(run, ('restoring',)))}", False)

    after_restore_on_breach = after_roll_back

    def after_recovered(self, run: Run) -> None:
        """A restore did what it should."""
        self._about("its old disk is back, and it is healthy")

    def after_recovered_unhealthy(self, run: Run) -> None:
        """A restore did what it could."""
        self._about("its old disk is back, but it is not healthy", trouble=True)

    def after_restore_failed(self, run: Run) -> None:
        """A restore failed."""
        self._about(self._reasons.why(self._instance) or "not restored", trouble=True)

    def after_unrecovered(self, run: Run) -> None:
        """A restore was reported, and cannot be seen."""
        self._about("its old version was not seen again", trouble=True)

    def after_batch_done(self, run: Run) -> None:
        """A batch is over."""
        if run.counts.gated:
            wait = span(run.charter.pause)
            self._say(f"batch {run.batches} is done; waiting {wait} before the next", False)

    after_restores_done = after_batch_done

    def after_pause(self, run: Run) -> None:
        """The run is held."""
        name = run.charter.scale_set
        self._say(f"paused: no further batch until `rollproof resume {name}`", False)

    def after_resume(self, run: Run) -> None:
        """The run is held no longer."""
        self._say("resumed", False)

    def after_shut(self, run: Run) -> None:
        """The maintenance window closes."""
        self._say("the maintenance window has closed: no further batch until it opens", False)

    def after_reopen(self, run: Run) -> None:
        """The maintenance window opens."""
        self._say("the maintenance window is open", False)

    def after_rest(self, run: Run) -> None:
        """Nothing is left but what is withheld."""
        self._say(f"waiting for approval: `rollproof approve {run.charter.scale_set}`", False)

    def after_approve(self, run: Run) -> None:
        """Everything is approved."""
        self._say("approved: whatever was withheld", False)

    def after_approve_some(self, run: Run) -> None:
        """Some instances are approved."""
        named = getattr(self.event, "instances", ())
        self._say(f"approved: {some(list(named))}", False)

    def after_lapse(self, run: Run) -> None:
        """The latest time for an approval has passed."""
        rest = "goes ahead" if run.charter.lapse_approves else "leaves the rest alone"
        self._say(f"nobody approved in time: the run {rest}", False)

    def after_cancel(self, run: Run) -> None:
        """A user wants it to end."""
        flying = members_in(run, ("replacing", "awaiting", "restoring", "recovering"))
        waits = f"; {some(flying)} in flight are awaited" if flying else ""
        self._say(f"cancelled by the user{waits}", False)

    def after_force(self, run: Run) -> None:
        """And to wait for nothing."""
        left = members_in(run, ("indeterminate",))
        self._say(f"by force: {some(left)} left as they are, unknown", bool(left))

    def after_breach_fleet(self, run: Run) -> None:
        """A threshold stops it; the reason was collected before."""
        self._say(f"stopped: {self._reasons.stop}", True)

    after_breach_upgraded = after_breach_fleet
    after_survey_overdue = after_breach_fleet
    after_fault = after_breach_fleet

    @property
    def _instance(self) -> str:
        return str(getattr(self.event, "instance", ""))

    def _about(self, text: str, *, trouble: bool = False) -> None:
        instance = getattr(self.event, "instance", "")
        name = instance if isinstance(instance, str) else instance.id
        self._say(f"instance {name}: {text}", trouble)


class Telling:
    """Feeds a narrator from what is heard of a run, by way of its lifecycle."""

    def __init__(self, run: Run, reasons: Reasons, say: Say) -> None:
        from rollproof.lifecycle import Lifecycle

        self._reasons = reasons
        self._narrator = Narrator(say, reasons)
        self._lifecycle = Lifecycle(run, listeners=[self._narrator])

    def hears(self, happening: Happening) -> None:
        """Tell of one event."""
        self._reasons.hears(happening)
        self._narrator.event = happening.event
        self._lifecycle.follow(happening.after, happening.rows, happening.event.at)

    def failures(self, run: Run) -> tuple[Failure, ...]:
        """Who failed so far, and why."""
        return self._reasons.failures(run)
