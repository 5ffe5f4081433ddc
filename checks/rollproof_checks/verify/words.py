"""What was found, for people: within 80 columns, the verdict first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rollproof.counts import Limits, pending
from rollproof.states import Cause
from rollproof_checks.verdicts import Verdict
from rollproof_checks.verify.figures import Fleet
from rollproof_checks.verify.imagine import Imagined
from rollproof_checks.verify.policy import WAITS, Figure, Finding, PolicyVerdict, Severity
from rollproof_checks.verify.verification import CLAIMS, Layer, Verification

WIDTH: Final = 80
LABEL: Final = 20
"""Columns of the questions, beside which the answers stand."""

HEADS: Final = {
    Layer.PROVE: "proved by induction, for every fleet and every policy",
    Layer.EXPLORE: "explored: every state of small fleets, every row taken",
    Layer.CONFORM: "conformed: what ships does what the table says, on the smallest fleets",
}

NAMED: Final = 6
"""Instances that are named; of more the number is given."""

HEAD, TAIL = 16, 8
"""Lines of a long way that are printed."""


# -- of rollproof itself -------------------------------------------------------------------


def verification_text(found: Verification) -> str:
    """The table of all checks, the failures, and the verdict."""
    ids = {claim.name: ", ".join(claim.requirements) for claim in CLAIMS}
    lines = []
    for layer in Layer:
        if found.of(layer):
            lines.append(HEADS[layer])
        width = max((len(check.name) for check in found.of(layer)), default=0)
        for check in found.of(layer):
            row = f"  {check.verdict:<8}  {check.name:<{width}}  {check.scale:<22}  "
            lines += _beside(row, ids.get(check.name, ""), len(row)) or [row.rstrip()]
    for check in found.failures:
        lines += ["", f"{check.verdict}: {check.layer} {check.name}", check.failure]
    if found.untested:
        lines += ["", *_wrap(f"never put to the test: {', '.join(found.untested)}")]
    known = "; proofs known from before, --no-cache repeats them" if found.cached else ""
    lines.append(f"{found.verdict}: {len(found.checks)} checks, {found.seconds:.1f} s{known}")
    return "\n".join(lines)


# -- of a policy -----------------------------------------------------------------------------


def policy_text(found: PolicyVerdict) -> str:
    """The answers for one fleet."""
    lines = [*_wrap(_heading(found)), ""]
    for finding in found.findings:
        label = finding.severity.value
        lines += _beside(label.upper() if label != "note" else label, finding.text)
    if found.findings:
        lines.append("")
    for question, answer in _answers(found):
        lines += _beside(question, answer)
    if found.counterexample is not None:
        lines += ["", *_way(found)]
    lines += ["", *_wrap(_conclusion(found))]
    return "\n".join(lines)


COLUMNS: Final = (
    *("instances", "down", "tolerates", "at best", "breaks", "at worst", "lasts"),
)
MEANINGS: Final = (
    "down: instances at once, because of the run.  tolerates: failures that stop no run, "
    "wherever they fall; at best: where they fall last.  breaks: what an image breaks on "
    "which nothing works; at worst: one that works at first.  lasts: at most, whatever fails."
)


def policies_text(found: Sequence[PolicyVerdict]) -> str:
    """A line for each size of the fleet."""
    rows = [COLUMNS, *map(_figures, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        (
            *_wrap(f"{found[0].scale_set}: {_terms(found[0])}"),
            "",
            *("  ".join(map(str.rjust, row, widths)) for row in rows),
            "",
            *_wrap(MEANINGS),
            *(line for each in _waits(found[0]) for line in _wrap(f"Note: {each.text}.")),
            *_wrap("Give --instances for all that is known of one size."),
        )
    )


def _figures(found: PolicyVerdict) -> tuple[str, ...]:
    """The line of one size; the bounds, where they are not exact."""
    bounds = (found.down.proved, found.tolerates, found.survives.proved)
    told = (found.fleet.instances, *bounds, found.useless, found.broken.proved)
    cells = ("?" if number is None else f"{number}" for number in told)
    return (*cells, _span(found.duration.limit))


def _heading(found: PolicyVerdict) -> str:
    return f"{found.scale_set}, {_fleet(found.fleet, found.zones)}: {_terms(found)}"


def _fleet(fleet: Fleet, zones: int) -> str:
    ill = fleet.unhealthy + fleet.protected_unhealthy
    alone = fleet.protected + fleet.protected_unhealthy
    parts = [
        _number(fleet.instances, "instance"),
        f"in {zones} zones" if zones > 1 else "",
        f"({ill} unhealthy)" if ill else "",
        f"({alone} protected)" if alone else "",
    ]
    return " ".join(part for part in parts if part)


def _terms(found: PolicyVerdict) -> str:
    limits = found.limits
    back = "rollback" if limits.rollback else "no rollback"
    return (
        f"batches of {limits.max_batch} %, {limits.max_unhealthy} % may be unhealthy and "
        f"{limits.max_unhealthy_upgraded} % of the attempted lost, {back}"
    )


def _answers(found: PolicyVerdict) -> Iterator[tuple[str, str]]:
    """Question and answer."""
    size, duration = found.fleet.instances, found.duration
    if not found.finishes:
        yield "Can it finish?", "No: it ends before it has touched anything."
        return
    if not found.starts:
        yield "Can it finish?", "It has nothing to do."
        return
    yield "Can it finish?", "Yes, if nothing fails; so can every fleet that may begin."
    yield "Failures tolerated", f"{_tolerated(found)} {_survived(found)}"
    left = "A batch may leave none healthy."
    if found.healthy:
        left = f"No batch begins that would leave fewer than {found.healthy} of {size} healthy."
    yield "Down at once", f"at most {_figure(found.down)}, because of the run. {left}"
    useless = f"{found.useless} before the run stops if nothing works on it, and at most "
    alike = found.broken.exact and found.broken.shown == found.useless
    worst = "before the run stops" if alike else "if it works at first"
    yield (
        "A bad image",
        f"breaks {'at most ' if alike else useless}{_figure(found.broken)} {worst}. What falls "
        "ill after it was seen healthy comes on top: no rule can know.",
    )
    well = f"; {_span(duration.longest)} if nothing does"
    more = well if duration.longest < duration.limit else ""
    beside = ", not counting the waits above" if _waits(found) else ""
    most = f"{_span(duration.limit)}, whatever fails{beside}"
    yield "It lasts", f"at most {most}{more}."


def _waits(found: PolicyVerdict) -> list[Finding]:
    """What a run waits for that is in nobody's figures."""
    return [each for each in found.findings if each.name in WAITS]


def _tolerated(found: PolicyVerdict) -> str:
    """The worst places."""
    if found.tolerates is None:
        return "UNDETERMINED: the solver gave up."
    if found.counterexample is None:
        return "Any number."
    stop = f"{found.failures} can stop it, as below."
    if found.tolerates == 0:
        return f"None: {stop}"
    return f"Any {found.tolerates}, wherever they fall; {stop}"


def _survived(found: PolicyVerdict) -> str:
    """The best places."""
    if found.counterexample is None:
        return ""
    if found.survives.shown == 0:
        return "No place is safe for one."
    return f"At best {_figure(found.survives)}, where they fall last."


def _figure(figure: Figure) -> str:
    if figure.exact:
        return str(figure.shown)
    if figure.proved is None:
        return f"{figure.shown} (seen; UNDETERMINED how many there can be)"
    return f"{figure.proved} (proved; {figure.shown} is the most that was found)"


def _conclusion(found: PolicyVerdict) -> str:
    verdict = found.verdict
    if verdict is Verdict.REFUTED:
        return "REFUTED: the policy is refused for this fleet."
    if verdict is Verdict.UNDETERMINED:
        return "UNDETERMINED: the solver gave up on a figure; that is no pass."
    warned = sum(each.severity is Severity.WARNING for each in found.findings)
    told = f", with {_number(warned, 'warning')}" if warned else ""
    return f"PROVED{told}: every bound above, for this policy and this fleet."


# -- the way to a stop ---------------------------------------------------------------------


def _way(found: PolicyVerdict) -> list[str]:
    """The rows of a run that stops, in their order, with the instances they move."""
    run = found.counterexample
    assert run is not None, "asked for one that there is"
    failures = _number(run.lost, "failure")
    title = f"How {failures} stop{'s' * (run.lost == 1)} it" if run.lost else "How it ends"
    lines = [
        line
        for row, told in _stations(run, found.limits)
        for line in _beside(f"  {row:<24} ", told, 27)
    ]
    if len(lines) > HEAD + TAIL:
        left = len(lines) - HEAD - TAIL
        lines = [*lines[:HEAD], f"  ... {left} more", *lines[-TAIL:]]
    return [f"{title} (the rows that moved an instance; --json has all):", *lines]


def _stations(run: Imagined, limits: Limits[int]) -> Iterator[tuple[str, str]]:
    percent = {
        Cause.FLEET_UNHEALTHY: limits.max_unhealthy,
        Cause.UPGRADED_UNHEALTHY: limits.max_unhealthy_upgraded,
    }
    for row, moves in groupby(run.taken, key=lambda taken: taken[0]):
        names = [name for _, name in moves if name]
        told = ", ".join(names) if len(names) <= NAMED else _number(len(names), "instance")
        if row == run.stopped_by:
            told = f"{run.numbers}, {percent[run.cause]} % may be"
        elif row == "end":
            left = _number(pending(run.counts), "instance")
            told = f"{run.state} ({run.cause.name.lower()}), {left} not upgraded"
        yield row, told


# -- text ----------------------------------------------------------------------------------


def _span(milliseconds: int) -> str:
    from rollproof.installation.reasons import span  # which brings the local fleet along

    return span(milliseconds)


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _beside(label: str, text: str, column: int = LABEL) -> list[str]:
    """The label, and the text in its own column."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=label.ljust(column),
        subsequent_indent=" " * column,
        break_long_words=False,
        break_on_hyphens=False,
    )
