"""Netlink messages and attributes as bytes: packing, and walking what the kernel sent. No meaning of any type here.

Numbers are in host byte order unless said otherwise, as netlink(7) has them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

NLMSG_ERROR = 2
NLMSG_DONE = 3

AF_UNSPEC = 0
AF_INET = 2
AF_INET6 = 10

HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class DecodeError(ValueError):
    """Bytes that are no well-formed netlink message."""


def family_number(family: int) -> int:
    """AF_INET or AF_INET6 for 4 or 6."""
    return AF_INET if family == 4 else AF_INET6


def message(kind: int, flags: int, body: bytes) -> bytes:
    """A whole netlink message; sequence number and port are filled in by the sender."""
    return HEADER.pack(16 + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + _PADDING[length & 3]


def text(kind: int, value: str) -> bytes:
    """A zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def parse_attributes(data: bytes | memoryview, start: int, end: int) -> dict[int, bytes]:
    """Attributes of data[start:end] by type; of two with one type the later wins. Raises DecodeError."""
    found: dict[int, bytes] = {}
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4 or start + length > end:
            raise DecodeError(f"attribute of {length} bytes at {start} of {end}")
        found[kind & _TYPE_MASK] = bytes(data[start + 4 : start + length])
        start += (length + 3) & ~3
    return found


def messages(data: bytes | memoryview) -> Iterator[tuple[int, int, int, int, int]]:
    """(type, flags, sequence, start of body, end of body) of every message of a datagram. Raises DecodeError."""
    position, size = 0, len(data)
    while position + 16 <= size:
        length, kind, flags, sequence, _port = HEADER.unpack_from(data, position)
        if length < 16 or position + length > size:
            raise DecodeError(f"message of {length} bytes at {position} of {size}")
        yield kind, flags, sequence, position + 16, position + length
        position += (length + 3) & ~3
