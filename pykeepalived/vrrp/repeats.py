"""The adverts of a pool whose repetition says nothing new: it only restarts the timer of an instance.

Here is what they look like, and the wish that those which stay the same wait unread until a timer asks for them. Which
adverts these are is decided by election.py; what the kernel compares is in sieve.py, the sockets are in quiet.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykeepalived.vrrp import sieve
from pykeepalived.vrrp.effects import Pool, SortPool
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.timers import Timer, Timers

if TYPE_CHECKING:
    from pykeepalived.vrrp.instance import Instance

SETTLED_NS = 1_000_000_000
"""Adverts that have been the same for so long are likely to stay the same."""

Key = tuple[bytes, bytes, int, bytes] | bytes
"""What must be the same. IPv6: source, destination, hop limit, message. IPv4: all behind the sum of the header."""


class Repeats:
    """Of one pool. `known` and `answered` are for reading only; `answered` are adverts of routers of lower priority to
    which a MASTER has answered: what had been sent before the answer is no news.

    Whose advert is forgotten must be heard at once when he says the same again: then nothing waits any more, until the
    adverts of all others have stayed the same for SETTLED_NS. `changed` collects who needs a call of `settle`.
    """

    __slots__ = ("_changed", "_outbox", "_timer", "_waiting", "answered", "known", "pool")

    def __init__(self, pool: Pool, timers: Timers, outbox: Outbox, changed: dict[Repeats, None]) -> None:
        self.pool = pool
        self.known: dict[Key, Instance] = {}
        self.answered: dict[Key, Instance] = {}
        self._changed = changed
        self._outbox = outbox
        self._timer = Timer(timers, self._settled)
        self._waiting = False

    def add(self, key: Key, instance: Instance) -> None:
        """This advert is for this instance, and only restarts its timer."""
        self.known[key] = instance
        self._changed[self] = None

    def add_answered(self, key: Key, instance: Instance) -> None:
        """This MASTER has answered to this advert."""
        self.answered[key] = instance

    def remove(self, key: Key) -> None:
        """The advert must be looked at when it comes again."""
        self.answered.pop(key, None)
        if self.known.pop(key, None) is None:
            return
        self._changed[self] = None
        if self._waiting:
            self._waiting = False
            self._outbox.later(SortPool(self.pool, ()))

    def clear(self) -> None:
        """The sockets are closed."""
        self.known.clear()
        self.answered.clear()
        self._waiting = False
        self._timer.cancel()

    def settle(self, now: int) -> None:
        """Something has changed: wait for the time when it has not for long."""
        self._timer.set(now + SETTLED_NS)

    def _settled(self, now: int, due: int) -> None:
        if self.known:
            self._waiting = True
            self._outbox.later(SortPool(self.pool, tuple(map(sieve.fingerprint, self.known))))
