"""An outlet in the program itself: a function that is called with each line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rollproof.installation.observing.lines import Dropped
from rollproof.installation.observing.outlet import fresh
from rollproof.installation.observing.tap import Told

Call = Callable[[Mapping[str, Any]], None]
"""Called in another thread, once for each event recorded since."""


class Called:
    """Hears what happens from now on.  What the function raises is logged, once."""

    name = "called"
    lasting = False
    at_once = 100
    backlog = None

    def __init__(self, call: Call) -> None:
        self._call = call

    def opens(self) -> None:
        """Nothing to get ready."""

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        """Call for each."""
        for each in fresh(told):
            self._call(each.line)

    def close(self) -> None:
        """Nothing to let go of."""
