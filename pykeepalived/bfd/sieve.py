"""Programs for the kernel (classic BPF, packet(7)): which socket a datagram goes to, and what is not worth reading.

Instructions as data and nothing else; who attaches them is sockets.py, when is speaker.py.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pykeepalived.bfd.packet import LENGTH, LONGEST, VERSION
from pykeepalived.bfd.table import State
from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass

INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: code, instructions to skip if true, if false, operand."""

MOST_SESSIONS = 1000
"""More would not fit into a program (4096 instructions); then it looks at everything but the session."""

_LOAD_WORD, _LOAD_BYTE, _LOAD_LENGTH = 0x20, 0x30, 0x80
_AND, _JUMP, _EQUAL, _AT_LEAST, _RETURN = 0x54, 0x05, 0x15, 0x35, 0x06
_UDP_HEADER = 8
_NETWORK = 0xFFF00000
"""Offsets from here on count from the start of the IP header (SKF_NET_OFF)."""
_V4_TTL, _V4_SOURCE, _V6_HOPS, _V6_SOURCE_END = 8, 12, 7, 20
_VERSION_BITS = 0xE0
_WHOLE, _NOTHING = 0xFFFFFFFF, 0
FIRST, QUIET = 0, 1
"""The sockets that `sort_program` chooses from."""

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Guests:
    """Whose packets may come in: our discriminators, the addresses of all neighbors, the lowest TTL any may have."""

    discriminators: tuple[int, ...]
    neighbors: tuple[Ip, ...]
    least_ttl: int


def pack(program: Sequence[Instruction]) -> bytes:
    """The bytes of a program."""
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in program)


def sort_program() -> list[Instruction]:
    """For SO_ATTACH_REUSEPORT_CBPF: a control packet that only says "still up" goes to the quiet socket."""
    return [
        (_LOAD_LENGTH, 0, 0, 0),
        (_EQUAL, 0, 6, LENGTH),
        (_LOAD_BYTE, 0, 0, 0),
        (_AND, 0, 0, _VERSION_BITS),
        (_EQUAL, 0, 3, VERSION << 5),
        (_LOAD_BYTE, 0, 0, 1),
        (_EQUAL, 0, 1, State.UP << 6),
        (_RETURN, 0, 0, QUIET),
        (_RETURN, 0, 0, FIRST),
    ]


def guard_program(guests: Guests) -> list[Instruction]:
    """For SO_ATTACH_FILTER: drop what decode and Speaker would refuse, as far as it can be seen without state."""
    payload = _UDP_HEADER
    program = [
        (_LOAD_LENGTH, 0, 0, 0),
        *_unless(_AT_LEAST, payload + LENGTH),
        *_if(_AT_LEAST, payload + LONGEST + 1),
        (_LOAD_BYTE, 0, 0, payload),
        (_AND, 0, 0, _VERSION_BITS),
        *_unless(_EQUAL, VERSION << 5),
        (_LOAD_WORD, 0, 0, payload + 4),
        *_if(_EQUAL, 0),
        *_by_family(
            [(_LOAD_BYTE, 0, 0, _NETWORK + _V4_TTL), *_unless(_AT_LEAST, guests.least_ttl)],
            [(_LOAD_BYTE, 0, 0, _NETWORK + _V6_HOPS), *_unless(_AT_LEAST, guests.least_ttl)],
        ),
    ]
    if len(guests.discriminators) > MOST_SESSIONS:
        return [*program, (_RETURN, 0, 0, _WHOLE)]
    known = [step for number in guests.discriminators for step in _if(_EQUAL, number, _WHOLE)]
    first = _first_packet(guests.neighbors)
    return [
        *program,
        (_LOAD_WORD, 0, 0, payload + 8),
        (_EQUAL, 1, 0, 0),
        (_JUMP, 0, 0, len(first)),
        *first,
        *known,
        (_RETURN, 0, 0, _NOTHING),
    ]


def _first_packet(neighbors: tuple[Ip, ...]) -> list[Instruction]:
    """A packet without our discriminator is in state AdminDown or Down and comes from a neighbor."""
    v4 = sorted({int.from_bytes(address, "big") for address in neighbors if address.family == 4})
    v6 = sorted({int.from_bytes(address[12:], "big") for address in neighbors if address.family == 6})
    return [
        (_LOAD_BYTE, 0, 0, _UDP_HEADER + 1),
        *_if(_AT_LEAST, State.INIT << 6),
        *_by_family(
            [(_LOAD_WORD, 0, 0, _NETWORK + _V4_SOURCE), *(step for end in v4 for step in _if(_EQUAL, end, _WHOLE))],
            [(_LOAD_WORD, 0, 0, _NETWORK + _V6_SOURCE_END), *(step for end in v6 for step in _if(_EQUAL, end, _WHOLE))],
        ),
        (_RETURN, 0, 0, _NOTHING),
    ]


def _if(test: int, value: int, result: int = _NOTHING) -> list[Instruction]:
    """Return `result` if the test of the accumulator holds, else go on."""
    return [(test, 0, 1, value), (_RETURN, 0, 0, result)]


def _unless(test: int, value: int) -> list[Instruction]:
    """Drop the datagram if the test fails, else go on."""
    return [(test, 1, 0, value), (_RETURN, 0, 0, _NOTHING)]


def _by_family(v4: list[Instruction], v6: list[Instruction]) -> list[Instruction]:
    """One or the other, by the version in the IP header; both go on behind."""
    return [
        (_LOAD_BYTE, 0, 0, _NETWORK),
        (_AND, 0, 0, 0xF0),
        (_EQUAL, 1, 0, 0x40),
        (_JUMP, 0, 0, len(v4) + 1),
        *v4,
        (_JUMP, 0, 0, len(v6)),
        *v6,
    ]
