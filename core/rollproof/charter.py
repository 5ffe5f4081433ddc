"""What a run was told when it was made; it never changes (S10)."""

from __future__ import annotations

from enum import StrEnum

import attrs

from rollproof.commands import Verb
from rollproof.counts import Limits
from rollproof.fleet import Instance, ScaleSet
from rollproof.images import ImageVersion
from rollproof.moments import span_ms
from rollproof.policy import DeferralDefault, DeferralScope
from rollproof.undo import Undo


class StartedBy(StrEnum):
    """Who asked for the run (R7.1)."""

    USER = "User"
    PLATFORM = "Platform"


class Deferral(StrEnum):
    """Whether a run waits for approval, and what is approved at a time (R4.11)."""

    NONE = "none"
    SET = "set"
    """The scale set as a whole."""
    INSTANCE = "instance"
    """Instances, one by one or all that are left."""


@attrs.frozen(kw_only=True)
class Charter:
    """The terms of one run.  All waits are milliseconds."""

    run: str
    """Identifier, unique for ever."""
    scale_set: str
    target: str
    """The image version every instance is brought to; fixed for the run (S10)."""
    limits: Limits[int]
    image: str = ""
    """Name of the image whose version the target is: fixed, too, so that an edited model
    changes the sku by the next run and never in the middle of one (R1.5, S10)."""
    cross_zone: bool = False
    """A batch may be drawn from several zones (R4.2)."""
    one_domain: bool = False
    """A batch is drawn from one update domain, and one is finished before the next is
    begun (R6.1)."""
    unhealthy_first: bool = False
    """Unhealthy instances are upgraded before healthy ones (R4.2)."""
    started_by: StartedBy = StartedBy.USER
    pause: int = 0
    """Between batches (R4.5)."""
    replace_wait: int = 30 * 60_000
    """Until a replace that does not report counts as failed."""
    health_wait: int = 5 * 60_000
    """For an instance to become healthy, counted from its new disk (R4.3)."""
    restore_wait: int = 30 * 60_000
    """Until a restore that does not report counts as failed."""
    survey_wait: int = 5 * 60_000
    """Until a fleet that does not answer stops the run."""
    look: int = 5_000
    """Between two looks at an instance that is given time (R5.2)."""
    deferral: Deferral = Deferral.NONE
    """What has to be approved; ``limits.deferral`` is 1 unless nothing has (R4.11)."""
    approval_wait: int = 24 * 3_600_000
    """From the start until what nobody approved is treated as ``lapse_approves`` says."""
    lapse_approves: bool = True
    """Whether it is approved by then; else it is left alone (R4.11)."""
    undo: Undo | None = None
    """What the run takes back, if it is a rollback (N7)."""

    def read(self, instance: Instance) -> Instance:
        """The instance as the run is to see it; but for rollbacks, as it is (N7)."""
        return instance if self.undo is None else self.undo.read(instance, self.target)

    def wait(self, verb: Verb) -> int:
        """How long a command of this kind may take."""
        return {
            Verb.SURVEY: self.survey_wait,
            Verb.REPLACE: self.replace_wait,
            Verb.WATCH: self.health_wait,
            Verb.RESTORE: self.restore_wait,
            Verb.WAIT: self.pause,
            Verb.AWAIT: self.approval_wait,
        }[verb]


def draw_up(
    scale_set: ScaleSet,
    target: ImageVersion,
    *,
    run: str,
    started_by: StartedBy = StartedBy.USER,
    rollback: bool | None = None,
) -> Charter:
    """The charter of a run of ``scale_set`` to ``target``.

    ``rollback`` says whether a failed instance is given its previous disk back at once
    (R4.3).  Left open, the platform's runs do, unless the model disables it, and runs
    started by hand do not (R4.8).
    """
    policy = scale_set.upgrade_policy.effective
    automatic = scale_set.upgrade_policy.automatic_os_upgrade_policy
    timeouts = scale_set.timeouts
    pause = span_ms(policy.pause_time_between_batches)
    by_hand = started_by is StartedBy.USER
    if rollback is None:
        rollback = not by_hand and not automatic.disable_automatic_rollback
    # Whoever starts a run by hand has approved it.
    deferred = automatic.os_rolling_upgrade_deferral and not by_hand
    deferral = _SCOPES[automatic.deferral.scope] if deferred else Deferral.NONE
    return Charter(
        run=run,
        scale_set=scale_set.name,
        target=str(target),
        image=scale_set.image_reference.name,
        limits=Limits(
            max_batch=policy.max_batch_instance_percent,
            max_unhealthy=policy.max_unhealthy_instance_percent,
            max_unhealthy_upgraded=policy.max_unhealthy_upgraded_instance_percent,
            rollback=int(rollback),
            restore_on_breach=int(policy.rollback_failed_instances_on_policy_breach),
            paced=int(pause > 0),
            deferral=int(deferred),
        ),
        cross_zone=policy.enable_cross_zone_upgrade,
        one_domain=scale_set.service_fabric is not None,
        unhealthy_first=policy.prioritize_unhealthy_instances,
        started_by=started_by,
        pause=pause,
        replace_wait=span_ms(timeouts.replace),
        health_wait=span_ms(timeouts.health),
        restore_wait=span_ms(timeouts.restore),
        survey_wait=span_ms(timeouts.survey),
        look=5_000 if scale_set.health is None else span_ms(scale_set.health.interval),
        deferral=deferral,
        approval_wait=span_ms(automatic.deferral.latest),
        lapse_approves=automatic.deferral.default_action is DeferralDefault.APPROVE,
    )


_SCOPES = {
    DeferralScope.SCALE_SET: Deferral.SET,
    DeferralScope.INSTANCE: Deferral.INSTANCE,
}
