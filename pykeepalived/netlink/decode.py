"""What the kernel tells, as facts and events: rtnetlink messages decoded by hand, because a busy host sends many.

A decoder returns a fact or raises DecodeError, whatever the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import attributes as nl
from pykeepalived.netlink import messages as rtm
from pykeepalived.netlink.attributes import DecodeError
from pykeepalived.netlink.facts import (
    Address,
    AddressAdded,
    AddressRemoved,
    Event,
    Link,
    LinkChanged,
    LinkRemoved,
    Route,
    RouteHop,
    RouteRemoved,
    Rule,
    RuleRemoved,
)

_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
_FOREVER = 0xFFFFFFFF
_FAMILIES = {nl.AF_INET: 4, nl.AF_INET6: 6}

FactT = TypeVar("FactT")


def _guarded(decode: Callable[[bytes | memoryview, int, int], FactT]) -> Callable[..., FactT]:
    """Turn every way in which short or odd bytes can fail into DecodeError."""

    def run(data: bytes | memoryview, start: int, end: int) -> FactT:
        try:
            return decode(data, start, end)
        except (struct.error, KeyError, IndexError, UnicodeDecodeError) as error:
            raise DecodeError(str(error)) from error

    return run


def _number(raw: bytes | None, default: int = 0) -> int:
    return default if raw is None else int(struct.unpack("=I", raw)[0])


def _optional(raw: bytes | None) -> int | None:
    return None if raw is None else int(struct.unpack("=I", raw)[0])


def _string(raw: bytes | None) -> str:
    return "" if raw is None else raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _ip(raw: bytes | None) -> Ip | None:
    if raw is None:
        return None
    if len(raw) not in (4, 16):
        raise DecodeError(f"address of {len(raw)} bytes")
    return Ip(raw)


@_guarded
def decode_link(data: bytes | memoryview, start: int, end: int) -> Link:
    """A Link from the body of RTM_NEWLINK or RTM_DELLINK. Raises DecodeError."""
    _family, kind, index, flags, _change = _IFINFOMSG.unpack_from(data, start)
    found = nl.parse_attributes(data, start + 16, end)
    info, details = {}, {}
    if (raw := found.get(rtm.IFLA_LINKINFO)) is not None:
        info = nl.parse_attributes(raw, 0, len(raw))
        raw = info.get(rtm.IFLA_INFO_DATA, b"")
        details = nl.parse_attributes(raw, 0, len(raw))
    name = _string(info.get(rtm.IFLA_INFO_KIND))
    mode, mode_flag = 0, 0
    if name == "macvlan":
        mode = _number(details.get(rtm.IFLA_MACVLAN_MODE))
    elif name == "ipvlan":
        mode = int.from_bytes(details.get(rtm.IFLA_IPVLAN_MODE, b"\0"), "little")
        mode_flag = int.from_bytes(details.get(rtm.IFLA_IPVLAN_FLAGS, b"\0"), "little")
    return Link(
        index=index,
        name=_string(found.get(rtm.IFLA_IFNAME)),
        flags=flags,
        mtu=_number(found.get(rtm.IFLA_MTU), 1500),
        mac=found.get(rtm.IFLA_ADDRESS, b""),
        broadcast=found.get(rtm.IFLA_BROADCAST, b""),
        type=kind,
        kind=name,
        parent=_number(found.get(rtm.IFLA_LINK)),
        parent_elsewhere=rtm.IFLA_LINK_NETNSID in found,
        master=_number(found.get(rtm.IFLA_MASTER)),
        group=_number(found.get(rtm.IFLA_GROUP)),
        mode=mode,
        mode_flag=mode_flag,
        vrf_table=_number(details.get(rtm.IFLA_VRF_TABLE)) if name == "vrf" else None,
    )


@_guarded
def decode_address(data: bytes | memoryview, start: int, end: int) -> Address:
    """An Address from the body of RTM_NEWADDR or RTM_DELADDR. Raises DecodeError."""
    _family, length, flags, scope, index = _IFADDRMSG.unpack_from(data, start)
    found = nl.parse_attributes(data, start + 8, end)
    far = _ip(found.get(rtm.IFA_ADDRESS))
    local = _ip(found.get(rtm.IFA_LOCAL)) or far
    if local is None:
        raise DecodeError("address message without an address")
    preferred = None
    if (raw := found.get(rtm.IFA_CACHEINFO)) is not None:
        preferred = struct.unpack_from("=I", raw)[0]
    return Address(
        index=index,
        address=local,
        prefix_length=length,
        scope=scope,
        flags=_number(found.get(rtm.IFA_FLAGS), flags),
        label=_string(found.get(rtm.IFA_LABEL)),
        peer=far if far != local else None,
        broadcast=_ip(found.get(rtm.IFA_BROADCAST)),
        preferred_lft=None if preferred == _FOREVER else preferred,
        protocol=found.get(rtm.IFA_PROTO, b"\0")[0],
    )


@_guarded
def decode_route(data: bytes | memoryview, start: int, end: int) -> Route:
    """A Route from the body of RTM_NEWROUTE or RTM_DELROUTE. Raises DecodeError, also for other families."""
    family, length, _source, tos, table, protocol, scope, kind, flags = _RTMSG.unpack_from(data, start)
    found = nl.parse_attributes(data, start + 12, end)
    if (raw := found.get(rtm.RTA_MULTIPATH)) is not None:
        hops = _hops(raw)
    else:
        index, via = _number(found.get(rtm.RTA_OIF)), _via(found)
        hops = (RouteHop(index=index, via=via, flags=flags & 0xFF),) if index or via is not None else ()
    return Route(
        family=_FAMILIES[family],
        table=_number(found.get(rtm.RTA_TABLE), table),
        destination=_ip(found.get(rtm.RTA_DST)),
        prefix_length=length,
        tos=tos,
        metric=_number(found.get(rtm.RTA_PRIORITY)),
        type=kind,
        scope=scope,
        protocol=protocol,
        src=_ip(found.get(rtm.RTA_PREFSRC)),
        hops=hops,
    )


def _via(found: dict[int, bytes]) -> Ip | None:
    if (raw := found.get(rtm.RTA_VIA)) is not None:
        return _ip(raw[2:])
    return _ip(found.get(rtm.RTA_GATEWAY))


def _hops(raw: bytes) -> tuple[RouteHop, ...]:
    hops: list[RouteHop] = []
    position = 0
    while position + 8 <= len(raw):
        length, flags, weight, index = _RTNEXTHOP.unpack_from(raw, position)
        if length < 8 or position + length > len(raw):
            raise DecodeError(f"nexthop of {length} bytes")
        found = nl.parse_attributes(raw, position + 8, position + length)
        hops.append(RouteHop(index=index, via=_via(found), weight=weight + 1, flags=flags))
        position += (length + 3) & ~3
    return tuple(hops)


@_guarded
def decode_rule(data: bytes | memoryview, start: int, end: int) -> Rule:
    """A Rule from the body of RTM_NEWRULE or RTM_DELRULE. Raises DecodeError, also for other families."""
    family, to_length, from_length, tos, table, _, _, action, flags = _RTMSG.unpack_from(data, start)
    found = nl.parse_attributes(data, start + 12, end)
    get = found.get

    def pair(number: int, form: str) -> tuple[int, int] | None:
        raw = get(number)
        if raw is None:
            return None
        low, high = struct.unpack(form, raw)
        return low, high

    suppress = _optional(get(rtm.FRA_SUPPRESS_PREFIXLEN))
    ip_protocol, tunnel = get(rtm.FRA_IP_PROTO), get(rtm.FRA_TUN_ID)
    return Rule(
        family=_FAMILIES[family],
        priority=_number(get(rtm.FRA_PRIORITY)),
        action=action,
        invert=bool(flags & rtm.FIB_RULE_INVERT),
        from_address=_ip(get(rtm.FRA_SRC)),
        from_length=from_length,
        to_address=_ip(get(rtm.FRA_DST)),
        to_length=to_length,
        table=_number(get(rtm.FRA_TABLE), table),
        tos=tos,
        fwmark=_optional(get(rtm.FRA_FWMARK)),
        fwmask=_optional(get(rtm.FRA_FWMASK)),
        realms=_optional(get(rtm.FRA_FLOW)),
        suppress_prefixlength=None if suppress == _FOREVER else suppress,
        suppress_ifgroup=_optional(get(rtm.FRA_SUPPRESS_IFGROUP)),
        iif=_string(get(rtm.FRA_IIFNAME)),
        oif=_string(get(rtm.FRA_OIFNAME)),
        tunnel_id=None if tunnel is None else int.from_bytes(tunnel, "big"),
        uid_range=pair(rtm.FRA_UID_RANGE, "=II"),
        l3mdev=get(rtm.FRA_L3MDEV, b"\0")[0] != 0,
        protocol=get(rtm.FRA_PROTOCOL, b"\0")[0],
        ip_protocol=None if ip_protocol is None else ip_protocol[0],
        source_ports=pair(rtm.FRA_SPORT_RANGE, "=HH"),
        destination_ports=pair(rtm.FRA_DPORT_RANGE, "=HH"),
        goto=_optional(get(rtm.FRA_GOTO)),
    )


def decode_event(kind: int, data: bytes | memoryview, start: int, end: int) -> Event | None:
    """The event of one message, or None for one that does not concern us. Raises DecodeError.

    Link messages of family AF_BRIDGE tell about bridge ports: their RTM_DELLINK does not mean that a link is gone.
    """
    if start >= end:
        raise DecodeError("empty message")
    family = data[start]
    if kind in (rtm.RTM_NEWLINK, rtm.RTM_DELLINK):
        if family != nl.AF_UNSPEC:
            return None
        link = decode_link(data, start, end)
        return LinkChanged(link) if kind == rtm.RTM_NEWLINK else LinkRemoved(link.index, link.name)
    if family not in _FAMILIES:
        return None
    match kind:
        case rtm.RTM_NEWADDR:
            return AddressAdded(decode_address(data, start, end))
        case rtm.RTM_DELADDR:
            return AddressRemoved(decode_address(data, start, end))
        case rtm.RTM_DELROUTE:
            return RouteRemoved(decode_route(data, start, end))
        case rtm.RTM_DELRULE:
            return RuleRemoved(decode_rule(data, start, end))
        case _:
            return None
