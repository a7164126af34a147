"""Addresses, prefixes, ports, masks, hex strings, digests, accounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config import values
from pykeepalived.config.model.values import Account, Ip
from pykeepalived.config.values import Accounts, Fault, User


@pytest.mark.parametrize("word", ["10.0.0.1", "2001:db8::1", "::", "0.0.0.0"])
def test_ip(word: str) -> None:
    assert values.ip(word) == Ip.parse(word)


@pytest.mark.parametrize("word", ["10.0.0", "10.0.0.01", "10.0.0.256", "fe80::1%eth0", "host", "", "1:2"])
def test_bad_ip(word: str) -> None:
    assert isinstance(values.ip(word), Fault)


def test_family_restricts() -> None:
    assert isinstance(values.ip("10.0.0.1", 6), Fault)
    assert values.ip("10.0.0.1", 4) == bytes((10, 0, 0, 1))


@pytest.mark.parametrize("word", ["10.0.0.1/24", "10.0.0.1-5", "10.0.0.1-x/y", "10.0.0.1/", "10.0.0.1"])
def test_socket_addresses_lose_what_follows(word: str) -> None:
    assert values.socket_ip(word) == Ip.parse("10.0.0.1")


def test_dash_wins_over_slash() -> None:
    assert isinstance(values.socket_ip("10.0.0.1/24-3"), Fault)


@pytest.mark.parametrize(
    ("word", "length", "given", "faulty"),
    [
        ("10.0.0.1", 32, False, False),
        ("10.0.0.1/24", 24, True, False),
        ("10.0.0.1/33", 32, True, True),
        ("10.0.0.1/x", 32, True, True),
        ("10.0.0.1/", 0, True, False),
        ("2001:db8::1/64", 64, True, False),
        ("2001:db8::1/129", 128, True, True),
    ],
)
def test_prefix(word: str, length: int, given: bool, faulty: bool) -> None:
    prefix = values.prefix(word)
    assert not isinstance(prefix, Fault)
    assert (prefix.length, prefix.given, prefix.fault is not None) == (length, given, faulty)


def test_ports() -> None:
    assert values.port("80") == 80
    assert values.port("0000", zero=True) == 0
    assert isinstance(values.port("0"), Fault)
    assert isinstance(values.port("65536", zero=True), Fault)
    assert isinstance(values.port("", zero=True), Fault)


@pytest.mark.parametrize(
    ("word", "mask"),
    [("255.255.255.0", 0xFFFFFF00), ("255.0.255.0", 0xFF00FF00), ("1.2.3", 0x01020003), ("33", 33), ("0x10", 16)],
)
def test_netmask_as_inet_aton_reads_it(word: str, mask: int) -> None:
    assert values.netmask(word) == mask


@pytest.mark.parametrize("word", ["1.2.3.4.5", "256.0.0.0", "a.b.c.d", "", "1..2", "1.2.3.256"])
def test_bad_netmask(word: str) -> None:
    assert isinstance(values.netmask(word), Fault)


@pytest.mark.parametrize(
    ("words", "octets"),
    [(["0102ff"], b"\x01\x02\xff"), (["01", "02ff"], b"\x01\x02\xff"), (["123", "4"], b"\x12\x03\x04")],
)
def test_hex(words: list[str], octets: bytes) -> None:
    assert values.hex_octets(words) == (octets, b"\xff" * len(octets))


def test_hex_wildcards() -> None:
    assert values.hex_octets(["12xx", "x3", "4X", "x"], wildcards=True) == (
        b"\x12\x00\x03\x40\x00",
        b"\xff\x00\x0f\xf0\xf0",
    )


@pytest.mark.parametrize("words", [["xx"], ["0g"], [], [""], ["0x10"]])
def test_bad_hex(words: list[str]) -> None:
    assert isinstance(values.hex_octets(words), Fault)


def test_digest() -> None:
    assert values.digest("00112233445566778899AABBCCDDEEFF") == bytes.fromhex("00112233445566778899aabbccddeeff")
    short = values.digest("abc")
    assert isinstance(short, Fault)
    assert short.text == "digest 'abc' character length should be 32 rather than 3"
    bad = values.digest("x" * 32)
    assert isinstance(bad, Fault)
    assert bad.text == f"Unable to interpret hex digit in '{'x' * 32}' at offset 30/31"


ACCOUNTS = Accounts([User("web", 33, 34), User("root", 0, 0)], [("staff", 50), ("web", 34)])


@pytest.mark.parametrize(
    ("user", "group", "supplementary", "expected"),
    [
        ("web", None, False, Account(33, 34, False, "web")),
        ("web", "staff", False, Account(33, 50, False, "web")),
        ("web", ":staff", False, Account(33, 50, True, "web")),
        ("web", ":", False, Account(33, 34, True, "web")),
        ("web", None, True, Account(33, 34, True, "web")),
    ],
)
def test_account(user: str, group: str | None, supplementary: bool, expected: Account) -> None:
    assert values.account(user, group, ACCOUNTS, supplementary=supplementary) == expected


@pytest.mark.parametrize(
    ("user", "group", "text"),
    [
        ("nobody-here", None, "Script user 'nobody-here' does not exist"),
        ("33", None, "Script user '33' does not exist"),
        ("web", "none", "Script group 'none' does not exist"),
    ],
)
def test_unknown_account(user: str, group: str | None, text: str) -> None:
    fault = values.account(user, group, ACCOUNTS)
    assert isinstance(fault, Fault)
    assert fault.text == text


@given(st.text(max_size=40))
def test_any_text_gives_a_value_or_a_fault(word: str) -> None:
    for parse in (values.ip, values.socket_ip, values.prefix, values.netmask, values.digest):
        parse(word)
    values.hex_octets([word], wildcards=True)
