"""The chain of digests: each event is bound to all before it.

The chain has no key.  Whoever may write the file can compute it anew: it tells accidents
and edits apart from what was recorded, not a forger who knows how.  What a forger leaves is
judged by the rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

EFFORT: Final = 2_000_000
"""Digests computed at most in search of an order: some two seconds."""


class Line(NamedTuple):
    """One event as it stands in the file."""

    seq: int
    body: str
    rows: str
    state: str
    digest: bytes


def digest(previous: bytes, run: str, seq: int, line: Line) -> bytes:
    """What `rollproof.journal.Recorded.digest_after` says."""
    text = f"{run}\n{seq}\n{line[1]}\n{line[2]}\n{line[3]}"
    return hashlib.sha256(previous + text.encode()).digest()


def is_reordered(genesis: bytes, run: str, lines: Sequence[Line]) -> bool:
    """Whether the lines are all there, and only stand in another order.

    Each event in turn is sought among those not yet placed: it is the one whose digest, at
    this number and after those before, is one of the digests recorded.
    """
    known = {line.digest for line in lines}
    left = list(lines)
    previous, effort = genesis, EFFORT
    for seq in range(1, len(lines) + 1):
        for place, line in enumerate(left):
            effort -= 1
            found = digest(previous, run, seq, line)
            if found in known:
                previous = found
                del left[place]
                break
            if effort < 0:
                return False
        else:
            return False
    return True
