"""A run at one moment, as a value; `rollproof.step` makes the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from rollproof.charter import Charter
from rollproof.commands import IDLE_VERBS, Command, Verb
from rollproof.counts import EMPTY, Counts
from rollproof.ledger import CODE, Ledger, empty_ledger
from rollproof.states import TERMINAL, Cause, State, View


class Run(NamedTuple):
    """A run at one moment.  The ledger always sums to the counts."""

    charter: Charter
    state: State
    cells: tuple[int, ...]
    """The counts, bare."""
    ledger: Ledger
    surveys: int
    """Surveys asked for so far; the number of the one that is open."""
    batches: int
    """Batches begun so far."""

    @property
    def counts(self) -> Counts[int]:
        """How many instances stand in which phase, and the registers."""
        return Counts._make(self.cells)

    @property
    def cause(self) -> Cause:
        """What stopped or is stopping the run."""
        return Cause(self.counts.stop)


def new_run(charter: Charter) -> Run:
    """A run that has not begun."""
    withholding = bool(charter.limits.deferral)
    return Run(charter, State.IDLE, EMPTY, empty_ledger(withholding=withholding), 0, 0)


def resumed(charter: Charter, command: Command, last_at: int, now: int) -> Command:
    """``command`` as a host issues it again that comes back at ``now``, when the last
    event of its run was recorded at ``last_at``.

    Time in which nobody hosted is not counted against a wait: the command has as long as
    it had left at ``last_at``, and never longer than when it was first issued, whatever
    the clock did meanwhile.  A pause, and the time for an approval, is a time on the clock,
    and goes on without a host; only where the clock went back it is cut to its length (R4.5,
    R4.11, N2).
    """
    whole = now + charter.wait(command.verb)
    left = 0 if command.verb in IDLE_VERBS else now - last_at
    return command._replace(deadline=min(command.deadline + left, whole))


def expects(run: Run, command: Command) -> bool:
    """Whether an outcome of ``command`` can still change the run.

    What is not expected any more need not be waited for, nor issued again after a
    crash.
    """
    if run.state in TERMINAL:
        return False
    if command.verb is Verb.SURVEY:
        return command.attempt == run.surveys and run.counts.view == View.ASKED
    if command.verb is Verb.WAIT:
        return command.attempt == run.batches and run.counts.gated == 1
    if command.verb is Verb.AWAIT:
        return run.counts.deferred == 1
    index = run.ledger.find(command.instance)
    if index is None:
        return False
    back = command.attempt - run.ledger.attempt(index)
    return run.ledger.phases.cells()[index] == WAITED_FOR.get((command.verb, back))


WAITED_FOR: Final[Mapping[tuple[Verb, int], int]] = {
    (Verb.REPLACE, 0): CODE["replacing"],
    (Verb.WATCH, 0): CODE["awaiting"],
    (Verb.RESTORE, 0): CODE["restoring"],
    (Verb.WATCH, 1): CODE["recovering"],
}
"""Phase in which a command is waited for, by its verb and by how far its attempt number
is beyond the first of the instance's life."""
