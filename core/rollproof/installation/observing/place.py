"""How far an outlet has read the journal: a few numbers in a small file.

Law: what was taken is never told again, and what was not is told after a restart;
between the two stands only what was under way when the power went.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import attrs

from rollproof.journal import Journal, RunMark

log = logging.getLogger("rollproof.observing")

SLACK: Final = 3_600_000
"""Milliseconds by which a clock may be put back before a run that is opened then, and
over before anybody looked, would be overlooked."""


@attrs.define
class Place:
    """The last event taken of each run that may still have others to come."""

    since: int
    """Runs opened more than SLACK before this time are over and taken, unless they are
    listed."""
    taken: dict[str, int] = attrs.Factory(dict)
    """Number of the last event taken, by run; a run not listed had none taken."""

    @classmethod
    def present(cls, journal: Journal, now: int) -> Self:
        """After everything that was recorded so far."""
        since = min((each.opened_at for each in journal.open_runs()), default=now)
        marks = journal.marks_since(since - SLACK)
        return cls(since, {each.run: each.turns for each in marks})

    def runs(self, journal: Journal) -> tuple[RunMark, ...]:
        """The runs that may have events not taken yet, oldest first."""
        return journal.marks_since(self.since - SLACK)

    def settle(self, marks: Iterable[RunMark]) -> None:
        """Let go of runs that are over and taken; ``marks`` are those of `runs`."""
        known = tuple(marks)
        names = {each.run for each in known}
        self.taken = {run: seq for run, seq in self.taken.items() if run in names}
        ends = [each.opened_at for each in known if not self._has_all(each)]
        latest = max((each.opened_at for each in known), default=self.since)
        # Never back: what lies before may not be listed any more.
        self.since = max(self.since, min(ends, default=latest))

    def _has_all(self, mark: RunMark) -> bool:
        return mark.ended and self.taken.get(mark.run, 0) >= mark.turns

    def save(self, path: Path) -> None:
        """Write it down whole, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        text = json.dumps({"since": self.since, "taken": self.taken})
        with beside.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    @classmethod
    def load(cls, path: Path, journal: Journal, now: int) -> Self:
        """As it was saved; where nothing was, the present, which is then saved."""
        try:
            kept = json.loads(path.read_text(encoding="ascii"))
            return cls(int(kept["since"]), {str(k): int(v) for k, v in kept["taken"].items()})
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError):
            log.exception("%s cannot be read: what was not told yet is not told", path)
        place = cls.present(journal, now)
        place.save(path)
        return place
