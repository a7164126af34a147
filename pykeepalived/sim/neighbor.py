"""A BFD neighbor that is no node of the cluster, such as a router: it answers as expected, and does nothing else."""

from __future__ import annotations

from typing import Protocol

from pykeepalived.bfd.effects import StateChanged
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.runtime.messages import BfdEvent, ChildKind
from pykeepalived.sim.bfd_child import MULTIHOP, SINGLE_HOP, UDP, BfdChild, mirrored
from pykeepalived.sim.lan import Packet, RandomSource


class World(Protocol):
    """What a neighbor sees of the cluster."""

    now: int
    random: RandomSource

    def post(self, packet: Packet, /) -> None: ...


class Neighbor:
    """A host with one address, named after it, on one segment."""

    def __init__(self, name: str, interface: str, world: World) -> None:
        self.name = name
        self.bfd: BfdChild | None = None
        self._interface = interface
        self._world = world
        self._sessions: dict[str, BfdInstance] = {}

    def meet(self, instance: BfdInstance, own: Ip) -> None:
        """Expect this session of the node with that address."""
        name = f"{own} {instance.name}"
        self._sessions[name] = mirrored(instance, own, name)
        sessions = tuple(self._sessions.values())
        if self.bfd is None:
            self.bfd = BfdChild(sessions, self._world.now, self._world.random, self)
        else:
            self.bfd.reconfigure(sessions, self._world.now)

    def hear(self, packet: Packet) -> None:
        """A packet reaches the host."""
        if self.bfd is not None and packet.protocol == UDP and str(packet.destination) == self.name:
            self.bfd.hear(packet, self._world.now)

    # the host of the BFD child

    def send_bfd(self, instance: BfdInstance, data: bytes) -> None:
        source, destination = instance.source, instance.neighbor
        assert source is not None
        port = MULTIHOP if instance.multihop else SINGLE_HOP
        interface, family = self._interface, destination.family
        self._world.post(
            Packet(self.name, interface, family, UDP, source, destination, False, instance.ttl, data, port)
        )

    def tell_bfd(self, event: BfdEvent, receivers: tuple[ChildKind, ...]) -> None:
        """Nobody here depends on it."""

    def bfd_changed(self, change: StateChanged) -> None:
        """The node's side of the session is told."""
