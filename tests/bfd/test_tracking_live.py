"""VRRP follows sessions of real daemons: weights with and without reverse, sync groups, both roles of a fault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pykeepalived.lab.node import Node
from tests.bfd.neighbors import Line, line, ours, state

pytestmark = [pytest.mark.netns, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

WEIGHTS = {
    "v1": ("b1 weight 20", 120, 100),
    "v2": ("b1 weight -30", 100, 70),
    "v3": ("b1 weight 20 reverse", 80, 100),
    "v4": ("b1 weight -30 reverse", 100, 130),
}
"""Name -> tracking, priority while the session is up, priority while it is down."""


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def instance(name: str, number: int, text: str = "") -> str:
    return (
        f"vrrp_instance {name} {{\n interface eth0\n virtual_router_id {number}\n advert_int 0.3\n version 3\n"
        f" virtual_ipaddress {{\n  10.99.0.{number}/32\n }}\n {text}\n}}\n"
    )


def tracking(what: str) -> str:
    return f"track_bfd {{\n  {what}\n }}"


@pytest.mark.keyword("vrrp_instance/track_bfd")
def test_weights_and_their_reverse(lan: Line) -> None:
    text = "".join(instance(name, 60 + n, tracking(WEIGHTS[name][0])) for n, name in enumerate(WEIGHTS))
    node = lan.daemon("a", ours() + text)
    other = lan.daemon("b", ours("10.99.0.1", "10.99.0.2"))
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    for name, (_, up, down) in WEIGHTS.items():
        assert lan.wait(lambda name=name, a=down, b=up: changed(node, name, a, b)), lan.log()
    lan.cut()
    assert lan.wait(lambda: state(node) == "Down"), lan.log()
    for name, (_, up, down) in WEIGHTS.items():
        assert lan.wait(lambda name=name, a=up, b=down: changed(node, name, a, b)), lan.log()


def changed(node: Node, name: str, before: int, after: int) -> bool:
    return node.said(f"({name}) Changing effective priority from {before} to {after}")


@pytest.mark.keyword("vrrp_sync_group/track_bfd")
def test_a_sync_group_falls_and_rises_with_the_session(lan: Line) -> None:
    group = f"vrrp_sync_group g {{\n group {{\n  v1\n  v2\n }}\n {tracking('b1')}\n}}\n"
    node = lan.daemon("a", ours() + group + instance("v1", 61) + instance("v2", 62))
    assert lan.wait(lambda: node.states == {"v1": "FAULT", "v2": "FAULT"}), lan.log()
    other = lan.daemon("b", ours("10.99.0.1", "10.99.0.2"))
    for _ in range(2):
        assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
        assert lan.wait(lambda: node.states == {"v1": "MASTER", "v2": "MASTER"}), lan.log()
        lan.cut()
        assert lan.wait(lambda: node.states == {"v1": "FAULT", "v2": "FAULT"}), lan.log()
        lan.heal()


@pytest.mark.keyword("vrrp_instance/track_bfd")
def test_reverse_without_weight_is_at_fault_while_the_session_is_up(lan: Line) -> None:
    node = lan.daemon("a", ours() + instance("v1", 61, tracking("b1 weight 0 reverse")))
    assert lan.wait(lambda: node.states == {"v1": "MASTER"}), lan.log()
    other = lan.daemon("b", ours("10.99.0.1", "10.99.0.2"))
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    assert lan.wait(lambda: node.states == {"v1": "FAULT"}), lan.log()
    lan.cut()
    assert lan.wait(lambda: node.states == {"v1": "MASTER"}), lan.log()


@pytest.mark.keyword("bfd_instance/vrrp")
@pytest.mark.keyword("bfd_instance/checker")
def test_a_session_for_checkers_alone_is_none_of_vrrp(lan: Line) -> None:
    node = lan.daemon("a", ours(extra="checker") + instance("v1", 61, tracking("b1")))
    assert lan.wait(lambda: node.states == {"v1": "MASTER"}), lan.log()
    assert node.said("track bfd b1 not found, ignoring"), lan.log()
