"""What tests of a reload begin with: a machine, and a node that is given another configuration."""

from __future__ import annotations

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpRoute, IpRule
from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import (
    VrrpInstance,
)
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, ip, view

MACHINE = view(
    address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"), interfaces=(interface(), interface("eth1", 3))
)


SCRIPT = Script(words=("/bin/check",), account=Account(0, 0))
ROUTE = IpRoute(family=4, destination=ip("203.0.113.0"), prefix_length=24, via=ip("192.0.2.254"), metric=7)
RULE = IpRule(family=4, from_address=ip("192.0.2.100"), from_length=32, table=100, priority=1000)


def start(lan: Lan, *instances: VrrpInstance, **more: object) -> Node:
    return lan.node("A", config(*(instances or (instance(priority=150),)), **more), MACHINE)


def reload(node: Node, *instances: VrrpInstance, **more: object) -> list[fx.Operation]:
    """Reload and give the operations it led to."""
    return reload_config(node, config(*instances, **more))


def reload_config(node: Node, settings: Config) -> list[fx.Operation]:
    before = len(node.operations())
    node.receive(inputs.Reload(settings, MACHINE))
    return node.operations()[before:]


def changed(name: str = "VI_1", **values: object) -> VrrpInstance:
    return instance(name, **{"priority": 150, **values})
