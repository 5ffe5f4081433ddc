"""Journals with real runs in them, and receivers of what is told of them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rollproof.host import EmbeddedHost, Home, Observer
from rollproof.installation.observing.place import Place
from rollproof.installation.observing.tap import Tap
from rollproof.journal import Journal, Turned
from rollproof_checks.simulated import Behaviour, SimulatedFleet, steady
from rollproof_checks.virtual_time import VirtualClock, run
from shared_host import charter, instances


class Recorder:
    """A home whose runs are hosted in virtual time, by the real host."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.make()
        self.clock = VirtualClock()
        self.journals = contextlib.ExitStack()
        self.journal = self.journals.enter_context(Journal(self.home.journal))
        self._fleets: dict[str, SimulatedFleet] = {}

    def upgrade(
        self,
        name: str = "r1",
        scale_set: str = "web",
        behaviour: Behaviour = steady,
        *,
        until: Callable[[Turned], bool] = lambda _turned: False,
        size: int = 4,
        observers: Sequence[Observer] = (),
        **terms: Any,
    ) -> None:
        """A run to its end, or until a turn is such; then, later, on from there."""
        if scale_set not in self._fleets:
            self._fleets[scale_set] = SimulatedFleet(self.clock, instances(size))
        self._fleets[scale_set].behaviour = behaviour

        def observer(turned: Turned) -> None:
            if until(turned):
                host.stop()

        host = EmbeddedHost(
            self.journal,
            self._fleets.__getitem__,
            clock=self.clock,
            observers=[observer, *observers],
            poll=1.0,
        )

        async def main() -> None:
            if self.journal.active_run(scale_set) is None:
                await host.start(charter(name, scale_set, **terms))
            await host.serve()

        run(self.clock, main())

    def tap(self) -> Tap:
        """The news from now on, by a connection of its own, as in another process."""
        reading = self.journals.enter_context(Journal(self.home.journal, read_only=True))
        return Tap(reading, Place.present(reading, self.clock()))

    def ids(self, *runs: str) -> list[str]:
        """Of every event recorded of these runs."""
        found = []
        for each in runs:
            found += [f"{each}/{event.seq}" for event in self.journal.events(each)]
        return found


@contextlib.contextmanager
def recorder(folder: Path) -> Iterator[Recorder]:
    """A recorder that is closed at the end."""
    made = Recorder(folder)
    try:
        yield made
    finally:
        made.journals.close()


class Receiver:
    """An HTTP server on loopback that answers as it is told, and keeps what it is sent."""

    def __init__(self, port: int = 0) -> None:
        self.answers: list[int] = []
        """Codes of the next answers; 200 after them."""
        self.headers: dict[str, str] = {}
        """That every answer bears."""
        self.slow = threading.Event()
        """While it is set, what was received is not answered."""
        self.paths: list[str] = []
        """Of all requests."""
        self.posts: list[tuple[Mapping[str, str], bytes, int]] = []
        """Headers, body, and the code answered."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.paths.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = receiver.answers.pop(0) if receiver.answers else 200
                receiver.posts.append((dict(self.headers), body, code))
                while receiver.slow.is_set():
                    time.sleep(0.05)
                with contextlib.suppress(OSError):  # the other end may have gone
                    self.send_response(code)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port: int = self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=hidden"

    def ids(self, code: int = 200) -> list[str]:
        """Of the events that it answered with this code, in order."""
        return [
            event["id"]
            for _, body, answered in list(self.posts)
            if answered == code
            for event in json.loads(body)["events"]
        ]

    def close(self) -> None:
        self.slow.clear()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@contextlib.contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver that is closed at the end."""
    made = Receiver(port)
    try:
        yield made
    finally:
        made.close()
