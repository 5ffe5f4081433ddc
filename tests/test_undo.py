"""`rollproof.undo`, `rollproof.rollback`: a run that takes another one back (N7)."""

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollproof.charter import Charter, StartedBy
from rollproof.commands import Verb
from rollproof.errors import NothingToUndo, RunActive
from rollproof.events import Cancel, Event, Observed, Replaced, Start, Surveyed
from rollproof.fleet import Health, Instance, ScaleSet
from rollproof.images import ImageReference
from rollproof.journal import codec
from rollproof.ledger import news
from rollproof.policy import RollingUpgradePolicy, UpgradePolicy
from rollproof.rollback import draw_up_rollback
from rollproof.run import Run, new_run
from rollproof.service_fabric import Durability, ServiceFabric
from rollproof.states import TERMINAL, State
from rollproof.step import trace
from rollproof.undo import Undo
from rollproof_checks.fuzz.stage import HEALTHY, ILL, NEW, OLD, OTHER, Stage, charter, fleet

SET = ScaleSet(name="s", image_reference=ImageReference(image="x"))
OPEN: dict[str, Any] = {"max_unhealthy": 100, "max_unhealthy_upgraded": 100}
UNDO = Undo(run="r", version=NEW, before={"a": OLD, "b": OTHER}, lives={"b": 3})
BEFORE = "before r"


def seen(name: str, version: str | None) -> Instance:
    return Instance(id=name, version=version, health=HEALTHY)


class TestReading:
    """What is seen, in the words of an ordinary run."""

    def test_on_its_version_before_it_is_done(self) -> None:
        assert UNDO.read(seen("a", OLD), BEFORE).version == BEFORE
        assert UNDO.read(seen("b", OTHER), BEFORE).version == BEFORE

    def test_on_the_undone_version_it_is_as_it_is(self) -> None:
        assert UNDO.read(seen("a", NEW), BEFORE) == seen("a", NEW)

    def test_what_cannot_be_read_is_as_it_is(self) -> None:
        assert UNDO.read(seen("a", None), BEFORE) == seen("a", None)

    @pytest.mark.parametrize("version", [OTHER, "3.0.0"])
    def test_on_a_third_version_it_is_left_alone(self, version: str) -> None:
        assert UNDO.read(seen("a", version), BEFORE).protected

    def test_what_the_run_never_touched_is_left_alone(self) -> None:
        """R1.4."""
        assert UNDO.read(seen("c", NEW), BEFORE).protected

    @given(st.sampled_from("abc"), st.sampled_from([OLD, NEW, OTHER, None, BEFORE]))
    def test_twice_is_once(self, name: str, version: str | None) -> None:
        """A host reads it, and the step again."""
        once = UNDO.read(seen(name, version), BEFORE)
        assert UNDO.read(once, BEFORE) == once

    def test_it_names_the_replacement(self) -> None:
        """The provider's `restore` undoes one replacement, named by its key."""
        assert UNDO.key("a") == f"r/a/{Verb.REPLACE}/1"
        assert UNDO.key("b") == f"r/b/{Verb.REPLACE}/3"

    def test_the_journal_keeps_it(self) -> None:
        """N2."""
        kept = attrs.evolve(charter(), undo=UNDO)
        assert codec.charter_of(codec.charter_text(kept)) == kept


class TestDrawingUp:
    """What a run left, under the policy of today."""

    def test_all_that_was_upgraded(self) -> None:
        ended = Stage.of(fleet(3), **OPEN).begin().finish().run
        made = draw_up_rollback(SET, ended, run="back")
        assert made.undo == Undo(run="r", version=NEW, before=dict.fromkeys(ids(3), OLD))
        assert (made.target, made.run, made.started_by) == (OLD, "back", StartedBy.USER)

    def test_what_failed_and_kept_its_disk_too(self) -> None:
        stage = Stage.of(fleet(2), bad=["i00"], rollback=0, **OPEN).begin().finish()
        assert stage.phases["i00"] == "failed_unhealthy"
        made = draw_up_rollback(SET, stage.run, run="back")
        assert made.undo is not None
        assert set(made.undo.before) == set(ids(2))

    def test_what_was_restored_is_back_already(self) -> None:
        stage = Stage.of(fleet(2), bad=["i00"], **OPEN).begin().finish()
        assert stage.phases["i00"] == "restored_healthy"
        made = draw_up_rollback(SET, stage.run, run="back")
        assert made.undo is not None
        assert set(made.undo.before) == {"i01"}

    def test_what_was_left_alone_stays_so(self) -> None:
        """R1.4."""
        stage = Stage.of([*fleet(2), Instance(id="x", version=NEW, health=HEALTHY)], **OPEN)
        made = draw_up_rollback(SET, stage.begin().finish().run, run="back")
        assert made.undo is not None
        assert "x" not in made.undo.before

    def test_each_to_its_own(self) -> None:
        found = [seen("a", OLD), seen("b", OTHER)]
        made = draw_up_rollback(SET, Stage.of(found, **OPEN).begin().finish().run, run="back")
        assert made.undo is not None
        assert made.undo.before == {"a": OLD, "b": OTHER}
        assert made.target == "before r"

    def test_it_keeps_todays_thresholds_and_restores_nothing(self) -> None:
        """S1, S6: batches are bounded as in every run."""
        policy = RollingUpgradePolicy(
            max_batch_instance_percent=50, rollback_failed_instances_on_policy_breach=True
        )
        scale_set = attrs.evolve(
            SET, upgrade_policy=UpgradePolicy(rolling_upgrade_policy=policy)
        )
        ended = Stage.of(fleet(3), **OPEN).begin().finish().run
        limits = draw_up_rollback(scale_set, ended, run="back").limits
        assert limits == (50, 20, 20, 0, 0, 0, 0)

    def test_one_update_domain_after_the_other_where_an_upgrade_went_so(self) -> None:
        """R6.1."""
        cluster = ServiceFabric(
            cluster_durability=Durability.SILVER,
            extension_durability=Durability.SILVER,
            extension_handler_version="1.1",
        )
        ended = Stage.of(fleet(3), **OPEN).begin().finish().run
        for managed in (cluster, None):
            scale_set = attrs.evolve(SET, service_fabric=managed)
            made = draw_up_rollback(scale_set, ended, run="back")
            assert made.one_domain is (managed is not None)

    def test_a_run_under_way_is_not_taken_back(self) -> None:
        """R4.9."""
        with pytest.raises(RunActive):
            draw_up_rollback(SET, Stage.of(fleet(3)).begin().run, run="back")

    def test_nothing_to_undo(self) -> None:
        untouched = Stage.of(fleet(3)).start().send(Cancel(5)).run
        with pytest.raises(NothingToUndo, match="'r' left nothing"):
            draw_up_rollback(SET, untouched, run="back")

    def test_nobody_knows_what_ran_before(self) -> None:
        """S9: a success could not be seen."""
        ended = Stage.of(fleet(1, version=None), **OPEN).begin().finish().run
        with pytest.raises(NothingToUndo):
            draw_up_rollback(SET, ended, run="back")

    def test_an_instance_in_a_later_life(self) -> None:
        """S11: its key bears the life."""
        stage = Stage.of(fleet(2), max_batch=100, **OPEN).begin()
        world = dict(stage.world)
        stage.world.pop("i00")
        stage.answer(stage.waiting(Verb.REPLACE, "i00"))
        stage.world = world
        stage.observed("i00").finish()
        made = draw_up_rollback(SET, stage.run, run="back")
        assert made.undo is not None
        assert made.undo.lives == {"i00": 3}


def ids(size: int) -> list[str]:
    return [instance.id for instance in fleet(size)]


class TestRunning:
    """A rollback is an ordinary run of what it reads."""

    def rolled(self, size: int, **terms: Any) -> tuple[Run, dict[str, Instance]]:
        """A rollback of a whole upgrade, played to its end with a world of its own."""
        ended = Stage.of(fleet(size), **OPEN).begin().finish()
        terms_of = draw_up_rollback(SET, ended.run, run="back")
        world = {**ended.world, **terms.get("changed", {})}
        run, todo = new_run(terms_of), [*trace(new_run(terms_of), Start(1))[1]]
        run = trace(run, Start(1))[0]
        most = 0
        while todo:
            command = todo.pop(0)
            name, attempt = command.instance, command.attempt
            if command.verb is Verb.SURVEY:
                read = [terms_of.read(each) for each in world.values()]
                present, gone = news(run.ledger, terms_of.target, read)
                event: Event = Surveyed(2, attempt, present, gone)
            elif command.verb is Verb.REPLACE:
                world[name] = attrs.evolve(world[name], version=OLD)
                event = Replaced(2, name, attempt)
            else:
                event = Observed(2, world[name], attempt)
            run, commands, _ = trace(run, event)
            most = max(most, sum(c.verb is Verb.REPLACE for c in commands))
            todo += commands
        assert most <= max(1, size * 20 // 100), "S1"
        return run, world

    def test_every_disk_is_given_back(self) -> None:
        run, world = self.rolled(10)
        assert run.state is State.COMPLETED
        assert {instance.version for instance in world.values()} == {OLD}
        assert run.counts.upgraded_healthy == 10

    def test_what_went_on_to_a_third_version_stays_there(self) -> None:
        run, world = self.rolled(10, changed={"i03": seen("i03", "3.0.0")})
        assert run.state is State.COMPLETED
        assert world["i03"].version == "3.0.0"
        assert run.counts.skipped_healthy == 1


places = st.builds(
    Instance,
    id=st.sampled_from("abcd"),
    zone=st.sampled_from(["1", "2"]),
    version=st.sampled_from([OLD, NEW, NEW, OTHER, None]),
    health=st.sampled_from([HEALTHY, HEALTHY, ILL, Health.UNKNOWN]),
    protected=st.booleans(),
)


@settings(deadline=None)
@given(
    st.lists(places, min_size=1, max_size=4, unique_by=lambda each: each.id),
    st.lists(st.tuples(st.integers(0, 9), places), max_size=30),
)
def test_a_rollback_is_a_run_of_what_it_reads(
    found: list[Instance], steps: list[tuple[int, Instance]]
) -> None:
    """N7, hence S1, S6, R4.1 and the rest: the same rows, commands and counts as those of a
    run that knows of no rollback and is told what is read."""
    back: Charter = attrs.evolve(charter(**OPEN), target=BEFORE, undo=UNDO)
    plain = attrs.evolve(back, undo=None)
    one, other = new_run(back), new_run(plain)
    events: list[Event] = [Start(1), Surveyed(1, 1, tuple(found))]
    events += [
        Observed(1, seen_, which % 3 or None) if which > 4 else Replaced(1, seen_.id, 1)
        for which, seen_ in steps
    ]
    for event in events:
        if one.state in TERMINAL:
            return
        read: Event = event
        if isinstance(event, Observed):
            read = attrs.evolve(event, instance=back.read(event.instance))
        elif isinstance(event, Surveyed):
            read = attrs.evolve(event, present=tuple(map(back.read, event.present)))
        one, commands, rows = trace(one, event)
        other, commands_2, rows_2 = trace(other, read)
        assert (commands, rows, one.state, one.counts) == (
            *(commands_2, rows_2),
            *(other.state, other.counts),
        )
