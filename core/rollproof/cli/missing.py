"""The parts of rollproof that an extra brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


class MissingExtra(click.ClickException):
    """A verb needs what an extra brings."""


@contextmanager
def the_checks(verb: str) -> Iterator[None]:
    """Import the checks in here.  Raises `MissingExtra`, which says what to install."""
    from rollproof_checks import extra

    try:
        with extra.brought():
            yield
    except extra.MissingExtra as error:
        raise MissingExtra(
            f"`rollproof {verb}` needs {error.name}, which is not installed: "
            "pip install 'rollproof[checks]'"
        ) from error
