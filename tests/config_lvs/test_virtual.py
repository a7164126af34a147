"""virtual_server and virtual_server_group: every keyword's value, limits, faults, and the rules after reading."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK, EXIT_STOPPED
from pykeepalived.config.model.ipvs import Forwarding, LvsMethod, Protocol
from pykeepalived.config.model.values import Ip
from tests.config_lvs.loading import GOOD, REAL, errors, finding, notes, read, real, the_real, the_virtual, virtual


def test_a_plain_server() -> None:
    result = virtual()
    assert (errors(result), notes(result), result.exit_status) == ([], [], EXIT_OK)
    server = the_virtual(result)
    assert (server.address, server.port, server.family, server.protocol) == (
        Ip.parse("10.0.0.100"),
        80,
        4,
        Protocol.TCP,
    )
    assert (server.delay_loop_us, server.connect_timeout_us, server.quorum, server.hysteresis) == (
        60_000_000,
        5_000_000,
        1,
        0,
    )
    assert (server.smtp_alert, server.real_servers[0].smtp_alert) == (False, True)
    assert server.real_servers[0].weight == 1
    assert result.config is not None
    assert result.config.wants_checker


@pytest.mark.parametrize(
    ("word", "attribute", "value"),
    [
        pytest.param(
            "delay_loop 2.5", "delay_loop_us", 2_500_000, marks=pytest.mark.keyword("virtual_server/delay_loop")
        ),
        pytest.param(
            "connect_timeout 3",
            "connect_timeout_us",
            3_000_000,
            marks=pytest.mark.keyword("virtual_server/connect_timeout"),
        ),
        pytest.param("retry 4", "retry", 4, marks=pytest.mark.keyword("virtual_server/retry")),
        pytest.param(
            "delay_before_retry .5",
            "delay_before_retry_us",
            500_000,
            marks=pytest.mark.keyword("virtual_server/delay_before_retry"),
        ),
        pytest.param("warmup 0", "warmup_us", 0, marks=pytest.mark.keyword("virtual_server/warmup")),
        pytest.param("lvs_sched mh", "scheduler", "mh", marks=pytest.mark.keyword("virtual_server/lvs_sched")),
        pytest.param("lb_algo sed", "scheduler", "sed", marks=pytest.mark.keyword("virtual_server/lb_algo")),
        pytest.param("flag-1", "flags", 0x08, marks=pytest.mark.keyword("virtual_server/flag-1")),
        pytest.param("flag-2", "flags", 0x10, marks=pytest.mark.keyword("virtual_server/flag-2")),
        pytest.param("flag-3", "flags", 0x20, marks=pytest.mark.keyword("virtual_server/flag-3")),
        pytest.param("lvs_sched sh\nsh-port", "flags", 0x10, marks=pytest.mark.keyword("virtual_server/sh-port")),
        pytest.param(
            "lvs_sched sh\nsh-fallback", "flags", 0x08, marks=pytest.mark.keyword("virtual_server/sh-fallback")
        ),
        pytest.param("lvs_sched mh\nmh-port", "flags", 0x10, marks=pytest.mark.keyword("virtual_server/mh-port")),
        pytest.param(
            "lvs_sched mh\nmh-fallback", "flags", 0x08, marks=pytest.mark.keyword("virtual_server/mh-fallback")
        ),
        ("lvs_sched mh\nsh-port", "flags", 0),
        pytest.param("lvs_sched sh\nhashed", "flags", 0, marks=pytest.mark.keyword("virtual_server/hashed")),
        pytest.param("protocol udp\nops", "flags", 0x04, marks=pytest.mark.keyword("virtual_server/ops")),
        pytest.param("protocol sCtP", "protocol", Protocol.SCTP, marks=pytest.mark.keyword("virtual_server/protocol")),
        pytest.param(
            "persistence_timeout",
            "persistence_timeout_s",
            360,
            marks=pytest.mark.keyword("virtual_server/persistence_timeout"),
        ),
        ("persistence_timeout 50", "persistence_timeout_s", 50),
        ("persistence_granularity 255.255.255.0", "persistence_granularity", 0xFFFFFF00),
        pytest.param(
            "persistence_granularity 255.255.0.0",
            "persistence_timeout_s",
            360,
            marks=pytest.mark.keyword("virtual_server/persistence_granularity"),
        ),
        pytest.param(
            "persistence_engine sip",
            "persistence_engine",
            "sip",
            marks=pytest.mark.keyword("virtual_server/persistence_engine"),
        ),
        pytest.param("ha_suspend", "ha_suspend", True, marks=pytest.mark.keyword("virtual_server/ha_suspend")),
        pytest.param("smtp_alert", "smtp_alert", True, marks=pytest.mark.keyword("virtual_server/smtp_alert")),
        pytest.param(
            "virtualhost a.example.com",
            "virtualhost",
            "a.example.com",
            marks=pytest.mark.keyword("virtual_server/virtualhost"),
        ),
        pytest.param("snmp_name web", "snmp_name", "web", marks=pytest.mark.keyword("virtual_server/snmp_name")),
        pytest.param("alpha", "alpha", True, marks=pytest.mark.keyword("virtual_server/alpha")),
        ("alpha no", "alpha", True),
        pytest.param("omega", "omega", True, marks=pytest.mark.keyword("virtual_server/omega")),
        pytest.param(
            "inhibit_on_failure",
            "inhibit_on_failure",
            True,
            marks=pytest.mark.keyword("virtual_server/inhibit_on_failure"),
        ),
        pytest.param("weight 7", "weight", 7, marks=pytest.mark.keyword("virtual_server/weight")),
        pytest.param("weight 7\nquorum 5", "quorum", 5, marks=pytest.mark.keyword("virtual_server/quorum")),
        pytest.param(
            "weight 7\nquorum 5\nhysteresis 2", "hysteresis", 2, marks=pytest.mark.keyword("virtual_server/hysteresis")
        ),
        pytest.param("ip_family inet", "family", 4, marks=pytest.mark.keyword("virtual_server/ip_family")),
        pytest.param(
            "lb_kind DR",
            "method",
            LvsMethod(forwarding=Forwarding.DR),
            marks=pytest.mark.keyword("virtual_server/lb_kind"),
        ),
    ],
)
def test_keyword(word: str, attribute: str, value: object) -> None:
    result = virtual(word)
    assert errors(result) == []
    assert getattr(the_virtual(result), attribute) == value


@pytest.mark.keyword("virtual_server/lvs_method")
@pytest.mark.parametrize(
    ("words", "method"),
    [
        ("NAT", LvsMethod()),
        ("DR", LvsMethod(forwarding=Forwarding.DR)),
        (
            "TUN type gue port 5000 remcsum",
            LvsMethod(forwarding=Forwarding.TUN, tunnel="gue", port=5000, checksum="remcsum"),
        ),
        ("TUN type gre csum", LvsMethod(forwarding=Forwarding.TUN, tunnel="gre", checksum="csum")),
        ("TUN nocsum", LvsMethod(forwarding=Forwarding.TUN)),
    ],
)
def test_method(words: str, method: LvsMethod) -> None:
    result = virtual(f"lvs_method {words}")
    assert errors(result) == []
    assert the_virtual(result).method == method
    assert the_real(result).method == method


@pytest.mark.parametrize(
    ("words", "text", "forwarding"),
    [
        ("XX", "PARSER : unknown [XX] routing method for virtual server.", Forwarding.NAT),
        ("TUN type", "Missing tunnel type for virtual server.", Forwarding.TUN),
        ("TUN type foo", "Unknown tunnel type foo for virtual server.", Forwarding.TUN),
        ("TUN type gue", "gue tunnels require port, otherwise cannot have port.", Forwarding.TUN),
        ("TUN port 5", "gue tunnels require port, otherwise cannot have port.", Forwarding.TUN),
        ("TUN type gue port", "Missing port for virtual server gue tunnel.", Forwarding.TUN),
        ("TUN type gue port 70000", "Invalid gue tunnel port 70000 for virtual server.", Forwarding.TUN),
        ("TUN type ipip csum", "ipip tunnels do not support checksum option.", Forwarding.TUN),
        ("TUN type gre remcsum", "gre tunnels do not support remote checksum option.", Forwarding.TUN),
        ("DR foo", "Invalid tunnel option foo for virtual server.", Forwarding.DR),
    ],
)
def test_bad_method_keeps_the_forwarding_word(words: str, text: str, forwarding: Forwarding) -> None:
    result = virtual(f"lvs_method {words}")
    assert text in [one.message for one in result.findings]
    assert the_virtual(result).method == LvsMethod(forwarding=forwarding)
    assert result.exit_status == EXIT_ERRORS


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("delay_loop 0", "number-range"),
        ("delay_loop 5x", "number-invalid"),
        ("connect_timeout 5000", "number-range"),
        ("retry 0", "number-range"),
        ("retry 1.5", "number-invalid"),
        ("weight 0", "number-range"),
        ("persistence_timeout 0", "number-range"),
        ("persistence_timeout 2678401", "number-range"),
        ("persistence_granularity 1.2.3.400", "persistence-granularity"),
        ("persistence_granularity +3", "persistence-granularity"),
        ("smtp_alert maybe", "bool-invalid"),
        ("protocol X", "word-unknown"),
        ("ip_family foo", "family-unknown"),
        ("ip_family inet6", "family-conflict"),
        ("lvs_sched xx", "scheduler-unknown"),
        ("sh-port", "scheduler-flag"),
        ("hashed", "scheduler-flag"),
        ("sorry_server_inhibit", "sorry-missing"),
        ("sorry_server_lvs_method DR", "sorry-missing"),
        ("sorry_server 10.0.0.300 80", "server-address"),
        ("sorry_server 10.0.0.3 8x", "server-address"),
        ("virtualhost", "word-absent"),
        ("virtualhost a\nvirtualhost b", "keyword-repeated"),
        ("snmp_name a b", "words-extra"),
        ("persistence_engine abcdefghijklmnopq", "word-long"),
        ("sorry_server fe80::1 80", "sorry-family"),
        ("nonsense", "keyword-unknown"),
    ],
)
def test_one_fault_is_one_error(word: str, code: str) -> None:
    result = virtual(word)
    assert errors(result) == [code]
    assert result.exit_status == EXIT_ERRORS
    assert len(the_virtual(result).real_servers) == 1


@pytest.mark.parametrize(
    "word",
    [
        "lvs_sched",
        "lvs_method",
        "protocol",
        "delay_loop",
        "retry",
        "quorum",
        "hysteresis",
        "ip_family",
        "sorry_server",
        "weight",
        "persistence_granularity",
        "persistence_engine",
        "quorum_up",
    ],
)
def test_a_missing_word_stops(word: str) -> None:
    assert virtual(word).exit_status == EXIT_STOPPED


@pytest.mark.parametrize("head", ["10.0.0.300 80", "10.0.0.1 0x50", "10.0.0.1 70000", "fwmark x", "fwmark -1"])
def test_a_bad_head_skips_the_block(head: str) -> None:
    result = virtual("nonsense that nobody reads", head=head)
    assert result.exit_status == EXIT_ERRORS
    assert len(errors(result)) == 1
    assert result.config is not None
    assert result.config.virtual_servers == ()


@pytest.mark.parametrize("head", ["", "fwmark", "group"])
def test_a_head_without_words_stops(head: str) -> None:
    assert virtual(head=head).exit_status == EXIT_STOPPED


@pytest.mark.keyword("virtual_server")
def test_heads() -> None:
    assert the_virtual(virtual(head="10.0.0.1/24 80")).address == Ip.parse("10.0.0.1")
    marked = virtual(head="fwmark 5", good="lvs_sched rr\nlvs_method NAT\n")
    assert errors(marked) == []
    assert (the_virtual(marked).fwmark, the_virtual(marked).protocol) == (5, Protocol.NONE)


def test_lenient_numbers_outside_a_config_test() -> None:
    text = f"virtual_server 10.0.0.1 80 {{\n{GOOD}weight 5x\nretry 5x\n{REAL}}}\n"
    result = read(text, config_test=False)
    assert (the_virtual(result).weight, the_virtual(result).retry) == (5, None)
    assert errors(result) == ["number-invalid"]


# --- rules ------------------------------------------------------------------------------------------------------------


def test_no_real_server() -> None:
    result = virtual(servers="")
    assert errors(result) == ["virtual-empty"]
    assert (
        finding(result, "virtual-empty").message == "Virtual server [10.0.0.100]:tcp:80 has no real servers - ignoring"
    )


def test_protocol_missing_means_udp() -> None:
    result = virtual(good="lvs_sched rr\nlvs_method NAT\n")
    assert errors(result) == ["protocol-missing"]
    assert the_virtual(result).protocol == Protocol.UDP


def test_protocol_of_a_fwmark_is_cleared() -> None:
    result = virtual(head="fwmark 5")
    assert errors(result) == ["protocol-fwmark"]
    assert the_virtual(result).protocol == Protocol.NONE


def test_ops_needs_udp() -> None:
    result = virtual("ops")
    assert errors(result) == ["ops-protocol"]
    assert the_virtual(result).flags == 0


def test_ha_suspend_with_fwmark() -> None:
    result = virtual("ha_suspend", head="fwmark 5", good="lvs_sched rr\nlvs_method NAT\n")
    assert errors(result) == ["ha-suspend-fwmark"]
    assert not the_virtual(result).ha_suspend


def test_port_zero_is_persistent() -> None:
    result = virtual(head="10.0.0.100 0")
    assert errors(result) == ["persistence-port"]
    assert the_virtual(result).persistence_timeout_s == 360


def test_scheduler_and_method_defaults() -> None:
    result = virtual(good="protocol TCP\n")
    assert errors(result) == ["scheduler-missing", "method-missing"]
    assert (the_virtual(result).scheduler, the_virtual(result).method) == ("wlc", LvsMethod())


def test_duplicate_real_server() -> None:
    result = virtual(servers=REAL + "real_server 10.0.1.10 80 {\nweight 9\n}\n" + "real_server 10.0.1.10 {\n}\n")
    assert errors(result) == ["real-duplicate"]
    assert [(one.port, one.weight) for one in the_virtual(result).real_servers] == [(80, 1), (80, 1)]


def test_quorum_and_hysteresis() -> None:
    result = virtual("weight 3\nquorum 5\nhysteresis 7")
    assert errors(result) == ["quorum-high", "hysteresis-high"]
    assert (the_virtual(result).quorum, the_virtual(result).hysteresis) == (3, 2)


def test_quorum_of_weightless_servers_has_no_hysteresis() -> None:
    """keepalived makes 4294967295 of it."""
    result = virtual("hysteresis 1", servers="real_server 10.0.1.10 80 {\nweight 0\n}\n")
    assert (the_virtual(result).quorum, the_virtual(result).hysteresis) == (0, 0)


@pytest.mark.keyword("virtual_server/sorry_server")
@pytest.mark.keyword("virtual_server/sorry_server_inhibit")
@pytest.mark.keyword("virtual_server/sorry_server_lvs_method")
def test_sorry_server() -> None:
    result = virtual("sorry_server 10.0.1.99 8080\nsorry_server_inhibit\nsorry_server_lvs_method NAT")
    sorry = the_virtual(result).sorry_server
    assert sorry is not None
    assert (str(sorry.address), sorry.port, sorry.inhibit, sorry.method) == ("10.0.1.99", 8080, True, LvsMethod())
    assert the_virtual(virtual("sorry_server 10.0.1.98\nsorry_server 10.0.1.99")).sorry_server is not None


@pytest.mark.parametrize(
    ("head", "port", "real_port"), [("10.0.0.100 80", 81, "80"), ("10.0.0.100 80", 80, "80"), ("fwmark 71", 80, "")]
)
@pytest.mark.keyword("virtual_server/sorry_server")
def test_a_sorry_server_without_any_method_is_behind_nat(head: str, port: int, real_port: str) -> None:
    text = (
        f"virtual_server {head} {{\nlvs_sched rr\n{'' if 'fwmark' in head else 'protocol TCP'}\n"
        f"sorry_server 10.0.1.99 {port}\n%sreal_server 10.0.1.10 {real_port} {{\nlvs_method TUN\n}}\n}}\n"
    )
    result = read(text % "")
    assert errors(result) == ["method-missing"]
    server = the_virtual(result)
    assert server.sorry_server is not None
    assert (server.sorry_server.method.forwarding, server.sorry_server.port) == (Forwarding.NAT, port)
    assert server.real_servers[0].method.forwarding == Forwarding.TUN
    assert errors(read(text % "sorry_server_lvs_method NAT\n")) == []


def test_sorry_server_that_is_a_real_server() -> None:
    result = virtual("sorry_server 10.0.1.10 80", servers="real_server 10.0.1.10 80 {\ninhibit_on_failure\n}\n")
    assert errors(result) == ["sorry-inhibit"]
    sorry = the_virtual(result).sorry_server
    assert sorry is not None
    assert sorry.inhibit


@pytest.mark.parametrize(
    ("method", "port", "expected", "codes"),
    [
        ("NAT", "", 80, []),
        ("NAT", "81", 81, []),
        ("DR", "", 80, []),
        ("DR", "80", 80, []),
        ("DR", "81", 80, ["port-mismatch"]),
    ],
)
def test_ports_of_an_address(method: str, port: str, expected: int, codes: list[str]) -> None:
    result = virtual(f"lvs_method {method}", servers=f"real_server 10.0.1.10 {port} {{\n}}\n")
    assert errors(result) == codes
    assert the_real(result).port == expected


def test_ports_of_a_fwmark() -> None:
    result = virtual("sorry_server 10.0.1.99 90", head="fwmark 5", good="lvs_sched rr\nlvs_method DR\n")
    assert errors(result) == ["port-fwmark", "port-fwmark"]
    assert the_real(result).port == 0
    nat = virtual(head="fwmark 5", good="lvs_sched rr\nlvs_method NAT\n")
    assert errors(nat) == []
    assert the_real(nat).port == 80


@pytest.mark.keyword("virtual_server/real_server")
@pytest.mark.parametrize("head", ["10.0.1.x 80", "10.0.1.1 99999", "10.0.1.1 8x"])
def test_bad_real_server_is_skipped(head: str) -> None:
    result = virtual(servers=f"real_server {head} {{\nnonsense\n}}\n{REAL}")
    assert errors(result) == ["server-address"]
    assert len(the_virtual(result).real_servers) == 1


def test_families() -> None:
    mixed = virtual(servers=REAL + "real_server 2001:db8::1 80 {\n}\n")
    assert errors(mixed) == ["real-family"]
    tunnelled = virtual(servers="real_server 2001:db8::1 80 {\nlvs_method TUN\n}\n")
    assert errors(tunnelled) == []
    marked = virtual(
        head="fwmark 5", good="lvs_sched rr\nlvs_method NAT\n", servers="real_server 2001:db8::1 80 {\n}\n" + REAL
    )
    assert errors(marked) == ["real-family"]
    assert the_virtual(marked).family == 6
    every = virtual(
        head="fwmark 5",
        good="lvs_sched rr\nlvs_method TUN\n",
        servers="real_server 2001:db8::1 {\n}\nreal_server 10.0.0.9 {\n}\n",
    )
    assert errors(every) == []
    assert the_virtual(every).family == 4


@pytest.mark.parametrize(
    ("settings", "service", "server"),
    [
        ("", False, True),
        ("smtp_alert", True, True),
        ("smtp_alert no", False, False),
        ("smtp_alert\nsmtp_alert_checker no", False, False),
        ("smtp_alert no\nsmtp_alert_checker yes", True, True),
    ],
)
@pytest.mark.keyword("global_defs/smtp_alert_checker")
def test_smtp_alert_cascade(settings: str, service: bool, server: bool) -> None:
    result = virtual(before=f"global_defs {{\n{settings}\n}}\n")
    assert (the_virtual(result).smtp_alert, the_real(result).smtp_alert) == (service, server)
    own = real("smtp_alert no", before=f"global_defs {{\n{settings}\n}}\n")
    assert not the_real(own).smtp_alert
