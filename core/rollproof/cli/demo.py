"""`make demo`: real processes are upgraded, and a broken image is stopped.

Nothing is staged but the images: each step is a command that a user could type, carried
out by the same code, and what was announced is checked against the processes themselves.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from rollproof.adapters.local import process, set_schema, write_sample_image
from rollproof.adapters.local.marks import bearing
from rollproof.cli import asking, declaring, imaging, local, past, running
from rollproof.cli.program import INTERRUPTED, Options, leave
from rollproof.errors import ExitCode, NothingRunning, RollproofError, UnknownScaleSet
from rollproof.images import ImageVersion
from rollproof.installation import Installation, Shape
from rollproof.states import Cause
from rollproof.status import RunningStatus, RunStatus

SET = "web"
ODD_ONE = "8"
"""The instance that cannot run 1.1.0; it stands in the last zone."""
INSTANCES = 12
DOCUMENT = """\
name = "web"

[image_reference]
image = "web-os"

[health]
kind = "http"
port = 8080
path = "/health"
interval = "PT0.2S"   # short, for a demo; 5 s are the default

[timeouts]
health = "PT3S"       # short, for a demo; 5 min are the default (R4.3)
"""


class Broken(Exception):
    """Something was not as announced."""


class Interrupted(Exception):
    """A signal ended the demo."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Demo:
    """The demo in one folder that is removed afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = Options(home=folder / "home")

    def play(self) -> None:
        """Everything, in order.  Raises Broken, Interrupted."""
        self.prepare()
        self.upgrade()
        self.stop_a_broken_image()
        self.look_back()

    def prepare(self) -> None:
        """Images, a document, a fleet."""
        say(f"12 web servers in 3 zones, real processes on this machine, in {self.folder}")
        document = self.folder / "set.toml"
        document.write_text(DOCUMENT)
        self.command(
            "rollproof apply set.toml", lambda: declaring.apply(self.options, document)
        )
        click.echo("".join(f"    {line}\n" for line in DOCUMENT.splitlines()), nl=False)
        say(
            "Three versions of an image.  1.0.0 reads data of schema 1 to 3, 1.1.0 only 1 and "
            "2; 1.2.0 is broken: it starts, and is never healthy."
        )
        self.publish("1.0.0", schemas=(1, 2, 3))
        self.publish("1.1.0", schemas=(1, 2))
        self.publish("1.2.0", schemas=(1, 2), broken=True)
        self.command(
            "rollproof local create web --instances 12 --zones 3 --version 1.0.0",
            lambda: local.create(self.options, SET, Shape(instances=INSTANCES), "1.0.0"),
        )
        say(f"The data disk of instance {ODD_ONE} gets schema 3.  Nobody tells rollproof.")
        set_schema(self.data(ODD_ONE), 3)

    def publish(self, version: str, *, schemas: tuple[int, ...], broken: bool = False) -> None:
        """Write a version of the sample image and publish it."""
        source = self.folder / f"image-{version}"
        write_sample_image(source, ImageVersion.parse(version), schemas=schemas, broken=broken)
        self.command(
            f"rollproof image publish web-os {version} image-{version}",
            lambda: imaging.publish(self.options, "web-os", version, source),
        )

    def upgrade(self) -> None:
        """To 1.1.0: all but one, which gets its old disk back."""
        say("What will happen, before anything is touched:")
        self.command(
            "rollproof plan web --to 1.1.0 --rollback",
            lambda: asking.plan(self.options, SET, "1.1.0", rollback=True),
        )
        say(
            f"Expected: 11 instances upgraded; instance {ODD_ONE} fails in the last batch and "
            "gets its old disk back.  1 failure in 12 is within the threshold of 20 %."
        )
        status = self.run("1.1.0", ExitCode.COMPLETED)
        check(status.running_status is RunningStatus.COMPLETED, "the run completed")
        check(status.progress.successful == INSTANCES - 1, "11 instances were upgraded")
        check(status.rollback_info.successfully_rolledback == 1, "1 got its old disk back")
        self.expect_versions({"1.1.0": INSTANCES - 1, "1.0.0": 1})
        self.expect_data()

    def stop_a_broken_image(self) -> None:
        """To 1.2.0: stopped after its first batch."""
        say(
            "Now the broken 1.2.0.  Expected: its first batch of 2 fails, which is more than "
            "20 % of those touched; the run stops there, and both get their old disk back."
        )
        status = self.run("1.2.0", ExitCode.STOPPED)
        check(status.cause is Cause.UPGRADED_UNHEALTHY, "a threshold stopped the run (R4.4)")
        check(status.batches == 1, "after its first batch")
        check(status.rollback_info.successfully_rolledback == 2, "2 got their old disk back")
        self.expect_versions({"1.1.0": INSTANCES - 1, "1.0.0": 1})
        self.expect_data()

    def look_back(self) -> None:
        """The history, and the fleet as it is."""
        self.command("rollproof local list", lambda: local.list_(self.options))
        self.command("rollproof history web", lambda: past.history(self.options, SET))
        self.command("rollproof status web", lambda: asking.status(self.options, SET))

    def run(self, to: str, expected: ExitCode) -> RunStatus:
        """`rollproof run`, and the status it left."""
        code = self.command(
            f"rollproof run web --to {to} --rollback",
            lambda: running.run(self.options, SET, to, rollback=True),
        )
        if code > INTERRUPTED:
            raise Interrupted(code - INTERRUPTED)
        check(code == expected, f"its exit code is {expected.value}")
        with Installation(self.options.place) as here:
            status = here.status(SET)
        assert status is not None, "the run has just ended"
        return status

    def command(self, line: str, body: Callable[[], int]) -> int:
        """Show a command and carry it out."""
        click.secho(f"$ {line}", bold=True)
        return body()

    def expect_versions(self, expected: dict[str, int]) -> None:
        """Ask the processes themselves which version they run, and whether all is well."""
        with Installation(self.options.place) as here:
            (view,) = here.list_local()
        seen = [instance.version or "?" for instance in view.instances.values()]
        found = {version: seen.count(version) for version in set(seen)}
        words = " and ".join(f"{n} on {version}" for version, n in sorted(expected.items()))
        check(found == expected, f"the fleet was seen with {words}")
        check(view.healthy == INSTANCES, "all 12 are healthy")

    def expect_data(self) -> None:
        """No upgrade touches a data disk (R1.2)."""
        kept = (self.data(ODD_ONE) / "schema").read_text().strip() == "3"
        check(kept, f"the data disk of instance {ODD_ONE} is as it was")

    def data(self, instance: str) -> Path:
        """The data disk of an instance."""
        return self.options.place / "fleets" / SET / "instances" / instance / "data"

    def clean_up(self) -> None:
        """End every process, whatever happened, and remove the folder."""
        with contextlib.suppress(RollproofError), Installation(self.options.place) as here:
            with contextlib.suppress(NothingRunning, UnknownScaleSet):
                here.cancel(SET, force=True)
            here.destroy_local(SET)
        process.end(self.folder, 0.0)
        left = list(bearing(self.folder))
        shutil.rmtree(self.folder)
        check(not left, "no process and no file is left")


def say(text: str) -> None:
    """Narrate."""
    click.echo()
    click.echo(click.wrap_text(text, 80))


def check(holds: bool, what: str) -> None:
    """What was announced must be so.  Raises Broken."""
    click.secho(f"  {'ok' if holds else 'NOT SO'}: {what}", fg="green" if holds else "red")
    if not holds:
        raise Broken(what)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise Interrupted, where no run takes care of them."""

    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # cleaning up is not interrupted


def main() -> int:
    """Play the demo; 0 only if all of it went as announced."""
    began = time.monotonic()
    demo = Demo(Path(tempfile.mkdtemp(prefix="rollproof-demo-")).resolve())
    try:
        with _signals():
            demo.play()
        code = 0
    except Interrupted as why:
        click.echo("\ninterrupted; cleaning up")
        code = INTERRUPTED + why.number
    except (Broken, RollproofError) as why:
        click.echo(f"rollproof: the demo went wrong: {why}", err=True)
        code = 1
    finally:
        demo.clean_up()
    if code == 0:
        say(f"All went as announced, in {time.monotonic() - began:.0f} s.")
    return code


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a stream, here
    leave(main())
