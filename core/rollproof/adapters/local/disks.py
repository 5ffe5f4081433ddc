"""The OS disks of an instance: folders, each bearing the key it was made for (R1.2).

Callers of what changes something hold the instance's lock.
"""

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import asdict, frozen

from rollproof.adapters.files import (
    copy_tree,
    is_regular,
    point,
    pointed,
    read_end,
    read_json,
    write_json,
)
from rollproof.adapters.local.layout import Home
from rollproof.durations import format_duration

MARKS = ".rollproof-*"  # what is written on a disk besides its image
STAMP = ".rollproof-image.json"
LARGEST_MARK = 1024 * 1024  # bytes that are kept of each mark of a disk that is gone
REMEMBERED = 4  # disks that are gone whose marks are kept
_FRESH = ".new-"


@frozen
class Stamp:
    """What a disk says of itself."""

    image: str
    """Image it was made from."""
    version: str
    """Version of the image."""
    key: str
    """Key of the command it was made for."""


@frozen
class Removed:
    """A previous disk that was removed."""

    instance: str
    """Whose it was."""
    disk: str
    """Name of the disk."""
    version: str | None
    """Image version it was made from."""

    def __str__(self) -> str:
        return f"{self.disk} ({self.version or 'of no known version'})"


def stamp(disk: Path | None) -> Stamp | None:
    """What the disk says of itself; None when it is no disk, or gone."""
    found = read_json(disk / STAMP, None) if disk is not None else None
    return None if found is None else Stamp(**found)


def make(home: Home, content: Path, mark: Stamp) -> Path:
    """A new disk for the key, or the one there is already."""
    name = f"os-{hashlib.sha256(mark.key.encode()).hexdigest()[:16]}"
    disk = home.disks / name
    if not disk.is_dir():
        for leftover in home.disks.glob(f"{_FRESH}*"):
            shutil.rmtree(leftover)
        fresh = home.disks / f"{_FRESH}{name}"
        # An image taken from a running disk bears marks of its own.
        copy_tree(content, fresh, but=MARKS)
        write_json(fresh / STAMP, asdict(mark))
        fresh.rename(disk)
    return disk


def keep_current(home: Home) -> None:
    """Let the current disk be the one that a restore brings back."""
    if current := pointed(home.os):
        point(home.previous, current)


def expire(home: Home, keep: timedelta, now: datetime) -> Removed | None:
    """Let go of a previous disk that was kept so long; `prune` then removes it.

    The reason is written before the link goes: whoever looks for the disk later, even
    after a crash between the two, finds one or the other.
    """
    previous = pointed(home.previous)
    if previous is None or previous == pointed(home.os):
        return None
    since = datetime.fromtimestamp(home.previous.lstat().st_mtime, UTC)
    if now - since < keep:
        return None
    mark = stamp(previous)
    removed = Removed(home.path.name, previous.name, mark.version if mark else None)
    why = (
        f"its previous OS disk {removed} was removed at {now:%Y-%m-%dT%H:%M:%SZ}, having been "
        f"kept since {since:%Y-%m-%dT%H:%M:%SZ}; timeouts.keep_previous_disk is "
        f"{format_duration(keep)}"
    )
    write_json(home.gone, {"disk": removed.disk, "why": why})
    home.previous.unlink()
    return removed


def why_gone(home: Home) -> str:
    """Why an instance has no previous disk."""
    gone = read_json(home.gone, None)
    return "it has no previous OS disk" if gone is None else str(gone["why"])


def prune(home: Home) -> None:
    """Remove every disk but the current and the previous one; its marks are kept."""
    kept = {pointed(home.os), pointed(home.previous)}
    for disk in home.disks.iterdir():
        if disk.resolve() not in kept:
            if not disk.name.startswith(_FRESH):
                _bury(home, disk)
            shutil.rmtree(disk)


def _bury(home: Home, disk: Path) -> None:
    """Keep what the disk said of itself, and what the last disks before it said."""
    grave = home.past / disk.name
    if not grave.is_dir():
        fresh = home.past / f"{_FRESH}{disk.name}"
        fresh.mkdir(parents=True, exist_ok=True)
        for mark in disk.glob(MARKS):
            if is_regular(mark):
                (fresh / mark.name).write_bytes(read_end(mark, LARGEST_MARK))
        fresh.rename(grave)
    graves = sorted(home.past.glob("os-*"), key=lambda path: path.stat().st_mtime)
    for old in graves[:-REMEMBERED]:
        shutil.rmtree(old)
