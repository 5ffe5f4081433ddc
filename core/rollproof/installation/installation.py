"""The whole of an installation.  Its verbs bear the names they have on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from rollproof.adapters.local import DiskLog, Removed
from rollproof.adapters.sources import ImageSource
from rollproof.bounds import written
from rollproof.catalog import Catalog, Look, Sighting
from rollproof.charter import Charter, StartedBy, draw_up
from rollproof.eligibility import Checklist
from rollproof.errors import (
    InvalidFields,
    Problem,
    RunActive,
    RunPruned,
    UnknownInstance,
    UnknownRun,
)
from rollproof.events import Approve, Cancel, Pause, Resume
from rollproof.fleet import ScaleSet
from rollproof.history import SHOWN, Filter
from rollproof.host import Home, status_of, wall_clock
from rollproof.images import ImageReference, ImageVersion
from rollproof.installation.checking import Checking
from rollproof.installation.explaining import Explanation, explained, foreseen, has_seen
from rollproof.installation.fleets import Fleets, LocalSetView, Shape
from rollproof.installation.following import Audience, Follower, Quiet
from rollproof.installation.hosting import Ended, Waiting
from rollproof.installation.images import Images
from rollproof.installation.lookout import Source, of_catalog
from rollproof.installation.reasons import Reasons
from rollproof.installation.runs import Pruned, Runs
from rollproof.installation.scheduling import Scheduling
from rollproof.installation.serving import Notice, Serving
from rollproof.installation.sets import Sets
from rollproof.installation.terms import name_of_run, target_of
from rollproof.installation.timeline import Chronicle, Timeline
from rollproof.journal import Journal, Replay, RunRecord
from rollproof.moments import span_ms
from rollproof.plan import Plan, plan
from rollproof.published import Published
from rollproof.rollback import draw_up_rollback
from rollproof.scheduler import Decision
from rollproof.status import RunStatus
from rollproof.supported import SupportedImages

if TYPE_CHECKING:
    from rollproof.installation.observing.called import Call
    from rollproof.installation.observing.outlet import Outlet
    from rollproof.installation.observing.waiting import Reported


class Installation:
    """One home folder, and everything in it.

    Any number of processes may use one home.  Close it, or use it in a ``with``.  The
    verbs that wait have an event loop of their own, so none may be running already.
    """

    def __init__(self, home: Path) -> None:
        """The folder is made when it is first needed."""
        self.home = Home(home.absolute())

    @cached_property
    def _journal(self) -> Journal:
        self.home.make()
        return Journal(self.home.journal)

    def close(self) -> None:
        """Let go of the journal."""
        if "_journal" in self.__dict__:
            self._journal.close()
            del self.__dict__["_journal"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is declared

    def apply(
        self,
        document: Path | ScaleSet,
        *,
        onto: str | None = None,
        ignores: Callable[[str], None] = lambda _field: None,
    ) -> ScaleSet:
        """Declare a scale set, or declare it anew (R2.4).

        The file may be an ARM-style template, or the set in one; ``ignores`` hears of each
        field of it that changes no upgrade.  With ``onto``, the name of a set, it need only
        be a part of a document: what it says is put upon that declaration, whose relative
        paths go on to begin where they did.

        A run under way keeps the terms it was started with (S10).  Raises
        InvalidDocument with every problem, InvalidFields (R1.5), or UnknownScaleSet.
        """
        return self._sets.apply(document, onto, ignores)

    def scale_sets(self) -> tuple[ScaleSet, ...]:
        """Every scale set, by name."""
        return tuple(applied.scale_set for applied in self._sets.all().values())

    def scale_set(self, name: str) -> ScaleSet:
        """The scale set of this name.  Raises UnknownScaleSet."""
        return self._sets.get(name).scale_set

    # -- images

    def publish_image(
        self,
        image: str,
        version: str,
        source: Path,
        *,
        regions: Sequence[str] | None = None,
        excluded_regions: Sequence[str] = (),
        excluded_from_latest: bool = False,
    ) -> ImageVersion:
        """Publish a folder or a tar archive as a version of an image (R3.2).

        It is replicated to `regions`, everywhere without them; excluded, it is not the
        latest, in some regions or anywhere.  The same content again changes that where
        any of it is given, and else nothing.
        Raises InvalidImage, ImageVersionExists, or InvalidFields.
        """
        listing = Published(
            version=ImageVersion.parse(version),
            regions=None if regions is None else tuple(regions),
            excluded_regions=tuple(excluded_regions),
            excluded_from_latest=excluded_from_latest,
        )
        self._images.publish(image, listing, source)
        return listing.version

    def catalog(self) -> Catalog:
        """All sources as one, asked when it is first needed: which versions there are, how
        each is listed, which is the latest, and how fresh the answers are (R3.2, R3.3)."""
        return self._images.catalog

    def images(self, location: str | None = None) -> dict[str, tuple[ImageVersion, ...]]:
        """Every image of every source with its versions, lowest first, or with those
        replicated to a location (R3.3).  `catalog` also tells how they are listed."""
        catalog = self.catalog()
        return {
            name: tuple(
                each.version for each in catalog.versions(ImageReference.named(name), location)
            )
            for name in catalog.images()
        }

    def latest_image(self, image: str, location: str | None = None) -> Published:
        """The latest version for a location, or anywhere (R3.2).

        Raises UnknownImage, SourceUnavailable, NoVersionForLocation.
        """
        return self.catalog().latest(ImageReference.named(image), location)

    def exclude_image(
        self, image: str, version: str, *, region: str | None = None
    ) -> Published:
        """Keep a version from being the latest, anywhere or in one region (R3.2).

        Raises UnknownImage, UnknownImageVersion, ListedElsewhere, and InvalidFields for a
        region where it is not.
        """
        return self._images.exclude(image, ImageVersion.parse(version), region)

    def include_image(
        self, image: str, version: str, *, region: str | None = None
    ) -> Published:
        """Undo `exclude_image` of the same region, or of no region; raises what it does."""
        return self._images.include(image, ImageVersion.parse(version), region)

    def refresh_images(self) -> tuple[Sighting, ...]:
        """Ask every source anew: what is new, or listed otherwise, since the last time
        that any process did so in this home."""
        return self._images.refresh()

    def image_sources(self) -> tuple[tuple[ImageSource, Look], ...]:
        """The sources besides the installation's own, each with what asking it came to."""
        images = self._images
        looks = {look.source: look for look in images.catalog.looks}
        return tuple((each, looks[each.name]) for each in images.files.sources())

    def add_image_source(self, source: ImageSource) -> None:
        """Ask this source too, after all others.  Raises ImageSourceExists, or InvalidFields
        for a folder that is not there."""
        self._images.files.add_source(source)

    def remove_image_source(self, name: str) -> None:
        """Ask it no more; content that was fetched stays.  Raises UnknownImageSource."""
        self._images.files.remove_source(name)

    def supported_images(self, add: Path | None = None) -> SupportedImages:
        """The table of supported platform images (R3.1), once the rows of a file are added
        to it.  Raises InvalidDocument."""
        if add is not None:
            self._images.files.support(add)
        return self._images.files.supported()

    # -- runs

    def plan(
        self, scale_set: str, to: str | None = None, *, rollback: bool | None = None
    ) -> Plan:
        """What a run would do, before anything is touched (N3).

        ``to`` left out means the latest version.  Raises UnknownScaleSet, UnknownImage,
        UnknownImageVersion, NoVersionForLocation.
        """
        declared = self.scale_set(scale_set)
        target = target_of(declared, self._images, to)
        charter = draw_up(declared, target, run=f"{scale_set}.plan", rollback=rollback)
        return plan(charter, self._fleets.observe(scale_set))

    def check(self, scale_set: str) -> Checklist:
        """Every precondition of automatic upgrades, as it stands now (R2.2, R2.3, R6.1).

        Raises UnknownScaleSet.
        """
        return self._checking.checklist(scale_set)

    def run(
        self,
        scale_set: str,
        to: str | None = None,
        *,
        rollback: bool | None = None,
        started_by: StartedBy = StartedBy.USER,
        audience: Audience | None = None,
    ) -> Ended:
        """Upgrade the set, and return when the run has ended, or a signal came.

        A run under way is gone on with, not started twice: it is hosted here if nobody
        hosts it, else followed, and taken over should its host go away.  Without
        ``rollback`` an instance that fails keeps its new disk (R4.8), unless the platform
        starts the run.

        Raises Ineligible, with every reason and before anything is touched, when the set
        does not meet what the run needs: one of the platform all that `check` lists, one by
        hand reachable resources and valid credentials (R2.2, R4.10).  Raises RunActive when
        a run to another version, or on other terms, is under way (R4.9); AllStopped (N6);
        UnknownScaleSet, UnknownImage, UnknownImageVersion.
        """
        declared = self.scale_set(scale_set)
        with self.observed():
            run = self._runs.under_way(scale_set, to, rollback)
            if run is None:
                self._schedule.check_not_stopped()
                images = self._images
                target = target_of(declared, images, to)
                self._fleets.require(scale_set)
                self._checking.require(scale_set, started_by)
                images.obtain(declared.image_reference, target)
                self._fleets.sweep(scale_set)
                name = name_of_run(scale_set, self._runs.number(scale_set))
                charter = draw_up(
                    declared, target, run=name, started_by=started_by, rollback=rollback
                )
                run = self._runs.open(charter)
            return asyncio.run(self._waiting(run, audience).alive())

    def rollback(self, run: str, *, audience: Audience | None = None) -> Ended:
        """Give every instance that a run upgraded the disk back that it had before (N7), and
        return as `run` does: itself a run, which keeps the batch bound and the headroom.

        A rollback of that run that is under way is gone on with.  Raises UnknownRun,
        RunPruned, RunActive while that run, or another of its set, is under way,
        NothingToUndo, AllStopped (N6).
        """
        with self.observed():
            under_way = self._runs.rollback_of(run)
            if under_way is None:
                self._schedule.check_not_stopped()
                charter = self._rollback_of(run)
                self._fleets.require(charter.scale_set)
                under_way = self._runs.open(charter)
            return asyncio.run(self._waiting(under_way, audience).alive())

    def set_of(self, run: str) -> str:
        """The scale set of a run.  Raises UnknownRun."""
        return self._journal.run(self._runs.named(run)).charter.scale_set

    def plan_rollback(self, run: str) -> Plan:
        """What a rollback of a run would do, before anything is touched (N3, N7).  Raises
        UnknownRun, RunPruned, RunActive, NothingToUndo."""
        charter = self._rollback_of(run)
        return plan(charter, self._fleets.observe(charter.scale_set))

    def _rollback_of(self, run: str) -> Charter:
        record = self._recorded(self._runs.named(run))
        name = record.charter.scale_set
        replay = Replay(self._journal, record.charter.run)
        replay.catch_up()
        new = name_of_run(name, self._runs.number(name))
        return draw_up_rollback(self.scale_set(name), replay.run, run=new)

    def status(self, name: str) -> RunStatus | None:
        """The latest run of a set, or the run of this id (R7.1); None when the set never
        had one.  Raises UnknownScaleSet, UnknownRun."""
        record = self._runs.record(name)
        return None if record is None else status_of(record)

    def account(self, name: str) -> tuple[Follower, Reasons] | None:
        """As `status`, with the phase of every instance and the reason of every failure,
        which takes reading all its events."""
        record = self._runs.record(name)
        return None if record is None else self._account(record)

    def watch(self, scale_set: str, *, audience: Audience | None = None) -> Ended:
        """Follow the run under way without hosting it.  Raises NothingRunning."""
        run = self._runs.active(scale_set)
        return asyncio.run(self._waiting(run, audience).watched())

    def history(
        self, scale_set: str, asked: Filter | None = None, *, everything: bool = False
    ) -> tuple[RunStatus, ...]:
        """The last 5 runs of the past 2 months, newest first, or those asked for (R7.1);
        ``everything`` as in `Filter`.  Raises UnknownScaleSet."""
        return self._runs.history(scale_set, asked or Filter(everything=everything))

    def timeline(self, name: str, instance: str | None = None) -> Timeline:
        """What became of the instances of the latest run of a set, or of the run of this
        id, and when; or of one instance (R7.1).

        Raises UnknownScaleSet, UnknownRun (also for a set that never had one),
        UnknownInstance, RunPruned.
        """
        record = self._recorded(name)
        chronicle = Chronicle(self._reasons(record), instance)
        follower = Follower(self._journal, record.charter.run)
        for happening in follower.news():
            chronicle.hears(happening)
        if instance is not None and not chronicle.entries:
            members = tuple(name for name, _ in follower.run.ledger.members())
            raise UnknownInstance(instance, members)
        return chronicle.told(follower.run)

    def prune(
        self,
        scale_set: str | None = None,
        *,
        older_than: timedelta = timedelta(days=90),
        keep: int = SHOWN,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove the events of runs that ended longer ago than that, of one set or of all.

        The newest ``keep`` of each set keep theirs, and a run under way does.  The line in
        the history stays.  With ``dry_run`` nothing is removed.  Raises UnknownScaleSet, or
        InvalidFields for a negative ``keep``.
        """
        return self._runs.prune(scale_set, older_than, keep, dry_run=dry_run)

    def explain(self, name: str, instance: str | None = None) -> Explanation:
        """Which rule holds what back, with the numbers, and what would release it (N5).

        Of the latest run of a set, or the run of this id; for a set that never had one, of
        a run that might begin.  ``instance`` asks about one instance; without, a set with
        automatic upgrades is answered by the schedule, too.  Raises UnknownScaleSet,
        UnknownRun, UnknownInstance, RunPruned, and what `plan` raises.
        """
        found = self._explained(name, instance)
        if instance is not None or found.scale_set != name:
            return found
        if not self.scale_set(name).upgrade_policy.is_automatic:
            return found
        (decision,) = self.due(name)
        return attrs.evolve(found, schedule=decision)

    def _explained(self, name: str, instance: str | None) -> Explanation:
        if self._runs.record(name) is None:
            return foreseen(None, self.plan(name), instance)
        record = self._recorded(name)
        follower, reasons = self._account(record)
        if not has_seen(follower.run):
            planned = plan(record.charter, self._fleets.observe(record.charter.scale_set))
            return foreseen(status_of(record), planned, instance)
        outbox = self._journal.outbox(record.charter.run)
        return explained(status_of(record), follower.run, reasons, outbox, instance)

    def pause(self, scale_set: str) -> bool:
        """No further batch (N6).  True when a process hosts the run and will see to it;
        else it takes effect once `run` goes on with it.  Raises NothingRunning."""
        return self._runs.hand_in(self._runs.active(scale_set), Pause(wall_clock()))

    def resume(self, scale_set: str) -> bool:
        """Lift the hold (N6); the rest as `pause`."""
        return self._runs.hand_in(self._runs.active(scale_set), Resume(wall_clock()))

    def cancel(
        self, scale_set: str, *, force: bool = False, audience: Audience | None = None
    ) -> Ended:
        """End the run and return when it has ended (R4.9, S8).

        Instances in flight are awaited first, unless ``force``.  Where nobody hosts the
        run it is hosted here for that.  Raises NothingRunning.
        """
        run = self._runs.active(scale_set)
        with self.observed():
            self._runs.hand_in(run, Cancel(wall_clock(), force=force))
            return asyncio.run(self._waiting(run, audience).alive())

    # -- those who are told

    @contextmanager
    def observed(self) -> Iterator[None]:
        """While in here, whatever happens in this home is told to the outlets that its
        `observe.toml` names (docs/events.md), by this process unless another does.

        Whatever hosts is wrapped in it: `run`, `cancel`.  Without the file nothing is
        started, nor imported.  No outlet can hold up or end what happens in here.

        Raises InvalidDocument, NotInstalled, before anything else.
        """
        outlets = self._outlets()
        if not outlets:
            yield
            return
        from rollproof.installation.observing.observatory import Observatory

        observatory = Observatory(self.home, outlets)
        observatory.open_in_turn(self._journal)
        try:
            yield
        finally:
            observatory.close()

    def observe(self, *, hears: Call | None = None, once: bool = False) -> Reported:
        """Tell the outlets of `observe.toml` what happens here, without hosting, until
        SIGINT or SIGTERM; or ``once``: what they were not told yet.  ``hears`` is called
        with each line, whether there are outlets or not.

        Raises InvalidDocument, NotInstalled; HomeInUse while another process tells them.
        """
        from rollproof.installation.observing import settings, waiting
        from rollproof.installation.observing.called import Called

        outlets = self._outlets()
        if hears is not None:
            outlets = (*outlets, Called(hears))
        if not outlets:
            raise settings.nothing_to_tell(self.home)
        return waiting.observe(self.home, self._journal, outlets, once=once)

    def _outlets(self) -> tuple[Outlet, ...]:
        if not self.home.outlets.exists():
            return ()
        from rollproof.installation.observing import settings

        return settings.outlets_of(settings.load_settings(self.home.outlets), self.home)

    # -- the schedule

    def serve(
        self,
        *,
        forever: bool = True,
        every: timedelta = timedelta(minutes=1),
        told: Callable[[Notice], None] = lambda _notice: None,
    ) -> int | None:
        """Hold the home, host every run, and begin what is due, until a signal comes,
        whose number is returned; or, not ``forever``, look once.

        The images are listed ``every`` so often: a millisecond or more.  Raises HomeInUse,
        InvalidFields.
        """
        milliseconds = span_ms(every)
        if milliseconds < 1:
            problem = Problem("every", written(every), "at least PT0.001S", "R3.4")
            raise InvalidFields((problem,))
        serving = Serving(
            self.home,
            self._journal,
            self._sets,
            self._images,
            self._checking,
            every=milliseconds,
            told=told,
        )
        with self.observed():
            return asyncio.run(serving.serve(forever=forever))

    def due(self, scale_set: str | None = None) -> tuple[Decision, ...]:
        """What the schedule would do now, and why not more (R3.4): of one set, or of all
        by name.  Raises UnknownScaleSet."""
        return self._schedule.due(scale_set)

    def enable(self, scale_set: str) -> ScaleSet:
        """Switch automatic upgrades on (R2.1); the edited declaration, which the file it
        came from does not know of.  Raises UnknownScaleSet."""
        return self._schedule.switch(scale_set, on=True)

    def disable(self, scale_set: str) -> ScaleSet:
        """Switch them off: a run of the platform ends as if cancelled, at once where it is
        hosted, else when it is gone on with (R2.1).  The rest as `enable`."""
        return self._schedule.switch(scale_set, on=False)

    def stop_all(self, *, off: bool = False) -> int | None:
        """No run begins, and no run under way begins a batch, until it is turned ``off``
        (N6); since when it is on, in milliseconds since the Unix epoch."""
        return self._schedule.stop_all(on=not off)

    def retry(self, scale_set: str) -> Decision:
        """Lift the denial of the set's versions (S12); what is due then.  Raises
        UnknownScaleSet, NothingToRetry."""
        return self._schedule.retry(scale_set)

    def approve(self, scale_set: str, instances: Sequence[str] = ()) -> bool:
        """Let the run under way upgrade what it withholds: these instances, or all
        (R4.11); the rest as `pause`.

        Raises UnknownScaleSet, NothingRunning, NothingToApprove, UnknownInstance, or
        InvalidFields for instances of a run that is approved as a whole.
        """
        run, named = self._runs.active(scale_set), tuple(instances)
        self._schedule.check_approval(self._journal.run(run), named)
        return self._runs.hand_in(run, Approve(wall_clock(), named))

    # -- local fleets

    def create_local(
        self,
        scale_set: str,
        shape: Shape | None = None,
        *,
        version: str | None = None,
        progress: Callable[[str], None] = lambda _instance: None,
    ) -> LocalSetView:
        """Start a fleet of real processes for the set; ``progress`` hears of each.

        Returns when all are healthy, or when the time for that has passed.  A fleet that
        was declared before is completed as it was declared.

        Raises UnknownScaleSet, UnknownImage, UnknownImageVersion, AddressInUse.
        """
        declared, images = self.scale_set(scale_set), self._images
        chosen = target_of(declared, images, version)
        images.obtain(declared.image_reference, chosen)
        view = self._fleets.create(scale_set, chosen, shape or Shape(), progress)
        if self._journal.active_run(scale_set) is None:
            self._fleets.sweep(scale_set)
        return view

    def list_local(self) -> tuple[LocalSetView, ...]:
        """Every local fleet, observed now."""
        views = (self._fleets.view(each.name) for each in self.scale_sets())
        return tuple(view for view in views if view is not None)

    def destroy_local(self, scale_set: str) -> None:
        """End every process of the fleet and remove its disks; the declaration and the
        history stay.  Raises RunActive while a run is under way, UnknownScaleSet."""
        self._check_idle(scale_set)
        self._fleets.destroy(scale_set)

    def logs_local(
        self, scale_set: str, instance: str, step: str | None = None
    ) -> tuple[DiskLog, ...]:
        """What custom data and extensions wrote, and what became of them (R1.2): of the
        current disk, the previous one, and the last ones that are gone.

        Raises UnknownScaleSet, UnknownInstance, or InvalidFields for a step no disk knows.
        """
        return self._fleets.logs(scale_set, instance, step)

    def gc_local(self, scale_set: str | None = None) -> dict[str, tuple[Removed, ...]]:
        """Remove the previous disks that were kept as long as ``timeouts.keep_previous_disk``
        says; by set, which. All sets by default, but for those with a run under way, which
        may have to give a disk back (R4.3).

        Raises RunActive for a named set with a run under way; UnknownScaleSet.
        """
        if scale_set is not None:
            self.scale_set(scale_set)
            self._check_idle(scale_set)
            return {scale_set: self._fleets.sweep(scale_set)}
        names = (each.name for each in self.scale_sets())
        idle = [name for name in names if self._journal.active_run(name) is None]
        return {name: self._fleets.sweep(name) for name in idle}

    def _check_idle(self, scale_set: str) -> None:
        active = self._journal.active_run(scale_set)
        if active is not None:
            raise RunActive(scale_set, active.charter.run)

    # -- the parts

    @property
    def _images(self) -> Images:
        return Images(self.home)  # each verb asks the sources anew

    def _source(self) -> Source:
        return of_catalog(self._images.catalog)

    @property
    def _schedule(self) -> Scheduling:
        return Scheduling(self._journal, self._sets, self._source, self._checking.hindrance)

    @property
    def _sets(self) -> Sets:
        return Sets(self.home, self._journal)

    @property
    def _fleets(self) -> Fleets:
        return Fleets(self._sets)

    @property
    def _checking(self) -> Checking:
        return Checking(self._sets, self.supported_images)

    @property
    def _runs(self) -> Runs:
        return Runs(self.home, self._journal, self._sets)

    def _account(self, record: RunRecord) -> tuple[Follower, Reasons]:
        follower, reasons = Follower(self._journal, record.charter.run), self._reasons(record)
        for happening in follower.news():
            reasons.hears(happening)
        return follower, reasons

    def _reasons(self, record: RunRecord) -> Reasons:
        return Reasons(self.scale_set(record.charter.scale_set).health)

    def _recorded(self, name: str) -> RunRecord:
        """The record of a run that has its events."""
        record = self._runs.record(name)
        if record is None:
            raise UnknownRun(name)
        if record.pruned_at is not None:
            raise RunPruned(record.charter.run)
        return record

    def _waiting(self, run: str, audience: Audience | None) -> Waiting:
        return Waiting(self.home, self._journal, self._sets, run, audience or Quiet())
