"""VRRP at scale: CPU per advert sent and received, jitter on the wire, memory. `python -m bench.vrrp [SECONDS]`."""

from __future__ import annotations

import os
import sys

from bench.figures import Row, markdown, quantile
from bench.floors import of_packets
from bench.processes import cpu_ns, pss_bytes
from bench.rig import PER_INTERFACE, Advert, instances, rig
from pykeepalived.lab.net import network
from pykeepalived.lab.node import Node

CASES = ((10, 0.1), (255, 0.1), (1000, 0.1), (1000, 1.0))
"""Instances and their advert interval in seconds."""
CURVE_S = 0.1
"""The interval of the curves over the number of instances."""


def jitter_ms(adverts: list[Advert], interval_ms: float) -> list[float]:
    """Distance of every interval between adverts of one virtual router from the configured one."""
    last: dict[tuple[str, int], int] = {}
    found = []
    for item in adverts:
        key = (item.host, item.vrid)
        if key in last:
            found.append(abs((item.at - last[key]) / 1e6 - interval_ms))
        last[key] = item.at
    return found


def missed(adverts: list[Advert], interval_ms: float) -> int:
    """Adverts that did not come at their time: gaps of more than one and a half intervals."""
    return sum(distance > interval_ms / 2 for distance in jitter_ms(adverts, interval_ms))


def measure(seconds: float, cases: tuple[tuple[int, float], ...] = CASES) -> list[Row]:
    rows: dict[str, Row] = {}

    def row(what: str, unit: str, budget: str = "", curve: str = "") -> Row:
        made = rows.setdefault(what, Row(what, unit, budget=budget))
        if curve and interval == CURVE_S:
            made.series, made.size, made.axis = curve, count, "instances, an advert every 100 ms"
        return made

    with network(f"pkbv{os.getpid() % 10000}") as net:
        host = net.namespace("a")
        net.attach(host, "eth0", "lan", ["192.0.2.1/24"])
        floor = of_packets(host)
    for count, interval in cases:
        wires = -(-count // PER_INTERFACE)
        for which in ("ours", "theirs"):
            with rig(which, instances(count, 150, interval), instances(count, 100, interval), (), wires) as pair:
                pair.a.start()
                pair.wait(lambda pair=pair, count=count: _masters(pair.a) == count, 60)  # type: ignore[misc]
                pair.b.start()
                pair.pause(5)
                capture = pair.capture()
                master, backup = pair.a.pid_of("vrrp"), pair.b.pid_of("vrrp")
                before = cpu_ns(master), cpu_ns(backup)
                pair.pause(seconds)
                after = cpu_ns(master), cpu_ns(backup)
                adverts, _ = capture.stop()
                on_wire = sum(1 for item in adverts if item.host == "a") * count / min(count, PER_INTERFACE)
                assert pair.a.process is not None
                name = f"{count} x {interval} s"
                sent = row(f"{name}: CPU per 1000 adverts sent", "ms", "<= 1.0 x", "CPU per 1000 adverts sent")
                heard = row(f"{name}: CPU per 1000 adverts received", "ms", "<= 1.0 x", "CPU per 1000 adverts received")
                sent.floor, heard.floor = floor["sending"], floor["receiving"]
                add(sent, which, after[0] - before[0], on_wire)
                add(heard, which, after[1] - before[1], on_wire)
                masters = [item for item in adverts if item.host == "a"]
                spread = jitter_ms(masters, interval * 1000)
                for share in (0.5, 0.99, 1.0):
                    label = "max" if share == 1.0 else f"p{share * 100:.0f}"
                    budget = "<= keepalived's" if share == 0.99 else ""
                    getattr(row(f"{name}: jitter {label}", "ms", budget), which).append(quantile(spread, share))
                memory = row(f"{name}: memory of the daemon (PSS)", "MB", "", "memory of the daemon (PSS)")
                getattr(memory, which).append(pss_bytes(pair.a.process.pid) / 1e6)
                getattr(row(f"{name}: adverts missed", ""), which).append(missed(masters, interval * 1000))
                strays = sum(1 for item in adverts if item.host == "b")
                getattr(row(f"{name}: adverts of the backup (must be 0)", ""), which).append(strays)
    return list(rows.values())


def add(row: Row, which: str, cpu: int, adverts: float) -> None:
    getattr(row, which).append(cpu / 1e6 / adverts * 1000)


def _masters(node: Node) -> int:
    """Instances that hold their address; the log of a thousand at once is too much for its pipe."""
    return node.namespace.ip("-o", "-4", "address", "show").count(" 10.1.")


if __name__ == "__main__":
    print(markdown(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 10)))
