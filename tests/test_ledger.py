"""`rollproof.ledger`: who stands where, and what a survey tells anew."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rollproof.charter import Deferral
from rollproof.fleet import Health, Instance
from rollproof.ledger import CODE, Roster, empty_ledger, is_exempt, is_healthy, news
from rollproof.table import ABSENT
from rollproof_checks.fuzz.stage import HEALTHY, ILL, NEW, OLD, Stage, fleet

zones = st.sampled_from(["", "z0", "z1"])


def stands(name: str, zone: str, domain: str) -> Instance:
    return Instance(id=name, zone=zone, update_domain=domain)


def told(roster: Roster) -> tuple[object, ...]:
    """All that a roster says of those whom it owns."""
    size = roster.size
    index = {name: at for name, at in roster.index.items() if at < size}
    return roster.ids[:size], roster.places[:size], roster.lanes, index


class TestRoster:
    """Who has which index."""

    def test_neighbours_share_a_lane(self) -> None:
        roster = Roster()
        for instance in (*fleet(2), Instance(id="x", zone="z9"), *fleet(1)[:0]):
            roster = roster.enrol(instance)
        assert [(lane.zone, lane.start, lane.stop) for lane in roster.lanes] == [
            ("z0", 0, 2),
            ("z9", 2, 3),
        ]

    def test_branches_do_not_see_each_other(self) -> None:
        """S11: two futures of one run, each with an instance of its own."""
        trunk = Roster().enrol(Instance(id="a", zone="z0"))
        left = trunk.enrol(Instance(id="b", zone="z0"))
        right = trunk.enrol(Instance(id="c", zone="z1"))
        assert left.index == {"a": 0, "b": 1}
        assert right.index == {"a": 0, "c": 1}
        assert right.place_of(1).zone == "z1"
        assert [lane.stop for lane in left.lanes] == [2]

    @given(
        st.lists(st.tuples(st.sampled_from("abcdef"), zones, zones), max_size=4),
        st.dictionaries(st.sampled_from("abcdef"), st.tuples(zones, zones), min_size=1),
        st.booleans(),
    )
    def test_many_are_enrolled_as_one_by_one(
        self,
        before: list[tuple[str, str, str]],
        placed: dict[str, tuple[str, str]],
        left: bool,
    ) -> None:
        """Some of them known, some elsewhere, some to a branch that was left alone."""
        rosters = []
        for together in (True, False):
            roster = Roster()
            for name, *where in before:
                roster = roster.enrol(stands(name, *where))
            if left:
                roster.enrol(Instance(id="of another branch"))
            many = [stands(name, *where) for name, where in placed.items()]
            if together:
                roster = roster.enrol(*many)
            else:
                for instance in many:
                    roster = roster.enrol(instance)
            rosters.append(roster)
        assert [told(roster) for roster in rosters] == [told(rosters[0])] * 2

    def test_a_branch_is_left_by_many_alike(self) -> None:
        """S11: whoever grew the roster first keeps what he has."""
        trunk = Roster().enrol(Instance(id="a", zone="z0"))
        left = trunk.enrol(Instance(id="b", zone="z0"), Instance(id="c", zone="z0"))
        right = trunk.enrol(Instance(id="c", zone="z1"), Instance(id="d", zone="z1"))
        moved = left.enrol(Instance(id="d"), Instance(id="a", zone="z1"))
        assert left.index == {"a": 0, "b": 1, "c": 2}
        assert right.index == {"a": 0, "c": 1, "d": 2}
        assert moved.index == {"a": 4, "b": 1, "c": 2, "d": 3}

    def test_seats(self) -> None:
        roster = Roster().enrol(Instance(id="a", zone="z0"))
        assert roster.seats(0, Instance(id="a", zone="z0"))
        assert not roster.seats(0, Instance(id="a", zone="z1"))
        assert not roster.seats(-1, Instance(id="a", zone="z0"))
        assert not roster.seats(1, Instance(id="a", zone="z0"))


class TestReading:
    """What the ledger says of an instance."""

    def test_phases(self) -> None:
        ledger = Stage.of(fleet(3)).begin().run.ledger
        assert ledger.phase_of("i00") == "replacing"
        assert ledger.phase_of("nobody") is None
        assert ledger.size() == 3
        assert sum(ledger.tally()) == 3

    def test_an_instance_that_left_is_not_found(self) -> None:
        """S11."""
        stage = Stage.of(fleet(9)).begin()
        del stage.world["i08"]
        stage.batch().survey()
        assert stage.run.ledger.find("i08") is None
        assert "i08" not in dict(stage.run.ledger.members())

    def test_empty(self) -> None:
        assert empty_ledger().size() == 0

    def test_who_is_withheld(self) -> None:
        """R4.11: whoever is left alone, off the target and not approved; without a
        deferral nobody is, whoever is left alone."""
        protected = Instance(id="p", zone="z0", version=OLD, health=HEALTHY, protected=True)
        for deferral, withheld in ((Deferral.NONE, False), (Deferral.INSTANCE, True)):
            ledger = Stage.of([protected], deferral=deferral).start().survey().run.ledger
            assert ledger.phase_of("p") == "skipped_healthy"
            assert ledger.withholds(NEW) is withheld
            assert not ledger.withholds(OLD)


class TestJudging:
    """R1.4, R5.3, S9."""

    def test_unknown_and_initializing_are_not_healthy(self) -> None:
        for health in Health:
            instance = Instance(id="a", version=OLD, health=health)
            assert is_healthy(instance, ABSENT, NEW) == (health is HEALTHY)

    def test_an_upgraded_one_must_run_the_target(self) -> None:
        for version in (OLD, NEW, None):
            instance = Instance(id="a", version=version, health=HEALTHY)
            assert is_healthy(instance, CODE["upgraded_healthy"], NEW) == (version == NEW)

    def test_exempt(self) -> None:
        instance = Instance(id="a", version=OLD, health=HEALTHY)
        pending, skipped = CODE["pending_healthy"], CODE["skipped_healthy"]
        assert not is_exempt(instance, pending, NEW)
        assert is_exempt(attrs.evolve(instance, protected=True), pending, NEW)
        assert is_exempt(attrs.evolve(instance, version=NEW), pending, NEW)
        unread = attrs.evolve(instance, version=None)
        assert [is_exempt(unread, code, NEW) for code in (pending, skipped)] == [False, True]


changes = st.fixed_dictionaries(
    {
        "version": st.sampled_from([OLD, NEW, None]),
        "health": st.sampled_from([HEALTHY, ILL]),
        "protected": st.booleans(),
        "zone": st.sampled_from(["z0", "z1"]),
    }
)


class TestNews:
    """S11: only what the run does not know, and all of it."""

    @given(st.lists(changes, min_size=6, max_size=6), st.sets(st.integers(0, 5)))
    def test_is_told_once(self, changed: list[dict[str, object]], gone: set[int]) -> None:
        stage = Stage.of(fleet(6), max_unhealthy=100, max_unhealthy_upgraded=100).begin()
        stage.batch()
        for number, fields in enumerate(changed):
            stage.world[f"i{number:02}"] = attrs.evolve(
                stage.world[f"i{number:02}"],
                **fields,  # type: ignore[arg-type]  # drawn field by field
            )
            if number in gone:
                del stage.world[f"i{number:02}"]
        stage.survey()
        told = [i for i in stage.world.values() if stage.phases[i.id] != "replacing"]
        assert news(stage.run.ledger, NEW, list(stage.world.values())) == ((), ())
        assert set(stage.phases) == set(stage.world)
        for instance in told:
            phase = stage.phases[instance.id]
            assert phase.endswith("_healthy") == is_healthy(instance, CODE[phase], NEW)
            assert stage.run.ledger.roster.seats(
                stage.run.ledger.roster.index[instance.id], instance
            )

    def test_what_is_in_flight_is_no_news(self) -> None:
        stage = Stage.of(fleet(3)).begin()
        assert stage.phases["i00"] == "replacing"
        stage.change("i00", health=ILL, version=None)
        assert news(stage.run.ledger, NEW, list(stage.world.values())) == ((), ())

    def test_sorted_into_lanes(self) -> None:
        found, _ = news(empty_ledger(), NEW, fleet(6, zones=3))
        assert [i.zone for i in found] == ["z0", "z0", "z1", "z1", "z2", "z2"]
