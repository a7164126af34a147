"""How long certificates are good: real ones, made ones, and any bytes."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.ipvs import Connection, HttpCheck, Url
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.certificate import CertificateError, judge, not_after
from pykeepalived.ipvs.checks.factory import make


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    return bytes([tag]) + (bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")) + content


def certificate(end: bytes, tag: int = 0x17, version: bytes = der(0xA0, b"\2\1\2")) -> bytes:
    """As much of a certificate as is looked at."""
    validity = der(0x30, der(0x17, b"200101000000Z"), der(tag, end))
    return der(0x30, der(0x30, version, b"\2\1\7", der(0x30), der(0x30, b"x" * 300), validity))


@pytest.mark.parametrize(
    ("made", "end"),
    [
        (certificate(b"491231235959Z"), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (certificate(b"500101000000Z"), datetime(1950, 1, 1, tzinfo=UTC)),
        (certificate(b"20610203040506Z", 0x18), datetime(2061, 2, 3, 4, 5, 6, tzinfo=UTC)),
        (certificate(b"300101000000Z", version=b""), datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_end_of_a_certificate(made: bytes, end: datetime) -> None:
    assert not_after(made) == end


@pytest.mark.parametrize(
    "data", [b"", b"x" * 40, certificate(b"300231000000Z"), certificate(b"30010100000"), certificate(b"x", 0x04)]
)
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(CertificateError):
        not_after(data)
    outcome = judge(data, 0, 0.0)
    assert outcome is not None
    assert not outcome.ok


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes(data: bytes, cut: int) -> None:
    good = certificate(b"300101000000Z")
    for text in (data, good[:cut] + data, good[:cut] + data + good[cut + len(data) :]):
        try:
            assert isinstance(not_after(text), datetime)
        except CertificateError:
            pass


def test_days_left() -> None:
    data = certificate(b"300131000000Z")
    end = datetime(2030, 1, 31, tzinfo=UTC).timestamp()
    day = 86400
    assert judge(data, 0, end) is None
    assert judge(data, 30, end - 30 * day) is None
    soon, over = judge(data, 30, end - 30 * day + 1), judge(data, 0, end + 1)
    assert soon is not None
    assert over is not None
    assert soon.text == "Certificate expires in 29 days at 2030-01-31 00:00:00 UTC, cert_min_days 30, of"
    assert over.text == "Certificate expired at 2030-01-31 00:00:00 UTC of"


@pytest.mark.parametrize("log_all_failures", [True, False])
def test_the_log_says_why(log_all_failures: bool) -> None:
    where = Connection(address=Ip.parse("10.10.0.11"), port=443)
    words: dict[str, Any] = {"connection": where, "urls": (Url(path="/"),), "tls": True, "cert_min_days": 7, "retry": 1}
    state = make(HttpCheck(log_all_failures=log_all_failures, **words), None, "rs", "vs", lambda _limit: 0)
    wish = state.attempt().tls
    assert wish is not None
    assert wish.min_days == 7
    fault = judge(certificate(b"300131000000Z"), 7, datetime(2030, 1, 29, tzinfo=UTC).timestamp())
    assert fault is not None
    told = [conclusion for _ in range(3) if (conclusion := state.conclude(fault, 0)) is not None]
    assert told[-1].verdict is False
    why = "Certificate expires in 2 days at 2030-01-31 00:00:00 UTC, cert_min_days 7, of server rs."
    assert told[-1].lines[0] == why
    assert told[-1].lines[1].startswith("SSL_CHECK on service rs failed")
    assert len(told[-1].lines) == 2


def test_a_certificate_of_openssl(tmp_path: Path) -> None:
    made = tmp_path / "cert.der"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=rs.example"]
    subprocess.run([*words, "-keyout", "/dev/null", "-outform", "DER", "-out", made], check=True, capture_output=True)
    assert 8 <= (not_after(made.read_bytes()) - datetime.now(UTC)).days <= 9
