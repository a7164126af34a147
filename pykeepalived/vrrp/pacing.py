"""Spreading the adverts of many masters over the interval, so that they do not all leave in one burst.

A burst of hundreds fills the receive buffers of the others and makes each of its adverts wait for those ahead of it.
Sending is instance.py.
"""

from __future__ import annotations

BUNCH = 16
"""Adverts that may leave at the same moment: enough to be worth one system call."""
STEP_NS = 1_000_000
"""Distance of two bunches."""


class Pacer:
    """Counts who wants the same moment. Made for instances that became MASTER together: to be asked once by each."""

    __slots__ = ("_count", "_moment")

    def __init__(self) -> None:
        self._moment = 0
        self._count = 0

    def shift(self, moment: int, interval_ns: int) -> int:
        """How much earlier than an interval after `moment` the next advert should leave: nothing for the first BUNCH
        that ask, a STEP_NS more for each further bunch, at most half of the interval."""
        if moment != self._moment:
            self._moment, self._count = moment, 0
        bunch, self._count = self._count // BUNCH, self._count + 1
        return min(bunch * STEP_NS, interval_ns // 2)
