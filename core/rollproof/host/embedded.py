"""The embedded host: one process, one journal, many runs at once.

A turn works in every event that has arrived, for every run, and is one transaction.
Effects of a turn begin after its commit; a command that a crash left without an outcome
is issued again, with the same key, when the next host starts.  Deadlines are absolute
times; one that is resumed is put off by the time in which nobody hosted (see
`rollproof.run.resumed`), and the next turn of its run records it so.

`start`, `post` and `status` only touch the journal, so any process may call them while
another one serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import attrs

from rollproof.adapters.clock import wall_clock
from rollproof.adapters.provider import Provider
from rollproof.charter import Charter
from rollproof.commands import IDLE_VERBS, Command
from rollproof.errors import IllegalEvent
from rollproof.events import Event, Overdue, Start, Surveyed
from rollproof.host.effects import carry_out
from rollproof.journal import Journal, Post, Replay, Turned
from rollproof.journal.journal import RunRecord
from rollproof.run import Run, expects, resumed
from rollproof.states import TERMINAL, State
from rollproof.status import RunStatus, describe
from rollproof.step import trace

log = logging.getLogger("rollproof.host")

POLL = 0.1
"""Seconds between two looks for what other processes handed in."""

LET_GO = 5.0
"""Seconds that effects get to end when the host does."""

Observer = Callable[[Turned], Awaitable[None] | None]
"""Called after every event that was recorded; its errors are logged and go no further."""


def status_of(record: RunRecord) -> RunStatus:
    """The status of a run from its journal record."""
    return describe(
        record.charter,
        record.state,
        record.counts,
        record.batches,
        record.opened_at,
        record.last_at,
        record.closed_at,
        record.why,
        record.pruned_at,
    )


@attrs.define(eq=False)
class _Hosted:
    """A run under way, with the commands that wait for an outcome."""

    run: Run
    provider: Provider
    open: dict[str, Command] = attrs.Factory(dict)
    by_instance: dict[str, set[str]] = attrs.Factory(lambda: defaultdict(set))
    effects: dict[str, asyncio.Task[None]] = attrs.Factory(dict)
    put_off: bool = False
    """Whether ``open`` has other deadlines than the journal: it was resumed, and no turn
    of the run was recorded since."""

    def opened(self, key: str, command: Command) -> None:
        self.open[key] = command
        self.by_instance[command.instance].add(key)

    def close(self, key: str) -> None:
        command = self.open.pop(key, None)
        if command is not None:
            self.by_instance[command.instance].discard(key)
        task = self.effects.pop(key, None)
        if task is not None:
            task.cancel()


@attrs.define(eq=False)
class _Work:
    """What a turn has come to: to be committed, then to be applied."""

    turn: list[Turned] = attrs.Factory(list)
    refused: list[tuple[Post, str]] = attrs.Factory(list)
    runs: dict[str, Run] = attrs.Factory(dict)
    put_off: list[tuple[str, Command]] = attrs.Factory(list)
    """Commands, by run, whose deadlines are to be recorded anew."""
    opened: dict[str, dict[str, Command]] = attrs.Factory(lambda: defaultdict(dict))


class EmbeddedHost:
    """Hosts runs over one journal.  See `rollproof.host.protocol.Host`."""

    def __init__(
        self,
        journal: Journal,
        provider_of: Callable[[str], Provider],
        *,
        clock: Callable[[], int] = wall_clock,
        observers: Sequence[Observer] = (),
        checkpoint: Callable[[str], None] = lambda _point: None,
        poll: float = POLL,
    ) -> None:
        """``provider_of`` gives the provider of a scale set by its name.

        ``checkpoint`` is told of every commit and every call to a provider, before and
        after; a test may die there.
        """
        self._journal = journal
        self._provider_of = provider_of
        self._clock = clock
        self._observers = tuple(observers)
        self._checkpoint = checkpoint
        self._poll = poll
        self._wake = asyncio.Event()
        self._stopping = False
        self._effects: set[asyncio.Task[None]] = set()
        self._notices: set[asyncio.Task[None]] = set()
        self._forget()

    def _forget(self) -> None:
        """Know nothing but the journal, as after a crash."""
        self._hosted: dict[str, _Hosted] = {}
        self._queue: deque[tuple[str, Event, Post | None]] = deque()
        self._queued_posts: set[int] = set()
        self._deadlines: list[tuple[int, str, str]] = []
        self._crash: BaseException | None = None
        self._journal_version: int | None = None

    # -- what any process may call

    async def start(self, charter: Charter) -> None:
        """Begin a run.  Raises `RunActive` when its set has one under way (R4.9)."""
        self._checkpoint("before commit")
        self._journal.open_run(charter, self._clock())
        self._checkpoint("after commit")
        self._look_again()

    async def post(self, run: str, event: Event, dedup_key: str) -> bool:
        """Hand an event in; False when ``dedup_key`` was handed in before (S13).  Its
        time is when it is worked in, for deadlines are counted from it.

        Raises `UnknownRun` or `NothingRunning`.
        """
        self._checkpoint("before commit")
        fresh = self._journal.post(run, event, dedup_key)
        self._checkpoint("after commit")
        self._look_again()
        return fresh

    async def status(self, run: str) -> RunStatus:
        """How the run stands now.  Raises `UnknownRun`."""
        return status_of(self._journal.run(run))

    # -- serving: one process at a time, which holds the home

    async def serve(self, *, forever: bool = False) -> None:
        """Work until no run is under way, or for ever; resumes what a crash left.

        Raises what made it impossible to go on, `JournalUnwritable` among them; every
        run is then as it was after its last turn, and can be resumed, by this host or
        by another.
        """
        try:
            while not self._stopping:
                self._take_in()
                self._fire_deadlines()
                if self._queue:
                    self._turn()
                elif not forever and not self._hosted and not self._journal.posts():
                    return
                else:
                    await self._pause()
                if self._crash is not None:
                    raise self._crash
        finally:
            await self._let_go()
            self._forget()
            self._stopping = False

    def stop(self) -> None:
        """End `serve` after the turn at hand; what is in flight stays resumable."""
        self._stopping = True
        self._wake.set()

    # -- the setting of effects

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self._clock()

    def current(self, run: str) -> Run:
        """The run as it stands."""
        return self._hosted[run].run

    def report(self, run: str, event: Event) -> None:
        """Queue what an effect learnt."""
        self._queue.append((run, event, None))
        self._wake.set()

    def checkpoint(self, point: str) -> None:
        """Pass a point at which a test may die."""
        self._checkpoint(point)

    # -- taking in

    def _look_again(self) -> None:
        self._journal_version = None  # our own commits do not change it
        self._wake.set()

    def _take_in(self) -> None:
        """Adopt runs that were begun, and queue events that were handed in."""
        version = self._journal.version()
        if version == self._journal_version:
            return
        self._journal_version = version
        posts = self._journal.posts()  # before the runs: none is for a run not seen yet
        for record in self._journal.open_runs():
            if record.charter.run not in self._hosted:
                self._adopt(record)
        for post in posts:
            if post.id not in self._queued_posts:
                self._queued_posts.add(post.id)
                self._queue.append((post.run, post.event, post))

    def _adopt(self, record: RunRecord) -> None:
        """Bring a run back from the journal and issue again what has no outcome."""
        charter, now = record.charter, self._clock()
        replay = Replay(self._journal, charter.run)
        replay.catch_up()
        hosted = _Hosted(replay.run, self._provider_of(charter.scale_set))
        self._hosted[charter.run] = hosted
        for command in self._journal.outbox(charter.run):
            self._issue(hosted, resumed(charter, command, record.last_at, now))
        hosted.put_off = bool(hosted.open)
        if replay.run.state is State.IDLE:
            self._queue.append((charter.run, Start(now), None))

    # -- turns

    def _turn(self) -> None:
        """Work in everything that is queued, in one transaction."""
        work = self._work_in()
        self._commit(work)
        self._apply(work)

    def _work_in(self) -> _Work:
        work = _Work()
        while self._queue:
            name, event, post = self._queue.popleft()
            hosted = self._hosted.get(name)
            if post is not None:
                event = attrs.evolve(event, at=self._clock())
            try:
                if hosted is None:
                    raise IllegalEvent("ended", type(event).__name__)
                before = work.runs.get(name, hosted.run)
                after, commands, rows = trace(before, event)
            except IllegalEvent as error:
                if post is not None:
                    work.refused.append((post, str(error)))
                continue
            if hosted.put_off and name not in work.runs:
                work.put_off.extend((name, command) for command in hosted.open.values())
            opened = work.opened[name]
            opened.update((command.key(name), command) for command in commands)
            closed = tuple(self._closed_by(event, after, hosted, opened))
            for key in closed:
                opened.pop(key, None)
            work.runs[name] = after
            post_id = None if post is None else post.id
            work.turn.append(Turned(before, event, after, commands, rows, closed, post_id))
        return work

    def _commit(self, work: _Work) -> None:
        if work.turn or work.refused:
            self._checkpoint("before commit")
            self._journal.record(work.turn, work.refused, work.put_off)
            self._checkpoint("after commit")
            self._queued_posts -= {turned.post for turned in work.turn if turned.post}
            self._queued_posts -= {post.id for post, _ in work.refused}

    def _closed_by(
        self, event: Event, after: Run, hosted: _Hosted, opened: dict[str, Command]
    ) -> Iterable[str]:
        """Keys of open commands that the run does not wait for after ``event``."""
        touched = _touched(event)
        if touched is None or after.state in TERMINAL:
            candidates = {**hosted.open, **opened}
        else:
            candidates = {key: hosted.open[key] for key in hosted.by_instance[touched]}
            candidates.update((k, c) for k, c in opened.items() if c.instance == touched)
        return [key for key, command in candidates.items() if not expects(after, command)]

    def _apply(self, work: _Work) -> None:
        """Make the committed turn the present, and begin its effects."""
        for name, run in work.runs.items():
            self._hosted[name].run = run
            self._hosted[name].put_off = False
        for turned in work.turn:
            hosted = self._hosted[turned.after.charter.run]
            for key in turned.closed:
                hosted.close(key)
        for name, commands in work.opened.items():
            for command in commands.values():
                self._issue(self._hosted[name], command)
        for name, run in work.runs.items():
            if run.state in TERMINAL:
                del self._hosted[name]
        for turned in work.turn:
            self._notify(turned)

    def _issue(self, hosted: _Hosted, command: Command) -> None:
        run = hosted.run
        key = command.key(run.charter.run)
        hosted.opened(key, command)
        heapq.heappush(self._deadlines, (command.deadline, run.charter.run, key))
        if command.verb not in IDLE_VERBS:
            task = asyncio.create_task(carry_out(self, hosted.provider, run, command))
            hosted.effects[key] = task
            self._effects.add(task)
            task.add_done_callback(self._effect_ended)

    def _effect_ended(self, task: asyncio.Task[None]) -> None:
        self._effects.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = error
            self._wake.set()

    def _fire_deadlines(self) -> None:
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, name, key = heapq.heappop(self._deadlines)
            hosted = self._hosted.get(name)
            command = None if hosted is None else hosted.open.get(key)
            if command is not None and command.deadline == deadline:
                overdue = Overdue(now, command.verb, command.instance, command.attempt)
                self._queue.append((name, overdue, None))

    async def _pause(self) -> None:
        """Until something arrives, the next deadline, or the next look around."""
        timeout = self._poll
        if self._deadlines:
            timeout = min(timeout, max(0.0, (self._deadlines[0][0] - self._clock()) / 1000))
        # Not `wait_for`: in Python 3.11 it may lose the cancellation of this very task.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()

    # -- those who look on

    def _notify(self, turned: Turned) -> None:
        for observer in self._observers:
            try:
                answer = observer(turned)
                if answer is None:
                    continue
                task = asyncio.ensure_future(answer)
            except Exception:
                log.exception("an observer failed; the run goes on")
                continue
            self._notices.add(task)
            task.add_done_callback(self._noticed)

    def _noticed(self, task: asyncio.Task[None]) -> None:
        self._notices.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an observer failed; the run goes on", exc_info=error)

    async def _let_go(self) -> None:
        """End every effect without a word to the journal."""
        for task in self._effects:
            task.cancel()
        if self._effects:
            _, deaf = await asyncio.wait(self._effects, timeout=LET_GO)
            for task in deaf:
                log.error("an adapter does not let go of %r", task.get_coro())
        if self._notices:
            await asyncio.wait(self._notices, timeout=1.0)


def _touched(event: Event) -> str | None:
    """The one instance whose commands ``event`` can close ("" for none of them); None
    when it can close any."""
    if isinstance(event, Surveyed):
        return ""
    instance = getattr(event, "instance", None)
    if instance is None or isinstance(instance, str):
        return instance
    return str(instance.id)
