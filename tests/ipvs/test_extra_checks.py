"""The exchanges of our own checkers: what they say, how they judge, and that no bytes upset them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.extra_checks import MysqlCheck, PgsqlCheck, RedisCheck, RoleCheck
from pykeepalived.config.model.ipvs import Checker, Connection, TcpCheck
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.attempt import SUCCESS, Exchange, Outcome, Reason
from pykeepalived.ipvs.checks.dialogue import LIMIT, readable
from pykeepalived.ipvs.checks.factory import make
from pykeepalived.ipvs.checks.mysql import MysqlExchange, native_password, packet
from pykeepalived.ipvs.checks.pgsql import PgsqlExchange, message
from pykeepalived.ipvs.checks.redis import RedisExchange
from pykeepalived.ipvs.checks.tcp import TcpExchange

WHERE = Connection(address=Ip.parse("10.10.0.11"), port=80)
RS = "[10.10.0.11]:tcp:80"
PARTS = st.lists(st.binary(max_size=300), max_size=8)


def play(exchange: Exchange, *parts: bytes) -> tuple[bytes, Outcome]:
    """What it said, and how it ended: after the last part the server closes."""
    said = exchange.opened()
    for part in parts:
        answer = exchange.received(part)
        if isinstance(answer, Outcome):
            return said, answer
        said += answer
    return said, exchange.ended()


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def failure(exchange: Exchange, *parts: bytes) -> str:
    """The words of a failure."""
    outcome = play(exchange, *parts)[1]
    assert not outcome.ok
    return outcome.text


def any_bytes_will_do(new: Callable[[], Exchange], parts: list[bytes], start: bytes = b"") -> None:
    """Whatever comes, in whatever pieces: a verdict or patience; then the ends all give a verdict."""
    for end in ("ended", "failed"):
        exchange = new()
        assert isinstance(exchange.opened(), bytes)
        answer: bytes | Outcome = b""
        for part in (start, *parts):
            if part and not isinstance(answer, Outcome):
                answer = exchange.received(part)
                assert isinstance(answer, (bytes, Outcome))
        if not isinstance(answer, Outcome):
            last = exchange.ended() if end == "ended" else exchange.failed(Reason.READ_TIMEOUT, 110, "late")
            assert isinstance(last, Outcome)


def lines(model: Checker, outcome: Outcome) -> tuple[str, ...]:
    """What the first result of a checker logs."""
    found: Any = make(model, None, RS, "vs", lambda _limit: 0)
    conclusion = found.conclude(outcome, 0)
    assert conclusion is not None
    assert conclusion.verdict is outcome.ok
    return conclusion.lines  # type: ignore[no-any-return]


# --- TCP_CHECK --------------------------------------------------------------------------------------------------------


def test_tcp_send_and_expect() -> None:
    exchange = TcpExchange(b"PING\r\n", b"+PONG")
    assert play(exchange, b"noise +PO", b"NG\r\n") == (b"PING\r\n", SUCCESS)
    assert play(TcpExchange(b"", b"220"), *bytewise(b"220 ready")) == (b"", SUCCESS)
    assert play(TcpExchange(b"x", b""), b"?") == (b"x", SUCCESS)
    assert failure(TcpExchange(b"x", b"y")) == "connection closed by the server"
    assert failure(TcpExchange(b"x", b"y"), b"-ERR\r\nno \x1b[1m") == "unexpected reply: -ERR  no  [1m"
    assert failure(TcpExchange(b"", b"y"), b"x" * LIMIT) == f"unexpected reply: {'x' * 100}"
    assert failure(TcpExchange(b"", b"y"), b"x" * LIMIT, b"x") == "too much data"
    assert TcpExchange(b"", b"y").failed(Reason.READ_TIMEOUT, 110, "").text == "no answer in time"


@given(PARTS, st.binary(max_size=3))
def test_tcp_takes_anything(parts: list[bytes], expect: bytes) -> None:
    any_bytes_will_do(lambda: TcpExchange(b"x", expect), parts)


def test_tcp_lines() -> None:
    plain = TcpCheck(connection=WHERE)
    wordy = TcpCheck(connection=WHERE, send=b"x")
    assert lines(plain, Outcome(False, Reason.CONNECT_FAILED, "refused", 111)) == (
        f"TCP_CHECK on service {RS} failed.",
    )
    assert lines(wordy, Outcome(False, Reason.CLOSED, "unexpected reply: no.")) == (
        f"TCP_CHECK on service {RS} failed: unexpected reply: no.",
    )


def test_tcp_is_the_same_only_with_the_same_words() -> None:
    one, two = (
        make(TcpCheck(connection=WHERE, expect=text), None, RS, "vs", lambda _limit: 0) for text in (b"a", b"b")
    )
    assert not one.same_as(two)
    assert one.same_as(one)


@pytest.mark.parametrize(("data", "text"), [(b"\0\xff\xc3\xa9", "�é"), (b"x" * 200, "x" * 100)])
def test_only_readable_text_is_logged(data: bytes, text: str) -> None:
    assert readable(data) == text


# --- REDIS_CHECK ------------------------------------------------------------------------------------------------------

MASTER = b"*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$1\r\n0\r\n"
REPLICA = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3167038\r\n"


def test_redis() -> None:
    assert play(RedisExchange("any", ""), b"+PONG\r\n") == (b"*1\r\n$4\r\nPING\r\n", SUCCESS)
    asked, outcome = play(RedisExchange("primary", "p w"), b"+OK\r\n", MASTER)
    assert (asked, outcome) == (b"*2\r\n$4\r\nAUTH\r\n$3\r\np w\r\n*1\r\n$4\r\nROLE\r\n", SUCCESS)
    assert play(RedisExchange("replica", ""), *bytewise(REPLICA))[1].ok
    assert failure(RedisExchange("replica", ""), MASTER) == "role is primary"
    assert failure(RedisExchange("primary", ""), REPLICA) == "role is replica"
    assert failure(RedisExchange("primary", ""), b"*2\r\n$8\r\nsentinel\r\n*-1\r\n") == "role is sentinel"
    connecting = REPLICA.replace(b"$9\r\nconnected", b"$7\r\nconnect")
    assert failure(RedisExchange("replica", ""), connecting) == "replica without its primary (connect)"
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    assert failure(RedisExchange("any", ""), loading) == "LOADING Redis is loading the dataset in memory"
    assert failure(RedisExchange("any", "x"), b"-WRONGPASS no\r\n", b"+PONG\r\n") == "WRONGPASS no"
    assert failure(RedisExchange("any", ""), b"HTTP/1.0 400 Bad\r\n") == "not a Redis server"
    assert failure(RedisExchange("any", ""), b"$-1\r\n") == "unexpected reply to PING"
    assert failure(RedisExchange("primary", ""), b"*0\r\n") == "role is unknown"
    assert failure(RedisExchange("primary", ""), b"*99\r\n" + b"x" * LIMIT) == "too much data"
    assert failure(RedisExchange("any", ""), MASTER[:-1]) == "connection closed by the server"


@given(PARTS, st.sampled_from(["any", "primary", "replica"]), st.integers(0, len(REPLICA)))
def test_redis_takes_anything(parts: list[bytes], role: str, cut: int) -> None:
    any_bytes_will_do(lambda: RedisExchange(role, ""), parts)
    any_bytes_will_do(lambda: RedisExchange(role, "x"), parts, b"+OK\r\n" + REPLICA[:cut])


# --- PGSQL_CHECK ------------------------------------------------------------------------------------------------------

TRUSTED = message(b"R", b"\0\0\0\0") + message(b"S", b"server_version\x0015\0") + message(b"Z", b"I")
QUESTION = b"Q\0\0\0\x1fselect pg_is_in_recovery()\0"


def answer(value: bytes) -> bytes:
    return message(b"T", b"x" * 30) + message(b"D", b"\0\1\0\0\0\1" + value) + message(b"C", b"x") + message(b"Z", b"I")


def test_pgsql() -> None:
    hello = b"\0\0\0\x37\0\3\0\0user\0u\0database\0d\0application_name\0keepalived\0\0"
    assert play(PgsqlExchange("any", "u", "d"), TRUSTED) == (hello, SUCCESS)
    assert len(hello) == 0x37
    assert play(PgsqlExchange("primary", "u", "d"), TRUSTED, answer(b"f")) == (hello + QUESTION, SUCCESS)
    assert play(PgsqlExchange("replica", "u", "d"), *bytewise(TRUSTED + answer(b"t")))[1].ok
    assert failure(PgsqlExchange("replica", "u", "d"), TRUSTED, answer(b"f")) == "role is primary"
    assert failure(PgsqlExchange("primary", "u", "d"), TRUSTED, answer(b"t")) == "role is replica"
    assert failure(PgsqlExchange("primary", "u", "d"), TRUSTED, answer(b"x")) == "unexpected answer to the query"
    assert failure(PgsqlExchange("primary", "u", "d"), TRUSTED, message(b"Z", b"I")) == "no answer to the query"
    locked = message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")
    assert play(PgsqlExchange("any", "u", "d"), locked)[1].ok
    assert failure(PgsqlExchange("primary", "u", "d"), locked) == "the server asks for a password"
    starting = message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")
    assert failure(PgsqlExchange("any", "u", "d"), starting) == "the database system is starting up (57P03)"
    assert failure(PgsqlExchange("any", "u", "d"), b"HTTP/1.0 400 Bad\r\n") == "not a PostgreSQL server"
    assert failure(PgsqlExchange("any", "u", "d"), TRUSTED[:-1]) == "connection closed by the server"


@given(PARTS, st.sampled_from(["any", "primary", "replica"]), st.integers(0, len(TRUSTED + answer(b"t"))))
def test_pgsql_takes_anything(parts: list[bytes], role: str, cut: int) -> None:
    any_bytes_will_do(lambda: PgsqlExchange(role, "u", "d"), parts)
    any_bytes_will_do(lambda: PgsqlExchange(role, "u", "d"), parts, (TRUSTED + answer(b"t"))[:cut])


# --- MYSQL_CHECK ------------------------------------------------------------------------------------------------------

SALT = b"abcdefgh" + b"ijklmnopqrst"
GREETING = packet(
    0,
    b"\x0a5.5.5-10.11.6-MariaDB\0\x07\0\0\0" + SALT[:8] + b"\0\xfe\xf7\x2d\x02\0\xff\x81\x15" + bytes(10)
    + SALT[8:] + b"\0mysql_native_password\0",
)  # fmt: skip
LET_IN = packet(2, b"\0\0\0\2\0\0\0")
GOODBYE = b"\1\0\0\0\1"


def row(value: bytes) -> bytes:
    end = b"\xfe\0\0\2\0"
    column = packet(2, b"\3def" + bytes(20))
    return packet(1, b"\1") + column + packet(3, end) + packet(4, bytes([len(value)]) + value) + packet(5, end)


def test_mysql() -> None:
    said, outcome = play(MysqlExchange("any", "u", ""), GREETING, LET_IN)
    head = b"\1\x82\x08\0\0\0\x10\0\x21" + bytes(23)
    assert outcome.ok
    assert said == packet(1, head + b"u\0\0mysql_native_password\0") + GOODBYE
    said, outcome = play(MysqlExchange("primary", "u", ""), *bytewise(GREETING + LET_IN + row(b"0")))
    assert outcome.ok
    assert said.endswith(b"\x1a\0\0\0\3select @@global.read_only" + GOODBYE)
    assert play(MysqlExchange("primary", "u", ""), GREETING, LET_IN, row(b"OFF"))[1].ok
    assert play(MysqlExchange("replica", "u", ""), GREETING, LET_IN, row(b"1"))[1].ok
    assert failure(MysqlExchange("replica", "u", ""), GREETING, LET_IN, row(b"0")) == "role is primary"
    assert failure(MysqlExchange("primary", "u", ""), GREETING, LET_IN, row(b"NO_LOCK")) == "role is replica"
    blocked = packet(0, b"\xff\x69\x04Host is blocked")
    assert failure(MysqlExchange("any", "u", ""), blocked) == "Host is blocked (1129)"
    denied = packet(2, b"\xff\x15\x04#28000Access denied")
    assert failure(MysqlExchange("any", "u", "x"), GREETING, denied) == "Access denied (1045)"
    assert failure(MysqlExchange("any", "u", ""), b"SSH-2.0-OpenSSH_9.2\r\n" * 3) == "not a MySQL server"
    assert failure(MysqlExchange("any", "u", ""), GREETING) == "connection closed by the server"


def test_mysql_passwords() -> None:
    said, _outcome = play(MysqlExchange("any", "u", "secret"), GREETING)
    assert b"u\0\x14" + native_password(b"secret", SALT) + b"mysql_native_password\0" in said
    other = b"ABCDEFGHIJKLMNOPQRST"
    switch = packet(2, b"\xfemysql_native_password\0" + other + b"\0")
    said, outcome = play(MysqlExchange("any", "u", "secret"), GREETING, switch, LET_IN)
    assert outcome.ok
    assert said.endswith(packet(3, native_password(b"secret", other)) + GOODBYE)
    new = packet(2, b"\xfecaching_sha2_password\0" + other + b"\0")
    assert play(MysqlExchange("any", "u", ""), GREETING, new, LET_IN)[0].endswith(packet(3, b"\0") + GOODBYE)
    text = "authentication by caching_sha2_password is possible without a password only"
    assert failure(MysqlExchange("any", "u", "secret"), GREETING, new) == text


def test_the_verdict_stands_however_the_goodbye_goes() -> None:
    exchange = MysqlExchange("any", "u", "")
    assert exchange.received(GREETING)
    assert exchange.received(LET_IN) == GOODBYE
    assert exchange.received(b"more") == b""
    assert exchange.failed(Reason.READ_TIMEOUT, 110, "late").ok
    assert exchange.failed(Reason.READ_FAILED, 104, "reset").ok


@given(PARTS, st.sampled_from(["any", "primary", "replica"]), st.integers(0, len(GREETING + LET_IN + row(b"0"))))
def test_mysql_takes_anything(parts: list[bytes], role: str, cut: int) -> None:
    any_bytes_will_do(lambda: MysqlExchange(role, "u", "p"), parts)
    any_bytes_will_do(lambda: MysqlExchange(role, "u", "p"), parts, (GREETING + LET_IN + row(b"0"))[:cut])


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RedisCheck, PgsqlCheck, MysqlCheck])
def test_lines_and_identity(kind: type[RoleCheck]) -> None:
    word = f"{kind.__name__.removesuffix('Check').upper()}_CHECK"
    model = kind(connection=WHERE, role="primary", retry=2)
    assert lines(model, SUCCESS) == (f"{word} on service {RS} succeed.",)
    assert lines(model, Outcome(False, Reason.ANSWER, "role is replica")) == (
        f"{word} on service {RS} failed: role is replica.",
    )
    for reason, text in (
        (Reason.CONNECT_TIMEOUT, "connection timeout"),
        (Reason.TLS_FAILED, "TLS failed (x.)"),
        (Reason.UNREACHABLE, "x."),
        (Reason.READ_TIMEOUT, "x"),
    ):
        assert lines(model, Outcome(False, reason, "x.")) == (f"{word} on service {RS} failed: {text}.",)
    one, two, other = (
        make(kind(connection=WHERE, role=role), None, RS, "vs", lambda _limit: 0) for role in ("any", "any", "primary")
    )
    assert one.same_as(two)
    assert not one.same_as(other)
    assert not one.same_as(make(TcpCheck(connection=WHERE), None, RS, "vs", lambda _limit: 0))
