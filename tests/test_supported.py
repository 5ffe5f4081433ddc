"""rollproof.supported: the table of platform images (R3.1, R2.2)."""

from pathlib import Path

import pytest

import rollproof
from rollproof.document import dumps, load_path_as, loads_as
from rollproof.errors import InvalidDocument, UnsupportedSku
from rollproof.images import ImageReference
from rollproof.supported import SupportedImages

SHIPPED = load_path_as(
    SupportedImages, Path(rollproof.__file__).parent / "platform-images.toml"
)
WINDOWS = "MicrosoftWindowsServer~WindowsServer"
NANO = """
[[images]]
publisher = "Contoso"
offer = "Nano"
skus = ["1"]

[[images]]
publisher = "Canonical"
offer = "UbuntuServer"
skus = ["18.04-LTS", "20.04-LTS"]
"""


class TestR3_1:
    """R3.1: the table ships, and can be extended."""

    def test_the_rows_of_the_requirement_and_no_others(self) -> None:
        assert [each.name for each in SHIPPED] == [
            "Canonical~UbuntuServer~16.04-LTS",
            "Canonical~UbuntuServer~18.04-LTS",
            "OpenLogic~CentOS~7.5",
            f"{WINDOWS}~2012-R2-Datacenter",
            f"{WINDOWS}~2016-Datacenter",
            f"{WINDOWS}~2016-Datacenter-Smalldisk",
            f"{WINDOWS}~2016-Datacenter-with-Containers",
            f"{WINDOWS}~2019-Datacenter",
            f"{WINDOWS}~2019-Datacenter-Smalldisk",
            f"{WINDOWS}~2019-Datacenter-with-Containers",
            f"{WINDOWS}~Datacenter-Core-1903-with-Containers-smalldisk",
        ]

    def test_rows_are_added_once(self) -> None:
        extended = SHIPPED.extended(loads_as(SupportedImages, NANO))
        assert [each.name for each in extended][11:] == [
            "Contoso~Nano~1",
            "Canonical~UbuntuServer~20.04-LTS",
        ]

    def test_a_table_can_be_written_and_read(self) -> None:
        assert loads_as(SupportedImages, dumps(SHIPPED)) == SHIPPED

    def test_a_bad_table_is_refused_with_every_problem(self) -> None:
        bad = '[[images]]\npublisher = "a b"\noffer = "x"\nskus = []\n[[images]]\nsku = "y"\n'
        with pytest.raises(InvalidDocument) as refused:
            loads_as(SupportedImages, bad)
        assert [problem.field for problem in refused.value.problems] == [
            "images[0].publisher",
            "images[0].skus",
            "images[1].sku",
            "images[1].publisher",
            "images[1].offer",
            "images[1].skus",
        ]


class TestR2_2:
    """R2.2: a supported platform image, or one of a gallery."""

    def test_supported(self) -> None:
        for reference in SHIPPED:
            SHIPPED.check(reference)
        SHIPPED.check(ImageReference(image="web-os"))

    def test_a_close_match_is_suggested(self) -> None:
        with pytest.raises(UnsupportedSku, match=r"Did you mean '.*~18\.04-LTS'\?") as refused:
            SHIPPED.check(ImageReference.named("Canonical~UbuntuServer~18.04-LST"))
        assert refused.value.known == tuple(each.name for each in SHIPPED)

    def test_nothing_is_close(self) -> None:
        with pytest.raises(UnsupportedSku, match="add its row to the table"):
            SHIPPED.check(ImageReference.named("x~y~z"))
        with pytest.raises(UnsupportedSku):
            SupportedImages().check(ImageReference.named(f"{WINDOWS}~2016-Datacenter"))
