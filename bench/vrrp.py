"""VRRP at scale: CPU per advert sent and received, jitter on the wire, memory. `python -m bench.vrrp [SECONDS]`."""

from __future__ import annotations

import sys

from bench.figures import Row, markdown, quantile
from bench.processes import cpu_ns, pss_bytes
from bench.rig import PER_INTERFACE, Advert, instances, rig
from pykeepalived.lab.node import Node

SIZES = (10, 255, 1000)


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


def measure(seconds: float, sizes: tuple[int, ...] = SIZES, interval: float = 0.1) -> list[Row]:
    rows: dict[str, Row] = {}

    def row(what: str, unit: str, budget: str = "") -> Row:
        return rows.setdefault(what, Row(what, unit, budget=budget))

    for count in sizes:
        wires = -(-count // PER_INTERFACE)
        for which in ("ours", "theirs"):
            with rig(which, instances(count, 150, interval), instances(count, 100, interval), (), wires) as pair:
                pair.a.start()
                pair.wait(lambda pair=pair, count=count: _masters(pair.a) == count, 60)  # type: ignore[misc]
                pair.b.start()
                pair.pause(6)
                capture = pair.capture()
                master, backup = pair.a.pid_of("vrrp"), pair.b.pid_of("vrrp")
                before = cpu_ns(master), cpu_ns(backup)
                pair.pause(seconds)
                after = cpu_ns(master), cpu_ns(backup)
                adverts, _ = capture.stop()
                on_wire = sum(1 for item in adverts if item.host == "a") * count / min(count, PER_INTERFACE)
                assert pair.a.process is not None
                name = f"{count} x {interval} s"
                add(row(f"{name}: CPU per 1000 adverts sent", "ms", "<= 1.0 x"), which, after[0] - before[0], on_wire)
                add(
                    row(f"{name}: CPU per 1000 adverts received", "ms", "<= 1.0 x"),
                    which,
                    after[1] - before[1],
                    on_wire,
                )
                spread = jitter_ms([item for item in adverts if item.host == "a"], interval * 1000)
                for share in (0.5, 0.99, 1.0):
                    label = "max" if share == 1.0 else f"p{share * 100:.0f}"
                    getattr(row(f"{name}: jitter {label}", "ms"), which).append(quantile(spread, share))
                getattr(row(f"{name}: memory of the daemon (PSS)", "MB"), which).append(
                    pss_bytes(pair.a.process.pid) / 1e6
                )
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
