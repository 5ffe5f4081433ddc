"""What is due for a scale set: the whole of the automatic schedule, as a function.

`decide` is given what is known of one set and the time, and says what is to be done now,
or nothing, why, and until when nothing else can come of it.  It reads no clock and keeps
nothing: asked twice it says the same.

The order of its reasons
========================
A run under way: automatic upgrades are switched off, so a run of the platform ends as if
cancelled (R2.1); the stop-all switch shuts its gate (N6); a freeze or the end of a window
shuts it, or ends the run (N10, S7, S8); else the gate is opened.  Windows, freezes and
the switch of the model do not concern a run that was started by hand.  What becomes of an
approval that nobody gives in time is in the run's charter, and the run sees to it (R4.11).

No run under way: the stop-all switch, the switch of the model, the newest version that
may be gone to (`rollproof.pickup`), what earlier runs say of it (`rollproof.denial`), and
last the gate (`rollproof.windows`).  A newer version that is not due yet holds nothing
up: the set goes to the newest that is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import attrs

from rollproof.charter import StartedBy
from rollproof.denial import RunFacts, Standing, standing
from rollproof.fleet import ScaleSet
from rollproof.images import ImageVersion
from rollproof.moments import instant
from rollproof.pickup import Delay, PickUp, Publication, pick_up, pick_up_again
from rollproof.states import Cause
from rollproof.status import CAUSES
from rollproof.windows import Shutting, gate

LOOK_AGAIN: Final = 60_000
"""Milliseconds until what nobody announces, such as a new fleet, is looked for again."""


class Act(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    START = "start"
    """Begin a run of the platform to the version."""
    OPT_OUT = "opt_out"
    """Cancel the run: automatic upgrades were switched off (R2.1)."""
    STOP = "stop"
    """Cancel the run: its window has closed, and says so (S8)."""
    SHUT = "shut"
    """Shut the gate of the run (S7)."""
    REOPEN = "reopen"
    """Open it again."""


class Reason(StrEnum):
    """Why."""

    SWITCHED_OFF = "switched_off"
    STOPPED_ALL = "stopped_all"
    PINNED = "pinned"
    UNFIT = "unfit"
    NO_VERSION = "no_version"
    FIRST_RUN_DELAY = Delay.FIRST_RUN
    PICK_UP_DELAY = Delay.PICK_UP
    MINIMUM_IMAGE_AGE = Delay.SOAK
    PICK_UP_AFTER_AN_END = Delay.AGAIN
    UP_TO_DATE = "up_to_date"
    DENIED = "denied"
    OUTSIDE_WINDOW = Shutting.OUTSIDE_WINDOW
    FROZEN = Shutting.FROZEN
    DUE = "due"
    UNDER_WAY = "under_way"
    ENDING = "ending"
    GATE_OPEN = "gate_open"
    AWAITING_APPROVAL = "awaiting_approval"


@attrs.frozen(kw_only=True)
class Facts:
    """What is known of one set.  Moments are milliseconds since the Unix epoch."""

    scale_set: ScaleSet
    configured_at: int
    """When its document was last changed, in any word."""
    publications: tuple[Publication, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    """Newest first."""
    retry_at: int | None = None
    """When an operator last asked for a retry (S12)."""
    stop_all_since: int | None = None
    """Since when the stop-all switch is on (N6); None: it is off."""
    unfit: str = ""
    """Why no run can begin at all, such as that there is no fleet; empty when one can."""


@attrs.frozen(kw_only=True)
class Decision:
    """What is due for a set."""

    scale_set: str
    act: Act
    reason: Reason
    text: str
    """The reason in words, with the numbers."""
    until: int | None = None
    """The next moment worth looking at; None: not before something changes."""
    run: str = ""
    """The run to act on."""
    version: ImageVersion | None = None
    """START: where to.  Else the version that is waited for, where there is one."""


def decide(facts: Facts, now: int) -> Decision:
    """What is due for a set at ``now``."""
    if facts.runs and facts.runs[0].ended_at is None:
        return _Look(facts, now).at_the_run(facts.runs[0])
    return _Look(facts, now).for_a_start()


class _Look:
    """One set, looked at at one moment."""

    def __init__(self, facts: Facts, now: int) -> None:
        self.facts = facts
        self.now = now
        self.name = facts.scale_set.name
        self.policy = facts.scale_set.upgrade_policy.automatic_os_upgrade_policy
        self.enabled = facts.scale_set.upgrade_policy.is_automatic

    # -- a run under way

    def at_the_run(self, run: RunFacts) -> Decision:
        """What is to be done to it."""
        by_hand = run.started_by is StartedBy.USER
        if run.cause is not Cause.NONE:
            return self._nothing(Reason.ENDING, f"run {run.run} is ending: {CAUSES[run.cause]}")
        # Off before it began, it was asked for in the platform's name all the same.
        opted_out = not self.enabled and self.facts.configured_at >= run.opened_at
        if not by_hand and opted_out:
            return self._on(run, Act.OPT_OUT, Reason.SWITCHED_OFF, _SWITCHED_OFF)
        if self.facts.stop_all_since is not None:
            act = Act.NOTHING if run.shut else Act.SHUT
            return self._on(run, act, Reason.STOPPED_ALL, self._stopped_all())
        until = None
        if not by_hand:
            stands = gate(self.policy.maintenance_windows, self.policy.freezes, self.now)
            until = stands.until
            if not stands.is_open:
                act = Act.NOTHING if run.shut else Act.SHUT
                if stands.stop_at_once:
                    act = Act.STOP
                return self._on(run, act, Reason(stands.why), stands.text, until)
        if run.shut:
            text = f"nothing bids run {run.run} wait any more"
            return self._on(run, Act.REOPEN, Reason.GATE_OPEN, text, until)
        if run.awaiting_until is not None:
            text = (
                f"run {run.run} withholds instances until somebody approves them, or until "
                f"{instant(run.awaiting_until)} (R4.11)"
            )
            return self._on(run, Act.NOTHING, Reason.AWAITING_APPROVAL, text, until)
        text = f"run {run.run} is under way (R4.9)"
        return self._on(run, Act.NOTHING, Reason.UNDER_WAY, text, until)

    # -- no run under way

    def for_a_start(self) -> Decision:
        """Whether a run is to begin, and where to."""
        if self.facts.stop_all_since is not None:
            return self._nothing(Reason.STOPPED_ALL, self._stopped_all())
        if not self.enabled:
            return self._nothing(Reason.SWITCHED_OFF, _SWITCHED_OFF)
        pinned = self.facts.scale_set.image_reference.exact
        if pinned is not None:
            text = f"the image version is pinned to {pinned}, and must be latest (R2.2)"
            return self._nothing(Reason.PINNED, text)
        due, coming = self._by_moment()
        if due is None and coming is None:
            name = self.facts.scale_set.image_reference.name
            return self._nothing(Reason.NO_VERSION, f"no version of {name} is to be seen")
        if due is None:
            assert coming is not None
            return self._not_yet(*coming)
        return self._for_version(due, None if coming is None else coming[0].until)

    def _by_moment(self) -> tuple[ImageVersion | None, tuple[PickUp, ImageVersion] | None]:
        """The newest version that may be gone to now, and the first to come of those
        above it."""
        due: ImageVersion | None = None
        coming: list[tuple[PickUp, ImageVersion]] = []
        for each in self.facts.publications:
            when = pick_up(self.policy, self.name, self.facts.configured_at, each)
            if when.at > self.now:
                coming.append((when, each.version))
            elif due is None or each.version > due:
                due = each.version
        above = [pair for pair in coming if due is None or pair[1] > due]
        return due, min(above, key=lambda pair: pair[0].at, default=None)

    def _for_version(self, version: ImageVersion, coming: int | None) -> Decision:
        facts = self.facts
        stands, run = standing(version, facts.runs, facts.configured_at, facts.retry_at)
        if run is not None:
            if stands is Standing.DONE:
                text = f"run {run.run} has brought the set to {run.target}"
                return self._nothing(Reason.UP_TO_DATE, text, coming, version)
            if stands is Standing.DENIED:
                why = f"in run {run.run} {CAUSES[run.cause]}"
                if run.takes_back:
                    why = f"run {run.run} took {run.takes_back} back"
                text = (
                    f"{version} is denied: {why}; a newer version, a model change or a retry "
                    "lifts that (S12)"
                )
                return self._nothing(Reason.DENIED, text, coming, version)
            assert run.ended_at is not None
            after = pick_up_again(self.policy, self.name, str(version), run.run, run.ended_at)
            if after.at > self.now:
                return self._not_yet(after, version, coming)
        if facts.unfit:
            again = self.now + LOOK_AGAIN
            until = again if coming is None else min(again, coming)
            return self._nothing(Reason.UNFIT, facts.unfit, until, version)
        stand = gate(self.policy.maintenance_windows, self.policy.freezes, self.now)
        if not stand.is_open:
            text = f"{version} is due, but {stand.text} (N10)"
            return self._nothing(Reason(stand.why), text, stand.until, version)
        return Decision(
            scale_set=self.name,
            act=Act.START,
            reason=Reason.DUE,
            text=f"{version} is due, and nothing stands against it",
            version=version,
        )

    def _not_yet(
        self, when: PickUp, version: ImageVersion, other: int | None = None
    ) -> Decision:
        until = min((at for at in (when.until, other) if at is not None), default=None)
        return self._nothing(Reason(when.why), when.text, until, version)

    # -- words

    def _stopped_all(self) -> str:
        since = self.facts.stop_all_since
        assert since is not None
        return f"all upgrades are stopped since {instant(since)} (N6)"

    def _nothing(
        self,
        reason: Reason,
        text: str,
        until: int | None = None,
        version: ImageVersion | None = None,
    ) -> Decision:
        return Decision(
            scale_set=self.name,
            act=Act.NOTHING,
            reason=reason,
            text=text,
            until=until,
            version=version,
        )

    def _on(
        self, run: RunFacts, act: Act, reason: Reason, text: str, until: int | None = None
    ) -> Decision:
        return Decision(
            scale_set=self.name, act=act, reason=reason, text=text, until=until, run=run.run
        )


_SWITCHED_OFF = "automatic upgrades are switched off (R2.1)"
