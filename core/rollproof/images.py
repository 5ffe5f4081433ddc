"""Images: which one a scale set runs, and the order of its versions."""

import re
from collections.abc import Iterator
from typing import Self

from attrs import field, frozen

from rollproof.bounds import Bound, optional, text, whole
from rollproof.errors import InvalidFields, Problem
from rollproof.validation import Declared, Rule, declare

LATEST = "latest"
_HIGHEST = 2**31 - 1  # what galleries take for one number
_NUMBER = whole(0, _HIGHEST)
_SPELLING = f"major.minor.patch, three whole numbers up to {_HIGHEST}"
_VERSION = re.compile(r"[0-9]{1,10}\.[0-9]{1,10}\.[0-9]{1,10}")


def _numbers(spelling: str) -> tuple[int, ...]:
    """The numbers between the dots."""
    return tuple(int(number) for number in spelling.split("."))


def _spells_version(value: object) -> bool:
    """Whether a value is text that spells a version, with nothing around it."""
    return (
        isinstance(value, str)
        and _VERSION.fullmatch(value) is not None
        and max(_numbers(value)) <= _HIGHEST
    )


def _spelling_agrees(
    major: int, minor: int, patch: int, spelling: str | None
) -> Iterator[Problem]:
    if spelling is not None and _numbers(spelling) != (major, minor, patch):
        yield Problem(
            field="spelling",
            value=repr(spelling),
            bound=f"a spelling of {major}.{minor}.{patch}",
            fix="Use ImageVersion.parse.",
        )


@frozen(order=True)
class ImageVersion(Declared):
    """A version "major.minor.patch", ordered by its numbers (R3.2).

    Publishers write leading zeros ("18.04.201804262"), so they are accepted and printed
    back: str(parse(s)) == s. They carry no meaning: "18.04.1" and "18.4.1" are equal, and
    one image never has both. A platform's date version (2016.127.20180613) needs no
    special case. Raises InvalidFields.
    """

    major: int = field(metadata=declare(_NUMBER, "First number.", "R3.2"))
    minor: int = field(metadata=declare(_NUMBER, "Second number.", "R3.2"))
    patch: int = field(metadata=declare(_NUMBER, "Third number.", "R3.2"))
    spelling: str | None = field(
        default=None,
        kw_only=True,
        eq=False,
        repr=False,
        metadata=declare(
            optional(text(_VERSION.pattern, "major.minor.patch", "18.04.1")),
            "How the publisher writes it; none when without leading zeros.",
        ),
    )

    rules = (Rule(("major", "minor", "patch", "spelling"), _spelling_agrees),)

    @classmethod
    def parse(cls, spelled: str) -> Self:
        """The version that the text spells, with nothing around it.

        Raises InvalidFields when it spells none.
        """
        if not _spells_version(spelled):
            problem = Problem(
                field="version",
                value=repr(spelled[:60]),
                bound=_SPELLING,
                requirement="R3.2",
                fix='For example: "1.0.0".',
            )
            raise InvalidFields((problem,))
        major, minor, patch = _numbers(spelled)
        return cls(major, minor, patch, spelling=spelled)

    def __str__(self) -> str:
        return self.spelling or f"{self.major}.{self.minor}.{self.patch}"

    def spelled_by(self, observed: str | None) -> bool:
        """Whether an observed version is this one (S9); None and nonsense are not."""
        if observed is None or not _spells_version(observed):
            return False
        return _numbers(observed) == (self.major, self.minor, self.patch)


_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


_VERSION_BOUND = Bound(
    kind="text",
    allowed=f'"{LATEST}" or {_SPELLING}',
    accepts=lambda value: value == LATEST or _spells_version(value),
    example=f'"{LATEST}"',
    choices=(LATEST,),
)


def name_part(example: str) -> Bound:
    """The bound of one name in a reference: path-safe and without "~"."""
    allowed = "1 to 80 of the characters A-Z a-z 0-9 . _ -, a letter or digit first"
    return text(_PART, allowed, example)


def _part(example: str) -> Bound:
    return optional(name_part(example))


def _one_form(
    image: str | None, publisher: str | None, offer: str | None, sku: str | None
) -> Iterator[Problem]:
    platform = (publisher, offer, sku)
    gallery_form = image is not None and not any(platform)
    platform_form = image is None and all(platform)
    if not gallery_form and not platform_form:
        parts = {"image": image, "publisher": publisher, "offer": offer, "sku": sku}
        named = [name for name, value in parts.items() if value is not None]
        yield Problem(
            field="",
            value=" and ".join(named) or "no image",
            bound="either image, or publisher with offer and sku",
            requirement="R3.2",
            fix="Name an image of the gallery, or all three parts of a platform image.",
        )


@frozen(kw_only=True)
class ImageReference(Declared):
    """The image of a scale set: one of a gallery, or one of the platform (R1.1, R3.2)."""

    image: str | None = field(
        default=None,
        metadata=declare(_part("web-os"), "Gallery form: name of the image.", "R3.2"),
    )
    publisher: str | None = field(
        default=None,
        metadata=declare(_part("Canonical"), "Platform form: who publishes it.", "R1.5"),
    )
    offer: str | None = field(
        default=None,
        metadata=declare(_part("UbuntuServer"), "Platform form: the product.", "R1.5"),
    )
    sku: str | None = field(
        default=None,
        metadata=declare(_part("18.04-LTS"), "Platform form: the edition.", "R1.5"),
    )
    version: str = field(
        default=LATEST,
        metadata=declare(
            _VERSION_BOUND,
            'Version to run; automatic upgrades need "latest".',
            "R2.2",
        ),
    )

    rules = (Rule(("image", "publisher", "offer", "sku"), _one_form),)

    @property
    def name(self) -> str:
        """Path-safe name of the image without its version; no two images share one."""
        if self.image is not None:
            return self.image
        return f"{self.publisher}~{self.offer}~{self.sku}"

    @classmethod
    def named(cls, name: str, version: str = LATEST) -> Self:
        """The reference of this `name`.  Raises InvalidFields when no image can bear it."""
        if "~" not in name:
            return cls(image=name, version=version)
        publisher, offer, sku = (*name.split("~", 2), "")[:3]
        return cls(publisher=publisher, offer=offer, sku=sku, version=version)

    @property
    def exact(self) -> ImageVersion | None:
        """The version pinned, None when it is "latest"."""
        return None if self.version == LATEST else ImageVersion.parse(self.version)

    def check_edit(self, edited: "ImageReference") -> None:
        """Let a model edit change the sku, the gallery image and the version (R1.5).

        Raises InvalidFields when it changes the publisher or the offer.
        """
        problems = tuple(
            Problem(
                field=part,
                value=after or "left out",
                bound=before or "nothing",
                requirement="R1.5",
                fix="It never changes; make another scale set for the other image.",
            )
            for part, before, after in (
                ("publisher", self.publisher, edited.publisher),
                ("offer", self.offer, edited.offer),
            )
            if before != after
        )
        if problems:
            raise InvalidFields(problems)
