"""Eligibility: whether a scale set may be upgraded without an operator (R2.2, R2.3, R6.1).

Every precondition is a named rule of `PRECONDITIONS` with a code that never changes.  All
are judged, and reported together, as a `Checklist`; `Checklist.require` raises `Ineligible`
with every rule that is in the way.

Nothing here looks at the world.  What only it can tell comes in as `Facts`: whether a
resource answers, when a credential expires, who runs the latest model, whether the sku is
supported.  What nobody could tell is *unknown*, and an unknown is not a pass: it keeps the
platform from starting a run.  A run by hand needs those rules alone without which it would
fail on its first batch, and there an operator may go on over what is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from rollproof.charter import StartedBy
from rollproof.errors import Ineligible, Violation
from rollproof.fleet import LoadBalancerSku, OsType, ScaleSet
from rollproof.health import HttpProbe, TcpProbe
from rollproof.images import LATEST
from rollproof.policy import UpgradeMode
from rollproof.resources import moment
from rollproof.service_fabric import Durability, ServiceFabric

OLDEST_API: Final = "2018-10-01"
"""The first version that knows automatic upgrades (R2.2)."""
UPDATES_API: Final = "2019-03-01"
"""The first version that minds who patches Windows (R2.2)."""
OLDEST_HANDLER: Final = (1, 1)
"""Of the Service Fabric extension (R6.1)."""
LISTED: Final = 5
"""Names that a message lists."""


class Standing(StrEnum):
    """How a rule stands."""

    MET = "met"
    VIOLATED = "violated"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"
    """Nobody could tell: not a pass."""


@attrs.frozen
class Access:
    """Whether a resource was reached."""

    reachable: bool | None
    """None: that could not be told."""
    detail: str = ""
    """What was met instead."""


@attrs.frozen
class Expiry:
    """When a credential expires."""

    at: int | None
    """Milliseconds since the Unix epoch, UTC; None: that could not be told."""
    detail: str = ""
    """Why not."""


@attrs.frozen(kw_only=True)
class Facts:
    """What was found in the world at one moment."""

    at: int
    """That moment: milliseconds since the Unix epoch, UTC."""
    access: Mapping[str, Access] = attrs.Factory(dict)
    """By the name of the external resource."""
    expiry: Mapping[str, Expiry] = attrs.Factory(dict)
    """By the name of the credential, where a file tells; the document may tell itself."""
    outdated: tuple[str, ...] | None = None
    """Instances that do not run the latest model (R2.3); None: unknown."""
    sku_supported: bool | None = None
    """Whether the platform image is in the table of supported skus (R3.1); None: unknown."""


@attrs.frozen
class Found:
    """What a rule found: how it stands, and one sentence with the values."""

    standing: Standing
    message: str


@attrs.frozen
class Item:
    """One line of a checklist."""

    code: str
    """The name of the rule: stable, for programs."""
    requirement: str
    standing: Standing
    message: str
    """One sentence, with the values found."""
    remedy: str
    """What to do; empty unless the rule is violated or unknown."""
    by_hand: bool
    """Whether a run started by hand needs it, too."""


@attrs.frozen
class Checklist:
    """Every rule, as it stands."""

    scale_set: str
    items: tuple[Item, ...]

    @property
    def eligible(self) -> bool:
        """Whether the platform may start a run: nothing violated, nothing unknown."""
        return not self.in_the_way(StartedBy.PLATFORM)

    def in_the_way(self, started_by: StartedBy) -> tuple[Item, ...]:
        """The rules that keep such a run from being started."""
        if started_by is StartedBy.PLATFORM:
            stop = (Standing.VIOLATED, Standing.UNKNOWN)
            return tuple(item for item in self.items if item.standing in stop)
        return tuple(
            item for item in self.items if item.by_hand and item.standing is Standing.VIOLATED
        )

    def require(self, started_by: StartedBy) -> None:
        """Raises Ineligible with every rule in the way."""
        if stop := self.in_the_way(started_by):
            violations = (
                Violation(item.code, item.message, item.requirement, item.remedy)
                for item in stop
            )
            raise Ineligible(self.scale_set, tuple(violations))


# -- the rules -------------------------------------------------------------------------

Judge = Callable[[ScaleSet, Facts], Found]


@attrs.frozen
class Precondition:
    """One rule."""

    code: str
    """Its name: stable, for programs."""
    requirement: str
    remedy: str
    """One sentence: what to do when it is violated."""
    judge: Judge
    by_hand: bool = False
    """Whether a run started by hand needs it, too."""


def _held(holds: bool, message: str) -> Found:
    return Found(Standing.MET if holds else Standing.VIOLATED, message)


def _beside_the_point(message: str) -> Found:
    return Found(Standing.NOT_APPLICABLE, message)


def _unknown(message: str) -> Found:
    return Found(Standing.UNKNOWN, message)


def _gathered(good: str, bad: Sequence[str], unknown: Sequence[str]) -> Found:
    """Of several things: violated by any bad one, else unknown by any unknown one."""
    message = "; ".join((*bad, *unknown)) or good
    if bad:
        return Found(Standing.VIOLATED, message)
    return _unknown(message) if unknown else Found(Standing.MET, message)


def _version_is_latest(scale_set: ScaleSet, _: Facts) -> Found:
    version = scale_set.image_reference.version
    return _held(version == LATEST, f'the image version is "{version}"')


def _image_is_supported(scale_set: ScaleSet, facts: Facts) -> Found:
    image = scale_set.image_reference
    if image.image is not None:
        return Found(Standing.MET, f"{image.image} is an image of the gallery")
    named = f"{image.publisher} {image.offer} {image.sku}"
    if facts.sku_supported is None:
        return _unknown(f"whether {named} is supported could not be told")
    is_it = "is" if facts.sku_supported else "is not"
    return _held(facts.sku_supported, f"{named} {is_it} among the supported platform images")


def _api_is_new_enough(scale_set: ScaleSet, _: Facts) -> Found:
    version = scale_set.api_version
    return _held(version[:10] >= OLDEST_API, f"the API version is {version}")


def _has_health_source(scale_set: ScaleSet, _: Facts) -> Found:
    if scale_set.service_fabric is not None:
        return _beside_the_point("Service Fabric manages the set and knows its health")
    number = len(scale_set.health_sources)
    return _held(number > 0, f"the set has {number or 'no'} {_plural(number, 'health source')}")


def _has_one_health_source(scale_set: ScaleSet, _: Facts) -> Found:
    number = len(scale_set.health_sources)
    return _held(
        number <= 1, f"the set has {number or 'no'} {_plural(number, 'health source')}"
    )


def _probe_has_standard_balancer(scale_set: ScaleSet, _: Facts) -> Found:
    if not any(isinstance(s, HttpProbe | TcpProbe) for s in scale_set.health_sources):
        return _beside_the_point("the set has no probe")
    if scale_set.single_placement_group:
        return _beside_the_point("the set has a single placement group")
    sku = scale_set.load_balancer_sku
    return _held(
        sku is LoadBalancerSku.STANDARD,
        "a probe watches several placement groups, and the load balancer is "
        f"{'not named' if sku is None else sku.value}",
    )


def _windows_does_not_patch_itself(scale_set: ScaleSet, _: Facts) -> Found:
    version = scale_set.api_version
    if scale_set.os_type is not OsType.WINDOWS:
        return _beside_the_point(f"the instances run {scale_set.os_type.value}")
    if version[:10] < UPDATES_API:
        return _beside_the_point(f"API version {version} is before {UPDATES_API}")
    on = scale_set.enable_automatic_updates
    return _held(not on, f"enable_automatic_updates is {str(on).lower()}")


def _resources_are_reachable(scale_set: ScaleSet, facts: Facts) -> Found:
    if not scale_set.external_resources:
        return _beside_the_point("the model names no external resource")
    bad, unknown = [], []
    for resource in scale_set.external_resources:
        access = facts.access.get(resource.name, Access(None, "it was not asked for"))
        if access.reachable is None:
            unknown.append(f"{resource.name}: {access.detail}")
        elif not access.reachable:
            bad.append(f"{resource.name} is not reachable: {access.detail}")
    number = len(scale_set.external_resources)
    return _gathered(f"{number} of {number} external resources answer", bad, unknown)


def _credentials_are_valid(scale_set: ScaleSet, facts: Facts) -> Found:
    if not scale_set.credentials:
        return _beside_the_point("the model names no credential")
    found = _expiries(scale_set, facts)
    bad = [f"{name} expired at {at}" for name, at in expired(scale_set, facts).items()]
    unknown = [f"{name}: {each.detail}" for name, each in found.items() if each.at is None]
    first = min((each.at for each in found.values() if each.at is not None), default=0)
    good = f"the first of {len(found)} to expire does so at {_written(first)}"
    return _gathered(good, bad, unknown)


def expired(scale_set: ScaleSet, facts: Facts) -> dict[str, str]:
    """The credentials that have expired, by name: when, in words (R4.10)."""
    return {
        name: _written(each.at)
        for name, each in _expiries(scale_set, facts).items()
        if each.at is not None and each.at <= facts.at
    }


def _expiries(scale_set: ScaleSet, facts: Facts) -> dict[str, Expiry]:
    """When each credential expires: as the document says, or else as its file was found."""
    found = {}
    for credential in scale_set.credentials:
        said = moment(credential.expires) if credential.expires is not None else None
        found[credential.name] = (
            facts.expiry.get(credential.name, Expiry(None, "its file was not read"))
            if said is None
            else Expiry(int(said.timestamp() * 1000))
        )
    return found


def _instances_run_the_latest_model(scale_set: ScaleSet, facts: Facts) -> Found:
    mode = scale_set.upgrade_policy.mode
    if mode is not UpgradeMode.MANUAL:
        return _beside_the_point(f"the upgrade mode is {mode.value}")
    if facts.outdated is None:
        return _unknown("which instances run the latest model could not be told")
    number = len(facts.outdated)
    others = f" and {number - LISTED} more" if number > LISTED else ""
    named = f": {', '.join(facts.outdated[:LISTED])}{others}" if number else ""
    return _held(
        number == 0,
        f"the upgrade mode is Manual, and {number} {_plural(number, 'instance')} "
        f"{'does' if number == 1 else 'do'} not run the latest model{named}",
    )


def _of_cluster(judge: Callable[[ServiceFabric], Found]) -> Judge:
    """A rule about the cluster, where there is one."""

    def judged(scale_set: ScaleSet, _: Facts) -> Found:
        if scale_set.service_fabric is None:
            return _beside_the_point("Service Fabric does not manage the set")
        return judge(scale_set.service_fabric)

    return judged


def _durability_suffices(cluster: ServiceFabric) -> Found:
    level = cluster.cluster_durability
    return _held(level is not Durability.BRONZE, f"the cluster's durability is {level.value}")


def _durability_agrees(cluster: ServiceFabric) -> Found:
    one, other = cluster.cluster_durability, cluster.extension_durability
    return _held(
        one is other,
        f"durability is {one.value} in the cluster, {other.value} in the extension",
    )


def _handler_is_new_enough(cluster: ServiceFabric) -> Found:
    version = cluster.extension_handler_version
    return _held(cluster.handler >= OLDEST_HANDLER, f"the extension's handler is {version}")


PRECONDITIONS: Final[tuple[Precondition, ...]] = (
    Precondition(
        "ImageVersionNotLatest",
        "R2.2",
        'Set version = "latest" in image_reference.',
        _version_is_latest,
    ),
    Precondition(
        "ImageNotSupported",
        "R2.2",
        "Use a supported platform image, or one of a gallery.",
        _image_is_supported,
    ),
    Precondition(
        "ApiVersionTooOld",
        "R2.2",
        f"Write the model for API version {OLDEST_API} or later.",
        _api_is_new_enough,
    ),
    Precondition(
        "HealthSourceMissing",
        "R2.2",
        "Give the set a probe or a health extension, under health.",
        _has_health_source,
    ),
    Precondition(
        "SeveralHealthSources",
        "R2.2",
        "Keep one health source and remove the others.",
        _has_one_health_source,
    ),
    Precondition(
        "ProbeNeedsStandardLoadBalancer",
        "R2.2",
        'Use a load balancer with load_balancer_sku = "Standard", or a single placement group.',
        _probe_has_standard_balancer,
    ),
    Precondition(
        "ExternalResourceUnreachable",
        "R2.2",
        "Bring it back, or correct the model; then check again.",
        _resources_are_reachable,
        by_hand=True,
    ),
    Precondition(
        "CredentialExpired",
        "R4.10",
        "Renew it, update the model with it, and check again.",
        _credentials_are_valid,
        by_hand=True,
    ),
    Precondition(
        "WindowsUpdatesEnabled",
        "R2.2",
        "Set enable_automatic_updates = false.",
        _windows_does_not_patch_itself,
    ),
    Precondition(
        "InstancesNotOnLatestModel",
        "R2.3",
        "Bring them to the latest model first, or change the upgrade mode.",
        _instances_run_the_latest_model,
    ),
    Precondition(
        "DurabilityTooLow",
        "R6.1",
        "Raise the cluster's durability to Silver or Gold.",
        _of_cluster(_durability_suffices),
    ),
    Precondition(
        "DurabilityDiffers",
        "R6.1",
        "Set the same durability in the cluster and in the extension.",
        _of_cluster(_durability_agrees),
    ),
    Precondition(
        "HandlerVersionTooOld",
        "R6.1",
        "Set extension_handler_version to 1.1 or later.",
        _of_cluster(_handler_is_new_enough),
    ),
)
"""Every rule, in the order of the checklist."""


def judge(
    scale_set: ScaleSet, facts: Facts, rules: Iterable[Precondition] = PRECONDITIONS
) -> Checklist:
    """The checklist of a scale set, with all rules judged."""
    items = []
    for rule in rules:
        found = rule.judge(scale_set, facts)
        open_ = found.standing in (Standing.VIOLATED, Standing.UNKNOWN)
        items.append(
            Item(
                rule.code,
                rule.requirement,
                found.standing,
                found.message,
                rule.remedy if open_ else "",
                rule.by_hand,
            )
        )
    return Checklist(scale_set.name, tuple(items))


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def _written(at: int) -> str:
    """A moment in UTC, to the second."""
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
