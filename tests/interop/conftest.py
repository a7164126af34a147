"""Two real daemons on one segment, each of either make, for the interoperability tests."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pykeepalived.lab.net import Network, network
from pykeepalived.lab.node import OURS, Node, watch

C_DAEMON = tuple(shlex.split(os.environ.get("KEEPALIVED", "keepalived")))
"""The C daemon: that of the system, or the command that the environment names, to run beside another release."""


@dataclass
class Pair:
    """Hosts a (192.0.2.1, fe80::a) and b (192.0.2.2, fe80::b) on one bridge, as in the recordings of the C daemon."""

    net: Network
    a: Node
    b: Node

    def wait(self, condition: Callable[[], bool], seconds: float = 20) -> bool:
        return watch([self.a, self.b], condition, seconds)

    def pause(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def masters(self) -> list[str]:
        return [node.name for node in (self.a, self.b) if "MASTER" in node.states.values()]

    def has(self, node: Node, address: str) -> bool:
        return any(item.split("/")[0] == address for item in node.namespace.addresses("eth0"))

    def log(self) -> str:
        """Both logs, for the message of a failed assertion."""
        return "\n".join(f"{at / 1e9:.3f} {node.name} {line}" for node in (self.a, self.b) for at, line in node.lines)


MakePair = Callable[..., Pair]
_counter = iter(range(1_000_000))


@pytest.fixture
def make_pair(tmp_path: Path) -> Iterator[MakePair]:
    """`make_pair(config_a, config_b, program_a, program_b)`: starts nothing; removes everything afterwards."""
    if os.geteuid() != 0 or shutil.which(C_DAEMON[0]) is None:
        pytest.skip("needs root and keepalived")
    nodes: list[Node] = []
    with network(f"pki{os.getpid() % 100000}x{next(_counter)}") as net:

        def make(config_a: str, config_b: str, program_a: tuple[str, ...], program_b: tuple[str, ...]) -> Pair:
            for name, config, program in (("a", config_a, program_a), ("b", config_b, program_b)):
                host = net.namespace(name)
                last = 1 if name == "a" else 2
                addresses = [f"192.0.2.{last}/24", f"2001:db8:77::{last}/64", f"fe80::{name}/64"]
                host.run("sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=1")
                net.attach(host, "eth0", "lan", addresses, f"02:00:00:00:00:0{name}")
                file = tmp_path / f"{name}.conf"
                file.write_text(config)
                nodes.append(Node(name, host, file, tmp_path / name, program))
            return Pair(net, nodes[0], nodes[1])

        try:
            yield make
        finally:
            for node in nodes:
                node.kill()


@pytest.fixture(params=["ours-c", "c-ours"])
def programs(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both roles: ours with the higher priority against the C daemon, and the other way round."""
    return (OURS, C_DAEMON) if request.param == "ours-c" else (C_DAEMON, OURS)
