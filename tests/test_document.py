"""rollproof.document, rollproof.reading and rollproof.reference."""

import contextlib
import json
import tomllib
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollproof.document import dumps, load_path, loads
from rollproof.errors import InvalidDocument, InvalidFields, Problem
from rollproof.fleet import Extension, ScaleSet
from rollproof.health import HealthExtension, HealthSource, HttpProbe, Scheme, TcpProbe
from rollproof.images import ImageReference
from rollproof.policy import (
    AutomaticOSUpgradePolicy,
    RollingUpgradePolicy,
    Timeouts,
    UpgradeMode,
    UpgradePolicy,
)
from rollproof.reading import read_table, write_table
from rollproof.reference import reference_table

DOCS = Path(__file__).parents[1] / "docs" / "scale-set.md"
MINIMAL = 'name = "web"\n[image_reference]\nimage = "web-os"\n'
BATCH = "max_batch_instance_percent = 10\n"
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}", fullmatch=True)
PARTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
DEADLINES = st.timedeltas(TICK, DAY)
INTERVALS = st.timedeltas(TICK, timedelta(minutes=2) - TICK)
ARGUMENTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
IMAGES = st.builds(ImageReference, image=PARTS) | st.builds(
    ImageReference,
    publisher=PARTS,
    offer=PARTS,
    sku=PARTS,
    version=st.sampled_from(["latest", "18.04.201804262"]),
)
POLICIES = st.builds(
    UpgradePolicy,
    mode=st.sampled_from(UpgradeMode),
    rolling_upgrade_policy=st.builds(
        RollingUpgradePolicy,
        max_batch_instance_percent=st.integers(5, 100),
        pause_time_between_batches=st.timedeltas(timedelta(0)),
        enable_cross_zone_upgrade=st.booleans(),
    ),
    automatic_os_upgrade_policy=st.builds(
        AutomaticOSUpgradePolicy,
        enable_automatic_os_upgrade=st.booleans(),
        use_rolling_upgrade_policy=st.booleans(),
    ),
)
SOURCES: st.SearchStrategy[HealthSource | None] = (
    st.none()
    | st.builds(
        HttpProbe,
        port=st.integers(1, 65_535),
        path=st.from_regex(r"/[!-~]{0,9}", fullmatch=True),
        scheme=st.sampled_from(Scheme),
        interval=INTERVALS,
    )
    | st.builds(
        HttpProbe,
        port=st.integers(1, 65_535),
        scheme=st.just(Scheme.HTTPS),
        tls_verify=st.just(True),
        tls_server_name=st.none() | st.just("web.example.org"),
        tls_ca_file=st.none() | PARTS,
    )
    | st.builds(TcpProbe, port=st.integers(1, 65_535), unhealthy_threshold=st.integers(1, 24))
    | st.builds(
        HealthExtension,
        file=PARTS,
        interval=st.timedeltas(timedelta(seconds=5), timedelta(minutes=1)),
        grace_period=st.just(timedelta(0)),
    )
    | st.builds(
        HealthExtension, port=st.integers(1, 65_535), grace_period=st.just(timedelta(0))
    )
)
SCALE_SETS = st.builds(
    ScaleSet,
    name=NAMES,
    location=PARTS.filter(lambda text: text.isalnum()),
    provider=NAMES,
    image_reference=IMAGES,
    upgrade_policy=POLICIES,
    health=SOURCES,
    timeouts=st.builds(
        Timeouts,
        replace=DEADLINES,
        health=DEADLINES,
        keep_previous_disk=st.none() | st.timedeltas(timedelta(0)),
    )
    | st.builds(Timeouts, min_healthy_time=st.timedeltas(timedelta(0), timedelta(minutes=4))),
    custom_data=st.none() | PARTS,
    extensions=st.lists(
        st.builds(
            Extension,
            name=PARTS,
            command=st.lists(ARGUMENTS, min_size=1, max_size=3).map(tuple),
            timeout=DEADLINES,
        ),
        max_size=3,
        unique_by=lambda extension: extension.name,
    ).map(lambda extensions: chained(tuple(extensions))),
)
KEYS = st.sampled_from([attribute.name for attribute in attrs.fields(ScaleSet)]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def chained(extensions: tuple[Extension, ...]) -> tuple[Extension, ...]:
    """The same extensions, each after the one before it."""
    return tuple(
        Extension(
            name=extension.name,
            command=extension.command,
            timeout=extension.timeout,
            provision_after=tuple(one.name for one in extensions[max(0, index - 1) : index]),
        )
        for index, extension in enumerate(extensions)
    )


def problems(text: str) -> dict[str, Problem]:
    """The problems of a document by field."""
    with pytest.raises(InvalidDocument) as caught:
        loads(text)
    by_field = {problem.field: problem for problem in caught.value.problems}
    assert len(by_field) == len(caught.value.problems)
    return by_field


class TestR2_4:
    """R2.4: policy and image are declared in a file, TOML or JSON."""

    @settings(deadline=None)  # a busy machine is slow, not wrong
    @given(SCALE_SETS)
    def test_toml_round_trip(self, scale_set: ScaleSet) -> None:
        assert loads(dumps(scale_set)) == scale_set

    @settings(deadline=None)  # as above
    @given(SCALE_SETS)
    def test_json_round_trip(self, scale_set: ScaleSet) -> None:
        assert loads(json.dumps(write_table(scale_set))) == scale_set
        assert read_table(write_table(scale_set), ScaleSet) == scale_set

    def test_the_smallest_document(self) -> None:
        assert loads(MINIMAL) == ScaleSet(
            name="web", image_reference=ImageReference(image="web-os")
        )

    def test_json_null_is_a_key_left_out(self) -> None:
        table = {**write_table(loads(MINIMAL)), "health": None, "custom_data": None}
        assert loads(json.dumps(table)) == loads(MINIMAL)

    def test_defaults_are_written_down(self) -> None:
        written = tomllib.loads(dumps(loads(MINIMAL)))
        assert written["timeouts"]["health"] == "PT5M"
        assert written["upgrade_policy"]["mode"] == "Rolling"
        assert "health" not in written

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "web.toml"
        path.write_text("\ufeff" + MINIMAL, encoding="utf-8")
        assert load_path(path) == load_path(str(path)) == loads(MINIMAL)


class TestOnto:
    """R2.4: a part of a document edits what is declared, key by key."""

    @settings(deadline=None)  # as above
    @given(SCALE_SETS)
    def test_nothing_and_all_of_it_change_nothing(self, scale_set: ScaleSet) -> None:
        assert loads("", onto=scale_set) == scale_set
        assert loads(dumps(scale_set), onto=scale_set) == scale_set

    def test_one_key(self) -> None:
        declared = loads('custom_data = "a.sh"\n' + MINIMAL)
        edited = loads("[upgrade_policy.rolling_upgrade_policy]\n" + BATCH, onto=declared)
        assert edited.upgrade_policy.effective.max_batch_instance_percent == 10
        assert attrs.evolve(edited, upgrade_policy=declared.upgrade_policy) == declared
        assert loads('{"custom_data": null}', onto=declared) == loads(MINIMAL)

    def test_a_health_source_and_a_list_as_a_whole(self) -> None:
        path = '[health]\nkind = "http"\nport = 1\npath = "/up"\n'
        first = '[[extensions]]\nname = "a"\ncommand = ["a"]\n'
        declared = loads(MINIMAL + path + first)
        part = '[[health]]\nkind = "tcp"\nport = 2\n' + first.replace('"a"', '"b"')
        edited = loads(part, onto=declared)
        assert edited.health_sources == (TcpProbe(port=2),)
        assert [each.name for each in edited.extensions] == ["b"]

    def test_its_problems(self) -> None:
        with pytest.raises(InvalidDocument, match=r"^part\.toml: 2 problems"):
            loads("location = 5\nnme = 1", path="part.toml", onto=loads(MINIMAL))


class TestProblemsAllAtOnce:
    """One reading of a file shows everything that is wrong with it."""

    def test_every_kind_of_problem_in_one_document(self) -> None:
        found = problems("""
            nme = "web"
            location = 5
            extensions = [
                {name = "a", command = []},
                {name = "b c", command = "x", foo = 1},
                "c",
            ]
            [upgrade_policy]
            mode = "rolling"
            [upgrade_policy.rolling_upgrade_policy]
            max_batch_instance_percent = 200
            max_unhealthy_instance_percent = "20"
            pause_time_between_batches = "5 minutes"
            enable_cross_zone_upgrade = 1
            [upgrade_policy.automatic_os_upgrade_policy]
            use_roling_upgrade_policy = false
            [image_reference]
            image = "web-os"
            sku = "x"
            version = "1.2"
            [health]
            kind = "http"
            interval = "PT3M"
            [timeouts]
            health = 5
        """)
        policy = "upgrade_policy.rolling_upgrade_policy"
        automatic = "upgrade_policy.automatic_os_upgrade_policy"
        assert set(found) == {
            "nme",
            "name",
            "location",
            "extensions[0].command",
            "extensions[1].name",
            "extensions[1].command",
            "extensions[1].foo",
            "upgrade_policy.mode",
            f"{policy}.max_batch_instance_percent",
            f"{policy}.max_unhealthy_instance_percent",
            f"{policy}.pause_time_between_batches",
            f"{policy}.enable_cross_zone_upgrade",
            f"{automatic}.use_roling_upgrade_policy",
            "image_reference",
            "image_reference.version",
            "health.port",
            "health.interval",
            "timeouts.health",
        }
        assert found["nme"].fix == "Did you mean name?"
        assert found["name"].value == "missing"
        assert found["extensions[1].foo"].fix == "Remove it."
        assert found["upgrade_policy.mode"].fix == 'Did you mean "Rolling"?'
        assert found[f"{policy}.max_batch_instance_percent"].requirement == "R4.7"
        assert found["health.interval"].value == '"PT3M"'

    @pytest.mark.parametrize("extensions", ['"a"', '["a"]', "[[]]", "{}", "5"])
    def test_a_list_of_something_else(self, extensions: str) -> None:
        found = problems(f"extensions = {extensions}\n{MINIMAL}")
        assert list(found) == ["extensions"]

    def test_rules_over_several_keys(self) -> None:
        found = problems(
            MINIMAL + '[[extensions]]\nname="a"\ncommand=["x"]\nprovision_after=["a"]\n'
        )
        assert found["extensions[0].provision_after"].value == "a after a"

    @pytest.mark.parametrize(
        ("health", "field", "fix"),
        [
            ("{}", "health.kind", 'For example: kind = "http"'),
            ('{kind = "tpc", port = 1}', "health.kind", 'For example: kind = "tcp"'),
            ("{kind = []}", "health.kind", 'For example: kind = "http"'),
            ('{kind = "extention"}', "health.kind", 'For example: kind = "extension"'),
            ('{kind = "tcp"}', "health.port", "For example: port = 65535"),
            ("5", "health", "Leave it out for the default, none."),
        ],
    )
    def test_r5_2_a_kind_of_health_source(self, health: str, field: str, fix: str) -> None:
        assert problems(f"health = {health}\n{MINIMAL}")[field].fix == fix

    def test_strange_keys_are_printed_safely(self) -> None:
        assert "'a\\nb'" in problems('"a\\nb" = 1\n' + MINIMAL)

    @given(st.dictionaries(KEYS, JSON))
    def test_any_table_is_read_or_refused(self, table: dict[str, object]) -> None:
        with contextlib.suppress(InvalidFields):
            scale_set = read_table({**write_table(loads(MINIMAL)), **table}, ScaleSet)
            assert loads(dumps(scale_set)) == scale_set

    @given(st.text())
    def test_any_text_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidDocument):
            loads(text)


class TestUnreadable:
    """Text that is no document, files that are no text."""

    def test_toml_syntax_names_line_and_column(self) -> None:
        with pytest.raises(InvalidDocument, match=r"^web\.toml: 1 problem") as caught:
            loads("a = 1\nb\n", path="web.toml")
        assert caught.value.path == "web.toml"
        assert "line 2, column 2" in caught.value.problems[0].value

    def test_json_syntax_names_line_and_column(self) -> None:
        assert "line 1 column 2" in problems("{")[""].value

    def test_json_keys_are_not_repeated(self) -> None:
        assert "'name' is written twice" in problems('{"name": "a", "name": "b"}')[""].value

    @pytest.mark.parametrize("text", ["a = " + "[" * 100_000, '{"a":' * 100_000])
    def test_nesting_without_end(self, text: str) -> None:
        assert "recursion" in problems(text)[""].value

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidDocument, match="No such file"):
            load_path(tmp_path / "absent.toml")

    def test_a_path_that_cannot_exist(self) -> None:
        with pytest.raises(InvalidDocument, match="Check the path"):
            load_path("a\0b")

    def test_a_file_that_is_not_utf_8(self, tmp_path: Path) -> None:
        path = tmp_path / "web.toml"
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(InvalidDocument, match="Save it as UTF-8"):
            load_path(path)


class TestDocs:
    """docs/scale-set.md tells what the classes declare."""

    def test_the_table_of_keys_has_not_drifted(self) -> None:
        _, _, rest = DOCS.read_text(encoding="utf-8").partition("<!-- begin keys -->\n")
        generated, _, _ = rest.partition("<!-- end keys -->")
        assert generated == reference_table() + "\n"

    def test_the_examples_are_documents(self) -> None:
        blocks = DOCS.read_text(encoding="utf-8").split("```toml\n")[1:]
        assert len(blocks) == 2
        for block in blocks:
            assert loads(block.partition("```")[0]).name == "web"
