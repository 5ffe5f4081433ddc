"""`serve` and the verbs of the schedule, on real processes (R2.1, R3.4, R4.11, S12, N6)."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

from ground import Ground, eventually
from rollproof.adapters.local import write_sample_image
from rollproof.charter import StartedBy
from rollproof.cli.main import cli
from rollproof.document import load_path
from rollproof.errors import (
    AllStopped,
    HomeInUse,
    InvalidDocument,
    InvalidFields,
    NothingRunning,
    NothingToApprove,
    NothingToRetry,
    UnknownInstance,
    UnknownScaleSet,
)
from rollproof.events import Start
from rollproof.fleet import ScaleSet
from rollproof.images import ImageVersion
from rollproof.installation import Happening, Installation, Notice, Quiet, Shape
from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow
from rollproof.moments import from_ms
from rollproof.policy import DeferralDefault, DeferralPolicy, DeferralScope
from rollproof.scheduler import Act, Reason
from rollproof.states import Cause, State
from rollproof.status import RunStatus

SOON = timedelta(milliseconds=200)


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


def automatic(ground: Ground, pause: str = "PT0S", **policy: Any) -> ScaleSet:
    """A set that follows its image within a moment, or as is said."""
    declared = load_path(ground.document(pause=pause))
    given = {
        "enable_automatic_os_upgrade": True,
        "first_run_within": SOON,
        "pick_up_at_least": SOON,
        "pick_up_at_most": SOON,
        **policy,
    }
    upgrade = declared.upgrade_policy
    return attrs.evolve(
        declared,
        upgrade_policy=attrs.evolve(
            upgrade,
            automatic_os_upgrade_policy=attrs.evolve(
                upgrade.automatic_os_upgrade_policy, **given
            ),
        ),
    )


def publish(here: Installation, ground: Ground, text: str, *, broken: bool = False) -> None:
    source = ground.folder / f"image-{text}"
    write_sample_image(source, ImageVersion.parse(text), broken=broken)
    here.publish_image("web-os", text, source)


def settled(here: Installation, ground: Ground, instances: int = 3, **policy: Any) -> None:
    """A fleet on 1.0.0, and a model that finds 1.1.0 published: a run to it is due."""
    publish(here, ground, "1.0.0")
    declared = automatic(ground, first_run_within=timedelta(0), **policy)
    here.apply(attrs.evolve(declared, location="elsewhere"))
    here.create_local("web", Shape(instances=instances, zones=0), version="1.0.0")
    publish(here, ground, "1.1.0")
    here.apply(declared)


def status(here: Installation) -> RunStatus:
    found = here.status("web")
    assert found is not None
    return found


class Told:
    """Keeps what `serve` tells, and may act on it."""

    def __init__(self, act: Callable[[Notice], None] = lambda _notice: None) -> None:
        self.notices: list[Notice] = []
        self.act = act

    def __call__(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.act(notice)

    @property
    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]


def until(kind: str) -> Callable[[Notice], None]:
    """Ends `serve` well when it has told of this."""

    def act(notice: Notice) -> None:
        if notice.kind == kind:
            os.kill(os.getpid(), signal.SIGTERM)

    return act


class TestEndToEnd:
    def test_a_fleet_that_follows_its_image(self, ground: Ground, here: Installation) -> None:
        """A version is published and the fleet upgrades itself; a bad one stops, is denied
        and is not retried; a newer one is gone to; an opt-out ends a run in the middle."""
        publish(here, ground, "1.0.0")
        here.apply(automatic(ground, pause="PT1S"))
        here.create_local("web", Shape(instances=3, zones=0), version="1.0.0")
        with ground.running("serve", "--every", "PT0.1S", "--json") as serving:
            publish(here, ground, "1.1.0")
            eventually(lambda: set(ground.versions().values()) == {"1.1.0"})

            publish(here, ground, "1.2.0", broken=True)
            eventually(lambda: here.due("web")[0].reason is Reason.DENIED)
            stopped = status(here)
            assert (stopped.target, stopped.cause) == ("1.2.0", Cause.UPGRADED_UNHEALTHY)
            assert stopped.started_by is StartedBy.PLATFORM
            assert stopped.rollback_info.successfully_rolledback == 1
            assert set(ground.versions().values()) == {"1.1.0"}, "R4.8: its disk is back"
            runs = len(here.history("web", everything=True))

            publish(here, ground, "1.3.0")
            eventually(lambda: status(here).target == "1.3.0" and status(here).batches > 0)
            here.disable("web")
            eventually(lambda: status(here).ended_at is not None)
            ended = status(here)
            assert (ended.state, ended.cause) == (State.CANCELLED, Cause.OPTED_OUT)
            assert 0 < ended.progress.pending < 3
            assert len(here.history("web", everything=True)) == runs + 1, "S12: no retry"
            assert here.due("web")[0].reason is Reason.SWITCHED_OFF

            serving.send_signal(signal.SIGTERM)
            assert serving.wait(20) == 0
            assert serving.stdout is not None
            lines = [json.loads(line) for line in serving.stdout]
        assert [line["kind"] for line in lines if line["scale_set"]][-3:] == [
            *("start", "opt_out", "ended")
        ]
        assert lines[0]["kind"] == "serving"
        assert lines[-1]["kind"] == "stopping"


class TestOnce:
    """`serve --once` is what a timer calls."""

    def test_begins_what_is_due_and_ends_with_it(
        self, ground: Ground, here: Installation
    ) -> None:
        settled(here, ground)
        told = Told()
        assert here.serve(forever=False, told=told) is None
        assert told.kinds == ["serving", "start", "ended", "stopping"]
        assert set(ground.versions().values()) == {"1.1.0"}
        again = Told()
        here.serve(forever=False, told=again)
        assert again.kinds == ["serving", "stopping"]

    def test_the_outlets_of_the_home_are_told(self, ground: Ground, here: Installation) -> None:
        """R7.1: whoever hosts tells them, from the first event to the last."""
        settled(here, ground, instances=1)
        (ground.home / "observe.toml").write_text('[events]\nfile = "events.jsonl"\n')
        here.serve(forever=False)
        text = (ground.home / "events.jsonl").read_text("utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        assert {line["run"] for line in lines} == {status(here).run}
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
        assert (lines[0]["event"], lines[-1]["state"]) == ("Start", "Completed")

    def test_leaves_what_only_waits(self, ground: Ground, here: Installation) -> None:
        """R4.11: nobody has approved yet; then somebody has."""
        settled(
            here,
            ground,
            os_rolling_upgrade_deferral=True,
            deferral=DeferralPolicy(default_action=DeferralDefault.SKIP),
        )
        with pytest.raises(NothingRunning):
            here.approve("web")
        here.serve(forever=False)
        waiting = status(here)
        assert waiting.deferred
        assert waiting.ended_at is None
        assert here.due("web")[0].reason is Reason.AWAITING_APPROVAL
        with pytest.raises(InvalidFields, match="approved as a whole"):
            here.approve("web", ["0"])
        assert here.approve("web") is False
        here.serve(forever=False)
        assert status(here).state is State.COMPLETED
        assert set(ground.versions().values()) == {"1.1.0"}

    def test_instances_are_approved_one_by_one(
        self, ground: Ground, here: Installation
    ) -> None:
        """R4.11."""
        settled(
            here,
            ground,
            os_rolling_upgrade_deferral=True,
            deferral=DeferralPolicy(scope=DeferralScope.INSTANCE),
        )
        here.serve(forever=False)
        with pytest.raises(UnknownInstance):
            here.approve("web", ["9"])
        here.approve("web", ["1"])
        here.serve(forever=False)
        assert ground.versions() == {"0": "1.0.0", "1": "1.1.0", "2": "1.0.0"}
        here.approve("web")
        here.serve(forever=False)
        assert status(here).state is State.COMPLETED
        with pytest.raises(NothingRunning):
            here.approve("web")


class Disabling(Quiet):
    """Switches automatic upgrades off at the first success."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def hears(self, happening: Happening) -> None:
        if "succeed" in happening.rows and happening.after.counts.upgraded_healthy == 1:
            with Installation(self.ground.home) as other:
                other.disable("web")


class TestGates:
    def test_a_set_without_a_fleet_is_not_begun(
        self, ground: Ground, here: Installation
    ) -> None:
        publish(here, ground, "1.0.0")
        here.apply(automatic(ground, first_run_within=timedelta(0)))
        here.serve(forever=False)
        assert here.status("web") is None

    def test_no_instance_is_taken_to_a_lower_version(
        self, ground: Ground, here: Installation
    ) -> None:
        """A model that was edited has no run yet, and lists a lower version only."""
        publish(here, ground, "1.0.0")
        publish(here, ground, "1.1.0")
        here.apply(automatic(ground, first_run_within=timedelta(0)))
        here.create_local("web", Shape(instances=2, zones=0), version="1.1.0")
        here.exclude_image("web-os", "1.1.0")
        told = Told()
        here.serve(forever=False, told=told)
        assert told.kinds == ["serving", "stopping"]
        (decision,) = here.due("web")
        assert decision.reason is Reason.UNFIT
        assert "instance 0 runs 1.1.0" in decision.text
        assert here.run("web", "1.0.0").status.state is State.COMPLETED, "by hand it may be"

    def test_a_window_that_closes_ends_the_run_at_once(
        self, ground: Ground, here: Installation
    ) -> None:
        """S8, N10: also where `run` hosts what the platform began."""
        settled(here, ground, pause="PT0.3S")

        def close(notice: Notice) -> None:
            if notice.kind == "start":
                declared = here.scale_set("web").upgrade_policy
                shut = MaintenanceWindow(
                    begins=f"{from_ms(notice.at - 7_200_000):%H:%M}",
                    duration=timedelta(hours=1),
                    at_end=AtEnd.STOP_AT_ONCE,
                )
                edited = attrs.evolve(
                    declared.automatic_os_upgrade_policy, maintenance_windows=(shut,)
                )
                policy = attrs.evolve(declared, automatic_os_upgrade_policy=edited)
                with Installation(ground.home) as other:
                    other.apply(attrs.evolve(here.scale_set("web"), upgrade_policy=policy))

        told = Told(close)
        here.serve(forever=False, told=told)
        assert told.kinds == ["serving", "start", "stop", "ended", "stopping"]
        assert status(here).cause is Cause.USER
        assert here.due("web")[0].reason is Reason.OUTSIDE_WINDOW

    def test_who_hosts_keeps_the_gates(self, ground: Ground, here: Installation) -> None:
        """R2.1: `run` goes on with what `serve` began, and hears of the opt-out."""
        settled(here, ground, pause="PT1S")
        assert here.serve(told=Told(until("start"))) == signal.SIGTERM
        assert here.run("web", audience=Disabling(ground)).status.cause is Cause.OPTED_OUT
        assert status(here).started_by is StartedBy.PLATFORM
        assert status(here).progress.pending > 0

    def test_switched_off_only_people_begin_a_run(
        self, ground: Ground, here: Installation
    ) -> None:
        """R2.1: nothing begins by itself, and a run by hand does all the same."""
        settled(here, ground, instances=1, enable_automatic_os_upgrade=False)
        told = Told()
        here.serve(forever=False, told=told)
        assert told.kinds == ["serving", "stopping"]
        assert here.history("web") == ()
        assert here.due("web")[0].reason is Reason.SWITCHED_OFF
        assert here.run("web").status.started_by is StartedBy.USER
        assert ground.versions() == {"0": "1.1.0"}

    def test_stop_all_needs_no_images(self, ground: Ground, here: Installation) -> None:
        """N6: whatever is wrong elsewhere."""
        ground.home.mkdir(exist_ok=True)
        (ground.home / "image-sources.toml").write_text("nonsense")
        assert here.stop_all() is not None
        assert here.stop_all(off=True) is None
        with pytest.raises(InvalidDocument):
            here.due()

    def test_stop_all(self, ground: Ground, here: Installation) -> None:
        """N6: no run begins, and those under way wait; a cancel is heard all the same."""
        settled(here, ground, pause="PT0.2S")
        since = here.stop_all()
        assert since is not None
        assert here.due("web")[0].reason is Reason.STOPPED_ALL
        with pytest.raises(AllStopped):
            here.run("web")
        assert here.history("web") == ()
        assert here.stop_all(off=True) is None

        def stop(notice: Notice) -> None:
            if notice.kind == "start":
                with Installation(ground.home) as other:
                    other.stop_all()
            elif notice.kind == "shut":
                threading.Timer(0.5, release).start()

        def release() -> None:
            with Installation(ground.home) as other:
                assert set(ground.versions().values()) != {"1.1.0"}
                other.stop_all(off=True)

        def act(notice: Notice) -> None:
            stop(notice)
            until("ended")(notice)

        told = Told(act)
        assert here.serve(every=SOON, told=told) == signal.SIGTERM
        assert [*told.kinds[1:5]] == ["start", "shut", "reopen", "ended"]
        assert status(here).state is State.COMPLETED


class TestVerbs:
    def test_one_process_serves(self, ground: Ground, here: Installation) -> None:
        here.apply(ground.document())
        lock = here.home.lock()
        try:
            with pytest.raises(HomeInUse):
                here.serve(forever=False)
        finally:
            lock.release()

    def test_enable_and_disable_edit_the_declaration(
        self, ground: Ground, here: Installation
    ) -> None:
        """R2.1."""
        here.apply(ground.document())
        for on, switch in ((True, here.enable), (False, here.disable)):
            edited = switch("web")
            automatic = edited.upgrade_policy.automatic_os_upgrade_policy
            assert automatic.enable_automatic_os_upgrade is on
            assert here.scale_set("web") == edited
        for verb in (here.enable, here.disable, here.retry, here.due, here.approve):
            with pytest.raises(UnknownScaleSet):
                verb("wep")

    def test_retry(self, ground: Ground, here: Installation) -> None:
        """S12: denied until it is asked for; with nothing denied it is a conflict."""
        publish(here, ground, "1.0.0")
        here.apply(automatic(ground, pick_up_at_least=timedelta(0), first_run_within=SOON))
        here.create_local("web", Shape(instances=2, zones=0), version="1.0.0")
        with pytest.raises(NothingToRetry):
            here.retry("web")
        publish(here, ground, "1.2.0", broken=True)
        assert here.serve(every=SOON, told=Told(until("ended"))) == signal.SIGTERM
        if status(here).target == "1.0.0":
            here.serve(every=SOON, told=Told(until("ended")))
        assert here.due("web")[0].reason is Reason.DENIED
        assert here.retry("web").act is Act.START
        assert here.due("web")[0].act is Act.START
        with pytest.raises(NothingToRetry):
            here.retry("web")

    def test_due_names_the_freeze(self, ground: Ground, here: Installation) -> None:
        """N10; and asking changes nothing."""
        frozen = Freeze(begins="2020-01-01T00:00", ends="2999-01-01T00:00")
        settled(here, ground, instances=1, freezes=(frozen,))
        (decision,) = here.due()
        assert decision.reason is Reason.FROZEN
        assert "2999-01-01" in decision.text
        with Installation(ground.home) as other:
            assert other._journal.first_seen("web-os", "local") == {}

    def test_due_does_not_count_from_when_it_was_asked(
        self, ground: Ground, here: Installation
    ) -> None:
        """R3.4: it says that nobody has looked yet; once `serve` has, the moment stands."""
        hour = timedelta(hours=1)
        here.apply(automatic(ground, pick_up_at_least=hour, pick_up_at_most=hour))
        time.sleep(0.02)  # in the very millisecond of `apply` it would have been there before
        publish(here, ground, "1.0.0")
        (unseen,) = here.due("web")
        assert (unseen.reason, unseen.until) == (Reason.PICK_UP_DELAY, None)
        assert "has not seen 1.0.0 yet; PT1H after it has, it is due" in unseen.text
        here.serve(forever=False)
        (seen,) = here.due("web")
        assert seen.until is not None
        assert here.due("web") == here.due("web") == (seen,)

    def test_nothing_to_approve(self, ground: Ground, here: Installation) -> None:
        """R4.11: whoever starts a run by hand has approved it."""
        settled(here, ground, instances=1, os_rolling_upgrade_deferral=True)
        here.run("web", audience=Interrupting())
        assert status(here).ended_at is None
        with pytest.raises(NothingToApprove):
            here.approve("web")


class Interrupting(Quiet):
    """Ends the waiting for a run at its first event."""

    def hears(self, happening: Happening) -> None:
        if not happening.past and isinstance(happening.event, Start):
            os.kill(os.getpid(), signal.SIGINT)


class TestProgram:
    """R7.3: the same on the command line."""

    def test_json_and_text(self, ground: Ground, here: Installation) -> None:
        settled(here, ground, instances=1)

        def told(*arguments: str, code: int = 0) -> str:
            result = CliRunner().invoke(cli, ["--home", str(ground.home), *arguments])
            assert result.exit_code == code, result.output
            return result.output

        assert "switched off" in told("disable", "web")
        assert json.loads(told("enable", "web", "--json"))["enabled"] is True
        (due,) = json.loads(told("due", "--json"))["due"]
        assert due.keys() == {
            *("scale_set", "act", "reason", "text", "until", "run", "version")
        }
        assert (due["act"], due["version"]) == ("start", "1.1.0")
        assert "1.1.0 is due" in told("due", "web")
        assert max(map(len, told("due").splitlines())) <= 80
        assert json.loads(told("stop-all", "--json"))["stopped"] is True
        assert "all upgrades are stopped" in told("run", "web", code=5)
        assert "may go on" in told("stop-all", "--off")
        lines = [json.loads(line) for line in told("serve", "--once", "--json").splitlines()]
        assert [line["kind"] for line in lines] == ["serving", "start", "ended", "stopping"]
        assert lines[2]["reason"] == "Completed"
        assert "stopping" in told("serve", "--once")
        assert json.loads(told("retry", "web", "--json", code=5))["error"]["code"] == (
            "NothingToRetry"
        )
        assert "no run under way" in told("approve", "web", code=5)
        assert "PnDTnHnMnS" in told("serve", "--every", "soon", code=2)
        assert "every" in told("serve", "--every", "PT0S", code=2)

    def test_approve_and_retry(self, ground: Ground, here: Installation) -> None:
        settled(here, ground, instances=1, os_rolling_upgrade_deferral=True)
        here.serve(forever=False)
        runner = CliRunner()
        approved = runner.invoke(cli, ["--home", str(ground.home), "approve", "web"])
        assert "all that is withheld" in approved.output
        assert "No process hosts" in approved.output
        here.cancel("web")
        retried = runner.invoke(cli, ["--home", str(ground.home), "retry", "web", "--json"])
        assert json.loads(retried.output)["due"]["act"] == "start"
