"""The parts of rollproof that an extra brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

BROUGHT: Final = frozenset({"hypothesis", "numpy", "z3"})
"""What only the extra ``checks`` installs."""


class MissingExtra(click.ClickException):
    """A verb needs what an extra brings."""


@contextmanager
def the_checks(verb: str) -> Iterator[None]:
    """Import the checks in here.  Raises `MissingExtra`, which says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (name := (error.name or "").partition(".")[0]) not in BROUGHT:
            raise
        raise MissingExtra(
            f"`rollproof {verb}` needs {name}, which is not installed: "
            "pip install 'rollproof[checks]'"
        ) from error
