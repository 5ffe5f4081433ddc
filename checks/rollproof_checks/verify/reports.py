"""What was found, for programs: JSON, and JUnit's XML for continuous integration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree import ElementTree as Xml

import attrs

from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify.imagine import Imagined
from rollproof_checks.verify.policy import PolicyVerdict, Severity
from rollproof_checks.verify.verification import CLAIMS, Layer, Verification

# -- JSON ----------------------------------------------------------------------------------


def verification_json(found: Verification) -> dict[str, Any]:
    """The names are a promise (docs/command-line.md)."""
    return {
        "verdict": found.verdict.value,
        "seconds": found.seconds,
        "cached": found.cached,
        "untested": list(found.untested),
        "checks": [
            {
                "layer": check.layer.value,
                "name": check.name,
                "verdict": check.verdict.value,
                "scale": check.scale,
                "seconds": check.seconds,
                "failure": check.failure,
            }
            for check in found.checks
        ],
    }


def policy_json(found: PolicyVerdict) -> dict[str, Any]:
    """Likewise."""
    duration = found.duration
    return {
        "scale_set": found.scale_set,
        "verdict": found.verdict.value,
        "limits": found.limits._asdict(),
        "fleet": {
            "instances": found.fleet.instances,
            "zones": found.zones,
            "unhealthy": found.fleet.unhealthy + found.fleet.protected_unhealthy,
            "protected": found.fleet.protected + found.fleet.protected_unhealthy,
        },
        "findings": [
            {"severity": each.severity.value, "name": each.name, "text": each.text}
            for each in found.findings
        ],
        "starts": found.starts,
        "finishes": found.finishes,
        "tolerates": found.tolerates,
        "survives": attrs.asdict(found.survives),
        "down": attrs.asdict(found.down),
        "healthy": found.healthy,
        "useless_image_breaks": found.useless,
        "worst_image_breaks": attrs.asdict(found.broken),
        "duration_ms": {"longest": duration.longest, "limit": duration.limit},
        "counterexample": _example_json(found.counterexample),
        "rests_on": list(found.rests_on),
        "seconds": found.seconds,
    }


def _example_json(run: Imagined | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "failures": run.lost,
        "state": run.state.value,
        "cause": run.cause.name.lower(),
        "stopped_by": run.stopped_by,
        "numbers": run.numbers,
        "batches": [
            {"instances": list(batch.instances), "failed": list(batch.failed)}
            for batch in run.batches
        ],
        "rows": [{"row": row, "instance": name or None} for row, name in run.taken],
    }


# -- JUnit ---------------------------------------------------------------------------------


@attrs.frozen
class Case:
    """One test case of a report."""

    suite: str
    name: str
    verdict: Verdict
    seconds: float = 0.0
    failure: str = ""
    told: str = ""
    """What is worth reading although it passed."""


def verification_cases(found: Verification) -> Iterator[Case]:
    """One for each property, model and fleet, and where models were searched the twins."""
    why = {claim.name: claim.why for claim in CLAIMS}
    for check in found.checks:
        told = f"{why.get(check.name, '')}\n{check.scale}".strip()
        suite = f"rollproof.{check.layer}"
        yield Case(suite, check.name, check.verdict, check.seconds, check.failure, told)
    searched = {check.verdict for check in found.of(Layer.EXPLORE)}
    if not searched:
        return
    verdict, failure = Verdict.PROVED, ""
    if found.untested:
        verdict = Verdict.REFUTED
        failure = f"never put to the test: {', '.join(found.untested)}"
    elif searched != {Verdict.PROVED}:
        verdict, failure = Verdict.UNDETERMINED, "a search broke off"
    yield Case(f"rollproof.{Layer.EXPLORE}", "every twin was met", verdict, 0.0, failure)


def policy_cases(found: PolicyVerdict, text: str) -> Iterator[Case]:
    """One for each question; ``text`` is the whole answer for people."""
    suite = f"rollproof.policy.{found.scale_set}.{found.fleet.instances}"
    refused = [f for f in found.findings if f.severity is Severity.REFUSED]
    verdict = Verdict.REFUTED if refused else Verdict.PROVED
    words = "\n".join(each.text for each in refused)
    yield Case(suite, "is not refused", verdict, found.seconds, words, text)
    bounds = {
        "failures tolerated": found.tolerates,
        "failures survived": found.survives.proved,
        "instances down at once": found.down.proved,
        "instances a bad image breaks": found.broken.proved,
    }
    for name, bound in bounds.items():
        unknown = bound is None
        why = "the solver gave up" if unknown else ""
        verdict = Verdict.UNDETERMINED if unknown else Verdict.PROVED
        yield Case(suite, name, verdict, 0.0, why, f"{name}: {bound}")


def junit(cases: Sequence[Case]) -> str:
    """A report that continuous integration shows: REFUTED is a failure, UNDETERMINED an
    error, and neither is ever skipped."""
    root = Xml.Element("testsuites", {"name": "rollproof", **_totals(cases)})
    for suite in dict.fromkeys(case.suite for case in cases):
        own = [case for case in cases if case.suite == suite]
        about = {"name": suite, "skipped": "0", **_totals(own)}
        at = Xml.SubElement(root, "testsuite", about)
        for case in own:
            _case(at, case)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


def _totals(cases: Sequence[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.verdict is Verdict.REFUTED for case in cases)),
        "errors": str(sum(case.verdict is Verdict.UNDETERMINED for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _case(suite: Xml.Element, case: Case) -> None:
    about = {"classname": case.suite, "name": _plain(case.name), "time": f"{case.seconds:.3f}"}
    at = Xml.SubElement(suite, "testcase", about)
    kind = {Verdict.REFUTED: "failure", Verdict.UNDETERMINED: "error"}.get(case.verdict)
    if kind is not None:
        first = case.failure.partition("\n")[0]
        told = Xml.SubElement(at, kind, type=case.verdict.value, message=_plain(first))
        told.text = _plain(case.failure)
    if case.told:
        Xml.SubElement(at, "system-out").text = _plain(case.told)


_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _plain(text: str) -> str:
    """The text without the characters that XML cannot carry."""
    return _FORBIDDEN.sub("?", text)
