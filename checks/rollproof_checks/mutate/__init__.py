"""Tables with one small change each: does any layer of evidence notice?"""

from rollproof_checks.extra import brought

with brought():
    from rollproof_checks.mutate.fates import Fate, Layer, Mutation, Report
    from rollproof_checks.mutate.judging import judge
    from rollproof_checks.mutate.mutant import Mutant, Suite
    from rollproof_checks.mutate.mutants import mutants
    from rollproof_checks.mutate.running import chosen, mutate

__all__ = [
    "Fate",
    "Layer",
    "Mutant",
    "Mutation",
    "Report",
    "Suite",
    "chosen",
    "judge",
    "mutants",
    "mutate",
]
