"""Health probes: what an application says of itself over the network (R5.2).

A probe never raises: whatever goes wrong on the way is the answer "unhealthy". Every
probe makes a connection of its own, for a kept one would ask the server that was
there before.
"""

import asyncio
from typing import TYPE_CHECKING

from rollproof.health import Health, HealthSource, HttpProbe, TcpProbe

if TYPE_CHECKING:
    import httpx


class Prober:
    """Probes the instances of one scale set."""

    def __init__(self, source: HealthSource) -> None:
        self.source = source
        self._client: httpx.AsyncClient | None = None
        self._streaks: dict[str, tuple[str, Health, int]] = {}

    async def probe(self, host: str, boot: str = "") -> Health:
        """The health of the application at the host, after one more probe.

        Fewer failures in a row than the source's threshold leave the last verdict, and
        a host that never answered initializing. `boot` tells one start of a server from
        the next: nothing is carried over from the server that was there before.
        """
        answered = await self._answers(host)
        last, verdict, failures = self._streaks.get(host, (boot, Health.INITIALIZING, 0))
        if last != boot:
            verdict, failures = Health.INITIALIZING, 0
        failures = 0 if answered else failures + 1
        if answered:
            verdict = Health.HEALTHY
        elif failures >= self.source.unhealthy_threshold:
            verdict = Health.UNHEALTHY
        self._streaks[host] = (boot, verdict, failures)
        return verdict

    async def _answers(self, host: str) -> bool:
        try:
            async with asyncio.timeout(self.source.timeout.total_seconds()):
                if isinstance(self.source, TcpProbe):
                    return await _connects(self.source, host)
                return await self._expected(self.source, host)
        except Exception:  # refused, reset, too late, not HTTP: each is an answer
            return False

    async def _expected(self, source: HttpProbe, host: str) -> bool:
        named = f"[{host}]" if ":" in host else host
        url = f"{source.scheme.value}://{named}:{source.port}{source.path}"
        # Only the status is read: a body may have no end.
        async with self._http().stream("GET", url) as response:
            return bool(response.status_code == source.expected_status)

    def _http(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx  # a command that probes nothing must start fast

            self._client = httpx.AsyncClient(
                trust_env=False,  # a proxy would answer for the instance
                follow_redirects=False,
                verify=False,  # an instance has no name to certify
                timeout=None,  # the whole probe is bounded, not its parts
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._client

    async def aclose(self) -> None:
        """Let go of the HTTP client; the next probe makes another."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()


async def _connects(source: TcpProbe, host: str) -> bool:
    _, writer = await asyncio.open_connection(host, source.port)
    writer.transport.abort()
    return True


async def probe(source: HealthSource, host: str) -> Health:
    """One probe of one host; see `Prober` for many."""
    prober = Prober(source)
    try:
        return await prober.probe(host)
    finally:
        await prober.aclose()
