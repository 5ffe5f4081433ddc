"""Listeners: objects with methods that are called while an upgrade goes on.

A listener is any object.  Of its methods these are called, plain or ``async``, in this
order; ``<row>`` is the name of a row and ``<state>`` is ``idle``, ``rolling_forward``...
If any is ``async``, those on one line run concurrently.

    before_transition, before_<row>     the counts are those before the row
    on_exit_state, on_exit_<state>      only if the row has a target
    on_transition, on_<row>             while the counts change
    on_enter_state, on_enter_<state>    only if the row has a target
    after_<row>, after_transition       the counts are those after the row

A method names the parameters that it wants, by keyword:

    event           name of the row, a `str`
    row             the `rollproof.table.Row`: its actor, its why
    source, target  `statemachine.State`, whose ``value`` is a `rollproof.states.State`;
                    the target is None if the run stays where it is
    model           the `rollproof.lifecycle.Position` between two rows: ``model.counts``
    run             the `rollproof.run.Run` once all rows of the event are taken
    at              the time of the event, in milliseconds since the Unix epoch

and any other that python-statemachine injects (``state``, ``transition``, ``machine``).

A listener that raises an `Exception` does not stop the upgrade: the error is logged, and
the other methods are called.  `rollproof.lifecycle` does the calling.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from inspect import Parameter, isawaitable, iscoroutinefunction, signature
from typing import Final

from rollproof.states import State
from rollproof.table import TABLE, Row

Method = Callable[..., object]

_log: Final = logging.getLogger(__name__)


def state_id(state: State) -> str:
    """The name of a state within the names of methods."""
    return state.name.lower()


def methods_for(row: Row) -> frozenset[str]:
    """Names of the methods that hear of ``row``."""
    names = {f"{w}_{x}" for w in ("before", "on", "after") for x in ("transition", row.name)}
    if row.target is not None:
        names |= {"on_exit_state", "on_enter_state", f"on_enter_{state_id(row.target)}"}
        names |= {f"on_exit_{state_id(source)}" for source in row.sources}
    return frozenset(names)


METHODS: Final = frozenset[str]().union(*map(methods_for, TABLE))
"""Names of all methods.  The library calls more, and starts threads for some of them."""


def shielded(listener: object) -> Mapping[str, Method]:
    """The methods that ``listener`` has, by name; what they raise is logged.

    They take keywords only and pass on those that the listener's method names.  All of
    them bear one of two names, for the library remembers by its name whether a method is
    ``async``, and would take a listener of one module for its namesake in another.
    """
    found = {name: getattr(listener, name, None) for name in METHODS}
    return {name: _shield(method) for name, method in found.items() if callable(method)}


def _shield(method: Method) -> Method:
    parameters = signature(method).parameters.values()
    everything = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
    wanted = {each.name for each in parameters}

    def call(injected: dict[str, object]) -> object:
        return method(**{k: v for k, v in injected.items() if everything or k in wanted})

    def plainly(**injected: object) -> None:
        try:
            call(injected)
        except Exception:
            _complain(method, injected)

    async def asynchronously(**injected: object) -> None:
        try:
            answer = call(injected)
            assert isawaitable(answer)
            await answer
        except Exception:
            _complain(method, injected)

    return asynchronously if iscoroutinefunction(method) else plainly


def _complain(method: Method, injected: dict[str, object]) -> None:
    _log.exception("%r raised at row %s; the upgrade goes on", method, injected["event"])
