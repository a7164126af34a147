"""The cluster: every fault with its exact consequence, and that the invariants notice what they are there for."""

from __future__ import annotations

import errno
from random import Random

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance, VrrpSyncGroup
from pykeepalived.netlink.operations import AddAddress
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.machine import Plug

VIP = IpAddress(address=Ip.parse("192.0.2.100"), prefix_length=24, interface="eth0")
SKEW_100 = 156 * SECOND // 256
DELAY = 50_000


def config(priority: int, **more: object) -> Config:
    instance = VrrpInstance(
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        priority=priority,
        virtual_addresses=(VIP,),
        **more,  # type: ignore[arg-type]
    )
    return Config(vrrp_instances=(instance,), wants_vrrp=True)


def pair(**more: object) -> Cluster:
    """a (150) and b (100), both started at 0."""
    cluster = Cluster(Random(1))
    for number, (name, priority) in enumerate((("a", 150), ("b", 100))):
        mac = bytes((2, 0, 0, 0, 0, number + 1))
        cluster.add(name, config(priority, **more), [Plug("eth0", mac, (f"192.0.2.{number + 1}/24",))])
        cluster.at(0, lambda name=name: cluster.start(name))
    return cluster


def states(cluster: Cluster, node: str) -> list[tuple[float, str]]:
    return [(round(item.at / SECOND, 4), item.state) for item in cluster.changes if item.node == node]


def has_vip(cluster: Cluster, node: str) -> bool:
    return ("eth0", VIP.address) in cluster.nodes[node].machine.addresses()


def test_the_higher_priority_becomes_master_after_its_master_down_time() -> None:
    cluster = pair()
    cluster.run(10 * SECOND)
    cluster.check_converged()
    assert states(cluster, "a") == [(0, "BACKUP"), (3.4141, "MASTER")]
    assert states(cluster, "b") == [(0, "BACKUP")]
    assert (has_vip(cluster, "a"), has_vip(cluster, "b")) == (True, False)
    assert cluster.violations == []


def test_power_off_and_on() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.kill("a"))
    cluster.run(20 * SECOND)
    assert states(cluster, "a")[-1] == (10, "DEAD")
    last_advert = 3 * SECOND + 106 * SECOND // 256 + 6 * SECOND + DELAY
    assert cluster.changes[-1].at == pytest.approx(last_advert + 3 * SECOND + SKEW_100, abs=1000)
    assert (has_vip(cluster, "a"), has_vip(cluster, "b")) == (False, True)
    cluster.at(20 * SECOND, lambda: cluster.start("a"))
    cluster.run(30 * SECOND)
    assert states(cluster, "b")[-1] == (23.4141, "BACKUP")
    cluster.check_converged()
    assert cluster.violations == []


def test_sigterm_hands_over_within_the_skew_time() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.stop("a"))
    cluster.run(11 * SECOND)
    assert states(cluster, "a")[-1] == (10, "STOP")
    assert cluster.changes[-1].at == 10 * SECOND + DELAY + SKEW_100
    assert cluster.violations == []


def test_a_master_that_resigns_twice_is_not_waited_for() -> None:
    """The same advert with priority 0 again, from a master in fault or doubled by the network, restarts no timer."""
    cluster = pair(nopreempt=True)
    cluster.lan.quality["eth0"] = Quality(duplicate=1.0)
    cluster.at(10 * SECOND, lambda: cluster.stop("a"))
    cluster.run(20 * SECOND)
    assert cluster.changes[-1].at == 10 * SECOND + DELAY + SKEW_100
    assert (cluster.changes[-1].node, cluster.changes[-1].state) == ("b", "MASTER")


def test_a_killed_child_is_replaced_without_anybody_noticing() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.kill_child("a"))
    cluster.run(20 * SECOND)
    assert states(cluster, "b") == [(0, "BACKUP")]
    assert has_vip(cluster, "a")
    assert cluster.violations == []


def test_a_silent_cut_makes_two_masters_until_it_is_healed() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.cut("a", "b"))
    cluster.run(20 * SECOND)
    cluster.check_converged()
    assert states(cluster, "b")[-1][1] == "MASTER" and states(cluster, "a")[-1][1] == "MASTER"
    assert cluster.violations == []
    cluster.heal("b")
    cluster.run(30 * SECOND)
    cluster.check_converged()
    assert states(cluster, "b")[-1][1] == "BACKUP"
    assert cluster.violations == []


def test_a_pulled_cable_is_a_fault_at_once() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.set_carrier("a", "eth0", False))
    cluster.at(20 * SECOND, lambda: cluster.set_carrier("a", "eth0", True))
    cluster.run(30 * SECOND)
    assert (10, "FAULT") in states(cluster, "a")
    assert (20, "BACKUP") in states(cluster, "a")
    cluster.check_converged()
    assert cluster.violations == []


def test_a_stalled_master_hears_what_waited_before_it_speaks() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.stall("b", 30 * SECOND))
    cluster.run(60 * SECOND)
    assert states(cluster, "b") == [(0, "BACKUP")]
    assert cluster.violations == []


def test_a_stepped_clock_changes_nothing() -> None:
    quiet, stepped = pair(), pair()
    stepped.at(10 * SECOND, lambda: stepped.step_clock("a", -86_400 * SECOND))
    for cluster in (quiet, stepped):
        cluster.run(30 * SECOND)
    assert quiet.changes == stepped.changes
    assert quiet.lan.sent == stepped.lan.sent


def test_a_reload_changes_the_election() -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.reload("b", config(200)))
    cluster.run(30 * SECOND)
    cluster.check_converged()
    assert states(cluster, "b")[-1][1] == "MASTER"
    assert cluster.violations == []


# the invariants themselves


def test_a_master_without_its_address_is_noticed() -> None:
    cluster = pair()
    cluster.nodes["a"].machine.kernel.refuse[AddAddress(VIP, "eth0")] = errno.ENOBUFS
    cluster.run(10 * SECOND)
    assert any("a: is master without 192.0.2.100" in text for text in cluster.violations)


def test_an_address_without_a_master_is_noticed() -> None:
    cluster = pair()
    cluster.run(10 * SECOND)
    cluster.nodes["b"].machine.kernel.add_address("eth0", "192.0.2.100", 24)
    cluster._check(cluster.nodes["b"])
    assert cluster.violations == ["10.000000 s b: holds 192.0.2.100 without being master"]


def test_two_masters_and_none_are_noticed() -> None:
    cluster = pair()
    cluster.run(1 * SECOND)
    cluster.check_converged()
    assert cluster.violations == ["1.000000 s VRID 51 on eth0: master is nobody"]
    cluster.violations.clear()
    cluster.at(10 * SECOND, lambda: cluster.cut("a", "b"))
    cluster.run(20 * SECOND)
    cluster.lan.heal()
    cluster.check_converged()
    assert cluster.violations == ["20.000000 s VRID 51 on eth0: master is a, b"]


def test_a_master_that_is_not_the_best_is_noticed() -> None:
    cluster = pair()
    cluster.at(0, lambda: cluster.cut("a", "b"))
    cluster.at(0, lambda: cluster.stop("a"))
    cluster.run(10 * SECOND)
    cluster.lan.heal()
    cluster.at(11 * SECOND, lambda: cluster.start("a"))
    cluster.run(12 * SECOND)
    cluster.check_converged()
    assert cluster.violations == ["12.000000 s VRID 51 on eth0: b is master with priority 100 while another has 150"]


def test_a_torn_sync_group_is_noticed() -> None:
    cluster = Cluster(Random(1), Quality())
    first = config(100).vrrp_instances[0]
    second = VrrpInstance(name="VI_2", interface="eth1", virtual_router_id=52)
    whole = Config(vrrp_instances=(first, second), wants_vrrp=True)
    node = cluster.add(
        "a", whole, [Plug("eth0", b"\2\0\0\0\0\1", ("192.0.2.1/24",)), Plug("eth1", b"\2\0\0\0\1\1", ("192.0.3.1/24",))]
    )
    cluster.at(0, lambda: cluster.start("a"))
    cluster.at(2 * SECOND, lambda: cluster.set_carrier("a", "eth1", False))
    cluster.run(10 * SECOND)
    node.machine.config = Config(
        vrrp_instances=whole.vrrp_instances, vrrp_sync_groups=(VrrpSyncGroup(name="G", members=("VI_1", "VI_2")),)
    )
    cluster._check(node)
    assert cluster.violations == ["10.000000 s a: sync group G is torn: ['FAULT', 'MASTER']"]
