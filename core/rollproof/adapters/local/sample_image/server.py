"""The server in the sample image. GET /health answers 200, or 503 with the reason; with
the argument `check` it prints that reason and exits with 1 if there is one.

It runs alone, from a copy of the image: only the standard library, and little of it, so
that it listens within some 50 ms. SIGTERM ends it at once, as Python does by default.
"""

import json
import os
import socketserver
import sys
from pathlib import Path

IMAGE = json.loads(Path("image.json").read_text())
SCHEMA = Path(os.environ["ROLLPROOF_DATA_DIR"], "schema")


def ailment() -> str | None:
    """What is wrong with this instance, None when it is healthy."""
    if IMAGE["broken"]:
        return "this image is broken"
    if SCHEMA.exists() and (schema := int(SCHEMA.read_text())) not in IMAGE["schemas"]:
        return f"the data disk has schema {schema}, this version reads {IMAGE['schemas']}"
    return None


class Health(socketserver.StreamRequestHandler):
    """Answers one request per connection."""

    timeout = 5

    def handle(self) -> None:
        """Answer /health; nothing else is here."""
        path = self.rfile.readline(4096).split()[1:2]
        while self.rfile.readline(4096).strip():
            pass
        why = ailment()
        body = {"version": IMAGE["version"], "instance": os.environ["ROLLPROOF_INSTANCE"]}
        status = "200 OK"
        if path != [b"/health"]:
            status = "404 Not Found"
        elif why is not None:
            status = "503 Service Unavailable"
            body["why"] = why
        content = json.dumps(body).encode() + b"\n"
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + content)


class Server(socketserver.ThreadingTCPServer):
    """Listens over the dying connections of the server before it."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit(ailment())
    address = (os.environ["ROLLPROOF_ADDRESS"], int(os.environ["ROLLPROOF_PORT"]))
    sys.stderr.write(f"version {IMAGE['version']} listens on {address}\n")
    Server(address, Health).serve_forever()
