"""The roster: which instances a local fleet is declared to have (R1.1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import asdict, evolve, frozen

from rollproof.adapters.files import locked, read_json, write_json
from rollproof.adapters.local.addresses import choose
from rollproof.adapters.local.layout import Grounds
from rollproof.errors import UnknownInstance

FAULT_DOMAINS = 3


@frozen(kw_only=True)
class Member:
    """One declared instance."""

    id: str
    """Never used again after its instance was removed."""
    zone: str
    """Availability zone, "" when there are none."""
    update_domain: str
    """Domain that is updated together, "" when there are none."""
    fault_domain: str
    """Domain that fails together."""
    address: str
    """Loopback address of its server."""
    protected: bool = False
    """Whether it must not be upgraded."""


@frozen(kw_only=True)
class Roster:
    """The declared instances and how more of them are spread."""

    zones: int
    """Number of zones, 0 for none."""
    update_domains: int
    """Number of update domains, 0 for none."""
    next: int = 0
    """Id of the next instance."""
    members: tuple[Member, ...] = ()
    """The instances, in the order they were added."""

    def grown(self, count: int, folder: Path, port: int) -> "Roster":
        """The roster with more instances. Raises AddressInUse."""
        taken = {member.address for member in self.members}
        addresses = choose(folder, count, port, taken)
        added = (self._member(self.next + n, address) for n, address in enumerate(addresses))
        return evolve(self, next=self.next + count, members=(*self.members, *added))

    def _member(self, number: int, address: str) -> Member:
        """Zones take turns, and so do the domains."""
        return Member(
            id=str(number),
            zone=str(1 + number % self.zones) if self.zones else "",
            update_domain=str(number % self.update_domains) if self.update_domains else "",
            fault_domain=str(number % FAULT_DOMAINS),
            address=address,
        )

    def member(self, instance: str) -> Member:
        """The instance of this id. Raises UnknownInstance."""
        for member in self.members:
            if member.id == instance:
                return member
        raise UnknownInstance(instance, tuple(member.id for member in self.members))

    def without(self, instance: str) -> "Roster":
        """The roster after the instance was removed."""
        kept = tuple(member for member in self.members if member.id != instance)
        return evolve(self, members=kept)

    def protecting(self, instance: str, protected: bool) -> "Roster":
        """The roster with the instance protected, or no longer. Raises UnknownInstance."""
        self.member(instance)
        members = (
            evolve(member, protected=protected) if member.id == instance else member
            for member in self.members
        )
        return evolve(self, members=tuple(members))


def load(grounds: Grounds) -> Roster | None:
    """The roster as written; None when the fleet was never created."""
    found = read_json(grounds.roster, None)
    if found is None:
        return None
    members = tuple(Member(**member) for member in found.pop("members"))
    return Roster(**found, members=members)


def save(grounds: Grounds, roster: Roster) -> None:
    """Write the roster. Callers hold its lock."""
    write_json(grounds.roster, asdict(roster))


@contextmanager
def changing(grounds: Grounds) -> Iterator[Roster | None]:
    """The roster, kept from others who would change it."""
    with locked(grounds.lock):
        yield load(grounds)
