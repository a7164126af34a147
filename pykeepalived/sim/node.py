"""A node of a simulated cluster: its three children, what they tell each other, and how they reach the world.

Time, segments and faults are cluster.py's business; what each child does inside is machine.py, bfd_child.py and
checker_child.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_interface
from typing import Any, Protocol

from pykeepalived.bfd.effects import RepeatStates, StateChanged
from pykeepalived.bfd.table import State
from pykeepalived.config.model import Config
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.ipvs import FileCheck
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import effects as ipvs
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.runtime.messages import BfdEvent, ChildKind
from pykeepalived.sim.bfd_child import MULTIHOP, SINGLE_HOP, UDP, BfdChild
from pykeepalived.sim.checker_child import CheckerChild
from pykeepalived.sim.lan import Arrival, Packet, RandomSource
from pykeepalived.sim.machine import Machine, Plug, Surroundings
from pykeepalived.vrrp import effects, inputs

MS = 1_000_000
SCRIPT_RUN_NS = 10 * MS
"""How long every check script takes here."""
ANSWER_NS = MS
"""How long a real server that is not slow takes to answer, or to refuse."""

_SHOWN = ("MASTER", "BACKUP", "FAULT", "STOP")


class Child(Protocol):
    """What the clock sees of a child; `due` may be early, never late."""

    due: int

    def tick(self, now: int, /) -> None: ...

    def exact_due(self) -> int: ...


class World(Protocol):
    """What a node sees of the cluster."""

    now: int
    random: RandomSource
    servers: dict[str, int]

    def wall(self) -> int: ...

    def later(self, delay_ns: int, action: Callable[[], object], /) -> None: ...

    def post(self, packet: Packet, /) -> None: ...

    def note(self, node: str, what: str, /) -> None: ...

    def violated(self, node: Node, what: str, /) -> None: ...

    def state_entered(self, node: Node, instance: str, state: str, why: str, /) -> None: ...


class Node:
    """One machine with its daemon: `file` is the configuration on its disk, `config` the one in force.

    `clock` is how far its wall clock is off; `late`: it has just stood still.
    """

    def __init__(self, name: str, config: Config, plugs: Iterable[Plug], world: World) -> None:
        self.name = name
        self.config = self.file = config
        self.plugs = tuple(plugs)
        self.world = world
        self.surroundings = Surroundings()
        self.running = self.stalled = self.late = False
        self.clock = 0
        self.waiting: list[Arrival] = []
        self.untold: list[Callable[[], object]] = []
        self.changed = False
        self.refused_until = 0
        self.announced: set[Ip] = set()
        self.states: dict[str, str] = {}
        self.children: list[Child] = []
        self.bfd: BfdChild | None = None
        self.checker: CheckerChild | None = None
        self._suspended: dict[Ip, int] = {}
        own = [(plug.interface, ip_interface(text)) for plug in self.plugs for text in plug.addresses]
        self._own = [(interface, Ip.parse(str(each.ip)), each.network) for interface, each in own]
        self._addresses = {address for _, address, _ in self._own}
        self._ways: dict[tuple[Ip, Ip | None], tuple[str, Ip] | None] = {}
        self.empty()

    def empty(self) -> None:
        """The machine is as after power on: nothing runs, nothing of ours is in the kernel."""
        self.machine = Machine(self.name, self.config, self.plugs, self)
        self.machine.surroundings = self.surroundings
        self.ipvs = FakeIpvs()
        self.bfd = self.checker = None
        self.running = self.stalled = False
        self.waiting.clear()
        self.untold.clear()
        self.announced.clear()
        self._suspended.clear()
        self.children = []

    @property
    def active(self) -> bool:
        return self.running and not self.stalled

    # life

    def start(self) -> None:
        """The daemon starts."""
        self.config = self.file
        self.running, self.stalled, self.late = True, False, False
        self.machine.config = self.config
        self.machine.start(self.world.now)
        self._fit_children()

    def reload(self) -> None:
        """SIGHUP."""
        config = self.config = self.file
        now = self.world.now
        self.machine.reload(config, now)
        before = self.checker
        self._fit_children()
        if self.checker is not None and self.checker is before:
            self.tell_files()
            self.checker.reload(config, now)

    def stop(self) -> None:
        """SIGTERM: what the daemon leaves behind is nothing."""
        self.machine.stop(self.world.now)
        if self.checker is not None:
            self.checker.feed(ipvs.Stop(), self.world.now)
        self.bfd = self.checker = None
        self.running = False
        self.children = []

    def restart(self, kind: ChildKind) -> bool:
        """A child was killed and another one takes its place; False when this daemon has none of that kind."""
        now = self.world.now
        if kind is ChildKind.VRRP:
            self.machine.die()
            self.machine.start(now, adopt=True)
        elif kind is ChildKind.CHECKER and self.checker is not None:
            self.checker = None
            self._fit_children(left=True)
        elif kind is ChildKind.BFD and self.bfd is not None:
            self.bfd = None
            self._fit_children()
            return True
        else:
            return False
        if self.bfd is not None:
            self.bfd.feed(RepeatStates(kind), now)
        return True

    def _fit_children(self, left: bool = False) -> None:
        """Start the BFD and checker children that the configuration wants, end those it does not."""
        config, now = self.config, self.world.now
        if not config.virtual_servers and self.checker is not None:
            self.checker.feed(ipvs.Stop(), now)
            self.checker = None
        elif config.virtual_servers and self.checker is None:
            self.checker = CheckerChild(config, self.ipvs, self.world.random, self)
            self._suspended.clear()
            self.watch_addresses()
            self.checker.start(now, self._files(), left)
            if self.bfd is not None:
                self.bfd.feed(RepeatStates(ChildKind.CHECKER), now)
        if not config.bfd_instances:
            self.bfd = None
        elif self.bfd is None:
            self.bfd = BfdChild(config.bfd_instances, now, self.world.random, self)
        else:
            self.bfd.reconfigure(config.bfd_instances, now)
        self.children = [self.machine, *[child for child in (self.bfd, self.checker) if child is not None]]

    # hearing

    def hear(self, interface: str, packet: Packet, waited: int = 0) -> None:
        """A packet reached an interface so many nanoseconds ago."""
        if packet.protocol != UDP:
            self.machine.hear(interface, packet, self.world.now, waited)
        elif self.bfd is not None and self.has_address(packet.destination) and not self._deaf(packet.source):
            self.bfd.hear(packet, self.world.now)

    def do(self, action: Callable[[], object]) -> None:
        """Do it now, or when the node goes on."""
        if self.stalled:
            self.untold.append(action)
        elif self.running:
            action()

    def tell(self, *messages: inputs.Input) -> None:
        """A message to the VRRP child."""
        self.do(lambda: self.machine.feed(messages, self.world.now))

    def kernel_spoke(self) -> None:
        """The kernel has events for the VRRP child."""
        self.changed = True
        self.do(lambda: self.machine.feed(self.machine.events(), self.world.now))

    def resume(self) -> None:
        """The node stood still and goes on: the kernel's news first, then all that waited."""
        self.stalled, self.late = False, True
        waiting, self.waiting = self.waiting, []
        untold, self.untold = self.untold, []
        now = self.world.now
        self.machine.feed(self.machine.events(), now)
        for action in untold:
            action()
        for arrival in waiting:
            self.hear(arrival.interface, arrival.packet, now - arrival.at)

    # the host of the VRRP child

    def wall(self) -> int:
        return self.world.wall() + self.clock

    def post(self, packet: Packet) -> None:
        self.world.post(packet)

    def run_script(self, name: str) -> None:
        machine = self.machine

        def ended() -> None:
            if self.machine is machine:
                self.tell(inputs.ScriptFinished(name, status=self.surroundings.scripts.get(name, 0)))

        self.world.later(SCRIPT_RUN_NS, ended)

    def vrrp_did(self, effect: effects.Effect) -> None:
        match effect:
            case effects.NotifyInstance(instance, state, priority, cause) if state in _SHOWN:
                self.changed = True
                if state != "MASTER":
                    self.announced -= {address.address for address in instance.virtual_addresses}
                extra = f", priority {priority}" if priority else ""
                why = f"{cause.fact} {cause.subject}".rstrip() + extra
                self.world.state_entered(self, instance.name, state, why)
            case effects.ChangeNetwork():
                self.changed = True
            case effects.SendFrames(frames):
                self.announced.update(frame.address for frame in frames)
            case _:
                pass

    # the host of the BFD child

    def send_bfd(self, instance: BfdInstance, data: bytes) -> None:
        found = self.way_to(instance.neighbor, instance.source)
        if found is None or instance.name in self.surroundings.deaf:
            return
        interface, source = found
        family, port = instance.neighbor.family, MULTIHOP if instance.multihop else SINGLE_HOP
        packet = Packet(self.name, interface, family, UDP, source, instance.neighbor, False, instance.ttl, data, port)
        self.world.post(packet)

    def tell_bfd(self, event: BfdEvent, receivers: tuple[ChildKind, ...]) -> None:
        if ChildKind.VRRP in receivers:
            self.machine.feed([inputs.BfdChanged(event.name, event.up, event.sent_ns)], self.world.now)
        if ChildKind.CHECKER in receivers and self.checker is not None:
            self.checker.feed(ipvs.BfdChanged(event.name, event.up), self.world.now)

    def bfd_changed(self, change: StateChanged) -> None:
        if State.UP in (change.old, change.new):
            word = "up" if change.new is State.UP else "down"
            self.world.note(self.name, f"BFD {change.name} {word} ({change.cause.fact})")

    def way_to(self, neighbor: Ip, source: Ip | None) -> tuple[str, Ip] | None:
        """The interface and the own address towards a neighbor; None without a way."""
        key = (neighbor, source)
        if key not in self._ways:
            target = ip_address(str(neighbor))
            ways = (
                (interface, address)
                for interface, address, network in self._own
                if address == source or (source is None and target in network)
            )
            self._ways[key] = next(ways, None)
        return self._ways[key]

    def has_address(self, address: Ip) -> bool:
        """Whether an address was the node's from the beginning."""
        return address in self._addresses

    def _deaf(self, source: Ip) -> bool:
        deaf = self.surroundings.deaf
        return bool(deaf) and any(item.name in deaf and item.neighbor == source for item in self.config.bfd_instances)

    # the host of the checker child

    def start_check(self, effect: ipvs.StartCheck, number: int) -> None:
        delay_ns, outcome = self._answer(effect.checker, effect.attempt)
        checker = self.checker
        assert checker is not None

        def ended() -> None:
            if self.checker is checker:
                self.do(lambda: checker.ended(number, effect.checker, outcome, self.world.now))

        self.world.later(delay_ns, ended)

    def _answer(self, check: Any, attempt: Attempt) -> tuple[int, Outcome]:
        """What becomes of an attempt: a real server is well, refuses, or takes its time."""
        connection = attempt.connection
        if connection is not None:
            address, port, limit = connection.address, connection.port, connection.timeout_us * 1000
        else:
            address, port = check.real.model.address, check.real.model.port
            limit = attempt.timeout_us * 1000
        server = self.world.servers
        wait = server.get(f"{address}:{port}", server.get(str(address), ANSWER_NS))
        script = attempt.transport is Transport.SCRIPT
        if wait < 0:
            failed = Outcome(False, Reason.SCRIPT_ENDED, "", 1)
            return ANSWER_NS, failed if script else Outcome(False, Reason.CONNECT_FAILED, "Connection refused", 111)
        if limit and wait > limit:
            return limit, Outcome(False, Reason.SCRIPT_TIMED_OUT if script else Reason.CONNECT_TIMEOUT)
        return wait, Outcome(True, Reason.SCRIPT_ENDED) if script else SUCCESS

    def checker_did(self, effect: ipvs.Tell) -> None:
        if effect.trap_only or effect.final:
            return
        word = "UP" if effect.up else "DOWN"
        what = f"real server {effect.real_name} of {effect.virtual_name} {word}"
        self.world.note(self.name, what if effect.real else f"quorum of {effect.virtual_name} {word}")

    def broken(self, what: str) -> None:
        self.world.violated(self, what)

    def _files(self) -> dict[str, int]:
        """The numbers in the files that checkers watch."""
        names = {
            check.track_file
            for server in self.config.virtual_servers
            for real in server.real_servers
            for check in real.checkers
            if isinstance(check, FileCheck)
        }
        return {name: _number(self.surroundings.files.get(name, b"0")) for name in names}

    def file_changed(self, name: str, content: bytes | None) -> None:
        """Both children that watch files hear of it."""
        self.tell(inputs.FileChanged(name, content))
        if name in self._files():
            self._tell_checker(ipvs.FileRead(name, _number(content)))

    def tell_files(self) -> None:
        """The checker child hears what is in the files it watches."""
        for name, value in self._files().items():
            self._tell_checker(ipvs.FileRead(name, value))

    def watch_addresses(self) -> None:
        """The checker child hears where the addresses of virtual servers with ha_suspend are."""
        if self.checker is None or not any(server.ha_suspend for server in self.config.virtual_servers):
            return
        present = [address for _, address in self.machine.addresses()]
        for server in self.config.virtual_servers:
            if server.ha_suspend and server.address is not None:
                count = present.count(server.address)
                if self._suspended.get(server.address, 0) != count:
                    self._suspended[server.address] = count
                    self._tell_checker(ipvs.AddressChanged(server.address, count))

    def _tell_checker(self, message: ipvs.Message) -> None:
        checker = self.checker
        if checker is not None:
            self.do(lambda: checker.feed(message, self.world.now))


def _number(content: bytes | None) -> int:
    try:
        return int(content or b"0")
    except ValueError:
        return 0
