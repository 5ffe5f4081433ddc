"""The scale sets of an installation: what was applied, and the fleets that carry it out."""

from __future__ import annotations

from pathlib import Path

import attrs

from rollproof.adapters.local import LocalFleet
from rollproof.adapters.store import ImageStore
from rollproof.document import Ignores, dumps, load_path, loads
from rollproof.errors import InvalidFields, Problem, UnknownScaleSet
from rollproof.fleet import ScaleSet
from rollproof.host import Home, wall_clock
from rollproof.images import ImageReference
from rollproof.journal import Declared, Journal

PROVIDERS = ("local",)
"""Providers this rollproof has an adapter for."""


def _nobody(_field: str) -> None:
    """Hears of ignored fields, and does nothing."""


@attrs.frozen
class Applied:
    """A scale set as it was last applied."""

    scale_set: ScaleSet
    folder: Path
    """What relative paths in the document begin at."""


class Sets:
    """Reads and records declarations."""

    def __init__(self, home: Home, journal: Journal) -> None:
        self._home = home
        self._journal = journal

    def apply(
        self, document: Path | ScaleSet, onto: str | None = None, ignores: Ignores = _nobody
    ) -> ScaleSet:
        """Record a declaration, in place of an earlier one of the same name; see
        `Installation.apply`."""
        if isinstance(document, ScaleSet):
            scale_set, folder = document, Path.cwd()
        elif onto is None:
            scale_set = load_path(document, ignores=ignores)
            folder = document.absolute().parent
        else:
            edited = self.get(onto)
            scale_set = load_path(document, onto=edited.scale_set, ignores=ignores)
            folder = edited.folder
            _check_name(scale_set, onto)
        _check_provider(scale_set)
        earlier = self._declared().get(scale_set.name)
        if earlier is not None:
            reference = _applied(earlier).scale_set.image_reference
            reference.check_edit(scale_set.image_reference)
        self._journal.declare(scale_set.name, dumps(scale_set), str(folder), wall_clock())
        return scale_set

    def all(self) -> dict[str, Applied]:
        """Every scale set, by name."""
        return {name: _applied(declared) for name, declared in self._declared().items()}

    def get(self, name: str) -> Applied:
        """The scale set of this name.  Raises UnknownScaleSet."""
        known = self._declared()
        if name not in known:
            raise UnknownScaleSet(name, tuple(known))
        return _applied(known[name])

    def _declared(self) -> dict[str, Declared]:
        """Documents that are not read yet: of thousands, mostly one is asked for."""
        return {each.name: each for each in self._journal.declared()}

    def fleet(self, name: str, image: str = "") -> LocalFleet:
        """The provider of a scale set; `aclose` it.  ``image`` is that of a run, which the
        model may have left since (R1.5).  Raises UnknownScaleSet."""
        applied = self.get(name)
        scale_set = applied.scale_set
        if image:
            reference = ImageReference.named(image, scale_set.image_reference.version)
            scale_set = attrs.evolve(scale_set, image_reference=reference)
        return LocalFleet(
            self._home.fleets,
            scale_set,
            ImageStore(self._home.images),
            folder=applied.folder,
        )


def _applied(declared: Declared) -> Applied:
    return Applied(loads(declared.document, path=declared.name), Path(declared.folder))


def _check_name(scale_set: ScaleSet, onto: str) -> None:
    if scale_set.name != onto:
        problem = Problem(
            field="name",
            value=repr(scale_set.name),
            bound=f"{onto!r}, for that one is edited, or left out",
            requirement="R2.4",
            fix="Leave it out, or apply the whole document as another set.",
        )
        raise InvalidFields((problem,))


def _check_provider(scale_set: ScaleSet) -> None:
    if scale_set.provider not in PROVIDERS:
        problem = Problem(
            field="provider",
            value=repr(scale_set.provider),
            bound=" or ".join(repr(known) for known in PROVIDERS),
            fix="This version of rollproof has no other adapter.",
        )
        raise InvalidFields((problem,))
