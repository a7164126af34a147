"""What a MASTER owns in the kernel: virtual and excluded addresses, routes, rules, and the filter of no_accept.

Holdings know what they have put in place; the operations go to the shell in the order keepalived uses.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import field
from typing import TypeVar

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.announce import Announced
from pykeepalived.vrrp.effects import (
    AddAddress,
    AddRoute,
    AddRule,
    AllowTraffic,
    DropTraffic,
    Operation,
    RemoveAddress,
    RemoveRoute,
    RemoveRule,
)
from pykeepalived.vrrp.outbox import Outbox

_FilterT = TypeVar("_FilterT", DropTraffic, AllowTraffic)

REFUSED = "refused"
"""The fact of a Cause: the kernel did not want it."""

InterfaceOf = Callable[[IpAddress], str]
"""The interface an address really goes to: its own, the instance's, or the VMAC made for one of them."""


class PlacedAddress(Announced):
    """A virtual address. `is_set`: in the kernel because of us. `removals` counts removals of ours that the kernel has
    not reported yet, to tell them from those of others, `additions` likewise. `trouble`: why it is not usable although
    it is wanted."""

    __slots__ = ("additions", "config", "is_set", "removals", "trouble")

    def __init__(self, config: IpAddress, interface: str) -> None:
        super().__init__(config.address, interface)
        self.config = config
        self.is_set = False
        self.trouble: Cause | None = None
        self.removals = self.additions = 0

    def appeared(self) -> None:
        """The kernel has reported it. With the last addition of ours all removals before it have been, or are lost."""
        self.additions = max(self.additions - 1, 0)
        if not self.additions:
            self.removals = 0

    @property
    def place(self) -> Hashable:
        """What the kernel tells addresses apart by."""
        return ("address", self.interface, self.config.address, self.config.prefix_length)

    @property
    def identity(self) -> Hashable:
        """What makes it the same address after a reload."""
        config = self.config
        return (self.place, config.scope, config.label, config.use_vmac, config.flags, config.peer)


class PlacedRoute:
    """A virtual route."""

    __slots__ = ("config", "is_set", "trouble")

    def __init__(self, config: IpRoute) -> None:
        self.config = config
        self.is_set = False
        self.trouble: Cause | None = None

    @property
    def place(self) -> Hashable:
        route = self.config
        return (
            "route",
            route.family,
            route.destination,
            route.prefix_length,
            route.tos,
            route.table,
            route.metric,
            route.type,
            route.scope,
            route.via,
            route.interface,
            route.nexthops,
        )


class PlacedRule:
    """A virtual rule; any difference makes it another rule."""

    __slots__ = ("config", "is_set", "trouble")

    def __init__(self, config: IpRule) -> None:
        self.config = config
        self.is_set = False
        self.trouble: Cause | None = None

    @property
    def place(self) -> Hashable:
        return ("rule", self.config)


Placed = PlacedAddress | PlacedRoute | PlacedRule


def _is_doubtful(placed: Placed) -> bool:
    """Whether it may be in the kernel although the kernel refused to add it: a predecessor, or a removal that was
    refused too, has left it."""
    return not placed.is_set and placed.trouble is not None and placed.trouble.fact == REFUSED


@dataclass(slots=True)
class Change:
    """What a reload does to the kernel: `removals` and `additions` by place, so that an object which one instance
    gives up and another takes is left alone. Filled by all instances, then put out at once. `taken` are the addresses
    to be added."""

    removals: dict[Hashable, Operation] = field(default_factory=dict)
    additions: dict[Hashable, Operation] = field(default_factory=dict)
    filters: list[Operation] = field(default_factory=list)
    taken: dict[Hashable, PlacedAddress] = field(default_factory=dict)

    def put_out(self, outbox: Outbox) -> None:
        """Rules, routes and addresses away, then addresses, routes and rules in; what stays is not touched."""
        for place in self.removals.keys() & self.additions.keys():
            self._settle(place, self.removals[place], self.additions[place])
        for kind in (RemoveRule, RemoveRoute, RemoveAddress):
            for operation in self.removals.values():
                if isinstance(operation, kind):
                    outbox.operation(operation)
        for operation in self.filters:
            outbox.operation(operation)
        for addition in (AddAddress, AddRoute, AddRule):
            for operation in self.additions.values():
                if isinstance(operation, addition):
                    outbox.operation(operation)

    def _settle(self, place: Hashable, removal: Operation, addition: Operation) -> None:
        """The same place is given up and taken: leave it alone if nothing about it changes."""
        match removal, addition:
            case ((RemoveAddress() | RemoveRoute() | RemoveRule()), _) if removal.leftover:
                del self.removals[place]
                return
            case RemoveAddress(address=before), AddAddress(address=after) if before != after:
                self.taken[place].removals += 1
                return
            case RemoveRoute(route=before), AddRoute(route=after) if before != after:
                del self.removals[place]
                self.additions[place] = AddRoute(after, addition.instance, replace=True)
                return
        del self.removals[place], self.additions[place]


class Holdings:
    """The objects of one instance."""

    __slots__ = ("_config", "_outbox", "addresses", "by_name", "excluded", "filtered", "routes", "rules", "taken")

    def __init__(self, config: VrrpInstance, interface_of: InterfaceOf, outbox: Outbox, by_name: bool) -> None:
        """`by_name`: nftables_ifindex is off."""
        self._config = config
        self._outbox = outbox
        self.by_name = by_name
        self.taken = False
        self.filtered = False
        self.addresses = [PlacedAddress(item, interface_of(item)) for item in config.virtual_addresses]
        self.excluded = [PlacedAddress(item, interface_of(item)) for item in config.excluded_addresses]
        self.routes = [PlacedRoute(item) for item in config.virtual_routes]
        self.rules = [PlacedRule(item) for item in config.virtual_rules]

    @property
    def all_addresses(self) -> tuple[PlacedAddress, ...]:
        """In the order of announcements: virtual, then excluded ones."""
        return (*self.addresses, *self.excluded)

    @property
    def _everything(self) -> tuple[Placed, ...]:
        return (*self.all_addresses, *self.routes, *self.rules)

    @property
    def virtual_ips(self) -> frozenset[Ip]:
        return frozenset(item.address for item in self.all_addresses)

    def _wants_filter(self) -> bool:
        return not self._config.accept and not self._config.is_owner

    # becoming and ceasing to be MASTER

    def take(self) -> None:
        """Put everything in place: filter, addresses, routes, rules."""
        self.taken = True
        if self._wants_filter() and not self.filtered:
            self.filtered = True
            self._tell(messages.SETTING_FILTER, self.all_addresses)
            for operation in self._filter(DropTraffic):
                self._outbox.operation(operation)
        self._tell(messages.SETTING_VIPS, self.addresses)
        self._tell(messages.SETTING_EVIPS, self.excluded)
        self._tell(messages.SETTING_ROUTES, self.routes)
        self._tell(messages.SETTING_RULES, self.rules)
        self.place()

    @property
    def troubles(self) -> tuple[Cause, ...]:
        """What is wanted and not usable, and why."""
        return tuple(placed.trouble for placed in self._everything if placed.trouble is not None)

    def refused(self, operation: Operation) -> Placed | None:
        """The kernel refused to add something: it is not in place. None if it is none of ours."""
        placed: Placed | None = None
        match operation:
            case AddAddress(address, interface):
                placed = next((a for a in self.all_addresses if a.config == address and a.interface == interface), None)
            case AddRoute(route):
                placed = next((item for item in self.routes if item.config == route), None)
            case AddRule(rule):
                placed = next((item for item in self.rules if item.config == rule), None)
        if placed is None or not placed.is_set:
            return None
        placed.is_set = False
        if isinstance(placed, PlacedAddress):
            placed.additions = max(placed.additions - 1, 0)
        return placed

    def withdraw(self, placed: PlacedAddress) -> None:
        """Take one address off again."""
        placed.is_set = False
        placed.removals += 1
        self._outbox.operation(RemoveAddress(placed.config, placed.interface, self._config.name))

    def place(self) -> bool:
        """Add what is not in place; returns whether there was an address among it."""
        name = self._config.name
        addresses = [address for address in self.all_addresses if not address.is_set]
        for address in addresses:
            if address.trouble is not None and address.trouble.fact == REFUSED:
                address.trouble = None
            address.is_set = True
            address.additions += 1
            self._outbox.operation(AddAddress(address.config, address.interface, name))
        for route in self.routes:
            if not route.is_set:
                route.is_set, route.trouble = True, None
                self._outbox.operation(AddRoute(route.config, name))
        for rule in self.rules:
            if not rule.is_set:
                rule.is_set, rule.trouble = True, None
                self._outbox.operation(AddRule(rule.config, name))
        return bool(addresses)

    def give_up(self) -> None:
        """Take everything away: rules, routes, addresses, filter."""
        self.taken = False
        name = self._config.name
        doubtful = {placed for placed in self._everything if _is_doubtful(placed)}
        for placed in self._everything:
            placed.trouble = None
        self._tell(messages.REMOVING_RULES, self.rules)
        for rule in self.rules:
            if rule.is_set or rule in doubtful:
                rule.is_set = False
                self._outbox.operation(RemoveRule(rule.config, name, leftover=rule in doubtful))
        self._tell(messages.REMOVING_ROUTES, self.routes)
        for route in self.routes:
            if route.is_set or route in doubtful:
                route.is_set = False
                self._outbox.operation(RemoveRoute(route.config, name, leftover=route in doubtful))
        self._tell(messages.REMOVING_VIPS, self.addresses)
        self._tell(messages.REMOVING_EVIPS, self.excluded)
        for address in self.all_addresses:
            if address.is_set:
                self.withdraw(address)
            elif address in doubtful:
                self._outbox.operation(RemoveAddress(address.config, address.interface, name, leftover=True))
        if self.filtered:
            self.filtered = False
            self._tell(messages.REMOVING_FILTER, self.all_addresses)
            for operation in self._filter(AllowTraffic):
                self._outbox.operation(operation)

    def clean(self, present: Callable[[PlacedAddress], bool], routes: set[IpRoute], rules: set[IpRule]) -> None:
        """Remove what a predecessor left behind: the configured objects that the kernel has before we act."""
        name = self._config.name
        left_rules = [rule for rule in self.rules if rule.config in rules]
        left_routes = [route for route in self.routes if route.config in routes]
        left = [address for address in self.all_addresses if present(address)]
        for rule in left_rules:
            self._outbox.operation(RemoveRule(rule.config, name, leftover=True))
        for route in left_routes:
            self._outbox.operation(RemoveRoute(route.config, name, leftover=True))
        self._tell(messages.REMOVING_VIPS, left)
        for address in left:
            self._outbox.operation(RemoveAddress(address.config, address.interface, name, leftover=True))

    def _tell(self, text: str, what: object) -> None:
        if what and self._outbox.detail:
            self._outbox.log(text % self._config.name, detail=messages.DETAIL, INSTANCE=self._config.name)

    def _filter(self, kind: type[_FilterT]) -> list[_FilterT]:
        operations: list[_FilterT] = []
        for item in self.all_addresses:
            loose = item.config.no_track or (
                self._config.dont_track_primary and item.config.interface in ("", self._config.interface)
            )
            by_name = self.by_name and item.address.is_link_local and loose
            operations.append(kind(item.address, item.interface, by_name, self._config.name))
        return operations

    # reload

    def replace(self, older: Holdings, change: Change) -> bool:
        """Take the place of the holdings of the former configuration. A MASTER's differences go into `change`;
        returns whether addresses were added."""
        self.taken = older.taken
        if not older.taken:
            return False
        self._replace_filter(older, change)
        gone, added = self._replace_addresses(older, change)
        self._replace_routes(older, change, gone)
        self._replace_rules(older, change)
        return added

    def surrender(self, change: Change) -> None:
        """Give everything up as part of a reload: the instance has been removed from the configuration."""
        if not self.taken:
            return
        self.taken = False
        name = self._config.name
        if self.filtered:
            self.filtered = False
            change.filters += self._filter(AllowTraffic)
        for rule in self.rules:
            if rule.is_set or _is_doubtful(rule):
                change.removals[rule.place] = RemoveRule(rule.config, name, not rule.is_set)
        for route in self.routes:
            if route.is_set or _is_doubtful(route):
                change.removals[route.place] = RemoveRoute(route.config, name, not route.is_set)
        for address in self.all_addresses:
            if address.is_set or _is_doubtful(address):
                removal = RemoveAddress(address.config, address.interface, name, not address.is_set)
                address.is_set = False
                change.removals[address.place] = removal

    def _replace_filter(self, older: Holdings, change: Change) -> None:
        before = older._filter(AllowTraffic) if older.filtered else []
        self.filtered = self._wants_filter()
        after = self._filter(DropTraffic) if self.filtered else []
        kept = {item.place for item in before} & {item.place for item in after}
        both: list[DropTraffic | AllowTraffic] = [*before, *after]
        change.filters += [item for item in both if item.place not in kept]

    def _replace_addresses(self, older: Holdings, change: Change) -> tuple[set[Ip], bool]:
        """Returns the addresses given up, and whether there are new ones."""
        name = self._config.name
        known = {item.identity: item for item in older.all_addresses if item.is_set}
        added = False
        for item in self.all_addresses:
            former = known.pop(item.identity, None)
            if former is not None:
                item.removals, item.additions, item.trouble = former.removals, former.additions, former.trouble
            else:
                change.additions[item.place] = AddAddress(item.config, item.interface, name)
                change.taken[item.place] = item
                added = True
            item.is_set = True
        wanted = {item.identity for item in self.all_addresses}
        for former in older.all_addresses:
            if _is_doubtful(former) and former.identity not in wanted:
                change.removals[former.place] = RemoveAddress(former.config, former.interface, name, leftover=True)
        for former in known.values():
            change.removals[former.place] = RemoveAddress(former.config, former.interface, name)
            words = (name, former.address, former.config.prefix_length, former.interface)
            self._outbox.log(messages.ADDRESS_GONE_AT_RELOAD % words, INSTANCE=name)
        return {former.address for former in known.values()}, added

    def _replace_routes(self, older: Holdings, change: Change, gone: set[Ip]) -> None:
        name = self._config.name
        known = {item.place: item for item in older.routes if item.is_set}
        for item in self.routes:
            former = known.pop(item.place, None)
            if former is None:
                change.additions[item.place] = AddRoute(item.config, name)
            elif former.config != item.config or item.config.src in gone:
                # the kernel drops a route together with its source address
                change.additions[item.place] = AddRoute(item.config, name, replace=True)
            item.is_set = True
        for former in known.values():
            change.removals[former.place] = RemoveRoute(former.config, name)

    def _replace_rules(self, older: Holdings, change: Change) -> None:
        name = self._config.name
        known = {item.place: item for item in older.rules if item.is_set}
        for item in self.rules:
            if known.pop(item.place, None) is None:
                change.additions[item.place] = AddRule(item.config, name)
            item.is_set = True
        for former in known.values():
            change.removals[former.place] = RemoveRule(former.config, name)
            words = (name, former.config.from_address or "all")
            self._outbox.log(messages.RULE_GONE_AT_RELOAD % words, INSTANCE=name)
