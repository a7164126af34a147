"""When so many unusable datagrams come that reading them would keep the process from its work. Decides nothing else."""

from __future__ import annotations

DISCARDS, DISCARDS_A_SESSION = 256, 32
WINDOW_NS = 100_000_000
"""So many in so short a time are a flood. What the neighbors of lost sessions send for a while, each some milliseconds,
is none."""

GUARD_NS = 10_000_000_000
"""How long the kernel then drops datagrams by itself. After that a look is taken at what still comes."""


class Flood:
    """Counts discards. `until` is when the guard ends, None while there is none."""

    __slots__ = ("_begin", "_count", "until")

    def __init__(self) -> None:
        self.until: int | None = None
        self._begin = 0
        self._count = 0

    def discard(self, now: int, sessions: int) -> bool:
        """Note one more, in a process with so many sessions; True if a guard is to be set up now."""
        if now - self._begin >= WINDOW_NS:
            self._begin, self._count = now, 0
        self._count += 1
        if self._count < DISCARDS + DISCARDS_A_SESSION * sessions or self.until is not None:
            return False
        self.until = now + GUARD_NS
        return True

    def over(self, now: int) -> bool:
        """True once when the guard is to be taken away."""
        if self.until is None or now < self.until:
            return False
        self.until = None
        self._count = 0
        return True
