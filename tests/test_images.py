"""rollproof.images."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.errors import InvalidFields
from rollproof.images import ImageReference, ImageVersion

NUMBERS = st.integers(0, 2**31 - 1)
SPELLINGS = st.from_regex(r"0{0,3}[0-9]{1,5}(\.0{0,3}[0-9]{1,5}){2}", fullmatch=True).filter(
    str.isascii
)
UBUNTU = ImageReference(publisher="Canonical", offer="UbuntuServer", sku="18.04-LTS")


class TestNamed:
    """R1.5: a run knows its image by name."""

    @pytest.mark.parametrize("reference", [UBUNTU, ImageReference(image="web-os")])
    def test_back_from_its_name(self, reference: ImageReference) -> None:
        assert ImageReference.named(reference.name) == reference
        assert ImageReference.named(reference.name, "1.0.0").version == "1.0.0"

    @pytest.mark.parametrize("name", ["", "a~b", "a~b~c~d", "~~", "a b"])
    def test_no_image_bears_it(self, name: str) -> None:
        with pytest.raises(InvalidFields):
            ImageReference.named(name)


class TestR3_2:
    """R3.2: versions are ordered by major.minor.patch."""

    @given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
    def test_order_is_that_of_the_numbers(
        self, left: tuple[int, int, int], right: tuple[int, int, int]
    ) -> None:
        assert (ImageVersion(*left) < ImageVersion(*right)) == (left < right)
        assert (ImageVersion(*left) == ImageVersion(*right)) == (left == right)

    def test_not_the_order_of_text(self) -> None:
        assert ImageVersion.parse("1.10.0") > ImageVersion.parse("1.9.9")

    @given(SPELLINGS)
    def test_printing_undoes_parsing(self, spelled: str) -> None:
        assert str(ImageVersion.parse(spelled)) == spelled

    @given(NUMBERS, NUMBERS, NUMBERS)
    def test_parsing_undoes_printing(self, major: int, minor: int, patch: int) -> None:
        version = ImageVersion(major, minor, patch)
        assert ImageVersion.parse(str(version)) == version

    def test_leading_zeros_are_kept_and_mean_nothing(self) -> None:
        canonical, padded = map(ImageVersion.parse, ("18.4.201804262", "18.04.201804262"))
        assert canonical == padded
        assert hash(canonical) == hash(padded)
        assert str(padded) == "18.04.201804262"

    def test_platform_date_versions(self) -> None:
        version = ImageVersion.parse("2016.127.20180613")
        assert (version.major, version.minor, version.patch) == (2016, 127, 20180613)

    @pytest.mark.parametrize(
        "spelled",
        [
            *["", "latest", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3 ", " 1.2.3", "1.2.3\n"],
            *["1.-2.3", "+1.2.3", "1_0.2.3", "1.2.٣", "1..3", "1.2.2147483648", "1.2.3-rc1"],
            "0" * 11 + ".0.0",
        ],
    )
    def test_nothing_else_is_a_version(self, spelled: str) -> None:
        with pytest.raises(InvalidFields, match=r"major\.minor\.patch"):
            ImageVersion.parse(spelled)
        assert not ImageVersion(1, 2, 3).spelled_by(spelled)

    @pytest.mark.parametrize("number", [-1, 2**31, True, "1", 1.0])
    def test_numbers_are_bounded(self, number: object) -> None:
        with pytest.raises(InvalidFields):
            ImageVersion(number, 0, 0)  # type: ignore[arg-type]  # wrong on purpose

    def test_a_spelling_agrees_with_the_numbers(self) -> None:
        with pytest.raises(InvalidFields, match=r"a spelling of 1\.2\.3"):
            ImageVersion(1, 2, 3, spelling="1.2.4")

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"image": "web-os", "sku": "x"},
            {"publisher": "Canonical", "offer": "UbuntuServer"},
            {"image": "a", "publisher": "b", "offer": "c", "sku": "d"},
        ],
    )
    def test_a_reference_has_exactly_one_form(self, fields: dict[str, str]) -> None:
        with pytest.raises(InvalidFields, match="either image, or publisher"):
            ImageReference(**fields)

    @pytest.mark.parametrize("version", ["latest", "1.0.0", "18.04.201804262"])
    def test_version_is_latest_or_exact(self, version: str) -> None:
        exact = ImageReference(image="web-os", version=version).exact
        assert (str(exact) if exact else "latest") == version

    @pytest.mark.parametrize("version", ["Latest", "newest", "1.0", "", "1.0.9999999999", None])
    def test_no_other_version(self, version: str) -> None:
        with pytest.raises(InvalidFields, match='"latest" or major'):
            ImageReference(image="web-os", version=version)


class TestS9:
    """S9: success needs the observed version to equal the target."""

    @pytest.mark.parametrize(
        ("observed", "same"),
        [("18.04.1", True), ("18.4.1", True), ("18.4.2", False), ("", False), (None, False)],
    )
    def test_spelled_by(self, observed: str | None, same: bool) -> None:
        assert ImageVersion.parse("18.04.1").spelled_by(observed) is same


class TestName:
    """R1.1: an image has one stable name that is safe in a path."""

    PARTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)

    def test_both_forms(self) -> None:
        assert ImageReference(image="web-os").name == "web-os"
        assert UBUNTU.name == "Canonical~UbuntuServer~18.04-LTS"

    @given(st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=2, max_size=2))
    def test_equal_only_for_equal_images(self, parts: list[tuple[str, str, str]]) -> None:
        names = [ImageReference(publisher=p, offer=o, sku=s).name for p, o, s in parts]
        assert (names[0] == names[1]) == (parts[0] == parts[1])
        assert all(re.fullmatch(r"[A-Za-z0-9._~-]+", name) for name in names)

    @given(PARTS, PARTS, PARTS)
    def test_a_name_leads_back_to_its_reference(self, p: str, o: str, s: str) -> None:
        for reference in (ImageReference(publisher=p, offer=o, sku=s), ImageReference(image=p)):
            assert ImageReference.named(reference.name) == reference

    @pytest.mark.parametrize("name", ["", "a~b", "a~b~c~d", "a~~c", "../x"])
    def test_a_name_of_no_reference(self, name: str) -> None:
        with pytest.raises(InvalidFields):
            ImageReference.named(name)

    def test_does_not_depend_on_the_version(self) -> None:
        pinned = ImageReference(image="web-os", version="1.0.0")
        assert pinned.name == ImageReference(image="web-os").name

    @pytest.mark.parametrize("image", ["", ".", "..", "../x", "a/b", "a~b", "-a", "a b", "é"])
    def test_unsafe_names_are_refused(self, image: str) -> None:
        with pytest.raises(InvalidFields, match="1 to 80 of the characters"):
            ImageReference(image=image)


class TestR1_5:
    """R1.5: publisher and offer never change; the sku does by editing the model."""

    @pytest.mark.parametrize(
        "edited",
        [
            UBUNTU,
            ImageReference(publisher="Canonical", offer="UbuntuServer", sku="16.04-LTS"),
            ImageReference(
                publisher="Canonical", offer="UbuntuServer", sku="18.04-LTS", version="1.0.0"
            ),
        ],
    )
    def test_sku_and_version_may_change(self, edited: ImageReference) -> None:
        UBUNTU.check_edit(edited)

    def test_a_gallery_image_may_change(self) -> None:
        ImageReference(image="web-os").check_edit(ImageReference(image="web-os-2"))

    def test_publisher_and_offer_may_not(self) -> None:
        edited = ImageReference(publisher="OpenLogic", offer="CentOS", sku="7.5")
        with pytest.raises(InvalidFields) as caught:
            UBUNTU.check_edit(edited)
        assert [problem.field for problem in caught.value.problems] == ["publisher", "offer"]

    def test_nor_may_the_form(self) -> None:
        gallery = ImageReference(image="web-os")
        for before, after in ((UBUNTU, gallery), (gallery, UBUNTU)):
            with pytest.raises(InvalidFields, match=r"R1\.5"):
                before.check_edit(after)
