"""Checkers that keepalived does not have, from their configuration to the answer of a real server on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
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


def test_redis(tmp_path: Path) -> None:
    with redis(tmp_path) as first, redis(tmp_path, "--replicaof", "127.0.0.1", str(first)) as second:
        assert until("REDIS_CHECK", "role primary", first).ok
        assert until("REDIS_CHECK", "role replica", second).ok
        assert check("REDIS_CHECK", "", second).ok
        assert check("REDIS_CHECK", "role replica", first).text == "role is primary"
        assert check("REDIS_CHECK", "role primary", second).text == "role is replica"
        assert not check("REDIS_CHECK", "password x", first).ok
    assert check("REDIS_CHECK", "", first).text == "Connection refused"


def test_redis_with_a_password(tmp_path: Path) -> None:
    with redis(tmp_path, "--requirepass", "a b") as port:
        assert until("REDIS_CHECK", 'password "a b"\nrole primary', port).ok
        assert check("REDIS_CHECK", "", port).text == "NOAUTH Authentication required."
        assert check("REDIS_CHECK", "password ab", port).text.startswith("WRONGPASS ")
    with redis(tmp_path, "--replicaof", "127.0.0.1", str(port)) as alone:
        assert until("REDIS_CHECK", "", alone).ok
        assert check("REDIS_CHECK", "role replica", alone).text.startswith("replica without its primary (connect")


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_pgsql() -> None:
    newest = sorted(str(place) for place in Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    options: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pkex-") as name:  # one that the account of the server can enter
        folder = Path(name)
        if options:
            shutil.chown(folder, "postgres", "postgres")
        data = str(folder / "data")
        words = [program("initdb", *newest), "-D", data, "-A", "trust", "-U", "keepalived", "--no-sync"]
        subprocess.run(words, check=True, capture_output=True, cwd=folder, **options)
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        port = unused_port()
        server = [program("postgres", *newest), "-D", data, "-p", str(port), "-k", name, "-h", "127.0.0.1", "-F"]
        with running(server, cwd=folder, **options):
            assert until("PGSQL_CHECK", "role primary", port).ok
            assert check("PGSQL_CHECK", "", port).ok
            assert check("PGSQL_CHECK", "role replica", port).text == "role is primary"
            assert check("PGSQL_CHECK", "user locked", port).ok
            assert check("PGSQL_CHECK", "user locked\nrole primary", port).text == "the server asks for a password"
            assert check("PGSQL_CHECK", "database none", port).text == 'database "none" does not exist (3D000)'
            assert check("PGSQL_CHECK", "user other", port).text == 'role "other" does not exist (28000)'
        (folder / "data" / "standby.signal").touch()
        with running(server, cwd=folder, **options):
            assert until("PGSQL_CHECK", "role replica", port).ok
            assert check("PGSQL_CHECK", "role primary", port).text == "role is replica"
    assert check("PGSQL_CHECK", "", port).text == "Connection refused"


# --- MariaDB ----------------------------------------------------------------------------------------------------------


def test_mysql(tmp_path: Path) -> None:
    server = program("mariadbd", "/usr/sbin")
    data = tmp_path / "data"
    words = [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run([*words, *as_root], check=True, capture_output=True)
    accounts = tmp_path / "accounts.sql"
    accounts.write_text(
        "create user if not exists keepalived@'127.0.0.1';\n"
        "create user if not exists guarded@'127.0.0.1' identified by 'p w';\n"
    )
    log = tmp_path / "server.err"
    port = unused_port()
    words = [server, "--no-defaults", *as_root, f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
    words += [f"--socket={tmp_path}/s", f"--init-file={accounts}", "--skip-name-resolve", f"--log-error={log}"]
    words += ["--max-connect-errors=1", "--log-warnings=4"]
    with running(words):
        assert until("MYSQL_CHECK", "role primary", port).ok
        for _ in range(3):
            assert check("MYSQL_CHECK", "", port).ok
        assert check("MYSQL_CHECK", 'user guarded\npassword "p w"', port).ok
        assert check("MYSQL_CHECK", "user guarded", port).text.endswith("(1045)")
        assert check("MYSQL_CHECK", "user guarded\npassword x", port).text.endswith("(1045)")
        assert check("MYSQL_CHECK", "role replica", port).text == "role is primary"
    assert "Aborted connection" not in log.read_text()
    with running([*words, "--read-only=1"]):
        assert until("MYSQL_CHECK", "role replica", port).ok
        assert check("MYSQL_CHECK", "role primary", port).text == "role is replica"


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


@pytest.mark.parametrize("kind", ["HTTP_GET", "SSL_GET"])
def test_http2(certificate: Path, kind: str) -> None:
    port = unused_port()
    words = [program("nghttpd"), "--address=127.0.0.1", f"--htdocs={certificate}"]
    words += ["--no-tls", str(port)] if kind == "HTTP_GET" else [str(port), "key.pem", "cert.pem"]
    digest = hashlib.md5(PAGE).hexdigest()
    with running(words, cwd=certificate):
        assert until(kind, f"http_protocol 2\nurl {{\npath /index.html\ndigest {digest}\n}}", port).ok
        missing = "http_protocol 2\nurl {\npath /missing\n"
        assert check(kind, missing + "}", port).text == "HTTP status code error to"
        assert check(kind, missing + "status_code 404\n}", port).ok
        assert not check(kind, f"http_protocol 1.1\n{URL}", port).ok


def test_http2_with_a_server_of_http1(certificate: Path) -> None:
    port = unused_port()
    words = ["s_server", "-accept", f"127.0.0.1:{port}", "-cert", "cert.pem", "-key", "key.pem", "-www", "-quiet"]
    with running([program("openssl"), *words], cwd=certificate):
        assert until("SSL_GET", URL, port).ok
        assert not check("SSL_GET", f"http_protocol 2\n{URL}", port).ok


# --- gRPC -------------------------------------------------------------------------------------------------------------

HEALTH = """
import sys, time, grpc
from concurrent import futures

def check(request, context):
    name = request[2:].decode()
    if name == "gone":
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return {"": b"\\x08\\1", "asleep": b"\\x08\\2"}[name]

handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),))
if len(sys.argv) > 2:
    pair = tuple(open(name, "rb").read() for name in sys.argv[2:])
    assert server.add_secure_port("127.0.0.1:" + sys.argv[1], grpc.ssl_server_credentials((pair,)))
else:
    assert server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
time.sleep(600)
"""


@pytest.mark.parametrize("tls", ["", "tls"])
def test_grpc(certificate: Path, tls: str) -> None:
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import grpc"], capture_output=True, check=False).returncode:
        pytest.skip("python3-grpcio is not installed")
    port = unused_port()
    files = ["key.pem", "cert.pem"] if tls else []
    with running([python, "-c", HEALTH, str(port), *files], cwd=certificate):
        assert until("GRPC_CHECK", tls, port).ok
        assert check("GRPC_CHECK", f"{tls}\nservice asleep", port).text == "NOT_SERVING"
        assert check("GRPC_CHECK", f"{tls}\nservice gone", port).text == "NOT_FOUND (unknown service)"
        assert not check("GRPC_CHECK", "" if tls else "tls", port).ok
