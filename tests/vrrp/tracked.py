"""What tests of trackers begin with: a node that tracks something, and what it makes of it."""

from __future__ import annotations

from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import (
    Tracker,
    Trackers,
)
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, replace, view

ETH1 = interface("eth1", 3)
SCRIPT = Script(words=("/bin/check",), account=Account(0, 0))


def tracker(name: str, weight: int = 0, reverse: bool = False) -> Tracker:
    return Tracker(name=name, weight=weight, reverse=reverse)


NOTHING = Trackers()


def start(lan: Lan, track: Trackers = NOTHING, more: dict[str, object] | None = None, **values: object) -> Node:
    machine = view(address("192.0.2.1/24"), interfaces=(interface(), ETH1, interface("eth2", 4)))
    return lan.node("A", config(instance(track=track, **values), **(more or {})), machine)


def flag(which: inputs.Interface, up: bool) -> inputs.InterfaceChanged:
    return inputs.InterfaceChanged(replace(which, up=up))


def priority(node: Node) -> int:
    return int(node.snapshot().effective_priority)


def faults(node: Node) -> list[tuple[str, str]]:
    return [(cause.fact, cause.subject) for cause in node.snapshot().faults]
