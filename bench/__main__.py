"""`python -m bench [SUBJECT...]`: run the subjects, bring bench/RESULTS.md and the plots up to date."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable

from bench import (
    bfd,
    bfd_failover,
    bfd_soak,
    checkers,
    config,
    failover,
    ipvs_table,
    recorder,
    reload,
    start,
    store,
    vrrp,
)
from bench.figures import Row, markdown

SUBJECTS: dict[str, tuple[str, Callable[[], list[Row]]]] = {
    "failover": ("Failover", lambda: failover.measure(4)),
    "start": ("Start and memory", lambda: start.measure(5)),
    "reload": ("Reload", lambda: reload.measure(5)),
    "vrrp": ("VRRP at scale", lambda: vrrp.measure(8)),
    "bfd": ("BFD, facing BIRD", lambda: bfd.measure(30)),
    "bfd-failover": ("VRRP with BFD", lambda: bfd_failover.measure(12)),
    "bfd-soak": ("BFD on a busy machine", lambda: bfd_soak.measure(600)),
    "checkers": ("Checkers, in the test machine", lambda: checkers.measure(2)),
    "ipvs-table": ("Large IPVS tables, in the test machine", lambda: ipvs_table.measure(2)),
    "recorder": ("Flight recorder", lambda: recorder.measure(5)),
    "config": ("Configuration test", lambda: config.measure(2)),
}
BY_HAND = ("bfd-soak", "recorder")
"""Too long for a run of everything."""


def machine() -> str:
    """Under what a section was measured."""
    version = subprocess.run(["keepalived", "-v"], capture_output=True, text=True).stderr.splitlines()[0]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {version}, load average at the start {load}."
    )


def main(argv: list[str]) -> int:
    kept = store.load()
    whole = time.monotonic()
    for name in argv or [name for name in SUBJECTS if name not in BY_HAND]:
        title, run = SUBJECTS[name]
        circumstances = machine()
        begin = time.monotonic()
        print(f"{title} ...", flush=True)
        rows = run()
        took = time.monotonic() - begin
        print(f"{markdown(rows)}\n({took:.0f} s)", flush=True)
        kept[name] = store.Section(title, circumstances, took, rows)
        store.save(kept, SUBJECTS)
    print(f"all: {time.monotonic() - whole:.0f} s")
    return draw()


def draw() -> int:
    """The plots, where the drawing library is there."""
    try:
        from bench import plots
    except ImportError:
        print("no plots: pip install matplotlib", file=sys.stderr)
        return 0
    plots.main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
