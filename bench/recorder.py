"""What the flight recorder costs a running daemon: two backups hear the same adverts at the same time, one keeps none.

`python -m bench.recorder [SECONDS]`. The one without recorder makes its entries all the same, and forgets them.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

from bench.figures import Row, markdown
from bench.processes import cpu_ns
from bench.rig import PROGRAMS, Rig, instances, rig
from pykeepalived.lab.node import Node

FORGETFUL = """
from collections import deque
from pykeepalived.observe.recorder import Ring
begin = Ring.__init__
def begin_with_nothing(ring, *words):
    begin(ring, *words)
    ring._new = deque(maxlen=0)
    ring.append = ring._new.append
Ring.__init__ = begin_with_nothing
from pykeepalived.cli.main import main
raise SystemExit(main())
"""
"""The daemon with a ring that holds no entry and so never gives one up."""
WITHOUT = (sys.executable, "-c", FORGETFUL)
CASES = ((10, 0.1), (250, 0.1))
"""Instances and their advert interval in seconds."""
WINDOWS = 8


def measure(seconds: float) -> list[Row]:
    rows = []
    for count, interval in CASES:
        name = f"flight recorder of a backup, {count} x {interval} s"
        share = Row(f"{name}: of a processor", "%", budget="< 2")
        more = Row(f"{name}: of the process's own CPU", "%")
        for order in ((PROGRAMS["ours"], WITHOUT), (WITHOUT, PROGRAMS["ours"])):
            for with_it, without in _compare(count, interval, seconds, order):
                share.ours.append((with_it - without) / seconds / 1e9 * 100)
                more.ours.append((with_it / without - 1) * 100)
        rows += [share, more]
    return rows


def _compare(
    count: int, interval: float, seconds: float, order: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[int, int]]:
    """CPU time (ns) of the backup with and of the one without recorder, in each of some windows.

    Hosts b and c run the programs in this `order`.
    """
    backup = instances(count, 100, interval)
    with rig("ours", instances(count, 150, interval), backup) as pair:
        b, c = pair.b, _third(pair, backup)
        b.program, c.program = order
        try:
            for node in (pair.a, b, c):
                node.start()
                pair.pause(3)
            pair.pause(5)
            processes = [node.pid_of("vrrp") for node in sorted((b, c), key=lambda node: node.program is WITHOUT)]
            before = [cpu_ns(pid) for pid in processes]
            for _ in range(WINDOWS):
                pair.pause(seconds)
                after = [cpu_ns(pid) for pid in processes]
                yield after[0] - before[0], after[1] - before[1]
                before = after
        finally:
            c.kill()


def _third(pair: Rig, config: str) -> Node:
    file = pair.directory / "c.conf"
    file.write_text(config)
    return Node("c", pair.client(), file, pair.directory / "c")


if __name__ == "__main__":
    rows = measure(float(sys.argv[1]) if len(sys.argv) > 1 else 5)
    print(markdown(rows))
    for row in rows:
        print(f"{row.what}: mean {statistics.fmean(row.ours):.2f}")
