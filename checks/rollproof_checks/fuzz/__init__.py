"""Stateful fuzzing of what runs, importable: point it at your rules, host or adapter.

    class TestMyHost(HostMachine.TestCase):
        ...

`RunMachine` steps runs through arbitrary events: nothing but the pure code.
`HostMachine` drives a host over a real journal and a fleet that misbehaves.
`AdapterContract` drives any adapter through the laws of the provider contract.

How to use each of them: docs/fuzz.md.
"""

from rollproof_checks.extra import brought

with brought():
    from rollproof_checks.fuzz.adapter import AdapterContract, NotJudged
    from rollproof_checks.fuzz.contract import Ask, Judged, Law, LawBroken
    from rollproof_checks.fuzz.host import HostMachine
    from rollproof_checks.fuzz.run import RunMachine
    from rollproof_checks.fuzz.stage import Stage

__all__ = [
    "AdapterContract",
    "Ask",
    "HostMachine",
    "Judged",
    "Law",
    "LawBroken",
    "NotJudged",
    "RunMachine",
    "Stage",
]
