"""An outlet that posts events to a URL, signed.

At least once, in order: a batch is posted until it is answered with 2xx, and nothing
later is posted before.  A receiver drops repetitions by the ``id`` of an event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollproof.installation.observing.lines import SCHEMA, Dropped
from rollproof.installation.observing.outlet import Later, lines_of
from rollproof.installation.observing.signing import SIGNATURE, TIMESTAMP, sign
from rollproof.installation.observing.tap import Told

if TYPE_CHECKING:
    import httpx

LONGEST_WISH = 300.0
"""Seconds; a receiver that asks for more by ``Retry-After`` is asked again after these."""


class Webhook:
    """Posts to one URL.  No message quotes the secret, nor the URL beyond its host, for
    its path may hold another."""

    lasting = True

    def __init__(
        self,
        name: str,
        url: str,
        secret: bytes,
        *,
        clock: Callable[[], int],
        at_once: int = 50,
        backlog: int = 10_000,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        """``clock`` gives milliseconds since the Unix epoch; ``timeout`` is for one post."""
        self.name = f"webhook-{name}"
        self.at_once = at_once
        self.backlog = backlog
        self._url = url
        self._secret = secret
        self._clock = clock
        self._timeout = timeout.total_seconds()
        self._client: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"<webhook to {urlsplit(self._url).hostname}>"

    def opens(self) -> None:
        """Nothing is sent yet."""
        import httpx

        # No redirect: a body signed for one receiver is not for another.
        self._client = httpx.Client(timeout=self._timeout, follow_redirects=False)

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        """Post them.  Raises `Later` unless the answer is 2xx."""
        events = lines_of(told, dropped)
        if events:
            text = json.dumps({"schema": SCHEMA, "events": events}, separators=(",", ":"))
            self._post(text.encode())

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _post(self, body: bytes) -> None:
        import httpx

        assert self._client is not None, "opens comes first"
        timestamp = self._clock() // 1000
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: str(timestamp),
            SIGNATURE: sign(self._secret, timestamp, body),
        }
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            # Not its words: they may quote the URL.
            raise Later(f"{self!r} cannot be reached: {type(error).__name__}") from None
        if not answer.is_success:
            wish = answer.headers.get("Retry-After", "")
            seconds = min(float(wish), LONGEST_WISH) if wish.isdecimal() else 0.0
            raise Later(f"{self!r} answered {answer.status_code}", seconds)
