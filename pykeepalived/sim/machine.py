"""The VRRP child of a node: a production Router, a fake kernel, and the few duties a shell has, without I/O.

What the node hears and when its time passes is cluster.py's business; effects that reach beyond the child (packets,
script runs) go to its Host. The other children are bfd_child.py and checker_child.py.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import facts as kf
from pykeepalived.netlink import operations as ko
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.routes import match_route
from pykeepalived.netlink.rules import match_rule
from pykeepalived.observe.snapshot import VrrpSnapshot
from pykeepalived.sim.lan import Packet
from pykeepalived.vrrp import attachments, effects, inputs, translation
from pykeepalived.vrrp.router import Router


@dataclass(frozen=True, slots=True)
class Plug:
    """One interface of a node, its MAC address and its addresses as `address/length`."""

    interface: str
    mac: bytes
    addresses: tuple[str, ...] = ()


@dataclass(slots=True)
class Surroundings:
    """What the node's trackers see: exit status by script, content by file, count by process.

    What is not named is well: scripts exit with 0, files say 0, processes run in the wanted number. Of the BFD
    sessions in `deaf` nothing is heard.
    """

    scripts: dict[str, int] = field(default_factory=dict)
    files: dict[str, bytes | None] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Everything is well."""
        for each in (self.scripts, self.files, self.processes, self.deaf):
            each.clear()


NEVER = 1 << 62
"""A deadline of somebody who waits for nothing."""


class Host(Protocol):
    """The world outside of the VRRP child."""

    def wall(self) -> int:
        """The node's wall clock."""

    def post(self, packet: Packet, /) -> None:
        """Send a packet."""

    def run_script(self, name: str, /) -> None:
        """Run a check script and tell the child how it ended."""

    def vrrp_did(self, effect: effects.Effect, /) -> None:
        """Every effect as it is performed."""


class Machine:
    """The VRRP child and the kernel below it. `due` is when `tick` wants to be called."""

    def __init__(self, name: str, config: Config, plugs: Iterable[Plug], host: Host) -> None:
        self.name = name
        self.config = config
        self.surroundings = Surroundings()
        self.kernel = FakeKernel()
        self.pools: list[effects.Pool] = []
        self.refusing = False
        self.due = NEVER
        self._host = host
        self._did = host.vrrp_did
        self._physical: dict[str, str] = {}
        self._plan = attachments.Plan()
        self._names: dict[int, str] = {}
        for plug in plugs:
            self.kernel.add_interface(plug.interface, plug.mac)
            self.kernel.sysctls[f"net/ipv4/conf/{plug.interface}/promote_secondaries"] = "1"
            for text in plug.addresses:
                address, _, length = text.partition("/")
                self.kernel.add_address(plug.interface, address, int(length))
        self.router: Router | None = None

    # life

    def start(self, now: int, adopt: bool = False) -> None:
        """The VRRP child starts; `adopt` = in place of one that died a moment ago."""
        self.pools.clear()
        view = replace(self._adopt(), files=self._files(), processes=self._processes())
        self.router = Router(self.config, view, now, self._host.wall, adopt=adopt, log_detail=1)
        self.settle(now)

    def die(self) -> None:
        """The VRRP child is gone without a word; the kernel keeps what it has."""
        self.router = None
        self.due = NEVER
        self.pools.clear()

    def stop(self, now: int) -> None:
        """SIGTERM."""
        self.feed([inputs.Stop()], now)
        self.die()

    def reload(self, config: Config, now: int) -> None:
        """A new configuration."""
        self.config = config
        self.feed([*self.events(), inputs.Reload(config, self._adopt())], now)

    # the core

    def feed(self, messages: Iterable[inputs.Input], now: int) -> None:
        """Tell the core, then do what it wants."""
        if self.router is None:
            return
        for message in messages:
            self.router.receive(message, now)
        self.settle(now)

    def hear(self, interface: str, packet: Packet, now: int, waited: int) -> None:
        """A packet reached an interface so many nanoseconds ago."""
        router = self.router
        if router is None:
            return
        for pool in self.pools[:]:
            if not self._fits(pool, interface, packet):
                continue
            if pool.family == 4:
                router.hear(pool, packet.data, now, waited=waited)
            else:
                router.hear(pool, packet.data, now, packet.source, packet.destination, packet.hop_limit, waited)
        self.settle(now)

    def tick(self, now: int) -> None:
        """Time has passed."""
        if self.router is not None:
            self.router.tick(now)
            self.settle(now)

    def exact_due(self) -> int:
        """When something will really happen."""
        exact = self.router.exact_deadline() if self.router is not None else None
        return NEVER if exact is None else exact

    def settle(self, now: int) -> None:
        """Perform what the core wants until it wants nothing more."""
        router = self.router
        if router is None:
            return
        while wanted := router.drain():
            for effect in wanted:
                self._did(effect)
                for message in self._perform(effect):
                    router.receive(message, now)
        due = router.deadline()
        self.due = NEVER if due is None else due

    def events(self) -> list[inputs.Input]:
        """What the kernel has told since the last call, in the core's words."""
        happened = self.kernel.read_events()
        back = {translation.place(e.address): n for n, e in enumerate(happened) if isinstance(e, kf.AddressAdded)}
        told: list[inputs.Input] = []
        for number, event in enumerate(happened):
            if isinstance(event, kf.AddressRemoved) and back.get(translation.place(event.address), -1) > number:
                continue
            message = self._translate(event)
            if message is not None:
                told.append(message)
        return told

    def snapshot(self) -> VrrpSnapshot:
        """The core's own view; empty while nothing runs."""
        return VrrpSnapshot() if self.router is None else self.router.snapshot()

    def addresses(self) -> set[tuple[str, Ip]]:
        """All (interface, address) in the kernel."""
        facts = self.kernel.known()
        return {(facts.links[each.index].name, each.address) for each in facts.addresses}

    def physical(self, interface: str) -> str:
        """The plugged interface below a VMAC or ipvlan, or the interface itself."""
        known = self._physical.get(interface)
        if known is not None:
            return known
        link = self.kernel.link(interface)
        while link is not None and link.parent:
            link = self.kernel.links().get(link.parent)
        return self._physical.setdefault(interface, link.name if link is not None else interface)

    # effects

    def _perform(self, effect: effects.Effect) -> Iterable[inputs.Input]:
        """Do one thing; returns what the core is to be told."""
        match effect:
            case effects.SendAdverts(packets):
                for flow, data in packets:
                    self._send(flow, data)
            case effects.OpenPool(pool):
                if pool.interface and self.kernel.link(pool.interface) is None:
                    return [inputs.PoolFailed(pool, "No such device")]
                self.pools.append(pool)
            case effects.ClosePool(pool):
                if pool in self.pools:
                    self.pools.remove(pool)
            case effects.ChangeNetwork(operations):
                return [*self._change(operations), *self.events()]
            case effects.CreateLink(instance, parent, family):
                return self._create_link((instance.name, parent, family))
            case effects.RemoveLink(name):
                self.kernel.perform([ko.DeleteLink(name)])
            case effects.StartScript(name):
                self._host.run_script(name)
            case effects.WatchTrackers():
                return self._tracked(effect)
            case _:
                pass
        return ()

    def _send(self, flow: effects.Flow, data: bytes) -> None:
        """The packet on the wire, unless its interface is gone."""
        interface = flow.pool.interface or self._owner(flow.source)
        link = self.kernel.link(interface)
        if link is None or not link.is_up:
            return
        limit = 255 if flow.hop_limit is None else flow.hop_limit
        multicast = flow.pool.group is not None
        pool = flow.pool
        place = self.physical(interface)
        self._host.post(
            Packet(self.name, place, pool.family, pool.protocol, flow.source, flow.destination, multicast, limit, data)
        )

    def _owner(self, address: Ip) -> str:
        return next((name for name, known in self.addresses() if known == address), "")

    def _fits(self, pool: effects.Pool, interface: str, packet: Packet) -> bool:
        if (pool.family, pool.protocol) != (packet.family, packet.protocol):
            return False
        if pool.interface and self.physical(pool.interface) != interface:
            return False
        if pool.group is not None:
            return packet.multicast and packet.destination == pool.group
        return packet.destination == pool.source

    def _change(self, operations: list[effects.Operation]) -> list[inputs.Input]:
        failed: list[inputs.Input] = []
        for operation in operations:
            step = translation.step(operation)
            if step is not None and self.refusing:
                failed.append(inputs.OperationFailed(operation, errno.ENOBUFS))
            elif step is not None:
                failed += [inputs.OperationFailed(operation, error.errno) for error in self.kernel.perform([step])]
        return failed

    def _tracked(self, wanted: effects.WatchTrackers) -> list[inputs.Input]:
        """The present state of what is watched from now on."""
        files, processes = self._files(), self._processes()
        told: list[inputs.Input] = [inputs.FileChanged(name, files[name]) for name in wanted.files]
        told += [inputs.ProcessCount(name, processes[name]) for name in wanted.processes]
        for name in wanted.polled_interfaces:
            link = self.kernel.link(name)
            told.append(inputs.LinkbeatChanged(name, link is not None and link.is_up))
        return told

    def _files(self) -> dict[str, bytes | None]:
        return {file.name: self.surroundings.files.get(file.name, b"0") for file in self.config.track_files}

    def _processes(self) -> dict[str, int]:
        """As many as the quorum wants, unless told otherwise."""
        seen = self.surroundings.processes
        return {process.name: seen.get(process.name, process.quorum) for process in self.config.track_processes}

    # the machine as the core sees it

    def _adopt(self) -> inputs.View:
        """Make the links that the configuration needs and return the view of everything."""
        self._plan = attachments.plan(self.config, self.kernel.facts(), self._plan.names)
        for attachment in self._plan.attachments:
            self._make(attachment)
        facts = self.kernel.facts(routes=True, rules=True)
        self._names = {index: link.name for index, link in facts.links.items()}
        routes = (match_route(route, self._routes(), facts.links) for route in facts.routes)
        rules = (match_rule(rule, self._rules()) for rule in facts.rules)
        return inputs.View(
            interfaces=tuple(_interface(link, facts.links) for link in facts.links.values()),
            addresses=tuple(translation.address(facts.links[each.index].name, each) for each in facts.addresses),
            attachments={key: name for key, name in self._plan.names.items() if facts.link(name) is not None},
            leftover_routes=tuple(dict.fromkeys(route for route in routes if route is not None)),
            leftover_rules=tuple(dict.fromkeys(rule for rule in rules if rule is not None)),
            uptime_ns=3600 * 1_000_000_000,
        )

    def _make(self, attachment: attachments.Attachment) -> None:
        facts = self.kernel.known()
        self._physical.clear()
        if facts.link(attachment.link.name) is None:
            self.kernel.perform(attachments.creation(attachment, facts))
        for path, value in attachments.sysctls(attachment):
            self.kernel.sysctls[path] = value
        facts = self.kernel.known()
        self.kernel.perform([ko.SetLink(attachment.link.name, up=True), *attachments.addresses(attachment, facts)])

    def _create_link(self, key: attachments.Key) -> list[inputs.Input]:
        self._plan = attachments.plan(self.config, self.kernel.known(), self._plan.names)
        attachment = self._plan.find(*key)
        if attachment is None:
            return []
        self._make(attachment)
        return [*self.events(), inputs.Attached(*key, attachment.link.name)]

    def _routes(self) -> list[IpRoute]:
        return [route for item in self.config.vrrp_instances for route in item.virtual_routes] + [
            *self.config.static_routes
        ]

    def _rules(self) -> list[IpRule]:
        return [rule for item in self.config.vrrp_instances for rule in item.virtual_rules]

    def _translate(self, event: kf.Event) -> inputs.Input | None:
        links = self.kernel.links()
        match event:
            case kf.LinkChanged(link):
                self._physical.clear()
                self._names[link.index] = link.name
                return inputs.InterfaceChanged(_interface(link, links))
            case kf.LinkRemoved(index, name):
                self._physical.clear()
                return inputs.InterfaceRemoved(self._names.pop(index, name))
            case kf.AddressAdded(address) if address.index in links:
                return inputs.AddressAdded(translation.address(links[address.index].name, address))
            case kf.AddressRemoved(address) if address.index in links:
                return inputs.AddressRemoved(translation.address(links[address.index].name, address))
            case kf.RouteRemoved(route):
                lost = match_route(route, self._routes(), links)
                return inputs.RouteRemoved(lost) if lost is not None else None
            case _:
                return None


def _interface(link: kf.Link, links: Mapping[int, kf.Link]) -> inputs.Interface:
    parent = links.get(link.parent)
    return inputs.Interface(
        name=link.name,
        index=link.index,
        up=link.is_up,
        mac=link.mac,
        broadcast=link.broadcast,
        mtu=link.mtu,
        parent=parent.name if parent is not None else "",
    )
