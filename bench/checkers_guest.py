"""The guest's part of bench/checkers.py: runs both daemons in turn and writes what it measured as JSON."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.processes import cpu_ns

WORK = Path("/tmp/bench")
PROGRAMS = {"ours": [f"{os.getcwd()}/.venv/bin/pykeepalived"], "theirs": ["/usr/sbin/keepalived"]}
PORT = 8080
ROUNDS = 3


def listener() -> int:
    """A process that accepts connections on every loopback address; returns its pid."""
    server = socket.create_server(("0.0.0.0", PORT), backlog=4096)
    pid = os.fork()
    if pid == 0:
        while True:
            server.accept()[0].close()
    server.close()
    return pid


def configuration(servers: int, delay: float, weight: int, checked: bool = True) -> str:
    lines = ["global_defs {\n router_id bench\n}"]
    lines.append(f"virtual_server 10.99.0.1 80 {{\n delay_loop {delay}\n lvs_sched wrr\n lvs_method NAT\n protocol TCP")
    for number in range(servers):
        check = f"TCP_CHECK {{\n connect_timeout 3\n warmup {delay}\n }}" if checked else ""
        mine = weight if number == 0 else 1
        address = f"127.1.{number // 250}.{number % 250 + 1}"
        lines.append(f" real_server {address} {PORT} {{\n weight {mine}\n {check}\n }}")
    return "\n".join([*lines, "}\n"])


def table() -> list[str]:
    with open("/proc/net/ip_vs", encoding="ascii") as file:
        return [line for line in file if "->" in line][1:]


def until(condition: Callable[[], bool], limit: float = 60) -> int:
    """Wait without sleeping much; returns the moment."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)
    return time.monotonic_ns()


class Daemon:
    def __init__(self, which: str, text: str) -> None:
        self.config = WORK / "keepalived.conf"
        self.config.write_text(text)
        paths = itertools.chain.from_iterable((f"-{letter}", f"{WORK}/{letter}.pid") for letter in "pcrb")
        words = [*PROGRAMS[which], "-n", "-l", "-f", str(self.config), *paths]
        self.begin = time.monotonic_ns()
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def checker(self) -> int:
        return int((WORK / "c.pid").read_text())

    def stop(self) -> float:
        """Milliseconds from SIGTERM to the end."""
        begin = time.monotonic_ns()
        self.process.terminate()
        self.process.wait(60)
        return (time.monotonic_ns() - begin) / 1e6


def checks(which: str, seconds: int, results: dict[str, list[float]]) -> None:
    servers, delay = 500, 0.25
    daemon = Daemon(which, configuration(servers, delay, 1))
    until(lambda: len(table()) == servers)
    time.sleep(2.5)
    pid = daemon.checker()
    begin, spent = time.monotonic(), cpu_ns(pid)
    accepted = connections()
    time.sleep(seconds)
    spent, made = cpu_ns(pid) - spent, connections() - accepted
    elapsed = time.monotonic() - begin
    print(which, "checks a second:", round(made / elapsed))
    results["CPU of a TCP check, 500 servers every 250 ms"].append(spent / made / 1000)
    daemon.stop()


def connections() -> int:
    """Connections accepted so far in this machine (PassiveOpens of TCP)."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("Tcp:")]
    return int(values[names.index("PassiveOpens")])


def tables(which: str, results: dict[str, list[float]]) -> None:
    servers = 2000
    daemon = Daemon(which, configuration(servers, 60, 1))
    first = until(lambda: len(table()) > 0)
    last = until(lambda: len(table()) == servers)
    results["2,000 real servers at start: first to last entry"].append((last - first) / 1e6)
    results["2,000 real servers at start: exec to the last entry"].append((last - daemon.begin) / 1e6)
    time.sleep(1)
    daemon.config.write_text(configuration(servers, 60, 7))
    begin = time.monotonic_ns()
    daemon.process.send_signal(signal.SIGHUP)
    changed = until(lambda: any(line.split()[3] == "7" for line in table()))
    name = "one real server changed: SIGHUP to the kernel, 2,000 servers"
    results[name].append((changed - begin) / 1e6)
    time.sleep(1)
    results["stop with 2,000 real servers"].append(daemon.stop())


def main(target: str, seconds: int) -> None:
    subprocess.run("ip link set lo up; modprobe ip_vs; sysctl -qw net.ipv4.tcp_tw_reuse=1", shell=True, check=True)
    WORK.mkdir(exist_ok=True)
    server = listener()
    names = (
        "CPU of a TCP check, 500 servers every 250 ms",
        "2,000 real servers at start: first to last entry",
        "2,000 real servers at start: exec to the last entry",
        "one real server changed: SIGHUP to the kernel, 2,000 servers",
        "stop with 2,000 real servers",
    )
    found: dict[str, dict[str, list[float]]] = {which: {name: [] for name in names} for which in PROGRAMS}
    for _ in range(ROUNDS):
        for which in PROGRAMS:
            checks(which, seconds, found[which])
            tables(which, found[which])
    os.kill(server, signal.SIGKILL)
    Path(target).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
