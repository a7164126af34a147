"""Checkers and IPVS in the test machine: CPU of a TCP check, start and reload of large tables.

`python -m bench.checkers [SECONDS]`. The kernel of a build machine rarely has ip_vs, so the work is done by
bench/checkers_guest.py in the machine of tests/vm: compare the ratios, not the figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import Row, markdown

ROOT = Path(__file__).resolve().parents[1]
MACHINE = ROOT / "tests/vm/machine/vm.sh"


def measure(seconds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as share:
        guest = [sys.executable, "-B", "-m", "bench.checkers_guest", "/mnt/share/results.json", str(seconds)]
        words = f"cd {ROOT} && exec {' '.join(guest)}"
        done = subprocess.run(
            ["bash", str(MACHINE), "-t", "600", "-d", share, "--", "bash", "-c", words],
            capture_output=True,
            text=True,
            timeout=660,
            check=False,
        )
        results = Path(share, "results.json")
        if done.returncode or not results.exists():
            raise RuntimeError(f"the test machine failed ({done.returncode}): {done.stdout[-2000:]}")
        found = json.loads(results.read_text())
    rows = []
    for name, unit, budget in (
        ("CPU of a TCP check, 500 servers every 250 ms", "us", "<= 1 / 0.7"),
        ("2,000 real servers at start: first to last entry", "ms", "<= 0.5"),
        ("2,000 real servers at start: exec to the last entry", "ms", ""),
        ("one real server changed: SIGHUP to the kernel, 2,000 servers", "ms", "<= 2"),
        ("stop with 2,000 real servers", "ms", ""),
    ):
        rows.append(Row(name, unit, found["ours"][name], found["theirs"][name], budget))
    return rows


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10)))
