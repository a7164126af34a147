"""Segments with every fault a network has: loss, duplicates, delay, reordering, one-way links, partitions, no carrier.

It decides which packet arrives where and when; who sends and hears is machine.py. Chance is injected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pykeepalived.config.model.values import Ip


class RandomSource(Protocol):
    """Chance, injected: random.Random fits."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a segment does to packets. `loss` and `duplicate` are probabilities; each packet takes `delay_ns` and up
    to `jitter_ns` more, so that with enough jitter packets overtake each other. Raises ValueError for what is none."""

    loss: float = 0.0
    duplicate: float = 0.0
    delay_ns: int = 50_000
    jitter_ns: int = 0

    def __post_init__(self) -> None:
        for name, share in (("loss", self.loss), ("duplicate", self.duplicate)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {share:g}")
        for name, length in (("delay", self.delay_ns), ("jitter", self.jitter_ns)):
            if length < 0:
                raise ValueError(f"{name} is at least 0, not {length / 1e6:g} ms")


class Packet(NamedTuple):
    """One packet under way. Of VRRP over IPv4 the data begins with the IP header; `port` is a UDP packet's."""

    host: str
    interface: str
    family: int
    protocol: int
    source: Ip
    destination: Ip
    multicast: bool
    hop_limit: int
    data: bytes
    port: int = 0


class Arrival(NamedTuple):
    """A packet reaches an interface of a host."""

    at: int
    host: str
    interface: str
    packet: Packet


Port = tuple[str, str]
"""Host and interface."""
_PERFECT = Quality()


def _nobody(source: str, destination: str) -> None:
    """Nobody asks what was lost."""


@dataclass(slots=True)
class Lan:
    """All segments. A port is an interface of a host; ports with the same segment name hear each other.

    `on_loss` is told the host that sent and the one that did not hear, for each packet lost by chance.
    """

    random: RandomSource
    quality: dict[str, Quality] = field(default_factory=dict)
    """By segment; the default Quality for those that are not named."""
    segments: dict[Port, str] = field(default_factory=dict)
    _dark: set[Port] = field(default_factory=set)
    _blocked: set[tuple[str, str]] = field(default_factory=set)
    sent: int = 0
    lost: int = 0
    on_loss: Callable[[str, str], object] = _nobody
    _members: dict[str, list[Port]] = field(default_factory=dict)

    def attach(self, host: str, interface: str, segment: str) -> None:
        """Plug an interface into a segment."""
        self.segments[host, interface] = segment
        self._members.setdefault(segment, []).append((host, interface))

    def quality_of(self, segment: str) -> Quality:
        """What a segment does to packets."""
        return self.quality.get(segment, _PERFECT)

    def set_carrier(self, host: str, interface: str, up: bool) -> None:
        """Pull or plug a cable; the host is told by its machine, not by the segment."""
        (self._dark.discard if up else self._dark.add)((host, interface))

    def block(self, source: str, destination: str) -> None:
        """Nothing that `source` sends reaches `destination` any more."""
        self._blocked.add((source, destination))

    def isolate(self, host: str) -> None:
        """Cut a host off from all others, silently."""
        for other in {name for name, _ in self.segments}:
            if other != host:
                self.block(host, other)
                self.block(other, host)

    def heal(self, host: str = "") -> None:
        """Remove the blocks that concern a host ("" = all of them)."""
        self._blocked = {pair for pair in self._blocked if host and host not in pair}

    def passes(self, source: Port, destination: Port) -> bool:
        """Whether packets go from one port to the other, apart from loss."""
        return (
            self.segments.get(source) == self.segments.get(destination)
            and source not in self._dark
            and destination not in self._dark
            and (source[0], destination[0]) not in self._blocked
        )

    def transmit(self, packet: Packet, now: int) -> list[Arrival]:
        """Where a packet arrives, and when; a host never hears itself."""
        self.sent += 1
        here = (packet.host, packet.interface)
        segment = self.segments.get(here, "")
        if here in self._dark:
            return []
        quality, random = self.quality_of(segment), self.random.random
        arrivals = []
        for port in self._members.get(segment, ()):
            if port[0] == packet.host or port in self._dark or (packet.host, port[0]) in self._blocked:
                continue
            copies = 2 if quality.duplicate and random() < quality.duplicate else 1
            arrived = False
            for _ in range(copies):
                if quality.loss and random() < quality.loss:
                    self.lost += 1
                    continue
                late = int(quality.jitter_ns * random()) if quality.jitter_ns else 0
                arrivals.append(Arrival(now + quality.delay_ns + late, *port, packet))
                arrived = True
            if not arrived:
                self.on_loss(packet.host, port[0])
        return arrivals
