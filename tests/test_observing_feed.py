"""How outlets are fed: from the journal, in threads of their own (R7.1, N2)."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ground import eventually
from recorded import Recorder, recorder
from rollproof.commands import Verb
from rollproof.errors import HomeInUse, NotInstalled
from rollproof.events import Surveyed
from rollproof.host import Home, HomeLock
from rollproof.installation.observing.feed import Backoff, Feed, Standing
from rollproof.installation.observing.lines import Dropped, event_line, text_of
from rollproof.installation.observing.observatory import LOCK, Observatory
from rollproof.installation.observing.outlet import Later, bringing, fresh
from rollproof.installation.observing.place import SLACK, Place
from rollproof.installation.observing.tap import Told
from rollproof.installation.reasons import Reasons
from rollproof.journal import Journal, Turned
from rollproof_checks.simulated import Conduct, Twist, scripted
from shared_host import charter, fast_folder

QUICK = Backoff(first=0.01, last=0.02)


@attrs.define
class Book:
    """An outlet that writes down what it is told, and refuses as it is bidden."""

    lasting: bool = True
    at_once: int = 3
    backlog: int | None = None
    name: str = "book"
    refusals: int = 0
    """How many of the next tellings it refuses."""
    told: list[str] = attrs.Factory(list)
    dropped: list[Dropped] = attrs.Factory(list)
    past: list[str] = attrs.Factory(list)
    tries: int = 0
    closed: int = 0

    def opens(self) -> None:
        """Nothing."""

    def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
        self.tries += 1
        if self.refusals:
            self.refusals -= 1
            raise Later("not now")
        self.told += [each.line["id"] for each in fresh(told)]
        self.past += [each.line["id"] for each in told if each.happening.past]
        self.dropped += dropped

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def scene() -> Iterator[Recorder]:
    with fast_folder() as folder, recorder(folder) as made:
        yield made


def fed(scene: Recorder, place: Place, outlet: Book, kept: Path | None = None) -> Standing:
    """Feed an outlet with what is there, to its end."""
    feed = Feed(outlet, scene.home.journal, place, kept, QUICK)
    feed.start()
    feed.close()
    return feed.join(60)


def first(turned: Turned) -> bool:
    """The first batch has begun."""
    return turned.after.batches == 1


class TestOrderAndPlace:
    """At least once, in order within a run, from where it was left (N2)."""

    def test_everything_in_order_of_each_run(self, scene: Recorder) -> None:
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade("r1", "web")
        scene.upgrade("r2", "db")
        book = Book()
        standing = fed(scene, place, book)
        assert book.told == scene.ids("r1", "r2")
        assert standing == Standing("book", len(book.told), 0, 0, "")
        assert book.closed == 1

    def test_what_was_recorded_before_is_not_told(self, scene: Recorder) -> None:
        """From the moment it is switched on; of a run under way, the rest."""
        scene.upgrade("r0", "db")
        scene.upgrade("r1", "web", until=first)
        before = scene.ids("r1")
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade("r1", "web")
        book = Book()
        fed(scene, place, book)
        assert book.told == scene.ids("r1")[len(before) :]
        assert book.past == before

    def test_goes_on_where_it_was_left(self, scene: Recorder) -> None:
        """Another process, another feed: nothing twice, nothing lost."""
        kept = scene.home.places / "book.json"
        Place.load(kept, scene.journal, scene.clock())
        book = Book()
        for until in (first, lambda turned: turned.after.batches == 2, lambda _turned: False):
            scene.upgrade("r1", "web", until=until)
            fed(scene, Place.load(kept, scene.journal, scene.clock()), book, kept)
        assert book.told == scene.ids("r1")

    def test_what_was_refused_is_told_after_a_restart(self, scene: Recorder) -> None:
        kept = scene.home.places / "book.json"
        place = Place.load(kept, scene.journal, scene.clock())
        scene.upgrade("r1", "web")
        away = Book(refusals=1_000)
        standing = fed(scene, place, away, kept)
        assert (standing.told, standing.waiting) == (0, len(scene.ids("r1")))
        assert standing.error == "not now"
        book = Book()
        fed(scene, Place.load(kept, scene.journal, scene.clock()), book, kept)
        assert book.told == scene.ids("r1")

    def test_a_run_that_is_over_before_anybody_looks(self, scene: Recorder) -> None:
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade("r1", "web", size=1)
        scene.clock.pass_by(100_000)  # a day later another one, which lets go of the first
        scene.upgrade("r2", "db", size=1)
        book = Book()
        kept = scene.home.places / "book.json"
        fed(scene, place, book, kept)
        assert book.told == scene.ids("r1", "r2")
        assert json.loads(kept.read_text()) == {
            "since": scene.journal.run("r2").opened_at,
            "taken": {"r2": scene.journal.run("r2").turns},  # it does not grow for ever
        }

    def test_a_run_that_outlasts_others(self, scene: Recorder) -> None:
        """While it is under way, no time passes for the place."""
        scene.upgrade("r1", "web", until=first)
        place = Place.present(scene.journal, scene.clock())
        scene.clock.pass_by(3 * SLACK / 1000)
        scene.upgrade("r2", "db", until=lambda turned: turned.after.charter.run == "r2")
        place.settle(place.runs(scene.journal))
        assert place.since == scene.journal.run("r1").opened_at
        assert set(place.taken) == {"r1"}

    def test_a_run_that_began_long_before(self, scene: Recorder) -> None:
        """Its rest is told, though it was opened before anybody was named."""
        scene.upgrade("r1", "web", until=first)
        before = scene.ids("r1")
        scene.clock.pass_by(3 * SLACK / 1000)
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade("r1", "web")
        fed(scene, place, book := Book())
        assert book.told == scene.ids("r1")[len(before) :] != []

    def test_a_place_that_cannot_be_read_is_the_present(
        self, scene: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept = scene.home.places / "book.json"
        Place.load(kept, scene.journal, scene.clock())
        scene.upgrade()
        kept.write_text('{"since": 4')
        place = Place.load(kept, scene.journal, scene.clock())
        assert place.taken == {"r1": scene.journal.run("r1").turns}
        assert "cannot be read" in caplog.text


class TestRefusals:
    """An outlet that fails is told again, and nobody else notices."""

    def test_tried_again_until_it_takes(
        self, scene: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade()
        book = Book(refusals=5, at_once=1_000)
        feed = Feed(book, scene.home.journal, place, None, QUICK)
        feed.start()
        eventually(lambda: book.told)
        feed.close()
        assert feed.join(60).error == ""
        assert (book.tries, book.told) == (6, scene.ids("r1"))
        said = [record.getMessage() for record in caplog.records]
        assert said == ["book: not now", "book: goes on"], "a log is not filled"

    def test_one_that_need_not_last_is_told_the_rest(self, scene: Recorder) -> None:
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade()
        book = Book(lasting=False, refusals=1)
        fed(scene, place, book)
        assert book.told == scene.ids("r1")[3:]

    def test_too_many_wait_so_the_oldest_are_dropped(
        self, scene: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The queue is bounded, and it is told what it lost."""
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade("r1", "web")
        scene.upgrade("r2", "db")
        book = Book(backlog=5, at_once=2)
        standing = fed(scene, place, book)
        ids = scene.ids("r1", "r2")
        assert 3 <= len(book.told) <= 5
        assert book.told == ids[-len(book.told) :]
        lost = [f"{d.run}/{n}" for d in book.dropped for n in range(d.first, d.last + 1)]
        assert lost + book.told == ids, "each event was told, or told to be lost"
        assert (standing.told, standing.dropped) == (len(book.told), len(lost))
        assert "the oldest are dropped" in caplog.text

    def test_dropped_while_it_refuses(self, scene: Recorder) -> None:
        """Also what is in hand goes, once newer events press."""
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade("r1", "web", until=first)
        begun = len(scene.ids("r1"))
        book = Book(backlog=begun, at_once=2, refusals=10**9)
        feed = Feed(book, scene.home.journal, place, None, QUICK)
        feed.start()
        eventually(lambda: book.tries > 2)
        scene.upgrade("r1", "web")
        book.refusals = 0
        eventually(lambda: book.told and book.told[-1] == scene.ids("r1")[-1])
        feed.close()
        feed.join(60)
        lost = [f"{d.run}/{n}" for d in book.dropped for n in range(d.first, d.last + 1)]
        assert sorted({*lost, *book.told}) == sorted(scene.ids("r1"))

    @given(st.integers(0, 200), st.floats(0, 1))
    def test_backoff(self, attempt: int, chance: float) -> None:
        """Doubled each time, never beyond the last, never below half."""
        backoff = Backoff(first=0.5, last=30, chance=lambda: chance)
        whole = min(30.0, 0.5 * 2.0**attempt)
        assert whole / 2 <= backoff.pause(attempt) <= whole

    def test_a_place_that_cannot_be_written(self, scene: Recorder) -> None:
        """It goes on telling, and says so; after a restart it will tell it again."""
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade()
        scene.home.places.touch()  # a file where the folder should be
        book = Book(at_once=1_000)
        standing = fed(scene, place, book, scene.home.places / "book.json")
        assert book.told == scene.ids("r1")
        assert "File exists" in standing.error

    def test_a_damaged_journal_ends_the_feed_only(
        self, scene: Recorder, caplog: pytest.LogCaptureFixture
    ) -> None:
        place = Place.present(scene.journal, scene.clock())
        scene.upgrade()
        scene.journal._db.execute("UPDATE event SET rows = 'seal' WHERE seq = 3")
        standing = fed(scene, place, book := Book())
        assert "does not follow" in standing.error
        assert book.closed == 1


class Counted(Home):
    """A home that counts how often it was to be locked."""

    tries = 0

    def lock(self, name: str = "host.lock") -> HomeLock:
        self.tries += 1
        return super().lock(name)


class TestObservatory:
    """One process feeds the outlets of a home."""

    def test_the_second_takes_over(
        self, scene: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rollproof.installation.observing.observatory.LOOK", 0.02)
        one, two, counted = Book(), Book(), Counted(scene.home.path)
        before = Observatory(scene.home, [one], backoff=QUICK, clock=scene.clock)
        after = Observatory(counted, [two], backoff=QUICK, clock=scene.clock)
        before.open(scene.journal)
        with pytest.raises(HomeInUse):
            Observatory(scene.home, [two]).open(scene.journal)
        after.open_in_turn(scene.journal)
        scene.upgrade("r1", "web", until=first)
        cut = len(scene.ids("r1"))
        eventually(lambda: counted.tries > 3)
        before.close(60)
        scene.upgrade("r1", "web")
        eventually(lambda: len(two.told) >= len(scene.ids("r1")) - cut)
        after.close(60)
        assert one.told == scene.ids("r1")[:cut]
        assert two.told == scene.ids("r1")[cut:]

    def test_closed_while_it_waits_for_its_turn(self, scene: Recorder) -> None:
        with_lock = scene.home.lock(LOCK)
        observatory = Observatory(scene.home, [Book()])
        observatory.open_in_turn(scene.journal)
        assert observatory.close() == ()
        with_lock.release()

    def test_one_that_hangs_holds_up_nobody(self, scene: Recorder) -> None:
        """Neither the upgrade, nor the others, nor the end."""
        released = threading.Event()

        class Hung(Book):
            def takes(self, told: Sequence[Told], dropped: Sequence[Dropped]) -> None:
                released.wait(60)

        hung, book = Hung(name="hung"), Book()
        observatory = Observatory(scene.home, [hung, book], clock=scene.clock)
        observatory.open(scene.journal)
        scene.upgrade()
        eventually(lambda: len(book.told) == len(scene.ids("r1")))
        standings = observatory.close(grace=0.2)
        assert [each.told for each in standings] == [0, len(book.told)]
        released.set()
        for feed in observatory._feeds:
            feed.join(60)  # it writes into the folder, which is to be removed


class TestLines:
    """docs/events.md: one spelling."""

    def test_ids_are_those_of_the_journal(self, scene: Recorder) -> None:
        tap = scene.tap()
        behaviour = scripted({(Verb.REPLACE, "vm-0"): [Conduct(Twist.REFUSED)]})
        scene.upgrade(behaviour=behaviour)
        told = list(tap.news())
        assert [each.line["seq"] for each in told] == list(range(1, len(told) + 1))
        assert all(json.loads(text_of(each.line)) == each.line for each in told)
        (failed,) = [each for each in told if "replace_failed" in each.line["transitions"]]
        assert failed.line["instance"] == "vm-0"
        assert failed.line["phase"] == "failed_unhealthy"
        assert failed.why.startswith("its disk could not be replaced: ")
        assert told[-1].line["state"] == "Completed"
        assert sum(told[-1].line["phases"].values()) == 4

    def test_a_survey_tells_numbers_not_the_fleet(self, scene: Recorder) -> None:
        tap = scene.tap()
        scene.upgrade()
        told = [each for each in tap.news() if isinstance(each.happening.event, Surveyed)]
        assert (told[0].line["changed"], told[0].line["gone"]) == (4, [])
        assert "instance" not in told[0].line

    def test_half_a_surrogate_pair_is_ascii(self, scene: Recorder) -> None:
        assert text_of({"instance": "\ud800"}) == '{"instance":"\\ud800"}'

    def test_why_is_the_listeners(self, scene: Recorder) -> None:
        """Whoever asked the instance knows more words than the journal."""
        tap = scene.tap()
        scene.upgrade(size=1)
        last = list(tap.news())[-1]
        assert event_line(last.happening, Reasons(None)) == last.line


def test_an_extra_that_is_missing_is_named() -> None:
    """And a bug of our own is not taken for one."""
    with pytest.raises(NotInstalled) as error, bringing("metrics", "the table [metrics]"):
        importlib.import_module("prometheus_none.sub")
    assert str(error.value) == (
        "the table [metrics] needs prometheus_none, which is not installed: "
        "pip install 'rollproof[metrics]'."
    )
    with pytest.raises(ModuleNotFoundError), bringing("metrics", "x"):
        importlib.import_module("rollproof.nowhere")


def test_marks_since(scene: Recorder) -> None:
    """Whatever is open, and what was opened since."""
    scene.upgrade("r1", "web")
    scene.clock.pass_by(1_000)
    scene.upgrade("r2", "db", until=first)
    scene.clock.pass_by(1_000)
    scene.journal.open_run(charter("r3", "app"), scene.clock())
    with Journal(scene.home.journal, read_only=True) as journal:
        latest = scene.journal.run("r3").opened_at
        assert [mark.run for mark in journal.marks_since(latest)] == ["r2", "r3"]
        assert [mark.run for mark in journal.marks_since(latest + 1)] == ["r2", "r3"]
        everything = journal.marks_since(0)
        plan = journal._rows("EXPLAIN QUERY PLAN SELECT rowid FROM run WHERE opened_at >= 1")
    for mark in everything:
        record = scene.journal.run(mark.run)
        assert (mark.scale_set, mark.turns) == (record.charter.scale_set, record.turns)
        assert (mark.opened_at, mark.ended) == (record.opened_at, record.closed_at is not None)
    assert [mark.run for mark in everything] == ["r1", "r2", "r3"]
    assert "COVERING INDEX" in str(plan), "not all that is known of every run is read"
