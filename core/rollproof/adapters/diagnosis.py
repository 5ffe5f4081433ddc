"""What an unhealthy instance says of itself: one more question, for people to read.

No rule hears of it.  The run is judged by what the provider observed and nothing else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from rollproof.adapters.probe import Prober
from rollproof.health import Health, HealthExtension, HttpProbe
from rollproof.reports import fault_of

LONGEST = 160
"""Characters of an answer that are shown."""


async def diagnose(
    prober: Prober, host: str, *, booted_at: int | None = None, disk: Path | None = None
) -> str:
    """The answer to one question, in words; empty when it is a good one."""
    source = prober.source
    match source:
        case HttpProbe():
            return await _http(prober, source, host)
        case HealthExtension():
            report = await prober.report(host, disk)
            fault = fault_of(report, source, booted_at, prober.clock())
            place = source.file or f"GET {source.path} on port {source.port}"
            if report is None or fault:
                return f"{place}: {fault}"
            if report.state is Health.HEALTHY:
                return ""
            said = printable(report.why)
            return f"it reports {report.state.value}" + (f": {said}" if said else "")
        case _:
            return f"port {source.port} did not accept a connection"


async def _http(prober: Prober, source: HttpProbe, host: str) -> str:
    asked = f"GET {source.path} on port {source.port}"
    answered, body = "", b""
    assert prober.asker is not None
    try:
        async with (
            asyncio.timeout(source.timeout.total_seconds()),
            prober.asker.ask(host) as reply,
        ):
            if reply.status == source.expected_status:
                return ""
            answered = f"{asked} answered {reply.status} instead of {source.expected_status}"
            body = await reply.body(LONGEST)
    except Exception as error:  # whatever goes wrong is an answer, as for the probe
        if not answered:
            return f"{asked}: {_trouble(error, source)}"
    said = printable(body.decode(errors="replace"))
    return f"{answered}: {said}" if said else answered


def _trouble(error: Exception, source: HttpProbe) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {source.timeout.total_seconds():g} s"
    return printable(str(error)) or type(error).__name__


def printable(text: str) -> str:
    """Its beginning on one line, without what would command a terminal."""
    kept = "".join(c if c.isprintable() else " " for c in text[:LONGEST])
    return " ".join(kept.split())
