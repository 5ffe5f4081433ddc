"""rollproof.locations: when two spellings name one place (R3.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.errors import InvalidFields
from rollproof.fleet import ScaleSet
from rollproof.images import ImageReference
from rollproof.locations import LOCATION, location_key

SPELLINGS = st.from_regex(r"[A-Za-z0-9 _-]{1,20}", fullmatch=True)


class TestR3_2:
    """R3.2: case and spaces carry no meaning, all else does."""

    @given(SPELLINGS)
    def test_case_and_spaces_carry_no_meaning(self, spelled: str) -> None:
        for other in (spelled.upper(), spelled.lower(), f" {spelled} ", " ".join(spelled)):
            assert location_key(other) == location_key(spelled)

    @pytest.mark.parametrize("other", ["west-europe", "west_europe", "westeurope2", "europe"])
    def test_anything_else_is_another_place(self, other: str) -> None:
        assert location_key(other) != location_key("West Europe")

    def test_a_set_and_a_region_are_spelled_by_the_same_rule(self) -> None:
        reference = ImageReference(image="web-os")
        for spelled in ("West Europe", "local", "a" * 64):
            assert LOCATION.accepts(spelled)
            ScaleSet(name="web", location=spelled, image_reference=reference)
        for spelled in ("", " west", "a/b", "a" * 65):
            assert not LOCATION.accepts(spelled)
            with pytest.raises(InvalidFields):
                ScaleSet(name="web", location=spelled, image_reference=reference)
