"""The exchanges of our own checkers: what they say, how they judge, and that no bytes upset them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.ipvs import Checker, Connection, TcpCheck
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.attempt import SUCCESS, Exchange, Outcome, Reason
from pykeepalived.ipvs.checks.dialogue import LIMIT, readable
from pykeepalived.ipvs.checks.factory import make
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
    assert lines(wordy, Outcome(False, Reason.CLOSED, "unexpected reply: no")) == (
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
