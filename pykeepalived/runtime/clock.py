"""How time is read and how it passes while nothing happens. The loop above knows nothing else of clocks.

`MonotonicClock` is the machine's; `VirtualClock` never sleeps, it jumps to the next deadline, so that tests of days
take milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from typing import Protocol

_CLOCK_MONOTONIC, _TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = 1, os.O_NONBLOCK, os.O_CLOEXEC, 1


class Clock(Protocol):
    """Monotonic nanoseconds, and a way to sleep that a readable descriptor ends."""

    def now(self) -> int: ...

    def wait(self, epoll: select.epoll, deadline: int | None) -> list[tuple[int, int]]:
        """Sleep until a descriptor of `epoll` is ready or `deadline` has come; return the epoll events, if any."""

    def close(self) -> None:
        """Give back descriptors."""


_ITIMERSPEC = struct.Struct("@4l")
"""Interval and moment, each in seconds and nanoseconds."""


class MonotonicClock:
    """CLOCK_MONOTONIC. Sleeps end at the nanosecond asked for, as far as the kernel gets to it.

    epoll itself counts milliseconds, so the deadline is a descriptor too (timerfd_create(2)), set when the deadline is
    another one than before and reported by its edge, so that it need not be read. A sleep is then one system call.
    Setting it is the most expensive step of a short wake-up: it neither gives up the interpreter lock nor looks for an
    error that cannot be. Serves one epoll. Raises OSError when it can have no descriptor.
    """

    now = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._fd: int = library.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._set = ctypes.PyDLL(None).timerfd_settime
        self._spec = ctypes.create_string_buffer(_ITIMERSPEC.size)
        self._armed = 0
        self._watched = False

    def wait(self, epoll: select.epoll, deadline: int | None) -> list[tuple[int, int]]:
        if deadline is None:
            return epoll.poll()
        if deadline <= time.monotonic_ns():
            return epoll.poll(0)
        if deadline != self._armed:
            self._arm(epoll, deadline)
        return epoll.poll()

    def _arm(self, epoll: select.epoll, deadline: int) -> None:
        if not self._watched:
            epoll.register(self._fd, select.EPOLLIN | select.EPOLLET)
            self._watched = True
        self._armed = deadline
        _ITIMERSPEC.pack_into(self._spec, 0, 0, 0, deadline // 1_000_000_000, deadline % 1_000_000_000)
        self._set(self._fd, _TFD_TIMER_ABSTIME, self._spec, None)

    def close(self) -> None:
        os.close(self._fd)


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

    def close(self) -> None:
        """There is nothing to give back."""
