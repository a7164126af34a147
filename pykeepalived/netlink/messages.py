"""Operations as rtnetlink messages (rtnetlink(7)): which type, which flags, which attributes. Pure: bytes, no sockets.

What a message looks like is in layouts.py, pyroute2's message classes. Encoding one takes them 0.1 to 0.6 ms; so an
address is a copy of the one message of its shape with other bytes in it, and the messages of routes and rules are kept:
a takeover that follows `encode` of the same operations finds them ready.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pykeepalived.config.model.network import Encap, IpAddress, IpRoute, IpRule, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import attributes as nl
from pykeepalived.netlink import layouts
from pykeepalived.netlink.facts import IFA_F_NODAD, IFF_UP, MACVLAN_MODE_PRIVATE, Link
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

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34

IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 3, 4, 6, 8, 11
IFAPROT_KEEPALIVED = 18
"""Protocol number of our addresses unless another is configured: the one our routes have."""

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 7, 9, 15, 18
RTAX_LOCK = 1
RTNH_F_ONLINK = 4
RT_SCOPE_LINK, RT_SCOPE_HOST, RT_SCOPE_NOWHERE = 253, 254, 255
RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST = 2, 3, 4
_LEAST_SCOPE = {RTN_LOCAL: RT_SCOPE_HOST, RTN_BROADCAST: RT_SCOPE_LINK, RTN_ANYCAST: RT_SCOPE_LINK}
_ROUTE_MODES = {
    "prepend": nl.NLM_F_CREATE,
    "add": nl.NLM_F_CREATE | nl.NLM_F_EXCL,
    "append": nl.NLM_F_CREATE | nl.NLM_F_APPEND,
}
_ENCAP_TYPES = {
    "mpls": layouts.LWTUNNEL_MPLS,
    "ip": layouts.LWTUNNEL_IP,
    "ila": layouts.LWTUNNEL_ILA,
    "ip6": layouts.LWTUNNEL_IP6,
}

FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_FWMARK, FRA_FLOW, FRA_TUN_ID = 1, 2, 3, 4, 6, 10, 11, 12
FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_L3MDEV = 13, 14, 15, 16, 17, 19
FRA_UID_RANGE, FRA_PROTOCOL, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE = 20, 21, 22, 23, 24
FIB_RULE_INVERT = 2

IFLA_ADDRESS, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 2, 3, 4, 5, 10
IFLA_LINKINFO, IFLA_GROUP, IFLA_LINK_NETNSID = 18, 27, 37
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS, IFLA_VRF_TABLE = 1, 1, 2, 1
ADDR_GEN_MODE_EUI64, ADDR_GEN_MODE_NONE = 0, 1

FindLink = Callable[[str], Link | None]
LinkOperation = (
    AddAddress
    | DeleteAddress
    | AddRoute
    | ReplaceRoute
    | DeleteRoute
    | AddRule
    | DeleteRule
    | AddLink
    | DeleteLink
    | SetLink
)

_REQUEST = nl.NLM_F_REQUEST | nl.NLM_F_ACK
_IFADDRMSG = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_IFINFOMSG = struct.Struct("=BxHiII")
_ADDRESS_START = 24
"""Where the attributes of an address message begin: behind nlmsghdr and ifaddrmsg."""
_KEPT_MESSAGES = 16384


class NoSuchLinkError(LookupError):
    """An operation names a link that does not exist."""


def encode(operation: LinkOperation, find: FindLink, address_protocol: int = IFAPROT_KEEPALIVED) -> bytes:
    """The netlink message of an operation. Raises NoSuchLinkError when `find` does not know a link it needs."""
    match operation:
        case AddAddress(address, interface):
            return _add_address(address, _index(interface, find), address_protocol)
        case DeleteAddress(address, interface):
            return _delete_address(address, _index(interface, find))
        case AddRoute(route):
            return _route(RTM_NEWROUTE, _REQUEST | _ROUTE_MODES[route.mode], route, _indices(route, find))
        case ReplaceRoute(route):
            return _route(RTM_NEWROUTE, _REQUEST | nl.NLM_F_CREATE | nl.NLM_F_REPLACE, route, _indices(route, find))
        case DeleteRoute(route):
            return _route(RTM_DELROUTE, _REQUEST, route, _indices(route, find))
        case AddRule(rule):
            return _rule(RTM_NEWRULE, _REQUEST | nl.NLM_F_CREATE | nl.NLM_F_EXCL, rule)
        case DeleteRule(rule):
            return _rule(RTM_DELRULE, _REQUEST, rule)
        case AddLink(link):
            return _add_link(link, find)
        case DeleteLink(name):
            return _link(RTM_DELLINK, _REQUEST, {"index": _index(name, find)}, [])
        case SetLink():
            return _set_link(operation, find)


def _index(name: str, find: FindLink) -> int:
    link = find(name)
    if link is None:
        raise NoSuchLinkError(name)
    return link.index


# addresses


def _add_address(address: IpAddress, index: int, protocol: int) -> bytes:
    values: list[tuple[int, bytes]] = []
    if address.family == 6 and address.preferred_lft is not None:
        values.append((IFA_CACHEINFO, struct.pack("=IIII", address.preferred_lft, 0xFFFFFFFF, 0, 0)))
    values.append((IFA_LOCAL, address.address))
    if address.family == 4 and address.broadcast is not None:
        values.append((IFA_BROADCAST, address.broadcast))
    flags = address.flags | (IFA_F_NODAD if address.family == 6 and not address.dad else 0)
    if flags:
        values.append((IFA_FLAGS, struct.pack("=I", flags)))
    if address.label:
        values.append((IFA_LABEL, address.label.encode() + b"\0"))
    if address.peer is not None:
        values.append((IFA_ADDRESS, address.peer))
    values.append((IFA_PROTO, bytes((protocol,))))
    return _address(RTM_NEWADDR, address, address.scope, index, values)


def _delete_address(address: IpAddress, index: int) -> bytes:
    values: list[tuple[int, bytes]] = [(IFA_LOCAL, address.address)]
    if address.peer is not None or address.family == 4:
        values.append((IFA_ADDRESS, address.peer or address.address))
    return _address(RTM_DELADDR, address, 0, index, values)


def _address(kind: int, address: IpAddress, scope: int, index: int, values: list[tuple[int, bytes]]) -> bytes:
    shape = tuple((number, len(value)) for number, value in values)
    template, places = _address_template(kind, address.family, shape)
    message = bytearray(template)
    _IFADDRMSG.pack_into(message, 16, nl.family_number(address.family), address.prefix_length, 0, scope, index)
    for number, value in values:
        place = places[number]
        message[place : place + len(value)] = value
    return bytes(message)


@lru_cache(maxsize=256)
def _address_template(kind: int, family: int, shape: tuple[tuple[int, int], ...]) -> tuple[bytes, dict[int, int]]:
    """A message with these attributes of these lengths, and where the value of each stands."""
    anything = "0.0.0.0" if family == 4 else "::"
    samples: dict[int, tuple[str, Any]] = {
        IFA_CACHEINFO: ("IFA_CACHEINFO", {"ifa_preferred": 0, "ifa_valid": 0, "cstamp": 0, "tstamp": 0}),
        IFA_LOCAL: ("IFA_LOCAL", anything),
        IFA_BROADCAST: ("IFA_BROADCAST", anything),
        IFA_ADDRESS: ("IFA_ADDRESS", anything),
        IFA_FLAGS: ("IFA_FLAGS", 0),
        IFA_PROTO: ("IFA_PROTO", 0),
    }
    attributes = [
        ("IFA_LABEL", "x" * (length - 1)) if number == IFA_LABEL else samples[number] for number, length in shape
    ]
    message = layouts.encode(layouts.ifaddrmsg, kind, _REQUEST, {"family": nl.family_number(family)}, attributes)
    return bytes(message), layouts.offsets(message, _ADDRESS_START)


# routes


def _indices(route: IpRoute, find: FindLink) -> tuple[int, ...]:
    """Index of the route's interface, then of each nexthop's; 0 where there is none."""
    names = (route.interface, *(hop.interface for hop in route.nexthops))
    return tuple(_index(name, find) if name else 0 for name in names)


@lru_cache(maxsize=_KEPT_MESSAGES)
def _route(kind: int, flags: int, route: IpRoute, indices: tuple[int, ...]) -> bytes:
    deleting = kind == RTM_DELROUTE
    scope = route.scope
    if scope is None:
        scope = RT_SCOPE_NOWHERE if deleting else _LEAST_SCOPE.get(route.type, 0)
    fields = {
        "family": nl.family_number(route.family),
        "dst_len": route.prefix_length if route.destination is not None else 0,
        "src_len": route.from_length if route.from_address is not None else 0,
        "tos": route.tos or 0,
        "table": route.table if route.table < 256 else 0,
        "proto": route.protocol,
        "scope": scope,
        "type": route.type,
        "flags": RTNH_F_ONLINK if route.onlink else 0,
    }
    words = (
        ("RTA_DST", _text(route.destination)),
        ("RTA_SRC", _text(route.from_address)),
        ("RTA_TABLE", route.table if route.table >= 256 else None),
        ("RTA_OIF", indices[0] or None),
        *(_gateway(route.via, route.family) if route.via is not None else ()),
        ("RTA_PREFSRC", _text(route.src)),
        ("RTA_PRIORITY", route.metric),
        *(_encap(route.encap) if route.encap is not None else ()),
        ("RTA_EXPIRES", None if deleting else route.expires_s),
        ("RTA_METRICS", _metrics(route)),
        ("RTA_FLOW", route.realms),
        ("RTA_PREF", route.pref),
        ("RTA_TTL_PROPAGATE", None if route.ttl_propagate is None else int(route.ttl_propagate)),
        ("RTA_MULTIPATH", _hops(route, indices)),
    )
    return bytes(layouts.encode(layouts.routemsg, kind, flags, fields, _given(words)))


def _given(words: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in words if value is not None]


def _text(address: Ip | None) -> str | None:
    return None if address is None else str(address)


def _gateway(via: Ip, family: int) -> list[tuple[str, Any]]:
    if via.family == family:
        return [("RTA_GATEWAY", str(via))]
    return [("RTA_VIA", struct.pack("=H", nl.family_number(via.family)) + via)]


def _metrics(route: IpRoute) -> dict[str, Any] | None:
    if not route.metrics and not route.locks:
        return None
    locks = [(f"RTAX_{RTAX_LOCK}", route.locks)] if route.locks else []
    return layouts.nested([*locks, *((f"RTAX_{number}", value) for number, value in route.metrics)])


def _hops(route: IpRoute, indices: tuple[int, ...]) -> list[dict[str, Any]] | None:
    hops = [_hop(hop, route.family, index) for hop, index in zip(route.nexthops, indices[1:], strict=True)]
    return hops or None


def _hop(hop: NextHop, family: int, index: int) -> dict[str, Any]:
    words = [
        *(_gateway(hop.via, family) if hop.via is not None else ()),
        *(_encap(hop.encap) if hop.encap is not None else ()),
        ("RTA_FLOW", hop.realms),
    ]
    flags = RTNH_F_ONLINK if hop.onlink else 0
    return {"flags": flags, "hops": hop.weight - 1, "oif": index, "attrs": _given(words)}


def _encap(encap: Encap) -> list[tuple[str, Any]]:
    words: list[tuple[str, Any]]
    if encap.kind == "mpls":
        last = len(encap.labels) - 1
        stack = (label << 12 | (0x100 if place == last else 0) for place, label in enumerate(encap.labels))
        words = [("MPLS_IPTUNNEL_DST", b"".join(struct.pack(">I", entry) for entry in stack))]
    elif encap.kind == "ila":
        words = [("ILA_ATTR_LOCATOR", encap.locator or 0)]
    else:
        words = [
            ("LWT_ID", encap.id),
            ("LWT_DST", _text(encap.dst)),
            ("LWT_SRC", _text(encap.src)),
            ("LWT_TTL", encap.ttl),
            ("LWT_TOS", encap.tos),
            ("LWT_FLAGS", encap.flags),
        ]
    return [("RTA_ENCAP_TYPE", _ENCAP_TYPES[encap.kind]), ("RTA_ENCAP", layouts.nested(_given(words)))]


# rules


@lru_cache(maxsize=_KEPT_MESSAGES)
def _rule(kind: int, flags: int, rule: IpRule) -> bytes:
    table = rule.table or 0
    fields = {
        "family": nl.family_number(rule.family),
        "dst_len": rule.to_length if rule.to_address is not None else 0,
        "src_len": rule.from_length if rule.from_address is not None else 0,
        "tos": rule.tos or 0,
        "table": table if table < 256 else 0,
        "res1": 0,
        "res2": 0,
        "action": rule.action,
        "flags": FIB_RULE_INVERT if rule.invert else 0,
    }
    words = (
        ("FRA_DST", _text(rule.to_address)),
        ("FRA_SRC", _text(rule.from_address)),
        ("FRA_IIFNAME", rule.iif or None),
        ("FRA_OIFNAME", rule.oif or None),
        ("FRA_PRIORITY", rule.priority),
        ("FRA_TABLE", table if table >= 256 else None),
        ("FRA_FWMARK", rule.fwmark),
        ("FRA_FWMASK", rule.fwmask),
        ("FRA_FLOW", rule.realms),
        ("FRA_SUPPRESS_PREFIXLEN", rule.suppress_prefixlength),
        ("FRA_SUPPRESS_IFGROUP", rule.suppress_ifgroup),
        ("FRA_GOTO", rule.goto),
        ("FRA_TUN_ID", rule.tunnel_id),
        ("FRA_UID_RANGE", _range(rule.uid_range)),
        ("FRA_L3MDEV", 1 if rule.l3mdev else None),
        ("FRA_PROTOCOL", rule.protocol),
        ("FRA_IP_PROTO", rule.ip_protocol),
        ("FRA_SPORT_RANGE", _range(rule.source_ports)),
        ("FRA_DPORT_RANGE", _range(rule.destination_ports)),
    )
    return bytes(layouts.encode(layouts.fibmsg, kind, flags, fields, _given(words)))


def _range(limits: tuple[int, int] | None) -> str | None:
    return None if limits is None else f"{limits[0]}:{limits[1]}"


# links


def _link(kind: int, flags: int, fields: dict[str, int], words: Sequence[tuple[str, Any]]) -> bytes:
    return bytes(layouts.encode(layouts.linkmsg, kind, flags, fields, _given(words)))


def _add_link(link: VirtualLink, find: FindLink) -> bytes:
    parent = find(link.parent)
    if parent is None:
        raise NoSuchLinkError(link.parent)
    if link.kind == "macvlan":
        data = layouts.nested([("IFLA_MACVLAN_MODE", MACVLAN_MODE_PRIVATE)])
    else:
        data = layouts.nested([("IFLA_IPVLAN_MODE", 0), ("IFLA_IPVLAN_FLAGS", link.mode_flag)])
    group = parent.group if link.group is None else link.group
    words = (
        ("IFLA_LINK", parent.index),
        ("IFLA_IFNAME", link.name),
        ("IFLA_ADDRESS", None if link.mac is None else link.mac.hex(":")),
        ("IFLA_GROUP", group or None),
        ("IFLA_MASTER", _index(link.vrf, find) if link.vrf else None),
        ("IFLA_LINKINFO", layouts.nested([("IFLA_INFO_KIND", link.kind), ("IFLA_INFO_DATA", data)])),
    )
    return _link(RTM_NEWLINK, _REQUEST | nl.NLM_F_CREATE | nl.NLM_F_EXCL, {}, words)


def _set_link(operation: SetLink, find: FindLink) -> bytes:
    fields = {
        "index": _index(operation.name, find),
        "flags": IFF_UP if operation.up else 0,
        "change": IFF_UP if operation.up is not None else 0,
    }
    generation = None
    if operation.no_link_local is not None:
        mode = ADDR_GEN_MODE_NONE if operation.no_link_local else ADDR_GEN_MODE_EUI64
        generation = layouts.nested([("AF_INET6", layouts.nested([("IFLA_INET6_ADDR_GEN_MODE", mode)]))])
    return _link(RTM_NEWLINK, _REQUEST, fields, (("IFLA_AF_SPEC", generation), ("IFLA_GROUP", operation.group)))


def move_link(index: int, group: int) -> bytes:
    """Put a link into a group."""
    return _link(RTM_NEWLINK, _REQUEST, {"index": index}, [("IFLA_GROUP", group)])


def delete_group(group: int) -> bytes:
    """Delete all links of a group."""
    return _link(RTM_DELLINK, _REQUEST, {}, [("IFLA_GROUP", group)])


# questions


def dump_request(kind: int, family: int = nl.AF_UNSPEC, protocol: int = 0) -> bytes:
    """A dump of links, addresses, routes (of one protocol, if given) or rules; `family` is an AF_* number."""
    if kind == RTM_GETLINK:
        body = _IFINFOMSG.pack(family, 0, 0, 0, 0)
    elif kind == RTM_GETADDR:
        body = _IFADDRMSG.pack(family, 0, 0, 0, 0)
    else:
        body = _RTMSG.pack(family, 0, 0, 0, 0, protocol if kind == RTM_GETROUTE else 0, 0, 0, 0)
    return nl.message(kind, nl.NLM_F_REQUEST | nl.NLM_F_DUMP, body)


def link_request(name: str) -> bytes:
    """A question for one link by name."""
    body = _IFINFOMSG.pack(nl.AF_UNSPEC, 0, 0, 0, 0) + nl.text(IFLA_IFNAME, name)
    return nl.message(RTM_GETLINK, nl.NLM_F_REQUEST, body)
