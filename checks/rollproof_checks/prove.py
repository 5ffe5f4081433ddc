"""Prove every property of the table by induction, for every fleet and every policy.

``python -m rollproof_checks.prove [--seed N] [--no-cache] [--json]`` ends with 0 when
everything is PROVED, 1 when something is REFUTED, 3 when something is UNDETERMINED; 2 is
a misused command line.

The budget of a question is counted in the solver's own steps and not in seconds, so that
a slow machine proves what a fast one does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, Final

import attrs
from platformdirs import user_cache_path

import rollproof
import rollproof_spec
from rollproof.counts import PHASES, Counts, Limits
from rollproof.states import State
from rollproof.table import TABLE, Row
from rollproof_checks.extra import brought
from rollproof_checks.verdicts import Counterexample, Obligation, Report, Verdict, after
from rollproof_spec.properties import PROPERTIES, Kind, Property

with brought():
    import z3

    from rollproof_checks.obligations import Goal, Question, questions

BUDGET: Final = 5_000_000
"""Solver steps a question may take; for the shipped table 10,000 are enough."""

SIZES: Final = (1, 2, 4, 8, 16, 40, 100)
"""Fleets among which a counterexample is looked for first: small ones are readable."""

SAMPLES: Final = (5, 20, 34, 50, 100)
"""Percentages tried one by one where unknown ones were too hard."""


def prove(
    rows: Sequence[Row] = TABLE,
    properties: Sequence[Property] = PROPERTIES,
    *,
    only: Container[str] | None = None,
    seed: int = 0,
    budget: int = BUDGET,
) -> Report:
    """Answer every obligation of ``properties`` about ``rows``.

    ``only`` names rows and leaves the steps of all others out: for a table that differs
    from a proved one in these rows alone.
    """
    start = time.perf_counter()
    z3.set_param("sat.random_seed", seed)
    z3.set_param("smt.random_seed", seed)
    found: list[Obligation] = []
    settled: Counter[str] = Counter()
    solver, given, sound = z3.Solver(), None, z3.unknown
    for question in questions(rows, properties, only):
        if question.given is not given:
            solver, given = z3.Solver(), question.given
            solver.set("random_seed", seed)
            solver.set("rlimit", budget)
            solver.add(*given)
            sound = solver.check()
        settled.update(question.settled)
        if sound != z3.sat:
            reason = "the invariants contradict each other here, or the budget is too small"
            found += [
                _obligation(question, goal, Verdict.UNDETERMINED, reason=reason)
                for goal in question.goals
            ]
            continue
        solver.push()
        solver.add(question.guard)
        found += _answer(solver, question, rows)
        solver.pop()
    seconds = round(time.perf_counter() - start, 3)
    return Report(obligations=tuple(found), settled=settled, seed=seed, seconds=seconds)


def _answer(solver: z3.Solver, question: Question, rows: Sequence[Row]) -> Iterator[Obligation]:
    """All goals at once, and one by one where that fails."""
    if not question.goals:
        return
    start = time.perf_counter()
    together = z3.Not(z3.And([goal.claim for goal in question.goals]))
    if solver.check(together) == z3.unsat:
        each = (time.perf_counter() - start) / len(question.goals)
        for goal in question.goals:
            yield _obligation(question, goal, Verdict.PROVED, seconds=each)
        return
    for goal in question.goals:
        start = time.perf_counter()
        outcome = solver.check(z3.Not(goal.claim))
        if outcome == z3.unsat:
            seconds = time.perf_counter() - start
            yield _obligation(question, goal, Verdict.PROVED, seconds=seconds)
            continue
        reason = solver.reason_unknown() if outcome == z3.unknown else ""
        example = _counterexample(solver, question, goal, rows)
        if example is not None:
            verdict, reason = Verdict.REFUTED, ""
        else:
            verdict = Verdict.UNDETERMINED
            reason = reason or "the solver's counterexample does not replay on integers"
        seconds = time.perf_counter() - start
        yield _obligation(
            question, goal, verdict, seconds=seconds, example=example, reason=reason
        )


def _obligation(
    question: Question,
    goal: Goal,
    verdict: Verdict,
    *,
    seconds: float = 0.0,
    example: Counterexample | None = None,
    reason: str = "",
) -> Obligation:
    return Obligation(
        of=goal.prop.name,
        state=question.state,
        row=question.row.name if question.row else None,
        verdict=verdict,
        seconds=round(seconds, 6),
        counterexample=example,
        reason=reason,
    )


# -- counterexamples --------------------------------------------------------------------


def _counterexample(
    solver: z3.Solver, question: Question, goal: Goal, rows: Sequence[Row]
) -> Counterexample | None:
    """A small one if there is one; none if no model of the solver replays."""
    fleet = z3.Sum([z3.Int(phase) for phase in PHASES])
    percents = [z3.Int(name) for name in Limits._fields[:3]]
    searches: list[list[z3.BoolRef]] = [
        *([fleet <= size, z3.Int("cap") <= size] for size in SIZES),
        [],
        *(
            [percent == given for percent, given in zip(percents, sample, strict=True)]
            for sample in product(SAMPLES, repeat=3)
        ),
    ]
    for search in searches:
        if solver.check(z3.Not(goal.claim), *search) == z3.sat:
            return _replay(solver.model(), question, goal, rows)
    return None


def _replay(
    model: z3.ModelRef, question: Question, goal: Goal, rows: Sequence[Row]
) -> Counterexample | None:
    """The model on plain integers, through the very functions that run."""

    def value(name: str) -> int:
        return int(str(model.eval(z3.Int(name), model_completion=True)))

    c = Counts(*(value(name) for name in Counts._fields))
    p = Limits(*(value(name) for name in Limits._fields))
    row, state, prop = question.row, question.state, goal.prop
    if row is None:
        around = (rows,) if prop.kind is Kind.TABLE else ()
        holds = prop.holds(*around, state, c, p)
        return None if holds else Counterexample(state=state, counts=c, limits=p)
    c2, state2 = row.after(c, p), after(row, state)
    if prop.kind is Kind.STATE:
        holds = prop.holds(state2, c2, p)
    else:
        holds = prop.holds(row, state, c, p, state2, c2)
    if holds or not row.enabled(c, p):
        return None
    return Counterexample(
        state=state, counts=c, limits=p, row=row.name, state_after=state2, counts_after=c2
    )


# -- what is known already --------------------------------------------------------------


def digest(seed: int) -> str:
    """Of everything that the proof of the shipped table depends on."""
    roots = (Path(rollproof.__file__).parent, Path(rollproof_spec.__file__).parent)
    names = ("algebra", "counts", "rules", "states", "table")
    sources = [roots[0] / f"{name}.py" for name in names]
    sources += sorted(roots[1].glob("*.py"))
    sources += [
        Path(__file__).with_name(f"{n}.py") for n in ("obligations", "prove", "verdicts")
    ]
    hashed = hashlib.sha256(f"{z3.get_version_string()} {sys.version} {seed}".encode())
    for source in sources:
        hashed.update(f"\0{source.name}\0".encode() + source.read_bytes())
    return hashed.hexdigest()


def prove_cached(seed: int = 0, folder: Path | None = None) -> Report:
    """`prove` for the shipped table and properties; what was proved of the same sources
    by the same solver is not asked again.  Only a proof is kept.

    A file that is damaged is not believed, and a folder that cannot be written to keeps
    nothing: neither changes what is proved.
    """
    folder = folder or user_cache_path("rollproof") / "prove"
    kept = folder / f"{digest(seed)}.json"
    try:
        report = _read(json.loads(_unsealed(kept.read_bytes())))
    except (OSError, ValueError, KeyError, TypeError):
        report = prove(seed=seed)
        if report.verdict is Verdict.PROVED:
            with suppress(OSError):
                _keep(kept, sealed(json.dumps(attrs.asdict(report))))
    return report


def _keep(kept: Path, content: bytes) -> None:
    """Write it whole or not at all, whoever else does the same."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}.new")
    try:
        fresh.write_bytes(content)
        fresh.replace(kept)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def sealed(text: str) -> bytes:
    """The text under its own digest, so that damage shows."""
    body = text.encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _unsealed(content: bytes) -> bytes:
    seal, _, body = content.partition(b"\n")
    if seal != hashlib.sha256(body).hexdigest().encode():
        raise ValueError("not what was kept")
    return body


def _read(kept: dict[str, Any]) -> Report:
    """A report of proofs alone: anything else is not believed."""
    proofs = tuple(
        Obligation(
            of=str(o["of"]),
            state=State(o["state"]),
            row=o["row"],
            verdict=Verdict(o["verdict"]),
            seconds=float(o["seconds"]),
        )
        for o in kept["obligations"]
    )
    report = Report(
        obligations=proofs,
        settled={str(name): int(times) for name, times in kept["settled"].items()},
        seed=int(kept["seed"]),
        seconds=float(kept["seconds"]),
        cached=True,
    )
    if report.verdict is not Verdict.PROVED:
        raise ValueError("not a proof")
    return report


# -- the command line -------------------------------------------------------------------


def as_json(report: Report) -> dict[str, Any]:
    """The report for machines: one entry for each property, and the failures whole."""
    sizes = _sizes(report)
    return {
        "verdict": report.verdict,
        "seed": report.seed,
        "seconds": report.seconds,
        "cached": report.cached,
        "solver": f"z3 {z3.get_version_string()}",
        "obligations": len(report.obligations),
        "settled": sum(report.settled.values()),
        "properties": [
            {
                "name": p.name,
                "verdict": verdict,
                "obligations": sizes[p.name],
                "why": p.why,
                "requirements": p.requirements,
            }
            for p in PROPERTIES
            if (verdict := report.by_property().get(p.name)) is not None
        ],
        "failures": [{**attrs.asdict(o), "name": o.name} for o in report.failures],
    }


def _sizes(report: Report) -> Counter[str]:
    return Counter(o.of for o in report.obligations)


def _print(report: Report) -> None:
    sizes = _sizes(report)
    ids = {p.name: ", ".join(p.requirements) for p in PROPERTIES}
    for name, verdict in report.by_property().items():
        print(f"{verdict:<12} {name:<20} {sizes[name]:>4}  {ids.get(name, '')}")
    for failure in report.failures:
        print(f"\n{failure.verdict}: {failure.name}")
        print(failure.counterexample or f"  {failure.reason}")
    known = ", known from before" if report.cached else ""
    print(
        f"\n{report.verdict}: {len(report.obligations)} obligations by z3"
        f" {z3.get_version_string()} in {report.seconds:.1f} s, seed {report.seed}{known};"
        f" {sum(report.settled.values())} more need no solver"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m rollproof_checks.prove")
    parser.add_argument("--seed", type=int, default=0, help="of the solver")
    parser.add_argument("--no-cache", action="store_true", help="prove what is known, too")
    parser.add_argument("--json", action="store_true", help="a report for machines")
    asked = parser.parse_args(argv)
    report = prove(seed=asked.seed) if asked.no_cache else prove_cached(asked.seed)
    if asked.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        _print(report)
    return report.verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
