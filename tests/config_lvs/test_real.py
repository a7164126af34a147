"""real_server, and what its checkers share: timing, connection, inheritance."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_SECURITY, EXIT_STOPPED
from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model.values import Account, Ip
from tests.config_lvs.loading import (
    GOOD,
    MACHINE,
    PATH,
    checker,
    errors,
    finding,
    real,
    the_checker,
    the_real,
    the_virtual,
    virtual,
)

TIMED = ("TCP_CHECK", "PING_CHECK", "UDP_CHECK", "SMTP_CHECK", "DNS_CHECK", "HTTP_GET", "SSL_GET", "MISC_CHECK")
CONNECTING = TIMED[:-1]
NEEDED = {"HTTP_GET": "url {\npath /\n}\n", "SSL_GET": "url {\npath /\n}\n", "MISC_CHECK": 'misc_path "/bin/true x"\n'}
SECURE = "global_defs {\nenable_script_security\nscript_user web\n}\n"
BEFORE = SECURE + "track_file tf {\nfile /tmp/tf\nweight 5 reverse\n}\nbfd_instance b {\nneighbor_ip 10.0.0.9\n}\n"


def one(kind: str, words: str = "") -> object:
    return the_checker(checker(kind, NEEDED.get(kind, "") + words, before=BEFORE))


# --- real_server ------------------------------------------------------------------------------------------------------


def keyword(name: str) -> pytest.MarkDecorator:
    return pytest.mark.keyword(f"virtual_server/real_server/{name}")


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        pytest.param("weight 2", "weight", 2, marks=keyword("weight")),
        pytest.param("weight 2147483647", "weight", 2147483647, marks=keyword("weight")),
        pytest.param("uthreshold 9", "upper_threshold", 9, marks=keyword("uthreshold")),
        pytest.param("lthreshold 8", "lower_threshold", 8, marks=keyword("lthreshold")),
        pytest.param("inhibit_on_failure", "inhibit_on_failure", True, marks=keyword("inhibit_on_failure")),
        pytest.param("alpha", "alpha", True, marks=keyword("alpha")),
        pytest.param("smtp_alert off", "smtp_alert", False, marks=keyword("smtp_alert")),
        pytest.param("virtualhost a", "virtualhost", "a", marks=keyword("virtualhost")),
        pytest.param("snmp_name s", "snmp_name", "s", marks=keyword("snmp_name")),
    ],
)
def test_real_server_keyword(words: str, attribute: str, value: object) -> None:
    result = real(words)
    assert errors(result) == []
    assert getattr(the_real(result), attribute) == value


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("weight 2147483648", "number-range"),
        ("weight -1", "number-negative"),
        ("uthreshold x", "number-invalid"),
        ("inhibit_on_failure 2", "bool-invalid"),
        ("lb_kind DR", "keyword-unknown"),
        ("retry 0", "number-range"),
        ("snmp_name a b", "words-extra"),
    ],
)
def test_real_server_fault(words: str, code: str) -> None:
    assert errors(real(words)) == [code]


def test_virtual_server_values_are_inherited() -> None:
    result = virtual("weight 7\nalpha\ninhibit_on_failure", servers="real_server 10.0.1.10 80 {\n}\n")
    server = the_real(result)
    assert (server.weight, server.alpha, server.inhibit_on_failure) == (7, True, True)
    own = virtual(
        "alpha\ninhibit_on_failure", servers="real_server 10.0.1.10 80 {\nalpha no\ninhibit_on_failure no\n}\n"
    )
    assert (the_real(own).alpha, the_real(own).inhibit_on_failure) == (False, False)


@pytest.mark.keyword("virtual_server/real_server/notify_up")
@pytest.mark.keyword("virtual_server/real_server/notify_down")
def test_notify_scripts() -> None:
    result = real('notify_up "/bin/true up"\nnotify_down /bin/true root\nnotify_down /bin/true', before=SECURE)
    server = the_real(result)
    assert errors(result) == ["keyword-repeated"]
    assert server.notify_up is not None
    assert server.notify_down is not None
    assert (server.notify_up.words, server.notify_up.account) == (("/bin/true", "up"), Account(33, 33, False, "web"))
    assert (server.notify_down.words, server.notify_down.account.uid) == (("/bin/true",), 0)
    lost = real("notify_up /bin/none\nnotify_down /bin/true nobody", before=SECURE)
    assert (errors(lost), the_real(lost).notify_up, the_real(lost).notify_down) == ([], None, None)


@pytest.mark.keyword("virtual_server/quorum_up")
@pytest.mark.keyword("virtual_server/quorum_down")
def test_quorum_scripts_and_the_security_class() -> None:
    result = virtual("quorum_up /bin/true\nquorum_down '/bin/true down'")
    assert the_virtual(result).quorum_up is not None
    assert the_virtual(result).quorum_down is not None
    assert errors(result) == ["script-security"]
    assert result.exit_status == EXIT_SECURITY
    assert "check scripts are being executed" in finding(result, "script-security").message


# --- what checkers share ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "retry", "delay"),
    [
        ("TCP_CHECK", 1, 1_000_000),
        ("UDP_CHECK", 1, 1_000_000),
        ("PING_CHECK", 1, 1_000_000),
        ("SMTP_CHECK", 1, 1_000_000),
        ("HTTP_GET", 1, 3_000_000),
        ("SSL_GET", 1, 3_000_000),
        ("DNS_CHECK", 3, 60_000_000),
        ("MISC_CHECK", 0, 1_000_000),
    ],
)
def test_defaults(kind: str, retry: int, delay: int) -> None:
    found = one(kind)
    assert (found.retry, found.delay_before_retry_us) == (retry, delay)
    assert (found.delay_loop_us, found.warmup_us, found.alpha, found.log_all_failures) == (
        60_000_000,
        60_000_000,
        False,
        False,
    )


@keyword("retry")
@keyword("delay_before_retry")
@keyword("warmup")
@keyword("connect_timeout")
@keyword("delay_loop")
def test_timing_of_a_real_server() -> None:
    words = "retry 2\ndelay_before_retry 3\nwarmup 4\nconnect_timeout 5.5\ndelay_loop 6\nTCP_CHECK {\n}\n"
    found = the_checker(real(words))
    assert (found.retry, found.delay_before_retry_us, found.warmup_us) == (2, 3_000_000, 4_000_000)
    assert (found.connection.timeout_us, found.delay_loop_us) == (5_500_000, 6_000_000)
    server = the_real(real(words))
    assert (server.retry, server.delay_before_retry_us, server.warmup_us) == (2, 3_000_000, 4_000_000)
    assert (server.connect_timeout_us, server.delay_loop_us) == (5_500_000, 6_000_000)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            marks=[
                keyword(kind),
                *(
                    keyword(f"{kind}/{word}")
                    for word in ("retry", "delay_before_retry", "warmup", "delay_loop", "alpha", "log_all_failures")
                ),
            ],
        )
        for kind in TIMED
    ],
)
def test_timing_of_each_level(kind: str) -> None:
    words = NEEDED.get(kind, "")
    own = "retry 0\ndelay_before_retry 2\nwarmup 3\ndelay_loop 4\nalpha\nlog_all_failures\n"
    found = one(kind, own)
    assert (found.retry, found.delay_before_retry_us, found.warmup_us, found.delay_loop_us) == (
        0,
        2_000_000,
        3_000_000,
        4_000_000,
    )
    assert (found.alpha, found.log_all_failures) == (True, True)
    levels = "retry 5\ndelay_before_retry 6\nwarmup 7\ndelay_loop 8\n"
    inner = the_checker(real(f"{levels}{kind} {{\n{words}}}", before=BEFORE))
    outer = the_checker(
        virtual(levels + "alpha", servers=f"real_server 10.0.1.10 80 {{\n{kind} {{\n{words}}}\n}}\n", before=BEFORE)
    )
    for found in (inner, outer):
        assert (found.retry, found.delay_before_retry_us, found.warmup_us, found.delay_loop_us) == (
            5,
            6_000_000,
            7_000_000,
            8_000_000,
        )
    assert (inner.alpha, outer.alpha) == (False, True)
    assert the_checker(real(f"delay_loop 9\n{kind} {{\n{words}}}", before=BEFORE)).warmup_us == 9_000_000


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            marks=[
                keyword(f"{kind}/{word}")
                for word in (
                    "connect_ip",
                    "connect_port",
                    "bindto",
                    "bind_port",
                    "bind_if",
                    "connect_timeout",
                    "fwmark",
                )
            ],
        )
        for kind in CONNECTING
    ],
)
def test_connection(kind: str) -> None:
    plain = one(kind).connection
    assert (plain.address, plain.port, plain.timeout_us, plain.bind_address, plain.fwmark) == (
        Ip.parse("10.0.1.10"),
        80,
        5_000_000,
        None,
        0,
    )
    words = "connect_ip 10.0.1.11\nconnect_port 81\nbindto 10.0.0.1\nbind_port 82\nbind_if eth0\n"
    words += "connect_timeout 2\nfwmark 9\n"
    full = one(kind, words).connection
    assert (str(full.address), full.port, str(full.bind_address), full.bind_port) == ("10.0.1.11", 81, "10.0.0.1", 82)
    assert (full.bind_interface, full.timeout_us, full.fwmark) == ("eth0", 2_000_000, 9)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("connect_ip 1.2.3", "address-invalid"),
        ("bindto fe80::1", "address-family"),
        ("bindto 10.0.0.1\nconnect_ip 2001:db8::1", "address-family"),
        ("connect_port 0", "number-range"),
        ("bind_if abcdefghijklmnopq", "word-long"),
        ("fwmark 0x10", "number-invalid"),
        ("retry x", "number-invalid"),
        ("connect_timeout 0", "number-range"),
        ("alpha maybe", "bool-invalid"),
    ],
)
def test_connection_faults(words: str, code: str) -> None:
    result = checker("TCP_CHECK", words)
    assert errors(result) == [code]
    assert the_checker(result).connection.address == Ip.parse("10.0.1.10")


@pytest.mark.parametrize("word", ["connect_ip", "connect_port", "bindto", "bind_if", "fwmark", "retry", "delay_loop"])
def test_missing_words_stop(word: str) -> None:
    assert checker("TCP_CHECK", word).exit_status == EXIT_STOPPED


def test_link_local_destination_needs_an_interface() -> None:
    result = checker("TCP_CHECK", "connect_ip fe80::5")
    assert errors(result) == ["checker-link-local"]
    assert the_real(result).checkers == ()
    assert errors(checker("TCP_CHECK", "connect_ip fe80::5\nbind_if eth0")) == []


def test_a_server_without_port_is_checked_at_port_zero() -> None:
    result = virtual(servers="real_server 10.0.1.10 {\nTCP_CHECK {\n}\n}\n")
    assert (the_real(result).port, the_checker(result).connection.port) == (80, 0)


@pytest.mark.keyword("global_defs/checker_log_all_failures")
def test_log_all_failures_of_all_checkers() -> None:
    before = "global_defs {\nchecker_log_all_failures\n}\n"
    assert the_checker(checker("TCP_CHECK", before=before)).log_all_failures
    assert the_checker(checker("TCP_CHECK", "log_all_failures no", before=before)).log_all_failures


def test_findings_do_not_depend_on_building() -> None:
    """A config test finds the same without making the model of the virtual servers."""
    text = (
        f"virtual_server 10.0.0.100 80 {{\n{GOOD}quorum_up /bin/none\nquorum_down '/bin/true x'\n"
        "real_server 10.0.1.10 80 {\nnotify_up /bin/plain\nnotify_down '/bin/true nobody'\n"
        'MISC_CHECK {\nmisc_path "/bin/true \'x"\n}\nMISC_CHECK {\nmisc_path /open/x.sh\n}\n}\n}\n'
    )
    results = [
        load(PATH, MACHINE, LoadOptions(config_test=True, findings_only=only, files=MemoryFiles({PATH: text})))
        for only in (False, True)
    ]
    assert results[0].findings == results[1].findings
    assert results[0].exit_status == results[1].exit_status == EXIT_SECURITY
    assert [None if one.config is None else len(one.config.virtual_servers) for one in results] == [1, 0]
