"""N routers on a fake LAN with a virtual clock: the pair-on-a-wire fixture of the VRRP tests.

Nodes keep their kernel state as plain sets, and their kernel reports what we do to it (unless `echo` is off); packets
travel at once unless a node is cut off.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from pykeepalived.vrrp.router import Router

SECOND = 1_000_000_000
MS = 1_000_000
WALL_START = 1_700_000_000 * SECOND


def ip(text: str) -> Ip:
    return Ip.parse(text)


def vip(text: str, interface: str = "eth0", **more: object) -> IpAddress:
    address, _, length = text.partition("/")
    parsed = ip(address)
    return IpAddress(
        address=parsed,
        prefix_length=int(length or parsed.bits),
        interface=interface,
        **more,  # type: ignore[arg-type]
    )


def instance(name: str = "VI_1", **more: object) -> VrrpInstance:
    """An instance as the captures use it: VRID 51 on eth0 with one VIP."""
    values: dict[str, object] = {
        "interface": "eth0",
        "virtual_router_id": 51,
        "virtual_addresses": (vip("192.0.2.100"),),
    }
    values.update(more)
    return VrrpInstance(name=name, **values)  # type: ignore[arg-type]


def config(*instances: VrrpInstance, **more: object) -> Config:
    return Config(vrrp_instances=instances, wants_vrrp=True, **more)  # type: ignore[arg-type]


def interface(name: str = "eth0", index: int = 2, mac: str = "02000000000a", **more: object) -> inputs.Interface:
    return inputs.Interface(name=name, index=index, mac=bytes.fromhex(mac), **more)  # type: ignore[arg-type]


def address(text: str, name: str = "eth0", flags: int = 0) -> inputs.Address:
    word, _, length = text.partition("/")
    parsed = ip(word)
    return inputs.Address(interface=name, address=parsed, prefix_length=int(length or parsed.bits), flags=flags)


def view(*addresses: inputs.Address, interfaces: tuple[inputs.Interface, ...] = (), **more: object) -> inputs.View:
    return inputs.View(interfaces=interfaces or (interface(),), addresses=addresses, **more)  # type: ignore[arg-type]


@dataclass
class Sent:
    """One packet on the wire."""

    at: int
    node: Node
    flow: fx.Flow
    data: bytes

    @property
    def message(self) -> bytes:
        """The VRRP message, wherever it begins."""
        if self.flow.pool.family == 6:
            return self.data
        return self.data[44:] if self.flow.pool.protocol == 51 else self.data[20:]

    @property
    def priority(self) -> int:
        return self.message[2]


@dataclass(eq=False)
class Node:
    """One host: a Router and what its shell would keep. `history` has every effect with its moment, `dead` the
    interfaces without carrier."""

    lan: Lan
    name: str
    config: Config
    view: inputs.View
    options: dict[str, object] = field(default_factory=dict)
    connected: bool = True
    frozen: bool = False
    late: bool = False
    echo: bool = True
    dead: set[str] = field(default_factory=set)
    router: Router = None  # type: ignore[assignment]
    pools: list[fx.Pool] = field(default_factory=list)
    addresses: set[tuple[str, Ip]] = field(default_factory=set)
    backlog: list[Sent] = field(default_factory=list)
    history: list[tuple[int, fx.Effect]] = field(default_factory=list)
    alive: bool = True

    def start(self) -> None:
        self.router = Router(
            self.config,
            self.view,
            self.lan.now,
            self.lan.wall,
            log_detail=1,
            **self.options,  # type: ignore[arg-type]
        )
        self.perform()

    def perform(self) -> None:
        """Do what the router wants, as a shell would."""
        while wanted := self.router.drain():
            for effect in wanted:
                self.history.append((self.lan.now, effect))
                match effect:
                    case fx.OpenPool(pool):
                        self.pools.append(pool)
                    case fx.ClosePool(pool):
                        self.pools.remove(pool)
                    case fx.SendAdverts(packets):
                        for flow, data in packets:
                            self.lan.transmit(self, flow, data)
                    case fx.ChangeNetwork(operations):
                        for operation in operations:
                            self.operate(operation)

    def operate(self, operation: fx.Operation) -> None:
        """Do it, and report it as the kernel does."""
        match operation:
            case fx.AddAddress(wish, name):
                self.addresses.add((name, wish.address))
                told: inputs.Input = inputs.AddressAdded(_address(wish, name))
            case fx.RemoveAddress(wish, name):
                self.addresses.discard((name, wish.address))
                told = inputs.AddressRemoved(_address(wish, name))
            case _:
                return
        if self.echo:
            self.router.receive(told, self.lan.now)

    def receive(self, message: inputs.Input) -> None:
        self.router.receive(message, self.lan.now)
        self.perform()
        self.lan.deliver()

    def hear(self, sent: Sent) -> None:
        waited = self.lan.now - sent.at
        for pool in list(self.pools):
            if not fits(pool, sent):
                continue
            if pool.family == 4:
                self.router.hear(pool, sent.data, self.lan.now, waited=waited)
            else:
                limit = 255 if sent.flow.hop_limit is None else sent.flow.hop_limit
                source, destination = sent.flow.source, sent.flow.destination
                self.router.hear(pool, sent.data, self.lan.now, source, destination, limit, waited)
        self.perform()

    # looking back

    def effects(self, kind: type) -> list[tuple[int, fx.Effect]]:
        return [(at, effect) for at, effect in self.history if isinstance(effect, kind)]

    def log(self) -> list[str]:
        return [effect.line.text for _, effect in self.history if isinstance(effect, fx.WriteLog)]

    def operations(self) -> list[fx.Operation]:
        found = (effect for _, effect in self.history if isinstance(effect, fx.ChangeNetwork))
        return [operation for effect in found for operation in effect.operations]

    def notices(self) -> list[str]:
        lines = []
        for _, effect in self.history:
            if isinstance(effect, fx.NotifyInstance):
                lines.append(f"INSTANCE {effect.instance.name} {effect.state} {effect.priority}")
            elif isinstance(effect, fx.NotifyGroup):
                lines.append(f"GROUP {effect.group.name} {effect.state}")
        return lines

    def state(self, name: str = "VI_1") -> str:
        for item in self.router.snapshot().instances:
            if item.name == name:
                return item.state.name
        raise KeyError(name)

    def snapshot(self, name: str = "VI_1"):  # type: ignore[no-untyped-def]
        return next(item for item in self.router.snapshot().instances if item.name == name)

    @property
    def is_master(self) -> bool:
        return self.alive and self.state() == "MASTER"


def _address(wish: IpAddress, name: str) -> inputs.Address:
    return inputs.Address(interface=name, address=wish.address, prefix_length=wish.prefix_length)


def fits(pool: fx.Pool, sent: Sent) -> bool:
    """Whether a packet sent by somebody else arrives at this pool."""
    flow = sent.flow
    if (pool.family, pool.protocol) != (flow.pool.family, flow.pool.protocol):
        return False
    if pool.group is not None:
        return flow.destination == pool.group and pool.interface == flow.pool.interface
    return flow.destination == pool.source


class Lan:
    """All nodes, the clock, and everything that was on the wire. `blocked`: the switch forwards nothing."""

    def __init__(self) -> None:
        self.now = 1000 * SECOND
        self.start = self.now
        self.nodes: list[Node] = []
        self.wire: list[Sent] = []
        self._queue: list[Sent] = []
        self.blocked = False

    def wall(self) -> int:
        return WALL_START + self.now - self.start

    def node(self, name: str, configuration: Config, machine: inputs.View, **options: object) -> Node:
        """A node that starts now."""
        node = Node(self, name, configuration, machine, dict(options))
        self.nodes.append(node)
        node.start()
        self.deliver()
        return node

    def transmit(self, node: Node, flow: fx.Flow, data: bytes) -> None:
        sent = Sent(self.now, node, flow, data)
        if node.connected and flow.pool.interface not in node.dead:
            self.wire.append(sent)
            if not self.blocked:
                self._queue.append(sent)

    def deliver(self) -> None:
        while self._queue:
            sent = self._queue.pop(0)
            for node in self.nodes:
                if node is sent.node or not node.alive or not node.connected or sent.flow.pool.interface in node.dead:
                    continue
                if node.frozen:
                    node.backlog.append(sent)
                else:
                    node.hear(sent)

    def kill(self, node: Node) -> None:
        """SIGKILL: nothing is said, the kernel keeps what it has."""
        node.alive = False

    def thaw(self, node: Node) -> None:
        """A frozen node runs again: it reads what has arrived, then its timers are due."""
        node.frozen = False
        backlog, node.backlog = node.backlog, []
        for sent in backlog:
            node.hear(sent)
        node.late = True
        self.run_until(self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(self.now + round(seconds * SECOND))

    def run_until(self, end: int) -> None:
        while True:
            due = [
                (deadline, node)
                for node in self.nodes
                if node.alive and not node.frozen and (deadline := node.router.deadline()) is not None
            ]
            if not due:
                break
            when, node = min(due, key=lambda item: item[0])
            if when > end:
                break
            assert when >= self.now or node.late, "a deadline in the past"
            self.now = max(self.now, when)
            node.router.tick(self.now)
            node.perform()
            node.late = node.late and when < self.now
            self.deliver()
        self.now = max(self.now, end)

    def since(self, moment: int | None = None) -> float:
        """Seconds since the start (or since `moment`)."""
        return (self.now - (self.start if moment is None else moment)) / SECOND

    def adverts(self, node: Node | None = None) -> list[tuple[float, int]]:
        """(seconds since start, priority) of every advert sent, one entry for all unicast copies."""
        return [
            ((sent.at - self.start) / SECOND, sent.priority) for sent in self.wire if node is None or sent.node is node
        ]


def replace(item, **more):  # type: ignore[no-untyped-def]
    return dataclasses.replace(item, **more)
