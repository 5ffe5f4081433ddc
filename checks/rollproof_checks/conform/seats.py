"""What a run knows of each instance, and what of it can still matter.

`seats` reads it out of the ledger.  `canonical` names a run up to what no later event
can tell apart; a search over concrete runs is finite by it.

Why the form is exact
---------------------
Two runs with equal forms can be carried into each other by renaming instances and
versions and by shifting numbers, and the step treats both alike:

* *Names.*  The step compares names for equality only.  Which instance it picks depends on
  zone, update domain and index; the form keeps zone and domain, and the order of the
  indexes.  A seat that its instance left for another zone stays empty for ever, so it is
  left out; the seat of a vanished instance is kept, for it may return to it.
* *Numbers.*  The number of a survey, of a batch and of an attempt is only compared with
  the one that an event bears.  Events are offered relative to them.
* *Versions.*  Only equality counts, with the target and with the version before.  What
  was seen is asked for when a batch claims the instance (it becomes the version before)
  and when it is on its way back; everywhere else it is written before it is read.  The
  version before is read from the claim until the way back ends.
* *Time* enters deadlines and nothing else.

`rollproof_checks.conform.search` puts this to the test: it keeps some of the runs whose
form is known already, and compares what all events make of them with what they make of
the first.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rollproof.counts import PHASE_COUNT, PHASES
from rollproof.ledger import Place
from rollproof.run import Run
from rollproof.states import State
from rollproof.table import ABSENT

GONE: Final = ""
"""Phase of an instance that was in the set and is not."""


class Seat(NamedTuple):
    """What a run knows of one instance."""

    number: int
    """Its index."""
    place: Place
    phase: str
    seen: str | None
    """The version last seen."""
    before: str | None
    """The version that the run found when it first touched the instance."""
    attempt: int
    approved: bool = True
    """Whether it is not withheld (R4.11)."""


Seats = dict[str, Seat]
"""By instance, in the order of the indexes."""

Form = tuple[State, tuple[int, ...], bool, tuple[tuple[Place, str, bool, object], ...]]


def seats(run: Run) -> Seats:
    """Every instance that the run has ever known."""
    roster, phases, versions, befores, lives, approved = run.ledger
    cells, seen, before = phases.cells(), versions.cells(), befores.cells()
    current, found = roster.index, {}
    for index, name in enumerate(roster.ids[: roster.size]):  # the rest is another branch's
        if current[name] == index:  # or it has moved, and has another
            code = cells[index]
            phase = GONE if code == ABSENT else PHASES[code]
            known = run.charter.target if phase == "upgraded_healthy" else seen[index]
            place = roster.place_of(index)
            free = approved is None or name in approved
            life = lives.get(index, 1)
            found[name] = Seat(index, place, phase, known, before[index], life, free)
    return found


def canonical(run: Run, known: Seats) -> Form:
    """The run's form; ``known`` are its seats."""
    target = run.charter.target
    return (
        run.state,
        run.counts[PHASE_COUNT:],
        run.ledger.approved is None,
        tuple(
            (seat.place, seat.phase, seat.approved, _matters(seat, target, run))
            for seat in known.values()
        ),
    )


def _matters(seat: Seat, target: str, run: Run) -> object:
    phase = seat.phase
    if phase.startswith("skipped") and run.ledger.approved is not None:
        return seat.seen == target  # else it is waited for
    if phase.startswith("pending"):
        return None if seat.seen is None else seat.seen == target
    if phase in _ON_THE_WAY:
        return seat.before is None
    if phase == "recovering":
        return (seat.before is None, is_back(seat, target))
    return None


_ON_THE_WAY: Final = frozenset(
    {"replacing", "awaiting", "failed_healthy", "failed_unhealthy", "restoring"}
)


def is_back(seat: Seat, target: str) -> bool:
    """Whether the instance was last seen on the version it had before; where that was
    unknown, on any but the target (S9)."""
    if seat.before is None:
        return seat.seen not in (None, target)
    return seat.seen == seat.before
