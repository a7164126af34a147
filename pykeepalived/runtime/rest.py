"""Sleeping a moment in a process of the real-time class that has too much to do ever to sleep.

The kernel kills such a process when it has worked for RLIMIT_RTTIME without a sleep (setrlimit(2)).
"""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY_AT_MOST_NS = 1_000_000
NAP_SECONDS = 0.00005
_NO_SLEEP_NS = 20_000
"""Work that begins this soon after the last is taken to follow it without a sleep."""


class Rest:
    """Naps after each millisecond of work without a pause, while `needed`. What arrives meanwhile waits in sockets."""

    __slots__ = ("_busy_since", "_now", "_sleep", "_worked_until", "needed")

    def __init__(self, now: Callable[[], int], sleep: Callable[[float], object] = time.sleep) -> None:
        self.needed = False
        self._now = now
        self._sleep = sleep
        self._busy_since = 0
        self._worked_until = 0

    def after(self, begin: int) -> None:
        """A piece of work that began at this moment is done: nap if it was one too many."""
        if not self.needed:
            return
        if begin - self._worked_until > _NO_SLEEP_NS:
            self._busy_since = begin
        now = self._now()
        if now - self._busy_since > BUSY_AT_MOST_NS:
            self._sleep(NAP_SECONDS)
            now = self._busy_since = self._now()
        self._worked_until = now
