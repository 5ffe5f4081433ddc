"""A real HTTP server on loopback for tests: it counts, and serves what it is told to."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


class Site:
    """Documents by path, and how they are served. Change it at any time."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, str | None]] = []
        """Path and If-None-Match of each request."""
        self.statuses: list[int] = []
        """What was answered."""
        self.drip: float | None = None
        """Seconds between two bytes of an answer, for ever."""
        self.meeting: threading.Barrier | None = None
        """Where an answer waits for those of other sites."""
        self.over = threading.Event()
        self.url = ""

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path, known = handler.path, handler.headers.get("If-None-Match")
        self.requests.append((path, known))
        if self.meeting is not None:
            self.meeting.wait()
        if self.drip is not None:
            self.statuses.append(0)
            while not self.over.wait(self.drip):
                handler.wfile.write(b"H")
            return
        body = self.documents.get(path.partition("?")[0])
        etag = None if body is None else f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        status = 404 if body is None and self.status == 200 else self.status
        if status == 200 and known == etag:
            status = 304
        self.statuses.append(status)
        handler.send_response(status)
        for name, value in ({"ETag": etag or ""} | self.headers).items():
            handler.send_header(name, value)
        whole = body if status == 200 and body is not None else b""
        if status != 304:
            handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site, until the end of the block."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            try:
                site.get(self)
            except OSError:  # the client did not wait
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # so that closing waits for them

        def handle_error(self, *_: Any) -> None:
            pass  # a client that refuses our certificate

    server = Server((HOST, 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"{'https' if tls else 'http'}://{HOST}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
