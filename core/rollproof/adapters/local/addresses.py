"""Loopback addresses: every instance has one of its own, so all can share a port.

The fleet's folder decides where in 127.16.0.0 to 127.254.255.255 its addresses begin.
Two fleets seldom meet there; if they do, the later one moves on. Linux answers on all
of 127.0.0.0/8 unasked.
"""

import errno
import hashlib
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

from rollproof.errors import AddressInUse

_FIRST = int(ipaddress.IPv4Address("127.16.0.0"))
_BLOCKS = 239 * 256  # of 256 addresses each
_USABLE = 254  # of each block; .0 and .255 look like a network and a broadcast
ATTEMPTS = 64  # addresses in use in a row until we take it that the whole port is


def _addresses(folder: Path) -> Iterator[str]:
    """Every address in the order this fleet prefers."""
    begin = int.from_bytes(hashlib.sha256(str(folder).encode()).digest()[:8], "big")
    for block in range(_BLOCKS):
        base = _FIRST + (begin + block) % _BLOCKS * 256
        for offset in range(1, 1 + _USABLE):
            yield str(ipaddress.IPv4Address(base + offset))


def choose(folder: Path, count: int, port: int, taken: set[str]) -> list[str]:
    """Addresses on which nothing listens at the port. Raises AddressInUse."""
    chosen: list[str] = []
    failures = 0
    for address in _addresses(folder):
        if len(chosen) == count:
            break
        if address in taken:
            continue
        if free(address, port):
            chosen.append(address)
            failures = 0
        elif (failures := failures + 1) == ATTEMPTS:
            raise AddressInUse(f"{address}:{port}")
    return chosen


def free(address: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as trial:
        # A server may listen over the dying connections of the one before; so may we.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
