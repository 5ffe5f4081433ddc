"""How fast the pure step is, and whether its cost depends on the size of the set."""

from __future__ import annotations

import gc
import resource
import time

import attrs

from rollproof import (
    Charter,
    Command,
    Event,
    Health,
    Instance,
    Limits,
    Observed,
    Replaced,
    Run,
    Start,
    State,
    Surveyed,
    Verb,
    new_run,
    news,
    step,
)

TARGET = "1.1.0"


def charter(*, percent: int = 20, cross_zone: bool = False) -> Charter:
    """A run with the default thresholds."""
    limits = Limits(percent, 20, 20, 1, 0, 0)
    if percent > 20:
        limits = limits._replace(max_unhealthy=percent)
    return Charter(
        run="bench", scale_set="bench", target=TARGET, limits=limits, cross_zone=cross_zone
    )


def fleet_of(size: int) -> dict[str, Instance]:
    """``size`` healthy instances on an older version, in three zones."""
    return {
        name: Instance(id=name, zone=f"z{number % 3}", version="1.0.0", health=Health.HEALTHY)
        for number in range(size)
        for name in [f"vm-{number:07d}"]
    }


@attrs.frozen
class StepFigure:
    """Events a second through `step`, for one size of set."""

    size: int
    events: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Instance events a second."""
        return self.events / self.seconds

    @property
    def microseconds(self) -> float:
        """Cost of one instance event."""
        return self.seconds / self.events * 1e6


def time_step(size: int) -> StepFigure:
    """Time only `step`, on the two events that every upgraded instance brings: its disk
    is replaced, and it is seen healthy.  All instances are in one batch."""
    run, _ = step(new_run(charter(percent=100, cross_zone=True)), Start(0))
    fleet = fleet_of(size)
    present, gone = news(run.ledger, TARGET, fleet.values())
    run, commands = step(run, Surveyed(1, 1, present, gone))
    assert len(commands) == size
    events: list[Event] = [Replaced(2, c.instance, c.attempt) for c in commands]
    events += [Observed(3, _upgraded(fleet[c.instance]), c.attempt) for c in commands]
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for event in events:
        run, _ = step(run, event)
    seconds = time.perf_counter() - began
    gc.unfreeze()
    assert run.counts.upgraded_healthy == size
    return StepFigure(size, len(events), seconds)


@attrs.frozen
class RunFigure:
    """A whole simulated run."""

    size: int
    events: int
    batches: int
    seconds: float
    peak_mib: float
    """Resident memory of the process at its largest, the simulated fleet included."""


def time_run(size: int) -> RunFigure:
    """A failure-free run under the default policy, surveys and all."""
    fleet = fleet_of(size)
    began = time.perf_counter()
    run = new_run(charter())
    todo: list[Event] = [Start(0)]
    events = 0
    gc.freeze()
    while todo:
        answers: list[Event] = []
        for event in todo:
            run, commands = step(run, event)
            events += 1
            answers.extend(_answer(run, command, fleet) for command in commands)
        todo = answers
    seconds = time.perf_counter() - began
    assert run.state is State.COMPLETED
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return RunFigure(size, events, run.batches, seconds, peak)


def _answer(run: Run, command: Command, fleet: dict[str, Instance]) -> Event:
    if command.verb is Verb.SURVEY:
        present, gone = news(run.ledger, TARGET, fleet.values())
        return Surveyed(1, command.attempt, present, gone)
    if command.verb is Verb.REPLACE:
        return Replaced(2, command.instance, command.attempt)
    fleet[command.instance] = _upgraded(fleet[command.instance])
    return Observed(3, fleet[command.instance], command.attempt)


def _upgraded(instance: Instance) -> Instance:
    return attrs.evolve(instance, version=TARGET)
