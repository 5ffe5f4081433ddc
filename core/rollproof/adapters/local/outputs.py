"""What the steps of provisioning wrote: a file for each, on the disk they ran on.

A step writes straight into its file, so that it neither notices nor minds when its
controller dies. The file is cut to its end while the step runs, whenever it has grown to
several times what is kept, and once more when the step is over.
"""

from pathlib import Path

from rollproof.adapters.files import is_regular, read_end

KEPT = 64 * 1024  # bytes kept of the output of a step
SLACK = 4  # times KEPT that a file may grow to before it is cut
LOOK = 0.1  # seconds between two looks at its size while the step runs
CUT = b"... (what came before is not kept)\n"
_PREFIX = ".rollproof-output-"  # a mark of the disk, which no image takes along


def place(disk: Path, step: str) -> Path:
    """The file of a step."""
    return disk / f"{_PREFIX}{step}"


def fresh(disk: Path, step: str) -> Path:
    """The file of a step that begins, empty."""
    file = place(disk, step)
    file.unlink(missing_ok=True)
    file.touch()
    return file


def bound(file: Path, most: int = SLACK * KEPT) -> None:
    """Cut the file to its end when it is larger than that.

    What is appended in the moment of the cut may be lost. A step that puts something else
    in the place of its file has nothing kept. Raises OSError.
    """
    if not is_regular(file) or file.stat().st_size <= most:
        return
    end = CUT + read_end(file, KEPT - len(CUT))
    with file.open("r+b") as out:
        out.write(end)
        out.truncate()


def read(disk: Path, step: str) -> str:
    """The end of what the step wrote; "" when it has not run."""
    file = place(disk, step)
    return read_end(file, KEPT).decode(errors="replace") if is_regular(file) else ""
