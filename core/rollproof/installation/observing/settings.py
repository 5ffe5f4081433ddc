"""What a home tells, and to whom: `observe.toml` in the home, written by its user.

It belongs to the home and not to a process, since runs are gone on with by whoever comes
next, who should tell the same receivers.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from attrs import field, frozen

from rollproof.bounds import duration, optional, switch, table, tables, text, whole
from rollproof.document import load_path_as
from rollproof.errors import InvalidDocument, Problem
from rollproof.host import Home, wall_clock
from rollproof.installation.observing.outlet import Outlet
from rollproof.validation import Declared, Rule, declare, names_borne_twice

_PATH: Final = text(r"(?s)[^\0]+", "a path; a relative one begins at the home", "events.jsonl")
SHORTEST: Final = 16
"""Bytes of a secret, at least."""
LOOPBACK: Final = "127.0.0.1"


@frozen(kw_only=True)
class EventsTable(Declared):
    """Lines of JSON, appended to a file."""

    file: str = field(
        default="events.jsonl", metadata=declare(_PATH, "The file; rotate it at will.")
    )


def _one_secret(file: str | None, env: str | None) -> list[Problem]:
    if (file is None) != (env is None):
        return []
    return [
        Problem(
            field="secret_file",
            value="neither it nor secret_env is given" if file is None else "so is secret_env",
            bound="exactly one of secret_file and secret_env",
            fix='For example: secret_env = "ROLLPROOF_WEBHOOK_SECRET"',
        )
    ]


@frozen(kw_only=True)
class WebhookTable(Declared):
    """One receiver of signed posts."""

    name: str = field(
        metadata=declare(
            text(r"[a-z0-9][a-z0-9-]{0,39}", "lower-case letters, digits and hyphens", "pager"),
            "Names how far it was told; another name begins anew.",
        )
    )
    url: str = field(
        metadata=declare(
            text(
                r"https?://[^\s/?#]+(?:[/?#]\S*)?",
                "an http or https URL",
                "https://example.org/",
            ),
            "Where events are posted.",
        )
    )
    secret_file: str | None = field(
        default=None,
        metadata=declare(
            optional(_PATH), "File that holds the secret; its last newline is not."
        ),
    )
    secret_env: str | None = field(
        default=None,
        metadata=declare(
            optional(
                text(r"[A-Za-z_]\w*", "the name of an environment variable", "HOOK_SECRET")
            ),
            "Environment variable that holds the secret.",
        ),
    )
    at_once: int = field(
        default=50, metadata=declare(whole(1, 1_000), "Most events in one post.")
    )
    backlog: int = field(
        default=10_000,
        metadata=declare(
            whole(1_000, 1_000_000),
            "Most events that may wait; of more, the oldest are dropped, and it is told which.",
        ),
    )
    timeout: timedelta = field(
        default=timedelta(seconds=10),
        metadata=declare(
            duration(more_than=timedelta(0), at_most=timedelta(minutes=1)),
            "For one post to be answered.",
        ),
    )

    rules = (Rule(("secret_file", "secret_env"), _one_secret),)


def _any_form(address: str | None, textfile: str | None) -> list[Problem]:
    if address is not None or textfile is not None:
        return []
    return [
        Problem(
            field="address",
            value="neither it nor textfile is given",
            bound="at least one of address and textfile",
            fix='For example: address = "127.0.0.1:9464"',
        )
    ]


def _real_port(address: str | None) -> list[Problem]:
    if address is None or int(address.rpartition(":")[2]) <= HIGHEST_PORT:
        return []
    return [
        Problem(
            field="address",
            value=repr(address),
            bound=f"a port from 0 to {HIGHEST_PORT}",
            fix='For example: address = "127.0.0.1:9464"',
        )
    ]


HIGHEST_PORT: Final = 65535
_ADDRESS: Final = r"(?:(?:[\w.-]+|\[[0-9a-fA-F:.]+\])?:)?[0-9]{1,5}"


@frozen(kw_only=True)
class MetricsTable(Declared):
    """Metrics for Prometheus."""

    address: str | None = field(
        default=None,
        metadata=declare(
            optional(text(_ADDRESS, "HOST:PORT, or PORT on loopback", "127.0.0.1:9464")),
            "Where they are served.",
        ),
    )
    textfile: str | None = field(
        default=None,
        metadata=declare(optional(_PATH), "File for the textfile collector of node_exporter."),
    )

    rules = (Rule(("address", "textfile"), _any_form), Rule(("address",), _real_port))

    @property
    def host_and_port(self) -> tuple[str, int] | None:
        """The address in two parts."""
        if self.address is None:
            return None
        host, _, port = self.address.rpartition(":")
        return host.strip("[]") or LOOPBACK, int(port)


@frozen(kw_only=True)
class Settings(Declared):
    """Everything that is told of a home."""

    otel: bool = field(
        default=False, metadata=declare(switch(), "Whether runs are traced by OpenTelemetry.")
    )
    events: EventsTable | None = field(
        default=None, metadata=declare(optional(table(EventsTable)), "Events in a file.")
    )
    webhooks: tuple[WebhookTable, ...] = field(
        default=(), metadata=declare(tables(WebhookTable), "Events posted to URLs.")
    )
    metrics: MetricsTable | None = field(
        default=None, metadata=declare(optional(table(MetricsTable)), "Metrics.")
    )

    rules = (Rule(("webhooks",), partial(names_borne_twice, "webhooks")),)


def load_settings(path: Path) -> Settings:
    """What the file says.  Raises `InvalidDocument`."""
    return load_path_as(Settings, path)


def nothing_to_tell(home: Home) -> InvalidDocument:
    """The error of a home that names no outlet."""
    problem = Problem(
        field="",
        value="no outlet is named" if home.outlets.exists() else "there is no such file",
        bound="at least one of [events], [[webhooks]], [metrics] and otel",
        fix="docs/events.md shows one to begin with; or ask for the lines with --json.",
    )
    return InvalidDocument((problem,), str(home.outlets))


def outlets_of(
    settings: Settings, home: Home, environment: Mapping[str, str] = os.environ
) -> tuple[Outlet, ...]:
    """The outlets that the settings name.  Relative paths begin at the home.

    Raises `InvalidDocument` for a secret that is not to be had, `NotInstalled`.
    """
    outlets: list[Outlet] = []
    if settings.events is not None:
        from rollproof.installation.observing.events_file import EventsFile

        outlets.append(EventsFile(home.path / settings.events.file))
    for position, each in enumerate(settings.webhooks):
        from rollproof.installation.observing.webhook import Webhook

        secret = _secret(each, f"webhooks[{position}]", home, environment)
        outlets.append(
            Webhook(
                each.name,
                each.url,
                secret,
                clock=wall_clock,
                at_once=each.at_once,
                backlog=each.backlog,
                timeout=each.timeout,
            )
        )
    if settings.metrics is not None:
        from rollproof.installation.observing.metrics import Metrics

        file = settings.metrics.textfile
        textfile = None if file is None else home.path / file
        outlets.append(Metrics(settings.metrics.host_and_port, textfile))
    if settings.otel:
        from rollproof.installation.observing.traces import Traces

        outlets.append(Traces())
    return tuple(outlets)


def _secret(
    webhook: WebhookTable, field_: str, home: Home, environment: Mapping[str, str]
) -> bytes:
    """The secret itself, which no message quotes."""
    if webhook.secret_file is not None:
        place, value = f"{field_}.secret_file", webhook.secret_file
        try:
            secret = (home.path / value).read_bytes().removesuffix(b"\n")
        except OSError as error:
            raise _without(home, place, f"{value!r}: {error.strerror}") from error
    else:
        name = webhook.secret_env or ""
        place, value = f"{field_}.secret_env", name
        if name not in environment:
            raise _without(home, place, f"{name} is not set")
        secret = environment[name].encode("utf-8", "surrogateescape")
    if len(secret) < SHORTEST:
        raise _without(home, place, f"{value!r} holds {len(secret)} bytes")
    return secret


def _without(home: Home, place: str, why: str) -> InvalidDocument:
    problem = Problem(
        field=place,
        value=why,
        bound=f"a secret of at least {SHORTEST} bytes",
        fix="For example: openssl rand -hex 32",
    )
    return InvalidDocument((problem,), str(home.outlets))
