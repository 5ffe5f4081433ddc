"""rollproof.eligibility: every precondition by its name, with a case for and one against."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.charter import StartedBy
from rollproof.eligibility import (
    PRECONDITIONS,
    Access,
    Checklist,
    Expiry,
    Facts,
    Item,
    Standing,
    expired,
    judge,
)
from rollproof.errors import ExitCode, Ineligible
from rollproof.fleet import LoadBalancerSku, OsType, ScaleSet
from rollproof.health import HttpProbe, TcpProbe
from rollproof.images import ImageReference
from rollproof.policy import UpgradeMode, UpgradePolicy
from rollproof.resources import Credential, ExternalResource
from rollproof.service_fabric import Durability, ServiceFabric

NOW = 1_800_000_000_000
PROBE = HttpProbe(port=80)
UBUNTU = ImageReference(publisher="Canonical", offer="UbuntuServer", sku="18.04-LTS")
PAGE = Path(__file__).parents[1] / "docs" / "eligibility.md"
MET, VIOLATED, UNKNOWN = Standing.MET, Standing.VIOLATED, Standing.UNKNOWN
BESIDE = Standing.NOT_APPLICABLE


def a_set(**fields: Any) -> ScaleSet:
    """One that is eligible, but for what is given."""
    usual = {"image_reference": ImageReference(image="web-os"), "health": PROBE}
    return ScaleSet(name="web", **{**usual, **fields})


def cluster(
    durability: str = "Silver", extension: str | None = None, handler: str = "1.1"
) -> ServiceFabric:
    return ServiceFabric(
        cluster_durability=Durability(durability),
        extension_durability=Durability(extension or durability),
        extension_handler_version=handler,
    )


def item(code: str, facts: Facts | None = None, **fields: Any) -> Item:
    """The line of one rule; every other one stands as it does for `a_set`."""
    checklist = judge(a_set(**fields), facts or Facts(at=NOW))
    (found,) = (each for each in checklist.items if each.code == code)
    return found


def violated(checklist: Checklist) -> set[str]:
    return {each.code for each in checklist.items if each.standing is VIOLATED}


# Code, standing, words of the message, what the set or the world is like.
CASES: list[tuple[str, Standing, str, dict[str, Any]]] = [
    ("ImageVersionNotLatest", MET, 'is "latest"', {}),
    (
        "ImageVersionNotLatest",
        VIOLATED,
        'is "1.0.0"',
        {"image_reference": ImageReference(image="web-os", version="1.0.0")},
    ),
    ("ImageNotSupported", MET, "web-os is an image of the gallery", {}),
    ("ImageNotSupported", UNKNOWN, "could not be told", {"image_reference": UBUNTU}),
    (
        "ImageNotSupported",
        MET,
        "Canonical UbuntuServer 18.04-LTS is among",
        {"image_reference": UBUNTU, "facts": Facts(at=NOW, sku_supported=True)},
    ),
    (
        "ImageNotSupported",
        VIOLATED,
        "is not among",
        {"image_reference": UBUNTU, "facts": Facts(at=NOW, sku_supported=False)},
    ),
    ("ApiVersionTooOld", MET, "2018-10-01", {"api_version": "2018-10-01"}),
    ("ApiVersionTooOld", MET, "2018-10-01-preview", {"api_version": "2018-10-01-preview"}),
    ("ApiVersionTooOld", VIOLATED, "2018-09-30", {"api_version": "2018-09-30"}),
    ("HealthSourceMissing", MET, "1 health source", {}),
    ("HealthSourceMissing", VIOLATED, "no health sources", {"health": None}),
    (
        "HealthSourceMissing",
        BESIDE,
        "Service Fabric",
        {"health": None, "service_fabric": cluster()},
    ),
    ("SeveralHealthSources", MET, "1 health source", {}),
    ("SeveralHealthSources", MET, "no health sources", {"health": None}),
    (
        "SeveralHealthSources",
        VIOLATED,
        "2 health sources",
        {"further_health": (TcpProbe(port=81),)},
    ),
    ("ProbeNeedsStandardLoadBalancer", BESIDE, "single placement group", {}),
    (
        "ProbeNeedsStandardLoadBalancer",
        BESIDE,
        "no probe",
        {"health": None, "single_placement_group": False},
    ),
    (
        "ProbeNeedsStandardLoadBalancer",
        VIOLATED,
        "is not named",
        {"single_placement_group": False},
    ),
    (
        "ProbeNeedsStandardLoadBalancer",
        VIOLATED,
        "is Basic",
        {"single_placement_group": False, "load_balancer_sku": LoadBalancerSku.BASIC},
    ),
    (
        "ProbeNeedsStandardLoadBalancer",
        MET,
        "is Standard",
        {"single_placement_group": False, "load_balancer_sku": LoadBalancerSku.STANDARD},
    ),
    ("WindowsUpdatesEnabled", BESIDE, "run Linux", {"enable_automatic_updates": True}),
    (
        "WindowsUpdatesEnabled",
        BESIDE,
        "2019-02-28 is before",
        {
            "os_type": OsType.WINDOWS,
            "enable_automatic_updates": True,
            "api_version": "2019-02-28",
        },
    ),
    (
        "WindowsUpdatesEnabled",
        VIOLATED,
        "is true",
        {
            "os_type": OsType.WINDOWS,
            "enable_automatic_updates": True,
            "api_version": "2019-03-01",
        },
    ),
    ("WindowsUpdatesEnabled", MET, "is false", {"os_type": OsType.WINDOWS}),
    ("InstancesNotOnLatestModel", BESIDE, "Rolling", {"facts": Facts(at=NOW, outdated=("1",))}),
    ("DurabilityTooLow", BESIDE, "does not manage", {}),
    ("DurabilityTooLow", MET, "Silver", {"service_fabric": cluster("Silver")}),
    ("DurabilityTooLow", MET, "Gold", {"service_fabric": cluster("Gold")}),
    ("DurabilityTooLow", VIOLATED, "Bronze", {"service_fabric": cluster("Bronze")}),
    ("DurabilityDiffers", MET, "Gold in the cluster", {"service_fabric": cluster("Gold")}),
    (
        "DurabilityDiffers",
        VIOLATED,
        "Gold in the cluster, Silver in the extension",
        {"service_fabric": cluster("Gold", "Silver")},
    ),
    ("HandlerVersionTooOld", MET, "1.1", {"service_fabric": cluster(handler="1.1")}),
    ("HandlerVersionTooOld", MET, "1.10", {"service_fabric": cluster(handler="1.10")}),
    ("HandlerVersionTooOld", VIOLATED, "1.0.9", {"service_fabric": cluster(handler="1.0.9")}),
    ("HandlerVersionTooOld", VIOLATED, "0.9", {"service_fabric": cluster(handler="0.9")}),
]


class TestEachRule:
    """R2.2, R2.3, R6.1: one rule, one name; the values found stand in the message."""

    @pytest.mark.parametrize(
        ("code", "standing", "words", "given"),
        CASES,
        ids=[f"{code}-{standing}-{n}" for n, (code, standing, _, _) in enumerate(CASES)],
    )
    def test_judges(
        self, code: str, standing: Standing, words: str, given: dict[str, Any]
    ) -> None:
        found = item(code, **given)
        assert found.standing is standing
        assert words in found.message
        assert bool(found.remedy) is (standing in (VIOLATED, UNKNOWN))

    def test_every_rule_has_a_case_against_it(self) -> None:
        against = {code for code, standing, _, _ in CASES if standing is VIOLATED}
        elsewhere = {
            *("ExternalResourceUnreachable", "CredentialExpired"),
            "InstancesNotOnLatestModel",
        }
        assert against | elsewhere == {rule.code for rule in PRECONDITIONS}

    def test_names_are_unique_and_say_whom_they_serve(self) -> None:
        codes = [rule.code for rule in PRECONDITIONS]
        assert len(set(codes)) == len(codes)
        assert {rule.requirement for rule in PRECONDITIONS} == {"R2.2", "R2.3", "R4.10", "R6.1"}
        assert all(rule.remedy.endswith(".") for rule in PRECONDITIONS)

    def test_documented(self) -> None:
        """Every name is on the page, with its requirement, and no other is."""
        rows = [
            line.split("|")
            for line in PAGE.read_text("utf-8").splitlines()
            if line.startswith("| `")
        ]
        told = [(row[1].strip(" `"), row[2].strip()) for row in rows]
        assert told == [(rule.code, rule.requirement) for rule in PRECONDITIONS]


class TestModel:
    """R2.3: a set whose mode is Manual."""

    MANUAL: dict[str, Any] = {  # noqa: RUF012  # read only
        "upgrade_policy": UpgradePolicy(mode=UpgradeMode.MANUAL)
    }

    @pytest.mark.parametrize(
        ("outdated", "standing", "words"),
        [
            (None, UNKNOWN, "could not be told"),
            ((), MET, "0 instances do not"),
            (("7",), VIOLATED, "1 instance does not run the latest model: 7"),
            (tuple("abcdefg"), VIOLATED, "7 instances do not run the latest model: a, b, c, d"),
        ],
        ids=["unknown", "none", "one", "many"],
    )
    def test_who_runs_an_older_model(
        self, outdated: tuple[str, ...] | None, standing: Standing, words: str
    ) -> None:
        found = item(
            "InstancesNotOnLatestModel", Facts(at=NOW, outdated=outdated), **self.MANUAL
        )
        assert found.standing is standing
        assert words in found.message
        assert ("and 2 more" in found.message) is (len(outdated or ()) == 7)


class TestResources:
    """R2.2: external resources that the model names."""

    RESOURCES = (
        ExternalResource(name="payload", url="https://example.org/payload"),
        ExternalResource(name="scripts", path="scripts"),
    )

    def found(self, **access: Access) -> Item:
        facts = Facts(at=NOW, access=access)
        return item("ExternalResourceUnreachable", facts, external_resources=self.RESOURCES)

    def test_none(self) -> None:
        assert item("ExternalResourceUnreachable").standing is BESIDE

    def test_all_answer(self) -> None:
        found = self.found(payload=Access(True), scripts=Access(True))
        assert (found.standing, found.message) == (MET, "2 of 2 external resources answer")

    def test_one_does_not(self) -> None:
        found = self.found(payload=Access(False, "it answers 404"))
        assert found.standing is VIOLATED
        assert found.message == (
            "payload is not reachable: it answers 404; scripts: it was not asked for"
        )

    def test_one_was_not_asked(self) -> None:
        assert self.found(payload=Access(True)).standing is UNKNOWN


class TestCredentials:
    """R4.10: expired, about to be, or in a file that tells nothing."""

    CREDENTIALS = (
        Credential(name="sas", file="sas.token"),
        Credential(name="cert", expires="2027-01-15T08:00:00Z"),  # the very moment
    )

    def found(self, at: int, sas: Expiry | None) -> Item:
        expiry = {} if sas is None else {"sas": sas}
        facts = Facts(at=at, expiry=expiry)
        return item("CredentialExpired", facts, credentials=self.CREDENTIALS)

    def test_none(self) -> None:
        assert item("CredentialExpired").standing is BESIDE

    def test_the_first_to_expire_is_named(self) -> None:
        found = self.found(NOW - 1, Expiry(NOW + 5_000))
        assert found.standing is MET
        assert found.message == "the first of 2 to expire does so at 2027-01-15T08:00:00Z"

    def test_expired_at_the_moment_itself(self) -> None:
        found = self.found(NOW, Expiry(NOW + 1))
        assert (found.standing, found.message) == (
            VIOLATED,
            "cert expired at 2027-01-15T08:00:00Z",
        )

    def test_an_unreadable_file_is_unknown(self) -> None:
        assert self.found(NOW - 1, None).standing is UNKNOWN
        assert "no such file" in self.found(NOW - 1, Expiry(None, "no such file")).message

    def test_an_expired_one_beside_an_unknown_one(self) -> None:
        assert self.found(NOW, None).standing is VIOLATED

    def test_by_name(self) -> None:
        facts = Facts(at=NOW, expiry={"sas": Expiry(NOW + 1)})
        assert expired(a_set(credentials=self.CREDENTIALS), facts) == {
            "cert": "2027-01-15T08:00:00Z"
        }


class TestTogether:
    """R2.2: all reported together; the platform needs all, a run by hand some."""

    WRONG: dict[str, Any] = {  # noqa: RUF012  # read only
        "image_reference": ImageReference(image="web-os", version="1.0.0"),
        "health": None,
        "api_version": "2018-01-01",
    }

    def test_eligible(self) -> None:
        checklist = judge(a_set(), Facts(at=NOW))
        assert checklist.eligible
        assert [each.code for each in checklist.items] == [r.code for r in PRECONDITIONS]
        for started_by in StartedBy:
            checklist.require(started_by)

    def test_all_at_once(self) -> None:
        checklist = judge(a_set(**self.WRONG), Facts(at=NOW))
        wrong = {"ImageVersionNotLatest", "HealthSourceMissing", "ApiVersionTooOld"}
        assert violated(checklist) == wrong
        with pytest.raises(Ineligible) as caught:
            checklist.require(StartedBy.PLATFORM)
        assert {each.code for each in caught.value.violations} == wrong
        assert caught.value.exit_code is ExitCode.INVALID
        for code in wrong:
            assert code in str(caught.value)

    def test_a_run_by_hand_does_not_need_them(self) -> None:
        judge(a_set(**self.WRONG), Facts(at=NOW)).require(StartedBy.USER)

    def test_what_a_run_by_hand_needs(self) -> None:
        """R4.10: and what it may go on over: the unknown."""
        credentials = (Credential(name="sas", file="sas.token"),)
        broken = judge(
            a_set(credentials=credentials), Facts(at=NOW, expiry={"sas": Expiry(NOW)})
        )
        with pytest.raises(Ineligible, match=r"CredentialExpired: sas expired .*R4\.10"):
            broken.require(StartedBy.USER)
        unknown = judge(a_set(credentials=credentials), Facts(at=NOW))
        unknown.require(StartedBy.USER)
        assert not unknown.eligible
        with pytest.raises(Ineligible, match="CredentialExpired"):
            unknown.require(StartedBy.PLATFORM)

    @given(
        st.fixed_dictionaries(
            {
                "api_version": st.sampled_from(["2018-09-30", "2018-10-01", "2019-03-01"]),
                "os_type": st.sampled_from(OsType),
                "enable_automatic_updates": st.booleans(),
                "single_placement_group": st.booleans(),
                "load_balancer_sku": st.none() | st.sampled_from(LoadBalancerSku),
                "health": st.sampled_from([None, PROBE, TcpProbe(port=1)]),
                "further_health": st.sampled_from([(), (PROBE,)]),
                "service_fabric": st.none()
                | st.builds(
                    cluster,
                    st.sampled_from(["Bronze", "Silver", "Gold"]),
                    st.sampled_from(["Bronze", "Silver", "Gold"]),
                    st.sampled_from(["1.0", "1.1", "2.0"]),
                ),
            }
        )
    )
    def test_the_requirements_read_once_more(self, fields: dict[str, Any]) -> None:
        """R2.2, R6.1: for every combination, from the words of the requirements."""
        its = a_set(**fields)
        sources = ([its.health] if its.health else []) + [*its.further_health]
        fabric = its.service_fabric
        low = fabric is not None and fabric.cluster_durability is Durability.BRONZE
        differ = fabric is not None and fabric.cluster_durability != fabric.extension_durability
        old = fabric is not None and fabric.extension_handler_version == "1.0"
        windows = its.os_type is OsType.WINDOWS and its.api_version == "2019-03-01"
        groups = sources and not its.single_placement_group
        due = {
            "ApiVersionTooOld": its.api_version == "2018-09-30",
            "HealthSourceMissing": not sources and fabric is None,
            "SeveralHealthSources": len(sources) > 1,
            "ProbeNeedsStandardLoadBalancer": groups
            and its.load_balancer_sku is not LoadBalancerSku.STANDARD,
            "WindowsUpdatesEnabled": windows and its.enable_automatic_updates,
            "DurabilityTooLow": low,
            "DurabilityDiffers": differ,
            "HandlerVersionTooOld": old,
        }
        checklist = judge(its, Facts(at=NOW))
        assert violated(checklist) == {code for code, wrong in due.items() if wrong}
        assert checklist.eligible is not any(due.values())
