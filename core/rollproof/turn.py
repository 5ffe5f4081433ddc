"""A run while one event is worked into it: the only place where rows are taken.

`Turn` is mutable and never seen outside `rollproof.step`; it is unpacked from a run and
frozen into the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rollproof.batch import EVERYWHERE, Ground, next_ground, offer, restore_ground, stand
from rollproof.commands import Command, Verb
from rollproof.counts import EMPTY, PHASES, Counts
from rollproof.ledger import CODE, IN_FLIGHT, Ledger
from rollproof.run import Run
from rollproof.states import State
from rollproof.table import ROWS, TABLE, Actor, Row, may_begin, only_withheld

_MACHINE: Final[Mapping[State, tuple[Row, ...]]] = {
    state: tuple(r for r in TABLE if r.actor is Actor.MACHINE and state in r.sources)
    for state in State
}
_PICKING: Final = frozenset({State.PRECHECKING, State.ROLLING_BACK})
"""Where the ledger may have to choose an instance without having been told to abandon."""
_ABANDON: Final[Mapping[int, Row]] = {
    code: ROWS[f"abandon_{PHASES[code]}"] for code in IN_FLIGHT
}
_PENDING_HEALTHY: Final = CODE["pending_healthy"]
_BEGIN: Final[Mapping[int, Row]] = {
    CODE["pending_healthy"]: ROWS["begin_healthy"],
    CODE["pending_unhealthy"]: ROWS["begin_unhealthy"],
}
_CLAIM: Final[Mapping[int, Row]] = {
    CODE["pending_healthy"]: ROWS["claim_healthy"],
    CODE["pending_unhealthy"]: ROWS["claim_unhealthy"],
}
_RESTORE: Final[Mapping[int, Row]] = {
    CODE["failed_healthy"]: ROWS["restore_healthy"],
    CODE["failed_unhealthy"]: ROWS["restore_unhealthy"],
}
_CLAIMED: Final = _CLAIM[_PENDING_HEALTHY].enters_code
"""Where every claimed instance goes, also the first."""
_SEAL: Final = ROWS["seal"]
_REST: Final = ROWS["rest"]
_RELEASE: Final = ROWS["release"]
_FORCED: Final = Counts._fields.index("forced")

_new = tuple.__new__
"""Makes a named tuple in half the time; for the places that every event passes."""


class Turn:
    """What an event's handler works on."""

    __slots__ = (
        "alone",
        "approved",
        "at",
        "batches",
        "before",
        "cells",
        "charter",
        "commands",
        "lives",
        "phases",
        "roster",
        "rows",
        "state",
        "surveys",
        "versions",
    )

    def __init__(self, run: Run, at: int) -> None:
        self.at = at
        self.alone = False  # whether the roster's lists were made in this turn
        self.charter, self.state, cells, ledger, self.surveys, self.batches = run
        self.cells = list(cells)
        self.roster, self.phases, self.versions, self.before, self.lives, self.approved = ledger
        self.commands: list[Command] = []
        self.rows: list[str] = []

    def ledger(self) -> Ledger:
        """The ledger as it stands."""
        return _new(
            Ledger,
            (self.roster, self.phases, self.versions, self.before, self.lives, self.approved),
        )

    def freeze(self) -> Run:
        """The run as it stands."""
        ledger = _new(
            Ledger,
            (self.roster, self.phases, self.versions, self.before, self.lives, self.approved),
        )
        return _new(
            Run,
            (self.charter, self.state, tuple(self.cells), ledger, self.surveys, self.batches),
        )

    # -- the one way to change a run

    @property
    def counts(self) -> Counts[int]:
        """The counts as they stand."""
        return _new(Counts, self.cells)

    def take(self, row: Row, index: int = -1) -> None:
        """Take ``row``; the instance at ``index`` is the one that moves."""
        row.shift(self.cells, self.counts if row.sets else EMPTY, self.charter.limits)
        if index >= 0:
            self.phases = self.phases.put(index, row.enters_code)
        if row.target is not None:
            self.state = row.target
        self.rows.append(row.name)

    def may_take(self, row: Row) -> bool:
        """Whether the table admits ``row`` now."""
        return self.state in row.sources and bool(row.enabled(self.counts, self.charter.limits))

    def take_if_enabled(self, row: Row) -> None:
        """Take a row that moves no instance, if the table admits it now."""
        if self.may_take(row):
            self.take(row)

    # -- what a run remembers of an instance

    def index_of(self, instance: str) -> int:
        """The index of an instance that is or was in the set; -1 when it never was."""
        return self.roster.index.get(instance, -1)

    def phase(self, index: int) -> int:
        """The code of the phase in which the instance stands."""
        return self.phases.cells()[index]

    def reported(self, instance: str, attempt: int, phase: int) -> int:
        """The index of the instance, if the report is about what it is going through
        now; -1 if the report is late or repeated (S13)."""
        index = self.roster.index.get(instance, -1)
        if (
            index >= 0
            and self.phases.cells()[index] == phase
            and self.lives.get(index, 1) == attempt
        ):
            return index
        return -1

    def command(
        self, verb: Verb, index: int, wait: int, version: str | None = None, back: int = 0
    ) -> None:
        """Want something done about one instance within ``wait`` milliseconds; ``back``
        is 1 for the watch over its way back."""
        name, attempt = self.roster.ids[index], self.lives.get(index, 1) + back
        self.commands.append(_new(Command, (verb, name, attempt, self.at + wait, version)))

    # -- what follows by itself

    def settle(self) -> None:
        """Take every MACHINE and PICK row that has become possible."""
        limits = self.charter.limits
        while True:
            for row in _MACHINE[self.state]:
                if not row.barred(self.cells) and row.enabled(self.counts, limits):
                    self.take(row)
                    self._entered(row)
                    break
            else:
                picking = self.state in _PICKING or self.cells[_FORCED]
                if not (picking and self._pick()):
                    return

    def _entered(self, row: Row) -> None:
        if row.name == "ask":
            self.surveys += 1
            deadline = self.at + self.charter.survey_wait
            self.commands.append(Command(Verb.SURVEY, "", self.surveys, deadline))
        elif row.target is State.PRECHECKING and self.counts.gated:
            deadline = self.at + self.charter.pause
            self.commands.append(Command(Verb.WAIT, "", self.batches, deadline))

    def _pick(self) -> bool:
        """Take the rows for which the ledger chooses the instance; False if none was."""
        if self.counts.forced and self._abandon():
            return True
        if self.state is State.ROLLING_BACK:
            return self._restore()
        if self.state is State.PRECHECKING:
            if may_begin(self.counts, self.charter.limits):
                self._begin_batch()
                return True
            if only_withheld(self.counts, self.charter.limits):
                self.take(_REST if self.ledger().withholds(self.charter.target) else _RELEASE)
                return True
        return False

    def _begin_batch(self) -> None:
        self.batches += 1
        # Without headroom an instance that is down already goes before a healthy one.
        spared = _BEGIN[_PENDING_HEALTHY].enabled(self.counts, self.charter.limits)
        first = self.charter.unhealthy_first or not spared
        ground = next_ground(
            self.ledger(),
            one_zone=not self.charter.cross_zone,
            one_domain=self.charter.one_domain,
            unhealthy_first=first,
        )
        rows, limits = _BEGIN, self.charter.limits
        for healthy in (True, False):  # once the headroom is spent, the unhealthy only
            claimed, phases = [], self.phases.cells()
            for index in offer(self.ledger(), ground, unhealthy_first=first, healthy=healthy):
                row = rows[phases[index]]
                if not row.enabled(self.counts, limits):
                    break
                self.take(row)
                claimed.append(index)
                rows = _CLAIM
            self._send_off(claimed)
        self.take_if_enabled(_SEAL)

    def _send_off(self, claimed: list[int]) -> None:
        """Those whose rows are taken stand in the phase that the rows enter, what they ran
        is remembered (S9), and their disks are to be replaced.  A batch is mostly of
        neighbours, and they are written together."""
        for start, stop in _neighbours(claimed):
            self.before = self.before.put_all(start, self.versions.cells()[start:stop])
            self.phases = self.phases.put_all(start, [_CLAIMED] * (stop - start))
        ids, attempts, target = self.roster.ids, self.lives, self.charter.target
        deadline = self.at + self.charter.replace_wait
        self.commands += [
            Command(Verb.REPLACE, ids[index], attempts.get(index, 1), deadline, target)
            for index in claimed
        ]

    def _restore(self) -> bool:
        ground = restore_ground(self.ledger(), one_domain=self.charter.one_domain)
        indexes = self._take_each(_RESTORE, ground)
        for index in indexes:
            self.command(Verb.RESTORE, index, self.charter.restore_wait)
        return bool(indexes)

    def _abandon(self) -> bool:
        return bool(self._take_each(_ABANDON))

    def _take_each(self, rows: Mapping[int, Row], ground: Ground = EVERYWHERE) -> list[int]:
        """Take the row of each phase as often as the table admits it, in the order of
        the indexes, for those who stand on the ground; who moved."""
        moved = []
        for code, row in rows.items():
            standing = stand(self.ledger(), code, ground)
            while row.enabled(self.counts, self.charter.limits):
                at = next(standing, None)
                if at is None:
                    break
                self.take(row, at)
                moved.append(at)
        return moved


def _neighbours(indexes: list[int]) -> Iterator[tuple[int, int]]:
    """The stretches that these indexes fill one by one, each from its start to before its
    stop."""
    start = 0
    for place in range(1, len(indexes) + 1):
        if place == len(indexes) or indexes[place] != indexes[place - 1] + 1:
            yield indexes[start], indexes[place - 1] + 1
            start = place
