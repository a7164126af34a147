"""What tests of conversations begin with: nodes A and B on one LAN."""

from __future__ import annotations

from tests.vrrp.lan import Lan, Node, address, config, instance, ip, view

VIP = ("eth0", ip("192.0.2.100"))


def pair(lan: Lan, one: dict[str, object], two: dict[str, object], head_start: float = 10) -> tuple[Node, Node]:
    """A with 192.0.2.1, and B with 192.0.2.2 that starts `head_start` seconds later."""
    a = start(lan, "A", **one)
    lan.run(head_start)
    return a, start(lan, "B", **two)


def start(lan: Lan, name: str, last: int = 0, **values: object) -> Node:
    last = last or {"A": 1, "B": 2}[name]
    return lan.node(name, config(instance(**values)), view(address(f"192.0.2.{last}/24")))


def masters(lan: Lan) -> list[str]:
    return [node.name for node in lan.nodes if node.is_master]
