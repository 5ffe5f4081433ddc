"""The file tree of an image: what may be in it, its size, its digest."""

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator
from pathlib import Path

from rollproof.adapters.files import copy_tree
from rollproof.errors import InvalidImage

GIB = 2**30
ENTRIES = 200_000  # files, folders and links of one image
START = "bin/start"


def leads_out(name: str, target: str) -> bool:
    """Whether a link at this place of the tree may name something outside the tree.

    Going up is allowed at the start of the target only: behind another link ".." leads
    to the parent of wherever that link leads.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    depth = posixpath.normpath(name).count("/")
    return posixpath.isabs(target) or up > depth or ".." in parts[up:]


def _entries(tree: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Every entry beneath the folder, sorted by name; links are not followed."""
    paths = (
        Path(folder, name)
        for folder, folders, files in os.walk(tree)
        for name in (*folders, *files)
    )
    for path in sorted(paths):
        yield path.relative_to(tree).as_posix(), path, path.lstat()


def copy(source: Path, target: Path, limit: int) -> None:
    """Copy a folder that may serve as an image. Raises InvalidImage."""
    size = 0
    for count, (name, path, found) in enumerate(_entries(source), start=1):
        size += found.st_size if stat.S_ISREG(found.st_mode) else 0
        if size > limit or count > ENTRIES:
            raise InvalidImage(str(source), f"more than {limit} bytes or {ENTRIES} entries")
        if stat.S_ISLNK(found.st_mode):
            if leads_out(name, os.readlink(path)):
                raise InvalidImage(str(source), f"the link {name} leads out of it")
        elif not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise InvalidImage(str(source), f"{name} is neither file, folder nor link")
    copy_tree(source, target)
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)  # in a read-only folder nothing could be removed again


def entry_point(tree: Path, source: Path) -> None:
    """Raises InvalidImage unless `bin/start` is a file inside the tree that may be executed."""
    start = tree / START
    inside = start.resolve().is_relative_to(tree.resolve())
    if not inside or not start.is_file():
        raise InvalidImage(str(source), f"it has no file {START} to start the server with")
    if not start.stat().st_mode & stat.S_IXUSR:
        raise InvalidImage(str(source), f"{START} is not executable")


def digest(tree: Path) -> str:
    """SHA-256 over names, kinds, execute bits and contents; not owners and times."""
    whole = hashlib.sha256()
    for name, path, found in _entries(tree):
        if stat.S_ISLNK(found.st_mode):
            kind, content = "link", os.readlink(path).encode()
        elif stat.S_ISDIR(found.st_mode):
            kind, content = "folder", b""
        else:
            kind = "program" if found.st_mode & stat.S_IXUSR else "file"
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        whole.update(f"{kind} {name!r} {content.hex()}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()
