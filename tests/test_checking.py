"""Eligibility of real sets, and the way back when a credential expires: the whole of
`check`, on real processes (R1.5, R2.2, R2.3, R4.10)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from ground import Ground
from rollproof.adapters.local import write_sample_image
from rollproof.charter import StartedBy
from rollproof.eligibility import Standing
from rollproof.errors import Ineligible, InvalidFields, UnknownScaleSet
from rollproof.events import Replaced
from rollproof.fleet import ScaleSet
from rollproof.images import ImageVersion
from rollproof.installation import Happening, Installation, Quiet, Shape
from rollproof.scheduler import Reason
from rollproof.states import Cause, State
from rollproof.status import RunningStatus

LONG_AGO, FAR = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
XENIAL, BIONIC = "Canonical~UbuntuServer~16.04-LTS", "Canonical~UbuntuServer~18.04-LTS"


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


class Acts(Quiet):
    """Does something when a row is first taken."""

    def __init__(self, row: str, act: Callable[[], object]) -> None:
        self.row, self.act, self.done = row, act, False

    def hears(self, happening: Happening) -> None:
        if self.row in happening.rows and not self.done:
            self.done = True
            self.act()


def extended(ground: Ground, text: str, name: str = "web", **fields: str) -> Path:
    """The document of the ground, with more before its first table and after its last."""
    path = ground.document(name, **fields)
    path.write_text(path.read_text() + text)
    return path


def standing(here: Installation, code: str) -> Standing:
    (found,) = (each for each in here.check("web").items if each.code == code)
    return found.standing


class TestCheck:
    """R2.2, R2.3: asked of the world, judged together."""

    def test_an_eligible_set(self, ground: Ground, here: Installation) -> None:
        here.apply(ground.document())
        assert here.check("web").eligible

    def test_no_such_set(self, here: Installation) -> None:
        with pytest.raises(UnknownScaleSet):
            here.check("web")

    def test_files_are_looked_for_beside_the_document(
        self, ground: Ground, here: Installation
    ) -> None:
        text = '[[external_resources]]\nname = "scripts"\npath = "scripts"\n'
        here.apply(extended(ground, text + '[[credentials]]\nname = "sas"\nfile = "sas"\n'))
        assert standing(here, "ExternalResourceUnreachable") is Standing.VIOLATED
        assert standing(here, "CredentialExpired") is Standing.UNKNOWN
        (ground.folder / "scripts").mkdir()
        (ground.folder / "sas").write_text(FAR)
        assert here.check("web").eligible

    def test_instances_that_do_not_run_the_latest_model(
        self, ground: Ground, here: Installation
    ) -> None:
        """R2.3: told from what their disks were set up by."""
        ground.publish()
        manual = '[upgrade_policy]\nmode = "Manual"\n'
        extension = '[[extensions]]\nname = "agent"\ncommand = ["true"]\n'
        here.apply(extended(ground, manual))
        assert standing(here, "InstancesNotOnLatestModel") is Standing.MET, "no instance yet"
        here.create_local("web", Shape(instances=2, zones=0), version="1.0.0")
        assert standing(here, "InstancesNotOnLatestModel") is Standing.MET
        here.apply(extended(ground, manual + extension))
        (found,) = (
            each for each in here.check("web").items if each.code == "InstancesNotOnLatestModel"
        )
        assert found.standing is Standing.VIOLATED
        assert found.message.endswith("2 instances do not run the latest model: 0, 1")
        with pytest.raises(Ineligible, match=r"R2\.3"):
            here.run("web", started_by=StartedBy.PLATFORM)
        ended = here.run("web", "1.1.0")  # each disk is set up anew
        assert ended.status.running_status is RunningStatus.COMPLETED
        assert standing(here, "InstancesNotOnLatestModel") is Standing.MET

    @pytest.mark.parametrize(
        ("sku", "found"),
        [("18.04-LTS", Standing.MET), ("18.04-LST", Standing.VIOLATED)],
        ids=["in the table", "in none"],
    )
    def test_a_platform_image_is_looked_for_in_the_table(
        self, ground: Ground, here: Installation, sku: str, found: Standing
    ) -> None:
        """R2.2, R3.1: as shipped, and as extended."""
        document = ground.document()
        platform = f'publisher = "Canonical"\noffer = "UbuntuServer"\nsku = "{sku}"'
        document.write_text(document.read_text().replace('image = "web-os"', platform))
        here.apply(document)
        assert standing(here, "ImageNotSupported") is found
        more = ground.folder / "more.toml"
        row = platform.replace(f'sku = "{sku}"', f'skus = ["{sku}"]')
        more.write_text(f"[[images]]\n{row}\n")
        here.supported_images(add=more)
        assert standing(here, "ImageNotSupported") is Standing.MET


class TestCommand:
    """R7.3: `rollproof check`."""

    def test_eligible(self, ground: Ground) -> None:
        ground.rollproof("apply", str(ground.document()))
        answer = ground.rollproof("check", "web")
        assert answer.out.startswith("web: eligible for automatic upgrades\n  [x] ImageVersion")
        assert "[-] DurabilityTooLow (R6.1)" in answer.out

    def test_not(self, ground: Ground) -> None:
        text = f'[[credentials]]\nname = "a-storage-token"\nexpires = "{LONG_AGO}"\n'
        document = extended(ground, text)
        document.write_text(
            document.read_text() + '[[further_health]]\nkind = "tcp"\nport = 1\n'
        )
        ground.rollproof("apply", str(document))
        answer = ground.rollproof("check", "web", code=2)
        assert answer.out.startswith("web: not eligible for automatic upgrades, 2 in the way\n")
        assert "[ ] SeveralHealthSources (R2.2): the set has 2 health sources" in answer.out
        assert "Renew it, update the model with it" in answer.out
        assert max(map(len, answer.out.splitlines())) <= 80
        told = ground.rollproof("check", "web", "--json", code=2).json
        assert (told["scale_set"], told["eligible"]) == ("web", False)
        checks = {each["code"]: each for each in told["checks"]}
        assert checks["CredentialExpired"] == {
            "code": "CredentialExpired",
            "standing": "violated",
            "message": f"a-storage-token expired at {LONG_AGO}",
            "requirement": "R4.10",
            "remedy": "Renew it, update the model with it, and check again.",
            "needed_by_hand": True,
        }

    def test_a_run_by_hand_is_refused_in_json_too(self, ground: Ground) -> None:
        text = f'[[credentials]]\nname = "sas"\nexpires = "{LONG_AGO}"\n'
        ground.publish()
        ground.fleet(instances=1, zones=0)
        ground.rollproof("apply", str(extended(ground, text)))
        error = ground.rollproof("run", "web", "--json", code=2).error
        assert (error["code"], error["exit_code"]) == ("Ineligible", 2)
        assert [each["code"] for each in error["violations"]] == ["CredentialExpired"]
        assert json.loads(ground.rollproof("history", "web", "--json").out)["runs"] == []


class TestRuns:
    """R2.2: a run of the platform is refused before anything is touched."""

    def test_with_all_reasons(self, ground: Ground, here: Installation) -> None:
        ground.publish()
        ground.fleet(instances=1, zones=0)
        wrong = attrs.evolve(here.scale_set("web"), health=None, api_version="2018-01-01")
        here.apply(wrong)
        with pytest.raises(Ineligible) as caught:
            here.run("web", started_by=StartedBy.PLATFORM)
        assert [each.code for each in caught.value.violations] == [
            "ApiVersionTooOld",
            "HealthSourceMissing",
        ]
        assert here.history("web") == ()
        assert ground.versions() == {"0": "1.0.0"}

    def test_by_hand_the_same_set_is_upgraded(self, ground: Ground, here: Installation) -> None:
        ground.publish()
        ground.fleet(instances=1, zones=0)
        here.apply(attrs.evolve(here.scale_set("web"), api_version="2018-01-01"))
        ended = here.run("web", "1.1.0")
        assert ended.status.running_status is RunningStatus.COMPLETED

    def test_an_eligible_one_runs_as_the_platform_s(
        self, ground: Ground, here: Installation
    ) -> None:
        """R4.8: with rollback."""
        ground.publish()
        ground.fleet(instances=1, zones=0)
        ended = here.run("web", "1.1.0", started_by=StartedBy.PLATFORM)
        assert ended.status.started_by is StartedBy.PLATFORM
        assert ended.status.running_status is RunningStatus.COMPLETED


class TestTheWayBack:
    """R4.10: a token expires in the middle of a run; docs/eligibility.md says what to do."""

    def test_from_end_to_end(self, ground: Ground, here: Installation) -> None:
        token = ground.folder / "sas.token"
        token.write_text(FAR)
        text = (
            "[upgrade_policy.automatic_os_upgrade_policy]\nenable_automatic_os_upgrade = true\n"
            '[[credentials]]\nname = "sas"\nfile = "sas.token"\n'
        )
        ground.publish()
        here.apply(extended(ground, text))
        here.create_local("web", Shape(instances=10, zones=0), version="1.0.0")
        assert here.check("web").eligible

        def expire() -> None:
            token.write_text(LONG_AGO)

        ended = here.run(
            "web", "1.1.0", started_by=StartedBy.PLATFORM, audience=Acts("start", expire)
        )
        # The run fails, and the first batch is left failed, though rollback is on.
        assert (ended.status.state, ended.status.cause) == (State.CANCELLED, Cause.CREDENTIALS)
        assert ended.status.running_status is RunningStatus.FAULTED
        account = here.account("web")
        assert account is not None
        phases = [phase for _, phase in account[0].run.ledger.members()]
        assert sorted(phases) == [*["failed_unhealthy"] * 2, *["pending_healthy"] * 8]
        # The error says which credential.
        assert account[1].stop == f"credential 'sas' has expired, at {LONG_AGO} (R4.10)"
        # Until it is renewed no run begins: found beforehand now.
        for started_by in StartedBy:
            with pytest.raises(Ineligible, match="CredentialExpired: sas expired"):
                here.run("web", "1.1.0", started_by=started_by)
        here.disable("web")

        token.write_text(FAR)  # 1: renew
        off = extended(ground, text.replace("= true", "= false"))
        here.apply(off)  # 2: update the model
        assert here.check("web").eligible  # 3: check
        redeployed = here.run("web", "1.1.0")  # 4: redeploy
        assert redeployed.status.running_status is RunningStatus.COMPLETED
        assert set(ground.versions().values()) == {"1.1.0"}
        assert here.due("web")[0].reason is Reason.SWITCHED_OFF
        here.apply(extended(ground, text))  # 5: re-enable
        assert here.due("web")[0].reason is Reason.FIRST_RUN_DELAY  # a changed model


class TestServiceFabric:
    """R6.1: a set that Service Fabric manages, one update domain after the other."""

    def test_a_real_fleet(self, ground: Ground, here: Installation) -> None:
        text = (
            '[service_fabric]\ncluster_durability = "Silver"\n'
            'extension_durability = "Silver"\nextension_handler_version = "1.1"\n'
        )
        ground.publish()
        here.apply(extended(ground, text))
        here.create_local("web", Shape(instances=4, zones=2, update_domains=2), version="1.0.0")
        assert here.check("web").eligible
        foreseen = here.plan("web", "1.1.0")
        assert [batch.update_domains for batch in foreseen.batches] == [("0",)] * 2 + [
            ("1",)
        ] * 2
        planned = ground.rollproof("plan", "web", "--to", "1.1.0").out
        assert "in update domain 0" in planned
        domains = {each.id: each.update_domain for each in here.list_local()[0].members}
        order: list[str] = []

        class Watches(Quiet):
            def hears(self, happening: Happening) -> None:
                if type(happening.event) is Replaced:
                    order.append(domains[happening.event.instance])

        here.run("web", "1.1.0", started_by=StartedBy.PLATFORM, audience=Watches())
        assert order == ["0", "0", "1", "1"]

    def test_each_violated_rule_by_its_name(self, ground: Ground, here: Installation) -> None:
        text = (
            '[service_fabric]\ncluster_durability = "Bronze"\n'
            'extension_durability = "Gold"\nextension_handler_version = "1.0"\n'
        )
        here.apply(extended(ground, text))
        violated = [each.code for each in here.check("web").items if each.remedy]
        assert violated == ["DurabilityTooLow", "DurabilityDiffers", "HandlerVersionTooOld"]


class TestSku:
    """R1.5: the sku changes by editing the model, never by an upgrade."""

    @pytest.fixture(autouse=True)
    def published(self, ground: Ground, here: Installation) -> None:
        """The same version numbers under both skus, and a newer one of the other."""
        for image, version in ((XENIAL, "1.0.0"), (BIONIC, "1.0.0"), (BIONIC, "1.1.0")):
            source = ground.folder / f"{image}-{version}"
            write_sample_image(source, ImageVersion.parse(version), schemas=(1, 2))
            here.publish_image(image, version, source)
        here.apply(self.document(ground, "16.04-LTS"))
        here.create_local("web", Shape(instances=2, zones=0))

    def document(self, ground: Ground, sku: str, offer: str = "UbuntuServer") -> Path:
        path = ground.document()
        parts = f'publisher = "Canonical"\noffer = "{offer}"\nsku = "{sku}"'
        path.write_text(path.read_text().replace('image = "web-os"', parts))
        return path

    def test_an_upgrade_keeps_to_the_sku(self, ground: Ground, here: Installation) -> None:
        """Though a newer version of another one is there."""
        ended = here.run("web")
        assert (ended.status.target, ended.status.batches) == ("1.0.0", 0)
        assert set(ground.versions().values()) == {"1.0.0"}

    def test_an_edit_changes_it_with_the_next_run(
        self, ground: Ground, here: Installation
    ) -> None:
        """Also to a version of the same number."""
        here.apply(self.document(ground, "18.04-LTS"))
        assert set(ground.versions().values()) == {f"{XENIAL}@1.0.0"}
        ended = here.run("web", "1.0.0")
        assert (ended.status.running_status, ended.status.batches) == ("Completed", 2)
        assert set(ground.versions().values()) == {"1.0.0"}
        assert here.scale_set("web").image_reference.name == BIONIC

    def test_an_edit_in_the_middle_waits_for_the_next_run(
        self, ground: Ground, here: Installation
    ) -> None:
        """S10: the run keeps to the image that it was started with."""
        here.apply(self.document(ground, "18.04-LTS"))
        back: list[ScaleSet] = []

        def edit() -> None:
            with Installation(ground.home) as other:
                back.append(other.apply(self.document(ground, "16.04-LTS")))

        ended = here.run("web", "1.1.0", audience=Acts("start", edit))
        assert ended.status.running_status is RunningStatus.COMPLETED
        assert back[0].image_reference.name == XENIAL
        assert set(ground.versions().values()) == {f"{BIONIC}@1.1.0"}

    def test_publisher_and_offer_never_change(self, ground: Ground, here: Installation) -> None:
        with pytest.raises(InvalidFields, match=r"R1\.5"):
            here.apply(self.document(ground, "18.04-LTS", offer="UbuntuPro"))
        assert here.scale_set("web").image_reference.name == XENIAL
