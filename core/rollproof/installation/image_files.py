"""Files of a home that say where images come from: its sources, its own supported skus.

image-sources.toml      the sources, in the order they are asked
platform-images.toml    rows added to the table of supported platform images
indexes/                the last good index of each endpoint
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from rollproof.adapters.files import locked, write_text
from rollproof.adapters.sources import ImageSource, ImageSources
from rollproof.adapters.sources.endpoint import shown
from rollproof.document import dumps, load_path_as, loads_as
from rollproof.errors import ImageSourceExists, InvalidFields, Problem, UnknownImageSource
from rollproof.host import Home
from rollproof.supported import SupportedImages

_TABLE = "platform-images.toml"


class ImageFiles:
    """Reads and writes them, one process at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @property
    def indexes(self) -> Path:
        """Where the last good indexes are kept."""
        return self._home.path / "indexes"

    def sources(self) -> tuple[ImageSource, ...]:
        """The sources, in the order they are asked. Raises InvalidDocument."""
        if not self._sources.exists():
            return ()
        return load_path_as(ImageSources, self._sources).sources

    def add_source(self, source: ImageSource) -> None:
        """Add one, to be asked last. Raises ImageSourceExists, or InvalidFields for a
        folder that is not there."""
        _check_folder(source)
        with self._changing():
            known = self.sources()
            for each in known:
                if each.name == source.name:
                    raise ImageSourceExists(each.name, shown(each.place))
            self._write(*known, source)

    def remove_source(self, name: str) -> None:
        """Remove one, and its index. Raises UnknownImageSource."""
        with self._changing():
            known = self.sources()
            if name not in (each.name for each in known):
                raise UnknownImageSource(name, tuple(each.name for each in known))
            self._write(*(each for each in known if each.name != name))
            (self.indexes / f"{name}.json").unlink(missing_ok=True)

    def supported(self) -> SupportedImages:
        """The table as shipped, and the rows added here (R3.1)."""
        shipped = files("rollproof").joinpath(_TABLE).read_text("utf-8")
        return loads_as(SupportedImages, shipped, path=_TABLE).extended(self._added())

    def support(self, file: Path) -> None:
        """Add the rows of a file. Raises InvalidDocument, and changes nothing then."""
        more = load_path_as(SupportedImages, file)
        with self._changing():
            write_text(self._rows, dumps(self._added().extended(more)))

    @property
    def _sources(self) -> Path:
        return self._home.path / "image-sources.toml"

    @property
    def _rows(self) -> Path:
        return self._home.path / _TABLE

    def _added(self) -> SupportedImages:
        return (
            load_path_as(SupportedImages, self._rows)
            if self._rows.exists()
            else SupportedImages()
        )

    def _write(self, *sources: ImageSource) -> None:
        write_text(self._sources, dumps(ImageSources(sources=sources)))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._home.make()
        with locked(self._home.path / "images.lock"):
            yield


def _check_folder(source: ImageSource) -> None:
    """A folder that is not there is mistyped or not mounted: whoever adds it can tell which,
    and an endpoint that is down now cannot be told from one that is up later."""
    if source.place.startswith("/") and not os.path.isdir(source.place):
        problem = Problem(
            field="place",
            value=f"{source.place!r}, where there is no folder",
            bound="a folder that is there, or a URL of http or https",
            fix="Correct the path, or make or mount the folder first.",
        )
        raise InvalidFields((problem,))
