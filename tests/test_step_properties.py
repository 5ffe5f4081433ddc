"""rollproof_checks.fuzz.RunMachine: `step` keeps its laws under arbitrary events."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from catching import catching
from rollproof import batch, turn
from rollproof_checks.fuzz import RunMachine

SETTINGS = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_run_machine() -> None:
    """S1-S13 on the running code."""
    run_state_machine_as_test(RunMachine, settings=SETTINGS)


@pytest.mark.parametrize(("ignored", "said"), [("zone", r"R4\.2"), ("update_domain", r"R6\.1")])
def test_a_batch_across_bounds_is_caught(
    ignored: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4.2, R6.1: the machine can fail."""
    every = batch.offer
    monkeypatch.setattr(
        turn,
        "offer",
        lambda ledger, ground, **rest: every(
            ledger, ground._replace(**{ignored: None}), **rest
        ),
    )
    quick = catching(SETTINGS, max_examples=3_000)
    with pytest.raises(AssertionError, match=said):
        run_state_machine_as_test(RunMachine, settings=quick)
