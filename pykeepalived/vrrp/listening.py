"""The sockets of all pools in the loop: opening them, and again after a failure, reading them, closing them. Shell.

What the sockets do with bytes is in sockets.py; which pools there are is decided in pools.py.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable
from functools import partial

from pykeepalived.netlink.facts import Link
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.rest import Rest
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.sockets import MOST_READS, AdvertSockets, PoolSockets

_MOST_ROUNDS = 16
"""How often in a row a socket is read before a decision: what waits behind more than that is junk of a flood."""
_MOST_TIMES, _LONG_NS = 3, 20_000_000
"""How often everything is read when each time took so long."""


class Listening:
    """Keeps `sockets` in the loop. `feed` tells the core; `after_reading` is called after each turn of reading,
    `between` between the turns when there are many in a row."""

    def __init__(
        self,
        loop: Loop,
        link: Callable[[str], Link | None],
        log: Callable[[LogLine], object],
        sockets: AdvertSockets,
        rest: Rest,
        feed: Callable[[Iterable[inputs.Input]], None],
        after_reading: Callable[[], None],
        between: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._now = loop.now
        self._link = link
        self._log = log
        self._sockets = sockets
        self._rest = rest
        self._feed = feed
        self._after_reading = after_reading
        self._between = between
        self._failed: dict[effects.Pool, None] = {}
        self._have_failed = False
        self._behind: set[PoolSockets] = set()

    # opening and closing

    def open(self, effect: effects.OpenPool) -> None:
        """Open a pool (again). The core is told of a failure, and of success once there has been one."""
        if self._try_open(effect.pool) and self._have_failed:
            self._failed.pop(effect.pool, None)
            self._feed([inputs.PoolOpened(effect.pool)])

    def retry(self) -> None:
        """After something changed in the kernel: sockets that could not be opened may open now."""
        for pool in list(self._failed):
            if self._try_open(pool):
                self._failed.pop(pool, None)
                self._feed([inputs.PoolOpened(pool)])

    def close(self, effect: effects.ClosePool) -> None:
        """Close a pool, or try no more to open it."""
        self._failed.pop(effect.pool, None)
        sockets = self._sockets.get(effect.pool)
        if sockets is not None:
            self._close(sockets)

    def close_all(self) -> None:
        """The end."""
        for sockets in self._sockets.pools():
            self._close(sockets)

    def guard(self, effect: effects.GuardPool) -> None:
        """Let the kernel drop what is not from these guests. Raises OSError."""
        sockets = self._sockets.get(effect.pool)
        if sockets is not None:
            sockets.guard(effect.guests)

    def sort(self, effect: effects.SortPool) -> None:
        """Let these adverts wait until something is decided. A kernel that refuses only costs more wake-ups."""
        with contextlib.suppress(OSError):
            self._sockets.sort(effect.pool, effect.fingerprints)

    def _try_open(self, pool: effects.Pool) -> bool:
        link = self._link(pool.interface) if pool.interface else None
        parent = self._link(pool.join_parent) if pool.join_parent else None
        old = self._sockets.get(pool)
        if old is not None:
            self._loop.remove_reader(old.receive)
        try:
            if pool.interface and link is None:
                raise OSError(errno.ENODEV, "No such device")
            sockets = self._sockets.open(
                pool, link.index if link is not None else 0, parent.index if parent is not None else 0
            )
        except OSError as error:
            if pool not in self._failed:
                self._failed[pool] = None
                self._have_failed = True
                self._log(LogLine(_pool_error(pool, error), Priority.ERROR))
                self._feed([inputs.PoolFailed(pool, error.strerror or str(error))])
            return False
        self._loop.add_reader(sockets.receive, partial(self._read, sockets))
        self._log(LogLine(_pool_text(sockets), detail=1))
        return True

    def _close(self, sockets: PoolSockets) -> None:
        self._loop.remove_reader(sockets.receive)
        self._sockets.close(sockets.pool)

    # reading

    def _read(self, sockets: PoolSockets) -> None:
        rest = self._rest
        begin = self._now() if rest.needed else 0
        self._sockets.read_quiet()
        if self._sockets.read(sockets) == MOST_READS:
            self._behind.add(sockets)
        self._after_reading()
        if rest.needed:
            rest.after(begin)

    def catch_up(self) -> None:
        """Before anything is decided: hear what waits in quiet sockets, and in those that had more than one turn can
        read."""
        self._sockets.read_quiet()
        while self._behind:
            self._read_out(self._behind.pop())

    def hear_all(self) -> None:
        """Likewise when it is late or in the midst of long work: whatever waits anywhere, and again what has come
        meanwhile where the reading took long: others had the processor, and a master may have spoken."""
        for _ in range(_MOST_TIMES):
            begin = self._now()
            self._behind.clear()
            self._sockets.read_quiet()
            for sockets in self._sockets.pools():
                self._read_out(sockets)
            if self._now() - begin < _LONG_NS:
                break

    def _read_out(self, sockets: PoolSockets) -> None:
        rounds = 0
        while rounds < _MOST_ROUNDS and self._sockets.read(sockets) == MOST_READS:
            rounds += 1
            self._between()


def _pool_text(sockets: PoolSockets) -> str:
    pool = sockets.pool
    kind = f" multicast, address({pool.group})" if not pool.unicast else f" , unicast, address({pool.source})"
    return (
        f"VRRP sockpool: [ifindex({sockets.index:3}), family(IPv{pool.family}), proto({pool.protocol}), "
        f"fd({sockets.receive.fileno()},{sockets.send.fileno()}){kind}]"
    )


def _pool_error(pool: effects.Pool, error: OSError) -> str:
    place = pool.interface or str(pool.source)
    return f"({place}) cant open VRRP sockets: {error.strerror or error} ({error.errno})"
