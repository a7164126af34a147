"""What must hold of a simulated cluster at every step, and once it has settled. Reads the nodes, changes nothing.

Invariants of the checker child (quorum, weights, table) are compared by checker_child.py with reference.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.netlink.services import ServiceKey
from pykeepalived.observe.snapshot import VrrpInstanceSnapshot, VrrpState
from pykeepalived.sim.lan import Lan
from pykeepalived.sim.node import MS, Node

SLACK_NS = 2 * MS
"""What answers within a node may take beside the time on the wire."""
RETRY_NS = 30_000 * MS
"""Within this time after its last refusal the kernel has all that it is to have."""

Key = tuple[str, int, int]
"""Interface, family and VRID: what instances of several nodes have in common."""


class Cluster(Protocol):
    """What the invariants see of the cluster."""

    now: int
    lan: Lan
    nodes: dict[str, Node]

    def later(self, delay_ns: int, action: Callable[[], object], /) -> None: ...

    def violated(self, node: Node | None, what: str, /) -> None: ...


def key_of(model: VrrpInstance) -> Key:
    return model.interface, model.family, model.virtual_router_id


def check_node(cluster: Cluster, node: Node) -> None:
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
    if cluster.now >= node.refused_until:
        for address in sorted(wanted - present):
            cluster.violated(node, f"is master without {address}")
        for address in sorted((every & present) - wanted):
            if not node.has_address(address):
                cluster.violated(node, f"holds {address} without being master")
    states = {shown.name: shown.state for shown in snapshot.instances}
    for group in node.machine.config.vrrp_sync_groups:
        members = {states[name] for name in group.members if name in states}
        if VrrpState.MASTER in members and len(members) > 1:
            cluster.violated(node, f"sync group {group.name} is torn: {sorted(state.name for state in members)}")


class Rivals:
    """Two masters that hear each other: one of them has yielded after an advertisement interval.

    The limit begins anew whenever a packet between them is lost or something about them or the network changes.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._since: dict[tuple[Key, str, str], int] = {}

    def disturbed(self, *names: str) -> None:
        """Something concerning these nodes (none named = any node) has happened: look at all pairs again."""
        for key, masters in self._masters().items():
            for one, other in combinations(masters, 2):
                if names and not (one[0].name in names or other[0].name in names):
                    continue
                pair = (key, one[0].name, other[0].name)
                self._since[pair] = self._cluster.now
                limit = self._limit(one, other)
                self._cluster.later(limit, lambda pair=pair, at=self._cluster.now: self._judge(pair, at))  # type: ignore[misc]

    def lost(self, source: str, destination: str) -> None:
        """A packet from one node to another was lost by chance."""
        if any({source, destination} == {one, other} for _, one, other in self._since):
            self.disturbed(source, destination)

    def _judge(self, pair: tuple[Key, str, str], at: int) -> None:
        key, *names = pair
        if self._since.get(pair) != at:
            return
        del self._since[pair]
        present = {node.name: (node, model) for node, model in self._masters().get(key, ())}
        if all(name in present for name in names):
            one, other = (present[name] for name in names)
            if self._must_settle(one, other):
                names_text = " and ".join(names)
                self._cluster.violated(
                    None, f"VRID {key[2]} on {key[0]}: {names_text} have both been master for too long"
                )

    def _masters(self) -> dict[Key, list[tuple[Node, VrrpInstance]]]:
        found: dict[Key, list[tuple[Node, VrrpInstance]]] = {}
        for node in self._cluster.nodes.values():
            if node.active and "MASTER" in node.states.values():
                for model in node.config.vrrp_instances:
                    if node.states.get(model.name) == "MASTER":
                        found.setdefault(key_of(model), []).append((node, model))
        return found

    def _limit(self, one: tuple[Node, VrrpInstance], other: tuple[Node, VrrpInstance]) -> int:
        quality = self._cluster.lan.quality_of(one[1].interface)
        interval = max(one[1].advert_int_us, other[1].advert_int_us) * 1000
        return interval + quality.delay_ns + quality.jitter_ns + SLACK_NS

    def _must_settle(self, one: tuple[Node, VrrpInstance], other: tuple[Node, VrrpInstance]) -> bool:
        """Whether they hear each other and speak the same: the same version, group, addresses and so on. What comes
        from one's own address is one's own."""
        lan = self._cluster.lan
        if one[1].source_address is not None and one[1].source_address == other[1].source_address:
            return False
        here, there = ((node.name, model.interface) for node, model in (one, other))
        if not lan.passes(here, there) or not lan.passes(there, here) or _spoken(one[1]) != _spoken(other[1]):
            return False
        return not one[1].unicast or (_names(one[1], other[0]) and _names(other[1], one[0]))


class Vacancies:
    """A BACKUP that hears no master has become one after its master down time; so have the members of a sync group
    once none of them hears one. FAULT is an excuse, standing still is, and what begins the time anew: a reload, a new
    child, each entry into BACKUP.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._since: dict[tuple[str, str], int] = {}
        self._slowest_us: dict[Key, int] = {}

    def look(self, restarted: str = "") -> None:
        """Something has happened; the timers of a node may have begun anew with it."""
        now, before, self._since = self._cluster.now, self._since, {}
        for node in self._cluster.nodes.values():
            for together in _units(node.config):
                if not node.active or not all(self._is_vacant(node, model) for model in together):
                    continue
                unit = (node.name, together[0].name)
                since = now if node.name == restarted else before.get(unit, now)
                self._since[unit] = since
                if before.get(unit) != since:
                    limit = max(self._limit(node.config, model) for model in together)
                    self._cluster.later(limit, lambda unit=unit, node=node: self._judge(unit, node, now))  # type: ignore[misc]

    def _judge(self, unit: tuple[str, str], node: Node, since: int) -> None:
        if self._since.get(unit) == since:
            self._cluster.violated(node, f"{unit[1]} has heard no master for too long and is none")

    def _is_vacant(self, node: Node, model: VrrpInstance) -> bool:
        """Whether this instance is BACKUP with no master of its kind within hearing."""
        if node.states.get(model.name) != "BACKUP":
            return False
        key, lan = key_of(model), self._cluster.lan
        return not any(
            other.active
            and other.states.get(rival.name) == "MASTER"
            and lan.passes((other.name, key[0]), (node.name, key[0]))
            for other in self._cluster.nodes.values()
            if other is not node
            for rival in other.config.vrrp_instances
            if key_of(rival) == key
        )

    def _limit(self, config: Config, model: VrrpInstance) -> int:
        """The master down interval, with the slowest master there ever was, and vrrp_startup_delay."""
        key, defaults = key_of(model), config.globals.vrrp_defaults
        known = [
            other.advert_int_us
            for node in self._cluster.nodes.values()
            for other in node.config.vrrp_instances
            if key_of(other) == key
        ]
        interval = self._slowest_us[key] = max(self._slowest_us.get(key, 0), *known)
        skew = (256 - _lowest_priority(config, model)) * (1_000_000 if model.version == 2 else interval) // 256
        quality = self._cluster.lan.quality_of(key[0])
        delay_us = defaults.startup_delay_us + defaults.delay_after_boot_us
        down = (model.down_timer_adverts * interval + skew + delay_us) * 1000
        return down + quality.delay_ns + quality.jitter_ns + SLACK_NS


def _units(config: Config) -> list[list[VrrpInstance]]:
    """The instances that become MASTER together: sync groups, and each other instance by itself."""
    models = {model.name: model for model in config.vrrp_instances}
    units = [[models.pop(name) for name in group.members if name in models] for group in config.vrrp_sync_groups]
    return [*filter(None, units), *([model] for model in models.values())]


def _lowest_priority(config: Config, model: VrrpInstance) -> int:
    """What is left of the priority when all that is tracked counts against it."""
    groups = [group.track for group in config.vrrp_sync_groups if model.name in group.members]
    weighed = any(
        tracker.weight
        for track in (model.track, *groups)
        for tracker in (*track.interfaces, *track.scripts, *track.files, *track.processes, *track.bfds)
    )
    return 1 if weighed else model.priority


def _spoken(model: VrrpInstance) -> tuple[object, ...]:
    """What two instances must have in common to understand each other's adverts."""
    addresses = frozenset(address.address for address in model.virtual_addresses)
    interval = model.advert_int_us if model.version == 2 else 0
    return model.version, interval, model.unicast, model.mcast_dst_ip, model.auth_type, model.auth_pass, addresses


def _names(model: VrrpInstance, peer: Node) -> bool:
    """Whether a node is among the peers of a unicast instance."""
    return any(peer.has_address(item.address) for item in model.unicast_peers)


def check_settled(cluster: Cluster) -> None:
    """To be called when nothing has happened for long: each part of a segment has exactly one master per VRID,
    unless somebody must not preempt it is the one with the highest priority, it has announced its VIPs, and each
    node's table of services is as health wants it."""
    for node in cluster.nodes.values():
        masters = [name for name, state in node.states.items() if node.active and state == "MASTER"]
        for model in node.machine.config.vrrp_instances:
            wanted = {address.address for address in model.virtual_addresses if model.name in masters}
            for address in sorted(wanted - node.announced):
                cluster.violated(node, f"has not announced {address}")
        if node.active:
            check_node(cluster, node)
            if node.checker is not None:
                node.checker.compare(cluster.now)
    for key, candidates in _candidates(cluster).items():
        for part in _parts(cluster, key[0], candidates):
            _check_part(cluster, key, part)


Candidate = tuple[Node, VrrpInstanceSnapshot]


def _candidates(cluster: Cluster) -> dict[Key, list[Candidate]]:
    """Nodes that could be master, by what they have in common."""
    found: dict[Key, list[Candidate]] = {}
    for node in cluster.nodes.values():
        shown = {item.name: item for item in node.machine.snapshot().instances} if node.active else {}
        for model in node.machine.config.vrrp_instances:
            state = shown.get(model.name)
            if state is not None and state.state in (VrrpState.MASTER, VrrpState.BACKUP):
                found.setdefault(key_of(model), []).append((node, state))
    return found


def _parts(cluster: Cluster, interface: str, candidates: list[Candidate]) -> list[list[Candidate]]:
    """Those who hear each other, assuming that hearing is mutual."""
    parts: list[list[Candidate]] = []
    for item in candidates:
        here = (item[0].name, interface)
        for part in parts:
            if all(cluster.lan.passes(here, (other.name, interface)) for other, _ in part):
                part.append(item)
                break
        else:
            parts.append([item])
    return parts


def _check_part(cluster: Cluster, key: Key, part: list[Candidate]) -> None:
    where = f"VRID {key[2]} on {key[0]}"
    masters = [(node, shown) for node, shown in part if shown.state is VrrpState.MASTER]
    if len(masters) != 1:
        cluster.violated(None, f"{where}: master is {', '.join(node.name for node, _ in masters) or 'nobody'}")
        return
    node, master = masters[0]
    if any(model.nopreempt for each, _ in part for model in each.machine.config.vrrp_instances):
        return
    best = max(shown.effective_priority for _, shown in part)
    mine = master.effective_priority
    if mine < best and not master.group:
        cluster.violated(None, f"{where}: {node.name} is master with priority {mine} while another has {best}")


def kernel_state(node: Node) -> list[str]:
    """All that the kernel of a node holds, without indices: to be compared with that of a fresh start.

    Left out are the servers of virtual servers whose state is history: with suspended checkers, with a weight between
    the two limits of the hysteresis, or without a quorum to reach. For the end of a run: it takes the kernel's pending
    events away.
    """
    history: set[ServiceKey] = set()
    for virtual in node.checker.core.director.virtuals if node.checker is not None else ():
        model, total = virtual.model, virtual.weight_sum()
        undecided = model.quorum - model.hysteresis <= total < model.quorum + model.hysteresis
        if model.ha_suspend or undecided or not model.quorum:
            history.update(virtual.services)
    facts = node.machine.kernel.facts(routes=True, rules=True)
    names = {index: link.name for index, link in facts.links.items()}
    table = node.ipvs.table()
    found = [f"link {link.name} {link.mac.hex(':')} on {names.get(link.parent, '-')}" for link in facts.links.values()]
    found += [f"address {each.address}/{each.prefix_length} on {names[each.index]}" for each in facts.addresses]
    found += [f"route {route.key} via {[names.get(hop.index, '') for hop in route.hops]}" for route in facts.routes]
    found += [f"rule {rule}" for rule in facts.rules]
    found += [f"service {service} {tuple(values)}" for service, values in table.services.items()]
    for service, entries in table.destinations.items():
        if service in history:
            continue
        found += [f"server {place} of {service} {tuple(values)}" for place, values in entries.items()]
    return found
