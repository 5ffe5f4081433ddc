"""Hosts: they keep runs alive, carry out their commands, and decide nothing."""

from rollproof.adapters.clock import wall_clock
from rollproof.host.embedded import EmbeddedHost, Observer, status_of
from rollproof.host.home import Home, HomeLock
from rollproof.host.protocol import Host

__all__ = [
    "EmbeddedHost",
    "Home",
    "HomeLock",
    "Host",
    "Observer",
    "status_of",
    "wall_clock",
]
