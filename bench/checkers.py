"""Checkers and IPVS: CPU of a check, checks done of those due, time to remove a dead server.

`python -m bench.checkers [SECONDS]`. The kernel of a build machine rarely has ip_vs, without which keepalived checks
nothing; so both daemons are compared by bench/checkers_guest.py in the machine of tests/vm, which has one processor.
What check workers bring is measured here, without keepalived: one process on one processor against all processors.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.checkers_load import PORT, Daemon, configuration, connections, listener, rate, until
from bench.figures import Row, markdown
from pykeepalived.lab.node import OURS
from pykeepalived.netlink.kernel_ipvs import inside

ROOT = Path(__file__).resolve().parents[1]
MACHINE = ROOT / "tests/vm/machine/vm.sh"
NAMESPACE = "pkbench-check"
PROCESSORS = len(os.sched_getaffinity(0))
LOADS = ((1000, 0.1), (5000, 0.2))
"""Servers and delay_loop in seconds: 10,000 checks a second, and 25,000, more than one process can do."""


def measure(seconds: float) -> list[Row]:
    return [*compare(seconds), *shared(seconds)]


def compare(seconds: float) -> list[Row]:
    """Both daemons in the test machine."""
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
        ("CPU of a TCP check, 500 servers every 500 ms", "us", "<= 1.43 x"),
        ("CPU of a HTTP check, 200 servers every 500 ms", "us", ""),
        ("checks done of those due, 1,000 servers every 1 s", "%", ""),
        ("checks done of those due, 5,000 servers every 2 s", "%", ""),
        ("death of a server to its removal, checked every 500 ms", "ms", ""),
    ):
        rows.append(Row(name, unit, found["ours"][name], found["theirs"][name], budget))
    return rows


def shared(seconds: float) -> list[Row]:
    """One checker process, and one a processor, on this machine."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        return _in_namespace(seconds)
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


def _in_namespace(seconds: float) -> list[Row]:
    rows = []
    with inside(NAMESPACE):
        server = listener(PORT)
    try:
        for processes in (1, PROCESSORS):
            for servers, delay in LOADS:
                made, spent = _run(server, servers, delay, processes, seconds)
                load = f"{servers:,} servers every {delay * 1000:.0f} ms, {processes} process{'es' * (processes > 1)}"
                rows.append(Row(f"checks done of those due, {load}", "%", [100 * made * delay / servers]))
                rows.append(Row(f"CPU of a TCP check, {load}", "us", [spent]))
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    return rows


def _run(server: int, servers: int, delay: float, processes: int, seconds: float) -> tuple[float, float]:
    own = f"checker_cpu_affinity {min(os.sched_getaffinity(0))}" if processes == 1 else ""
    before = connections(server)
    with tempfile.TemporaryDirectory() as folder:
        program = ["ip", "netns", "exec", NAMESPACE, *OURS]
        daemon = Daemon(program, Path(folder), configuration(servers, delay, own=own))
        try:
            until(lambda: connections(server) - before >= servers)
            time.sleep(delay)
            if len(daemon.checkers()) != processes:
                raise RuntimeError(f"{len(daemon.checkers())} processes check, not {processes}")
            return rate(daemon, seconds)
        finally:
            daemon.stop()


if __name__ == "__main__":
    print(markdown(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 3)))
