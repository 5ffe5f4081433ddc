"""Locations: how they are spelled, and when two spellings name one place (R3.2)."""

from rollproof.bounds import text

LOCATION = text(
    r"[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,62}[A-Za-z0-9])?",
    "1 to 64 letters, digits, spaces, - and _",
    "westeurope",
)


def location_key(location: str) -> str:
    """What all spellings of one location share: case and spaces carry no meaning.

    "West Europe" and "westeurope" are one place; "west-europe" is another.
    """
    return "".join(location.lower().split())
