"""Unpacking a tar archive from somebody one does not trust.

The rules are lexical, so that nothing depends on what earlier members left on disk:
no absolute name, no ".." in a name, no link that leads out of the tree, no member
beneath a link, nothing but files, folders and links. tarfile's data filter stands
behind them. Bytes are counted after decompression, before anything believes a header.
"""

import errno
import gzip
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol, cast

from rollproof.adapters.tree import ENTRIES, leads_out
from rollproof.errors import InvalidImage

_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # no fault of the archive
_OVERHEAD = 2  # an archive of many tiny files is mostly headers and padding


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


_READERS: dict[str, Callable[[Path], AbstractContextManager[_Stream]]] = {
    ".tar": lambda path: path.open("rb"),
    ".tar.gz": gzip.GzipFile,
    ".tgz": gzip.GzipFile,
    ".tar.xz": lzma.LZMAFile,
}


class _Refused(Exception):
    """Why the archive is not taken."""


class _Bounded:
    """A stream that ends in _Refused rather than in a full disk."""

    def __init__(self, stream: _Stream, limit: int) -> None:
        self.stream = stream
        self.left = limit

    def read(self, size: int) -> bytes:
        found = self.stream.read(size)
        self.left -= len(found)
        if self.left < 0:
            raise _Refused("it unpacks to more than the image store allows")
        return found


def unpack(source: Path, target: Path, limit: int) -> None:
    """Unpack an archive of at most `limit` bytes into a new folder. Raises InvalidImage."""
    if not source.is_file():
        raise InvalidImage(str(source), "there is no such file or folder")
    reader = next((_READERS[end] for end in _READERS if source.name.endswith(end)), None)
    if reader is None:
        raise InvalidImage(str(source), f"an archive's name ends in {', '.join(_READERS)}")
    target.mkdir()
    try:
        with reader(source) as stream:
            bounded = cast(IO[bytes], _Bounded(stream, limit * _OVERHEAD))
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in _checked(archive, limit):
                    archive.extract(member, target, filter="data")
    except _Refused as refused:
        raise InvalidImage(str(source), str(refused)) from None
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise InvalidImage(str(source), f"the archive cannot be read: {error}") from error
    except OSError as error:
        if error.errno in _OURS:
            raise
        raise InvalidImage(str(source), f"the archive cannot be read: {error}") from error


def _checked(archive: tarfile.TarFile, limit: int) -> Iterator[tarfile.TarInfo]:
    """The members, each checked before it is handed out."""
    links: set[str] = set()
    size = 0
    for count, member in enumerate(archive, start=1):
        size += member.size
        if size > limit or count > ENTRIES:
            raise _Refused(f"more than {limit} bytes or {ENTRIES} entries")
        name = posixpath.normpath(member.name)
        parts = name.split("/")
        if posixpath.isabs(member.name) or ".." in member.name.split("/"):
            raise _Refused(f"{member.name} lies outside it")
        if any("/".join(parts[:depth]) in links for depth in range(1, len(parts) + 1)):
            raise _Refused(f"{member.name} lies beneath or upon a link")
        if member.issym():
            if leads_out(name, member.linkname):
                raise _Refused(f"the link {member.name} leads out of it")
            links.add(name)
        elif member.islnk():
            # A hard link names another member, from the top of the tree.
            if leads_out("", member.linkname) or posixpath.normpath(member.linkname) in links:
                raise _Refused(f"the link {member.name} leads out of it")
        elif not member.isreg() and not member.isdir():
            raise _Refused(f"{member.name} is neither file, folder nor link")
        yield member
