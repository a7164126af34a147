"""Route lines: what each word sets, and what each fault does (texts and effects measured with keepalived 2.2.7)."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_STOPPED
from pykeepalived.config.load import LoadResult
from pykeepalived.config.model.network import Encap, IpRoute, NextHop
from pykeepalived.config.model.values import Ip
from tests.config_lvs.loading import MACHINE, errors, notes, read
from tests.config_values.blocks import block, word


def route(line: str) -> LoadResult:
    return block("static_routes", line)


def the_route(result: LoadResult) -> IpRoute:
    assert result.config is not None
    (found,) = result.config.static_routes
    return found


DEV = "10.1.0.0/24 dev eth0 "
SIX = "2001:db8:1::/64 dev eth0 "


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        pytest.param(DEV, "destination", Ip.parse("10.1.0.0"), marks=word("routes", "DEST")),
        ("default dev eth0", "destination", None),
        pytest.param("to 10.1.0.0/24 dev eth0", "prefix_length", 24, marks=word("routes", "to")),
        pytest.param("blackhole 10.1.0.0/24", "type", 6, marks=word("routes", "TYPE")),
        ("5 10.1.0.0/24 dev eth0", "type", 5),
        ("0x5 10.1.0.0/24 dev eth0", "type", 5),
        ('"" 10.1.0.0/24 dev eth0', "type", 0),
        pytest.param("inet 10.1.0.0/24 dev eth0", "family", 4, marks=word("routes", "inet")),
        pytest.param("inet6 default dev eth0", "family", 6, marks=word("routes", "inet6")),
        pytest.param(DEV + "src 10.0.0.1", "src", Ip.parse("10.0.0.1"), marks=word("routes", "src")),
        pytest.param("default via 10.0.0.2", "via", Ip.parse("10.0.0.2"), marks=word("routes", "via")),
        ("default via inet6 fe80::1 dev eth0", "family", 6),
        pytest.param(SIX + "from 2001:db8:2::/48", "from_length", 48, marks=word("routes", "from")),
        pytest.param(DEV + "tos 0x10", "tos", 16, marks=[word("routes", "tos"), word("routes", "dsfield")]),
        pytest.param(DEV + "table local", "table", 255, marks=word("routes", "table")),
        (DEV + "table 0x100", "table", 256),
        pytest.param(
            DEV + "no_track protocol 5", "protocol", 5, marks=[word("routes", "protocol"), word("routes", "no_track")]
        ),
        pytest.param(DEV + "scope link", "scope", 253, marks=word("routes", "scope")),
        pytest.param(DEV + "metric 5", "metric", 5, marks=word("routes", "metric")),
        pytest.param(DEV + "priority 6", "metric", 6, marks=word("routes", "priority")),
        pytest.param(DEV + "preference 7", "metric", 7, marks=word("routes", "preference")),
        pytest.param(DEV, "interface", "eth0", marks=word("routes", "dev")),
        pytest.param(DEV + "oif eth1", "interface", "eth1", marks=word("routes", "oif")),
        pytest.param(DEV + "onlink", "onlink", True, marks=word("routes", "onlink")),
        pytest.param(SIX + "expires 9", "expires_s", 9, marks=word("routes", "expires")),
        pytest.param(DEV + "mtu lock 1400", "metrics", ((2, 1400),), marks=word("routes", "mtu")),
        (DEV + "mtu lock 1400", "locks", 1 << 2),
        pytest.param(DEV + "hoplimit 255", "metrics", ((10, 255),), marks=word("routes", "hoplimit")),
        pytest.param(DEV + "advmss 9", "metrics", ((8, 9),), marks=word("routes", "advmss")),
        pytest.param(DEV + "rtt 300ms", "metrics", ((4, 2400),), marks=word("routes", "rtt")),
        (DEV + "rtt 1.5s", "metrics", ((4, 12_000),)),
        pytest.param(DEV + "rttvar 300ms", "metrics", ((5, 1200),), marks=word("routes", "rttvar")),
        pytest.param(DEV + "rto_min 300", "metrics", ((13, 300),), marks=word("routes", "rto_min")),
        (DEV + "rto_min lock 1s", "locks", 1 << 13),
        pytest.param(
            DEV + "reordering 4 window 5 cwnd 6 ssthresh 7",
            "metrics",
            ((3, 5), (6, 7), (7, 6), (9, 4)),
            marks=[word("routes", name) for name in ("reordering", "window", "cwnd", "ssthresh")],
        ),
        pytest.param(
            DEV + "initcwnd 4 initrwnd 5 quickack 1 fastopen_no_cookie 0",
            "metrics",
            ((11, 4), (14, 5), (15, 1), (17, 0)),
            marks=[word("routes", name) for name in ("initcwnd", "initrwnd", "quickack", "fastopen_no_cookie")],
        ),
        pytest.param(
            DEV + "features ecn congctl lock cubic",
            "metrics",
            ((12, 1), (16, "cubic")),
            marks=[word("routes", "features"), word("routes", "congctl")],
        ),
        pytest.param(DEV + "realms 5/6", "realms", 5 << 16 | 6, marks=word("routes", "realms")),
        pytest.param(SIX + "pref high", "pref", 1, marks=word("routes", "pref")),
        pytest.param(DEV + "ttl-propagate disabled", "ttl_propagate", False, marks=word("routes", "ttl-propagate")),
        pytest.param(DEV, "mode", "prepend", marks=word("routes", "prepend")),
        pytest.param(DEV + "add", "mode", "add", marks=word("routes", "add")),
        pytest.param(DEV + "append", "mode", "append", marks=word("routes", "append")),
        pytest.param(DEV + "track_group tg", "track_group", "tg", marks=word("routes", "track_group")),
        pytest.param(
            DEV + "encap ip id 3 dst 1.2.3.4 ttl 5",
            "encap",
            Encap(kind="ip", id=3, dst=Ip.parse("1.2.3.4"), ttl=5),
            marks=word("routes", "encap"),
        ),
        (
            DEV + "encap ip6 dst fe80::1 tc 3 hoplimit 5 flags 1",
            "encap",
            Encap(kind="ip6", dst=Ip.parse("fe80::1"), tos=3, ttl=5, flags=1),
        ),
        (DEV + "encap mpls 5/16", "encap", Encap(kind="mpls", labels=(5, 16))),
        (DEV + "encap ila 1:2:3:4", "encap", Encap(kind="ila", locator=0x0001000200030004)),
        pytest.param(
            "default nexthop via 10.0.0.2 dev eth0 weight 3 nexthop via 10.0.1.2 dev eth1 weight 256 onlink",
            "nexthops",
            (
                NextHop(via=Ip.parse("10.0.0.2"), interface="eth0", weight=3),
                NextHop(via=Ip.parse("10.0.1.2"), interface="eth1", weight=256, onlink=True),
            ),
            marks=word("routes", "nexthop"),
        ),
    ],
)
def test_route_word(line: str, attribute: str, value: object) -> None:
    result = route(line)
    assert errors(result) == []
    assert getattr(the_route(result), attribute) == value


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (DEV + "foo", "unknown route keyword foo"),
        ("dev eth0", "Route must have a destination"),
        ("to blackhole 10.1.0.0/24", "unknown route keyword blackhole"),
        ("blackhole to 10.1.0.0/24", "unknown route keyword to"),
        (DEV + "src fe80::1", "Cannot mix IPv4 and IPv6 addresses for route"),
        (DEV + "from 10.0.0.0/8", "route from address only supported with IPv6 (10.0.0.0/8)"),
        (DEV + "tos foo", "TOS value foo is invalid"),
        (DEV + "table foo", "Routing table foo not found for route"),
        (DEV + "protocol foo", "Protocol foo not found or invalid for route"),
        (DEV + "scope foo", "Scope foo not found or invalid for route"),
        (DEV + "expires 5", "expires is only valid for IPv6"),
        (DEV + "expires", "expires is only valid for IPv6"),
        (DEV + "encap ip id 5 dst", "unknown route keyword dst"),
        (DEV + "pref low", "pref is only valid for IPv6"),
        (SIX + "realms 3", "realms are only valid for IPv4"),
        (DEV + "realms 1/2/3", "Invalid realms 1/2/3 for route"),
        (DEV + "rtt x", "Invalid rtt x for route"),
        (DEV + "ttl-propagate foo", "ttl-propagate value foo not recognised"),
        (DEV + "vrf eth0", "Route specified VRF eth0 is not a VRF"),
        (DEV + "encap", "Missing encap type"),
        ("default nexthop via 1.2.3 dev eth0", "invalid nexthop address 1.2.3"),
        ("10.1.0.0/24 nexthop via fe80::1 dev eth0", "Address family mismatch for next hop"),
    ],
)
def test_route_dropped(line: str, text: str) -> None:
    result = route(line)
    assert text in [found.message for found in result.findings]
    assert result.exit_status == 5
    assert result.config is not None
    assert result.config.static_routes == ()


@pytest.mark.keyword("static_routes:gw")
@pytest.mark.keyword("static_routes:or")
@pytest.mark.keyword("static_routes:as")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("default gw 10.0.0.2", '"gw" for routes is deprecated. Please use "via"'),
        ("default via 10.0.0.2 or 10.0.0.3", '"or" for routes is deprecated. Please use "nexthop"'),
        (DEV + "as to 1.2.3.4", '"as to" for MPLS only - ignoring'),
        (DEV + "protocol 5", "Route cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol"),
        (DEV + "features foo", "feature foo not supported"),
        (DEV + "encap mpls", "missing address for MPLS encapsulation"),
        (DEV + "encap ila", "missing locator for ILA encapsulation"),
        (DEV + "encap ip ttl 4", "address or id missing for ip encapsulation"),
        (DEV + "encap mpls 5/1048576", "invalid mpls address 5/1048576 for encapsulation"),
        (DEV + "rtt 100ms", "rtt value 100ms below minimum 200ms, resetting"),
        (DEV + "rtt 200s", "rtt value 200s above maximum 120s, resetting"),
        ("blackhole 10.1.0.0/24 track_group tg", "Static route cannot have track_group if dev not specified"),
        ("default nexthop via 10.0.0.2 dev eth0 foo", "Route has trailing nonsense after nexthops - foo"),
    ],
)
def test_route_kept(line: str, text: str) -> None:
    result = route(line)
    assert [found.message for found in result.findings if found.kind] == [text]
    assert the_route(result).protocol == 18


def test_route_details() -> None:
    both = the_route(route("default via 10.0.0.2 or 10.0.0.3"))
    assert (both.via, [str(hop.via) for hop in both.nexthops]) == (None, ["10.0.0.2", "10.0.0.3"])
    assert the_route(route(DEV + "rtt 100ms")).metrics == ((4, 1600),)
    assert the_route(route(DEV + "rtt 300")).metrics == ((4, 1600),)
    old = route("default6 dev eth0")
    assert (the_route(old).family, notes(old)) == (6, ["route-default6"])


@pytest.mark.keyword("static_routes:vrf")
def test_route_of_a_vrf() -> None:
    import dataclasses

    from pykeepalived.config.interfaces import Interface

    red = Interface(name="red", index=9, kind="vrf", vrf_table=77)
    machine = dataclasses.replace(MACHINE, interfaces={**MACHINE.interfaces, "red": red})
    result = read(f"static_routes {{\n{DEV} vrf red\n}}\n", machine)
    assert the_route(result).table == 77


@pytest.mark.parametrize("line", [DEV + "src", DEV + "table", "default via", "blackhole", DEV + "metric"])
def test_route_word_without_value_stops(line: str) -> None:
    assert route(line).exit_status == EXIT_STOPPED
