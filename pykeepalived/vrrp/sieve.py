"""The programs of the receive sockets (classic BPF): what the kernel drops in a flood, and which adverts may wait.

Instructions as data and nothing else: when a pool is guarded is guard.py, whose adverts wait is repeats.py, attaching
is sockets.py. What passes is still checked in full, so a program may let junk through; no advert that an instance would
listen to may be dropped by all.
"""

from __future__ import annotations

from collections.abc import Sequence

from pykeepalived.vrrp import packet
from pykeepalived.vrrp.effects import Guests

Instruction = tuple[int, int, int, int]
"""Code, instructions to skip if true, if false, operand."""

LONGEST_PROGRAM = 4096
"""Of the kernel (BPF_MAXINSNS)."""

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _LOAD_LENGTH = 0x20, 0x28, 0x30, 0x80
_STORE, _RECALL_X, _TO_X, _FROM_X = 0x02, 0x61, 0x07, 0x87
_AND, _ADD, _ADD_X, _SHIFT_RIGHT, _LOAD_CONSTANT, _MULTIPLY, _XOR_X = 0x54, 0x04, 0x0C, 0x74, 0x00, 0x24, 0xAC
_EQUAL, _AT_LEAST, _RETURN, _JUMP = 0x15, 0x35, 0x06, 0x05
_NETWORK = 0xFFF00000
"""Offsets from here on count from the IP header, which an IPv6 socket does not see otherwise (SKF_NET_OFF)."""
_V4_TTL, _V4_ADDRESSES, _V6_HOP_LIMIT, _V6_SOURCE_END = 8, 12, 7, 20
_PLAIN_V4_HEADER = 0x45
_SPREAD = 0x9E3779B1
"""Odd, with bits all over it: by it a difference in any part of a word becomes one in the upper bits."""
_LEAF = 8
"""Fingerprints compared one by one."""
MOST_FINGERPRINTS = 1024
"""More would not leave room for the guard."""
TAKE: Instruction = (_RETURN, 0, 0, 0xFFFFFFFF)
DROP: Instruction = (_RETURN, 0, 0, 0)


# floods


def guarded(guests: Guests, room: int = LONGEST_PROGRAM) -> list[Instruction]:
    """Drop what is not from these guests (SO_ATTACH_FILTER), in less than `room` instructions."""
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
    if len(steps) + len(sums) + 1 < room:
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


# adverts that may wait


def fingerprint(key: tuple[bytes, bytes, int, bytes] | bytes) -> int:
    """32 bits of an advert, from its key (repeats.Key): sender, VRID, priority, checksum."""
    if isinstance(key, bytes):
        words = key[:4], key[8:12], key[12:16]
    else:
        source, _, _, message = key
        words = source[12:], message[:4], message[4:8]
    mixed = 0
    for word in words:
        mixed = mixed * _SPREAD & 0xFFFFFFFF ^ int.from_bytes(word, "big")
    return mixed


def waiting(family: int, fingerprints: Sequence[int]) -> list[Instruction]:
    """Take adverts with one of these fingerprints, and nothing else."""
    return [*_match(family, fingerprints, TAKE), DROP]


def urgent(family: int, fingerprints: Sequence[int], guests: Guests | None) -> list[Instruction]:
    """Take what `waiting` does not, if it may be from these guests."""
    match = _match(family, fingerprints, DROP) if fingerprints else []
    return [*match, *([TAKE] if guests is None else guarded(guests, LONGEST_PROGRAM - len(match)))]


def _match(family: int, fingerprints: Sequence[int], hit: Instruction) -> list[Instruction]:
    """`hit` for an advert with one of these fingerprints; everything else goes on behind."""
    start, source = (packet.IPV4_HEADER_LENGTH, _V4_ADDRESSES) if family == 4 else (0, _NETWORK + _V6_SOURCE_END)
    steps: list[Instruction] = [(_LOAD_WORD, 0, 0, source)]
    for offset in (start, start + 4):
        steps += [(_MULTIPLY, 0, 0, _SPREAD), (_TO_X, 0, 0, 0), (_LOAD_WORD, 0, 0, offset), (_XOR_X, 0, 0, 0)]
    steps += _search(sorted(set(fingerprints))[:MOST_FINGERPRINTS], hit)
    steps = [
        (_LOAD_LENGTH, 0, 0, 0),
        (_AT_LEAST, 1, 0, start + packet.HEADER_LENGTH),
        (_JUMP, 0, 0, len(steps)),
        *steps,
    ]
    if family == 4:
        steps = [(_LOAD_BYTE, 0, 0, 0), (_EQUAL, 1, 0, _PLAIN_V4_HEADER), (_JUMP, 0, 0, len(steps)), *steps]
    return steps


def _search(values: list[int], hit: Instruction, behind: int = 0) -> list[Instruction]:
    """`hit` if the accumulator is one of these (sorted), else on behind these and `behind` more instructions."""
    if len(values) > _LEAF:
        half = len(values) // 2
        upper = _search(values[half:], hit, behind)
        lower = _search(values[:half], hit, behind + len(upper))
        return [(_AT_LEAST, 0, 1, values[half]), (_JUMP, 0, 0, len(lower)), *lower, *upper]
    tests = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [*tests, (_JUMP, 0, 0, 1 + behind), hit]
