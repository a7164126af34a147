"""Reload: what is the same goes on undisturbed, what changes changes at once, and nothing is touched twice."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from pykeepalived.config.model.globals import Garp
from pykeepalived.config.model.vrrp import (
    AuthType,
    Notify,
    State,
    UnicastPeer,
    Vmac,
    VrrpInstance,
)
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import MS, SECOND, Lan, address, config, interface, ip, view, vip
from tests.vrrp.reloading import ROUTE, RULE, changed, reload, start


@pytest.mark.parametrize("moment", [0.5, 3.7, 4.0])
def test_same_configuration_changes_nothing(moment: float) -> None:
    """Not one advert more or less, no operation, no notice, no line about states; counters go on."""
    lan, twin = Lan(), Lan()
    node, other = start(lan), start(twin)
    for where in (lan, twin):
        where.run(moment)
    history = len(node.history)
    assert reload(node, changed()) == []
    for where in (lan, twin):
        where.run(8)
    assert [(sent.at, sent.data) for sent in lan.wire] == [(sent.at, sent.data) for sent in twin.wire]
    assert node.notices() == other.notices()
    kinds = {type(effect).__name__ for at, effect in node.history[history:] if at == lan.start + moment * SECOND}
    assert kinds == {"WatchTrackers"}
    assert node.snapshot().counters == other.snapshot().counters


def test_reload_in_fault() -> None:
    lan = Lan()
    node = start(lan)
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    notices = node.notices()
    machine = view(address("192.0.2.1/24"), interfaces=(interface(up=False), interface("eth1", 3)))
    node.receive(inputs.Reload(config(changed()), machine))
    assert node.state() == "FAULT"
    assert node.notices() == notices


def test_change_of_priority() -> None:
    """In the advert that follows at once; the MASTER stays MASTER and tells nobody."""
    lan = Lan()
    node = start(lan)
    lan.run(4.2)
    notices = node.notices()
    assert reload(node, changed(priority=120)) == []
    assert (lan.wire[-1].at, lan.wire[-1].priority) == (lan.now, 120)
    lan.run(1)
    assert lan.wire[-1].at == lan.start + 5_200 * MS
    assert node.is_master
    assert node.notices() == notices


def test_change_of_priority_of_a_backup() -> None:
    lan = Lan()
    node = start(lan)
    before = node.snapshot().timer_expires_ns
    reload(node, changed(priority=100))
    assert node.snapshot().timer_expires_ns == before + (609_375 - 414_062) * 1000


def test_adverts_never_pause_over_reloads() -> None:
    lan = Lan()
    node = start(lan, changed(version=3, advert_int_us=100_000))
    lan.run(1)
    for number in range(20):
        reload(node, changed(version=3, advert_int_us=100_000, priority=100 + number))
        lan.run(0.05)
    moments = [sent.at for sent in lan.wire]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert max(gaps) <= 100 * MS


def test_ip_identification_and_ah_sequence_go_on() -> None:
    lan = Lan()
    settings: dict[str, object] = {"auth_type": AuthType.AH, "auth_pass": b"secret12"}
    node = start(lan, changed(**settings))
    lan.run(6)
    last = lan.wire[-1].data
    reload(node, changed(priority=120, **settings))
    now = lan.wire[-1].data
    assert int.from_bytes(now[4:6], "big") == int.from_bytes(last[4:6], "big") + 1
    assert int.from_bytes(now[28:32], "big") == int.from_bytes(last[28:32], "big") + 1


def test_renamed_instance_is_the_same() -> None:
    """Identity is VRID, family and interface."""
    lan = Lan()
    node = start(lan)
    lan.run(4)
    assert reload(node, changed("VI_NEW")) == []
    assert node.state("VI_NEW") == "MASTER"
    assert [line for line in node.notices() if "VI_NEW" in line] == []


@pytest.mark.parametrize(
    "values",
    [
        {"virtual_router_id": 52},
        {"interface": "eth1", "virtual_addresses": (vip("192.0.2.100", "eth1"),)},
        {"mcast_dst_ip": ip("224.0.0.99")},
        {"unicast": True, "unicast_peers": (UnicastPeer(address=ip("192.0.2.2")),)},
    ],
)
def test_another_identity_is_another_instance(values: dict[str, object]) -> None:
    lan = Lan()
    node = start(lan)
    lan.run(4)
    count = len(lan.wire)
    reload(node, changed(**values))
    assert [sent.priority for sent in lan.wire[count:]] == [0]
    assert node.notices()[-2:] == ["INSTANCE VI_1 FAULT 150", "INSTANCE VI_1 BACKUP 150"]
    assert node.addresses == set()


@pytest.mark.parametrize(("as_deleted", "word"), [(True, "DELETED"), (False, "FAULT")])
@pytest.mark.keyword("vrrp_instance/notify_deleted")
def test_deleted_instance(as_deleted: bool, word: str) -> None:
    """One advert of priority 0, everything removed, sockets closed."""
    lan = Lan()
    gone = changed("VI_2", virtual_router_id=52, interface="eth1", notify=Notify(deleted_as_deleted=as_deleted))
    gone = dataclasses.replace(gone, virtual_addresses=(vip("198.51.100.100", "eth1"),), virtual_routes=(ROUTE,))
    node = start(lan, changed(), gone)
    lan.run(4)
    count = len(lan.wire)
    operations = reload(node, changed())
    assert [(sent.flow.instance, sent.priority) for sent in lan.wire[count:]] == [("VI_2", 0)]
    assert [type(item).__name__ for item in operations] == ["RemoveRoute", "RemoveAddress"]
    assert node.notices()[-1] == f"INSTANCE VI_2 {word} 150"
    assert [pool.interface for pool in node.pools] == ["eth0"]


def test_deleted_instance_in_fault_is_not_told_again() -> None:
    lan = Lan()
    node = start(lan, changed(), changed("VI_2", virtual_router_id=52, interface="eth9"))
    count = len(node.notices())
    reload(node, changed())
    assert len(node.notices()) == count


def test_new_instance_begins_like_at_start() -> None:
    lan = Lan()
    node = start(lan)
    lan.run(4)
    reload(node, changed(), changed("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),)))
    assert len(node.pools) == 1, "it shares the sockets"
    assert node.state("VI_2") == "BACKUP"
    assert node.snapshot("VI_2").timer_expires_ns == lan.now + 3_414_062_000
    lan.run(4)
    assert node.state("VI_2") == "MASTER"


def test_vmac_that_nobody_uses_any_more() -> None:
    """Its link is removed when the last instance on it has gone; the others stay."""
    lan = Lan()
    links = (
        interface(),
        interface("vrrp.51", 7, "00005e000133", parent="eth0"),
        interface("vrrp.52", 8, "00005e000134", parent="eth0"),
    )
    names = {("VI_1", "eth0", 4): "vrrp.51", ("VI_2", "eth0", 4): "vrrp.52"}
    second = changed("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),), vmac=Vmac())
    machine = view(address("192.0.2.1/24"), interfaces=links, attachments=names)
    node = lan.node("A", config(changed(vmac=Vmac()), second), machine)
    lan.run(4)
    del names[("VI_2", "eth0", 4)]
    machine = view(address("192.0.2.1/24"), interfaces=links, attachments=names)
    node.receive(inputs.Reload(config(changed(vmac=Vmac())), machine))
    assert [effect.name for _, effect in node.effects(fx.RemoveLink)] == ["vrrp.52"]  # type: ignore[attr-defined]
    kinds = [type(effect).__name__ for _, effect in node.history]
    assert kinds.index("ClosePool") < kinds.index("RemoveLink")
    assert node.is_master


# addresses, routes, rules


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_addresses_added_and_removed() -> None:
    """Only the difference; what is added is announced (the whole list, as keepalived does), and again after 5 s."""
    lan = Lan()
    node = start(lan, changed(virtual_addresses=(vip("192.0.2.100"), vip("192.0.2.101"))))
    lan.run(20)
    frames = len(node.effects(fx.SendFrames))
    operations = reload(node, changed(virtual_addresses=(vip("192.0.2.100"), vip("192.0.2.102"))))
    assert [type(item).__name__ for item in operations] == ["RemoveAddress", "AddAddress"]
    assert "(VI_1) ip address 192.0.2.101/32 dev eth0, no longer exist" in node.log()
    assert node.addresses == {("eth0", ip("192.0.2.100")), ("eth0", ip("192.0.2.102"))}
    moment = lan.now
    lan.run(6)
    blocks = node.effects(fx.SendFrames)[frames:]
    assert [at - moment for at, _ in blocks] == [0, 5 * SECOND]
    assert [len(effect.frames) for _, effect in blocks] == [10, 10]  # type: ignore[attr-defined]
    assert node.is_master


def test_no_announcement_without_new_addresses() -> None:
    lan = Lan()
    node = start(lan, changed(virtual_addresses=(vip("192.0.2.100"), vip("192.0.2.101"))))
    lan.run(20)
    frames = len(node.effects(fx.SendFrames))
    reload(node, changed())
    lan.run(10)
    assert len(node.effects(fx.SendFrames)) == frames


def test_second_block_survives_a_reload() -> None:
    lan = Lan()
    node = start(lan)
    lan.run(5)
    reload(node, changed(priority=120))
    lan.run(5)
    assert [(at - lan.start) / SECOND for at, _ in node.effects(fx.SendFrames)] == [3.414062, 8.414062]


def test_refresh_configured_by_a_reload() -> None:
    lan = Lan()
    node = start(lan)
    lan.run(20)
    frames = len(node.effects(fx.SendFrames))
    reload(node, changed(garp=Garp(master_refresh_s=10)))
    lan.run(26)
    assert [(at - lan.start) / SECOND for at, _ in node.effects(fx.SendFrames)][frames:] == [35.0, 45.0]


def test_address_moves_from_one_instance_to_another() -> None:
    """Both MASTER: the kernel is not touched at all."""
    lan = Lan()
    one = changed(virtual_addresses=(vip("192.0.2.100"), vip("192.0.2.101")))
    two = changed("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.102"),))
    node = start(lan, one, two)
    lan.run(4)
    after_one = changed(virtual_addresses=(vip("192.0.2.100"),))
    after_two = changed("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.102"), vip("192.0.2.101")))
    assert reload(node, after_one, after_two) == []
    assert node.snapshot("VI_1").addresses_set == (True,)
    assert node.snapshot("VI_2").addresses_set == (True, True)
    assert ("eth0", ip("192.0.2.101")) in node.addresses
    # it belongs to the other one now
    node.receive(inputs.AddressRemoved(address("192.0.2.101/32")))
    assert node.state("VI_1") == "MASTER"
    assert node.state("VI_2") == "BACKUP"


def test_address_moves_to_a_new_instance() -> None:
    """The new one begins as BACKUP: the address goes, and comes when it is MASTER."""
    lan = Lan()
    node = start(lan, changed(virtual_addresses=(vip("192.0.2.100"), vip("192.0.2.101"))))
    lan.run(4)
    new = changed("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),))
    operations = reload(node, changed(), new)
    assert [type(item).__name__ for item in operations] == ["RemoveAddress"]
    lan.run(4)
    assert ("eth0", ip("192.0.2.101")) in node.addresses


def test_route_and_rule_move() -> None:
    lan = Lan()
    two = {"virtual_router_id": 52, "virtual_addresses": (vip("192.0.2.102"),)}
    node = start(lan, changed(virtual_routes=(ROUTE,), virtual_rules=(RULE,)), changed("VI_2", **two))
    lan.run(4)
    moved = changed("VI_2", virtual_routes=(ROUTE,), virtual_rules=(RULE,), **two)
    assert reload(node, changed(), moved) == []
    node.receive(inputs.Stop())
    kinds = [(type(item).__name__, item.instance) for item in node.operations()[-4:]]
    assert kinds == [
        ("RemoveAddress", "VI_1"),
        ("RemoveRule", "VI_2"),
        ("RemoveRoute", "VI_2"),
        ("RemoveAddress", "VI_2"),
    ]


def test_address_moves_between_interfaces() -> None:
    """Removed there before it is added here."""
    lan = Lan()
    node = start(lan, changed(virtual_addresses=(vip("192.0.2.100"), vip("192.0.2.101"))))
    lan.run(4)
    there = vip("192.0.2.101", "eth1", interface_given=True)
    operations = reload(node, changed(virtual_addresses=(vip("192.0.2.100"), there)))
    assert [(type(item).__name__, item.interface) for item in operations] == [  # type: ignore[union-attr]
        ("RemoveAddress", "eth0"),
        ("AddAddress", "eth1"),
    ]


@pytest.mark.parametrize("field", ["label", "scope", "peer"])
def test_address_with_another_attribute_is_made_anew(field: str) -> None:
    lan = Lan()
    node = start(lan)
    lan.run(4)
    value = {"label": "eth0:1", "scope": 253, "peer": ip("192.0.2.9")}[field]
    operations = reload(node, changed(virtual_addresses=(vip("192.0.2.100", **{field: value}),)))
    assert [type(item).__name__ for item in operations] == ["RemoveAddress", "AddAddress"]
    assert node.is_master, "the kernel's report of our own removal disturbs nobody"


def test_routes_change() -> None:
    """Kept, replaced (same place, other attribute), removed, added; a route whose source address went is set again."""
    lan = Lan()
    source = dataclasses.replace(ROUTE, destination=ip("203.0.113.64"), src=ip("192.0.2.101"))
    gone = dataclasses.replace(ROUTE, destination=ip("203.0.113.128"))
    both = (vip("192.0.2.100"), vip("192.0.2.101"))
    node = start(lan, changed(virtual_addresses=both, virtual_routes=(ROUTE, source, gone)))
    lan.run(4)
    other = dataclasses.replace(ROUTE, realms=3)
    new = dataclasses.replace(ROUTE, destination=ip("198.51.100.0"))
    operations = reload(node, changed(virtual_routes=(other, source, new)))
    told = [(type(item).__name__, getattr(getattr(item, "route", None), "destination", None)) for item in operations]
    assert told == [
        ("RemoveRoute", ip("203.0.113.128")),
        ("RemoveAddress", None),
        ("AddRoute", ip("203.0.113.0")),
        ("AddRoute", ip("203.0.113.64")),
        ("AddRoute", ip("198.51.100.0")),
    ]
    assert [item.replace for item in operations if isinstance(item, fx.AddRoute)] == [True, True, False]


def test_rules_change() -> None:
    lan = Lan()
    node = start(lan, changed(virtual_rules=(RULE,)))
    lan.run(4)
    operations = reload(node, changed(virtual_rules=(dataclasses.replace(RULE, table=101),)))
    assert [type(item).__name__ for item in operations] == ["RemoveRule", "AddRule"]


def test_accept_switched_off() -> None:
    lan = Lan()
    node = start(lan)
    lan.run(4)
    operations = reload(node, changed(accept=False))
    assert [type(item).__name__ for item in operations] == ["DropTraffic"]
    assert reload(node, changed(accept=False, priority=120)) == []
    assert [type(item).__name__ for item in reload(node, changed())] == ["AllowTraffic"]


def test_static_entries_change() -> None:
    lan = Lan()
    one, two = vip("203.0.113.1/24"), vip("203.0.113.2/24")
    node = start(lan, static_addresses=(one,), static_routes=(ROUTE,))
    operations = reload(node, changed(), static_addresses=(one, two), static_rules=(RULE,))
    assert [type(item).__name__ for item in operations] == ["RemoveRoute", "AddAddress", "AddRule"]


def test_version_changes() -> None:
    lan = Lan()
    node = start(lan)
    lan.run(4)
    reload(node, changed(version=3, advert_int_us=100_000))
    assert node.is_master
    assert lan.wire[-1].message[0] == 0x31
    lan.run(0.1)
    assert lan.wire[-1].at == lan.start + 4_100 * MS


def test_owner_by_reload() -> None:
    """A BACKUP made owner does not wait longer than any other; it stays in its state until its timer runs out."""
    lan = Lan()
    node = start(lan)
    lan.run(1)
    reload(node, changed(priority=255, state=State.MASTER))
    assert node.snapshot().effective_priority == 255
    lan.run(2.1)
    assert node.is_master


def test_linear_in_the_number_of_instances() -> None:
    """Many instances, one changed: only that one sends or changes anything."""
    lan = Lan()

    def many(odd: int) -> tuple[VrrpInstance, ...]:
        return tuple(
            changed(f"V{vrid}", virtual_router_id=vrid, priority=120 if vrid == odd else 150) for vrid in range(1, 256)
        )

    node = start(lan, *many(0))
    lan.run(4)
    count = len(lan.wire)
    assert reload(node, *many(77)) == []
    assert [sent.flow.instance for sent in lan.wire[count:]] == ["V77"]
