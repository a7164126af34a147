"""BFD: how long beyond the detection time until a silent cut is reported, and CPU per packet. `python -m bench.bfd`.

Detection: ours faces BIRD and keepalived faces FRR, some pairs of each at the same time, and all four are measured; the
time counts from the last packet that arrived. CPU: the neighbor is BIRD in every run, so that only the daemon differs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Row, markdown, quantile
from bench.processes import cpu_ns
from bench.rig import PROGRAMS, read_pcap
from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import Node
from tests.bfd.frr import INSTALLED, Frr, frr_config

MULTIPLIER = 3
PAIRS = 4
"""Pairs of each kind at the same time: more would disturb each other."""
SETTLE_SECONDS = 1.2
"""From Up to the next cut: the intervals are agreed upon, and ours no longer wakes up for each packet."""
_numbers = itertools.count()
_OWN_STATE = re.compile(r"Entering (Up|Down) state")
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
    _changes: list[tuple[int, str]] = field(default_factory=list)
    _lines_read: int = 0

    def pause(self, seconds: float) -> None:
        wait([self.a, self.other], lambda: False, seconds)

    def up(self) -> int:
        """Sessions up according to the measured daemon's log."""
        ups = sum("Entering Up state" in line for _, line in self.a.lines)
        return ups - sum("Entering Down state" in line for _, line in self.a.lines)

    def own_changes(self) -> list[tuple[int, str]]:
        """When the measured daemon changed the state of its session, and to which."""
        for at, line in self.a.lines[self._lines_read :]:
            if state := _OWN_STATE.search(line):
                self._changes.append((at, state[1]))
        self._lines_read = len(self.a.lines)
        return self._changes

    @property
    def other_pid(self) -> int:
        """The BFD process of the other side."""
        return self.other.processes[-1].pid if isinstance(self.other, Frr) else self.other.process.pid

    def both(self, state: str) -> bool:
        """Whether this is the last state that both sides reported."""
        return all(changes and changes[-1][1] == state for changes in (self.own_changes(), self.other.changes))


def start_bird(host: Namespace, scratch: Path, config: str) -> Bird:
    file = scratch / "bird.conf"
    file.write_text(config)
    words = ["bird", "-f", "-c", str(file), "-s", f"{scratch}/bird.ctl", "-P", f"{scratch}/bird.pid"]
    return Bird(host.spawn(words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL))


@contextlib.contextmanager
def started(
    make: str, count: int, interval_ms: int, multiplier: int, other: str, extra: str = ""
) -> Iterator[Sessions]:
    """Both daemons started. FRR has one session at most; `extra` precedes the sessions of the measured one."""
    with (
        tempfile.TemporaryDirectory(prefix="pykeepalived-bench-") as scratch,
        network(f"pkbf{os.getpid() % 10000}x{next(_numbers)}") as net,
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
            yield Sessions(net, node, host_b, facing, Path(scratch))
        finally:
            node.kill()
            facing.kill()


# detection


def wait(readers: Sequence[Node | Bird | Frr], condition: Callable[[], bool], seconds: float) -> bool:
    """Read all these logs until the condition holds (True) or the time is over."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.fileno(), selectors.EVENT_READ, reader)
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(min(left, 0.02)):
                key.data.read()
    return True


@dataclass
class Cuts:
    """The life of one pair: up, cut, down on both sides, healed, up again.

    The switch is told by a process that waits for commands: to start one takes milliseconds, during which nobody would
    read what the other pairs log.
    """

    pair: Sessions
    left: int
    wait_ms: float
    captures: list[tuple[subprocess.Popen[bytes], Path]] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    """When it was cut."""
    _next: int | None = None
    _healed: bool = True
    _switch: subprocess.Popen[bytes] | None = None

    def forward(self, on: bool) -> None:
        """Let the switch pass or drop everything to and from the other host."""
        if self._switch is None:
            words = ["bridge", "-n", self.pair.net.lan, "-batch", "-"]
            self._switch = subprocess.Popen(words, stdin=subprocess.PIPE, bufsize=0)
        assert self._switch.stdin is not None
        port = self.pair.b.cables["eth0"]
        self._switch.stdin.write(f"link set dev {port} state {3 if on else 0}\n".encode())

    def capture(self) -> None:
        """What arrives on both hosts from now on."""
        self.forward(True)
        for name, host in (("a", self.pair.a.namespace), ("b", self.pair.b)):
            file = self.pair.directory / f"{name}.pcap"
            words = ["tcpdump", "-i", "eth0", "-w", str(file), "--time-stamp-precision=nano", "--immediate-mode", "-U"]
            process = host.spawn([*words, "-Q", "in", "udp port 3784"], stderr=subprocess.PIPE)
            assert process.stderr is not None
            while b"listening on" not in process.stderr.readline():
                if process.poll() is not None:
                    raise RuntimeError("tcpdump did not start")
            self.captures.append((process, file))

    def close(self) -> None:
        """End what still captures."""
        for process in [*(process for process, _ in self.captures), *filter(None, [self._switch])]:
            process.kill()
            process.wait()

    def step(self) -> bool:
        """Do what is due; whether all cuts are done."""
        now = time.monotonic_ns()
        if self._healed:
            if self.left and self.pair.both("Up"):
                self._next = self._next or now + int((SETTLE_SECONDS + random.random() * 0.2) * 1e9)
                if now >= self._next:
                    self.at.append(time.monotonic_ns())
                    self.forward(False)
                    self._next = now + int(self.wait_ms * 1e6)
                    self._healed = False
                    self.left -= 1
        elif self._next is not None and now >= self._next and self.pair.both("Down"):
            self.forward(True)
            self._next, self._healed = None, True
        return not self.left and self._healed

    def lateness_ms(self, limit_ms: float) -> tuple[list[float], list[float]]:
        """How long after the limit both sides reported each cut."""
        offset = time.time_ns() - time.monotonic_ns()
        both = []
        for (process, file), changes in zip(
            self.captures, (self.pair.own_changes(), self.pair.other.changes), strict=True
        ):
            process.send_signal(signal.SIGINT)
            process.wait(10)
            packets = [at - offset for at, _ in read_pcap(file)]
            late = []
            for cut, end in zip(self.at, [*self.at[1:], time.monotonic_ns()], strict=True):
                down = next((at for at, state in changes if cut < at < end and state == "Down"), None)
                last = max((at for at in packets if down is not None and at < down), default=None)
                if down is not None and last is not None:
                    late.append((down - last) / 1e6 - limit_ms)
            both.append(late)
        return both[0], both[1]


def detection(interval_ms: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds beyond the limit for each of the four programs."""
    limit = MULTIPLIER * interval_ms
    found: dict[str, list[float]] = {"ours": [], "theirs": [], "bird": [], "frr": []}
    facing = {"ours": "bird", "theirs": "frr" if INSTALLED else "bird"}
    with contextlib.ExitStack() as stack, stamping():
        named = []
        for make in ("ours", "theirs") * PAIRS:
            pair = stack.enter_context(started(make, 1, interval_ms, MULTIPLIER, facing[make]))
            named.append((make, Cuts(pair, -(-rounds // PAIRS), limit * 1.2 + 50)))
            stack.callback(named[-1][1].close)
        pairs = [cuts.pair for _, cuts in named]
        readers = [reader for pair in pairs for reader in (pair.a, pair.other)]
        if not wait(readers, lambda: all(pair.both("Up") for pair in pairs), 30):
            raise RuntimeError("not all sessions are up")
        for _, cuts in named:
            cuts.capture()
        if not wait(readers, lambda: sum(not cuts.step() for _, cuts in named) == 0, 20 + 6 * rounds):
            raise RuntimeError("a session did not come back")
        for make, cuts in named:
            own, other = cuts.lateness_ms(limit)
            found[make] += own
            found[facing[make]] += other
    return found


@contextlib.contextmanager
def stamping() -> Iterator[None]:
    """Read logs without waiting for the processor: the stamps are the measurement. Children are not affected."""
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(60))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


# CPU


def datagrams(host: Namespace) -> int:
    """UDP datagrams received and sent by a host so far."""
    rows = [line.split() for line in host.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:")]
    named = dict(zip(rows[0], rows[1], strict=True))
    return int(named["InDatagrams"]) + int(named["OutDatagrams"])


def cpu_per_packet(make: str, count: int, interval_ms: int, seconds: float) -> float:
    """Microseconds of CPU of the BFD process per packet, sent or received, x 5."""
    with started(make, count, interval_ms, 5, "bird") as pair:
        if not wait([pair.a, pair.other], lambda: pair.up() == count, 30):
            raise RuntimeError(f"{pair.up()} of {count} sessions are up")
        pair.pause(2)
        pid = pair.a.pid_of("bfd")
        used, packets = cpu_ns(pid), datagrams(pair.a.namespace)
        pair.pause(seconds)
        return (cpu_ns(pid) - used) / 1000 / (datagrams(pair.a.namespace) - packets)


def measure(rounds: int) -> list[Row]:
    """Detection, then CPU. BIRD stands in the column of ours and FRR in keepalived's: those were their neighbors."""
    rows = []
    for interval in (10, 50, 300):
        late = detection(interval, rounds)
        title = f"{interval} ms x {MULTIPLIER}"
        row = Row(
            f"{title}: Down reported after the limit ({MULTIPLIER * interval} ms)", "ms", late["ours"], late["theirs"]
        )
        if interval == 10:
            row.budget = "median <= 0.5, worst <= 2"
        rows += [row, percentile(row), Row(f"{title}: BIRD | FRR", "ms", late["bird"], late["frr"])]
        rows.append(percentile(rows[-1]))
    for interval in (10, 50):
        for count in (1, 64, 256):
            cpu = Row(f"CPU per packet, {count} sessions at {interval} ms", "us")
            cpu.ours.append(cpu_per_packet("ours", count, interval, 2))
            cpu.theirs.append(cpu_per_packet("theirs", count, interval, 2))
            rows.append(cpu)
    return rows


def percentile(row: Row) -> Row:
    """The 99th of both columns."""
    ours, theirs = ([quantile(each, 0.99)] if each else [] for each in (row.ours, row.theirs))
    return Row(f"{row.what}, p99", row.unit, ours, theirs)


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30)))
