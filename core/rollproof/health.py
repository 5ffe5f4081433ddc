"""Health: where the word of an application comes from, and the verdict on an instance."""

import enum
from datetime import timedelta

from attrs import field, frozen

from rollproof.bounds import choice, duration, text, whole
from rollproof.validation import Declared, declare


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


@frozen(kw_only=True)
class HttpProbe(Declared):
    """Asks the instance over HTTP; the expected status means healthy (R5.2)."""

    port: int = field(metadata=_PORT)
    path: str = field(
        default="/",
        metadata=declare(
            text(
                r"/[!-~]{0,1023}",
                '"/" and at most 1,023 printable ASCII characters without spaces',
                "/health",
            ),
            "Path to ask for, with its query.",
            "R5.2",
        ),
    )
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


@frozen(kw_only=True)
class TcpProbe(Declared):
    """Connects to the instance; a connection means healthy (R5.2)."""

    port: int = field(metadata=_PORT)
    interval: timedelta = field(default=timedelta(seconds=5), metadata=_INTERVAL)
    timeout: timedelta = field(default=timedelta(seconds=2), metadata=_TIMEOUT)
    unhealthy_threshold: int = field(default=1, metadata=_THRESHOLD)


HealthSource = HttpProbe | TcpProbe
"""Where the application's word comes from; a scale set has at most one (R2.2)."""

KINDS: dict[str, type[HttpProbe] | type[TcpProbe]] = {"http": HttpProbe, "tcp": TcpProbe}
"""How a document names the kinds of health source."""
KIND_OF: dict[type, str] = {cls: kind for kind, cls in KINDS.items()}
"""The same the other way round."""
