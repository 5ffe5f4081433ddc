"""An outlet that traces: spans for OpenTelemetry, through its API (extra `otel`).

One span for the run; below it one for each batch; below that one for each attempt to
upgrade an instance, and for each restore.  Times are those of the events.

A span leaves a process only when it has ended, so what a killed process had open is lost.
Whoever goes on with the run opens those spans anew, from their true beginnings.  The
trace id is derived from the run's id, hence all that ever hosted a run trace into one
trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from rollproof.commands import Verb
from rollproof.events import Observed, Replaced, Restored
from rollproof.installation.following import Happening
from rollproof.installation.observing.lines import Dropped
from rollproof.installation.observing.outlet import bringing
from rollproof.installation.observing.tap import Told
from rollproof.run import Run
from rollproof.states import TERMINAL

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider

MARKED: Final = frozenset(
    {
        *("surveyed", "survey_overdue", "pause", "resume", "cancel", "opt_out", "force"),
        *("breach_upgraded", "breach_fleet", "restore_on_breach", "roll_back", "fault"),
    }
)
"""Rows that become events of the run's span."""
DONE: Final = frozenset({"batch_done", "restores_done"})
"""Rows that end a batch."""
BEGUN: Final = frozenset({"begin_healthy", "begin_unhealthy"})
"""Rows that begin one."""
FAILING: Final = frozenset({"fail", "replace_failed"})
"""Rows by which an attempt fails."""
PHASES_OF: Final = {
    Verb.REPLACE: ("replacing", "awaiting"),
    Verb.RESTORE: ("restoring", "recovering"),
}
"""What an attempt lasts as long as."""
NAMES: Final = {Verb.REPLACE: "rollproof.upgrade", Verb.RESTORE: "rollproof.restore"}
GOOD: Final = frozenset({"upgraded_healthy", "restored_healthy"})
"""Phases after which an attempt was a success."""


def trace_of(run: str) -> tuple[int, int]:
    """The ids of a run's trace, and of the span that everything in it hangs from; that
    one is never sent."""
    digest = hashlib.sha256(run.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")


@attrs.define(eq=False)
class _Open:
    """The spans of one run that have not ended."""

    run: Span
    batch: Span | None = None
    attempts: dict[tuple[Verb, str], Span] = attrs.Factory(dict)


class Traces:
    """Makes spans of what happens."""

    name = "traces"
    lasting = False
    at_once = 1_000
    backlog = None

    def __init__(self, provider_of: Callable[[], TracerProvider] | None = None) -> None:
        """``provider_of`` is called when it opens; left out, see `provider`.  Raises
        `NotInstalled`."""
        with bringing("otel", "`otel = true`"):
            import opentelemetry.trace  # whether it is there

            if provider_of is None:
                import opentelemetry.exporter.otlp.proto.http
                import opentelemetry.sdk.trace  # noqa: F401  # whether they are there
        self._provider_of = provider_of
        self._own: Callable[[], None] = lambda: None
        self._runs: dict[str, _Open] = {}

    def opens(self) -> None:
        """Find the provider."""
        if self._provider_of is not None:
            found = self._provider_of()
        else:
            found, self._own = provider()
        self._tracer = found.get_tracer("rollproof")

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        """Trace them."""
        for each in told:
            self._hears(each.happening, each.why)

    def close(self) -> None:
        """End what is open, marked as interrupted, and send it."""
        for spans in self._runs.values():
            for span in (*spans.attempts.values(), spans.batch, spans.run):
                if span is not None:
                    span.set_attribute("rollproof.interrupted", True)
                    span.end()
        self._runs.clear()
        self._own()

    def _hears(self, happening: Happening, why: str) -> None:
        run = happening.after.charter.run
        if "start" in happening.rows:
            self._runs[run] = _Open(self._run_span(happening))
        spans = self._runs.get(run)
        if spans is None:  # its beginning is not known, so neither is what it hangs from
            return
        self._mark(spans, happening)
        self._end_attempts(spans, happening, why)
        if DONE.intersection(happening.rows) and spans.batch is not None:
            _end(spans.batch, happening)
            spans.batch = None
        if BEGUN.intersection(happening.rows):
            spans.batch = self._batch_span(spans.run, happening)
        self._begin_attempts(spans, happening)
        if happening.after.state in TERMINAL:
            _conclude(spans.run, happening.after)
            _end(spans.run, happening)
            del self._runs[run]

    # -- beginnings

    def _run_span(self, happening: Happening) -> Span:
        from opentelemetry import trace

        charter = happening.after.charter
        trace_id, span_id = trace_of(charter.run)
        root = trace.SpanContext(
            trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(1)
        )
        return self._tracer.start_span(
            "rollproof.run",
            context=trace.set_span_in_context(trace.NonRecordingSpan(root)),
            start_time=_nanoseconds(happening),
            attributes={
                "rollproof.run": charter.run,
                "rollproof.scale_set": charter.scale_set,
                "rollproof.target": charter.target,
                "rollproof.started_by": charter.started_by.value,
            },
        )

    def _batch_span(self, run: Span, happening: Happening) -> Span:
        claimed = sum(command.verb is Verb.REPLACE for command in happening.commands)
        return self._tracer.start_span(
            "rollproof.batch",
            context=_below(run),
            start_time=_nanoseconds(happening),
            attributes={
                "rollproof.batch": happening.after.batches,
                "rollproof.instances": claimed,
            },
        )

    def _begin_attempts(self, spans: _Open, happening: Happening) -> None:
        parent = spans.batch or spans.run
        for command in happening.commands:
            if command.verb in NAMES:
                spans.attempts[command.verb, command.instance] = self._tracer.start_span(
                    NAMES[command.verb],
                    context=_below(parent),
                    start_time=_nanoseconds(happening),
                    attributes={
                        "rollproof.instance": command.instance,
                        "rollproof.attempt": command.attempt,
                    },
                )

    # -- what happens in between, and ends

    def _mark(self, spans: _Open, happening: Happening) -> None:
        at = _nanoseconds(happening)
        for row in happening.rows:
            if row in MARKED:
                spans.run.add_event(row, timestamp=at)
        match happening.event:
            case Observed(instance=seen):
                said = {"version": seen.version or "", "health": seen.health.value}
                for verb in NAMES:
                    if (span := spans.attempts.get((verb, seen.id))) is not None:
                        span.add_event("observed", said, timestamp=at)
            case Replaced(instance=name):
                if (span := spans.attempts.get((Verb.REPLACE, name))) is not None:
                    span.add_event("replaced", timestamp=at)
            case Restored(instance=name):
                if (span := spans.attempts.get((Verb.RESTORE, name))) is not None:
                    span.add_event("restored", timestamp=at)
            case _:
                pass

    def _end_attempts(self, spans: _Open, happening: Happening, why: str) -> None:
        """End the attempts whose instance has left the phases they last for."""
        instance = getattr(happening.event, "instance", "")
        name = instance if isinstance(instance, str) else instance.id
        asked = [(verb, name) for verb in NAMES] if name else list(spans.attempts)
        for verb, each in asked:
            span = spans.attempts.get((verb, each))
            phase = happening.after.ledger.phase_of(each)
            if span is not None and phase not in PHASES_OF[verb]:
                if verb is Verb.REPLACE and FAILING.intersection(happening.rows):
                    phase = "failed_unhealthy"  # though its restore may have begun with it
                _judge(span, phase, why)
                _end(span, happening)
                del spans.attempts[verb, each]


def _below(span: Span) -> Context:
    from opentelemetry import trace

    return trace.set_span_in_context(span)


def _judge(span: Span, phase: str | None, why: str) -> None:
    """Say what became of the instance."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("rollproof.phase", phase or "vanished")
    if phase in GOOD:
        span.set_status(StatusCode.OK)
    elif phase is not None:
        span.set_status(StatusCode.ERROR, why or phase)


def _conclude(span: Span, run: Run) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("rollproof.state", run.state.value)
    span.set_attribute("rollproof.cause", run.cause.name.lower())
    span.set_attribute("rollproof.batches", run.batches)
    if run.cause.is_fault:
        span.set_status(StatusCode.ERROR, run.cause.name.lower())
    else:
        span.set_status(StatusCode.OK)


def _end(span: Span, happening: Happening) -> None:
    """End a span, unless it ended in the past: then whoever saw it sent it."""
    if not happening.past:
        span.end(_nanoseconds(happening))


def _nanoseconds(happening: Happening) -> int:
    return happening.event.at * 1_000_000


def provider() -> tuple[TracerProvider, Callable[[], None]]:
    """The provider of this process, and how to end it: the one that was set up already
    (by `opentelemetry-instrument`, or by the program around), which is not ours to end;
    else one that sends OTLP over HTTP, as the environment says (OTEL_EXPORTER_OTLP_ENDPOINT
    and its like)."""
    import os

    from opentelemetry import trace

    found = trace.get_tracer_provider()
    if not isinstance(found, trace.ProxyTracerProvider):
        return found, lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "rollproof"}
    made = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made, made.shutdown
