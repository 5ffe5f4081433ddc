"""A second process that confirms the digests and the promises of a long run, while the
first replays its events.

The two never decide together.  The first makes of each event what `rollproof.step` makes
of it and compares rows and states with what is recorded; the second follows the recorded
rows by the table alone, computes the digests, and asks every property of every row.  Each
hashes the counts after every event, so they agree only if the step's counts are those to
which the rows lead.  If they agree, all is sound that an audit alone would have found
sound.  If not, or if the second process fails, an audit alone is what tells: its words and
numbers are the only ones that are ever told.
"""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from rollproof.charter import Charter
from rollproof.journal import codec, file
from rollproof.journal.journal import genesis
from rollproof.run import new_run
from rollproof.table import ROWS
from rollproof_checks.auditing import monitor
from rollproof_checks.auditing.chain import Line, digest
from rollproof_checks.auditing.monitor import Monitor
from rollproof_checks.auditing.unfolding import Point, Walk

LONG: Final = 60_000
"""Events of a run from which on a second process pays: it takes the time of some thirty
thousand to start."""


class Confirmed(NamedTuple):
    """A run whose recorded rows kept every promise, and whose digests are right."""

    events: int
    rows: int
    hashed: int
    """`hashed` over the counts after each event."""


def hashed(before: int, point: Point) -> int:
    """The hash of where a run stood after each event so far.  Python's own for integers,
    which is the same in every process."""
    return hash((before, point))


def confirm(db: sqlite3.Connection, name: str, charter: Charter, last: int) -> Confirmed | None:
    """Follow what is recorded of a run, up to event ``last``; None if anything departs."""
    run = new_run(charter)
    walk, watch = Walk(run.state, run.cells, charter.limits), Monitor(charter.limits)
    previous, seq, mark, point = genesis(charter), 0, 0, run.cells
    query = (
        "SELECT seq, body, rows, state, digest FROM event WHERE run = ? AND seq <= ?"
        " ORDER BY seq"
    )
    for line in map(Line._make, db.execute(query, (name, last))):
        seq += 1
        previous = digest(previous, name, seq, line)
        if line.seq != seq or line.digest != previous:
            return None
        rows = line.rows.split()
        try:
            if len(rows) == 1:
                watch.add_one(rows[0], walk.state, point, seq)
                walk.go(ROWS[rows[0]])
            else:
                for taken in walk.take(rows):
                    watch.add(taken, seq)
        except KeyError:  # no such row
            return None
        if walk.state != line.state:
            return None
        point = walk.point
        mark = hashed(mark, point)
        if len(watch.codes) >= monitor.BATCH and watch.flush(point) is not None:
            return None
    if watch.flush(point) is not None:
        return None
    return Confirmed(seq, watch.rows, mark)


# -- the process --------------------------------------------------------------------------


def has_two_cores() -> bool:
    """Whether two processes may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


class Second:
    """The second process for one journal, begun when it is first asked."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._process: subprocess.Popen[str] | None = None

    def ask(self, run: str, charter: str, last: int) -> None:
        """Have a run followed up to event ``last``."""
        try:
            if self._process is None:
                self._process = self._begin()
            assert self._process.stdin is not None
            print(json.dumps([run, charter, last]), file=self._process.stdin, flush=True)
        except OSError:  # it cannot be begun, or has ended: then it has no answer
            pass

    def answer(self) -> Confirmed | None:
        """What it made of the run it was asked for last; None if it does not confirm it."""
        if self._process is None or self._process.stdout is None:
            return None
        told = self._process.stdout.readline()
        return Confirmed(*json.loads(told)) if told.startswith("[") else None

    def close(self) -> None:
        """End the process; whatever it was doing is not wanted any more."""
        if self._process is not None:
            self._process.kill()
            with suppress(OSError), self._process:  # closes its pipes, waits for its end
                self._process = None

    def _begin(self) -> subprocess.Popen[str]:
        if not Path(sys.executable or "").name.startswith("python"):
            raise OSError("a program that embeds Python would begin itself anew")
        # It imports what this process would; `-P`: and nothing from the folder we are in.
        paths = os.pathsep.join(filter(None, sys.path))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(self._journal.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": paths},
        )


def main() -> None:
    """Answer each line of the standard input with one, until there is no more."""
    gc.disable()  # as `rollproof_checks.audit` does, and why
    with closing(file.connect(Path(sys.argv[1]), read_only=True)) as db:
        for line in sys.stdin:
            run, charter, last = json.loads(line)
            print(json.dumps(confirm(db, run, codec.charter_of(charter), last)), flush=True)


if __name__ == "__main__":
    main()
