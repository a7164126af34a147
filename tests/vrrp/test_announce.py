"""When announcements are made, how many, and at what pace."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.globals import Garp, GlobalDefs, VrrpDefaults
from pykeepalived.config.model.vrrp import GarpGroup
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from pykeepalived.vrrp.announce import garp_frame, na_frame
from tests.vrrp.lan import SECOND, Lan, Node, address, config, instance, interface, ip, view, vip
from tests.vrrp.test_receive import advert, hear

MASTER = 3.609375
TWO = (vip("192.0.2.100"), vip("192.0.2.101"))


def start(lan: Lan, garp: Garp | None = None, defaults: VrrpDefaults | None = None, **values: object) -> Node:
    more = values.pop("more", {})
    settings = config(
        instance(garp=garp or Garp(), **values),
        globals=GlobalDefs(vrrp_defaults=defaults or VrrpDefaults()),
        **more,  # type: ignore[arg-type]
    )
    machine = view(
        address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"), interfaces=(interface(), interface("eth1", 3))
    )
    return lan.node("A", settings, machine)


def blocks(node: Node) -> list[tuple[float, int]]:
    """(seconds after becoming MASTER, number of frames)."""
    return [
        (round((at - node.lan.start) / SECOND - MASTER, 6), len(effect.frames))  # type: ignore[attr-defined]
        for at, effect in node.effects(fx.SendFrames)
    ]


def frames(node: Node) -> list[tuple[float, str]]:
    return [
        (round((at - node.lan.start) / SECOND - MASTER, 6), str(frame.address))
        for at, effect in node.effects(fx.SendFrames)
        for frame in effect.frames  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize(
    ("garp", "expected"),
    [
        (Garp(), [(0, 10), (5, 10)]),
        (Garp(master_delay_s=0), [(0, 10)]),
        (Garp(master_repeat=2, master_delay_s=3), [(0, 4), (3, 4)]),
        (Garp(master_refresh_s=7), [(0, 10), (5, 10), (12, 2), (19, 2), (26, 2)]),
        (Garp(master_refresh_s=9, master_refresh_repeat=3), [(0, 10), (5, 10), (14, 6), (23, 6)]),
        (Garp(master_delay_s=0, master_refresh_s=10), [(0, 10), (10, 2), (20, 2)]),
        (Garp(master_repeat=1, master_delay_s=0, master_refresh_repeat=0), [(0, 2)]),
    ],
)
@pytest.mark.keyword("vrrp_instance/garp_master_delay")
@pytest.mark.keyword("vrrp_instance/garp_master_repeat")
@pytest.mark.keyword("vrrp_instance/garp_master_refresh")
@pytest.mark.keyword("vrrp_instance/garp_master_refresh_repeat")
def test_blocks(garp: Garp, expected: list[tuple[float, int]]) -> None:
    lan = Lan()
    node = start(lan, garp, virtual_addresses=TWO)
    lan.run(MASTER + 27)
    assert blocks(node) == expected


def test_order_inside_a_block() -> None:
    """The whole list again and again: VIPs, then excluded ones."""
    lan = Lan()
    node = start(lan, Garp(master_repeat=2), virtual_addresses=TWO, excluded_addresses=(vip("192.0.2.200"),))
    lan.run(MASTER)
    words = [text for _, text in frames(node)]
    assert words == ["192.0.2.100", "192.0.2.101", "192.0.2.200"] * 2


def test_no_announcement_after_leaving_master() -> None:
    lan = Lan()
    node = start(lan, Garp(master_refresh_s=1))
    lan.run(MASTER + 2)
    hear(node, advert(priority=200))
    count = len(blocks(node))
    for _ in range(4):
        lan.run(2)
        hear(node, advert(priority=200))
    assert len(blocks(node)) == count


def test_one_timer_of_each_kind() -> None:
    """Several masterships do not multiply second blocks and refreshes."""
    lan = Lan()
    node = start(lan, Garp(master_refresh_s=10))
    lan.run(MASTER + 1)
    hear(node, advert(priority=200))
    lan.run(MASTER)
    assert node.is_master
    lan.run(30)
    again = MASTER + 1
    assert [at for at, _ in blocks(node)] == [0, again, again + 5, again + 15, again + 25]


@pytest.mark.keyword("vrrp_instance/garp_extra_if")
@pytest.mark.parametrize(("everywhere", "expected"), [(True, [12.0, 19.0, 26.0]), (False, [])])
def test_extra_interfaces(everywhere: bool, expected: list[float]) -> None:
    """One frame for each other interface that holds addresses; without `all` only for VMACs."""
    lan = Lan()
    addresses = (vip("192.0.2.100"), vip("198.51.100.7", "eth1", interface_given=True), vip("198.51.100.8", "eth1"))
    node = start(lan, Garp(extra_if_s=7, extra_if_all=everywhere), virtual_addresses=addresses)
    lan.run(MASTER + 27)
    extra = [(at, text) for at, text in frames(node) if at > 5]
    assert [at for at, _ in extra] == expected
    assert {text for _, text in extra} <= {"198.51.100.7"}


def test_no_frames_without_arp() -> None:
    lan = Lan()
    machine = view(address("192.0.2.1/24"), interfaces=(interface(noarp=True),))
    node = lan.node("A", config(instance()), machine)
    lan.run(5)
    assert node.is_master
    assert frames(node) == []


def test_send_garp_by_order() -> None:
    lan = Lan()
    node = start(lan, virtual_addresses=TWO)
    node.receive(inputs.SendGarp("VI_1"))
    assert frames(node) == [], "not as BACKUP"
    lan.run(MASTER + 6)
    count = len(frames(node))
    node.receive(inputs.SendGarp("VI_1"))
    node.receive(inputs.SendGarp("nobody"))
    assert len(frames(node)) - count == 2


# pace


@pytest.mark.keyword("global_defs/vrrp_garp_interval")
@pytest.mark.keyword("global_defs/vrrp_gna_interval")
def test_arp_and_na_have_paces_of_their_own() -> None:
    lan = Lan()
    node = start(
        lan,
        Garp(master_repeat=2, master_delay_s=0),
        VrrpDefaults(garp_interval_us=100_000, gna_interval_us=30_000),
        excluded_addresses=(vip("2001:db8::1/64"), vip("2001:db8::2/64")),
    )
    lan.run(MASTER + 2)
    assert frames(node) == [
        (0, "192.0.2.100"),
        (0, "2001:db8::1"),
        (0.03, "2001:db8::2"),
        (0.06, "2001:db8::1"),
        (0.09, "2001:db8::2"),
        (0.1, "192.0.2.100"),
    ]


@pytest.mark.keyword("garp_group/garp_interval")
@pytest.mark.keyword("garp_group/interfaces")
def test_garp_group_shares_its_pace() -> None:
    """Two interfaces of a group take turns; a third one is as fast as it likes."""
    lan = Lan()
    addresses = (vip("192.0.2.100"), vip("198.51.100.7", "eth1", interface_given=True))
    group = GarpGroup(interfaces=("eth0", "eth1"), garp_interval_us=200_000)
    node = start(
        lan, Garp(master_repeat=2, master_delay_s=0), virtual_addresses=addresses, more={"garp_groups": (group,)}
    )
    lan.run(MASTER + 2)
    assert frames(node) == [(0, "192.0.2.100"), (0.2, "198.51.100.7"), (0.4, "192.0.2.100"), (0.6, "198.51.100.7")]
    lan = Lan()
    alone = GarpGroup(interfaces=("eth1",), garp_interval_us=200_000)
    node = start(
        lan, Garp(master_repeat=2, master_delay_s=0), virtual_addresses=addresses, more={"garp_groups": (alone,)}
    )
    lan.run(MASTER + 2)
    assert frames(node) == [(0, "192.0.2.100"), (0, "198.51.100.7"), (0, "192.0.2.100"), (0.2, "198.51.100.7")]


def test_instances_share_the_pace_of_their_interface() -> None:
    lan = Lan()
    defaults = GlobalDefs(vrrp_defaults=VrrpDefaults(garp_interval_us=100_000))
    garp = Garp(master_repeat=1, master_delay_s=0)
    second = instance("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),), garp=garp)
    node = lan.node("A", config(instance(garp=garp), second, globals=defaults), view(address("192.0.2.1/24")))
    lan.run(MASTER + 1)
    assert frames(node) == [(0, "192.0.2.100"), (0.1, "192.0.2.101")]


def test_leaving_master_empties_the_queue() -> None:
    lan = Lan()
    node = start(lan, defaults=VrrpDefaults(garp_interval_us=500_000), virtual_addresses=TWO)
    lan.run(MASTER + 0.6)
    assert len(frames(node)) == 2
    hear(node, advert(priority=200, addresses=("192.0.2.100", "192.0.2.101")))
    lan.run(3)
    assert len(frames(node)) == 2
    lan.run(MASTER)
    assert node.is_master
    lan.run(0.6)
    assert len(frames(node)) > 2, "the next mastership announces again"


# frames that no recording has


def test_infiniband() -> None:
    """RFC 4391 section 6 and 9.1.1: 20-byte addresses, a four-byte link-layer header behind the destination."""
    mac, everybody = bytes(range(20)), bytes(range(100, 120))
    card = interface("ib0", 5, hardware=32)
    card = inputs.Interface(name="ib0", index=5, mac=mac, broadcast=everybody, hardware=32)
    data = garp_frame(card, ip("192.0.2.100"))
    assert data[:24] == everybody + b"\x08\x06\0\0"
    assert data[24:32] == bytes.fromhex("0020080014040001")
    assert data[32:] == mac + ip("192.0.2.100") + everybody + ip("192.0.2.100")
    data = na_frame(card, ip("fe80::100"))
    assert data[:24] == everybody + b"\x86\xdd\0\0"
    assert data[24 + 40 + 24 : 24 + 40 + 26] == b"\x02\x03", "the option takes three times eight bytes"


@pytest.mark.parametrize(("forwarding", "flags"), [(False, 0x20), (True, 0xA0)])
def test_router_flag(forwarding: bool, flags: int) -> None:
    data = na_frame(interface(forwarding=forwarding), ip("fe80::100"))
    assert data[58] == flags
    assert len(data) == 86
