"""SPIN asked to visit the same model."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import attrs

CFLAGS = ("-O2", "-DSAFETY", "-DMEMLIM=8000", "-DVECTORSZ=1024", "-w")
"""Depth-first search for errors of safety; a warning of generated C is nobody's."""


class SpinMissing(Exception):
    """There is no SPIN, or no C compiler, on this machine: ``apt-get install spin gcc``."""


@attrs.frozen(kw_only=True)
class SpinFigure:
    """What SPIN found."""

    states: int
    transitions: int
    errors: int
    seconds: float
    """Of the search alone, without generating and compiling it."""
    mib: float
    complete: bool


def run_spin(source: str, folder: Path, *, hash_bits: int = 22) -> SpinFigure:
    """Generate, compile and run a verifier in ``folder``; ``hash_bits`` sizes its table.

    Raises `SpinMissing`, and CalledProcessError where SPIN does not accept the source.
    """
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            raise SpinMissing(f"{program} is missing: apt-get install spin gcc")
    (folder / "model.pml").write_text(source, "utf-8")
    for command in (("spin", "-a", "model.pml"), ("gcc", *CFLAGS, "-o", "pan", "pan.c")):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    began = time.perf_counter()
    verifier = ("./pan", "-m2000000", f"-w{hash_bits}")
    ended = subprocess.run(verifier, cwd=folder, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    said = ended.stdout
    return SpinFigure(
        states=_number(r"(\S+) states, stored", said),
        transitions=_number(r"(\S+) transitions", said),
        errors=_number(r"errors: (\d+)", said),
        seconds=round(seconds, 3),
        mib=_number(r"(\d+)\S*\s+total actual memory", said),
        complete="error: max search depth" not in said and "out of memory" not in said,
    )


def _number(pattern: str, said: str) -> int:
    found = re.search(pattern, said)
    if found is None:
        raise ValueError(f"SPIN does not say {pattern!r}:\n{said}")
    return int(float(found[1]))
