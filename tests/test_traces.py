"""Traces: the spans that OpenTelemetry's own SDK gets to see (R7.1)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from recorded import Recorder, receiver, recorder
from rollproof.commands import Verb
from rollproof.counts import PHASES
from rollproof.events import Cancel
from rollproof.installation.observing.traces import (
    BEGUN,
    DONE,
    MARKED,
    PHASES_OF,
    Traces,
    trace_of,
)
from rollproof.journal import Turned
from rollproof.table import ROWS
from rollproof_checks.simulated import Conduct, Twist, scripted
from shared_host import NO_LIMITS, fast_folder

BACK = NO_LIMITS._replace(rollback=1)


@pytest.fixture
def scene() -> Iterator[Recorder]:
    with fast_folder() as folder, recorder(folder) as made:
        yield made


class Process:
    """What one process that traces sends."""

    def __init__(self, scene: Recorder) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(lambda: self._provider)
        self.traces.opens()
        self._tap = scene.tap()

    def hear(self) -> None:
        self.traces.takes(list(self._tap.news()), ())

    def spans(self, name: str) -> list[ReadableSpan]:
        return [s for s in self._exporter.get_finished_spans() if s.name == f"rollproof.{name}"]

    @property
    def run(self) -> ReadableSpan:
        (span,) = self.spans("run")
        return span


def attributes(span: ReadableSpan) -> dict[str, object]:
    return {name.removeprefix("rollproof."): v for name, v in (span.attributes or {}).items()}


def parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return int(span.parent.span_id)


def own(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def marks(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def second_batch(turned: Turned) -> bool:
    return turned.after.batches == 2


class TestSpans:
    """One for the run, below it the batches, below those the instances."""

    def test_the_tree_of_a_run(self, scene: Recorder) -> None:
        process = Process(scene)
        scene.upgrade()
        process.hear()
        run, batches, upgrades = process.run, process.spans("batch"), process.spans("upgrade")
        assert attributes(run) == {
            "run": "r1",
            "scale_set": "web",
            "target": "1.1.0",
            "started_by": "User",
            "state": "Completed",
            "cause": "none",
            "batches": 4,
        }
        assert run.status.status_code is StatusCode.OK
        assert [attributes(b) for b in batches] == [
            {"batch": n, "instances": 1} for n in (1, 2, 3, 4)
        ]
        assert {parent(batch) for batch in batches} == {own(run)}
        assert [parent(upgrade) for upgrade in upgrades] == [own(b) for b in batches]
        assert {attributes(u)["instance"] for u in upgrades} == {f"vm-{n}" for n in range(4)}
        assert {attributes(u)["phase"] for u in upgrades} == {"upgraded_healthy"}
        assert {marks(u)[0] for u in upgrades} == {"replaced"}
        assert marks(run) == ["surveyed"] * 5

    def test_times_are_those_of_the_events(self, scene: Recorder) -> None:
        process = Process(scene)
        scene.upgrade()
        process.hear()
        events = list(scene.journal.events("r1"))
        run = process.run
        assert run.start_time == events[0].event.at * 1_000_000
        assert run.end_time == events[-1].event.at * 1_000_000
        for batch in process.spans("batch"):
            times = (run.start_time, batch.start_time, batch.end_time, run.end_time)
            found = [time for time in times if time is not None]
            assert (found, len(found)) == (sorted(found), 4)

    def test_failure_and_restore(self, scene: Recorder) -> None:
        """R4.3: in the same batch, each with its outcome."""
        process = Process(scene)
        refused = scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.LIED)]})
        scene.upgrade(behaviour=refused, limits=BACK)
        process.hear()
        (failed,) = [
            s for s in process.spans("upgrade") if s.status.status_code is StatusCode.ERROR
        ]
        assert attributes(failed) == {
            "instance": "vm-0",
            "attempt": 1,
            "phase": "failed_unhealthy",
        }
        assert "1.0.0" in (failed.status.description or "")
        (restore,) = process.spans("restore")
        assert parent(restore) == parent(failed)
        assert attributes(restore)["instance"] == "vm-0"
        assert attributes(restore)["phase"] == "restored_healthy"
        assert "roll_back" in marks(process.run)

    def test_a_run_that_is_stopped(self, scene: Recorder) -> None:
        process = Process(scene)
        refused = scripted(
            {(Verb.REPLACE, f"vm-{n}"): [Conduct(Twist.REFUSED)] for n in range(4)}
        )
        strict = NO_LIMITS._replace(max_unhealthy_upgraded=0)
        scene.upgrade(behaviour=refused, limits=strict)
        process.hear()
        assert process.run.status.status_code is StatusCode.ERROR
        assert attributes(process.run)["cause"] == "upgraded_unhealthy"
        assert marks(process.run)[-1] == "breach_upgraded"

    def test_forced(self, scene: Recorder) -> None:
        """S8: what was in flight ends as unknown, with the run."""
        process = Process(scene)
        scene.upgrade(until=second_batch)
        scene.journal.post("r1", Cancel(0, force=True), "k")
        scene.upgrade()
        process.hear()
        last = process.spans("upgrade")[-1]
        assert attributes(last)["phase"] == "indeterminate"
        assert last.end_time == process.run.end_time
        assert {"cancel", "force"} <= {*marks(process.run)}
        assert process.traces._runs == {}

    def test_two_runs_are_two_traces(self, scene: Recorder) -> None:
        process = Process(scene)
        scene.upgrade("r1", "web")
        scene.upgrade("r2", "db")
        process.hear()
        traces = {s.context.trace_id for s in process.spans("run") if s.context}
        assert traces == {trace_of("r1")[0], trace_of("r2")[0]}

    def test_the_rows_it_looks_for_exist(self) -> None:
        assert set(ROWS) >= MARKED | DONE | BEGUN
        assert {phase for phases in PHASES_OF.values() for phase in phases} <= set(PHASES)


class TestResumed:
    """N2: whoever goes on with a run goes on with its trace."""

    def test_the_trace_goes_on_after_a_kill(self, scene: Recorder) -> None:
        """What had ended is not sent again, what was open begins when it began."""
        before = Process(scene)
        scene.upgrade(until=second_batch)
        before.hear()
        after = Process(scene)
        scene.upgrade()
        after.hear()
        assert before.spans("run") == []
        assert [attributes(s)["batch"] for s in before.spans("batch")] == [1]
        assert [attributes(s)["batch"] for s in after.spans("batch")] == [2, 3, 4]
        upgrades = before.spans("upgrade") + after.spans("upgrade")
        assert len({attributes(s)["instance"] for s in upgrades}) == len(upgrades) == 4
        everything = [*before.spans("batch"), *after.spans("batch"), after.run, *upgrades]
        assert {s.context.trace_id for s in everything if s.context} == {trace_of("r1")[0]}
        start = next(iter(scene.journal.events("r1"))).event.at
        assert after.run.start_time == start * 1_000_000

    def test_interrupted(self, scene: Recorder) -> None:
        """A process that ends in order sends what it had open, and says so."""
        process = Process(scene)
        scene.upgrade(until=second_batch)
        process.hear()
        process.traces.close()
        assert attributes(process.run)["interrupted"] is True
        assert attributes(process.spans("batch")[-1])["interrupted"] is True
        assert "interrupted" not in attributes(process.spans("batch")[0])


class TestExport:
    """Where spans go unless a program says otherwise: OTLP over HTTP."""

    def test_to_a_collector(self, scene: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        tap = scene.tap()
        scene.upgrade()
        with receiver() as collector:
            endpoint = f"http://127.0.0.1:{collector.port}"
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
            traces = Traces()
            traces.opens()
            traces.takes(list(tap.news()), ())
            traces.close()
            request = ExportTraceServiceRequest()
            request.ParseFromString(collector.posts[0][1])
        (resource,) = request.resource_spans
        named = {a.key: a.value.string_value for a in resource.resource.attributes}
        assert named["service.name"] == "rollproof"
        spans = resource.scope_spans[0].spans
        assert {span.name for span in spans} == {
            *("rollproof.run", "rollproof.batch", "rollproof.upgrade")
        }
        assert {int.from_bytes(span.trace_id, "big") for span in spans} == {trace_of("r1")[0]}

    def test_a_provider_that_is_there_is_used(self) -> None:
        """As `opentelemetry-instrument` sets one up, or the program around."""
        program = (
            "from opentelemetry import trace\n"
            "from opentelemetry.sdk.trace import TracerProvider\n"
            "from rollproof.installation.observing.traces import provider\n"
            "trace.set_tracer_provider(mine := TracerProvider())\n"
            "print(provider()[0] is mine)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout == "True\n"
