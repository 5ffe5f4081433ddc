"""History, timelines, retention and explanations of real runs, from Python and from the
command line (R7.1, N5)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

from ground import Ground
from rollproof.charter import Charter
from rollproof.cli import main, past
from rollproof.cli.explaining import explanation_text
from rollproof.cli.output import image_json
from rollproof.errors import InvalidFields, RunPruned, UnknownInstance, UnknownRun
from rollproof.events import Cancel, Pause, Start, Surveyed
from rollproof.fleet import Health, Instance
from rollproof.host import wall_clock
from rollproof.installation import Filter, Installation
from rollproof.journal import Journal, Turned
from rollproof.run import new_run
from rollproof.scheduler import Reason
from rollproof.states import Cause
from rollproof.status import RunningStatus
from rollproof.step import trace
from rollproof.undo import Undo
from shared_host import NO_LIMITS, charter

DAY = 86_400_000
AGED = 1_700_000_000_000
"""A moment in 2023."""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    try:
        with Installation(made.home) as here:
            here.apply(made.document())
        yield made
    finally:
        made.clean_up()


@pytest.fixture
def here(ground: Ground) -> Iterator[Installation]:
    with Installation(ground.home) as opened:
        yield opened


def record(ground: Ground, terms: Charter, at: int, *events: object) -> None:
    """Write a run as a host would, without its fleet."""
    with Journal(ground.home / "journal.sqlite") as journal:
        journal.open_run(terms, at)
        run = new_run(terms)
        for event in (Start(at), *events):
            after, commands, rows = trace(run, event)  # type: ignore[arg-type]  # events
            journal.record([Turned(run, event, after, commands, rows)])  # type: ignore[arg-type]  # likewise
            run = after


def seen() -> tuple[Instance, ...]:
    """Six healthy ones in three zones."""
    return tuple(
        Instance(id=f"{n}", zone=f"{n % 3}", version="1.0.0", health=Health.HEALTHY)
        for n in range(6)
    )


def invoke(ground: Ground, *arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main.cli, ["--home", str(ground.home), *arguments])
    assert done.exit_code == code, done.output
    if not code and "--json" not in arguments:
        assert max(map(len, done.output.splitlines())) <= 80
    return done


def answer(ground: Ground, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(invoke(ground, *arguments, "--json").stdout)
    return found


class TestHistory:
    def test_filters(self, ground: Ground, here: Installation) -> None:
        """R7.1: of a journal with an old cancelled run and a new one."""
        record(ground, charter("web.1-a", target="1.0.0"), AGED, Cancel(AGED + 5))
        now = wall_clock()
        record(ground, charter("web.2-b"), now, Cancel(now, Cause.OPTED_OUT))
        assert [each.run for each in here.history("web")] == ["web.2-b"]
        assert len(here.history("web", everything=True)) == 2
        assert [r.run for r in here.history("web", Filter(until=AGED + 1))] == ["web.1-a"]
        faulted = Filter(status=frozenset({RunningStatus.FAULTED}))
        assert [r.run for r in here.history("web", faulted)] == ["web.2-b"]
        for options, found in (
            (("--all",), ["web.2-b", "web.1-a"]),
            (("--since", "P1D"), ["web.2-b"]),
            (("--until", "2024-01-01"), ["web.1-a"]),
            (("--all", "--cause", "user"), ["web.1-a"]),
            (("--all", "--status", "faulted", "--status", "Cancelled"), ["web.2-b", "web.1-a"]),
            (("--all", "--target", "1.0.0"), ["web.1-a"]),
            (("--all", "--started-by", "platform"), []),
            (("--all", "--limit", "1"), ["web.2-b"]),
        ):
            runs = answer(ground, "history", "web", *options)["runs"]
            assert isinstance(runs, list)
            assert [run["run"] for run in runs] == found, options

    def test_which_run_takes_which_back(self, ground: Ground) -> None:
        """N7: beneath the row of a rollback, by the id that `status` takes."""
        now = wall_clock()
        undo = Undo(run="web.2-b0b0b0", version="1.1.0", before={"0": "1.0.0"})
        record(ground, charter("web.2-b0b0b0"), now, Cancel(now))
        back = charter("web.3-c0c0c0", target="1.0.0", undo=undo)
        record(ground, back, now + 1, Cancel(now + 1))
        _, rollback, note, run = invoke(ground, "history", "web").output.splitlines()
        assert "web.3" in rollback
        assert note == "  takes web.2 back"
        assert "web.2" in run
        invoke(ground, "status", "web.2")

    def test_no_such_run(self, ground: Ground) -> None:
        for options, said in (
            ((), "no run in 2 months"),
            (("--all",), "no run yet"),
            (("--target", "9.9.9"), "no such run"),
        ):
            assert said in invoke(ground, "history", "web", *options).output

    def test_times_and_bounds_that_are_none(self, ground: Ground) -> None:
        for option, value in (("--since", "soon"), ("--until", "P1Y"), ("--limit", "0")):
            refused = invoke(ground, "history", "web", option, value, code=2)
            assert option.strip("-") in refused.output
        assert past.moment("since", "2026-11-01T08:00:00Z", 0) == 1_793_520_000_000
        assert past.moment("since", "P1D", 2 * DAY) == DAY

    def test_the_choices_are_those_of_the_core(self) -> None:
        assert list(main.STATUSES) == [each.value for each in RunningStatus]
        assert list(main.CAUSES) == [each.name.lower() for each in Cause]

    def test_the_image_in_the_form_in_which_it_is_named(self) -> None:
        """R7.1, R1.5: publisher, offer and sku of a platform image."""
        assert image_json("web-os", "1.0.0") == {"image": "web-os", "version": "1.0.0"}
        assert image_json("Canonical~UbuntuServer~18.04-LTS", "1.0.0") == {
            "publisher": "Canonical",
            "offer": "UbuntuServer",
            "sku": "18.04-LTS",
            "version": "1.0.0",
        }


class TestPrune:
    """Retention: what is old goes, the newest and the running stay, the lines stay."""

    def write(self, ground: Ground) -> None:
        for n in range(3):
            at = AGED + n * DAY
            record(ground, charter(f"web.{n}-x"), at, Cancel(at + 5))
        late = AGED + 9 * DAY
        record(ground, charter("web.9-x"), late, Surveyed(late, 1, seen()))

    def test_the_newest_and_the_running_stay(self, ground: Ground, here: Installation) -> None:
        self.write(ground)
        assert here.prune("web").runs == ()  # all are among the newest five
        asked = here.prune("web", keep=2, dry_run=True)
        assert (len(asked.runs), asked.events, asked.shrunk) == (2, 4, False)
        assert all(each.pruned_at is None for each in here.history("web", everything=True))
        gone = here.prune(keep=2)
        assert [each.run for each in gone.runs] == [each.run for each in asked.runs]
        assert (gone.events, gone.shrunk) == (4, True)
        assert len(here.history("web", everything=True)) == 4
        assert here.explain("web.9-x").whole is not None
        with pytest.raises(RunPruned):
            here.timeline(gone.runs[0].run)
        with pytest.raises(RunPruned):
            here.explain(gone.runs[0].run)
        with pytest.raises(RunPruned):
            here.rollback(gone.runs[0].run)
        assert here.prune(keep=0, older_than=timedelta(days=365 * 900)).runs == ()

    def test_beside_a_host(self, ground: Ground, here: Installation) -> None:
        """A process that hosts is not kept waiting: the file keeps its size."""
        self.write(ground)
        lock = here.home.lock()
        try:
            shown = invoke(ground, "prune", "--keep", "0")
        finally:
            lock.release()
        assert "removed 6 events of 3 runs" in shown.output
        assert "the file keeps its size" in shown.output
        assert "nothing to prune" in invoke(ground, "prune", "web").output

    def test_on_the_command_line(self, ground: Ground) -> None:
        self.write(ground)
        assert "would remove 2 events of 1 run" in (
            invoke(ground, "prune", "--keep", "3", "--dry-run").output
        )
        found = answer(ground, "prune", "web", "--keep", "3", "--older-than", "P1D")
        assert (found["events"], found["dry_run"], found["shrunk"]) == (2, False, True)
        assert "--older-than" in invoke(ground, "prune", "--older-than", "x", code=2).output
        assert "keep" in invoke(ground, "prune", "--keep", "-1", code=2).output
        assert "pruned" in invoke(ground, "timeline", "web.0", code=2).output
        assert "its events were pruned at" in invoke(ground, "status", "web.0").output
        assert "pruned" not in invoke(ground, "status", "web.1").output


class TestExplain:
    """N5: works on a run under way, on one that ended, and without a run."""

    def test_under_way(self, ground: Ground, here: Installation) -> None:
        record(ground, charter("web.1-a"), AGED, Surveyed(AGED, 1, seen()), Pause(AGED))
        found = here.explain("web")
        assert found.whole is not None
        assert [wait.instance for wait in found.whole.waits] == ["0", "3"]
        assert [each.more for each in found.whole.margins] == [None, None]
        alone = here.explain("web", "1")
        assert alone.instance is not None
        assert alone.instance.batch == 1
        shown = invoke(ground, "explain", "web", "1").output
        assert "released by: `rollproof resume`" in shown
        told = answer(ground, "explain", "web", "1")
        assert isinstance(told["instance"], dict)
        assert told["instance"]["next"][0]["open"] is False
        assert "all_replaced is held back" in invoke(ground, "explain", "web").output
        in_flight = invoke(ground, "explain", "web", "0").output
        assert "replaced may be taken at any moment" in in_flight
        assert "waiting for replace of instance 0 until" in in_flight
        with pytest.raises(UnknownInstance):
            here.explain("web", "99")

    def test_ended(self, ground: Ground, here: Installation) -> None:
        record(
            ground,
            charter("web.1-a"),
            AGED,
            Surveyed(AGED, 1, seen()),
            Cancel(AGED + 1, force=True),
        )
        assert "it ended: a user cancelled it" in invoke(ground, "explain", "web").output
        shown = invoke(ground, "explain", "web.1", "1").output
        assert "not touched, healthy" in shown
        found = here.explain("web", "0")
        assert found.instance is not None
        assert found.instance.phase == "indeterminate"

    def test_what_the_schedule_holds_back(self, ground: Ground, here: Installation) -> None:
        """S12: of a set with automatic upgrades, by the function that decides."""
        ground.publish()
        text = "enable_automatic_os_upgrade = true\nfirst_run_within = 'PT0S'\n"
        document = ground.document()
        automatic = f"[upgrade_policy.automatic_os_upgrade_policy]\n{text}"
        document.write_text(document.read_text() + automatic)
        here.apply(document)
        now = wall_clock()
        ill = tuple(attrs.evolve(each, health=Health.UNHEALTHY) for each in seen())
        terms = charter("web.1-a", target="1.2.0", limits=NO_LIMITS._replace(max_unhealthy=20))
        record(ground, terms, now, Surveyed(now, 1, ill))
        (decided,) = here.due("web")
        assert decided.reason is Reason.DENIED
        assert here.explain("web").schedule == decided
        shown = invoke(ground, "explain", "web").output
        assert "the schedule now: nothing (denied)\n  1.2.0 is denied: in run web.1-a" in shown
        assert (
            answer(ground, "explain", "web")["schedule"]
            == (
                answer(ground, "due", "web")["due"][0]  # type: ignore[index]  # a list
            )
        )
        # Neither a run nor an instance is the schedule's, nor is a set without upgrades.
        assert here.explain("web.1-a").schedule is None
        assert here.explain("web", "0").schedule is None
        here.disable("web")
        assert here.explain("web").schedule is None

    def test_without_a_run_and_through_one(self, ground: Ground, here: Installation) -> None:
        """Real processes: the plan first, then a failure that is restored."""
        with pytest.raises(UnknownRun):
            here.timeline("web")
        ground.publish()
        ground.fleet(2, zones=0)
        assert "would be in batch 2 of 2" in invoke(ground, "explain", "web", "1").output
        assert "a run that began now" in invoke(ground, "explain", "web").output
        with pytest.raises(UnknownInstance):
            here.explain("web", "99")
        here.run("web", "1.2.0", rollback=True)
        found = here.explain("web", "0")
        assert found.why.startswith("not healthy within 2 s")
        assert found.outcome == "its previous disk is back, and it is healthy"
        timeline = here.timeline("web", "0")
        assert timeline.outcomes[0].restored_at is not None
        shown = invoke(ground, "timeline", "web", "0").output
        assert "failed: not healthy" in shown
        assert "before the run 1.0.0" in shown
        told = answer(ground, "timeline", "web")
        assert isinstance(told["instances"], list)
        phases = [each["phase"] for each in told["instances"]]
        assert phases == ["restored_healthy", "pending_healthy"]
        with pytest.raises(UnknownInstance):
            here.timeline("web", "99")

    def test_before_the_fleet_was_seen(self, ground: Ground, here: Installation) -> None:
        """A run that waits for its first survey is explained by its plan."""
        ground.publish()
        ground.fleet(2, zones=0)
        record(ground, charter("web.1-a", target="1.0.0"), AGED)
        found = here.explain("web", "0")
        assert found.place is not None
        assert found.place.why == "it is on the target 1.0.0 already (R1.4)"
        text = "\n".join(explanation_text(found))
        assert "has not seen its fleet yet" in text
        assert "instance 0 would not be touched" in text


def test_filters_that_contradict(here: Installation) -> None:
    with pytest.raises(InvalidFields):
        here.history("web", Filter(since=5, until=4))
