"""Pools that cannot be opened, and can later: what the core is told, what the loop watches."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.facts import Link
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.rest import Rest
from pykeepalived.vrrp import inputs
from pykeepalived.vrrp.effects import ClosePool, OpenPool, Pool, SortPool
from pykeepalived.vrrp.listening import Listening
from pykeepalived.vrrp.sockets import MOST_READS, PoolSockets
from tests.vrrp.lan import MS

POOL = Pool(family=4, protocol=112, interface="eth0", group=Ip.parse("224.0.0.18"))


class Descriptor:
    """A socket, as far as a log line looks at it."""

    def fileno(self) -> int:
        return 9


class Opened:
    """The sockets of a pool."""

    def __init__(self, pool: Pool, index: int) -> None:
        self.pool, self.index = pool, index
        self.receive = self.send = Descriptor()


class Sockets:
    """Opens what it is asked to, unless there are no descriptors. Something is always there to be read."""

    def __init__(self) -> None:
        self.refuse = False
        self.known: dict[Pool, PoolSockets] = {}
        self.reads = self.quiet_reads = 0
        self.sorted: list[tuple[int, ...]] = []
        self.arrives = 1

    def open(self, pool: Pool, index: int, _parent_index: int) -> PoolSockets:
        if self.refuse:
            raise OSError(errno.EMFILE, "Too many open files")
        self.known[pool] = cast(PoolSockets, Opened(pool, index))
        return self.known[pool]

    def get(self, pool: Pool) -> PoolSockets | None:
        return self.known.get(pool)

    def pools(self) -> list[PoolSockets]:
        return list(self.known.values())

    def close(self, pool: Pool) -> None:
        del self.known[pool]

    def sort(self, _pool: Pool, fingerprints: tuple[int, ...]) -> None:
        if self.refuse:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self.sorted.append(fingerprints)

    def read_quiet(self) -> None:
        self.quiet_reads += 1

    def read(self, _sockets: PoolSockets) -> int:
        self.reads += 1
        return self.arrives


class World:
    """A machine with eth0, a loop that is turned by hand, a core that listens."""

    def __init__(self) -> None:
        self.links = {"eth0": Link(index=7, name="eth0")}
        self.sockets = Sockets()
        self.readers: dict[object, Callable[[], object]] = {}
        self.core: list[inputs.Input] = []
        self.lines: list[str] = []
        self.settled = 0
        self.pauses = 0
        self.listening = Listening(
            cast(Any, self),
            self.links.get,
            self.log,
            cast(Any, self.sockets),
            Rest(self.now),
            self.feed,
            self.settle,
            self.pause,
        )

    def now(self) -> int:
        return 0

    def pause(self) -> None:
        self.pauses += 1

    def add_reader(self, fd: object, callback: Callable[[], object]) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: object) -> None:
        self.readers.pop(fd, None)

    def log(self, line: LogLine) -> None:
        self.lines.append(line.text)

    def feed(self, messages: Iterable[inputs.Input]) -> None:
        self.core += messages

    def settle(self) -> None:
        self.settled += 1


OPENED = "VRRP sockpool: [ifindex(  7), family(IPv4), proto(112), fd(9,9) multicast, address(224.0.0.18)]"


def test_success_is_told_to_the_core_only_after_a_failure() -> None:
    world = World()
    world.listening.open(OpenPool(POOL))
    world.listening.retry()
    assert world.core == []
    assert world.lines == [OPENED]
    world.sockets.refuse = True
    world.listening.open(OpenPool(POOL))
    world.listening.retry()
    assert world.core == [inputs.PoolFailed(POOL, "Too many open files")], "once"
    assert world.lines[1:] == ["(eth0) cant open VRRP sockets: Too many open files (24)"]
    assert not world.readers
    world.sockets.refuse = False
    world.listening.retry()
    world.listening.retry()
    assert world.core[1:] == [inputs.PoolOpened(POOL)]
    assert len(world.readers) == 1


def test_a_pool_waits_for_its_interface() -> None:
    world = World()
    eth0 = world.links.pop("eth0")
    world.listening.open(OpenPool(POOL))
    assert world.core == [inputs.PoolFailed(POOL, "No such device")]
    world.links["eth0"] = eth0
    world.listening.open(OpenPool(POOL))
    assert world.core[1:] == [inputs.PoolOpened(POOL)]
    assert world.sockets.known[POOL].index == 7


def test_what_is_closed_is_neither_watched_nor_tried_again() -> None:
    world = World()
    world.listening.open(OpenPool(POOL))
    world.listening.close(ClosePool(POOL))
    assert not world.readers
    assert not world.sockets.known
    world.sockets.refuse = True
    world.listening.open(OpenPool(POOL))
    world.listening.close(ClosePool(POOL))
    world.sockets.refuse = False
    world.listening.retry()
    assert not world.readers
    world.listening.open(OpenPool(POOL))
    world.listening.close_all()
    assert not world.readers
    assert not world.sockets.known


def test_a_kernel_that_will_not_sort_is_no_error() -> None:
    world = World()
    world.sockets.refuse = True
    world.listening.sort(SortPool(POOL, (1,)))
    world.sockets.refuse = False
    world.listening.sort(SortPool(POOL, (1, 2)))
    assert world.sockets.sorted == [(1, 2)]


def test_reading_in_turns() -> None:
    world = World()
    world.listening.open(OpenPool(POOL))
    [read] = world.readers.values()
    read()
    assert (world.sockets.reads, world.settled) == (1, 1)
    assert world.sockets.quiet_reads == 1, "first of all"
    world.listening.catch_up()
    assert world.sockets.reads == 1, "nothing waits"
    assert world.sockets.quiet_reads == 2, "unless it is in a quiet socket"
    world.listening.hear_all()
    assert (world.sockets.reads, world.settled) == (2, 1)
    assert world.sockets.quiet_reads == 3
    world.sockets.arrives = MOST_READS
    read()
    world.listening.catch_up()
    assert (world.sockets.reads, world.settled) == (3 + 16, 2), "what waits is read before anything is decided"
    assert world.pauses == 16
    world.listening.catch_up()
    assert world.sockets.reads == 3 + 16, "once"
    world.listening.hear_all()
    assert (world.sockets.reads, world.settled, world.pauses) == (3 + 32, 2, 32), "whoever is late reads everything"


@pytest.mark.parametrize(
    ("moments", "reads"), [([0, 19 * MS], 1), ([0, 300 * MS, 300 * MS, 301 * MS], 2), ([0, 300 * MS] * 3, 3)]
)
def test_what_came_during_long_reading_is_read_too(moments: list[int], reads: int) -> None:
    """Whoever decides wants to know what was said until now, not until somebody else had the processor."""
    world = World()
    world.listening.open(OpenPool(POOL))
    clock = iter(moments)
    world.listening._now = lambda: next(clock)
    world.listening.hear_all()
    assert world.sockets.reads == reads
    assert list(clock) == []
