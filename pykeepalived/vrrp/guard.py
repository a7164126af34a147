"""When so much junk reaches the sockets of a pool that adverts behind it might be lost: let the kernel drop it.

Decides when and for whom; what the kernel looks at is sieve.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pykeepalived.config.model.vrrp import AuthType, UnicastChecksum
from pykeepalived.vrrp import messages, packet
from pykeepalived.vrrp.effects import GuardPool, Guests, Pool
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.timers import Timer, Timers

if TYPE_CHECKING:
    from pykeepalived.vrrp.instance import Instance

REFUSALS, WINDOW_NS = 512, 100_000_000
"""So many refused datagrams in so short a time are a flood: many times what 255 misconfigured neighbours send."""
GUARD_NS = 1_000_000_000
"""How long the kernel drops junk, uncounted, before a look is taken at what still comes."""
QUIET_NS = 10_000_000_000
"""A guard that begins so long after the last one is told of."""


class Guard:
    """Counts what a pool refuses. `refused` is to be called for each datagram nobody listened to."""

    __slots__ = ("_count", "_ended", "_outbox", "_since", "_timer", "pool")

    def __init__(self, pool: Pool, timers: Timers, outbox: Outbox) -> None:
        self.pool = pool
        self._outbox = outbox
        self._timer = Timer(timers, self._over)
        self._since = 0
        self._count = 0
        self._ended = -QUIET_NS

    @property
    def is_up(self) -> bool:
        return self._timer.when is not None

    def refused(self, instances: Iterable[Instance], now: int) -> None:
        """One more; too many raise the guard, for these instances of the pool."""
        if now - self._since > WINDOW_NS:
            self._since, self._count = now, 0
        self._count += 1
        if self._count < REFUSALS or self.is_up:
            return
        self._timer.set(now + GUARD_NS)
        self._outbox.later(GuardPool(self.pool, guests_of(self.pool, instances)))
        if now - self._ended >= QUIET_NS:
            place = self.pool.interface or str(self.pool.source)
            self._outbox.log(messages.FLOOD % (place, REFUSALS, WINDOW_NS // 1_000_000))

    def lift(self) -> None:
        """The instances of the pool are not the same any more: look at everything again."""
        if self.is_up:
            self._timer.cancel()
            self._outbox.later(GuardPool(self.pool, None))

    def _over(self, now: int, due: int) -> None:
        self._ended = now
        self._count = 0
        self._outbox.later(GuardPool(self.pool, None))


def guests_of(pool: Pool, instances: Iterable[Instance]) -> Guests:
    """What an advert for one of these instances looks like. Lengths are given where the checksum of such a message can
    be judged without knowing more."""
    configs = [instance.config for instance in instances]
    versions = {config.version for config in configs}
    summable = (
        pool.family == 4
        and pool.protocol == packet.PROTOCOL_VRRP
        and len(versions) == 1
        and not any(config.v3_checksum_as_v2 or config.auth_hmac is not None for config in configs)
        and all(not config.unicast or config.unicast_checksum is UnicastChecksum.NEVER for config in configs)
        and all(config.auth_type is not AuthType.AH for config in configs)
    )
    counts = {len(config.virtual_addresses) for config in configs} if summable else set()
    version = min(versions, default=3)
    return Guests(
        family=pool.family,
        protocol=pool.protocol,
        vrids=tuple(sorted({config.virtual_router_id for config in configs})),
        versions=tuple(sorted(versions)),
        full_ttl=not pool.unicast,
        lengths=tuple(packet.message_length(version, count, pool.family) for count in sorted(counts)),
    )
