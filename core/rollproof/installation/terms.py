"""On which terms a run is started: which version, under which name."""

from __future__ import annotations

import secrets

from rollproof.fleet import ScaleSet
from rollproof.images import ImageVersion
from rollproof.installation.images import Images
from rollproof.moments import from_ms, to_ms


def target_of(scale_set: ScaleSet, images: Images, to: str | None) -> ImageVersion:
    """The version a run goes to: as asked, as pinned, or the latest for the location of
    the set (R3.2), spelled as it was published.

    Raises UnknownImage, UnknownImageVersion, NoVersionForLocation, SourceUnavailable, or
    InvalidFields for what spells no version.
    """
    reference, location = scale_set.image_reference, scale_set.location
    wanted = reference.exact if to is None else ImageVersion.parse(to)
    if wanted is None:
        return images.catalog.latest(reference, location).version
    return images.catalog.version(reference, wanted, location).version


def name_of_run(scale_set: str, number: int) -> str:
    """A name for the run: countable for people, and unique even where a journal was
    lost, for commands bear it and a provider remembers them."""
    return f"{scale_set}.{number}-{secrets.token_hex(3)}"


def months_before(now: int, months: int) -> int:
    """The same moment of the month, some months earlier, in milliseconds (R7.1)."""
    moment = from_ms(now)
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    for day in range(moment.day, 0, -1):  # the 31st has no like in every month
        try:
            earlier = moment.replace(year=years, month=month + 1, day=day)
        except ValueError:
            continue
        return to_ms(earlier)
    raise AssertionError("every month has a first day")
