"""rollproof.plan: what is said before a run is what the run then does (N3)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollproof import plan as module
from rollproof.charter import Charter
from rollproof.commands import Command, Verb
from rollproof.counts import Limits, failed, in_flight, lost, unhealthy, whole
from rollproof.errors import InvalidFields
from rollproof.events import (
    Cancel,
    Event,
    Observed,
    Overdue,
    Pause,
    Replaced,
    ReplaceFailed,
    Restored,
    RestoreFailed,
    Resume,
    Start,
    Surveyed,
)
from rollproof.fleet import Health, Instance
from rollproof.ledger import news
from rollproof.plan import Outlook, Plan, PlannedBatch, Remaining, Verdict, plan, remaining
from rollproof.run import Run, new_run
from rollproof.states import TERMINAL, Cause, State
from rollproof.step import step

unhurried = settings(deadline=None)
"""A loaded machine is no counterexample."""

NEW, OLD = "1.1.0", "1.0.0"
MINUTE = 60_000


def a_charter(
    *,
    max_batch: int = 20,
    max_unhealthy: int = 20,
    max_unhealthy_upgraded: int = 20,
    rollback: int = 0,
    restore_on_breach: int = 0,
    pause: int = 0,
    cross_zone: bool = False,
    one_domain: bool = False,
    unhealthy_first: bool = False,
) -> Charter:
    """A charter by the numbers that matter here; its waits are all different."""
    return Charter(
        run="run-1",
        scale_set="web",
        target=NEW,
        limits=Limits(
            max_batch=max_batch,
            max_unhealthy=max_unhealthy,
            max_unhealthy_upgraded=max_unhealthy_upgraded,
            rollback=rollback,
            restore_on_breach=restore_on_breach,
            paced=int(pause > 0),
        ),
        cross_zone=cross_zone,
        one_domain=one_domain,
        unhealthy_first=unhealthy_first,
        pause=pause,
        replace_wait=31 * MINUTE,
        health_wait=5 * MINUTE,
        restore_wait=29 * MINUTE,
        survey_wait=3 * MINUTE,
    )


def a_fleet(size: int, *, ill: int = 0, done: int = 0, zones: int = 1) -> list[Instance]:
    """The first ``ill`` are unhealthy, the first ``done`` run the target."""
    return [
        Instance(
            id=f"i-{number:05}",
            zone=f"z{number % zones}",
            version=NEW if number < done else OLD,
            health=Health.UNHEALTHY if number < ill else Health.HEALTHY,
        )
        for number in range(size)
    ]


charters = st.builds(
    a_charter,
    max_batch=st.integers(5, 100),
    max_unhealthy=st.integers(5, 100),
    max_unhealthy_upgraded=st.one_of(st.integers(0, 100), st.just(100)),
    rollback=st.integers(0, 1),
    restore_on_breach=st.integers(0, 1),
    pause=st.sampled_from((0, 7 * MINUTE)),
    cross_zone=st.booleans(),
    one_domain=st.booleans(),
    unhealthy_first=st.booleans(),
)


mostly_healthy = st.sampled_from((Health.HEALTHY,) * 6 + tuple(Health))


def fleets(
    healths: st.SearchStrategy[Health] = mostly_healthy,
) -> st.SearchStrategy[list[Instance]]:
    """Any fleet of up to 30 instances."""
    instances = st.builds(
        Instance,
        id=st.integers(0, 999).map("i-{:03}".format),
        zone=st.sampled_from(("", "a", "b")),
        update_domain=st.sampled_from(("0", "1")),
        version=st.sampled_from((OLD, OLD, OLD, "0.9.0", NEW, None)),
        health=healths,
        protected=st.sampled_from((False,) * 5 + (True,)),
    )
    return st.lists(instances, max_size=30, unique_by=lambda instance: instance.id)


# -- a world in which a run takes place, event by event ------------------------------------


Delay = Callable[[int], int]
"""From the wait that a command grants to what its answer takes."""


def at_once(_wait: int) -> int:
    """The quickest world."""
    return 0


def at_the_deadline(wait: int) -> int:
    """The slowest world."""
    return wait


class World:
    """Instances that do as they are told, after a while, or fail to."""

    def __init__(
        self,
        charter: Charter,
        fleet: list[Instance],
        *,
        delay: Delay = at_once,
        chance: Random | None = None,
        trouble: float = 0.0,
        ruinous: bool = False,
    ) -> None:
        self.target = charter.target
        self.instances = {instance.id: instance for instance in fleet}
        self.previous = dict(self.instances)
        self.delay = delay
        self.chance = chance or Random(0)
        self.trouble = trouble
        self.ruinous = ruinous
        self.run = new_run(charter)
        self.now = 0
        self.moments: list[tuple[int, Run]] = []
        self.begins: list[Run] = []
        self.batches: list[tuple[str, ...]] = []
        self._queue: list[tuple[int, int, Command, bool]] = []
        self._issued = 0

    def live(self, *, until: int | None = None) -> World:
        """Let the run happen, to its end or until so many batches have begun."""
        if self.run.state is State.IDLE:
            self.post(Start(self.now))
        while self.run.state not in TERMINAL and (until is None or len(self.begins) < until):
            self.go_on()
        return self

    def go_on(self) -> None:
        """Let the next thing happen."""
        self.now, _, command, well = heapq.heappop(self._queue)
        self.post(self._answer(command, well))
        self._whim()

    def post(self, event: Event) -> None:
        """Step the run, and note when the answers to what it wants will come."""
        self.run, commands = step(self.run, event)
        self.moments.append((self.now, self.run))
        if batch := tuple(c.instance for c in commands if c.verb is Verb.REPLACE):
            self.batches.append(batch)
            self.begins.append(self.run)
        for command in commands:
            well = self.chance.random() >= self.trouble
            if self.ruinous and command.verb is Verb.WATCH:
                well = command.version != self.target
            wait = command.deadline - self.now
            late = not well and command.verb in {Verb.WATCH, Verb.SURVEY}
            after = wait if late or command.verb is Verb.WAIT else self.delay(wait)
            self._issued += 1
            heapq.heappush(self._queue, (self.now + after, self._issued, command, well))

    def _answer(self, command: Command, well: bool) -> Event:
        name, attempt = command.instance, command.attempt
        match command.verb:
            case Verb.SURVEY if well:
                present, gone = news(self.run.ledger, self.target, self.instances.values())
                return Surveyed(self.now, attempt, present, gone)
            case Verb.REPLACE if well:
                self.previous[name] = self.instances[name]
                self._change(name, version=self.target, health=Health.INITIALIZING)
                return Replaced(self.now, name, attempt)
            case Verb.REPLACE:
                return ReplaceFailed(self.now, name, attempt, "no capacity")
            case Verb.WATCH if well:
                self._change(name, health=Health.HEALTHY)
                return Observed(self.now, self.instances[name], attempt)
            case Verb.RESTORE if well:
                self._change(name, version=self.previous[name].version or OLD)
                return Restored(self.now, name, attempt)
            case Verb.RESTORE:
                return RestoreFailed(self.now, name, attempt, "the disk is gone")
            case _:
                return Overdue(self.now, command.verb, name, attempt)

    def _whim(self) -> None:
        """Something falls ill, or recovers, by itself."""
        if self.instances and self.chance.random() < self.trouble:
            name = self.chance.choice(sorted(self.instances))
            self._change(name, health=self.chance.choice((Health.HEALTHY, Health.UNKNOWN)))

    def _change(self, name: str, **changes: object) -> None:
        self.instances[name] = attrs.evolve(self.instances[name], **changes)  # type: ignore[arg-type]  # kept loose: two fields


def healthy(run: Run) -> int:
    """Healthy instances that nothing is being done to."""
    return int(whole(run.counts) - unhealthy(run.counts) - in_flight(run.counts))


@st.composite
def troubled(draw: st.DrawFn) -> tuple[Charter, list[Instance], World]:
    """A run in a world where anything may fail or fall ill, at any pace."""
    charter, fleet = draw(charters), draw(fleets())
    chance = Random(draw(st.integers(0, 2**32)))
    pace = draw(st.sampled_from((at_once, at_the_deadline, None)))
    world = World(
        charter,
        fleet,
        delay=pace or (lambda wait: chance.randint(0, wait)),
        chance=chance,
        trouble=draw(st.sampled_from((0.0, 0.02, 0.2, 0.7))),
    )
    return charter, fleet, world


# -- laws -----------------------------------------------------------------------------------


class TestN3Batches:
    """N3: the plan is the run."""

    @unhurried
    @given(charters, fleets())
    def test_a_run_without_failures_makes_the_planned_batches(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        foreseen = plan(charter, fleet)
        world = World(charter, fleet).live()
        assert [batch.instances for batch in foreseen.batches] == world.batches
        assert [batch.healthy_left for batch in foreseen.batches] == [
            healthy(run) for run in world.begins
        ]
        ends_well = foreseen.verdict.outlook is not Outlook.STOPS
        assert world.run.state is (State.COMPLETED if ends_well else State.CANCELLED)
        assert world.run.cause is foreseen.verdict.cause

    @unhurried
    @given(charters, fleets(), st.integers(0, 2**32))
    def test_the_pace_does_not_matter(
        self, charter: Charter, fleet: list[Instance], seed: int
    ) -> None:
        chance = Random(seed)
        world = World(charter, fleet, delay=lambda wait: chance.randint(0, wait)).live()
        assert [batch.instances for batch in plan(charter, fleet).batches] == world.batches

    @unhurried
    @given(charters, fleets())
    def test_every_instance_is_planned_once_or_left_alone_with_its_reason(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """R1.4, R4.6."""
        foreseen = plan(charter, fleet)
        on_target = {each.id for each in fleet if each.version == NEW}
        protected = {each.id for each in fleet if each.protected} - on_target
        assert sorted(foreseen.on_target) == sorted(on_target)
        assert sorted(foreseen.protected) == sorted(protected)
        touched = [name for batch in foreseen.batches for name in batch.instances]
        wanted = {each.id for each in fleet} - on_target - protected
        stops = foreseen.verdict.outlook is Outlook.STOPS
        assert sorted(touched) == ([] if stops else sorted(wanted))
        assert foreseen.touched == len(touched)
        assert foreseen.instances == len(fleet)

    @unhurried
    @given(charters, fleets())
    def test_a_batch_tells_its_unhealthy_ones_and_its_zones(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """R4.2: never two zones, unless it is allowed."""
        known = {each.id: each for each in fleet}
        for batch in plan(charter, fleet).batches:
            members = [known[name] for name in batch.instances]
            assert batch.unhealthy == sum(m.health is not Health.HEALTHY for m in members)
            assert batch.zones == tuple(sorted({m.zone for m in members}))
            assert len(batch.zones) == 1 or charter.cross_zone
            assert batch.update_domains == tuple(sorted({m.update_domain for m in members}))
            assert len(batch.update_domains) == 1 or not charter.one_domain

    def test_update_domains_are_taken_in_their_order(self) -> None:
        """R6.1: a domain in two batches where the bound wants it, never a batch in two."""
        fleet = [
            Instance(id=f"i{n}", zone=f"z{n % 2}", update_domain=f"{n % 3}", version=OLD)
            for n in range(12)
        ]
        fleet = [attrs.evolve(each, health=Health.HEALTHY) for each in fleet]
        foreseen = plan(a_charter(max_batch=25, cross_zone=True, one_domain=True), fleet)
        domains = [batch.update_domains for batch in foreseen.batches]
        assert domains == [("0",), ("0",), ("1",), ("1",), ("2",), ("2",)]
        assert [batch.size for batch in foreseen.batches] == [2, 2] * 3

    @unhurried
    @given(charters, fleets())
    def test_planning_changes_nothing_and_repeats(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        before = list(fleet)
        assert plan(charter, fleet) == plan(charter, fleet)
        assert fleet == before

    def test_unhealthy_instances_first_when_asked_for(self) -> None:
        """R4.2."""
        fleet = a_fleet(10)
        fleet[7] = attrs.evolve(fleet[7], health=Health.UNKNOWN)
        asked = plan(a_charter(unhealthy_first=True, max_unhealthy=30), fleet)
        assert asked.batches[0].instances == ("i-00007", "i-00000")
        assert asked.batches[0].unhealthy == 1
        unasked = plan(a_charter(max_unhealthy=30), fleet)
        assert unasked.batches[0].instances == ("i-00000", "i-00001")
        assert unasked.batches[0].unhealthy == 0

    def test_an_example(self) -> None:
        """Ten instances in two zones, one of them ill."""
        foreseen = plan(a_charter(pause=MINUTE), a_fleet(10, ill=1, zones=2))
        assert foreseen.batches[0] == PlannedBatch(
            instances=("i-00000", "i-00002"),
            zones=("z0",),
            update_domains=("",),
            unhealthy=1,
            healthy_left=8,
        )
        assert [batch.size for batch in foreseen.batches] == [2, 2, 1, 2, 2, 1]
        assert (foreseen.scale_set, foreseen.target) == ("web", NEW)
        assert foreseen.duration.shortest == 5 * MINUTE

    def test_ten_thousand_instances_cost_some_steps_each(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So does any number; counted, not timed."""
        steps = 0

        def counted(run: Run, event: Event) -> tuple[Run, tuple[Command, ...]]:
            nonlocal steps
            steps += 1
            return step(run, event)

        monkeypatch.setattr(module, "step", counted)
        foreseen = plan(a_charter(rollback=1), a_fleet(10_000, zones=3))
        assert foreseen.touched == 10_000
        assert steps < 3 * 10_000


class TestS1:
    """S1, R4.2: the size of a batch."""

    @unhurried
    @given(charters, fleets())
    def test_no_planned_batch_passes_the_bound(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        bound = max(1, charter.limits.max_batch * len(fleet) // 100)
        foreseen = plan(charter, fleet)
        sizes = [batch.size for batch in foreseen.batches]
        assert foreseen.planned.in_flight == max(sizes, default=0)
        assert foreseen.planned.in_flight <= foreseen.guaranteed.in_flight <= bound

    def test_the_bound_is_reached(self) -> None:
        assert plan(a_charter(), a_fleet(10)).planned.in_flight == 2

    def test_a_small_set_still_moves(self) -> None:
        assert [batch.size for batch in plan(a_charter(), a_fleet(3)).batches] == [1, 1, 1]


class TestS6:
    """S6: headroom."""

    @unhurried
    @given(charters, fleets())
    def test_no_planned_batch_passes_the_headroom(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        foreseen = plan(charter, fleet)
        allowed = charter.limits.max_unhealthy * len(fleet) // 100
        ill = foreseen.verdict.unhealthy
        for batch in foreseen.batches:
            assert len(fleet) - batch.healthy_left <= max(allowed, ill + 1)
            ill -= batch.unhealthy
        healthy_now = len(fleet) - foreseen.verdict.unhealthy
        assert foreseen.planned.healthy == min(
            (batch.healthy_left for batch in foreseen.batches), default=healthy_now
        )
        assert foreseen.guaranteed.healthy <= foreseen.planned.healthy <= healthy_now

    def test_without_headroom_one_by_one(self) -> None:
        """The guarantee is attained: no smaller one could be given."""
        foreseen = plan(a_charter(), a_fleet(10, ill=2, done=2))
        assert [batch.size for batch in foreseen.batches] == [1] * 8
        assert foreseen.planned.healthy == foreseen.guaranteed.healthy == 7


class TestR4_1:
    """R4.1: whether a gate stands in the way, with the numbers."""

    @unhurried
    @given(charters, fleets())
    def test_stops_if_and_only_if_too_many_are_ill(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """S2, S3: the whole set, in integers."""
        verdict = plan(charter, fleet).verdict
        ill = sum(each.health is not Health.HEALTHY for each in fleet)
        wanted = any(each.version != NEW and not each.protected for each in fleet)
        breached = 100 * ill > charter.limits.max_unhealthy * len(fleet)
        if not wanted:
            assert verdict.outlook is Outlook.NOTHING_TO_DO
        else:
            assert verdict.outlook is (Outlook.STOPS if breached else Outlook.STARTS)
        assert (verdict.unhealthy, verdict.instances) == (ill, len(fleet))
        assert breached == (verdict.unhealthy > verdict.allowed)

    def test_starts_at_the_share_and_stops_above_it(self) -> None:
        at = plan(a_charter(), a_fleet(10, ill=2)).verdict
        assert at.text == "starts: 2 of 10 instances unhealthy, 2 (20 %) allowed"
        above = plan(a_charter(), a_fleet(10, ill=3)).verdict
        assert above == Verdict(
            outlook=Outlook.STOPS,
            cause=Cause.FLEET_UNHEALTHY,
            unhealthy=3,
            instances=10,
            percent=20,
            allowed=2,
        )
        assert above.text == (
            "stops at once: too much of the scale set is unhealthy, "
            "3 of 10 instances unhealthy, 2 (20 %) allowed"
        )

    def test_nothing_is_touched_by_a_run_that_stops_at_once(self) -> None:
        foreseen = plan(a_charter(), a_fleet(10, ill=3), per_instance=MINUTE)
        assert foreseen.batches == ()
        assert foreseen.breakable == 0
        assert foreseen.planned == foreseen.guaranteed
        assert (foreseen.planned.in_flight, foreseen.planned.healthy) == (0, 7)
        assert attrs.astuple(foreseen.duration) == (0, 0, 3 * MINUTE, 3 * MINUTE)

    @pytest.mark.parametrize("size", [0, 5])
    def test_nothing_to_do(self, size: int) -> None:
        """R1.4: even if all are ill, and even if there are none."""
        foreseen = plan(a_charter(), a_fleet(size, ill=size, done=size))
        assert foreseen.verdict.outlook is Outlook.NOTHING_TO_DO
        assert foreseen.verdict.cause is Cause.NONE
        assert foreseen.breakable == 0
        assert len(foreseen.on_target) == size
        assert foreseen.duration.expected is None


class TestR4_4:
    """R4.4: how many instances a bad image breaks before the run stops."""

    @unhurried
    @given(charters, fleets())
    def test_as_many_as_it_breaks_event_by_event(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """With rollback and without (R4.3, R4.8)."""
        world = World(charter, fleet, ruinous=True).live()
        assert plan(charter, fleet).breakable == lost(world.run.counts)

    @unhurried
    @given(charters, fleets())
    def test_the_first_batch_unless_every_loss_is_allowed(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        foreseen = plan(charter, fleet)
        first = foreseen.batches[0].size if foreseen.batches else 0
        if charter.limits.max_unhealthy_upgraded < 100:
            assert foreseen.breakable == first
        else:
            assert first <= foreseen.breakable <= foreseen.touched

    def test_if_every_loss_is_allowed_the_unhealthy_fleet_stops_it(self) -> None:
        """R4.1: two of ten may be ill, and one more is tried."""
        assert plan(a_charter(max_unhealthy_upgraded=100), a_fleet(10)).breakable == 3

    def test_if_every_loss_is_allowed_and_restored_nothing_stops_it(self) -> None:
        """S4: the threshold that counts restored ones is the one switched off."""
        charter = a_charter(max_unhealthy_upgraded=100, rollback=1)
        fleet = [attrs.evolve(each, version=None) for each in a_fleet(10)]
        assert plan(charter, fleet).breakable == 10


class TestBounds:
    """N3, N1: what is guaranteed holds whatever fails."""

    @unhurried
    @given(troubled())
    def test_capacity_and_time_bound_any_run(
        self, case: tuple[Charter, list[Instance], World]
    ) -> None:
        charter, fleet, world = case
        foreseen = plan(charter, fleet)
        world.live()
        if world.begins and foreseen.verdict.outlook is not Outlook.STARTS:
            return  # the fleet changed while it was surveyed: another fleet, another plan
        assert all(
            in_flight(run.counts) <= foreseen.guaranteed.in_flight for _, run in world.moments
        )
        assert all(healthy(run) >= foreseen.guaranteed.healthy for run in world.begins)
        assert world.now <= foreseen.duration.limit

    @unhurried
    @given(charters, fleets(), st.integers(0, 40 * MINUTE))
    def test_times_are_in_order(
        self, charter: Charter, fleet: list[Instance], per_instance: int
    ) -> None:
        duration = plan(charter, fleet, per_instance=per_instance).duration
        assert duration.expected is not None
        assert 0 <= duration.shortest <= duration.expected <= duration.longest
        assert duration.longest <= duration.limit

    @unhurried
    @given(charters, fleets())
    def test_a_quick_run_takes_the_shortest_time(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """R4.5: the pauses."""
        world = World(charter, fleet).live()
        assert world.now == plan(charter, fleet).duration.shortest

    @unhurried
    @given(charters, fleets())
    def test_a_slow_run_takes_the_longest_time(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """Attained without rollback, whose restores do not happen here."""
        world = World(charter, fleet, delay=at_the_deadline).live()
        longest = plan(charter, fleet).duration.longest
        restores = charter.limits.rollback * len(world.batches) * 34 * MINUTE
        assert world.now == longest - restores

    @unhurried
    @given(charters, fleets(), st.integers(0, 5 * MINUTE))
    def test_a_run_as_estimated_takes_the_expected_time(
        self, charter: Charter, fleet: list[Instance], per_instance: int
    ) -> None:
        """The estimate covers the replacement and the wait for health."""

        def split(wait: int) -> int:
            """Half for the one, half for the other, nothing for a survey."""
            halves = {
                charter.replace_wait: per_instance // 2,
                charter.health_wait: per_instance - per_instance // 2,
            }
            return halves.get(wait, 0)

        world = World(charter, fleet, delay=split).live()
        expected = plan(charter, fleet, per_instance=per_instance).duration.expected
        assert world.now == expected

    def test_the_limit_is_attained(self) -> None:
        """One instance: replaced at the last moment, never healthy, restored likewise."""
        charter = a_charter(max_unhealthy_upgraded=100, rollback=1)
        world = World(charter, a_fleet(1), delay=at_the_deadline, ruinous=True).live()
        assert world.now == plan(charter, a_fleet(1)).duration.limit

    def test_failures_cost_batches(self) -> None:
        """S6: half the set fails, and the rest goes one by one; hence the limit."""
        charter = a_charter(max_batch=50, max_unhealthy=50, max_unhealthy_upgraded=100)
        foreseen = plan(charter, a_fleet(10))
        assert [batch.size for batch in foreseen.batches] == [5, 5]
        world = World(charter, a_fleet(10), delay=at_the_deadline, ruinous=True)
        world.live(until=2).ruinous = False
        world.live()
        assert [len(batch) for batch in world.batches] == [5, 1, 1, 1, 1, 1]
        assert foreseen.duration.longest < world.now <= foreseen.duration.limit

    def test_no_instance_is_expected_to_pass_its_deadlines(self) -> None:
        duration = plan(a_charter(), a_fleet(1), per_instance=99 * MINUTE).duration
        assert duration.expected == (31 + 5) * MINUTE

    def test_restores_after_a_breach_take_rounds(self) -> None:
        """R4.8: ten may have failed, and are restored one by one, each within 34 minutes."""
        fleet = a_fleet(10)
        without = plan(a_charter(), fleet).duration
        restoring = plan(a_charter(restore_on_breach=1), fleet).duration
        assert restoring.limit - without.limit == 10 * 34 * MINUTE
        assert restoring.longest == without.longest
        rolling_back = plan(a_charter(rollback=1), fleet).duration
        assert plan(a_charter(rollback=1, restore_on_breach=1), fleet).duration == rolling_back

    @unhurried
    @given(st.integers(max_value=-1))
    def test_an_estimate_below_nothing_is_refused(self, per_instance: int) -> None:
        with pytest.raises(InvalidFields) as refusal:
            plan(a_charter(), a_fleet(1), per_instance=per_instance)
        (problem,) = refusal.value.problems
        assert (problem.field, problem.value) == ("per_instance", str(per_instance))

    def test_values_are_frozen(self) -> None:
        foreseen: Plan = plan(a_charter(), a_fleet(1))
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            foreseen.breakable = 0  # type: ignore[misc]  # that is the point


class TestRemaining:
    """N3, R7.1: what is left of a run that is under way."""

    @unhurried
    @given(troubled(), st.integers(0, 60))
    def test_the_limit_bounds_what_is_left_at_every_moment(
        self, case: tuple[Charter, list[Instance], World], cancel_at: int
    ) -> None:
        """Cancelled or not (S8)."""
        _, _, world = case
        world.post(Start(0))
        while world.run.state not in TERMINAL:
            if len(world.moments) == cancel_at:
                world.post(Cancel(world.now))
            else:
                world.go_on()
        for at, run in world.moments:
            left = remaining(run)
            if left is not None:
                assert left.longest <= left.limit
                assert world.now - at <= left.limit

    @unhurried
    @given(charters, fleets(st.just(Health.HEALTHY)))
    def test_as_exact_as_the_plan_while_all_are_healthy(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        planned = len(plan(charter, fleet).batches)
        world = World(charter, fleet, delay=at_the_deadline).live()
        restore = charter.limits.rollback * 34 * MINUTE
        for at, run in world.moments:
            left = remaining(run)
            if left is not None:
                assert left.batches == planned - run.batches
                under_way = run.state in {State.ROLLING_FORWARD, State.WAITING_HEALTH}
                spared = (left.batches + under_way) * restore
                assert world.now - at <= left.longest - spared

    @unhurried
    @given(charters, fleets())
    def test_never_fewer_batches_than_the_bound_demands(
        self, charter: Charter, fleet: list[Instance]
    ) -> None:
        """S1, and at least one while anything is pending (R4.6)."""
        world = World(charter, fleet).live(until=1)
        if world.run.state not in TERMINAL:
            left = remaining(world.run)
            counts = world.run.counts
            assert left is not None
            waiting = counts.pending_healthy + counts.pending_unhealthy
            assert -(-waiting // counts.cap) <= left.batches <= waiting

    def test_unknown_until_the_fleet_is_seen(self) -> None:
        run = new_run(a_charter())
        assert remaining(run) is None
        run, _ = step(run, Start(0))
        assert remaining(run) is None

    def test_nothing_when_it_has_ended(self) -> None:
        nothing = Remaining(batches=0, longest=0, limit=0)
        assert remaining(World(a_charter(), a_fleet(5)).live().run) == nothing
        assert remaining(World(a_charter(), a_fleet(5, ill=5)).live().run) == nothing

    def test_only_the_current_batch_once_cancelled(self) -> None:
        """S8."""
        world = World(a_charter(rollback=1), a_fleet(10)).live(until=1)
        world.post(Cancel(world.now))
        longest, limit = (31 + 5 + 29 + 5) * MINUTE, (31 + 5 + 2 * (29 + 5)) * MINUTE
        assert remaining(world.run) == Remaining(batches=0, longest=longest, limit=limit)

    def test_a_held_run_counts_from_its_resumption(self) -> None:
        """N6."""
        world = World(a_charter(pause=MINUTE), a_fleet(10))
        world.post(Start(0))
        world.post(Pause(0))
        world.go_on()
        duration = plan(a_charter(pause=MINUTE), a_fleet(10)).duration
        left = Remaining(batches=5, longest=duration.longest, limit=duration.limit)
        assert remaining(world.run) == left
        world.post(Resume(99 * MINUTE))
        assert remaining(world.run) == left

    def test_a_pause_between_batches_is_counted_once(self) -> None:
        """R4.5: before the last of two batches."""
        world = World(a_charter(pause=MINUTE), a_fleet(2)).live()
        pausing = next(r for _, r in world.moments if r.counts.gated)
        time = (1 + 3 + 31 + 5 + 3) * MINUTE
        assert remaining(pausing) == Remaining(batches=1, longest=time, limit=time)

    def test_restores_go_in_rounds_of_a_batch(self) -> None:
        """R4.3, R4.8: a threshold ended the run, and three want their disks back."""
        charter = a_charter(max_unhealthy_upgraded=100, restore_on_breach=1)
        world = World(charter, a_fleet(10), ruinous=True).live()
        first = next(r for _, r in world.moments if r.state is State.ROLLING_BACK)
        time = 2 * 34 * MINUTE
        assert remaining(first) == Remaining(batches=0, longest=time, limit=time)

    def test_restores_go_domain_by_domain(self) -> None:
        """R6.1: two want their disks back in two update domains, and two might go at once."""
        charter = a_charter(
            max_unhealthy=15, max_unhealthy_upgraded=100, restore_on_breach=1, one_domain=True
        )
        fleet = [
            attrs.evolve(each, update_domain=str(min(1, number)))
            for number, each in enumerate(a_fleet(10))
        ]
        world = World(charter, fleet, ruinous=True, delay=at_the_deadline).live()
        began, first = next(m for m in world.moments if m[1].state is State.ROLLING_BACK)
        assert (first.counts.cap, failed(first.counts), in_flight(first.counts)) == (2, 1, 1)
        time = 2 * 34 * MINUTE
        assert remaining(first) == Remaining(batches=0, longest=time, limit=time)
        assert world.now - began == time

    def test_those_who_healed_may_be_restored_one_by_one(self) -> None:
        """S6: three failed instances are well again, others have fallen ill, and no headroom
        is left to take more than one of the well ones down for its old disk."""
        charter = a_charter(
            max_batch=100, max_unhealthy=50, max_unhealthy_upgraded=20, restore_on_breach=1
        )
        world = World(
            charter, a_fleet(6, ill=3, done=0), delay=at_the_deadline, ruinous=True
        ).live(until=1)
        assert len(world.batches[0]) == 3
        while world.run.state is not State.PRECHECKING:
            world.go_on()
        for number in range(6):
            ill = Health.HEALTHY if number < 3 else Health.UNKNOWN
            world._change(f"i-{number:05}", health=ill)
        world.live()
        (began, first), *_ = [m for m in world.moments if m[1].state is State.ROLLING_BACK]
        left = remaining(first)
        assert left is not None
        assert (world.now - began, left.limit) == (3 * 34 * MINUTE, 3 * 34 * MINUTE)

    def test_restores_after_a_breach_are_reckoned_with(self) -> None:
        """R4.8: the batch under way may fail too, and so may all that is pending."""
        world = World(a_charter(restore_on_breach=1), a_fleet(10)).live(until=1)
        longest = ((31 + 5) + 4 * (3 + 31 + 5) + 3) * MINUTE
        limit = ((31 + 5) + 8 * (3 + 31 + 5) + 3 + 10 * (29 + 5)) * MINUTE
        assert remaining(world.run) == Remaining(batches=4, longest=longest, limit=limit)

    def test_an_ill_instance_that_waits_for_its_upgrade_costs_no_headroom(self) -> None:
        """S6: it is not counted twice.  The share is used up, yet batches hold two."""
        world = World(a_charter(), a_fleet(10, ill=2))
        world.post(Start(0))
        world.post(Pause(0))
        world.go_on()
        left = remaining(world.run)
        assert left is not None
        assert left.batches == len(plan(a_charter(), a_fleet(10, ill=2)).batches) == 5
