"""The picture of a run: what it shows, and how it is laid out for a width."""

from __future__ import annotations

import textwrap

import attrs
from rich.console import Group
from rich.text import Text

from rollproof.cli.output import clock
from rollproof.cli.phases import LOOKS, by_zone, legend, tally
from rollproof.cli.summary import CELLS, failure_lines, wrapped
from rollproof.installation import Failure
from rollproof.plan import remaining
from rollproof.run import Run
from rollproof.states import TERMINAL, State

SHOWN_FAILURES = 4
WORDS = {
    State.IDLE: "about to begin",
    State.PRECHECKING: "looking at the fleet",
    State.ROLLING_FORWARD: "replacing disks",
    State.WAITING_HEALTH: "awaiting health",
    State.ROLLING_BACK: "giving disks back",
    State.CANCELLED: "ended",
    State.COMPLETED: "completed",
}
"""Every state in words."""


@attrs.define
class Scene:
    """What there is to be shown."""

    run: Run
    now: int = 0
    began: int = 0
    last: int = 0
    """Time of the last event."""
    host: str = ""
    failures: tuple[Failure, ...] = ()
    recent: list[str] = attrs.Factory(list)
    over: bool = False
    """Nothing will follow."""


def draw(scene: Scene, width: int) -> Group:
    """The scene, no line of it wider than `width`."""
    lines = [*_head(scene, width), *_cells(scene.run, width), *_legend(scene.run, width)]
    if not scene.over:  # the summary says it again, in full
        lines += _troubles(scene, width)
        lines += [_clipped(Text(f"  {text}", "dim"), width) for text in scene.recent]
    return Group(*lines)


def _head(scene: Scene, width: int) -> list[Text]:
    run = scene.run
    title = Text.assemble(
        (run.charter.scale_set, "bold"), " to ", (run.charter.target, "bold"), "  "
    )
    if run.counts.held and run.state not in TERMINAL:
        title.append("PAUSED  ", "bold yellow")
    title.append(run.state.value, "bold cyan")
    title.append(f": {WORDS[run.state]}")
    progress = textwrap.wrap(
        _progress(scene), width, initial_indent="  ", subsequent_indent="  "
    )
    return [_clipped(title, width), *(Text(line, "dim", no_wrap=True) for line in progress)]


def _progress(scene: Scene) -> str:
    """Batch, elapsed time, and the longest that it may still take."""
    run = scene.run
    rest = remaining(run)
    parts = []
    if run.batches:
        total = run.batches + (rest.batches if rest else 0)
        parts.append(
            f"batch {run.batches} of about {total}" if total > run.batches else f"batch {total}"
        )
    if scene.began:
        parts.append(f"{clock(scene.now - scene.began)} elapsed")
    if run.state not in TERMINAL:
        if rest and rest.longest:
            left = rest.longest - max(0, scene.now - scene.last)
            parts.append(f"at most {clock(left)} to go")
        parts.append(scene.host)
    return ", ".join(part for part in parts if part)


def _cells(run: Run, width: int) -> list[Text]:
    phases = tally(run)
    total = sum(phases.values())
    if not total:
        return []
    if total > CELLS:
        return [_bar(phases, total, width)]
    lines = []
    zones = by_zone(run)
    indent = 2 + max((len(f"zone {zone}  ") for zone in zones if zone), default=0)
    each = max(1, (width - indent) // 2)
    for zone, cells in zones.items():
        label = f"  zone {zone}" if zone else ""
        for start in range(0, len(cells), each):
            line = Text.assemble((label.ljust(indent), "dim"))
            label = ""
            for phase in cells[start : start + each]:
                line.append(LOOKS[phase].letter, LOOKS[phase].style).append(" ")
            line.rstrip()
            lines.append(_clipped(line, width))
    return lines


def _bar(phases: dict[str, int], total: int, width: int) -> Text:
    """A bar with as many letters of each phase as its share; none is lost."""
    room = max(len(phases), width - 4)
    bar = Text("  ")
    drawn = seen = 0
    left = len(phases)
    for phase, number in phases.items():
        seen, left = seen + number, left - 1
        cells = min(max(1, round(seen * room / total) - drawn), room - drawn - left)
        bar.append(LOOKS[phase].letter * cells, LOOKS[phase].style)
        drawn += cells
    return _clipped(bar, width)


def _legend(run: Run, width: int) -> list[Text]:
    """What the letters mean, with the numbers; wrapped between two of them."""
    lines: list[Text] = []
    for look, number, words in legend(run):
        entry = Text.assemble((look.letter, look.style), f" {number:,} {words}   ")
        if not lines or len(lines[-1]) + len(entry.plain.rstrip()) > width:
            lines.append(Text("  "))
        lines[-1].append(entry)
    return [_clipped(line, width) for line in lines]


def _troubles(scene: Scene, width: int) -> list[Text]:
    lines = []
    for text in failure_lines(scene.failures[-SHOWN_FAILURES:]):
        lines += [Text(each, "red") for each in wrapped(text.strip(), width)]
    return lines


def _clipped(line: Text, width: int) -> Text:
    line.rstrip()
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line
