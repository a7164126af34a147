"""`python -m bench [SUBJECT...]`: run the subjects and write bench/RESULTS.md."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import bfd, bfd_failover, bfd_soak, checkers, config, failover, reload, start, vrrp
from bench.figures import Row, markdown

SUBJECTS: dict[str, tuple[str, Callable[[], list[Row]]]] = {
    "failover": ("Failover", lambda: failover.measure(7)),
    "start": ("Start and memory", lambda: start.measure(5)),
    "reload": ("Reload", lambda: reload.measure(6)),
    "vrrp": ("VRRP at scale", lambda: vrrp.measure(10)),
    "bfd": ("BFD, facing BIRD", lambda: bfd.measure(30)),
    "bfd-failover": ("VRRP with BFD", lambda: bfd_failover.measure(10)),
    "bfd-soak": ("BFD on a busy machine", lambda: bfd_soak.measure(600)),
    "checkers": ("Checkers and IPVS, in the test machine", lambda: checkers.measure(10)),
    "config": ("Configuration test", lambda: config.measure(3)),
}
RESULTS = Path(__file__).parent / "RESULTS.md"


def main(argv: list[str]) -> int:
    wanted = argv or list(SUBJECTS)
    version = subprocess.run(["keepalived", "-v"], capture_output=True, text=True).stderr.splitlines()[0]
    parts = [
        "# Results\n",
        "Ours and Debian's keepalived in turn in the same run; cells are median [min..max] n. Ratios are of medians.",
        f"{datetime.date.today()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {version}.\n",
    ]
    for name in wanted:
        title, run = SUBJECTS[name]
        begin = time.monotonic()
        print(f"{title} ...", flush=True)
        rows = markdown(run())
        print(f"{rows}\n({time.monotonic() - begin:.0f} s)", flush=True)
        parts.append(f"## {title}\n\n{rows}\n")
    if not argv:
        RESULTS.write_text("\n".join(parts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
