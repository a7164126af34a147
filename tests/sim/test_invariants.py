"""The invariants notice what they are there for, at the moment it becomes impossible and not before."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.invariants import SLACK_NS, kernel_state
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.node import Node
from pykeepalived.vrrp.instance import Instance
from tests.sim.test_cluster import VIP, config, pair

TOO_LONG = "VRID 51 on eth0: a and b have both been master for too long"


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No master yields."""
    monkeypatch.setattr(Instance, "become_backup", lambda *_, **__: None)


def divided(quality: Quality | None = None) -> Cluster:
    """Two masters, because nothing passed between them for ten seconds."""
    cluster = pair()
    if quality is not None:
        cluster.lan.quality["eth0"] = quality
    cluster.at(0, lambda: cluster.cut("a", "b"))
    cluster.at(10 * SECOND, lambda: cluster.heal("b"))
    return cluster


def test_two_masters_that_hear_each_other_have_one_interval(stubborn: None) -> None:
    cluster = divided(Quality(delay_ns=50_000))
    limit = 11 * SECOND + 50_000 + SLACK_NS
    cluster.run(limit - 1)
    assert cluster.violations == []
    cluster.run(limit)
    assert cluster.violations == [f"11.002050 s {TOO_LONG}"]


def test_a_loss_between_them_gives_them_another_interval(stubborn: None) -> None:
    cluster = divided()
    for second in range(11, 15):
        cluster.at(second * SECOND, lambda: cluster.lan.on_loss("b", "a"))
    cluster.run(15 * SECOND)
    assert cluster.violations == []
    cluster.run(16 * SECOND)
    assert cluster.violations == [f"15.002050 s {TOO_LONG}"]


def test_a_loss_elsewhere_gives_them_nothing(stubborn: None) -> None:
    cluster = divided()
    cluster.at(10_500_000_000, lambda: cluster.lan.on_loss("b", "c"))
    cluster.run(12 * SECOND)
    assert cluster.violations == [f"11.002050 s {TOO_LONG}"]


def test_masters_that_do_not_hear_each_other_may_go_on(stubborn: None) -> None:
    cluster = divided()
    cluster.at(10_500_000_000, lambda: cluster.cut("a", "b", both=False))
    cluster.run(30 * SECOND)
    assert cluster.violations == []


def test_masters_of_different_files_may_go_on(stubborn: None) -> None:
    """They do not take each other's adverts."""
    other = IpAddress(address=Ip.parse("192.0.2.101"), prefix_length=24, interface="eth0")
    cluster = Cluster(Random(1))
    for number, (name, vips) in enumerate((("a", (VIP,)), ("b", (VIP, other)))):
        whole = config(100 + number)
        mine = Config(vrrp_instances=(replace(whole.vrrp_instances[0], virtual_addresses=vips),), wants_vrrp=True)
        cluster.add(name, mine, [])
        assert isinstance(cluster.nodes[name], Node)
    one, two = ((node, node.config.vrrp_instances[0]) for node in cluster.nodes.values())
    for host in "ab":
        cluster.lan.attach(host, "eth0", "eth0")
    assert not cluster._rivals._must_settle(one, two)
    assert cluster._rivals._must_settle(one, (two[0], one[1]))


def test_masters_that_yield_are_no_violation() -> None:
    cluster = divided()
    cluster.run(30 * SECOND)
    assert cluster.violations == []
    assert cluster.nodes["b"].states == {"VI_1": "BACKUP"}


def test_a_deadline_that_stays_in_the_past_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = pair()
    cluster.run(5 * SECOND)
    machine = cluster.nodes["b"].machine
    monkeypatch.setattr(machine, "tick", lambda now: None)
    cluster.run(20 * SECOND)
    assert "b: a deadline stays in the past" in cluster.violations[0]


def test_a_deadline_set_in_the_past_is_noticed() -> None:
    cluster = pair()
    cluster.run(5 * SECOND)
    machine = cluster.nodes["b"].machine
    assert machine.router is not None
    past = cluster.now - 7
    machine.router._timers.heap.clear()
    for instance in machine.router._assembly.instances.values():
        instance.timer._armed = None
        instance.timer.set(past)
    machine.settle(cluster.now)
    cluster.run(6 * SECOND)
    assert "5.000000 s b: a deadline lies 7 ns in the past" in cluster.violations


def test_what_a_stop_leaves_behind_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = pair()
    cluster.run(5 * SECOND)
    machine = cluster.nodes["a"].machine
    monkeypatch.setattr(machine, "stop", lambda now: None)
    cluster.stop("a")
    assert cluster.violations == ["5.000000 s a: leaves ['192.0.2.100'] behind"]


def test_the_state_of_a_kernel_tells_what_differs() -> None:
    cluster = pair()
    cluster.run(5 * SECOND)
    one, two = (kernel_state(cluster.nodes[name]) for name in "ab")
    assert {each for each in one if each not in two} == {
        "link eth0 02:00:00:00:00:01 on -",
        "address 192.0.2.1/24 on eth0",
        "address 192.0.2.100/24 on eth0",
    }
