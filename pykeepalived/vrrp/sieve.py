"""The program by which the kernel drops junk before a receive socket queues it, for the time of a flood (classic BPF).

Instructions as data and nothing else: when a pool is guarded is guard.py, attaching is sockets.py. What passes is still
checked in full, so a program may let junk through; it must not drop what an instance would listen to.
"""

from __future__ import annotations

from pykeepalived.vrrp import packet
from pykeepalived.vrrp.effects import Guests

Instruction = tuple[int, int, int, int]
"""Code, instructions to skip if true, if false, operand."""

LONGEST_PROGRAM = 4096
"""Of the kernel (BPF_MAXINSNS)."""

_LOAD_HALF, _LOAD_BYTE, _LOAD_LENGTH = 0x28, 0x30, 0x80
_STORE, _RECALL_X, _TO_X, _FROM_X = 0x02, 0x61, 0x07, 0x87
_AND, _ADD, _ADD_X, _SHIFT_RIGHT, _LOAD_CONSTANT = 0x54, 0x04, 0x0C, 0x74, 0x00
_EQUAL, _AT_LEAST, _RETURN, _JUMP = 0x15, 0x35, 0x06, 0x05
_NETWORK = 0xFFF00000
"""Offsets from here on count from the IP header, which an IPv6 socket does not see otherwise (SKF_NET_OFF)."""
_V4_TTL, _V4_ADDRESSES, _V6_HOP_LIMIT = 8, 12, 7
_PLAIN_V4_HEADER = 0x45
TAKE: Instruction = (_RETURN, 0, 0, 0xFFFFFFFF)
DROP: Instruction = (_RETURN, 0, 0, 0)


def program(guests: Guests) -> list[Instruction]:
    """What to attach for these guests (SO_ATTACH_FILTER)."""
    steps: list[Instruction] = []
    start = 0
    if guests.family == 4:
        # an IP header with options moves everything: rare enough to be looked at
        steps += [(_LOAD_BYTE, 0, 0, 0), (_EQUAL, 1, 0, _PLAIN_V4_HEADER), TAKE]
        start = packet.IPV4_HEADER_LENGTH + (packet.AH_LENGTH if guests.protocol == packet.PROTOCOL_AH else 0)
    if guests.full_ttl:
        steps += _require(_V4_TTL if guests.family == 4 else _NETWORK + _V6_HOP_LIMIT, [packet.VRRP_TTL])
    steps += [(_LOAD_LENGTH, 0, 0, 0), (_AT_LEAST, 1, 0, start + packet.HEADER_LENGTH), DROP]
    steps += _require(start, [version << 4 | packet.TYPE_ADVERTISEMENT for version in guests.versions])
    steps += _require(start + 1, guests.vrids)
    sums = [step for length in guests.lengths for step in _checksum(start, length, guests.versions == (3,))]
    if len(steps) + len(sums) < LONGEST_PROGRAM:
        steps += sums
    return [*steps, TAKE]


def _require(offset: int, values: list[int] | tuple[int, ...]) -> list[Instruction]:
    """Drop the datagram unless the byte there is one of these; at most 255."""
    count = len(values)
    tests = [(_EQUAL, count - place, 0, value) for place, value in enumerate(values)]
    return [(_LOAD_BYTE, 0, 0, offset), *tests, DROP]


def _checksum(start: int, length: int, pseudo: bool) -> list[Instruction]:
    """Drop a message of exactly this length whose checksum is wrong (RFC 1071); other lengths go on behind."""
    halves = range(start, start + length, 2)
    steps: list[Instruction] = [
        (_LOAD_CONSTANT, 0, 0, packet.PROTOCOL_VRRP + length if pseudo else 0),
        (_TO_X, 0, 0, 0),
    ]
    for offset in [*(range(_V4_ADDRESSES, packet.IPV4_HEADER_LENGTH, 2) if pseudo else ()), *halves]:
        steps += [(_LOAD_HALF, 0, 0, offset), (_ADD_X, 0, 0, 0), (_TO_X, 0, 0, 0)]
    for _ in range(2):
        steps += [
            *((_FROM_X, 0, 0, 0), (_AND, 0, 0, 0xFFFF), (_STORE, 0, 0, 0)),
            *((_FROM_X, 0, 0, 0), (_SHIFT_RIGHT, 0, 0, 16), (_RECALL_X, 0, 0, 0)),
            *((_ADD_X, 0, 0, 0), (_TO_X, 0, 0, 0)),
        ]
    steps += [(_EQUAL, 0, 1, 0xFFFF), TAKE, DROP]
    return [(_LOAD_LENGTH, 0, 0, 0), (_EQUAL, 1, 0, start + length), (_JUMP, 0, 0, len(steps)), *steps]
