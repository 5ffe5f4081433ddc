"""rollproof.template: the scale set in a template, read table by table (R2.4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.errors import InvalidFields
from rollproof.template import (
    TYPE,
    Found,
    Part,
    Reading,
    is_expression,
    is_template,
    scale_set_in,
)

SET: dict[str, Any] = {"type": TYPE, "name": "web", "properties": {}}
BALANCER: dict[str, Any] = {
    "type": "Microsoft.Network/loadBalancers",
    "name": "front",
    "properties": {"probes": [{"name": "a"}, "nonsense", {"name": "b"}]},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def template(*resources: object, **more: object) -> dict[str, object]:
    return {"contentVersion": "1.0.0.0", "resources": list(resources), **more}


def reading(**found: Any) -> Reading:
    return Reading(Found({}, **found))


class TestFinding:
    """One scale set, by itself or among other resources."""

    def test_what_is_a_template(self) -> None:
        assert is_template(template())
        assert is_template({"Properties": {}})
        assert not is_template({"name": "web", "image_reference": {}})
        assert not is_template({"name": "web", "resources": []}), "a slip of ours"

    def test_by_itself(self) -> None:
        assert scale_set_in(SET) == Found(SET)
        child = {**SET, "resources": [SET]}
        assert scale_set_in(child).resource == child

    def test_among_others(self) -> None:
        found = scale_set_in(template(BALANCER, {**SET, "type": TYPE.upper()}, "nonsense"))
        assert (found.resource["name"], found.place) == ("web", "resources[1].")
        assert found.beside == {"resources[0]": BALANCER}

    def test_under_symbolic_names(self) -> None:
        found = scale_set_in(template() | {"resources": {"fleet": SET, "front": BALANCER}})
        assert (found.resource, found.place) == (SET, "resources.fleet.")

    @pytest.mark.parametrize(
        ("resources", "said"),
        [([], "no scale sets"), ([SET, SET], "2 scale sets"), (5, "no scale sets")],
    )
    def test_none_or_several(self, resources: object, said: str) -> None:
        with pytest.raises(InvalidFields, match=rf"(?s)resources: {said}; allowed: one.*R2\.4"):
            scale_set_in(template() | {"resources": resources})

    def test_a_type_that_is_no_text(self) -> None:
        with pytest.raises(InvalidFields, match="no scale sets"):
            scale_set_in(template({"type": 5}))

    def test_lists_in_other_resources(self) -> None:
        found = scale_set_in(template(SET, BALANCER, {**BALANCER, "properties": 5}))
        within = list(found.within("microsoft.network/LOADBALANCERS", "probes"))
        assert [found.name_of(table) for _, table, _ in within] == ["a", "b"]
        assert [place for _, _, place in within] == [
            "resources[1].properties.probes[0]",
            "resources[1].properties.probes[2]",
        ]
        assert list(found.within("Microsoft.Network/loadBalancers", "rules")) == []
        assert list(found.within("Microsoft.Other/things", "probes")) == []


class TestExpressions:
    """variables('x'), and parameters('x') with a default; no others."""

    FOUND = scale_set_in(
        template(
            SET,
            parameters={
                "Size": {"type": "int", "DefaultValue": 3},
                "secret": {"type": "securestring"},
                "odd": 5,
            },
            variables={
                "image": {"sku": "[parameters('size')]"},
                "again": "[variables('image')]",
                "circle": "[variables('circle')]",
            },
        )
    )

    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("[parameters('size')]", 3),
            ("[ PARAMETERS( 'SIZE' ) ]", 3),
            ("[parameters('odd')]", 5),
            ("[variables('again')]", {"sku": "[parameters('size')]"}),
            ("plain", "plain"),
            ("[[literal]", "[literal]"),
            ("[", "["),
            ("", ""),
            (7, 7),
            (None, None),
        ],
    )
    def test_what_they_come_to(self, written: object, value: object) -> None:
        reading = Reading(self.FOUND)
        assert reading.value(written, "here") == value
        assert reading.problems == []

    @pytest.mark.parametrize(
        "written",
        [
            "[parameters('secret')]",
            "[parameters('unknown')]",
            "[variables('circle')]",
            "[resourceGroup().location]",
            "[concat(variables('image'), 'x')]",
        ],
    )
    def test_what_cannot_be_told(self, written: str) -> None:
        reading = Reading(self.FOUND)
        assert reading.value(written, "properties.x") is None
        (problem,) = reading.problems
        assert (problem.field, problem.requirement) == ("properties.x", "R2.4")
        assert "variables('x'), parameters('x') with a default" in problem.bound

    def test_by_itself_a_set_has_no_variables(self) -> None:
        reading = Reading(scale_set_in({**SET, "variables": {"a": 1}}))
        assert reading.value("[variables('a')]", "x") is None

    @given(st.text())
    def test_any_text_is_one_or_is_none(self, text: str) -> None:
        bracketed = text.startswith("[") and text.endswith("]")
        assert is_expression(text) == (bracketed and not text.startswith("[["))


class TestParts:
    """A table, key by key: each is asked for, or told."""

    def test_keys_have_no_case(self) -> None:
        part = Part(reading(), {"Name": "web", "n": None, "t": {"a": 1}}, "set")
        assert part.has("name")
        assert not part.has("n")
        assert not part.has("other")
        assert (part.text("NAME"), part.said("other"), part.text("other")) == ("web", None, "")
        assert part.part("T").said("a") == 1
        assert part.part("t").said("a") is None, "once asked for, it is gone"
        assert part.at("x") == "set.x"
        assert Part(reading(), {}, "").at("x") == "x"

    def test_nor_may_two_differ_by_it(self) -> None:
        """The last would count, and nobody would know."""
        at = reading()
        Part(at, {"mode": 1, "Mode": 2}, "policy")
        assert [(each.field, each.value) for each in at.problems] == [
            ("policy", "a key in two spellings")
        ]

    def test_what_is_of_another_kind(self) -> None:
        at = reading()
        part = Part(at, {"text": 5, "table": "x", "list": {}, "items": ["x", {"a": 1}]}, "")
        assert part.text("text") == ""
        part.part("table")
        assert list(part.parts("list")) == []
        assert list(part.parts("none")) == []
        assert [each.said("a") for each in part.parts("items")] == [None, 1]
        assert [(each.field, each.bound) for each in at.problems] == [
            ("text", "text"),
            ("table", "a table"),
            ("list", "a list"),
            ("items[0]", "a table"),
        ]

    def test_what_is_left_is_ignored(self) -> None:
        at = reading()
        Part(at, {"sku": 1, "Zones": []}, "set").rest(("name", "properties"))
        assert at.ignored == ["set.sku", "set.Zones"]
        assert at.problems == []

    def test_a_slip_is_not(self) -> None:
        at = reading()
        Part(at, {"propertys": 1, "nmae": 2}, "").rest(("name", "properties"))
        (problem,) = at.problems
        assert (problem.field, problem.fix) == ("propertys", "Did you mean properties?")
        assert at.ignored == ["nmae"]

    def test_nor_anything_in_a_table_of_which_all_is_read(self) -> None:
        at = reading()
        Part(at, {"mdoe": 1, "zzz": 2}, "").rest(("mode",), wholly=True)
        assert [(each.field, each.fix) for each in at.problems] == [
            ("mdoe", "Did you mean mode?"),
            ("zzz", "Remove it."),
        ]
        assert at.ignored == []

    @given(JSON)
    def test_anything_is_a_table_or_a_problem(self, value: object) -> None:
        at = reading()
        part = Part(at, value, "x")
        part.rest()
        if isinstance(value, dict):
            assert len(at.ignored) == len({key.lower() for key in value})
        else:
            assert len(at.problems) == (value is not None)
