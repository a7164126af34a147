"""The whole daemon with enough servers for check workers, on a kernel without IPVS."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ipvs.test_process import NAMESPACE, PROGRAM, Daemon, namespace, until

SERVERS = 1040
PORT = 8080
ACCEPT = f"""
import socket
server = socket.create_server(("0.0.0.0", {PORT}), backlog=4096)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors"),
    pytest.mark.skipif(Path("/proc/net/ip_vs").exists(), reason="this kernel has IPVS: see tests/vm"),
]
assert namespace


@pytest.fixture
def target(namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    """Accepts on every loopback address of the namespace."""
    words = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", ACCEPT]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def text(extra: str = "", delay: float = 0.5, retry: int = 0, connect: str = "") -> str:
    lines = [f"global_defs {{\n{extra}\n}}\nvirtual_server 192.0.2.1 80 {{\ndelay_loop {delay}\nlvs_sched rr"]
    for number in range(SERVERS):
        lines.append(f"real_server 127.1.{number // 250}.{number % 250 + 1} {PORT} {{\nTCP_CHECK {{")
        lines.append(f"connect_timeout 30\nretry {retry}\nwarmup {delay}\n{connect}\n}}\n}}")
    return "\n".join([*lines, "}\n"])


def the_workers(daemon: Daemon) -> list[dict[str, int]]:
    """What status says of them, once the checker process finds the time to answer."""
    words = [str(PROGRAM), "status", "--json", "-p", str(daemon.config.with_name("p.pid"))]
    found: list[dict[str, int]] = []

    def told() -> bool:
        status = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        checker = json.loads(status.stdout)["result"].get("checker")
        if checker is None:
            return False
        found[:] = checker["workers"]
        return True

    until(told, "status of the checker process")
    return found


def fewest_runs(daemon: Daemon) -> int:
    """Of the checkers of all servers but the one that the test exchanges."""
    words = [str(PROGRAM), "metrics", "-p", str(daemon.config.with_name("p.pid"))]
    runs: list[int] = []

    def told() -> bool:
        found = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        lines = [line for line in found if line.startswith("keepalived_checker_runs_total{") and ".0.9]" not in line]
        runs[:] = [int(line.split()[-1]) for line in lines]
        return bool(runs)

    until(told, "metrics of the checker process")
    assert len(runs) == SERVERS - 1
    return min(runs)


def pid_in(path: Path) -> int:
    """What a pid file says; 0 while there is none."""
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def changes(daemon: Daemon) -> list[str]:
    return [line for line in daemon.lines if "Removing service" in line or "Adding service" in line]


def test_a_life_with_workers(target: subprocess.Popen[bytes], tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, text())
    try:
        daemon.wait("Starting check worker process for ")
        until(lambda: sum("success." in line for line in daemon.lines) == SERVERS, "a result of each server")
        [worker] = the_workers(daemon)
        assert 400 < worker["checkers"] < 640
        assert worker["restarts"] == 0
        assert changes(daemon) == []

        os.kill(worker["pid"], signal.SIGKILL)
        daemon.wait(f"Check worker process({worker['pid']}) died: Respawning")
        until(lambda: the_workers(daemon)[0]["pid"] not in (0, worker["pid"]), "a new worker")
        [second] = the_workers(daemon)
        assert (second["checkers"], second["restarts"]) == (worker["checkers"], 1)

        runs = max(5, fewest_runs(daemon))
        until(lambda: fewest_runs(daemon) >= runs + 5, "every server is checked again and again")
        daemon.config.write_text(text().replace("127.1.0.9 ", "127.2.0.9 "))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait("Reload complete")
        assert fewest_runs(daemon) >= runs + 5, "the figures outlive a reload"
        [third] = the_workers(daemon)
        assert third["pid"] != second["pid"]
        until(lambda: gone(second["pid"]), "the end of the worker before the reload")
        time.sleep(2)
        assert [line for line in changes(daemon) if "127.1.0.9]" not in line and "127.2.0.9]" not in line] == []

        target.kill()
        until(lambda: sum("Removing service" in line for line in daemon.lines) >= SERVERS, "every server removed")

        checker = pid_in(tmp_path / "c.pid")
        os.kill(checker, signal.SIGKILL)
        until(lambda: gone(third["pid"]), "the worker goes with its owner")
        until(lambda: pid_in(tmp_path / "c.pid") not in (0, checker), "a new owner")
        daemon.wait("Healthcheck child process")
        until(lambda: sum("Starting check worker" in line for line in daemon.lines) == 4, "its worker")
        [last] = the_workers(daemon)
    finally:
        code = daemon.stop()
    assert code == 0
    until(lambda: gone(last["pid"]), "the end of the worker")
    assert not [line for line in daemon.lines if "Internal error" in line]


@pytest.mark.keyword("global_defs/checker_cpu_affinity")
def test_one_processor_is_one_process(target: subprocess.Popen[bytes], tmp_path: Path) -> None:
    first = min(os.sched_getaffinity(0))
    daemon = Daemon(tmp_path, text(f"checker_cpu_affinity {first}"))
    try:
        until(lambda: sum("success." in line for line in daemon.lines) == SERVERS, "a result of each server")
        assert the_workers(daemon) == []
        assert os.sched_getaffinity(int((tmp_path / "c.pid").read_text())) == {first}
    finally:
        assert daemon.stop() == 0
    assert not [line for line in daemon.lines if "worker" in line]


def test_ports_that_run_out_are_told_and_survived(target: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """EADDRNOTAVAIL: every check goes to one place, and too few local ports are left for that."""
    there = f"connect_ip 127.0.0.1\nconnect_port {PORT}"
    daemon = Daemon(tmp_path, text(connect=there))
    try:
        until(lambda: sum("success." in line for line in daemon.lines) == SERVERS, "a result of each server")
        narrow = "net.ipv4.ip_local_port_range=40000 40003"
        words = ["ip", "netns", "exec", NAMESPACE, "sysctl", "-qw", "net.ipv4.tcp_tw_reuse=0", narrow]
        subprocess.run(words, check=True)
        said = "TCP socket bind failed. Rescheduling."
        until(lambda: sum(said in line for line in daemon.lines) > 2 * SERVERS, "told")
        assert changes(daemon) == []
        subprocess.run([*words[:-1], "net.ipv4.ip_local_port_range=32768 60999"], check=True)
        until(lambda: says_nothing(daemon), "every server is checked, again and again, without a word")
        assert [worker["restarts"] for worker in the_workers(daemon)] == [0]
        assert changes(daemon) == []
    finally:
        assert daemon.stop() == 0


def says_nothing(daemon: Daemon) -> bool:
    """Whether the log stays as it is while every server is checked some times more."""
    before, runs = len(daemon.lines), fewest_runs(daemon)
    until(lambda: fewest_runs(daemon) > runs + 4 or len(daemon.lines) > before, "every server is checked")
    return len(daemon.lines) == before


def test_descriptors_that_run_out_are_told_and_survived(target: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """EMFILE, in the checker process and in its worker."""
    daemon = Daemon(tmp_path, text())
    try:
        until(lambda: sum("success." in line for line in daemon.lines) == SERVERS, "a result of each server")
        [worker] = the_workers(daemon)
        pids = (pid_in(tmp_path / "c.pid"), worker["pid"])
        limits = [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids]
        for pid, (_, hard) in zip(pids, limits, strict=True):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (5, hard))
        said = "TCP connect fail to create socket. Rescheduling."
        until(lambda: sum(said in line for line in daemon.lines) > 2 * SERVERS, "told")
        assert changes(daemon) == []
        for pid, limit in zip(pids, limits, strict=True):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        until(lambda: says_nothing(daemon), "every server is checked, again and again, without a word")
        assert [again["restarts"] for again in the_workers(daemon)] == [0]
        assert changes(daemon) == []
    finally:
        assert daemon.stop() == 0
