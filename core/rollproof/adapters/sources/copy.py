"""The last good index of an endpoint, on disk: what is listed while it is down."""

from pathlib import Path

from attrs import field, frozen

from rollproof.adapters.files import locked, write_json
from rollproof.bounds import text, whole
from rollproof.document import load_path_as
from rollproof.errors import InvalidDocument
from rollproof.reading import write_table
from rollproof.validation import Declared, declare

_ANY = text(r"(?s).*", "text", "")


@frozen(kw_only=True)
class Copy(Declared):
    """An index as it was served."""

    url: str = field(metadata=declare(_ANY, "Whose index it is."))
    etag: str = field(default="", metadata=declare(_ANY, "Name the server gave it."))
    as_of: int = field(
        metadata=declare(
            whole(0, 2**63), "When it was last confirmed, in milliseconds since 1970."
        )
    )
    text: str = field(metadata=declare(_ANY, "The document."))


class Kept:
    """The place of one copy."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url

    def read(self) -> Copy | None:
        """The copy; None when there is none, it is damaged, or of another endpoint."""
        try:
            kept = load_path_as(Copy, self._path)
        except InvalidDocument:
            return None
        return kept if kept.url == self._url else None

    def write(self, copy: Copy) -> None:
        """Keep a copy instead. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._path.parent / ".lock"):
            write_json(self._path, write_table(copy))
