"""A thousand instances probed at their interval: what it costs, and whether it drifts.

Real HTTP over loopback.  Every instance has an address of its own; two processes answer
for all of them.  They are watched as a run watches a batch: `Prober` and `Rhythm`, one
watcher for each instance, all begun at once, which is the worst case.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection

import attrs

from rollproof.adapters.probe import Prober
from rollproof.health import Health, HttpProbe
from rollproof.host.rhythm import Rhythm

INTERVAL = 5.0
"""Seconds; the default of a probe."""
ROUNDS = 6
SERVERS = 2
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@attrs.frozen
class ProbeFigure:
    """Some rounds of probes of a whole fleet."""

    size: int
    seconds: float
    """From the first probe to the end of the last."""
    processor: float
    """Seconds of processor time in the process that probed."""
    late: tuple[float, ...]
    """Seconds that the latest probe of each round began after its time."""
    slowest: float
    """Seconds that the slowest probe took, waiting for its turn included."""
    healthy: int
    """Probes that were answered."""

    @property
    def milliseconds(self) -> float:
        """Processor time of one probe."""
        return 1000 * self.processor / (self.size * ROUNDS)

    @property
    def drift(self) -> float:
        """Seconds by which the last round was later than the second."""
        return self.late[-1] - self.late[1]

    @property
    def share(self) -> float:
        """Of one core, in percent, while this fleet is probed for ever."""
        return 100 * self.processor / (ROUNDS * INTERVAL)


def time_probes(size: int, *, silent: bool = False) -> ProbeFigure:
    """Probe ``size`` instances for ROUNDS rounds; ``silent`` ones never answer."""
    hosts = [f"127.100.{n // 250}.{1 + n % 250}" for n in range(size)]
    with _answering(silent) as port:
        return asyncio.run(_watch_all(hosts, port))


async def _watch_all(hosts: list[str], port: int) -> ProbeFigure:
    prober = Prober(HttpProbe(port=port, interval=timedelta(seconds=INTERVAL)))
    loop = asyncio.get_running_loop()
    late = [0.0] * ROUNDS
    took: list[float] = []
    answers: list[Health] = []

    async def watch(host: str) -> None:
        rhythm = Rhythm(INTERVAL)
        for number in range(ROUNDS):
            at = loop.time()
            late[number] = max(late[number], at - began - number * INTERVAL)
            answers.append(await prober.probe(host))
            took.append(loop.time() - at)
            if number + 1 < ROUNDS:
                await rhythm.beat()

    processor = time.process_time()
    began = loop.time()
    await asyncio.gather(*map(watch, hosts))
    return ProbeFigure(
        size=len(hosts),
        seconds=loop.time() - began,
        processor=time.process_time() - processor,
        late=tuple(late),
        slowest=max(took),
        healthy=answers.count(Health.HEALTHY),
    )


@contextmanager
def _answering(silent: bool) -> Iterator[int]:
    """Processes that answer on one port of every loopback address."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with socket.create_server(("0.0.0.0", 0), backlog=4096, reuse_port=True) as taken:
        port: int = taken.getsockname()[1]
        servers = [
            context.Process(target=_serve, args=(port, theirs, silent), daemon=True)
            for _ in range(SERVERS)
        ]
        for server in servers:
            server.start()
        for _ in servers:
            ours.recv()
    try:
        yield port
    finally:
        for server in servers:
            server.terminate()
            server.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _serve(port: int, ready: Connection, silent: bool) -> None:
    """Answer every request, or none but for keeping who asks, until ended."""
    kept = deque[socket.socket](maxlen=1_000)
    with socket.create_server(("0.0.0.0", port), backlog=4096, reuse_port=True) as listener:
        ready.send(True)
        while True:
            connection, _ = listener.accept()
            if silent:
                kept.append(connection)
                continue
            with connection:
                connection.recv(4096)
                connection.sendall(REPLY)
