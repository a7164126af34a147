"""Runs in a guest whose kernel has ipvlan: daemons that are killed and started again with other files, beside an ipvlan
of somebody's. Prints what was seen as JSON.

test_ipvlans.py judges.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pykeepalived.lab.net import Network, network
from pykeepalived.lab.node import Node, watch

SECONDS = 60


def block(name: str, vrid: int, words: str = "") -> str:
    return (
        f"vrrp_instance {name} {{\n  interface eth0\n  virtual_router_id {vrid}\n  priority 255\n  {words}\n"
        f"  virtual_ipaddress {{\n    192.0.2.{100 + vrid}/32\n  }}\n}}\n"
    )


A = block("A", 51, "use_ipvlan 192.0.2.11/24")
BOTH = A + block("B", 52, "use_ipvlan 192.0.2.12/24")


def links(node: Node) -> dict[str, int]:
    lines = node.namespace.ip("-o", "link", "show", "type", "ipvlan").splitlines()
    return {line.split()[1].split("@")[0]: int(line.split(":")[0]) for line in lines}


def life(net: Network, directory: Path, name: str, after: str, done: Callable[[Node], bool]) -> dict[str, Any]:
    """A master with two ipvlans is killed, its successor has another file: the links and when `done` came."""
    host = net.namespace(name)
    net.attach(host, "eth0", name, ["192.0.2.1/24"])
    host.ip("link", "add", "foreign", "link", "eth0", "type", "ipvlan", "mode", "l2")
    (directory / name).mkdir()
    file = directory / f"{name}.conf"
    file.write_text(BOTH)
    node = Node(name, host, file, directory / name)
    node.start()
    up = watch([node], lambda: node.states == {"A": "MASTER", "B": "MASTER"}, SECONDS)
    before = links(node)
    node.kill()
    killed = links(node)
    file.write_text(after)
    node.start()
    came = watch([node], lambda: done(node), SECONDS)
    between = links(node)
    status = node.stop(SECONDS)
    return {
        "up": up,
        "before": before,
        "killed": killed,
        "came": came,
        "between": between,
        "status": status,
        "end": links(node),
        "log": [line for _, line in node.lines][-40:],
    }


def main() -> None:
    """`directory` is shared with the host."""
    directory = Path(sys.argv[1])
    subprocess.run(["modprobe", "-q", "ipvlan"], check=False)
    with network("pksm") as net:
        seen = {
            "one": life(net, directory, "one", A, lambda node: node.states == {"A": "MASTER"}),
            "none": life(net, directory, "none", "global_defs {\n}\n", lambda node: list(links(node)) == ["foreign"]),
        }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
