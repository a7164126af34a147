"""Failover: how long beyond the protocol's limit until the other node advertises, by the wire.

SIGKILL of the whole daemon, SIGTERM, a preferred master that comes back, and SIGKILL of the VRRP child alone; what a
third host loses that pings the address every millisecond. `python -m bench.failover [ROUNDS]`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from bench.figures import Row, markdown
from bench.rig import Rig, instances, rig

INTERVAL_MS, PRIORITY_A, PRIORITY_B = 100.0, 150, 100
SKEW_MS = (256 - PRIORITY_B) * INTERVAL_MS / 256
LIMIT_MS = 3 * INTERVAL_MS + SKEW_MS


VIP = "10.1.0.1"


@dataclass
class Rows:
    """All rows of the subject."""

    advert: Row = field(
        default_factory=lambda: Row(
            "crash: first advert after the limit", "ms", budget="median <= 0.5, worst <= keepalived's"
        )
    )
    arp: Row = field(default_factory=lambda: Row("crash: first gratuitous ARP after the limit", "ms"))
    crash_pings: Row = field(
        default_factory=lambda: Row(f"crash: pings lost, one a millisecond (limit {LIMIT_MS:.0f})", "")
    )
    zero: Row = field(default_factory=lambda: Row("SIGTERM: to the priority 0 advert", "ms", budget="<= 0.5"))
    gone: Row = field(default_factory=lambda: Row("SIGTERM: to the end of the process", "ms", budget="<= 100"))
    silence: Row = field(default_factory=lambda: Row("SIGTERM: other node's advert beyond its skew time", "ms"))
    stop_pings: Row = field(default_factory=lambda: Row("SIGTERM: pings lost, one a millisecond", ""))
    preempt: Row = field(
        default_factory=lambda: Row("preemption: old master's last to new master's first advert", "ms")
    )
    preempt_pings: Row = field(default_factory=lambda: Row("preemption: pings lost, one a millisecond", ""))
    child: Row = field(default_factory=lambda: Row("VRRP child killed: to the next advert", "ms", budget="<= 15"))


@dataclass
class Pings:
    """What the third host heard: monotonic ns of every reply."""

    replies: list[int] = field(default_factory=list)

    def lost(self) -> int:
        """Pings without a reply in the longest gap; at one a millisecond that is its length less one."""
        return max(0, round(max(b - a for a, b in itertools.pairwise(self.replies)) / 1e6) - 1)


@contextlib.contextmanager
def pinging(rig_: Rig, seconds: float) -> Iterator[Pings]:
    """Ping the address from the third host every millisecond for that long; the result is there at the end."""
    found = Pings()
    words = [sys.executable, "-m", "pykeepalived.lab.probe", "1", str(seconds), VIP]
    client = rig_.client().spawn(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield found
        output, _ = client.communicate(timeout=seconds + 10)
        found.replies += [int(line.split()[0]) for line in output.decode().splitlines()]
    finally:
        client.kill()
        client.wait(5)


def crash(rig_: Rig, rows: Rows, which: str) -> None:
    """The master's machine dies: first advert and first ARP of the other node after the limit."""
    with pinging(rig_, 2.5) as pings:
        capture = rig_.capture()
        rig_.pause(0.5 + random.random() * 0.1)
        rig_.a.kill()
        rig_.a.namespace.forward("eth0", False)
        rig_.wait(lambda: "MASTER" in rig_.b.states.values(), 10)
        rig_.pause(0.2)
        adverts, arps = capture.stop()
    last = max(item.at for item in adverts if item.host == "a")
    first = min(item.at for item in adverts if item.host == "b")
    first_arp = min(item.at for item in arps if item.host == "b" and item.at >= first)
    getattr(rows.advert, which).append((first - last) / 1e6 - LIMIT_MS)
    getattr(rows.arp, which).append((first_arp - last) / 1e6 - LIMIT_MS)
    getattr(rows.crash_pings, which).append(pings.lost())


def terminate(rig_: Rig, rows: Rows, which: str) -> None:
    """SIGTERM of the master: to its priority 0 advert, to its exit, and what the other node takes beyond its skew."""
    with pinging(rig_, 2.5) as pings:
        capture = rig_.capture()
        rig_.pause(0.5 + random.random() * 0.1)
        assert rig_.a.process is not None
        at, begin = time.time_ns(), time.monotonic_ns()
        rig_.a.process.send_signal(signal.SIGTERM)
        rig_.a.process.wait(10)
        end = time.monotonic_ns()
        rig_.wait(lambda: "MASTER" in rig_.b.states.values(), 10)
        rig_.pause(0.1)
        adverts, _ = capture.stop()
    farewell = min(item.at for item in adverts if item.host == "a" and item.priority == 0)
    first = min(item.at for item in adverts if item.host == "b")
    getattr(rows.zero, which).append((farewell - at) / 1e6)
    getattr(rows.gone, which).append((end - begin) / 1e6)
    getattr(rows.silence, which).append((first - farewell) / 1e6 - SKEW_MS)
    getattr(rows.stop_pings, which).append(pings.lost())


def preempted(rig_: Rig, rows: Rows, which: str) -> None:
    """The preferred master comes back while the other one is master."""
    with pinging(rig_, 4) as pings:
        capture = rig_.capture()
        rig_.a.start()
        rig_.wait(lambda: "MASTER" in rig_.a.states.values(), 10)
        rig_.pause(0.5)
        adverts, _ = capture.stop()
    first = min(item.at for item in adverts if item.host == "a")
    last = max((item.at for item in adverts if item.host == "b" and item.at < first), default=first)
    getattr(rows.preempt, which).append((first - last) / 1e6)
    getattr(rows.preempt_pings, which).append(pings.lost())


def child_killed(rig_: Rig, rows: Rows, which: str) -> None:
    """SIGKILL of the VRRP child alone: silence on the wire until anybody advertises again."""
    capture = rig_.capture()
    rig_.pause(0.5 + random.random() * 0.1)
    at = time.time_ns()
    os.kill(rig_.a.pid_of("vrrp"), signal.SIGKILL)
    rig_.pause(0.8)
    adverts, _ = capture.stop()
    getattr(rows.child, which).append((min(item.at for item in adverts if item.at > at) - at) / 1e6)


def measure(rounds: int) -> list[Row]:
    """All rows, ours and theirs in turn."""
    rows = Rows()
    config_a = instances(1, PRIORITY_A, INTERVAL_MS / 1000)
    config_b = instances(1, PRIORITY_B, INTERVAL_MS / 1000)
    for _ in range(rounds):
        for which in ("ours", "theirs"):
            for step in (crash, terminate, child_killed, preempted):
                with rig(which, config_a, config_b) as pair:
                    pair.a.start()
                    pair.b.start()
                    pair.wait(lambda pair=pair: "MASTER" in pair.a.states.values(), 15)  # type: ignore[misc]
                    if step is preempted:
                        pair.a.stop()
                        pair.wait(lambda pair=pair: "MASTER" in pair.b.states.values(), 15)  # type: ignore[misc]
                    step(pair, rows, which)
    return [getattr(rows, each.name) for each in fields(rows)]


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
