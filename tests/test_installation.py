"""All that the command line does, from Python, on real processes (R7.3, R4.9, S8, N6)."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from ground import Ground, eventually
from rollproof.charter import StartedBy
from rollproof.errors import (
    InvalidDocument,
    InvalidFields,
    NothingRunning,
    RunActive,
    UnknownImage,
    UnknownImageVersion,
    UnknownRun,
    UnknownScaleSet,
)
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference
from rollproof.installation import Happening, Installation, Quiet, Shape
from rollproof.installation.reasons import span
from rollproof.installation.terms import months_before
from rollproof.plan import Outlook
from rollproof.states import Cause, State
from rollproof.status import RunningStatus


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


@pytest.fixture
def here(ground: Ground) -> Iterator[Installation]:
    with Installation(ground.home) as opened:
        yield opened


class Heard(Quiet):
    """Keeps what it hears, and may act on it."""

    def __init__(self, act: Callable[[Happening], None] = lambda _happening: None) -> None:
        self.happenings: list[Happening] = []
        self.said: list[str] = []
        self.answers: dict[str, str] = {}
        self.act = act

    @property
    def rows(self) -> list[str]:
        return [row for each in self.happenings for row in each.rows]

    def hears(self, happening: Happening) -> None:
        self.happenings.append(happening)
        self.act(happening)

    def notes(self, text: str) -> None:
        self.said.append(text)

    def finds(self, instance: str, answer: str) -> None:
        self.answers[instance] = answer


def signals(number: int, row: str) -> Callable[[Happening], None]:
    """Sends this process a signal when a row is taken for the first time."""
    sent: list[int] = []

    def act(happening: Happening) -> None:
        if row in happening.rows and not happening.past and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    return act


class TestDeclaring:
    """R2.4, R1.5: what is declared stays so, in every process."""

    def test_a_document_is_kept_across_processes(
        self, ground: Ground, here: Installation
    ) -> None:
        applied = here.apply(ground.document())
        with Installation(ground.home) as other:
            assert other.scale_sets() == (applied,)
            assert other.scale_set("web") == applied

    def test_a_value_built_in_python_is_taken_too(self, here: Installation) -> None:
        scale_set = ScaleSet(name="db", image_reference=ImageReference(image="db-os"))
        assert here.apply(scale_set) == here.scale_set("db")

    def test_all_problems_of_a_document_at_once(
        self, ground: Ground, here: Installation
    ) -> None:
        with pytest.raises(InvalidDocument) as error:
            here.apply(ground.document(batch=3, pause="soon"))
        assert len(error.value.problems) == 2
        assert here.scale_sets() == ()

    def test_a_part_of_a_template_edits_what_was_declared(
        self, ground: Ground, here: Installation
    ) -> None:
        """R2.1, R2.4: and relative paths go on to begin where they did."""
        declared = here.apply(ground.document())
        elsewhere = ground.folder / "elsewhere"
        elsewhere.mkdir()
        part, heard = elsewhere / "on.json", list[str]()
        automatic = {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}
        part.write_text(json.dumps({"sku": {}, "properties": {"upgradePolicy": automatic}}))
        edited = here.apply(part, onto="web", ignores=heard.append)
        assert heard == ["sku"]
        assert edited == here.scale_set("web")
        assert edited.upgrade_policy.is_automatic
        assert edited.health == declared.health
        assert here._sets.get("web").folder == ground.folder
        with pytest.raises(UnknownScaleSet, match="Did you mean 'web'"):
            here.apply(part, onto="wep")

    def test_a_part_renames_nothing(self, ground: Ground, here: Installation) -> None:
        """R2.4."""
        declared = here.apply(ground.document())
        part = ground.folder / "part.toml"
        part.write_text('name = "db"\nlocation = "eastus"\n')
        with pytest.raises(InvalidFields, match="name: 'db'; allowed: 'web'"):
            here.apply(part, onto="web")
        assert here.scale_sets() == (declared,)
        part.write_text('location = "eastus"\n')
        assert here.apply(part, onto="web") == attrs.evolve(declared, location="eastus")

    def test_another_provider_is_refused(self, here: Installation) -> None:
        reference = ImageReference(image="x")
        with pytest.raises(InvalidFields, match="provider"):
            here.apply(ScaleSet(name="db", provider="cloud", image_reference=reference))

    def test_publisher_and_offer_never_change(self, here: Installation) -> None:
        """R1.5."""
        for offer in ("UbuntuServer", "Other"):
            reference = ImageReference(publisher="Canonical", offer=offer, sku="18.04-LTS")
            scale_set = ScaleSet(name="db", image_reference=reference)
            if offer == "Other":
                with pytest.raises(InvalidFields, match=r"R1\.5"):
                    here.apply(scale_set)
            else:
                here.apply(scale_set)

    def test_unknown_names(self, ground: Ground, here: Installation) -> None:
        here.apply(ground.document())
        for ask in (here.scale_set, here.plan, here.run, here.status, here.history, here.pause):
            with pytest.raises(UnknownScaleSet, match="Did you mean 'web'"):
                ask("wep")
        with pytest.raises(UnknownImage):
            here.run("web")
        with pytest.raises(UnknownRun):
            here.status("web.1")

    def test_a_version_that_does_not_exist(self, ground: Ground, here: Installation) -> None:
        ground.publish()
        here.apply(ground.document())
        for ask in (here.plan, here.run):
            with pytest.raises(UnknownImageVersion, match=r"9\.9\.9"):
                ask("web", to="9.9.9")
        assert here.history("web") == ()

    def test_a_set_without_instances(self, ground: Ground, here: Installation) -> None:
        ground.publish()
        here.apply(ground.document())
        assert here.list_local() == ()
        for ask in (here.plan, here.run):
            with pytest.raises(InvalidFields, match="local create web"):
                ask("web")
        assert here.status("web") is None
        assert here.account("web") is None


class TestRunning:
    """R4: real processes are upgraded."""

    def test_one_that_cannot_gets_its_disk_back(
        self, ground: Ground, here: Installation
    ) -> None:
        """R4.3, R4.6, S9: what was planned happens, and the fleet is seen on the target."""
        ground.publish()
        ground.fleet(6, batch=34)
        ground.spoil("5")
        planned = here.plan("web", "1.1.0")
        assert planned.verdict.outlook is Outlook.STARTS
        heard = Heard()
        ended = here.run("web", "1.1.0", rollback=True, audience=heard)
        assert ended.interrupted is None
        assert ended.status.running_status is RunningStatus.COMPLETED
        assert (ended.status.progress.successful, ended.status.progress.failed) == (5, 1)
        assert ended.status.batches == len(planned.batches)
        assert ground.versions() == {**dict.fromkeys("01234", "1.1.0"), "5": "1.0.0"}
        assert "503 instead of 200" in heard.answers["5"]
        assert "schema 3" in heard.answers["5"]
        account = here.account("web.1")
        assert account is not None
        (failure,) = account[1].failures(account[0].run)
        assert failure.instance == "5"
        assert "not healthy within 2 s, last seen unhealthy" in failure.why
        assert failure.outcome == "its previous disk is back, and it is healthy"

    def test_by_hand_nothing_is_given_back(self, ground: Ground, here: Installation) -> None:
        """R4.8, R4.4, S4: without rollback the failed keep their disks."""
        ground.publish()
        ground.fleet(4, zones=1, batch=50)
        ended = here.run("web")  # the latest is the broken one
        assert ended.status.target == "1.2.0"
        assert ended.status.cause is Cause.UPGRADED_UNHEALTHY
        assert (ended.status.batches, ended.status.progress.failed) == (1, 1)
        assert sorted(map(str, ground.versions().values())) == ["1.0.0"] * 3 + ["1.2.0"]
        account = here.account("web")
        assert account is not None
        assert account[1].stop.startswith("1 of the 1 instances this run touched failed")
        here.destroy_local("web")
        assert ground.pids() == set()

    @pytest.mark.parametrize(
        ("by", "switch", "given_back"),
        [
            (
                StartedBy.PLATFORM,
                "[upgrade_policy.automatic_os_upgrade_policy]\ndisable_automatic_rollback",
                0,
            ),
            (StartedBy.USER, "rollback_failed_instances_on_policy_breach", 1),
        ],
        ids=["disabled", "on breach"],
    )
    def test_the_model_says_what_is_given_back(
        self,
        ground: Ground,
        here: Installation,
        by: StartedBy,
        switch: str,
        given_back: int,
    ) -> None:
        """R4.8: a run of the platform rolls nothing back where that is disabled, and one by
        hand does where a threshold ended it."""
        ground.publish()
        ground.fleet(3, zones=1)
        document = ground.document()
        document.write_text(f"{document.read_text()}{switch} = true\n")
        here.apply(document)
        status = here.run("web", "1.2.0", started_by=by).status
        assert (status.cause, status.progress.failed) == (Cause.UPGRADED_UNHEALTHY, 1)
        assert status.rollback_info.successfully_rolledback == given_back
        assert list(ground.versions().values()).count("1.0.0") == 2 + given_back

    def test_the_latest_run_and_the_history(self, ground: Ground, here: Installation) -> None:
        """R7.1: five by default, newest first, all on request."""
        ground.publish()
        ground.fleet(1, zones=0)
        for _ in range(3):
            for version in ("1.1.0", "1.0.0"):
                here.run("web", version)
        assert [run.target for run in here.history("web")][:2] == ["1.0.0", "1.1.0"]
        assert len(here.history("web")) == 5
        everything = here.history("web", everything=True)
        assert len(everything) == 6
        assert here.status("web") == everything[0]
        assert here.status("web.1") == here.status(everything[-1].run) == everything[-1]
        with pytest.raises(NothingRunning):
            here.cancel("web")
        with pytest.raises(NothingRunning):
            here.watch("web")


class TestInterrupted:
    """N2, S8, N6: a run outlives its host."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
    def test_a_signal_leaves_it_resumable(
        self, ground: Ground, here: Installation, number: int
    ) -> None:
        ground.publish()
        ground.fleet(4, zones=0, batch=25)
        heard = Heard(signals(number, "succeed"))
        ended = here.run("web", "1.1.0", audience=heard)
        assert ended.interrupted == number
        assert ended.status.ended_at is None
        with pytest.raises(RunActive, match=r"R4\.9"):
            here.run("web", "1.0.0")
        with pytest.raises(RunActive):
            here.run("web", rollback=True)
        with pytest.raises(RunActive):
            here.destroy_local("web")
        again = here.run("web", "1.1.0")
        assert again.status.run == ended.status.run
        assert again.status.state is State.COMPLETED
        assert again.status.progress.successful == 4
        assert {ground.boots(n, "1.1.0") for n in "0123"} == {1}, "nobody was upgraded twice"

    def test_cancel_with_no_host_finishes_what_is_in_flight(
        self, ground: Ground, here: Installation
    ) -> None:
        """S8: no further instance is touched, and none is left halfway."""
        ground.publish()
        ground.fleet(4, zones=0, batch=25)
        here.run("web", "1.1.0", audience=Heard(signals(signal.SIGINT, "begin_healthy")))
        ended = here.cancel("web")
        assert ended.status.cause is Cause.USER
        assert ended.status.running_status is RunningStatus.CANCELLED
        assert (ended.status.progress.successful, ended.status.progress.pending) == (1, 3)
        assert ended.status.progress.in_progress == 0

    def test_pause_with_no_host_takes_effect_on_resumption(
        self, ground: Ground, here: Installation
    ) -> None:
        ground.publish()
        ground.fleet(3, zones=0)
        here.run("web", "1.1.0", audience=Heard(signals(signal.SIGINT, "begin_healthy")))
        assert here.pause("web") is False
        held = Heard(signals(signal.SIGINT, "batch_done"))
        ended = here.run("web", audience=held)
        assert ended.status.held
        assert "pause" in held.rows
        assert ended.status.batches == 1
        assert here.resume("web") is False
        assert here.run("web").status.progress.successful == 3


class TestSeveralProcesses:
    """R4.9: one hosts, the others follow, hand in, and take over."""

    def test_a_second_one_follows_and_hands_in(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(4, zones=0, batch=25, pause="PT0.4S")
        with (
            ground.running("run", "web", "--to", "1.1.0") as first,
            Installation(ground.home) as here,
        ):
            eventually(lambda: (s := here.status("web")) is not None and s.batches == 1)
            assert here.pause("web") is True
            eventually(lambda: (s := here.status("web")) is not None and s.held)
            with pytest.raises(RunActive):
                here.run("web", "1.0.0")
            assert here.resume("web") is True
            heard = Heard()
            ended = here.run("web", audience=heard)
            assert ended.status.state is State.COMPLETED
            assert heard.said == [f"hosted by process {first.pid}"]
            assert heard.happenings[0].past
            assert first.wait(20) == 0

    def test_a_follower_takes_over_from_a_killed_host(self, ground: Ground) -> None:
        """N2: kill -9 of the host; whoever waits goes on."""
        ground.publish()
        ground.fleet(4, zones=0, batch=25, pause="PT0.2S")
        with (
            ground.running("run", "web", "--to", "1.1.0") as first,
            Installation(ground.home) as here,
        ):
            eventually(lambda: (s := here.status("web")) is not None and s.batches == 1)
            threading.Timer(0.3, first.kill).start()
            heard = Heard()
            ended = here.run("web", audience=heard)
        assert ended.status.progress.successful == 4
        assert heard.said == [
            f"hosted by process {first.pid}",
            f"hosted by process {first.pid} no more, so hosted here now",
        ]
        assert {ground.boots(n, "1.1.0") for n in "0123"} == {1}

    def test_a_run_opened_while_another_is_hosted(self, ground: Ground) -> None:
        """Many sets at once; whoever ends first leaves the rest to those who follow."""
        ground.publish()
        ground.fleet(2, zones=0, name="web", pause="PT0.3S")
        ground.fleet(4, zones=0, name="db", batch=25, pause="PT0.3S")
        with (
            ground.running("run", "web", "--to", "1.1.0") as first,
            Installation(ground.home) as here,
        ):
            eventually(lambda: (s := here.status("web")) is not None and s.batches == 1)
            ended = here.run("db", "1.1.0")
            assert ended.status.progress.successful == 4
            assert first.wait(20) == 0
        assert set(ground.versions("web").values()) == {"1.1.0"}

    def test_watch_looks_on_and_does_not_host(self, ground: Ground) -> None:
        ground.publish()
        ground.fleet(3, zones=0, pause="PT0.3S")
        with ground.running("run", "web", "--to", "1.1.0"), Installation(ground.home) as here:
            eventually(lambda: (s := here.status("web")) is not None and s.batches == 1)
            heard = Heard()
            assert here.watch("web", audience=heard).status.state is State.COMPLETED
        assert heard.rows[-1] == "complete"


class TestTerms:
    """Small laws."""

    def test_months(self) -> None:
        """R7.1: the same day two months before, or the last one that month has."""

        def day(year: int, month: int, day: int) -> int:
            return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)

        assert months_before(day(2026, 11, 23), 2) == day(2026, 9, 23)
        assert months_before(day(2026, 1, 31), 2) == day(2025, 11, 30)
        assert months_before(day(2024, 4, 30), 2) == day(2024, 2, 29)

    @pytest.mark.parametrize(
        ("milliseconds", "words"),
        [(200, "0.2 s"), (60_000, "1 min"), (90_000, "1 min 30 s"), (5_400_000, "1 h 30 min")],
    )
    def test_spans(self, milliseconds: int, words: str) -> None:
        assert span(milliseconds) == words

    def test_the_default_fleet(self) -> None:
        assert Shape() == Shape(instances=12, zones=3, update_domains=5)


class TestRollingBack:
    """N7: a whole run taken back, on real processes."""

    def test_every_instance_gets_its_old_disk(self, ground: Ground, here: Installation) -> None:
        ground.publish()
        ground.fleet()
        disks = {each: (ground.instance(each) / "os").resolve() for each in "012345"}
        upgraded = here.run("web", to="1.1.0").status
        planned = here.plan_rollback(upgraded.run)
        assert (planned.target, planned.touched) == ("1.0.0", 6)
        heard = Heard()
        status = here.rollback(upgraded.run, audience=heard).status
        assert (status.state, status.undoes) == (State.COMPLETED, upgraded.run)
        assert status.progress.successful == 6
        assert status.batches > 1, "in batches, as every run"
        assert set(ground.versions().values()) == {"1.0.0"}
        assert {each: (ground.instance(each) / "os").resolve() for each in "012345"} == disks
        # Once more finds nothing to do, and says so by touching nothing.
        assert here.rollback(upgraded.run).status.progress.skipped == 6

    def test_of_one_that_is_under_way_is_a_conflict(
        self, ground: Ground, here: Installation
    ) -> None:
        """R4.9."""
        ground.publish()
        ground.fleet(3)
        ended = here.run(
            "web", to="1.1.0", audience=Heard(signals(signal.SIGTERM, "batch_done"))
        )
        assert ended.interrupted
        with pytest.raises(RunActive):
            here.rollback(ended.status.run)
        with pytest.raises(UnknownRun):
            here.rollback("web.9")

    def test_killed_in_the_middle_it_goes_on(self, ground: Ground, here: Installation) -> None:
        """N2: the same rollback, not a second one."""
        ground.publish()
        ground.fleet()
        upgraded = here.run("web", to="1.1.0").status.run
        killed = here.rollback(upgraded, audience=Heard(signals(signal.SIGTERM, "batch_done")))
        assert killed.interrupted
        ended = here.rollback(upgraded).status
        assert (ended.run, ended.state) == (killed.status.run, State.COMPLETED)
        assert set(ground.versions().values()) == {"1.0.0"}

    def test_on_the_command_line(self, ground: Ground, here: Installation) -> None:
        ground.publish()
        ground.fleet(3)
        run = here.run("web", to="1.1.0").status.run
        dry = ground.rollproof("rollback", run, "--dry-run", "--json").json
        assert (dry["target"], len(dry["batches"])) == ("1.0.0", 3)
        assert set(ground.versions().values()) == {"1.1.0"}
        answer = ground.rollproof("rollback", run.partition("-")[0])
        assert f"takes {run} back" in answer.out
        assert set(ground.versions().values()) == {"1.0.0"}
        audited = ground.rollproof("audit", "--json").json
        assert [each["finding"] for each in audited["runs"]] == ["sound"] * 2, "N8"
