"""The VRRP core as a whole: all instances, groups and trackers of one configuration behind one door.

It routes what it is told to the objects concerned and gathers what they want done. The protocol is in instance.py.
"""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model import Config
from pykeepalived.vrrp.effects import Effect, Pool
from pykeepalived.vrrp.inputs import Input, View


class Router:
    """Contract of every core: receive, tick, deadline, drain; `hear` beside them for adverts.

    `now` is monotonic nanoseconds; `wall()` gives nanoseconds since 1970 (authentication trailers and time stamps).
    `adopt` tells that a predecessor with the same configuration was killed a moment ago: an instance whose addresses
    are all in place goes on as MASTER; without it, leftovers are removed.

    Shell's duties: perform what `drain` returns after every call of `receive`, `tick`, or a round of `hear`; before
    `tick`, read all sockets that are readable.
    """

    def __init__(
        self,
        config: Config,
        view: View,
        now: int,
        wall: Callable[[], int],
        *,
        adopt: bool = False,
    ) -> None:
        raise NotImplementedError

    def receive(self, message: Input, now: int) -> None:
        """Take an event, a result or an order."""
        raise NotImplementedError

    def hear(
        self, pool: Pool, data: bytes, now: int, source: bytes = b"", destination: bytes = b"", hop_limit: int = -1
    ) -> None:
        """Take one datagram from the receive socket of a pool.

        IPv4: `data` begins with the IP header and the rest is left out. IPv6: `data` is the payload; `source`,
        `destination` (IPV6_PKTINFO) and `hop_limit` come from the ancillary data.
        """
        raise NotImplementedError

    def tick(self, now: int) -> None:
        """Do what is due. A call that comes very late does nothing but ask for another one at once, so that adverts
        waiting in the sockets are heard before anything is decided."""
        raise NotImplementedError

    def deadline(self) -> int | None:
        """When `tick` wants to be called; None = never."""
        raise NotImplementedError

    def drain(self) -> list[Effect]:
        """What is to be done, in the phases that effects.py describes."""
        raise NotImplementedError
