"""Sources as users write them down, and made of what they wrote."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from rollproof.adapters.sources.directory import DirectorySource
from rollproof.adapters.sources.endpoint import EndpointSource
from rollproof.adapters.store import ImageStore
from rollproof.bounds import Bound, duration, optional, tables, text
from rollproof.catalog import Source
from rollproof.errors import Problem
from rollproof.published import Published
from rollproof.validation import Declared, Rule, declare, names_borne_twice

HOME = "home"
"""Name of the source that every installation has: what was published there."""

_SPELLED = text(r"[a-z0-9][a-z0-9-]{0,63}", "", "corp")
_NAME = Bound(
    kind="text",
    allowed=f'1 to 64 of the characters a-z 0-9 -, a letter or digit first, and not "{HOME}"',
    accepts=lambda value: value != HOME and _SPELLED.accepts(value),
    example='"corp"',
)
_PLACE = text(
    # Without a user's name: it would stand in every message.
    r"https?://[^\s/?#@]+(?:/[^\s#@]*)?(?:\?[^\s#]*)?|/[^\x00]{0,4000}",
    "a URL of http or https without a user's name, or an absolute path",
    "https://images.example.org/index.json",
)


class Supplier(Source, Protocol):
    """A source that also hands out content."""

    def obtain(self, image: str, published: Published, store: ImageStore) -> None:
        """Have the content of a version it lists in a store."""
        ...


def _only_endpoints_have_certificates(place: str, ca_file: str | None) -> Iterator[Problem]:
    if ca_file is not None and not place.startswith("https:"):
        yield Problem(
            field="ca_file",
            value=repr(ca_file),
            bound="left out, unless the place is a URL of https",
            fix="Ask the endpoint over https, or leave it out.",
        )


@frozen(kw_only=True)
class ImageSource(Declared):
    """One source of images."""

    name: str = field(metadata=declare(_NAME, "Name of the source."))
    place: str = field(
        metadata=declare(_PLACE, "URL of an index, or folder of an image store.")
    )
    ca_file: str | None = field(
        default=None,
        metadata=declare(
            optional(text(r"/[^\x00]{1,4000}", "an absolute path", "/etc/ssl/corp.pem")),
            "Certificates to trust instead of the usual ones.",
        ),
    )
    timeout: timedelta = field(
        default=timedelta(seconds=10),
        metadata=declare(
            duration(more_than=timedelta(0), at_most=timedelta(minutes=5)),
            "Longest wait for an index.",
        ),
    )

    rules = (Rule(("place", "ca_file"), _only_endpoints_have_certificates),)

    def made(self, copies: Path, clock: Callable[[], int]) -> Supplier:
        """The source itself; `copies` is the folder of the indexes that are kept."""
        if self.place.startswith("/"):
            return DirectorySource(self.name, ImageStore(Path(self.place)))
        return EndpointSource(
            self.name,
            self.place,
            copies / f"{self.name}.json",
            clock=clock,
            timeout=self.timeout.total_seconds(),
            ca_file=None if self.ca_file is None else Path(self.ca_file),
        )


@frozen(kw_only=True)
class ImageSources(Declared):
    """All sources of an installation besides its own, in the order they are asked."""

    sources: tuple[ImageSource, ...] = field(
        default=(), metadata=declare(tables(ImageSource), "The sources.")
    )

    rules = (Rule(("sources",), partial(names_borne_twice, "sources")),)
