"""The chart of python-statemachine agrees with the steps that were taken."""

from __future__ import annotations

from collections.abc import Iterable

from statemachine.exceptions import TransitionNotAllowed

from rollproof.counts import Limits
from rollproof.lifecycle import Chart, Position
from rollproof_checks.conform.search import Head
from rollproof_checks.conform.table import Departure, Node


def charted(turns: Iterable[tuple[Node, Head, Node]], p: Limits[int]) -> int:
    """Let the chart take the rows of each turn; the number of turns.  Raises `Departure`
    where it refuses one, or comes to stand elsewhere."""
    number = 0
    for node, rows, end in turns:
        number += 1
        position = Position(node.state, node.counts, p)
        chart = Chart(position)
        for name in rows:
            try:
                chart.send(name)
            except TransitionNotAllowed as refusal:
                raise Departure(f"the chart refuses {name!r} of {rows} in {node}") from refusal
            position.state = chart.configuration_values[0]
        if (position.state, position.counts) != end:
            raise Departure(f"{rows} lead the chart from {node} to {position}, not to {end}")
    return number
