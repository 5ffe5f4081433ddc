"""A source that answers from its last look, and takes the first one by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from rollproof.catalog import Look
from rollproof.images import ImageReference
from rollproof.published import Published

Listed = Mapping[str, tuple[Published, ...]]
"""The versions of each image."""


class Remembering(ABC):
    """What all sources share. One thread at a time may use it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._listed: Listed | None = None

    @abstractmethod
    def _ask(self, known: Listed) -> tuple[Listed, Look]:
        """What is listed now; in trouble what was `known`, or is kept of it."""

    def refresh(self) -> Look:
        """Ask anew; see `rollproof.catalog.Source`."""
        self._listed, look = self._ask(self._listed or {})
        return look

    def images(self) -> tuple[str, ...]:
        """Names of the images listed, sorted."""
        return tuple(sorted(self._last))

    def versions(
        self, reference: ImageReference, location: str | None = None
    ) -> tuple[Published, ...]:
        """The versions of an image, or those replicated to a location."""
        listed = self._last.get(reference.name, ())
        return tuple(each for each in listed if each.is_replicated(location))

    @property
    def _last(self) -> Listed:
        if self._listed is None:
            self.refresh()
        return self._listed or {}
