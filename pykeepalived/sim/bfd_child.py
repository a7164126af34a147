"""The BFD child of a node: a production Speaker whose sockets exist in the simulation only. No I/O.

What arrives and when its time passes is cluster.py's business; what it wants from outside goes to its Host.
"""

from __future__ import annotations

from typing import Protocol

from pykeepalived.bfd import effects
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.runtime.messages import BfdEvent, ChildKind
from pykeepalived.sim.lan import Packet, RandomSource
from pykeepalived.sim.machine import NEVER

UDP = 17
SINGLE_HOP, MULTIHOP = 3784, 4784
"""The ports of RFC 5881 section 4 and RFC 5883 section 5."""
_SOURCE_PORT = 49152


class BfdHost(Protocol):
    """The world outside of the BFD child."""

    def send_bfd(self, instance: BfdInstance, data: bytes, /) -> None:
        """Send a packet of this session."""

    def tell_bfd(self, event: BfdEvent, receivers: tuple[ChildKind, ...], /) -> None:
        """The state of a session, for other children."""

    def bfd_changed(self, change: effects.StateChanged, /) -> None:
        """A session has left a state for another."""


class BfdChild:
    """All sessions of one node. `due` is when `tick` wants to be called."""

    def __init__(self, instances: tuple[BfdInstance, ...], now: int, random: RandomSource, host: BfdHost) -> None:
        self.due = NEVER
        self.speaker = Speaker(instances, now, random)
        self._host = host
        self._open: dict[str, BfdInstance] = {}
        self.settle(now)

    def hear(self, packet: Packet, now: int) -> None:
        """A datagram reaches one of the two ports."""
        source, destination = packet.source, packet.destination
        multihop = packet.port == MULTIHOP
        self.speaker.hear(packet.data, source, _SOURCE_PORT, destination, packet.hop_limit, multihop, now)
        self.settle(now)

    def feed(self, message: effects.Input, now: int) -> None:
        """Tell the core, then do what it wants."""
        self.speaker.receive(message, now)
        self.settle(now)

    def reconfigure(self, instances: tuple[BfdInstance, ...], now: int) -> None:
        """A new configuration."""
        self.feed(effects.Reconfigure(instances), now)

    def tick(self, now: int) -> None:
        """Time has passed."""
        self.speaker.tick(now)
        self.settle(now)

    def exact_due(self) -> int:
        """When something will really happen."""
        moments = (session.deadline() for session in self.speaker.sessions.values())
        return min((moment for moment in moments if moment is not None), default=NEVER)

    def settle(self, now: int) -> None:
        """Perform what the core wants until it wants nothing more."""
        speaker = self.speaker
        while wanted := speaker.drain():
            for effect in wanted:
                self._perform(effect, now)
        due = speaker.deadline()
        self.due = NEVER if due is None else due

    def _perform(self, effect: effects.Effect, now: int) -> None:
        match effect:
            case effects.SendPacket(name, data):
                if name in self._open:
                    self._host.send_bfd(self._open[name], data)
            case effects.OpenTransmitter(instance):
                self._open[instance.name] = instance
                self.speaker.receive(effects.TransmitterOpened(instance.name), now)
            case effects.CloseTransmitter(name):
                self._open.pop(name, None)
            case effects.DrainSockets():
                self.speaker.receive(effects.SocketsDrained(), now)
            case effects.Tell(event, receivers):
                self._host.tell_bfd(event, receivers)
            case effects.StateChanged():
                self._host.bfd_changed(effect)
            case _:
                pass


def mirrored(instance: BfdInstance, own: Ip, name: str) -> BfdInstance:
    """The session that the neighbor of this one must have; `own` is the address it knows us by."""
    return BfdInstance(
        name=name,
        neighbor=own,
        source=instance.neighbor,
        min_rx_us=instance.min_tx_us,
        min_tx_us=instance.min_rx_us,
        idle_tx_us=instance.idle_tx_us,
        multiplier=instance.multiplier,
        ttl=instance.ttl,
        max_hops=instance.max_hops,
        multihop=instance.multihop,
    )
