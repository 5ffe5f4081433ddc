"""rollproof.expiry: when a credential expires (R4.10)."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollproof.expiry import expiry_of

AT = int(datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC).timestamp() * 1000)


def token(payload: object) -> str:
    """A JSON Web Token, unsigned."""
    parts = ({"alg": "none"}, payload)
    spelled = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
    return ".".join(part.rstrip("=") for part in spelled) + ".c2lnbmVk"


def der(kind: int, content: bytes) -> bytes:
    """An element, its length in the shortest form."""
    length = len(content)
    if length < 0x80:
        return bytes([kind, length]) + content
    wide = (length.bit_length() + 7) // 8
    return bytes([kind, 0x80 + wide]) + length.to_bytes(wide, "big") + content


def certificate(
    end: bytes, form: int = 0x17, *, versioned: bool = True, validity: int = 0x30
) -> str:
    """As much of an X.509 certificate as comes before its end of validity, and some."""
    begin = der(0x17, b"200101000000Z")
    fields = der(0xA0, der(0x02, b"\x02")) if versioned else b""
    fields += der(0x02, b"\x01\x02")  # serial number
    fields += der(0x30, b"")  # algorithm
    fields += der(0x30, bytes(300))  # issuer
    fields += der(validity, begin + der(form, end))
    fields += der(0x30, b"")  # subject
    return pem(der(0x30, der(0x30, fields) + der(0x30, b"")))


def pem(content: bytes) -> str:
    body = base64.encodebytes(content).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


# Made by `openssl req -x509 -newkey ed25519 -subj /CN=x -days 3650`.
MADE_BY_OPENSSL = """-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhQdgyEJNClGvO4hX6Bsev+tNxeLeTAFBgMrZXAwDDEKMAgG
A1UEAwwBeDAeFw0yNjExMjUxMzI4MThaFw0zNjExMjIxMzI4MThaMAwxCjAIBgNV
BAMMAXgwKjAFBgMrZXADIQBNwq+6ARP+mV24hr9bxg8alnM6n73VBBCNmEtiyzHs
K6NTMFEwHQYDVR0OBBYEFLboN148Qke1FD9kbthB+17nWOQ/MB8GA1UdIwQYMBaA
FLboN148Qke1FD9kbthB+17nWOQ/MA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
tYhKlrHxwK4cRMi1nqNpVWg8spZBfsOW5DRo+vzv3YI/sQBrdVMkyhMQK8mmW/1N
934veC9q5w1/2LW8u6C0BA==
-----END CERTIFICATE-----
"""
ITS_END = "2036-11-22T13:28:18Z"


class TestDates:
    @pytest.mark.parametrize(
        "text",
        ["2031-05-06T07:08:09Z", " 2031-05-06T09:08:09+02:00\n", "2031-05-06 07:08:09+00:00"],
    )
    def test_with_an_offset(self, text: str) -> None:
        assert expiry_of(text) == AT

    @pytest.mark.parametrize("text", ["2031-05-06T07:08:09", "2031-05-06", "tomorrow", ""])
    def test_without_one_it_is_no_moment(self, text: str) -> None:
        with pytest.raises(ValueError, match="no date with an offset, no token"):
            expiry_of(text)


class TestTokens:
    @pytest.mark.parametrize("exp", [AT // 1000, AT / 1000])
    def test_exp(self, exp: float) -> None:
        assert expiry_of(token({"exp": exp, "sub": "x"})) == AT

    @pytest.mark.parametrize("payload", [{}, {"sub": "x"}, [], "exp", None, 7])
    def test_without_exp(self, payload: object) -> None:
        with pytest.raises(ValueError, match="without a readable claim exp"):
            expiry_of(token(payload))

    @pytest.mark.parametrize("exp", ["1", True, -1, 1e30, None, float("nan")])
    def test_exp_that_is_no_time(self, exp: object) -> None:
        with pytest.raises(ValueError, match="not a time in seconds"):
            expiry_of(token({"exp": exp}))

    def test_garbage(self) -> None:
        with pytest.raises(ValueError, match="without a readable claim"):
            expiry_of("abc.def.ghi")


class TestCertificates:
    @pytest.mark.parametrize("versioned", [True, False])
    def test_end_of_validity(self, versioned: bool) -> None:
        assert expiry_of(certificate(b"310506070809Z", versioned=versioned)) == AT

    def test_four_digits(self) -> None:
        assert expiry_of(certificate(b"20310506070809Z", 0x18)) == AT

    @pytest.mark.parametrize(
        ("digits", "year"), [(b"49", 2049), (b"50", 1950), (b"68", 1968), (b"69", 1969)]
    )
    def test_two_digits(self, digits: bytes, year: int) -> None:
        """RFC 5280: 50 to 99 are of the last century."""
        at = expiry_of(certificate(digits + b"0101000000Z"))
        assert at == int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000)

    def test_of_a_chain_the_first_to_end(self) -> None:
        chain = certificate(b"400101000000Z") + certificate(b"310506070809Z")
        assert expiry_of(chain + certificate(b"350101000000Z")) == AT

    def test_a_real_one(self) -> None:
        assert expiry_of(MADE_BY_OPENSSL) == int(
            datetime.fromisoformat(ITS_END).timestamp() * 1000
        )

    @pytest.mark.parametrize(
        "text",
        [
            certificate(b"310506070809Z", 0x0C),
            certificate(b"nonsense"),
            certificate(b"\xff\xff"),
            certificate(b"310506070809Z", validity=0x31),
            pem(b""),
            pem(b"\x30"),
            pem(b"\x30\x80\x00\x00"),
            pem(b"\x30\x05\x00"),
            pem(der(0x30, der(0x30, b""))),
            pem(der(0x30, der(0x02, b"\x01"))),
        ],
    )
    def test_no_certificate(self, text: str) -> None:
        with pytest.raises(ValueError, match="no readable end of validity"):
            expiry_of(text)

    def test_no_base64(self) -> None:
        with pytest.raises(ValueError, match="not base64"):
            expiry_of("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----")

    @given(st.binary(max_size=80))
    def test_whatever_stands_there_is_told_or_refused(self, content: bytes) -> None:
        told = ""
        try:
            assert isinstance(expiry_of(pem(content)), int)
        except ValueError as error:
            told = str(error)
        assert told in ("", "its certificate has no readable end of validity")
