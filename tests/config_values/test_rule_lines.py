"""Rule lines: what each word sets, and what each fault does (texts and effects measured with keepalived 2.2.7)."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_STOPPED
from pykeepalived.config.load import LoadResult
from pykeepalived.config.model.network import IpRule
from pykeepalived.config.model.values import Ip
from tests.config_lvs.loading import errors, read
from tests.config_values.blocks import block, word


def rule(line: str) -> LoadResult:
    return block("static_rules", line)


def the_rule(result: LoadResult) -> IpRule:
    assert result.config is not None
    (found,) = result.config.static_rules
    return found


TABLE = "preference 6 table 5 "


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        pytest.param(TABLE + "from 10.0.0.0/8", "from_length", 8, marks=word("rules", "from")),
        pytest.param(TABLE + "to 10.0.0.0/8", "to_address", Ip.parse("10.0.0.0"), marks=word("rules", "to")),
        (TABLE + "from all", "from_address", None),
        pytest.param(TABLE, "table", 5, marks=word("rules", "table")),
        pytest.param("preference 6 lookup main", "table", 254, marks=word("rules", "lookup")),
        pytest.param(TABLE + "not", "invert", True, marks=word("rules", "not")),
        pytest.param("table 5 preference 0x100", "priority", 256, marks=word("rules", "preference")),
        pytest.param("table 5 order 7", "priority", 7, marks=word("rules", "order")),
        pytest.param("table 5 priority 8", "priority", 8, marks=word("rules", "priority")),
        pytest.param(TABLE + "tos 0x10", "tos", 16, marks=[word("rules", "tos"), word("rules", "dsfield")]),
        pytest.param(TABLE + "fwmark 0x10/0xff", "fwmask", 255, marks=word("rules", "fwmark")),
        (TABLE + "fwmark 16", "fwmask", None),
        pytest.param(TABLE + "realms 7/8", "realms", 7 << 16 | 8, marks=word("rules", "realms")),
        pytest.param(
            TABLE + "suppress_prefixlength 0", "suppress_prefixlength", 0, marks=word("rules", "suppress_prefixlength")
        ),
        pytest.param(TABLE + "sup_pl 1", "suppress_prefixlength", 1, marks=word("rules", "sup_pl")),
        pytest.param(
            TABLE + "suppress_ifgroup 3",
            "suppress_ifgroup",
            3,
            marks=[word("rules", "suppress_ifgroup"), word("rules", "sup_group")],
        ),
        pytest.param(TABLE + "iif eth0", "iif", "eth0", marks=word("rules", "iif")),
        pytest.param(TABLE + "dev eth1", "iif", "eth1", marks=word("rules", "dev")),
        pytest.param(TABLE + "oif eth1", "oif", "eth1", marks=word("rules", "oif")),
        pytest.param(
            TABLE + "tunnel-id 18446744073709551615", "tunnel_id", 2**64 - 1, marks=word("rules", "tunnel-id")
        ),
        pytest.param(TABLE + "uidrange 10-20", "uid_range", (10, 20), marks=word("rules", "uidrange")),
        pytest.param("preference 6 l3mdev", "l3mdev", True, marks=word("rules", "l3mdev")),
        pytest.param(
            TABLE + "no_track protocol 4", "protocol", 4, marks=[word("rules", "protocol"), word("rules", "no_track")]
        ),
        pytest.param(TABLE + "ipproto tcp", "ip_protocol", 6, marks=word("rules", "ipproto")),
        (TABLE + "ipproto 127", "ip_protocol", 127),
        pytest.param(TABLE + "sport 10-20", "source_ports", (10, 20), marks=word("rules", "sport")),
        pytest.param(TABLE + "dport 30", "destination_ports", (30, 30), marks=word("rules", "dport")),
        pytest.param("preference 6 goto 7", "goto", 7, marks=word("rules", "goto")),
        pytest.param("preference 6 nop", "action", 3, marks=word("rules", "nop")),
        pytest.param("preference 6 blackhole", "action", 6, marks=word("rules", "blackhole")),
        pytest.param(
            "preference 6 type unreachable", "action", 7, marks=[word("rules", "unreachable"), word("rules", "type")]
        ),
        pytest.param("preference 6 prohibit", "action", 8, marks=word("rules", "prohibit")),
        pytest.param("inet6 preference 6 table 5", "family", 6, marks=[word("rules", "inet"), word("rules", "inet6")]),
        pytest.param(TABLE + "iif eth0 track_group tg", "track_group", "tg", marks=word("rules", "track_group")),
        ("l3mdev preference 5 suppress_prefixlength 5", "suppress_prefixlength", 5),
    ],
)
def test_rule_word(line: str, attribute: str, value: object) -> None:
    result = rule(line)
    assert errors(result) == []
    assert getattr(the_rule(result), attribute) == value


@pytest.mark.keyword("static_rules:OTHER")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("from 10.0.0.0/8", "No action specified for rule - ignoring"),
        ("table 0", "Table 0 is not valid"),
        ("table foo", "Routing table foo not found for rule"),
        (TABLE + "from 10.0.0.0/8 to fe80::/10", "rule specification has mixed IPv4 and IPv6"),
        (TABLE + "from x", "Invalid rule from address x"),
        (
            TABLE + "nop",
            "Cannot specify more than one of table/nop/goto/blackhole/prohibit/unreachable/l3mdev for rule",
        ),
        ("goto 5 preference 6", "Invalid rule - preference 6 >= goto target 5"),
        ("goto 6", "Invalid rule - goto target 6 specified without preference"),
        (TABLE + "fwmark 5/x", "Invalid rule fwmark 5/x specified"),
        ("realms 5 nop preference 6", "suppressor/realm specified for non table action - skipping"),
        (TABLE + "from fe80::/10 realms 5", "realms is only valid for IPv4"),
        (TABLE + "uidrange 5", "Invalid uidrange 5 specified"),
        (TABLE + "uidrange -5", "Invalid uidrange -5 specified"),
        (TABLE + "ipproto 128", "Invalid ipproto 128"),
        (TABLE + "ipproto foo", "Invalid ipproto foo"),
        (TABLE + "ip_proto tcp", "Unknown rule option ip_proto"),
        (TABLE + "tos foo", "TOS value foo is invalid"),
        ("preference 6 type foo", "Unknown rule option foo"),
        ("preference 6 foo", "Unknown rule option foo"),
    ],
)
def test_rule_dropped(line: str, text: str) -> None:
    result = rule(line)
    assert text in [found.message for found in result.findings]
    assert result.exit_status == 5
    assert result.config is not None
    assert result.config.static_rules == ()


def test_rules_without_preference_are_numbered_downwards_by_family() -> None:
    result = read("static_rules {\ntable 5\nfrom 10.0.0.0/8 table 6\nfrom fe80::/10 table 7\n}\n")
    assert errors(result) == ["rule-preference"] * 3
    assert result.config is not None
    assert [one.priority for one in result.config.static_rules] == [16384, 16383, 16384]


def test_rule_kept() -> None:
    result = rule(TABLE + "protocol 4")
    assert (errors(result), the_rule(result).protocol) == (["rule-protocol"], 18)
    ports = rule(TABLE + "sport x")
    assert (errors(ports), the_rule(ports).source_ports) == (["rule-ports"], None)
    group = rule(TABLE + "track_group tg")
    assert (errors(group), the_rule(group).track_group) == (["track-group-interface"], "")


@pytest.mark.parametrize("line", ["table", "from", TABLE + "iif", TABLE + "fwmark"])
def test_rule_word_without_value_stops(line: str) -> None:
    assert rule(line).exit_status == EXIT_STOPPED
