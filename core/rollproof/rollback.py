"""The charter of a rollback: what a run that has ended left to be taken back (N7)."""

from __future__ import annotations

import attrs

from rollproof.charter import Charter, Deferral, StartedBy, draw_up
from rollproof.errors import NothingToUndo, RunActive
from rollproof.fleet import ScaleSet
from rollproof.images import ImageVersion
from rollproof.ledger import ATTEMPTED
from rollproof.run import Run
from rollproof.states import TERMINAL
from rollproof.undo import Undo


def draw_up_rollback(
    scale_set: ScaleSet,
    undone: Run,
    *,
    run: str,
    started_by: StartedBy = StartedBy.USER,
) -> Charter:
    """The charter of a run that takes ``undone`` back, under the set's policy of today.

    Every instance is brought to the version it had before; those whose previous disk is
    back already, or of which nobody knows what they ran, are left alone.  An instance that
    fails keeps the disk that was given back: there is none before it.

    Raises `RunActive` when that run has not ended, `NothingToUndo` when it left nothing.
    """
    if undone.state not in TERMINAL:
        raise RunActive(scale_set.name, undone.charter.run)
    undo = _left_by(undone)
    if not undo.before:
        raise NothingToUndo(undone.charter.run)
    versions = sorted(set(undo.before.values()))
    # One version before: its name says where the instances go.  Several: each its own.
    target = versions[0] if len(versions) == 1 else f"before {undone.charter.run}"
    usual = draw_up(
        scale_set, ImageVersion(0, 0, 0), run=run, started_by=started_by, rollback=False
    )
    return attrs.evolve(
        usual,
        target=target,
        limits=usual.limits._replace(restore_on_breach=0, deferral=0),
        deferral=Deferral.NONE,  # whoever asks for a rollback has approved it
        undo=undo,
    )


def _left_by(undone: Run) -> Undo:
    ledger = undone.ledger
    phases, before = ledger.phases.cells(), ledger.before.cells()
    found: dict[str, str] = {}
    lives: dict[str, int] = {}
    for name, phase in ledger.members():
        index = ledger.roster.index[name]
        was = before[index]
        if phases[index] not in ATTEMPTED or phase.startswith("restored") or was is None:
            continue
        found[name] = was
        if (attempt := ledger.attempt(index)) != 1:
            lives[name] = attempt
    charter = undone.charter
    return Undo(run=charter.run, version=charter.target, before=found, lives=lives)
