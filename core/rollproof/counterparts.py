"""What the fields of a scale set resource are in a document of ours (R2.4).

The law
=======
* What may change what an upgrade does is read, or refused; it is never passed over.
* What cannot is ignored, and told.
* Where the two forms have another default, the template's counts; where it is not certain
  what somebody meant by leaving a field out, the document is refused.
* As there, keys are read in any case, and so are the words of a choice; "20" is a number
  and "true" is true.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from attrs import evolve, frozen

from rollproof.attachments import read_extensions, read_load_balancer_probe
from rollproof.bounds import shown
from rollproof.draft import Draft
from rollproof.errors import InvalidFields, Problem
from rollproof.images import LATEST
from rollproof.policy import RollingUpgradePolicy
from rollproof.reading import write_table
from rollproof.template import TYPE, Part, Reading, Table, is_of, scale_set_in

_UPGRADE = "properties.upgradePolicy"
_ROLLING = f"{_UPGRADE}.rollingUpgradePolicy"
_AUTOMATIC = f"{_UPGRADE}.automaticOSUpgradePolicy"
_PROFILE = "properties.virtualMachineProfile"
_IMAGE = f"{_PROFILE}.storageProfile.imageReference"
_WINDOWS = f"{_PROFILE}.osProfile.windowsConfiguration"

_GALLERY = re.compile(
    r"(?:.*/)?(?:shared|community)?galleries/[^/]+/images/([^/]+)(?:/versions/([^/]+))?",
    re.IGNORECASE,
)

COUNTERPARTS: Final[Mapping[str, str]] = {
    "name": "name",
    "location": "location",
    "apiVersion": "api_version",
    "properties.singlePlacementGroup": "single_placement_group",
    f"{_UPGRADE}.mode": "upgrade_policy.mode",
    **{
        f"{_ROLLING}.{field}": f"upgrade_policy.rolling_upgrade_policy.{own}"
        for field, own in (
            ("maxBatchInstancePercent", "max_batch_instance_percent"),
            ("maxUnhealthyInstancePercent", "max_unhealthy_instance_percent"),
            ("maxUnhealthyUpgradedInstancePercent", "max_unhealthy_upgraded_instance_percent"),
            ("pauseTimeBetweenBatches", "pause_time_between_batches"),
            ("enableCrossZoneUpgrade", "enable_cross_zone_upgrade"),
            ("prioritizeUnhealthyInstances", "prioritize_unhealthy_instances"),
            (
                "rollbackFailedInstancesOnPolicyBreach",
                "rollback_failed_instances_on_policy_breach",
            ),
        )
    },
    **{
        f"{_AUTOMATIC}.{field}": f"upgrade_policy.automatic_os_upgrade_policy.{own}"
        for field, own in (
            ("enableAutomaticOSUpgrade", "enable_automatic_os_upgrade"),
            ("disableAutomaticRollback", "disable_automatic_rollback"),
            ("useRollingUpgradePolicy", "use_rolling_upgrade_policy"),
            ("osRollingUpgradeDeferral", "os_rolling_upgrade_deferral"),
        )
    },
    **{
        f"{_IMAGE}.{each}": f"image_reference.{each}"
        for each in ("publisher", "offer", "sku", "version")
    },
    f"{_PROFILE}.storageProfile.osDisk.osType": "os_type",
    f"{_WINDOWS}.enableAutomaticUpdates": "enable_automatic_updates",
}
"""Fields that say what a key of ours says, in the same words."""

WHOLLY_READ: Final = frozenset({_UPGRADE, _ROLLING, _AUTOMATIC, _IMAGE})
"""Tables of which every key means something here, so that one unknown is a slip."""

_SECTIONS: Final = {own: theirs for theirs, own in COUNTERPARTS.items()} | {
    "image_reference": _IMAGE
}


@frozen
class Translated:
    """A document of ours, and where each of its keys came from."""

    table: dict[str, object]
    """As `rollproof.reading.read_table` takes it; what was not said is left out."""
    ignored: tuple[str, ...]
    """Fields that change no upgrade."""
    problems: tuple[Problem, ...]
    """Of the translation.  Reading the table may find more."""
    _places: Mapping[str, str]
    _prefix: str

    def all_problems(self, found: InvalidFields) -> tuple[Problem, ...]:
        """Those of the translation, and those found in the table, in the template's words;
        of a field that has one already, no other."""
        told = tuple(problem.field for problem in self.problems)
        more = map(self._in_its_words, found.problems)
        return self.problems + tuple(
            each for each in more if not any(_within(field, each.field) for field in told)
        )

    def _in_its_words(self, problem: Problem) -> Problem:
        fix = problem.fix
        if problem.value == "missing" and problem.field in ("name", "image_reference"):
            fix = "Write it; a part of a set is for `rollproof apply --onto SET`."
        return evolve(problem, field=self._place(problem.field), fix=fix)

    def _place(self, key: str) -> str:
        """The field that a key of ours came from, or that it would come from."""
        if key in self._places:
            return self._places[key]
        return f"{self._prefix}{_SECTIONS[key]}" if key in _SECTIONS else key


def _within(field: str, place: str) -> bool:
    """Whether a field is a place or stands in it."""
    return field == place or field.startswith((f"{place}.", f"{place}["))


def translate(document: Table, *, whole: bool = True) -> Translated:
    """What a template, a resource, or a part of one says.  Of a ``whole`` one, what was left
    out means what it means there.

    Raises InvalidFields when a template has not one scale set.
    """
    found = scale_set_in(document)
    reading, draft = Reading(found), Draft()
    _read(Part(reading, found.resource, found.place.rstrip(".")), "", reading, draft)
    _read_children(reading, draft)
    if whole:
        _say_defaults(reading, draft)
    return Translated(
        draft.table(),
        tuple(reading.ignored),
        tuple(reading.problems),
        draft.places,
        found.place,
    )


# -- how it is read


def _read(part: Part, path: str, reading: Reading, draft: Draft) -> None:
    """Every field below a path, and what is left of its table."""
    names = _CHILDREN[path]
    for name in names:
        place = f"{path}.{name}".lstrip(".")
        if place in _READERS:
            if part.has(name):
                _READERS[place](part, name, reading, draft)
        elif place in COUNTERPARTS:
            if (value := part.said(name)) is not None:
                draft.put(COUNTERPARTS[place], value, part.at(name))
        else:
            if place == _WINDOWS and part.has(name):
                draft.put("os_type", "Windows", part.at(name))
            _read(part.part(name), place, reading, draft)
    part.rest(names, wholly=path in WHOLLY_READ)


def _type(part: Part, name: str, reading: Reading, _draft: Draft) -> None:
    if (found := part.text(name)).lower() != TYPE.lower():
        reading.tell(part.at(name), shown(found), TYPE, "Hand in a scale set.")


def _copy(part: Part, name: str, reading: Reading, _draft: Draft) -> None:
    part.said(name)
    fix = "Write each of the sets by itself."
    reading.tell(part.at(name), "several resources", "left out: one scale set", fix)


def _surge(part: Part, name: str, reading: Reading, _draft: Draft) -> None:
    if str(found := part.said(name)).lower() != "false":
        bound = "false: instances are upgraded in place, and none is made beside them"
        reading.tell(part.at(name), shown(found), bound, "Leave it out.", "R1.2")


def _gallery_image(part: Part, name: str, reading: Reading, draft: Draft) -> None:
    place, identity = part.at(name), part.text(name)
    if match := _GALLERY.fullmatch(identity):
        draft.put("image_reference.image", match[1], place)
        draft.put("image_reference.version", match[2] or LATEST, place)
    elif identity:
        bound = "the id of an image, or of a version of one, in a gallery"
        fix = "Put the image into a gallery: no other custom image is supported."
        reading.tell(place, shown(identity), bound, fix, "R3.2")


def _custom_data(part: Part, name: str, reading: Reading, _draft: Draft) -> None:
    if part.said(name):
        bound = "left out: custom data is a file beside a document of ours"
        fix = "Name the file by custom_data in such a document, or leave it out."
        reading.tell(part.at(name), "given", bound, fix, "R1.2")  # it may hold secrets


def _probe(part: Part, name: str, reading: Reading, draft: Draft) -> None:
    read_load_balancer_probe(part.part(name), reading, draft)


def _extensions(part: Part, name: str, reading: Reading, draft: Draft) -> None:
    read_extensions(part.parts(name), reading, draft)


def _ignore(part: Part, name: str, reading: Reading, _draft: Draft) -> None:
    part.said(name)
    reading.ignored.append(part.at(name))


def _children(part: Part, name: str, reading: Reading, draft: Draft) -> None:
    for child in part.parts(name):
        if child.text("type").lower() in ("extensions", f"{TYPE}/extensions".lower()):
            read_extensions([child], reading, draft)
        else:
            reading.ignored.append(child.place)


def _read_children(reading: Reading, draft: Draft) -> None:
    """Extensions that a template lists as resources of their own."""
    for place, resource in reading.found.beside.items():
        if is_of(resource, f"{TYPE}/extensions"):
            child = Part(reading, resource, place)
            child.said("type")
            read_extensions([child], reading, draft)


_READERS: Final[Mapping[str, Callable[[Part, str, Reading, Draft], None]]] = {
    "type": _type,
    "copy": _copy,
    f"{_ROLLING}.maxSurge": _surge,
    f"{_IMAGE}.id": _gallery_image,
    f"{_IMAGE}.sharedGalleryImageId": _gallery_image,
    f"{_IMAGE}.communityGalleryImageId": _gallery_image,
    f"{_IMAGE}.exactVersion": _ignore,
    f"{_PROFILE}.osProfile.customData": _custom_data,
    f"{_PROFILE}.networkProfile.healthProbe": _probe,
    f"{_PROFILE}.extensionProfile.extensions": _extensions,
    "resources": _children,
}
"""Fields that are read in a way of their own."""


def _tree() -> dict[str, tuple[str, ...]]:
    """By path, the fields below it that are read or lead to one that is."""
    below: dict[str, dict[str, None]] = {}
    for place in (*COUNTERPARTS, *_READERS):
        path = ""
        for name in place.split("."):
            below.setdefault(path, {})[name] = None
            path = f"{path}.{name}".lstrip(".")
    return {path: tuple(names) for path, names in below.items()}


_CHILDREN: Final = _tree()


def _say_defaults(reading: Reading, draft: Draft) -> None:
    """Write down what a template means by silence, where a document of ours means another
    thing by it."""
    keys, automatic = draft.keys, "upgrade_policy.automatic_os_upgrade_policy"
    place = f"{reading.found.place}{_WINDOWS}.enableAutomaticUpdates"
    if str(keys.get("image_reference.publisher")).lower().startswith("microsoftwindows"):
        keys.setdefault("os_type", "Windows")
    if keys.get("os_type") == "Windows" and "enable_automatic_updates" not in keys:
        draft.put("enable_automatic_updates", True, place)
    rolling = "upgrade_policy.rolling_upgrade_policy."
    defaults = {f"{rolling}{k}": v for k, v in write_table(RollingUpgradePolicy()).items()}
    changed = any(keys.get(key, default) != default for key, default in defaults.items())
    enabled = keys.get(f"{automatic}.enable_automatic_os_upgrade") is True
    if enabled and changed and f"{automatic}.use_rolling_upgrade_policy" not in keys:
        reading.tell(
            f"{reading.found.place}{_AUTOMATIC}.useRollingUpgradePolicy",
            "missing",
            "true or false",
            "Write true for the rollingUpgradePolicy that is there, false for 20 % each: left "
            "out, it does not count for images.",
            "R4.7",
        )
