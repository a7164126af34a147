"""What a reload would do to the kernel of this machine: two configurations and the facts give operations. Pure.

For people (`plan`): the running core decides by itself when the reload comes. An instance counts as master when the
kernel has one of its addresses where the configuration in force puts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.netlink import addresses, links, routes, rules
from pykeepalived.netlink.addresses import Wish
from pykeepalived.netlink.facts import Facts
from pykeepalived.netlink.operations import Operation
from pykeepalived.vrrp import attachments
from pykeepalived.vrrp.attachments import Key

_Identity = tuple[int, int, str]


def forecast(before: Config, after: Config, facts: Facts) -> list[Operation]:
    """The operations of a reload from one configuration to the other, in the order in which they would be done."""
    old_links = attachments.plan(before, facts)
    new_links = attachments.plan(after, facts, old_links.names)
    old, new = _Owned(before, old_links.names), _Owned(after, new_links.names)
    masters = {identity for identity in old.instances if old.is_held(identity, facts)}
    made = [attachment.link for attachment in new_links.attachments if facts.link(attachment.link.parent) is not None]
    return [
        *rules.diff(new.rules(masters), old.rules(masters), facts),
        *routes.diff(new.routes(masters), old.routes(masters), facts),
        *links.diff(dict.fromkeys(made), facts, {each.link.name for each in old_links.attachments if each.exists}),
        *addresses.diff(new.wishes(masters), old.wishes(masters), facts),
    ]


def _identity(instance: VrrpInstance) -> _Identity:
    """What makes two instances the same over a reload (keepalived.conf(5))."""
    return (instance.virtual_router_id, instance.family, instance.interface)


class _Owned:
    """What the masters of one configuration own, and its static entries, which need no master."""

    def __init__(self, config: Config, names: Mapping[Key, str]) -> None:
        self._config = config
        self._names = names
        self.instances = {_identity(instance): instance for instance in config.vrrp_instances}

    def _of(self, masters: Iterable[_Identity]) -> list[VrrpInstance]:
        wanted = set(masters)
        return [instance for identity, instance in self.instances.items() if identity in wanted]

    def wishes(self, masters: Iterable[_Identity]) -> list[Wish]:
        static = [Wish(address, address.interface) for address in self._config.static_addresses]
        return static + [wish for instance in self._of(masters) for wish in self._virtual(instance)]

    def routes(self, masters: Iterable[_Identity]) -> list[IpRoute]:
        virtual = [route for instance in self._of(masters) for route in instance.virtual_routes]
        return [*self._config.static_routes, *virtual]

    def rules(self, masters: Iterable[_Identity]) -> list[IpRule]:
        virtual = [rule for instance in self._of(masters) for rule in instance.virtual_rules]
        return [*self._config.static_rules, *virtual]

    def is_held(self, identity: _Identity, facts: Facts) -> bool:
        return any(addresses.is_present(wish, facts) for wish in self._virtual(self.instances[identity]))

    def _virtual(self, instance: VrrpInstance) -> list[Wish]:
        every = (*instance.virtual_addresses, *instance.excluded_addresses)
        return [Wish(address, self._carrier(instance, address)) for address in every]

    def _carrier(self, instance: VrrpInstance, address: IpAddress) -> str:
        """The link an address stands on: a VMAC made for it, the instance's VMAC, or the interface itself."""
        parent = address.interface or instance.interface
        made = self._names.get((instance.name, parent, address.family))
        if made is not None and attachments.wants_own_vmac(instance, address):
            return made
        elsewhere = parent != instance.interface or address.family != instance.family
        if elsewhere or instance.vmac is None:
            return parent
        return self._names.get((instance.name, parent, instance.family), parent)
