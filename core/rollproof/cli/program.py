"""What all verbs share: the common options, and how errors leave the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 128
"""Added to the number of the signal that ended a wait."""
HELP = frozenset({"-h", "--help"})
"""What click prints by itself; that nobody reads it to its end is no error."""


@attrs.define
class Options:
    """What was asked for before and after the verb."""

    home: Path | None = None
    json: bool = False

    @property
    def place(self) -> Path:
        """The home: as asked for, or below the user's data directory."""
        if self.home is not None:
            return self.home
        # Not left to click, which would prefer it to an option before the verb.
        if named := os.environ.get("ROLLPROOF_HOME"):
            return Path(named)
        from platformdirs import user_data_path

        return user_data_path("rollproof")


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Note a common option, wherever it stood; one that was not given says nothing."""
    if value:
        setattr(context.ensure_object(Options), parameter.name or "", value)


def common(command: F) -> F:
    """Adds the options that every verb takes, before and after it."""
    home = click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        expose_value=False,
        is_eager=True,
        callback=_keep,
        help="Folder that keeps all state.  [env: ROLLPROOF_HOME]",
    )
    json = click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_keep,
        help="Answer in JSON; docs/command-line.md describes it.",
    )
    return home(json(command))


class PipeBroken(Exception):
    """A pipe that broke, and not that of the output."""


class Program(click.Group):
    """A group whose errors are sentences, with an exit code for each kind."""

    def main(  # type: ignore[override]  # the base has overloads by standalone_mode
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> int:
        """As click's, but every error ends in a message and its code, and the code is
        what a command returns."""
        given = list(sys.argv[1:] if args is None else args)
        # Looked up here because an error in the arguments comes before their parsing.
        options = Options(json="--json" in given)
        try:
            code = super().main(
                given,
                prog_name or "rollproof",
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                obj=Options(),
                **extra,
            )
        except SystemExit:  # click's word for a broken pipe, outside of `invoke`
            code = 0
        except Exception as error:
            from rollproof.cli.faults import report

            code = report(error, as_json=options.json)
        if standalone_mode:
            sys.exit(code or 0)
        return int(code or 0)

    def invoke(self, ctx: click.Context) -> Any:
        """As click's, which would take any pipe that breaks for that of the output, and end
        with 1.  Verbs see to their output themselves, and help pages are click's."""
        arguments = ctx.args
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            if HELP.isdisjoint(arguments):
                raise PipeBroken from error
            raise


def leave(code: int) -> None:
    """End the process; after a signal at once, as a crash would.

    Threads may be in the middle of a command that takes minutes.  What is cut off is
    done again, under the same key, when the run is gone on with.
    """
    if code > INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)
