"""Asking an instance over HTTP, as its health source wants it asked (R5.2)."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from rollproof.health import HealthExtension, HttpProbe, Scheme

if TYPE_CHECKING:
    import httpx


@frozen
class Reply:
    """An answer whose head has arrived."""

    status: int
    """Of the answer."""
    _response: "httpx.Response"

    async def body(self, most: int) -> bytes:
        """Its first bytes, no more than `most`: a body may have no end."""
        found = b""
        async for chunk in self._response.aiter_bytes(most):
            found += chunk
            if len(found) >= most:
                break
        return found[:most]


class Asker:
    """Sends requests to the instances of one scale set."""

    def __init__(self, source: HttpProbe | HealthExtension, folder: Path) -> None:
        """`folder` is where the path of a CA file begins."""
        self._source = source
        self._folder = folder
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def ask(self, host: str) -> AsyncIterator[Reply]:
        """GET what the source names. Every question makes a connection of its own, for a
        kept one would ask the server that was there before.

        Raises whatever went wrong: httpx.HTTPError, ssl.SSLError, OSError.
        """
        source = self._source
        scheme = source.scheme if isinstance(source, HttpProbe) else Scheme.HTTP
        name = source.tls_server_name if isinstance(source, HttpProbe) else None
        authority = f"[{host}]" if ":" in host else host
        url = f"{scheme.value}://{authority}:{source.port}{source.path}"
        client = self._http()
        if name is None:
            request = client.build_request("GET", url)
        else:
            headers, extensions = {"Host": name}, {"sni_hostname": name}
            request = client.build_request("GET", url, headers=headers, extensions=extensions)
        response = await client.send(request, stream=True)
        try:
            yield Reply(response.status_code, response)
        finally:
            await response.aclose()

    def _http(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx  # a command that asks nothing must start fast

            self._client = httpx.AsyncClient(
                trust_env=False,  # a proxy would answer for the instance
                follow_redirects=False,
                verify=self._trust(),
                timeout=None,  # the whole question is bounded, not its parts
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._client

    def _trust(self) -> ssl.SSLContext | bool:
        source = self._source
        if not isinstance(source, HttpProbe) or not source.tls_verify:
            return False
        file = source.tls_ca_file
        return ssl.create_default_context(cafile=self._folder / file if file else None)

    async def aclose(self) -> None:
        """Let go of the client; the next question makes another."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()
