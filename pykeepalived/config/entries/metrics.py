"""The metrics of a route (RTA_METRICS) in the words of ip-route(8): numbers, times, and which of them are locked."""

from __future__ import annotations

from pykeepalived.config import values
from pykeepalived.config.entries.common import Words
from pykeepalived.config.values import Fault

METRICS = {
    "mtu": 2,
    "window": 3,
    "rtt": 4,
    "rttvar": 5,
    "ssthresh": 6,
    "cwnd": 7,
    "advmss": 8,
    "reordering": 9,
    "hoplimit": 10,
    "initcwnd": 11,
    "features": 12,
    "rto_min": 13,
    "initrwnd": 14,
    "quickack": 15,
    "congctl": 16,
    "fastopen_no_cookie": 17,
}
"""Their words and numbers (rtnetlink(7), RTAX_*)."""

_LIMITS = {"hoplimit": values.U8, "quickack": 1, "fastopen_no_cookie": 1}
_LABELS = {"mtu": "MTU", "quickack": "quickack value", "fastopen_no_cookie": "fastopen_no_cookie value"}
_LOCKABLE = frozenset({"mtu", "advmss", "reordering", "cwnd", "ssthresh"})
"""Besides times and congctl."""
_TIMES = {"rtt": 8, "rttvar": 4, "rto_min": 1}
"""Metrics that are times, with the kernel's units in a millisecond."""

_TIME_MIN_MS, _TIME_MAX_MS = 200, 120_000
_TIME_SUFFIXES = {"ms": 1, "msec": 1, "msecs": 1, "s": 1000, "sec": 1000, "secs": 1000}
_RTAX_FEATURE_ECN = 1


class Metrics:
    """Those of one route line being read. `locks` has the bit 1 << number of each that the kernel may not change."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._values: dict[int, int | str] = {}
        self.locks = 0

    def numbered(self) -> tuple[tuple[int, int | str], ...]:
        """Number and value of each, in the order of the numbers."""
        return tuple(sorted(self._values.items()))

    def take(self, word: str) -> None:
        """Read the value of the metric whose word was taken last. Raises EntryDroppedError."""
        if word in _TIMES:
            self._take_time(word)
        elif word == "features":
            self._take_features()
        elif word == "congctl":
            self._lock(word)
            self._values[METRICS[word]] = self._words.value()
        else:
            self._take_number(word)

    def _lock(self, word: str) -> None:
        if self._words.peek() == "lock":
            self._words.take()
            self.locks |= 1 << METRICS[word]

    def _take_number(self, word: str) -> None:
        if word in _LOCKABLE:
            self._lock(word)
        limit = _LIMITS.get(word, values.U32)
        label = _LABELS.get(word, word)
        self._values[METRICS[word]] = self._words.number(0, limit, f"Invalid {label} %s specified for route")

    def _take_time(self, word: str) -> None:
        """Milliseconds or seconds by the suffix, the kernel's unit without one; kept within 0.2..120 s."""
        self._lock(word)
        text = self._words.value()
        digits = text.rstrip("cems")
        scale = _TIME_SUFFIXES.get(text[len(digits) :])
        per_ms = _TIMES[word]
        if scale is None and digits == text:
            raw = values.integer(text, 0, values.U32)
        elif scale is not None and digits:
            raw = values.decimal(digits, 0, values.U32, 3)
            raw = raw * scale * per_ms // 1000 if isinstance(raw, int) else raw
        else:
            raw = Fault("number-invalid", f"invalid number '{text}'")
        if isinstance(raw, Fault):
            raise self._words.drop(raw.code, f"Invalid {word} {text} for route")
        if raw < _TIME_MIN_MS * per_ms:
            self._words.report("route-time", f"{word} value {text} below minimum {_TIME_MIN_MS}ms, resetting")
        elif raw > _TIME_MAX_MS * per_ms:
            self._words.report("route-time", f"{word} value {text} above maximum {_TIME_MAX_MS // 1000}s, resetting")
        self._values[METRICS[word]] = min(max(raw, _TIME_MIN_MS * per_ms), _TIME_MAX_MS * per_ms)

    def _take_features(self) -> None:
        word = self._words.value()
        if word != "ecn":
            self._words.report("route-feature", f"feature {word} not supported")
            return
        self._values[METRICS["features"]] = _RTAX_FEATURE_ECN
