"""Tools of the fault tests: a client that pings, a listener no flood disturbs, and what must be true afterwards."""

from __future__ import annotations

import bisect
import ctypes
import itertools
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from pykeepalived.lab.net import Namespace
from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, has

VIP = "192.0.2.100"
_ATTACH_FILTER, _ETH_P_ALL, _CLONE_NEWNET = 26, 3, 0x40000000


class Client:
    """Pings the VIP fifty times a second from a host of its own, for as long as the test runs."""

    def __init__(self, lan: Lan, log: Path) -> None:
        self.namespace = lan.net.namespace("client")
        lan.net.attach(self.namespace, "eth0", "lan", ["192.0.2.200/24"], "02:00:00:00:00:cc")
        self._log = log
        self._read = 0
        self._answers: list[tuple[float, str]] = []
        with log.open("w") as file:
            self._process = self.namespace.spawn(
                [sys.executable, "-m", "pykeepalived.lab.probe", "20", "100000", VIP], stdout=file
            )
        lan.stack.callback(self.close)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def answers(self, since: float) -> list[tuple[float, str]]:
        """(monotonic seconds, MAC address) of the replies since then."""
        with self._log.open() as file:
            file.seek(self._read)
            whole = file.read().rpartition("\n")[0]
        self._read += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            at, _, mac = line.split()
            self._answers.append((int(at) / 1e9, mac))
        return self._answers[bisect.bisect_left(self._answers, (since, "")) :]

    def longest_silence(self, since: float, until: float) -> float:
        times = [since, *(at for at, _ in self.answers(since) if at <= until), until]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


class Adverts:
    """The moments at which adverts of one sender passed; the kernel drops everything else before it costs us.

    `priority` is that of the last one.
    """

    def __init__(self, lan: Lan, namespace: Namespace, source: str) -> None:
        self.times: list[float] = []
        self.priority = 0
        self._source = source
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(namespace.name,), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        lan.stack.callback(self.close)

    def _run(self, namespace: str) -> None:
        with open(f"/run/netns/{namespace}", encoding="ascii") as file:
            assert ctypes.CDLL(None).setns(file.fileno(), _CLONE_NEWNET) == 0
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        listener.bind(("eth0", _ETH_P_ALL))
        source = int.from_bytes(socket.inet_aton(self._source), "big")
        # source address, then protocol 112; everything else is dropped (classic BPF)
        words = [
            (0x20, 0, 0, 26),
            (0x15, 0, 3, source),
            (0x30, 0, 0, 23),
            (0x15, 0, 1, 112),
            (6, 0, 0, 65535),
            (6, 0, 0, 0),
        ]
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *word) for word in words))
        listener.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(words), ctypes.addressof(program))
        )
        self._ready.set()
        while not self._stop.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                frame = listener.recv(2048)
                self.times.append(time.monotonic())
                self.priority = frame[36]
        listener.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def gaps(self, since: float, until: float) -> list[float]:
        times = [since, *(at for at in list(self.times) if since <= at <= until), until]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


@dataclass
class Traces:
    """What a host looks like: compared before and after."""

    links: list[str]
    addresses: set[str]
    rules: str
    rest: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Node) -> Traces:
        host = node.namespace
        links = sorted(line.split(": ")[1].split("@")[0] for line in host.ip("-o", "link").splitlines())
        words = {"routes": ("route",), "rules": ("rule",)}
        return cls(
            links,
            {item for link in links for item in host.addresses(link)},
            host.run("nft", "list", "ruleset", check=False),
            {name: host.ip(*word) for name, word in words.items()},
        )


def processes(node: Node) -> list[int]:
    """Every process in the daemon's namespace that is not a zombie."""
    here = os.stat(f"/run/netns/{node.namespace.name}").st_ino
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _namespace(pid) == here]


def _namespace(pid: int) -> int:
    """The network namespace of a process; 0 for a zombie."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


FLOOD_RATE = 120_000
"""Packets a second that a flood is to have, if the machine can send as many."""


def start_flood(lan: Lan, frames: list[bytes], seconds: float, node: Node | None = None) -> subprocess.Popen[str]:
    """A hostile neighbour sends these frames to everybody on the segment, or to one node: more than a bridge copies."""
    port = "br0" if node is None else node.namespace.cables["eth0"]
    program = [sys.executable, str(Path(__file__).with_name("flood.py")), port, str(seconds), str(FLOOD_RATE)]
    words = ["ip", "netns", "exec", lan.net.lan, *program]
    flood = subprocess.Popen(words, stdin=subprocess.PIPE, text=True)
    lan.stack.callback(flood.wait)
    lan.stack.callback(flood.kill)
    assert flood.stdin is not None
    with flood.stdin as sink:
        sink.writelines(f"{frame.hex()}\n" for frame in frames)
    return flood


def received(node: Node) -> int:
    """Packets that came in on eth0."""
    return int(node.namespace.run("cat", "/sys/class/net/eth0/statistics/rx_packets"))


def service_returns(lan: Lan, client: Client, master: Node, others: list[Node]) -> None:
    """The right node is master, it alone has the VIP, and its answers reach the client."""
    lan.wait(lambda: has(master, VIP) and not any(has(node, VIP) for node in others), 40)
    lan.wait(lambda: lan.is_master(master) or master.said("adopted"), 40)
    mac = f"02:00:00:00:00:0{master.name}"
    # not the first answer decides: one of the former master may still be under way
    lan.wait(lambda: {each for _, each in client.answers(time.monotonic() - 0.5)} == {mac}, 40)


def nothing_is_left(lan: Lan, node: Node, before: Traces) -> None:
    """After an orderly stop the host is as it was."""
    assert node.stop(130) == 0, lan.log()
    lan.wait(lambda: not processes(node))
    after = Traces.of(node)
    assert after.addresses == before.addresses, sorted(after.addresses ^ before.addresses)[:9]
    assert after == before
    assert [path.name for path in node.directory.iterdir() if path.suffix in (".pid", ".sock")] == []
