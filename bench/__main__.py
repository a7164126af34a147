"""`python -m bench [SUBJECT...]`: run the subjects and bring bench/RESULTS.md up to date."""

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
BY_HAND = ("bfd-soak",)
"""Too long for a run of everything."""
RESULTS = Path(__file__).parent / "RESULTS.md"
HEADER = """# Results

Ours and Debian's keepalived in turn in the same run; cells are median [min..max] n, ratios are of medians. Times of a
busy machine say little by themselves: compare within a row. `python -m bench SUBJECT...` measures one subject again.
"""


def machine() -> str:
    """Under what a section was measured."""
    version = subprocess.run(["keepalived", "-v"], capture_output=True, text=True).stderr.splitlines()[0]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {version}, load average at the start {load}."
    )


def sections(text: str) -> dict[str, str]:
    """Title -> whole section of a results file."""
    return {part.split("\n", 1)[0]: part.rstrip() for part in text.split("\n## ")[1:]}


def main(argv: list[str]) -> int:
    kept = sections(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in argv or [name for name in SUBJECTS if name not in BY_HAND]:
        title, run = SUBJECTS[name]
        circumstances = machine()
        begin = time.monotonic()
        print(f"{title} ...", flush=True)
        rows = markdown(run())
        print(f"{rows}\n({time.monotonic() - begin:.0f} s)", flush=True)
        kept[title] = f"{title}\n\n{circumstances}\n\n{rows}"
        ordered = [kept[each] for each, _ in SUBJECTS.values() if each in kept]
        RESULTS.write_text("\n\n## ".join([HEADER.rstrip(), *ordered]) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
