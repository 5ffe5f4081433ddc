"""The table on counts alone: rows taken one after another, and what follows by itself.

The rows may be others than the shipped ones: a table with a deliberate bug must be told
from the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rollproof.counts import Counts, Limits
from rollproof.states import State
from rollproof.table import Actor, Row
from rollproof_checks.conform.settings import Setting


class Node(NamedTuple):
    """A run to whoever sees only numbers."""

    state: State
    counts: Counts[int]


class Departure(Exception):
    """A law is broken; the words say how."""


OWN: Final = frozenset({Actor.MACHINE, Actor.PICK})
"""Who takes rows without being told anything."""

FREE: Final = frozenset(
    {
        *("start", "resume", "force", "surveyed", "pause_over", "reopen"),
        *("approve", "approve_some", "lapse"),
    }
)
"""Rows of people and the world that a run waits for, or that end what they began."""

RETURNING: Final = ("restoring", "recovering")
FLYING: Final = ("replacing", "awaiting", *RETURNING)


class Table:
    """Rows by name and by state, with what was asked of them before."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = {row.name: row for row in rows}
        self._of = {state: [r for r in rows if state in r.sources] for state in State}
        self._folded: dict[tuple[Node, Limits[int], tuple[str, ...]], Node] = {}
        self._idle: dict[tuple[Node, Limits[int]], tuple[Row, ...]] = {}

    def fold(self, node: Node, p: Limits[int], names: tuple[str, ...]) -> Node:
        """Where the rows lead, one after the other.  Raises `Departure` at the first that
        may not be taken."""
        asked = (node, p, names)
        known = self._folded.get(asked)
        if known is None:
            known = self._folded[asked] = self._fold(node, p, names)
        return known

    def _fold(self, node: Node, p: Limits[int], names: tuple[str, ...]) -> Node:
        state, counts = node
        for name in names:
            row = self.rows.get(name)
            if row is None:
                raise Departure(f"the table has no row {name!r}")
            if state not in row.sources:
                raise Departure(f"row {name!r} is not one of {state}")
            if not row.enabled(counts, p):
                raise Departure(f"the table does not admit row {name!r} here")
            state, counts = row.target or state, row.after(counts, p)
        return Node(state, counts)

    def unfinished(self, node: Node, p: Limits[int]) -> tuple[Row, ...]:
        """Rows that the run should have taken by itself before it stood still here."""
        asked = (node, p)
        if asked not in self._idle:
            own = (row for row in self.enabled(node, p) if row.actor in OWN)
            self._idle[asked] = tuple(own)
        return self._idle[asked]

    def enabled(self, node: Node, p: Limits[int]) -> Iterator[Row]:
        """Rows that may be taken."""
        return (row for row in self._of[node.state] if row.enabled(node.counts, p))

    def cost(self, names: Sequence[str]) -> int:
        """How many disturbances the rows are (see `settings`)."""
        return sum(self.disturbs(self.rows[name]) for name in names)

    @staticmethod
    def disturbs(row: Row) -> bool:
        """Whether the row is something that nobody asked the run for."""
        if row.actor in OWN or row.name in FREE:
            return False
        return row.enters is None or row.leaves not in FLYING

    # -- turns

    def heads(self, node: Node, setting: Setting) -> Iterator[tuple[str, ...]]:
        """What may be told in this state: a row of a person or of the world each; of the
        window, where the setting has one.

        The step uses less than the table allows in one place: ``force`` is taken only
        where a cause is recorded, at the latest by a ``cancel`` in the same breath.
        """
        for row in self.enabled(node, setting.limits):
            if row.actor in OWN or (row.name == "shut" and not setting.windows):
                continue
            if row.name != "force" or node.counts.stop:
                yield (row.name,)
            else:
                yield ("cancel", "force")
                yield ("opt_out", "force")

    def settled(self, node: Node, setting: Setting) -> set[Node]:
        """Where the run may come to stand by itself, over all that it may pick.

        Picks are narrowed as `rollproof.batch` narrows them, seen from the counts: an
        unhealthy instance before a healthy one where the policy says so; a batch is sealed
        only where no further instance may be claimed, except where zones must be kept
        apart: counts do not know which instances those are, so there it may be sealed at
        any time; healthy ones are restored first.
        """
        ends: set[Node] = set()
        todo = [node]
        seen = {node}
        while todo:
            at = todo.pop()
            onward = self._own_steps(at, setting)
            if not onward:
                ends.add(at)
            for after in onward:
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return ends

    def _own_steps(self, node: Node, setting: Setting) -> list[Node]:
        p = setting.limits
        own = [row for row in self.enabled(node, p) if row.actor in OWN]
        machine = [row for row in own if row.actor is Actor.MACHINE]
        rows = machine or self._picks(node, own, setting)
        return [Node(row.target or node.state, row.after(node.counts, p)) for row in rows]

    @staticmethod
    def _picks(node: Node, own: list[Row], setting: Setting) -> list[Row]:
        leaves = {row.leaves for row in own}
        if setting.unhealthy_first:
            barred = {"pending_healthy"} if _unhealthy_wait(node, leaves, setting) else set()
        else:
            barred = set()
        if "failed_healthy" in leaves:
            barred.add("failed_unhealthy")
        if not setting.apart and leaves & {"pending_healthy", "pending_unhealthy"}:
            barred.add("")  # the seal, which moves nobody
        return [row for row in own if (row.leaves or "") not in barred]


def _unhealthy_wait(node: Node, leaves: set[str | None], setting: Setting) -> bool:
    if "pending_unhealthy" not in leaves:
        return False
    # Once a batch has begun in one zone, the unhealthy may stand in another.
    return node.state is State.PRECHECKING or not setting.apart
