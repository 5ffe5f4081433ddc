"""Body of `verify`: the evidence, and what it means for a policy (N1, N4)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click

from rollproof.cli.missing import the_checks
from rollproof.cli.output import answer
from rollproof.cli.program import Options

with the_checks("verify"):
    from rollproof_checks import verify as kit
    from rollproof_checks.verify import reports, words
    from rollproof_checks.verify.policy import SIZES
    from rollproof_checks.verify.verification import worst


@attrs.frozen
class Asked:
    """A policy, and the fleet that it is for."""

    file: Path
    instances: int | None
    """None: several sizes, in short."""
    rollback: bool | None
    zones: int
    unhealthy: int
    protected: int
    tolerate: int

    def answers(self) -> tuple[kit.PolicyVerdict, ...]:
        """One for each size."""
        if self.instances is None and self.unhealthy + self.protected + self.tolerate:
            raise click.UsageError("numbers of instances need the size: give --instances, too.")
        sizes = SIZES if self.instances is None else (self.instances,)
        terms = attrs.asdict(self, filter=attrs.filters.exclude("file", "instances"))
        return tuple(kit.verify_policy(self.file, size, **terms) for size in sizes)


def verify(
    options: Options, *, policy: Path | None, no_cache: bool, junit: Path | None, **asked: Any
) -> int:
    """Verify rollproof itself, or a policy on the proofs alone."""
    if policy is None:
        _only_with_policy(asked)
        layers, answers = tuple(kit.Layer), NONE
    else:
        layers, answers = (kit.Layer.PROVE,), Asked(policy, **asked).answers()
    with the_checks("verify"), _watching(options) as watch:
        processes = None if len(layers) > 1 else 1
        proofs = kit.verify(layers, cache=not no_cache, processes=processes, progress=watch)
    verdict = worst((proofs.verdict, *(each.verdict for each in answers)))
    if junit is not None:
        _write(junit, proofs, answers)
    value = {
        "verdict": verdict.value,
        "verification": reports.verification_json(proofs),
        "policies": [reports.policy_json(each) for each in answers],
    }
    answer(options, value, _text(proofs, answers))
    return verdict.exit_code


NONE: tuple[kit.PolicyVerdict, ...] = ()


def _only_with_policy(asked: dict[str, Any]) -> None:
    """Refuse what says nothing without a policy."""
    silent = {"instances": None, "rollback": None, "zones": 1}
    for name, value in asked.items():
        if value != silent.get(name, 0):
            raise click.UsageError(f"--{name} is about a policy: name it with --policy FILE.")


def _text(proofs: kit.Verification, answers: Sequence[kit.PolicyVerdict]) -> str:
    if not answers:
        return words.verification_text(proofs)
    text = words.policy_text(answers[0]) if len(answers) == 1 else words.policies_text(answers)
    return f"{text}\n{_resting(proofs)}"


def _resting(proofs: kit.Verification) -> str:
    """Whether the properties hold that the figures take for granted."""
    if proofs.verdict is kit.Verdict.PROVED:
        return f"The {len(proofs.checks)} properties they rest on are PROVED."
    return words.verification_text(proofs)


def _write(file: Path, proofs: kit.Verification, answers: Sequence[kit.PolicyVerdict]) -> None:
    """Write the report that was asked for; whatever the verdict."""
    cases = list(reports.verification_cases(proofs))
    for each in answers:
        cases += reports.policy_cases(each, words.policy_text(each))
    file.write_text(reports.junit(cases), encoding="utf-8")


@contextmanager
def _watching(options: Options) -> Iterator[Callable[[kit.Advance], None]]:
    """A bar for whoever waits at a terminal; nothing anywhere else."""
    if options.json or not sys.stderr.isatty():
        yield lambda _advance: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("verifying", total=None)
        yield lambda a: bar.update(line, total=a.of, completed=a.done, description=a.name)
