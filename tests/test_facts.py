"""rollproof.adapters.facts: asked of real servers on loopback and of real files."""

import asyncio
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rollproof.adapters.facts import LONGEST, accesses, expiry, expiry_dates
from rollproof.eligibility import Access, Expiry
from rollproof.resources import Credential, ExternalResource


class Answers(BaseHTTPRequestHandler):
    """Answers the status that the path names; `/slow` does not answer, and `/get/...` admits
    no HEAD."""

    asked: list[tuple[str, str]]
    held: threading.Event

    def do_HEAD(self) -> None:
        self._answer(405 if self.path.startswith("/get/") else 0)

    def do_GET(self) -> None:
        self._answer(0)

    def _answer(self, status: int) -> None:
        self.asked.append((self.command, self.path))
        if self.path == "/slow":
            self.held.wait(30)
            return
        self.send_response(status or int(self.path.rsplit("/", 1)[1]))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    held = threading.Event()

    class Handler(Answers):
        pass

    Handler.asked, Handler.held = [], held
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield made
        finally:
            held.set()
            made.shutdown()


def at(
    server: ThreadingHTTPServer, path: str, credential: str | None = None
) -> ExternalResource:
    url = f"http://127.0.0.1:{server.server_port}{path}"
    return ExternalResource(name="r", url=url, credential=credential)


def access(resource: ExternalResource, folder: Path = Path(), wait: float = 10) -> Access:
    return asyncio.run(accesses((resource,), folder, wait=wait))["r"]


class TestOverHttp:
    """R2.2."""

    @pytest.mark.parametrize("path", ["/200", "/204", "/302", "/get/200"])
    def test_reachable(self, server: ThreadingHTTPServer, path: str) -> None:
        assert access(at(server, path)) == Access(True)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 500, 503])
    def test_not(self, server: ThreadingHTTPServer, status: int) -> None:
        assert access(at(server, f"/{status}")) == Access(False, f"it answers {status}")

    @pytest.mark.parametrize("status", [401, 403])
    def test_wants_the_credential_that_is_named(
        self, server: ThreadingHTTPServer, status: int
    ) -> None:
        assert access(at(server, f"/{status}", "sas")) == Access(True, "it wants sas")

    def test_a_named_credential_excuses_nothing_else(self, server: ThreadingHTTPServer) -> None:
        assert access(at(server, "/404", "sas")).reachable is False

    def test_no_head(self, server: ThreadingHTTPServer) -> None:
        """As GET: a signed address may admit that alone."""
        assert access(at(server, "/get/404")) == Access(False, "it answers 404")

    def test_no_answer(self, server: ThreadingHTTPServer) -> None:
        assert access(at(server, "/slow"), wait=0.2).reachable is False

    def test_nobody_listens(self, server: ThreadingHTTPServer) -> None:
        gone = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        resource = at(gone, "/200")
        gone.server_close()
        found = access(resource)
        assert found.reachable is False
        assert found.detail

    def test_an_address_that_is_none(self, server: ThreadingHTTPServer) -> None:
        found = access(ExternalResource(name="r", url="http://[::1/x"))
        assert found.reachable is False

    def test_many_at_once(self, server: ThreadingHTTPServer) -> None:
        resources = [
            ExternalResource(
                name=f"r{number}", url=f"http://127.0.0.1:{server.server_port}/{status}"
            )
            for number, status in enumerate([200, 404] * 20)
        ]
        found = asyncio.run(accesses(resources, Path()))
        assert [found[f"r{n}"].reachable for n in range(40)] == [True, False] * 20

    def test_none_asks_nobody(self) -> None:
        assert asyncio.run(accesses((), Path())) == {}


class TestOnDisk:
    """R2.2."""

    def test_a_file_and_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "script").write_text("")
        assert access(ExternalResource(name="r", path="script"), tmp_path) == Access(True)
        assert access(ExternalResource(name="r", path=str(tmp_path))) == Access(True)

    def test_nothing_there(self, tmp_path: Path) -> None:
        found = access(ExternalResource(name="r", path="script"), tmp_path)
        assert found == Access(False, f"there is no {tmp_path / 'script'}")

    def test_not_to_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "script").write_text("")
        # Of root everything may be read, so the system's answer is replaced.
        monkeypatch.setattr(os, "access", lambda *_: False)
        found = access(ExternalResource(name="r", path="script"), tmp_path)
        assert (found.reachable, "may not be read" in found.detail) == (False, True)

    def test_a_file_system_that_hangs(self, tmp_path: Path) -> None:
        """A pipe without a writer hangs whoever opens it; nobody waits for that."""
        os.mkfifo(tmp_path / "pipe")
        found = asyncio.run(
            expiry_dates([Credential(name="c", file="pipe")], tmp_path, wait=0.2)
        )["c"]
        assert found == Expiry(None, "pipe could not be read within 0.2 s")
        with (tmp_path / "pipe").open("w"):  # let the thread go
            pass


class TestExpiry:
    """R4.10."""

    def test_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "sas").write_text("2030-01-01T00:00:00Z\n")
        credentials = [
            Credential(name="sas", file="sas"),
            Credential(name="said", expires="2030-01-01T00:00:00Z"),
            Credential(name="lost", file="lost"),
        ]
        found = asyncio.run(expiry_dates(credentials, tmp_path))
        assert found["sas"] == Expiry(1_893_456_000_000)
        assert set(found) == {"sas", "lost"}, "the document itself tells of the other"
        assert found["lost"].at is None
        assert "No such file" in found["lost"].detail

    @pytest.mark.parametrize("content", [b"secret", b"\xff\xfe", b""])
    def test_a_file_that_tells_nothing(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "sas"
        path.write_bytes(content)
        found = expiry(path)
        assert found.at is None
        assert str(path) in found.detail
        assert "secret" not in found.detail, "what stands in it is nobody's business"

    def test_a_file_without_end(self, tmp_path: Path) -> None:
        (tmp_path / "sas").write_bytes(b"2030-01-01T00:00:00Z" + b" " * LONGEST + b"x")
        assert expiry(tmp_path / "sas").at == 1_893_456_000_000
