"""Several nodes' configurations compared: do the instances that belong together understand each other?

Pure comparison of finished models. A virtual router is recognised by family and VRID; where a node has several of one
VRID, by the name of the instance too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations

from pykeepalived.config.findings import Finding, FindingClass, Severity
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Span
from pykeepalived.config.model.vrrp import OWNER, AuthType, State, Tracker, VrrpInstance
from pykeepalived.light_dataclasses import dataclass

PRIORITY_LOW, PRIORITY_HIGH = 1, 254
"""Limits of a priority that weights have changed (RFC 9568 section 5.2.4 keeps 0 and 255 for other uses)."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node's instance of a virtual router."""

    node: str
    instance: VrrpInstance

    @property
    def text(self) -> str:
        return f"{self.node} ({self.instance.name})"


@dataclass(frozen=True, slots=True)
class Router:
    """A virtual router with its members, in the order of the nodes."""

    family: int
    vrid: int
    members: tuple[Member, ...]

    @property
    def text(self) -> str:
        return f"VRID {self.vrid} IPv{self.family}"


def compare(nodes: Mapping[str, Config]) -> tuple[Finding, ...]:
    """What would go wrong between these nodes. Findings stand in the file of the node they blame."""
    findings: list[Finding] = []
    routers = find_routers(nodes)
    for router in routers:
        findings += _missing(router, nodes)
        for rule in RULES:
            findings += rule(router)
    findings += sync_groups_alike(nodes, routers)
    return tuple(findings)


def find_routers(nodes: Mapping[str, Config]) -> list[Router]:
    """The virtual routers of all nodes, in the order in which they are first met."""
    by_number: dict[tuple[int, int], list[Member]] = {}
    for node, config in nodes.items():
        for instance in config.vrrp_instances:
            key = (instance.family, instance.virtual_router_id)
            by_number.setdefault(key, []).append(Member(node, instance))
    routers = []
    for (family, vrid), members in by_number.items():
        if len({member.node for member in members}) == len(members):
            routers.append(Router(family, vrid, tuple(members)))
            continue
        by_name: dict[str, list[Member]] = {}
        for member in members:
            by_name.setdefault(member.instance.name, []).append(member)
        routers += [Router(family, vrid, tuple(found)) for found in by_name.values()]
    return routers


def _finding(code: str, text: str, at: Span | None, suggestion: str = "", *, warning: bool = False) -> Finding:
    severity = Severity.WARNING if warning else Severity.ERROR
    return Finding(code, text, at, severity, FindingClass.NONE, suggestion)


def _at(member: Member, keyword: str) -> Span | None:
    return member.instance.positions.get(keyword, member.instance.at)


def _missing(router: Router, nodes: Mapping[str, Config]) -> Iterator[Finding]:
    present = {member.node for member in router.members}
    first = router.members[0]
    for node in nodes:
        if node not in present:
            text = f"{router.text} of {first.text} has no counterpart on {node}"
            yield _finding("cluster-missing", text, first.instance.at, warning=True)


def _pairs(router: Router) -> Iterator[tuple[Member, Member]]:
    """Each later member with the first one: enough to name every difference once."""
    first = router.members[0]
    for other in router.members[1:]:
        yield first, other


# --- what the packets must have in common -----------------------------------------------------------------------------


def same_version(router: Router) -> Iterator[Finding]:
    for one, two in _pairs(router):
        if one.instance.version != two.instance.version:
            text = (
                f"{router.text}: {one.text} speaks VRRPv{one.instance.version}, {two.text} VRRPv{two.instance.version}"
            )
            yield _finding("cluster-version", text, _at(two, "version"), "give all nodes the same version")


def same_addresses(router: Router) -> Iterator[Finding]:
    """A receiver compares the addresses of an advert with its own."""
    for one, two in _pairs(router):
        ours = {vip.address: vip for vip in one.instance.virtual_addresses}
        theirs = {vip.address: vip for vip in two.instance.virtual_addresses}
        only = [str(address) for address in ours if address not in theirs]
        more = [str(address) for address in theirs if address not in ours]
        if only or more:
            parts = [f"only on {one.node}: {', '.join(only)}"] if only else []
            parts += [f"only on {two.node}: {', '.join(more)}"] if more else []
            text = f"{router.text}: the addresses differ ({'; '.join(parts)})"
            yield _finding("cluster-addresses", text, _at(two, "virtual_ipaddress"))
        for address, vip in ours.items():
            other = theirs.get(address)
            if other is not None and other.prefix_length != vip.prefix_length:
                lengths = f"/{vip.prefix_length} on {one.node}, a /{other.prefix_length} on {two.node}"
                text = f"{router.text}: {address} is a {lengths}"
                yield _finding("cluster-prefix", text, other.at, warning=True)
        excluded = [{vip.address for vip in member.instance.excluded_addresses} for member in (one, two)]
        if excluded[0] != excluded[1]:
            text = f"{router.text}: the excluded addresses of {one.node} and {two.node} differ"
            yield _finding("cluster-excluded", text, _at(two, "virtual_ipaddress_excluded"), warning=True)


def same_interval(router: Router) -> Iterator[Finding]:
    """VRRPv2 drops adverts of another interval; VRRPv3 backups take over the master's."""
    for one, two in _pairs(router):
        intervals = (one.instance.advert_int_us, two.instance.advert_int_us)
        if intervals[0] != intervals[1]:
            seconds = " and ".join(f"{value / 1e6:g} s" for value in intervals)
            text = f"{router.text}: advert_int differs ({seconds} on {one.node} and {two.node})"
            yield _finding("cluster-interval", text, _at(two, "advert_int"), warning=two.instance.version == 3)


def same_authentication(router: Router) -> Iterator[Finding]:
    for one, two in _pairs(router):
        ours, theirs = one.instance, two.instance
        if ours.auth_type != theirs.auth_type:
            text = f"{router.text}: authentication is {ours.auth_type} on {one.node}, {theirs.auth_type} on {two.node}"
            yield _finding("cluster-auth", text, _at(two, "authentication"))
        elif ours.auth_type != AuthType.NONE and ours.auth_pass != theirs.auth_pass:
            text = f"{router.text}: auth_pass differs between {one.node} and {two.node}"
            yield _finding("cluster-auth", text, _at(two, "authentication"))
        yield from _same_hmac(router, one, two)


def _same_hmac(router: Router, one: Member, two: Member) -> Iterator[Finding]:
    """Each node must know the key that the other signs with, unless it lets unsigned adverts pass."""
    for sender, receiver in ((one, two), (two, one)):
        signing, known = sender.instance.auth_hmac, receiver.instance.auth_hmac
        at = _at(receiver, "auth_hmac")
        if signing is None:
            if known is not None and known.mode == "enforce":
                text = f"{router.text}: {receiver.text} wants auth_hmac, {sender.text} does not sign"
                yield _finding("cluster-hmac", text, at)
            continue
        if known is None or signing.mode == "receive-only":
            continue
        secrets = {key.id: key.secret for key in known.keys}
        active = {key.id: key.secret for key in signing.keys}.get(signing.active_key)
        if secrets.get(signing.active_key) != active:
            text = (
                f"{router.text}: {receiver.text} does not have the auth_hmac key {signing.active_key} of {sender.text}"
            )
            yield _finding("cluster-hmac", text, at)


def same_checksum(router: Router) -> Iterator[Finding]:
    for one, two in _pairs(router):
        ours, theirs = one.instance, two.instance
        unicast_v2 = ours.unicast and theirs.unicast and ours.version == 3 and ours.family == 4
        if unicast_v2 and ours.unicast_checksum != theirs.unicast_checksum:
            text = f"{router.text}: old_unicast_checksum differs between {one.node} and {two.node}"
            yield _finding("cluster-checksum", text, _at(two, "old_unicast_checksum"), warning=True)
        if ours.version == 3 and ours.family == 4 and ours.v3_checksum_as_v2 != theirs.v3_checksum_as_v2:
            text = f"{router.text}: v3_checksum_as_v2 differs between {one.node} and {two.node}"
            yield _finding("cluster-checksum", text, _at(two, "v3_checksum_as_v2"))


def same_path(router: Router) -> Iterator[Finding]:
    """All by unicast, naming each other, or all by the same multicast group."""
    for one, two in _pairs(router):
        ours, theirs = one.instance, two.instance
        if ours.unicast != theirs.unicast:
            ways = ["unicast" if way else "multicast" for way in (ours.unicast, theirs.unicast)]
            text = f"{router.text}: {one.text} sends by {ways[0]}, {two.text} by {ways[1]}"
            yield _finding("cluster-path", text, _at(two, "unicast_peer"))
        elif not ours.unicast and ours.mcast_dst_ip != theirs.mcast_dst_ip:
            groups = f"{ours.mcast_dst_ip} on {one.node}, {theirs.mcast_dst_ip} on {two.node}"
            text = f"{router.text}: the multicast group is {groups}"
            yield _finding("cluster-path", text, _at(two, "mcast_dst_ip"))
    for one, two in combinations(router.members, 2):
        if one.instance.unicast and two.instance.unicast:
            yield from _mutual(router, one, two)
            yield from _mutual(router, two, one)


def _mutual(router: Router, sender: Member, receiver: Member) -> Iterator[Finding]:
    """The sender lists the address the receiver sends from. Unknown source addresses cannot be judged."""
    source = receiver.instance.source_address
    if source is not None and source not in {peer.address for peer in sender.instance.unicast_peers}:
        text = f"{router.text}: {sender.text} does not list {source} of {receiver.text} as a peer"
        yield _finding("cluster-peers", text, _at(sender, "unicast_peer"), f"add {source} to unicast_peer")


# --- the election -----------------------------------------------------------------------------------------------------


def _weights(instance: VrrpInstance) -> list[Tracker]:
    track = instance.track
    kinds = (track.interfaces, track.scripts, track.files, track.processes, track.bfds)
    return [tracker for trackers in kinds for tracker in trackers if tracker.weight]


def _gain(tracker: Tracker) -> int:
    """What a tracker adds while the tracked object is well: a positive weight, or a reversed negative one."""
    if tracker.reverse:
        return -tracker.weight if tracker.weight < 0 else 0
    return max(tracker.weight, 0)


def _clamp(priority: int) -> int:
    return min(max(priority, PRIORITY_LOW), PRIORITY_HIGH)


def healthy_priority(instance: VrrpInstance) -> int:
    """The priority while everything tracked is well."""
    if instance.is_owner:
        return OWNER
    return _clamp(instance.priority + sum(_gain(tracker) for tracker in _weights(instance)))


def distinct_priorities(router: Router) -> Iterator[Finding]:
    """Equal priorities leave the choice to the addresses, and two owners never agree."""
    seen: dict[int, Member] = {}
    for member in router.members:
        priority = healthy_priority(member.instance)
        other = seen.setdefault(priority, member)
        if other is member:
            continue
        if priority == OWNER:
            text = f"{router.text}: {other.text} and {member.text} both claim to own the addresses (priority 255)"
            yield _finding("cluster-owners", text, _at(member, "priority"))
        else:
            text = f"{router.text}: {other.text} and {member.text} both have priority {priority} when all is well"
            yield _finding("cluster-priority", text, _at(member, "priority"), "give each node its own", warning=True)


def weights_move_mastership(router: Router) -> Iterator[Finding]:
    """A failing tracker of the master is worth its weight only if it brings the master below somebody else."""
    if len(router.members) < 2:
        return
    ranked = sorted(router.members, key=lambda member: healthy_priority(member.instance), reverse=True)
    master, second = ranked[0], ranked[1]
    if master.instance.is_owner:
        return
    threshold = healthy_priority(second.instance)
    base = master.instance.priority + sum(_gain(tracker) for tracker in _weights(master.instance))
    for tracker in _weights(master.instance):
        fallen = _clamp(base - abs(tracker.weight))
        if fallen >= threshold:
            text = (
                f"{router.text}: when {tracker.name} fails on {master.text} its priority falls to {fallen},"
                f" not below {threshold} of {second.text}: nothing moves"
            )
            suggestion = f"the weight must be more than {healthy_priority(master.instance) - threshold}"
            yield _finding("cluster-weight", text, tracker.at or master.instance.at, suggestion, warning=True)


def one_master_at_start(router: Router) -> Iterator[Finding]:
    """Two nodes that start as MASTER both announce the addresses until they hear each other."""
    masters = [member for member in router.members if member.instance.state == State.MASTER]
    for other in masters[1:]:
        text = f"{router.text}: {masters[0].text} and {other.text} both start as MASTER"
        yield _finding("cluster-masters", text, _at(other, "state"), "state BACKUP on all but one", warning=True)


def same_preemption(router: Router) -> Iterator[Finding]:
    for one, two in _pairs(router):
        if one.instance.nopreempt != two.instance.nopreempt:
            text = f"{router.text}: nopreempt differs between {one.node} and {two.node}"
            yield _finding("cluster-nopreempt", text, _at(two, "nopreempt"), warning=True)


# --- sync groups ------------------------------------------------------------------------------------------------------


def sync_groups_alike(nodes: Mapping[str, Config], routers: Iterable[Router]) -> Iterator[Finding]:
    """Routers that one node keeps together must be kept together by all that have them."""
    number = {
        (member.node, member.instance.name): index for index, router in enumerate(routers) for member in router.members
    }
    tied: dict[str, set[frozenset[int]]] = {}
    for node, config in nodes.items():
        sets = (
            frozenset(number[node, name] for name in group.members if (node, name) in number)
            for group in config.vrrp_sync_groups
        )
        tied[node] = {found for found in sets if len(found) > 1}
    names = list(nodes)
    for node in names[1:]:
        first = names[0]
        if tied[node] != tied[first]:
            groups = nodes[node].vrrp_sync_groups or nodes[first].vrrp_sync_groups
            text = f"the sync groups of {first} and {node} hold different instances together"
            yield _finding("cluster-sync-groups", text, groups[0].at)


Rule = Callable[[Router], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    same_version,
    same_addresses,
    same_interval,
    same_authentication,
    same_checksum,
    same_path,
    distinct_priorities,
    weights_move_mastership,
    one_master_at_start,
    same_preemption,
)
