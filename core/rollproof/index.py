"""The index of an endpoint: which images and versions it lists, as a document (R3.2, R3.3).

{"format": 1, "images": [{"image": "web-os", "versions": [{"version": "1.0.0"}]}]}

The law: of_published(p).published(p.source) == p. The image store keeps the same entries.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Self

from attrs import field, frozen

from rollproof.bounds import Bound, optional, switch, tables, text, texts, whole
from rollproof.errors import InvalidFields, Problem
from rollproof.images import ImageReference, ImageVersion
from rollproof.locations import LOCATION, location_key
from rollproof.moments import EPOCH, MILLISECOND, instant_ms
from rollproof.published import Published
from rollproof.validation import Declared, Rule, declare

FORMAT = 1
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_ARCHIVES = r"\.(?:tar|tar\.gz|tgz|tar\.xz)"


def _milliseconds(spelled: str) -> int:
    return (datetime.fromisoformat(spelled) - EPOCH) // MILLISECOND


def _is_instant(value: object) -> bool:
    if not isinstance(value, str) or _INSTANT.fullmatch(value) is None:
        return False
    try:
        return _milliseconds(value) >= 0
    except ValueError:  # the 30th of February
        return False


def _spelled(parse: Callable[[str], object]) -> Callable[[object], bool]:
    """Whether a value is text that can be parsed."""

    def accepts(value: object) -> bool:
        try:
            return isinstance(value, str) and bool(parse(value))
        except InvalidFields:
            return False

    return accepts


_VERSION = Bound(
    kind="text",
    allowed="major.minor.patch, three whole numbers",
    accepts=_spelled(ImageVersion.parse),
    example='"1.0.0"',
)
_IMAGE = Bound(
    kind="text",
    allowed="a name, or publisher~offer~sku",
    accepts=_spelled(ImageReference.named),
    example='"web-os"',
)
_TIME = Bound(
    kind="text",
    allowed="a time in UTC since 1970, such as 2026-11-20T08:00:00Z",
    accepts=_is_instant,
    example='"2026-11-20T08:00:00Z"',
)
_URL = text(
    # Without a user's name: it would stand in every message.
    rf"(?:https?://[^\s/?#@]+/)?(?![a-z]+:|//)[^\s?#]+{_ARCHIVES}(?:\?[^\s#]*)?",
    "the URL of a tar archive (.tar, .tar.gz, .tgz, .tar.xz), or its path from the index",
    "web-os-1.0.0.tar.gz",
)


def _regions(least: int, allowed: str) -> Bound:
    return texts(least, LOCATION, allowed, '["westeurope"]')


def _content_is_whole(url: str | None, sha256: str | None) -> Iterator[Problem]:
    if (url is None) != (sha256 is None):
        yield Problem(
            field="sha256" if sha256 is None else "url",
            value="missing",
            bound="both url and sha256, or neither",
            fix="No archive is unpacked without its digest.",
        )


def _exclusions_are_replicated(
    regions: tuple[str, ...] | None, excluded: tuple[str, ...]
) -> Iterator[Problem]:
    known = None if regions is None else set(map(location_key, regions))
    for place in excluded:
        if known is not None and location_key(place) not in known:
            yield Problem(
                field="excluded_regions",
                value=repr(place),
                bound=f"the regions it is replicated to: {', '.join(regions or ())}",
                requirement="R3.2",
                fix="Correct the spelling, or leave it out: it is not there at all.",
            )


@frozen(kw_only=True)
class Entry(Declared):
    """One version, as an index lists it and an image store keeps it."""

    version: str = field(metadata=declare(_VERSION, "The version.", "R3.2"))
    regions: tuple[str, ...] | None = field(
        default=None,
        metadata=declare(
            optional(_regions(1, "a list of one or more locations")),
            "Locations it is replicated to; all without it.",
            "R3.2",
        ),
    )
    excluded_regions: tuple[str, ...] = field(
        default=(),
        metadata=declare(
            _regions(0, "a list of locations"),
            "Locations where it is never the latest.",
            "R3.2",
        ),
    )
    excluded_from_latest: bool = field(
        default=False, metadata=declare(switch(), "Whether it is the latest nowhere.", "R3.2")
    )
    published_at: str | None = field(
        default=None, metadata=declare(optional(_TIME), "When it was published.", "R3.4")
    )
    url: str | None = field(
        default=None, metadata=declare(optional(_URL), "Where its content lies.")
    )
    sha256: str | None = field(
        default=None,
        metadata=declare(
            optional(text(r"[0-9a-f]{64}", "64 digits 0-9 a-f", "0123456789abcdef" * 4)),
            "Digest of that archive.",
        ),
    )

    rules = (
        Rule(("regions", "excluded_regions"), _exclusions_are_replicated),
        Rule(("url", "sha256"), _content_is_whole),
    )

    @classmethod
    def of_published(cls, each: Published) -> Self:
        """The entry of a version. Raises InvalidFields for what no index may say."""
        return cls(
            version=str(each.version),
            regions=each.regions,
            excluded_regions=each.excluded_regions,
            excluded_from_latest=each.excluded_from_latest,
            published_at=None if each.published_at is None else instant_ms(each.published_at),
            url=each.url,
            sha256=each.sha256,
        )

    def published(self, source: str) -> Published:
        """The version, as a source of this name lists it."""
        at = self.published_at
        return Published(
            version=ImageVersion.parse(self.version),
            regions=self.regions,
            excluded_regions=self.excluded_regions,
            excluded_from_latest=self.excluded_from_latest,
            published_at=None if at is None else _milliseconds(at),
            url=self.url,
            sha256=self.sha256,
            source=source,
        )


def _versions_differ(versions: tuple[Entry, ...]) -> Iterator[Problem]:
    seen = set()
    for position, entry in enumerate(versions):
        version = ImageVersion.parse(entry.version)
        if version in seen:
            yield Problem(
                field=f"versions[{position}].version",
                value=f"{entry.version} for the second time",
                bound="each version once; leading zeros make no other version",
                fix="Remove one of them.",
            )
        seen.add(version)


def _images_differ(images: "tuple[ImageEntry, ...]") -> Iterator[Problem]:
    seen = set()
    for position, entry in enumerate(images):
        if entry.image in seen:
            yield Problem(
                field=f"images[{position}].image",
                value=f"{entry.image} for the second time",
                bound="each image once",
                fix="List all its versions together.",
            )
        seen.add(entry.image)


@frozen(kw_only=True)
class ImageEntry(Declared):
    """One image and its versions."""

    image: str = field(metadata=declare(_IMAGE, "Name of the image.", "R3.1"))
    versions: tuple[Entry, ...] = field(
        default=(), metadata=declare(tables(Entry), "Its versions, in any order.", "R3.3")
    )

    rules = (Rule(("versions",), _versions_differ),)


@frozen(kw_only=True)
class Index(Declared):
    """Everything an endpoint lists."""

    format: int = field(metadata=declare(whole(FORMAT, FORMAT), "Form of the document."))
    images: tuple[ImageEntry, ...] = field(
        default=(), metadata=declare(tables(ImageEntry), "The images.", "R3.3")
    )

    rules = (Rule(("images",), _images_differ),)

    def listed(self, source: str) -> dict[str, tuple[Published, ...]]:
        """The versions of each image, as a source of this name lists them."""
        return {
            each.image: tuple(entry.published(source) for entry in each.versions)
            for each in self.images
            if each.versions
        }
