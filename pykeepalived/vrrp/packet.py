"""VRRP messages as bytes: building them, taking them apart, checksums.

No policy: what a received message must look like for an instance is receive.py; signatures are auth.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import field

from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass

PROTOCOL_VRRP = 112
PROTOCOL_AH = 51
TYPE_ADVERTISEMENT = 1
AUTH_NONE, AUTH_PASS, AUTH_AH = 0, 1, 2
VRRP_TTL = 255
TOS_INTERNETWORK_CONTROL = 0xC0
IPV4_HEADER_LENGTH = 20
HEADER_LENGTH = 8
AUTH_DATA_LENGTH = 8
AH_LENGTH = 24
TRAILER_LENGTH = 28
MINIMUM_ETHERNET_PAYLOAD = 46

_HEADER = struct.Struct("!BBBBBBH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")


class VrrpPacketError(Exception):
    """A packet that is not to be listened to.

    `counter` names the field of Counters that counts it ("" = none), `kind` the check that failed (one line is logged
    per kind until something changes), `text` the log line behind the instance's name ("" = silent).
    """

    def __init__(self, counter: str, kind: str, text: str) -> None:
        super().__init__(text or kind)
        self.counter = counter
        self.kind = kind
        self.text = text


@dataclass(frozen=True, slots=True)
class Ipv4Header:
    """An IPv4 header as received; `length` counts its options."""

    length: int
    total_length: int
    identification: int
    ttl: int
    protocol: int
    source: Ip
    destination: Ip


@dataclass(frozen=True, slots=True)
class Advert:
    """One VRRP message (RFC 9568 section 5.1; RFC 3768 section 5.1), without judgement.

    `interval_us` is the advertisement interval, `auth_data` the eight bytes behind the addresses of an IPv4 version 2
    message, `length` the length of the message with them. A trailer (auth_hmac) is not part of it.
    """

    version: int
    type: int
    vrid: int
    priority: int
    count: int
    auth_type: int
    interval_us: int
    checksum: int
    addresses: bytes
    auth_data: bytes = field(repr=False)
    length: int

    def address_list(self, family: int) -> list[Ip]:
        """The addresses one by one; `family` 4 or 6."""
        size = 4 if family == 4 else 16
        return [Ip(self.addresses[at : at + size]) for at in range(0, len(self.addresses), size)]


def message_length(version: int, count: int, family: int) -> int:
    """Length in bytes of a message with `count` addresses, authentication data included, trailer excluded."""
    if family == 6:
        return HEADER_LENGTH + 16 * count
    return HEADER_LENGTH + 4 * count + (AUTH_DATA_LENGTH if version == 2 else 0)


def decode_ipv4(data: bytes) -> Ipv4Header:
    """Take an IPv4 header apart. Raises VrrpPacketError if there is none."""
    if len(data) < IPV4_HEADER_LENGTH:
        raise VrrpPacketError("packet_len_err", "too_short", f"IPv4 VRRP packet too short - {len(data)} bytes")
    first, _tos, total, identification, _fragment, ttl, protocol, _sum, source, destination = _IPV4.unpack_from(data)
    length = (first & 0x0F) * 4
    if first >> 4 != 4 or length < IPV4_HEADER_LENGTH or length > len(data):
        raise VrrpPacketError("packet_len_err", "too_short", f"IPv4 VRRP packet too short - {len(data)} bytes")
    return Ipv4Header(length, total, identification, ttl, protocol, Ip(source), Ip(destination))


def decode(message: bytes, family: int) -> Advert:
    """Take a VRRP message apart; what stands behind its last byte is ignored. Raises VrrpPacketError if it is cut."""
    if len(message) < HEADER_LENGTH:
        raise VrrpPacketError("packet_len_err", "too_short", f"VRRP packet too short - {len(message)} bytes")
    first, vrid, priority, count, fifth, sixth, checksum = _HEADER.unpack_from(message)
    version = first >> 4
    length = message_length(version, count, family)
    if len(message) < length:
        text = f"VRRP packet too short, length {len(message)} and expect {length}"
        raise VrrpPacketError("packet_len_err", "length", text)
    end = HEADER_LENGTH + count * (4 if family == 4 else 16)
    if version == 2:
        auth_type, interval_us = fifth, sixth * 1_000_000
    else:
        auth_type, interval_us = 0, ((fifth & 0x0F) << 8 | sixth) * 10_000
    return Advert(
        version=version,
        type=first & 0x0F,
        vrid=vrid,
        priority=priority,
        count=count,
        auth_type=auth_type,
        interval_us=interval_us,
        checksum=checksum,
        addresses=bytes(message[HEADER_LENGTH:end]),
        auth_data=bytes(message[end:length]),
        length=length,
    )


def encode(
    *,
    version: int,
    vrid: int,
    priority: int,
    interval_us: int,
    addresses: Iterable[Ip],
    family: int,
    auth_type: int = AUTH_NONE,
    auth_data: bytes = b"",
) -> bytearray:
    """Build a message with checksum 0. `interval_us` is whole seconds in version 2, whole centiseconds in version 3."""
    packed = b"".join(addresses)
    count = len(packed) // (4 if family == 4 else 16)
    if version == 2:
        fifth, sixth = auth_type, interval_us // 1_000_000
    else:
        centiseconds = interval_us // 10_000
        fifth, sixth = centiseconds >> 8, centiseconds & 0xFF
    message = bytearray(_HEADER.pack(version << 4 | TYPE_ADVERTISEMENT, vrid, priority, count, fifth, sixth, 0))
    message += packed
    if version == 2 and family == 4:
        message += auth_data[:AUTH_DATA_LENGTH].ljust(AUTH_DATA_LENGTH, b"\0")
    return message


def ipv4_header(*, length: int, ttl: int, protocol: int, source: Ip, destination: Ip) -> bytearray:
    """An IPv4 header with identification and checksum 0 (the kernel computes the sum); `length` of the whole packet."""
    return bytearray(_IPV4.pack(0x45, TOS_INTERNETWORK_CONTROL, length, 0, 0, ttl, protocol, 0, source, destination))


def internet_checksum(data: bytes | bytearray) -> int:
    """Checksum of RFC 1071 over `data`, padded to even length; 0 if `data` contains its own valid sum."""
    if len(data) & 1:
        data = bytes(data) + b"\0"
    value = int.from_bytes(data, "big")
    if not value:
        return 0xFFFF
    return 0xFFFF - (value % 0xFFFF or 0xFFFF)


def pseudo_header(source: Ip, destination: Ip, length: int) -> bytes:
    """Pseudo header of version 3 checksums: RFC 9568 section 5.2.8 (IPv4 form) and RFC 8200 section 8.1 (IPv6)."""
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, PROTOCOL_VRRP, length)
    return source + destination + struct.pack("!IxxxB", length, PROTOCOL_VRRP)


def seal(message: bytearray, pseudo: bytes = b"") -> None:
    """Write the checksum into the message; `pseudo` is the pseudo header, if it has one."""
    message[6:8] = b"\0\0"
    struct.pack_into("!H", message, 6, internet_checksum(pseudo + bytes(message)))


def checksum_is_valid(message: bytes, pseudo: bytes = b"") -> bool:
    """Whether the checksum inside the message is right."""
    return internet_checksum(pseudo + message) == 0
