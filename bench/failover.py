"""Failover: how long beyond the protocol's limit until the other node advertises, by the wire.

SIGKILL of the whole daemon, SIGTERM, and SIGKILL of the VRRP child alone. `python -m bench.failover [ROUNDS]`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from bench.figures import Row, markdown
from bench.rig import Rig, instances, rig

INTERVAL_MS, PRIORITY_A, PRIORITY_B = 100.0, 150, 100
SKEW_MS = (256 - PRIORITY_B) * INTERVAL_MS / 256
LIMIT_MS = 3 * INTERVAL_MS + SKEW_MS


def crash(rig_: Rig, advert: Row | None, arp: Row | None, which: str) -> None:
    """kill -9 of the master: first advert and first ARP of the other node after the limit."""
    capture = rig_.capture()
    rig_.pause(0.5 + random.random() * 0.1)
    rig_.a.kill()
    rig_.wait(lambda: "MASTER" in rig_.b.states.values(), 10)
    rig_.pause(0.2)
    adverts, arps = capture.stop()
    last = max(item.at for item in adverts if item.host == "a")
    first = min(item.at for item in adverts if item.host == "b")
    first_arp = min(item.at for item in arps if item.host == "b" and item.at >= first)
    if advert and arp:
        getattr(advert, which).append((first - last) / 1e6 - LIMIT_MS)
        getattr(arp, which).append((first_arp - last) / 1e6 - LIMIT_MS)


def terminate(rig_: Rig, zero: Row, gone: Row, silence: Row, which: str) -> None:
    """SIGTERM of the master: to its priority 0 advert, to its exit, and what the other node takes beyond its skew."""
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
    getattr(zero, which).append((farewell - at) / 1e6)
    getattr(gone, which).append((end - begin) / 1e6)
    getattr(silence, which).append((first - farewell) / 1e6 - SKEW_MS)


def child_killed(rig_: Rig, row: Row, which: str) -> None:
    """SIGKILL of the VRRP child alone: silence on the wire until anybody advertises again."""
    capture = rig_.capture()
    rig_.pause(0.5 + random.random() * 0.1)
    at = time.time_ns()
    os.kill(rig_.a.pid_of("vrrp"), signal.SIGKILL)
    rig_.pause(0.8)
    adverts, _ = capture.stop()
    getattr(row, which).append((min(item.at for item in adverts if item.at > at) - at) / 1e6)


def measure(rounds: int) -> list[Row]:
    """All rows, ours and theirs in turn."""
    advert = Row("crash: first advert after the limit", "ms", budget="median <= 0.5, worst <= keepalived's")
    arp = Row("crash: first gratuitous ARP after the limit", "ms")
    zero = Row("SIGTERM: to the priority 0 advert", "ms", budget="<= 0.5")
    gone = Row("SIGTERM: to the end of the process", "ms", budget="<= 100")
    silence = Row("SIGTERM: other node's advert beyond its skew time", "ms")
    child = Row("VRRP child killed: to the next advert", "ms", budget="<= 15")
    config_a = instances(1, PRIORITY_A, INTERVAL_MS / 1000)
    config_b = instances(1, PRIORITY_B, INTERVAL_MS / 1000)
    for _ in range(rounds):
        for which in ("ours", "theirs"):
            for step in ("crash", "terminate", "child"):
                with rig(which, config_a, config_b) as pair:
                    pair.a.start()
                    pair.b.start()
                    pair.wait(lambda pair=pair: "MASTER" in pair.a.states.values(), 15)  # type: ignore[misc]
                    if step == "crash":
                        crash(pair, advert, arp, which)
                    elif step == "terminate":
                        terminate(pair, zero, gone, silence, which)
                    else:
                        child_killed(pair, child, which)
    return [advert, arp, zero, gone, silence, child]


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
