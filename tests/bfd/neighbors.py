"""Real neighbors for the tests in namespaces: our daemon or keepalived on host a; BIRD, FRR or keepalived on b."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import OURS, Node
from tests.bfd.frr import Frr

C_DAEMON = ("keepalived",)
_numbers = iter(range(1_000_000))


@dataclass
class Bird:
    """BIRD with its log; `birdc` asks or tells it something."""

    host: Namespace
    config: Path
    control: Path
    process: subprocess.Popen[bytes]
    lines: list[tuple[int, str]] = field(default_factory=list)
    _rest: bytes = b""

    def fileno(self) -> int:
        assert self.process.stderr is not None
        return self.process.stderr.fileno()

    def read(self) -> bool:
        data = os.read(self.fileno(), 65536)
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.lines += [(time.monotonic_ns(), line.decode(errors="replace")) for line in whole]
        return bool(data)

    def birdc(self, *words: str) -> str:
        """Talk to BIRD's control socket the way birdc does."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(str(self.control))
            text = self._until_done(line)
            line.sendall(" ".join(words).encode() + b"\n")
            return text + self._until_done(line)

    @staticmethod
    def _until_done(line: socket.socket) -> str:
        """An answer ends with a line whose four digit code is followed by a blank."""
        data = b""
        while not (data.endswith(b"\n") and any(row[4:5] == b" " and row[:1] in b"0389" for row in data.split(b"\n"))):
            part = line.recv(65536)
            if not part:
                break
            data += part
        return data.decode()

    def configure(self, text: str) -> None:
        self.config.write_text(text)
        self.birdc("configure")

    def state(self) -> str:
        """State of the first session, or "" while there is none."""
        rows = [row.split() for row in self.birdc("show bfd sessions").splitlines()]
        return next((word for row in rows for word in row if word in ("Up", "Down", "Init", "AdminDown")), "")

    def interval(self) -> float:
        """Sending interval of the first session that is Up, in seconds."""
        row = next(row for row in self.birdc("show bfd sessions").splitlines() if " Up " in row)
        return float(row.split()[-2])


@dataclass
class Line:
    """Hosts a (10.99.0.1, fd99::1) and b (10.99.0.2, fd99::2) on one bridge."""

    net: Network
    directory: Path
    a: Namespace
    b: Namespace
    nodes: dict[str, Node] = field(default_factory=dict)
    bird: Bird | None = None
    frr: Frr | None = None

    def daemon(self, host: str, config: str, program: tuple[str, ...] = OURS) -> Node:
        """Start a daemon with keepalived's command line on a host."""
        file = self.directory / f"{host}.conf"
        file.write_text(config)
        node = Node(host, self.net.namespaces[host], file, self.directory / host, program)
        self.nodes[host] = node
        node.start()
        return node

    def start_bird(self, config: str) -> Bird:
        """Start BIRD on host b."""
        file, control = self.directory / "bird.conf", self.directory / "bird.ctl"
        file.write_text(config)
        words = ["bird", "-f", "-c", str(file), "-s", str(control), "-P", str(self.directory / "bird.pid")]
        process = self.b.spawn(words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.bird = Bird(self.b, file, control, process)
        assert self.wait(control.exists, 10)
        return self.bird

    def start_frr(self, config: str) -> Frr:
        """Start FRR on host b."""
        self.frr = Frr.start(self.b, config)
        return self.frr

    def wait(self, condition: Callable[[], object], seconds: float = 20) -> bool:
        """Read all logs until the condition holds (True) or the time is over (False)."""
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for reader in [*self.nodes.values(), *(other for other in (self.bird, self.frr) if other)]:
                selector.register(reader.fileno(), selectors.EVENT_READ, reader)
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                for key, _ in selector.select(min(left, 0.05)):
                    if not key.data.read():
                        selector.unregister(key.fd)
        return True

    def pause(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def cut(self) -> None:
        """Nothing passes any more, and nobody notices by the carrier."""
        self.b.forward("eth0", False)

    def heal(self) -> None:
        self.b.forward("eth0", True)

    def log(self) -> str:
        """All logs, for the message of a failed assertion."""
        lines = [(at, f"{node.name}: {line}") for node in self.nodes.values() for at, line in node.lines]
        if self.bird:
            lines += [(at, f"bird: {line}") for at, line in self.bird.lines]
        if self.frr:
            lines += [(at, f"frr: {line}") for at, line in self.frr.lines]
        return "\n".join(f"{at / 1e9:.3f} {line}" for at, line in sorted(lines))


def state(node: Node, name: str = "b1") -> str:
    """State of a session as the daemon logged it."""
    start = f"({name}) Entering "
    seen = [line.removeprefix(start).split()[0] for _, line in node.lines if line.startswith(start)]
    return seen[-1] if seen else "Down"


def downs(node: Node, name: str = "b1") -> list[str]:
    """Every loss of the session, as logged."""
    return [line for _, line in node.lines if line.startswith(f"({name}) Entering Down state")]


@contextmanager
def line(directory: Path) -> Iterator[Line]:
    """Two hosts and nothing running; everything is stopped and removed afterwards."""
    with network(f"pkbf{os.getpid() % 100000}x{next(_numbers)}") as net:
        a, b = net.namespace("a"), net.namespace("b")
        net.attach(a, "eth0", "lan", ["10.99.0.1/24", "fd99::1/64"])
        net.attach(b, "eth0", "lan", ["10.99.0.2/24", "fd99::2/64"])
        made = Line(net, directory, a, b)
        try:
            yield made
        finally:
            for node in made.nodes.values():
                node.kill()
            if made.bird is not None:
                made.bird.process.send_signal(signal.SIGKILL)
                made.bird.process.wait(10)
            if made.frr is not None:
                made.frr.kill()


def ours(neighbor: str = "10.99.0.2", source: str = "10.99.0.1", interval: float = 100, extra: str = "") -> str:
    """A configuration with one session b1."""
    return (
        f"bfd_instance b1 {{\n neighbor_ip {neighbor}\n source_ip {source}\n min_rx {interval}\n min_tx {interval}\n"
        f" multiplier 3\n {extra}\n}}\n"
    )


def slower(config: str, interval: int = 400) -> str:
    """The same configuration with another interval than 100 ms."""
    return config.replace("min_rx 100", f"min_rx {interval}").replace("min_tx 100", f"min_tx {interval}")


def bird(neighbor: str = "10.99.0.1", own: str = "10.99.0.2", interval: int = 100, multihop: bool = False) -> str:
    """A configuration of BIRD facing it."""
    kind = "multihop" if multihop else 'interface "eth0"'
    ending = "multihop" if multihop else ""
    where = "" if multihop else 'dev "eth0"'
    return (
        "log stderr all;\nrouter id 10.99.0.2;\nprotocol device { }\nprotocol bfd b1 {\n debug { states, events };\n"
        f" {kind} {{ min rx interval {interval} ms; min tx interval {interval} ms; multiplier 3; }};\n"
        f" neighbor {neighbor} {where} local {own} {ending};\n}}\n"
    )
