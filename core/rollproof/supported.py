"""Platform images that automatic upgrades support: publisher, offer, skus (R3.1, R2.2).

The table ships as `platform-images.toml`; a user's file of the same form extends it.
Images of a gallery need no table.
"""

from collections.abc import Iterator

from attrs import field, frozen

from rollproof.bounds import tables, texts
from rollproof.errors import UnsupportedSku
from rollproof.images import ImageReference, name_part
from rollproof.validation import Declared, declare


@frozen(kw_only=True)
class SupportedOffer(Declared):
    """The supported skus of one offer."""

    publisher: str = field(
        metadata=declare(name_part("Canonical"), "Who publishes it.", "R3.1")
    )
    offer: str = field(metadata=declare(name_part("UbuntuServer"), "The product.", "R3.1"))
    skus: tuple[str, ...] = field(
        metadata=declare(
            texts(1, name_part("18.04-LTS"), "one or more skus", '["18.04-LTS"]'),
            "Its supported editions.",
            "R3.1",
        )
    )


@frozen(kw_only=True)
class SupportedImages(Declared):
    """The table of supported platform images."""

    images: tuple[SupportedOffer, ...] = field(
        default=(),
        metadata=declare(tables(SupportedOffer), "The offers.", "R3.1"),
    )

    def extended(self, more: "SupportedImages") -> "SupportedImages":
        """This table and another one."""
        return SupportedImages(images=self.images + more.images)

    def __iter__(self) -> Iterator[ImageReference]:
        """Every supported image once, in the order of the table."""
        rows = ((each.publisher, each.offer, sku) for each in self.images for sku in each.skus)
        for publisher, offer, sku in dict.fromkeys(rows):
            yield ImageReference(publisher=publisher, offer=offer, sku=sku)

    def check(self, reference: ImageReference) -> None:
        """Raises UnsupportedSku unless it is in the table, or of a gallery (R2.2)."""
        names = tuple(each.name for each in self)
        if reference.image is None and reference.name not in names:
            raise UnsupportedSku(reference.name, names)
