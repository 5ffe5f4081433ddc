"""`rollproof.batch`: which instances, in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.batch import next_zone, offer
from rollproof.fleet import Health, Instance
from rollproof.ledger import empty_ledger
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


@given(members, st.booleans(), st.booleans())
def test_everything_pending_is_offered_exactly_once(
    found: list[Member], unhealthy_first: bool, cross_zone: bool
) -> None:
    """R4.2: of all zones, or of the one."""
    ledger = surveyed(found).ledger
    zone = None if cross_zone else next_zone(ledger, unhealthy_first=unhealthy_first)
    offered = [
        ledger.roster.ids[i] for i in offer(ledger, zone, unhealthy_first=unhealthy_first)
    ]
    assert sorted(offered) == sorted(
        f"i{k:02}" for k, (its, _, _) in enumerate(found) if zone in (None, its)
    )


@given(members)
def test_unhealthy_first(found: list[Member]) -> None:
    """R4.2: in a zone that has one, before every healthy one."""
    ledger = surveyed(found).ledger
    zone = next_zone(ledger, unhealthy_first=True)
    ill = [its for its, _, health in found if health is ILL]
    assert zone == min(ill or [its for its, _, _ in found])
    order = [
        found[int(ledger.roster.ids[i][1:])][2] is not ILL
        for i in offer(ledger, zone, unhealthy_first=True)
    ]
    assert order == sorted(order)


@given(members)
def test_one_update_domain_after_the_other(found: list[Member]) -> None:
    """R4.2: the first zone by name, its domains by name, its instances by id."""
    ledger = surveyed(found).ledger
    zone = next_zone(ledger, unhealthy_first=False)
    assert zone == min(its for its, _, _ in found)
    places = [
        (ledger.roster.place_of(i).update_domain, ledger.roster.ids[i])
        for i in offer(ledger, zone, unhealthy_first=False)
    ]
    assert places == sorted(places)


@given(members)
def test_only_the_unhealthy(found: list[Member]) -> None:
    """S6: what is left when the headroom is spent."""
    ledger = surveyed(found).ledger
    offered = list(offer(ledger, None, unhealthy_first=False, healthy=False))
    assert len(offered) == sum(health is ILL for _, _, health in found)


def test_a_zone_with_nothing_pending_is_passed_over() -> None:
    """R4.2."""
    run = surveyed([("a", "0", HEALTHY), ("b", "0", HEALTHY)])
    first = run.ledger._replace(phases=run.ledger.phases.put(0, ABSENT))
    assert next_zone(first, unhealthy_first=True) == "b"


def test_where_nothing_is_pending_there_is_no_zone() -> None:
    """The table begins no batch then; asking is a mistake of the caller."""
    with pytest.raises(AssertionError, match="nothing is pending"):
        next_zone(empty_ledger(), unhealthy_first=False)
