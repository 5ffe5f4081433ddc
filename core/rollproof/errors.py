"""Everything rollproof raises, in one tree.

RollproofError
 ├ InvalidInput              what was written down breaks a rule; lists every problem
 │  ├ InvalidFields          a value built in Python
 │  └ InvalidDocument        a file: every problem in it at once
 ├ Ineligible                preconditions of a run are not met; lists every one
 ├ NotFound                  a name that nothing bears
 │  ├ UnknownScaleSet
 │  ├ UnknownImage
 │  ├ UnknownImageVersion
 │  ├ UnknownRun
 │  ├ UnknownInstance
 │  ├ UnknownImageSource
 │  ├ NoVersionForLocation   the image exists, but not there, or is kept from being latest
 │  ├ UnsupportedSku         the table of supported platform images does not list it
 │  └ RunPruned              its events were removed
 ├ Conflict                  right in itself, but not now
 │  ├ RunActive
 │  ├ NothingRunning
 │  ├ NothingToRetry
 │  ├ NothingToApprove
 │  ├ AllStopped
 │  ├ NothingToUndo
 │  ├ HomeInUse
 │  ├ ImageVersionExists
 │  ├ ImageSourceExists
 │  └ ListedElsewhere        a version that only its source can change
 ├ IllegalEvent              the run's state does not accept the event; nothing changed
 ├ JournalError
 │  ├ ForeignJournal         the file is not a journal of rollproof
 │  ├ DamagedJournal         it was one
 │  ├ NewerJournal           a newer rollproof wrote it
 │  └ JournalUnwritable
 ├ ProviderError
 │  ├ OperationFailed        it definitely did not happen
 │  │  └ CredentialExpired   nor will it, until a credential is renewed
 │  └ OutcomeUnknown         nobody can say: observe, never assume
 ├ InvalidImage
 ├ SourceUnavailable         a source of images cannot be asked
 ├ AddressInUse
 └ NotInstalled              a part that an extra brings

Each message says what is wrong, why, and what to do. Each class carries the exit code
the command line ends with. Errors are frozen, compare by identity and can be pickled.
"""

import difflib
import enum
import textwrap
from itertools import islice
from typing import ClassVar

from attrs import frozen

WIDTH = 80  # columns a listed problem is wrapped to
COMPARED = 200  # known names a suggestion looks at: a fleet may have a million
LISTED = 8  # known names a message prints when none is close


class ExitCode(enum.IntEnum):
    """How the command line ends. CANCELLED and STOPPED are outcomes of a run."""

    COMPLETED = 0
    """The request, or the run, was carried out."""
    FAILURE = 1
    """An error with no code of its own."""
    INVALID = 2
    """The input breaks a rule or names something that does not exist."""
    CANCELLED = 3
    """The user cancelled the run."""
    STOPPED = 4
    """A threshold or a fault stopped the run."""
    CONFLICT = 5
    """Right in itself, but not now."""
    ENVIRONMENT = 6
    """The journal, the provider or an address gave trouble."""


def closest(name: str, known: tuple[str, ...]) -> str:
    """The known name most like `name`, or "" when none is close."""
    matches = difflib.get_close_matches(name, list(islice(known, COMPARED)), n=1)
    return matches[0] if matches else ""


def _suggestion(name: str, known: tuple[str, ...], otherwise: str) -> str:
    """What to do about an unknown name: the close one, the few known ones, or otherwise."""
    if near := closest(name, known):
        return f"Did you mean {near!r}?"
    if 0 < len(known) <= LISTED:
        return f"Known: {', '.join(known)}."
    return otherwise


@frozen
class Problem:
    """One broken rule: where, what was found, what is allowed and how to mend it."""

    field: str
    """Dotted path of the field, "" for the whole value."""
    value: str
    """What was found, as text."""
    bound: str
    """What is allowed."""
    requirement: str = ""
    """Id of the requirement that sets the bound, such as "R4.7"; "" when none does."""
    fix: str = ""
    """A sentence saying what to do."""

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field else ""
        why = f" ({self.requirement})" if self.requirement else ""
        fix = f" {self.fix}" if self.fix else ""
        return f"{place}{self.value}; allowed: {self.bound}{why}.{fix}"


def _listed(heading: str, problems: tuple[object, ...]) -> str:
    """The heading, then every problem on its own line, wrapped to WIDTH columns."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = (
        textwrap.fill(
            str(problem),
            width=WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for problem in problems
    )
    return "\n".join([f"{heading}: {count}", *lines])


class RollproofError(Exception):
    """Base of all errors that rollproof raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE
    """What the command line ends with."""
    message: ClassVar[str] = ""
    """What is wrong, why and what to do; `e` is the error itself."""

    def __str__(self) -> str:
        return self.message.format(e=self)


@frozen
class InvalidInput(RollproofError):
    """What was written down breaks at least one rule."""

    exit_code = ExitCode.INVALID

    problems: tuple[Problem, ...]
    """Every problem found, in the order of the fields."""

    def __str__(self) -> str:
        return _listed("invalid input", self.problems)


@frozen
class InvalidFields(InvalidInput):
    """A value built in Python has fields outside their bounds."""

    def __str__(self) -> str:
        return _listed("invalid fields", self.problems)


@frozen
class InvalidDocument(InvalidInput):
    """A document does not describe what it should."""

    path: str
    """The file, or the name given to the text."""

    def __str__(self) -> str:
        return _listed(self.path, self.problems)


@frozen
class Violation:
    """One precondition that is not met."""

    code: str
    """The name of the rule: stable, for programs."""
    message: str
    """One sentence, with the values found."""
    requirement: str
    """Id of the requirement that sets the rule."""
    remedy: str
    """A sentence saying what to do."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message} ({self.requirement}). {self.remedy}"


@frozen
class Ineligible(RollproofError):
    """The scale set does not meet the preconditions of a run (R2.2, R2.3, R4.10, R6.1)."""

    exit_code = ExitCode.INVALID

    scale_set: str
    """The scale set."""
    violations: tuple[Violation, ...]
    """Every rule in the way, in the order of the checklist."""

    def __str__(self) -> str:
        return _listed(
            f"scale set {self.scale_set!r} is not eligible, and nothing was touched",
            self.violations,
        )


class NotFound(RollproofError):
    """A name that nothing bears."""

    exit_code = ExitCode.INVALID


@frozen
class UnknownScaleSet(NotFound):
    """No scale set has this name."""

    name: str
    """The name asked for."""
    known: tuple[str, ...] = ()
    """Names that exist, for the suggestion."""

    def __str__(self) -> str:
        todo = _suggestion(self.name, self.known, "List the scale sets to see their names.")
        return f"no scale set is named {self.name!r}. {todo}"


@frozen
class UnknownImage(NotFound):
    """No catalog lists this image."""

    image: str
    """The image asked for."""
    known: tuple[str, ...] = ()
    """Images that exist, for the suggestion."""

    def __str__(self) -> str:
        todo = _suggestion(self.image, self.known, "List the images, or publish it first.")
        return f"no image is named {self.image!r}. {todo}"


@frozen
class UnknownImageVersion(NotFound):
    """The image exists, this version of it does not."""

    image: str
    """The image asked for."""
    version: str
    """The version asked for."""
    known: tuple[str, ...] = ()
    """Versions that exist, for the suggestion."""

    def __str__(self) -> str:
        todo = _suggestion(self.version, self.known, "List the versions of the image.")
        return f"image {self.image!r} has no version {self.version!r}. {todo}"


@frozen
class UnknownRun(NotFound):
    """No run has this id."""

    run: str
    """The run asked for."""
    known: tuple[str, ...] = ()
    """Runs that exist, for the suggestion."""

    def __str__(self) -> str:
        todo = _suggestion(self.run, self.known, "List the history to see the runs.")
        return f"no run has the id {self.run!r}. {todo}"


@frozen
class UnknownInstance(NotFound):
    """No instance has this id."""

    instance: str
    """The instance asked for."""
    known: tuple[str, ...] = ()
    """Instances that exist, for the suggestion."""

    def __str__(self) -> str:
        todo = _suggestion(self.instance, self.known, "List the instances to see their ids.")
        return f"no instance has the id {self.instance!r}. {todo}"


@frozen
class RunPruned(NotFound):
    """The events of the run were removed from the journal."""

    message = (
        "the events of run {e.run!r} were pruned from the journal; its line in the "
        "history is all that is left. Restore an older copy of the journal to see them."
    )

    run: str
    """The run asked for."""


@frozen
class UnknownImageSource(NotFound):
    """No source of images has this name."""

    name: str
    """The name asked for."""
    known: tuple[str, ...] = ()
    """Names that exist, for the suggestion."""

    def __str__(self) -> str:
        todo = _suggestion(self.name, self.known, "List the image sources to see their names.")
        return f"no image source is named {self.name!r}. {todo}"


@frozen
class NoVersionForLocation(NotFound):
    """The image has versions, and none that may be taken at the location (R3.2)."""

    image: str
    """The image asked for."""
    location: str
    """The location, "" for any."""
    why: tuple[str, ...]
    """Why each version will not do, the highest first."""
    offered_in: tuple[str, ...] = ()
    """Locations that have one."""

    def __str__(self) -> str:
        place = f"location {self.location!r}" if self.location else "any location"
        more = len(self.why) - LISTED
        reasons = [*self.why[:LISTED], *([f"and {more} more"] if more > 0 else [])]
        there = f" There is one in {', '.join(self.offered_in)}." if self.offered_in else ""
        return (
            f"image {self.image!r} has no version for {place} (R3.2): {'; '.join(reasons)}."
            f"{there} Replicate one there, or include it again."
        )


@frozen
class UnsupportedSku(NotFound):
    """The table of supported platform images does not list this one (R3.1, R2.2)."""

    image: str
    """The image, as publisher~offer~sku."""
    known: tuple[str, ...] = ()
    """Images that are supported, for the suggestion."""

    def __str__(self) -> str:
        otherwise = "List the supported images, or add its row to the table."
        todo = _suggestion(self.image, self.known, otherwise)
        return f"platform image {self.image!r} is not supported (R3.1). {todo}"


class Conflict(RollproofError):
    """The request is right in itself, but not in the present state."""

    exit_code = ExitCode.CONFLICT


@frozen
class RunActive(Conflict):
    """A scale set has one run at a time (R4.9)."""

    message = (
        "scale set {e.scale_set!r} has run {e.run!r} under way, and one run at a "
        "time is allowed (R4.9). Wait for it to end, or cancel it."
    )

    scale_set: str
    """The scale set."""
    run: str
    """The run under way."""


@frozen
class NothingRunning(Conflict):
    """There is no run to act on (R4.9)."""

    message = (
        "scale set {e.scale_set!r} has no run under way, so there is nothing to act "
        "on (R4.9). Start one first, or look at its history."
    )

    scale_set: str
    """The scale set."""


@frozen
class NothingToRetry(Conflict):
    """No version of the set is denied, or waits to be picked up again (S12)."""

    message = (
        "nothing is held against the versions of scale set {e.scale_set!r}, so there is "
        "nothing to retry (S12). `rollproof due {e.scale_set}` says what it waits for."
    )

    scale_set: str
    """The scale set."""


@frozen
class NothingToApprove(Conflict):
    """The run under way withholds nothing (R4.11)."""

    message = (
        "run {e.run!r} withholds no instance, so there is nothing to approve (R4.11). Look "
        "at its status."
    )

    run: str
    """The run under way."""


@frozen
class AllStopped(Conflict):
    """The stop-all switch is on: no run begins (N6)."""

    message = (
        "all upgrades are stopped since {e.since}, so no run begins (N6). Turn the switch "
        "off with `rollproof stop-all --off`, then repeat."
    )

    since: str
    """When the switch was turned on, ISO 8601 in UTC."""


@frozen
class NothingToUndo(Conflict):
    """A run left nothing that a rollback could take back (N7)."""

    message = (
        "run {e.run!r} left nothing to take back: no instance still has the disk that it "
        "was given, or nobody knows what ran before. Look at its status."
    )

    run: str
    """The run."""


@frozen
class HomeInUse(Conflict):
    """One process at a time owns a home folder."""

    message = (
        "{e.home} is in use by {e.owner}, and one process at a time may own it. "
        "Talk to that process, stop it, or choose another home."
    )

    home: str
    """The folder."""
    pid: int | None = None
    """Id of the process that owns it, None when unknown."""

    @property
    def owner(self) -> str:
        """The owner in words."""
        return "another process" if self.pid is None else f"process {self.pid}"


@frozen
class ImageVersionExists(Conflict):
    """A published image version never changes."""

    message = (
        "image {e.image!r} already has version {e.version!r}, and a published "
        "version never changes. Publish under a higher version."
    )

    image: str
    """The image."""
    version: str
    """The version that exists already."""


@frozen
class ImageSourceExists(Conflict):
    """A source of images has the name already."""

    message = (
        "there is an image source {e.name!r} already, at {e.place}. Remove it first, or "
        "choose another name."
    )

    name: str
    """The name."""
    place: str
    """Where the source of this name is."""


@frozen
class ListedElsewhere(Conflict):
    """The version was not published here, so it cannot be changed here."""

    message = (
        "image {e.image!r} has its version {e.version} from source {e.source!r}, and only "
        "there it can be changed. Change it there, or publish it here."
    )

    image: str
    """The image."""
    version: str
    """The version."""
    source: str
    """The source that lists it."""


@frozen
class IllegalEvent(RollproofError):
    """The state of the run does not accept the event; the run is unchanged."""

    message = (
        "a run in state {e.state} does not accept the event {e.event}; the run is "
        "unchanged. Look at its status before sending another."
    )

    state: str
    """State the run is in, and stays in."""
    event: str
    """Event that was refused."""


class JournalError(RollproofError):
    """The journal cannot be used."""

    exit_code = ExitCode.ENVIRONMENT


@frozen
class ForeignJournal(JournalError):
    """The file was not written by rollproof."""

    message = (
        "{e.path} is not a journal of rollproof: {e.why}. It was left untouched; "
        "choose another home."
    )

    path: str
    """The file."""
    why: str
    """What shows it."""


@frozen
class DamagedJournal(JournalError):
    """The journal was written by rollproof and can no longer be trusted."""

    message = (
        "the journal {e.path} is damaged: {e.why}. It was left untouched; restore "
        "it from a backup, or move it away to begin anew."
    )

    path: str
    """The file."""
    why: str
    """What shows it."""


@frozen
class NewerJournal(JournalError):
    """A newer rollproof wrote the journal."""

    message = (
        "the journal {e.path} has format {e.found}, and this rollproof reads up "
        "to {e.supported}. Upgrade rollproof, or choose another home."
    )

    path: str
    """The file."""
    found: int
    """Format version of the file."""
    supported: int
    """Highest format version this rollproof reads."""


@frozen
class JournalUnwritable(JournalError):
    """The journal cannot be written, so nothing may be done."""

    message = (
        "the journal {e.path} cannot be written: {e.why}. Nothing is done that "
        "cannot be recorded; free space or make it writable, then repeat."
    )

    path: str
    """The file."""
    why: str
    """What the system said: read-only, full."""


class ProviderError(RollproofError):
    """The provider of the instances gave trouble."""

    exit_code = ExitCode.ENVIRONMENT


@frozen
class OperationFailed(ProviderError):
    """The operation definitely did not succeed."""

    message = (
        "the operation on instance {e.instance!r} failed: {e.why}. Mend the cause "
        "and start another run."
    )

    instance: str
    """The instance it was for."""
    why: str
    """What the provider said."""


@frozen
class CredentialExpired(OperationFailed):
    """The operation did not succeed since a credential has expired (R4.10)."""

    message = (
        "the operation on instance {e.instance!r} failed: credential {e.credential!r} has "
        "expired, {e.why}. Renew it, update the model, and start another run."
    )

    credential: str
    """Its name in the model."""


@frozen
class OutcomeUnknown(ProviderError):
    """The operation may have succeeded or not (S9): observe the instance again."""

    message = (
        "the outcome of the operation on instance {e.instance!r} is unknown: "
        "{e.why}. Observe the instance again before anything else."
    )

    instance: str
    """The instance it was for."""
    why: str
    """Why nobody can say."""


@frozen
class InvalidImage(RollproofError):
    """A file cannot serve as an image."""

    message = "{e.path} is not a usable image: {e.why}. Correct it and repeat."

    exit_code = ExitCode.INVALID

    path: str
    """The file or folder."""
    why: str
    """What is wrong with it."""


@frozen
class SourceUnavailable(RollproofError):
    """A source of images cannot be asked, or gives no answer that can be used."""

    message = "image source {e.source!r} cannot be used: {e.why}. Mend that and repeat."

    exit_code = ExitCode.ENVIRONMENT

    source: str
    """Name of the source."""
    why: str
    """What went wrong."""


@frozen
class AddressInUse(RollproofError):
    """Something else listens on the address."""

    message = (
        "{e.address} is in use, and only one server can listen there. Stop the "
        "other, or choose another port."
    )

    exit_code = ExitCode.ENVIRONMENT

    address: str
    """Host and port."""


@frozen
class NotInstalled(RollproofError):
    """What was asked for needs a library that an extra brings."""

    message = (
        "{e.what} needs {e.library}, which is not installed: "
        "pip install 'rollproof[{e.extra}]'."
    )

    exit_code = ExitCode.ENVIRONMENT

    what: str
    """What was asked for."""
    library: str
    """What could not be imported."""
    extra: str
    """The extra that brings it."""
