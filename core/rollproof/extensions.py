"""Extensions: what runs on a new OS disk, and in which order (R1.2)."""

import heapq
from collections.abc import Iterator
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter

from attrs import field, frozen

from rollproof.bounds import duration, text, texts
from rollproof.errors import InvalidFields, Problem, closest
from rollproof.validation import Declared, declare, names_borne_twice

_NAME = text(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "1 to 64 of the characters A-Z a-z 0-9 . _ -, a letter or digit first",
    "agent",
)
# What a system can pass to a program: no NUL, and nothing UTF-8 cannot carry.
_ARGUMENT = text(r"[^\x00\ud800-\udfff]*", "text without NUL", "--verbose")


@frozen(kw_only=True)
class Extension(Declared):
    """One program that sets up an instance after its OS disk was replaced."""

    name: str = field(metadata=declare(_NAME, "Name, unique in the scale set.", "R1.2"))
    command: tuple[str, ...] = field(
        metadata=declare(
            texts(1, _ARGUMENT, "a program and its arguments", '["install-agent"]'),
            "Program and arguments; no shell reads them.",
            "R1.2",
        )
    )
    provision_after: tuple[str, ...] = field(
        default=(),
        metadata=declare(
            texts(0, _NAME, "names of extensions of the same scale set", "[]"),
            "Extensions that must have succeeded before.",
            "R1.2",
        ),
    )
    timeout: timedelta = field(
        default=timedelta(minutes=5),
        metadata=declare(
            duration(more_than=timedelta(0), at_most=timedelta(days=1)), "Longest run."
        ),
    )


def _problem(position: int, value: str, bound: str, fix: str) -> Problem:
    place = f"extensions[{position}].provision_after"
    return Problem(field=place, value=value, bound=bound, requirement="R1.2", fix=fix)


def extension_problems(extensions: tuple[Extension, ...]) -> Iterator[Problem]:
    """Names borne twice, names not defined, and the first cycle."""
    yield from names_borne_twice("extensions", extensions, "R1.2")
    places = {each.name: place for place, each in enumerate(extensions)}
    for position, extension in enumerate(extensions):
        for required in extension.provision_after:
            if required not in places:
                near = closest(required, tuple(places))
                fix = f'Did you mean "{near}"?' if near else "Define it, or remove it here."
                bound = "an extension of this scale set"
                yield _problem(position, repr(required), bound, fix)
    if cycle := _cycle(extensions):
        yield _problem(
            places[cycle[0]],
            " after ".join(cycle),
            "no cycle",
            "Remove one of them from a provision_after.",
        )


def _cycle(extensions: tuple[Extension, ...]) -> list[str]:
    """A cycle, each name to be provisioned after the next; [] when there is none."""
    graph = {extension.name: extension.provision_after for extension in extensions}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        before_to_after: list[str] = error.args[1]
        return before_to_after[::-1]
    return []


def provisioning_order(extensions: tuple[Extension, ...]) -> tuple[Extension, ...]:
    """The order to run them in: each after all of its `provision_after` (R1.2).

    Of those that are free to run, the one declared first comes first. Raises
    InvalidFields when the names are not unique, not defined or form a cycle.
    """
    if problems := tuple(extension_problems(extensions)):
        raise InvalidFields(problems)
    position = {extension.name: index for index, extension in enumerate(extensions)}
    sorter = TopologicalSorter(
        {extension.name: extension.provision_after for extension in extensions}
    )
    sorter.prepare()
    free: list[int] = []
    order = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(free, position[name])
        first = extensions[heapq.heappop(free)]
        order.append(first)
        sorter.done(first.name)
    return tuple(order)
