"""What the search came to."""

from __future__ import annotations

import attrs

from rollproof_checks.conform.search import Divergence, Searched
from rollproof_checks.verdicts import Verdict


@attrs.frozen(kw_only=True)
class Conformance:
    """Whether the shipped step refines the table, within the bounds."""

    bounds: str
    """Their name."""
    settings: tuple[Searched, ...]
    """Searched whole."""
    divergence: Divergence | None = None
    """The first law that was broken."""
    missing: tuple[str, ...] = ()
    """Rows that no step took, where every row must be."""
    gave_up: str = ""
    """The setting that has more runs than the bounds let be kept."""
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """PROVED within the bounds, and no further."""
        if self.divergence is not None or self.missing:
            return Verdict.REFUTED
        return Verdict.UNDETERMINED if self.gave_up or not self.settings else Verdict.PROVED

    @property
    def runs(self) -> int:
        """Concrete runs, up to renaming."""
        return sum(each.runs for each in self.settings)

    @property
    def steps(self) -> int:
        """Events tried."""
        return sum(each.steps for each in self.settings)

    @property
    def rows(self) -> dict[str, int]:
        """How often each row was taken."""
        taken: dict[str, int] = {}
        for each in self.settings:
            for name, times in each.rows.items():
                taken[name] = taken.get(name, 0) + times
        return taken
