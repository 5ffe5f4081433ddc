"""Bodies of `local create`, `local list` and `local destroy`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from rollproof.cli.output import answer, columns
from rollproof.cli.program import Options
from rollproof.fleet import Instance
from rollproof.installation import Installation, LocalSetView, Shape


def create(options: Options, scale_set: str, shape: Shape, version: str | None) -> int:
    """Start a fleet."""
    with Installation(options.place) as here:
        view = here.create_local(
            scale_set, shape, version=version, progress=_counter(options, shape.instances)
        )
    members, healthy = view.members, view.healthy
    value = {
        "scale_set": scale_set,
        "healthy": healthy,
        "instances": [
            {
                "id": member.id,
                "zone": member.zone,
                "update_domain": member.update_domain,
                "fault_domain": member.fault_domain,
                "address": member.address,
            }
            for member in members
        ],
    }
    text = f"{scale_set}: {healthy} of {len(members)} instances are healthy"
    if healthy < len(members):
        text += "; the others: rollproof local list"
    if len(members) != shape.instances:
        text += f"\nThe fleet was declared before, with {len(members)} instances, and stays so."
    answer(options, value, text)
    return 0


def _counter(options: Options, total: int) -> Callable[[str], None]:
    """Counts instances that are up on one line, where a person looks on."""
    if options.json or not sys.stderr.isatty():
        return lambda _instance: None
    up: set[str] = set()

    def count(instance: str) -> None:
        up.add(instance)
        click.echo(f"\r{len(up)} of {total} instances are up", nl=False, err=True)
        if len(up) == total:
            click.echo("\r\x1b[K", nl=False, err=True)

    return count


def list_(options: Options) -> int:
    """List all fleets, as observed now."""
    with Installation(options.place) as here:
        views = here.list_local()
    value = {
        "fleets": [
            {
                "scale_set": view.scale_set,
                "instances": [
                    {
                        "id": member.id,
                        "zone": member.zone,
                        "update_domain": member.update_domain,
                        "address": member.address,
                        "protected": member.protected,
                        **_observed(view.instances.get(member.id)),
                    }
                    for member in view.members
                ],
            }
            for view in views
        ]
    }
    empty = "no local fleet: rollproof local create SET"
    answer(options, value, "\n\n".join(map(_table, views)) or empty)
    return 0


def _observed(seen: Instance | None) -> dict[str, str | None]:
    if seen is None:
        return {"version": None, "health": "unknown", "power_state": "unknown"}
    return {
        "version": seen.version,
        "health": seen.health.value,
        "power_state": seen.power_state.value,
    }


def _table(view: LocalSetView) -> str:
    rows = [("instance", "zone", "domain", "version", "health", "address")]
    for member in view.members:
        seen = _observed(view.instances.get(member.id))
        rows.append(
            (
                member.id,
                member.zone or "-",
                member.update_domain or "-",
                seen["version"] or "?",
                seen["health"] or "?",
                member.address,
            )
        )
    return f"{view.scale_set}\n{columns(rows)}"


def destroy(options: Options, scale_set: str) -> int:
    """End a fleet."""
    with Installation(options.place) as here:
        here.destroy_local(scale_set)
    answer(
        options,
        {"destroyed": scale_set},
        f"{scale_set}: every process has ended, every disk is removed",
    )
    return 0
