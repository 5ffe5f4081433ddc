"""The fleets and policies that are searched, and how far: every bound with its reason.

What bounds a search is written here and nowhere else; the properties know of no bound.

* ``disturbances``: how many things that nobody asked the run for may happen on one way
  through it: an instance falls ill, recovers, appears, vanishes, is exempted or enlisted;
  a person pauses, cancels; the host faults; a survey does not come.  Reports of commands
  are free, in any order.  None: without bound.  A bound of K still offers every event at
  every moment; it ends only the ways on which more than K of them changed something.  Why
  it is enough: the table moves one instance at a time and counts; what takes several
  disturbances at once is covered without bound in the fleets of one to two.
* ``names``: instances that were ever seen.  One more than the fleet holds is the first
  that shows what an empty seat beside a full one does.
* ``breadth``: how many kinds of reports and sights.  FEW leaves out a third version,
  protection, and healths that step treats alike; ALL adds surveys with two news.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import product
from typing import Final

import attrs

from rollproof.charter import Charter, Deferral
from rollproof.counts import Limits
from rollproof.ledger import Place

ONE: Final = Place("z1", "")
TWO: Final = Place("z2", "")
D1: Final = Place("z1", "d1")
D2: Final = Place("z1", "d2")


class Breadth(StrEnum):
    """How many kinds of events are offered."""

    FEW = "few"
    SOME = "some"
    ALL = "all"


@attrs.frozen(kw_only=True)
class Setting:
    """One fleet under one policy."""

    name: str
    why: str
    places: tuple[Place, ...]
    """As many as the instances that the first survey finds, healthy and on the old
    version; they are dealt to these places in every way."""
    limits: Limits[int]
    disturbances: int | None
    names: int
    """How many instances may ever have been seen."""
    breadth: Breadth = Breadth.FEW
    moving: bool = True
    """Whether instances may move from place to place, where there are several."""
    cross_zone: bool = False
    one_domain: bool = False
    unhealthy_first: bool = False
    compared: bool = True
    """Whether the graph of the table is searched beside it and compared."""
    windows: bool = False
    """Whether the maintenance window may close; it doubles the states."""
    lapse_approves: bool = True
    """What becomes of what nobody approved in time (R4.11)."""

    @property
    def charter(self) -> Charter:
        """The terms of the run."""
        return Charter(
            run=self.name,
            scale_set="small",
            target="2.0.0",
            limits=self.limits,
            cross_zone=self.cross_zone,
            one_domain=self.one_domain,
            unhealthy_first=self.unhealthy_first,
            pause=60_000 * self.limits.paced,
            deferral=Deferral.INSTANCE if self.limits.deferral else Deferral.NONE,
            lapse_approves=self.lapse_approves,
        )

    @property
    def apart(self) -> bool:
        """Whether a batch may be smaller than the counts allow, since it must not be drawn
        from two zones (R4.2), nor from two update domains (R6.1)."""
        zones = not self.cross_zone and len({place.zone for place in self.places}) > 1
        return zones or (
            self.one_domain and len({place.update_domain for place in self.places}) > 1
        )


NEVER: Final = {
    "vanish_indeterminate": "force gives up whatever is in flight and ends the run in the"
    " same step, so that no run stands still with an indeterminate instance",
}
"""Rows that no step takes, and why: the table admits them between two rows of one step."""


@attrs.frozen(kw_only=True)
class Bounds:
    """What one call of `conform` searches."""

    name: str
    settings: tuple[Setting, ...]
    every_row: bool = False
    """Whether a row that no step took is a failure; those of `NEVER` apart."""
    doubts: int = 200
    """Of so many runs whose form was known already, one is stepped nevertheless; and one
    of so many new ones is replayed from its events."""
    charted: int = 10
    """Steps that python-statemachine repeats, for each setting."""
    runs: int = 2_000_000
    """Where a search gives up, undetermined: some 2 GB."""


def _limits(
    batch: int = 50,
    fleet: int = 50,
    image: int = 50,
    *,
    rollback: int = 1,
    breach: int = 0,
    paced: int = 0,
    deferral: int = 0,
) -> Limits[int]:
    return Limits(batch, fleet, image, rollback, breach, paced, deferral)


def _switches(
    size: int, disturbances: int | None, breadth: Breadth, only: str = ""
) -> tuple[Setting, ...]:
    """A set so small that thresholds are all or nothing, under the policy's switches."""
    every = product("rR", "bB", "pP")
    bound = "unbounded" if disturbances is None else f"{disturbances} disturbances"
    return tuple(
        Setting(
            name=f"{size}, {switches}, {bound}",
            why="every switch with every other: rollback, restore on breach, pause",
            places=(ONE,) * size,
            limits=_limits(
                rollback=int("R" in switches),
                breach=int("B" in switches),
                paced=int("P" in switches),
            ),
            disturbances=disturbances,
            names=size,
            breadth=breadth,
        )
        for switches in map("".join, every)
        if switches in (only.split() or [switches])
    )


def _apart(disturbances: int) -> tuple[Setting, ...]:
    """A batch could hold both instances, if they did not stand in two zones (R4.2)."""
    return tuple(
        Setting(
            name=f"two zones, {name}, {disturbances} disturbances",
            why="the zone of a batch: kept apart, crossed on purpose, the unhealthy first",
            places=(ONE, TWO),
            limits=_limits(100, 100, 100, rollback=0),
            disturbances=disturbances,
            names=2,
            cross_zone=cross,
            unhealthy_first=first,
        )
        for name, cross, first in (
            ("apart", False, False),
            ("crossed", True, False),
            ("unhealthy first", False, True),
        )
    )


def _deferred(size: int, disturbances: int | None) -> tuple[Setting, ...]:
    """Everything is withheld at first, and the window may close (R4.11, N10)."""
    bound = "unbounded" if disturbances is None else f"{disturbances} disturbances"
    return tuple(
        Setting(
            name=f"{size} withheld, {word}, {bound}",
            why="approvals one by one, all at once, too late or for nothing; and a window",
            places=(ONE,) * size,
            limits=_limits(rollback=0, deferral=1),
            disturbances=disturbances,
            names=size,
            compared=False,  # counts do not know who is approved
            windows=True,
            lapse_approves=approves,
        )
        for word, approves in (("then approved", True), ("then left alone", False))
    )


UNHEALTHY_FIRST: Final = Setting(
    name="two, unhealthy first",
    why="one of two goes: which turns on health (R4.2), and a breach restores (R4.8)",
    places=(ONE, ONE),
    limits=_limits(50, 100, 50, rollback=0, breach=1),
    disturbances=1,
    names=2,
    unhealthy_first=True,
)
TWO_DOMAINS: Final = Setting(
    name="two domains, apart",
    why="a batch could hold both, if they did not stand in two update domains (R6.1)",
    places=(D1, D2),
    limits=_limits(100, 100, 100, rollback=0),
    disturbances=0,
    names=2,
    one_domain=True,
)
DOMAINS_BACK: Final = Setting(
    name="two domains, given back",
    why="a breach restores what failed in two update domains, one after the other (R4.8, R6.1);"
    " counts do not know who stands where, so they are not compared",
    places=(D1, D2),
    limits=_limits(100, 50, 100, rollback=0, breach=1),
    disturbances=0,
    names=2,
    one_domain=True,
    compared=False,
)
THREE_AT_ONCE: Final = Setting(
    name="three at once",
    why="a batch of several, of which each goes its own way (R4.3)",
    places=(ONE,) * 3,
    limits=_limits(100, 100, 100),
    disturbances=0,
    names=3,
)
FOUR_IN_TURN: Final = Setting(
    name="four in turn",
    why="several batches, ended by the first loss (R4.4)",
    places=(ONE,) * 4,
    limits=_limits(25, 100, 0, rollback=0),
    disturbances=0,
    names=4,
)

QUICK: Final = Bounds(
    name="quick",
    settings=(
        *_switches(1, 1, Breadth.SOME, "rBP RbP"),
        *_deferred(1, 1),
        _apart(0)[0],
        TWO_DOMAINS,
        DOMAINS_BACK,
        UNHEALTHY_FIRST,
        THREE_AT_ONCE,
        FOUR_IN_TURN,
    ),
)
"""A few seconds: part of `make test`."""

THOROUGH: Final = Bounds(
    name="thorough",
    every_row=True,
    charted=100,
    settings=(
        *_switches(1, None, Breadth.ALL),
        *_switches(2, 1, Breadth.SOME),
        *_switches(2, None, Breadth.FEW, "rbp rBP Rbp"),
        *_deferred(1, None),
        *_deferred(2, 1),
        *_apart(1),
        DOMAINS_BACK,
        UNHEALTHY_FIRST,
        THREE_AT_ONCE,
        Setting(
            name="three in domains",
            why="one update domain after the other (R4.2)",
            places=(D1, D1, D2),
            limits=_limits(67, 67, 100, rollback=0),
            disturbances=0,
            names=3,
        ),
        Setting(
            name="domains across zones",
            why="one update domain is finished in every zone before the next (R6.1)",
            places=(D1, D2, Place("z2", "d1")),
            limits=_limits(67, 67, 100, rollback=0),
            disturbances=0,
            names=3,
            cross_zone=True,
            one_domain=True,
        ),
        Setting(
            name="two domains, unhealthy first",
            why="the domain of an unhealthy instance goes first where it is asked for (R4.2)",
            places=(D1, D2),
            limits=_limits(100, 100, 100, rollback=0),
            disturbances=1,
            names=2,
            one_domain=True,
            unhealthy_first=True,
        ),
        Setting(
            name="three, one disturbance",
            why="headroom for one, which may be used up (S6)",
            places=(ONE,) * 3,
            limits=_limits(67, 34, 34, breach=1),
            disturbances=1,
            names=3,
        ),
        FOUR_IN_TURN,
        Setting(
            name="four by twos",
            why="a second batch beside what became of the first (R4.4, S4)",
            places=(ONE,) * 4,
            limits=_limits(50, 50, 50),
            disturbances=0,
            names=4,
        ),
        Setting(
            name="five by twos",
            why="a last batch that is smaller than its bound",
            places=(ONE,) * 5,
            limits=_limits(40, 40, 40),
            disturbances=0,
            names=5,
        ),
        Setting(
            name="six in turn",
            why="the longest way: six batches, whatever becomes of each",
            places=(ONE,) * 6,
            limits=_limits(17, 100, 100, rollback=0),
            disturbances=0,
            names=6,
        ),
        Setting(
            name="six by twos",
            why="three batches, and rollback",
            places=(ONE,) * 6,
            limits=_limits(34, 34, 20),
            disturbances=0,
            names=6,
        ),
        Setting(
            name="six in two zones",
            why="batches smaller than a zone; instances stay where they are, since every"
            " move of six is a fleet of its own, so counts are not compared",
            places=(ONE,) * 3 + (TWO,) * 3,
            limits=_limits(34, 34, 0, rollback=0),
            disturbances=0,
            names=6,
            moving=False,
            compared=False,
        ),
    ),
)
"""Minutes: part of `make check-slow`."""
