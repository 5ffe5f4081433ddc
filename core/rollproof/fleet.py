"""A scale set as users declare it, and an instance as a provider last saw it (R1.1)."""

import enum
from collections.abc import Iterator
from datetime import timedelta

from attrs import field, frozen

from rollproof.bounds import (
    Bound,
    choice,
    optional,
    relative_path,
    switch,
    table,
    tables,
    text,
    written,
)
from rollproof.errors import Problem
from rollproof.extensions import Extension, extension_problems, provisioning_order
from rollproof.health import KINDS, Health, HealthExtension, HealthSource, PowerState
from rollproof.images import ImageReference
from rollproof.locations import LOCATION
from rollproof.policy import Timeouts, UpgradePolicy
from rollproof.resources import Credential, ExternalResource, resource_problems
from rollproof.service_fabric import ServiceFabric
from rollproof.validation import Declared, Rule, declare

__all__ = [
    "Disk",
    "Extension",
    "Health",
    "Instance",
    "LoadBalancerSku",
    "OsType",
    "PowerState",
    "ScaleSet",
    "provisioning_order",
]


@frozen
class Disk:
    """A disk of an instance."""

    id: str
    """The provider's id of the disk."""
    version: str | None = None
    """Image version it was made from; None for a data disk, or when unknown."""


@frozen(kw_only=True)
class Instance:
    """One instance as last observed.

    Adapters construct it, up to a million times per survey, and answer for its fields:
    nothing is checked here.
    """

    id: str
    """The provider's id, unique in the scale set."""
    zone: str = ""
    """Availability zone, "" when there are none."""
    fault_domain: str = ""
    """Domain that fails together, "" when there are none."""
    update_domain: str = ""
    """Domain that is updated together, "" when there are none."""
    power_state: PowerState = PowerState.RUNNING
    """Whether it runs."""
    version: str | None = None
    """Image version it was observed to run (S9), None when unknown."""
    health: Health = Health.UNKNOWN
    """The verdict of `rollproof.health.judge`."""
    os_disk: str = ""
    """Id of the OS disk, "" when unknown."""
    data_disks: tuple[str, ...] = ()
    """Ids of the data disks, which no upgrade touches (R1.2)."""
    protected: bool = False
    """Whether it must not be upgraded."""


class OsType(enum.Enum):
    """What the instances run (R1.3)."""

    LINUX = "Linux"
    WINDOWS = "Windows"


class LoadBalancerSku(enum.Enum):
    """The edition of the load balancer in front of the set."""

    BASIC = "Basic"
    STANDARD = "Standard"


def _name(example: str) -> Bound:
    """A name that is safe in a path, a URL and a shell."""
    allowed = "1 to 64 of the characters a-z 0-9 -, a letter or digit first"
    return text(r"[a-z0-9][a-z0-9-]{0,63}", allowed, example)


def _wait_problems(health: HealthSource | None, timeouts: Timeouts) -> Iterator[Problem]:
    """What must pass before an instance may count as healthy fits into the wait for it."""
    grace = health.grace if isinstance(health, HealthExtension) else timedelta(0)
    least = timeouts.min_healthy_time
    if grace + least >= timeouts.health:
        yield Problem(
            "timeouts.health",
            written(timeouts.health),
            f"more than min_healthy_time {written(least)} and the grace period of the health "
            f"extension {written(grace)} together",
            "R4.3",
            "Lengthen timeouts.health, or shorten one of the two.",
        )


@frozen(kw_only=True)
class ScaleSet(Declared):
    """A fleet of like instances, as its document declares it."""

    name: str = field(metadata=declare(_name("web"), "Name of the scale set.", "R1.1"))
    location: str = field(
        default="local",
        metadata=declare(
            LOCATION,
            "Where it stands; image versions are replicated to locations.",
            "R1.1",
        ),
    )
    provider: str = field(
        default="local",
        metadata=declare(_name("local"), "Adapter that acts on the instances."),
    )
    image_reference: ImageReference = field(
        metadata=declare(
            table(ImageReference, example='{ image = "web-os" }'),
            "Image the instances run.",
            "R1.1",
        )
    )
    upgrade_policy: UpgradePolicy = field(
        default=UpgradePolicy(),
        metadata=declare(table(UpgradePolicy), "How upgrades proceed.", "R1.1"),
    )
    health: HealthSource | None = field(
        default=None,
        metadata=declare(
            optional(table(*KINDS.values())),
            "Where the application's health comes from; automatic upgrades need one.",
            "R2.2",
        ),
    )
    further_health: tuple[HealthSource, ...] = field(
        default=(),
        metadata=declare(
            tables(*KINDS.values()),
            "Health sources beside the first, written like it; automatic upgrades admit none.",
            "R2.2",
        ),
    )
    api_version: str = field(
        default="2019-12-01",
        metadata=declare(
            text(
                r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(-preview)?",
                "a date, perhaps with -preview",
                "2019-12-01",
            ),
            "Version of the compute API that the model is written for.",
            "R2.2",
        ),
    )
    os_type: OsType = field(
        default=OsType.LINUX,
        metadata=declare(choice(OsType), "What the instances run.", "R1.3"),
    )
    enable_automatic_updates: bool = field(
        default=False,
        metadata=declare(
            switch(), "Whether Windows patches its OS disk in place, by Windows Update.", "R2.2"
        ),
    )
    single_placement_group: bool = field(
        default=True,
        metadata=declare(
            switch(), "Whether all instances stand in one placement group.", "R2.2"
        ),
    )
    load_balancer_sku: LoadBalancerSku | None = field(
        default=None,
        metadata=declare(
            optional(choice(LoadBalancerSku)),
            "Edition of the load balancer; a probe over several placement groups needs one.",
            "R2.2",
        ),
    )
    service_fabric: ServiceFabric | None = field(
        default=None,
        metadata=declare(
            optional(table(ServiceFabric)), "The cluster that manages the set.", "R6.1"
        ),
    )
    credentials: tuple[Credential, ...] = field(
        default=(),
        metadata=declare(tables(Credential), "What expires, and stops upgrades.", "R4.10"),
    )
    external_resources: tuple[ExternalResource, ...] = field(
        default=(),
        metadata=declare(
            tables(ExternalResource), "What instances fetch while they are set up.", "R2.2"
        ),
    )
    timeouts: Timeouts = field(
        default=Timeouts(), metadata=declare(table(Timeouts), "Deadlines of a run.", "R4.3")
    )
    custom_data: str | None = field(
        default=None,
        metadata=declare(
            optional(relative_path("first-boot.sh")),
            "Script run on every new OS disk, before the extensions; relative to the document.",
            "R1.2",
        ),
    )
    extensions: tuple[Extension, ...] = field(
        default=(),
        metadata=declare(tables(Extension), "What runs on every new OS disk.", "R1.2"),
    )

    rules = (
        Rule(("health", "timeouts"), _wait_problems),
        Rule(("extensions",), extension_problems),
        Rule(("credentials", "external_resources"), resource_problems),
    )

    @property
    def health_sources(self) -> tuple[HealthSource, ...]:
        """Every health source; at most one is right (R2.2)."""
        return (
            self.further_health if self.health is None else (self.health, *self.further_health)
        )
