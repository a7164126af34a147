"""Speakers on a line with a virtual clock: what they send arrives, late or never, as the test wishes."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from pykeepalived.bfd import messages
from pykeepalived.bfd.effects import (
    CloseTransmitter,
    DrainSockets,
    Effect,
    OpenTransmitter,
    SendPacket,
    SocketsDrained,
    StateChanged,
    Tell,
    TransmitterFailed,
    TransmitterOpened,
)
from pykeepalived.bfd.packet import ControlPacket, decode
from pykeepalived.bfd.session import Session
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.observe.cause import LogLine

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000
START = 100 * SECOND

A, B = Ip.parse("10.99.0.1"), Ip.parse("10.99.0.2")


def instance(name: str = "b1", neighbor: Ip = B, **changes: object) -> BfdInstance:
    """50 ms x 3, unless changed."""
    values: dict[str, object] = {"min_rx_us": 50_000, "min_tx_us": 50_000, "multiplier": 3, "source": None}
    return BfdInstance(name=name, neighbor=neighbor, **{**values, **changes})  # type: ignore[arg-type]


@dataclass
class Node:
    """One speaker, everything it did, and whether its sockets can be opened."""

    address: Ip
    speaker: Speaker
    can_open: bool = True
    sent: list[tuple[int, str, bytes]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    told: list[tuple[int, str, bool]] = field(default_factory=list)
    changes: list[tuple[int, State, State, str]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def session(self, name: str = "b1") -> Session:
        return self.speaker.sessions[name]

    def packets(self, since: int = 0) -> list[ControlPacket]:
        return [decode(data) for at, _, data in self.sent if at >= since]

    def states(self) -> list[State]:
        return [new for _, _, new, _ in self.changes]

    def perform(self, now: int) -> list[SendPacket]:
        """Do as the core says; returns what it wants to be sent."""
        out: list[SendPacket] = []
        while effects := self.speaker.drain():
            for effect in effects:
                self._do(effect, now, out)
        return out

    def _do(self, effect: Effect, now: int, out: list[SendPacket]) -> None:
        match effect:
            case SendPacket(name, data):
                self.sent.append((now, name, data))
                out.append(effect)
            case OpenTransmitter(config):
                self.opened.append(config.name)
                answer = TransmitterOpened if self.can_open else TransmitterFailed
                arguments = () if self.can_open else ("bind() error (Cannot assign requested address)",)
                self.speaker.receive(answer(config.name, *arguments), now)
            case CloseTransmitter(name):
                self.closed.append(name)
            case DrainSockets():
                self.speaker.receive(SocketsDrained(), now)
            case Tell(event, _):
                self.told.append((now, event.name, event.up))
            case StateChanged():
                self.changes.append((now, effect.old, effect.new, effect.cause.fact))
                self.lines += [line.text for line in messages.state_changed(effect)]
            case LogLine(text):
                self.lines.append(text)


class Chance:
    """Randomness for replays: the discriminators that were recorded, then ordinary ones."""

    def __init__(self, *numbers: int, seed: int = 3) -> None:
        self._numbers = list(numbers)
        self._random = Random(seed)

    def random(self) -> float:
        return self._random.random()

    def getrandbits(self, k: int) -> int:
        return self._numbers.pop(0) if self._numbers else self._random.getrandbits(k)


def node(address: Ip, *instances: BfdInstance, seed: int = 1, detail: int = 2, now: int = START) -> Node:
    return Node(address, Speaker(instances, now, Random(seed), detail))


class Line:
    """Carries packets between nodes. `fate(source, destination, data)` is the delay in ns, or None for lost."""

    def __init__(self, *nodes: Node, delay: int = 100 * US) -> None:
        self.now = START
        self.nodes = {item.address: item for item in nodes}
        self.fate: Callable[[Ip, Ip, bytes], int | None] = lambda _source, _destination, _data: delay
        self._flying: list[tuple[int, int, Ip, Ip, bytes, int, bool]] = []
        self._count = 0
        for item in nodes:
            self.settle(item)

    def settle(self, item: Node) -> None:
        """Perform what a node has decided and put its packets on the line."""
        for packet in item.perform(self.now):
            config = item.speaker.sessions[packet.name].config
            after = self.fate(item.address, config.neighbor, packet.data)
            if after is not None and config.neighbor in self.nodes:
                self._count += 1
                flight = (item.address, config.neighbor, packet.data, config.ttl, config.multihop)
                heapq.heappush(self._flying, (self.now + after, self._count, *flight))

    def run(self, duration: int) -> None:
        """Let that much time pass. Every deadline is met exactly; none may lie in the past."""
        end = self.now + duration
        while True:
            times = [self._flying[0][0]] if self._flying else []
            times += [due for item in self.nodes.values() if (due := item.speaker.deadline()) is not None]
            if not times or min(times) > end:
                break
            assert min(times) >= self.now
            self.now = min(times)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, source, destination, data, ttl, multihop = heapq.heappop(self._flying)
                receiver = self.nodes[destination]
                receiver.speaker.hear(data, source, 49152, destination, ttl, multihop, self.now)
                self.settle(receiver)
            for item in self.nodes.values():
                item.speaker.tick(self.now)
                self.settle(item)
        self.now = end


def pair(
    detail: int = 2, a: dict[str, object] | None = None, b: dict[str, object] | None = None
) -> tuple[Line, Node, Node]:
    """Two speakers facing each other."""
    first = node(A, instance(neighbor=B, **(a or {})), seed=1, detail=detail)
    second = node(B, instance(neighbor=A, **(b or {})), seed=2, detail=detail)
    return Line(first, second), first, second
