"""Stateful fuzzing of what runs, importable: point it at your own rules, host or adapter.

    class TestMyHost(HostMachine.TestCase):
        ...

`RunMachine` steps runs through arbitrary events, nothing but the pure code.
`HostMachine` drives a host over a real journal and a fleet that misbehaves.
"""

from rollproof_checks.fuzz.host import HostMachine
from rollproof_checks.fuzz.run import RunMachine
from rollproof_checks.fuzz.stage import Stage

__all__ = ["HostMachine", "RunMachine", "Stage"]
