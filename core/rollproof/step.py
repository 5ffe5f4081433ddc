"""The run machine: ``step(run, event) -> (run, commands)``.

`step` is pure: it reads no clock, touches nothing, and leaves the run it was given as
it was.  It turns an event into the rows of `rollproof.table` that the event causes,
takes them, and then takes every MACHINE and PICK row that has become possible.  It
decides nothing that the table does not decide.

Laws
----
* The ledger always sums to the counts.
* Every change of a run is a sequence of rows; `trace` names them.
* An event that the state does not accept raises `IllegalEvent`; the run is unchanged.
* A report about a command that is late, repeated or out of order changes nothing (S13).
  So does an observation that was asked for, once the run waits for its watch no more;
  and one that was not asked for, as long as its instance is in flight.
* Stepping costs amortised O(1) per instance event, whatever the size of the set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rollproof.commands import Command, Verb
from rollproof.counts import PHASES
from rollproof.errors import IllegalEvent
from rollproof.events import (
    Approve,
    Cancel,
    Event,
    Fault,
    Observed,
    Overdue,
    Pause,
    Reopen,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Shut,
    Start,
    Surveyed,
    Vanished,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import ATTEMPTED, CODE, HEALTHY, IN_FLIGHT, is_exempt, is_healthy
from rollproof.run import WAITED_FOR, Run
from rollproof.states import ACTIVE, TERMINAL, Cause, State
from rollproof.table import ABSENT, ROWS, TABLE, Row
from rollproof.turn import Turn


def step(run: Run, event: Event) -> tuple[Run, tuple[Command, ...]]:
    """The run after ``event``, and what it wants done.

    Raises `IllegalEvent` when the state does not accept the event (R4.9).
    """
    turn = Turn(run, event.at)
    _HANDLERS[run.state].get(type(event), _refuse)(turn, event)
    return turn.freeze(), tuple(turn.commands)


def trace(run: Run, event: Event) -> tuple[Run, tuple[Command, ...], tuple[str, ...]]:
    """As `step`, with the names of the rows taken, in order."""
    turn = Turn(run, event.at)
    _HANDLERS[run.state].get(type(event), _refuse)(turn, event)
    return turn.freeze(), tuple(turn.commands), tuple(turn.rows)


# -- the rows that events name --------------------------------------------------------

_REPLACED: Final = ROWS["replaced"]
_REPLACE_FAILED: Final = ROWS["replace_failed"]
_SUCCEED: Final = ROWS["succeed"]
_FAIL: Final = ROWS["fail"]
_DISK_RESTORED: Final = ROWS["disk_restored"]
_RESTORE_FAILED: Final = ROWS["restore_failed"]
_RECOVERED: Final = ROWS["recovered"]
_RECOVERED_UNHEALTHY: Final = ROWS["recovered_unhealthy"]
_UNRECOVERED: Final = ROWS["unrecovered"]

_REPLACING: Final = CODE["replacing"]
_AWAITING: Final = CODE["awaiting"]
_RESTORING: Final = CODE["restoring"]
_RECOVERING: Final = CODE["recovering"]
_UPGRADED: Final = CODE["upgraded_healthy"]

_OVERDUE: Final[Mapping[Verb, tuple[int, Row]]] = {
    Verb.REPLACE: (_REPLACING, _REPLACE_FAILED),
    Verb.RESTORE: (_RESTORING, _RESTORE_FAILED),
    Verb.WATCH: (_AWAITING, _FAIL),
}
_FLIP: Final[Mapping[int, Row]] = {
    row.leaves_code: row for row in TABLE if row.name.endswith(("_falls_ill", "_recovers"))
}
_EXEMPTION: Final[Mapping[int, Row]] = {
    row.leaves_code: row for row in TABLE if row.name.startswith(("exempt_", "enlist_"))
}
_VANISH: Final[Mapping[int, Row]] = {
    code: ROWS[f"vanish_{phase}"] for code, phase in enumerate(PHASES)
}
_APPEAR: Final[Mapping[tuple[bool, bool], Row]] = {
    (exempt, healthy): ROWS[
        f"appear_{'skipped' if exempt else 'pending'}_{'healthy' if healthy else 'unhealthy'}"
    ]
    for exempt in (False, True)
    for healthy in (False, True)
}


# -- events ---------------------------------------------------------------------------


def _start(turn: Turn, _event: Start) -> None:
    turn.take(ROWS["start"])
    if turn.counts.deferred:
        deadline = turn.at + turn.charter.approval_wait
        turn.commands.append(Command(Verb.AWAIT, "", 1, deadline))
    turn.settle()


def _cancel(turn: Turn, event: Cancel) -> None:
    turn.take_if_enabled(ROWS["opt_out" if event.cause is Cause.OPTED_OUT else "cancel"])
    if event.force:
        turn.take_if_enabled(ROWS["force"])
    turn.settle()


def _pause(turn: Turn, _event: Pause) -> None:
    turn.take_if_enabled(ROWS["pause"])


def _resume(turn: Turn, _event: Resume) -> None:
    turn.take_if_enabled(ROWS["resume"])
    turn.settle()


def _shut(turn: Turn, _event: Shut) -> None:
    turn.take_if_enabled(ROWS["shut"])


def _reopen(turn: Turn, _event: Reopen) -> None:
    turn.take_if_enabled(ROWS["reopen"])
    turn.settle()


def _approve(turn: Turn, event: Approve) -> None:
    if turn.approved is None or not turn.counts.deferred:
        return  # nothing is withheld, or not for want of an approval any more
    if event.instances:
        if turn.approved.issuperset(event.instances):
            return  # approved already (S13)
        turn.approved |= frozenset(event.instances)
        turn.take_if_enabled(ROWS["approve_some"])
    else:
        turn.approved = None
        turn.take(ROWS["approve"])
    turn.settle()


def _fault(turn: Turn, event: Fault) -> None:
    expired = event.cause is Cause.CREDENTIALS
    turn.take_if_enabled(ROWS["fault_credentials" if expired else "fault"])
    turn.settle()


def _replaced(turn: Turn, event: Replaced) -> None:
    index = turn.reported(event.instance, event.attempt, _REPLACING)
    if index >= 0:
        turn.take(_REPLACED, index)
        turn.command(Verb.WATCH, index, turn.charter.health_wait, turn.charter.target)
        turn.settle()


def _replace_failed(turn: Turn, event: ReplaceFailed) -> None:
    index = turn.reported(event.instance, event.attempt, _REPLACING)
    if index >= 0:
        turn.take(_REPLACE_FAILED, index)
        turn.settle()


def _restored(turn: Turn, event: Restored) -> None:
    index = turn.reported(event.instance, event.attempt, _RESTORING)
    if index >= 0:
        turn.take(_DISK_RESTORED, index)
        before = turn.before.cells()[index]
        _note_version(turn, index, None)  # whatever was seen, was seen on another disk
        turn.command(Verb.WATCH, index, turn.charter.health_wait, before, back=1)


def _restore_failed(turn: Turn, event: RestoreFailed) -> None:
    index = turn.reported(event.instance, event.attempt, _RESTORING)
    if index >= 0:
        turn.take(_RESTORE_FAILED, index)
        turn.settle()


def _observed(turn: Turn, event: Observed) -> None:
    seen, attempt = turn.charter.read(event.instance), event.attempt
    if attempt is None:
        _seen_unasked(turn, seen)
        return
    index = turn.reported(seen.id, attempt, _AWAITING)
    if index >= 0:
        if seen.version == turn.charter.target and seen.health is Health.HEALTHY:
            turn.take(_SUCCEED, index)  # which says what version it runs
            turn.settle()
        return
    index = turn.reported(seen.id, attempt - 1, _RECOVERING)
    if index >= 0:
        _note_version(turn, index, seen.version)
        if seen.health is Health.HEALTHY and _is_back(turn, index):
            turn.take(_RECOVERED, index)
            turn.settle()


def _seen_unasked(turn: Turn, instance: Instance) -> None:
    """What somebody saw by himself says nothing about an instance in flight (S13)."""
    index = turn.index_of(instance.id)
    phase = ABSENT if index < 0 else turn.phase(index)
    if phase == ABSENT:
        _appear(turn, instance)
    elif phase not in IN_FLIGHT:
        _place(turn, index, instance)
    turn.settle()


def _vanished(turn: Turn, event: Vanished) -> None:
    index = turn.index_of(event.instance)
    if index < 0:
        return
    phase = turn.phase(index)
    if event.attempt is None:
        believed = phase not in IN_FLIGHT
    else:
        back = event.attempt - turn.lives.get(index, 1)
        believed = phase == WAITED_FOR.get((event.verb, back))
    if believed:
        _remove(turn, event.instance)
        turn.settle()


def _surveyed(turn: Turn, event: Surveyed) -> None:
    if event.attempt != turn.surveys:
        return
    if not turn.may_take(ROWS["surveyed"]):
        return
    strangers: dict[str, Instance] = {}  # who enter together: at first that is the whole set
    for instance in map(turn.charter.read, event.present):
        if instance.id not in turn.roster.index and instance.id not in strangers:
            strangers[instance.id] = instance
            continue
        if strangers:  # what was told before is worked in before
            _appear(turn, *strangers.values())
            strangers = {}
        index = turn.index_of(instance.id)
        if index < 0 or turn.phase(index) == ABSENT:
            _appear(turn, instance)
        else:
            _place(turn, index, instance)
    if strangers:
        _appear(turn, *strangers.values())
    for name in event.gone:
        _remove(turn, name)
    turn.take(ROWS["surveyed"])
    turn.settle()


def _overdue(turn: Turn, event: Overdue) -> None:
    if event.verb is Verb.SURVEY:
        if event.attempt == turn.surveys:
            turn.take_if_enabled(ROWS["survey_overdue"])
    elif event.verb is Verb.WAIT:
        if event.attempt == turn.batches:
            turn.take_if_enabled(ROWS["pause_over"])
    elif event.verb is Verb.AWAIT:
        if turn.counts.deferred:
            turn.approved = None if turn.charter.lapse_approves else turn.approved
            turn.take(ROWS["lapse"])
    else:
        _instance_overdue(turn, event)
    turn.settle()


def _instance_overdue(turn: Turn, event: Overdue) -> None:
    phase, row = _OVERDUE[event.verb]
    index = turn.reported(event.instance, event.attempt, phase)
    if index >= 0:
        turn.take(row, index)
    elif event.verb is Verb.WATCH:
        index = turn.reported(event.instance, event.attempt - 1, _RECOVERING)
        if index >= 0:
            back = _is_back(turn, index)
            turn.take(_RECOVERED_UNHEALTHY if back else _UNRECOVERED, index)


# -- what events share ------------------------------------------------------------------


def _appear(turn: Turn, *instances: Instance) -> None:
    """New instances, several only if none has an index yet: done if on the target, else
    pending (S11)."""
    first = _seat(turn, *instances)
    target, approved = turn.charter.target, turn.approved
    codes = []
    for instance in instances:
        exempt = is_exempt(instance, ABSENT, target, approved)
        row = _APPEAR[exempt, is_healthy(instance, ABSENT, target)]
        turn.take(row)
        codes.append(row.enters_code)
    turn.phases = turn.phases.put_all(first, codes)
    turn.versions = turn.versions.put_all(first, [each.version for each in instances])


def _seat(turn: Turn, *instances: Instance) -> int:
    """The index of the first, in the lane of its zone and update domain; the others, if
    there are any, follow in theirs."""
    old = turn.index_of(instances[0].id)
    if turn.roster.seats(old, instances[0]):
        return old
    shared = turn.roster
    index = shared.size
    turn.roster = shared.enrol(*instances, alone=turn.alone)
    turn.alone = turn.alone or turn.roster.ids is not shared.ids
    turn.phases.stretch(turn.roster.size, ABSENT)
    turn.versions.stretch(turn.roster.size, None)
    turn.before.stretch(turn.roster.size, None)
    if old in turn.lives:
        turn.lives = {**turn.lives, index: turn.lives[old]}
    return index


def _remove(turn: Turn, name: str) -> None:
    """A vanished instance leaves the ledger; should it come back, it is another life."""
    index = turn.index_of(name)
    code = ABSENT if index < 0 else turn.phase(index)
    if code == ABSENT:
        return
    if code in ATTEMPTED:
        turn.lives = {**turn.lives, index: turn.lives.get(index, 1) + 2}
    turn.take(_VANISH[code], index)


def _place(turn: Turn, index: int, instance: Instance) -> None:
    """Note how a settled instance is: its place, whether it is ours, its health."""
    target = turn.charter.target
    if turn.phase(index) != _UPGRADED or not is_healthy(instance, _UPGRADED, target):
        _note_version(turn, index, instance.version)  # else the phase says it
    if not turn.roster.seats(index, instance):
        index = _relocate(turn, index, instance)
    code = turn.phase(index)
    if code in _EXEMPTION:
        row = _EXEMPTION[code]
        if is_exempt(instance, code, target, turn.approved) != row.name.startswith("enlist"):
            turn.take(row, index)
            code = turn.phase(index)
    if is_healthy(instance, code, target) != (code in HEALTHY):
        turn.take(_FLIP[code], index)


def _relocate(turn: Turn, old: int, instance: Instance) -> int:
    """Give an instance that changed its zone an index in its new lane.  No row: the
    phase stays, only the place in the table is another."""
    new = _seat(turn, instance)
    turn.phases = turn.phases.put(new, turn.phase(old)).put(old, ABSENT)
    turn.versions = turn.versions.put(new, turn.versions.cells()[old])
    turn.before = turn.before.put(new, turn.before.cells()[old])
    return new


def _note_version(turn: Turn, index: int, version: str | None) -> None:
    if turn.versions.cells()[index] != version:
        turn.versions = turn.versions.put(index, version)


def _is_back(turn: Turn, index: int) -> bool:
    """Whether the instance was last seen on the version it had before (S9)."""
    seen = turn.versions.cells()[index]
    before = turn.before.cells()[index]
    if before is None:
        return seen is not None and seen != turn.charter.target
    return seen == before


# -- which state takes which event ------------------------------------------------------


def _ignore(_turn: Turn, _event: Event) -> None:
    """A report that comes after the end of the run is a fact, and changes nothing."""


def _refuse(turn: Turn, event: Event) -> None:
    raise IllegalEvent(turn.state, type(event).__name__)


Handler = Callable[[Turn, Any], None]

_ORDERS: Final[Mapping[type, Handler]] = {
    Cancel: _cancel,
    Pause: _pause,
    Resume: _resume,
    Approve: _approve,
}
_REPORTS: Final[Mapping[type, Handler]] = {
    Surveyed: _surveyed,
    Replaced: _replaced,
    ReplaceFailed: _replace_failed,
    Observed: _observed,
    Vanished: _vanished,
    Restored: _restored,
    RestoreFailed: _restore_failed,
    Overdue: _overdue,
    Shut: _shut,
    Reopen: _reopen,
    Fault: _fault,
}
_HANDLERS: Final[Mapping[State, Mapping[type, Handler]]] = {
    State.IDLE: {Start: _start},
    **{state: {**_ORDERS, **_REPORTS} for state in ACTIVE},
    **{state: dict.fromkeys(_REPORTS, _ignore) for state in TERMINAL},
}
"""Whatever is not here is refused (R4.9)."""
