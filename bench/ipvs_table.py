"""Large IPVS tables in the test machine: filling them at start, and one real server changed at a reload.

`python -m bench.ipvs_table [ROUNDS]`. The guest runs this file too (`guest FILE ROUNDS`): both daemons in turn, and
ipvsadm(8) restoring the same table. The guest has one processor, so nobody reads the whole table while it is filled:
the first and the last service are looked at now and then.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from bench.checkers_load import PORT, Daemon, address, listener, tcp_check
from bench.figures import Row, markdown
from bench.processes import cpu_ns, tree
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.kernel_ipvs import IpvsKernel
from pykeepalived.netlink.services import DestinationKey, ServiceKey

ROOT = Path(__file__).resolve().parents[1]
MACHINE = ROOT / "tests/vm/machine/vm.sh"
WORK = Path("/tmp/bench")
PROGRAMS = {"ours": (f"{ROOT}/.venv/bin/pykeepalived",), "theirs": ("/usr/sbin/keepalived",)}
SIZES = (2000, 10_000)
EACH = 100
"""Real servers of a virtual server."""
REST = 600
"""Checks are this many seconds apart: none disturbs."""
LOOK = 0.002
CHANGES = 3
RELOADED = {"ours": SIZES, "theirs": SIZES[:1]}
"""keepalived's checker compares lists pair by pair: with 10,000 servers a reload takes it more than a minute."""

Found = dict[str, list[float]]
FILLED, ENTRIES, CHANGED = "exec to the whole table", "first to last entry", "one changed: SIGHUP to the kernel"
STOPPED = "SIGTERM to the end"


# ------------------------------------------------------------------ in the guest


def service(number: int) -> str:
    return f"10.99.{number // 250}.{number % 250 + 1}"


def configuration(servers: int, weight: int = 1) -> str:
    """Virtual servers of EACH real servers; the very last real server has this weight."""
    lines = ["global_defs {\n router_id bench\n}"]
    for number in range(servers):
        if number % EACH == 0:
            lines.append(f"virtual_server {service(number // EACH)} 80 {{\n delay_loop {REST}\n lvs_sched wrr")
            lines.append(" lvs_method NAT\n protocol TCP")
        mine = weight if number == servers - 1 else 1
        lines.append(f" real_server {address(number)} {PORT} {{\n weight {mine}\n {tcp_check(REST)}\n }}")
        if number % EACH == EACH - 1:
            lines.append("}")
    return "\n".join([*lines, ""])


def rules(servers: int) -> str:
    """The same table for `ipvsadm -R`."""
    lines = []
    for number in range(servers):
        where = f"-t {service(number // EACH)}:80"
        if number % EACH == 0:
            lines.append(f"-A {where} -s wrr")
        lines.append(f"-a {where} -r {address(number)}:{PORT} -m -w 1")
    return "\n".join([*lines, ""])


class Watch:
    """Looks at one service: the weight of a real server in it, 0 = it is not there."""

    def __init__(self, kernel: IpvsKernel, number: int) -> None:
        self._kernel = kernel
        self._service = ServiceKey(4, 6, bytes(Ip.parse(service(number // EACH))), 80)
        self._server = DestinationKey(bytes(Ip.parse(address(number))), PORT)

    def weight(self) -> int:
        found = self._kernel.destinations(self._service).get(self._server)
        return found.weight if found is not None else 0


def until(condition: Callable[[], bool], what: str) -> int:
    """The moment at which it holds."""
    end = time.monotonic() + 100
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(LOOK)
    return time.monotonic_ns()


def settle(daemon: Daemon) -> None:
    """Wait until a daemon has done what a start or a reload leaves it to do."""
    spent = -1
    for _ in range(60):
        time.sleep(0.5)
        before, spent = spent, sum(map(cpu_ns, tree(daemon.process.pid)))
        if spent - before < 50_000_000 and before >= 0:
            return


def one_daemon(which: str, servers: int, kernel: IpvsKernel, found: Found) -> None:
    newest = Watch(kernel, servers - 1)
    daemon = Daemon(PROGRAMS[which], WORK, configuration(servers))
    first = until(lambda: Watch(kernel, 0).weight() > 0, f"{which}: the first of {servers} servers")
    whole = until(lambda: newest.weight() > 0, f"{which}: the last of {servers} servers")
    found[f"{servers} {FILLED}"].append((whole - daemon.begin) / 1e6)
    found[f"{servers} {ENTRIES}"].append((whole - first) / 1e6)
    for turn in range(CHANGES if servers in RELOADED[which] else 0):
        settle(daemon)
        weight = 7 + turn
        daemon.config.write_text(configuration(servers, weight))
        begin = time.monotonic_ns()
        daemon.process.send_signal(signal.SIGHUP)
        changed = until(lambda weight=weight: newest.weight() == weight, f"{which}: weight {weight} of {servers}")  # type: ignore[misc]
        found[f"{servers} {CHANGED}"].append((changed - begin) / 1e6)
    settle(daemon)
    found[f"{servers} {STOPPED}"].append(daemon.stop())
    subprocess.run(["ipvsadm", "-C"], check=True)


def restore(servers: int, kernel: IpvsKernel, found: Found) -> None:
    text = rules(servers)
    begin = time.monotonic_ns()
    subprocess.run(["ipvsadm", "-R"], input=text, text=True, check=True)
    found[f"{servers} ipvsadm"].append((time.monotonic_ns() - begin) / 1e6)
    if not Watch(kernel, servers - 1).weight():
        raise RuntimeError("ipvsadm did not restore the table")
    subprocess.run(["ipvsadm", "-C"], check=True)


def guest(target: str, rounds: int) -> None:
    """The smallest table `rounds` times, the others once."""
    subprocess.run("ip link set lo up; modprobe ip_vs", shell=True, check=True)
    # an installed daemon has its byte code; a bench run must not measure the compiler
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "pykeepalived")], check=True)
    WORK.mkdir(exist_ok=True)
    server = listener(PORT)
    kernel = IpvsKernel.open()
    found: dict[str, Found] = {which: defaultdict(list) for which in (*PROGRAMS, "ipvsadm")}
    for servers in (*SIZES, *SIZES[:1] * (rounds - 1)):
        restore(servers, kernel, found["ipvsadm"])
        for which in PROGRAMS:
            one_daemon(which, servers, kernel, found[which])
    os.kill(server, signal.SIGKILL)
    Path(target).write_text(json.dumps(found))


# ------------------------------------------------------------------ on the host


def measure(rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as share:
        inside = f"cd {ROOT} && exec {sys.executable} -B -m bench.ipvs_table guest /mnt/share/results.json {rounds}"
        words = ["bash", str(MACHINE), "-t", "400", "-d", share, "--", "bash", "-c", inside]
        done = subprocess.run(words, capture_output=True, text=True, timeout=460, check=False)
        results = Path(share, "results.json")
        if done.returncode or not results.exists():
            raise RuntimeError(f"the test machine failed ({done.returncode}): {done.stdout[-2000:]}")
        found: dict[str, Found] = json.loads(results.read_text())
    rows = []
    for servers in SIZES:
        for what, budget in ((FILLED, ""), (ENTRIES, "<= 0.5 x"), (CHANGED, "<= 2 x"), (STOPPED, "")):
            key = f"{servers} {what}"
            name = f"{servers:,} real servers, {what}"
            row = Row(name, "ms", found["ours"][key], found["theirs"].get(key, []), budget)
            row.series, row.size, row.axis = f"IPVS table: {what}", servers, "real servers"
            rows.append(row)
        mine, theirs = found["ours"][f"{servers} {ENTRIES}"], found["ipvsadm"][f"{servers} ipvsadm"]
        name = f"{servers:,} real servers, first to last entry; beside it ipvsadm -R"
        rows.append(Row(name, "ms", mine, theirs, "< 1"))
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["guest"]:
        guest(sys.argv[2], int(sys.argv[3]))
    else:
        print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 2)))
