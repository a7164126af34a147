"""What a takeover will ask of the kernel side, worked out before one comes. Decides nothing, changes nothing.

Shell: it is gone through in idle moments, a step at a time (process.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import operations as ko


def preparation(
    prepare: Callable[[ko.Operation], None], config: Config, routes: Sequence[IpRoute], rules: Sequence[IpRule]
) -> Iterator[None]:
    """Prepare, one step at a time, all routes and rules, and an address of each kind on each interface."""
    kinds: set[tuple[object, ...]] = set()
    for instance in config.vrrp_instances:
        for address in (*instance.virtual_addresses, *instance.excluded_addresses):
            plain = replace(address, address=Ip(bytes(len(address.address))), prefix_length=0, label="", at=None)
            kind = (plain, len(address.label))
            if kind not in kinds:
                kinds.add(kind)
                prepare(ko.AddAddress(address, address.interface or instance.interface))
                prepare(ko.DeleteAddress(address, address.interface or instance.interface))
            yield
    for route in routes:
        prepare(ko.AddRoute(route))
        prepare(ko.DeleteRoute(route))
        yield
    for rule in rules:
        prepare(ko.AddRule(rule))
        prepare(ko.DeleteRule(rule))
        yield
