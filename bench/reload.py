"""Reload: how long until a change is in force, and what it does to the adverts meanwhile. `python -m bench.reload`.

255 instances at 100 ms, alone and with 10,000 real servers in the same file; one VIP is added at each SIGHUP.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from bench.config import virtual_servers
from bench.figures import Row, markdown
from bench.rig import Advert, Rig, instances, rig

COUNT, INTERVAL = 255, 0.1


def worst_gap_ms(adverts: list[Advert], begin: int, end: int) -> float:
    """Longest time between two adverts of one virtual router within a window of the wall clock."""
    last: dict[int, int] = {}
    worst = 0
    for item in adverts:
        if begin <= item.at <= end and item.vrid in last:
            worst = max(worst, item.at - last[item.vrid])
        last[item.vrid] = item.at
    return worst / 1e6


def one_reload(pair: Rig, text: str, round_: int) -> tuple[float, float]:
    """(ms until the new address is there, ms of the worst advert gap over the interval)."""
    address = f"10.9.9.{round_ + 1}"
    pair.a.config.write_text(text.replace("10.1.0.1/32\n", f"10.1.0.1/32\n  {address}/32\n", 1))
    monitor = subprocess.Popen(
        ["ip", "-n", pair.a.namespace.name, "-o", "monitor", "address"], stdout=subprocess.PIPE, text=True
    )
    capture = pair.capture()
    pair.pause(0.5)
    begin, wall = time.monotonic_ns(), time.time_ns()
    pair.a.signal(signal.SIGHUP)
    assert monitor.stdout is not None
    while f" {address}/" not in monitor.stdout.readline():
        if time.monotonic_ns() - begin > 20e9:
            raise RuntimeError("the new address never came")
    took = (time.monotonic_ns() - begin) / 1e6
    pair.pause(1.0)
    monitor.kill()
    monitor.wait(5)
    adverts, _ = capture.stop()
    return took, worst_gap_ms(adverts, wall, wall + 1_000_000_000) - INTERVAL * 1000


def measure(rounds: int) -> list[Row]:
    rows = []
    for name, extra in (("", ""), (" + 10,000 real servers", virtual_servers(1000, 10))):
        took = Row(f"SIGHUP, one VIP of 255{name}: new VIP present", "ms")
        gap = Row(f"the same{name}: worst advert gap over the interval", "ms", budget="<= 1")
        # the C daemon cannot run with virtual servers on a kernel without ip_vs
        for which in ("ours",) if extra else ("ours", "theirs"):
            text = instances(COUNT, 150, INTERVAL) + extra
            with rig(which, text, instances(1, 100, 1), interfaces=2) as pair:
                pair.a.start()
                pair.wait(
                    lambda pair=pair: pair.a.namespace.ip("-o", "-4", "address", "show").count(" 10.1.") == COUNT, 60
                )  # type: ignore[misc]
                pair.pause(6)
                for round_ in range(rounds):
                    a, b = one_reload(pair, text, round_)
                    getattr(took, which).append(a)
                    getattr(gap, which).append(b)
        rows += [took, gap]
    return rows


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
