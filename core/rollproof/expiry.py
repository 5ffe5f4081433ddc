"""When a credential expires, read off what it is kept in.

Three forms are known: a date in ISO 8601 with an offset, a JSON Web Token (its `exp`), and
certificates in PEM (the earliest end of their validity).  Nothing is verified: an expiry is
asked for so that a run need not find out.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rollproof.resources import moment

_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----"
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")
_LAST: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
"""Seconds: what lies beyond cannot be written as a date."""
_SEQUENCE: Final = 0x30
_EXPLICIT_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_TIME_FORMS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""UTCTime and GeneralizedTime, as RFC 5280 has them written."""


def expiry_of(text: str) -> int:
    """The moment of expiry, in milliseconds since the Unix epoch, UTC.

    Raises ValueError, whose text says what is wrong, when the text tells none.
    """
    text = text.strip()
    if ends := [_end_of(der) for der in _certificates(text)]:
        return min(ends)
    if token := _TOKEN.fullmatch(text):
        return _exp_of(token[1])
    said = moment(text)
    if said is None:
        raise ValueError("it holds no date with an offset, no token and no certificate")
    return int(said.timestamp() * 1000)


def _exp_of(payload: str) -> int:
    """The claim `exp` of a JSON Web Token: seconds since the epoch (RFC 7519)."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        exp = claims["exp"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is a token without a readable claim exp") from error
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not 0 <= exp <= _LAST:
        raise ValueError("the claim exp of the token is not a time in seconds")
    return int(exp * 1000)


def _certificates(text: str) -> Iterator[bytes]:
    for found in _PEM.finditer(text):
        try:
            yield base64.b64decode("".join(found[1].split()), validate=True)
        except binascii.Error as error:
            raise ValueError("its certificate is not base64") from error


def _end_of(der: bytes) -> int:
    """`notAfter` of an X.509 certificate: the second time of the field after the issuer."""
    try:
        certificate = _inside(der, _SEQUENCE)
        fields = list(_elements(_inside(certificate, _SEQUENCE)))
        if fields[0][0] == _EXPLICIT_VERSION:
            del fields[0]
        _serial, _algorithm, _issuer, (kind, validity), *_ = fields
        if kind != _SEQUENCE:
            raise ValueError("no validity")
        _begin, (form, end) = _elements(validity)
        spelled = datetime.strptime(end.decode("ascii"), _TIME_FORMS[form]).replace(tzinfo=UTC)
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError("its certificate has no readable end of validity") from error
    if form == _UTC_TIME and spelled.year >= 2050:  # 50 to 99 are of the last century
        spelled = spelled.replace(year=spelled.year - 100)
    return int(spelled.timestamp() * 1000)


def _inside(der: bytes, kind: int) -> bytes:
    """The content of the first element, which must be of this kind."""
    found, content = next(_elements(der), (None, b""))
    if found != kind:
        raise ValueError(f"no element of kind {kind}")
    return content


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements side by side: kind and content.  Raises ValueError, IndexError."""
    at = 0
    while at < len(der):
        kind, length = der[at], der[at + 1]
        at += 2
        if length >= 0x80:
            wide = length - 0x80
            if not 0 < wide <= 4:
                raise ValueError("an element of no certain length")
            length = int.from_bytes(der[at : at + wide], "big")
            at += wide
        if at + length > len(der):
            raise ValueError("an element that is cut off")
        yield kind, der[at : at + length]
        at += length
