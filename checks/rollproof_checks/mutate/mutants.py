"""All mutants, in an order that is the same in every process."""

from __future__ import annotations

from functools import cache

from rollproof_checks.mutate.mutant import Mutant
from rollproof_checks.mutate.rewriting import rewritten
from rollproof_checks.mutate.rowwise import rows_changed


@cache
def mutants() -> tuple[Mutant, ...]:
    """Every mutant of the shipped table."""
    return (*rewritten(), *rows_changed())
