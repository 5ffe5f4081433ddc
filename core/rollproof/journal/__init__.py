"""The write-ahead journal on SQLite."""

from rollproof.journal.journal import (
    Declared,
    Journal,
    Post,
    Recorded,
    RunMark,
    RunRecord,
    Turned,
)
from rollproof.journal.replay import Replay

__all__ = [
    "Declared",
    "Journal",
    "Post",
    "Recorded",
    "Replay",
    "RunMark",
    "RunRecord",
    "Turned",
]
