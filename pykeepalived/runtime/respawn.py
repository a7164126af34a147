"""When a dead process is started again. Pure arithmetic on times: no process is touched here."""

from __future__ import annotations

_LONG_LIFE_NS = 60_000_000_000
_MAX_DELAY_S = 60


class RespawnRule:
    """The delays of one process: 0, 1, 2, 4, ... 60 seconds when it dies young; none after a minute of life."""

    def __init__(self) -> None:
        self._delay_s = 0

    def delay_s(self, lived_ns: int) -> int | None:
        """Seconds to wait now, or None for a child that had lived long enough: start it at once, without a word."""
        if lived_ns >= _LONG_LIFE_NS:
            self._delay_s = 0
            return None
        delay = self._delay_s
        self._delay_s = min(max(delay * 2, 1), _MAX_DELAY_S)
        return delay
