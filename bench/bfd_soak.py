"""Sessions lost at 50 ms x 3 and at 10 ms x 3 while spinning processes want the processors, with real-time priority and
without. `python -m bench.bfd_soak [SECONDS]`.

Two daemons of the same make face each other, and each make faces BIRD, all at once. BIRD has no setting for its
priority: where the others have real-time priority it is given the same from outside.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from bench.bfd import MULTIPLIER, Sessions, started, wait
from bench.figures import Row, markdown
from bench.rig import Rig, rig

SPINNERS_A_CORE = 1
PRIORITY = 50
_REAL_TIME = f"global_defs {{\n bfd_rt_priority {PRIORITY}\n}}\n"


def config(own: int, interval_ms: float) -> str:
    return (
        f"bfd_instance b1 {{\n neighbor_ip 192.0.2.{3 - own}\n source_ip 192.0.2.{own}\n"
        f" min_rx {interval_ms}\n min_tx {interval_ms}\n multiplier {MULTIPLIER}\n}}\n"
    )


def downs(lines: list[tuple[int, str]]) -> int:
    return sum("Entering Down state" in text for _, text in lines)


def losses(interval_ms: int, seconds: float, real_time: bool) -> tuple[list[int], list[int]]:
    """How often a session went Down under load, counted on both sides: of the same make, and facing BIRD. In both lists
    ours comes before keepalived."""
    text = _REAL_TIME if real_time else ""
    with contextlib.ExitStack() as stack:
        alike, mixed = [], []
        for make in ("ours", "theirs"):
            pair = stack.enter_context(rig(make, text + config(1, interval_ms), text + config(2, interval_ms)))
            pair.a.start()
            pair.b.start()
            alike.append(pair)
            mixed.append(stack.enter_context(started(make, 1, interval_ms, MULTIPLIER, "bird", text)))
        if real_time:
            for each in mixed:
                # its BFD is a thread of its own
                for task in os.listdir(f"/proc/{each.other_pid}/task"):
                    os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(PRIORITY))
        nodes = [node for pair in alike for node in (pair.a, pair.b)]
        readers = [*nodes, *(reader for each in mixed for reader in (each.a, each.other))]
        if not wait(
            readers,
            lambda: all(node.said("Entering Up state") for node in nodes) and all(each.both("Up") for each in mixed),
            30,
        ):
            raise RuntimeError("not all sessions are up")
        wait(readers, lambda: False, 2)
        before = _counted(alike, mixed)
        with spinning():
            wait(readers, lambda: False, seconds)
        lost = [now - then for now, then in zip(_counted(alike, mixed), before, strict=True)]
        return lost[:2], lost[2:]


def _counted(alike: Sequence[Rig], mixed: Sequence[Sessions]) -> list[int]:
    return [
        *(downs(pair.a.lines) + downs(pair.b.lines) for pair in alike),
        *(downs(each.a.lines) + sum(state == "Down" for _, state in each.other.changes) for each in mixed),
    ]


@contextlib.contextmanager
def spinning() -> Iterator[None]:
    """Every processor is wanted by somebody else."""
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(SPINNERS_A_CORE * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def measure(seconds: float) -> list[Row]:
    """With real-time priority at 50 ms that long, everything else a tenth of it."""
    rows = []
    for interval_ms in (50, 10):
        for real_time in (True, False):
            priority = f"bfd_rt_priority {PRIORITY}" if real_time else "normal priority"
            lasting = seconds if interval_ms == 50 and real_time else seconds / 10
            alike, mixed = losses(interval_ms, lasting, real_time)
            what = f"Downs in {lasting:.0f} s, {interval_ms} ms x {MULTIPLIER}, {priority}"
            budget = "0" if real_time and interval_ms == 50 else ""
            rows.append(Row(what, "", alike[:1], alike[1:], budget))
            rows.append(Row(f"{what}, facing BIRD", "", mixed[:1], mixed[1:], budget))
            print(markdown(rows[-2:]), flush=True)
    return rows


if __name__ == "__main__":
    print(f"{SPINNERS_A_CORE} spinning processes a core; load average before: {os.getloadavg()}")
    print(markdown(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 600)))
