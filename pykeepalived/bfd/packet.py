"""The BFD control packet: 24 bytes of UDP payload (RFC 5880 section 4.1). Bytes to fields and back, nothing else."""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import NamedTuple

LENGTH = 24
LONGEST = 32
"""Longer datagrams are not looked at."""
VERSION = 1

_POLL, _FINAL, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x04, 0x02, 0x01
_ADMIN_DOWN, _DOWN = 0, 1
_LAYOUT = struct.Struct("!BBBBIIIII")


class Discard(StrEnum):
    """Why a datagram was not used: the names of the counters."""

    TRUNCATED = "truncated"
    TOO_SMALL = "too_small"
    SIZE_MISMATCH = "size_mismatch"
    VERSION = "version"
    ZERO_MULTIPLIER = "zero_multiplier"
    MULTIPOINT = "multipoint"
    ZERO_MY_DISCRIMINATOR = "zero_my_discriminator"
    ZERO_YOUR_DISCRIMINATOR = "zero_your_discriminator"
    POLL_AND_FINAL = "poll_and_final"
    NO_SESSION = "no_session"
    WRONG_SOURCE = "wrong_source"
    TTL = "ttl"
    AUTHENTICATED = "authenticated"
    ADMIN_DOWN = "admin_down"


class BfdPacketError(ValueError):
    """A datagram that is no usable control packet: the counter to raise, and what is wrong in keepalived's words."""

    def __init__(self, discard: Discard, text: str) -> None:
        super().__init__(text)
        self.discard = discard


class ControlPacket(NamedTuple):
    """The fields of a control packet; intervals in microseconds, flags as booleans."""

    state: int
    diagnostic: int
    multiplier: int
    my_discriminator: int
    your_discriminator: int
    min_tx_us: int
    min_rx_us: int
    poll: bool = False
    final: bool = False
    authenticated: bool = False
    demand: bool = False
    min_echo_rx_us: int = 0


def encode(packet: ControlPacket) -> bytes:
    """The 24 bytes of a packet without authentication. Raises struct.error for a field out of range."""
    flags = packet.state << 6
    if packet.poll:
        flags |= _POLL
    if packet.final:
        flags |= _FINAL
    if packet.demand:
        flags |= _DEMAND
    return _LAYOUT.pack(
        VERSION << 5 | packet.diagnostic,
        flags,
        packet.multiplier,
        LENGTH,
        packet.my_discriminator,
        packet.your_discriminator,
        packet.min_tx_us,
        packet.min_rx_us,
        packet.min_echo_rx_us,
    )


def decode(data: bytes) -> ControlPacket:
    """Read a datagram and hold it against the rules that need no session (RFC 5880 6.8.6). Raises BfdPacketError."""
    size = len(data)
    if size > LONGEST:
        raise BfdPacketError(Discard.TRUNCATED, "recvmsg() message truncated")
    if size < LENGTH:
        raise BfdPacketError(Discard.TOO_SMALL, f"Packet is too small: {size} bytes")
    first, flags, multiplier, length, mine, yours, min_tx, min_rx, min_echo_rx = _LAYOUT.unpack_from(data)
    if length != size:
        raise BfdPacketError(
            Discard.SIZE_MISMATCH, f"Packet size mismatch: length field: {length} bytes, buffer size: {size} bytes"
        )
    if first >> 5 != VERSION:
        raise BfdPacketError(Discard.VERSION, f"Packet is of unsupported version: {first >> 5}")
    if not multiplier:
        raise BfdPacketError(Discard.ZERO_MULTIPLIER, "Packet 'detection multiplier' field is zero")
    if flags & _MULTIPOINT:
        raise BfdPacketError(Discard.MULTIPOINT, "Packet has 'multipoint' flag")
    if not mine:
        raise BfdPacketError(Discard.ZERO_MY_DISCRIMINATOR, "Packet 'my discriminator' field is zero")
    state = flags >> 6
    if not yours and state not in (_ADMIN_DOWN, _DOWN):
        raise BfdPacketError(
            Discard.ZERO_YOUR_DISCRIMINATOR,
            "Packet 'your discriminator' field is zero and 'state' field is not Down or AdminDown",
        )
    if flags & _POLL and flags & _FINAL:
        raise BfdPacketError(Discard.POLL_AND_FINAL, "Packet has both poll and final  flags set")
    return ControlPacket(
        state,
        first & 0x1F,
        multiplier,
        mine,
        yours,
        min_tx,
        min_rx,
        bool(flags & _POLL),
        bool(flags & _FINAL),
        bool(flags & _AUTHENTICATED),
        bool(flags & _DEMAND),
        min_echo_rx,
    )
