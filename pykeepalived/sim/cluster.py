"""Nodes on segments in virtual time: faults, a timeline of what happened, and the invariants that hold at every step.

The nodes are machine.py, the segments lan.py. From the same configurations, faults and randomness follows the same run,
to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.observe.snapshot import VrrpInstanceSnapshot, VrrpState
from pykeepalived.sim.lan import Arrival, Lan, Packet, Quality, RandomSource
from pykeepalived.sim.machine import Machine, Plug, Surroundings, Wish
from pykeepalived.vrrp import effects, inputs

MS = 1_000_000
SECOND = 1_000_000_000
START = 1_000 * SECOND
WALL_START = 1_700_000_000 * SECOND
SCRIPT_RUN_NS = 10 * MS
"""How long every check script takes here."""

_SHOWN = ("MASTER", "BACKUP", "FAULT", "STOP")


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


@dataclass(slots=True)
class Node:
    """A node as the cluster keeps it; `clock` is how far its wall clock is off."""

    name: str
    config: Config
    plugs: tuple[Plug, ...]
    machine: Machine
    running: bool = False
    stalled: bool = False
    late: bool = False
    clock: int = 0
    waiting: list[Arrival] = field(default_factory=list)
    untold: list[inputs.Input] = field(default_factory=list)
    changed: bool = False
    announced: set[Ip] = field(default_factory=set)
    """VIPs announced since their instance became master."""
    states: dict[str, str] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.running and not self.stalled


class Cluster:
    """All nodes, their segments and the clock. `violations` stays empty as long as every invariant holds."""

    def __init__(self, random: RandomSource, quality: Quality | None = None) -> None:
        self.now = START
        self.lan = Lan(random)
        self.nodes: dict[str, Node] = {}
        self.moments: list[Moment] = []
        self.changes: list[Change] = []
        self.violations: list[str] = []
        self._quality = quality or Quality()
        self._events: list[tuple[int, int, Callable[[], object]]] = []
        self._number = 0

    # building

    def add(self, name: str, config: Config, plugs: Iterable[Plug]) -> Node:
        """A node, not yet started. Interfaces of the same name meet on one segment."""
        plugs = tuple(plugs)
        node = Node(name, config, plugs, None)  # type: ignore[arg-type]
        node.machine = self._machine(node)
        self.nodes[name] = node
        for plug in plugs:
            self.lan.attach(name, plug.interface, plug.interface)
            self.lan.quality.setdefault(plug.interface, self._quality)
        return node

    def _machine(self, node: Node) -> Machine:
        def wall() -> int:
            return WALL_START + self.now - START + node.clock

        return Machine(node.name, node.config, node.plugs, wall, lambda effect: self._told(node, effect))

    @property
    def elapsed(self) -> int:
        """Nanoseconds since the start of the run."""
        return self.now - START

    def at(self, when: int, action: Callable[[], object]) -> None:
        """Do this at a moment of the run (ns since its start), before the deadlines of that moment."""
        self._number += 1
        heappush(self._events, (START + when, self._number, action))

    # time

    def run(self, until: int) -> None:
        """Let time pass until this many nanoseconds since the start."""
        end = START + until
        while True:
            times = [self._events[0][0]] if self._events else []
            due = [(when, node) for node in self.nodes.values() if node.active and (when := self._deadline(node))]
            times += [when for when, _ in due]
            if not times or min(times) > end:
                break
            self._advance(min(times))
            if self._events and self._events[0][0] <= self.now:
                heappop(self._events)[2]()
            else:
                node = next(node for when, node in due if when <= self.now)
                self._obey(node, node.machine.tick(self.now))
                node.late = node.late and (node.machine.deadline() or self.now) < self.now
        self.now = max(self.now, end)

    def _deadline(self, node: Node) -> int | None:
        when = node.machine.deadline()
        return when if when is None else max(when, self.now) if node.late else when

    def _advance(self, when: int) -> None:
        if when < self.now:
            late = [node for node in self.nodes.values() if node.active and (self._deadline(node) or when) < self.now]
            for node in late:
                router = node.machine.router
                exact = router.exact_deadline() if router is not None else None
                if exact is not None and exact < self.now:
                    self._violated(node, f"a deadline lies {self.now - exact} ns in the past")
        self.now = max(self.now, when)

    # what nodes want

    def _obey(self, node: Node, wish: Wish) -> None:
        for packet in wish.packets:
            self._send(packet)
        for name in wish.scripts:
            self.at(self.elapsed + SCRIPT_RUN_NS, partial(self._script_ended, node, node.machine, name))
        if node.changed and node.active:
            node.changed = False
            self._check(node)

    def _send(self, packet: Packet) -> None:
        for arrival in self.lan.transmit(packet, self.now):
            self.at(arrival.at - START, partial(self._arrive, arrival))

    def _arrive(self, arrival: Arrival) -> None:
        node = self.nodes[arrival.host]
        if node.stalled:
            node.waiting.append(arrival)
        elif node.running:
            node.machine.hear(arrival.interface, arrival.packet, self.now)
            self._obey(node, node.machine.settle(self.now))

    def _script_ended(self, node: Node, machine: Machine, name: str) -> None:
        if node.machine is machine:
            status = machine.surroundings.scripts.get(name, 0)
            self._tell(node, [inputs.ScriptFinished(name, status=status)])

    def _tell(self, node: Node, messages: list[inputs.Input]) -> None:
        if node.stalled:
            node.untold += messages
        elif node.running:
            self._obey(node, node.machine.feed(messages, self.now))

    def _told(self, node: Node, effect: effects.Effect) -> None:
        match effect:
            case effects.NotifyInstance(instance, state, priority, cause) if state in _SHOWN:
                node.changed = True
                if state != "MASTER":
                    node.announced -= {address.address for address in instance.virtual_addresses}
                if node.states.get(instance.name) != state:
                    self._change(node, instance.name, state, f"{cause.fact} {cause.subject}".rstrip(), priority)
            case effects.ChangeNetwork():
                node.changed = True
            case effects.SendFrames(frames):
                node.announced.update(frame.address for frame in frames)
            case _:
                pass

    def _change(self, node: Node, instance: str, state: str, why: str, priority: int = 0) -> None:
        node.states[instance] = state
        self.changes.append(Change(self.elapsed, node.name, instance, state))
        extra = f", priority {priority}" if priority else ""
        self._note(node.name, f"{instance} {state} ({why}{extra})")

    def _note(self, node: str, what: str) -> None:
        self.moments.append(Moment(self.elapsed, node, what))

    # faults

    def start(self, name: str) -> None:
        """Power on, or start a stopped daemon. A node that was killed comes back with an empty kernel."""
        node = self.nodes[name]
        if node.running:
            return
        self._note(name, "start")
        node.running, node.stalled, node.late = True, False, False
        self._obey(node, node.machine.start(self.now))

    def kill(self, name: str) -> None:
        """Power off."""
        node = self.nodes[name]
        self._note(name, "killed")
        surroundings = node.machine.surroundings
        node.machine.die()
        node.machine = self._machine(node)
        node.machine.surroundings = surroundings
        node.running = node.stalled = False
        node.waiting.clear()
        node.untold.clear()
        node.announced.clear()
        for instance in list(node.states):
            node.states[instance] = "DEAD"
            self.changes.append(Change(self.elapsed, name, instance, "DEAD"))

    def kill_child(self, name: str) -> None:
        """SIGKILL of the VRRP child; the parent starts another one at once."""
        node = self.nodes[name]
        if not node.active:
            return
        self._note(name, "VRRP child killed")
        node.machine.die()
        self._obey(node, node.machine.start(self.now, adopt=True))

    def stop(self, name: str) -> None:
        """SIGTERM."""
        node = self.nodes[name]
        if not node.active:
            return
        self._note(name, "SIGTERM")
        self._obey(node, node.machine.stop(self.now))
        node.running = False

    def reload(self, name: str, config: Config) -> None:
        """SIGHUP with a new file."""
        node = self.nodes[name]
        node.config = config
        if not node.active:
            return
        self._note(name, "reload")
        self._obey(node, node.machine.reload(config, self.now))

    def stall(self, name: str, duration: int) -> None:
        """The node stands still (SIGSTOP, a frozen virtual machine); what arrives waits."""
        node = self.nodes[name]
        if not node.active:
            return
        self._note(name, f"stalls for {duration / SECOND:g} s")
        node.stalled = True
        machine = node.machine
        self.at(self.elapsed + duration, lambda: self._resume(node, machine))

    def _resume(self, node: Node, machine: Machine) -> None:
        if node.machine is not machine or not node.stalled:
            return
        self._note(node.name, "goes on")
        node.stalled, node.late = False, True
        waiting, node.waiting = node.waiting, []
        untold, node.untold = node.untold, []
        self._tell(node, [*machine.events(), *untold])
        for arrival in waiting:
            self._arrive(arrival)

    def step_clock(self, name: str, nanoseconds: int) -> None:
        """Somebody sets the wall clock."""
        self._note(name, f"wall clock set by {nanoseconds / SECOND:+g} s")
        self.nodes[name].clock += nanoseconds

    def set_carrier(self, name: str, interface: str, up: bool) -> None:
        """Pull or plug a cable: the kernel tells."""
        node = self.nodes[name]
        self._note(name, f"{interface} {'up' if up else 'down'}")
        self.lan.set_carrier(name, interface, up)
        node.machine.kernel.set_carrier(interface, up)
        self._tell(node, [] if node.stalled else node.machine.events())

    def remove_address(self, name: str, interface: str, address: str, length: int) -> None:
        """Somebody deletes an address behind the daemon's back."""
        node = self.nodes[name]
        self._note(name, f"{address} deleted by hand")
        node.machine.kernel.remove_address(interface, address, length)
        self._tell(node, [] if node.stalled else node.machine.events())

    def cut(self, one: str, other: str, both: bool = True) -> None:
        """Silently lose everything from one node to another (and back)."""
        self._note(one, f"{'is cut from' if both else 'is not heard any more by'} {other}")
        self.lan.block(one, other)
        if both:
            self.lan.block(other, one)

    def isolate(self, name: str) -> None:
        """Silently cut a node off from all others."""
        self._note(name, "is cut off")
        self.lan.isolate(name)

    def heal(self, name: str) -> None:
        """Everything about this node is well again: power, cables, links, scripts."""
        node = self.nodes[name]
        self._note(name, "healed")
        self.lan.heal(name)
        for plug in node.plugs:
            link = node.machine.kernel.link(plug.interface)
            self.lan.set_carrier(name, plug.interface, True)
            if link is not None and not link.is_up:
                node.machine.kernel.set_carrier(plug.interface, True)
        node.machine.surroundings = Surroundings()
        self._tell(node, [] if node.stalled else node.machine.events())
        self.start(name)

    def set_script(self, name: str, script: str, status: int) -> None:
        """From now on this check script ends with this status."""
        self._note(name, f"script {script} {'fails' if status else 'succeeds'}")
        self.nodes[name].machine.surroundings.scripts[script] = status

    def set_bfd(self, name: str, session: str, up: bool) -> None:
        """A BFD session changes its state."""
        node = self.nodes[name]
        self._note(name, f"BFD {session} {'up' if up else 'down'}")
        node.machine.surroundings.bfds[session] = up
        self._tell(node, [inputs.BfdChanged(session, up, self.now)])

    def set_file(self, name: str, file: str, content: bytes | None) -> None:
        """A tracked file changes."""
        node = self.nodes[name]
        self._note(name, f"file {file} changes")
        node.machine.surroundings.files[file] = content
        self._tell(node, [inputs.FileChanged(file, content)])

    # invariants

    def _violated(self, node: Node, what: str) -> None:
        self.violations.append(f"{self.elapsed / SECOND:.6f} s {node.name}: {what}")

    def _check(self, node: Node) -> None:
        """A VIP is in the kernel of exactly the master; members of a sync group are MASTER together."""
        snapshot = node.machine.snapshot()
        present = {address for _, address in node.machine.addresses()}
        models = {instance.name: instance for instance in node.machine.config.vrrp_instances}
        wanted = {
            address.address
            for shown in snapshot.instances
            if shown.state is VrrpState.MASTER and shown.name in models
            for address in models[shown.name].virtual_addresses
        }
        every = {address.address for model in models.values() for address in model.virtual_addresses}
        own = {text.partition("/")[0] for plug in node.plugs for text in plug.addresses}
        for address in wanted - present:
            self._violated(node, f"is master without {address}")
        for address in (every & present) - wanted:
            if str(address) not in own:
                self._violated(node, f"holds {address} without being master")
        states = {shown.name: shown.state for shown in snapshot.instances}
        for group in node.machine.config.vrrp_sync_groups:
            members = {states[name] for name in group.members if name in states}
            if VrrpState.MASTER in members and len(members) > 1:
                self._violated(node, f"sync group {group.name} is torn: {sorted(state.name for state in members)}")

    def check_converged(self) -> None:
        """To be called when nothing has happened for long: each part of a segment has exactly one master per VRID,
        unless somebody must not preempt it is the one with the highest priority, and it has announced its VIPs."""
        for node in self.nodes.values():
            masters = [name for name, state in node.states.items() if node.active and state == "MASTER"]
            for model in node.machine.config.vrrp_instances:
                wanted = {address.address for address in model.virtual_addresses if model.name in masters}
                for address in wanted - node.announced:
                    self._violated(node, f"has not announced {address}")
        for key, candidates in self._candidates().items():
            for part in self._parts(key[0], candidates):
                self._check_part(key, part)

    def _candidates(self) -> dict[tuple[str, int, int], list[tuple[Node, VrrpInstanceSnapshot]]]:
        """Nodes that could be master, by (interface, family, VRID)."""
        found: dict[tuple[str, int, int], list[tuple[Node, VrrpInstanceSnapshot]]] = {}
        for node in self.nodes.values():
            shown = {item.name: item for item in node.machine.snapshot().instances} if node.active else {}
            for model in node.machine.config.vrrp_instances:
                state = shown.get(model.name)
                if state is not None and state.state in (VrrpState.MASTER, VrrpState.BACKUP):
                    key = (model.interface, model.family, model.virtual_router_id)
                    found.setdefault(key, []).append((node, state))
        return found

    def _parts(
        self, interface: str, candidates: list[tuple[Node, VrrpInstanceSnapshot]]
    ) -> list[list[tuple[Node, VrrpInstanceSnapshot]]]:
        """Those who hear each other, assuming that hearing is mutual."""
        parts: list[list[tuple[Node, VrrpInstanceSnapshot]]] = []
        for item in candidates:
            here = (item[0].name, interface)
            for part in parts:
                if all(self.lan.passes(here, (other.name, interface)) for other, _ in part):
                    part.append(item)
                    break
            else:
                parts.append([item])
        return parts

    def _check_part(self, key: tuple[str, int, int], part: list[tuple[Node, VrrpInstanceSnapshot]]) -> None:
        where = f"{self.elapsed / SECOND:.6f} s VRID {key[2]} on {key[0]}"
        masters = [(node, shown) for node, shown in part if shown.state is VrrpState.MASTER]
        if len(masters) != 1:
            names = ", ".join(node.name for node, _ in masters) or "nobody"
            self.violations.append(f"{where}: master is {names}")
            return
        node, master = masters[0]
        if any(model.nopreempt for each, _ in part for model in each.machine.config.vrrp_instances):
            return
        best = max(shown.effective_priority for _, shown in part)
        mine = master.effective_priority
        if mine < best and not master.group:
            self.violations.append(f"{where}: {node.name} is master with priority {mine} while another has {best}")
