"""Metrics: Prometheus' own registry, scraped over real HTTP on loopback (R7.1)."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from ground import eventually
from recorded import Recorder, recorder
from rollproof.commands import Verb
from rollproof.counts import PHASES
from rollproof.installation.observing.feed import Backoff
from rollproof.installation.observing.metrics import KINDS, METRICS, OUTCOMES, Metrics, Tally
from rollproof.installation.observing.observatory import Observatory
from rollproof.journal import Turned
from rollproof.table import ROWS
from rollproof_checks.simulated import Conduct, Twist, scripted
from shared_host import NO_LIMITS, fast_folder

FAILING = scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.REFUSED)]})
BACK = NO_LIMITS._replace(rollback=1)


@pytest.fixture
def scene() -> Iterator[Recorder]:
    with fast_folder() as folder, recorder(folder) as made:
        yield made


class Told:
    """A registry that heard everything since the scene began."""

    def __init__(self, scene: Recorder) -> None:
        self.registry = CollectorRegistry()
        self.tally = Tally(self.registry)
        self.tap = scene.tap()

    def hear(self) -> None:
        for each in self.tap.news():
            self.tally.hears(each.happening)
            self.tally.shows(each.happening.after)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def scraped(port: int) -> dict[str, float]:
    """Samples without labels' order, by their text."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        f"{sample.name}{dict(sorted(sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def in_a_batch(turned: Turned) -> bool:
    return turned.after.batches == 1


class TestCounting:
    """What the numbers mean."""

    def test_a_run_that_completes(self, scene: Recorder) -> None:
        told = Told(scene)
        scene.upgrade()
        told.hear()
        value = told.value
        run = scene.journal.run("r1")
        rows = [row for each in scene.journal.events("r1") for row in each.rows]
        for row in ROWS:
            assert value("rollproof_transitions_total", transition=row) == rows.count(row)
        assert value("rollproof_state_entered_total", state="Completed", cause="none") == 1
        assert value("rollproof_state_entered_total", state="RollingForward", cause="none") == 4
        assert value("rollproof_instances", scale_set="web", phase="upgraded_healthy") == 4
        assert sum(value("rollproof_instances", scale_set="web", phase=p) for p in PHASES) == 4
        assert value("rollproof_run_active", scale_set="web") == 0
        ended = {"scale_set": "web", "state": "Completed", "cause": "none"}
        assert value("rollproof_runs_total", **ended) == 1
        assert run.closed_at is not None
        seconds = (run.closed_at - next(iter(scene.journal.events("r1"))).event.at) / 1000
        assert value("rollproof_run_duration_seconds_sum", state="Completed") == seconds
        assert value("rollproof_batch_duration_seconds_count") == run.batches == 4
        assert 0 < value("rollproof_batch_duration_seconds_sum") <= seconds

    def test_failures_and_restores(self, scene: Recorder) -> None:
        told = Told(scene)
        scene.upgrade(behaviour=FAILING, limits=BACK)
        told.hear()
        failed = {"scale_set": "web", "kind": "not_replaced"}
        assert told.value("rollproof_failures_total", **failed) == 1
        outcome = {"scale_set": "web", "outcome": "healthy"}
        assert (
            told.value("rollproof_restores_total", **outcome)
            + told.value("rollproof_restores_total", **outcome | {"outcome": "failed"})
            == 1
        )

    def test_the_rows_it_looks_for_exist(self) -> None:
        assert {*KINDS, *OUTCOMES} <= set(ROWS)

    def test_in_the_middle(self, scene: Recorder) -> None:
        told = Told(scene)
        scene.upgrade(until=in_a_batch)
        told.hear()
        assert told.value("rollproof_run_active", scale_set="web") == 1
        assert told.value("rollproof_instances", scale_set="web", phase="replacing") == 1

    def test_what_another_process_counted_is_not_counted_again(self, scene: Recorder) -> None:
        """N2: but the gauges, and the durations, are whole."""
        scene.upgrade(until=in_a_batch)
        told = Told(scene)
        told.hear()
        assert told.value("rollproof_transitions_total", transition="start") == 0
        assert told.value("rollproof_instances", scale_set="web", phase="replacing") == 1
        scene.upgrade()
        told.hear()
        assert told.value("rollproof_transitions_total", transition="complete") == 1
        run = scene.journal.run("r1")
        assert run.closed_at is not None
        seconds = (run.closed_at - next(iter(scene.journal.events("r1"))).event.at) / 1000
        assert told.value("rollproof_run_duration_seconds_sum", state="Completed") == seconds

    def test_labels_do_not_grow_with_the_fleet_nor_the_history(self, scene: Recorder) -> None:
        """No instance, and no run, is a label."""
        told = Told(scene)
        scene.upgrade("r1", "web", size=4)
        scene.upgrade("r2", "db", size=40)
        told.hear()
        first = series(told.registry)
        assert first["web"] == first["db"]
        scene.upgrade("r3", "web")
        told.hear()
        assert series(told.registry) == first
        assert not re.search(r"vm-|r1|r2", str(list(told.registry.collect())))

    def test_every_metric_is_there_from_the_first(self) -> None:
        registry = CollectorRegistry()
        Tally(registry)
        made = {f"{m.name}{'_total' * (m.type == 'counter')}": m for m in registry.collect()}
        assert set(made) == {metric.name for metric in METRICS}
        for metric in METRICS:
            assert (made[metric.name].type, made[metric.name].documentation) == (
                metric.kind,
                metric.doc,
            )


def series(registry: CollectorRegistry) -> dict[str, int]:
    """Number of series by set."""
    found = {"web": 0, "db": 0}
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.labels.get("scale_set") in found:
                found[sample.labels["scale_set"]] += 1
    return found


class TestServing:
    """On loopback, or through node_exporter."""

    def test_scraped_while_it_happens_and_gone_afterwards(self, scene: Recorder) -> None:
        metrics = Metrics(("127.0.0.1", 0))
        observatory = Observatory(scene.home, [metrics], clock=scene.clock)
        observatory.open(scene.journal)
        eventually(lambda: metrics.port)
        port = metrics.port
        assert port is not None
        scene.upgrade(until=in_a_batch)
        active = "rollproof_run_active{'scale_set': 'web'}"
        eventually(lambda: scraped(port).get(active) == 1)
        scene.upgrade()
        eventually(lambda: scraped(port).get(active) == 0)
        upgraded = "rollproof_instances{'phase': 'upgraded_healthy', 'scale_set': 'web'}"
        assert scraped(port)[upgraded] == 4
        observatory.close(60)
        with (
            pytest.raises(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            pass

    def test_a_port_that_is_taken_is_tried_again(
        self, scene: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And the upgrade goes on meanwhile."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            metrics = Metrics(("127.0.0.1", port))
            quick = Backoff(first=0.01, last=0.05)
            observatory = Observatory(scene.home, [metrics], clock=scene.clock, backoff=quick)
            observatory.open(scene.journal)
            scene.upgrade()
            eventually(lambda: caplog.text)
            assert f"metrics: 127.0.0.1:{port} is in use" in caplog.text
        eventually(lambda: scraped(port) if metrics.port else None)
        (standing,) = observatory.close(60)
        assert (standing.error, standing.told) == ("", scene.journal.run("r1").turns)

    def test_a_textfile(self, scene: Recorder, tmp_path: Path) -> None:
        """Whole at every moment, and there before anything happened."""
        file = tmp_path / "rollproof.prom"
        metrics = Metrics(None, file)
        metrics.opens()
        assert "rollproof_batch_duration_seconds_count 0.0" in file.read_text()
        tap = scene.tap()
        scene.upgrade()
        metrics.takes(list(tap.news()), ())
        assert 'rollproof_instances{phase="upgraded_healthy",scale_set="web"} 4.0' in (
            file.read_text()
        )
        assert metrics.port is None
        metrics.close()
        assert [each.name for each in tmp_path.iterdir()] == ["rollproof.prom"]
