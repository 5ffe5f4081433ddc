"""rollproof.fleet and rollproof.extensions."""

import pickle
from datetime import timedelta
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.errors import InvalidFields
from rollproof.fleet import (
    Disk,
    Extension,
    Health,
    Instance,
    PowerState,
    ScaleSet,
    provisioning_order,
)
from rollproof.health import HealthExtension, HealthSource, TcpProbe
from rollproof.images import ImageReference
from rollproof.policy import Timeouts

WEB_OS = ImageReference(image="web-os")


def extension(name: str, *after: str) -> Extension:
    """An extension that runs after others."""
    return Extension(name=name, command=("run",), provision_after=after)


@st.composite
def acyclic(draw: st.DrawFn) -> tuple[Extension, ...]:
    """Extensions in any declared order, without a cycle."""
    names = [f"e{number}" for number in range(draw(st.integers(0, 8)))]
    drawn = [
        extension(name, *draw(st.lists(st.sampled_from(names[:position]), max_size=3)))
        if position
        else extension(name)
        for position, name in enumerate(names)
    ]
    return tuple(draw(st.permutations(drawn)))


class TestR1_1:
    """R1.1: what a scale set and an instance consist of."""

    def test_scale_set_defaults(self) -> None:
        scale_set = ScaleSet(name="web", image_reference=WEB_OS)
        assert (scale_set.location, scale_set.provider) == ("local", "local")
        assert scale_set.health is None
        assert scale_set.custom_data is None
        assert scale_set.extensions == ()
        assert scale_set.timeouts.health == timedelta(minutes=5)

    def test_instance_defaults_claim_nothing(self) -> None:
        instance = Instance(id="i-1")
        assert instance.health is Health.UNKNOWN
        assert instance.version is None
        assert instance.power_state is PowerState.RUNNING
        assert (instance.zone, instance.data_disks, instance.protected) == ("", (), False)

    @pytest.mark.parametrize("value", [Instance(id="i-1"), Disk("d-1", "1.0.0")])
    def test_observations_are_frozen_values(self, value: Instance | Disk) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.id = "other"  # type: ignore[misc]  # the point of the test
        assert pickle.loads(pickle.dumps(value)) == value
        assert not hasattr(value, "__dict__")

    @pytest.mark.parametrize("name", ["a", "web-1", "0", "a" * 64])
    def test_names(self, name: str) -> None:
        assert ScaleSet(name=name, image_reference=WEB_OS).name == name

    @pytest.mark.parametrize("name", ["", "Web", "a" * 65, "a/b", "..", "-a", "a_b", "a\n", 1])
    def test_names_are_path_safe(self, name: str) -> None:
        with pytest.raises(InvalidFields, match=r"R1\.1"):
            ScaleSet(name=name, image_reference=WEB_OS)

    @pytest.mark.parametrize("location", ["westeurope", "West US 2", "a", "rack_7-b"])
    def test_locations(self, location: str) -> None:
        scale_set = ScaleSet(name="web", image_reference=WEB_OS, location=location)
        assert scale_set.location == location

    @pytest.mark.parametrize("location", ["", " a", "a ", "a/b", "a" * 65])
    def test_other_locations_are_refused(self, location: str) -> None:
        with pytest.raises(InvalidFields, match="location"):
            ScaleSet(name="web", image_reference=WEB_OS, location=location)

    def test_parts_have_their_types(self) -> None:
        with pytest.raises(InvalidFields) as caught:
            ScaleSet(
                name="web",
                image_reference="web-os",  # type: ignore[arg-type]  # wrong on purpose
                upgrade_policy={},  # type: ignore[arg-type]  # wrong on purpose
                health="http",  # type: ignore[arg-type]  # wrong on purpose
                extensions=[],  # type: ignore[arg-type]  # wrong on purpose
            )
        fields = {problem.field for problem in caught.value.problems}
        assert fields == {"image_reference", "upgrade_policy", "health", "extensions"}


class TestR1_2:
    """R1.2: scripts and extensions run in their declared order, acyclic."""

    @given(acyclic())
    def test_each_runs_once_and_after_what_it_needs(
        self, extensions: tuple[Extension, ...]
    ) -> None:
        order = provisioning_order(extensions)
        assert sorted(order, key=extensions.index) == list(extensions)
        done: set[str] = set()
        for one in order:
            assert done.issuperset(one.provision_after)
            done.add(one.name)

    @given(acyclic())
    def test_of_the_free_ones_the_first_declared_runs_first(
        self, extensions: tuple[Extension, ...]
    ) -> None:
        done: set[str] = set()
        for one in provisioning_order(extensions):
            free = [
                other
                for other in extensions
                if other.name not in done and done.issuperset(other.provision_after)
            ]
            assert one == free[0]
            done.add(one.name)

    def test_a_late_dependency_does_not_disturb_the_rest(self) -> None:
        declared = (extension("a", "c"), extension("b"), extension("c"), extension("d"))
        assert [one.name for one in provisioning_order(declared)] == ["b", "c", "a", "d"]

    def test_a_cycle_is_shown(self) -> None:
        cycle = (extension("x"), extension("a", "b"), extension("b", "c"), extension("c", "a"))
        with pytest.raises(InvalidFields) as caught:
            provisioning_order(cycle)
        (problem,) = caught.value.problems
        first, *_, last = names = problem.value.split(" after ")
        assert first == last
        assert set(names) == {"a", "b", "c"}
        after = {one.name: one.provision_after for one in cycle}
        assert all(later in after[name] for name, later in pairwise(names))
        assert problem.field == f"extensions[{'xabc'.index(first)}].provision_after"

    def test_an_extension_cannot_follow_itself(self) -> None:
        with pytest.raises(InvalidFields, match="a after a"):
            provisioning_order((extension("a", "a"),))

    def test_names_twice_and_names_undefined_all_at_once(self) -> None:
        extensions = (
            extension("agent", "agnet"),
            extension("agent", "zzz"),
            extension("loop", "loop"),
        )
        with pytest.raises(InvalidFields) as caught:
            ScaleSet(name="web", image_reference=WEB_OS, extensions=extensions)
        problems = {problem.field: problem for problem in caught.value.problems}
        assert problems["extensions[0].provision_after"].fix == 'Did you mean "agent"?'
        assert problems["extensions[2].provision_after"].value == "loop after loop"
        assert problems["extensions[1].name"].bound == "a name that no other one bears"
        assert problems["extensions[1].provision_after"].fix.startswith("Define it")

    @pytest.mark.parametrize("command", [(), ("a\0b",), ("\ud800",), "run", ["run"], (1,)])
    def test_a_command_can_be_run(self, command: tuple[str, ...]) -> None:
        with pytest.raises(InvalidFields, match="a program and its arguments"):
            Extension(name="a", command=command)

    def test_a_command_may_hold_lines(self) -> None:
        assert Extension(name="a", command=("sh", "-c", "a\nb")).command[2] == "a\nb"

    @pytest.mark.parametrize("timeout", [timedelta(0), timedelta(days=1, seconds=1)])
    def test_a_timeout_is_bounded(self, timeout: timedelta) -> None:
        assert extension("a").timeout == timedelta(minutes=5)
        with pytest.raises(InvalidFields):
            Extension(name="a", command=("run",), timeout=timeout)

    @pytest.mark.parametrize("script", ["boot.sh", "scripts/boot.sh", "a..b", ".hidden"])
    def test_custom_data_lies_beside_the_document(self, script: str) -> None:
        scale_set = ScaleSet(name="web", image_reference=WEB_OS, custom_data=script)
        assert scale_set.custom_data == script

    @pytest.mark.parametrize(
        "script", ["", "/etc/x", "..", "../x", "a/../b", "a/..", "c:x", "a\\b", "a\0b", "a\n"]
    )
    def test_custom_data_cannot_lead_elsewhere(self, script: str) -> None:
        with pytest.raises(InvalidFields, match="a relative path"):
            ScaleSet(name="web", image_reference=WEB_OS, custom_data=script)


class TestR4_3:
    """R4.3: what must pass before an instance can be healthy fits into the wait for it."""

    @staticmethod
    def declared(health: HealthSource | None, wait: int = 300, least: int = 0) -> ScaleSet:
        timeouts = Timeouts(
            health=timedelta(seconds=wait), min_healthy_time=timedelta(seconds=least)
        )
        return ScaleSet(name="web", image_reference=WEB_OS, health=health, timeouts=timeouts)

    @pytest.mark.parametrize("health", [None, TcpProbe(port=80)], ids=["none", "probe"])
    def test_min_healthy_time_is_below_the_wait(self, health: HealthSource | None) -> None:
        assert self.declared(health, wait=60, least=59).timeouts.health == timedelta(minutes=1)
        with pytest.raises(InvalidFields, match=r"R4\.3") as caught:
            self.declared(health, wait=60, least=60)
        (problem,) = caught.value.problems
        assert (problem.field, problem.value) == ("timeouts.health", '"PT1M"')
        assert 'min_healthy_time "PT1M"' in problem.bound
        assert problem.fix.startswith("Lengthen timeouts.health")

    def test_so_are_it_and_the_grace_period_together(self) -> None:
        extension = HealthExtension(port=1, grace_period=timedelta(seconds=40))
        assert self.declared(extension, wait=61, least=20).health == extension
        with pytest.raises(InvalidFields) as caught:
            self.declared(extension, wait=60, least=20)
        (problem,) = caught.value.problems
        assert 'min_healthy_time "PT20S"' in problem.bound
        assert 'grace period of the health extension "PT40S"' in problem.bound

    def test_the_default_grace_period_counts_too(self) -> None:
        with pytest.raises(InvalidFields, match="PT5S"):
            self.declared(HealthExtension(port=1), wait=5)
        assert self.declared(HealthExtension(port=1), wait=6).health is not None
