"""The signature of a webhook: HMAC-SHA256 over the time and the body.

    Rollproof-Timestamp: 1764000000
    Rollproof-Signature: v1=<hex of HMAC-SHA256(secret, "1764000000." + body)>

The time is signed too, so that a request that was overheard is of no use later.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

TIMESTAMP: Final = "Rollproof-Timestamp"
"""Header with the seconds since the Unix epoch at which the request was signed."""
SIGNATURE: Final = "Rollproof-Signature"
"""Header with the signature."""
WINDOW: Final = 300
"""Seconds by which the clocks of sender and receiver may differ; a receiver refuses an
older request, and one from the future."""


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """The signature, as its header spells it."""
    return "v1=" + hmac.new(secret, b"%d." % timestamp + body, "sha256").hexdigest()


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether somebody who knows the secret sent this, within the window.  ``headers``
    are looked up as `TIMESTAMP` and `SIGNATURE`."""
    timestamp = headers.get(TIMESTAMP, "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    expected = sign(secret, int(timestamp), body)
    given = headers.get(SIGNATURE, "").encode()
    return abs(now - int(timestamp)) <= WINDOW and hmac.compare_digest(expected.encode(), given)
