"""How fast a journal is audited, all promises watched."""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path

import attrs

from rollproof import (
    Command,
    Event,
    Health,
    Instance,
    Observed,
    Replaced,
    Start,
    Surveyed,
    Verb,
    new_run,
    news,
    trace,
)
from rollproof.journal import Journal, Turned
from rollproof.states import State
from rollproof_checks.audit import Finding, audit
from rollproof_checks.bench.stepping import TARGET, charter, fleet_of

TOGETHER = 1_000
"""Events of one turn: reports of many instances come at once."""


@attrs.frozen
class AuditFigure:
    """Events a second through `audit`, for a run of one size of set."""

    size: int
    events: int
    rows: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def microseconds(self) -> float:
        """Cost of one event."""
        return self.seconds / self.events * 1e6


def time_audit(size: int) -> AuditFigure:
    """Time an audit of a failure-free run under the default policy, surveys and all: the
    file is read, every digest computed, every event stepped, every row watched."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        record_run(path, size)
        gc.collect()
        began = time.perf_counter()
        found = audit(path)
        seconds = time.perf_counter() - began
    assert found.finding is Finding.SOUND
    (run,) = found.runs
    return AuditFigure(size, run.events, run.rows, seconds)


def record_run(path: Path, size: int) -> None:
    """Write the journal of such a run."""
    fleet = fleet_of(size)
    run = new_run(charter())
    todo: list[Event] = [Start(1)]
    with Journal(path) as journal:
        journal.open_run(run.charter, 1)
        turn: list[Turned] = []
        while todo:
            answers: list[Event] = []
            for event in todo:
                before = run
                run, commands, rows = trace(before, event)
                # The outbox plays no part in an audit: no command is entered.
                turn.append(Turned(before, event, run, (), rows))
                if len(turn) == TOGETHER:
                    journal.record(turn)
                    turn = []
                for command in commands:
                    if command.verb is Verb.SURVEY:
                        present, gone = news(run.ledger, TARGET, fleet.values())
                        answers.append(Surveyed(1, command.attempt, present, gone))
                    else:
                        answers.append(_answer(command, fleet))
            todo = answers
        journal.record(turn)
    assert run.state is State.COMPLETED


def _answer(command: Command, fleet: dict[str, Instance]) -> Event:
    if command.verb is Verb.REPLACE:
        return Replaced(2, command.instance, command.attempt)
    seen = attrs.evolve(fleet[command.instance], version=TARGET, health=Health.HEALTHY)
    fleet[command.instance] = seen
    return Observed(3, seen, command.attempt)
