"""When a published version may be gone to (R3.4, N10).

The law
=======
* What was there when the set was configured is gone to at a moment within
  ``first_run_within`` of the configuration.  It is the same moment for all versions, so
  that the highest of them is gone to, and none before it in its place.
* A version that appeared later is gone to between ``pick_up_at_least`` and
  ``pick_up_at_most`` after it was first seen.
* Neither before it has reached ``minimum_image_age``.
* Who keeps the schedule notes what it sees first.  Until it has, nothing that is counted
  from there has begun: the moment moves on with the time.
* Within these bounds the moment is spread by the name of the set, and a later one by that of
  the version, too.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

from rollproof.images import ImageVersion
from rollproof.jitter import spread
from rollproof.moments import instant, span_ms, spelled
from rollproof.policy import AutomaticOSUpgradePolicy


@attrs.frozen(kw_only=True)
class Publication:
    """A version of the set's image, usable at its location."""

    version: ImageVersion
    published_at: int | None
    """As its source says, if it does; milliseconds since the Unix epoch, as all moments
    here."""
    first_seen: int
    """When this installation first saw it there; now, where it is not `noted`."""
    noted: bool = True
    """Whether that is on record.  Else it was seen only by somebody who asked."""

    @property
    def appeared(self) -> int:
        """Since when it is known to exist."""
        if self.published_at is None:
            return self.first_seen
        return min(self.published_at, self.first_seen)


class Delay(StrEnum):
    """What a version waits for."""

    FIRST_RUN = "first_run_delay"
    PICK_UP = "pick_up_delay"
    SOAK = "minimum_image_age"
    AGAIN = "pick_up_after_an_end"


@attrs.frozen
class PickUp:
    """From when on a version may be gone to."""

    at: int
    why: Delay
    text: str
    """In words, with the numbers."""
    stands: bool = True
    """Whether the moment stays where it is, as long as nothing changes."""

    @property
    def until(self) -> int | None:
        """The moment, if it stands."""
        return self.at if self.stands else None


def pick_up(
    policy: AutomaticOSUpgradePolicy,
    scale_set: str,
    configured_at: int,
    publication: Publication,
) -> PickUp:
    """When a set may first go to a publication."""
    version = str(publication.version)
    if publication.appeared <= configured_at:
        high = span_ms(policy.first_run_within)
        wait = spread(0, high, scale_set, Delay.FIRST_RUN)
        since, told, why = configured_at, "the set was configured", Delay.FIRST_RUN
    else:
        wait = _pick_up_delay(policy, scale_set, version)
        since, told, why = publication.first_seen, f"{version} was first seen", Delay.PICK_UP
    soaked = publication.appeared + span_ms(policy.minimum_image_age)
    if soaked > since + wait:
        age = spelled(span_ms(policy.minimum_image_age))
        if not publication.noted and publication.published_at is None:
            text = f"{_UNSEEN.format(version)}, and must have for {age} (N10)"
            return PickUp(soaked, Delay.SOAK, text, stands=False)
        appeared = instant(publication.appeared)
        text = f"{version} is of {appeared}, and must be {age} old, at {instant(soaked)} (N10)"
        return PickUp(soaked, Delay.SOAK, text)
    if why is Delay.PICK_UP and not publication.noted:
        text = f"{_UNSEEN.format(version)}; {spelled(wait)} after it has, it is due (R3.4)"
        return PickUp(since + wait, why, text, stands=False)
    text = (
        f"{told} at {instant(since)}; {spelled(wait)} later is {instant(since + wait)} (R3.4)"
    )
    return PickUp(since + wait, why, text)


_UNSEEN = "`rollproof serve` has not seen {} yet"


def pick_up_again(
    policy: AutomaticOSUpgradePolicy, scale_set: str, version: str, run: str, ended_at: int
) -> PickUp:
    """When a set may go to a version again, after a run that denies it to nobody."""
    at = ended_at + _pick_up_delay(policy, scale_set, version, str(ended_at))
    text = (
        f"run {run} to {version} ended at {instant(ended_at)} without completing; it is "
        f"picked up again {spelled(at - ended_at)} later, at {instant(at)} (R3.4)"
    )
    return PickUp(at, Delay.AGAIN, text)


def _pick_up_delay(policy: AutomaticOSUpgradePolicy, *of: str) -> int:
    low, high = span_ms(policy.pick_up_at_least), span_ms(policy.pick_up_at_most)
    return spread(low, high, *of, Delay.PICK_UP)
