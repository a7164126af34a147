"""Runs in a guest whose kernel tells of processes: one of ours and one of the C daemon watch the same processes by
every word of vrrp_track_process, each on a segment of its own. Prints which instances had their addresses at each step.

test_processes.py judges. The initial network namespace is needed: the C daemon hears of processes nowhere else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pykeepalived.lab.net import Namespace, run
from pykeepalived.lab.node import OURS, Node, watch

SECONDS = 60
NAME = "pk-tracked"
WORDS = {
    "name": "process {name}",
    "path": "process {path}",
    "quorum": "process {name}\n  quorum 2",
    "most": "process {name}\n  quorum_max 1",
    "none": "process {name}\n  quorum_max 0",
    "exact": "process {path} 601",
    "partial": "process {path} 601\n  param_match partial",
    "initial": "process {path} 60\n  param_match initial",
    "full": "process {path}\n  full_command",
    "delayed": "process {name}\n  delay 5",
    "weight": "process {name}\n  weight 60",
}
STEPS = {
    "one": "name most exact partial initial full delayed weight",
    "two": "name quorum exact partial initial full delayed weight",
    "another one": "name most initial full delayed weight",
    "one in its place": "name most initial full delayed weight",
    "nothing": "none weight",
    "a shell that becomes it": "name most exact partial initial full delayed weight",
}
"""What runs; and whose address is there then: entries that are content, and the one with a weight."""


class Here(Namespace):
    """The guest's own network namespace."""

    def command(self, *words: str) -> list[str]:
        return list(words)

    def ip(self, *words: str, check: bool = True) -> str:
        return run("ip", *words, check=check)


def config(interface: str, path: Path) -> str:
    """An instance for each entry, alone on its segment: MASTER unless its process says otherwise."""
    text = ""
    for number, (entry, words) in enumerate(WORDS.items(), 1):
        lines = words.format(path=path, name=path.name)
        text += (
            f"vrrp_track_process {entry} {{\n  {lines}\n}}\n"
            f"vrrp_instance {entry} {{\n  interface {interface}\n  virtual_router_id {number}\n  priority 100\n"
            f"  version 3\n  advert_int 0.2\n  track_process {{\n    {entry}\n  }}\n"
            f"  virtual_ipaddress {{\n    198.18.9.{number}\n  }}\n}}\n"
        )
    return text


class Twins:
    """Ours on t0 and theirs on t1, what runs, and what was seen."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        shutil.copy("/usr/bin/sleep", self.path)
        self.nodes: dict[str, Node] = {}
        for interface, name, program in (("t0", "ours", OURS), ("t1", "theirs", ("keepalived",))):
            run("ip", "link", "add", interface, "type", "veth", "peer", "name", f"far{interface}")
            for end in (interface, f"far{interface}"):
                run("ip", "link", "set", end, "up")
            run("ip", "address", "add", f"198.18.{interface[1]}.1/24", "dev", interface)
            file = directory / f"{name}.conf"
            file.write_text(config(interface, self.path))
            self.nodes[name] = Node(name, Here("", "", {interface: ""}), file, directory / name, program)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.seen: dict[str, object] = {}

    def there(self, node: Node) -> list[str]:
        """The instances whose addresses are there."""
        [interface] = node.namespace.cables
        found = {address.split("/")[0] for address in node.namespace.addresses(interface)}
        return [entry for number, entry in enumerate(WORDS, 1) if f"198.18.9.{number}" in found]

    def note(self, step: str) -> None:
        """What both come to, and stay at for some time."""
        expected, nodes = STEPS[step].split(), list(self.nodes.values())
        watch(nodes, lambda: all(self.there(node) == expected for node in nodes), SECONDS)
        watch(nodes, lambda: False, 2)
        self.seen[step] = {name: self.there(node) for name, node in self.nodes.items()}

    def begin(self, seconds: str) -> None:
        self.running[seconds] = subprocess.Popen([self.path, seconds])

    def end(self, seconds: str) -> None:
        process = self.running.pop(seconds)
        process.kill()
        process.wait(10)


def play(twins: Twins) -> None:
    twins.begin("601")
    for node in twins.nodes.values():
        node.start()
    twins.note("one")
    twins.begin("602")
    twins.note("two")
    twins.end("601")
    twins.note("another one")
    twins.end("602")
    twins.begin("603")
    twins.note("one in its place")
    twins.seen["patience"] = {
        name: not node.said("Quorum lost for tracked process delayed") for name, node in twins.nodes.items()
    }
    twins.end("603")
    twins.note("nothing")
    twins.running["601"] = subprocess.Popen(["/bin/sh", "-c", f"sleep 1; exec {twins.path} 601"])
    twins.note("a shell that becomes it")
    change = "(weight) Changing effective priority from "
    twins.seen["priorities"] = {
        name: [line.removeprefix(change) for _, line in node.lines if line.startswith(change)]
        for name, node in twins.nodes.items()
    }
    twins.seen["status"] = {name: node.stop(30) for name, node in twins.nodes.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        twins = Twins(Path(directory))
        try:
            play(twins)
        finally:
            for node in twins.nodes.values():
                node.kill()
            for seconds in list(twins.running):
                twins.end(seconds)
            for name, node in twins.nodes.items():
                (Path(sys.argv[1]) / f"{name}.log").write_text("\n".join(line for _, line in node.lines))
    print(json.dumps(twins.seen))


if __name__ == "__main__":
    main()
