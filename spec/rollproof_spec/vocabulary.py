"""What the properties are made of: the `Property` value and the words they share.

A property never asks the table what it means.  Its sums are taken over the phases named
here, written down from the requirements, and not with the functions that the guards use:
a rule that forgets a phase is caught, not repeated.

The state of a run and the row are plain values, so a property may branch on them.  On
counts it may not (see `rollproof.algebra`): the same function runs on integers, arrays
and solver terms.  Arrays must hold numbers up to `MAGNITUDE` times the instances and one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, Final, NamedTuple

import attrs

from rollproof.algebra import all_of, any_of, negate
from rollproof.counts import PHASES, SETTLED, Counts, Limits
from rollproof.states import ACTIVE, Cause, State
from rollproof.table import Actor, Row

MAGNITUDE: Final = 384
"""The largest factor by which a property multiplies a count."""

Claim = Callable[..., Any]
C = Counts[Any]
P = Limits[Any]


# -- phases, as the requirements name them ----------------------------------------------

PENDING: Final = ("pending_healthy", "pending_unhealthy")
SKIPPED: Final = ("skipped_healthy", "skipped_unhealthy")
FAILED: Final = ("failed_healthy", "failed_unhealthy")
FORWARD: Final = ("replacing", "awaiting")
BACKWARD: Final = ("restoring", "recovering")
FLYING: Final = FORWARD + BACKWARD
RESTORED: Final = tuple(n for n in PHASES if n.startswith(("restored_", "unrestored_")))
ATTEMPTED: Final = tuple(n for n in PHASES if n not in PENDING + SKIPPED)
"""What this run has touched (S3)."""
LOST: Final = ("upgraded_unhealthy", *FAILED, *BACKWARD, *RESTORED)
"""What this run has broken, healed since or not (R4.4, S4)."""
DOWN: Final = (*(f"{phase}_unhealthy" for phase in SETTLED), "indeterminate")
"""Unhealthy, whatever the cause, and not in flight (R4.1, S5); unknown counts (R5.3)."""
FLAGS: Final = ("gated", "held", "forced", "shut", "deferred")

BATCH: Final = frozenset({State.ROLLING_FORWARD, State.WAITING_HEALTH})
"""A batch is under way."""


# -- properties ------------------------------------------------------------------------


class Kind(StrEnum):
    """What a property speaks of, hence the parameters of its functions."""

    STATE = "state"
    """``(state, counts, limits)``: holds whenever a run stands there."""
    STEP = "step"
    """``(row, state, counts, limits, next state, next counts)``: what a row may change.  The
    six are written as one `Step`."""
    TABLE = "table"
    """``(rows, state, counts, limits)``: what the rows together offer or exclude."""


class Step(NamedTuple):
    """A row taken, with what was before and what is after."""

    row: Row
    state: State
    c: C
    p: P
    state2: State
    c2: C

    @property
    def move(self) -> tuple[str | None, str | None]:
        """The phases that one instance leaves and enters."""
        return self.row.leaves, self.row.enters

    def keeps(self, *names: str) -> bool:
        """Whether these are untouched: the very same values, so that nothing need be shown
        of them.  ``False`` says nothing."""
        return all(getattr(self.c, name) is getattr(self.c2, name) for name in names)

    @property
    def begins(self) -> bool:
        """Whether a batch begins."""
        rolling = State.ROLLING_FORWARD
        return self.state2 is rolling and self.state is not rolling

    @property
    def ends(self) -> bool:
        """Whether a batch, or a restoring, is over."""
        gates = State.PRECHECKING
        return self.state2 is gates and self.state in ACTIVE - {gates}

    @property
    def touches(self) -> bool:
        """Whether an instance is taken down that waited for its upgrade."""
        untouched = (None, *PENDING, *SKIPPED)
        return self.row.leaves in PENDING and self.row.enters not in untouched

    @property
    def drifts(self) -> bool:
        """Whether the fleet changes by itself: the health or the membership of instances
        that nothing is being done to."""
        settled = self.row.leaves not in FLYING and self.row.leaves != self.row.enters
        return self.row.actor is Actor.WORLD and settled


@attrs.frozen(kw_only=True)
class Property:
    """One promise."""

    name: str
    kind: Kind
    why: str
    """One sentence; it ends in the ids of what it serves."""
    requirements: tuple[str, ...]
    holds: Claim
    twin: Claim
    """Holds in some reachable state or step where the promise is put to the test, lest it
    be kept only because nothing ever happens."""


def promise(kind: Kind, twin: Claim) -> Callable[[Claim], Property]:
    """Make a `Property` of a function: its name, and its docstring for the sentence."""

    def spread(claim: Claim) -> Claim:
        return (lambda *six: claim(Step(*six))) if kind is Kind.STEP else claim

    def declare(holds: Claim) -> Property:
        why = " ".join((holds.__doc__ or "").split())
        return Property(
            name=holds.__name__,
            kind=kind,
            why=why,
            requirements=tuple(re.findall(r"\b[RSN]\d+(?:\.\d+)?", why)),
            holds=spread(holds),
            twin=spread(twin),
        )

    return declare


of_states = partial(promise, Kind.STATE)
of_steps = partial(promise, Kind.STEP)
of_tables = partial(promise, Kind.TABLE)


# -- words ------------------------------------------------------------------------------


def total(c: Counts[Any], names: tuple[str, ...]) -> Any:
    """Instances in the phases named."""
    first, *others = (getattr(c, name) for name in names)
    return sum(others, first)


def implies(premise: Any, conclusion: Any) -> Any:
    """``conclusion`` wherever ``premise`` holds."""
    return True if premise is False else any_of(negate(premise), conclusion)


def within(part: Any, whole: Any, percent: Any) -> Any:
    """``part`` is at most ``percent`` of ``whole`` (S2)."""
    return part * 100 <= whole * percent


def largest_within(part: Any, whole: Any, percent: Any) -> Any:
    """``part`` is ``percent`` of ``whole``, rounded down."""
    return all_of(within(part, whole, percent), negate(within(part + 1, whole, percent)))


def fleet_fit(c: Counts[Any], p: Limits[Any]) -> Any:
    """R4.1 lets a batch begin."""
    return within(total(c, DOWN), total(c, PHASES), p.max_unhealthy)


def taken_fits(c: Counts[Any], p: Limits[Any]) -> Any:
    """One more instance may be taken down beside those that are (S6)."""
    return within(total(c, (*DOWN, *FLYING)) + 1, total(c, PHASES), p.max_unhealthy)


def image_fit(c: Counts[Any], p: Limits[Any]) -> Any:
    """R4.4 lets a batch begin."""
    return within(total(c, LOST), total(c, ATTEMPTED), p.max_unhealthy_upgraded)


def unhindered(c: Counts[Any]) -> Any:
    """Neither cause nor hold, pause or closed window bids the run wait; the last two are
    about batches, and keep nobody where nothing is pending (R4.5, N10, S7)."""
    timely = any_of(c.gated + c.shut == 0, total(c, PENDING) == 0)
    return all_of(c.stop == Cause.NONE, c.held == 0, timely)


def gates_open(c: Counts[Any]) -> Any:
    """Nothing bids the run wait or end, and the fleet was just seen (S7)."""
    return all_of(unhindered(c), c.view == 2)


def by_threshold(c: Counts[Any]) -> Any:
    """A threshold is what ends the run."""
    return any_of(c.stop == Cause.FLEET_UNHEALTHY, c.stop == Cause.UPGRADED_UNHEALTHY)


def gives_back(c: Counts[Any]) -> Any:
    """Failed instances are given their previous disk, where they are to have it at all:
    not by force (S8), and not once a credential expired (R4.10)."""
    return all_of(c.forced == 0, c.stop != Cause.CREDENTIALS)


def owes_restore(c: Counts[Any], p: Limits[Any]) -> Any:
    """Failed instances stand to be given back once a threshold ends the run (R4.8)."""
    return all_of(p.restore_on_breach == 1, gives_back(c), total(c, FAILED) > 0)
