"""VRRP with the help of BFD: from a silent cut to the other director's first advert. `python -m bench.bfd_failover`.

The switch takes 1 to 100 ms until it cuts, so the time counts from the last BFD packet that it let through: that is
before the cut, never after it.

The backup is the owner of the address (priority 255, state MASTER) and at fault as long as its BFD session with the
master is up (`track_bfd` with `reverse`): when the session is lost it is master without waiting for the advert timer.
"""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench.figures import Row, markdown
from bench.rig import Rig, rig

INTERVAL_MS, MULTIPLIER = 10, 3
SETTLE_SECONDS = 1.5
_REAL_TIME = "global_defs {\n vrrp_rt_priority 50\n bfd_rt_priority 50\n}\n"


def director(own: int, priority: int, state: str = "BACKUP", tracking: str = "") -> str:
    """One of two directors: 192.0.2.1 and 192.0.2.2."""
    return (
        f"{_REAL_TIME}bfd_instance b1 {{\n neighbor_ip 192.0.2.{3 - own}\n source_ip 192.0.2.{own}\n"
        f" min_rx {INTERVAL_MS}\n min_tx {INTERVAL_MS}\n multiplier {MULTIPLIER}\n}}\n"
        f"vrrp_instance V {{\n state {state}\n interface eth0\n virtual_router_id 51\n"
        f" priority {priority}\n {tracking}\n virtual_ipaddress {{\n  192.0.2.100/32\n }}\n}}\n"
    )


MASTER = director(1, 150)
BACKUP = director(2, 255, "MASTER", "track_bfd {\n  b1 weight 0 reverse\n }")
ALONE = director(2, 100)
"""A backup without BFD has its advert timer only."""


def ready(pair: Rig) -> bool:
    """The master is master, and the backup waits with its session up."""
    return pair.a.states.get("V") == "MASTER" and pair.b.states.get("V") in ("FAULT", "BACKUP")


def cut(pair: Rig) -> float | None:
    """Milliseconds from the last packet let through to the first advert of the other director; None if it was no longer
    waiting."""
    capture = pair.capture()
    pair.pause(0.5 + random.random() * INTERVAL_MS / 1000)
    waited = ready(pair)
    at = time.time_ns()
    pair.a.namespace.forward("eth0", False)
    pair.wait(lambda: pair.b.states.get("V") == "MASTER", 20)
    pair.pause(0.2)
    adverts, _ = capture.stop()
    first = min((item.at for item in adverts if item.host == "b" and item.priority and item.at > at), default=None)
    if not waited or first is None:
        return None
    return (first - max((passed for passed in capture.passed.get("a", ()) if passed < first), default=at)) / 1e6


def takeover(make: str, backup: str, rounds: int, samples: list[float]) -> None:
    """Cut so often. On a busy machine the session may be lost without a cut: such rounds do not count."""
    with rig(make, MASTER, backup) as pair:
        pair.a.start()
        pair.b.start()
        for _ in range(2 * rounds):
            pair.wait(lambda: ready(pair), 30)
            pair.pause(SETTLE_SECONDS)
            took = cut(pair)
            pair.a.namespace.forward("eth0", True)
            if took is not None:
                samples.append(took)
            if len(samples) == rounds:
                return


def measure(rounds: int) -> list[Row]:
    with_bfd = Row(
        f"last packet before a cut to the other director's advert, BFD {INTERVAL_MS} ms x {MULTIPLIER}",
        "ms",
        budget="< 60",
    )
    without = Row("the same with the advert timer of 1 s alone", "ms")
    # both makes at the same time, each in networks of its own: mostly they wait, keepalived for its advert timer
    with ThreadPoolExecutor() as pool:
        for row, backup, times in ((with_bfd, BACKUP, {"ours": rounds, "theirs": rounds // 2}), (without, ALONE, {})):
            done = [
                pool.submit(takeover, make, backup, times.get(make, 1), getattr(row, make))
                for make in ("ours", "theirs")
            ]
            for each in done:
                each.result()
    return [with_bfd, without]


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10)))
