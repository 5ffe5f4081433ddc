"""What users decide about upgrades: pace, thresholds, switches and deadlines."""

import enum
from collections.abc import Iterator
from datetime import timedelta

from attrs import field, frozen

from rollproof.bounds import choice, duration, optional, switch, table, tables, whole, written
from rollproof.errors import Problem
from rollproof.maintenance import Freeze, MaintenanceWindow
from rollproof.validation import Declared, Rule, declare

_NONE = timedelta(0)
_DEADLINE = duration(more_than=_NONE, at_most=timedelta(days=1))
_DELAY = duration(at_least=_NONE, at_most=timedelta(days=7))


@frozen(kw_only=True)
class RollingUpgradePolicy(Declared):
    """Pace and thresholds of a run. Shares are compared in integers, never floats (S2)."""

    max_batch_instance_percent: int = field(
        default=20,
        metadata=declare(
            whole(5, 100),
            "Largest batch, in percent of the scale set; at least one instance (R4.2, S1).",
            "R4.7",
        ),
    )
    max_unhealthy_instance_percent: int = field(
        default=20,
        metadata=declare(
            whole(5, 100),
            "Unhealthy instances, in percent of the scale set, above which no batch starts "
            "(R4.1).",
            "R4.7",
        ),
    )
    max_unhealthy_upgraded_instance_percent: int = field(
        default=20,
        metadata=declare(
            whole(0, 100),
            "Failed instances, in percent of those the run attempted, above which the run "
            "stops (R4.4, S3).",
            "R4.7",
        ),
    )
    pause_time_between_batches: timedelta = field(
        default=_NONE,
        metadata=declare(
            duration(at_least=_NONE),
            "Wait between the end of a batch and the start of the next (R4.5).",
            "R4.7",
        ),
    )
    enable_cross_zone_upgrade: bool = field(
        default=False,
        metadata=declare(switch(), "Whether one batch may span several zones.", "R4.2"),
    )
    prioritize_unhealthy_instances: bool = field(
        default=False,
        metadata=declare(switch(), "Whether unhealthy instances are upgraded first.", "R4.2"),
    )
    rollback_failed_instances_on_policy_breach: bool = field(
        default=False,
        metadata=declare(
            switch(),
            "Whether a threshold that ends the run also restores the failed instances.",
            "R4.8",
        ),
    )


class DeferralScope(enum.Enum):
    """What an approval is given for."""

    SCALE_SET = "ScaleSet"
    """The run as a whole."""
    INSTANCE = "Instance"
    """Instances, one by one or several at once."""


class DeferralDefault(enum.Enum):
    """What becomes of a run that nobody has approved by the latest time."""

    APPROVE = "Approve"
    """It goes on as if approved."""
    SKIP = "Skip"
    """What is not approved is left alone."""


@frozen(kw_only=True)
class DeferralPolicy(Declared):
    """How automatic runs wait for approval (R4.11)."""

    scope: DeferralScope = field(
        default=DeferralScope.SCALE_SET,
        metadata=declare(choice(DeferralScope), "What an approval is given for.", "R4.11"),
    )
    latest: timedelta = field(
        default=timedelta(days=7),
        metadata=declare(
            duration(more_than=_NONE, at_most=timedelta(days=365)),
            "Longest wait for an approval, from the moment the run was due and began.",
            "R4.11",
        ),
    )
    default_action: DeferralDefault = field(
        default=DeferralDefault.SKIP,
        metadata=declare(
            choice(DeferralDefault),
            "What becomes then of what is not approved.",
            "R4.11",
        ),
    )


def _in_order(at_least: timedelta, at_most: timedelta) -> Iterator[Problem]:
    if at_most < at_least:
        yield Problem(
            field="pick_up_at_most",
            value=written(at_most),
            bound=f"at least pick_up_at_least, {written(at_least)}",
            requirement="R3.4",
            fix="Raise it, or lower pick_up_at_least.",
        )


@frozen(kw_only=True)
class AutomaticOSUpgradePolicy(Declared):
    """Whether new images are rolled out without an operator, and how."""

    enable_automatic_os_upgrade: bool = field(
        default=False,
        metadata=declare(
            switch(),
            "Whether a new image starts a run by itself; switching it off ends a run under "
            "way as a cancel does.",
            "R2.1",
        ),
    )
    disable_automatic_rollback: bool = field(
        default=False,
        metadata=declare(
            switch(),
            "Whether an instance that stays unhealthy keeps its new OS disk.",
            "R4.8",
        ),
    )
    use_rolling_upgrade_policy: bool = field(
        default=True,
        metadata=declare(
            switch(),
            "Whether runs follow the rolling upgrade policy; false means its defaults.",
            "R4.7",
        ),
    )
    first_run_within: timedelta = field(
        default=timedelta(hours=3),
        metadata=declare(
            _DELAY, "Longest time from the set's configuration to its first run.", "R3.4"
        ),
    )
    pick_up_at_least: timedelta = field(
        default=timedelta(minutes=30),
        metadata=declare(_DELAY, "Shortest time from a later publication to its run.", "R3.4"),
    )
    pick_up_at_most: timedelta = field(
        default=timedelta(hours=1),
        metadata=declare(_DELAY, "Longest time from a later publication to its run.", "R3.4"),
    )
    minimum_image_age: timedelta = field(
        default=_NONE,
        metadata=declare(
            duration(at_least=_NONE, at_most=timedelta(days=365)),
            "Age that an image version must have reached before a run goes to it.",
            "N10",
        ),
    )
    maintenance_windows: tuple[MaintenanceWindow, ...] = field(
        default=(),
        metadata=declare(
            tables(MaintenanceWindow), "When runs may work; without any, always.", "N10"
        ),
    )
    freezes: tuple[Freeze, ...] = field(
        default=(),
        metadata=declare(tables(Freeze), "When they must not, whatever the windows.", "N10"),
    )
    os_rolling_upgrade_deferral: bool = field(
        default=False,
        metadata=declare(switch(), "Whether a run waits for approval.", "R4.11"),
    )
    deferral: DeferralPolicy = field(
        default=DeferralPolicy(),
        metadata=declare(table(DeferralPolicy), "For whose, and for how long.", "R4.11"),
    )

    rules = (Rule(("pick_up_at_least", "pick_up_at_most"), _in_order),)


class UpgradeMode(enum.Enum):
    """How instances get a changed model. Not to be confused with upgrading the image."""

    MANUAL = "Manual"
    """An operator brings each instance to the latest model (R2.3)."""
    AUTOMATIC = "Automatic"
    """All at once, in no order."""
    ROLLING = "Rolling"
    """In batches."""


@frozen(kw_only=True)
class UpgradePolicy(Declared):
    """The upgrade policy of a scale set (R1.1)."""

    mode: UpgradeMode = field(
        default=UpgradeMode.ROLLING,
        metadata=declare(choice(UpgradeMode), "How instances get a changed model.", "R2.3"),
    )
    rolling_upgrade_policy: RollingUpgradePolicy = field(
        default=RollingUpgradePolicy(),
        metadata=declare(table(RollingUpgradePolicy), "Pace and thresholds of a run.", "R4.7"),
    )
    automatic_os_upgrade_policy: AutomaticOSUpgradePolicy = field(
        default=AutomaticOSUpgradePolicy(),
        metadata=declare(
            table(AutomaticOSUpgradePolicy), "Whether new images roll out unasked.", "R2.1"
        ),
    )

    @property
    def is_automatic(self) -> bool:
        """Whether a new image starts a run by itself (R2.1)."""
        return self.automatic_os_upgrade_policy.enable_automatic_os_upgrade

    @property
    def effective(self) -> RollingUpgradePolicy:
        """The policy runs follow: the declared one, or the defaults (R4.7)."""
        if self.automatic_os_upgrade_policy.use_rolling_upgrade_policy:
            return self.rolling_upgrade_policy
        return RollingUpgradePolicy()


@frozen(kw_only=True)
class Timeouts(Declared):
    """Deadlines, one for every wait of a run, and how long other things must last."""

    replace: timedelta = field(
        default=timedelta(minutes=30),
        metadata=declare(_DEADLINE, "Longest replacement of one OS disk."),
    )
    health: timedelta = field(
        default=timedelta(minutes=5),
        metadata=declare(
            _DEADLINE, "Longest wait for an instance to become healthy on its new disk.", "R4.3"
        ),
    )
    restore: timedelta = field(
        default=timedelta(minutes=30),
        metadata=declare(_DEADLINE, "Longest return of one previous OS disk."),
    )
    survey: timedelta = field(
        default=timedelta(minutes=5),
        metadata=declare(
            _DEADLINE, "Longest observation of the whole set before a batch.", "R4.1"
        ),
    )
    min_healthy_time: timedelta = field(
        default=_NONE,
        metadata=declare(
            duration(at_least=_NONE, at_most=timedelta(days=1)),
            "How long an instance must have been healthy, without interruption since its "
            "boot, to count as healthy; until then it is initializing.",
            "R4.3",
        ),
    )
    keep_previous_disk: timedelta | None = field(
        default=None,
        metadata=declare(
            optional(duration(at_least=_NONE)),
            "How long the previous OS disk is kept at least, counted from its replacement; "
            "left out, until the next one.",
        ),
    )
