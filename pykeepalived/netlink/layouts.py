"""The layout of every rtnetlink message we send, as pyroute2 message classes; encode() turns values into bytes.

Addresses and rules use pyroute2's own classes. Routes and links have classes here, on pyroute2's bases: its stock ones
lack attributes we need (RTA_EXPIRES and RTA_TTL_PROPAGATE as numbers, IP and ILA encapsulation, ipvlan flags).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pykeepalived.deferred import defer

defer("pyroute2")

from pyroute2.netlink import nla, nlmsg  # noqa: E402
from pyroute2.netlink.rtnl.fibmsg import fibmsg  # noqa: E402
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: E402

__all__ = ["encode", "fibmsg", "ifaddrmsg", "linkmsg", "nested", "offsets", "routemsg"]

Attributes = Sequence[tuple[str, Any]]

LWTUNNEL_MPLS, LWTUNNEL_IP, LWTUNNEL_ILA, LWTUNNEL_IP6 = 1, 2, 3, 4


def encode(
    layout: type[Any], kind: int, flags: int, fields: Mapping[str, int], attributes: Attributes = ()
) -> bytearray:
    """A whole netlink message; sequence number and port are filled in by the sender."""
    message = layout()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = list(attributes)
    message["header"].update(type=kind, flags=flags, sequence_number=0, pid=0)
    message.reset()
    message.encode()
    return bytearray(message.data)


def nested(attributes: Attributes) -> dict[str, list[tuple[str, Any]]]:
    """The value of a nested attribute."""
    return {"attrs": list(attributes)}


def offsets(data: bytes | bytearray, start: int) -> dict[int, int]:
    """Where the payload of each attribute of one level begins, by attribute type."""
    found: dict[int, int] = {}
    while start + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, start)
        found[kind & 0x3FFF] = start + 4
        start += (length + 3) & ~3
    return found


class _Ip(nla):
    """LWTUNNEL_IP_* and LWTUNNEL_IP6_*: the numbers are the same (linux/lwtunnel.h)."""

    prefix = "LWT_"
    nla_map = (
        (1, "LWT_ID", "be64"),
        (2, "LWT_DST", "ipaddr"),
        (3, "LWT_SRC", "ipaddr"),
        (4, "LWT_TTL", "uint8"),
        (5, "LWT_TOS", "uint8"),
        (6, "LWT_FLAGS", "be16"),
    )


class _Mpls(nla):
    prefix = "MPLS_IPTUNNEL_"
    nla_map = ((1, "MPLS_IPTUNNEL_DST", "cdata"),)


class _Ila(nla):
    prefix = "ILA_ATTR_"
    nla_map = ((1, "ILA_ATTR_LOCATOR", "be64"),)


_ENCAPSULATIONS = {LWTUNNEL_MPLS: _Mpls, LWTUNNEL_IP: _Ip, LWTUNNEL_ILA: _Ila, LWTUNNEL_IP6: _Ip}


class _RouteAttributes:
    """The attributes of a route and of each of its nexthops (rtnetlink(7))."""

    prefix = "RTA_"
    nla_map = (
        (1, "RTA_DST", "ipaddr"),
        (2, "RTA_SRC", "ipaddr"),
        (4, "RTA_OIF", "uint32"),
        (5, "RTA_GATEWAY", "ipaddr"),
        (6, "RTA_PRIORITY", "uint32"),
        (7, "RTA_PREFSRC", "ipaddr"),
        (8, "RTA_METRICS", "metrics"),
        (9, "RTA_MULTIPATH", "*nexthop"),
        (11, "RTA_FLOW", "uint32"),
        (15, "RTA_TABLE", "uint32"),
        (18, "RTA_VIA", "cdata"),
        (20, "RTA_PREF", "uint8"),
        (21, "RTA_ENCAP_TYPE", "uint16"),
        (22, "RTA_ENCAP", "encapsulation"),
        (23, "RTA_EXPIRES", "uint32"),
        (26, "RTA_TTL_PROPAGATE", "uint8"),
    )

    class metrics(nla):  # noqa: N801
        prefix = "RTAX_"
        nla_map = tuple((number, f"RTAX_{number}", "asciiz" if number == 16 else "uint32") for number in range(1, 18))

    @staticmethod
    def encapsulation(route: Any, *_arguments: Any, **_options: Any) -> type[Any]:
        """The class of RTA_ENCAP follows from RTA_ENCAP_TYPE, which stands before it."""
        return _ENCAPSULATIONS[dict(route["attrs"])["RTA_ENCAP_TYPE"]]

    @staticmethod
    def nexthop(_route: Any, *_arguments: Any, **_options: Any) -> type[Any]:
        return _Nexthop


class routemsg(_RouteAttributes, nlmsg):  # noqa: N801
    """struct rtmsg with its attributes."""

    fields = (
        *(("family", "B"), ("dst_len", "B"), ("src_len", "B"), ("tos", "B"), ("table", "B")),
        *(("proto", "B"), ("scope", "B"), ("type", "B"), ("flags", "I")),
    )


class _Nexthop(_RouteAttributes, nla):
    """struct rtnexthop with its attributes."""

    is_nla = False
    cell_header = (("length", "H"),)
    fields = (("flags", "B"), ("hops", "B"), ("oif", "i"))


class linkmsg(nlmsg):  # noqa: N801
    """struct ifinfomsg with the attributes we set."""

    prefix = "IFLA_"
    fields = (("family", "B"), ("__align", "x"), ("ifi_type", "H"), ("index", "i"), ("flags", "I"), ("change", "I"))
    nla_map = (
        (1, "IFLA_ADDRESS", "lladdr"),
        (3, "IFLA_IFNAME", "asciiz"),
        (5, "IFLA_LINK", "uint32"),
        (10, "IFLA_MASTER", "uint32"),
        (18, "IFLA_LINKINFO", "linkinfo"),
        (26, "IFLA_AF_SPEC", "af_spec"),
        (27, "IFLA_GROUP", "uint32"),
    )

    class linkinfo(nla):  # noqa: N801
        prefix = "IFLA_INFO_"
        nla_map = ((1, "IFLA_INFO_KIND", "asciiz"), (2, "IFLA_INFO_DATA", "info_data"))

        @staticmethod
        def info_data(info: Any, *_arguments: Any, **_options: Any) -> type[Any]:
            return _Macvlan if dict(info["attrs"])["IFLA_INFO_KIND"] == "macvlan" else _Ipvlan

    class af_spec(nla):  # noqa: N801
        prefix = "AF_"
        nla_map = ((10, "AF_INET6", "inet6"),)

        class inet6(nla):  # noqa: N801
            prefix = "IFLA_INET6_"
            nla_map = ((8, "IFLA_INET6_ADDR_GEN_MODE", "uint8"),)


class _Macvlan(nla):
    prefix = "IFLA_MACVLAN_"
    nla_map = ((1, "IFLA_MACVLAN_MODE", "uint32"),)


class _Ipvlan(nla):
    prefix = "IFLA_IPVLAN_"
    nla_map = ((1, "IFLA_IPVLAN_MODE", "uint16"), (2, "IFLA_IPVLAN_FLAGS", "uint16"))
