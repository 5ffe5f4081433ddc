"""Files that readers see whole: replaced by rename, changed under a lock."""

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any


def read_json(path: Path, missing: Any) -> Any:
    """What the file holds, or `missing` when there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return missing


def read_start(path: Path, most: int) -> bytes:
    """The first bytes of a regular file. Raises OSError.

    Never waits: what another program put there may be a pipe that nobody writes to.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(f"{path} is no regular file")
        return file.read(most)


def is_regular(path: Path) -> bool:
    """Whether it is a file itself: no link, no pipe, no folder, and there."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_end(path: Path, most: int) -> bytes:
    """The last bytes of a file. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most)


def write_json(path: Path, value: Any) -> None:
    """Replace the file in one rename. Callers hold a lock."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace the file in one rename. Callers hold a lock, so one fresh name will do."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def point(link: Path, target: Path) -> None:
    """Let the link name the target, relative to itself, in one rename."""
    fresh = link.with_name(f".{link.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    fresh.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    os.replace(fresh, link)


def pointed(link: Path) -> Path | None:
    """The folder the link names; None when it names nothing that exists."""
    try:
        return link.resolve(strict=True)
    except OSError:
        return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other thread and process out; the kernel lets go after a kill -9.

    Two descriptors of one file exclude each other even inside one process, so the
    lock serves threads as well. Raises FileNotFoundError when the folder is gone, or
    went while we waited.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        path.stat()
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """The same lock without waiting: whether it was got. False when the folder is gone."""
    try:
        file = path.open("a")
    except FileNotFoundError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.stat()
        except (BlockingIOError, FileNotFoundError):
            yield False
        else:
            yield True


def copy_tree(source: Path, target: Path, but: str = "") -> None:
    """Copy a folder, links as links, all but the names of a pattern. Raises the OSError of
    the first entry that cannot be copied; shutil would go on and raise a list of all."""
    target.mkdir()
    for entry in source.iterdir():
        copied = target / entry.name
        if fnmatch(entry.name, but):
            continue
        if entry.is_symlink():
            copied.symlink_to(entry.readlink())
        elif entry.is_dir():
            copy_tree(entry, copied, but)
        else:
            shutil.copy2(entry, copied)
    shutil.copystat(source, target)


def flush(tree: Path) -> None:
    """Have everything beneath the folder, and the folder, on the storage device."""
    for path in (tree, *tree.rglob("*")):
        if stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            flush_one(path)


def flush_one(path: Path) -> None:
    """Have one file, or the names in one folder, on the storage device."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
