"""Nodes on segments in virtual time: the clock, the faults, and a timeline of what happened.

The nodes are node.py, the segments lan.py, what must hold is invariants.py. From the same configurations, faults and
randomness follows the same run, to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.runtime.messages import ChildKind
from pykeepalived.sim.invariants import RETRY_NS, Key, Rivals, Vacancies, check_node, check_settled, key_of
from pykeepalived.sim.lan import Arrival, Lan, Packet, Quality, RandomSource
from pykeepalived.sim.machine import NEVER, Machine, Plug
from pykeepalived.sim.neighbor import Neighbor
from pykeepalived.sim.node import Child, Node

SECOND = 1_000_000_000
START = 1_000 * SECOND
WALL_START = 1_700_000_000 * SECOND
_SPINS = 20
"""Calls of `tick` at one moment after which a child is said to wait for the past."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: when (ns since the start of the run), to which node, and what."""

    at: int
    node: str
    what: str


@dataclass(frozen=True, slots=True)
class Change:
    """An instance of a node is in this state from now on; DEAD while the node is gone."""

    at: int
    node: str
    instance: str
    state: str
    key: Key = ("", 0, 0)


class Cluster:
    """All nodes, their segments and the clock. `violations` stays empty as long as every invariant holds.

    `servers` are the real servers that are not well, by `ADDRESS:PORT` or `ADDRESS`: nanoseconds until they answer,
    or -1 for those that are down.
    """

    def __init__(self, random: RandomSource, quality: Quality | None = None) -> None:
        self.now = START
        self.random = random
        self.lan = Lan(random)
        self.nodes: dict[str, Node] = {}
        self.servers: dict[str, int] = {}
        self.moments: list[Moment] = []
        self.changes: list[Change] = []
        self.violations: list[str] = []
        self._neighbors: dict[str, Neighbor] = {}
        self._quality = quality or Quality()
        self._events: list[tuple[int, int, Callable[[], object]]] = []
        self._number = 0
        self._spins: dict[int, int] = {}
        self._rivals = Rivals(self)
        self._vacancies = Vacancies(self)
        self.lan.on_loss = self._rivals.lost

    # building

    def add(self, name: str, config: Config, plugs: Iterable[Plug]) -> Node:
        """A node, not yet started. Interfaces of the same name meet on one segment."""
        node = self.nodes[name] = Node(name, config, plugs, self)
        for plug in node.plugs:
            self.lan.attach(name, plug.interface, plug.interface)
            self.lan.quality.setdefault(plug.interface, self._quality)
        return node

    def _meet(self, config: Config, node: Node) -> None:
        """BFD neighbors that are no nodes are there all the same, on the segment of the node that asks for them."""
        for instance in config.bfd_instances:
            name = str(instance.neighbor)
            way = node.way_to(instance.neighbor, instance.source)
            if way is None or any(each.has_address(instance.neighbor) for each in self.nodes.values()):
                continue
            neighbor = self._neighbors.get(name)
            if neighbor is None:
                neighbor = self._neighbors[name] = Neighbor(name, way[0], self)
                self.lan.attach(name, way[0], way[0])
            neighbor.meet(instance, way[1])

    @property
    def elapsed(self) -> int:
        """Nanoseconds since the start of the run."""
        return self.now - START

    def at(self, when: int, action: Callable[[], object]) -> None:
        """Do this at a moment of the run (ns since its start), before the deadlines of that moment."""
        self._number += 1
        heappush(self._events, (START + when, self._number, action))

    def later(self, delay_ns: int, action: Callable[[], object]) -> None:
        """Do this after so many nanoseconds."""
        self._number += 1
        heappush(self._events, (self.now + delay_ns, self._number, action))

    # time

    def run(self, until: int) -> None:
        """Let time pass until this many nanoseconds since the start."""
        end = START + until
        events = self._events
        while True:
            when = events[0][0] if events else NEVER
            first: tuple[Node | None, Child] | None = None
            for node in self.nodes.values():
                if node.running and not node.stalled:
                    for child in node.children:
                        if child.due < when:
                            when, first = child.due, (node, child)
            for neighbor in self._neighbors.values():
                if neighbor.bfd is not None and neighbor.bfd.due < when:
                    when, first = neighbor.bfd.due, (None, neighbor.bfd)
            if when > end:
                break
            if first is None:
                self.now = max(self.now, when)
                heappop(events)[2]()
                self._look()
            else:
                self._tick(*first)
        self.now = max(self.now, end)

    def _tick(self, node: Node | None, child: Child) -> None:
        """A child's deadline has come."""
        if child.due > self.now:
            self.now = child.due
            self._spins.clear()
        elif child.due < self.now and node is not None and not node.late and child.exact_due() < self.now:
            self.violated(node, f"a deadline lies {self.now - child.exact_due()} ns in the past")
        child.tick(self.now)
        if child.due <= self.now:
            self._spins[id(child)] = spins = self._spins.get(id(child), 0) + 1
            if spins > _SPINS:
                self.violated(node, "a deadline stays in the past")
                child.due = self.now + SECOND
        if node is not None:
            node.late = node.late and any(each.due < self.now for each in node.children)
            if node.changed and node.active:
                self._check(node)

    def _look(self) -> None:
        """After an event: check the nodes that have changed."""
        for node in self.nodes.values():
            if node.changed and node.active:
                self._check(node)

    def _check(self, node: Node) -> None:
        node.changed = False
        node.watch_addresses()
        check_node(self, node)

    def check_converged(self) -> None:
        """To be called when nothing has happened for long: everything is in order."""
        check_settled(self)

    # what nodes want

    def wall(self) -> int:
        """The time of day of a node whose clock is right."""
        return WALL_START + self.now - START

    def post(self, packet: Packet) -> None:
        """A packet leaves a node."""
        for arrival in self.lan.transmit(packet, self.now):
            self._number += 1
            action: Callable[[], object] = partial(self._arrive, arrival)
            heappush(self._events, (arrival.at, self._number, action))

    def _arrive(self, arrival: Arrival) -> None:
        node = self.nodes.get(arrival.host)
        if node is None:
            self._neighbors[arrival.host].hear(arrival.packet)
        elif node.stalled:
            node.waiting.append(arrival)
        elif node.running:
            node.hear(arrival.interface, arrival.packet)

    def state_entered(self, node: Node, instance: str, state: str, why: str) -> None:
        """An instance enters a state, perhaps in a new child the one that it had."""
        if node.states.get(instance) != state:
            self._state_changed(node, instance, state, why)
        self._vacancies.look(node.name if state == "BACKUP" else "")

    def _state_changed(self, node: Node, instance: str, state: str, why: str) -> None:
        node.states[instance] = state
        model = next((each for each in node.config.vrrp_instances if each.name == instance), None)
        self.changes.append(
            Change(self.elapsed, node.name, instance, state, key_of(model) if model is not None else ("", 0, 0))
        )
        self.note(node.name, f"{instance} {state} ({why})" if why else f"{instance} {state}")
        if state == "MASTER":
            self._rivals.disturbed(node.name)

    def note(self, node: str, what: str) -> None:
        """A line of the timeline."""
        self.moments.append(Moment(self.elapsed, node, what))

    def violated(self, node: Node | None, what: str) -> None:
        """An invariant does not hold."""
        where = f" {node.name}:" if node is not None else ""
        self.violations.append(f"{self.elapsed / SECOND:.6f} s{where} {what}")

    # faults

    def start(self, name: str) -> None:
        """Power on, or start a stopped daemon. A node that was killed comes back with an empty kernel."""
        node = self.nodes[name]
        if node.running:
            return
        self.note(name, "start")
        self._meet(node.file, node)
        node.start()

    def kill(self, name: str) -> None:
        """Power off."""
        node = self.nodes[name]
        self.note(name, "killed")
        node.empty()
        for instance in list(node.states):
            node.states[instance] = "DEAD"
            model = next((each for each in node.config.vrrp_instances if each.name == instance), None)
            key = key_of(model) if model is not None else ("", 0, 0)
            self.changes.append(Change(self.elapsed, name, instance, "DEAD", key))
        self._vacancies.look()

    def kill_child(self, name: str, kind: ChildKind = ChildKind.VRRP) -> None:
        """SIGKILL of one child; the parent starts another one at once."""
        node = self.nodes[name]
        if node.active and node.restart(kind):
            words = {ChildKind.VRRP: "VRRP", ChildKind.CHECKER: "checker", ChildKind.BFD: "BFD"}
            self.note(name, f"{words[kind]} child killed")
            self._rivals.disturbed(name)
            self._vacancies.look(name)

    def stop(self, name: str) -> None:
        """SIGTERM."""
        node = self.nodes[name]
        if not node.active:
            return
        self.note(name, "SIGTERM")
        node.stop()
        if self.now >= node.refused_until:
            left = [str(address) for _, address in node.machine.addresses() if not node.has_address(address)]
            if left or node.ipvs.services:
                self.violated(node, f"leaves {[*left, *map(str, node.ipvs.services)]} behind")

    def reload(self, name: str, config: Config) -> None:
        """SIGHUP with a new file. A node that stands still hears of it when it goes on."""
        node = self.nodes[name]
        node.file = config
        self.note(name, "reload")
        self._meet(config, node)
        node.do(lambda: self._reload(node))

    def _reload(self, node: Node) -> None:
        node.reload()
        self._rivals.disturbed(node.name)
        self._vacancies.look(node.name)

    def stall(self, name: str, duration: int) -> None:
        """The node stands still (SIGSTOP, a frozen virtual machine); what arrives waits."""
        node = self.nodes[name]
        if not node.active:
            return
        self.note(name, f"stalls for {duration / SECOND:g} s")
        node.stalled = True
        self._vacancies.look()
        machine = node.machine
        self.later(duration, lambda: self._resume(node, machine))

    def _resume(self, node: Node, machine: Machine) -> None:
        if node.machine is not machine or not node.stalled:
            return
        self.note(node.name, "goes on")
        node.resume()
        self._rivals.disturbed(node.name)
        self._vacancies.look(node.name)

    def step_clock(self, name: str, nanoseconds: int) -> None:
        """Somebody sets the wall clock."""
        self.note(name, f"wall clock set by {nanoseconds / SECOND:+g} s")
        self.nodes[name].clock += nanoseconds

    def set_carrier(self, name: str, interface: str, up: bool) -> None:
        """Pull or plug a cable: the kernel tells."""
        node = self.nodes[name]
        self.note(name, f"{interface} {'up' if up else 'down'}")
        self.lan.set_carrier(name, interface, up)
        node.machine.kernel.set_carrier(interface, up)
        node.kernel_spoke()
        self._rivals.disturbed(name)
        self._vacancies.look()

    def remove_address(self, name: str, interface: str, address: str, length: int) -> None:
        """Somebody deletes an address behind the daemon's back, if it is there."""
        node = self.nodes[name]
        if (interface, Ip.parse(address)) not in node.machine.addresses():
            self.note(name, f"{address} is not there to be deleted")
            return
        self.note(name, f"{address} deleted by hand")
        node.machine.kernel.remove_address(interface, address, length)
        node.kernel_spoke()

    def clear_services(self, name: str) -> None:
        """Somebody empties the IPVS table behind the daemon's back (the action clear-services of a scenario)."""
        node = self.nodes[name]
        self.note(name, "IPVS table cleared by hand")
        node.ipvs.services.clear()
        node.ipvs.destinations.clear()
        if node.checker is not None:
            node.checker.forgive(self.now)

    def refuse(self, name: str, duration: int) -> None:
        """For so long the kernel refuses every change of addresses, routes, rules and services."""
        node = self.nodes[name]
        self.note(name, f"kernel refuses changes for {duration / SECOND:g} s")
        until = self.now + duration
        node.refused_until = max(node.refused_until, until + RETRY_NS)
        self._refuse(node, True)
        machine = node.machine
        self.later(duration, lambda: self._refuse(node, False, machine))

    def _refuse(self, node: Node, refusing: bool, machine: Machine | None = None) -> None:
        if machine is not None and (node.machine is not machine or self.now < node.refused_until - RETRY_NS):
            return
        node.machine.refusing = refusing
        if node.checker is not None:
            node.checker.refusing = refusing
            node.checker.forgive(self.now)

    def cut(self, one: str, other: str, both: bool = True) -> None:
        """Silently lose everything from one node to another (and back)."""
        self.note(one, f"{'is cut from' if both else 'is not heard any more by'} {other}")
        self.lan.block(one, other)
        if both:
            self.lan.block(other, one)
        self._vacancies.look()

    def isolate(self, name: str) -> None:
        """Silently cut a node off from all others."""
        self.note(name, "is cut off")
        self.lan.isolate(name)
        self._vacancies.look()

    def heal(self, name: str) -> None:
        """Everything about this node is well again: power, cables, links, scripts, BFD, the kernel."""
        node = self.nodes[name]
        self.note(name, "healed")
        self.lan.heal(name)
        for plug in node.plugs:
            link = node.machine.kernel.link(plug.interface)
            self.lan.set_carrier(name, plug.interface, True)
            if link is not None and not link.is_up:
                node.machine.kernel.set_carrier(plug.interface, True)
        node.surroundings.clear()
        self._refuse(node, False)
        node.kernel_spoke()
        node.tell_files()
        self.start(name)
        self._rivals.disturbed(name)
        self._vacancies.look()

    def set_script(self, name: str, script: str, status: int) -> None:
        """From now on this check script ends with this status."""
        self.note(name, f"script {script} {'fails' if status else 'succeeds'}")
        self.nodes[name].surroundings.scripts[script] = status

    def set_bfd(self, name: str, session: str, up: bool) -> None:
        """The packets of a BFD session are lost in both directions from now on, or get through again."""
        self.note(name, f"packets of BFD {session} {'get through' if up else 'are lost'}")
        deaf = self.nodes[name].surroundings.deaf
        (deaf.discard if up else deaf.add)(session)

    def set_file(self, name: str, file: str, content: bytes | None) -> None:
        """A tracked file changes."""
        node = self.nodes[name]
        self.note(name, f"file {file} says {(content or b'nothing').decode(errors='replace')}")
        node.surroundings.files[file] = content
        node.file_changed(file, content)

    def set_server(self, server: str, answer_ns: int | None) -> None:
        """A real server (`ADDRESS:PORT`, or `ADDRESS` for all ports) is well, answers late, or is down (-1)."""
        if answer_ns is None:
            self.servers.pop(server, None)
            what = "is well"
        else:
            self.servers[server] = answer_ns
            what = f"takes {answer_ns / SECOND:g} s to answer" if answer_ns >= 0 else "is down"
        self.note(server, what)
