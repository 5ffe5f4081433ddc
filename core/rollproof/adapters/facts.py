"""What eligibility must ask the world: do resources answer, when do credentials expire.

Each question has its time; what does not answer within it is not reachable, and a file that
cannot be read tells nothing.  Nothing is written anywhere and no credential leaves its file.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rollproof.eligibility import Access, Expiry
from rollproof.expiry import expiry_of
from rollproof.resources import Credential, ExternalResource

WAIT = 10.0
"""Seconds in which a resource must answer, or a file be read."""
AT_ONCE = 16
LONGEST = 1_000_000
"""Bytes that are read of a credential's file."""
_NO_HEAD = (403, 405, 501)
"""Answers after which the question is asked again as GET: a signed address may admit that
alone."""
_WANTS_CREDENTIAL = (401, 403)

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


async def accesses(
    resources: Sequence[ExternalResource], folder: Path, *, wait: float = WAIT
) -> dict[str, Access]:
    """Whether each resource is reachable, by name; paths begin at ``folder`` (R2.2)."""
    admitted = asyncio.Semaphore(AT_ONCE)

    async def ask(client: httpx.AsyncClient, resource: ExternalResource) -> Access:
        async with admitted:
            try:
                if resource.url is not None:
                    return await asyncio.wait_for(_answer(client, resource, resource.url), wait)
                path = folder / (resource.path or "")
                return await asyncio.wait_for(_threaded(lambda: _readable(path)), wait)
            except TimeoutError:
                return Access(False, f"no answer within {wait:g} s")

    if not resources:
        return {}
    import httpx  # a command that asks nobody must start fast

    # Unlike a probe, this asks strangers: through the user's proxy, and checking who answers.
    async with httpx.AsyncClient(timeout=wait, follow_redirects=True) as client:
        found = await asyncio.gather(*(ask(client, resource) for resource in resources))
    return {each.name: access for each, access in zip(resources, found, strict=True)}


async def expiry_dates(
    credentials: Sequence[Credential], folder: Path, *, wait: float = WAIT
) -> dict[str, Expiry]:
    """When each credential expires whose file tells, by name (R4.10)."""

    async def read(file: str) -> Expiry:
        try:
            return await asyncio.wait_for(_threaded(lambda: expiry(folder / file)), wait)
        except TimeoutError:
            return Expiry(None, f"{file} could not be read within {wait:g} s")

    kept = [(each.name, each.file) for each in credentials if each.file is not None]
    found = await asyncio.gather(*(read(file) for _, file in kept))
    return {name: each for (name, _), each in zip(kept, found, strict=True)}


def expiry(path: Path) -> Expiry:
    """When the credential in a file expires."""
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST).decode("utf-8-sig", "replace")
        return Expiry(expiry_of(text))
    except OSError as error:
        return Expiry(None, f"{path}: {error.strerror or error}")
    except ValueError as error:
        return Expiry(None, f"{path}: {error}")


async def _answer(client: httpx.AsyncClient, resource: ExternalResource, url: str) -> Access:
    """HEAD, or GET without its body: anything below 400 is a yes."""
    import httpx

    try:
        status = (await client.head(url)).status_code
        if status in _NO_HEAD:
            async with client.stream("GET", url) as response:
                status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Access(False, str(error) or type(error).__name__)
    if status < 400:
        return Access(True)
    if status in _WANTS_CREDENTIAL and resource.credential is not None:
        return Access(True, f"it wants {resource.credential}")
    return Access(False, f"it answers {status}")


def _readable(path: Path) -> Access:
    if not path.exists():
        return Access(False, f"there is no {path}")
    if not os.access(path, os.R_OK):
        return Access(False, f"{path} may not be read")
    return Access(True)


async def _threaded(call: Callable[[], T]) -> T:
    """Call in a thread of its own that nobody waits for: a file system may hang for ever,
    and neither the others nor the end of this process may hang with it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(outcome: T | Exception) -> None:
        if done.done():
            return  # given up meanwhile
        if isinstance(outcome, Exception):
            done.set_exception(outcome)
        else:
            done.set_result(outcome)

    def work() -> None:
        outcome: T | Exception
        try:
            outcome = call()
        except Exception as error:
            outcome = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, daemon=True).start()
    return await done
