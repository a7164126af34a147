"""`pykeepalived scan`: who speaks VRRP on a link, live or from a capture file, decoded independently of the daemon."""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, field
from pathlib import Path

from pykeepalived.cli.frames import Sighting, decode, read_capture
from pykeepalived.lab.seconds import seconds
from pykeepalived.light_dataclasses import dataclass

_ETH_P_ALL = 3
_VRRP_GROUP_MACS = (bytes.fromhex("01005e000012"), bytes.fromhex("333300000012"))
_PACKET_MR_MULTICAST = 0


@dataclass(slots=True)
class Router:
    """A virtual router as seen: what it advertises and who has spoken for it."""

    vrid: int
    version: int
    addresses: tuple[str, ...]
    speakers: dict[str, Sighting] = field(default_factory=dict)
    adverts: int = 0

    @property
    def faults(self) -> list[str]:
        """What is wrong on the wire: more than one master, differing address lists."""
        found = []
        alive = [sighting for sighting in self.speakers.values() if sighting.priority]
        if len(alive) > 1:
            found.append(f"{len(alive)} routers advertise at once")
        if len({sighting.addresses for sighting in alive}) > 1:
            found.append("the address lists differ")
        return found


def survey(sightings: Iterable[Sighting]) -> list[Router]:
    """Virtual routers by VRID, version and family from what was seen."""
    routers: dict[tuple[int, int, bool], Router] = {}
    for seen in sightings:
        if seen.kind != "advert":
            continue
        key = (seen.vrid, seen.version, ":" in seen.source)
        router = routers.setdefault(key, Router(seen.vrid, seen.version, seen.addresses))
        router.speakers[seen.source] = seen
        router.addresses = seen.addresses
        router.adverts += 1
    return [routers[key] for key in sorted(routers)]


def table(routers: Sequence[Router]) -> str:
    """One line a speaker."""
    if not routers:
        return "No VRRP adverts seen."
    rows = [("VRID", "version", "router", "priority", "interval", "auth", "addresses")]
    for router in routers:
        for source, seen in router.speakers.items():
            priority = "leaving" if seen.priority == 0 else str(seen.priority)
            words = (str(router.vrid), f"v{router.version}", source, priority, f"{seen.interval_ms} ms")
            rows.append((*words, seen.auth or "-", " ".join(seen.addresses)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"VRID {router.vrid}: {fault}" for router in routers for fault in router.faults]
    return "\n".join(lines)


def listen(interface: str, seconds: float) -> Iterator[tuple[float, bytes]]:
    """Frames of an interface as they pass, until the time is over. Raises OSError without the right to listen."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as wire:
        wire.bind((interface, 0))
        index = socket.if_nametoindex(interface)
        for mac in _VRRP_GROUP_MACS:
            request = index.to_bytes(4, sys.byteorder) + _PACKET_MR_MULTICAST.to_bytes(2, sys.byteorder)
            request += len(mac).to_bytes(2, sys.byteorder) + mac.ljust(8, b"\0")
            wire.setsockopt(263, 1, request)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([wire], [], [], left)[0]:
                yield time.time(), wire.recv(65536)


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, 1 when something is wrong on the wire, 2 for a link or file that cannot be read."""
    parser = argparse.ArgumentParser(prog="pykeepalived scan", description=__doc__)
    parser.add_argument("where", help="an interface to listen on, or a capture file (pcap, pcapng)")
    parser.add_argument("--seconds", type=seconds, default=5.0, help="how long to listen (default 5)")
    parser.add_argument("--frames", action="store_true", help="print every frame as it comes")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args(argv)
    seen: list[Sighting] = []
    try:
        file = Path(arguments.where)
        source = read_capture(file) if file.is_file() else listen(arguments.where, arguments.seconds)
        for at, frame in source:
            sighting = decode(frame)
            if sighting is None:
                continue
            seen.append(sighting)
            if arguments.frames:
                print(f"{at:.6f} {sighting.mac} {sighting.source} {sighting.kind}: {sighting.text}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        print(f"pykeepalived scan: {arguments.where}: {reason}", file=sys.stderr)
        return 2
    routers = survey(seen)
    if arguments.json:
        print(json.dumps([{**asdict(router), "faults": router.faults} for router in routers], indent=2))
    else:
        print(table(routers))
    return 1 if any(router.faults for router in routers) else 0
