"""BFD: how long beyond the detection time until a silent cut is reported, and CPU per packet. `python -m bench.bfd`.

The neighbor is BIRD in every run, so that only the measured daemon differs. BIRD's own detection is measured too.
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

    def read(self) -> None:
        assert self.process.stderr is not None
        data = os.read(self.process.stderr.fileno(), 65536)
        now = time.monotonic_ns()
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if found := _BIRD_STATE.search(line.decode(errors="replace")):
                self.changes.append((now, found[2]))


@dataclass
class Sessions:
    """A running pair: the measured daemon on host a, BIRD on host b."""

    net: Network
    a: Node
    b: Namespace
    bird: Bird
    directory: Path

    def pause(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.a.fileno(), selectors.EVENT_READ, self.a)
            assert self.bird.process.stderr is not None
            selector.register(self.bird.process.stderr, selectors.EVENT_READ, self.bird)
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


@contextlib.contextmanager
def sessions(make: str, count: int, interval_ms: float, multiplier: int = MULTIPLIER) -> Iterator[Sessions]:
    """Both daemons started and all sessions up."""
    with (
        tempfile.TemporaryDirectory(prefix="pykeepalived-bench-") as scratch,
        network(f"pkbf{os.getpid() % 10000}x{random.randrange(10000)}") as net,
    ):
        host_a, host_b = net.namespace("a"), net.namespace("b")
        net.attach(host_a, "eth0", "lan", [f"{source(number)}/16" for number in range(count)])
        net.attach(host_b, "eth0", "lan", [f"{neighbor(number)}/16" for number in range(count)])
        config, bird_file = Path(scratch) / "a.conf", Path(scratch) / "bird.conf"
        config.write_text(keepalived_config(count, interval_ms, multiplier))
        bird_file.write_text(bird_config(count, interval_ms, multiplier))
        words = ["bird", "-f", "-c", str(bird_file), "-s", f"{scratch}/bird.ctl", "-P", f"{scratch}/bird.pid"]
        bird = Bird(host_b.spawn(words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL))
        node = Node("a", host_a, config, Path(scratch) / "a", PROGRAMS[make])
        try:
            node.start()
            pair = Sessions(net, node, host_b, bird, Path(scratch))
            if not pair.wait(lambda: pair.up() == count, 30):
                raise RuntimeError(f"{pair.up()} of {count} sessions are up")
            yield pair
        finally:
            node.kill()
            bird.process.kill()
            bird.process.wait(10)


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


def detection(make: str, interval_ms: float, rounds: int, own: list[float], birds: list[float]) -> None:
    """Cut the line `rounds` times; append by how many ms the report came after the detection time."""
    limit = MULTIPLIER * interval_ms
    with sessions(make, 1, interval_ms) as pair:
        for _ in range(rounds):
            pair.pause(1.2 + random.random() * interval_ms / 1000)
            seen, changes = len(pair.a.lines), len(pair.bird.changes)
            last = last_packets(pair, lambda: pair.b.forward("eth0", False), limit * 1.5 / 1000 + 0.2)
            down = [at for at, line in pair.a.lines[seen:] if "Entering Down state" in line and at > last["a"]]
            bird_down = [at for at, state in pair.bird.changes[changes:] if state == "Down" and at > last["b"]]
            if down and bird_down and all(last.values()):
                own.append((down[0] - last["a"]) / 1e6 - limit)
                birds.append((bird_down[0] - last["b"]) / 1e6 - limit)
            pair.b.forward("eth0", True)
            if not pair.wait(lambda: pair.up() == 1 and pair.bird.changes[-1][1] == "Up", 20):
                raise RuntimeError("the session did not come back")


def datagrams(host: Namespace) -> int:
    """UDP datagrams received and sent by a host so far."""
    rows = [line.split() for line in host.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:")]
    named = dict(zip(rows[0], rows[1], strict=True))
    return int(named["InDatagrams"]) + int(named["OutDatagrams"])


def cpu_per_packet(make: str, count: int, seconds: float) -> float:
    """Microseconds of CPU of the BFD process per packet, sent or received, 50 ms x 5."""
    with sessions(make, count, 50, 5) as pair:
        pair.pause(2)
        pid = pair.a.pid_of("bfd")
        used, packets = cpu_ns(pid), datagrams(pair.a.namespace)
        pair.pause(seconds)
        return (cpu_ns(pid) - used) / 1000 / (datagrams(pair.a.namespace) - packets)


def losses(make: str, seconds: float, spinners: int) -> float:
    """Sessions lost at 10 ms x 3 while other processes want the processors."""
    with sessions(make, 1, 10) as pair:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(spinners)]
        try:
            before = sum("Entering Down state" in line for _, line in pair.a.lines)
            pair.pause(seconds)
            return sum("Entering Down state" in line for _, line in pair.a.lines) - before
        finally:
            for process in busy:
                process.kill()
                process.wait()


def measure(rounds: int, load_seconds: float = 0) -> list[Row]:
    """All rows. `load_seconds` > 0 also counts sessions lost on a loaded machine."""
    rows = []
    for interval in (10, 50, 300):
        limit = MULTIPLIER * interval
        row = Row(f"{interval} ms x {MULTIPLIER}: Down reported after the limit ({limit} ms)", "ms")
        if interval == 10:
            row.budget = "median <= 0.5, worst <= 2"
        bird = Row(f"{interval} ms x {MULTIPLIER}: BIRD facing it", "ms")
        detection("ours", interval, rounds, row.ours, bird.ours)
        detection("theirs", interval, rounds, row.theirs, bird.theirs)
        rows += [row, Row("the same, p99", "ms", [quantile(row.ours, 0.99)], [quantile(row.theirs, 0.99)]), bird]
    for count in (1, 64, 256):
        cpu = Row(f"CPU per packet, {count} sessions at 50 ms", "us")
        cpu.ours.append(cpu_per_packet("ours", count, 5))
        cpu.theirs.append(cpu_per_packet("theirs", count, 5))
        rows.append(cpu)
    if load_seconds:
        lost = Row(f"sessions lost at 10 ms x 3 in {load_seconds:.0f} s, 2 spinning processes a core", "")
        lost.ours.append(losses("ours", load_seconds, 2 * (os.cpu_count() or 1)))
        lost.theirs.append(losses("theirs", load_seconds, 2 * (os.cpu_count() or 1)))
        rows.append(lost)
    return rows


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
