"""`rollproof.batch`: which instances, in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.batch import (
    EVERYWHERE,
    Ground,
    next_ground,
    offer,
    restore_ground,
    stand,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import CODE, Ledger, empty_ledger
from rollproof.run import Run
from rollproof.table import ABSENT
from rollproof_checks.fuzz.stage import HEALTHY, ILL, OLD, Stage

members = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("012"), st.sampled_from([HEALTHY, ILL])),
    min_size=1,
    max_size=25,
)
Member = tuple[str, str, Health]


def surveyed(found: list[Member]) -> Run:
    """A run that has seen these instances, all pending, and began no batch."""
    fleet = [
        Instance(id=f"i{k:02}", zone=zone, update_domain=domain, health=health, version=OLD)
        for k, (zone, domain, health) in enumerate(found)
    ]
    stage = Stage.of(fleet).start()
    command = stage.open[0]
    stage.run = stage.run._replace(cells=stage.run.counts._replace(held=1))
    return stage.answer(command).run


@given(members, st.booleans(), st.booleans(), st.booleans())
def test_everything_pending_on_the_ground_is_offered_exactly_once(
    found: list[Member], one_zone: bool, one_domain: bool, unhealthy_first: bool
) -> None:
    """R4.2, R6.1: of all zones and update domains, or of the one."""
    ledger = surveyed(found).ledger
    ground = next_ground(
        ledger, one_zone=one_zone, one_domain=one_domain, unhealthy_first=unhealthy_first
    )
    assert (ground.zone is not None, ground.update_domain is not None) == (one_zone, one_domain)
    offered = [
        ledger.roster.ids[i] for i in offer(ledger, ground, unhealthy_first=unhealthy_first)
    ]
    assert sorted(offered) == sorted(
        f"i{k:02}"
        for k, (zone, domain, _) in enumerate(found)
        if ground.zone in (None, zone) and ground.update_domain in (None, domain)
    )


@given(members)
def test_unhealthy_first(found: list[Member]) -> None:
    """R4.2: in a zone that has one, before every healthy one."""
    ledger = surveyed(found).ledger
    ground = next_ground(ledger, unhealthy_first=True)
    ill = [its for its, _, health in found if health is ILL]
    assert ground.zone == min(ill or [its for its, _, _ in found])
    order = [
        found[int(ledger.roster.ids[i][1:])][2] is not ILL
        for i in offer(ledger, ground, unhealthy_first=True)
    ]
    assert order == sorted(order)


@given(members)
def test_one_update_domain_after_the_other(found: list[Member]) -> None:
    """R4.2: the first zone by name, its domains by name, its instances by id."""
    ledger = surveyed(found).ledger
    ground = next_ground(ledger)
    assert ground == Ground(min(its for its, _, _ in found))
    places = [
        (ledger.roster.place_of(i).update_domain, ledger.roster.ids[i])
        for i in offer(ledger, ground, unhealthy_first=False)
    ]
    assert places == sorted(places)


class TestOneUpdateDomain:
    """R6.1."""

    @given(members, st.booleans())
    def test_the_first_domain_before_the_first_zone(
        self, found: list[Member], one_zone: bool
    ) -> None:
        ledger = surveyed(found).ledger
        ground = next_ground(ledger, one_zone=one_zone, one_domain=True)
        domain, zone = min((domain, zone) for zone, domain, _ in found)
        assert ground == (zone if one_zone else None, domain)

    @given(members)
    def test_that_of_an_unhealthy_instance_first(self, found: list[Member]) -> None:
        """R4.2: where it is asked for."""
        ledger = surveyed(found).ledger
        ground = next_ground(ledger, one_domain=True, unhealthy_first=True)
        ill = [(domain, zone) for zone, domain, health in found if health is ILL]
        first = min(ill or [(domain, zone) for zone, domain, _ in found])
        assert ground == (first[1], first[0])

    def test_a_finished_domain_is_passed_over(self) -> None:
        run = surveyed([("b", "0", HEALTHY), ("a", "1", HEALTHY)])
        finished = run.ledger.find("i00")
        assert finished is not None
        done = run.ledger._replace(phases=run.ledger.phases.put(finished, ABSENT))
        assert next_ground(run.ledger, one_domain=True) == ("b", "0")
        assert next_ground(done, one_domain=True) == ("a", "1")


class TestRestoreGround:
    """R6.1, R4.8: where disks are given back."""

    @staticmethod
    def failed(*places: tuple[str, str, str]) -> Ledger:
        """Instances by zone, domain and phase."""
        ledger = surveyed([(zone, domain, HEALTHY) for zone, domain, _ in places]).ledger
        for number, (_, _, phase) in enumerate(places):
            index = ledger.roster.index[f"i{number:02}"]
            ledger = ledger._replace(phases=ledger.phases.put(index, CODE[phase]))
        return ledger

    def test_the_domain_where_it_is_under_way(self) -> None:
        ledger = self.failed(
            ("a", "0", "failed_healthy"), ("a", "1", "recovering"), ("b", "1", "failed_healthy")
        )
        assert restore_ground(ledger, one_domain=True) == Ground(update_domain="1")

    def test_else_the_first_where_anything_failed(self) -> None:
        ledger = self.failed(
            ("a", "1", "failed_healthy"), ("b", "0", "failed_unhealthy"), ("a", "", "replacing")
        )
        assert restore_ground(ledger, one_domain=True) == Ground(update_domain="0")

    def test_everywhere_unless_domains_are_kept_apart(self) -> None:
        assert restore_ground(empty_ledger()) == EVERYWHERE

    def test_who_stands_there(self) -> None:
        ledger = self.failed(
            ("a", "0", "failed_healthy"), ("a", "1", "failed_healthy"), ("b", "1", "awaiting")
        )
        of = CODE["failed_healthy"]
        assert list(stand(ledger, of)) == [0, 1]
        assert list(stand(ledger, of, Ground(update_domain="1"))) == [1]
        assert list(stand(ledger, of, Ground("b"))) == []


@given(members)
def test_only_the_unhealthy(found: list[Member]) -> None:
    """S6: what is left when the headroom is spent."""
    ledger = surveyed(found).ledger
    offered = list(offer(ledger, EVERYWHERE, unhealthy_first=False, healthy=False))
    assert len(offered) == sum(health is ILL for _, _, health in found)


def test_a_zone_with_nothing_pending_is_passed_over() -> None:
    """R4.2."""
    run = surveyed([("a", "0", HEALTHY), ("b", "0", HEALTHY)])
    first = run.ledger._replace(phases=run.ledger.phases.put(0, ABSENT))
    assert next_ground(first, unhealthy_first=True) == Ground("b")


def test_where_nothing_is_pending_there_is_no_zone() -> None:
    """The table begins no batch then; asking is a mistake of the caller."""
    with pytest.raises(AssertionError, match="nobody to choose"):
        next_ground(empty_ledger())
