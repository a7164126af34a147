"""static_ipaddress, static_routes, static_rules: put in place at start, put back when somebody removes them, unless
they have no_track."""

from __future__ import annotations

from pykeepalived.config.model import Config
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import AddAddress, AddRoute, AddRule, RemoveAddress, RemoveRoute, RemoveRule
from pykeepalived.vrrp.inputs import Address, RouteRemoved, RuleRemoved


class Statics:
    """The static entries of one configuration."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._config = Config()

    def replace(self, config: Config) -> None:
        """Take over a configuration: what is not in it any more goes, what is new comes, the rest is not touched."""
        former, self._config = self._config, config
        outbox = self._context.outbox
        present_addresses, addresses = set(former.static_addresses), set(config.static_addresses)
        present_routes, routes = set(former.static_routes), set(config.static_routes)
        present_rules, rules = set(former.static_rules), set(config.static_rules)
        for rule in former.static_rules:
            if rule not in rules:
                outbox.operation(RemoveRule(rule))
        for route in former.static_routes:
            if route not in routes:
                outbox.operation(RemoveRoute(route))
        for address in former.static_addresses:
            if address not in addresses:
                outbox.operation(RemoveAddress(address, address.interface))
        for address in config.static_addresses:
            if address not in present_addresses:
                outbox.operation(AddAddress(address, address.interface))
        for route in config.static_routes:
            if route not in present_routes:
                outbox.operation(AddRoute(route))
        for rule in config.static_rules:
            if rule not in present_rules:
                outbox.operation(AddRule(rule))

    def remove(self) -> None:
        """The end: rules, routes, addresses."""
        self.replace(Config())

    def address_removed(self, gone: Address) -> None:
        for address in self._config.static_addresses:
            same = address.address == gone.address and address.prefix_length == gone.prefix_length
            if same and address.interface == gone.interface and not address.no_track:
                self._log("address", f"{address.address}/{address.prefix_length} dev {address.interface}")
                self._context.outbox.operation(AddAddress(address, address.interface))

    def route_removed(self, message: RouteRemoved) -> bool:
        """Put a route back; False if it is none of ours."""
        route = message.route
        if route not in self._config.static_routes:
            return False
        if not route.no_track:
            self._log("route", f"{route.destination}/{route.prefix_length}" if route.destination else "default")
            self._context.outbox.operation(AddRoute(route))
        return True

    def rule_removed(self, message: RuleRemoved) -> bool:
        """Put a rule back; False if it is none of ours."""
        rule = message.rule
        if rule not in self._config.static_rules:
            return False
        if not rule.no_track:
            self._log("rule", f"{rule.from_address}/{rule.from_length}" if rule.from_address else "all")
            self._context.outbox.operation(AddRule(rule))
        return True

    def link_returned(self, name: str) -> None:
        """The interface is back, without what was on it."""
        outbox = self._context.outbox
        for address in self._config.static_addresses:
            if address.interface == name and not address.no_track:
                outbox.operation(AddAddress(address, name))
        for route in self._config.static_routes:
            used = route.interface == name or any(hop.interface == name for hop in route.nexthops)
            if used and not route.no_track:
                outbox.operation(AddRoute(route, replace=True))

    def _log(self, what: str, which: str) -> None:
        self._context.outbox.log(messages.RESTORING % (what, which))
