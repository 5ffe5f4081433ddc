"""One request to an endpoint, bounded as a whole: in time, in bytes, in what is taken.

Certificates are verified. Redirects are not followed: what was declared is what is
asked. The proxies that the environment names are used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from rollproof.errors import SourceUnavailable

if TYPE_CHECKING:
    import httpx

OK, NOT_MODIFIED = 200, 304


@frozen
class Answer:
    """What was answered, besides the body."""

    status: int
    """HTTP status."""
    etag: str
    """Name that the server gave this state of the document, "" for none."""


@frozen(kw_only=True)
class Web:
    """How one source is asked."""

    source: str
    """Its name, for errors."""
    ca_file: Path | None = None
    """Certificates to trust instead of the usual ones."""

    def get(
        self,
        url: str,
        take: Callable[[bytes], object],
        *,
        limit: int,
        seconds: float,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for a document; `take` is handed the body of an OK, piece by piece.

        Raises SourceUnavailable when there is no whole answer within `seconds`, or it has
        more than `limit` bytes. May be called from a thread that runs an event loop.
        """
        whole = self._get(url, take, limit, seconds, headers or {})
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(whole)  # which a Ctrl-C ends at once
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, whole).result()

    async def _get(
        self,
        url: str,
        take: Callable[[bytes], object],
        limit: int,
        seconds: float,
        headers: Mapping[str, str],
    ) -> Answer:
        import httpx  # a command that asks nobody must start fast

        # A compressed answer could grow without bound while it is unpacked.
        wanted = {**headers, "Accept-Encoding": "identity"}
        size = 0
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(verify=self._trusted(), timeout=None) as client,
                client.stream("GET", url, headers=wanted) as response,
            ):
                self._check(response)
                if response.status_code == OK:
                    async for piece in response.aiter_raw():
                        size += len(piece)
                        if size > limit:
                            raise self._no(f"it answered with more than {limit} bytes")
                        take(piece)
                etag = response.headers.get("ETag", "")
                # One that is not plain could not be sent back.
                return Answer(response.status_code, etag if etag.isascii() else "")
        except TimeoutError:
            raise self._no(f"no whole answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._no(str(error) or type(error).__name__) from error

    def _check(self, response: httpx.Response) -> None:
        """Raises SourceUnavailable for an answer that nothing can be made of."""
        if response.status_code not in (OK, NOT_MODIFIED):
            raise self._no(f"it answered {response.status_code} {response.reason_phrase}")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise self._no(f"its answer is encoded as {encoding}, which nobody asked for")

    def _trusted(self) -> ssl.SSLContext | bool:
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as error:  # an SSLError is one
            raise self._no(f"its CA file {self.ca_file}: {error.strerror or error}") from error

    def _no(self, why: str) -> SourceUnavailable:
        return SourceUnavailable(self.source, why)
