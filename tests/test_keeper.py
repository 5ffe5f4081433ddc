"""rollproof.installation.keeper and .lookout: they carry out and decide nothing."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rollproof.catalog import Catalog, Look
from rollproof.charter import Charter, StartedBy, draw_up
from rollproof.document import dumps
from rollproof.errors import JournalUnwritable
from rollproof.events import Cancel
from rollproof.fleet import ScaleSet
from rollproof.host import EmbeddedHost
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation.keeper import Carried, Keeper
from rollproof.installation.lookout import Lookout, nowhere, of_catalog
from rollproof.journal import Journal
from rollproof.policy import AutomaticOSUpgradePolicy, UpgradePolicy
from rollproof.published import Published
from rollproof.scheduler import Act, Reason, decide
from rollproof.states import Cause, State
from rollproof_checks.simulated import SimulatedFleet
from rollproof_checks.virtual_time import VirtualClock, run
from shared_host import fast_folder, instances

LONG = 10**9
"""Seconds: nobody looks into the journal by the clock."""


def scale_set(name: str = "web", image: str = "web-os", **policy: Any) -> ScaleSet:
    """One that follows its image without delay."""
    given = {
        "enable_automatic_os_upgrade": True,
        "first_run_within": timedelta(0),
        "pick_up_at_least": timedelta(0),
        "pick_up_at_most": timedelta(0),
        **policy,
    }
    automatic = AutomaticOSUpgradePolicy(**given)
    return ScaleSet(
        name=name,
        image_reference=ImageReference(image=image),
        upgrade_policy=UpgradePolicy(automatic_os_upgrade_policy=automatic),
    )


class World:
    """A journal, a shelf of versions, a fleet, a host and a keeper."""

    def __init__(self, folder: Path, host: type[EmbeddedHost] = EmbeddedHost) -> None:
        self.clock = VirtualClock()
        self.journal = Journal(folder / "journal.sqlite")
        self.fleet = SimulatedFleet(self.clock, instances(3))
        self.shelf = ["1.0.0", "1.1.0"]
        self.listed: list[str] = []
        self.carried: list[Carried] = []
        self.host = host(
            self.journal, lambda _name: self.fleet, clock=self.clock, poll=float(LONG)
        )
        self.lookout = Lookout(self.journal, self.offered)
        self.keeper = self.new_keeper()

    def new_keeper(self, **options: Any) -> Keeper:
        return Keeper(
            self.host,
            self.journal,
            self.lookout,
            clock=self.clock,
            told=self.carried.append,
            **options,
        )

    def offered(self, reference: ImageReference, _location: str) -> tuple[Published, ...]:
        self.listed.append(reference.name)
        return tuple(
            Published(version=ImageVersion.parse(text), published_at=0) for text in self.shelf
        )

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While in here the host serves and the keeper keeps, listing images by the hour."""
        keeper = self.new_keeper(every=3_600_000)
        self.host._observers = (keeper.hears,)
        work = [self.host.serve(forever=True), keeper.keep(float(LONG))]
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def declare(self, declared: ScaleSet) -> None:
        self.journal.declare(declared.name, dumps(declared), "/", self.clock())

    @property
    def acts(self) -> list[Act]:
        return [each.decision.act for each in self.carried]

    def lives(self, main: Coroutine[Any, Any, None]) -> None:
        run(self.clock, main)


@pytest.fixture
def world() -> Iterator[World]:
    with fast_folder() as folder:
        made = World(folder)
        yield made
        made.journal.close()


class TestKeeper:
    def test_begins_a_run_of_the_platform(self, world: World) -> None:
        """R4.8: with rollback, to the newest version, once."""
        world.declare(scale_set())
        world.lives(world.keeper.look())
        (record,) = world.journal.history("web")
        assert record.charter.started_by is StartedBy.PLATFORM
        assert (record.charter.target, record.charter.limits.rollback) == ("1.1.0", 1)
        assert world.acts == [Act.START]
        world.lives(world.keeper.look())
        assert world.acts == [Act.START]

    def test_without_starts_it_begins_nothing(self, world: World) -> None:
        world.declare(scale_set())
        world.lives(world.new_keeper(starts=False).look())
        assert world.journal.history("web") == ()
        assert world.listed == []

    def test_hands_a_thing_in_once_for_each_state_of_the_run(self, world: World) -> None:
        """S13, R2.1: looked at twice before the host has heard of it."""
        world.declare(scale_set())

        async def main() -> None:
            await world.keeper.look()
            world.declare(scale_set(enable_automatic_os_upgrade=False))
            for _ in range(2):
                world.keeper.stir()
                await world.keeper.look()
                world.keeper.stir("web")
                await world.keeper.look()

        world.lives(main())
        assert world.acts == [Act.START, Act.OPT_OUT]
        assert len(world.journal.posts()) == 1

        async def serve() -> None:
            await world.host.serve()

        world.lives(serve())
        (record,) = world.journal.history("web")
        assert Cause(record.counts.stop) is Cause.OPTED_OUT

    def test_whoever_is_faster_is_let_be(self) -> None:
        """R4.9: a run by hand between the decision and the start."""

        class Late(EmbeddedHost):
            async def start(self, charter: Charter) -> None:
                by_hand = draw_up(scale_set(), ImageVersion.parse("1.0.0"), run="web.1-hand")
                with contextlib.suppress(Exception):
                    self._journal.open_run(by_hand, self._clock())
                await super().start(charter)

        with fast_folder() as folder:
            world = World(folder, Late)
            world.declare(scale_set())
            world.lives(world.keeper.look())
            assert world.acts == []
            assert world.journal.under_way() == {"web": "web.1-hand"}
            world.journal.close()

    def test_switched_off_while_the_image_is_fetched(self, world: World) -> None:
        """R2.1: what was known before a long wait is asked again after it."""
        world.declare(scale_set())
        asked: list[str] = []

        async def fetches(name: str, _version: ImageVersion) -> str:
            asked.append(name)
            world.declare(scale_set(enable_automatic_os_upgrade=False))
            return ""

        world.lives(world.new_keeper(fit=fetches).look())
        assert asked == ["web"]
        assert world.journal.history("web") == ()

    def test_a_clock_that_goes_back(self, world: World) -> None:
        """R3.4: images are listed at once, not when the clock has caught up."""
        hours = 3600
        world.clock.pass_by(12 * hours)
        world.declare(scale_set())

        async def main() -> None:
            await world.keeper.look()
            world.clock.seconds -= 6 * hours
            world.shelf.append("1.2.0")
            await world.keeper.look()

        world.lives(main())
        assert world.lookout.facts("web").publications[-1].version == ImageVersion(1, 2, 0)

    def test_wakes_for_the_next_moment_of_a_look(self, world: World) -> None:
        """R3.4: a version that comes later; nobody looks into the journal by the clock."""
        world.declare(scale_set(pick_up_at_most=timedelta(minutes=5)))

        async def main() -> None:
            async with world.kept():
                await asyncio.sleep(1800)
                world.shelf.append("1.2.0")
                await asyncio.sleep(7200)

        world.lives(main())
        records = world.journal.history("web")
        assert [each.charter.target for each in records] == ["1.2.0", "1.1.0"]
        assert {each.version for each in world.fleet.instances().values()} == {"1.2.0"}
        later = records[0].opened_at - records[1].opened_at
        assert 3_600_000 <= later <= 3_600_000 + 301_000

    def test_wakes_for_the_end_of_a_run(self, world: World) -> None:
        """S12: one that was cancelled is begun again after a delay, and no later."""
        minutes = timedelta(minutes=5)
        world.declare(scale_set(pick_up_at_least=minutes, pick_up_at_most=minutes))

        async def main() -> None:
            async with world.kept():
                await asyncio.sleep(1)
                await world.host.post(world.journal.under_way()["web"], Cancel(0), "cancel")
                await asyncio.sleep(1800)

        world.lives(main())
        again, cancelled = world.journal.history("web")
        assert Cause(cancelled.counts.stop) is Cause.USER
        assert again.state is State.COMPLETED
        assert cancelled.closed_at is not None
        assert again.opened_at == cancelled.closed_at + 300_000


class TestLookout:
    def test_a_source_that_fails_leaves_what_is_known(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.declare(scale_set())
        world.lookout.read()
        assert world.lookout.sight(1) == {"web"}
        known = world.lookout.facts("web").publications

        def broken(_reference: ImageReference, _location: str) -> tuple[Published, ...]:
            raise OSError("the disk is gone")

        world.lookout._source = broken
        with caplog.at_level(logging.WARNING):
            assert world.lookout.sight(2) == set()
        (said,) = caplog.records
        assert "the disk is gone" in said.getMessage()
        assert said.exc_info is None, "what is wrong out there is no error of this program"
        assert world.lookout.facts("web").publications == known

    def test_first_seen_is_kept_for_the_next_process(self, world: World) -> None:
        """R3.4: a serve that is started again comes to the same moments."""
        world.declare(scale_set())
        for at in (5, 9):
            lookout = Lookout(world.journal, world.offered)
            lookout.read()
            lookout.sight(at)
            seen = {each.first_seen for each in lookout.facts("web").publications}
            assert seen == {5}

    def test_what_is_withdrawn_is_not_gone_to(self, world: World) -> None:
        """R3.2."""
        world.declare(scale_set())
        world.lookout.read()
        world.lookout.sight(1)
        world.shelf = ["1.0.0"]
        assert world.lookout.sight(2) == {"web"}
        decision = decide(world.lookout.facts("web"), world.clock())
        assert decision.version == ImageVersion.parse("1.0.0")

    def test_lists_an_image_once_and_only_for_who_follows_it(self, world: World) -> None:
        world.declare(scale_set("a"))
        world.declare(scale_set("b"))
        world.declare(scale_set("c", "other", enable_automatic_os_upgrade=False))
        world.lookout.read()
        assert world.lookout.sight(1) == {"a", "b"}
        assert world.listed == ["web-os"]
        assert world.lookout.sight(2) == set()

    def test_what_others_change_is_noticed(self, world: World) -> None:
        world.declare(scale_set("a"))
        world.declare(scale_set("b"))
        assert world.lookout.changes() == {"a", "b"}
        assert world.lookout.changes() == set()
        changes: list[tuple[Callable[[Journal], None], set[str]]] = [
            (lambda other: other.retry("a", 5), {"a"}),
            (lambda other: other.retry("a", 5), set()),
            (lambda other: other.stop_all(5), {"a", "b"}),
            (lambda other: other.declare("a", dumps(scale_set("a")), "/", 9), set()),
            (lambda other: other.declare("b", dumps(scale_set("b", "new")), "/", 9), {"b"}),
            (
                lambda other: other.open_run(
                    draw_up(scale_set("a"), ImageVersion.parse("1.0.0"), run="a.1"), 9
                ),
                {"a"},
            ),
        ]
        for change, names in changes:
            with Journal(world.journal.path) as other:
                change(other)
            assert world.lookout.changes() == names

    def test_a_set_that_moves_to_another_image(self, world: World) -> None:
        world.declare(scale_set())
        world.lookout.read()
        world.lookout.sight(1)
        world.declare(scale_set(image="new-os"))
        assert world.lookout.read() == {"web"}
        assert decide(world.lookout.facts("web"), 2).reason is Reason.NO_VERSION
        assert world.lookout.sight(2) == {"web"}
        assert world.listed == ["web-os", "new-os"]

    def test_the_run_under_way_is_the_one_entered_last(self, world: World) -> None:
        """R4.9: whatever the clock said when it was."""
        world.clock.pass_by(86_400)
        world.declare(scale_set())
        version = ImageVersion.parse("1.1.0")

        async def main() -> None:
            await world.host.start(draw_up(scale_set(), version, run="web.1"))
            await world.host.serve()
            world.lookout.read()
            assert world.lookout.facts("web").runs[0].ended_at is not None
            world.clock.seconds -= 60
            await world.host.start(draw_up(scale_set(), version, run="web.2"))

        world.lives(main())
        world.lookout.read()
        facts = world.lookout.facts("web")
        assert [each.run for each in facts.runs] == ["web.2", "web.1"]
        assert decide(facts, world.clock()).run == "web.2"

    def test_a_document_that_is_changed_and_changed_back(self, world: World) -> None:
        """S12: that is two model changes, and the last one counts."""
        world.declare(scale_set())
        world.lookout.read()
        world.clock.pass_by(60)
        world.declare(scale_set(image="new-os"))
        world.declare(scale_set())
        assert world.lookout.read() == {"web"}
        assert world.lookout.facts("web").configured_at == world.clock()

    def test_runs_are_those_of_this_model(self, world: World) -> None:
        """S12: and each is read once it has ended."""
        world.declare(scale_set())

        async def main() -> None:
            for number, target in enumerate(("1.1.0", "1.0.0", "1.1.0"), start=1):
                version = ImageVersion.parse(target)
                await world.host.start(draw_up(scale_set(), version, run=f"web.{number}"))
                await world.host.serve()
                world.lookout.read()
                known = [each.run for each in world.lookout.facts("web").runs]
                recorded = [each.charter.run for each in world.journal.history("web")]
                assert known == recorded

        world.lives(main())
        world.clock.pass_by(1)
        world.declare(scale_set(minimum_image_age=timedelta(days=1)))
        world.lookout.read()
        assert world.lookout.facts("web").runs == ()

    def test_without_idle_only_sets_with_a_run_are_known(self, world: World) -> None:
        world.declare(scale_set("a"))
        world.declare(scale_set("b"))
        charter = draw_up(scale_set("a"), ImageVersion.parse("1.0.0"), run="a.1")
        world.journal.open_run(charter, 1)
        lookout = Lookout(world.journal, nowhere, idle=False)
        assert lookout.read() == {"a"}
        assert lookout._sets.keys() == {"a"}


class Shelf:
    """A source of images: two versions, of which one is excluded from latest in one place."""

    name = "shelf"

    def refresh(self) -> Look:
        return Look(self.name)

    def images(self) -> tuple[str, ...]:
        return ("web-os",)

    def versions(
        self, reference: ImageReference, location: str | None = None
    ) -> tuple[Published, ...]:
        if reference.name != "web-os":
            return ()
        first, second = (ImageVersion.parse(text) for text in ("1.0.0", "1.1.0"))
        return (Published(version=first), Published(version=second, excluded_regions=("east",)))


class TestCatalog:
    def test_candidates_of_a_location(self) -> None:
        """R3.2: what is excluded from latest there is not gone to by itself."""
        source = of_catalog(Catalog((Shelf(),)))
        reference = ImageReference(image="web-os")
        for location, versions in (("west", ["1.0.0", "1.1.0"]), ("east", ["1.0.0"])):
            assert [str(each.version) for each in source(reference, location)] == versions
        assert source(ImageReference(image="other"), "west") == ()


def test_an_unwritable_journal_is_told(world: World) -> None:
    """What cannot be recorded is not done, and `serve` ends with it."""
    world.declare(scale_set())
    world.journal._db.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnwritable):
        world.lives(world.keeper.look())
    assert world.acts == []


def test_every_act_is_carried_out() -> None:
    """What the schedule can decide, the keeper can do."""
    from rollproof.installation.keeper import _EVENTS

    assert {*_EVENTS, Act.NOTHING, Act.START} == set(Act)
