"""A kernel in memory with the interface of kernel.Kernel: answers like one, emits events like one. For tests and sim.

Modelled: what rtnetlink does to links, addresses, routes and rules, with its error numbers, IPv4 primary and secondary
addresses, and the routes an address or link takes along when it goes. Not modelled: forwarding, ARP, lifetimes.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.facts import (
    IFA_F_DEPRECATED,
    IFA_F_NODAD,
    IFA_F_PERMANENT,
    IFA_F_SECONDARY,
    IFF_BROADCAST,
    IFF_MULTICAST,
    IFF_RUNNING,
    IFF_UP,
    MACVLAN_MODE_PRIVATE,
    Address,
    AddressAdded,
    AddressRemoved,
    Event,
    Facts,
    Link,
    LinkChanged,
    LinkRemoved,
    Overrun,
    Route,
    RouteHop,
    RouteRemoved,
    Rule,
    RuleRemoved,
)
from pykeepalived.netlink.links import below
from pykeepalived.netlink.messages import IFAPROT_KEEPALIVED
from pykeepalived.netlink.operations import (
    AddAddress,
    AddLink,
    AddRoute,
    AddRule,
    AddToSet,
    CreateSet,
    DeleteAddress,
    DeleteFromSet,
    DeleteLink,
    DeleteRoute,
    DeleteRule,
    DestroySet,
    Operation,
    OperationError,
    ReplaceRoute,
    RunNft,
    SetLink,
    SetSysctl,
    VirtualLink,
    is_forgiven,
)
from pykeepalived.netlink.routes import route_key
from pykeepalived.netlink.rules import kernel_key, rule_key

_UP = IFF_UP | IFF_RUNNING
_ETHERNET = IFF_BROADCAST | IFF_MULTICAST


class FakeKernel:
    """`sysctls` and `nft` record what was written, `sets` holds members (address, interface).

    `refuse` maps operations to the errno they are to fail with.
    """

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._addresses: list[Address] = []
        self._routes: list[Route] = []
        self._rules: list[Rule] = []
        self._events: list[Event] = []
        self._index = 0
        self.sysctls: dict[str, str] = {}
        self.address_protocol = IFAPROT_KEEPALIVED
        self.nft: list[str] = []
        self.sets: dict[str, set[tuple[Ip, str]]] = {}
        self.refuse: dict[Operation, int] = {}
        self.performed: list[Operation] = []

    # what somebody else does to the machine

    def add_interface(self, name: str, mac: bytes = b"\x02\0\0\0\0\x01", up: bool = True, mtu: int = 1500) -> Link:
        """A physical interface appears."""
        self._index += 1
        flags = _ETHERNET | (_UP if up else 0)
        link = Link(index=self._index, name=name, mac=mac, flags=flags, mtu=mtu, broadcast=b"\xff" * 6)
        self._change_link(link)
        return link

    def remove_interface(self, name: str) -> None:
        """An interface disappears with everything on it."""
        link = self._named(name)
        if link is not None:
            self._delete_link(link)

    def set_carrier(self, name: str, up: bool) -> None:
        """The cable is pulled or plugged in: IFF_RUNNING of the interface and of the macvlans above."""
        link = self._named(name)
        assert link is not None
        for each in [link, *(above for above in self._links.values() if above.parent == link.index)]:
            flags = each.flags | IFF_RUNNING if up else each.flags & ~IFF_RUNNING
            if flags != each.flags:
                self._change_link(replace(each, flags=flags))

    def add_address(self, interface: str, address: str, prefix_length: int, flags: int = 0) -> None:
        """Somebody adds an address. Raises OSError as the kernel refuses it."""
        wish = IpAddress(address=Ip.parse(address), prefix_length=prefix_length, flags=flags, dad=True)
        error = self._add_address(wish, interface, protocol=0)
        if error:
            raise OSError(error, "address refused")

    def remove_address(self, interface: str, address: str, prefix_length: int) -> None:
        """Somebody removes an address. Raises OSError when it is not there."""
        wish = IpAddress(address=Ip.parse(address), prefix_length=prefix_length)
        error = self._delete_address(wish, interface)
        if error:
            raise OSError(error, "no such address")

    def remove_route(self, route: IpRoute) -> None:
        """Somebody removes a route. Raises OSError when it is not there."""
        error = self._delete_route(route)
        if error:
            raise OSError(error, "no such route")

    def overrun(self) -> None:
        """Pending events are lost."""
        self._events = [Overrun()]

    # the interface of kernel.Kernel

    @property
    def event_fd(self) -> int:
        """There is no descriptor to wait for."""
        return -1

    def watch(self, routes: bool = False, rules: bool = False) -> None:
        """Everything is told anyway."""

    def facts(self, routes: bool = False, rules: bool = False) -> Facts:
        self._events.clear()
        return self._facts(routes, rules)

    def _facts(self, routes: bool, rules: bool) -> Facts:
        return Facts(
            links=dict(self._links),
            addresses=tuple(self._addresses),
            routes=tuple(self._routes) if routes else (),
            rules=tuple(self._rules) if rules else (),
        )

    def known(self) -> Facts:
        return self._facts(False, False)

    def link(self, name: str) -> Link | None:
        return self._named(name)

    def links(self) -> dict[int, Link]:
        return self._links

    def read_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def has_table(self, family: int, name: str) -> bool:
        """Whether nftables has a table of this name, by the commands so far."""
        table = f"table {'ip' if family == 4 else 'ip6'} {name}"
        told = [commands for commands in self.nft if table in commands]
        return bool(told) and not told[-1].startswith("delete table")

    def perform(self, operations: Sequence[Operation]) -> list[OperationError]:
        errors = []
        for operation in operations:
            self.performed.append(operation)
            error = self.refuse.get(operation) or self._do(operation)
            if error and not is_forgiven(operation, error):
                errors.append(OperationError(operation, error))
        return errors

    def prepare(self, operation: Operation) -> None:
        """Nothing costs anything here."""

    def close(self) -> None:
        """Nothing is open."""

    def _do(self, operation: Operation) -> int:
        """Perform one operation; 0 or the errno."""
        match operation:
            case AddAddress(address, interface):
                return self._add_address(address, interface)
            case DeleteAddress(address, interface):
                return self._delete_address(address, interface)
            case AddRoute(route) | ReplaceRoute(route):
                return self._add_route(route, isinstance(operation, ReplaceRoute))
            case DeleteRoute(route):
                return self._delete_route(route)
            case AddRule(rule):
                return self._add_rule(rule)
            case DeleteRule(rule):
                return self._delete_rule(rule)
            case AddLink(link):
                return self._add_link(link)
            case DeleteLink(name):
                found = self._named(name)
                if found is None:
                    return errno.ENODEV
                self._delete_link(found)
            case SetLink():
                return self._set_link(operation)
            case SetSysctl(path, value):
                self.sysctls[path] = value
            case RunNft(commands):
                self.nft.append(commands)
            case CreateSet(name):
                self.sets[name] = set()
            case DestroySet(name):
                return 0 if self.sets.pop(name, None) is not None else errno.ENOENT
            case AddToSet() | DeleteFromSet():
                return self._change_set(operation)
        return 0

    def _change_set(self, operation: AddToSet | DeleteFromSet) -> int:
        if operation.name not in self.sets:
            return errno.ENOENT
        member = (operation.address, operation.interface)
        if isinstance(operation, AddToSet):
            self.sets[operation.name].add(member)
        else:
            self.sets[operation.name].discard(member)
        return 0

    # links

    def _named(self, name: str) -> Link | None:
        return next((link for link in self._links.values() if link.name == name), None)

    def _change_link(self, link: Link) -> None:
        self._links[link.index] = link
        self._events.append(LinkChanged(link))
        if not link.flags & IFF_UP:
            self._lose_routes(link.index)

    def _add_link(self, wanted: VirtualLink) -> int:
        parent = self._named(wanted.parent)
        if parent is None:
            return errno.ENODEV
        if self._named(wanted.name) is not None:
            return errno.EEXIST
        index, elsewhere = below(wanted.kind, parent)
        same_mac = (link for link in self._links.values() if link.parent == index and link.mac == wanted.mac)
        if wanted.kind == "macvlan" and any(same_mac):
            return errno.EADDRINUSE
        self._index += 1
        self._change_link(
            Link(
                index=self._index,
                name=wanted.name,
                mac=wanted.mac or parent.mac,
                broadcast=parent.broadcast,
                flags=_ETHERNET,
                mtu=parent.mtu,
                kind=wanted.kind,
                parent=index,
                parent_elsewhere=elsewhere,
                group=parent.group if wanted.group is None else wanted.group,
                mode=MACVLAN_MODE_PRIVATE if wanted.kind == "macvlan" else 0,
                mode_flag=wanted.mode_flag,
            )
        )
        return 0

    def _set_link(self, operation: SetLink) -> int:
        link = self._named(operation.name)
        if link is None:
            return errno.ENODEV
        flags = link.flags
        if operation.up is not None:
            parent = self._links.get(link.parent)
            running = parent is None or bool(parent.flags & IFF_RUNNING)
            flags = flags & ~_UP | ((IFF_UP | (IFF_RUNNING if running else 0)) if operation.up else 0)
        group = link.group if operation.group is None else operation.group
        self._change_link(replace(link, flags=flags, group=group))
        return 0

    def _delete_link(self, link: Link) -> None:
        for above in [each for each in self._links.values() if each.parent == link.index and each is not link]:
            self._delete_link(above)
        for address in [each for each in self._addresses if each.index == link.index]:
            self._drop_address(address)
        self._lose_routes(link.index)
        del self._links[link.index]
        self._events.append(LinkRemoved(link.index, link.name))

    # addresses

    def _add_address(self, wish: IpAddress, interface: str, protocol: int = IFAPROT_KEEPALIVED) -> int:
        link = self._named(interface)
        if link is None:
            return errno.ENODEV
        same = [each for each in self._addresses if each.index == link.index and each.address == wish.address]
        # IPv6 knows an address once a link, IPv4 once a link and prefix length.
        if any(each.prefix_length == wish.prefix_length or each.family == 6 for each in same):
            return errno.EEXIST
        flags = wish.flags | IFA_F_PERMANENT
        if wish.family == 6:
            flags |= 0 if wish.dad else IFA_F_NODAD
            flags |= IFA_F_DEPRECATED if wish.preferred_lft == 0 else 0
        elif any(self._same_subnet(each, link.index, wish) for each in self._addresses):
            flags |= IFA_F_SECONDARY
        address = Address(
            index=link.index,
            address=wish.address,
            prefix_length=wish.prefix_length,
            scope=wish.scope,
            flags=flags,
            label=wish.label or (interface if wish.family == 4 else ""),
            peer=wish.peer,
            broadcast=wish.broadcast,
            preferred_lft=wish.preferred_lft,
            protocol=protocol,
        )
        self._addresses.append(address)
        self._events.append(AddressAdded(address))
        return 0

    @staticmethod
    def _same_subnet(each: Address, index: int, wish: IpAddress) -> bool:
        if each.family != 4 or each.index != index or each.prefix_length != wish.prefix_length or each.is_secondary:
            return False
        shift = 32 - wish.prefix_length
        return int.from_bytes(each.address, "big") >> shift == int.from_bytes(wish.address, "big") >> shift

    def _delete_address(self, wish: IpAddress, interface: str) -> int:
        link = self._named(interface)
        if link is None:
            return errno.ENODEV
        for address in self._addresses:
            if (address.index, address.address, address.prefix_length) == (
                link.index,
                wish.address,
                wish.prefix_length,
            ):
                self._drop_address(address)
                self._follow_primary(address, link)
                return 0
        return errno.EADDRNOTAVAIL

    def _drop_address(self, address: Address) -> None:
        """Routes with this preferred source go silently, as in the kernel."""
        self._addresses.remove(address)
        self._events.append(AddressRemoved(address))
        self._routes = [route for route in self._routes if route.src != address.address]

    def _follow_primary(self, gone: Address, link: Link) -> None:
        """A primary address takes its secondaries along; with promote_secondaries the first of them becomes primary."""
        if gone.family == 6 or gone.is_secondary:
            return
        wish = IpAddress(address=gone.address, prefix_length=gone.prefix_length)
        heirs = [
            each
            for each in self._addresses
            if each.is_secondary and self._same_subnet(replace(each, flags=0), link.index, wish)
        ]
        promote = self.sysctls.get(f"net/ipv4/conf/{link.name}/promote_secondaries") == "1"
        for place, heir in enumerate(heirs):
            if not promote:
                self._drop_address(heir)
            elif place == 0:
                primary = replace(heir, flags=heir.flags & ~IFA_F_SECONDARY)
                self._addresses[self._addresses.index(heir)] = primary
                self._events.append(AddressAdded(primary))

    # routes and rules

    def _lose_routes(self, index: int) -> None:
        """Routes through a link that is down go silently, as IPv4 ones do in the kernel."""
        self._routes = [route for route in self._routes if all(hop.index != index for hop in route.hops)]

    def _add_route(self, wish: IpRoute, replacing: bool) -> int:
        names = [wish.interface, *(hop.interface for hop in wish.nexthops)]
        links = [self._named(name) for name in names if name]
        if any(link is None for link in links):
            return errno.ENODEV
        if any(link is not None and not link.flags & IFF_UP for link in links):
            return errno.ENETDOWN
        key = route_key(wish)
        present = [route for route in self._routes if route.key == key]
        if present and not replacing and wish.mode == "add":
            return errno.EEXIST
        route = self._route(wish, key[-1])
        if route in self._routes:
            return 0 if replacing else errno.EEXIST
        if replacing:
            self._routes = [each for each in self._routes if each.key != key]
        place = len(self._routes) if wish.mode == "append" else 0
        self._routes.insert(place, route)
        return 0

    def _route(self, wish: IpRoute, metric: int) -> Route:
        hops = [(wish.via, wish.interface, 1)] if wish.via is not None or wish.interface else []
        hops += [(hop.via, hop.interface, hop.weight) for hop in wish.nexthops]
        return Route(
            family=wish.family,
            table=wish.table,
            destination=wish.destination,
            prefix_length=wish.prefix_length,
            tos=wish.tos or 0,
            metric=metric,
            type=wish.type,
            scope=wish.scope or 0,
            protocol=wish.protocol,
            src=wish.src,
            hops=tuple(RouteHop(index=self._number(name), via=via, weight=weight) for via, name, weight in hops),
        )

    def _number(self, name: str) -> int:
        link = self._named(name)
        return link.index if link is not None else 0

    def _delete_route(self, wish: IpRoute) -> int:
        key = route_key(wish)
        for route in self._routes:
            if route.key == key:
                self._routes.remove(route)
                self._events.append(RouteRemoved(route))
                return 0
        return errno.ESRCH

    def _add_rule(self, wish: IpRule) -> int:
        if any(kernel_key(rule) == rule_key(wish) for rule in self._rules):
            return errno.EEXIST
        words = {name: getattr(wish, name) for name in Rule.__slots__ if hasattr(wish, name)}
        words.update(priority=wish.priority or 0, table=wish.table or 0, tos=wish.tos or 0)
        self._rules.append(Rule(**words))
        self._rules.sort(key=lambda rule: rule.priority)
        return 0

    def _delete_rule(self, wish: IpRule) -> int:
        for rule in self._rules:
            if kernel_key(rule) == rule_key(wish):
                self._rules.remove(rule)
                self._events.append(RuleRemoved(rule))
                return 0
        return errno.ENOENT
