"""`rollproof.charter`: the terms of a run."""

from datetime import timedelta

import pytest

from rollproof.charter import Charter, Deferral, StartedBy, draw_up
from rollproof.fleet import ScaleSet
from rollproof.health import HttpProbe
from rollproof.images import ImageReference, ImageVersion
from rollproof.policy import (
    AutomaticOSUpgradePolicy,
    DeferralDefault,
    DeferralPolicy,
    DeferralScope,
    RollingUpgradePolicy,
    Timeouts,
    UpgradePolicy,
)
from rollproof.service_fabric import Durability, ServiceFabric

VERSION = ImageVersion.parse("1.1.0")


def charter(
    policy: UpgradePolicy | None = None,
    *,
    by: StartedBy = StartedBy.PLATFORM,
    rollback: bool | None = None,
    health: HttpProbe | None = None,
) -> Charter:
    scale_set = ScaleSet(
        name="web",
        image_reference=ImageReference(image="web-os"),
        upgrade_policy=policy or UpgradePolicy(),
        timeouts=Timeouts(health=timedelta(seconds=90)),
        health=health,
    )
    return draw_up(scale_set, VERSION, run="r", started_by=by, rollback=rollback)


def test_it_names_the_image() -> None:
    """R7.1: the target image, by the name under which its versions are published."""
    assert charter().image == "web-os"


class TestRollback:
    """R4.8: who gets failed instances back without asking."""

    def test_the_platform_does(self) -> None:
        assert charter().limits.rollback == 1

    def test_a_run_by_hand_does_not(self) -> None:
        assert charter(by=StartedBy.USER).limits.rollback == 0

    def test_unless_it_asks(self) -> None:
        assert charter(by=StartedBy.USER, rollback=True).limits.rollback == 1
        assert charter(rollback=False).limits.rollback == 0

    def test_nor_a_model_that_disables_it(self) -> None:
        automatic = AutomaticOSUpgradePolicy(disable_automatic_rollback=True)
        policy = UpgradePolicy(automatic_os_upgrade_policy=automatic)
        assert charter(policy).limits.rollback == 0


class TestPolicy:
    """R4.7: the policy, or its defaults."""

    ROLLING = RollingUpgradePolicy(
        max_batch_instance_percent=50,
        max_unhealthy_instance_percent=60,
        max_unhealthy_upgraded_instance_percent=70,
        pause_time_between_batches=timedelta(seconds=3),
        enable_cross_zone_upgrade=True,
        prioritize_unhealthy_instances=True,
        rollback_failed_instances_on_policy_breach=True,
    )

    def test_is_taken_over(self) -> None:
        """R4.1, R4.2, R4.4, R4.5, R4.8."""
        c = charter(UpgradePolicy(rolling_upgrade_policy=self.ROLLING))
        assert c.limits == (50, 60, 70, 1, 1, 1, 0)
        assert (c.pause, c.cross_zone, c.unhealthy_first) == (3_000, True, True)

    def test_is_the_default_when_it_is_not_to_be_used(self) -> None:
        automatic = AutomaticOSUpgradePolicy(use_rolling_upgrade_policy=False)
        policy = UpgradePolicy(
            rolling_upgrade_policy=self.ROLLING, automatic_os_upgrade_policy=automatic
        )
        c = charter(policy)
        assert c.limits == (20, 20, 20, 1, 0, 0, 0)
        assert (c.pause, c.cross_zone, c.unhealthy_first) == (0, False, False)

    def test_update_domains_matter_to_service_fabric(self) -> None:
        """R6.1."""
        fabric = ServiceFabric(
            cluster_durability=Durability.GOLD,
            extension_durability=Durability.GOLD,
            extension_handler_version="1.1",
        )
        image = ImageReference(image="web-os")
        for cluster in (None, fabric):
            managed = ScaleSet(name="web", image_reference=image, service_fabric=cluster)
            terms = draw_up(managed, ImageVersion(1, 1, 0), run="r")
            assert terms.one_domain is (cluster is not None)

    def test_target_and_waits(self) -> None:
        """S10, R4.3."""
        c = charter()
        assert (c.target, c.health_wait) == ("1.1.0", 90_000)

    @pytest.mark.parametrize(("health", "look"), [(None, 5_000), (1, 1_000)])
    def test_looks_as_often_as_the_probe(self, health: int | None, look: int) -> None:
        """R5.2."""
        probe = health and HttpProbe(port=80, interval=timedelta(seconds=health))
        assert charter(health=probe or None).look == look


class TestDeferral:
    """R4.11: a run of the platform may have to be approved."""

    @staticmethod
    def deferring(**terms: object) -> UpgradePolicy:
        deferral = DeferralPolicy(**terms)  # type: ignore[arg-type]  # the test says what it says
        return UpgradePolicy(
            automatic_os_upgrade_policy=AutomaticOSUpgradePolicy(
                os_rolling_upgrade_deferral=True, deferral=deferral
            )
        )

    @pytest.mark.parametrize(
        ("scope", "deferral"),
        [
            (DeferralScope.SCALE_SET, Deferral.SET),
            (DeferralScope.INSTANCE, Deferral.INSTANCE),
        ],
    )
    def test_per_set_or_per_instance(self, scope: DeferralScope, deferral: Deferral) -> None:
        c = charter(self.deferring(scope=scope))
        assert (c.deferral, c.limits.deferral) == (deferral, 1)

    @pytest.mark.parametrize(
        ("action", "approves"), [(DeferralDefault.APPROVE, True), (DeferralDefault.SKIP, False)]
    )
    def test_latest_time_and_default_action(
        self, action: DeferralDefault, approves: bool
    ) -> None:
        terms = self.deferring(latest=timedelta(hours=2), default_action=action)
        c = charter(terms)
        assert (c.approval_wait, c.lapse_approves) == (7_200_000, approves)

    def test_whoever_starts_it_by_hand_has_approved_it(self) -> None:
        c = charter(self.deferring(), by=StartedBy.USER)
        assert (c.deferral, c.limits.deferral) == (Deferral.NONE, 0)

    def test_not_unless_the_model_says_so(self) -> None:
        assert charter().deferral is Deferral.NONE
