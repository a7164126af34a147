"""Configuration: `-t` on large files, whole process; reading again after a change. `-m bench.config [ROUNDS]`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Row, markdown
from bench.rig import PROGRAMS, instances
from pykeepalived.config.diff import diff
from pykeepalived.config.environment import gather
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.memo import BlockMemo
from pykeepalived.config.model import Config
from pykeepalived.lab.net import Namespace, ip_batch, network


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


def instance(number: int) -> str:
    """One instance with an address; 250 stand on an interface."""
    return (
        f"vrrp_instance I{number} {{\n interface eth{number // 250}\n virtual_router_id {number % 250 + 1}\n"
        f" virtual_ipaddress {{\n  10.2.{number // 250}.{number % 250 + 1}\n }}\n}}\n"
    )


def include_list(directory: Path, count: int) -> str:
    """A file that includes `count` files with one instance each."""
    for number in range(count):
        (directory / f"part{number}.conf").write_text(instance(number))
    return "".join(f"include {directory}/part{number}.conf\n" for number in range(count))


def include_chain(directory: Path, count: int) -> str:
    """A file that includes a file that includes a file, `count` deep, with one instance each."""
    for number in range(count):
        deeper = f"include {directory}/link{number + 1}.conf\n" if number < count - 1 else ""
        (directory / f"link{number}.conf").write_text(deeper + instance(number))
    return f"include {directory}/link0.conf\n"


VRIDS = 254


def sequence(interfaces: int) -> str:
    """254 instances an interface out of one ~SEQ definition."""
    return (
        "$ONE=vrrp_instance V_${I}_${K} { \\\n interface eth${I} \\\n virtual_router_id ${K} \\\n"
        " virtual_ipaddress { 10.${I}.3.${K} } \\\n}\n"
        f"~SEQ(I, 0, {interfaces - 1}) ~SEQ(K, 1, {VRIDS}) $ONE\n"
    )


def cables(host: Namespace, count: int) -> None:
    """Interfaces eth0, eth1, ... with an address each; every two are the ends of one cable."""
    pairs = [f"link add eth{end} type veth peer name eth{end + 1}" for end in range(0, count, 2)]
    ready = [
        line
        for end in range(count)
        for line in (f"address add 10.255.{end}.1/24 dev eth{end}", f"link set eth{end} up")
    ]
    ip_batch(host.name, [*pairs, *ready])


def config_test(host: Namespace, program: tuple[str, ...], file: Path, limit: float = 300) -> float | None:
    """Seconds of wall time of one `-t`; the configuration must be without faults. None: it took longer than `limit`."""
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            host.command(*program, "-t", "-f", str(file)), capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return None
    took = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{program[0]} -t {file.name}: status {done.returncode}\n{done.stderr[:2000]}")
    return took


def read_again(file: Path, text: str, rounds: int) -> list[float]:
    """Seconds a running parent takes from SIGHUP to knowing what to do: one real server is changed each time.

    Gathering what the checks need of the machine, reading, and finding what changed, as at every reload.
    """
    memo, took = BlockMemo(), []
    before: Config | None = None
    for round_ in range(rounds + 1):
        file.write_text(text.replace("weight 1", f"weight {round_ + 2}", 1))
        begin = time.perf_counter()
        after = load(str(file), gather(""), LoadOptions(memo=memo)).config
        assert after is not None
        if before is not None:
            changes = diff(before, after)
            took.append(time.perf_counter() - begin)
            assert len(changes) == 1, changes
        before = after
    return took


@dataclass(frozen=True)
class Case:
    """A file to be tested. `rounds` 0: as many as asked for; `limit`: seconds the C daemon gets; `lines` and
    `instances`: points of a curve."""

    what: str
    text: str
    budget: str = ""
    rounds: int = 0
    limit: float = 300
    lines: int = 0
    instances: int = 0


LIMIT_SECONDS = 30
"""What the C daemon gets where its time grows with the square of the size."""


def cases(directory: Path) -> list[Case]:
    return [
        *(
            Case(f"{count} instance{'s' * (count > 1)}", instances(count, 100, 1), budget, instances=count)
            for count, budget in ((1, ""), (1000, ""), (4000, ""), (8000, "<= 1.0 x"))
        ),
        Case(LARGEST, virtual_servers(1000, 10), "<= 4 x"),
        Case("10 virtual servers x 1000 real servers", virtual_servers(10, 1000)),
        Case("500 includes", include_list(directory, 500)),
        Case("500 includes in each other", include_chain(directory, 500)),
        Case("~SEQ of 65,024 instances", sequence(256), rounds=1, limit=LIMIT_SECONDS),
        *(
            Case(f"{lines:,} lines", virtual_servers(lines // LINES_OF_A_SERVICE, 10), "", 1, LIMIT_SECONDS, lines)
            for lines in (10_000, 100_000, 1_000_000)
        ),
    ]


LARGEST = "1000 virtual servers x 10 real servers"
LINES_OF_A_SERVICE = virtual_servers(1, 10).count("\n")


def measure(rounds: int) -> list[Row]:
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="pykeepalived-bench-") as scratch,
        network(f"pkbc{os.getpid() % 10000}") as net,
    ):
        host = net.namespace("a")
        cables(host, 256)
        directory = Path(scratch)
        file = directory / "keepalived.conf"
        for case in cases(directory):
            file.write_text(case.text)
            row = Row(f"-t: {case.what}", "ms", budget=case.budget)
            if case.instances:
                row.series, row.size, row.axis = "-t of many instances", case.instances, "instances"
            if case.lines:
                row.series, row.size, row.axis = "-t of a file of many lines", case.lines, "lines"
            for _ in range(case.rounds or rounds):
                for which in ("ours", "theirs"):
                    took = config_test(host, PROGRAMS[which], file, 300 if which == "ours" else case.limit)
                    if took is None:
                        row.over = case.limit * 1000
                    else:
                        getattr(row, which).append(took * 1000)
            rows.append(row)
        again = Row("1000 x 10, one real server changed: SIGHUP to plan / -t", "ms", budget="<= 2 x")
        again.ours += [seconds * 1000 for seconds in read_again(file, virtual_servers(1000, 10), rounds)]
        again.theirs += next(row.theirs for row in rows if row.what == f"-t: {LARGEST}")
        rows.append(again)
    return rows


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
