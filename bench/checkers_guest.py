"""The guest's part of bench/checkers.py: runs both daemons in turn and writes what it measured as JSON."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from bench.checkers_load import (
    PORT,
    WEB_PORT,
    Daemon,
    address,
    configuration,
    connections,
    http_check,
    listener,
    rate,
    tcp_check,
    until,
)

WORK = Path("/tmp/bench")
PROGRAMS = {"ours": [f"{os.getcwd()}/.venv/bin/pykeepalived"], "theirs": ["/usr/sbin/keepalived"]}
ROUNDS = 2
DEATHS = 10
LOADS = ((1000, 1.0), (5000, 2.0))

Found = dict[str, list[float]]


def table() -> list[str]:
    with open("/proc/net/ip_vs", encoding="ascii") as file:
        return [line for line in file if "->" in line][1:]


def start(which: str, text: str, servers: int, rest: float) -> Daemon:
    """A daemon whose table is complete, that has made as many checks as there are servers, and had `rest` seconds more.

    A keepalived that takes more than five seconds to stop kills its checker, which leaves its table behind.
    """
    subprocess.run(["ipvsadm", "-C"], check=True)
    before = connections()
    daemon = Daemon(PROGRAMS[which], WORK, text)
    daemon.await_many(lambda: len(table()), servers)
    daemon.await_many(lambda: connections() - before, servers)
    time.sleep(rest)
    return daemon


def checks(which: str, seconds: float, found: Found) -> None:
    for name, servers, check, port in (("TCP", 500, tcp_check, PORT), ("HTTP", 200, http_check, WEB_PORT)):
        daemon = start(which, configuration(servers, 0.5, check, port), servers, 0.5)
        _, spent = rate(daemon, seconds)
        found[f"CPU of a {name} check, {servers} servers every 500 ms"].append(spent)
        daemon.stop()


def load(which: str, seconds: float, found: Found) -> None:
    for servers, delay in LOADS:
        daemon = start(which, configuration(servers, delay), servers, delay)
        made, _ = rate(daemon, max(seconds, 3 * delay))
        found[f"checks done of those due, {servers:,} servers every {delay:.0f} s"].append(100 * made * delay / servers)
        daemon.stop()


def deaths(which: str, found: Found) -> None:
    """Servers die at the same random moments for both daemons; every one has a process of its own."""
    servers, delay = 50, 0.5
    targets = [listener(host=address(number)) for number in range(servers)]
    daemon = start(which, configuration(servers, delay, lambda delay: tcp_check(delay, retry=0)), servers, 0.5)
    dice = random.Random(1)
    for number in range(DEATHS):
        time.sleep(dice.uniform(0.1, 0.1 + delay))
        os.kill(targets[number], signal.SIGKILL)
        os.waitpid(targets[number], 0)
        begin = time.monotonic_ns()
        gone = until(lambda number=number: len(table()) < servers - number)  # type: ignore[misc]
        found["death of a server to its removal, checked every 500 ms"].append((gone - begin) / 1e6)
    daemon.stop()
    for pid in targets[DEATHS:]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main(target: str, seconds: float) -> None:
    subprocess.run("ip link set lo up; modprobe ip_vs; sysctl -qw net.ipv4.tcp_tw_reuse=1", shell=True, check=True)
    WORK.mkdir(exist_ok=True)
    found: dict[str, Found] = {which: defaultdict(list) for which in PROGRAMS}
    for which in PROGRAMS:
        deaths(which, found[which])
    servers = [listener(PORT), listener(WEB_PORT)]
    for _ in range(ROUNDS):
        for which in PROGRAMS:
            checks(which, seconds, found[which])
            load(which, seconds, found[which])
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
    Path(target).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
