"""Reads the recordings in pcap/: pcapng of Ethernet frames between two hosts that ran keepalived 2.4.3.

Host A has MAC 02:00:00:00:00:0a and 192.0.2.1, fe80::a, 2001:db8:77::1; host B ends in b and 2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "pcap"
MAC_A = bytes.fromhex("02000000000a")
MAC_B = bytes.fromhex("02000000000b")


@dataclass(frozen=True)
class Frame:
    """One frame; `at` in nanoseconds since 1970."""

    at: int
    data: bytes

    @property
    def host(self) -> str:
        return {MAC_A: "A", MAC_B: "B"}.get(self.data[6:12], self.data[6:12].hex(":"))

    @property
    def ethertype(self) -> int:
        return int.from_bytes(self.data[12:14], "big")

    @property
    def payload(self) -> bytes:
        """What follows the Ethernet header, without padding."""
        body = self.data[14:]
        if self.ethertype == 0x0800:
            return body[: int.from_bytes(body[2:4], "big")]
        return body

    @property
    def protocol(self) -> int:
        """IPv4 protocol or IPv6 next header; -1 for anything else."""
        if self.ethertype == 0x0800:
            return self.data[23]
        return self.data[20] if self.ethertype == 0x86DD else -1

    @property
    def is_vrrp(self) -> bool:
        return self.protocol in (112, 51)

    @property
    def is_garp(self) -> bool:
        return self.ethertype == 0x0806 and self.data[28:32] == self.data[38:42]

    @property
    def is_na(self) -> bool:
        """Unsolicited: to all nodes."""
        icmpv6 = self.ethertype == 0x86DD and self.protocol == 58
        return icmpv6 and self.data[54] == 136 and self.data[:6] == bytes.fromhex("333300000001")


def read(name: str) -> list[Frame]:
    """All frames of a recording in the order they were sent."""
    data = (FOLDER / f"{name}.pcapng").read_bytes()
    frames = []
    position, scale = 0, 1000
    while position < len(data):
        kind, length = struct.unpack_from("<II", data, position)
        if kind == 1:
            scale = _resolution(data[position + 16 : position + length - 4])
        elif kind == 6:
            high, low, captured = struct.unpack_from("<III", data, position + 12)
            frame = data[position + 28 : position + 28 + captured]
            frames.append(Frame((high << 32 | low) * scale, frame))
        position += length
    return frames


def _resolution(options: bytes) -> int:
    """Nanoseconds of one time stamp unit (option if_tsresol; microseconds without it)."""
    position = 0
    while position + 4 <= len(options):
        code, length = struct.unpack_from("<HH", options, position)
        if code == 9:
            return int(10 ** (9 - options[position + 4]))
        position += 4 + (length + 3) // 4 * 4
    return 1000


def adverts(name: str, host: str) -> list[Frame]:
    return [frame for frame in read(name) if frame.is_vrrp and frame.host == host]
