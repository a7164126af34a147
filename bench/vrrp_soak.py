"""Failovers by the thousand between two daemons of ours: nothing may grow and nothing may be left over.

`python -m bench.vrrp_soak [--failovers N]`. One node lives through all of them; the other is the preferred master,
loses its rank by a tracked file or by a reload and gets it back, and is killed and started again now and then. Exit
status 1 when something grew or stayed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import tree
from bench.rig import Rig, rig
from pykeepalived.lab.node import Node

INTERVAL_S = 0.03
KILL_EVERY, KILL_AT, RELOAD_EVERY, LOOK_EVERY = 20, 3, 5, 20
"""Rounds. A round is two failovers: away from the preferred master and back."""
WARM_UP = 0.1
"""The share of the rounds after which growth counts: allocators and caches fill at first."""
GROWTH_BYTES = 2_000_000
INSTANCES = ("V4", "V6", "VM")


def configuration(priority: int, file: Path) -> str:
    """A group of an IPv4 instance with a route and a rule, an IPv6 one, and one with a VMAC."""
    common = (
        f"version 3\n advert_int {INTERVAL_S}\n interface eth0\n priority {priority}\n track_file {{\n  rank\n }}\n"
    )
    return (
        f"vrrp_track_file rank {{\n file {file}\n weight 1\n init_file 0\n}}\n"
        "vrrp_sync_group G {\n group {\n  V4\n  V6\n  VM\n }\n notify /bin/true\n sync_group_tracking_weight\n}\n"
        f"vrrp_instance V4 {{\n {common} virtual_router_id 51\n virtual_ipaddress {{\n  192.0.2.100/32\n }}\n"
        " virtual_routes {\n  198.51.100.0/24 via 192.0.2.250 dev eth0\n }\n"
        " virtual_rules {\n  from 198.51.100.7 table 77\n }\n}\n"
        f"vrrp_instance V6 {{\n {common} native_ipv6\n virtual_router_id 52\n virtual_ipaddress {{\n"
        "  fe80::100/64\n  2001:db8:77::100/128\n }\n}\n"
        f"vrrp_instance VM {{\n {common} virtual_router_id 53\n use_vmac\n no_accept\n virtual_ipaddress {{\n"
        "  192.0.2.101/32\n }\n}\n"
    )


@dataclass(frozen=True)
class Sample:
    """One look at a node: descriptors of each of its processes, the parent first, proportional memory, zombies."""

    descriptors: dict[str, int]
    memory: int
    zombies: int


def look(node: Node) -> Sample:
    """Of the processes that are there now and a moment later: scripts come and go."""
    assert node.process is not None
    here = tree(node.process.pid)
    time.sleep(0.05)
    found: dict[str, int] = {}
    memory = zombies = 0
    for pid in sorted(set(here) & set(tree(node.process.pid))):
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
            if status.rpartition(")")[2].split()[0] == "Z":
                zombies += 1
                continue
            name = f"{len(found)} {status[status.index('(') + 1 : status.rindex(')')]}"
            found[name] = len(os.listdir(f"/proc/{pid}/fd"))
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except FileNotFoundError:
            continue
        memory += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return Sample(found, memory, zombies)


def belongings(node: Node) -> dict[str, list[str]]:
    """What a daemon may leave on a host: links, addresses, routes, rules, filter."""
    host = node.namespace
    addresses = [" ".join(line.split()[1:4]) for line in host.ip("-o", "address").splitlines()]
    return {
        "links": sorted(line.split(": ")[1] for line in host.ip("-o", "link").splitlines()),
        "addresses": sorted(addresses),
        "routes": sorted(host.ip("route", "show", "table", "all").splitlines()),
        "rules": host.ip("rule").splitlines(),
        "filter": host.run("nft", "list", "ruleset", check=False).splitlines(),
    }


@dataclass
class Soak:
    """A pair at work. `failovers` is how many there have been, `slowest` seconds the longest took."""

    pair: Rig
    rank: Path
    failovers: int = 0
    kills: int = 0
    reloads: int = 0
    slowest: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def expect(self, master: Node) -> None:
        """Wait until all of the group is on this node."""
        since = time.monotonic()
        self.pair.wait(lambda: all(master.states.get(name) == "MASTER" for name in INSTANCES), 60)
        other = self.pair.b if master is self.pair.a else self.pair.a
        self.pair.wait(lambda: not any(state == "MASTER" for state in other.states.values()), 60)
        self.failovers += 1
        self.slowest = max(self.slowest, time.monotonic() - since)

    def round(self, number: int) -> None:
        """Away from a and back."""
        a, b = self.pair.a, self.pair.b
        if number % KILL_EVERY == KILL_AT:
            a.kill()
            self.expect(b)
            a.start()
            self.kills += 1
        elif number % RELOAD_EVERY == RELOAD_EVERY - 1:
            text = a.config.read_text()
            a.config.write_text(text.replace("priority 150", "priority 50"))
            a.reload()
            self.expect(b)
            a.config.write_text(text)
            a.reload()
            self.reloads += 2
        else:
            self.rank.write_text("-100\n")
            self.expect(b)
            self.rank.write_text("0\n")
        self.expect(a)

    def look(self) -> None:
        self.samples.append(look(self.pair.b))
        if any(sample.zombies for sample in (self.samples[-1], look(self.pair.a))):
            # a script that ended this moment is a zombie until the loop comes round
            self.pair.pause(0.5)
            if look(self.pair.a).zombies or look(self.pair.b).zombies:
                self.faults.append(f"zombies after {self.failovers} failovers")

    def judge(self) -> None:
        """What grew in the node that lived through everything."""
        steady = self.samples[int(len(self.samples) * WARM_UP) :]
        first, last = steady[0], steady[-1]
        if last.descriptors != first.descriptors:
            self.faults.append(f"descriptors grew: {first.descriptors} to {last.descriptors}")
        if last.memory - first.memory > GROWTH_BYTES:
            self.faults.append(f"memory grew: {first.memory} to {last.memory} bytes")

    def compare(self, where: str, now: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
        """Tell what is not as it should be."""
        for kind, items in now.items():
            if items != wanted[kind]:
                self.faults.append(f"{kind} {where}: {items} instead of {wanted[kind]}")

    def report(self) -> str:
        steady = self.samples[int(len(self.samples) * WARM_UP) :]
        memory = [sample.memory / 1e6 for sample in steady]
        return (
            f"{self.failovers} failovers, of these {2 * self.kills} by SIGKILL and restart, {self.reloads} by reload; "
            f"slowest {self.slowest:.2f} s; node that lived through all: descriptors {steady[0].descriptors} to "
            f"{steady[-1].descriptors}, memory {memory[0]:.1f} to {memory[-1]:.1f} MB (most {max(memory):.1f}); "
            + ("; ".join(self.faults) if self.faults else "nothing grew, nothing was left over")
        )


def soak(failovers: int) -> Soak:
    """Run that many failovers (at least) and judge."""
    with rig("ours", "", "") as pair:
        ranks = {node.name: pair.directory / f"{node.name}.rank" for node in (pair.a, pair.b)}
        for node, priority in ((pair.a, 150), (pair.b, 100)):
            ranks[node.name].write_text("0\n")
            node.config.write_text(configuration(priority, ranks[node.name]))
        made = Soak(pair, ranks["a"])
        before = {node.name: belongings(node) for node in (pair.a, pair.b)}
        pair.a.start()
        pair.b.start()
        made.expect(pair.a)
        # the first mastership makes sets and chains that stay, empty
        made.round(0)
        idle = belongings(pair.b)
        number = 1
        while made.failovers < failovers:
            if number % LOOK_EVERY == 1:
                made.look()
            made.round(number)
            number += 1
        made.look()
        made.judge()
        made.compare("on the backup", belongings(pair.b), idle)
        for node in (pair.a, pair.b):
            if node.stop(30) != 0:
                made.faults.append(f"{node.name} did not end well")
            made.compare(f"on {node.name} after the end", belongings(node), before[node.name])
        return made


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failovers", type=int, default=2000)
    options = parser.parse_args(argv)
    print(f"load average before: {os.getloadavg()}", flush=True)
    since = time.monotonic()
    made = soak(options.failovers)
    print(f"{made.report()}\n({time.monotonic() - since:.0f} s)")
    return 1 if made.faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
