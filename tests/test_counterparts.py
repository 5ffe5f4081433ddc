"""rollproof.counterparts: what a template says, in a document of ours (R2.4)."""

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.counterparts import COUNTERPARTS, translate
from rollproof.document import loads
from rollproof.errors import InvalidDocument, Problem
from rollproof.fleet import OsType, ScaleSet
from rollproof.images import ImageReference
from rollproof.policy import RollingUpgradePolicy, UpgradeMode
from rollproof.reference import counterparts_table
from rollproof.template import TYPE

DOCS = Path(__file__).parents[1] / "docs" / "template.md"
POLICY = "properties.upgradePolicy"
ROLLING = f"{POLICY}.rollingUpgradePolicy"
AUTOMATIC = f"{POLICY}.automaticOSUpgradePolicy"
PROFILE = "properties.virtualMachineProfile"
IMAGE = f"{PROFILE}.storageProfile.imageReference"
PLACES = st.sampled_from([*COUNTERPARTS, "resources"])
ENABLED = {f"{AUTOMATIC}.enableAutomaticOSUpgrade": True}
USE = f"{AUTOMATIC}.useRollingUpgradePolicy"
OFF = {f"{PROFILE}.osProfile.windowsConfiguration.enableAutomaticUpdates": False}
UBUNTU = {"publisher": "Canonical", "offer": "UbuntuServer", "sku": "18.04-LTS"}
GALLERY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/corp/images"


def resource(**said: object) -> dict[str, Any]:
    """A small set; of each dotted field in `said`, "__" for ".", the value."""
    made: dict[str, Any] = {
        "type": TYPE,
        "apiVersion": "2019-12-01",
        "name": "web",
        "location": "westeurope",
    }
    fields = {IMAGE: {**UBUNTU, "version": "latest"}}
    for place, value in (fields | said).items():
        table = made
        *parents, last = place.split(".")
        for name in parents:
            table = table.setdefault(name, {})
        table[last] = copy.deepcopy(value)
    return made


def read(**said: object) -> ScaleSet:
    return loads(json.dumps(resource(**said)))


def refused(document: dict[str, Any], onto: ScaleSet | None = None) -> dict[str, Problem]:
    """The problems of a document, by field; no field has two."""
    with pytest.raises(InvalidDocument) as caught:
        loads(json.dumps(document), path="set.json", onto=onto)
    by_field = {problem.field: problem for problem in caught.value.problems}
    assert len(by_field) == len(caught.value.problems)
    return by_field


def wrong(document: dict[str, Any]) -> set[str]:
    """The fields with a problem; none where it is read."""
    try:
        loads(json.dumps(document))
    except InvalidDocument as error:
        return {problem.field for problem in error.problems}
    return set()


def ignored(document: dict[str, Any]) -> list[str]:
    heard: list[str] = []
    loads(json.dumps(document), ignores=heard.append)
    return heard


class TestR2_4:
    """R2.4: switching on and off, policy and image, as a template declares them."""

    def test_the_smallest(self) -> None:
        assert read() == ScaleSet(
            name="web",
            location="westeurope",
            image_reference=ImageReference(**UBUNTU),
            api_version="2019-12-01",
        )

    def test_switched_on_with_a_policy(self) -> None:
        rolling = {
            "maxBatchInstancePercent": 10,
            "maxUnhealthyInstancePercent": 15,
            "maxUnhealthyUpgradedInstancePercent": 0,
            "pauseTimeBetweenBatches": "PT1M30S",
            "enableCrossZoneUpgrade": True,
            "prioritizeUnhealthyInstances": True,
            "rollbackFailedInstancesOnPolicyBreach": True,
            "maxSurge": False,
        }
        automatic = {
            "enableAutomaticOSUpgrade": True,
            "disableAutomaticRollback": True,
            "useRollingUpgradePolicy": True,
            "osRollingUpgradeDeferral": True,
        }
        said = {
            f"{POLICY}.mode": "Manual",
            ROLLING: rolling,
            AUTOMATIC: automatic,
            "properties.singlePlacementGroup": False,
        }
        found = read(**said)
        policy = found.upgrade_policy
        assert policy.mode is UpgradeMode.MANUAL
        assert policy.rolling_upgrade_policy == RollingUpgradePolicy(
            max_batch_instance_percent=10,
            max_unhealthy_instance_percent=15,
            max_unhealthy_upgraded_instance_percent=0,
            pause_time_between_batches=timedelta(seconds=90),
            enable_cross_zone_upgrade=True,
            prioritize_unhealthy_instances=True,
            rollback_failed_instances_on_policy_breach=True,
        )
        given = policy.automatic_os_upgrade_policy
        assert policy.is_automatic
        assert given.disable_automatic_rollback
        assert given.os_rolling_upgrade_deferral
        assert not found.single_placement_group
        assert ignored(resource(**said)) == []

    def test_in_the_spellings_of_a_template(self) -> None:
        """Keys and choices in any case, numbers and truths as text."""
        document = resource(
            **{
                f"{POLICY}.Mode": "rolling",
                f"{POLICY}.RollingUpgradePolicy": {
                    "MAXBATCHINSTANCEPERCENT": "10",
                    "maxSurge": "False",
                },
                f"{AUTOMATIC}.enableAutomaticOsUpgrade": "True",
                f"{AUTOMATIC}.useRollingUpgradePolicy": "true",
                "properties.singlePlacementGroup": "false",
                f"{PROFILE}.storageProfile.osDisk.osType": "linux",
            }
        )
        found = loads(json.dumps(document))
        assert found.upgrade_policy.mode is UpgradeMode.ROLLING
        assert found.upgrade_policy.effective.max_batch_instance_percent == 10
        assert found.upgrade_policy.is_automatic
        assert not found.single_placement_group

    def test_what_is_null_is_left_out(self) -> None:
        said = {POLICY: None, f"{PROFILE}.osProfile": None, f"{PROFILE}.extensionProfile": None}
        assert read(**said) == read()

    @pytest.mark.parametrize("place", COUNTERPARTS)
    def test_every_counterpart_is_a_key_of_ours(self, place: str) -> None:
        """And a value outside its bound is told in the words of the template."""
        problems = refused(resource(**{place: [1]}))
        assert place in problems
        own = COUNTERPARTS[place]
        assert translate(resource(**{place: "x"})).table[own.partition(".")[0]] is not None

    @pytest.mark.parametrize(
        ("said", "reference"),
        [
            ({"id": f"{GALLERY}/web-os"}, ImageReference(image="web-os")),
            (
                {"id": f"{GALLERY}/web-os/Versions/1.2.3"},
                ImageReference(image="web-os", version="1.2.3"),
            ),
            (
                {"sharedGalleryImageId": "/SharedGalleries/c/Images/web-os/Versions/latest"},
                ImageReference(image="web-os"),
            ),
            (
                {"communityGalleryImageId": "/CommunityGalleries/c/Images/web-os"},
                ImageReference(image="web-os"),
            ),
            ({**UBUNTU, "exactVersion": "18.04.1"}, ImageReference(**UBUNTU)),
        ],
    )
    def test_r3_2_images(self, said: dict[str, str], reference: ImageReference) -> None:
        assert read(**{IMAGE: said}).image_reference == reference

    def test_in_a_template(self) -> None:
        """With its variables and the defaults of its parameters."""
        document = {
            "$schema": "https://schema.management.azure.com/schemas/2015-01-01/x.json#",
            "contentVersion": "1.0.0.0",
            "parameters": {"name": {"type": "string", "defaultValue": "web"}},
            "variables": {"image": UBUNTU},
            "resources": [
                {"type": "Microsoft.Network/virtualNetworks", "name": "net"},
                resource(name="[parameters('name')]", **{IMAGE: "[variables('image')]"}),
            ],
        }
        assert loads(json.dumps(document)) == read()

    def test_nothing_else_in_a_set_is_taken_for_a_slip(self) -> None:
        """All other fields of the resource are ignored, and told."""
        others = {
            "": "id identity plan sku tags zones dependsOn condition extendedLocation etag",
            "properties.": "additionalCapabilities automaticRepairsPolicy hostGroup "
            "doNotRunExtensionsOnOverprovisionedVMs orchestrationMode overprovision "
            "platformFaultDomainCount provisioningState proximityPlacementGroup "
            "scaleInPolicy spotRestorePolicy timeCreated uniqueId zoneBalance "
            "constrainedMaximumCapacity priorityMixPolicy resiliencyPolicy "
            "scheduledEventsPolicy skuProfile",
            f"{PROFILE}.": "applicationProfile billingProfile capacityReservation "
            "diagnosticsProfile evictionPolicy hardwareProfile licenseType priority "
            "scheduledEventsProfile securityProfile serviceArtifactReference userData",
            f"{PROFILE}.osProfile.": "adminPassword adminUsername allowExtensionOperations "
            "computerNamePrefix linuxConfiguration secrets requireGuestProvisionSignal",
            f"{PROFILE}.storageProfile.": "dataDisks diskControllerType",
            f"{PROFILE}.storageProfile.osDisk.": "caching createOption deleteOption image "
            "diffDiskSettings diskSizeGB managedDisk name vhdContainers "
            "writeAcceleratorEnabled",
            f"{PROFILE}.networkProfile.": "networkApiVersion networkInterfaceConfigurations",
            f"{PROFILE}.extensionProfile.": "extensionsTimeBudget",
        }
        places = [f"{path}{name}" for path, names in others.items() for name in names.split()]
        assert sorted(ignored(resource(**dict.fromkeys(places, "x")))) == sorted(places)


class TestRefused:
    """R2.4: what would be silently wrong, and what is wrong in itself, all at once."""

    def test_every_problem_in_the_words_of_the_template(self) -> None:
        document = resource(
            name="myScaleSet",
            location="[resourceGroup().location]",
            **{
                f"{POLICY}.mode": "Roling",
                f"{POLICY}.automaticOSUpgrade": "true",
                f"{ROLLING}.maxBatchInstancePercent": 3,
                f"{ROLLING}.maxSurge": True,
                f"{ROLLING}.pauseTimeBetweenBatches": "1m",
                f"{AUTOMATIC}.enableAutomaticOSUpgrade": "yes",
                f"{PROFILE}.osProfile.customData": "I2Nsb3Vk",
                "properties.upgradePolicys": {},
            },
        )
        problems = refused(document)
        assert set(problems) == {
            "name",
            "location",
            f"{POLICY}.mode",
            f"{POLICY}.automaticOSUpgrade",
            f"{ROLLING}.maxBatchInstancePercent",
            f"{ROLLING}.maxSurge",
            f"{ROLLING}.pauseTimeBetweenBatches",
            f"{AUTOMATIC}.enableAutomaticOSUpgrade",
            f"{PROFILE}.osProfile.customData",
            "properties.upgradePolicys",
        }
        assert problems[f"{POLICY}.mode"].fix == 'Did you mean "Rolling"?'
        assert problems[f"{POLICY}.automaticOSUpgrade"].fix == (
            "Did you mean automaticOSUpgradePolicy?"
        )
        assert problems[f"{ROLLING}.maxBatchInstancePercent"].requirement == "R4.7"
        assert "upgraded in place" in problems[f"{ROLLING}.maxSurge"].bound
        assert problems["properties.upgradePolicys"].fix == "Did you mean upgradePolicy?"
        assert problems["location"].value == "'[resourceGroup().location]'"

    def test_with_the_place_of_the_resource(self) -> None:
        one = resource(name="A")
        one["properties"]["virtualMachineProfile"] = {}
        document = {"contentVersion": "1", "resources": [{"type": "x"}, one]}
        assert set(refused(document)) == {"resources[1].name", f"resources[1].{IMAGE}"}

    def test_a_part_is_no_whole(self) -> None:
        problems = refused({"properties": {}})
        assert set(problems) == {"name", IMAGE}
        assert all("--onto" in each.fix for each in problems.values())

    def test_what_cannot_be_told_is_told_once(self) -> None:
        problems = refused(resource(**{f"{IMAGE}.publisher": "[parameters('publisher')]"}))
        assert set(problems) == {f"{IMAGE}.publisher"}
        assert set(refused(resource(**{IMAGE: "[parameters('image')]"}))) == {IMAGE}

    @pytest.mark.parametrize(
        ("place", "value", "said"),
        [
            ("type", "Microsoft.Compute/virtualMachines", TYPE),
            ("copy", {"count": 3}, "one scale set"),
            (f"{IMAGE}.id", "/s/providers/Microsoft.Compute/images/mine", "in a gallery"),
            (f"{ROLLING}.maxSurge", 1, "upgraded in place"),
            (POLICY, "Rolling", "a table"),
            (f"{ROLLING}.canary", 1, "maxBatchInstancePercent"),
            (f"{IMAGE}.canary", 1, "publisher"),
            (f"{PROFILE}.storageProfile", [], "a table"),
        ],
    )
    def test_one_by_one(self, place: str, value: object, said: str) -> None:
        problem = refused(resource(**{place: value}))[place]
        assert said in problem.bound
        assert problem.fix

    def test_an_image_of_two_forms(self) -> None:
        found = refused(resource(**{f"{IMAGE}.id": f"{GALLERY}/web-os"}))
        assert found[IMAGE].requirement == "R3.2"

    def test_an_empty_custom_data_is_none(self) -> None:
        assert read(**{f"{PROFILE}.osProfile.customData": ""}) == read()
        assert read(**{f"{IMAGE}.id": ""}) == read()

    @given(st.dictionaries(PLACES, st.text(), max_size=5))
    def test_any_text_is_read_or_refused(self, said: dict[str, str]) -> None:
        assert wrong(resource(**said)) <= {*said, IMAGE, USE}


class TestDefaults:
    """What a template means by silence."""

    def test_a_policy_that_may_not_count(self) -> None:
        """R4.7: whether it does must be said, where it would make a difference."""
        tenth = {f"{ROLLING}.maxBatchInstancePercent": 10}
        assert set(refused(resource(**ENABLED, **tenth))) == {USE}
        for said in (True, False):
            found = read(**ENABLED, **tenth, **{USE: said})
            percent = found.upgrade_policy.effective.max_batch_instance_percent
            assert percent == (10 if said else 20)
        assert not read(**tenth).upgrade_policy.is_automatic
        assert read(**ENABLED, **{f"{ROLLING}.maxBatchInstancePercent": 20}) == read(**ENABLED)

    @pytest.mark.parametrize(
        "said",
        [
            {f"{PROFILE}.osProfile.windowsConfiguration": {}},
            {f"{PROFILE}.storageProfile.osDisk.osType": "Windows"},
            {f"{IMAGE}.publisher": "MicrosoftWindowsServer"},
        ],
    )
    def test_windows_patches_itself_unless_told_not_to(self, said: dict[str, object]) -> None:
        """R2.2, R1.3: a set that says nothing of it is not eligible."""
        found = read(**said)
        assert (found.os_type, found.enable_automatic_updates) == (OsType.WINDOWS, True)
        assert not read(**said, **OFF).enable_automatic_updates

    def test_linux_does_not(self) -> None:
        found = read(**{f"{PROFILE}.osProfile.linuxConfiguration": {}})
        assert (found.os_type, found.enable_automatic_updates) == (OsType.LINUX, False)


class TestOnto:
    """A part edits what was declared, and says nothing of the rest."""

    def test_the_switch(self) -> None:
        """R2.1: the body of a PATCH."""
        declared = read(**{f"{ROLLING}.maxBatchInstancePercent": 10})
        for on in (True, False):
            switch = {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": on}}
            part = {"properties": {"upgradePolicy": switch}}
            edited = loads(json.dumps(part), onto=declared)
            assert edited.upgrade_policy.is_automatic is on
            assert edited.upgrade_policy.effective.max_batch_instance_percent == 10
            assert edited.image_reference == declared.image_reference

    def test_no_default_of_a_template_is_said(self) -> None:
        declared = read(**{f"{IMAGE}.publisher": "MicrosoftWindowsServer", **OFF})
        profile: dict[str, object] = {"osProfile": {"secrets": []}}
        part = {"properties": {"virtualMachineProfile": profile}}
        assert loads(json.dumps(part), onto=declared) == declared
        tenth = {"maxBatchInstancePercent": 10}
        on = {"enableAutomaticOSUpgrade": True}
        policy = {"rollingUpgradePolicy": tenth, "automaticOSUpgradePolicy": on}
        edited = loads(json.dumps({"properties": {"upgradePolicy": policy}}), onto=declared)
        assert edited.upgrade_policy.effective.max_batch_instance_percent == 10

    def test_its_problems_are_those_of_the_part(self) -> None:
        part = {"properties": {"upgradePolicy": {"mode": 5}}}
        assert set(refused(part, onto=read())) == {f"{POLICY}.mode"}


class TestDocs:
    """docs/template.md tells what the module does."""

    def test_the_table_has_not_drifted(self) -> None:
        _, _, rest = DOCS.read_text(encoding="utf-8").partition("<!-- begin fields -->\n")
        generated, _, _ = rest.partition("<!-- end fields -->")
        assert generated == counterparts_table() + "\n"

    def test_the_examples_are_documents(self) -> None:
        blocks = DOCS.read_text(encoding="utf-8").split("```json\n")[1:]
        texts = [block.partition("```")[0] for block in blocks]
        declared = loads(texts[0])
        for text in texts[1:]:
            assert loads(text, onto=declared) != declared
