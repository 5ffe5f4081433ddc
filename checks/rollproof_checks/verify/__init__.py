"""Verification for users: of rollproof itself, and of their own policies.

    verify().verdict                                    # prove, explore and conform: seconds
    verify_policy("deploy/web.toml", instances=40)      # what this policy means for 40

Both say PROVED, REFUTED or UNDETERMINED; only the first is a pass.
"""

from rollproof_checks.extra import brought

with brought():
    from rollproof_checks.verdicts import Verdict
    from rollproof_checks.verify.imagine import Batch, Imagined
    from rollproof_checks.verify.policy import (
        Figure,
        Finding,
        PolicyVerdict,
        Severity,
        verify_policy,
    )
    from rollproof_checks.verify.verification import Advance, Check, Layer, Verification, verify

__all__ = [
    "Advance",
    "Batch",
    "Check",
    "Figure",
    "Finding",
    "Imagined",
    "Layer",
    "PolicyVerdict",
    "Severity",
    "Verdict",
    "Verification",
    "verify",
    "verify_policy",
]
