"""How long a server certificate is still good, read from its DER (RFC 5280 section 4.1). Pure; verifies nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pykeepalived.ipvs.checks.attempt import Outcome, Reason

DAY = timedelta(days=1)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")


class CertificateError(ValueError):
    """The bytes are no certificate."""


def element(data: bytes, at: int) -> tuple[int, int, int]:
    """The DER element at `at`: its tag, where its content starts and ends. Raises CertificateError."""
    if at + 2 > len(data):
        raise CertificateError("truncated")
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise CertificateError("truncated")
    return tag, start, start + length


def _open(data: bytes, at: int) -> int:
    """Where the content of the sequence at `at` starts."""
    tag, start, _end = element(data, at)
    if tag != _SEQUENCE:
        raise CertificateError("no sequence")
    return start


def not_after(certificate: bytes) -> datetime:
    """The last moment a certificate is valid. Raises CertificateError, whatever the bytes."""
    at = _open(certificate, _open(certificate, 0))
    if element(certificate, at)[0] == _VERSION:
        at = element(certificate, at)[2]
    for _field in ("serial number", "signature algorithm", "issuer"):
        at = element(certificate, at)[2]
    at = element(certificate, _open(certificate, at))[2]
    tag, start, end = element(certificate, at)
    text = certificate[start:end]
    if tag == _UTC_TIME:
        text = (b"19" if text[:1] >= b"5" else b"20") + text
    elif tag != _GENERALIZED_TIME:
        raise CertificateError("no time")
    match = _TIME.fullmatch(text)
    if match is None:
        raise CertificateError("no time")
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise CertificateError(str(error)) from error


def judge(certificate: bytes, min_days: int, wall_s: float) -> Outcome | None:
    """Whether the certificate ends within `min_days` days from `wall_s` (Unix time); None = it is good."""
    try:
        end = not_after(certificate)
    except CertificateError as error:
        return Outcome(False, Reason.CERTIFICATE, f"Certificate cannot be read ({error}) of")
    left = end - datetime.fromtimestamp(wall_s, UTC)
    if left < timedelta(0):
        return Outcome(False, Reason.CERTIFICATE, f"Certificate expired at {end:%Y-%m-%d %H:%M:%S} UTC of")
    if left < min_days * DAY:
        text = f"Certificate expires in {left // DAY} days at {end:%Y-%m-%d %H:%M:%S} UTC, cert_min_days {min_days}, of"
        return Outcome(False, Reason.CERTIFICATE, text)
    return None
