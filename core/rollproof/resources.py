"""What instances need from elsewhere while they are set up: resources and credentials.

A credential itself never stands in a document: only where its expiry can be read.
"""

from collections.abc import Iterator
from datetime import datetime

from attrs import field, frozen

from rollproof.bounds import Bound, optional, text
from rollproof.errors import Problem, closest
from rollproof.validation import Declared, Rule, declare, names_borne_twice

_NAME = text(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "1 to 64 of the characters A-Z a-z 0-9 . _ -, a letter or digit first",
    "storage",
)
_PATH = text(r"[^\x00\ud800-\udfff]{1,4096}", "a path", "secrets/storage.token")


def moment(spelled: str) -> datetime | None:
    """The moment that a text in ISO 8601 with an offset spells; None when it spells none."""
    try:
        found = datetime.fromisoformat(spelled)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


_MOMENT = Bound(
    kind="text",
    allowed="date and time in ISO 8601, with an offset",
    accepts=lambda value: isinstance(value, str) and moment(value) is not None,
    example='"2030-01-31T12:00:00Z"',
)


def _one_of(first: str, second: str, requirement: str) -> Rule:
    """The law that one of two fields is there, and not both."""

    def problems(one: str | None, other: str | None) -> Iterator[Problem]:
        if (one is None) == (other is None):
            yield Problem(
                field="",
                value=f"{'neither' if one is None else 'both'} of {first} and {second}",
                bound=f"either {first} or {second}",
                requirement=requirement,
                fix=f"Write one of them: {first} or {second}.",
            )

    return Rule((first, second), problems)


@frozen(kw_only=True)
class Credential(Declared):
    """A token, key or certificate that something on the instances uses (R4.10)."""

    name: str = field(metadata=declare(_NAME, "Name, unique in the scale set.", "R4.10"))
    file: str | None = field(
        default=None,
        metadata=declare(
            optional(_PATH),
            "File that tells when it expires: a JSON Web Token, a PEM certificate, or a date "
            "in ISO 8601; relative to the document.",
            "R4.10",
        ),
    )
    expires: str | None = field(
        default=None,
        metadata=declare(optional(_MOMENT), "When it expires, where no file tells.", "R4.10"),
    )

    rules = (_one_of("file", "expires", "R4.10"),)


@frozen(kw_only=True)
class ExternalResource(Declared):
    """Something outside the set that the model names: a payload, a script, a registry."""

    name: str = field(metadata=declare(_NAME, "Name, unique in the scale set.", "R2.2"))
    url: str | None = field(
        default=None,
        metadata=declare(
            optional(
                text(r"https?://[!-~]{1,2000}", "an address with http or https", "https://x/y")
            ),
            "Where it is, asked for over HTTP.",
            "R2.2",
        ),
    )
    path: str | None = field(
        default=None,
        metadata=declare(
            optional(_PATH),
            "Or the file or folder that it is; relative to the document.",
            "R2.2",
        ),
    )
    credential: str | None = field(
        default=None,
        metadata=declare(
            optional(_NAME),
            "Credential it is fetched with; it may then answer that it wants one.",
            "R2.2",
        ),
    )

    rules = (_one_of("url", "path", "R2.2"),)


def resource_problems(
    credentials: tuple[Credential, ...], resources: tuple[ExternalResource, ...]
) -> Iterator[Problem]:
    """Names that are borne twice, and credentials that nobody declares."""
    yield from names_borne_twice("credentials", credentials, "R4.10")
    yield from names_borne_twice("external_resources", resources, "R2.2")
    known = tuple(credential.name for credential in credentials)
    for position, resource in enumerate(resources):
        if resource.credential is not None and resource.credential not in known:
            near = closest(resource.credential, known)
            yield Problem(
                field=f"external_resources[{position}].credential",
                value=repr(resource.credential),
                bound="the name of a credential of the scale set",
                requirement="R2.2",
                fix=f"Did you mean {near!r}?" if near else "Declare it under credentials.",
            )
