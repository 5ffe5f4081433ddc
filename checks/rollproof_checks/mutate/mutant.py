"""What a mutant is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeAlias

import attrs

from rollproof.table import Row

Rows: TypeAlias = tuple[Row, ...]


class Suite(StrEnum):
    """When its operator was chosen: a property written against one suite is put to the
    test by the other."""

    FIRST = "first"
    """Textbook operators, on every place they fit."""
    SECOND = "second"
    """Chosen with the properties in view, to slip past them."""


@attrs.frozen(kw_only=True, eq=False)
class Mutant:
    """The shipped table with one change."""

    suite: Suite
    operator: str
    place: str
    """Where: a function or row of the table, of its sums or of its rules."""
    change: str
    """From what to what."""
    build: Callable[[], Rows]
    """Makes the changed table; nothing that is installed is touched."""
    text: Callable[[], Mapping[str, str]] = dict
    """Modules of rollproof and their changed text, where it was text that was changed."""

    @property
    def name(self) -> str:
        """``operator: place: change``."""
        return f"{self.operator}: {self.place}: {self.change}"
