"""Cost and punctuality of the event loop: `python -m bench.loop [--seconds S] [--rr]`.

Prints microseconds of CPU time per event and percentiles of timer lateness. Use the numbers as ratios on one machine.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import time
from collections.abc import Callable

from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.scheduling import exact_timers


def cpu_us(work: Callable[[], int]) -> float:
    """CPU microseconds per unit of work; `work` returns how many units it did."""
    begin = time.process_time_ns()
    units = work()
    return (time.process_time_ns() - begin) / 1000 / units


def move_cost(moves: int = 300_000) -> float:
    """Hearing an advert: a timer among 1,000 moves to a later time."""
    loop = Loop()
    timers = [loop.call_at(loop.now() + 10**12 + n, lambda: None) for n in range(1000)]
    base = loop.now() + 10**12

    def work() -> int:
        for number in range(moves):
            timers[number % 1000].move(base + 10_000 + number)
        return moves

    cost = cpu_us(work)
    loop.close()
    return cost


def dispatch_cost(rounds: int = 30_000) -> float:
    """One readable descriptor from the kernel to its callback, with a distant deadline armed; the read not counted."""
    loop = Loop()
    ours, theirs = socket.socketpair()
    counter = [0]

    def read() -> None:
        counter[0] += 1
        if counter[0] == rounds:
            loop.stop()

    loop.add_reader(ours, read)
    loop.call_at(loop.now() + 50_000_000_000, lambda: None)
    theirs.send(b"x")

    def work() -> int:
        loop.run()
        return rounds

    cost = cpu_us(work)
    loop.close()
    ours.close()
    theirs.close()
    return cost


def lateness(timers: int, interval_ns: int, seconds: float) -> tuple[list[int], float]:
    """`timers` periodic timers at random phases, each due at its last due time plus the interval."""
    loop = Loop()
    late: list[int] = []
    rng = random.Random(1)
    end = loop.now() + int(seconds * 1e9)

    def start(phase: int) -> None:
        due = [loop.now() + phase]

        def fire() -> None:
            late.append(loop.now() - due[0])
            due[0] += interval_ns
            timer.move(due[0])

        timer = loop.call_at(due[0], fire)

    for _ in range(timers):
        start(rng.randrange(interval_ns))
    loop.call_at(end, loop.stop)

    def work() -> int:
        loop.run()
        return len(late)

    cost = cpu_us(work)
    loop.close()
    return sorted(late), cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rr", action="store_true", help="run with SCHED_RR priority 10")
    options = parser.parse_args()
    if options.rr:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    exact_timers()
    print(f"move a timer to later          {move_cost():8.2f} us")
    print(f"dispatch a readable descriptor {dispatch_cost():8.2f} us")
    print("timers x interval      p50       p99       max  (us late)   CPU us per fire")
    for timers, interval_ms in ((1, 10), (10, 100), (255, 100), (1000, 100), (255, 1000)):
        late, cost = lateness(timers, interval_ms * 1_000_000, options.seconds)
        p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
        row = f"{timers:5d} x {interval_ms:4d} ms {p50 / 1000:12.1f} {p99 / 1000:9.1f} {late[-1] / 1000:9.1f}"
        print(f"{row} {cost:18.1f}")


if __name__ == "__main__":
    main()
