"""Checkers and IPVS: CPU of a check, checks done of those due, time to remove a dead server.

`python -m bench.checkers [SECONDS]`. The kernel of a build machine rarely has ip_vs, without which keepalived checks
nothing; so both daemons are compared by bench/checkers_guest.py in the machine of tests/vm, which has one processor.
What check workers bring is measured here, without keepalived: one process on one processor against all processors.

KEEPALIVED_WITHOUT_IPVS may name a keepalived that checks without ip_vs: one built with an ipvs_start() and an
ipvs_talk() (ipvswrapper.c) that do nothing but report success. Then it too is measured here, both with more to do than
they can, by turns.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.checkers_load import PORT, Daemon, configuration, connections, listener, rate
from bench.figures import Row, markdown
from pykeepalived.lab.node import OURS
from pykeepalived.netlink.kernel_ipvs import inside

ROOT = Path(__file__).resolve().parents[1]
MACHINE = ROOT / "tests/vm/machine/vm.sh"
NAMESPACE = "pkbench-check"
PROCESSORS = len(os.sched_getaffinity(0))
LOADS = ((1000, 0.1), (5000, 0.2))
"""Servers and delay_loop in seconds: 10,000 checks a second, and 25,000, more than one process can do."""
TOO_MUCH = ((1000, 0.01), (5000, 0.05))
"""100,000 checks a second."""
TURNS = 3
WITHOUT_IPVS = os.environ.get("KEEPALIVED_WITHOUT_IPVS")


def measure(seconds: float) -> list[Row]:
    return [*compare(seconds), *shared(seconds)]


def compare(seconds: float) -> list[Row]:
    """Both daemons in the test machine."""
    with tempfile.TemporaryDirectory() as share:
        guest = [sys.executable, "-B", "-m", "bench.checkers_guest", "/mnt/share/results.json", str(seconds)]
        words = f"cd {ROOT} && exec {' '.join(guest)}"
        done = subprocess.run(
            ["bash", str(MACHINE), "-t", "900", "-d", share, "--", "bash", "-c", words],
            capture_output=True,
            text=True,
            timeout=960,
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
        with inside(NAMESPACE):
            server = listener(PORT)
        try:
            rows = _workers(server, seconds)
            return rows + _saturated(server, WITHOUT_IPVS, seconds) if WITHOUT_IPVS else rows
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


def _workers(server: int, seconds: float) -> list[Row]:
    rows = []
    for processes in (1, PROCESSORS):
        for servers, delay in LOADS:
            made, spent = _run(server, OURS, servers, delay, processes, seconds)
            load = f"{servers:,} servers every {delay * 1000:.0f} ms, {processes} process{'es' * (processes > 1)}"
            rows.append(Row(f"checks done of those due, {load}", "%", [100 * made * delay / servers]))
            rows.append(Row(f"CPU of a TCP check, {load}", "us", [spent]))
    return rows


def _saturated(server: int, keepalived: str, seconds: float) -> list[Row]:
    """What each can do at most. A CPU second of ours is one of a single process."""
    rows = []
    for servers, delay in TOO_MUCH:
        total = Row(f"TCP checks a second at most, {servers:,} servers, {PROCESSORS} processors", "", budget="> 1 x")
        each = Row(f"TCP checks per CPU second at most, {servers:,} servers, one process", "", budget=">= 0.7 x")
        for _ in range(TURNS):
            made, spent = _run(server, [keepalived], servers, delay, 1, seconds)
            total.theirs.append(made)
            each.theirs.append(1e6 / spent)
            total.ours.append(_run(server, OURS, servers, delay, PROCESSORS, seconds)[0])
            each.ours.append(1e6 / _run(server, OURS, servers, delay, 1, seconds)[1])
        rows += [total, each]
    return rows


def _run(
    server: int, program: Sequence[str], servers: int, delay: float, processes: int, seconds: float
) -> tuple[float, float]:
    own = f"checker_cpu_affinity {min(os.sched_getaffinity(0))}" if processes == 1 and program is OURS else ""
    before = connections(server)
    with tempfile.TemporaryDirectory() as folder:
        words = ["ip", "netns", "exec", NAMESPACE, *program]
        daemon = Daemon(words, Path(folder), configuration(servers, delay, own=own))
        try:
            daemon.await_many(lambda: connections(server) - before, servers)
            time.sleep(max(delay, 1))
            if len(daemon.checkers()) != processes:
                raise RuntimeError(f"{len(daemon.checkers())} processes check, not {processes}")
            return rate(daemon, seconds)
        finally:
            daemon.stop()


if __name__ == "__main__":
    print(markdown(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 3)))
