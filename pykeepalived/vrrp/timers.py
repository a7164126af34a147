"""One heap of deadlines for everything in the VRRP core. Moving a timer to a later moment costs one assignment.

Times are monotonic nanoseconds given from outside; nothing here looks at a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush, heapreplace

Action = Callable[[int, int], None]
"""Called with (now, due): due is the moment the timer was set to, now is when it was noticed."""

REHEARSAL_NS = 500_000
"""How long before its moment a timer that may rehearse does so."""
AHEAD_NS = 20_000_000
"""How far ahead entries are put back that would come up early: one wake-up does for all of them."""


class Timer:
    """A moment and what to do then. `when` None = not running.

    `when` may be assigned directly, but only to a later moment of a running timer: its heap entry stays where it is
    and is pushed back when it comes up early.

    A `pressing` one can be run ahead of the others.

    `rehearse` is called with `now` a little ahead of a moment that was moved there, or set with `rehearsed`: time to
    bring code and data into the processor's caches. It must not touch timers.
    """

    __slots__ = ("_armed", "_rehearse", "_timers", "action", "pressing", "when")

    def __init__(self, timers: Timers, action: Action, rehearse: Callable[[int], object] | None = None) -> None:
        self._timers = timers
        self._armed: int | None = None
        self._rehearse = rehearse
        self.action = action
        self.pressing = False
        self.when: int | None = None

    def set(self, when: int, *, rehearsed: bool = False) -> None:
        """Run at `when`, earlier or later than before."""
        self.when = when
        moment = when - REHEARSAL_NS if rehearsed else when
        if self._armed is None or moment < self._armed:
            self._arm(moment)

    def _arm(self, moment: int) -> None:
        self._armed = moment
        heappush(self._timers.heap, (moment, self._timers.next_number(), self))

    def _push_back(self, when: int, now: int) -> None:
        """The entry came up early: wait for the moment, or for the one to rehearse it."""
        if self._rehearse is not None and when > now:
            if when - REHEARSAL_NS > now:
                when -= REHEARSAL_NS
            else:
                self._rehearse(now)
        self._arm(when)

    def cancel(self) -> None:
        self.when = None


class Timers:
    """The heap. Entries are (moment, running number, timer): first set, first run. One whose moment is not the timer's
    armed one any more is dead."""

    __slots__ = ("_number", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Timer]] = []
        self._number = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def deadline(self) -> int | None:
        """The moment of the next entry; it may prove to be too early when it comes, never too late."""
        heap = self.heap
        while heap:
            when, _, timer = heap[0]
            if timer._armed == when and timer.when is not None:
                return when
            heappop(heap)
            if timer._armed == when:
                timer._armed = None
        return None

    def exact_deadline(self) -> int | None:
        """The moment at which something will really happen."""
        times = [timer.when for _, _, timer in self.heap if timer.when is not None]
        return min(times, default=None)

    def run(self, now: int) -> None:
        """Do everything due at `now`, in the order of the moments it was due."""
        heap = self.heap
        while heap and heap[0][0] <= now:
            armed, _, timer = heap[0]
            when = timer.when
            if timer._armed != armed:
                heappop(heap)
            elif when is None:
                heappop(heap)
                timer._armed = None
            elif when > armed:
                heappop(heap)
                timer._push_back(when, now)
            else:
                heappop(heap)
                timer._armed = None
                timer.when = None
                timer.action(now, when)
        self._look_ahead(now + AHEAD_NS)

    def run_pressing(self, now: int) -> None:
        """Do what is due and pressing; all else stays due."""
        heap = self.heap
        others: list[tuple[int, int, Timer]] = []
        while heap and heap[0][0] <= now:
            entry = heappop(heap)
            armed, _, timer = entry
            when = timer.when
            if timer._armed != armed:
                continue
            if when is not None and when <= armed and not timer.pressing:
                others.append(entry)
                continue
            timer._armed = None
            if when is not None and when > armed:
                timer._push_back(when, now)
            elif when is not None:
                timer.when = None
                timer.action(now, when)
        for entry in others:
            heappush(heap, entry)

    def _look_ahead(self, until: int) -> None:
        """Put back the next entries as long as they would come up for nothing."""
        heap = self.heap
        while heap and heap[0][0] <= until:
            armed, _, timer = heap[0]
            when = timer.when
            if timer._armed != armed:
                heappop(heap)
                continue
            belongs = (when or 0) - (REHEARSAL_NS if timer._rehearse is not None else 0)
            if belongs <= armed:
                return
            timer._armed = belongs
            heapreplace(heap, (belongs, self.next_number(), timer))
