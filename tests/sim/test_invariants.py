"""The invariants notice what they are there for, at the moment it becomes impossible and not before."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpSyncGroup
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.invariants import SLACK_NS, kernel_state
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.machine import Plug
from pykeepalived.sim.node import Node
from pykeepalived.vrrp import election
from pykeepalived.vrrp.instance import Instance
from tests.sim.test_cluster import DELAY, SKEW_100, VIP, config, pair

VIP_2 = IpAddress(address=Ip.parse("192.0.3.100"), prefix_length=24, interface="eth1")
TOO_LONG = "VRID 51 on eth0: a and b have both been master for too long"


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No master yields."""
    monkeypatch.setattr(Instance, "become_backup", lambda *_, **__: None)


def grouped(priority: int) -> Config:
    """Instances on eth0 and eth1 in a sync group."""
    first = config(priority).vrrp_instances[0]
    second = replace(first, name="VI_2", interface="eth1", virtual_router_id=52, virtual_addresses=(VIP_2,))
    group = VrrpSyncGroup(name="G", members=("VI_1", "VI_2"))
    return Config(vrrp_instances=(first, second), vrrp_sync_groups=(group,), wants_vrrp=True)


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


def test_masters_with_one_source_address_may_go_on() -> None:
    """Each takes the adverts of the other for its own."""
    cluster = pair()
    one, two = ((node, node.config.vrrp_instances[0]) for node in cluster.nodes.values())
    assert cluster._rivals._must_settle(one, two)
    one, two = ((node, replace(model, source_address=Ip.parse("192.0.2.9"))) for node, model in (one, two))
    assert not cluster._rivals._must_settle(one, two)


def test_masters_that_yield_are_no_violation() -> None:
    cluster = divided()
    cluster.run(30 * SECOND)
    assert cluster.violations == []
    assert cluster.nodes["b"].states == {"VI_1": "BACKUP"}


SILENT = "b: VI_1 has heard no master for too long and is none"
DOWN = 3 * SECOND + SKEW_100 + DELAY + SLACK_NS
"""From the last moment of a master to the one at which b, with priority 100, must be master."""


@pytest.fixture
def timid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but a takes over when its master is silent."""
    takes_over = election.down_timer

    def down_timer(instance: Instance, now: int) -> None:
        if instance.effective == 150:
            takes_over(instance, now)
        else:
            instance.timer.set(now + instance.down_ns)

    monkeypatch.setattr(election, "down_timer", down_timer)


def test_a_backup_without_a_master_becomes_one_in_its_master_down_time(timid: None) -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.kill("a"))
    cluster.run(10 * SECOND + DOWN - 1)
    assert cluster.violations == []
    cluster.run(60 * SECOND)
    assert cluster.violations == [f"13.611425 s {SILENT}"]


def test_a_takeover_that_is_milliseconds_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Instance.compute_down

    def late(instance: Instance) -> None:
        compute(instance)
        instance.down_ns += 5_000_000

    monkeypatch.setattr(Instance, "compute_down", late)
    cluster = pair()
    cluster.at(3_415_000_000, lambda: cluster.kill("a"))
    cluster.run(10 * SECOND)
    assert cluster.violations[-1].endswith(SILENT)


@pytest.mark.parametrize("fault", ["stall", "cut", "stop", "carrier"])
def test_it_does_not_matter_why_the_master_is_not_heard(timid: None, fault: str) -> None:
    cluster = pair()
    do = {
        "stall": lambda: cluster.stall("a", 20 * SECOND),
        "cut": lambda: cluster.cut("a", "b", both=False),
        "stop": lambda: cluster.stop("a"),
        "carrier": lambda: cluster.set_carrier("a", "eth0", False),
    }
    cluster.at(10 * SECOND, do[fault])
    cluster.run(20 * SECOND)
    assert cluster.violations == [f"13.611425 s {SILENT}"]


def test_whoever_hears_a_master_may_wait(timid: None) -> None:
    """Also when the master does not hear it."""
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.cut("b", "a", both=False))
    cluster.run(60 * SECOND)
    assert cluster.violations == []


def test_who_stands_still_or_has_a_fault_may_wait(timid: None) -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.kill("a"))
    cluster.at(12 * SECOND, lambda: cluster.stall("b", 10 * SECOND))
    cluster.at(24 * SECOND, lambda: cluster.set_carrier("b", "eth0", False))
    cluster.run(60 * SECOND)
    assert cluster.violations == []
    cluster.at(60 * SECOND, lambda: cluster.set_carrier("b", "eth0", True))
    cluster.run(70 * SECOND)
    assert cluster.violations == [f"63.611425 s {SILENT}"]


@pytest.mark.parametrize("what", ["reload", "new child"])
def test_a_reload_and_a_new_child_begin_the_time_anew(timid: None, what: str) -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.kill("a"))
    again = {"reload": lambda: cluster.reload("b", config(100)), "new child": lambda: cluster.kill_child("b")}
    cluster.at(12 * SECOND, again[what])
    cluster.run(20 * SECOND)
    assert cluster.violations == [f"15.611425 s {SILENT}"]


def test_a_startup_delay_is_waited_for(timid: None) -> None:
    cluster = pair()
    node = cluster.nodes["b"]
    late = replace(
        node.file.globals, vrrp_defaults=replace(node.file.globals.vrrp_defaults, startup_delay_us=5_000_000)
    )
    node.file = replace(node.file, globals=late)
    cluster.at(0, lambda: cluster.kill("a"))
    cluster.run(20 * SECOND)
    assert cluster.violations == [f"8.611425 s {SILENT}"]


def test_a_sync_group_takes_over_when_none_of_its_members_hears_a_master(timid: None) -> None:
    """As long as one of them does, the other one cannot."""
    cluster = Cluster(Random(1))
    for number, priority in enumerate((150, 100)):
        plugs = [
            Plug(f"eth{port}", bytes((2, 0, 0, 0, port, number + 1)), (f"192.0.{2 + port}.{number + 1}/24",))
            for port in (0, 1)
        ]
        cluster.add("ab"[number], grouped(priority), plugs)
        cluster.at(0, lambda name="ab"[number]: cluster.start(name))
    cluster.at(10 * SECOND, lambda: cluster.lan._dark.add(("b", "eth0")))
    cluster.run(30 * SECOND)
    assert cluster.violations == []
    cluster.at(30 * SECOND, lambda: cluster.kill("a"))
    cluster.run(40 * SECOND)
    assert cluster.violations == [f"33.611425 s {SILENT}"]


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


def test_an_instance_that_a_reload_takes_away_need_not_take_over(timid: None) -> None:
    cluster = pair()
    cluster.at(10 * SECOND, lambda: cluster.kill("a"))
    cluster.at(12 * SECOND, lambda: cluster.reload("b", Config()))
    cluster.run(20 * SECOND)
    assert cluster.violations == []
