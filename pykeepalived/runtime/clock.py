"""How time is read and how it passes while nothing happens. The loop above knows nothing else of clocks.

`MonotonicClock` is the machine's; `VirtualClock` never sleeps, it jumps to the next deadline, so that tests of days
take milliseconds.
"""

from __future__ import annotations

import select
import time
from typing import Protocol

EXACT_BELOW_NS = 100_000_000
"""Sleeps shorter than this are exact (two system calls); longer ones are rounded up to a millisecond (one call)."""

_FD_SETSIZE = 1024


class Clock(Protocol):
    """Monotonic nanoseconds, and a way to sleep that a readable descriptor ends."""

    def now(self) -> int: ...

    def wait(self, epoll: select.epoll, deadline: int | None) -> list[tuple[int, int]]:
        """Sleep until a descriptor of `epoll` is ready or `deadline` has come; return the epoll events, if any."""


class MonotonicClock:
    """CLOCK_MONOTONIC. Timers wake within the kernel's timer slack (see scheduling.exact_timers)."""

    now = staticmethod(time.monotonic_ns)

    def wait(self, epoll: select.epoll, deadline: int | None) -> list[tuple[int, int]]:
        if deadline is None:
            return epoll.poll()
        remaining = deadline - time.monotonic_ns()
        if remaining <= 0:
            return epoll.poll(0)
        if remaining >= EXACT_BELOW_NS or epoll.fileno() >= _FD_SETSIZE:
            # epoll waits whole milliseconds, rounded up: wake early and let the exact sleep below do the rest.
            return epoll.poll(max(remaining - 1_000_000, 1_000_000) / 1e9)
        ready, _, _ = select.select((epoll,), (), (), remaining / 1e9)
        return epoll.poll(0) if ready else []


class VirtualClock:
    """A clock that stands still until the loop has nothing to do, then jumps to the deadline."""

    def __init__(self, start: int = 1_000_000_000) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    def advance(self, nanoseconds: int) -> None:
        """Let time pass, as a stalled machine would."""
        self._now += nanoseconds

    def wait(self, epoll: select.epoll, deadline: int | None) -> list[tuple[int, int]]:
        events = epoll.poll(0)
        if events:
            return events
        if deadline is None:
            raise RuntimeError("virtual time cannot pass: nothing is due and no descriptor is ready")
        self._now = max(self._now, deadline)
        return []
