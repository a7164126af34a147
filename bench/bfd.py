"""BFD: how long beyond the detection time until a silent cut is reported, and CPU per packet. `python -m bench.bfd`.

The neighbor is BIRD in every run, so that only the measured daemon differs. BIRD's own detection is measured too, and
FRR's facing our daemon.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Row, markdown, quantile
from bench.processes import cpu_ns
from bench.rig import PROGRAMS, read_pcap
from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import Node
from tests.bfd.frr import INSTALLED, Frr, frr_config

MULTIPLIER = 3
_BIRD_STATE = re.compile(r"changed state from (\w+) to (\w+)")


def neighbor(number: int) -> str:
    """Address of the n-th neighbor, all on host b."""
    return f"10.99.{100 + number // 200}.{1 + number % 200}"


def source(number: int) -> str:
    """Address of the n-th session of host a: BIRD tells sessions on one interface by it."""
    return f"10.99.{number // 200}.{1 + number % 200}"


def keepalived_config(sessions: int, interval_ms: float, multiplier: int = MULTIPLIER) -> str:
    return "".join(
        f"bfd_instance b{number} {{\n neighbor_ip {neighbor(number)}\n source_ip {source(number)}\n"
        f" min_rx {interval_ms}\n min_tx {interval_ms}\n multiplier {multiplier}\n}}\n"
        for number in range(sessions)
    )


def bird_config(sessions: int, interval_ms: float, multiplier: int = MULTIPLIER) -> str:
    lines = [
        "log stderr all;",
        "router id 10.99.1.1;",
        "protocol device { }",
        "protocol bfd b1 {",
        " debug { states, events };",
    ]
    lines.append(
        f' interface "eth0" {{ min rx interval {interval_ms} ms; min tx interval {interval_ms} ms;'
        f" multiplier {multiplier}; }};"
    )
    lines += [f' neighbor {source(number)} dev "eth0" local {neighbor(number)};' for number in range(sessions)]
    return "\n".join([*lines, "}", ""])


@dataclass
class Bird:
    """BIRD on host b, and when it changed the state of a session (monotonic ns of reading its log)."""

    process: subprocess.Popen[bytes]
    changes: list[tuple[int, str]] = field(default_factory=list)
    _rest: bytes = b""

    def fileno(self) -> int:
        assert self.process.stderr is not None
        return self.process.stderr.fileno()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def read(self) -> None:
        data = os.read(self.fileno(), 65536)
        now = time.monotonic_ns()
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if found := _BIRD_STATE.search(line.decode(errors="replace")):
                self.changes.append((now, found[2]))


@dataclass
class Sessions:
    """A running pair: the measured daemon on host a, BIRD or FRR on host b."""

    net: Network
    a: Node
    b: Namespace
    other: Bird | Frr
    directory: Path

    def pause(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for reader in (self.a, self.other):
                selector.register(reader.fileno(), selectors.EVENT_READ, reader)
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                for key, _ in selector.select(min(left, 0.05)):
                    key.data.read()
        return True

    def up(self) -> int:
        """Sessions up according to the measured daemon's log."""
        ups = sum("Entering Up state" in line for _, line in self.a.lines)
        return ups - sum("Entering Down state" in line for _, line in self.a.lines)


def start_bird(host: Namespace, scratch: Path, config: str) -> Bird:
    file = scratch / "bird.conf"
    file.write_text(config)
    words = ["bird", "-f", "-c", str(file), "-s", f"{scratch}/bird.ctl", "-P", f"{scratch}/bird.pid"]
    return Bird(host.spawn(words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL))


@contextlib.contextmanager
def sessions(
    make: str, count: int, interval_ms: float, multiplier: int = MULTIPLIER, other: str = "bird", extra: str = ""
) -> Iterator[Sessions]:
    """Both daemons started and all sessions up. FRR has one session at most; `extra` precedes the measured one's."""
    with (
        tempfile.TemporaryDirectory(prefix="pykeepalived-bench-") as scratch,
        network(f"pkbf{os.getpid() % 10000}x{random.randrange(10000)}") as net,
    ):
        host_a, host_b = net.namespace("a"), net.namespace("b")
        net.attach(host_a, "eth0", "lan", [f"{source(number)}/16" for number in range(count)])
        net.attach(host_b, "eth0", "lan", [f"{neighbor(number)}/16" for number in range(count)])
        config = Path(scratch) / "a.conf"
        config.write_text(extra + keepalived_config(count, interval_ms, multiplier))
        facing: Bird | Frr
        if other == "frr":
            facing = Frr.start(host_b, frr_config(source(0), neighbor(0), interval_ms))
        else:
            facing = start_bird(host_b, Path(scratch), bird_config(count, interval_ms, multiplier))
        node = Node("a", host_a, config, Path(scratch) / "a", PROGRAMS[make])
        try:
            node.start()
            pair = Sessions(net, node, host_b, facing, Path(scratch))
            if not pair.wait(lambda: pair.up() == count, 30):
                raise RuntimeError(f"{pair.up()} of {count} sessions are up")
            yield pair
        finally:
            node.kill()
            facing.kill()


def last_packets(pair: Sessions, cut: Callable[[], None], seconds: float) -> dict[str, int]:
    """Cut while capturing on both hosts; monotonic ns of the last packet that reached each of them (0 = none seen)."""
    files = {name: pair.directory / f"{name}.pcap" for name in ("a", "b")}
    hosts = {"a": pair.a.namespace, "b": pair.b}
    captures = []
    for name, file in files.items():
        words = [
            "tcpdump",
            "-i",
            "eth0",
            "-w",
            str(file),
            "--time-stamp-precision=nano",
            "--immediate-mode",
            "-U",
            "-Q",
            "in",
        ]
        capture = hosts[name].spawn([*words, "udp port 3784"], stderr=subprocess.PIPE)
        assert capture.stderr is not None
        while b"listening on" not in capture.stderr.readline():
            if capture.poll() is not None:
                raise RuntimeError("tcpdump did not start")
        captures.append(capture)
    pair.pause(0.2)
    cut()
    pair.pause(seconds)
    for capture in captures:
        capture.send_signal(signal.SIGINT)
        capture.wait(10)
    offset = time.time_ns() - time.monotonic_ns()
    seen = {name: [at for at, _ in read_pcap(file)] for name, file in files.items()}
    return {name: max(times, default=offset) - offset for name, times in seen.items()}


def detection(
    make: str, interval_ms: float, rounds: int, own: list[float], others: list[float], other: str = "bird"
) -> None:
    """Cut the line `rounds` times; append by how many ms the report came after the detection time."""
    limit = MULTIPLIER * interval_ms
    with sessions(make, 1, interval_ms, other=other) as pair:
        for _ in range(rounds):
            pair.pause(1.2 + random.random() * interval_ms / 1000)
            seen, changes = len(pair.a.lines), len(pair.other.changes)
            last = last_packets(pair, lambda: pair.b.forward("eth0", False), limit * 1.5 / 1000 + 0.2)
            down = [at for at, line in pair.a.lines[seen:] if "Entering Down state" in line and at > last["a"]]
            facing = [at for at, state in pair.other.changes[changes:] if state == "Down" and at > last["b"]]
            if down and facing and all(last.values()):
                own.append((down[0] - last["a"]) / 1e6 - limit)
                others.append((facing[0] - last["b"]) / 1e6 - limit)
            pair.b.forward("eth0", True)
            if not pair.wait(lambda: pair.up() == 1 and pair.other.changes[-1][1] == "Up", 20):
                raise RuntimeError("the session did not come back")


def datagrams(host: Namespace) -> int:
    """UDP datagrams received and sent by a host so far."""
    rows = [line.split() for line in host.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:")]
    named = dict(zip(rows[0], rows[1], strict=True))
    return int(named["InDatagrams"]) + int(named["OutDatagrams"])


def cpu_per_packet(make: str, count: int, interval_ms: float, seconds: float) -> float:
    """Microseconds of CPU of the BFD process per packet, sent or received, x 5."""
    with sessions(make, count, interval_ms, 5) as pair:
        pair.pause(2)
        pid = pair.a.pid_of("bfd")
        used, packets = cpu_ns(pid), datagrams(pair.a.namespace)
        pair.pause(seconds)
        return (cpu_ns(pid) - used) / 1000 / (datagrams(pair.a.namespace) - packets)


def with_p99(row: Row) -> list[Row]:
    return [
        row,
        Row(f"{row.what}, p99", row.unit, *([quantile(each, 0.99)] for each in (row.ours, row.theirs) if each)),
    ]


def measure(rounds: int) -> list[Row]:
    """Detection, then CPU. BIRD and FRR stand in the column of ours or theirs, whichever they faced."""
    rows = []
    for interval in (10, 50, 300):
        limit = MULTIPLIER * interval
        row = Row(f"{interval} ms x {MULTIPLIER}: Down reported after the limit ({limit} ms)", "ms")
        if interval == 10:
            row.budget = "median <= 0.5, worst <= 2"
        bird = Row(f"{interval} ms x {MULTIPLIER}: BIRD facing it", "ms")
        frr = Row(f"{interval} ms x {MULTIPLIER}: FRR facing it", "ms")
        detection("ours", interval, rounds, row.ours, bird.ours)
        detection("theirs", interval, rounds, row.theirs, bird.theirs)
        if INSTALLED:
            detection("ours", interval, rounds, [], frr.ours, "frr")
        rows += [item for each in (row, bird, frr) if each.ours for item in with_p99(each)]
    for interval in (10, 50):
        for count in (1, 64, 256):
            cpu = Row(f"CPU per packet, {count} sessions at {interval} ms", "us")
            cpu.ours.append(cpu_per_packet("ours", count, interval, 5))
            cpu.theirs.append(cpu_per_packet("theirs", count, interval, 5))
            rows.append(cpu)
    return rows


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30)))
