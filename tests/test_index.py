"""rollproof.index: which images an endpoint lists, as a document (R3.2, R3.3)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.document import dumps, loads_as
from rollproof.errors import InvalidDocument, InvalidFields
from rollproof.images import ImageVersion
from rollproof.index import Entry, ImageEntry, Index
from rollproof.moments import instant_ms
from rollproof.published import Published

DIGEST = "0123456789abcdef" * 4
PLACES = st.lists(st.sampled_from(("westeurope", "North Europe", "eastus")), min_size=1)
VERSIONS = st.builds(
    Published,
    version=st.builds(ImageVersion, *[st.integers(0, 2**31 - 1)] * 3),
    regions=st.none() | PLACES.map(tuple),
    excluded_from_latest=st.booleans(),
    published_at=st.none() | st.integers(0, 10**14),
    sha256=st.none(),
    source=st.just("corp"),
)
WHOLE = {
    "format": 1,
    "images": [
        {
            "image": "web-os",
            "versions": [
                {
                    "version": "1.1.0",
                    "regions": ["West Europe", "eastus"],
                    "excluded_regions": ["westeurope"],
                    "excluded_from_latest": True,
                    "published_at": "2026-11-20T08:00:00.250Z",
                    "url": "web-os/1.1.0.tar.gz?sig=x",
                    "sha256": DIGEST,
                },
                {"version": "1.0.0"},
            ],
        },
        {"image": "Canonical~UbuntuServer~18.04-LTS", "versions": [{"version": "18.04.1"}]},
        {"image": "empty"},
    ],
}


def problems(document: object) -> list[str]:
    with pytest.raises(InvalidDocument) as refused:
        loads_as(Index, json.dumps(document))
    return [problem.field for problem in refused.value.problems]


def entry(**keys: object) -> dict[str, object]:
    return {
        "format": 1,
        "images": [{"image": "web-os", "versions": [{"version": "1.0.0", **keys}]}],
    }


class TestReading:
    """R3.3: what an index lists."""

    def test_every_key(self) -> None:
        listed = loads_as(Index, json.dumps(WHOLE)).listed("corp")
        assert set(listed) == {"web-os", "Canonical~UbuntuServer~18.04-LTS"}
        first, second = listed["web-os"]
        assert first == Published(
            version=ImageVersion(1, 1, 0),
            regions=("West Europe", "eastus"),
            excluded_regions=("westeurope",),
            excluded_from_latest=True,
            published_at=1_795_161_600_250,
            sha256=DIGEST,
        )
        assert (first.url, first.source) == ("web-os/1.1.0.tar.gz?sig=x", "corp")
        assert second == Published(version=ImageVersion(1, 0, 0))

    def test_it_can_be_written_as_toml_too(self) -> None:
        index = loads_as(Index, json.dumps(WHOLE))
        assert loads_as(Index, dumps(index)) == index

    @given(VERSIONS)
    def test_an_entry_and_its_version(self, published: Published) -> None:
        assert Entry.of_published(published).published("corp") == published

    @given(st.integers(0, 10**14))
    def test_times(self, at: int) -> None:
        assert (
            Entry(version="1.0.0", published_at=instant_ms(at)).published("").published_at == at
        )


class TestRefusing:
    """Every problem is named, and nothing is guessed (R3.2)."""

    @pytest.mark.parametrize(
        "document",
        [{}, {"format": 2}, {"format": "1"}, {"format": True}],
        ids=["none", "newer", "text", "bool"],
    )
    def test_another_format(self, document: dict[str, object]) -> None:
        assert problems(document) == ["format"]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("version", "1.0"),
            ("version", 1),
            ("regions", []),
            ("regions", ["a/b"]),
            ("regions", "westeurope"),
            ("excluded_from_latest", "yes"),
            ("published_at", "2026-02-30T08:00:00Z"),
            ("published_at", "2026-11-20"),
            ("published_at", "2026-11-20T08:00:00+01:00"),
            ("published_at", "1969-12-31T23:59:59Z"),
            ("published_at", 1),
        ],
        ids=repr,
    )
    def test_a_value_outside_its_bound(self, key: str, value: object) -> None:
        assert problems(entry(**{key: value})) == [f"images[0].versions[0].{key}"]

    @pytest.mark.parametrize(
        "url",
        [
            *["", "x.zip", "ftp://h/x.tar", "file:///x.tar", "http://u:p@h/x.tar"],
            *["//h/x.tar", "x.tar#part", "a b.tar", "https://h", "https:///x.tar"],
        ],
    )
    def test_a_url_nothing_is_fetched_from(self, url: str) -> None:
        fields = problems(entry(url=url, sha256=DIGEST))
        assert fields == ["images[0].versions[0].url"]

    @pytest.mark.parametrize(
        "url", ["x.tar", "/a/x.tgz", "../x.tar.xz", "https://h:8443/x.tar.gz?a=b@c"]
    )
    def test_a_url_content_is_fetched_from(self, url: str) -> None:
        index = loads_as(Index, json.dumps(entry(url=url, sha256=DIGEST)))
        assert index.images[0].versions[0].url == url

    def test_an_archive_without_its_digest(self) -> None:
        assert problems(entry(url="x.tar")) == ["images[0].versions[0].sha256"]
        assert problems(entry(sha256=DIGEST)) == ["images[0].versions[0].url"]

    def test_an_exclusion_where_it_is_not(self) -> None:
        """R3.2: most likely a slip of the pen, and it would silently exclude nothing."""
        fields = problems(entry(regions=["eastus"], excluded_regions=["East US", "eastsu"]))
        assert fields == ["images[0].versions[0].excluded_regions"]
        with pytest.raises(InvalidFields, match="eastsu"):
            Entry(version="1.0.0", regions=("eastus",), excluded_regions=("eastsu",))
        Entry(version="1.0.0", excluded_regions=("eastsu",))  # replicated everywhere

    def test_a_version_or_an_image_twice(self) -> None:
        twice = (Entry(version="1.4.0"), Entry(version="2.0.0"), Entry(version="1.04.0"))
        with pytest.raises(InvalidFields, match=r"versions\[2\].version: 1.04.0"):
            ImageEntry(image="web-os", versions=twice)
        with pytest.raises(InvalidFields, match=r"images\[1\].image: web-os"):
            Index(format=1, images=(ImageEntry(image="web-os"), ImageEntry(image="web-os")))

    def test_a_name_no_image_can_have(self) -> None:
        for name in ("", "a~b", "../x", 3):
            assert problems({"format": 1, "images": [{"image": name}]}) == ["images[0].image"]

    def test_all_problems_at_once(self) -> None:
        document = {
            "format": 3,
            "images": [{"image": "a~b", "versions": [{"version": "x"}, {"verzion": "1.0.0"}]}],
        }
        assert problems(document) == [
            "images[0].versions[0].version",
            "images[0].versions[1].verzion",
            "images[0].versions[1].version",
            "images[0].image",
            "format",
        ]
