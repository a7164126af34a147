"""Checkers that keepalived does not have, from their configuration to the answer of a real server on loopback."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.ipvs.checks.attempt import Outcome
from pykeepalived.ipvs.checks.factory import make
from tests.config_lvs.loading import GOOD, errors, read, the_checker
from tests.ipvs.test_dial import Phone, unused_port

pytestmark = pytest.mark.interop


def check(kind: str, words: str, port: int) -> Outcome:
    """One attempt of a checker of 127.0.0.1, as configured by this text."""
    server = f"real_server 127.0.0.1 {port} {{\n{kind} {{\nconnect_timeout 5\n{words}\n}}\n}}\n"
    result = read(f"virtual_server 10.0.0.100 80 {{\n{GOOD}{server}}}\n")
    assert errors(result) == []
    state: Any = make(the_checker(result), None, "rs", "vs", lambda _limit: 0)
    phone = Phone()
    try:
        return phone.call(state.attempt())[0]
    finally:
        phone.close()


def program(name: str, *places: str) -> str:
    """Where a server program is, here or in one of these directories."""
    found = shutil.which(name) or next((str(Path(place, name)) for place in places if Path(place, name).exists()), "")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def running(words: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the time of a test."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(kind: str, words: str, port: int) -> Outcome:
    """Check again and again until the server is up; the last outcome."""
    end = time.monotonic() + 60
    while True:
        outcome = check(kind, words, port)
        if outcome.ok or time.monotonic() > end:
            return outcome
        time.sleep(0.1)


# --- Redis ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def redis(folder: Path, *words: str) -> Iterator[int]:
    port = unused_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *words]
    with running([program("redis-server"), *options]):
        yield port


def test_tcp_send_and_expect(tmp_path: Path) -> None:
    with redis(tmp_path) as port:
        assert until("TCP_CHECK", 'send "PING\\r\\n"\nexpect "+PONG\\r\\n"', port).ok
        wrong = check("TCP_CHECK", 'send "NONSENSE\\r\\nQUIT\\r\\n"\nexpect +PONG', port)
        assert wrong.text.startswith("unexpected reply: -ERR unknown command")
        assert check("TCP_CHECK", "send \\r\\nPING\\r\\n", port).ok
    assert not check("TCP_CHECK", "send x", port).ok


# --- HTTP/2 and certificates ------------------------------------------------------------------------------------------

URL = "url {\npath /\n}\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate that is good for nine days, its key, and a page."""
    folder = tmp_path_factory.mktemp("tls")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=rs.example"]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(words, check=True, capture_output=True)
    (folder / "index.html").write_bytes(PAGE)
    return folder


PAGE = b"a line of the page\n" * 20_000


def test_certificate_expiry(certificate: Path) -> None:
    port = unused_port()
    words = ["s_server", "-accept", f"127.0.0.1:{port}", "-cert", "cert.pem", "-key", "key.pem", "-www", "-quiet"]
    with running([program("openssl"), *words], cwd=certificate):
        assert until("SSL_GET", URL, port).ok
        assert check("SSL_GET", URL + "cert_min_days 8", port).ok
        soon = check("SSL_GET", URL + "cert_min_days 10", port)
        assert not soon.ok
        assert soon.text.startswith("Certificate expires in 8 days at ")
        assert check("SSL_GET", URL + "cert_min_days 0", port).ok
