"""A real flood of bad datagrams, as fast as one sender can: timers go on, the session stays, each one is counted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pykeepalived.lab.net import Namespace
from pykeepalived.lab.node import OURS, Node
from tests.bfd import flooder
from tests.bfd.neighbors import Line, downs, line, ours, state
from tests.bfd.pcap import read
from tests.observe.test_metrics import parse

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

INTERVAL_MS, DETECTION_NS = 100, 300_000_000
REAL_TIME = "global_defs {\n bfd_rt_priority 50\n}\n"
SECONDS = 1.5
A_SECOND = 100_000
FEWEST = 5000
STRAY = 200
"""Packets of the session itself that come while two counters are read."""


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def counted(node: Node) -> tuple[int, int]:
    """Datagrams that the daemon heard, and those that it discarded or that the kernel dropped in its place."""
    assert node.process is not None
    words = [*OURS, "metrics", "--main-pid", str(node.process.pid)]
    text = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    figures = {name.removeprefix("keepalived_"): value for (name, _), value in parse(text).items()}
    unused = sum(
        value
        for name, value in figures.items()
        if name.startswith("process_bfd_discarded_") or name == "process_bfd_dropped_by_kernel_total"
    )
    return int(figures["bfd_packets_received_total"]), int(unused)


def arrived(host: Namespace) -> int:
    """UDP datagrams that reached a socket of this host, read or not."""
    rows = [row.split() for row in host.run("cat", "/proc/net/snmp").splitlines() if row.startswith("Udp:")]
    named = dict(zip(rows[0], rows[1], strict=True))
    return int(named["InDatagrams"]) + int(named["InErrors"])


@pytest.mark.keyword("global_defs/bfd_rt_priority")
@pytest.mark.parametrize(
    ("scheduling", "kind"),
    [pytest.param(REAL_TIME, kind, id=f"real-time-{kind}") for kind in flooder.KINDS]
    + [pytest.param("", "random", id="normal-random")],
)
def test_a_flood_costs_neither_the_session_nor_the_process(lan: Line, scheduling: str, kind: str) -> None:
    """A real-time process that never slept would be killed by its rlimit_rttime. The other side has real-time priority
    in any case: the flood comes from its host and must not keep it from sending."""
    real_time = bool(scheduling)
    lan.b.ip("addr", "add", f"{flooder.STRANGER}/24", "dev", "eth0")
    other = lan.daemon("b", REAL_TIME + ours("10.99.0.1", "10.99.0.2", interval=INTERVAL_MS))
    node = lan.daemon("a", scheduling + ours(interval=INTERVAL_MS))
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    pid = node.pid_of("bfd")
    lan.pause(1.5)
    lost = len(downs(node))
    heard, unused = counted(node)
    before = arrived(lan.a)
    packets = lan.directory / "own.pcap"
    filter_words = ["-Q", "in", "udp port 3784 and src host 10.99.0.1"]
    capture = lan.b.spawn(
        ["tcpdump", "-i", "eth0", "-w", str(packets), "--immediate-mode", "-U", *filter_words], stderr=subprocess.PIPE
    )
    assert capture.stderr is not None and b"listening on" in capture.stderr.readline()
    flood = lan.b.spawn(["python3", flooder.__file__, "10.99.0.1", kind, str(SECONDS)], stdout=subprocess.PIPE)
    lan.pause(SECONDS + 0.5)
    sent = int(flood.communicate(timeout=30)[0])
    capture.send_signal(signal.SIGINT)
    capture.wait(10)
    assert sent > A_SECOND * SECONDS
    assert node.pid_of("bfd") == pid, lan.log()
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    came = arrived(lan.a) - before
    now_heard, now_unused = counted(node)
    assert FEWEST < now_unused - unused < sent + STRAY
    assert abs(came - (now_heard - heard) - (now_unused - unused)) < STRAY
    assert node.said("Too many packets discarded"), lan.log()
    if real_time:
        assert len(downs(node)) == lost, lan.log()
        times = [item.at for item in read(str(packets))]
        assert max(later - earlier for earlier, later in pairwise(times)) < DETECTION_NS, times
    assert os.sched_getscheduler(pid) & 0xFF == (os.SCHED_RR if real_time else os.SCHED_OTHER)


def test_a_flood_is_logged_as_far_as_anybody_wants_to_read_it(lan: Line) -> None:
    node = lan.daemon("a", ours())
    assert lan.wait(lambda: node.said("Startup complete")), lan.log()
    flood = lan.b.spawn(["python3", flooder.__file__, "10.99.0.1", "random", "1"], stdout=subprocess.DEVNULL)
    assert lan.wait(lambda: node.said("Discarding bogus packet from [10.99.0.2]")), lan.log()
    flood.wait(30)
    assert 0 < sum("Discarding bogus packet" in text for _, text in node.lines) <= 300
