"""What a scale set of a template names besides itself: its extensions, the probe of a load
balancer, the cluster that manages it (R1.2, R5.2, R6.1).

An extension is an agent's business there, and a command here.  Three kinds have a
counterpart: the one that watches the application's health, for a probe asks the same; the
one of Service Fabric; and a script that is one command and no more.  All others are refused,
for an upgrade would leave them out on the new disk.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from rollproof.bounds import shown
from rollproof.draft import Draft, number
from rollproof.template import Part, Reading, folded

_PORTS: Final = {"http": 80, "https": 443}
_PROBE: Final = re.compile(r"(?:.*/)?loadBalancers/([^/]+)/probes/([^/]+)", re.IGNORECASE)


def read_extensions(parts: Iterable[Part], reading: Reading, draft: Draft) -> None:
    """Every extension of the set, in its order."""
    draft.extensions = draft.extensions or []
    for outer in parts:
        inner = outer.part("properties")
        kind = inner.text("type")
        inner.said("publisher")
        read = _KINDS.get(kind.lower())
        if read is None:
            reading.tell(
                inner.at("type"),
                shown(kind),
                "ApplicationHealthLinux or -Windows, ServiceFabricNode, CustomScript",
                "Leave it out if the image does what it does, or declare it with its command "
                "in a document of ours.",
                "R1.2",
            )
            continue
        hides = inner.said("suppressFailures")
        if hides is not None and str(hides).lower() != "false":
            bound = "false: what has failed is not healthy"
            reading.tell(inner.at("suppressFailures"), "true", bound, "Leave it out.", "R5.1")
        read(outer, inner, reading, draft)
        outer.rest()
        inner.rest()


def _or(value: object, default: object) -> object:
    return default if value is None else value


# -- health


def _application_health(outer: Part, inner: Part, reading: Reading, draft: Draft) -> None:
    outer.said("name")
    if (version := inner.text("typeHandlerVersion")) and version.partition(".")[0] != "1":
        reading.tell(
            inner.at("typeHandlerVersion"),
            shown(version),
            '"1.0": what later ones report stands in the answer, which a probe does not read',
            'Write "1.0", or declare health with kind = "extension" in a document of ours.',
            "R5.2",
        )
    settings = inner.part("settings")
    _probe(settings, reading, draft, settings.said("numberOfProbes"), seconds=5)


def _probe(
    asked: Part, reading: Reading, draft: Draft, threshold: object, seconds: int
) -> None:
    """What is asked of the application, and how often; ``seconds`` apart by default."""
    protocol = asked.text("protocol")
    scheme = protocol.lower()
    if scheme not in (*_PORTS, "tcp"):
        found = shown(protocol) if protocol else "missing"
        fix = 'For example: "protocol": "http".'
        reading.tell(asked.at("protocol"), found, 'one of "http", "https", "tcp"', fix, "R5.2")
        return
    interval = number(_or(asked.said("intervalInSeconds"), seconds))
    spelled = f"PT{interval}S" if type(interval) is int else interval
    path: dict[str, tuple[object, str]] = {}
    if scheme != "tcp":
        path["scheme"] = scheme, asked.at("protocol")
        path["path"] = asked.said("requestPath"), asked.at("requestPath")
    draft.add_health(
        asked.place,
        kind=("tcp" if scheme == "tcp" else "http", asked.at("protocol")),
        port=(number(_or(asked.said("port"), _PORTS.get(scheme))), asked.at("port")),
        interval=(spelled, asked.at("intervalInSeconds")),
        unhealthy_threshold=(number(threshold), asked.at("numberOfProbes")),
        **path,
    )
    asked.rest()


def read_load_balancer_probe(part: Part, reading: Reading, draft: Draft) -> None:
    """The probe whose id a set names, where the template declares its load balancer."""
    identity = part.text("id")
    part.rest()
    if not identity:
        return
    match = _PROBE.fullmatch(identity)
    balancer_name, name = match.groups() if match else ("", "")
    found = reading.found
    for balancer, probe, place in found.within("Microsoft.Network/loadBalancers", "probes"):
        if (found.name_of(balancer), found.name_of(probe)) == (balancer_name, name):
            sku = Part(reading, folded(balancer).get("sku"), part.place).text("name")
            draft.put("load_balancer_sku", sku or "Basic", part.at("id"))
            asked = Part(reading, folded(probe).get("properties"), f"{place}.properties")
            older = asked.said("numberOfProbes")
            threshold = _or(asked.said("probeThreshold"), older)
            _probe(asked, reading, draft, threshold, seconds=15)
            return
    reading.tell(
        part.at("id"),
        shown(identity),
        "a probe of a load balancer that stands in the same template",
        "Hand in the load balancer, too, or leave it out and declare health in a document of "
        "ours.",
        "R5.2",
    )


# -- Service Fabric


def _service_fabric(outer: Part, inner: Part, reading: Reading, draft: Draft) -> None:
    outer.said("name")
    settings = inner.part("settings")
    level = settings.text("durabilityLevel") or "Bronze"
    version = inner.text("typeHandlerVersion")
    node_type = settings.text("nodeTypeRef")
    cluster = "service_fabric"
    draft.put(f"{cluster}.extension_durability", level, settings.at("durabilityLevel"))
    draft.put(f"{cluster}.extension_handler_version", version, inner.at("typeHandlerVersion"))
    settings.rest()
    place = settings.at("nodeTypeRef")
    draft.places[f"{cluster}.cluster_durability"] = place
    for _, each, _ in reading.found.within("Microsoft.ServiceFabric/clusters", "nodeTypes"):
        if reading.found.name_of(each) == node_type:
            held = Part(reading, each, place).text("durabilityLevel") or "Bronze"
            draft.put(f"{cluster}.cluster_durability", held, place)
            return
    reading.tell(
        place,
        shown(node_type),
        "a node type of a cluster that stands in the same template",
        "Hand in the cluster, too: its durability must be known.",
        "R6.1",
    )


# -- commands


def _script(
    shell: tuple[str, str], outer: Part, inner: Part, reading: Reading, draft: Draft
) -> None:
    settings = inner.part("settings")
    command = settings.text("commandToExecute")
    for part, key, bound, requirement in (
        (settings, "fileUris", "none: nobody fetches files here before the command", "R1.2"),
        (settings, "script", "none: a script is a file of the image here", "R1.2"),
        (inner, "protectedSettings", "none: a declaration keeps no secrets", "R4.10"),
    ):
        if part.said(key):
            fix = "Put into the image what the command needs, and write commandToExecute."
            reading.tell(part.at(key), "given", bound, fix, requirement)  # it may be a secret
    settings.rest()
    after = inner.said("provisionAfterExtensions")
    if isinstance(after, list):
        place = inner.at("provisionAfterExtensions")
        after = [reading.value(each, place) for each in after]
    draft.add_extension(
        outer.place,
        name=(outer.text("name").rpartition("/")[2], outer.at("name")),
        command=([*shell, command] if command else None, settings.at("commandToExecute")),
        provision_after=(after, inner.at("provisionAfterExtensions")),
    )


_KINDS: Final[Mapping[str, Callable[[Part, Part, Reading, Draft], None]]] = {
    "applicationhealthlinux": _application_health,
    "applicationhealthwindows": _application_health,
    "servicefabricnode": _service_fabric,
    "servicefabriclinuxnode": _service_fabric,
    "customscript": partial(_script, ("sh", "-c")),
    "customscriptforlinux": partial(_script, ("sh", "-c")),
    "customscriptextension": partial(_script, ("cmd", "/c")),
}
"""How each type of extension is read."""
