"""Tables with one mistake each, and the properties that must notice it."""

from __future__ import annotations

from typing import Any, Final

import attrs

from rollproof import table
from rollproof.algebra import all_of, ite, negate
from rollproof.counts import attempted, failed, in_flight, lost, pending, unhealthy, whole
from rollproof.rules import batch_bound, exceeds, share
from rollproof.states import Cause, State, View
from rollproof.table import ROWS, TABLE, Actor, Row, always, deciding, going, set_to

CLAIM = ROWS["claim_healthy"]


@attrs.frozen(kw_only=True)
class Mistake:
    """One mistake."""

    title: str
    names: frozenset[str]
    """Properties that must be refuted, among others."""
    rows: tuple[Row, ...] = TABLE
    reaches: frozenset[str]
    """Rows that differ."""
    rule: tuple[str, Any] | None = None
    """A rule to put into the module of the table meanwhile."""


def row(title: str, names: str, name: str, **changes: Any) -> Mistake:
    """One row is another."""
    changed = attrs.evolve(ROWS[name], **changes)
    rows = tuple(changed if r.name == name else r for r in TABLE)
    return Mistake(
        title=title, names=frozenset(names.split()), rows=rows, reaches=frozenset({name})
    )


def rule(title: str, names: str, name: str, instead: Any, reaches: str) -> Mistake:
    """A rule, or a term that several rows share, is another."""
    return Mistake(
        title=title,
        names=frozenset(names.split()),
        reaches=frozenset(reaches.split()),
        rule=(name, instead),
    )


def missing(title: str, names: str, *absent: str) -> Mistake:
    """Rows are not there."""
    rows = tuple(r for r in TABLE if r.name not in absent)
    return Mistake(title=title, names=frozenset(names.split()), rows=rows, reaches=frozenset())


def put(name: str, register: str, value: Any) -> tuple[tuple[str, Any], ...]:
    """What a row sets, with another value for one register or phase."""
    return (*without(name, register), (register, value))


def without(name: str, register: str) -> tuple[tuple[str, Any], ...]:
    """What a row sets, but for one register."""
    return tuple(pair for pair in ROWS[name].sets if pair[0] != register)


BEGIN = "begin_healthy begin_unhealthy"
DECIDE = f"{BEGIN} breach_upgraded breach_fleet complete"

MISTAKES: Final = (
    # -- thresholds (S2 to S5)
    rule(
        "a share may be one instance above the limit",
        "FleetThresholdProp ImageThresholdProp ChangeProp",
        "exceeds",
        lambda part, whole, percent: exceeds(part - 1, whole, percent),
        BEGIN,
    ),
    rule(
        "< for <=: a share at the limit is a breach",
        "CauseDueProp ForwardInv",
        "exceeds",
        lambda part, whole, percent: part * 100 >= whole * percent,
        "breach_fleet breach_upgraded",
    ),
    rule(
        "a failed instance that its previous disk healed leaves the count (S4)",
        "ImageThresholdProp BlastRadiusProp",
        "lost",
        lambda c: lost(c) - c.restored_healthy,
        BEGIN,
    ),
    rule(
        "the whole set for the attempted instances (S3)",
        "ImageThresholdProp",
        "attempted",
        lambda c: attempted(c) + pending(c),
        BEGIN,
    ),
    rule(
        "what a forced cancel gave up counts as healthy (R5.3)",
        "FleetThresholdProp",
        "unhealthy",
        lambda c: unhealthy(c) - c.indeterminate - c.skipped_unhealthy,
        BEGIN,
    ),
    # -- batches (S1, S6)
    rule(
        "ceil for floor in the batch bound",
        "BoundProp",
        "batch_bound",
        lambda whole, percent: (whole * percent + 99) // 100,
        BEGIN,
    ),
    rule(
        "a batch bound of nothing, in a small set",
        "BoundInv BoundProp",
        "batch_bound",
        share,
        f"{BEGIN} restore_on_breach",
    ),
    row(
        "the batch bound of the pending instances only",
        "BoundProp RoomProp",
        "begin_unhealthy",
        sets=put("begin_unhealthy", "cap", lambda c, p: batch_bound(pending(c), p.max_batch)),
    ),
    rule(
        "the headroom forgets who is unhealthy already",
        "RoomProp AvailabilityProp",
        "headroom",
        lambda c, p: share(whole(c), p.max_unhealthy),
        BEGIN,
    ),
    row(
        "room is one too large",
        "BatchInv BlastRadiusProp RoomProp",
        "begin_healthy",
        sets=put("begin_healthy", "room", table.full_batch),
    ),
    row(
        "a claim that uses up no room",
        "BatchInv ClaimProp BlastRadiusProp",
        "claim_healthy",
        sets=(CLAIM.sets[1],),
    ),
    row(
        "a claim beyond the headroom",
        "RegisterInv",
        "claim_healthy",
        guard=lambda c, _p: all_of(going(c, _p), c.room > 0),
    ),
    row(
        "a claim that uses up no headroom",
        "ClaimProp AvailabilityProp",
        "claim_healthy",
        sets=(CLAIM.sets[0],),
    ),
    row("a seal that forgets", "RankProp ForwardInv", "seal", sets=()),
    row(
        "a claim that wants more room than one",
        "ForwardInv",
        "claim_unhealthy",
        guard=lambda c, _p: all_of(going(c, _p), c.room > 1),
    ),
    # -- gates (S7)
    row(
        "a batch begins although the run is held",
        "GatesProp ChangeProp",
        "begin_healthy",
        guard=lambda c, p: table.may_begin(c._replace(held=0), p),
    ),
    row(
        "a batch begins although the pause lasts",
        "GatesProp PauseInv",
        "begin_unhealthy",
        guard=lambda c, p: table.may_begin(c._replace(gated=0), p),
    ),
    row(
        "the picture of the fleet outlives a hold",
        "ViewProp",
        "resume",
        sets=without("resume", "view"),
    ),
    row(
        "the picture of the fleet outlives a batch",
        "ViewProp",
        "batch_done",
        sets=without("batch_done", "view"),
    ),
    row(
        "a fleet that did not answer counts as seen",
        "ViewProp",
        "survey_overdue",
        sets=put("survey_overdue", "view", set_to(View.FRESH)),
    ),
    row(
        "no pause between batches",
        "PacedProp",
        "batch_done",
        sets=without("batch_done", "gated"),
    ),
    row(
        "a survey ends a hold",
        "HoldProp",
        "surveyed",
        sets=put("surveyed", "held", set_to(0)),
    ),
    row(
        "a threshold judged during a batch",
        "ThresholdStopInv CauseDueProp",
        "breach_fleet",
        sources=frozenset({State.ROLLING_FORWARD}),
        guard=going,
    ),
    row(
        "a threshold judged during the pause",
        "CauseDueProp",
        "breach_upgraded",
        guard=lambda c, p: all_of(going(c, p), table.upgraded_breached(c, p)),
    ),
    row(
        "completed although the image does harm",
        "ChangeProp DisjointInv",
        "complete",
        guard=lambda c, p: all_of(deciding(c, p), pending(c) == 0),
    ),
    row(
        "completed although instances are pending",
        "CompletedInv ChangeProp",
        "complete",
        guard=lambda c, p: all_of(deciding(c, p), negate(table.upgraded_breached(c, p))),
    ),
    row(
        "the first gate before anything is known",
        "InitialInv ChangeProp",
        "end",
        target=State.IDLE,
    ),
    # -- windows and approvals (N10, R4.11)
    row(
        "a batch begins although the window is closed",
        "GatesProp ChangeProp",
        "begin_healthy",
        guard=lambda c, p: table.may_begin(c._replace(shut=0), p),
    ),
    row(
        "the picture of the fleet outlives a closed window",
        "ViewProp",
        "reopen",
        sets=without("reopen", "view"),
    ),
    row(
        "a window that an operator closes",
        "WindowProp",
        "pause",
        sets=(*ROWS["pause"].sets, ("shut", set_to(1))),
    ),
    row("a window that cancels", "WindowProp", "shut", sets=put("shut", "stop", set_to(1))),
    missing("a window that never opens", "ReportInv", "reopen"),
    row(
        "approvals nobody asked for",
        "DeferralInv StartProp",
        "start",
        sets=(("deferred", set_to(1)),),
    ),
    row(
        "completed although some are withheld",
        "CompletedInv ChangeProp DisjointInv",
        "complete",
        guard=lambda c, p: all_of(
            deciding(c, p), negate(table.upgraded_breached(c, p)), pending(c) == 0
        ),
    ),
    row(
        "withheld until the first batch is over",
        "ApprovalProp",
        "batch_done",
        sets=(*ROWS["batch_done"].sets, ("deferred", set_to(0))),
    ),
    row(
        "an approval that trusts an old picture",
        "ViewProp",
        "approve",
        sets=without("approve", "view"),
    ),
    row(
        "nobody is asked while somebody is pending",
        "ViewProp",
        "rest",
        guard=lambda c, p: all_of(deciding(c, p), c.deferred == 1),
    ),
    row(
        "a run that rests though nobody is left",
        "ViewProp",
        "rest",
        guard=table.only_withheld,
    ),
    row(
        "nobody left to approve, and the fleet is looked at for it",
        "ViewProp",
        "release",
        sets=put("release", "view", set_to(View.STALE)),
    ),
    row(
        "an approval of some that ends a hold",
        "OperatorInv",
        "approve_some",
        sets=put("approve_some", "held", set_to(0)),
    ),
    row("an approval that is no person's", "OperatorInv", "approve", actor=Actor.WORLD),
    missing("an approval of some that nobody hears", "OperatorInv", "approve_some"),
    missing("an approval that is waited for without end", "ReportInv", "lapse"),
    missing("a run that rests for ever", "ProgressInv", "rouse"),
    # -- ending (S8, R4.9)
    row(
        "a claim after a cause was recorded",
        "UntouchedProp",
        "claim_healthy",
        guard=lambda c, _p: all_of(c.room > 0, c.slack > 0),
    ),
    row("the last cause stands", "CauseKeptProp", "cancel", guard=always),
    row("a force again and again", "EffectProp", "force", guard=always),
    row(
        "a user's force that reads Faulted",
        "OperatorInv",
        "force",
        sets=put("force", "stop", lambda c, _p: ite(going(c, _p), Cause.OPTED_OUT, c.stop)),
    ),
    row("a force that is no cancel", "ForcedInv", "force", sets=(ROWS["force"].sets[0],)),
    row(
        "nobody waits for anything",
        "AbandonProp IndeterminateInv",
        "abandon_awaiting",
        guard=always,
    ),
    row("an end without a cause", "CancelledInv ChangeProp DisjointInv", "end", guard=always),
    row(
        "an end in mid-flight",
        "TerminalInv PlaceInv ChangeProp",
        "restores_done",
        empty=(),
        target=State.CANCELLED,
    ),
    missing("no end", "ProgressInv", "end"),
    missing("no beginning", "OperatorInv", "start"),
    row(
        "a pause that ends with the run's being given up",
        "PacedProp",
        "survey_overdue",
        sets=(*ROWS["survey_overdue"].sets, ("gated", set_to(0))),
    ),
    rule(
        "the last batch is followed by a pause too (R4.5)",
        "ProgressInv",
        "open_gates",
        lambda c, _p: all_of(going(c, _p), c.held == 0, c.gated == 0),
        f"ask {DECIDE}",
    ),
    row(
        "no cancel while rolling back",
        "OperatorInv",
        "cancel",
        sources=ROWS["cancel"].sources - {State.ROLLING_BACK},
    ),
    row(
        "an instance vanishes from an ended run",
        "FinalProp",
        "vanish_upgraded_healthy",
        sources=ROWS["vanish_upgraded_healthy"].sources | {State.COMPLETED},
    ),
    row(
        "a report before the run begins",
        "StartProp",
        "pending_falls_ill",
        sources=ROWS["pending_falls_ill"].sources | {State.IDLE},
    ),
    row("a run that begins held", "StartProp", "start", sets=(("held", set_to(1)),)),
    row("a run that nobody starts", "StartProp", "start", actor=Actor.WORLD),
    row(
        "giving one up seals the batch",
        "FrameProp",
        "abandon_replacing",
        sets=(("room", set_to(0)),),
    ),
    row(
        "an error that makes the fleet unseen",
        "ViewProp",
        "fault",
        sets=(*ROWS["fault"].sets, ("view", set_to(View.STALE))),
    ),
    # -- instances (S4, S9, S11)
    row(
        "a failed instance counted as upgraded",
        "MoveProp LostProp",
        "failed_recovers",
        enters="upgraded_healthy",
    ),
    row("a provider's word for a success", "MoveProp", "replaced", enters="upgraded_healthy"),
    row(
        "who was given up gets another turn",
        "MoveProp AttemptedProp",
        "abandon_replacing",
        enters="pending_unhealthy",
    ),
    row(
        "an instance is counted twice",
        "ConservationProp",
        "surveyed",
        sets=put("surveyed", "skipped_healthy", lambda c, _p: c.skipped_healthy + 1),
    ),
    row(
        "fewer instances than none",
        "NaturalInv ConservationProp",
        "pause_over",
        sets=put("pause_over", "failed_healthy", lambda c, _p: c.failed_healthy - 1),
    ),
    row(
        "a report that changes the batch",
        "FrameProp ClaimProp",
        "replaced",
        sets=(("room", lambda c, _p: c.room + 1),),
    ),
    row(
        "only who waits may fail: a deadline without effect",
        "ReportInv",
        "fail",
        sources=frozenset({State.WAITING_HEALTH}),
    ),
    missing("a survey that is never overdue", "ReportInv", "survey_overdue"),
    # -- rolling back (R4.3, R4.8)
    row(
        "restoring although rollback is off",
        "RollbackInv ChangeProp",
        "roll_back",
        guard=lambda c, _p: all_of(c.forced == 0, failed(c) > 0),
    ),
    row(
        "a batch over before its failed instances are given back",
        "RestoredInv ChangeProp DisjointInv",
        "batch_done",
        guard=always,
    ),
    row(
        "an end that forgets whom a threshold's end owes a disk",
        "BreachRestoredInv ChangeProp DisjointInv",
        "end",
        guard=lambda c, _p: c.stop != Cause.NONE,
    ),
    row(
        "restoring while the batch is awaited",
        "RestoreProp PlaceInv",
        "restore_unhealthy",
        sources=frozenset({State.WAITING_HEALTH}),
    ),
    row(
        "restoring by force",
        "RestoreProp DisjointInv",
        "restore_healthy",
        guard=lambda c, _p: in_flight(c) < c.cap,
    ),
    row(
        "restoring although a credential expired (R4.10)",
        "RestoreProp",
        "restore_unhealthy",
        guard=lambda c, _p: all_of(c.forced == 0, in_flight(c) < c.cap),
    ),
    row(
        "giving disks back after a credential expired (R4.10)",
        "ChangeProp",
        "roll_back",
        guard=lambda c, p: all_of(p.rollback == 1, c.forced == 0, failed(c) > 0),
    ),
    missing(
        "a credential that expires is not heard of (R4.10)", "OperatorInv", "fault_credentials"
    ),
    row(
        "restoring all at once",
        "BatchInv",
        "restore_unhealthy",
        guard=lambda c, _p: c.forced == 0,
    ),
    row(
        "a batch left while disks are replaced", "PlaceInv ChangeProp", "all_replaced", empty=()
    ),
    row("a run that asks for ever", "RankProp", "surveyed", sets=(("view", set_to(0)),)),
)
