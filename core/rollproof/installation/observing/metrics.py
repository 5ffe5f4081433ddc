"""An outlet that counts: metrics for Prometheus, through its own library (extra `metrics`).

Labels name sets, states, causes, phases and rows of the table, never runs or instances:
a set has 17 gauges and a handful of counters, however large it is and however often it
is upgraded.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from rollproof.counts import PHASES
from rollproof.errors import AddressInUse
from rollproof.events import Start
from rollproof.installation.following import Happening
from rollproof.installation.observing.lines import Dropped
from rollproof.installation.observing.outlet import bringing
from rollproof.installation.observing.tap import Told
from rollproof.run import Run
from rollproof.states import TERMINAL
from rollproof.table import ROWS

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@attrs.frozen
class Metric:
    """One metric as it is documented, and made."""

    name: str
    """As it is scraped; of a histogram without `_bucket`, `_sum` and `_count`."""
    kind: str
    """counter, gauge or histogram."""
    labels: tuple[str, ...]
    doc: str


TRANSITIONS: Final = Metric(
    "rollproof_transitions_total", "counter", ("transition",), "Rows of the table taken."
)
ENTERED: Final = Metric(
    "rollproof_state_entered_total",
    "counter",
    ("state", "cause"),
    "States entered, with the cause to stop that was recorded by then.",
)
INSTANCES: Final = Metric(
    "rollproof_instances",
    "gauge",
    ("scale_set", "phase"),
    "Instances by phase, as the latest run of the set left them.",
)
ACTIVE: Final = Metric(
    "rollproof_run_active", "gauge", ("scale_set",), "1 while a run of the set is under way."
)
RUNS: Final = Metric(
    "rollproof_runs_total", "counter", ("scale_set", "state", "cause"), "Runs that ended."
)
RUN_SECONDS: Final = Metric(
    "rollproof_run_duration_seconds",
    "histogram",
    ("state",),
    "From the start of a run to its end.",
)
BATCH_SECONDS: Final = Metric(
    "rollproof_batch_duration_seconds",
    "histogram",
    (),
    "From the first claim of a batch until it is done, restores included.",
)
FAILURES: Final = Metric(
    "rollproof_failures_total",
    "counter",
    ("scale_set", "kind"),
    "Instances that failed: not_replaced, not_healthy, or fell_ill once upgraded.",
)
RESTORES: Final = Metric(
    "rollproof_restores_total",
    "counter",
    ("scale_set", "outcome"),
    "Previous disks given back: healthy, unhealthy or failed.",
)
METRICS: Final = (
    *(TRANSITIONS, ENTERED, INSTANCES, ACTIVE, RUNS),
    *(RUN_SECONDS, BATCH_SECONDS, FAILURES, RESTORES),
)
"""All of them."""


def metrics_table() -> str:
    """All of them as Markdown, for docs/events.md."""
    rows = ["| Metric | Kind | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for each in METRICS:
        labels = ", ".join(f"`{label}`" for label in each.labels) or "—"
        rows.append(f"| `{each.name}` | {each.kind} | {labels} | {each.doc} |")
    return "\n".join(rows)


SECONDS: Final = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 21600, 86400)
"""Buckets of the durations."""

KINDS: Final[Mapping[str, str]] = {
    "replace_failed": "not_replaced",
    "fail": "not_healthy",
    "upgraded_falls_ill": "fell_ill",
}
OUTCOMES: Final[Mapping[str, str]] = {
    "recovered": "healthy",
    "recovered_unhealthy": "unhealthy",
    "restore_failed": "failed",
    "unrecovered": "failed",
}


class Tally:
    """Works events into a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Raises `NotInstalled`."""
        with bringing("metrics", "the table [metrics]"):
            from prometheus_client import Counter, Gauge, Histogram

        def counter(metric: Metric) -> Counter:
            return Counter(metric.name, metric.doc, metric.labels, registry=registry)

        def gauge(metric: Metric) -> Gauge:
            return Gauge(metric.name, metric.doc, metric.labels, registry=registry)

        def seconds(metric: Metric) -> Histogram:
            return Histogram(
                metric.name, metric.doc, metric.labels, registry=registry, buckets=SECONDS
            )

        self._transitions, self._entered = counter(TRANSITIONS), counter(ENTERED)
        self._failures, self._restores = counter(FAILURES), counter(RESTORES)
        self._runs = counter(RUNS)
        self._instances, self._active = gauge(INSTANCES), gauge(ACTIVE)
        self._run_seconds, self._batch_seconds = seconds(RUN_SECONDS), seconds(BATCH_SECONDS)
        self._run_began: dict[str, int] = {}
        self._batch_began: dict[str, int] = {}

    def hears(self, happening: Happening) -> None:
        """Work in one event.  One of the past is only remembered, not counted: it was,
        by the process that saw it."""
        self._count(happening)
        self._time(happening)

    def shows(self, run: Run) -> None:
        """Set the gauges of a set to how its run stands."""
        scale_set, counts = run.charter.scale_set, run.counts._asdict()
        for phase in PHASES:
            self._instances.labels(scale_set, phase).set(counts[phase])
        self._active.labels(scale_set).set(run.state not in TERMINAL)

    def _count(self, happening: Happening) -> None:
        if happening.past:
            return
        after = happening.after
        scale_set, cause = after.charter.scale_set, after.cause.name.lower()
        for row in happening.rows:
            self._transitions.labels(row).inc()
            if (entered := ROWS[row].target) is not None:
                self._entered.labels(entered.value, cause).inc()
            if row in KINDS:
                self._failures.labels(scale_set, KINDS[row]).inc()
            if row in OUTCOMES:
                self._restores.labels(scale_set, OUTCOMES[row]).inc()

    def _time(self, happening: Happening) -> None:
        after, at = happening.after, happening.event.at
        run, rows, state = after.charter.run, happening.rows, after.state
        if isinstance(happening.event, Start):
            self._run_began[run] = at
        if "begin_healthy" in rows or "begin_unhealthy" in rows:
            self._batch_began[run] = at
        if "batch_done" in rows or "restores_done" in rows:
            began = self._batch_began.pop(run, None)
            if began is not None and not happening.past:
                self._batch_seconds.observe((at - began) / 1000)
        if state in TERMINAL and happening.before.state not in TERMINAL:
            began = self._run_began.pop(run, at)
            if not happening.past:
                self._run_seconds.labels(state.value).observe((at - began) / 1000)
                cause = after.cause.name.lower()
                self._runs.labels(after.charter.scale_set, state.value, cause).inc()


class Metrics:
    """Serves the metrics at an address, writes them into a file, or both."""

    name = "metrics"
    lasting = False
    at_once = 1_000
    backlog = None

    def __init__(
        self, address: tuple[str, int] | None = None, textfile: Path | None = None
    ) -> None:
        """``textfile`` is for the textfile collector of node_exporter.  Raises
        `NotInstalled`."""
        with bringing("metrics", "the table [metrics]"):
            from prometheus_client import CollectorRegistry

        self.registry = CollectorRegistry()
        self._tally = Tally(self.registry)
        self._address = address
        self._textfile = textfile
        self._server: tuple[WSGIServer, Thread] | None = None

    @property
    def port(self) -> int | None:
        """Where they are served, once they are."""
        return None if self._server is None else self._server[0].server_port

    def opens(self) -> None:
        """Listen.  Raises `AddressInUse` when something else does."""
        from prometheus_client import start_http_server

        if self._address is not None and self._server is None:
            host, port = self._address
            try:
                self._server = start_http_server(port, host, self.registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise AddressInUse(f"{host}:{port}") from error
        self._write()

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        """Count them."""
        latest: dict[str, Run] = {}
        for each in told:
            self._tally.hears(each.happening)
            latest[each.happening.after.charter.scale_set] = each.happening.after
        for run in latest.values():
            self._tally.shows(run)
        self._write()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            server, thread = self._server
            self._server = None
            server.shutdown()
            server.server_close()
            thread.join()

    def _write(self) -> None:
        """By rename, so that nobody reads half of it."""
        if self._textfile is not None:
            from prometheus_client import write_to_textfile

            write_to_textfile(str(self._textfile), self.registry)
