"""What the kernel reports: addresses, routes and rules deleted by others, interfaces that come and go, lost events."""

from __future__ import annotations

import dataclasses

import pytest

from pykeepalived.config.model.network import IpRoute, IpRule
from pykeepalived.config.model.vrrp import State, UnicastPeer
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.alone import master, start
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, ip, view, vip

ROUTE = IpRoute(family=4, destination=ip("203.0.113.0"), prefix_length=24, via=ip("192.0.2.254"))
RULE = IpRule(family=4, from_address=ip("192.0.2.100"), from_length=32, table=100, priority=1000)


def names(node: Node) -> list[str]:
    return [type(operation).__name__ for operation in node.operations()]


@pytest.mark.parametrize("excluded", [False, True])
def test_vip_deleted(excluded: bool) -> None:
    """One advert of priority 0, everything removed, MASTER again after the skew time."""
    lan = Lan()
    node = master(lan, excluded_addresses=(vip("192.0.2.200/24"),))
    moment = lan.now
    lost = "192.0.2.200/24" if excluded else "192.0.2.100/32"
    node.receive(inputs.AddressRemoved(address(lost)))
    assert [sent.priority for sent in lan.wire if sent.at == moment] == [0]
    assert names(node) == ["RemoveAddress"], "what is gone is not removed again"
    assert node.snapshot().timer_expires_ns == moment + 414_062_000
    assert f"Netlink reflector reports IP {lost.split('/')[0]} removed from eth0" in node.log()
    lan.run(0.5)
    assert node.is_master
    assert names(node) == ["RemoveAddress", "AddAddress", "AddAddress"]
    assert node.notices() == ["INSTANCE VI_1 BACKUP 150", "INSTANCE VI_1 MASTER 150"]


def test_own_removal_is_not_mistaken() -> None:
    """Leaving MASTER and becoming it again before the kernel has reported our own removal."""
    lan = Lan()
    node = master(lan)
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    lan.run(0.5)
    assert node.is_master
    # a fault of a moment; the kernel is slow to report
    node.echo = False
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    node.receive(inputs.InterfaceChanged(interface()))
    lan.run(3.5)
    assert node.is_master
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert node.is_master
    node.receive(inputs.AddressAdded(address("192.0.2.100/32")))
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert not node.is_master


def test_mastership_that_comes_and_goes_before_the_kernel_is_told() -> None:
    """An address added, removed and added in one turn: the report of the first addition does not make the removal
    behind it somebody else's, and nothing stays behind at the end."""
    lan = Lan()
    node = lan.node("A", config(instance(priority=255, state=State.MASTER)), view(address("192.0.2.1/24")))
    assert node.is_master
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    del node.history[:]
    for up in (True, False, True):
        node.router.receive(inputs.InterfaceChanged(interface(up=up)), lan.now)
    node.perform()
    assert names(node) == ["AddAddress", "RemoveAddress", "AddAddress"]
    assert node.is_master and node.addresses == {("eth0", ip("192.0.2.100"))}
    # then it is watched as ever
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert not node.is_master
    lan.run(1)
    assert node.is_master
    node.receive(inputs.Stop())
    assert node.addresses == set()


def test_removals_folded_by_the_shell_leave_no_trace() -> None:
    """Removal and return in one reading: only the return is told."""
    lan = Lan()
    node = master(lan)
    node.echo = False
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    node.receive(inputs.InterfaceChanged(interface()))
    lan.run(3.5)
    node.receive(inputs.AddressAdded(address("192.0.2.100/32")))
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert not node.is_master


@pytest.mark.parametrize(
    ("text", "name"), [("192.0.2.100/24", "eth0"), ("192.0.2.100/32", "eth1"), ("192.0.2.101/32", "eth0")]
)
def test_other_addresses_do_not_matter(text: str, name: str) -> None:
    lan = Lan()
    node = master(lan)
    node.receive(inputs.AddressRemoved(address(text, name)))
    assert node.is_master


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_no_track_address_deleted() -> None:
    lan = Lan()
    node = master(lan, virtual_addresses=(vip("192.0.2.100", no_track=True),))
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert node.is_master


def test_vip_deleted_while_backup() -> None:
    lan = Lan()
    node = start(lan)
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert node.state() == "BACKUP"


@pytest.mark.keyword("vrrp_instance/virtual_routes")
@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_routes_and_rules_in_order() -> None:
    lan = Lan()
    node = start(lan, virtual_routes=(ROUTE,), virtual_rules=(RULE,), excluded_addresses=(vip("192.0.2.200"),))
    lan.run(4)
    assert names(node) == ["AddAddress", "AddAddress", "AddRoute", "AddRule"]
    node.receive(inputs.Stop())
    assert names(node)[4:] == ["RemoveRule", "RemoveRoute", "RemoveAddress", "RemoveAddress"]


@pytest.mark.parametrize("what", ["route", "rule"])
@pytest.mark.parametrize("no_track", [False, True])
def test_route_or_rule_deleted(what: str, no_track: bool) -> None:
    lan = Lan()
    route, rule = dataclasses.replace(ROUTE, no_track=no_track), dataclasses.replace(RULE, no_track=no_track)
    node = master(lan, virtual_routes=(route,), virtual_rules=(rule,))
    node.receive(inputs.RouteRemoved(route) if what == "route" else inputs.RuleRemoved(rule))
    assert node.is_master is no_track
    if not no_track:
        assert node.snapshot().cause.fact == f"{what}_removed"
        assert names(node) == (["RemoveRule", "RemoveAddress"] if what == "route" else ["RemoveRoute", "RemoveAddress"])


# static entries


@pytest.mark.keyword("static_ipaddress")
@pytest.mark.keyword("static_routes")
@pytest.mark.keyword("static_rules")
def test_static_entries() -> None:
    """In place before anything else, put back when deleted, removed at stop in reverse kinds."""
    lan = Lan()
    static = vip("203.0.113.1/24")
    settings = config(instance(), static_addresses=(static,), static_routes=(ROUTE,), static_rules=(RULE,))
    node = lan.node("A", settings, view(address("192.0.2.1/24")))
    assert names(node) == ["AddAddress", "AddRoute", "AddRule"]
    node.receive(inputs.AddressRemoved(address("203.0.113.1/24")))
    node.receive(inputs.RouteRemoved(ROUTE))
    node.receive(inputs.RuleRemoved(RULE))
    assert names(node)[3:] == ["AddAddress", "AddRoute", "AddRule"]
    assert "Restoring deleted static address 203.0.113.1/24 dev eth0" in node.log()
    assert "Restoring deleted static route 203.0.113.0/24" in node.log()
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    node.receive(inputs.InterfaceChanged(interface()))
    assert names(node)[6:] == ["AddAddress"]
    node.receive(inputs.Stop())
    assert names(node)[7:] == ["RemoveRule", "RemoveRoute", "RemoveAddress"]


@pytest.mark.keyword("static_ipaddress")
@pytest.mark.keyword("static_routes")
@pytest.mark.keyword("static_rules")
def test_static_entries_with_no_track_stay_away() -> None:
    """keepalived.conf(5): an entry with no_track is not reinstated when it is deleted."""
    lan = Lan()
    static = dataclasses.replace(vip("203.0.113.1/24"), no_track=True)
    route, rule = dataclasses.replace(ROUTE, no_track=True), dataclasses.replace(RULE, no_track=True)
    settings = config(instance(), static_addresses=(static,), static_routes=(route,), static_rules=(rule,))
    node = lan.node("A", settings, view(address("192.0.2.1/24")))
    node.receive(inputs.AddressRemoved(address("203.0.113.1/24")))
    node.receive(inputs.RouteRemoved(route))
    node.receive(inputs.RuleRemoved(rule))
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    node.receive(inputs.InterfaceChanged(interface()))
    assert names(node) == ["AddAddress", "AddRoute", "AddRule"]
    assert not [line for line in node.log() if "Restoring" in line]
    node.receive(inputs.Stop())
    assert names(node)[3:] == ["RemoveRule", "RemoveRoute", "RemoveAddress"]


# the address adverts are sent from


def test_source_address_moves() -> None:
    """Another address of the interface takes over without a change of state; the pool stays for multicast."""
    lan = Lan()
    node = master(lan)
    node.receive(inputs.AddressAdded(address("192.0.2.7/24")))
    node.receive(inputs.AddressRemoved(address("192.0.2.1/24")))
    assert node.is_master
    assert "Deassigned address 192.0.2.1 from interface eth0" in node.log()
    lan.run(1)
    assert lan.wire[-1].data[12:16] == ip("192.0.2.7")


def test_no_source_address_left() -> None:
    """Two adverts of priority 0 with the old source; back as BACKUP with the full timer."""
    lan = Lan()
    node = master(lan)
    count = len(lan.wire)
    node.receive(inputs.AddressRemoved(address("192.0.2.1/24")))
    assert node.state() == "FAULT"
    assert [(sent.priority, sent.data[12:16]) for sent in lan.wire[count:]] == [(0, ip("192.0.2.1"))] * 2
    assert node.snapshot().fault_flags == ("no source IP address",)
    assert node.addresses == set()
    node.receive(inputs.AddressAdded(address("192.0.2.1/24")))
    assert node.snapshot().timer_expires_ns == lan.now + 3_414_062_000
    assert "Assigned address 192.0.2.1 for interface eth0" in node.log()


def test_virtual_addresses_are_no_source() -> None:
    lan = Lan()
    machine = view(address("192.0.2.100/32"), address("192.0.2.200/24"), address("192.0.2.1/24"))
    node = lan.node("A", config(instance(excluded_addresses=(vip("192.0.2.200/24"),))), machine)
    assert node.snapshot().source_address == ip("192.0.2.1")


def test_secondary_and_deprecated_addresses_come_last() -> None:
    lan = Lan()
    machine = view(address("192.0.2.7/24", flags=1), address("192.0.2.1/24"))
    assert lan.node("A", config(instance()), machine).snapshot().source_address == ip("192.0.2.1")
    six: dict[str, object] = {"family": 6, "version": 3, "virtual_addresses": (vip("fe80::100"),)}
    for flags in (0x20, 0x40, 0x08):
        machine = view(address("fe80::1/64", flags=flags), address("2001:db8::1/64"), address("fe80::2/64"))
        assert lan.node("A", config(instance(**six)), machine).snapshot().source_address == ip("fe80::2")


def test_unicast_source_change_moves_the_sockets() -> None:
    lan = Lan()
    values: dict[str, object] = {"unicast": True, "unicast_peers": (UnicastPeer(address=ip("192.0.2.2")),)}
    node = start(lan, **values)
    (before,) = node.pools
    node.receive(inputs.AddressAdded(address("192.0.2.7/24")))
    assert node.pools == [before]
    node.receive(inputs.AddressRemoved(address("192.0.2.1/24")))
    (after,) = node.pools
    assert (before.source, after.source) == (ip("192.0.2.1"), ip("192.0.2.7"))
    lan.run(4)
    assert lan.wire[-1].flow.pool is after


def test_unicast_instance_announces_itself_when_it_comes_back() -> None:
    """One gratuitous ARP for the source address, so that the master finds it again."""
    lan = Lan()
    values: dict[str, object] = {"unicast": True, "unicast_peers": (UnicastPeer(address=ip("192.0.2.2")),)}
    node = start(lan, **values)
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    del node.history[:]
    node.receive(inputs.InterfaceChanged(interface()))
    ((_, frames),) = node.effects(fx.SendFrames)
    assert [str(frame.address) for frame in frames.frames] == ["192.0.2.1"]  # type: ignore[attr-defined]
    assert "VI_1: sending gratuitous ARP for 192.0.2.1" in node.log()


# failures of the shell


def test_pool_that_cannot_be_opened() -> None:
    lan = Lan()
    node = start(lan)
    (pool,) = node.pools
    node.receive(inputs.PoolFailed(pool, "Cannot assign requested address"))
    assert node.state() == "FAULT"
    node.receive(inputs.PoolOpened(pool))
    assert node.state() == "BACKUP"


def test_address_that_cannot_be_added() -> None:
    """The instance stays MASTER. At its end the address is removed all the same, without complaint: a predecessor may
    have left it."""
    lan = Lan()
    node = start(lan, excluded_addresses=(vip("192.0.2.200"),))
    lan.run(4)
    failed = node.operations()[0]
    node.receive(inputs.OperationFailed(failed, 13))
    assert node.is_master
    assert node.snapshot().addresses_set == (False,)
    assert node.snapshot().excluded_set == (True,)
    node.receive(inputs.Stop())
    removals = [item for item in node.operations()[2:] if isinstance(item, fx.RemoveAddress)]
    assert [(item.address.address, item.leftover) for item in removals] == [
        (ip("192.0.2.100"), True),
        (ip("192.0.2.200"), False),
    ]


def test_refused_objects_are_tried_again() -> None:
    """After 1 s, 2 s, 4 s ... while the instance is MASTER; an address that is in place at last is announced."""
    lan = Lan()
    node = start(lan, virtual_routes=(ROUTE,), virtual_rules=(RULE,))
    lan.run(4)
    first, route, rule = node.operations()
    moment = lan.now
    for failed in (first, route, rule):
        node.receive(inputs.OperationFailed(failed, 13))
    assert [(cause.fact, cause.subject, cause.detail) for cause in node.snapshot().troubles] == [
        ("refused", "address 192.0.2.100", "EACCES"),
        ("refused", "route 203.0.113.0", "EACCES"),
        ("refused", "rule 192.0.2.100", "EACCES"),
    ]
    assert node.snapshot().routes_set == node.snapshot().rules_set == (False,)
    blocks = len(node.effects(fx.SendFrames))
    lan.run(1)
    assert names(node)[3:] == ["AddAddress", "AddRoute", "AddRule"]
    assert len(node.effects(fx.SendFrames)) == blocks + 1
    assert node.snapshot().troubles == ()
    node.receive(inputs.OperationFailed(route, 101))
    lan.run(1.9)
    assert len(node.operations()) == 6
    lan.run(0.2)
    assert names(node)[6:] == ["AddRoute"]
    times = [at - moment for at, _ in node.effects(fx.ChangeNetwork)][1:]
    assert times == [1_000_000_000, 3_000_000_000]
    lan.run(100)
    assert len(node.operations()) == 7, "accepted now"
    node.receive(inputs.OperationFailed(route, 101))
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    count = len(node.operations())
    lan.run(100)
    assert len(node.operations()) == count, "no longer MASTER"
    assert node.snapshot().troubles == ()


def test_what_the_kernel_refused_is_not_announced() -> None:
    lan = Lan()
    node = start(lan, excluded_addresses=(vip("192.0.2.200"),))
    lan.run(4)
    node.receive(inputs.OperationFailed(node.operations()[0], 13))
    del node.history[:]
    node.receive(inputs.SendGarp("VI_1"))
    ((_, frames),) = node.effects(fx.SendFrames)
    assert [str(frame.address) for frame in frames.frames] == ["192.0.2.200"]  # type: ignore[attr-defined]


def test_lost_events() -> None:
    """After an overrun the whole is compared: what was missed has its usual effect."""
    lan = Lan()
    node = master(lan)
    node.receive(inputs.AddressAdded(address("192.0.2.100/32")))
    node.receive(inputs.Resynced(view(address("192.0.2.1/24"), address("192.0.2.100/32"))))
    assert node.is_master
    node.receive(inputs.Resynced(view(address("192.0.2.1/24"))))
    assert node.state() == "BACKUP"
    assert node.snapshot().cause.fact == "address_removed"
    node.receive(inputs.Resynced(view(interfaces=(interface("eth9", 9),))))
    assert node.state() == "FAULT"
    node.receive(inputs.Resynced(view(address("192.0.2.1/24"))))
    assert node.state() == "BACKUP"


def test_config_fault_stays() -> None:
    lan = Lan()
    node = lan.node("A", config(instance(config_fault="no multicast")), view(address("192.0.2.1/24")))
    lan.run(10)
    assert node.state() == "FAULT"
    assert node.snapshot().config_faults == 1
    assert node.snapshot().fault_flags == ("config error",)


def test_sync_daemon_follows_its_instance() -> None:
    from pykeepalived.config.model.globals import GlobalDefs, LvsSyncDaemon

    lan = Lan()
    globals_ = GlobalDefs(lvs_sync_daemon=LvsSyncDaemon(interface="eth0", instance="VI_1"))
    node = lan.node("A", config(instance(), globals=globals_), view(address("192.0.2.1/24")))
    lan.run(4)
    node.receive(inputs.Stop())
    assert [effect.state for _, effect in node.effects(fx.SyncDaemon)] == ["BACKUP", "MASTER", "BACKUP"]  # type: ignore[attr-defined]


DAD_FAILED = 0x08
SIX = vip("2001:db8::100/64", dad=True)


@pytest.mark.keyword("static_ipaddress:-nodad")
def test_address_that_another_host_has() -> None:
    """Told with its cause, taken off, and tried again after 1 s, 2 s ...; the instance stays MASTER."""
    lan = Lan()
    other = vip("2001:db8::101/64")
    six = instance(priority=150, family=6, version=3, mcast_dst_ip=ip("ff02::12"), virtual_addresses=(SIX, other))
    node = lan.node("A", config(six), view(address("fe80::a/64")))
    lan.run(4)
    assert node.is_master
    del node.history[:]
    moment = lan.now
    failed = inputs.AddressAdded(address("2001:db8::100/64", flags=DAD_FAILED))
    node.receive(failed)
    (line,) = [effect.line for _, effect in node.history if isinstance(effect, fx.WriteLog)]
    text = "(VI_1) duplicate address detection failed for 2001:db8::100 on eth0 - another host has it"
    assert (line.text, line.fields["CAUSE"]) == (text, "duplicate_address 2001:db8::100 (on eth0)")
    assert names(node) == ["RemoveAddress"]
    assert node.snapshot().addresses_set == (False, True)
    lan.run(1)
    assert names(node) == ["RemoveAddress", "AddAddress"]
    node.receive(failed)
    lan.run(1.9)
    assert names(node) == ["RemoveAddress", "AddAddress", "RemoveAddress"]
    lan.run(0.2)
    assert [at - moment for at, _ in node.effects(fx.ChangeNetwork)] == [at * 1_000_000_000 for at in (0, 1, 1, 3)]
    assert node.is_master
    assert node.snapshot().addresses_set == (True, True)


def test_address_of_a_backup_that_another_host_has() -> None:
    lan = Lan()
    node = lan.node("A", config(instance(family=6, version=3, virtual_addresses=(SIX,))), view(address("fe80::a/64")))
    count = len(node.operations())
    node.receive(inputs.AddressAdded(address("2001:db8::100/64", flags=DAD_FAILED)))
    assert len(node.operations()) == count


def test_lost_word_of_an_address_that_another_host_has() -> None:
    lan = Lan()
    six = instance(priority=150, family=6, version=3, mcast_dst_ip=ip("ff02::12"), virtual_addresses=(SIX,))
    node = lan.node("A", config(six), view(address("fe80::a/64")))
    lan.run(4)
    del node.history[:]
    failed = address("2001:db8::100/64", flags=DAD_FAILED)
    node.receive(inputs.Resynced(view(address("fe80::a/64"), failed)))
    assert names(node) == ["RemoveAddress"]
