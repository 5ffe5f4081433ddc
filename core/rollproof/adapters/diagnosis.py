"""What an unhealthy instance says of itself: one more question, for people to read.

No rule hears of it.  The run is judged by what the provider observed and nothing else.
"""

from __future__ import annotations

from rollproof.health import HealthSource, HttpProbe

LONGEST = 160
"""Characters of an answer that are shown."""


async def diagnose(source: HealthSource, host: str) -> str:
    """The answer to one probe, in words; empty when it is a good one."""
    if not isinstance(source, HttpProbe):
        return f"port {source.port} did not accept a connection"
    import httpx

    asked = f"GET {source.path} on port {source.port}"
    url = f"{source.scheme.value}://{host}:{source.port}{source.path}"
    seconds = source.timeout.total_seconds()
    try:
        # As the probe asks: no proxy, no certificate, no redirect (R5.2).
        async with (
            httpx.AsyncClient(trust_env=False, verify=False, timeout=seconds) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code == source.expected_status:
                return ""
            body = await anext(response.aiter_bytes(LONGEST), b"")
    except Exception as error:  # whatever goes wrong is an answer, as for the probe
        return f"{asked}: {_printable(str(error)) or type(error).__name__}"
    said = _printable(body.decode(errors="replace"))
    answered = f"{asked} answered {response.status_code} instead of {source.expected_status}"
    return f"{answered}: {said}" if said else answered


def _printable(text: str) -> str:
    """On one line, without what would command a terminal."""
    kept = "".join(c if c.isprintable() else " " for c in text[:LONGEST])
    return " ".join(kept.split())
