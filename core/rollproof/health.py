"""Health: where the word of an application comes from, and the verdict on an instance."""

import enum
from collections.abc import Iterator
from datetime import timedelta

from attrs import field, frozen

from rollproof.bounds import (
    choice,
    duration,
    optional,
    relative_path,
    switch,
    text,
    whole,
    written,
)
from rollproof.errors import Problem
from rollproof.validation import Declaration, Declared, Rule, declare


class PowerState(enum.Enum):
    """Whether an instance runs, as last observed."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class Health(enum.Enum):
    """What is known about an instance, from best to worst."""

    HEALTHY = "healthy"
    """It does its work."""
    INITIALIZING = "initializing"
    """It is starting: wait (R5.3)."""
    UNKNOWN = "unknown"
    """Nobody can say; counts as unhealthy (R5.3)."""
    UNHEALTHY = "unhealthy"
    """It does not do its work."""


_BEST_TO_WORST = tuple(Health)
_POWER = {
    PowerState.RUNNING: Health.HEALTHY,
    PowerState.UNKNOWN: Health.UNKNOWN,
    PowerState.STOPPED: Health.UNHEALTHY,
}
_PROVISIONED = {
    True: Health.HEALTHY,
    None: Health.INITIALIZING,
    False: Health.UNHEALTHY,
}


def judge(
    power_state: PowerState, provisioned: bool | None, application: Health | None
) -> Health:
    """The health of an instance: the worst of its signals (R5.1, R5.3).

    `provisioned`: True when every extension succeeded, False when one failed, None while
    that is open. `application`: what the health source says, None when there is none.
    So nothing is healthy before it runs and all its extensions are provisioned.
    """
    signals = [_POWER[power_state], _PROVISIONED[provisioned]]
    if application is not None:
        signals.append(application)
    return max(signals, key=_BEST_TO_WORST.index)


class Scheme(enum.Enum):
    """Protocol of an HTTP probe."""

    HTTP = "http"
    HTTPS = "https"


_NONE = timedelta(0)
_PORT = declare(whole(1, 65_535), "Port on the instance.", "R5.2")
_INTERVAL = declare(
    duration(more_than=_NONE, below=timedelta(minutes=2)), "Time between two probes.", "R5.2"
)
_TIMEOUT = declare(duration(more_than=_NONE), "Longest wait for an answer.", "R5.2")
_THRESHOLD = declare(
    whole(1, 24), "Failed probes in a row that make an instance unhealthy.", "R5.2"
)


def _path(example: str) -> dict[str, Declaration]:
    allowed = '"/" and at most 1,023 printable ASCII characters without spaces'
    bound = text(r"/[!-~]{0,1023}", allowed, example)
    return declare(bound, "Path to ask for, with its query.", "R5.2")


def _tls_problems(
    scheme: Scheme, verify: bool, server_name: str | None, ca_file: str | None
) -> Iterator[Problem]:
    """TLS options that would have no effect: who wrote them believes they have one."""
    asked = {"tls_verify": verify, "tls_server_name": server_name, "tls_ca_file": ca_file}
    for name, value in asked.items():
        if value and scheme is not Scheme.HTTPS:
            fix = 'Write scheme = "https", or leave it out.'
            yield Problem(name, written(value), "only with https", "R5.2", fix)
    if ca_file and not verify and scheme is Scheme.HTTPS:
        fix = "Write tls_verify = true, or leave it out."
        yield Problem("tls_ca_file", written(ca_file), "only with tls_verify", "R5.2", fix)


@frozen(kw_only=True)
class HttpProbe(Declared):
    """Asks the instance over HTTP; the expected status means healthy (R5.2)."""

    port: int = field(metadata=_PORT)
    path: str = field(default="/", metadata=_path("/health"))
    scheme: Scheme = field(
        default=Scheme.HTTP, metadata=declare(choice(Scheme), "Protocol.", "R5.2")
    )
    expected_status: int = field(
        default=200,
        metadata=declare(whole(200, 599), "Status that means healthy.", "R5.2"),
    )
    interval: timedelta = field(default=timedelta(seconds=5), metadata=_INTERVAL)
    timeout: timedelta = field(default=timedelta(seconds=2), metadata=_TIMEOUT)
    unhealthy_threshold: int = field(default=1, metadata=_THRESHOLD)
    tls_verify: bool = field(
        default=False,
        metadata=declare(
            switch(),
            "Whether the certificate must be valid; off, because most instances have no "
            "name that could be certified, and a probe carries no secret.",
            "R5.2",
        ),
    )
    tls_server_name: str | None = field(
        default=None,
        metadata=declare(
            optional(
                text(
                    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?",
                    "a host name of at most 253 characters",
                    "web.example.org",
                )
            ),
            "Name that is asked for and that the certificate must bear; by default the "
            "address of the instance.",
            "R5.2",
        ),
    )
    tls_ca_file: str | None = field(
        default=None,
        metadata=declare(
            optional(relative_path("ca.pem")),
            "Certificates to trust instead of the system's, in PEM; relative to the document.",
            "R5.2",
        ),
    )

    rules = (Rule(("scheme", "tls_verify", "tls_server_name", "tls_ca_file"), _tls_problems),)


@frozen(kw_only=True)
class TcpProbe(Declared):
    """Connects to the instance; a connection means healthy (R5.2)."""

    port: int = field(metadata=_PORT)
    interval: timedelta = field(default=timedelta(seconds=5), metadata=_INTERVAL)
    timeout: timedelta = field(default=timedelta(seconds=2), metadata=_TIMEOUT)
    unhealthy_threshold: int = field(default=1, metadata=_THRESHOLD)


def _place_problems(port: int | None, file: str | None) -> Iterator[Problem]:
    """An extension publishes in exactly one place."""
    if (port is None) == (file is None):
        found = "neither port nor file" if port is None else "both port and file"
        fix = "Write port for a reporter that serves HTTP, file for one that writes a file."
        yield Problem("", found, "one of port and file", "R5.2", fix)


@frozen(kw_only=True)
class HealthExtension(Declared):
    """Reads the state that a reporter inside the instance publishes (R5.2).

    `rollproof.reports` says what a report looks like, `rollproof.guest.reporter` makes one.
    """

    port: int | None = field(
        default=None,
        metadata=declare(
            optional(whole(1, 65_535)), "Port of a reporter that serves HTTP.", "R5.2"
        ),
    )
    path: str = field(default="/report", metadata=_path("/report"))
    file: str | None = field(
        default=None,
        metadata=declare(
            optional(relative_path("health-report.json")),
            "File on the OS disk that a reporter writes.",
            "R5.2",
        ),
    )
    interval: timedelta = field(
        default=timedelta(seconds=5),
        metadata=declare(
            duration(at_least=timedelta(seconds=5), at_most=timedelta(minutes=1)),
            "Time between two reports; one older than twice that is stale.",
            "R5.2",
        ),
    )
    timeout: timedelta = field(default=timedelta(seconds=2), metadata=_TIMEOUT)
    unhealthy_threshold: int = field(
        default=1,
        metadata=declare(
            whole(1, 24),
            "Reports in a row, bad or missing, that make an instance unhealthy.",
            "R5.2",
        ),
    )
    grace_period: timedelta | None = field(
        default=None,
        metadata=declare(
            optional(duration(at_least=_NONE, at_most=timedelta(hours=2))),
            "After a boot, how long a bad or missing report means Initializing; left out, "
            "interval times unhealthy_threshold.",
            "R5.2",
        ),
    )

    rules = (Rule(("port", "file"), _place_problems),)

    @property
    def grace(self) -> timedelta:
        """The grace period, declared or by default."""
        if self.grace_period is None:
            return self.interval * self.unhealthy_threshold
        return self.grace_period


HealthSource = HttpProbe | TcpProbe | HealthExtension
"""Where the application's word comes from; a scale set has at most one (R2.2)."""

KINDS: dict[str, type[HttpProbe] | type[TcpProbe] | type[HealthExtension]] = {
    "http": HttpProbe,
    "tcp": TcpProbe,
    "extension": HealthExtension,
}
"""How a document names the kinds of health source."""
KIND_OF: dict[type, str] = {cls: kind for kind, cls in KINDS.items()}
"""The same the other way round."""
