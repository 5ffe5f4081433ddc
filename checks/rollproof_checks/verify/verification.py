"""`verify`: every layer of evidence that fits into seconds, side by side in processes.

========  ==================================================================
prove     every property, for every fleet and every policy (cached by content)
feasible  every healthy fleet can be upgraded, whatever its policy
explore   every state of the standard models, every row taken, every twin met
conform   the shipped step refines the table, on the smallest fleets
========  ==================================================================

``python -m rollproof_checks.explore`` and ``... .conform`` go further.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from enum import StrEnum
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Final

import attrs

from rollproof_checks.prove import prove, prove_cached
from rollproof_checks.verdicts import Report, Verdict
from rollproof_checks.verify.feasible import FeasibleProp, prove_feasible
from rollproof_spec.properties import PROPERTIES
from rollproof_spec.vocabulary import Property

if TYPE_CHECKING:
    from rollproof_checks.conform import Setting
    from rollproof_checks.explore import Model


CLAIMS: Final[tuple[Property, ...]] = (*PROPERTIES, FeasibleProp)
"""What is proved, in order."""


class Layer(StrEnum):
    """A kind of evidence."""

    PROVE = "prove"
    EXPLORE = "explore"
    CONFORM = "conform"


@attrs.frozen(kw_only=True)
class Check:
    """One claim, with what it came to."""

    layer: Layer
    name: str
    """A property, a model of the explorer, or a fleet of the conformance."""
    verdict: Verdict
    scale: str
    """How much was looked at: "40 obligations", "13,193 states"."""
    seconds: float
    failure: str = ""
    """The counterexample, or why nobody can say; empty when PROVED."""
    tested: tuple[str, ...] = ()
    """Properties that a model put to the test: their twins were met there."""


@attrs.frozen(kw_only=True)
class Verification:
    """All checks."""

    checks: tuple[Check, ...]
    seconds: float
    cached: bool
    """Whether the proofs were known from before."""

    @property
    def verdict(self) -> Verdict:
        """The worst; nothing checked is UNDETERMINED, and a property that nothing put to
        the test REFUTED."""
        found = worst(check.verdict for check in self.checks)
        return Verdict.REFUTED if self.untested else found

    @property
    def failures(self) -> tuple[Check, ...]:
        """Whatever is not PROVED."""
        return tuple(c for c in self.checks if c.verdict is not Verdict.PROVED)

    def of(self, layer: Layer) -> tuple[Check, ...]:
        """The checks of one layer."""
        return tuple(check for check in self.checks if check.layer is layer)

    @property
    def untested(self) -> tuple[str, ...]:
        """Properties of which no model met the twin, so that they may hold for nothing.
        Of a search that broke off nobody can say."""
        if {check.verdict for check in self.of(Layer.EXPLORE)} != {Verdict.PROVED}:
            return ()
        met = {name for check in self.checks for name in check.tested}
        return tuple(p.name for p in PROPERTIES if p.name not in met)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """REFUTED before UNDETERMINED before PROVED; of nothing UNDETERMINED."""
    seen = set(verdicts)
    for verdict in (Verdict.REFUTED, Verdict.UNDETERMINED, Verdict.PROVED):
        if verdict in seen:
            return verdict
    return Verdict.UNDETERMINED


@attrs.frozen(kw_only=True)
class Advance:
    """How far a verification has come."""

    done: int
    of: int
    name: str
    """What was just done."""


@attrs.frozen
class _Errand:
    """What one process is asked for."""

    layer: Layer
    name: str
    cache: bool = True


Result = tuple[tuple[Check, ...], bool]
"""The checks of one errand, and whether they were known from before."""


def _errands(layers: Collection[Layer], cache: bool) -> list[_Errand]:
    """Everything to be done, the longest first, so that no process is left waiting."""
    asked = []
    if Layer.PROVE in layers:
        asked.append(_Errand(Layer.PROVE, "properties", cache))
    if Layer.EXPLORE in layers:
        asked += [_Errand(Layer.EXPLORE, name) for name in _models()]
    if Layer.CONFORM in layers:
        asked += [_Errand(Layer.CONFORM, name) for name in _settings()]
    if Layer.PROVE in layers:
        asked.append(_Errand(Layer.PROVE, FeasibleProp.name))
    return asked


# Imported where they are asked for: whoever verifies a policy needs no numpy.


def _models() -> dict[str, Model]:
    from rollproof_checks.explore.standard import STANDARD

    return {model.name: model for model in STANDARD}


def _settings() -> dict[str, Setting]:
    from rollproof_checks.conform import QUICK

    return {setting.name: setting for setting in QUICK.settings}


def verify(
    layers: Collection[Layer] = tuple(Layer),
    *,
    cache: bool = True,
    processes: int | None = None,
    progress: Callable[[Advance], None] = lambda _advance: None,
) -> Verification:
    """Check the shipped table and the shipped step, by the layers asked for.

    Without ``cache`` what was proved before is proved again.  ``processes``: how many work
    at once, by default as many as there are processors, at most four; 1 stays in this one.
    """
    began = time.perf_counter()
    asked = _errands(layers, cache)
    found: dict[_Errand, Result] = {}
    for errand, result in _answered(asked, processes or min(4, os.cpu_count() or 1)):
        found[errand] = result
        name = f"{errand.layer} {errand.name}"
        progress(Advance(done=len(found), of=len(asked), name=name))
    order = {claim.name: place for place, claim in enumerate(CLAIMS)}
    checks = [check for errand in asked for check in found[errand][0]]
    checks.sort(key=lambda c: (list(Layer).index(c.layer), order.get(c.name, 0)))
    return Verification(
        checks=tuple(checks),
        seconds=round(time.perf_counter() - began, 3),
        cached=any(cached for _, cached in found.values()),
    )


def _answered(asked: list[_Errand], processes: int) -> Iterator[tuple[_Errand, Result]]:
    if processes == 1:
        for errand in asked:
            yield errand, _run(errand)
        return
    # Not forked: a caller's threads, and a solver in use, do not survive that.
    with ProcessPoolExecutor(processes, get_context("spawn"), _serve) as pool:
        futures: dict[Future[Result], _Errand] = {pool.submit(_run, e): e for e in asked}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _serve() -> None:
    """What a process does first: see to it that it goes at an interrupt from the keyboard,
    without a word, and when its parent goes, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_go_with_the_parent, daemon=True).start()


def _go_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(errand: _Errand) -> Result:
    """The checks of one errand, and whether they were known from before."""
    match errand.layer:
        case Layer.EXPLORE:
            return (_explored(_models()[errand.name]),), False
        case Layer.CONFORM:
            return (_conformed(errand.name),), False
        case Layer.PROVE if errand.name == FeasibleProp.name:
            report = prove_feasible()
            return tuple(_proved(report, (FeasibleProp,))), False
        case Layer.PROVE:
            report = prove_cached() if errand.cache else prove()
            return tuple(_proved(report, PROPERTIES)), report.cached


def _proved(report: Report, properties: Iterable[Property]) -> Iterator[Check]:
    verdicts = report.by_property()
    for claim in properties:
        own = [o for o in report.obligations if o.of == claim.name]
        failed = [o for o in own if o.verdict is not Verdict.PROVED]
        words = (f"{o.name}: {o.counterexample or o.reason}" for o in failed)
        settled = report.settled.get(claim.name, 0)
        yield Check(
            layer=Layer.PROVE,
            name=claim.name,
            verdict=verdicts.get(claim.name, Verdict.UNDETERMINED),
            scale=f"{len(own)} obligations" if own else f"{settled} by its rows' shape",
            seconds=round(sum(o.seconds for o in own), 3),
            failure="\n".join(words),
        )


def _explored(model: Model) -> Check:
    from rollproof_checks.explore import explore

    found = explore(model)
    words = [str(found.counterexample or found.stopped)] if found.stopped else []
    words += [f"row never taken: {name}" for name in found.uncovered]
    words += [f"property never put to the test: {name}" for name in found.untested]
    waived = {p.name for p in PROPERTIES if model.waived(p.name)}
    complete = found.verdict is Verdict.PROVED
    return Check(
        layer=Layer.EXPLORE,
        name=model.name,
        verdict=found.verdict,
        scale=f"{found.states:,} states, {found.transitions:,} steps",
        seconds=found.seconds,
        failure="\n".join(words),
        tested=tuple(p.name for p in PROPERTIES if complete and p.name not in waived),
    )


def _conformed(name: str) -> Check:
    from rollproof_checks.conform import QUICK, conform

    found = conform(attrs.evolve(QUICK, name="verify", settings=(_settings()[name],)))
    words = "" if found.divergence is None else str(found.divergence)
    if found.gave_up:
        words = f"{found.gave_up}: more runs than can be kept"
    return Check(
        layer=Layer.CONFORM,
        name=name,
        verdict=found.verdict,
        scale=f"{found.runs:,} runs, {found.steps:,} events",
        seconds=found.seconds,
        failure=words,
    )
