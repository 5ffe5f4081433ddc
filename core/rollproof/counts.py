"""The abstract state of a run: how many instances stand in which phase.

Which instance is where never matters to a rule, so the rules see only numbers.  The
ledger maps every instance to one phase and always sums to these counts.

A `Counts` holds integers in the running orchestrator, arrays in the explorer, solver
terms in the proofs; hence the type parameter.
"""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

T = TypeVar("T")


class Counts(NamedTuple, Generic[T]):
    """Seventeen phases, then ten registers.  All are numbers >= 0."""

    # -- phases: an instance is in exactly one
    pending_healthy: T
    """Runs an older version and waits for its batch."""
    pending_unhealthy: T
    replacing: T
    """Its OS disk is being replaced: the intent is journaled."""
    awaiting: T
    """Has its new disk and is given time to become healthy (R4.3)."""
    upgraded_healthy: T
    """Was observed healthy on the target version (S9)."""
    upgraded_unhealthy: T
    """Was upgraded and fell ill, or left the target version, since (R4.4)."""
    failed_healthy: T
    """Its upgrade failed and its previous disk was not given back."""
    failed_unhealthy: T
    restoring: T
    """Is being given its previous disk."""
    recovering: T
    """Has its previous disk again and is given time to become healthy."""
    restored_healthy: T
    """Failed, and was observed on its previous version again (S4: still a failure)."""
    restored_unhealthy: T
    unrestored_healthy: T
    """Failed, and giving back the previous disk failed too."""
    unrestored_unhealthy: T
    skipped_healthy: T
    """Not this run's to touch: on the target already, or protected (R1.4)."""
    skipped_unhealthy: T
    indeterminate: T
    """Was in flight when the run was cancelled by force (S8)."""

    # -- registers
    view: T
    """`View`: how current the picture of the fleet is."""
    gated: T
    """1 while the pause between batches lasts (R4.5)."""
    held: T
    """1 while an operator has paused the run (N6)."""
    stop: T
    """`Cause` recorded so far."""
    forced: T
    """1 once the cancel was told not to wait (S8)."""
    room: T
    """Instances that the current batch may still claim."""
    slack: T
    """Healthy ones among them (S6)."""
    cap: T
    """The batch bound as it was when the current batch was chosen (S1)."""
    shut: T = cast(T, 0)
    """1 while the maintenance window is closed (S7, N10)."""
    deferred: T = cast(T, 0)
    """1 while instances are withheld until somebody approves them (R4.11)."""


PHASES: Final = Counts._fields[: Counts._fields.index("view")]
"""Names of the phases, in the order of `Counts`; a phase's code is its place here."""

REGISTERS: Final = Counts._fields[len(PHASES) :]

PHASE_COUNT: Final = len(PHASES)

SETTLED: Final = ("pending", "upgraded", "failed", "restored", "unrestored", "skipped")
"""Phases with a healthy and an unhealthy side."""

EMPTY: Final[Counts[int]] = Counts(*(0 for _ in Counts._fields))


class Limits(NamedTuple, Generic[T]):
    """What the rules know of the policy; constant for a run.  Percentages are whole
    numbers, switches 0 or 1."""

    max_batch: T
    """`max_batch_instance_percent`, 5..100 (R4.2)."""
    max_unhealthy: T
    """`max_unhealthy_instance_percent`, 5..100 (R4.1)."""
    max_unhealthy_upgraded: T
    """`max_unhealthy_upgraded_instance_percent`, 0..100 (R4.4)."""
    rollback: T
    """1: a failed instance is given its previous disk back (R4.3, R4.8)."""
    restore_on_breach: T
    """1: so are all failed ones when a threshold ends the run (R4.8)."""
    paced: T
    """1: there is a pause between batches (R4.5)."""
    deferral: T = cast(T, 0)
    """1: the run waits for approval (R4.11)."""


def whole(c: Counts[Any]) -> Any:
    """All instances of the set: the denominator of R4.1 (S3)."""
    return in_flight(c) + pending(c) + settled_attempts(c) + skipped(c) + c.indeterminate


def pending(c: Counts[Any]) -> Any:
    """Instances that still want their upgrade."""
    return c.pending_healthy + c.pending_unhealthy


def skipped(c: Counts[Any]) -> Any:
    """Instances that this run has no business with."""
    return c.skipped_healthy + c.skipped_unhealthy


def in_flight(c: Counts[Any]) -> Any:
    """Instances that are down, or may be, because of this run right now."""
    return c.replacing + c.awaiting + c.restoring + c.recovering


def failed(c: Counts[Any]) -> Any:
    """Failed instances whose previous disk nobody has tried to give back."""
    return c.failed_healthy + c.failed_unhealthy


def upgraded(c: Counts[Any]) -> Any:
    """Instances that were observed healthy on the target (S9)."""
    return c.upgraded_healthy + c.upgraded_unhealthy


def undone(c: Counts[Any]) -> Any:
    """Failed instances whose restore has ended, one way or the other."""
    return (
        c.restored_healthy
        + c.restored_unhealthy
        + c.unrestored_healthy
        + c.unrestored_unhealthy
    )


def settled_attempts(c: Counts[Any]) -> Any:
    """Attempted instances that nothing is being done to."""
    return upgraded(c) + failed(c) + undone(c)


def attempted(c: Counts[Any]) -> Any:
    """Instances this run has touched: the denominator of R4.4 (S3)."""
    return in_flight(c) + settled_attempts(c) + c.indeterminate


def lost(c: Counts[Any]) -> Any:
    """Attempted instances that are or became unhealthy by their upgrade.  A failed one
    stays in here even when its previous disk has healed it (R4.4, S4)."""
    return c.upgraded_unhealthy + failed(c) + c.restoring + c.recovering + undone(c)


def unhealthy(c: Counts[Any]) -> Any:
    """Unhealthy instances of the set, whatever the cause; those in flight are not among
    them (R4.1, S5)."""
    return (
        c.pending_unhealthy
        + c.upgraded_unhealthy
        + c.failed_unhealthy
        + c.restored_unhealthy
        + c.unrestored_unhealthy
        + c.skipped_unhealthy
        + c.indeterminate
    )
