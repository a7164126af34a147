"""Sessions lost at 50 ms x 3 and at 10 ms x 3 while spinning processes want the processors, with real-time priority and
without. `python -m bench.bfd_soak [SECONDS]`.

BIRD at normal priority would suffer from the load itself, so two daemons of the same make face each other.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.bfd import MULTIPLIER
from bench.figures import Row, markdown
from bench.rig import rig

SPINNERS_A_CORE = 2
_REAL_TIME = "global_defs {\n bfd_rt_priority 50\n}\n"


def config(own: int, interval_ms: float) -> str:
    return (
        f"bfd_instance b1 {{\n neighbor_ip 192.0.2.{3 - own}\n source_ip 192.0.2.{own}\n"
        f" min_rx {interval_ms}\n min_tx {interval_ms}\n multiplier {MULTIPLIER}\n}}\n"
    )


def downs(lines: list[tuple[int, str]]) -> int:
    return sum("Entering Down state" in text for _, text in lines)


def losses(make: str, interval_ms: float, seconds: float, real_time: bool) -> float:
    """How often a session went Down, counted on both sides, under load."""
    text = _REAL_TIME if real_time else ""
    with rig(make, text + config(1, interval_ms), text + config(2, interval_ms)) as pair:
        pair.a.start()
        pair.b.start()
        pair.wait(lambda: all(node.said("Entering Up state") for node in (pair.a, pair.b)), 30)
        pair.pause(1)
        before = downs(pair.a.lines) + downs(pair.b.lines)
        spin = [sys.executable, "-c", "while True: pass"]
        busy = [subprocess.Popen(spin) for _ in range(SPINNERS_A_CORE * (os.cpu_count() or 1))]
        try:
            pair.pause(seconds)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        return downs(pair.a.lines) + downs(pair.b.lines) - before


def measure(seconds: float) -> list[Row]:
    """Ours at 50 ms with real-time priority that long, everything else a tenth of it."""
    rows = []
    for interval_ms in (50, 10):
        for real_time in (True, False):
            priority = "bfd_rt_priority 50" if real_time else "normal priority"
            ours = seconds if interval_ms == 50 and real_time else seconds / 10
            row = Row(f"Downs in {ours:.0f} s ({seconds / 10:.0f} s), {interval_ms} ms x {MULTIPLIER}, {priority}", "")
            row.budget = "0" if real_time and interval_ms == 50 else ""
            row.ours.append(losses("ours", interval_ms, ours, real_time))
            row.theirs.append(losses("theirs", interval_ms, seconds / 10, real_time))
            rows.append(row)
    return rows


if __name__ == "__main__":
    print(f"{SPINNERS_A_CORE} spinning processes a core; load average before: {os.getloadavg()}")
    print(markdown(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 600)))
