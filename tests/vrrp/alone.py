"""What tests of a single node begin with."""

from __future__ import annotations

from tests.vrrp.lan import Lan, Node, address, config, instance, view


def start(lan: Lan, **values: object) -> Node:
    return lan.node("A", config(instance(priority=150, **values)), view(address("192.0.2.1/24")))


def master(lan: Lan, **values: object) -> Node:
    node = start(lan, **values)
    lan.run(4)
    assert node.is_master
    del node.history[:]
    return node
