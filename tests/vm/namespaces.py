"""Runs in a guest whose kernel has not loaded ip_vs yet: a director whose table is in another network namespace than
its checks, then one in a namespace whose table is that of the whole machine. Prints what was seen as JSON.

test_namespaces.py judges.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import OURS, Node, watch

SECONDS = 60
VIRTUAL = "10.99.0.1"


def config(namespace: str, script: Path) -> str:
    """A server that only the director's own namespace reaches, and one that a script of an unprivileged user judges."""
    common = "delay_loop 1\n  retry 0\n  warmup 0"
    return (
        f"{namespace}\n"
        f"virtual_server {VIRTUAL} 80 {{\n  {common}\n  protocol TCP\n  lvs_method NAT\n"
        "  real_server 198.18.0.2 8080 {\n    TCP_CHECK {\n      connect_timeout 1\n    }\n  }\n"
        f'  real_server 198.18.0.3 8080 {{\n    MISC_CHECK {{\n      misc_path "{script}"\n      misc_timeout 5\n'
        "      user nobody\n    }\n  }\n}\n"
    )


def table(where: Namespace | None) -> list[str]:
    """The destinations in the table of a namespace, None = the first one."""
    words = ["ipvsadm", "-Sn"]
    text = where.run(*words) if where is not None else subprocess.check_output(words, text=True)
    return [line.split()[4] for line in text.splitlines() if line.startswith("-a")]


def privileges(node: Node) -> list[str]:
    """NoNewPrivs of the parent and of every process below it, by what runs there."""
    assert node.process is not None
    parent = node.process.pid
    found = []
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in [str(parent), *children]:
        status = Path(f"/proc/{pid}/status").read_text()
        found.append(status.split("NoNewPrivs:\t")[1][0])
    return found


def checker(node: Node) -> int:
    """The process id of the checker, 0 while its file is being written."""
    try:
        return node.pid_of("checkers")
    except (OSError, ValueError):
        return 0


def setuid_script(directory: Path) -> tuple[Path, Path]:
    """A check script that succeeds where a setuid program may make it root, and what it writes."""
    directory.mkdir(mode=0o755)
    out = directory / "ids"
    out.touch(0o666)
    out.chmod(0o666)
    shutil.copy("/usr/bin/id", directory / "id")
    (directory / "id").chmod(0o4755)
    script = directory / "check.sh"
    script.write_text(f"#!/bin/sh\n{directory}/id -u >{out}\n[ $(cat {out}) = 0 ]\n")
    script.chmod(0o755)
    return script, out


def director(net: Network, seen: dict[str, object], directory: Path) -> None:
    """The table is in namespace t; servers are reached from namespace a."""
    a, b, t = net.namespace("a"), net.namespace("b"), net.namespace("t")
    net.attach(a, "eth0", "lan", ["198.18.0.1/24"], "02:00:00:00:00:01")
    net.attach(b, "eth0", "lan", ["198.18.0.2/24"], "02:00:00:00:00:02")
    script, ids = setuid_script(Path("/run/check"))
    node = Node("a", a, directory / "a.conf", directory / "a", OURS)
    node.config.write_text(config(f"net_namespace_ipvs {net.prefix}-t", script))
    seen["loaded before"] = os.path.exists("/proc/net/ip_vs")
    server = b.spawn([sys.executable, "-m", "http.server", "8080"], stdout=-3, stderr=-3)
    wanted = ["198.18.0.2:8080", "198.18.0.3:8080"]

    def wait(what: str, *want: str, where: Namespace | None = t) -> None:
        seen[what] = watch([node], lambda: sorted(table(where)) == list(want), SECONDS)

    try:
        node.start()
        wait("both in the other table", *wanted)
        seen["own table"], seen["first table"] = table(a), table(None)
        seen["loaded"] = os.path.exists("/proc/net/ip_vs")
        seen["script is root"] = watch([node], lambda: ids.read_text().strip() == "0", SECONDS)
        seen["privileges"] = sorted(privileges(node))
        first = checker(node)
        os.kill(first, signal.SIGKILL)
        seen["respawned"] = watch([node], lambda: checker(node) not in (0, first), SECONDS)
        wait("as it was after the death", *wanted)
        server.kill()
        server.wait()
        wait("without the dead server", wanted[1])
        node.config.write_text(config("net_namespace_ipvs", script))
        node.reload()
        watch([node], lambda: False, 3)
        seen["table after a changed namespace"] = sorted(table(t))
        seen["log"] = [line for _, line in node.lines]
        seen["status"] = node.stop(30)
        seen["left"] = table(t)

        node.lines.clear()
        node.start()
        wait("in the first table", wanted[1], where=None)
        seen["other tables"] = table(a) + table(t)
        node.stop(30)
        seen["left in the first"] = table(None)

        node.lines.clear()
        node.config.write_text(config("net_namespace_ipvs nosuch", script))
        node.start()
        seen["missing is told"] = watch(
            [node], lambda: node.said("Failed to open namespace fds for nosuch"), SECONDS
        ) or [line for _, line in node.lines]
        seen["goes on without"] = node.alive
        node.stop(30)
    finally:
        server.kill()
        server.wait()


def main() -> None:
    seen: dict[str, object] = {}
    # Without any address the kernel takes every other one for a broadcast address and refuses it as a real server.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with network("pkvm") as net:
        director(net, seen, Path(sys.argv[1]))
    print(json.dumps(seen))


main()
