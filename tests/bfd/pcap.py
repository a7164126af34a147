"""Reads the recordings in wire/: classic pcap, Ethernet, UDP. For the tests alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pykeepalived.config.model.values import Ip

FOLDER = Path(__file__).parent / "wire"


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram of a recording; `at` in nanoseconds since the first one."""

    at: int
    source: Ip
    destination: Ip
    ttl: int
    source_port: int
    port: int
    payload: bytes


def read(name: str) -> list[Datagram]:
    """All datagrams of a recording."""
    frames = list(_frames((FOLDER / name).read_bytes()))
    return [_datagram(at - frames[0][0], frame) for at, frame in frames]


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    scale = 1000 if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4") else 1
    position = 24
    while position < len(data):
        seconds, fraction, length, _ = struct.unpack_from(order + "IIII", data, position)
        position += 16
        yield seconds * 1_000_000_000 + fraction * scale, data[position : position + length]
        position += length


def _datagram(at: int, frame: bytes) -> Datagram:
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800:
        header = (frame[14] & 15) * 4
        source, destination, ttl = Ip(frame[26:30]), Ip(frame[30:34]), frame[22]
    else:
        assert kind == 0x86DD
        header = 40
        source, destination, ttl = Ip(frame[22:38]), Ip(frame[38:54]), frame[21]
    udp = 14 + header
    source_port, port, length = struct.unpack_from("!HHH", frame, udp)
    return Datagram(at, source, destination, ttl, source_port, port, frame[udp + 8 : udp + length])
