"""What the extra ``checks`` brings, and the sentence where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

BROUGHT: Final = frozenset({"hypothesis", "numpy", "z3"})
"""What nothing else of rollproof needs."""


class MissingExtra(ModuleNotFoundError):
    """What is imported here comes with the extra; ``name`` is the module's."""


@contextmanager
def brought() -> Iterator[None]:
    """Import in here what needs the extra.  Raises `MissingExtra`."""
    try:
        yield
    except MissingExtra:
        raise
    except ModuleNotFoundError as error:
        if (name := (error.name or "").partition(".")[0]) not in BROUGHT:
            raise
        told = f"{name} is not installed: pip install 'rollproof[checks]'"
        raise MissingExtra(told, name=name) from None
