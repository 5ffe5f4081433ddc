"""Asking applications: whatever goes wrong is an answer, and never an exception (R5.2)."""

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from certificates import AUTHORITY, SERVER
from rollproof.adapters.asking import PIECES
from rollproof.adapters.diagnosis import diagnose
from rollproof.adapters.probe import Prober, probe
from rollproof.health import (
    Health,
    HealthExtension,
    HealthSource,
    HttpProbe,
    Scheme,
    TcpProbe,
)
from rollproof.reports import LARGEST

HOST = "127.0.0.1"
NOW = 1_700_000_000_000
SHORT = timedelta(milliseconds=300)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = {
    "another status": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /health\r\nContent-Length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half a header": b"HTTP/1.1 200 O",
    "nothing": b"",
}


class Answering:
    """A server that gives each connection the next answer, the last one for ever."""

    def __init__(
        self,
        *answers: bytes,
        hold: bool = False,
        tls: ssl.SSLContext | None = None,
        host: str = HOST,
    ) -> None:
        self.tls = tls
        self.answers = list(answers)
        self.hold = hold
        self.requests: list[bytes] = []
        self.host = host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        self.port: int = self.listener.getsockname()[1]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if self.over.is_set():
                    return
                connection.settimeout(5)
                if self.tls is not None:
                    try:
                        connection = self.tls.wrap_socket(connection, server_side=True)
                    except OSError:  # who asked does not trust us
                        continue
                self.requests.append(connection.recv(4096))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                try:
                    connection.sendall(answer)
                    if self.hold:
                        self.over.wait(5)
                except OSError:
                    continue
                finally:
                    connection.close()


@contextmanager
def answering(
    *answers: bytes,
    hold: bool = False,
    tls: ssl.SSLContext | None = None,
    host: str = HOST,
) -> Iterator[Answering]:
    server = Answering(*answers, hold=hold, tls=tls, host=host)
    server.thread.start()
    try:
        yield server
    finally:
        server.over.set()
        socket.create_connection((host, server.port)).close()
        server.thread.join(5)
        server.listener.close()


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def verdict(source: HealthSource, host: str = HOST) -> Health:
    return asyncio.run(probe(source, host))


class TestHttp:
    def test_the_expected_status(self) -> None:
        with answering(OK) as server:
            assert verdict(HttpProbe(port=server.port, path="/health?deep=1")) is Health.HEALTHY
        first, *headers, end, rest = server.requests[0].split(b"\r\n")
        assert (first, end, rest) == (b"GET /health?deep=1 HTTP/1.1", b"", b"")
        assert f"Host: {HOST}:{server.port}".encode() in headers

    def test_what_comes_before_the_answer_is_none(self) -> None:
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
        with answering(early + early + OK) as server:
            assert verdict(HttpProbe(port=server.port)) is Health.HEALTHY
        with answering(early) as server:
            assert verdict(HttpProbe(port=server.port, timeout=SHORT)) is Health.UNHEALTHY

    @pytest.mark.parametrize(
        ("early", "health"), [(PIECES - 1, Health.HEALTHY), (PIECES, Health.UNHEALTHY)]
    )
    def test_an_answer_that_is_always_yet_to_come(self, early: int, health: Health) -> None:
        """Who never stops saying so would keep everybody else waiting."""
        with answering(b"HTTP/1.1 100 \r\n\r\n" * early + OK) as server:
            assert verdict(HttpProbe(port=server.port)) is health

    def test_an_answer_that_changes_the_protocol(self) -> None:
        switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
        with answering(switched, hold=True) as server:
            assert verdict(HttpProbe(port=server.port, timeout=SHORT)) is Health.UNHEALTHY

    def test_a_long_head(self) -> None:
        cookie = b"Set-Cookie: " + b"x" * 60_000 + b"\r\n"
        for cookies, health in ((1, Health.HEALTHY), (4, Health.UNHEALTHY)):
            answer = b"HTTP/1.1 200 OK\r\n" + cookie * cookies
            with answering(answer + b"Content-Length: 0\r\n\r\n") as server:
                assert verdict(HttpProbe(port=server.port)) is health

    @pytest.mark.skipif(not has_ipv6(), reason="this machine has no loopback of IPv6")
    def test_ipv6(self) -> None:
        with answering(OK, host="::1") as server:
            assert verdict(HttpProbe(port=server.port), "::1") is Health.HEALTHY
        assert f"\r\nHost: [::1]:{server.port}\r\n".encode() in server.requests[0]

    def test_another_status_can_be_the_expected_one(self) -> None:
        with answering(ANSWERS["redirect"]) as server:
            source = HttpProbe(port=server.port, expected_status=302)
            assert verdict(source) is Health.HEALTHY
        assert len(server.requests) == 1  # not followed

    @pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
    def test_any_other_answer(self, answer: bytes) -> None:
        with answering(answer) as server:
            assert verdict(HttpProbe(port=server.port, timeout=SHORT)) is Health.UNHEALTHY

    def test_no_answer_in_time(self) -> None:
        with answering(b"", hold=True) as server:
            assert verdict(HttpProbe(port=server.port, timeout=SHORT)) is Health.UNHEALTHY

    def test_an_answer_without_end_counts_by_its_status(self) -> None:
        endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        with answering(endless, hold=True) as server:
            assert verdict(HttpProbe(port=server.port, timeout=SHORT)) is Health.HEALTHY

    def test_refused(self) -> None:
        assert verdict(HttpProbe(port=free_port())) is Health.UNHEALTHY

    def test_a_proxy_of_the_environment_is_not_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://{HOST}:{free_port()}")
        with answering(OK) as server:
            assert verdict(HttpProbe(port=server.port)) is Health.HEALTHY

    def test_a_host_that_is_none(self) -> None:
        assert verdict(HttpProbe(port=80, timeout=SHORT), "no host") is Health.UNHEALTHY


class TestTls:
    """R5.2: what is verified is verified, and nothing else is claimed to be."""

    @pytest.fixture
    def tls(self, tmp_path: Path) -> ssl.SSLContext:
        (tmp_path / "server.pem").write_text(SERVER)
        (tmp_path / "ca.pem").write_text(AUTHORITY)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        self.names: list[str | None] = []
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        return context

    def ask(self, tls: ssl.SSLContext, folder: Path, **options: Any) -> tuple[Health, bytes]:
        with answering(OK, tls=tls) as server:
            source = HttpProbe(port=server.port, scheme=Scheme.HTTPS, **options)
            seen: list[Health] = []

            async def do(prober: Prober) -> None:
                seen.append(await prober.probe(HOST))

            with_prober(source, do, folder=folder)
        return seen[0], b"".join(server.requests)

    def test_unverified_any_certificate_will_do(
        self, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        assert self.ask(tls, tmp_path)[0] is Health.HEALTHY

    def test_verified_the_systems_authorities_do_not_know_this_one(
        self, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        seen, request = self.ask(tls, tmp_path, tls_verify=True)
        assert (seen, request) == (Health.UNHEALTHY, b"")

    def test_verified_by_the_authority_of_the_document(
        self, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        """Its path begins where the document lies; the address must be in the certificate."""
        seen, _ = self.ask(tls, tmp_path, tls_verify=True, tls_ca_file="ca.pem")
        assert seen is Health.HEALTHY

    def test_the_certificate_must_bear_the_name(
        self, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        for name, health in (
            ("web.example.org", Health.HEALTHY),
            ("db.example.org", Health.UNHEALTHY),
        ):
            seen, request = self.ask(
                tls, tmp_path, tls_verify=True, tls_ca_file="ca.pem", tls_server_name=name
            )
            assert seen is health
            assert self.names[-1] == name
            assert (f"Host: {name}".encode() in request) == (health is Health.HEALTHY)

    def test_a_name_without_verification_is_only_asked_for(
        self, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        seen, _ = self.ask(tls, tmp_path, tls_server_name="db.example.org")
        assert (seen, self.names) == (Health.HEALTHY, ["db.example.org"])

    def test_an_authority_that_is_not_there(self, tls: ssl.SSLContext, tmp_path: Path) -> None:
        seen, _ = self.ask(tls, tmp_path, tls_verify=True, tls_ca_file="absent.pem")
        assert seen is Health.UNHEALTHY

    def test_plain_http_at_the_other_end(self) -> None:
        with answering(OK) as server:
            source = HttpProbe(port=server.port, scheme=Scheme.HTTPS, timeout=SHORT)
            assert verdict(source) is Health.UNHEALTHY


def spelled(state: str, **fields: object) -> bytes:
    body = json.dumps({"state": state, "age": 0, **fields}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class TestExtension:
    """R5.2, R5.3: what a reporter publishes, over HTTP or as a file."""

    GRACELESS = timedelta(0)

    def asked(self, source: HealthExtension, **where: Any) -> Health:
        seen: list[Health] = []

        async def do(prober: Prober) -> None:
            seen.append(await prober.ask(HOST, **where))

        with_prober(source, do, apart=0)
        return seen[0]

    @pytest.mark.parametrize("health", Health)
    def test_over_http(self, health: Health) -> None:
        with answering(spelled(health.value.capitalize())) as server:
            source = HealthExtension(port=server.port, grace_period=self.GRACELESS)
            assert self.asked(source) is health
        assert server.requests[0].startswith(b"GET /report HTTP/1.1\r\n")

    @pytest.mark.parametrize(
        "answer",
        [
            *ANSWERS.values(),
            OK,
            spelled("Healthy", age=11),
            spelled("Healthy", more="x" * LARGEST),
            spelled("Healthy").replace(b"200", b"500"),
        ],
        ids=[*ANSWERS, "no report", "stale", "too long", "a report with another status"],
    )
    def test_anything_else_is_unknown(self, answer: bytes) -> None:
        with answering(answer) as server:
            source = HealthExtension(
                port=server.port, timeout=SHORT, grace_period=self.GRACELESS
            )
            assert self.asked(source) is Health.UNKNOWN

    @pytest.mark.parametrize("crumbs", [False, True])
    def test_a_report_in_crumbs(self, crumbs: bool) -> None:
        """In a few parts it is whole; who sends a thousand would keep others waiting."""
        body = json.dumps({"state": "Healthy", "age": 0, "why": "x" * PIECES}).encode()
        size = 1 if crumbs else 100
        parts = [body[start : start + size] for start in range(0, len(body), size)]
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent = [b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b"")]
        with answering(head + b"".join(sent)) as server:
            source = HealthExtension(port=server.port, grace_period=self.GRACELESS)
            assert self.asked(source) is (Health.UNKNOWN if crumbs else Health.HEALTHY)

    def test_no_reporter_at_all(self) -> None:
        source = HealthExtension(port=free_port())
        assert self.asked(source) is Health.UNKNOWN
        assert self.asked(source, booted_at=NOW - 4_999) is Health.INITIALIZING
        assert self.asked(source, booted_at=NOW - 5_000) is Health.UNKNOWN

    def test_a_file_on_the_disk(self, tmp_path: Path) -> None:
        source = HealthExtension(file="run/report", grace_period=self.GRACELESS)
        assert self.asked(source, disk=tmp_path) is Health.UNKNOWN
        (tmp_path / "run").mkdir()
        file = tmp_path / "run" / "report"
        file.write_text(json.dumps({"state": "Healthy", "at": NOW / 1000 - 10}))
        assert self.asked(source, disk=tmp_path) is Health.HEALTHY
        assert self.asked(source) is Health.UNKNOWN, "a disk that cannot be read from here"
        file.write_text(json.dumps({"state": "Healthy", "at": NOW / 1000 - 10.001}))
        assert self.asked(source, disk=tmp_path) is Health.UNKNOWN

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        """A pipe that nobody writes to is not waited for."""
        source = HealthExtension(file="report", grace_period=self.GRACELESS)
        os.mkfifo(tmp_path / "report")
        assert self.asked(source, disk=tmp_path) is Health.UNKNOWN
        (tmp_path / "report").unlink()
        (tmp_path / "report").mkdir()
        assert self.asked(source, disk=tmp_path) is Health.UNKNOWN

    def test_the_threshold_counts_missing_reports_too(self) -> None:
        with answering(spelled("Healthy"), ANSWERS["another status"]) as server:

            async def do(prober: Prober) -> None:
                seen = [await prober.probe(HOST) for _ in range(3)]
                assert seen == [Health.HEALTHY, Health.HEALTHY, Health.UNKNOWN]

            with_prober(HealthExtension(port=server.port, unhealthy_threshold=2), do)


class TestDiagnosis:
    """What people are told of an instance that is not healthy."""

    @staticmethod
    def told(source: HealthSource, **where: Any) -> str:
        told: list[str] = []

        async def do(prober: Prober) -> None:
            told.append(await diagnose(prober, HOST, **where))

        with_prober(source, do, apart=0)
        return told[0]

    def test_of_a_report(self) -> None:
        bad = spelled("Unhealthy", why="queue\x1b[2J is full")
        with answering(bad, spelled("Healthy"), spelled("Healthy", age=60)) as server:
            source = HealthExtension(port=server.port)
            assert self.told(source) == "it reports unhealthy: queue [2J is full"
            assert self.told(source) == ""
            assert self.told(source) == (
                f"GET /report on port {server.port}: the report is 60 s old"
            )
        assert self.told(HealthExtension(file="report")) == "report: no report"

    def test_of_an_answer(self) -> None:
        body = b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nwhy?"
        with answering(body, OK) as server:
            source = HttpProbe(port=server.port)
            assert self.told(source).endswith("answered 503 instead of 200: why?")
            assert self.told(source) == ""
        assert "GET / on port" in self.told(HttpProbe(port=free_port()))
        assert "did not accept" in self.told(TcpProbe(port=80))

    @pytest.mark.parametrize("content", [None, "no certificate"], ids=["absent", "spoilt"])
    def test_of_an_authority_that_cannot_be_read(
        self, tmp_path: Path, content: str | None
    ) -> None:
        """The file is named, for nothing is wrong with the instance."""
        if content is not None:
            (tmp_path / "ca.pem").write_text(content)
        source = HttpProbe(
            port=free_port(), scheme=Scheme.HTTPS, tls_verify=True, tls_ca_file="ca.pem"
        )
        told = asyncio.run(diagnose(Prober(source, folder=tmp_path), HOST))
        assert told.startswith(f"GET / on port {source.port}: {tmp_path / 'ca.pem'}: ")

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"", ": it closed the connection before it had answered"),
            (b"HTTP/1.1 200 O", ": it closed the connection before it had answered"),
            (
                b"HTTP/1.1 503 No\r\nContent-Length: 99\r\n\r\nwhy",
                " answered 503 instead of 200",
            ),
        ],
        ids=["nothing", "half a head", "half a body"],
    )
    def test_of_half_an_answer(self, answer: bytes, words: str) -> None:
        with answering(answer) as server:
            source = HttpProbe(port=server.port)
            assert self.told(source) == f"GET / on port {server.port}{words}"

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"", ": no answer within 0.3 s"),
            (b"HTTP/1.1 503 No\r\n\r\n", " answered 503 instead of 200"),
        ],
        ids=["no answer", "no body"],
    )
    def test_of_an_answer_that_does_not_come_in_time(self, answer: bytes, words: str) -> None:
        with answering(answer, hold=True) as server:
            source = HttpProbe(port=server.port, timeout=SHORT)
            assert self.told(source) == f"GET / on port {server.port}{words}"


class TestTcp:
    def test_a_connection(self) -> None:
        with answering(b"") as server:
            assert verdict(TcpProbe(port=server.port)) is Health.HEALTHY

    def test_refused(self) -> None:
        assert verdict(TcpProbe(port=free_port())) is Health.UNHEALTHY

    def test_no_connection_in_time(self) -> None:
        # A full queue of a listener that accepts nothing: the handshake never ends.
        with socket.socket() as listener:
            listener.bind((HOST, 0))
            listener.listen(0)
            waiting = [socket.socket() for _ in range(4)]
            try:
                for one in waiting:
                    one.setblocking(False)
                    one.connect_ex(listener.getsockname())
                source = TcpProbe(port=listener.getsockname()[1], timeout=SHORT)
                assert verdict(source) is Health.UNHEALTHY
            finally:
                for one in waiting:
                    one.close()


def with_prober(
    source: HealthSource,
    do: Callable[[Prober], Awaitable[None]],
    *,
    apart: int = 5_000,
    folder: Path = Path(),
) -> None:
    """Do something with a prober whose clock goes on by so many milliseconds a look."""

    async def main() -> None:
        clock = count(NOW, apart)
        prober = Prober(source, folder=folder, clock=lambda: next(clock))
        await do(prober)

    asyncio.run(main())


class TestProber:
    def test_below_the_threshold_the_verdict_stays(self) -> None:
        no = ANSWERS["another status"]
        with answering(OK, no, no, OK, no) as server:

            async def do(prober: Prober) -> None:
                seen = [await prober.probe(HOST) for _ in range(5)]
                assert [health.value for health in seen] == [
                    "healthy", "healthy", "unhealthy", "healthy", "healthy",
                ]  # fmt: skip

            with_prober(HttpProbe(port=server.port, unhealthy_threshold=2), do)

    def test_probes_in_a_hurry_are_one(self) -> None:
        """R5.2: failures count at the declared interval, however often somebody looks."""
        with answering(OK, ANSWERS["another status"]) as server:

            async def do(prober: Prober) -> None:
                seen = [await prober.probe(HOST) for _ in range(5)]
                assert set(seen) == {Health.HEALTHY}

            source = HttpProbe(port=server.port, unhealthy_threshold=2)
            with_prober(source, do, apart=500)

    def test_a_new_boot_inherits_nothing(self) -> None:
        with answering(OK, ANSWERS["another status"]) as server:

            async def do(prober: Prober) -> None:
                assert await prober.probe(HOST, "first") is Health.HEALTHY
                assert await prober.probe(HOST, "second") is Health.INITIALIZING
                assert await prober.probe(HOST, "second") is Health.UNHEALTHY

            with_prober(HttpProbe(port=server.port, unhealthy_threshold=2), do)

    def test_every_probe_connects_anew_and_outlives_an_event_loop(self) -> None:
        with answering(OK) as server:
            prober = Prober(HttpProbe(port=server.port))
            for _ in range(3):
                assert asyncio.run(prober.probe(HOST)) is Health.HEALTHY
        assert len(server.requests) == 3

    def test_so_many_questions_at_once_and_no_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Waiting for admission is not counted as waiting for the answer."""
        monkeypatch.setattr("rollproof.adapters.probe.AT_ONCE", 3)
        under_way, most = 0, 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.05)
            under_way -= 1
            writer.write(OK)
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(serve, HOST, 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                prober = Prober(HttpProbe(port=port, timeout=timedelta(seconds=5)))
                seen = await asyncio.gather(*(prober.ask(HOST) for _ in range(20)))
            assert set(seen) == {Health.HEALTHY}
            assert most == 3

        asyncio.run(main())

    def test_cancellation_passes(self) -> None:
        with answering(b"", hold=True) as server:

            async def do(prober: Prober) -> None:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await prober.probe(HOST)

            with_prober(HttpProbe(port=server.port), do)
