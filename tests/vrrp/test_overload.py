"""A MASTER that has too little of a processor and stood still for a moment: what it has to do then must have an end.

The node is slow and real: core, shell and reading as they are, on a clock that moves by what each thing costs. Its
peer is fast and a model: it takes over after silence, advertises, and yields to the first advert it hears.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.rest import Rest
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import packet
from pykeepalived.vrrp.late_adverts import LateAdverts
from pykeepalived.vrrp.listening import Listening
from pykeepalived.vrrp.process import VrrpProcess
from pykeepalived.vrrp.recording import Recorder
from pykeepalived.vrrp.router import Router
from pykeepalived.vrrp.sockets import MOST_READS
from tests.vrrp.lan import MS, SECOND, address, config, instance, ip, view, vip

COUNT = 250
INTERVAL_NS = 100 * MS
PEER_DOWN_NS = 360 * MS
ROOM = 1260
"""Datagrams in a receive buffer of a mebibyte."""
SHARE = 0.045
"""Of a processor. The adverts alone need 0.035."""
READ_US, HEAR_US, ADVERT_US, FRAME_US, LINE_US, TURN_US = 5, 80, 14, 6, 20, 30


def advert(vrid: int) -> bytes:
    sender, group = ip("192.0.2.2"), ip("224.0.0.18")
    message = packet.encode(
        version=3, vrid=vrid, priority=100, interval_us=100_000, addresses=[ip(f"10.1.0.{vrid}")], family=4
    )
    packet.seal(message, packet.pseudo_header(sender, group, len(message)))
    header = packet.ipv4_header(length=20 + len(message), ttl=255, protocol=112, source=sender, destination=group)
    return bytes(header + message)


class Peer:
    """All its instances have the lower priority. `queue` is the receive buffer of the other node: (moment, advert)."""

    def __init__(self, start: int) -> None:
        self.masters: set[int] = set()
        self.takeovers = 0
        self.last_takeover = 0
        self.queue: deque[tuple[int, bytes]] = deque()
        self._adverts = {vrid: advert(vrid) for vrid in range(1, COUNT + 1)}
        self._due = dict.fromkeys(self._adverts, start + PEER_DOWN_NS)
        self._heap = [(due, vrid) for vrid, due in self._due.items()]

    def advance(self, now: int) -> None:
        """What it does until then."""
        while self._heap[0][0] <= now:
            due, vrid = heappop(self._heap)
            if self._due[vrid] != due:
                continue
            if vrid not in self.masters:
                self.masters.add(vrid)
                self.takeovers += 1
                self.last_takeover = due
            if len(self.queue) < ROOM:
                self.queue.append((due, self._adverts[vrid]))
            self._wait(vrid, due + INTERVAL_NS)

    def hear(self, vrid: int, now: int) -> None:
        self.advance(now)
        self.masters.discard(vrid)
        self._wait(vrid, now + PEER_DOWN_NS)

    def _wait(self, vrid: int, until: int) -> None:
        self._due[vrid] = until
        heappush(self._heap, (until, vrid))

    def next(self) -> int:
        return self._heap[0][0]


class SlowNode:
    """The process around one Router of higher priority, without a kernel."""

    def __init__(self) -> None:
        self.time = SECOND
        self.peer = Peer(self.time)
        self.beats = 0
        self._reader: Callable[[], object] = lambda: None
        names = [
            instance(
                f"V{vrid}",
                version=3,
                virtual_router_id=vrid,
                priority=150,
                advert_int_us=100_000,
                virtual_addresses=(vip(f"10.1.0.{vrid}"),),
            )
            for vrid in range(1, COUNT + 1)
        ]
        configuration, machine = config(*names), view(address("192.0.2.1/24"))
        self.router = Router(configuration, machine, self.time, lambda: 0, log_detail=1)
        self._listen = self.router._listen
        self.router._listen = self.listen  # type: ignore[method-assign]
        self.process = process = VrrpProcess.__new__(VrrpProcess)
        rest = Rest(self.now)
        process._now, process._settling, process._refused = self.now, False, set()
        process._router = self.router
        process._recorder = Recorder(configuration, machine, self.time, 0, adopt=False)
        process._service = cast(Any, SimpleNamespace(rest=rest, alive=self.beat))
        process._loop = cast(Any, SimpleNamespace(on_error=None))
        process._timer = cast(Any, SimpleNamespace(when=None, move=lambda when: None, cancel=lambda: None))
        process._frames = cast(Any, SimpleNamespace(send=lambda frames: self.spend(FRAME_US * len(frames))))
        process._late_adverts = LateAdverts(self.now, self.router.deadline, process._send_due, self.beat)
        process._listening = Listening(
            cast(Any, self),
            lambda name: None,
            self.log,
            cast(Any, self),
            rest,
            self.feed,
            process._settle,
            self.between,
        )
        process._do = {
            fx.OpenPool: self.open,
            fx.SendAdverts: self.send_adverts,
            fx.SendFrames: process._send_frames,
            fx.WriteLog: lambda effect: self.spend(LINE_US),
        }
        for kind in (fx.ChangeNetwork, fx.NotifyInstance, fx.SortPool, fx.RehearseAdvert, fx.WatchTrackers):
            process._do[kind] = lambda effect: None
        process._settle()

    # the clock

    def now(self) -> int:
        return self.time

    def spend(self, microseconds: float) -> None:
        self.time += round(microseconds * 1000 / SHARE)

    def run(self, seconds: float) -> None:
        """Turns of the loop: read what is there, then do what is due."""
        end = self.time + round(seconds * SECOND)
        while self.time < end:
            self.spend(TURN_US)
            self.peer.advance(self.time)
            if self.peer.queue:
                self._reader()
            due = self.router.deadline()
            assert due is not None
            if due <= self.time:
                self.process._tick()
            elif not self.peer.queue:
                self.time = min(due, self.peer.next(), end)

    # the world of the shell

    def beat(self) -> None:
        self.beats += 1

    def between(self) -> None:
        self.process._late_adverts.let_leave()

    def log(self, line: LogLine) -> None:
        raise AssertionError(line.text)

    def feed(self, messages: object) -> None:
        raise AssertionError(messages)

    def open(self, effect: fx.OpenPool) -> None:
        self._pool = effect.pool
        self._reader = lambda: self.process._listening._read(cast(Any, self))

    def send_adverts(self, effect: fx.SendAdverts) -> None:
        for _, data in effect.packets:
            self.spend(ADVERT_US)
            self.peer.hear(data[21], self.time)

    # the world of the reading

    def read_quiet(self) -> None:
        pass

    def pools(self) -> list[SlowNode]:
        return [self]

    def read(self, _sockets: object) -> int:
        for count in range(MOST_READS):
            self.peer.advance(self.time)
            if not self.peer.queue:
                return count
            came, data = self.peer.queue.popleft()
            self.spend(READ_US)
            self.router.hear(self._pool, data, self.time, waited=self.time - came)
        return MOST_READS

    def listen(self, *words: Any) -> None:
        """The long way of an advert."""
        self.spend(HEAR_US)
        self._listen(*words)


def at_rest() -> SlowNode:
    node = SlowNode()
    node.run(5)
    assert not node.peer.masters
    return node


def stall(node: SlowNode) -> tuple[int, float]:
    """Stand still for a second: how often the peer takes over, and for how many seconds after that it goes on."""
    before = node.peer.takeovers
    node.time += SECOND
    began = node.time
    node.run(20)
    return node.peer.takeovers - before, (node.peer.last_takeover - began) / SECOND


def test_the_pair_comes_to_rest_by_itself_although_the_processor_hardly_suffices() -> None:
    node = at_rest()
    takeovers, last = stall(node)
    assert not node.peer.masters
    assert COUNT <= takeovers < 2 * COUNT
    assert last < 5


def test_it_does_not_when_late_adverts_wait_for_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    node = at_rest()
    monkeypatch.setattr(LateAdverts, "let_leave", lambda self: None)
    takeovers, last = stall(node)
    assert takeovers > 5 * COUNT
    assert last > 15


def test_the_parent_knows_that_long_work_goes_on() -> None:
    node = at_rest()
    before, began = node.beats, node.time
    node.time += SECOND
    node.process._tick()
    assert node.time - began > 2 * SECOND, "too long for the heartbeat"
    assert node.beats - before >= (node.time - began) // SECOND
