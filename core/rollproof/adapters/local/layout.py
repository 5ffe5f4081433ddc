"""Where everything of a local fleet lies on disk; it changes by rename alone.

<root>/<scale set>/
    fleet.json                      the declared instances
    instances/<id>/
        disks/os-<hash of key>/     OS disks: the current and the previous one
        os, previous                links to them
        past/os-<hash of key>/      what disks that are gone said of themselves
        gone.json                   when and why the previous disk was removed
        data/                       the data disk; nothing here ever touches it
        process.json                [pid, create time] of the server
        spent.json                  keys of the commands that are done
        health.json                 what is remembered of its health
        console.log                 what the server wrote
        lock                        held by whoever commands the instance

A reader sees a file or a link as it was or as it will be, never in between, so no
reader takes the lock. Nothing is flushed to the storage device: what has to survive is
the kill of a controller; after a power cut every server is down anyway.
"""

from pathlib import Path

from attrs import frozen


@frozen
class Home:
    """The folder of one instance."""

    path: Path
    """Absolute, so that it names the instance in a process's environment too."""

    @property
    def disks(self) -> Path:
        """Folder of the OS disks."""
        return self.path / "disks"

    @property
    def os(self) -> Path:
        """Link to the current OS disk."""
        return self.path / "os"

    @property
    def previous(self) -> Path:
        """Link to the OS disk that a restore brings back."""
        return self.path / "previous"

    @property
    def past(self) -> Path:
        """Folder of what disks that are gone said of themselves."""
        return self.path / "past"

    @property
    def gone(self) -> Path:
        """When and why the previous disk was removed; counts while there is no other."""
        return self.path / "gone.json"

    @property
    def data(self) -> Path:
        """The data disk."""
        return self.path / "data"

    @property
    def process(self) -> Path:
        """Record of the server process."""
        return self.path / "process.json"

    @property
    def spent(self) -> Path:
        """Keys of the commands that are done, oldest first."""
        return self.path / "spent.json"

    @property
    def health(self) -> Path:
        """What is remembered of its health."""
        return self.path / "health.json"

    @property
    def console(self) -> Path:
        """Output of the server."""
        return self.path / "console.log"

    @property
    def lock(self) -> Path:
        """File whose lock admits one command at a time."""
        return self.path / "lock"

    def make(self) -> None:
        """Make the folder with an empty data disk, where they are missing."""
        for folder in (self.disks, self.data):
            folder.mkdir(parents=True, exist_ok=True)


@frozen
class Grounds:
    """The folder of one scale set."""

    path: Path
    """Absolute."""

    @property
    def roster(self) -> Path:
        """The declared instances."""
        return self.path / "fleet.json"

    @property
    def lock(self) -> Path:
        """File whose lock admits one change of the declared instances at a time."""
        return self.path / "lock"

    def home(self, instance: str) -> Home:
        """The folder of one instance."""
        return Home(self.path / "instances" / instance)

    def homes(self) -> list[Home]:
        """The instance folders there are, declared or left over."""
        folder = self.path / "instances"
        return [Home(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
