"""Frames for people: what an Ethernet frame says about VRRP, announcements and BFD, decoded with scapy.

Scapy is imported here and only here, when something has to be decoded: the daemon never needs it.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pykeepalived.light_dataclasses import dataclass

_PCAP_MAGICS = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}
_SIMPLE_PACKET, _ENHANCED_PACKET, _SECTION = 3, 6, 0x0A0D0D0A
_LEAST_ENHANCED_PACKET = 32
"""Length of a block of this kind without any packet."""
_AUTH_TYPES = {0: "", 1: "PASS", 2: "AH"}


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one frame says. `kind` is advert, garp, na or bfd; `source` the IP address, `mac` the sender's.

    For adverts `vrid`, `priority`, `version`, `interval_ms`, `addresses` and `auth` ("" none, PASS, AH) are filled.
    """

    kind: str
    source: str
    mac: str
    destination: str = ""
    vrid: int = 0
    priority: int = 0
    version: int = 0
    interval_ms: int = 0
    addresses: tuple[str, ...] = ()
    auth: str = ""
    text: str = ""


class _Layers:
    """Scapy's layers, imported once and without its survey of the host's routes and interfaces."""

    def __init__(self) -> None:
        cache = os.environ.get("XDG_CACHE_HOME")
        with tempfile.TemporaryDirectory(prefix="pykeepalived-scapy-") as scratch:
            os.environ["XDG_CACHE_HOME"] = scratch
            try:
                self._import()
            finally:
                if cache is None:
                    del os.environ["XDG_CACHE_HOME"]
                else:
                    os.environ["XDG_CACHE_HOME"] = cache

    def _import(self) -> None:
        from scapy.config import conf

        conf.route_autoload = conf.route6_autoload = False
        import scapy.interfaces

        scapy.interfaces.NetworkInterfaceDict.reload = lambda self: None
        from scapy.contrib.bfd import BFD
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
        from scapy.layers.ipsec import AH
        from scapy.layers.l2 import ARP, Ether
        from scapy.layers.vrrp import VRRP, VRRPv3

        self.ether, self.arp, self.ip, self.ip6, self.na = Ether, ARP, IP, IPv6, ICMPv6ND_NA
        self.vrrp, self.vrrp3, self.bfd, self.ah = VRRP, VRRPv3, BFD, AH


_layers: list[_Layers] = []


def decode(frame: bytes) -> Sighting | None:
    """What an Ethernet frame says, or None when it is about something else or malformed."""
    if not _layers:
        _layers.append(_Layers())
    layers = _layers[0]
    try:
        packet = layers.ether(frame)
        return _announcement(packet, layers) or _advert(packet, layers) or _bfd(packet, layers)
    except Exception:  # whatever a foreign library stumbles over in a malformed frame
        return None


def _announcement(packet: Any, layers: _Layers) -> Sighting | None:
    if layers.arp in packet and packet[layers.arp].psrc == packet[layers.arp].pdst:
        arp = packet[layers.arp]
        return Sighting("garp", arp.psrc, packet.src, addresses=(arp.psrc,), text=f"{arp.psrc} is at {arp.hwsrc}")
    if layers.na in packet:
        target = packet[layers.na].tgt
        text = f"{target} is at {packet.src}"
        return Sighting("na", packet[layers.ip6].src, packet.src, addresses=(target,), text=text)
    return None


def _network(packet: Any, layers: _Layers) -> tuple[str, str] | None:
    for layer in (layers.ip, layers.ip6):
        if layer in packet:
            return packet[layer].src, packet[layer].dst
    return None


def _advert(packet: Any, layers: _Layers) -> Sighting | None:
    ends = _network(packet, layers)
    if ends is None:
        return None
    if layers.ah in packet:
        payload = layers.vrrp(bytes(packet[layers.ah].payload))
    elif layers.vrrp3 in packet:
        payload = packet[layers.vrrp3]
    elif layers.vrrp in packet:
        payload = packet[layers.vrrp]
    else:
        return None
    if payload.version == 3:
        interval, auth = payload.adv * 10, ""
    else:
        interval, auth = payload.adv * 1000, _AUTH_TYPES.get(payload.authtype, str(payload.authtype))
    addresses = tuple(payload.addrlist)
    words = [f"VRID {payload.vrid}", f"priority {payload.priority}", f"v{payload.version}", f"{interval} ms"]
    text = ", ".join([*words, *([auth] if auth else []), " ".join(addresses)])
    return Sighting(
        "advert",
        source=ends[0],
        mac=packet.src,
        destination=ends[1],
        vrid=payload.vrid,
        priority=payload.priority,
        version=payload.version,
        interval_ms=interval,
        addresses=addresses,
        auth=auth,
        text=text,
    )


def _bfd(packet: Any, layers: _Layers) -> Sighting | None:
    ends = _network(packet, layers)
    if ends is None or layers.bfd not in packet:
        return None
    bfd = packet[layers.bfd]
    return Sighting("bfd", ends[0], packet.src, ends[1], text=bfd.summary())


def read_capture(path: Path) -> Iterator[tuple[float, bytes]]:
    """(seconds, frame) of a pcap or pcapng file, as far as it is whole; raises ValueError for anything else."""
    data = path.read_bytes()
    magic = struct.unpack_from("<I", data)[0] if len(data) >= 24 else 0
    if magic in _PCAP_MAGICS:
        yield from _read_pcap(data, _PCAP_MAGICS[magic])
    elif magic == _SECTION:
        yield from _read_pcapng(data)
    else:
        raise ValueError("neither an interface nor pcap nor pcapng (little endian)")


def _read_pcap(data: bytes, unit_ns: int) -> Iterator[tuple[float, bytes]]:
    position = 24
    while position + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from("<IIII", data, position)
        yield seconds + fraction * unit_ns / 1e9, data[position + 16 : position + 16 + length]
        position += 16 + length


def _read_pcapng(data: bytes) -> Iterator[tuple[float, bytes]]:
    position, unit = 0, 1e-6
    while position + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, position)
        if length < 12 or position + length > len(data):
            return
        if kind == 1:
            unit = _resolution(data[position + 16 : position + length - 4])
        elif kind == _ENHANCED_PACKET and length >= _LEAST_ENHANCED_PACKET:
            high, low, captured = struct.unpack_from("<III", data, position + 12)
            yield (high << 32 | low) * unit, data[position + 28 : position + 28 + captured]
        elif kind == _SIMPLE_PACKET:
            yield 0.0, data[position + 12 : position + length - 4]
        position += length


def _resolution(options: bytes) -> float:
    """if_tsresol of an interface description block (pcapng), default microseconds."""
    position = 0
    while position + 4 <= len(options):
        code, length = struct.unpack_from("<HH", options, position)
        if code == 9 and length == 1 and position + 4 < len(options):
            value = options[position + 4]
            return float(2.0 ** -(value & 127) if value & 128 else 10.0**-value)
        position += 4 + (length + 3 & ~3)
    return 1e-6
