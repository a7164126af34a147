"""When each timed checker runs next: the heap of due times and what starting and ending an attempt does to it. Pure.

Shared by the IPVS core, for the checkers of its own process, and by the check workers (shard.py).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from pykeepalived.ipvs.checks.attempt import Outcome
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion
from pykeepalived.ipvs.effects import StartCheck

BATCH_NS = 4_000_000
"""Checks that are due within this time start together: one wake-up, one batch of events for all of them."""
BATCH = 64
"""But no more than this many: what they bring is taken first, so that a crowd that is due opens few connections at a
time, and none of them waits for all the others."""

Check = CheckState[Any]


class Timetable:
    """Each checker is in the heap once, or its attempt is under way."""

    __slots__ = ("_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Check]] = []
        self._order = 0

    def arm(self, check: Check) -> None:
        """Run it at `check.due`."""
        self._order += 1
        heappush(self._heap, (check.due, self._order, check))

    def clear(self) -> None:
        self._heap.clear()

    def deadline(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def begin(self, now: int) -> list[StartCheck]:
        """The attempts that are due, or the first of them, and then the deadline stays in the past.

        A checker that is not enabled waits for another delay_loop.
        """
        heap = self._heap
        begun: list[StartCheck] = []
        limit = now + BATCH_NS
        while heap and heap[0][0] <= limit and len(begun) < BATCH:
            check = heappop(heap)[2]
            if not check.enabled:
                check.due = now + check.delay_loop
                self.arm(check)
                continue
            check.started = now
            check.runs += 1
            begun.append(StartCheck(check, check.attempt()))
        return begun

    def end(self, check: Check, outcome: Outcome, now: int) -> Conclusion | None:
        """Judge the attempt and note when the next one is due.

        How late the attempt began, for want of processor time, is taken off the pause after it, but never more than
        half of the pause: a stall does not gather in one moment for ever what was spread over a delay_loop.
        """
        late = check.started - check.due
        check.duration_ns = now - check.started
        conclusion = check.conclude(outcome, now)
        pause = check.due - now
        if pause > 0:
            check.due -= min(late, pause // 2)
        self._order += 1
        heappush(self._heap, (check.due, self._order, check))
        return conclusion
