"""What the VRRP subjects share: two hosts on a bridge, a daemon of either make on each, and a capture of the wire."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import OURS, Node, watch

# an installed daemon has its byte code; a bench run must not measure the compiler
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROGRAMS: dict[str, tuple[str, ...]] = {"ours": OURS, "theirs": ("keepalived",)}
FRAMES = "ip proto 112 or arp or udp port 3784"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Advert:
    """One VRRP advert on the wire: kernel receive time (ns of the wall clock), sending host, VRID, priority."""

    at: int
    host: str
    vrid: int
    priority: int


@dataclass(frozen=True, slots=True)
class Arp:
    """One gratuitous ARP frame."""

    at: int
    host: str
    address: str


class Capture:
    """tcpdump on the bridge; `stop` returns what it saw. `passed`: when BFD packets of each host came through."""

    def __init__(self, net: Network, file: Path) -> None:
        self.passed: dict[str, list[int]] = {}
        self._file = file
        words = ["tcpdump", "-i", "br0", "-w", str(file), "-B", "65536", "--time-stamp-precision=nano"]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", net.lan, *words, "-U", "--immediate-mode", FRAMES],
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        while b"listening on" not in self._process.stderr.readline():
            if self._process.poll() is not None:
                raise RuntimeError("tcpdump did not start")

    def stop(self) -> tuple[list[Advert], list[Arp]]:
        time.sleep(0.05)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        adverts: list[Advert] = []
        arps: list[Arp] = []
        for at, frame in read_pcap(self._file):
            host = chr(frame[11] - 10 + ord("a")) if 10 <= frame[11] <= 35 else frame[6:12].hex(":")
            kind = frame[12:14]
            if kind == b"\x08\x00" and frame[23] == 112:
                start = 14 + (frame[14] & 15) * 4
                adverts.append(Advert(at, host, frame[start + 1], frame[start + 2]))
            elif kind == b"\x08\x00":
                self.passed.setdefault(host, []).append(at)
            elif kind == b"\x08\x06" and frame[28:32] == frame[38:42]:
                arps.append(Arp(at, host, ".".join(map(str, frame[28:32]))))
        return adverts, arps


def read_pcap(file: Path) -> Iterator[tuple[int, bytes]]:
    """Frames of a capture file with nanosecond stamps."""
    data = file.read_bytes()
    position = 24
    while position + 16 <= len(data):
        seconds, nanos, length, _ = struct.unpack_from("<IIII", data, position)
        yield seconds * 1_000_000_000 + nanos, data[position + 16 : position + 16 + length]
        position += 16 + length


@dataclass
class Rig:
    """Hosts a and b with a daemon each."""

    net: Network
    a: Node
    b: Node
    directory: Path

    def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        if not watch([self.a, self.b], condition, seconds):
            tail = "\n".join(line for node in (self.a, self.b) for _, line in node.lines[-15:])
            raise RuntimeError(f"the daemons did not get there in {seconds} s:\n{tail}")

    def pause(self, seconds: float) -> None:
        watch([self.a, self.b], lambda: False, seconds)

    def client(self) -> Namespace:
        """A third host on the first segment that reaches the virtual addresses; made on first use."""
        if "c" not in self.net.namespaces:
            host = self.net.namespace("c")
            self.net.attach(host, "eth0", "lan0", ["192.0.2.3/24"])
            host.ip("route", "add", "10.1.0.0/16", "dev", "eth0")
        return self.net.namespaces["c"]

    def capture(self) -> Capture:
        return Capture(self.net, self.directory / f"{next(_numbers)}.pcap")


@contextlib.contextmanager
def rig(make: str, config_a: str, config_b: str, options: tuple[str, ...] = (), interfaces: int = 1) -> Iterator[Rig]:
    """Two hosts running the daemon `make` ("ours" or "theirs"); nothing is started yet."""
    with (
        tempfile.TemporaryDirectory(prefix="pykeepalived-bench-") as scratch,
        network(f"pkbe{os.getpid() % 10000}x{next(_numbers)}") as net,
    ):
        nodes = []
        for number, (name, config) in enumerate((("a", config_a), ("b", config_b))):
            host = net.namespace(name)
            for wire in range(interfaces):
                mac = f"02:00:00:00:0{wire}:0{name}"
                net.attach(host, f"eth{wire}", f"lan{wire}", [f"192.0.{2 + wire}.{number + 1}/24"], mac)
            file = Path(scratch) / f"{name}.conf"
            file.write_text(config)
            nodes.append(Node(name, host, file, Path(scratch) / name, PROGRAMS[make], options))
        try:
            yield Rig(net, nodes[0], nodes[1], Path(scratch))
        finally:
            for node in nodes:
                node.kill()


PER_INTERFACE = 250


def instances(count: int, priority: int, advert_int: float, version: int = 3, extra: str = "") -> str:
    """`count` instances, one VIP each: 250 on eth0, the next 250 on eth1, ..."""
    text = []
    for number in range(count):
        interface, vrid = divmod(number, PER_INTERFACE)
        text.append(
            f"vrrp_instance V{number} {{\n version {version}\n state BACKUP\n interface eth{interface}\n"
            f" virtual_router_id {vrid + 1}\n priority {priority}\n advert_int {advert_int}\n {extra}\n"
            f" virtual_ipaddress {{\n  10.1.{interface}.{vrid + 1}/32\n }}\n}}\n"
        )
    return "".join(text)
