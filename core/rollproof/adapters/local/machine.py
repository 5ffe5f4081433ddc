"""One instance: its disk, its server and its provisioning, brought to what is wanted.

Everything here blocks; a fleet calls it from threads. Each command looks first and does
only what is missing, so it may be cut off at any instruction and given again.

    replace   current becomes previous | make disk | end processes | link | boot
    restore                              end processes | link | boot
    sweep     reason | unlink previous | remove disk

The current disk becomes the previous one before anything else, and a restore says which
replace it undoes: whatever was cut off, it returns to the disk that served before that
replace, never to one from an earlier run.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from attrs import frozen

from rollproof.adapters.files import locked, point, pointed, read_json, write_json
from rollproof.adapters.local import disks, process, reporting
from rollproof.adapters.local.addresses import free
from rollproof.adapters.local.layout import Home
from rollproof.adapters.local.provision import Step, provision, provisioned, set_up_by
from rollproof.adapters.store import ImageStore
from rollproof.errors import AddressInUse, OperationFailed
from rollproof.health import HealthSource, PowerState
from rollproof.images import ImageVersion

REMEMBERED = 256  # keys of done commands; a late repetition of an older one is not expected


@frozen
class Sight:
    """What can be seen of an instance without asking its application."""

    power_state: PowerState
    """Whether its server runs."""
    boot: str
    """Tells one start of the server from the next."""
    booted_at: int | None
    """When it was started, in milliseconds since the Unix epoch; None when it is stopped."""
    version: str | None
    """Image version the running server was started from (S9): "image@version" where that
    is another image than the model's, which no version of this one equals (R1.5)."""
    disk: str
    """Name of the OS disk."""
    provisioned: bool | None
    """None while that is open."""


@frozen(kw_only=True)
class Machine:
    """One instance of a local fleet."""

    id: str
    """Its id."""
    home: Home
    """Its folder."""
    address: str
    """Where its server listens."""
    port: int
    """And at which port."""
    images: ImageStore
    """Where disks come from."""
    image: str
    """Name of the image."""
    steps: tuple[Step, ...]
    """What runs on a new disk."""
    source: HealthSource | None
    """Where its health comes from."""
    grace: float
    """Seconds a server has to end after SIGTERM."""

    def create(self, version: ImageVersion) -> None:
        """Give the instance its first disk, unless it has one, and have it run."""
        self.home.make()
        with locked(self.home.lock):
            if pointed(self.home.os) is None:
                point(self.home.os, self._disk(f"create {version}", version))
            self._boot()
            disks.prune(self.home)

    def replace(
        self, key: str, version: ImageVersion, admit: Callable[[], None] = lambda: None
    ) -> None:
        """The law of `Provider.replace`. Raises NotFound, AddressInUse, OSError.

        `admit` is called before anything is changed, and may raise to prevent it.
        """
        with locked(self.home.lock):
            current = disks.stamp(pointed(self.home.os))
            if current is None or current.key != key:
                if key in self._spent():
                    return  # done, and superseded since
                admit()
                disks.keep_current(self.home)
                disk = self._disk(key, version)
                process.power_off(self.home, self.grace)
                point(self.home.os, disk)
            self._finish(key)

    def restore(self, key: str, undoes: str) -> None:
        """The law of `Provider.restore`. Raises OperationFailed, AddressInUse, OSError."""
        with locked(self.home.lock):
            if key in self._spent():
                return
            current = disks.stamp(pointed(self.home.os))
            if current is not None and current.key == undoes:
                previous = pointed(self.home.previous)
                # Of disks one is kept: what was restored has none that was before it.
                if previous in (None, pointed(self.home.os)):
                    raise OperationFailed(self.id, disks.why_gone(self.home))
                process.power_off(self.home, self.grace)
                point(self.home.os, previous)
            self._finish(undoes, key)

    def sweep(self, keep: timedelta) -> disks.Removed | None:
        """Remove the previous disk if it was kept so long; which it was."""
        with locked(self.home.lock):
            removed = disks.expire(self.home, keep, datetime.now(UTC))
            disks.prune(self.home)  # also what an earlier sweep was cut off from
        return removed

    def see(self) -> Sight:
        """The instance as it is now."""
        running = process.server(self.home)
        disk = _disk_under(self.home, running) if running else None
        mark = disks.stamp(disk)
        link = pointed(self.home.os)
        shown = disk or link
        return Sight(
            power_state=PowerState.RUNNING if running else PowerState.STOPPED,
            boot=f"{running.pid} {running.create_time()}" if running else "",
            booted_at=round(1000 * running.create_time()) if running else None,
            version=self._seen_version(mark),
            disk=shown.name if shown else "",
            provisioned=provisioned(shown, self.steps),
        )

    def _seen_version(self, mark: disks.Stamp | None) -> str | None:
        if mark is None or mark.image == self.image:
            return mark.version if mark else None
        return f"{mark.image}@{mark.version}"

    def up_to_date(self) -> bool:
        """Whether its disk was set up by the latest model (R2.3)."""
        return set_up_by(pointed(self.home.os), self.steps)

    def _disk(self, key: str, version: ImageVersion) -> Path:
        content = self.images.path(self.image, version)
        return disks.make(self.home, content, disks.Stamp(self.image, str(version), key))

    def _finish(self, *keys: str) -> None:
        self._boot()
        disks.prune(self.home)
        # Last: a command whose key is spent is never looked at again.
        write_json(self.home.spent, [*self._spent(), *keys][-REMEMBERED:])

    def _spent(self) -> list[str]:
        spent: list[str] = read_json(self.home.spent, [])
        return spent

    def _boot(self) -> None:
        """Have the server run from the current disk, and the disk provisioned.

        A server that ends at once is a matter of health, not of the command.
        """
        disk = self.home.os.resolve(strict=True)
        mark = disks.stamp(disk)
        environment = {
            "ROLLPROOF_INSTANCE": self.id,
            "ROLLPROOF_ADDRESS": self.address,
            "ROLLPROOF_PORT": str(self.port),
            "ROLLPROOF_DATA_DIR": str(self.home.data),
            "ROLLPROOF_IMAGE_VERSION": mark.version if mark else "",
            "ROLLPROOF_PYTHON": sys.executable,
            **reporting.told(self.source, disk, self.address),
        }
        running = process.server(self.home)
        if running is None or _disk_under(self.home, running) != disk:
            process.power_off(self.home, self.grace)  # workers and scripts of a dead server
            if not free(self.address, self.port):
                raise AddressInUse(f"{self.address}:{self.port}")
            reporting.clear(self.source, disk)
            process.start(self.home, disk, environment)
        else:
            process.record(self.home, running)  # the one who started it may not have got there
        provision(self.home, disk, self.steps, environment)


def _disk_under(home: Home, running: psutil.Process) -> Path | None:
    """The disk a process was started on; None when that cannot be read."""
    try:
        inside = Path(running.cwd()).relative_to(home.disks)
    except (psutil.Error, ValueError):
        return None
    return home.disks / inside.parts[0] if inside.parts else None
