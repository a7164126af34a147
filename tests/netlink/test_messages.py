"""Encoded operations against an independent decoder (pyroute2) and our own."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from pykeepalived.config.model.network import Encap, IpAddress, IpRoute, IpRule, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.facts import Link
from pykeepalived.netlink.messages import NoSuchLinkError, encode
from pykeepalived.netlink.operations import (
    AddAddress,
    AddLink,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteRoute,
    DeleteRule,
    ReplaceRoute,
    SetLink,
    VirtualLink,
)

ip = Ip.parse
LINKS = {
    "eth0": Link(index=7, name="eth0", group=3),
    "eth1": Link(index=8, name="eth1"),
    "red": Link(index=9, name="red"),
}
REQUEST_ACK = 5


def second_opinion(kind: type, data: bytes) -> Any:
    message = kind(data)
    message.decode()
    return message


def header(data: bytes) -> tuple[int, int]:
    """Type and flags; checks the length."""
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
    assert length == len(data)
    return kind, flags


def attributes(message: Any) -> dict[str, Any]:
    return dict(message["attrs"])


def test_ipv4_address_has_only_what_is_asked_for() -> None:
    data = encode(AddAddress(IpAddress(address=ip("192.0.2.100"), prefix_length=32), "eth0"), LINKS.get)
    message = second_opinion(ifaddrmsg, data)
    assert header(data) == (20, REQUEST_ACK)
    assert (message["family"], message["prefixlen"], message["scope"], message["index"]) == (2, 32, 0, 7)
    assert [name for name, _ in message["attrs"]] == ["IFA_LOCAL", "IFA_PROTO"]
    assert attributes(message)["IFA_LOCAL"] == "192.0.2.100"


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_ipv4_address_with_every_word() -> None:
    wish = IpAddress(
        address=ip("192.0.2.100"),
        prefix_length=32,
        scope=253,
        broadcast=ip("192.0.2.255"),
        label="eth0:vip",
        peer=ip("192.0.2.7"),
        flags=0x200 | 0x10,
    )
    found = attributes(second_opinion(ifaddrmsg, encode(AddAddress(wish, "eth0"), LINKS.get)))
    assert found["IFA_LOCAL"] == "192.0.2.100"
    assert found["IFA_BROADCAST"] == "192.0.2.255"
    assert found["IFA_LABEL"] == "eth0:vip"
    assert found["IFA_ADDRESS"] == "192.0.2.7"
    assert found["IFA_FLAGS"] == 0x210


@pytest.mark.parametrize(
    ("dad", "lifetime", "flags", "cache"),
    [
        (False, None, 2, None),
        (True, None, None, None),
        (False, 0, 2, (0, 0xFFFFFFFF)),
        (False, 90, 2, (90, 0xFFFFFFFF)),
    ],
)
def test_ipv6_address(dad: bool, lifetime: int | None, flags: int | None, cache: tuple[int, int] | None) -> None:
    wish = IpAddress(address=ip("2001:db8::1"), prefix_length=128, dad=dad, preferred_lft=lifetime)
    message = second_opinion(ifaddrmsg, encode(AddAddress(wish, "eth0"), LINKS.get))
    found = attributes(message)
    assert message["family"] == 10
    assert found["IFA_LOCAL"] == "2001:db8::1"
    assert found.get("IFA_FLAGS") == flags
    info = found.get("IFA_CACHEINFO")
    assert (None if info is None else (info["ifa_preferred"], info["ifa_valid"])) == cache


def test_deleting_an_ipv4_address_names_it_twice() -> None:
    data = encode(DeleteAddress(IpAddress(address=ip("192.0.2.100"), prefix_length=24), "eth0"), LINKS.get)
    found = attributes(second_opinion(ifaddrmsg, data))
    assert header(data) == (21, REQUEST_ACK)
    assert found == {"IFA_LOCAL": "192.0.2.100", "IFA_ADDRESS": "192.0.2.100"}


def test_deleting_an_address_with_a_peer_names_the_peer() -> None:
    wish = IpAddress(address=ip("192.0.2.100"), prefix_length=32, peer=ip("192.0.2.7"))
    found = attributes(second_opinion(ifaddrmsg, encode(DeleteAddress(wish, "eth0"), LINKS.get)))
    assert found == {"IFA_LOCAL": "192.0.2.100", "IFA_ADDRESS": "192.0.2.7"}


def test_unknown_link_is_an_error() -> None:
    with pytest.raises(NoSuchLinkError):
        encode(AddAddress(IpAddress(address=ip("192.0.2.1"), prefix_length=32), "eth9"), LINKS.get)


@pytest.mark.parametrize(("mode", "flags"), [("prepend", 0x400), ("add", 0x600), ("append", 0xC00)])
@pytest.mark.keyword("vrrp_instance/virtual_routes")
def test_route_modes(mode: str, flags: int) -> None:
    data = encode(AddRoute(IpRoute(family=4, interface="eth0", mode=mode)), LINKS.get)
    assert header(data) == (24, REQUEST_ACK | flags)


def test_route_replacing() -> None:
    data = encode(ReplaceRoute(IpRoute(family=4, interface="eth0", mode="add")), LINKS.get)
    assert header(data) == (24, REQUEST_ACK | 0x400 | 0x100)


def test_route_with_every_ipv4_word() -> None:
    route = IpRoute(
        family=4,
        destination=ip("198.51.100.0"),
        prefix_length=24,
        src=ip("192.0.2.100"),
        via=ip("192.0.2.254"),
        tos=0x10,
        table=1000,
        scope=0,
        metric=7,
        interface="eth0",
        onlink=True,
        metrics=((2, 1400), (8, 1300), (16, "cubic")),
        locks=1 << 2,
        realms=3 << 16 | 4,
    )
    message = second_opinion(rtmsg, encode(AddRoute(route), LINKS.get))
    found = attributes(message)
    assert (message["dst_len"], message["tos"], message["proto"], message["type"]) == (24, 0x10, 18, 1)
    assert message["flags"] & 4
    assert found["RTA_DST"] == "198.51.100.0"
    assert found["RTA_PREFSRC"] == "192.0.2.100"
    assert found["RTA_GATEWAY"] == "192.0.2.254"
    assert found["RTA_OIF"] == 7
    assert found["RTA_TABLE"] == 1000
    assert found["RTA_PRIORITY"] == 7
    assert found["RTA_FLOW"] == 0x30004
    metrics = attributes(found["RTA_METRICS"])
    assert metrics["RTAX_LOCK"] == 4
    assert metrics["RTAX_MTU"] == 1400
    assert metrics["RTAX_ADVMSS"] == 1300


@pytest.mark.parametrize(
    ("kind", "deleting", "scope"), [(1, False, 0), (1, True, 255), (2, False, 254), (3, False, 253), (2, True, 255)]
)
def test_scope_when_none_is_configured(kind: int, deleting: bool, scope: int) -> None:
    route = IpRoute(family=4, destination=ip("192.0.2.9"), prefix_length=32, type=kind, interface="eth0")
    operation = DeleteRoute(route) if deleting else AddRoute(route)
    assert second_opinion(rtmsg, encode(operation, LINKS.get))["scope"] == scope


def test_ipv6_route() -> None:
    route = IpRoute(
        family=6,
        destination=ip("2001:db8:1::"),
        prefix_length=48,
        from_address=ip("2001:db8:2::"),
        from_length=56,
        via=ip("fe80::1"),
        interface="eth1",
        expires_s=600,
        pref=1,
    )
    message = second_opinion(rtmsg, encode(AddRoute(route), LINKS.get))
    found = attributes(message)
    assert (message["family"], message["dst_len"], message["src_len"]) == (10, 48, 56)
    assert found["RTA_SRC"] == "2001:db8:2::"
    assert found["RTA_GATEWAY"] == "fe80::1"
    assert found["RTA_PREF"] == 1


def test_gateway_of_the_other_family_is_a_via() -> None:
    route = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, via=ip("fe80::1"), interface="eth0")
    found = attributes(second_opinion(rtmsg, encode(AddRoute(route), LINKS.get)))
    assert "RTA_GATEWAY" not in found
    assert (found["RTA_VIA"]["family"], found["RTA_VIA"]["addr"]) == (10, "fe80::1")


def test_multipath_route() -> None:
    hops = (
        NextHop(via=ip("192.0.2.1"), interface="eth0", weight=1),
        NextHop(via=ip("192.0.2.2"), interface="eth1", weight=256, onlink=True),
    )
    found = attributes(second_opinion(rtmsg, encode(AddRoute(IpRoute(family=4, nexthops=hops)), LINKS.get)))
    first, second = found["RTA_MULTIPATH"]
    assert (first["hops"], first["oif"], first["flags"]) == (0, 7, 0)
    assert (second["hops"], second["oif"], second["flags"]) == (255, 8, 4)
    assert attributes(second)["RTA_GATEWAY"] == "192.0.2.2"


def test_mpls_encapsulation_marks_the_last_label() -> None:
    route = IpRoute(family=4, interface="eth0", encap=Encap(kind="mpls", labels=(100, 200)))
    found = attributes(second_opinion(rtmsg, encode(AddRoute(route), LINKS.get)))
    assert found["RTA_ENCAP_TYPE"] == 1
    labels = attributes(found["RTA_ENCAP"])["MPLS_IPTUNNEL_DST"]
    assert [(entry["label"], entry["bos"]) for entry in labels] == [(100, 0), (200, 1)]


def test_ip_encapsulation_bytes() -> None:
    encap = Encap(kind="ip", id=77, dst=ip("203.0.113.1"), src=ip("203.0.113.2"), tos=4, ttl=64, flags=1)
    data = encode(AddRoute(IpRoute(family=4, interface="eth0", encap=encap)), LINKS.get)
    expected = (
        "0600150002000000"  # RTA_ENCAP_TYPE = ip
        "38001600"  # RTA_ENCAP
        "0c000100000000000000004d"  # id, big endian
        "08000200cb007101"
        "08000300cb007102"
        "0500040040000000"
        "0500050004000000"
        "0600060000010000"
    )
    assert bytes.fromhex(expected) in data


@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_rule_with_every_word() -> None:
    rule = IpRule(
        family=4,
        invert=True,
        from_address=ip("192.0.2.0"),
        from_length=24,
        to_address=ip("198.51.100.0"),
        to_length=25,
        table=1000,
        priority=100,
        tos=0x10,
        fwmark=5,
        fwmask=0xFF,
        realms=1 << 16 | 2,
        suppress_prefixlength=8,
        suppress_ifgroup=4,
        iif="eth0",
        oif="eth1",
        tunnel_id=9,
        uid_range=(1000, 2000),
        ip_protocol=6,
        source_ports=(1, 2),
        destination_ports=(80, 80),
    )
    data = encode(AddRule(rule), LINKS.get)
    message = second_opinion(fibmsg, data)
    found = attributes(message)
    assert header(data) == (32, REQUEST_ACK | 0x600)
    assert (message["src_len"], message["dst_len"], message["tos"], message["action"]) == (24, 25, 0x10, 1)
    assert message["flags"] == 2
    assert found == {
        "FRA_DST": "198.51.100.0",
        "FRA_SRC": "192.0.2.0",
        "FRA_IIFNAME": "eth0",
        "FRA_OIFNAME": "eth1",
        "FRA_PRIORITY": 100,
        "FRA_TABLE": 1000,
        "FRA_FWMARK": 5,
        "FRA_FWMASK": 0xFF,
        "FRA_FLOW": 0x10002,
        "FRA_SUPPRESS_PREFIXLEN": 8,
        "FRA_SUPPRESS_IFGROUP": 4,
        "FRA_TUN_ID": 9,
        "FRA_UID_RANGE": "1000:2000",
        "FRA_PROTOCOL": 18,
        "FRA_IP_PROTO": 6,
        "FRA_SPORT_RANGE": "1:2",
        "FRA_DPORT_RANGE": "80:80",
    }


def test_rule_with_goto_and_l3mdev() -> None:
    found = attributes(
        second_opinion(fibmsg, encode(AddRule(IpRule(family=6, action=2, goto=200, priority=100)), LINKS.get))
    )
    assert found["FRA_GOTO"] == 200
    found = attributes(second_opinion(fibmsg, encode(DeleteRule(IpRule(family=6, l3mdev=True, priority=1)), LINKS.get)))
    assert found["FRA_L3MDEV"] == 1


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_macvlan_is_private_and_inherits_the_group() -> None:
    link = VirtualLink(name="vrrp.51", parent="eth0", mac=bytes.fromhex("00005e000133"), vrf="red")
    data = encode(AddLink(link), LINKS.get)
    found = attributes(second_opinion(ifinfmsg, data))
    assert header(data) == (16, REQUEST_ACK | 0x600)
    assert found["IFLA_LINK"] == 7
    assert found["IFLA_IFNAME"] == "vrrp.51"
    assert found["IFLA_ADDRESS"] == "00:00:5e:00:01:33"
    assert found["IFLA_GROUP"] == 3
    assert found["IFLA_MASTER"] == 9
    info = attributes(found["IFLA_LINKINFO"])
    assert info["IFLA_INFO_KIND"] == "macvlan"
    assert attributes(info["IFLA_INFO_DATA"])["IFLA_MACVLAN_MODE"] == "private"


@pytest.mark.keyword("vrrp_instance/use_ipvlan")
@pytest.mark.parametrize("flag", [0, 1, 2])
def test_ipvlan_is_l2_with_its_flag(flag: int) -> None:
    link = VirtualLink(name="vrrp.51", parent="eth1", kind="ipvlan", mode_flag=flag, group=12)
    found = attributes(second_opinion(ifinfmsg, encode(AddLink(link), LINKS.get)))
    assert found["IFLA_GROUP"] == 12
    info = attributes(found["IFLA_LINKINFO"])
    assert info["IFLA_INFO_KIND"] == "ipvlan"
    assert struct.pack("=HHHxxHHHxx", 6, 1, 0, 6, 2, flag) in encode(AddLink(link), LINKS.get)


def test_link_goes_up_without_a_link_local_address() -> None:
    message = second_opinion(ifinfmsg, encode(SetLink("eth0", up=True), LINKS.get))
    assert (message["index"], message["flags"], message["change"]) == (7, 1, 1)
    data = encode(SetLink("eth0", no_link_local=True), LINKS.get)
    message = second_opinion(ifinfmsg, data)
    assert (message["flags"], message["change"]) == (0, 0)
    nested = struct.pack("=HHHHHHB", 16, 26, 12, socket.AF_INET6, 5, 8, 1)
    assert nested in data


def test_link_deletion() -> None:
    data = encode(DeleteLink("eth1"), LINKS.get)
    assert header(data) == (17, REQUEST_ACK)
    assert second_opinion(ifinfmsg, data)["index"] == 8
