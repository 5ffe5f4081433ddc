"""An endpoint as a source of images: it serves an index, and archives of the content.

The index is asked for with the ETag of the copy kept, so that one that has not changed
costs a few bytes. Whatever goes wrong, the copy is listed: an endpoint that is down, too
slow, or serves what is no index hides nothing that was known.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from attrs import evolve

from rollproof.adapters.files import locked
from rollproof.adapters.sources.copy import Copy, Kept
from rollproof.adapters.sources.remembering import Listed, Remembering
from rollproof.adapters.sources.web import NOT_MODIFIED, Web
from rollproof.adapters.store import ImageStore
from rollproof.catalog import Look
from rollproof.document import loads_as
from rollproof.errors import (
    InvalidDocument,
    InvalidImage,
    SourceUnavailable,
)
from rollproof.index import Index
from rollproof.published import Published

INDEX_BYTES = 8 * 2**20
"""Longest index, some 20,000 versions."""
CONTENT_SECONDS = 3600.0
"""Longest download of one archive."""


class EndpointSource(Remembering):
    """Lists what the index at a URL lists."""

    def __init__(
        self,
        name: str,
        url: str,
        copy: Path,
        *,
        clock: Callable[[], int],
        timeout: float = 10.0,
        ca_file: Path | None = None,
        limit: int = INDEX_BYTES,
    ) -> None:
        """`copy` is where the last good index is kept, `clock` tells milliseconds since
        the Unix epoch, `timeout` bounds the wait for an index, in seconds, and `limit`
        its bytes."""
        super().__init__(name)
        self._url = url
        self._kept = Kept(copy, url)
        self._clock = clock
        self._timeout = timeout
        self._limit = limit
        self._web = Web(source=name, ca_file=ca_file)

    def _ask(self, known: Listed) -> tuple[Listed, Look]:
        kept = self._readable()
        try:
            copy = self._served(kept)
            listed = self._listing(copy.text)
        except (SourceUnavailable, InvalidDocument) as error:
            why = error.why if isinstance(error, SourceUnavailable) else str(error)
            if kept is None:
                return known, Look(self.name, trouble=why)
            return self._listing(kept.text), Look(self.name, kept.as_of, why)
        try:
            self._kept.write(copy)
        except OSError as error:
            return listed, Look(self.name, copy.as_of, f"its index cannot be kept: {error}")
        return listed, Look(self.name, copy.as_of)

    def _readable(self) -> Copy | None:
        """The copy kept, unless an older rollproof took for an index what this does not."""
        kept = self._kept.read()
        if kept is not None:
            try:
                self._listing(kept.text)
            except InvalidDocument:
                return None
        return kept

    def _served(self, kept: Copy | None) -> Copy:
        """The index as it is served. Raises SourceUnavailable."""
        headers = {"If-None-Match": kept.etag} if kept and kept.etag else {}
        body = bytearray()
        answer = self._web.get(
            self._url, body.extend, limit=self._limit, seconds=self._timeout, headers=headers
        )
        if answer.status == NOT_MODIFIED:
            if kept is None or not headers:
                raise SourceUnavailable(self.name, "it answered 304 where nothing was kept")
            return evolve(kept, as_of=self._clock())
        text = body.decode("utf-8-sig", "replace")
        return Copy(url=self._url, etag=answer.etag, as_of=self._clock(), text=text)

    def _listing(self, text: str) -> Listed:
        return loads_as(Index, text, path=shown(self._url)).listed(self.name)

    def obtain(self, image: str, published: Published, store: ImageStore) -> None:
        """Have the content of a version in a store: its archive, once its digest is seen
        to be the one that the index promises.

        Raises SourceUnavailable, InvalidImage, and what `ImageStore.publish` does.
        """
        if published.url is None:
            what = f"{image} {published.version}"
            raise InvalidImage(what, f"source {self.name!r} lists it without its content")
        store.root.mkdir(parents=True, exist_ok=True)
        with locked(store.root / ".fetch.lock"):  # what two wait for is fetched once
            if store.holds(image, published.version):
                return
            folder = store.root / ".fetch"
            shutil.rmtree(folder, ignore_errors=True)  # of a fetch that was killed
            folder.mkdir()
            try:
                archive = self._fetched(
                    published, urljoin(self._url, published.url), folder, store
                )
                store.publish(image, published.version, archive, fetched=self.name)
            finally:
                shutil.rmtree(folder)

    def _fetched(self, published: Published, url: str, folder: Path, store: ImageStore) -> Path:
        """The archive, under the name it is served by."""
        archive = folder / posixpath.basename(urlsplit(url).path)
        whole = hashlib.sha256()
        with archive.open("wb") as file:

            def take(piece: bytes) -> None:
                whole.update(piece)
                file.write(piece)

            self._web.get(url, take, limit=store.limit, seconds=CONTENT_SECONDS)
        if whole.hexdigest() != published.sha256:
            why = (
                f"its SHA-256 is {whole.hexdigest()}, and the index promises {published.sha256}"
            )
            raise InvalidImage(shown(url), why)
        return archive


def shown(url: str) -> str:
    """A URL as messages show it: without its query, which may be a secret."""
    return url.partition("?")[0]
