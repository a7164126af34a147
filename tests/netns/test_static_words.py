"""Static addresses, routes and rules: every word puts into the kernel what ip(8) puts there with the same meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pykeepalived.lab.net import Namespace
from tests.netns.conftest import Lan, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

ADDRESSES = {
    "10.30.0.1/24 dev eth1": "10.30.0.1/24",
    "10.30.0.2 dev eth1": "10.30.0.2/32",
    "10.30.1.1/24 brd + dev eth1 scope link": "10.30.1.1/24 brd + scope link",
    "10.30.2.1/24 broadcast 10.30.2.7 dev eth1 label eth1:x": "10.30.2.1/24 broadcast 10.30.2.7 label eth1:x",
    "10.30.3.1/24 brd - dev eth1 noprefixroute": "10.30.3.1/24 brd 10.30.3.0 noprefixroute",
    "10.30.4.1 peer 10.30.4.2 dev eth1": "10.30.4.1 peer 10.30.4.2",
    "239.1.1.1/32 dev eth1 autojoin": "239.1.1.1/32 autojoin",
    "2001:db8:30::1/64 dev eth1 home": "2001:db8:30::1/64 home nodad",
    "2001:db8:30::2/64 dev eth1 mngtmpaddr noprefixroute": "2001:db8:30::2/64 mngtmpaddr noprefixroute nodad",
    "2001:db8:30::3 dev eth1": "2001:db8:30::3/128 preferred_lft 0 nodad",
    "2001:db8:30::4/64 dev eth1 preferred_lft 0 -nodad": "2001:db8:30::4/64 preferred_lft 0",
}
"""Lines of static_ipaddress, and the words of `ip address add` for the same."""

ROUTES = {
    "10.1.0.0/16 via 10.30.0.254 dev eth1": "10.1.0.0/16 via 10.30.0.254 dev eth1",
    "default via 10.30.0.254 dev eth1 metric 900": "default via 10.30.0.254 dev eth1 metric 900",
    "to 10.2.0.0/16 dev eth1 scope link src 10.30.0.1": "10.2.0.0/16 dev eth1 scope link src 10.30.0.1",
    "inet 10.3.0.0/16 dev eth1 priority 7 mtu 1400 advmss 1300": "10.3.0.0/16 dev eth1 metric 7 mtu 1400 advmss 1300",
    "10.3.0.0/16 oif eth1 preference 8 mtu lock 1400 hoplimit 33 window 9000": (
        "10.3.0.0/16 dev eth1 metric 8 mtu lock 1400 hoplimit 33 window 9000"
    ),
    "10.4.0.0/16 dev eth1 tos 0x10 table 100": "10.4.0.0/16 dev eth1 tos 0x10 table 100",
    "10.4.0.0/16 dev eth1 dsfield 0x08 table 100": "10.4.0.0/16 dev eth1 tos 0x08 table 100",
    "10.5.0.0/16 dev eth1 rtt 300ms rttvar 200ms rto_min 400ms": (
        "10.5.0.0/16 dev eth1 rtt 300ms rttvar 200ms rto_min 400ms"
    ),
    "10.6.0.0/16 dev eth1 cwnd 4 ssthresh 5 reordering 6 initcwnd 7 initrwnd 8": (
        "10.6.0.0/16 dev eth1 cwnd 4 ssthresh 5 reordering 6 initcwnd 7 initrwnd 8"
    ),
    "10.7.0.0/16 dev eth1 quickack 1 features ecn fastopen_no_cookie 1 congctl cubic": (
        "10.7.0.0/16 dev eth1 quickack 1 features ecn fastopen_no_cookie 1 congctl cubic"
    ),
    "10.8.0.0/16 via 203.0.113.7 dev eth1 onlink": "10.8.0.0/16 via 203.0.113.7 dev eth1 onlink",
    "10.9.0.0/16 nexthop via 10.30.0.254 dev eth1 weight 3 nexthop dev eth0 weight 5": (
        "10.9.0.0/16 nexthop via 10.30.0.254 dev eth1 weight 3 nexthop dev eth0 weight 5"
    ),
    "10.10.0.0/16 dev eth1 realms 5/6": "10.10.0.0/16 dev eth1 realm 5/6",
    "10.11.0.0/16 dev eth1 no_track protocol 44": "10.11.0.0/16 dev eth1 protocol 44",
    "10.12.0.0/16 gw 10.30.0.253 dev eth1": "10.12.0.0/16 via 10.30.0.253 dev eth1",
    "10.13.0.0/16 via 10.30.0.253 or 10.30.0.254": "10.13.0.0/16 nexthop via 10.30.0.253 nexthop via 10.30.0.254",
    "10.14.0.0/16 dev eth1 encap ip id 3 dst 192.0.2.9": "10.14.0.0/16 encap ip id 3 dst 192.0.2.9 dev eth1",
    "10.15.0.0/16 dev eth1 ttl-propagate disabled": "10.15.0.0/16 dev eth1 ttl-propagate disabled",
    "10.16.0.0/16 dev eth1 metric 5 add": "10.16.0.0/16 dev eth1 metric 5",
    "10.16.0.0/16 via 10.30.0.254 dev eth1 metric 5 append": "10.16.0.0/16 via 10.30.0.254 dev eth1 metric 5",
    "10.16.0.0/16 via 10.30.0.253 dev eth1 metric 5 prepend": "10.16.0.0/16 via 10.30.0.253 dev eth1 metric 5",
    "blackhole 10.20.0.0/16": "blackhole 10.20.0.0/16",
    "unreachable 10.21.0.0/16 metric 4": "unreachable 10.21.0.0/16 metric 4",
    "prohibit 10.22.0.0/16": "prohibit 10.22.0.0/16",
    "throw 10.23.0.0/16 table 100": "throw 10.23.0.0/16 table 100",
    "local 10.24.0.1 dev eth1 table 100 scope host": "local 10.24.0.1 dev eth1 table 100 scope host",
    "inet6 2001:db8:1::/64 via 2001:db8:30::9 dev eth1": "2001:db8:1::/64 via 2001:db8:30::9 dev eth1",
    "2001:db8:2::/64 dev eth1 metric 33 mtu 1400": "2001:db8:2::/64 dev eth1 metric 33 mtu 1400",
    "2001:db8:3::/64 from 2001:db8:4::/64 dev eth1": "2001:db8:3::/64 from 2001:db8:4::/64 dev eth1",
    "2001:db8:5::/64 dev eth1 expires 9000 pref high": "2001:db8:5::/64 dev eth1 expires 9000 pref high",
}
"""Lines of static_routes, and the words of `ip route append` (or prepend) for the same."""

RULES = {
    "from 10.40.0.0/16 table 100 preference 100": "from 10.40.0.0/16 table 100 preference 100",
    "to 10.40.1.0/24 lookup 100 priority 101": "to 10.40.1.0/24 table 100 preference 101",
    "not from 10.40.2.0/24 table 100 order 102": "not from 10.40.2.0/24 table 100 preference 102",
    "from 10.40.0.0/16 tos 0x10 table 100 preference 103": "from 10.40.0.0/16 tos 0x10 table 100 preference 103",
    "from 10.40.0.0/16 dsfield 0x08 table 100 preference 104": "from 10.40.0.0/16 tos 0x08 table 100 preference 104",
    "fwmark 5/7 table 100 preference 105": "fwmark 5/7 table 100 preference 105",
    "from 10.40.0.0/16 realms 3/4 table 100 preference 106": "from 10.40.0.0/16 realms 3/4 table 100 preference 106",
    "table main suppress_prefixlength 8 preference 107": "table main suppress_prefixlength 8 preference 107",
    "table main sup_pl 9 preference 108": "table main suppress_prefixlength 9 preference 108",
    "table main suppress_ifgroup 5 preference 109": "table main suppress_ifgroup 5 preference 109",
    "table main sup_group 6 preference 110": "table main suppress_ifgroup 6 preference 110",
    "iif eth0 table 100 preference 111": "iif eth0 table 100 preference 111",
    "dev eth0 table 101 preference 112": "iif eth0 table 101 preference 112",
    "oif eth0 table 100 preference 113": "oif eth0 table 100 preference 113",
    "tunnel-id 7 table 100 preference 114": "tun_id 7 table 100 preference 114",
    "uidrange 10-20 table 100 preference 115": "uidrange 10-20 table 100 preference 115",
    "l3mdev preference 116": "l3mdev preference 116",
    "from 10.41.0.0/16 no_track protocol 44 table 100 preference 117": (
        "from 10.41.0.0/16 protocol 44 table 100 preference 117"
    ),
    "ipproto udp sport 53 dport 1000-2000 table 100 preference 118": (
        "ipproto udp sport 53 dport 1000-2000 table 100 preference 118"
    ),
    "from 10.40.0.0/16 type blackhole preference 119": "from 10.40.0.0/16 blackhole preference 119",
    "from 10.40.0.0/16 blackhole preference 120": "from 10.40.0.0/16 blackhole preference 120",
    "from 10.40.0.0/16 unreachable preference 121": "from 10.40.0.0/16 unreachable preference 121",
    "from 10.40.0.0/16 prohibit preference 122": "from 10.40.0.0/16 prohibit preference 122",
    "nop preference 123": "nop preference 123",
    "goto 130 preference 124": "goto 130 preference 124",
    "inet table 100 preference 130": "table 100 preference 130",
    "inet6 table 100 preference 131": "table 100 preference 131",
    "from 2001:db8:40::/48 table 100 preference 132": "from 2001:db8:40::/48 table 100 preference 132",
}
"""Lines of static_rules, and the words of `ip rule add` for the same."""

OURS = "protocol 18"
"""RTPROT_KEEPALIVED made a route or rule, unless its line says otherwise."""


def words_of(lines: dict[str, str], block: str, known: str) -> list[pytest.MarkDecorator]:
    """A mark for each of the known words that stands in one of the lines."""
    used = {word for line in lines for word in line.split()}
    assert set(known.split()) <= used, set(known.split()) - used
    return [pytest.mark.keyword(f"{block}:{word}") for word in known.split()]


ADDRESS_WORDS = "dev scope broadcast brd label peer home -nodad mngtmpaddr noprefixroute autojoin preferred_lft"
ROUTE_WORDS = (
    "inet inet6 to src via gw or from tos dsfield table protocol scope metric priority preference dev oif onlink encap "
    "expires mtu hoplimit advmss rtt rttvar rto_min reordering window cwnd ssthresh realms initcwnd initrwnd features "
    "quickack congctl pref ttl-propagate fastopen_no_cookie add prepend append nexthop no_track"
)
RULE_WORDS = (
    "inet inet6 from to table lookup not preference order priority tos dsfield fwmark realms suppress_prefixlength "
    "sup_pl suppress_ifgroup sup_group iif dev oif tunnel-id uidrange l3mdev protocol ipproto sport dport type goto "
    "nop blackhole unreachable prohibit no_track"
)
KEYWORDS = [
    *words_of(ADDRESSES, "static_ipaddress", ADDRESS_WORDS),
    *words_of(ROUTES, "static_routes", ROUTE_WORDS),
    *words_of(RULES, "static_rules", RULE_WORDS),
    pytest.mark.keyword("static_ipaddress:ADDRESS"),
    pytest.mark.keyword("static_routes:DEST"),
    pytest.mark.keyword("static_routes:TYPE"),
]


def by_hand(host: Namespace) -> None:
    """The same as the configuration, with ip(8)."""
    for words in ADDRESSES.values():
        host.ip("address", "add", *words.split(), "dev", "eth1")
    for line, words in ROUTES.items():
        how = "append" if line.endswith("append") else "prepend" if line.endswith("prepend") else "add"
        first, nexthop, hops = words.partition(" nexthop")
        made = words if "protocol" in words else f"{first} {OURS}{nexthop}{hops}"
        if words[0].isdigit() and " dev " in f" {first}" and "via" not in first and "scope" not in first:
            made += " scope global"  # ip(8) has `link` for these, keepalived.conf(5) has not
        host.ip("-6" if "2001" in words else "-4", "route", how, *made.split())
    for line, words in RULES.items():
        made = words if "protocol" in words else f"{words} {OURS}"
        host.ip("-6" if "2001" in words or "inet6" in line else "-4", "rule", "add", *made.split())


def shown(host: Namespace) -> dict[str, list[dict[str, Any]]]:
    """What ip(8) shows, without what differs from host to host and from second to second."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, words in {
        "addresses": ("address", "show", "dev", "eth1"),
        "routes": ("-4", "-N", "route", "show", "table", "all"),
        "routes6": ("-6", "-N", "route", "show", "table", "all"),
        "rules": ("-4", "-N", "rule", "show"),
        "rules6": ("-6", "-N", "rule", "show"),
    }.items():
        entries = json.loads(host.ip("-j", *words))
        if name == "addresses":
            entries = [entry for entry in entries[0]["addr_info"] if not entry["local"].startswith("fe80")]
            # only newer iproute2 shows who made an address, and can be told to make it so
            for entry in entries:
                entry.pop("protocol", None)
        elif name.startswith("routes"):
            entries = [entry for entry in entries if entry.get("protocol") != "2"]
        for entry in entries:
            for word in ("expires", "tentative", "valid_life_time", "preferred_life_time"):
                entry.pop(word, None)
        found[name] = sorted(entries, key=json.dumps) if name == "addresses" else entries
    return found


@pytest.mark.parametrize("count", [pytest.param(len(ADDRESSES) + len(ROUTES) + len(RULES), marks=KEYWORDS)])
def test_every_word_of_static_objects(lan: Lan, count: int) -> None:
    blocks = "".join(
        f"{name} {{\n" + "\n".join(lines) + "\n}\n"
        for name, lines in (("static_ipaddress", ADDRESSES), ("static_routes", ROUTES), ("static_rules", RULES))
    )
    node = lan.host(blocks + instance(150))
    other = lan.host("")
    for host in (node, other):
        lan.net.attach(host.namespace, "eth1", "other", [])
        host.namespace.run("sysctl", "-qw", "net.ipv6.conf.eth1.accept_dad=0")
    by_hand(other.namespace)
    node.start()
    lan.wait(lambda: lan.is_master(node))
    expected, found = shown(other.namespace), shown(node.namespace)
    assert sum(len(entries) for entries in expected.values()) >= count
    assert found == expected
    assert not node.said("rror")
