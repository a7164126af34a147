"""When a packet came is what the kernel says, however late a settled session has it read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rig import read_pcap
from pykeepalived.lab.node import OURS
from tests.bfd.neighbors import Line, line, ours, state

pytestmark = [pytest.mark.netns, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

REAL_TIME = "global_defs {\n bfd_rt_priority 50\n}\n"
INTERVAL_MS = 200
CLOSE_NS = 20_000_000
"""A tenth of the interval."""


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def test_recorded_moments_are_those_of_the_kernel(lan: Line) -> None:
    other = lan.daemon("b", REAL_TIME + ours("10.99.0.1", "10.99.0.2", interval=INTERVAL_MS))
    node = lan.daemon("a", REAL_TIME + ours(interval=INTERVAL_MS))
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    lan.pause(2.5)
    packets, record = lan.directory / "in.pcap", lan.directory / "bfd.record"
    words = ["tcpdump", "-i", "eth0", "-w", str(packets), "--time-stamp-precision=nano", "--immediate-mode", "-U"]
    capture = lan.a.spawn([*words, "-Q", "in", "udp port 3784"], stderr=subprocess.PIPE)
    assert capture.stderr is not None and b"listening on" in capture.stderr.readline()
    lan.pause(3)
    capture.send_signal(signal.SIGINT)
    capture.wait(10)
    lan.pause(1)
    assert node.process is not None
    words = [*OURS, "record", str(record), "--process", "bfd", "--main-pid", str(node.process.pid)]
    subprocess.run(words, check=True, timeout=60, capture_output=True)
    assert lan.wait(lambda: record.exists() and record.read_text().endswith("\n")), lan.log()
    heard = [entry["at"] for entry in map(json.loads, record.read_text().splitlines()) if "heard" in entry]
    offset = time.time_ns() - time.monotonic_ns()
    came = [at - offset for at, _ in read_pcap(packets)]
    assert len(came) > 10
    distances = [min(abs(at - moment) for moment in heard) for at in came]
    assert sorted(distances)[-2] < CLOSE_NS, distances
