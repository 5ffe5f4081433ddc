"""How long the proofs take, nothing known from before."""

from __future__ import annotations

import time

import attrs

from rollproof_checks.prove import prove
from rollproof_checks.verdicts import Verdict


@attrs.frozen
class ProofFigure:
    """All obligations, once."""

    asked: int
    """How many went to the solver."""
    settled: int
    """How many needed none."""
    seconds: float


def time_proofs(seed: int) -> ProofFigure:
    """Time them with one seed."""
    began = time.perf_counter()
    report = prove(seed=seed)
    seconds = time.perf_counter() - began
    assert report.verdict is Verdict.PROVED
    return ProofFigure(len(report.obligations), sum(report.settled.values()), seconds)
