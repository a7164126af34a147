"""Checkers and words that keepalived does not have: values, limits, faults, and the hint that they are ours."""

from __future__ import annotations

import pytest

from pykeepalived.config.describe import explain, json_schema, paths
from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK, Severity
from pykeepalived.config.model.extra_checks import GrpcCheck, MysqlCheck, PgsqlCheck, RedisCheck
from pykeepalived.config.model.ipvs import HttpCheck, TcpCheck
from pykeepalived.config.schema.base import OURS
from pykeepalived.config.schema.root import ROOT
from pykeepalived.observe.dump.checkers import checker_lines
from pykeepalived.observe.dump.text import Moments
from pykeepalived.observe.snapshot import CheckerSnapshot, Taken
from tests.config_lvs.loading import checker, errors, finding, notes, real, the_checker, the_virtual

PREFIX = "virtual_server/real_server"


@pytest.mark.keyword(f"{PREFIX}/TCP_CHECK/send")
@pytest.mark.keyword(f"{PREFIX}/TCP_CHECK/expect")
def test_tcp_send_and_expect() -> None:
    result = checker("TCP_CHECK", 'send "PING\\r\\n\\xff"\nexpect +PONG\n')
    assert (errors(result), notes(result), result.exit_status) == ([], ["keyword-ours"] * 2, EXIT_OK)
    found = the_checker(result)
    assert isinstance(found, TcpCheck)
    assert (found.send, found.expect) == (b"PING\r\n\xff", b"+PONG")


@pytest.mark.parametrize("words", ["send", "send a b", 'send ""', "expect", "expect \\0"])
def test_tcp_faults(words: str) -> None:
    result = checker("TCP_CHECK", words)
    assert (errors(result), result.exit_status) == (["string-invalid"], EXIT_ERRORS)
    found = the_checker(result)
    assert isinstance(found, TcpCheck)
    assert (found.send, found.expect) == (b"", b"")


URL = "url {\npath /\n}\n"


@pytest.mark.keyword(f"{PREFIX}/SSL_GET/cert_min_days")
def test_cert_min_days() -> None:
    result = checker("SSL_GET", URL + "cert_min_days 30\n")
    assert (errors(result), notes(result), result.exit_status) == ([], ["keyword-ours"], EXIT_OK)
    found = the_checker(result)
    assert isinstance(found, HttpCheck)
    assert found.cert_min_days == 30
    assert errors(checker("SSL_GET", URL + "cert_min_days 99999\n")) == ["number-range"]
    assert errors(checker("HTTP_GET", URL + "cert_min_days 1\n")) == ["keyword-unknown"]


def databases(word: str) -> list[pytest.MarkDecorator]:
    """Marks of a word of the checkers of databases."""
    with_word = {"role": DATABASES, "user": DATABASES[1:], "password": DATABASES[::2], "database": DATABASES[1:2]}
    return [pytest.mark.keyword(f"{PREFIX}/{kind}/{word}") for kind in with_word[word]]


DATABASES = ("REDIS_CHECK", "PGSQL_CHECK", "MYSQL_CHECK")
EVERY = [
    pytest.param("role replica", "role", "replica", marks=databases("role")),
    ("role slave", "role", "replica"),
    ("role master", "role", "primary"),
    ("role primary", "role", "primary"),
    ("", "role", "any"),
]
USERS = [pytest.param("user u", "user", "u", marks=databases("user")), ("", "user", "keepalived")]
PASSWORDS = [pytest.param('password "p w"', "password", "p w", marks=databases("password")), ("", "password", "")]
OTHERS = [pytest.param("database d", "database", "d", marks=databases("database")), ("", "database", "postgres")]


@pytest.mark.parametrize(("words", "attribute", "value"), [*EVERY, *USERS, *PASSWORDS, *OTHERS])
def test_databases(words: str, attribute: str, value: object) -> None:
    for kind, model in zip(DATABASES, (RedisCheck, PgsqlCheck, MysqlCheck), strict=True):
        if attribute in model.__dataclass_fields__:
            result = checker(kind, words + "\nconnect_port 99\nretry 7\n")
            assert (errors(result), result.exit_status) == ([], EXIT_OK)
            assert finding(result, "keyword-ours").message == f"keepalived does not know {kind}"
            found = the_checker(result)
            assert type(found) is model
            assert (getattr(found, attribute), found.connection.port, found.retry) == (value, 99, 7)
            assert "p w" not in repr(found)


@pytest.mark.keyword(f"{PREFIX}/GRPC_CHECK")
@pytest.mark.keyword(f"{PREFIX}/GRPC_CHECK/service")
@pytest.mark.keyword(f"{PREFIX}/GRPC_CHECK/authority")
@pytest.mark.keyword(f"{PREFIX}/GRPC_CHECK/tls")
def test_grpc() -> None:
    plain = the_checker(checker("GRPC_CHECK"))
    assert isinstance(plain, GrpcCheck)
    assert (plain.service, plain.authority, plain.tls) == ("", "", False)
    found = the_checker(checker("GRPC_CHECK", "service my.Service\nauthority h:1\ntls\n"))
    assert isinstance(found, GrpcCheck)
    assert (found.service, found.authority, found.tls) == ("my.Service", "h:1", True)


@pytest.mark.parametrize("kind", ["HTTP_GET", "SSL_GET"])
def test_http_protocol_2(kind: str) -> None:
    result = checker(kind, URL + "http_protocol 2\n")
    assert (errors(result), result.exit_status) == ([], EXIT_OK)
    assert finding(result, "keyword-ours").message == "keepalived does not know http_protocol 2"
    found = the_checker(result)
    assert isinstance(found, HttpCheck)
    assert found.http_protocol == "2"


@pytest.mark.parametrize(
    ("kind", "words", "codes"),
    [
        ("REDIS_CHECK", "role sentinel", ["word-unknown"]),
        ("REDIS_CHECK", "role", ["word-missing"]),
        ("REDIS_CHECK", "user x", ["keyword-unknown"]),
        ("GRPC_CHECK", "role primary", ["keyword-unknown"]),
        ("PGSQL_CHECK", "password x", ["keyword-unknown"]),
        ("MYSQL_CHECK", "user", ["word-absent"]),
        ("MYSQL_CHECK", "password a\npassword b", ["keyword-repeated"]),
    ],
)
def test_database_faults(kind: str, words: str, codes: list[str]) -> None:
    assert errors(checker(kind, words)) == codes


@pytest.mark.parametrize(
    ("kind", "words", "shown"),
    [
        ("MYSQL_CHECK", "role replica\nuser u\npassword hidden", ["MYSQL_CHECK", "Role = replica", "User = u"]),
        ("REDIS_CHECK", "password hidden", ["REDIS_CHECK", "Role = any"]),
        ("PGSQL_CHECK", "", ["PGSQL_CHECK", "Role = any", "User = keepalived", "Database = postgres"]),
        ("GRPC_CHECK", "service a.B\ntls", ["GRPC_CHECK", "Service = a.B", "TLS set"]),
        ("TCP_CHECK", "send hidden\nexpect b", ["TCP_CHECK", "  Send len = 6", "  Expect len = 1"]),
    ],
)
def test_what_a_dump_says(kind: str, words: str, shown: list[str]) -> None:
    result = checker(kind, words)
    moments = Moments(Taken(0, 0))
    dumped = list(
        checker_lines("", the_checker(result), CheckerSnapshot(), the_virtual(result), moments, logs_all=False)
    )
    assert dumped[-len(shown) :] == [f"   Keepalive method = {shown[0]}", *(f"   {line}" for line in shown[1:])]
    assert "hidden" not in "".join(dumped)


def test_the_hint_comes_once() -> None:
    result = real("TCP_CHECK {\nsend a\n}\nTCP_CHECK {\nsend b\n}\n")
    hint = finding(result, "keyword-ours")
    assert (hint.severity, hint.message) == (Severity.HINT, "keepalived does not know send")


def test_our_words_are_marked_as_ours() -> None:
    ours = [path for path, keyword in paths(ROOT).items() if keyword.since == OURS]
    assert f"{PREFIX}/TCP_CHECK/send" in ours
    for path in ours:
        assert "since      pykeepalived\n" in explain(ROOT, path)
    schema = json_schema(ROOT)
    for name in ("virtual_server", "real_server", "TCP_CHECK", "send"):
        schema = schema["properties"][name]
    assert schema["x-since"] == OURS
