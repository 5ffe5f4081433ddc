"""rollproof.attachments: the extensions, the probe and the cluster of a template's set."""

import json
from datetime import timedelta
from typing import Any

import pytest

from rollproof.document import loads
from rollproof.errors import InvalidDocument, Problem
from rollproof.fleet import Extension, LoadBalancerSku, ScaleSet
from rollproof.health import HttpProbe, Scheme, TcpProbe
from rollproof.service_fabric import Durability, ServiceFabric
from rollproof.template import TYPE

EXTENSIONS = "properties.virtualMachineProfile.extensionProfile.extensions"
PROBE = "properties.virtualMachineProfile.networkProfile.healthProbe"
PROBE_ID = "/subscriptions/s/providers/Microsoft.Network/loadBalancers/front/probes/web"


def scale_set(*extensions: object, **profile: object) -> dict[str, Any]:
    image = {"publisher": "Canonical", "offer": "UbuntuServer", "sku": "18.04-LTS"}
    made: dict[str, object] = {"storageProfile": {"imageReference": image}, **profile}
    if extensions:
        made["extensionProfile"] = {"extensions": list(extensions)}
    return {"type": TYPE, "name": "web", "properties": {"virtualMachineProfile": made}}


def template(*resources: object) -> dict[str, object]:
    return {"contentVersion": "1.0.0.0", "resources": list(resources)}


def extension(kind: str, name: str = "x", **properties: object) -> dict[str, object]:
    return {
        "name": name,
        "properties": {
            "publisher": "Microsoft.Any",
            "type": kind,
            "typeHandlerVersion": "1.0",
            **properties,
        },
    }


def health(version: str = "1.0", **settings: object) -> dict[str, object]:
    return extension("ApplicationHealthLinux", typeHandlerVersion=version, settings=settings)


def script(command: object = "./install", name: str = "app", **more: Any) -> dict[str, object]:
    settings = {"commandToExecute": command, **more.pop("settings", {})}
    return extension("CustomScript", name, settings=settings, **more)


def read(document: object) -> ScaleSet:
    return loads(json.dumps(document))


def refused(document: object) -> dict[str, Problem]:
    with pytest.raises(InvalidDocument) as caught:
        read(document)
    by_field = {problem.field: problem for problem in caught.value.problems}
    assert len(by_field) == len(caught.value.problems)
    return by_field


def ignored(document: object) -> list[str]:
    heard: list[str] = []
    loads(json.dumps(document), ignores=heard.append)
    return heard


class TestApplicationHealth:
    """R5.2: what the extension asks of the application, a probe asks."""

    @pytest.mark.parametrize(
        ("settings", "probe"),
        [
            (
                {"protocol": "http", "requestPath": "/health"},
                HttpProbe(port=80, path="/health"),
            ),
            (
                {"Protocol": "HTTPS", "intervalInSeconds": "30", "numberOfProbes": "3"},
                HttpProbe(
                    port=443,
                    scheme=Scheme.HTTPS,
                    interval=timedelta(seconds=30),
                    unhealthy_threshold=3,
                ),
            ),
            ({"protocol": "http", "port": 8080}, HttpProbe(port=8080)),
            (
                {"protocol": "tcp", "port": "22", "requestPath": "/ignored"},
                TcpProbe(port=22),
            ),
        ],
    )
    def test_is_a_probe(self, settings: dict[str, Any], probe: object) -> None:
        found = read(scale_set(health(**settings)))
        assert found.health == probe
        assert found.health_sources == (probe,)
        assert found.extensions == ()

    def test_on_windows_too(self) -> None:
        kind = extension("ApplicationHealthWindows", settings={"protocol": "http"})
        assert read(scale_set(kind)).health == HttpProbe(port=80)

    @pytest.mark.parametrize(
        ("settings", "field"),
        [
            ({}, "protocol"),
            ({"protocol": "icmp"}, "protocol"),
            ({"protocol": 5}, "protocol"),
            ({"protocol": "tcp"}, "port"),
            ({"protocol": "http", "port": 0}, "port"),
            ({"protocol": "http", "requestPath": "health"}, "requestPath"),
            ({"protocol": "http", "intervalInSeconds": 120}, "intervalInSeconds"),
            ({"protocol": "http", "intervalInSeconds": "often"}, "intervalInSeconds"),
            ({"protocol": "http", "numberOfProbes": 25}, "numberOfProbes"),
        ],
    )
    def test_out_of_bounds(self, settings: dict[str, Any], field: str) -> None:
        place = f"{EXTENSIONS}[0].properties.settings.{field}"
        assert place in refused(scale_set(health(**settings)))

    @pytest.mark.parametrize("version", ["2.0", "10.1"])
    def test_richer_states_are_not_read(self, version: str) -> None:
        """A probe would take an answer of "unhealthy" for health."""
        problems = refused(scale_set(health(version, protocol="http")))
        (place,) = problems
        assert place == f"{EXTENSIONS}[0].properties.typeHandlerVersion"
        assert 'kind = "extension"' in problems[place].fix

    def test_settings_that_are_none(self) -> None:
        bare = extension("ApplicationHealthLinux")
        assert set(refused(scale_set(bare))) == {
            f"{EXTENSIONS}[0].properties.settings.protocol"
        }


class TestLoadBalancer:
    """R5.2, R2.2: a probe that the set names stands in another resource."""

    def front(self, sku: object = None, **probe: object) -> dict[str, object]:
        properties = {"protocol": "Http", "port": 80, "requestPath": "/up", **probe}
        return {
            "type": "Microsoft.Network/loadBalancers",
            "name": "front",
            "sku": sku,
            "properties": {
                "probes": [
                    {"name": "other", "properties": {}},
                    {"name": "web", "properties": properties},
                ]
            },
        }

    def named(self, identity: object = PROBE_ID) -> dict[str, Any]:
        return scale_set(networkProfile={"healthProbe": {"id": identity}})

    def test_is_looked_for_there(self) -> None:
        front = self.front({"name": "standard"}, numberOfProbes=2)
        found = read(template(self.named(), {**front, "name": "back"}, front))
        assert found.health == HttpProbe(
            port=80, path="/up", interval=timedelta(seconds=15), unhealthy_threshold=2
        )
        assert found.load_balancer_sku is LoadBalancerSku.STANDARD

    def test_without_an_edition_it_is_a_basic_one(self) -> None:
        newer = self.front(numberOfProbes=2, probeThreshold=4)
        found = read(template(self.named(), newer))
        assert found.load_balancer_sku is LoadBalancerSku.BASIC
        assert isinstance(found.health, HttpProbe)
        assert found.health.unhealthy_threshold == 4

    def test_out_of_bounds(self) -> None:
        front = self.front({"name": "Gateway"}, port=0)
        assert set(refused(template(front, self.named()))) == {
            "resources[0].properties.probes[1].properties.port",
            f"resources[1].{PROBE}.id",
        }

    @pytest.mark.parametrize(
        "identity",
        [PROBE_ID.replace("web", "none"), PROBE_ID.replace("front", "back"), "web", "[x()]"],
    )
    def test_one_that_does_not_stand_there(self, identity: str) -> None:
        problem = refused(template(self.named(identity), self.front()))[
            f"resources[0].{PROBE}.id"
        ]
        assert problem.fix

    def test_nor_is_there_one_beside_a_set_by_itself(self) -> None:
        problem = refused(self.named())[f"{PROBE}.id"]
        assert "Hand in the load balancer, too" in problem.fix
        assert read(self.named("")).health is None

    def test_beside_an_extension_it_is_one_too_many(self) -> None:
        """R2.2: both are read, and the rule of that name says so."""
        both = scale_set(
            health(protocol="tcp", port=22), networkProfile={"healthProbe": {"id": PROBE_ID}}
        )
        found = read(template(both, self.front()))
        assert len(found.health_sources) == 2
        both = scale_set(
            health(protocol="tcp", port=0), networkProfile={"healthProbe": {"id": PROBE_ID}}
        )
        assert set(refused(template(both, self.front()))) == {
            f"resources[0].{EXTENSIONS}[0].properties.settings.port"
        }


class TestServiceFabric:
    """R6.1: durability must be known of both sides."""

    def cluster(self, *node_types: object) -> dict[str, object]:
        return {
            "type": "Microsoft.ServiceFabric/clusters",
            "name": "fabric",
            "properties": {"nodeTypes": list(node_types)},
        }

    def managed(self, version: str = "1.1", **settings: object) -> dict[str, Any]:
        given = {"nodeTypeRef": "front", "durabilityLevel": "Silver", **settings}
        node = extension("ServiceFabricNode", typeHandlerVersion=version, settings=given)
        return scale_set(node)

    def test_of_the_same_template(self) -> None:
        node_types = {"name": "back"}, {"name": "front", "durabilityLevel": "gold"}
        found = read(template(self.managed(), self.cluster(*node_types)))
        assert found.service_fabric == ServiceFabric(
            cluster_durability=Durability.GOLD,
            extension_durability=Durability.SILVER,
            extension_handler_version="1.1",
        )

    def test_bronze_where_nothing_is_said(self) -> None:
        document = self.managed(durabilityLevel=None)
        found = read(template(document, self.cluster({"name": "front"}))).service_fabric
        assert found is not None
        assert found.cluster_durability is found.extension_durability is Durability.BRONZE

    def test_a_cluster_that_is_elsewhere(self) -> None:
        settings = f"{EXTENSIONS}[0].properties.settings"
        problems = refused(self.managed())
        assert set(problems) == {f"{settings}.nodeTypeRef"}
        assert problems[f"{settings}.nodeTypeRef"].requirement == "R6.1"

    def test_out_of_bounds(self) -> None:
        place = f"resources[0].{EXTENSIONS}[0].properties"
        cluster = self.cluster({"name": "front", "durabilityLevel": "Iron"})
        document = template(self.managed("one", durabilityLevel="Tin"), cluster)
        assert set(refused(document)) == {
            f"{place}.typeHandlerVersion",
            f"{place}.settings.durabilityLevel",
            f"{place}.settings.nodeTypeRef",
        }


class TestScripts:
    """R1.2: one command, in its order."""

    def test_are_commands(self) -> None:
        windows = extension(
            "CustomScriptExtension", "win", settings={"commandToExecute": "install.cmd"}
        )
        after = script("./app --now", "app", provisionAfterExtensions=["agent"])
        found = read(scale_set(script("./agent", "agent"), after, windows)).extensions
        assert found == (
            Extension(name="agent", command=("sh", "-c", "./agent")),
            Extension(
                name="app", command=("sh", "-c", "./app --now"), provision_after=("agent",)
            ),
            Extension(name="win", command=("cmd", "/c", "install.cmd")),
        )

    def test_as_resources_of_their_own(self) -> None:
        nested = scale_set() | {
            "resources": [
                {"type": "extensions", **script(name="a")},
                {"type": "Microsoft.Insights/autoscaleSettings", "name": "scale"},
            ]
        }
        beside = {"type": f"{TYPE}/extensions", **script(name="web/b")}
        found = read(template(nested, beside))
        assert [each.name for each in found.extensions] == ["a", "b"]
        assert "resources[0].resources[1]" in ignored(template(nested, beside))

    def test_none_is_none(self) -> None:
        empty = scale_set()
        empty["properties"]["virtualMachineProfile"]["extensionProfile"] = {"extensions": []}
        assert read(empty).extensions == ()

    @pytest.mark.parametrize(
        ("more", "place", "requirement"),
        [
            ({"settings": {"fileUris": ["https://x/y"]}}, "settings.fileUris", "R1.2"),
            ({"settings": {"script": "eA=="}}, "settings.script", "R1.2"),
            ({"protectedSettings": {"commandToExecute": "x"}}, "protectedSettings", "R4.10"),
            ({"suppressFailures": True}, "suppressFailures", "R5.1"),
            ({"provisionAfterExtensions": ["gone"]}, "provisionAfterExtensions", "R1.2"),
            ({"provisionAfterExtensions": "x"}, "provisionAfterExtensions", "R1.2"),
            ({"provisionAfterExtensions": ["[f()]"]}, "provisionAfterExtensions", "R2.4"),
        ],
    )
    def test_no_more_than_a_command(
        self, more: dict[str, Any], place: str, requirement: str
    ) -> None:
        problems = refused(scale_set(script(**more)))
        (field,) = problems
        assert field == f"{EXTENSIONS}[0].properties.{place}"
        assert problems[field].requirement == requirement

    def test_nor_less(self) -> None:
        assert set(refused(scale_set(script(None, "a b")))) == {
            f"{EXTENSIONS}[0].name",
            f"{EXTENSIONS}[0].properties.settings.commandToExecute",
        }

    def test_failures_that_count(self) -> None:
        assert read(scale_set(script(suppressFailures=False))).extensions


class TestOthers:
    """R1.2: what nobody here would run is refused."""

    def test_by_their_type(self) -> None:
        problems = refused(scale_set(extension("AzureMonitorLinuxAgent"), extension("")))
        assert set(problems) == {
            f"{EXTENSIONS}[{number}].properties.type" for number in range(2)
        }

    def test_what_is_no_list(self) -> None:
        document = scale_set(extensionProfile={"extensions": {}})
        assert set(refused(document)) == {EXTENSIONS}

    def test_what_changes_no_upgrade_is_told(self) -> None:
        told = ignored(scale_set(script(autoUpgradeMinorVersion=True)))
        assert told == [
            f"{EXTENSIONS}[0].properties.typeHandlerVersion",
            f"{EXTENSIONS}[0].properties.autoUpgradeMinorVersion",
        ]


class TestOnto:
    """A list is replaced as a whole, and so is a health source."""

    def test_it(self) -> None:
        declared = read(scale_set(script(name="a"), health(protocol="http")))
        profile = {"extensionProfile": {"extensions": [health(protocol="tcp", port=22)]}}
        part = {"properties": {"virtualMachineProfile": profile}}
        edited = loads(json.dumps(part), onto=declared)
        assert edited.health == TcpProbe(port=22)
        assert edited.extensions == ()
        untouched = loads('{"properties": {}}', onto=declared)
        assert untouched == declared
