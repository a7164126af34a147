"""Configuration: `-t` on large files, whole process; reading again after a change. `-m bench.config [ROUNDS]`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Row, markdown
from bench.rig import PROGRAMS, instances
from pykeepalived.config.environment import gather
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.memo import BlockMemo
from pykeepalived.lab.net import Namespace, network


def virtual_servers(services: int, servers: int) -> str:
    """`services` virtual servers with `servers` real servers and a TCP_CHECK each."""
    text = []
    for service in range(services):
        text.append(
            f"virtual_server 10.{service // 250}.{service % 250}.1 80 {{\n    delay_loop 6\n    lb_algo rr\n"
            "    lb_kind NAT\n    protocol TCP\n"
        )
        for server in range(servers):
            text.append(
                f"    real_server 172.{16 + server // 62500}.{server // 250 % 250}.{server % 250 + 1} 80 {{\n"
                "        weight 1\n        TCP_CHECK {\n            connect_timeout 3\n            retry 2\n"
                "            delay_before_retry 1\n        }\n    }\n"
            )
        text.append("}\n")
    return "".join(text)


def include_tree(directory: Path, count: int) -> str:
    """A file that includes `count` files with one instance each."""
    for number in range(count):
        (directory / f"part{number}.conf").write_text(
            f"vrrp_instance I{number} {{\n interface eth{number // 250}\n virtual_router_id {number % 250 + 1}\n"
            f" virtual_ipaddress {{\n  10.2.{number // 250}.{number % 250 + 1}\n }}\n}}\n"
        )
    return "".join(f"include {directory}/part{number}.conf\n" for number in range(count))


def sequence(interfaces: int) -> str:
    """255 instances an interface out of one ~SEQ definition."""
    return (
        "$ONE=vrrp_instance V_${I}_${K} { \\\n interface eth${I} \\\n virtual_router_id ${K} \\\n"
        " virtual_ipaddress { 10.${I}.3.${K} } \\\n}\n"
        f"~SEQ(I, 0, {interfaces - 1}) ~SEQ(K, 1, 255) $ONE\n"
    )


def config_test(host: Namespace, program: tuple[str, ...], file: Path) -> float:
    """Seconds of wall time of one `-t`; the configuration must be without faults."""
    begin = time.perf_counter()
    done = subprocess.run(host.command(*program, "-t", "-f", str(file)), capture_output=True, text=True, timeout=300)
    took = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{program[0]} -t {file.name}: status {done.returncode}\n{done.stderr[:2000]}")
    return took


def read_again(file: Path, text: str, rounds: int) -> list[float]:
    """Seconds a running parent takes to read its file again, one real server being changed each time."""
    memo, took = BlockMemo(), []
    for round_ in range(rounds + 1):
        file.write_text(text.replace("weight 1", f"weight {round_ + 2}", 1))
        environment = gather("")
        begin = time.perf_counter()
        load(str(file), environment, LoadOptions(memo=memo))
        took.append(time.perf_counter() - begin)
    return took[1:]


def measure(rounds: int) -> list[Row]:
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="pykeepalived-bench-") as scratch,
        network(f"pkbc{os.getpid() % 10000}") as net,
    ):
        host = net.namespace("a")
        for wire in range(32):
            net.attach(host, f"eth{wire}", "lan", [f"10.255.{wire}.1/24"])
        directory = Path(scratch)
        cases = {
            "1 instance": instances(1, 100, 1),
            "1000 instances": instances(1000, 100, 1),
            "8000 instances": instances(8000, 100, 1),
            "1000 virtual servers x 10 real servers": virtual_servers(1000, 10),
            "10 virtual servers x 1000 real servers": virtual_servers(10, 1000),
            "500 includes": include_tree(directory, 500),
            "~SEQ of 8160 instances": sequence(32),
        }
        budgets = {"8000 instances": "<= 1.0 x", "1000 virtual servers x 10 real servers": "<= 4 x"}
        for name, text in cases.items():
            file = directory / "keepalived.conf"
            file.write_text(text)
            row = Row(f"-t: {name}", "ms", budget=budgets.get(name, ""))
            for _ in range(rounds):
                for which in ("ours", "theirs"):
                    getattr(row, which).append(config_test(host, PROGRAMS[which], file) * 1000)
            rows.append(row)
        again = Row("1000 x 10, one real server changed: reading again / -t", "ms", budget="<= 2 x")
        text = cases["1000 virtual servers x 10 real servers"]
        again.ours += [seconds * 1000 for seconds in read_again(directory / "keepalived.conf", text, rounds)]
        again.theirs += [
            config_test(host, PROGRAMS["theirs"], directory / "keepalived.conf") * 1000 for _ in range(rounds)
        ]
        rows.append(again)
    return rows


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
