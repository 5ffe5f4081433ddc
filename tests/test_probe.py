"""Probes: whatever goes wrong is the answer "unhealthy", and never an exception (R5.2)."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from rollproof.adapters.probe import Prober, probe
from rollproof.health import Health, HealthSource, HttpProbe, TcpProbe

HOST = "127.0.0.1"
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

    def __init__(self, *answers: bytes, hold: bool = False) -> None:
        self.answers = list(answers)
        self.hold = hold
        self.requests: list[bytes] = []
        self.listener = socket.create_server((HOST, 0))
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
                self.requests.append(connection.recv(4096))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                try:
                    connection.sendall(answer)
                    if self.hold:
                        self.over.wait(5)
                except OSError:
                    continue


@contextmanager
def answering(*answers: bytes, hold: bool = False) -> Iterator[Answering]:
    server = Answering(*answers, hold=hold)
    server.thread.start()
    try:
        yield server
    finally:
        server.over.set()
        socket.create_connection((HOST, server.port)).close()
        server.thread.join(5)
        server.listener.close()


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def verdict(source: HealthSource, host: str = HOST) -> Health:
    return asyncio.run(probe(source, host))


class TestHttp:
    def test_the_expected_status(self) -> None:
        with answering(OK) as server:
            assert verdict(HttpProbe(port=server.port, path="/health?deep=1")) is Health.HEALTHY
        assert server.requests[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\n")

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


def with_prober(source: HealthSource, do: Callable[[Prober], Awaitable[None]]) -> None:
    async def main() -> None:
        prober = Prober(source)
        try:
            await do(prober)
        finally:
            await prober.aclose()

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
            asyncio.run(prober.aclose())
        assert len(server.requests) == 3

    def test_cancellation_passes(self) -> None:
        with answering(b"", hold=True) as server:

            async def do(prober: Prober) -> None:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await prober.probe(HOST)

            with_prober(HttpProbe(port=server.port), do)
