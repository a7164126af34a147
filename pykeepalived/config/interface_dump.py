"""One dump of links and addresses over a plain netlink socket (rtnetlink(7)), for the configuration check only.

The daemon's own netlink conversation lives in netlink/; this reads the few attributes that rules ask about.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import replace

from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.model.values import Ip

_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_LINKINFO, _IFLA_GROUP = 1, 3, 4, 5, 18, 27
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8


def read_interfaces() -> dict[str, Interface]:
    """Interfaces of the current network namespace by name, in the kernel's order; empty when netlink is mute."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            addresses: dict[int, list[InterfaceAddress]] = {}
            links = [_link(payload) for kind, payload in _dump(sock, _RTM_GETLINK, 1) if kind == _RTM_NEWLINK]
            for kind, payload in _dump(sock, _RTM_GETADDR, 2):
                if kind == _RTM_NEWADDR:
                    index, address = _address(payload)
                    if address is not None:
                        addresses.setdefault(index, []).append(address)
    except (OSError, struct.error):
        return {}
    return {link.name: replace(link, addresses=tuple(addresses.get(link.index, ()))) for link in links}


def _dump(sock: socket.socket, request: int, sequence: int) -> Iterator[tuple[int, memoryview]]:
    """Type and payload of every message that answers a dump request of all families."""
    sock.send(_HEADER.pack(_HEADER.size + 16, request, _NLM_F_REQUEST_DUMP, sequence, 0) + bytes(16))
    while True:
        data = memoryview(sock.recv(1 << 18))
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, offset)
            if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
                return
            yield kind, data[offset + _HEADER.size : offset + length]
            offset += length + 3 & ~3


def _attributes(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += length + 3 & ~3


def _number(data: memoryview) -> int:
    return int.from_bytes(data[:4], sys.byteorder)


def _text(data: memoryview) -> str:
    return bytes(data).rstrip(b"\0").decode("utf-8", "surrogateescape")


def _link(payload: memoryview) -> Interface:
    _family, arp_type, index, flags, _change = _LINK.unpack_from(payload)
    name, mac, kind = "", b"", ""
    mtu = base = vrf_table = macvlan_mode = group = 0
    for attribute, value in _attributes(payload[_LINK.size :]):
        if attribute == _IFLA_IFNAME:
            name = _text(value)
        elif attribute == _IFLA_ADDRESS:
            mac = bytes(value)
        elif attribute == _IFLA_MTU:
            mtu = _number(value)
        elif attribute == _IFLA_LINK:
            base = _number(value)
        elif attribute == _IFLA_GROUP:
            group = _number(value)
        elif attribute == _IFLA_LINKINFO:
            kind, vrf_table, macvlan_mode = _link_info(value)
    return Interface(
        name=name,
        index=index,
        flags=flags,
        mtu=mtu,
        arp_type=arp_type,
        mac=mac,
        kind=kind,
        base_index=base,
        vrf_table=vrf_table,
        macvlan_mode=macvlan_mode,
        group=group,
    )


def _link_info(data: memoryview) -> tuple[str, int, int]:
    """Kind, VRF table and macvlan mode of IFLA_LINKINFO."""
    parts = dict(_attributes(data))
    kind = _text(parts[_IFLA_INFO_KIND]) if _IFLA_INFO_KIND in parts else ""
    if kind not in ("vrf", "macvlan") or _IFLA_INFO_DATA not in parts:
        return kind, 0, 0
    number = next((_number(value) for key, value in _attributes(parts[_IFLA_INFO_DATA]) if key == 1), 0)
    return (kind, number, 0) if kind == "vrf" else (kind, 0, number)


def _address(payload: memoryview) -> tuple[int, InterfaceAddress | None]:
    family, length, flags, scope, index = _ADDRESS.unpack_from(payload)
    local = peer = b""
    for kind, value in _attributes(payload[_ADDRESS.size :]):
        if kind == _IFA_LOCAL:
            local = bytes(value)
        elif kind == _IFA_ADDRESS:
            peer = bytes(value)
        elif kind == _IFA_FLAGS:
            flags = _number(value)
    packed = local or peer
    if family not in (socket.AF_INET, socket.AF_INET6) or len(packed) not in (4, 16):
        return index, None
    return index, InterfaceAddress(Ip(packed), length, scope, flags)
