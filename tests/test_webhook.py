"""Events posted to a URL: signed, in order, at least once; over real HTTP on loopback."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ground import eventually
from recorded import Receiver, Recorder, receiver, recorder
from rollproof.installation.observing.feed import Backoff, Feed
from rollproof.installation.observing.outlet import Later
from rollproof.installation.observing.place import Place
from rollproof.installation.observing.signing import SIGNATURE, TIMESTAMP, WINDOW, sign, verify
from rollproof.installation.observing.webhook import Webhook
from shared_host import fast_folder

SECRET = b"0123456789abcdef-secret"
QUICK = Backoff(first=0.01, last=0.05)
NOW = 1_764_000_000


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fast_folder() as folder, recorder(folder) as made:
        yield made


def webhook(to: Receiver, at_once: int = 50) -> Webhook:
    return Webhook("pager", to.url, SECRET, clock=lambda: NOW * 1000, at_once=at_once)


class Delivery:
    """A feed to a receiver, that may be ended and begun again."""

    def __init__(self, scene: Recorder) -> None:
        self.scene = scene
        self.kept = scene.home.places / "pager.json"
        Place.load(self.kept, scene.journal, scene.clock())

    def begin(self, outlet: Webhook) -> Feed:
        place = Place.load(self.kept, self.scene.journal, self.scene.clock())
        feed = Feed(outlet, self.scene.home.journal, place, self.kept, QUICK)
        feed.start()
        return feed

    def whole(self, outlet: Webhook) -> None:
        """Everything, or one failure."""
        feed = self.begin(outlet)
        feed.close()
        feed.join(60)


class TestDelivery:
    """At least once, in order, whatever the receiver does."""

    def test_every_event_once_in_order(self, scene: Recorder) -> None:
        delivery = Delivery(scene)
        scene.upgrade("r1", "web")
        scene.upgrade("r2", "db")
        with receiver() as to:
            delivery.whole(webhook(to, at_once=7))
            assert to.ids() == scene.ids("r1", "r2")
            assert max(len(json.loads(body)["events"]) for _, body, _ in to.posts) == 7
            assert {json.loads(body)["schema"] for _, body, _ in to.posts} == {1}
            assert {headers["Content-Type"] for headers, *_ in to.posts} == {"application/json"}

    @pytest.mark.parametrize("code", [500, 503, 404, 307])
    def test_a_refusal_is_repeated_and_nothing_overtakes_it(
        self, scene: Recorder, code: int
    ) -> None:
        """Anything but 2xx is a refusal; a redirect is not followed."""
        delivery = Delivery(scene)
        scene.upgrade()
        with receiver() as to:
            to.answers = [200, code, code, 204]
            to.headers = {"Location": "/elsewhere"} if code == 307 else {}
            feed = delivery.begin(webhook(to, at_once=2))
            eventually(lambda: len(to.ids(200)) + len(to.ids(204)) == len(scene.ids("r1")))
            feed.close()
            feed.join(60)
            bodies = [body for _, body, _ in to.posts]
            assert bodies[1] == bodies[2] == bodies[3], "the very same, until it is taken"
            assert [answered for *_, answered in to.posts[:4]] == [200, code, code, 204]
            assert set(to.paths) == {"/hook?token=hidden"}
            once = [body for _, body, answered in to.posts if answered in (200, 204)]
            ids = [event["id"] for body in once for event in json.loads(body)["events"]]
            assert ids == scene.ids("r1")

    def test_what_a_restart_leaves_is_delivered_by_the_next(self, scene: Recorder) -> None:
        delivery = Delivery(scene)
        scene.upgrade("r1", "web")
        with receiver() as to:
            to.answers = [200, 500, 500, 500]
            delivery.whole(webhook(to, at_once=3))
            assert to.ids() == scene.ids("r1")[:3]
            to.answers = []
            delivery.whole(webhook(to, at_once=3))
            assert to.ids() == scene.ids("r1")

    def test_a_receiver_that_restarts(self, scene: Recorder) -> None:
        """Down when it happens, up later, at the same port."""
        delivery = Delivery(scene)
        with receiver() as to:
            port = to.port
        scene.upgrade()
        gone = Webhook("pager", f"http://127.0.0.1:{port}/", SECRET, clock=lambda: NOW * 1000)
        feed = delivery.begin(gone)
        eventually(lambda: feed._error)
        with receiver(port) as to:
            eventually(lambda: to.ids() == scene.ids("r1"))
            feed.close()
            standing = feed.join(60)
        assert standing.error == ""

    def test_one_that_is_too_slow_is_told_again(self, scene: Recorder) -> None:
        """No answer within the time: nobody knows, so it is repeated with the same ids."""
        delivery = Delivery(scene)
        scene.upgrade()
        with receiver() as to:
            to.slow.set()
            outlet = Webhook(
                "pager",
                to.url,
                SECRET,
                clock=lambda: NOW * 1000,
                timeout=timedelta(milliseconds=100),
            )
            feed = delivery.begin(outlet)
            eventually(lambda: to.ids().count("r1/1") > 1)
            to.slow.clear()
            eventually(lambda: not feed._error and {*to.ids()} == {*scene.ids("r1")})
            feed.close()
            assert feed.join(60).told == len(scene.ids("r1"))

    def test_a_wish_to_wait_is_heard(self, scene: Recorder) -> None:
        tap = scene.tap()
        scene.upgrade()
        told = list(tap.news())
        with receiver() as to:
            outlet = webhook(to)
            outlet.opens()
            for wish, seconds in (("7", 7.0), ("9000", 300.0), ("Wed, 21 Oct 2026", 0.0)):
                to.headers, to.answers = {"Retry-After": wish}, [503]
                with pytest.raises(Later, match="answered 503") as error:
                    outlet.takes(told, ())
                assert error.value.seconds == seconds
            outlet.close()

    def test_neither_secret_nor_path_is_logged(
        self, scene: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        delivery = Delivery(scene)
        scene.upgrade()
        with caplog.at_level(logging.WARNING):
            with receiver() as to:
                to.answers = [500]
                delivery.whole(outlet := webhook(to))
            delivery.whole(webhook(to))  # nobody is there
        assert "answered 500" in caplog.text
        assert "cannot be reached: ConnectError" in caplog.text
        for hidden in (SECRET.decode(), "token", "hidden"):
            assert hidden not in caplog.text + repr(outlet)
            assert hidden not in delivery.kept.read_text()


class TestSignature:
    """A receiver can tell who sent it, and when."""

    def test_every_post_is_signed(self, scene: Recorder) -> None:
        delivery = Delivery(scene)
        scene.upgrade()
        with receiver() as to:
            delivery.whole(webhook(to, at_once=5))
            for headers, body, _ in to.posts:
                assert headers[TIMESTAMP] == str(NOW)
                assert verify(SECRET, headers, body, NOW)
                assert not verify(SECRET, headers, body + b" ", NOW)
                assert not verify(SECRET + b"x", headers, body, NOW)

    @pytest.mark.parametrize(("late", "valid"), [(WINDOW, True), (WINDOW + 1, False)])
    def test_the_window(self, late: int, valid: bool) -> None:
        """An old request is refused, and so is one from the future."""
        headers = {TIMESTAMP: str(NOW), SIGNATURE: sign(SECRET, NOW, b"{}")}
        assert verify(SECRET, headers, b"{}", NOW + late) is valid
        assert verify(SECRET, headers, b"{}", NOW - late) is valid

    def test_the_time_is_signed(self) -> None:
        """A request that was overheard cannot be dated anew."""
        headers = {TIMESTAMP: str(NOW + 10_000), SIGNATURE: sign(SECRET, NOW, b"{}")}
        assert not verify(SECRET, headers, b"{}", NOW + 10_000)

    @pytest.mark.parametrize("timestamp", ["", "x", "-1", "1.5", "١٢"])
    def test_what_is_no_time(self, timestamp: str) -> None:
        headers = {TIMESTAMP: timestamp, SIGNATURE: "v1=00"}
        assert not verify(SECRET, headers, b"{}", NOW)

    @given(st.binary(), st.text(), st.integers(0, 2**40))
    def test_nothing_but_the_signature_verifies(
        self, body: bytes, guess: str, timestamp: int
    ) -> None:
        good = sign(SECRET, timestamp, body)
        headers = {TIMESTAMP: str(timestamp), SIGNATURE: guess}
        assert verify(SECRET, headers, body, timestamp) is (guess == good)
        assert verify(SECRET, headers | {SIGNATURE: good}, body, timestamp)

    def test_as_others_compute_it(self) -> None:
        """printf '1764000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef-secret"""
        assert sign(SECRET, NOW, b"{}") == "v1=" + EXPECTED


EXPECTED = "530e5ea01bdf820e124b4f7dda65699aed14528714a8258d80ce450e97cd93c6"
