"""A scale set of real processes, for tests that act on the local fleet itself."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rollproof.adapters.clock import wall_clock
from rollproof.adapters.local import LocalFleet, process, write_sample_image
from rollproof.adapters.local.layout import Home
from rollproof.adapters.local.marks import bearing
from rollproof.adapters.store import ImageStore
from rollproof.fleet import Extension, Health, Instance, ScaleSet
from rollproof.health import HttpProbe
from rollproof.images import ImageReference, ImageVersion

V1, V2, V3 = (ImageVersion.parse(text) for text in ("1.0.0", "1.1.0", "1.2.0"))
BROKEN = ImageVersion.parse("6.6.6")
DEAD = ImageVersion.parse("6.6.7")
SECONDS = 20.0  # longest wait for anything


def published(folder: Path) -> ImageStore:
    """A store with three versions of the sample image, one broken and one that is dead."""
    store = ImageStore(folder / "store")
    for version in (V1, V2, V3, BROKEN):
        source = write_sample_image(
            folder / str(version),
            version,
            schemas=(1, 2, 3) if version == V1 else (1, 2),
            broken=version == BROKEN,
        )
        store.publish("web-os", version, source)
    dead = folder / "dead" / "bin" / "start"
    dead.parent.mkdir(parents=True)
    dead.write_text("#!/no/such/interpreter\n")
    dead.chmod(0o755)
    store.publish("web-os", DEAD, folder / "dead")
    return store


class Ground:
    """Where one test keeps its fleets, and how it makes objects that look at them."""

    def __init__(self, folder: Path, images: ImageStore) -> None:
        self.folder = folder
        self.images = images
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.made: list[LocalFleet] = []

    @property
    def root(self) -> Path:
        return self.folder / "fleets"

    def probe(self) -> HttpProbe:
        return HttpProbe(port=self.port, path="/health")

    def scale_set(self, **fields: object) -> ScaleSet:
        given = {"health": self.probe(), **fields}
        reference = ImageReference(image="web-os")
        return ScaleSet(name="web", image_reference=reference, **given)  # type: ignore[arg-type]

    def fleet(
        self, grace: float = 5.0, clock: Callable[[], int] = wall_clock, **fields: object
    ) -> LocalFleet:
        fleet = LocalFleet(
            self.root,
            self.scale_set(**fields),
            self.images,
            folder=self.folder,
            grace=grace,
            clock=clock,
        )
        self.made.append(fleet)
        return fleet

    def home(self, instance: str) -> Home:
        return Home(self.root / "web" / "instances" / instance)

    def pids(self, instance: str | None = None) -> set[int]:
        """The processes of an instance, or of all."""
        folder = self.root if instance is None else self.home(instance).path
        return {found.pid for found in bearing(folder)}

    def disks(self, instance: str) -> int:
        return len(list(self.home(instance).disks.iterdir()))


@contextmanager
def standing(folder: Path, images: ImageStore) -> Iterator[Ground]:
    """A ground, and none of its processes afterwards."""
    ground = Ground(folder.resolve(), images)
    try:
        yield ground
    finally:
        process.end(ground.root, 0.0)
        for fleet in ground.made:
            asyncio.run(fleet.aclose())


async def see(fleet: LocalFleet, instance: str) -> Instance:
    """The instance as it is now."""
    (seen,) = await fleet.observe(instance)
    return seen


async def until(fleet: LocalFleet, instance: str, health: Health) -> Instance:
    """The instance, once it has this health."""
    deadline = time.monotonic() + SECONDS
    while (seen := await see(fleet, instance)).health is not health:
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.01)
    return seen


def scenario(main: Callable[[], Awaitable[None]]) -> None:
    """Play it, within bounds."""

    async def bounded() -> None:
        async with asyncio.timeout(4 * SECONDS):
            await main()

    asyncio.run(bounded())


def script(
    name: str, after: tuple[str, ...] = (), seconds: float = 60, text: str = ""
) -> Extension:
    """An extension that notes on the OS disk and the data disk that it ran, then does more."""
    note = f'echo {name} | tee -a ran >> "$ROLLPROOF_DATA_DIR/ran"; {text}'
    return Extension(
        name=name,
        command=("/bin/sh", "-c", note),
        provision_after=after,
        timeout=timedelta(seconds=seconds),
    )
