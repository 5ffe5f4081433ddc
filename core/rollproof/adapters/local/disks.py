"""The OS disks of an instance: folders, each bearing the key it was made for (R1.2).

Callers of what changes something hold the instance's lock.
"""

import hashlib
import shutil
from pathlib import Path

from attrs import asdict, frozen

from rollproof.adapters.files import point, pointed, read_json, write_json
from rollproof.adapters.local.layout import Home

MARKS = ".rollproof-*"  # what is written on a disk besides its image
STAMP = ".rollproof-image.json"
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
        marks = shutil.ignore_patterns(MARKS)
        shutil.copytree(content, fresh, symlinks=True, ignore=marks)
        write_json(fresh / STAMP, asdict(mark))
        fresh.rename(disk)
    return disk


def keep_current(home: Home) -> None:
    """Let the current disk be the one that a restore brings back."""
    if current := pointed(home.os):
        point(home.previous, current)


def prune(home: Home) -> None:
    """Remove every disk but the current and the previous one."""
    kept = {pointed(home.os), pointed(home.previous)}
    for disk in home.disks.iterdir():
        if disk.resolve() not in kept:
            shutil.rmtree(disk)
