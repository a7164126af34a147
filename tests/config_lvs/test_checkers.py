"""UDP, DNS, SMTP, MISC, FILE and BFD checkers: values, limits, faults."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK
from pykeepalived.config.model.ipvs import (
    BfdCheck,
    DnsCheck,
    FileCheck,
    MiscCheck,
    PingCheck,
    SmtpCheck,
    TcpCheck,
    UdpCheck,
)
from pykeepalived.config.model.values import Ip
from tests.config_lvs.loading import (
    checker,
    errors,
    notes,
    real,
    the_checker,
    the_real,
)

NEEDED = {"HTTP_GET": "url {\npath /\n}\n", "SSL_GET": "url {\npath /\n}\n", "MISC_CHECK": 'misc_path "/bin/true x"\n'}
SECURE = "global_defs {\nenable_script_security\nscript_user web\n}\n"
BEFORE = SECURE + "track_file tf {\nfile /tmp/tf\nweight 5 reverse\n}\nbfd_instance b {\nneighbor_ip 10.0.0.9\n}\n"


def one(kind: str, words: str = "") -> object:
    return the_checker(checker(kind, NEEDED.get(kind, "") + words, before=BEFORE))


def test_kinds() -> None:
    assert type(one("TCP_CHECK")) is TcpCheck
    assert type(one("PING_CHECK")) is PingCheck


@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/payload")
@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/require_reply")
@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/min_reply_length")
@pytest.mark.keyword("virtual_server/real_server/UDP_CHECK/max_reply_length")
def test_udp() -> None:
    found = one("UDP_CHECK", "payload 01 02ff\nrequire_reply 12 xx\nmin_reply_length 2\nmax_reply_length 300\n")
    assert isinstance(found, UdpCheck)
    assert (found.payload, found.require_reply, found.reply, found.reply_mask) == (
        b"\x01\x02\xff",
        True,
        b"\x12\0",
        b"\xff\0",
    )
    assert (found.min_reply_length, found.max_reply_length) == (2, 300)
    plain = one("UDP_CHECK", "require_reply\n")
    assert isinstance(plain, UdpCheck)
    assert (plain.payload, plain.require_reply, plain.reply) == (None, True, None)


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("payload", ["word-absent"]),
        ("payload xx", ["hex-invalid"]),
        ("require_reply zz", ["hex-invalid"]),
        ("min_reply_length 500", ["udp-lengths"]),
        ("max_reply_length 65536", ["number-range"]),
    ],
)
def test_udp_faults(words: str, codes: list[str]) -> None:
    assert errors(checker("UDP_CHECK", words)) == codes


@pytest.mark.keyword("virtual_server/real_server/DNS_CHECK/type")
@pytest.mark.keyword("virtual_server/real_server/DNS_CHECK/name")
@pytest.mark.parametrize(
    ("words", "kind", "name", "codes"),
    [
        ("", "SOA", ".", []),
        ("type mx\nname example.com", "MX", "example.com", []),
        ("name a.b", "SOA", "a.b", []),
        ("name example.com.", "SOA", "example.com.", []),
        ("name .", "SOA", ".", []),
        ('name ""', "SOA", ".", []),
        ("name a..b", "SOA", ".", ["dns-name"]),
        ("name .ab", "SOA", ".", ["dns-name"]),
        (f"name {'x' * 64}.com", "SOA", ".", ["dns-name"]),
        ("name ab\nname cd", "SOA", "ab", ["keyword-repeated"]),
        ("type foo", "SOA", ".", ["dns-type"]),
    ],
)
def test_dns(words: str, kind: str, name: str, codes: list[str]) -> None:
    result = checker("DNS_CHECK", words)
    found = the_checker(result)
    assert isinstance(found, DnsCheck)
    assert (found.type, found.name, errors(result)) == (kind, name, codes)


@pytest.mark.keyword("virtual_server/real_server/SMTP_CHECK/helo_name")
@pytest.mark.keyword("virtual_server/real_server/SMTP_CHECK/host")
def test_smtp_hosts_are_checkers_of_the_server() -> None:
    alone = one("SMTP_CHECK")
    assert isinstance(alone, SmtpCheck)
    assert alone.helo_name == "smtpchecker.keepalived.org"
    hosts = checker("SMTP_CHECK", "helo_name me\nhost {\n}\nhost {\nretry 3\n}\n")
    assert (errors(hosts), notes(hosts)) == ([], ["smtp-host", "smtp-host"])
    assert [(c.connection.port, c.helo_name, c.retry) for c in the_real(hosts).checkers] == [
        (80, "me", 3),
        (80, "me", 3),
    ]
    landed = checker("SMTP_CHECK", "host {\nconnect_port 25\n}\n")
    assert [c.connection.port for c in the_real(landed).checkers] == [80, 25]
    assert errors(checker("SMTP_CHECK", "helo_name")) == ["word-absent"]


@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/misc_path")
@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/misc_timeout")
@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/misc_dynamic")
@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/user")
def test_misc() -> None:
    found = one("MISC_CHECK", "misc_timeout 7\nmisc_dynamic\nuser root\n")
    assert isinstance(found, MiscCheck)
    assert (found.script.words, found.script.account.uid) == (("/bin/true", "x"), 0)
    assert (found.timeout_us, found.dynamic) == (7_000_000, True)
    plain = one("MISC_CHECK")
    assert isinstance(plain, MiscCheck)
    assert (plain.timeout_us, plain.dynamic, plain.script.account.uid) == (60_000_000, False, 33)
    last = checker("MISC_CHECK", "misc_path /bin/none\nmisc_path /bin/true", before=SECURE)
    assert the_checker(last).script.words == ("/bin/true",)


@pytest.mark.parametrize(
    ("words", "codes", "exit_status"),
    [
        ("", ["misc-path-missing"], EXIT_ERRORS),
        ('misc_path ""', ["misc-path-missing"], EXIT_ERRORS),
        ("misc_path /bin/true\nuser nobody-here", ["user-unknown"], EXIT_ERRORS),
        ("misc_path /bin/none", [], EXIT_OK),
        ("misc_path /bin/plain", [], EXIT_OK),
        ('misc_path "/bin/true \'x"', ["quote-unmatched"], EXIT_ERRORS),
    ],
)
def test_misc_without_a_script_is_dropped(words: str, codes: list[str], exit_status: int) -> None:
    result = checker("MISC_CHECK", words, before=SECURE)
    assert (errors(result), result.exit_status) == (codes, exit_status)
    assert the_real(result).checkers == ()


@pytest.mark.keyword("virtual_server/real_server/FILE_CHECK")
@pytest.mark.keyword("virtual_server/real_server/FILE_CHECK/track_file")
@pytest.mark.keyword("virtual_server/real_server/FILE_CHECK/weight")
@pytest.mark.parametrize(
    ("words", "weight", "reverse", "codes"),
    [
        ("", 5, True, []),
        ("weight 3", 3, True, []),
        ("weight -2147483647 noreverse", -2147483647, False, []),
        ("weight", 5, True, ["word-absent"]),
        ("weight x", 5, True, ["number-invalid"]),
        ("weight 5 foo", 5, True, ["word-unknown"]),
    ],
)
def test_file(words: str, weight: int, reverse: bool, codes: list[str]) -> None:
    result = checker("FILE_CHECK", f"track_file tf\n{words}", before=BEFORE)
    found = the_checker(result)
    assert isinstance(found, FileCheck)
    assert (found.track_file, found.weight, found.reverse, errors(result)) == ("tf", weight, reverse, codes)


def test_file_without_a_file_is_dropped() -> None:
    assert errors(checker("FILE_CHECK")) == ["file-check-empty"]
    assert errors(checker("FILE_CHECK", "track_file none", before=BEFORE)) == ["tracker-unknown", "file-check-empty"]


@pytest.mark.keyword("virtual_server/real_server/BFD_CHECK")
@pytest.mark.keyword("virtual_server/real_server/BFD_CHECK/name")
@pytest.mark.keyword("virtual_server/real_server/BFD_CHECK/alpha")
def test_bfd() -> None:
    found = one("BFD_CHECK", "name b\nalpha")
    assert isinstance(found, BfdCheck)
    assert (found.name, found.alpha) == ("b", True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", "bfd-check-empty"),
        ("name", "bfd-check-name"),
        ("name a b", "bfd-check-name"),
        ("name none", "bfd-check-name"),
        ("name b\nname b", "bfd-check-name"),
    ],
)
def test_bfd_faults_drop_the_checker(words: str, code: str) -> None:
    result = checker("BFD_CHECK", words, before=BEFORE)
    assert errors(result)[0] == code
    assert the_real(result).checkers == ()


def test_bfd_instances_of_the_vrrp_process_are_unknown_here() -> None:
    before = "bfd_instance v {\nneighbor_ip 10.0.0.9\nvrrp\n}\n"
    assert errors(checker("BFD_CHECK", "name v", before=before)) == ["bfd-check-name"]
    both = "bfd_instance v {\nneighbor_ip 10.0.0.9\nvrrp\nchecker\n}\n"
    assert errors(checker("BFD_CHECK", "name v", before=both)) == []
    twice = real("BFD_CHECK {\nname v\n}\nBFD_CHECK {\nname v\n}\n", before=both)
    assert errors(twice) == ["bfd-check-name"]
    assert len(the_real(twice).checkers) == 1


HOST_WORDS = {
    "connect_ip": ("10.0.1.11", "address", Ip.parse("10.0.1.11")),
    "connect_port": ("25", "port", 25),
    "bindto": ("10.0.0.1", "bind_address", Ip.parse("10.0.0.1")),
    "bind_port": ("26", "bind_port", 26),
    "bind_if": ("eth0", "bind_interface", "eth0"),
    "connect_timeout": ("2", "timeout_us", 2_000_000),
    "fwmark": ("9", "fwmark", 9),
    "retry": ("7", "retry", 7),
    "delay_before_retry": ("8", "delay_before_retry_us", 8_000_000),
    "warmup": ("3", "warmup_us", 3_000_000),
    "delay_loop": ("4", "delay_loop_us", 4_000_000),
    "alpha": ("", "alpha", True),
    "log_all_failures": ("", "log_all_failures", True),
}


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(word, marks=pytest.mark.keyword(f"virtual_server/real_server/SMTP_CHECK/host/{word}"))
        for word in HOST_WORDS
    ],
)
def test_words_of_a_host_land_on_the_enclosing_check(word: str) -> None:
    argument, attribute, value = HOST_WORDS[word]
    result = checker("SMTP_CHECK", f"connect_timeout 5\nhost {{\n{word} {argument}\n}}\n")
    assert errors(result) == []
    host, enclosing = the_real(result).checkers
    connects = hasattr(enclosing.connection, attribute)
    assert getattr(enclosing.connection if connects else enclosing, attribute) == value
    assert (str(host.connection.address), host.connection.port) == ("10.0.1.10", 80)
