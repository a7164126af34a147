"""Whether interfaces forward IPv6, which neighbour advertisements tell (RFC 4861 section 4.4). Shell: reads sysctls."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.netlink.sysctls import read_sysctl

_AGE_NS = 5_000_000_000
"""How long an answer is good: the kernel tells nobody of a change."""


class Forwarding:
    """Answers that are kept for some seconds, so that a burst of link events costs no reading."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._known: dict[str, tuple[int, bool]] = {}

    def of(self, name: str) -> bool:
        now = self._now()
        known = self._known.get(name)
        if known is not None and now - known[0] < _AGE_NS:
            return known[1]
        value = (read_sysctl(f"net/ipv6/conf/{name}/forwarding") or "0") != "0"
        self._known[name] = (now, value)
        return value

    def forget(self, name: str) -> None:
        """The interface is gone; another one may come by its name."""
        self._known.pop(name, None)
