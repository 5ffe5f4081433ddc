"""An adapter under everything that hosts, people and chance do to it.

Judged after every rule, by the names in `rollproof_checks.fuzz.contract.Law`; the laws
stand in `rollproof.adapters.provider`.

Idempotent by key (S13, N2)
    A command repeated at once, later, or twice at the same time has the effect of one:
    the same disk, the same boot; and what certainly failed does not succeed.
Look before acting (N2)
    The same where another adapter object is asked than before: a restarted controller.
    A restore that names what is not there undoes nothing.
A thing undone stays undone (S13)
    Also when it is asked for the first time after it was undone.
Unknown is not success (S9)
    What returns normally is done, what raises `OperationFailed` is not; whatever else
    happens (the caller gives up, the connection is lost, the controller dies), the same
    key brings it to an outcome.
Data disks stay (R1.2)
    They hold after every command what they held when the instance was made.
The previous disk stays (R4.3)
    A restore brings it back, after whatever was left open in between.
Observed means observed (S9)
    Two objects show the same, whoever gave the command.  What was killed shows no
    version and is not healthy; what was removed is not shown.
Only the named instance
    Versions, disks and boots of all others stay; nothing is done to an instance that
    does not exist, nor does it come into being.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Self

from hypothesis import currently_in_test_context, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rollproof.adapters.provider import Provider
from rollproof.commands import Verb
from rollproof_checks.fuzz.believed import Believed, Disk
from rollproof_checks.fuzz.contract import Ask, Judged, Law, LawBroken
from rollproof_checks.fuzz.looking import Looking, Outcome

chance = st.integers(0, 99)
either = st.integers(0, 1)


class NotJudged(AssertionError):
    """A law was not put to the test, and nobody said that it need not be."""


class AdapterContract(Looking, RuleBasedStateMachine):
    """Subclass it and supply the hooks of `AdapterHooks`; then call ``fuzz``."""

    @classmethod
    def fuzz(cls, with_settings: settings | None = None) -> tuple[Judged, ...]:
        """Run it; what became of each law.

        Raises `LawBroken`, and `NotJudged` where a law outside ``without`` was not put
        to the test.
        """
        cls._tally.clear()
        run_state_machine_as_test(cls, settings=with_settings)
        found = cls.judged()
        silent = [str(each) for each in found if not each.times and each.law not in cls.without]
        if silent:
            raise NotJudged("\n".join([*silent, "Supply it, or name the law in `without`."]))
        return found

    def __init__(self) -> None:
        super().__init__()
        self._loop = self.make_loop()
        self._believed = {}
        self._adapters: list[Provider] = []
        self._objects: list[int] = []
        """Which object each of the adapters is: a restart makes another."""
        self._keys = 0
        self._sound = True

    @initialize(versions=st.lists(chance, min_size=2, max_size=2))
    def begin(self, versions: list[int]) -> None:
        """A world with two instances, and two controllers over it."""

        async def all_of_it() -> None:
            for _ in range(2):
                self._adapters.append(await self.open())
                self._objects.append(len(self._objects))
            for version in versions[: self.most]:
                await self._add(self._version(version))
            await self._look_around({}, "the beginning")

        self._do(all_of_it())

    # -- commands

    @rule(which=chance, version=chance, by=either)
    def replace(self, which: int, version: int, by: int) -> None:
        """A new disk, by a new key."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            await self._give(believed, self._replace(believed, self._version(version)), by)

        self._do(all_of_it())

    @precondition(lambda self: self.impossible)
    @rule(which=chance, by=either)
    def replace_by_what_cannot_be_made(self, which: int, by: int) -> None:
        """It must not return normally."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            await self._give(believed, self._replace(believed, self.impossible), by)

        self._do(all_of_it())

    @rule(which=chance, by=either, times=st.integers(1, 2), late=st.booleans())
    def restore(self, which: int, by: int, times: int, late: bool = False) -> None:
        """The disk before is given back; and the one before that, if it is still kept.
        Then the replace that was undone may come late."""

        async def all_of_it() -> None:
            for _ in range(times):
                believed = await self._at_rest(which, by)
                if believed.disk.stem:
                    ask = self._restore(believed, believed.disk.stem)
                    await self._give(believed, ask, by)
                undone = [each for each in believed.asks if each.key in believed.undone]
                if late and undone and believed.open is None:
                    await self._repeat(believed, undone[-1], by)

        self._do(all_of_it())

    @rule(which=chance, choice=chance, by=either)
    def restore_what_is_not_there(self, which: int, choice: int, by: int) -> None:
        """An older replace is undone, or one that has not come yet: nothing happens."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            replaces = [ask for ask in believed.asks if ask.verb is Verb.REPLACE]
            replaces = [ask for ask in replaces if ask.key != believed.disk.stem]
            coming = self._replace(believed, self._version(choice))
            undone = [coming, *replaces][choice % (1 + len(replaces))]
            await self._give(believed, self._restore(believed, undone.key), by)
            believed.asks.append(undone)

        self._do(all_of_it())

    @rule(which=chance, choice=chance, by=either)
    def repeat(self, which: int, choice: int, by: int) -> None:
        """A command that had its answer comes again (S13)."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            if believed.asks:
                newest_first = believed.asks[::-1]
                await self._repeat(believed, newest_first[choice % len(newest_first)], by)

        self._do(all_of_it())

    @rule(
        which=chance,
        version=chance,
        by=either,
        other=either,
        later=st.booleans(),
        back=st.booleans(),
    )
    def twins(
        self, *, which: int, version: int, by: int, other: int, later: bool, back: bool
    ) -> None:
        """One key is asked twice at the same time.  Had it made two disks, a restore would
        bring the first of them back."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            ask = self._replace(believed, self._version(version))

            async def second() -> tuple[Outcome, str]:
                await asyncio.sleep(self.moments[1 % len(self.moments)] * later)
                return await self._ask(self._adapters[other], ask)

            first = self._ask(self._adapters[by], ask)
            answers = dict(await asyncio.gather(first, second()))
            story = f"{ask}, twice at once"
            both = {Outcome.DONE, Outcome.FAILED} <= answers.keys()
            self._hold(Law.IDEMPOTENT, not both, f"{story}, has two outcomes: {answers}.")
            known = {each for each in answers if each is not Outcome.UNKNOWN}
            outcome = known.pop() if known else Outcome.UNKNOWN
            answer = answers[outcome]
            self._note(believed, ask, outcome, answer, by)
            believed.askers[ask.key].add(self._objects[other])
            if outcome is Outcome.DONE:
                believed.disk.suspect = Law.IDEMPOTENT if by == other else Law.LOOK
            await self._look_around({believed.id: Law.UNKNOWN}, story, by)
            if back and believed.kept:
                await self._give(believed, self._restore(believed, believed.disk.stem), by)

        self._do(all_of_it())

    @rule(version=chance, by=either)
    def crowd(self, version: int, by: int) -> None:
        """All instances get a new disk at the same time, each by its own key."""

        async def all_of_it() -> None:
            members = [await self._at_rest(at, by) for at in range(len(self._present()))]
            asks = [
                self._replace(each, self._version(version + at))
                for at, each in enumerate(members)
            ]
            provider = self._adapters[by]
            answers = await asyncio.gather(*(self._ask(provider, ask) for ask in asks))
            for believed, ask, (outcome, answer) in zip(members, asks, answers, strict=True):
                self._note(believed, ask, outcome, answer, by)
            at_stake = {each.id: Law.UNKNOWN for each in members}
            await self._look_around(at_stake, f"{', '.join(map(str, asks))} at once", by)

        self._do(all_of_it())

    @rule(version=chance, by=either)
    def command_a_stranger(self, version: int, by: int) -> None:
        """An instance that does not exist, or not any more, gets no disk."""
        gone = [each.id for each in self._believed.values() if each.gone]
        name = [self.stranger, *gone][version % (1 + len(gone))]

        async def all_of_it() -> None:
            ask = Ask(Verb.REPLACE, self._key(), name, self._version(version))
            outcome, answer = await self._ask(self._adapters[by], ask)
            text = f"There is no such instance, and {ask} {answer}."
            self._hold(Law.NAMED, outcome is not Outcome.DONE, text)
            await self._ask(
                self._adapters[by], Ask(Verb.RESTORE, self._key(), name, undoes=ask.key)
            )
            await self._look_around({name: Law.NAMED}, str(ask), by)
            seen = await self._observe(self._adapters[by], name)
            self._hold(Law.OBSERVED, not seen, f"observe({name!r}) shows {seen}")

        self._do(all_of_it())

    # -- what leaves an outcome open

    @rule(which=chance, version=chance, by=either, moment=chance, back=st.booleans())
    def give_up(self, which: int, version: int, by: int, moment: int, back: bool) -> None:
        """The caller is cancelled in the middle: nobody knows what has happened."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            ask = self._any(believed, version, back=back)
            task = asyncio.ensure_future(ask.of(self._adapters[by]))
            await asyncio.wait({task}, timeout=self.moments[moment % len(self.moments)])
            task.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await task
            self._note(believed, ask, Outcome.UNKNOWN, "was given up", by)
            await self._look_around({believed.id: Law.UNKNOWN}, f"{ask}, given up", by)

        self._do(all_of_it())

    @precondition(lambda self: self.has("sever"))
    @rule(which=chance, version=chance, by=either, back=st.booleans())
    def lose_the_connection(self, which: int, version: int, by: int, back: bool) -> None:
        """A command finds the world cut off."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, by)
            ask = self._any(believed, version, back=back)
            law, provider = self._law_of(believed, ask), self._adapters[by]
            await self.sever(True)
            try:
                outcome, answer = await self._ask(provider, ask, severed=True)
            finally:
                await self.sever(False)
            story = f"{ask}, cut off from the world ({answer})"
            if outcome is Outcome.FAILED:
                outcome, again = await self._ask(provider, ask)
                text = f"{story}, was certain to fail, and then {again}."
                self._hold(Law.UNKNOWN, outcome is not Outcome.DONE, text)
            self._note(believed, ask, outcome, answer, by)
            await self._look_around({believed.id: law}, story, by)

        self._do(all_of_it())

    @precondition(lambda self: self.has("crash"))
    @rule(which=chance, version=chance, moment=chance, back=st.booleans())
    def die_in_the_middle(self, which: int, version: int, moment: int, back: bool) -> None:
        """A controller is killed while it carries a command out (N2)."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, 0)
            ask = self._any(believed, version, back=back)
            await self.crash(ask, self.moments[moment % len(self.moments)])
            self._note(believed, ask, Outcome.UNKNOWN, "was killed", None)
            await self._look_around({believed.id: Law.UNKNOWN}, f"{ask}, killed", 0)

        self._do(all_of_it())

    @precondition(lambda self: any(each.open for each in self._believed.values()))
    @rule(by=either)
    def undo_what_is_open(self, by: int) -> None:
        """A replace of which nobody knows whether it took place is undone (R4.3)."""

        async def all_of_it() -> None:
            for believed in self._believed.values():
                ask = believed.open
                if ask is None or ask.verb is not Verb.REPLACE:
                    continue
                undo = self._restore(believed, ask.key)
                outcome, answer = await self._ask_until_known(self._adapters[by], undo)
                text = f"{undo} after an open {ask}: {answer}."
                self._hold(Law.PREVIOUS, outcome is Outcome.DONE, text)
                believed.open, believed.kept = None, False
                believed.undone.add(ask.key)
                believed.asks += [ask, undo]
                believed.askers[undo.key].add(self._objects[by])
                await self._look_around({believed.id: Law.PREVIOUS}, str(undo), by)

        self._do(all_of_it())

    # -- the world

    @precondition(lambda self: len(self._present()) < self.most)
    @rule(version=chance)
    def another_instance(self, version: int) -> None:
        """S11."""

        async def all_of_it() -> None:
            await self._add(self._version(version))
            await self._look_around({}, "a new instance")

        self._do(all_of_it())

    @precondition(lambda self: self.has("kill"))
    @rule(which=chance)
    def an_instance_is_killed(self, which: int) -> None:
        """Nothing runs on it, so no version is observed (S9)."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, 0)
            await self.kill(believed.id)
            believed.running, believed.boot = False, None
            await self._look_around({}, f"{believed.id} was killed")

        self._do(all_of_it())

    @precondition(lambda self: self.has("destroy") and len(self._present()) > 1)
    @rule(which=chance)
    def an_instance_is_removed(self, which: int) -> None:
        """S11."""

        async def all_of_it() -> None:
            believed = await self._at_rest(which, 0)
            await self.destroy(believed.id)
            believed.gone = True
            await self._look_around({}, f"{believed.id} was removed")

        self._do(all_of_it())

    @rule(which=chance, by=either)
    def somebody_looks(self, which: int, by: int) -> None:
        """One is shown as among all."""

        async def all_of_it() -> None:
            believed = self._pick(which)
            seen = await self._observe(self._adapters[by], believed.id)
            story = f"observe({believed.id!r}) shows {[one.id for one in seen]}"
            self._hold(Law.OBSERVED, [one.id for one in seen] == [believed.id], story)
            finding = self._of_version(believed, seen[0], Law.OBSERVED, "a look")
            self._hold(finding.law, finding.kept or finding.late, finding.story)
            await self._look_around({}, "a look", by)

        self._do(all_of_it())

    @rule(by=either)
    def restart(self, by: int) -> None:
        """A controller is started anew: another adapter object over the same world."""

        async def all_of_it() -> None:
            await self.close(self._adapters[by])
            self._adapters[by] = await self.open()
            self._objects[by] = max(self._objects) + 1
            await self._look_around({}, "a restart", by)

        self._do(all_of_it())

    def teardown(self) -> None:
        """What is open comes to an outcome; then the world is put away."""
        try:
            if self._sound and self._believed:
                self._do(self._end())
            for each in self.judged():
                if not each.times and currently_in_test_context():
                    event(str(each))
        finally:
            self._run(self._put_away())
            self._loop.close()

    # -- below the surface

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._sound = False
        self._run(coroutine)
        self._sound = True

    async def _end(self) -> None:
        for at in range(len(self._present())):
            await self._at_rest(at, at % 2)
        await self._look_around({}, "the end")

    async def _put_away(self) -> None:
        for provider in self._adapters:
            await self.close(provider)
        await self.clear_up()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _present(self) -> Sequence[Believed]:
        return [each for each in self._believed.values() if not each.gone]

    def _pick(self, which: int) -> Believed:
        present = self._present()
        return present[which % len(present)]

    def _version(self, which: int) -> str:
        return self.versions[which % len(self.versions)]

    def _key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def _replace(self, believed: Believed, version: str) -> Ask:
        return Ask(Verb.REPLACE, self._key(), believed.id, version)

    def _restore(self, believed: Believed, undoes: str) -> Ask:
        return Ask(Verb.RESTORE, self._key(), believed.id, undoes=undoes)

    def _any(self, believed: Believed, version: int, *, back: bool) -> Ask:
        if back and believed.kept:
            return self._restore(believed, believed.disk.stem)
        return self._replace(believed, self._version(version))

    async def _add(self, version: str) -> None:
        name = await self.create(version)
        assert name not in self._believed, f"create returned {name!r} a second time"
        data = await self.data(name)
        self._believed[name] = Believed(name, Disk(version), data)

    async def _at_rest(self, which: int, by: int) -> Believed:
        """One of the instances, after what was open has come to an outcome."""
        believed = self._pick(which)
        ask = believed.open
        if ask is not None:
            law = self._law_of(believed, ask)
            suspect = self._law_of_repeating(believed, ask, by)
            outcome, answer = await self._ask_until_known(self._adapters[by], ask)
            self._note(believed, ask, outcome, answer, by)
            if outcome is Outcome.DONE and ask.verb is Verb.REPLACE:
                believed.disk.suspect = suspect
            await self._look_around({believed.id: law}, f"{ask}, asked again", by)
        return believed

    async def _give(self, believed: Believed, ask: Ask, by: int) -> None:
        """Give a new command and judge what became of it."""
        law = self._law_of(believed, ask)
        outcome, answer = await self._ask(self._adapters[by], ask)
        self._note(believed, ask, outcome, answer, by)
        await self._look_around({believed.id: law}, f"{ask} ({answer})", by)

    async def _repeat(self, believed: Believed, ask: Ask, by: int) -> None:
        law = self._law_of_repeating(believed, ask, by)
        outcome, answer = await self._ask(self._adapters[by], ask)
        story = f"{ask}, repeated ({answer})"
        if ask.key not in believed.undone:
            if ask.key in believed.failed:
                text = f"{story}, had certainly failed."
                self._hold(law, outcome is not Outcome.DONE, text)
            elif ask.key == believed.disk.stem:
                self._hold(law, outcome is not Outcome.FAILED, f"{story}, was done.")
        believed.stirred()
        believed.askers[ask.key].add(self._objects[by])
        await self._look_around({believed.id: law}, story, by)

    def _law_of(self, believed: Believed, ask: Ask) -> Law:
        """What is at stake where a command is new, or its outcome open."""
        if ask.verb is Verb.REPLACE:
            return Law.UNKNOWN
        return (believed.disk.suspect or Law.PREVIOUS) if believed.undoes(ask) else Law.LOOK

    def _law_of_repeating(self, believed: Believed, ask: Ask, by: int) -> Law:
        if ask.verb is Verb.REPLACE and ask.key in believed.undone:
            return Law.UNDONE
        same = self._objects[by] in believed.askers[ask.key]
        return Law.IDEMPOTENT if same else Law.LOOK

    def _note(
        self, believed: Believed, ask: Ask, outcome: Outcome, answer: str, by: int | None
    ) -> None:
        """Believe what an answer says."""
        if by is not None:
            believed.askers[ask.key].add(self._objects[by])
        believed.open = ask if outcome is Outcome.UNKNOWN else None
        if outcome is Outcome.UNKNOWN:
            believed.running, believed.boot = None, None
            return
        done = outcome is Outcome.DONE
        if ask.verb is Verb.REPLACE:
            believed.asks.append(ask)
            if done:
                believed.replaced(ask)
            else:
                believed.failed.add(ask.key)
                believed.kept = False  # the contract keeps it until the next replace only
            return
        if not done and believed.kept and believed.undoes(ask):
            raise LawBroken(Law.PREVIOUS, f"It is kept, and {ask}: {answer}.")
        if not done and not believed.undoes(ask):
            raise LawBroken(Law.LOOK, f"There is nothing to undo, and {ask}: {answer}.")
        if done:
            believed.asks.append(ask)
            believed.restored(ask)

    async def _look_around(self: Self, asked: dict[str, Law], story: str, by: int = 0) -> None:
        """First with the eyes of who was asked, then with those of the other."""
        await self._look(self._adapters[by], asked, story)
        await self._look(self._adapters[1 - by], {}, f"{story}, seen by another object,")
