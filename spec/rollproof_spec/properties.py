"""The properties of a run, all of them: what `rollproof_checks` proves, explores and
monitors.

State invariants carry the suffix ``Inv``, two-state promises ``Prop``.  They speak of the
table, in which instances are numbers.  What the numbers cannot show is checked elsewhere:
that no batch crosses zones (R4.2), that the target stays (S10), that a success was really
observed (S9) by the conformance of `rollproof.step`; one run per scale set (R4.9) and the
deadline of every wait by the host's.
"""

from __future__ import annotations

from typing import Final

from rollproof_spec import invariants, progress, steps
from rollproof_spec.vocabulary import Kind, Property

PROPERTIES: Final[tuple[Property, ...]] = tuple(
    value
    for module in (invariants, steps, progress)
    for value in vars(module).values()
    if isinstance(value, Property)
)
"""In the order in which they are written."""

INVARIANTS: Final = tuple(p for p in PROPERTIES if p.kind is Kind.STATE)
"""Inductive together: each may be assumed of the state before a step."""

__all__ = ["INVARIANTS", "PROPERTIES", "Kind", "Property"]
