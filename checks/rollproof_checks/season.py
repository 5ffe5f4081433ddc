"""Months of a large installation in seconds: the real schedule, host and journal, in
virtual time, over simulated fleets.

    with TemporaryDirectory() as folder:
        season = Season(Path(folder), sets=200, seed=1)
        season.live(days=365)
        audit(season.journal)

The calendar is drawn from the seed: publications, of which some are bad; faults of the
providers; sets that are switched off and on again; runs by hand, cancels, approvals and
retries; a stop-all now and then.  Sets differ in their windows, freezes, soak and
deferral.  `Season.breaches` looks for what the schedule must not have done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from rollproof.charter import StartedBy, draw_up
from rollproof.commands import Verb
from rollproof.denial import THRESHOLDS
from rollproof.document import dumps
from rollproof.errors import NothingRunning, RunActive
from rollproof.events import Approve, Cancel
from rollproof.fleet import Health, Instance, ScaleSet
from rollproof.host import EmbeddedHost
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation.keeper import Carried, Keeper
from rollproof.installation.lookout import Lookout
from rollproof.journal import Journal, Turned
from rollproof.journal.journal import RunRecord
from rollproof.maintenance import AtEnd, Freeze, MaintenanceWindow, Weekday
from rollproof.policy import (
    AutomaticOSUpgradePolicy,
    DeferralDefault,
    DeferralPolicy,
    DeferralScope,
    RollingUpgradePolicy,
    UpgradePolicy,
)
from rollproof.published import Published
from rollproof.states import Cause
from rollproof.windows import gate
from rollproof_checks.simulated import Behaviour, Conduct, SimulatedFleet, seeded
from rollproof_checks.virtual_time import VirtualClock, run

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
IMAGES: Final = 4
EVERY: Final = HOUR
"""Milliseconds between two looks at the images."""
QUIET_DAYS: Final = 9
"""At the end nothing happens any more, so that what is due can be reached."""

_WINDOWS: Final[tuple[tuple[MaintenanceWindow, ...], ...]] = (
    (),
    (MaintenanceWindow(begins="22:00", duration=timedelta(hours=6), zone="Europe/Berlin"),),
    (
        MaintenanceWindow(
            days=(Weekday.SATURDAY, Weekday.SUNDAY),
            begins="02:30",
            duration=timedelta(minutes=20),
            zone="America/New_York",
            at_end=AtEnd.STOP_AT_ONCE,
        ),
    ),
    (
        MaintenanceWindow(
            days=(Weekday.TUESDAY,), begins="01:30", duration=timedelta(minutes=6)
        ),
    ),
)
_FREEZE: Final = Freeze(
    begins="2023-12-18T18:00", ends="2024-01-04T06:00", zone="Europe/Berlin"
)


@attrs.frozen
class Figures:
    """What a season came to."""

    runs: int
    by_platform: int
    events: int
    causes: dict[str, int]


class Season:
    """An installation and its calendar."""

    def __init__(self, folder: Path, *, sets: int, seed: int) -> None:
        self.clock = VirtualClock()
        self.journal = Journal(folder / "journal.sqlite")
        self.random = Random(seed)
        self.shelf: dict[str, list[Published]] = {f"image-{n}": [] for n in range(IMAGES)}
        self.bad: set[tuple[str, str]] = set()
        """Image and version."""
        self.fleets: dict[str, SimulatedFleet] = {}
        self.carried: list[Carried] = []
        self.begun: list[tuple[int, str]] = []
        """When a run of the platform began a batch, and which run."""
        self.declarations: dict[str, list[tuple[int, ScaleSet]]] = {}
        self.stopped: list[tuple[int, int]] = []
        """From when to when the stop-all switch was on."""
        self.retries: dict[str, list[int]] = {}
        self._calendar: list[tuple[int, int, Callable[[], Any]]] = []
        self._host = EmbeddedHost(
            self.journal,
            self.fleets.__getitem__,
            clock=self.clock,
            observers=[self._turned],
            poll=10 * 365 * 86_400.0,
        )
        self._keeper = Keeper(
            self._host,
            self.journal,
            Lookout(self.journal, self._offered),
            clock=self.clock,
            every=EVERY,
            told=self.carried.append,
        )
        for number in range(sets):
            self._declare(self._draw(number))

    def _offered(self, reference: ImageReference, _location: str) -> tuple[Published, ...]:
        return tuple(self.shelf[reference.name])

    # -- what there is

    def _draw(self, number: int) -> ScaleSet:
        random, name = self.random, f"set-{number:04}"
        image = f"image-{number % IMAGES}"
        size = random.randint(3, 5)
        self.fleets[name] = SimulatedFleet(
            self.clock,
            [
                Instance(
                    id=f"{name}-{n}",
                    zone=str(n % 2),
                    version="1.0.0",
                    health=Health.HEALTHY,
                )
                for n in range(size)
            ],
            self._conduct(),
            boot=60.0,
        )
        return ScaleSet(
            name=name,
            image_reference=ImageReference(image=image),
            upgrade_policy=UpgradePolicy(
                rolling_upgrade_policy=RollingUpgradePolicy(
                    max_unhealthy_upgraded_instance_percent=random.choice((20, 50)),
                    pause_time_between_batches=timedelta(minutes=random.choice((0, 2))),
                ),
                automatic_os_upgrade_policy=AutomaticOSUpgradePolicy(
                    enable_automatic_os_upgrade=True,
                    minimum_image_age=timedelta(days=2 if number % 5 == 1 else 0),
                    maintenance_windows=_WINDOWS[number % len(_WINDOWS)],
                    freezes=(_FREEZE,) if number % 3 == 0 else (),
                    os_rolling_upgrade_deferral=number % 10 == 0,
                    deferral=DeferralPolicy(
                        scope=DeferralScope.INSTANCE,
                        latest=timedelta(hours=36),
                        default_action=random.choice(tuple(DeferralDefault)),
                    ),
                ),
            ),
        )

    def _conduct(self) -> Behaviour:
        """Now and then something is refused, lost or slow."""
        faulty = seeded(self.random, 0.5, slowest=60.0)

        def next_conduct(verb: Verb, instance: str) -> Conduct:
            return faulty(verb, instance) if self.random.random() < 0.03 else Conduct()

        return next_conduct

    def _declare(self, scale_set: ScaleSet) -> None:
        now = self.clock()
        self.journal.declare(scale_set.name, dumps(scale_set), "/", now)
        self.declarations.setdefault(scale_set.name, []).append((now, scale_set))

    # -- what happens

    def live(self, days: int) -> Figures:
        """Let so many days pass; what came of them."""
        self._plan(days)
        run(self.clock, self._live(self.clock() + days * DAY))
        counts: dict[str, int] = {}
        records = tuple(self.records())
        for record in records:
            cause = Cause(record.counts.stop).name.lower()
            counts[cause] = counts.get(cause, 0) + 1
        return Figures(
            runs=len(records),
            by_platform=sum(r.charter.started_by is StartedBy.PLATFORM for r in records),
            events=sum(record.turns for record in records),
            causes=counts,
        )

    def records(self) -> Iterator[RunRecord]:
        """Every run, set by set, oldest first."""
        for name in sorted(self.fleets):
            yield from reversed(self.journal.history(name))

    async def _live(self, until: int) -> None:
        tasks = [
            asyncio.ensure_future(self._host.serve(forever=True)),
            asyncio.ensure_future(self._keeper.keep(10 * 365 * 86_400.0)),
            asyncio.ensure_future(self._act()),
        ]
        await asyncio.sleep((until - self.clock()) / 1000)
        for task in tasks[:2]:
            assert not task.done(), task
        await tasks[2]
        self._host.stop()
        await tasks[0]
        tasks[1].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[1]

    async def _act(self) -> None:
        for at, _, act in sorted(self._calendar, key=lambda each: each[:2]):
            await asyncio.sleep((at - self.clock()) / 1000)
            with contextlib.suppress(RunActive, NothingRunning):
                outcome = act()
                if outcome is not None:
                    await outcome
            self._keeper.stir()

    def _turned(self, turned: Turned) -> None:
        self._keeper.hears(turned)
        charter = turned.after.charter
        begins = any(row.startswith("begin_") for row in turned.rows)
        if begins and charter.started_by is StartedBy.PLATFORM:
            self.begun.append((turned.event.at, charter.run))

    # -- the calendar

    def _plan(self, days: int) -> None:
        start, random = self.clock(), self.random
        busy = (days - QUIET_DAYS) * DAY
        for image in self.shelf:
            self._at(start, partial(self._publish, image, "1.0.0", bad=False))
            for number in range(1, max(2, days // 30) + 1):
                at = start + round(number * busy / (max(2, days // 30) + 1))
                bad = random.random() < 0.3
                version = f"1.{number}.0"
                self._at(at, partial(self._publish, image, version, bad=bad))
                if bad:
                    fixed = f"1.{number}.1"
                    later = at + random.randint(DAY, 4 * DAY)
                    self._at(later, partial(self._publish, image, fixed, bad=False))
        names = sorted(self.fleets)
        for _ in range(len(names) * days // 60):
            name, at = random.choice(names), start + random.randrange(busy)
            deed = random.choice(
                (self._opt_out, self._by_hand, self._cancel, self._retry, self._approve)
            )
            deed(name, at)
        for _ in range(days // 30):
            at = start + random.randrange(busy)
            self._stop_all(at, at + random.randint(HOUR, 5 * HOUR))

    def _at(self, at: int, act: Callable[[], Any]) -> None:
        self._calendar.append((at, len(self._calendar), act))

    def _publish(self, image: str, version: str, *, bad: bool) -> None:
        parsed = ImageVersion.parse(version)
        self.shelf[image].append(Published(version=parsed, published_at=self.clock()))
        if bad:
            self.bad.add((image, version))
            for name, fleet in self.fleets.items():
                if self.declarations[name][0][1].image_reference.name == image:
                    fleet.bad.add(("", version))

    def _opt_out(self, name: str, at: int) -> None:
        def switch(*, on: bool) -> None:
            declared = self.declarations[name][-1][1]
            upgrade = declared.upgrade_policy
            automatic = attrs.evolve(
                upgrade.automatic_os_upgrade_policy, enable_automatic_os_upgrade=on
            )
            policy = attrs.evolve(upgrade, automatic_os_upgrade_policy=automatic)
            self._declare(attrs.evolve(declared, upgrade_policy=policy))

        self._at(at, lambda: switch(on=False))
        self._at(at + self.random.randint(HOUR, 5 * DAY), lambda: switch(on=True))

    def _by_hand(self, name: str, at: int) -> None:
        async def start() -> None:
            if self.journal.stopped_since() is not None:
                return
            declared = self.declarations[name][-1][1]
            target = self.random.choice(self.shelf[declared.image_reference.name]).version
            number = self.journal.run_count(name) + 1
            await self._host.start(draw_up(declared, target, run=f"{name}.{number}-hand"))

        self._at(at, start)

    def _cancel(self, name: str, at: int) -> None:
        async def cancel() -> None:
            await self._hand_in(name, Cancel(self.clock()))

        # Most sets have no run under way at most times: so soon after a publication.
        self._at(at, cancel)

    def _approve(self, name: str, at: int) -> None:
        async def approve() -> None:
            some = tuple(sorted(self.fleets[name].instances()))[:1]
            await self._hand_in(name, Approve(self.clock(), self.random.choice(((), some))))

        self._at(at, approve)

    async def _hand_in(self, name: str, event: Cancel | Approve) -> None:
        active = self.journal.active_run(name)
        if active is not None:
            await self._host.post(active.charter.run, event, f"{event}")

    def _retry(self, name: str, at: int) -> None:
        def retry() -> None:
            self.journal.retry(name, self.clock())
            self.retries.setdefault(name, []).append(self.clock())

        self._at(at, retry)

    def _stop_all(self, begins: int, ends: int) -> None:
        self.stopped.append((begins, ends))
        self._at(begins, lambda: self.journal.stop_all(self.clock()))

        def off() -> None:
            now = self.clock()
            if not any(first < now < last for first, last in self.stopped):
                self.journal.stop_all(None)

        self._at(ends, off)

    # -- what must not have happened

    def breaches(self) -> list[str]:
        """What the schedule did against its rules, as far as the journal shows it."""
        return [*self._against_gates(), *self._against_denials()]

    def _against_gates(self) -> Iterator[str]:
        """No run of the platform begins, and none begins a batch, while the switch is on,
        automatic upgrades are off, a freeze lasts or every window is shut (R2.1, N6, N10)."""
        opened = [
            (record.opened_at, record.charter.run)
            for record in self.records()
            if record.charter.started_by is StartedBy.PLATFORM
        ]
        for at, name in [*opened, *self.begun]:
            declared = self._declared(name.partition(".")[0], at)
            policy = declared.upgrade_policy.automatic_os_upgrade_policy
            stands = gate(policy.maintenance_windows, policy.freezes, at)
            if not stands.is_open:
                yield f"{name} at {at}: {stands.text}"
            if not policy.enable_automatic_os_upgrade:
                yield f"{name} at {at}: switched off"
            if any(begins < at < ends for begins, ends in self.stopped):
                yield f"{name} at {at}: stopped"

    def _against_denials(self) -> Iterator[str]:
        """No run of the platform goes to what a threshold ended (S12), nor down."""
        for name in self.fleets:
            past: list[RunRecord] = []
            for record in reversed(self.journal.history(name)):
                if record.charter.started_by is StartedBy.PLATFORM:
                    yield from self._against(name, past, record)
                past.append(record)

    def _against(self, name: str, past: list[RunRecord], record: RunRecord) -> Iterator[str]:
        configured = max(at for at, _ in self.declarations[name] if at <= record.opened_at)
        target = ImageVersion.parse(record.charter.target)
        to_it = [
            each
            for each in past
            if each.opened_at >= configured and target.spelled_by(each.charter.target)
        ]
        if not to_it:
            return
        last = to_it[-1]
        ended = last.closed_at or 0
        forgiven = any(ended <= at <= record.opened_at for at in self.retries.get(name, ()))
        if Cause(last.counts.stop) in THRESHOLDS and not forgiven:
            yield f"{record.charter.run} goes to {target}, which {last.charter.run} denies"
        if Cause(last.counts.stop) is Cause.NONE:
            yield f"{record.charter.run} goes to {target} again"

    def _declared(self, name: str, at: int) -> ScaleSet:
        return [scale_set for since, scale_set in self.declarations[name] if since <= at][-1]

    def behind(self) -> list[str]:
        """Sets that follow their image, are denied nothing, and have not come to it."""
        late = []
        for name, fleet in self.fleets.items():
            declared = self.declarations[name][-1][1]
            image = declared.image_reference.name
            latest = self.shelf[image][-1].version
            versions = {each.version for each in fleet.instances().values()}
            tried = [
                r for r in self.journal.history(name) if latest.spelled_by(r.charter.target)
            ]
            if not tried and (image, str(latest)) not in self.bad and versions != {str(latest)}:
                late.append(f"{name} is on {versions} of {image}, not on {latest}")
        return late
