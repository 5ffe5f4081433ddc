"""What sets cost that wait: `serve` with ten thousand of them, in virtual time.

Everything is as in `serve`: a look into the journal ten times a second by the host and by
the schedule, every image listed once a minute.  Only the hour passes in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import attrs

from rollproof.adapters.sources import DirectorySource
from rollproof.adapters.store import ImageStore
from rollproof.catalog import Catalog
from rollproof.document import dumps
from rollproof.fleet import ScaleSet
from rollproof.host import EmbeddedHost
from rollproof.host.embedded import POLL
from rollproof.images import ImageReference
from rollproof.installation.keeper import Keeper
from rollproof.installation.lookout import Lookout, of_catalog
from rollproof.journal import Journal
from rollproof.maintenance import MaintenanceWindow
from rollproof.policy import AutomaticOSUpgradePolicy, UpgradePolicy
from rollproof_checks.simulated import SimulatedFleet
from rollproof_checks.virtual_time import VirtualClock, run

IMAGES = 100
VERSIONS = 10
SECONDS = 3600


@attrs.frozen
class IdleFigure:
    """An hour of idling."""

    size: int
    """Sets; a hundred images of ten versions among them."""
    begin: float
    """Processor seconds of the first look, at which every document is read."""
    seconds: float
    """Processor seconds of the hour after it."""
    peak_mib: float

    @property
    def share(self) -> float:
        """Of one core, in percent."""
        return 100 * self.seconds / SECONDS


def time_idling(size: int) -> IdleFigure:
    """Keep ``size`` sets that follow their images, and of which none is due."""
    with tempfile.TemporaryDirectory(prefix="rollproof-bench-") as folder:
        clock = VirtualClock()
        store = _images(Path(folder))
        with Journal(Path(folder) / "journal.sqlite") as journal:
            _declare(journal, size, clock())
            return run(clock, _idle(journal, store, clock, size))


def _images(folder: Path) -> ImageStore:
    for number in range(IMAGES):
        for minor in range(VERSIONS):
            (folder / "images" / f"image-{number}" / f"1.{minor}.0").mkdir(parents=True)
    return ImageStore(folder / "images")


def _declare(journal: Journal, size: int, at: int) -> None:
    """Each waits for a window that is a day away, which is what most sets do."""
    window = MaintenanceWindow(
        begins="21:00", duration=timedelta(hours=1), zone="Europe/Berlin"
    )
    automatic = AutomaticOSUpgradePolicy(
        enable_automatic_os_upgrade=True, maintenance_windows=(window,)
    )
    policy = UpgradePolicy(automatic_os_upgrade_policy=automatic)
    for number in range(size):
        reference = ImageReference(image=f"image-{number % IMAGES}")
        scale_set = ScaleSet(
            name=f"set-{number:05}", image_reference=reference, upgrade_policy=policy
        )
        journal.declare(scale_set.name, dumps(scale_set), "/", at)


async def _idle(
    journal: Journal, store: ImageStore, clock: VirtualClock, size: int
) -> IdleFigure:
    fleet = SimulatedFleet(clock, ())
    catalog = Catalog((DirectorySource("home", store),))
    host = EmbeddedHost(journal, lambda _name: fleet, clock=clock, poll=POLL)
    lookout = Lookout(journal, of_catalog(catalog))

    async def refresh() -> None:
        catalog.refresh(clock())

    keeper = Keeper(host, journal, lookout, clock=clock, refresh=refresh)
    began = time.process_time()
    await keeper.look()
    first = time.process_time() - began
    tasks = [
        asyncio.ensure_future(host.serve(forever=True)),
        asyncio.ensure_future(keeper.keep(POLL)),
    ]
    began = time.process_time()
    await asyncio.sleep(SECONDS)
    spent = time.process_time() - began
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not journal.under_way(), "none was to be due"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return IdleFigure(size, first, spent, peak)
