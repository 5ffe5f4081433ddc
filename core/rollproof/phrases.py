"""What the parts of the guards mean, in words: one phrase for each.

A phrase is found by the very expression that it is about, which is written with the
terms of `rollproof.table`: should a guard change, its phrase is not found any more, the
comparison is shown with its numbers instead, and a test says which phrase is missing.
A phrase decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from rollproof.algebra import any_of, negate
from rollproof.counts import (
    EMPTY,
    PHASES,
    Counts,
    Limits,
    attempted,
    failed,
    in_flight,
    lost,
    pending,
    skipped,
    undone,
    unhealthy,
    upgraded,
    whole,
)
from rollproof.rules import share
from rollproof.states import Cause, View
from rollproof.status import CAUSES
from rollproof.table import (
    Term,
    fleet_breached,
    full_batch,
    headroom,
    may_give_back,
    must_restore_on_breach,
    must_roll_back,
    one_to_spare,
    upgraded_breached,
)
from rollproof.traced import Tree, Truth, traced, truth

Words = Callable[[Counts[int], Limits[int]], str]


@attrs.frozen
class Phrase:
    """What to say of one part of a guard where it does not hold."""

    term: Term
    """The part, as the table writes it."""
    fails: Words
    """What is so now, with the numbers."""
    release: str
    """What would make it hold."""


STANDING: Final[dict[str, str]] = {
    "pending_healthy": "waiting for a batch, healthy",
    "pending_unhealthy": "waiting for a batch, unhealthy",
    "replacing": "being given the new disk",
    "awaiting": "on the new disk and given time to become healthy",
    "upgraded_healthy": "upgraded",
    "upgraded_unhealthy": "upgraded and unhealthy since",
    "failed_healthy": "failed, healthy now, and keeping the new disk",
    "failed_unhealthy": "failed and keeping the new disk",
    "restoring": "being given the previous disk",
    "recovering": "back on the previous disk and given time to become healthy",
    "restored_healthy": "failed and back on the previous version",
    "restored_unhealthy": "failed, back on the previous version, and unhealthy",
    "unrestored_healthy": "failed, not given the previous disk, and healthy",
    "unrestored_unhealthy": "failed and not given the previous disk",
    "skipped_healthy": "left alone, healthy",
    "skipped_unhealthy": "left alone, unhealthy",
    "indeterminate": "left in flight by a forced cancel, the outcome unknown",
}
"""Every phase, after "it is" or "instances are"."""


def some(number: int, words: str) -> str:
    """ "1 instance is pending", "2 instances are pending", "no instance is pending"."""
    if number == 1:
        return f"1 instance is {words}"
    return f"{number} instances are {words}" if number else f"no instance is {words}"


def _stopped(c: Counts[int], _p: Limits[int]) -> str:
    return f"the run is to end: {CAUSES[Cause(c.stop)]}"


def _not_fresh(c: Counts[int], _p: Limits[int]) -> str:
    if c.view == View.ASKED:
        return "the fleet is being looked at, and its answer is not there yet (R4.1)"
    if c.view == View.RESTING:
        return "nothing is left but what is withheld until it is approved (R4.11)"
    return "the fleet has not been looked at since the last batch or pause (R4.1)"


def _too_ill(c: Counts[int], p: Limits[int]) -> str:
    return f"{_ill(c, p)}; a batch begins only with {_most_ill(c, p)} or fewer"


def _ill(c: Counts[int], p: Limits[int]) -> str:
    return (
        f"{unhealthy(c)} of {whole(c)} instances are unhealthy, and {_most_ill(c, p)} "
        f"({p.max_unhealthy} %) may be (max_unhealthy_instance_percent, R4.1)"
    )


def _most_ill(c: Counts[int], p: Limits[int]) -> int:
    return int(share(whole(c), p.max_unhealthy))


def _lost(c: Counts[int], p: Limits[int]) -> str:
    return (
        f"{lost(c)} of the {attempted(c)} instances this run touched failed, and "
        f"{share(attempted(c), p.max_unhealthy_upgraded)} ({p.max_unhealthy_upgraded} %) "
        "may (max_unhealthy_upgraded_instance_percent, R4.4)"
    )


def _no_spare(c: Counts[int], p: Limits[int]) -> str:
    return (
        f"{_most_ill(c, p)} ({p.max_unhealthy} %) of {whole(c)} instances may be down, "
        f"{unhealthy(c)} are unhealthy and {in_flight(c)} in flight: no healthy one can "
        "be spared (S6)"
    )


def _full(c: Counts[int], _p: Limits[int]) -> str:
    return f"{in_flight(c)} restores are under way, and a batch holds {c.cap} (R4.3)"


def _room_left(c: Counts[int], _p: Limits[int]) -> str:
    return f"the batch may still claim {c.room}"


def _constantly(words: str) -> Words:
    return lambda _c, _p: words


def _of(count: Term, words: str) -> Words:
    return lambda c, p: some(count(c, p), words)


def _counted(count: Callable[[Counts[Any]], Any]) -> Term:
    return lambda c, _p: count(c)


def _phrases() -> Iterator[Phrase]:
    yield Phrase(
        lambda c, _p: c.stop == Cause.NONE,
        _stopped,
        "nothing: a recorded cause stands (S8)",
    )
    yield Phrase(
        lambda c, _p: c.stop != Cause.NONE,
        _constantly("nothing stops the run"),
        "a cancel, or a threshold that is passed",
    )
    yield Phrase(
        lambda c, _p: any_of(
            c.stop == Cause.FLEET_UNHEALTHY, c.stop == Cause.UPGRADED_UNHEALTHY
        ),
        _constantly("no threshold stopped the run"),
        "a threshold that is passed",
    )
    yield Phrase(
        lambda c, _p: c.held == 0,
        _constantly("an operator holds the run (N6)"),
        "`rollproof resume`",
    )
    yield Phrase(
        lambda c, _p: c.held == 1, _constantly("nobody holds the run"), "`rollproof pause`"
    )
    yield Phrase(
        lambda c, _p: any_of(c.gated == 0, pending(c) == 0),
        _constantly("the pause between batches lasts (R4.5)"),
        "the end of the pause",
    )
    yield Phrase(
        lambda c, _p: c.gated == 1,
        _constantly("no pause between batches lasts"),
        "the end of a batch, where the policy sets a pause",
    )
    yield from _window_phrases()
    yield from _approval_phrases()
    yield Phrase(
        lambda c, _p: c.forced == 0,
        _constantly("a forced cancel waits for nothing (S8)"),
        "nothing: a forced cancel stands",
    )
    yield Phrase(
        lambda c, _p: c.forced == 1,
        _constantly("no cancel was forced"),
        "`rollproof cancel --force`",
    )
    yield from _view_phrases()
    yield from _threshold_phrases()
    yield from _batch_phrases()
    yield from _phase_phrases()


def _window_phrases() -> Iterator[Phrase]:
    yield Phrase(
        lambda c, _p: any_of(c.shut == 0, pending(c) == 0),
        _constantly("the maintenance window is closed (N10)"),
        "the next opening of the window",
    )
    yield Phrase(
        lambda c, _p: c.shut == 0,
        _constantly("the maintenance window is closed already"),
        "the next opening of the window",
    )
    yield Phrase(
        lambda c, _p: c.shut == 1,
        _constantly("no maintenance window is closed"),
        "the end of the window, where the policy sets one",
    )


def _approval_phrases() -> Iterator[Phrase]:
    yield Phrase(
        lambda c, _p: c.deferred == 1,
        _constantly("nothing waits for an approval"),
        "nothing: a deferral is set before a run begins (R4.11)",
    )
    yield Phrase(
        lambda c, _p: c.deferred == 0,
        _constantly("upgrades are withheld until they are approved (R4.11)"),
        "`rollproof approve`, or the latest time for it",
    )
    yield Phrase(
        lambda c, _p: skipped(c) > 0,
        _constantly("no instance is left alone or withheld"),
        "an instance whose upgrade is withheld",
    )


def _view_phrases() -> Iterator[Phrase]:
    yield Phrase(
        lambda c, _p: c.view == View.FRESH, _not_fresh, "the answer of the fleet to a look"
    )
    yield Phrase(
        lambda c, _p: c.view == View.ASKED,
        _constantly("nobody asked how the fleet is"),
        "a look at the fleet, which begins once the gates are open",
    )
    yield Phrase(
        lambda c, _p: c.view == View.STALE,
        _constantly("the fleet has been asked how it is"),
        "the end of a batch, a pause or a hold",
    )
    yield Phrase(
        lambda c, _p: c.view != View.STALE,
        _constantly("the fleet has not been asked how it is"),
        "a look at the fleet, which begins once the gates are open",
    )
    yield Phrase(
        lambda c, _p: c.view == View.RESTING,
        _constantly("the run does not rest until something is approved"),
        "a look that finds nothing but what is withheld (R4.11)",
    )


def _threshold_phrases() -> Iterator[Phrase]:
    yield Phrase(
        lambda c, p: negate(fleet_breached(c, p)),
        _too_ill,
        "instances that become healthy, or leave the set",
    )
    yield Phrase(fleet_breached, _ill, "more unhealthy instances")
    yield Phrase(
        lambda c, p: negate(upgraded_breached(c, p)),
        _lost,
        "upgraded instances that become healthy again",
    )
    yield Phrase(upgraded_breached, _lost, "more failures")
    yield Phrase(
        lambda c, p: any_of(one_to_spare(c, p), c.pending_unhealthy == 0),
        lambda c, p: f"{_no_spare(c, p)}, and {c.pending_unhealthy} unhealthy go before it",
        "an unhealthy instance that is upgraded, or becomes healthy",
    )
    yield Phrase(
        lambda c, p: any_of(one_to_spare(c, p), in_flight(c) == 0),
        _no_spare,
        "the end of the restores in flight",
    )
    yield Phrase(
        lambda _c, p: p.restore_on_breach == 1,
        _constantly("the policy does not restore when a threshold stops the run (R4.8)"),
        "rollback_failed_instances_on_policy_breach, for the next run",
    )
    yield Phrase(
        lambda _c, p: p.rollback == 1,
        _constantly("rollback is off for this run (R4.8)"),
        "a run with rollback: `rollproof run --rollback`",
    )
    yield Phrase(
        lambda c, p: negate(must_restore_on_breach(c, p)),
        _of(_counted(failed), "to be given the previous disk first (R4.8)"),
        "the end of the restores",
    )
    yield Phrase(
        lambda c, p: negate(must_roll_back(c, p)),
        _of(_counted(failed), "to be given the previous disk first (R4.3)"),
        "the end of the restores",
    )


def _batch_phrases() -> Iterator[Phrase]:
    yield Phrase(
        lambda c, _p: pending(c) > 0,
        _constantly("no instance waits for its upgrade"),
        "a new instance on another version",
    )
    yield Phrase(
        lambda c, _p: pending(c) == 0,
        _of(_counted(pending), "still to be upgraded (R4.6)"),
        "their batches",
    )
    yield Phrase(
        lambda c, _p: failed(c) > 0, _of(_counted(failed), "failed"), "an upgrade that fails"
    )
    yield Phrase(
        lambda c, p: any_of(failed(c) == 0, negate(may_give_back(c, p))),
        _of(_counted(failed), "still to be given the previous disk (R4.3)"),
        "the end of the restores",
    )
    yield Phrase(
        lambda c, _p: c.stop != Cause.CREDENTIALS,
        _constantly("a credential expired: failed instances are left as they are (R4.10)"),
        "the next run, with a credential that is good",
    )
    yield Phrase(
        lambda c, _p: c.room > 0,
        _constantly("the current batch claims no further instance (S1, R4.2)"),
        "the next batch",
    )
    yield Phrase(lambda c, _p: c.room == 0, _room_left, "the batch that is filled")
    yield Phrase(
        lambda c, _p: c.slack > 0,
        _constantly("the current batch has no headroom for a healthy instance (S6)"),
        "the next batch",
    )
    yield Phrase(lambda c, _p: in_flight(c) < c.cap, _full, "a restore that ends")


def _phase_phrases() -> Iterator[Phrase]:
    for code, phase in enumerate(PHASES):
        words = STANDING[phase]
        yield Phrase(
            lambda c, _p, at=code: c[at] > 0,  # type: ignore[misc]  # the default binds it
            _constantly(f"no instance is {words}"),
            "an instance that is",
        )
        yield Phrase(
            lambda c, _p, at=code: c[at] == 0,  # type: ignore[misc]  # the default binds it
            lambda c, _p, at=code, words=words: some(c[at], words),  # type: ignore[misc]  # as above
            "their reports, or their deadlines",
        )


_POINT: Final = traced(EMPTY, Limits(0, 0, 0, 0, 0, 0, 0))
"""Any point will do: expressions do not depend on the values."""

PHRASES: Final[dict[Tree, Phrase]] = {
    truth(phrase.term(*_POINT)).tree: phrase for phrase in _phrases()
}
"""Every phrase by the expression it is about."""

NUMBERS: Final[dict[Tree, str]] = {
    term(_POINT[0]).tree: term.__name__
    for term in (
        *(whole, pending, skipped, in_flight, failed, upgraded, undone, attempted, lost),
        unhealthy,
    )
} | {term(*_POINT).tree: term.__name__ for term in (headroom, full_batch)}
"""Numbers that have a name of their own."""


def spelled(term: Truth) -> str:
    """The expression, with the names of its numbers: ``held == 0``."""
    if term.sign in ("and", "or"):
        return f" {term.sign} ".join(f"({spelled(part)})" for part in term.parts)
    if term.sign == "known":
        return "always" if term.holds else "never"
    left, right = (_spelled(part.tree) for part in term.parts)
    return f"{left} {term.sign} {right}"


def numbered(term: Truth) -> str:
    """The same with the numbers in place of the names: ``1 == 0``."""
    if term.sign in ("and", "or"):
        return f" {term.sign} ".join(f"({numbered(part)})" for part in term.parts)
    if term.sign == "known":
        return spelled(term)
    left, right = (part.value for part in term.parts)
    return f"{left} {term.sign} {right}"


def _spelled(tree: Tree) -> str:
    if tree in NUMBERS:
        return NUMBERS[tree]
    sign, *parts = tree
    if sign in ("name", "number"):
        return str(parts[0])
    if sign == "ite":
        return f"(one of {_spelled(parts[1])}, {_spelled(parts[2])})"
    return f"({_spelled(parts[0])} {sign} {_spelled(parts[1])})"
