"""From an exception to a message on stderr and an exit code."""

from __future__ import annotations

import json
import os
import traceback
from typing import Any

import click

from rollproof.cli.missing import MissingExtra
from rollproof.cli.program import PipeBroken
from rollproof.errors import ExitCode, Ineligible, InvalidInput, RollproofError


def report(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong; the exit code."""
    code, name, message = _told(error)
    if as_json:
        told: dict[str, Any] = {"code": name, "message": message, "exit_code": int(code)}
        if isinstance(error, InvalidInput):
            told["problems"] = [
                {
                    "field": each.field,
                    "value": each.value,
                    "allowed": each.bound,
                    "requirement": each.requirement,
                    "fix": each.fix,
                }
                for each in error.problems
            ]
        if isinstance(error, Ineligible):
            told["violations"] = [
                {
                    "code": each.code,
                    "message": each.message,
                    "requirement": each.requirement,
                    "remedy": each.remedy,
                }
                for each in error.violations
            ]
        click.echo(json.dumps({"error": told}), err=True)
    else:
        click.echo(f"rollproof: {message}", err=True)
    return int(code)


def _told(error: Exception) -> tuple[int, str, str]:
    """Exit code, name and message."""
    match error:
        case RollproofError():
            return error.exit_code, type(error).__name__, str(error)
        case MissingExtra():
            return ExitCode.ENVIRONMENT, "MissingExtra", error.format_message()
        case click.UsageError():
            context = error.ctx
            hint = f" Try `{context.command_path} --help`." if context else ""
            return ExitCode.INVALID, "InvalidUsage", f"{error.format_message()}{hint}"
        case click.ClickException():
            return ExitCode.INVALID, "InvalidUsage", error.format_message()
        case PipeBroken():
            return ExitCode.ENVIRONMENT, "SystemTrouble", "a pipe broke. Repeat."
        case click.Abort():
            return 130, "Interrupted", "interrupted"
        case OSError():
            return ExitCode.ENVIRONMENT, "SystemTrouble", _of_the_system(error)
        case _:
            return ExitCode.FAILURE, "InternalError", _of_ours(error)


def _of_the_system(error: OSError) -> str:
    places = [str(each) for each in (error.filename, error.filename2) if each]
    place = f"{' -> '.join(places)}: " if places else ""
    if os.environ.get("ROLLPROOF_DEBUG"):
        traceback.print_exception(error)
    return f"{place}{error.strerror or error}. Mend that and repeat."


def _of_ours(error: Exception) -> str:
    if os.environ.get("ROLLPROOF_DEBUG"):
        traceback.print_exception(error)
        todo = "Please report it with the traceback above."
    else:
        todo = "Please report it; ROLLPROOF_DEBUG=1 shows where it happened."
    return f"a bug in rollproof: {type(error).__name__}: {error}. {todo}"
