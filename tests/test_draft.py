"""rollproof.draft: a document of ours, drawn from a template key by key (R2.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.draft import Draft, number

BATCH = "upgrade_policy.rolling_upgrade_policy.max_batch_instance_percent"


class TestKeys:
    """Values by dotted key, in the types that ours have."""

    @pytest.mark.parametrize(
        ("key", "written", "value"),
        [
            (BATCH, "20", 20),
            (BATCH, "20.0", "20.0"),
            (BATCH, 30, 30),
            ("single_placement_group", "False", False),
            ("single_placement_group", "no", "no"),
            ("os_type", "WINDOWS", "Windows"),
            ("os_type", "Plan9", "Plan9"),
            ("load_balancer_sku", "standard", "Standard"),
            ("name", "Web", "Web"),
        ],
    )
    def test_as_templates_write_them(self, key: str, written: object, value: object) -> None:
        draft = Draft()
        draft.put(key, written, "there")
        table: object = draft.table()
        for name in key.split("."):
            assert isinstance(table, dict)
            table = table[name]
        assert table == value
        assert draft.places == {key: "there"}

    def test_tables_in_tables(self) -> None:
        draft = Draft()
        draft.put(BATCH, 5, "a")
        draft.put("upgrade_policy.mode", "Manual", "b")
        draft.put("name", "web", "c")
        assert draft.table() == {
            "upgrade_policy": {
                "rolling_upgrade_policy": {"max_batch_instance_percent": 5},
                "mode": "Manual",
            },
            "name": "web",
        }

    @given(st.integers(0, 10**9 - 1))
    def test_a_number_as_text(self, value: int) -> None:
        assert number(str(value)) == number(value) == value

    @pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "\u0661", "1" * 10, "x"])
    def test_no_number(self, text: str) -> None:
        assert number(text) == text


class TestLists:
    """Health sources and extensions, each with the places of its keys."""

    def test_the_first_health_source_and_the_others(self) -> None:
        draft = Draft()
        assert draft.table() == {}
        for port in (1, 2, 3):
            draft.add_health(f"p{port}", kind=("tcp", "k"), port=(port, f"p{port}.port"))
        assert draft.table() == {
            "health": {"kind": "tcp", "port": 1},
            "further_health": [{"kind": "tcp", "port": 2}, {"kind": "tcp", "port": 3}],
        }
        assert draft.places["health.port"] == "p1.port"
        assert draft.places["further_health[1]"] == "p3"
        assert draft.places["further_health[1].port"] == "p3.port"

    def test_extensions(self) -> None:
        """What is None is left out, and its place is known all the same."""
        draft = Draft()
        draft.add_extension("e0", name=("a", "e0.name"), command=(None, "e0.command"))
        draft.add_extension("e1", name=("b", "e1.name"))
        assert draft.table() == {"extensions": [{"name": "a"}, {"name": "b"}]}
        assert draft.places["extensions[0].command"] == "e0.command"
        assert Draft(extensions=[]).table() == {"extensions": []}
