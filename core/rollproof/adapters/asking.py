"""Asking an instance over HTTP, as its health source wants it asked (R5.2).

The protocol is h11's, the connection asyncio's. A client would keep connections, follow
redirects and ask proxies, none of which may happen here, and costs six times as much for
each question.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

import h11
from attrs import frozen

from rollproof.health import HealthExtension, HttpProbe, Scheme

CHUNK = 65_536
"""Bytes read at once."""

LONGEST_HEAD = 100_000
"""Bytes that the head of an answer may have: cookies grow long."""

PIECES = 1_000
"""Parts of an answer that are listened to. Those that have arrived are heard in one go, in
10 ms, during which nobody else is; who sends more of them than that means no good."""


@frozen
class _Exchange:
    """One request and its answer, on a connection of their own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection

    def say(self, *events: h11.Event) -> None:
        for event in events:
            self.writer.write(self.protocol.send(event) or b"")

    async def hear(self) -> object:
        """What the other end said next."""
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            said = await self.reader.read(CHUNK)
            if not said and self.protocol.their_state is h11.SEND_RESPONSE:
                # h11 would say it in words of its own state machine.
                raise h11.RemoteProtocolError("it closed the connection before it had answered")
            self.protocol.receive_data(said)
        return event


@frozen
class Reply:
    """An answer whose head has arrived."""

    status: int
    """Of the answer."""
    _exchange: _Exchange

    async def body(self, most: int) -> bytes:
        """Its first bytes, no more than `most`: a body may have no end."""
        found = b""
        for _ in range(PIECES):
            event = await self._exchange.hear()
            if not isinstance(event, h11.Data):
                break
            found += event.data
            if len(found) >= most:
                break
        return found[:most]


@frozen
class Asker:
    """Sends requests to the instances of one scale set."""

    source: HttpProbe | HealthExtension
    folder: Path
    """Where the path of a CA file begins."""

    @asynccontextmanager
    async def ask(self, host: str) -> AsyncIterator[Reply]:
        """GET what the source names. Every question makes a connection of its own, for a
        kept one would ask the server that was there before.

        Raises whatever went wrong: h11.RemoteProtocolError, ssl.SSLError, OSError.
        """
        port, name = self.source.port, self._name
        reader, writer = await asyncio.open_connection(
            host, port, ssl=self._tls, server_hostname=(name or host) if self._tls else None
        )
        try:
            exchange = _Exchange(reader, writer, h11.Connection(h11.CLIENT, LONGEST_HEAD))
            authority = f"[{host}]" if ":" in host else host
            yield await self._get(exchange, name or f"{authority}:{port}")
        finally:
            writer.transport.abort()  # whatever else it has to say

    async def _get(self, exchange: _Exchange, authority: str) -> Reply:
        headers = {"Host": authority, "User-Agent": "rollproof", "Connection": "close"}
        request = h11.Request(
            method="GET", target=self.source.path, headers=list(headers.items())
        )
        exchange.say(request, h11.EndOfMessage())
        for _ in range(PIECES):
            event = await exchange.hear()
            if isinstance(event, h11.Response):
                return Reply(event.status_code, exchange)
            # Else h11 lets only an InformationalResponse come: the answer is yet to come.
        raise h11.RemoteProtocolError("it says without end that its answer is yet to come")

    @property
    def _name(self) -> str | None:
        return self.source.tls_server_name if isinstance(self.source, HttpProbe) else None

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        """How the connection is made safe; it takes a while to read the authorities."""
        source = self.source
        if not isinstance(source, HttpProbe) or source.scheme is not Scheme.HTTPS:
            return None
        file = self.folder / source.tls_ca_file if source.tls_ca_file else None
        try:
            context = ssl.create_default_context(cafile=file)
        except OSError as error:  # which does not name the file
            raise OSError(f"{file}: {error.strerror}") from error
        if not source.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
