"""Network namespaces, bridges and cables of a laboratory, made with iproute2 and always removed again.

Every name starts with the laboratory's prefix. The bridges (segments) live in a namespace of their own, so the host's
network is never touched. What runs inside the namespaces is lab/node.py.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

COMMAND_TIMEOUT_SECONDS = 30


class LabError(Exception):
    """A step of building the laboratory failed; the message says which command and why."""


def run(*command: str, check: bool = True, text_input: str | None = None) -> str:
    """Run a command to its end and return its standard output; raises LabError unless `check` is false."""
    done = subprocess.run(
        command, input=text_input, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False
    )
    if check and done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip_batch(namespace: str, lines: Iterable[str]) -> None:
    """Many `ip` commands in one process inside a namespace."""
    run("ip", "-n", namespace, "-batch", "-", text_input="\n".join(lines) + "\n")


@dataclass(slots=True)
class Namespace:
    """One host of the laboratory: a network namespace with loopback up."""

    name: str
    lan: str
    cables: dict[str, str] = field(default_factory=dict)
    """Interface name here -> name of the bridge port in the switch namespace."""

    def command(self, *words: str) -> list[str]:
        """The words that run a command inside this namespace."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, check: bool = True) -> str:
        return run(*self.command(*words), check=check)

    def ip(self, *words: str, check: bool = True) -> str:
        return run("ip", "-n", self.name, *words, check=check)

    def addresses(self, interface: str) -> set[str]:
        """Addresses on an interface as `address/length`."""
        words = self.ip("-o", "address", "show", "dev", interface, check=False).split("\n")
        return {line.split()[3] for line in words if line}

    def carrier(self, interface: str, up: bool) -> None:
        """Pull or plug the cable: the interface here loses or gains carrier."""
        run("ip", "-n", self.lan, "link", "set", self.cables[interface], "up" if up else "down")

    def forward(self, interface: str, on: bool) -> None:
        """Let the switch drop (or pass) everything to and from this port; the carrier stays (a silent cut)."""
        run("bridge", "-n", self.lan, "link", "set", "dev", self.cables[interface], "state", "3" if on else "0")

    def spawn(self, words: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a process inside this namespace; the caller waits for it."""
        return subprocess.Popen(self.command(*words), **options)  # type: ignore[call-overload,no-any-return]


class Network:
    """All namespaces and segments of one laboratory. Use as a context manager: leaving it removes everything."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lan = f"{prefix}-lan"
        self.namespaces: dict[str, Namespace] = {}
        self._segments: dict[str, str] = {}
        self._ports = 0

    def __enter__(self) -> Network:
        if os.geteuid() != 0:
            raise LabError("a laboratory needs root: it makes network namespaces")
        run("ip", "netns", "add", self.lan)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    def destroy(self) -> None:
        """Kill what still runs inside, then remove every namespace; safe to call twice."""
        for name in [*(namespace.name for namespace in self.namespaces.values()), self.lan]:
            for pid in run("ip", "netns", "pids", name, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            run("ip", "netns", "del", name, check=False)
        self.namespaces.clear()
        self._segments.clear()

    def namespace(self, name: str) -> Namespace:
        """A new host."""
        full = f"{self.prefix}-{name}"
        made = self.namespaces[name] = Namespace(full, self.lan)
        run("ip", "netns", "add", full)
        ip_batch(full, ["link set lo up"])
        return made

    def segment(self, name: str) -> str:
        """A bridge without multicast snooping or spanning tree; made on first use, returned by name after."""
        if name not in self._segments:
            bridge = f"br{len(self._segments)}"
            ip_batch(self.lan, [f"link add {bridge} type bridge mcast_snooping 0 stp_state 0", f"link set {bridge} up"])
            self._segments[name] = bridge
        return self._segments[name]

    def attach(
        self, host: Namespace, interface: str, segment: str, addresses: Sequence[str] = (), mac: str | None = None
    ) -> None:
        """Plug an interface of a host into a segment and give it addresses (`address/length`, IPv6 without DAD)."""
        bridge = self.segment(segment)
        port = f"p{self._ports}"
        self._ports += 1
        address = f" address {mac}" if mac else ""
        ip_batch(self.lan, [f"link add {port} type veth peer name {interface}{address} netns {host.name}"])
        ip_batch(self.lan, [f"link set {port} master {bridge}", f"link set {port} up"])
        host.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.accept_dad=0", check=False)
        lines = [f"link set {interface} up"]
        lines += [f"address add {item} dev {interface}{' nodad' if ':' in item else ''}" for item in addresses]
        ip_batch(host.name, lines)
        host.cables[interface] = port

    def partition(self, *names: str) -> None:
        """Cut the named hosts off every segment without taking their carrier."""
        for name in names:
            for interface in self.namespaces[name].cables:
                self.namespaces[name].forward(interface, False)

    def heal(self, *names: str) -> None:
        for name in names:
            for interface in self.namespaces[name].cables:
                self.namespaces[name].forward(interface, True)


@contextlib.contextmanager
def network(prefix: str) -> Iterator[Network]:
    """A laboratory network whose names begin with `prefix`, removed at the end whatever happens."""
    made = Network(prefix)
    try:
        yield made.__enter__()
    finally:
        made.destroy()
