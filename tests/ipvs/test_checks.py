"""Each kind of checker by itself: what it says, how it judges, what it logs."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.ipvs import (
    BfdCheck,
    Connection,
    DnsCheck,
    MiscCheck,
    PingCheck,
    RealServer,
    SmtpCheck,
    UdpCheck,
    VirtualServer,
)
from pykeepalived.config.model.values import Account, Ip, Script
from pykeepalived.ipvs.checks.attempt import SUCCESS, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.dns import DnsError, DnsExchange, DnsState, encode_name, question
from pykeepalived.ipvs.checks.events import BfdState
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.checks.misc import MiscState
from pykeepalived.ipvs.checks.ping import PAYLOAD, PingState
from pykeepalived.ipvs.checks.smtp import SmtpExchange, SmtpState, reply_code
from pykeepalived.ipvs.checks.udp import UdpExchange, UdpState
from pykeepalived.ipvs.state import Real, Virtual
from pykeepalived.ipvs.surroundings import file_number

RS, VS = "[10.10.0.11]:tcp:80", "[10.99.0.1]:tcp:80"
WHERE = Connection(address=Ip.parse("10.10.0.11"), port=80)
COMMON: dict[str, Any] = {"delay_loop_us": 1_000_000, "retry": 0}


def server(weight: int = 10) -> Real:
    model = VirtualServer(address=Ip.parse("10.99.0.1"), port=80)
    return Real(RealServer(address=Ip.parse("10.10.0.11"), port=80, weight=weight), Virtual(model, None))


def begin(kind: type[CheckState[Any]], model: Any, *extra: Any) -> Any:
    return kind(model, server(), RS, VS, *extra)


def lines(conclusion: Any) -> tuple[str, ...]:
    return conclusion.lines if conclusion is not None else ()


# UDP


@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/payload")
def test_udp_payload_is_keepalives_or_the_configured_one() -> None:
    default = UdpExchange(UdpCheck(connection=WHERE)).opened()
    assert default.hex() == "6b656570616c6976656420636865636b202d206b656570616c69766564206368"
    assert UdpExchange(UdpCheck(connection=WHERE, payload=b"\x01")).opened() == b"\x01"


@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/require_reply")
@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/min_reply_length")
@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/max_reply_length")
@pytest.mark.parametrize(
    ("words", "reply", "ok"),
    [
        ({}, b"x", True),
        ({"require_reply": True}, b"\0", True),
        ({"require_reply": True, "reply": b"\xff\0", "reply_mask": b"\xff\xff"}, b"\xff\x01", False),
        ({"require_reply": True, "reply": b"\xff\0", "reply_mask": b"\xff\x0f"}, b"\xff\x70\x33", True),
        ({"require_reply": True, "reply": b"A", "min_reply_length": 3}, b"AB", False),
        ({"require_reply": True, "reply": b"A", "max_reply_length": 2}, b"ABC", False),
        ({"require_reply": True, "reply": b"AB"}, b"A", True),
        ({"require_reply": True, "min_reply_length": 3}, b"A", True),
    ],
)
def test_udp_reply(words: dict[str, Any], reply: bytes, ok: bool) -> None:
    outcome = UdpExchange(UdpCheck(connection=WHERE, **words)).received(reply)
    assert isinstance(outcome, Outcome)
    assert outcome.ok == ok


def test_udp_silence_is_success_unless_a_reply_is_required() -> None:
    assert UdpExchange(UdpCheck(connection=WHERE)).failed(Reason.READ_TIMEOUT, 110, "").ok
    assert not UdpExchange(UdpCheck(connection=WHERE, require_reply=True)).failed(Reason.READ_TIMEOUT, 110, "").ok
    assert not UdpExchange(UdpCheck(connection=WHERE)).failed(Reason.READ_FAILED, 111, "refused").ok


def test_udp_a_socket_that_cannot_be_bound_is_a_failure() -> None:
    check = begin(UdpState, UdpCheck(connection=WHERE, **COMMON))
    conclusion = check.conclude(Outcome(False, Reason.SKIPPED, "Checker bind failed: x"), 0)
    assert (conclusion.lines, conclusion.verdict) == ((f"UDP_CHECK on service {RS} failed.",), False)


# DNS


@pytest.mark.keyword("virtual_server/real_server/DNS_CHECK/name")
@pytest.mark.keyword("virtual_server/real_server/DNS_CHECK/type")
@pytest.mark.parametrize(
    ("name", "kind", "wire"),
    [
        (".", "SOA", "0000060001"),
        ("mail.example.test", "MX", "046d61696c076578616d706c65047465737400000f0001"),
        ("example.test.", "AAAA", "076578616d706c65047465737400001c0001"),
        ("a.b", "A", "016101620000010001"),
    ],
)
def test_dns_question(name: str, kind: str, wire: str) -> None:
    asked = question(name, kind)
    assert asked.hex() == wire
    assert DnsExchange(0xD7C1, asked).opened().hex() == "d7c10100000100000000000" + "0" + wire


@pytest.mark.parametrize("name", ["a..b", ".a", "x" * 64, ".".join(["x" * 63] * 4)])
def test_dns_bad_names(name: str) -> None:
    with pytest.raises(DnsError):
        encode_name(name)


def test_dns_replies_to_others_are_ignored_and_codes_are_failures() -> None:
    exchange = DnsExchange(7, question(".", "SOA"))
    reply = struct.Struct("!HHHHHH").pack
    assert exchange.received(b"short") == b""
    assert exchange.received(reply(8, 0x8180, 1, 0, 0, 0)) == b""
    assert exchange.received(reply(7, 0x0100, 1, 0, 0, 0)) == b""
    assert exchange.received(reply(7, 0x8180, 1, 0, 0, 0)) == SUCCESS
    failed = exchange.received(reply(7, 0x8183, 1, 0, 0, 0))
    assert isinstance(failed, Outcome)
    assert failed.text == "read error occurred. (rcode = 3)"


@given(st.binary(max_size=80))
def test_dns_never_raises(data: bytes) -> None:
    assert isinstance(DnsExchange(1, b"").received(data), bytes | Outcome)


def test_dns_lines() -> None:
    words = {**COMMON, "retry": 2, "log_all_failures": True}
    check = begin(DnsState, DnsCheck(connection=WHERE, **words), lambda _n: 1)
    refused = DnsExchange(1, b"").failed(Reason.READ_FAILED, 111, "Connection refused")
    text = f"DNS_CHECK ({RS}) failed to read socket; errno 111 (Connection refused)"
    assert check.attempt().transport == Transport.UDP
    first = begin(DnsState, DnsCheck(connection=WHERE, **words), lambda _n: 1).conclude(refused, 0)
    assert first.lines == (text,)
    success = check.conclude(SUCCESS, 0)
    assert (success.lines, success.verdict) == ((), True)
    check.has_run = True
    assert lines(check.conclude(refused, 0)) == (text,)
    assert lines(check.conclude(refused, 0)) == (text,)
    last = check.conclude(refused, 0)
    assert (last.lines, last.verdict, last.mail) == (
        (f"{text} after 2 retries",),
        False,
        "=> DNS_CHECK: failed on service <=",
    )


# PING


def test_ping_sequence_and_reply() -> None:
    check = begin(PingState, PingCheck(connection=WHERE, **COMMON))
    first = check.attempt().exchange
    assert first.opened() == struct.pack("!BBHHH", 8, 0, 0, 0, 1) + PAYLOAD
    assert len(PAYLOAD) == 128
    assert first.received(struct.pack("!BBHHH", 0, 0, 0, 99, 2)) == b""
    assert first.received(struct.pack("!BBHHH", 0, 0, 0, 99, 1)) == SUCCESS
    check.conclude(SUCCESS, 0)
    assert check.attempt().exchange.opened()[6:8] == b"\0\2"
    check.has_run = True
    conclusion = check.conclude(Outcome(False, Reason.READ_TIMEOUT), 0)
    assert conclusion.lines == (f"ICMP CHECK on service {RS} failed.",)
    assert check.attempt().exchange.opened()[6:8] == b"\0\1"


def test_ping_ipv6_and_lines_with_retries() -> None:
    where = Connection(address=Ip.parse("fd00::1"))
    words = {**COMMON, "retry": 1, "log_all_failures": True}
    check = begin(PingState, PingCheck(connection=where, **words))
    assert check.attempt().exchange.opened()[0] == 128
    check.conclude(SUCCESS, 0)
    check.has_run = True
    timeout = Outcome(False, Reason.READ_TIMEOUT)
    assert lines(check.conclude(timeout, 0)) == (f"ICMP connection to address {RS} timeout.",)
    assert check.conclude(timeout, 0).lines[-1] == f"ICMP CHECK on service {RS} of {VS} failed after 1 retries."


# SMTP


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"220 hello\r\n", 220),
        (b"220\n", 220),
        (b"220\r\n", 0),
        (b"220-first\r\n", 0),
        (b"22 x\r\n", 0),
        (b"", 0),
        (b"abc d\n", 0),
    ],
)
def test_smtp_reply_code(line: bytes, code: int) -> None:
    assert reply_code(line) == code


@pytest.mark.keyword("virtual_server/real_server/SMTP_CHECK/helo_name")
def test_smtp_dialogue() -> None:
    exchange = SmtpExchange("checker.example.test")
    assert exchange.opened() == b""
    assert exchange.received(b"220 rs") == b""
    assert exchange.received(b"4 ESMTP\r\n") == b"HELO checker.example.test\r\n"
    assert exchange.received(b"250 hello\r\n") == b"QUIT\r\n"
    assert exchange.received(b"500 no\r\n") == SUCCESS


def test_smtp_failures_are_told_after_all_retries() -> None:
    check = begin(SmtpState, SmtpCheck(connection=WHERE, **{**COMMON, "retry": 1, "delay_before_retry_us": 500_000}))
    bad = SmtpExchange("x").received(b"421 no\r\n")
    assert isinstance(bad, Outcome)
    assert check.conclude(bad, 0) is None
    assert check.due == 500_000_000
    text = "Bad greeting banner from server [10.10.0.11]:80"
    conclusion = check.conclude(bad, 0)
    assert conclusion.lines == (f"SMTP_CHECK {text}",)
    assert conclusion.mail == f"=> CHECK failed on service : {text} <="
    refused = Outcome(False, Reason.CONNECT_FAILED, "Connection refused", 111)
    other = begin(SmtpState, SmtpCheck(connection=WHERE, **COMMON)).conclude(refused, 0)
    assert other.lines == ("SMTP_CHECK Could not connect to server [10.10.0.11]:80",)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_smtp_never_raises(parts: list[bytes]) -> None:
    exchange = SmtpExchange("x")
    for part in parts:
        if isinstance(exchange.received(part), Outcome):
            break
    exchange.ended()


# MISC

SCRIPT = Script(("/tmp/check.sh", "m1"), Account(0, 0), path="/tmp/check.sh")


def misc(**words: Any) -> Any:
    return begin(MiscState, MiscCheck(script=SCRIPT, **{**COMMON, **words}))


def ended(status: int) -> Outcome:
    return Outcome(status == 0, Reason.SCRIPT_ENDED, "", status)


SUBJECT = f"Misc check for [{RS} VS {VS}] by [/tmp/check.sh]"


@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/misc_dynamic")
def test_misc_dynamic_weights() -> None:
    check = misc(dynamic=True)
    assert check.conclude(ended(0), 0).verdict is True
    check.has_run = True
    moved = check.conclude(ended(52), 0)
    assert (moved.reweigh, moved.verdict, check.weight) == (True, None, 40)
    assert check.conclude(ended(52), 0) is None
    check.conclude(ended(2), 0)
    assert check.weight == -10
    failed = check.conclude(ended(1), 0)
    assert (failed.verdict, check.weight) == (False, 0)
    assert failed.lines == (f"{SUBJECT} failed with retry disabled (exited with status 1).",)
    check.is_up = False
    back = check.conclude(ended(255), 0)
    assert (back.verdict, back.reweigh, check.weight) == (True, True, 243)
    check.is_up = True
    check.conclude(ended(0), 0)
    assert check.weight == 0


def test_misc_status_2_fails_without_dynamic() -> None:
    assert misc().conclude(ended(2), 0).verdict is False


@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/misc_timeout")
def test_misc_lines_of_retries_timeouts_and_signals() -> None:
    check = misc(retry=2, log_all_failures=True)
    check.conclude(ended(0), 0)
    check.has_run = True
    assert lines(check.conclude(ended(9), 0)) == (f"{SUBJECT} failed, will do 2 retries (exited with status 9).",)
    assert lines(check.conclude(ended(9), 0)) == (f"{SUBJECT} failed on retry 1/2 (exited with status 9).",)
    assert lines(check.conclude(ended(9), 0)) == (f"{SUBJECT} failed after 2 retries (exited with status 9).",)
    late = misc().conclude(Outcome(False, Reason.SCRIPT_TIMED_OUT), 0)
    assert (late.lines, late.mail) == (
        (f"{SUBJECT} timed out with retry disabled.",),
        "=> MISC CHECK timed out on service <=",
    )
    killed = misc().conclude(Outcome(False, Reason.SCRIPT_SIGNALLED, "", 9), 0)
    assert killed.lines == (f"{SUBJECT} failed with retry disabled (due to signal 9).",)


def test_misc_runs_delay_loop_after_its_start() -> None:
    check = misc()
    check.started = 0
    check.conclude(ended(0), 400_000_000)
    assert check.due == 1_000_000_000
    check.conclude(ended(0), 3_000_000_000)
    assert check.due == 3_000_000_000


# BFD


def test_bfd_events() -> None:
    check = begin(BfdState, BfdCheck(name="B1"))
    down = check.told(False, 12)
    assert down.details == ("Received BFD event: instance B1 is in state Down (delivered in 12 usec)",)
    assert down.lines == (f"BFD check of [B1] RS({RS}) is DOWN",)
    assert (down.verdict, down.mail) == (False, "=> BFD CHECK B1 failed on service <=")
    check.is_up, check.has_run = False, True
    again = check.told(False, 1)
    assert (again.lines, again.verdict) == ((), None)
    assert check.told(True, 1).verdict is True


# files


@pytest.mark.keyword("track_file")
@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"", 0),
        (b"12\n", 12),
        (b" -3 x", -3),
        (b"+0x1F", 31),
        (b"017", 15),
        (b"08", 0),
        (b"abc", 0),
        (b"2147483647", 2147483647),
        (b"2147483648", None),
        (b"-2147483648", -2147483648),
        (b"99999999999999999999", None),
    ],
)
def test_file_number(content: bytes, number: int | None) -> None:
    assert file_number(content) == number


def test_a_failure_without_words_is_told_by_its_kind() -> None:
    check = begin(UdpState, UdpCheck(connection=WHERE, **COMMON))
    check.conclude(Outcome(False, Reason.READ_TIMEOUT), 0)
    assert check.text == "read timeout"
