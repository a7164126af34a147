"""Signals that come while the daemon starts: SIGTERM leads to an orderly end, whenever it comes, and SIGHUP to none."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, instance
from tests.netns.faults import Traces, processes

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

CONFIG = (
    instance(255, "use_vmac\n  no_accept")
    + instance(255, name="VI_2", vrid=52, vip="192.0.2.101/32")
    + """bfd_instance peer {
  neighbor_ip 192.0.2.9
  source_ip 192.0.2.1
}
virtual_server 192.0.2.100 80 {
  real_server 192.0.2.9 80 {
    TCP_CHECK {
    }
  }
}
"""
)
TERM, QUIT = 1 << (signal.SIGTERM - 1), 1 << (signal.SIGQUIT - 1)
ROUNDS = 100
LONGEST_S = 0.4


def began(node: Node) -> bool:
    """Start the daemon and wait until the first of our code has run: before that nothing can be done. Returns whether
    it was seen that early: when the signal waits, and nothing is there to handle it."""
    node.start()
    assert node.process is not None
    end = time.monotonic() + 60
    while True:
        assert time.monotonic() < end
        text = Path(f"/proc/{node.process.pid}/status").read_text()
        blocked, handled = (int(text.partition(f"{name}:\t")[2].split()[0], 16) for name in ("SigBlk", "SigCgt"))
        # where the C library holds everything for an instant, SIGQUIT is held too
        held = bool(blocked & TERM) and not blocked & QUIT
        if held or handled & TERM:
            return held
        time.sleep(0.001)


def test_stop_at_any_moment_of_the_start(lan: Lan) -> None:
    node = lan.host(CONFIG)
    before, draw = Traces.of(node), random.Random(1)
    early = masters = 0
    for number in range(ROUNDS):
        moment = draw.uniform(0, LONGEST_S)
        early += began(node)
        lan.pause(moment)
        node.signal(signal.SIGHUP)
        node.signal(signal.SIGTERM)
        lan.wait(lambda: not node.alive, 60)
        assert node.process is not None
        assert node.process.returncode == 0, f"round {number}, {moment:.3f} s\n{lan.log()}"
        assert processes(node) == []
        assert not list(node.directory.glob("*.pid"))
        assert Traces.of(node) == before, lan.log()
        masters += node.said("Entering MASTER STATE")
        node.lines.clear()
    assert early > ROUNDS // 2
    assert 0 < masters < ROUNDS, "some stops came before the first state, others later"


def test_a_reload_that_is_asked_for_at_once_follows_the_start(lan: Lan) -> None:
    node = lan.host(instance(255))
    assert began(node)
    node.signal(signal.SIGHUP)
    lan.wait(lambda: node.said("Reload complete"))
    lines = [line for _, line in node.lines]
    assert lines.index("Startup complete") < lines.index("Reloading ...") < lines.index("Reload complete")
    assert node.stop() == 0
