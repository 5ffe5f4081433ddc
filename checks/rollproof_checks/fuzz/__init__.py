"""Stateful fuzzing of what runs, importable: point it at your own host or adapter.

    class TestMyHost(HostMachine.TestCase):
        ...

`HostMachine` drives a host over a real journal and a fleet that misbehaves.
"""

from rollproof_checks.fuzz.host import HostMachine

__all__ = ["HostMachine"]
