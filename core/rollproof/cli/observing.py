"""Body of `observe`."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from rollproof.cli.output import columns, line, tell
from rollproof.cli.program import INTERRUPTED, Options
from rollproof.errors import ExitCode
from rollproof.installation import Installation
from rollproof.installation.observing.feed import Standing


def observe(options: Options, once: bool) -> int:
    """Tell the outlets, and with ``--json`` whoever reads stdout."""
    with Installation(options.place) as here:
        reported = here.observe(hears=_print if options.json else None, once=once)
    told = [each for each in reported.outlets if each.outlet != "called"]
    if options.json:
        outlets = [attrs.asdict(each) for each in told]
        value = {"kind": "outlets", "outlets": outlets, "interrupted": reported.interrupted}
        tell(line(value))
    else:
        tell(_text(told))
    if reported.interrupted is not None:
        return INTERRUPTED + reported.interrupted
    return ExitCode.ENVIRONMENT if any(_is_behind(each) for each in told) else 0


def _is_behind(standing: Standing) -> bool:
    return bool(standing.waiting or standing.error)


def _print(value: Mapping[str, Any]) -> None:
    if not tell(line(value)):  # the reader has gone, and this is not the main thread
        os.kill(os.getpid(), signal.SIGTERM)


def _text(standings: Sequence[Standing]) -> str:
    rows = [("OUTLET", "TOLD", "DROPPED", "WAITING", "TROUBLE")]
    rows += [
        (
            each.outlet,
            str(each.told),
            str(each.dropped),
            str(each.waiting),
            each.error or "none",
        )
        for each in standings
    ]
    return columns(rows)
