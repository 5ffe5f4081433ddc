"""rollproof_checks.verify.policy: what a policy means for a fleet, against brute force (N4)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from heapq import heappop, heappush
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import pytest

from rollproof.charter import Charter, StartedBy
from rollproof.commands import Command, Verb
from rollproof.counts import Counts, Limits, in_flight, lost
from rollproof.errors import InvalidDocument, InvalidFields
from rollproof.events import (
    Event,
    Observed,
    Overdue,
    Replaced,
    Restored,
    RestoreFailed,
    Start,
    Surveyed,
)
from rollproof.fleet import Health, Instance, ScaleSet
from rollproof.images import ImageReference
from rollproof.ledger import news
from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow
from rollproof.plan import plan
from rollproof.policy import (
    AutomaticOSUpgradePolicy,
    DeferralDefault,
    DeferralPolicy,
    RollingUpgradePolicy,
    UpgradePolicy,
)
from rollproof.run import Run, new_run
from rollproof.states import TERMINAL, Cause, State
from rollproof.step import step
from rollproof.table import ROWS
from rollproof_checks.explore import Bound, Model, Waiver, explore
from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify import (
    Figure,
    PolicyVerdict,
    Severity,
    figures,
    verify_policy,
)
from rollproof_checks.verify.policy import LARGEST, imagined_fleet, terms
from rollproof_checks.verify.words import policies_text, policy_text
from rollproof_spec.vocabulary import Property, of_states

WEB = ScaleSet(name="web", image_reference=ImageReference(image="web-os"))


def a_set(
    batch: int = 20,
    unhealthy: int = 20,
    upgraded: int = 20,
    *,
    automatic: bool = False,
    breach: bool = False,
    **switches: Any,
) -> ScaleSet:
    rolling = RollingUpgradePolicy(
        max_batch_instance_percent=batch,
        max_unhealthy_instance_percent=unhealthy,
        max_unhealthy_upgraded_instance_percent=upgraded,
        rollback_failed_instances_on_policy_breach=breach,
        **switches,
    )
    upgrades = AutomaticOSUpgradePolicy(enable_automatic_os_upgrade=automatic)
    policy = UpgradePolicy(rolling_upgrade_policy=rolling, automatic_os_upgrade_policy=upgrades)
    return attrs.evolve(WEB, upgrade_policy=policy)


# -- brute force ------------------------------------------------------------------------


@attrs.frozen
class Ending:
    """How one quiet run went."""

    failures: int
    completed: bool
    most_in_flight: int
    elapsed: int


Waiting = list[tuple[int, int, Command]]


def endings(charter: Charter, fleet: list[Instance]) -> Iterator[Ending]:
    """Every way for a quiet run to go: any number of each batch fails, any restore may
    fail, and every wait lasts to its deadline."""
    run, commands = step(new_run(charter), Start(0))
    yield from _onward(run, _due([], commands), frozenset(), fleet, 0)


def _due(waiting: Waiting, commands: tuple[Command, ...]) -> Waiting:
    waiting = list(waiting)
    for number, command in enumerate(commands):
        heappush(waiting, (command.deadline, number, command))
    return waiting


def _onward(
    run: Run, waiting: Waiting, broken: frozenset[str], fleet: list[Instance], most: int
) -> Iterator[Ending]:
    while waiting:
        at, _, command = heappop(waiting)
        first, *others = _outcomes(run, command, broken, fleet, at)
        for other in others:
            after, commands = step(run, other)
            now = max(most, in_flight(after.counts))
            yield from _onward(after, _due(waiting, commands), broken, fleet, now)
        run, commands = step(run, first)
        waiting = _due(waiting, commands)
        most = max(most, in_flight(run.counts))
        batch = [c.instance for c in commands if c.verb is Verb.REPLACE]
        for failing in range(1, len(batch) + 1):
            chosen = broken | set(batch[:failing])
            yield from _onward(run, list(waiting), chosen, fleet, most)
        if not waiting:
            completed = run.state is State.COMPLETED
            yield Ending(lost(run.counts), completed, most, at)


def _outcomes(
    run: Run, command: Command, broken: frozenset[str], fleet: list[Instance], at: int
) -> list[Event]:
    name, attempt = command.instance, command.attempt
    if command.verb is Verb.SURVEY:
        known = run.batches > 0
        return [Surveyed(at, attempt, () if known else news(run.ledger, "2.0.0", fleet)[0])]
    if command.verb is Verb.REPLACE:
        return [Replaced(at, name, attempt)]
    if command.verb is Verb.RESTORE:
        return [Restored(at, name, attempt), RestoreFailed(at, name, attempt, "no")]
    if command.verb is Verb.WATCH and not (command.version == "2.0.0" and name in broken):
        seen = Instance(id=name, version=command.version, health=Health.HEALTHY)
        return [Observed(at, seen, attempt)]
    return [Overdue(at, command.verb, name, attempt)]


def _samples() -> Iterator[Any]:
    """Small fleets under policies from all corners; the same ones every time."""
    chance = random.Random(4)
    percents = (5, 20, 34, 50, 67, 80, 100)
    for rollback, breach in product((False, True), repeat=2):
        for size in (1, 2, 3, 4, 5, 5):
            if rollback and size == 5:
                size = 4  # noqa: PLW2901  # restores multiply the ways
            policy = a_set(
                chance.choice(percents),
                chance.choice(percents),
                chance.choice((0, *percents)),
                breach=breach,
                prioritize_unhealthy_instances=chance.random() < 0.5,
                enable_cross_zone_upgrade=chance.random() < 0.3,
            )
            zones = chance.choice((1, 1, 2))
            ill = chance.choice((0, 0, 0, 1)) if size > 1 else 0
            limits = terms(policy, rollback=rollback).limits
            name = f"{size} in {zones}, {ill} ill, {'/'.join(map(str, limits))}"
            yield pytest.param(policy, size, zones, ill, rollback, id=name)


class TestAgainstBruteForce:
    """Each figure, for every way that a quiet run of a small fleet can go (N1, N4, R4.4)."""

    @pytest.mark.parametrize(("policy", "size", "zones", "ill", "rollback"), list(_samples()))
    def test_every_figure(
        self, policy: ScaleSet, size: int, zones: int, ill: int, rollback: bool
    ) -> None:
        found = verify_policy(policy, size, zones=zones, unhealthy=ill, rollback=rollback)
        charter = terms(policy, rollback=rollback)
        ways = list(endings(charter, imagined_fleet(found.fleet, zones)))
        assert found.finishes == any(way.completed and not way.failures for way in ways)
        if not found.finishes:
            assert found.verdict is Verdict.REFUTED
            assert not any(way.completed or way.failures for way in ways)
            return
        stops = [way.failures for way in ways if not way.completed]
        assert found.tolerates is not None
        assert found.tolerates < min(stops, default=size + 1)
        if ill == 0:  # then what is proved and what is shown leave no gap
            assert found.failures == min(stops, default=None)
            assert found.tolerates == (min(stops) - 1 if stops else size)
        else:
            assert (found.failures is None) == (not stops)
            assert found.failures is None or found.failures >= min(stops)
        _reaches(found.survives, max(way.failures for way in ways if way.completed))
        _reaches(found.broken, max(way.failures for way in ways))
        most = max(way.most_in_flight for way in ways)
        if rollback or not charter.limits.restore_on_breach:
            _reaches(found.down, most)
        else:  # what is restored at once after a breach is bounded, and not searched for
            assert found.down.shown <= most <= (found.down.proved or 0)
        assert max(way.elapsed for way in ways) <= found.duration.limit
        assert found.useless in {way.failures for way in ways}

    def test_the_longest_run_takes_the_limit(self) -> None:
        """N3: reached where every instance is a batch of its own: the limit is no fancy."""
        policy = a_set(20, 100, 100)
        found = verify_policy(policy, 3)
        ways = endings(terms(policy), imagined_fleet(found.fleet, 1))
        assert max(way.elapsed for way in ways) == found.duration.limit


def _reaches(figure: Figure, most: int) -> None:
    """What was shown is all there is, and within what was proved."""
    assert figure.proved is not None
    assert figure.shown == most <= figure.proved


class TestRestlessFleets:
    """N1: no more are down at once, also where health changes by itself."""

    @pytest.mark.parametrize("seed", range(20))
    def test_down_at_once(self, seed: int) -> None:
        chance = random.Random(seed)
        shares = [chance.choice((10, 20, 34, 50, 100)) for _ in range(3)]
        policy = a_set(*shares, breach=chance.random() < 0.5)
        rollback = chance.random() < 0.5
        found = verify_policy(policy, chance.randint(2, 12), rollback=rollback)
        charter, fleet = terms(policy, rollback=rollback), imagined_fleet(found.fleet, 1)
        for _ in range(4):
            assert _restless(charter, fleet, chance) <= (found.down.proved or 0)


def _restless(charter: Charter, fleet: list[Instance], chance: random.Random) -> int:
    """The most in flight in a run during which health is as chance has it."""
    run, commands = step(new_run(charter), Start(0))
    waiting, most = list(commands), 0
    while waiting:
        command = waiting.pop(chance.randrange(len(waiting)))
        ill = chance.random() < 0.3
        broken = frozenset({command.instance} if ill else ())
        event = chance.choice(_outcomes(run, command, broken, fleet, 1))
        for told in (event, *(_whim(run, chance) for _ in fleet)):
            run, commands = step(run, told)
            waiting += commands
            most = max(most, in_flight(run.counts))
    return most


def _whim(run: Run, chance: random.Random) -> Event:
    """A look at an instance to which nothing is being done; else none of note."""
    settled = [name for name, phase in run.ledger.members() if phase not in FLYING]
    if not settled or run.state in TERMINAL:
        return Overdue(1, Verb.SURVEY, "", -1)
    name = chance.choice(settled)
    code = run.ledger.find(name)
    version = None if code is None else run.ledger.versions.cells()[code]
    upgraded = run.ledger.phase_of(name) == "upgraded_healthy"
    health = chance.choice((Health.HEALTHY, Health.HEALTHY, Health.UNHEALTHY))
    return Observed(
        1, Instance(id=name, version="2.0.0" if upgraded else version, health=health)
    )


FLYING = ("replacing", "awaiting", "restoring", "recovering")


QUIET = Bound(
    rows=(
        *("*_falls_ill", "*_recovers", "appear_*", "vanish_*", "exempt_*", "enlist_*"),
        *("pause", "resume", "cancel", "opt_out", "force", "fault*", "survey_overdue"),
    ),
    why="a quiet fleet, as the figures have it",
)

HEALED = Waiver(
    names=("DownInv",),
    why="as many are restored at once only where failed ones have recovered by themselves",
)


class TestAgainstTheExplorer:
    """What is proved of the table is reached in it: batches may be sealed at any size."""

    @pytest.mark.parametrize(
        ("size", "policy", "rollback"),
        [
            (7, a_set(), True),
            (7, a_set(50, 50, 50), True),
            (6, a_set(100, 34, 100), False),
            (6, a_set(67, 50, 34, breach=True), False),
            (5, a_set(50, 100, 20), True),
        ],
        ids=("default", "halves", "no rollback", "breach", "small batches"),
    )
    def test_bounds_are_tight(self, size: int, policy: ScaleSet, rollback: bool) -> None:
        found = verify_policy(policy, size, rollback=rollback)
        limits = terms(policy, rollback=rollback).limits
        model = Model(
            name="quiet",
            instances=size,
            limits=limits,
            bounds=(QUIET,),
            waivers=(
                Waiver(names=tuple(ROWS), why="only figures are asked for"),
                *([HEALED] if limits.restore_on_breach else []),
            ),
        )
        seen = explore(model, properties=_within(found))
        assert seen.counterexample is None, str(seen.counterexample)
        assert seen.untested == ()
        assert seen.verdict is Verdict.PROVED


def _within(found: PolicyVerdict) -> tuple[Property, ...]:
    """The figures as properties: their twins are that they are reached."""
    down, broken, survived = found.down.proved, found.broken.proved, found.survives.proved
    assert down is not None
    assert broken is not None
    assert survived is not None

    @of_states(lambda _s, c, _p: in_flight(c) == down)
    def DownInv(_state: State, c: Counts[Any], _p: Limits[int]) -> Any:
        """N1."""
        return in_flight(c) <= down

    @of_states(lambda _s, c, _p: lost(c) == broken)
    def BrokenInv(_state: State, c: Counts[Any], _p: Limits[int]) -> Any:
        """R4.4."""
        return lost(c) <= broken

    @of_states(lambda s, c, _p: lost(c) == survived if s is State.COMPLETED else False)
    def SurvivedInv(state: State, c: Counts[Any], _p: Limits[int]) -> Any:
        """R4.6."""
        return lost(c) <= survived if state is State.COMPLETED else True

    return DownInv, BrokenInv, SurvivedInv


# -- named cases --------------------------------------------------------------------------


def names(found: PolicyVerdict) -> list[str]:
    return [finding.name for finding in found.findings]


class TestFeasibility:
    """Can it finish, and with how many failures (N4)."""

    def test_three_instances_and_twenty_percent(self) -> None:
        """N4: the case of the requirement: one failure stops it, and so does one instance
        that is unhealthy for any other reason."""
        found = verify_policy(WEB, 3)
        assert found.verdict is Verdict.PROVED
        assert (found.finishes, found.tolerates, found.failures) == (True, 0, 1)
        assert found.survives == Figure(proved=0, shown=0)
        assert names(found)[:2] == ["no_unhealthy_tolerated", "any_failure_stops"]
        run = found.counterexample
        assert run is not None
        assert (run.state, run.cause) == (State.CANCELLED, Cause.UPGRADED_UNHEALTHY)
        moves = [(row, name) for row, name in run.taken if name]
        assert moves[3:] == [("begin_healthy", "0"), ("replaced", "0"), ("fail", "0")]
        assert run.numbers == "1 of 1 attempted instances lost"

    def test_only_the_first_batch_is_fragile(self) -> None:
        """S3: of a batch of four one lost is too many, of twenty it is not."""
        found = verify_policy(WEB, 20)
        assert (found.tolerates, found.survives.shown) == (0, 4)
        assert "first_failure_stops" in names(found)

    def test_failures_tolerated_anywhere(self) -> None:
        found = verify_policy(WEB, 100)
        assert (found.tolerates, found.failures) == (4, 5)
        assert found.survives == Figure(proved=20, shown=20)
        assert not [f for f in found.findings if f.severity is Severity.WARNING]

    def test_nothing_stops_it(self) -> None:
        found = verify_policy(a_set(80, 80, 100), 5)
        assert (found.tolerates, found.failures, found.broken.shown) == (5, None, 5)
        assert "nothing_stops" in names(found)

    @pytest.mark.parametrize("ill", [0, 1, 2, 3, 10])
    def test_what_is_unhealthy_before(self, ill: int) -> None:
        """R4.1, S2: two of ten may be; with three not even a first batch begins."""
        found = verify_policy(WEB, 10, unhealthy=ill)
        assert found.finishes == found.starts == (ill <= 2)
        assert (found.verdict is Verdict.REFUTED) == (ill > 2)
        if ill > 2:
            assert names(found) == ["cannot_start"]
            assert found.counterexample is not None
            assert found.counterexample.stopped_by == "breach_fleet"
            assert found.counterexample.numbers == f"{ill} of 10 instances unhealthy"
            assert found.down == Figure(proved=0, shown=0)

    @pytest.mark.parametrize(("ill", "protected"), [(2, 2), (1, 5), (2, 8)])
    def test_unhealthy_and_protected(self, ill: int, protected: int) -> None:
        """R1.4, R4.1: they count, and no upgrade heals them; still the run finishes."""
        found = verify_policy(WEB, 10, unhealthy=ill, protected=protected)
        assert found.fleet.protected_unhealthy == min(ill, protected)
        assert found.finishes
        assert found.verdict is Verdict.PROVED

    def test_all_are_protected(self) -> None:
        """Even where so many are unhealthy that nothing could begin."""
        found = verify_policy(WEB, 10, unhealthy=5, protected=10)
        assert (found.finishes, found.starts, names(found)) == (True, False, ["nothing_to_do"])
        assert found.verdict is Verdict.PROVED

    def test_what_was_asked_for(self) -> None:
        assert verify_policy(WEB, 100, tolerate=4).verdict is Verdict.PROVED
        refused = verify_policy(WEB, 100, tolerate=5)
        assert (refused.verdict, names(refused)[0]) == (Verdict.REFUTED, "tolerates_less")


class TestWaits:
    """What comes on top of the figures: approvals and windows (R4.11, N10)."""

    @pytest.mark.parametrize(("size", "zones"), [(1, 1), (3, 1), (7, 2), (10, 1), (40, 3)])
    @pytest.mark.parametrize("action", DeferralDefault)
    def test_what_is_approved_goes_as_what_needs_no_approval(
        self, size: int, zones: int, action: DeferralDefault
    ) -> None:
        """R4.11: as in a plan, the run is taken to be approved; the wait is told."""
        free = verify_policy(a_set(automatic=True), size, zones=zones)
        waiting = verify_policy(
            automatically(
                os_rolling_upgrade_deferral=True,
                deferral=DeferralPolicy(latest=timedelta(days=7), default_action=action),
            ),
            size,
            zones=zones,
        )
        alike = attrs.fields_dict(PolicyVerdict).keys() - {"limits", "findings", "seconds"}
        for name in alike:
            assert getattr(waiting, name) == getattr(free, name), name
        (told,) = (f for f in waiting.findings if f not in free.findings)
        assert (told.severity, told.name) == (Severity.NOTE, "waits_for_approval")
        becomes = "upgraded" if action is DeferralDefault.APPROVE else "left alone"
        assert "P7D" in told.text
        assert becomes in told.text
        assert waiting.verdict is Verdict.PROVED

    @pytest.mark.parametrize("at_end", AtEnd)
    def test_a_window(self, at_end: AtEnd) -> None:
        """N10: what it lasts counts no closed window, and is not said to."""
        window = MaintenanceWindow(
            begins="02:00", duration=timedelta(minutes=10), at_end=at_end
        )
        found = verify_policy(automatically(maintenance_windows=(window,)), 10)
        (told,) = (f for f in found.findings if f.name == "keeps_to_windows")
        assert told.severity is Severity.NOTE
        assert ("cancels" in told.text) == (at_end is AtEnd.STOP_AT_ONCE)
        assert "whatever fails, not counting the waits above;" in " ".join(
            policy_text(found).split()
        )
        assert told.text in " ".join(policies_text([found]).split())

    def test_a_freeze(self) -> None:
        freeze = Freeze(begins="2030-01-01T00:00", ends="2030-02-01T00:00")
        assert "keeps_to_windows" in names(verify_policy(automatically(freezes=(freeze,)), 10))

    def test_whoever_starts_it_by_hand_waits_for_nothing(self) -> None:
        """R4.11, N10."""
        freeze = Freeze(begins="2030-01-01T00:00", ends="2030-02-01T00:00")
        kept = automatically(freezes=(freeze,), os_rolling_upgrade_deferral=True)
        found = verify_policy(kept, 10, started_by=StartedBy.USER)
        assert not {"keeps_to_windows", "waits_for_approval"} & set(names(found))
        assert "the waits above" not in policy_text(found)


def automatically(**given: Any) -> ScaleSet:
    """Automatic upgrades, with these terms."""
    upgrades = AutomaticOSUpgradePolicy(enable_automatic_os_upgrade=True, **given)
    return attrs.evolve(WEB, upgrade_policy=UpgradePolicy(automatic_os_upgrade_policy=upgrades))


class TestFigures:
    """The numbers."""

    def test_headroom_keeps_batches_small(self) -> None:
        """S6: half of the set is never taken where a fifth may be unhealthy."""
        found = verify_policy(a_set(50, 20, 100), 100)
        assert found.down == Figure(proved=20, shown=20)
        assert "batch_not_reached" in names(found)

    def test_zones_keep_batches_small(self) -> None:
        """R4.2: the bound is of the table, which knows no zones."""
        found = verify_policy(a_set(50, 50, 20), 10, zones=5)
        assert found.down == Figure(proved=5, shown=2)
        assert not found.down.exact

    def test_the_worst_image_works_at_first(self) -> None:
        """R4.4: a share of many attempts, and a whole batch on top."""
        found = verify_policy(a_set(automatic=True), 100)
        assert (found.useless, found.broken) == (20, Figure(proved=36, shown=36))

    def test_it_is_as_the_plan_says(self) -> None:
        """N3: the same machine answers both."""
        found = verify_policy(WEB, 40, zones=3)
        planned = plan(terms(WEB), imagined_fleet(found.fleet, 3))
        assert found.duration == planned.duration
        assert found.useless == planned.breakable
        assert found.healthy == planned.guaranteed.healthy
        assert found.down.proved == planned.guaranteed.in_flight

    @pytest.mark.parametrize("size", [1, 7, 40, 250])
    def test_the_share_of_every_size(self, size: int) -> None:
        """S1: from another arithmetic."""
        found = verify_policy(WEB, size)
        assert found.down.proved == max(1, int(Fraction(20, 100) * size))

    def test_a_large_fleet(self) -> None:
        """Well under 20 s for ten thousand instances, and exact."""
        found = verify_policy(a_set(automatic=True), 10_000)
        assert (found.tolerates, found.failures) == (400, 401)
        assert found.broken == Figure(proved=3600, shown=3600)
        assert found.down == Figure(proved=2000, shown=2000)

    def test_who_starts_it(self) -> None:
        """R4.8: the platform rolls back, people do not."""
        by_hand, by_itself = verify_policy(WEB, 5), verify_policy(a_set(automatic=True), 5)
        assert (by_hand.limits.rollback, by_itself.limits.rollback) == (0, 1)
        platform = verify_policy(WEB, 5, started_by=StartedBy.PLATFORM)
        assert platform.limits.rollback == 1
        assert verify_policy(WEB, 5, rollback=True).limits.rollback == 1

    def test_a_solver_that_gives_up_is_no_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(figures, "BUDGET", 1)
        found = verify_policy(WEB, 40)
        assert found.verdict is Verdict.UNDETERMINED
        assert found.tolerates is None
        assert "UNDETERMINED" in policy_text(found)
        assert "?" in policies_text([found])


class TestInput:
    """What is not understood."""

    def test_a_document(self, tmp_path: Path) -> None:
        file = tmp_path / "web.toml"
        file.write_text('name = "web"\nimage_reference = { image = "web-os" }\n', "utf-8")
        assert verify_policy(file, 3).tolerates == verify_policy(str(file), 3).tolerates == 0
        with pytest.raises(InvalidDocument):
            verify_policy(tmp_path / "none.toml", 3)

    def test_a_template(self, tmp_path: Path) -> None:
        """R2.4."""
        file = tmp_path / "web.json"
        page = Path(__file__).parents[1] / "docs/template.md"
        file.write_text(page.read_text("utf-8").split("```json\n")[1].partition("```")[0])
        found = verify_policy(file, 20)
        assert found.limits.max_batch == 10

    def test_all_numbers_at_once(self) -> None:
        with pytest.raises(InvalidFields) as raised:
            verify_policy(WEB, LARGEST + 1, zones=0, unhealthy=-1, protected=-1, tolerate=-1)
        fields = [problem.field for problem in raised.value.problems]
        assert fields == ["instances", "zones", "unhealthy", "protected", "tolerate"]

    def test_what_is_right_is_no_problem(self) -> None:
        """No fleet at all is one mistake, not three."""
        with pytest.raises(InvalidFields) as raised:
            verify_policy(WEB, -4)
        assert [problem.field for problem in raised.value.problems] == ["instances"]


class TestWords:
    """For people, in 80 columns."""

    @pytest.mark.parametrize(
        ("policy", "asked"),
        [
            (WEB, {"instances": 3}),
            (a_set(automatic=True), {"instances": 40, "zones": 3}),
            (a_set(50, 20, 100, breach=True), {"instances": 100, "unhealthy": 5}),
            (a_set(80, 80, 100), {"instances": 5}),
            (WEB, {"instances": 10, "unhealthy": 3}),
            (WEB, {"instances": 10, "protected": 10}),
            (a_set(5, 5, 100), {"instances": 300, "tolerate": 99}),
        ],
        ids=("three", "zones", "ill", "nothing stops", "refused", "protected", "many"),
    )
    def test_narrow(self, policy: ScaleSet, asked: dict[str, Any]) -> None:
        found = verify_policy(policy, **asked)
        text = policy_text(found)
        assert max(map(len, text.splitlines())) <= 80
        assert text.startswith(f"web, {asked['instances']} instances")
        assert f"\n{found.verdict}" in text
        for finding in found.findings:
            assert finding.text in " ".join(text.split())

    def test_what_a_platform_engineer_reads(self) -> None:
        text = " ".join(policy_text(verify_policy(WEB, 3)).split())
        assert "WARNING one failure, wherever it falls, stops the run (R4.1, R4.4)" in text
        assert "fail 0 breach_upgraded 1 of 1 attempted instances lost, 20 % may be" in text
        assert "Down at once at most 1, because of the run." in text
        assert "It lasts at most 2 h 5 min, whatever fails." in text

    def test_several_sizes(self) -> None:
        found = [verify_policy(WEB, size) for size in (3, 40)]
        text = policies_text(found)
        assert max(map(len, text.splitlines())) <= 80
        rows = [line.split() for line in text.splitlines() if line.endswith(" min")]
        assert [row[:6] for row in rows] == [list("310011"), ["40", "8", "1", "8", "8", "8"]]
