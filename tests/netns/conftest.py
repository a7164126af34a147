"""Whole daemons of ours in namespaces of their own, and a recorder of what passes on their segment."""

from __future__ import annotations

import itertools
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pykeepalived.lab.net import Network, network, run
from pykeepalived.lab.node import Node, watch

_counter = itertools.count()
ETH_P_ALL, SO_TIMESTAMPNS = 3, 35


@dataclass
class Advert:
    """One advert as it passed: when (monotonic seconds), from whom, with which VRID and priority."""

    at: float
    source: str
    vrid: int
    priority: int


class Recorder:
    """Writes down every IPv4 advert and gratuitous ARP on the segment; reads from the bridge."""

    def __init__(self, namespace: str) -> None:
        self.adverts: list[Advert] = []
        self.announced: list[tuple[float, str, str]] = []
        """When, which address, and the MAC address it is said to have."""
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(namespace,), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self, namespace: str) -> None:
        import ctypes

        # setns moves this thread only: the test itself stays where it is
        with open(f"/run/netns/{namespace}", encoding="ascii") as file:
            assert ctypes.CDLL(None).setns(file.fileno(), 0x40000000) == 0
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        listener.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        listener.bind(("br0", ETH_P_ALL))
        self._ready.set()
        while not self._stop.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                frame, marks, *_ = listener.recvmsg(2048, 64)
                self._take(frame, marks[0][2])
        listener.close()

    def _take(self, frame: bytes, mark: bytes) -> None:
        """A frame and when the kernel had it, which may be a while ago on a busy machine."""
        seconds, nanoseconds = struct.unpack("=qq", mark)
        now = time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)
        kind = int.from_bytes(frame[12:14], "big")
        if kind == 0x0800 and frame[23] == 112:
            self.adverts.append(Advert(now, socket.inet_ntoa(frame[26:30]), frame[35], frame[36]))
        elif kind == 0x0806 and frame[28:32] == frame[38:42]:
            self.announced.append((now, socket.inet_ntoa(frame[28:32]), frame[22:28].hex(":")))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def of(self, source: str, since: float = 0.0) -> list[Advert]:
        return [advert for advert in list(self.adverts) if advert.source == source and advert.at >= since]

    def longest_gap(self, source: str, since: float, until: float) -> float:
        """The longest silence of a sender between two moments, both ends included."""
        times = [since, *(advert.at for advert in self.of(source, since) if advert.at <= until), until]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


@dataclass
class Lan:
    """Hosts a, b, c ... with 192.0.2.N/24 and fe80::a ... on eth0, all on one segment, each with a daemon to start."""

    net: Network
    directory: Path
    nodes: dict[str, Node] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def host(self, config: str, options: tuple[str, ...] = ()) -> Node:
        """One more host; its daemon does not run yet."""
        name = "abcdefgh"[len(self.nodes)]
        namespace = self.net.namespace(name)
        namespace.run("sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=1")
        last = len(self.nodes) + 1
        addresses = [f"192.0.2.{last}/24", f"2001:db8:77::{last}/64", f"fe80::{name}/64"]
        self.net.attach(namespace, "eth0", "lan", addresses, f"02:00:00:00:00:0{name}")
        file = self.directory / f"{name}.conf"
        file.write_text(config)
        node = self.nodes[name] = Node(name, namespace, file, self.directory / name, options=options)
        return node

    def recorder(self) -> Recorder:
        self.net.segment("lan")
        recorder = Recorder(self.net.lan)
        self.stack.callback(recorder.close)
        return recorder

    def wait(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Read the logs until the condition holds; the test fails with all of them when it never does."""
        assert watch(list(self.nodes.values()), condition, seconds), self.log()

    def pause(self, seconds: float) -> None:
        watch(list(self.nodes.values()), lambda: False, seconds)

    def log(self) -> str:
        lines = sorted((at, node.name, line) for node in self.nodes.values() for at, line in node.lines)
        return "\n".join(f"{at / 1e9:.3f} {name} {line}" for at, name, line in lines)

    def is_master(self, node: Node, instance: str = "VI_1") -> bool:
        return node.states.get(instance) == "MASTER"


def has(node: Node, address: str, interface: str = "eth0") -> bool:
    return any(item.split("/")[0] == address for item in node.namespace.addresses(interface))


def instance(priority: int, lines: str = "", name: str = "VI_1", vrid: int = 51, vip: str = "192.0.2.100/32") -> str:
    """A vrrp_instance block, version 3 with adverts every 0.2 s unless `lines` says otherwise."""
    timing = "" if "advert_int" in lines else "version 3\n  advert_int 0.2\n  "
    return (
        f"vrrp_instance {name} {{\n  interface eth0\n  virtual_router_id {vrid}\n  priority {priority}\n"
        f"  {timing}{lines}\n  virtual_ipaddress {{\n    {vip}\n  }}\n}}\n"
    )


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with network(f"pknl{os.getpid() % 100000}x{next(_counter)}") as net:
        made = Lan(net, tmp_path)
        try:
            yield made
        finally:
            made.stack.close()
            for node in made.nodes.values():
                node.kill()


def advert_v2(source: str, vrid: int, priority: int, interval_s: int, vips: list[str], password: bytes) -> bytes:
    """An Ethernet frame with a VRRPv2 advert and a simple password (RFC 2338 section 5.3)."""
    addresses = b"".join(socket.inet_aton(vip) for vip in vips)
    body = bytearray(struct.pack("!BBBBBBH", 0x21, vrid, priority, len(vips), 1, interval_s, 0) + addresses)
    body += password.ljust(8, b"\0")
    struct.pack_into("!H", body, 6, _sum(bytes(body)))
    return _frame(source, bytes(body))


def advert(source: str, vrid: int, priority: int, interval_cs: int, vips: list[str], checksum_error: int = 0) -> bytes:
    """An Ethernet frame with a VRRPv3 advert (RFC 9568), right or with a wrong checksum."""
    addresses = b"".join(socket.inet_aton(vip) for vip in vips)
    body = bytearray(struct.pack("!BBBBHH", 0x31, vrid, priority, len(vips), interval_cs, 0) + addresses)
    pseudo = socket.inet_aton(source) + socket.inet_aton("224.0.0.18") + struct.pack("!BBH", 0, 112, len(body))
    struct.pack_into("!H", body, 6, _sum(pseudo + bytes(body)) ^ checksum_error)
    return _frame(source, bytes(body))


def _frame(source: str, body: bytes) -> bytes:
    """To all VRRP routers, with a TTL of 255, from a MAC address nobody has."""
    head = bytearray(struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(body), 1, 0, 255, 112, 0))
    head += socket.inet_aton(source) + socket.inet_aton("224.0.0.18")
    struct.pack_into("!H", head, 10, _sum(bytes(head)))
    return b"\x01\x00\x5e\x00\x00\x12" + b"\x02\0\0\0\0\x99" + b"\x08\x00" + bytes(head) + body


def _sum(data: bytes) -> int:
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 65535
    return 0xFFFF - (total or 0xFFFF)


class Forger:
    """Sends frames into the segment from the bridge."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def flood(self, frame: bytes, interval: float, seconds: float) -> None:
        """Send the frame again and again; returns when the time is over."""
        script = (
            "import socket,sys,time\n"
            "s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind(('br0',0))\n"
            "f=bytes.fromhex(sys.argv[1]); end=time.monotonic()+float(sys.argv[3])\n"
            "while time.monotonic()<end:\n"
            "    s.send(f); time.sleep(float(sys.argv[2]))\n"
        )
        import sys

        run(
            "ip",
            "netns",
            "exec",
            self._namespace,
            sys.executable,
            "-c",
            script,
            frame.hex(),
            str(interval),
            str(seconds),
        )
