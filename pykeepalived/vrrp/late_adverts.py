"""Adverts of MASTERs in the midst of other work: they leave when they are late, whatever else there is to do.

A MASTER that is late because of what it hears is soon replaced by others, and then has to hear more: its own adverts
come first. Pure: what the work is, and how adverts are sent, is process.py.
"""

from __future__ import annotations

from collections.abc import Callable

LATE_NS = 10_000_000
"""What has been due for so long waits for nothing."""
_TELL_EVERY_NS = 500_000_000


class LateAdverts:
    """`deadline` is when the core wants to be called, `send` lets late adverts leave, given this moment; `alive` is
    called now and then while late work goes on."""

    __slots__ = ("_alive", "_deadline", "_now", "_rest_until", "_send", "_told")

    def __init__(
        self,
        now: Callable[[], int],
        deadline: Callable[[], int | None],
        send: Callable[[int], object],
        alive: Callable[[], object],
    ) -> None:
        self._now = now
        self._deadline = deadline
        self._send = send
        self._alive = alive
        self._rest_until = 0
        self._told = 0

    @property
    def is_late(self) -> bool:
        due = self._deadline()
        return due is not None and self._now() - due > LATE_NS

    def let_leave(self) -> None:
        """To be called between two pieces of work. The work gets at least as much time as the adverts, or it would
        never end where there is too little for both."""
        now = self._now()
        if now < self._rest_until or not self.is_late:
            return
        self._send(now)
        if now - self._told > _TELL_EVERY_NS:
            self._told = now
            self._alive()
        done = self._now()
        self._rest_until = done + max(LATE_NS, done - now)
