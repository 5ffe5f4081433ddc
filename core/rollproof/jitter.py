"""Spreading moments without chance: the same set and version always get the same one.

A thousand sets that see one publication do not all start at once, and a host that is
started again comes to the same moments (R3.4).
"""

from __future__ import annotations

from hashlib import sha256


def spread(low: int, high: int, *of: str) -> int:
    """A whole number from ``low`` to ``high``, both included, chosen by the texts."""
    digest = sha256("\0".join(of).encode()).digest()
    return low + int.from_bytes(digest[:8], "big") % (high - low + 1)
