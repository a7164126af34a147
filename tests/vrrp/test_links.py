"""Interfaces that come and go, those of others and VMACs of ours."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.vrrp import Vmac
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.alone import master
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, ip, view, vip

# interfaces that come and go


@pytest.mark.keyword("global_defs/dynamic_interfaces")
def test_interface_deleted_and_created() -> None:
    """Sockets close with it and open again with it; the source address comes with the interface."""
    lan = Lan()
    node = master(lan)
    (pool,) = node.pools
    node.receive(inputs.InterfaceRemoved("eth0"))
    assert node.state() == "FAULT"
    assert node.pools == []
    node.receive(inputs.InterfaceChanged(interface(index=9, up=False)))
    assert node.pools == [pool]
    node.receive(inputs.InterfaceChanged(interface(index=9)))
    assert node.state() == "FAULT", "no address yet"
    node.receive(inputs.AddressAdded(address("192.0.2.1/24")))
    assert node.state() == "BACKUP"
    lan.run(4)
    assert node.is_master
    frames = node.effects(fx.SendFrames)[-1][1].frames  # type: ignore[attr-defined]
    assert {frame.index for frame in frames} == {9}


def test_no_farewell_is_told_of_where_none_can_leave() -> None:
    """The interface is gone: nothing is sent, counted or told; on one that is only down it is (test_own_interface)."""
    lan = Lan()
    node = master(lan)
    before, sent = node.snapshot().counters, len(lan.wire)
    node.receive(inputs.InterfaceRemoved("eth0"))
    assert node.state() == "FAULT"
    after = node.snapshot().counters
    assert len(lan.wire) == sent
    assert (after.pri_zero_sent, after.advert_sent) == (before.pri_zero_sent, before.advert_sent)
    assert not [line for line in node.log() if "sent 0 priority" in line]


def test_interfaces_of_others_that_come_and_go_leave_nothing() -> None:
    lan = Lan()
    node = master(lan)
    before = set(node.router._machine.links)
    for number in range(100, 200):
        name = f"veth{number}"
        node.receive(inputs.InterfaceChanged(interface(name, number)))
        node.receive(inputs.AddressAdded(address("198.51.100.1/24", name)))
        node.receive(inputs.InterfaceChanged(interface(name, number + 1000)))
        node.receive(inputs.InterfaceRemoved(name))
    assert set(node.router._machine.links) == before
    node.receive(inputs.InterfaceRemoved("eth0"))
    node.receive(inputs.InterfaceChanged(interface()))
    node.receive(inputs.AddressAdded(address("192.0.2.1/24")))
    lan.run(4)
    assert node.is_master


def test_interface_missing_at_start() -> None:
    lan = Lan()
    node = lan.node("A", config(instance(interface="eth7")), view(address("192.0.2.1/24")))
    assert node.state() == "FAULT"
    assert node.pools == []
    node.receive(inputs.InterfaceChanged(interface("eth7", 8)))
    node.receive(inputs.AddressAdded(address("192.0.2.9/24", "eth7")))
    assert node.state() == "BACKUP"
    assert [pool.interface for pool in node.pools] == ["eth7"]


def test_interface_change_refreshes_frames() -> None:
    lan = Lan()
    node = master(lan)
    node.receive(inputs.InterfaceChanged(interface(mac="020000000099")))
    node.receive(inputs.SendGarp("VI_1"))
    frame = node.effects(fx.SendFrames)[-1][1].frames[0]  # type: ignore[attr-defined]
    assert frame.data[6:12].hex() == "020000000099"


def vmac_node(lan: Lan, **values: object) -> Node:
    vmac = interface("vrrp.51", 7, "00005e000133", parent="eth0")
    machine = view(
        address("192.0.2.1/24"),
        interfaces=(interface(), vmac),
        attachments={("VI_1", "eth0", 4): "vrrp.51"},
    )
    return lan.node("A", config(instance(vmac=Vmac(**values))), machine)  # type: ignore[arg-type]


def test_vmac_carries_everything() -> None:
    lan = Lan()
    node = vmac_node(lan)
    lan.run(4)
    (pool,) = node.pools
    assert (pool.interface, pool.join_parent) == ("vrrp.51", "eth0")
    assert node.addresses == {("vrrp.51", ip("192.0.2.100"))}
    frames = node.effects(fx.SendFrames)[0][1].frames  # type: ignore[attr-defined]
    assert {frame.data[6:12].hex() for frame in frames} == {"00005e000133"}
    node.receive(inputs.Stop())
    assert [effect.name for _, effect in node.effects(fx.RemoveLink)] == ["vrrp.51"]  # type: ignore[attr-defined]


def test_vmac_xmit_base() -> None:
    lan = Lan()
    node = vmac_node(lan, xmit_base=True)
    lan.run(4)
    (pool,) = node.pools
    assert (pool.interface, pool.join_parent) == ("eth0", "")
    assert node.addresses == {("vrrp.51", ip("192.0.2.100"))}


def test_vmac_deleted_by_somebody() -> None:
    """It is asked for again at once, or when its parent is back."""
    lan = Lan()
    node = vmac_node(lan)
    lan.run(4)
    node.receive(inputs.InterfaceRemoved("vrrp.51"))
    assert node.state() == "FAULT"
    ((_, wanted),) = node.effects(fx.CreateLink)
    assert (wanted.parent, wanted.family, wanted.instance.name) == ("eth0", 4, "VI_1")  # type: ignore[attr-defined]
    node.receive(inputs.InterfaceChanged(interface("vrrp.51", 17, "00005e000133", parent="eth0")))
    node.receive(inputs.Attached("VI_1", "eth0", 4, "vrrp.51"))
    assert node.state() == "BACKUP"
    node.receive(inputs.InterfaceRemoved("vrrp.51"))
    node.receive(inputs.InterfaceRemoved("eth0"))
    count = len(node.effects(fx.CreateLink))
    node.receive(inputs.InterfaceChanged(interface(index=30)))
    assert len(node.effects(fx.CreateLink)) == count + 1


def test_vmac_attached_under_another_name() -> None:
    lan = Lan()
    node = vmac_node(lan)
    node.receive(inputs.InterfaceRemoved("vrrp.51"))
    node.receive(inputs.InterfaceChanged(interface("vrrp1.51", 18, "00005e000133", parent="eth0")))
    node.receive(inputs.Attached("VI_1", "eth0", 4, "vrrp1.51"))
    assert node.state() == "BACKUP"
    assert [pool.interface for pool in node.pools] == ["vrrp1.51"]
    lan.run(4)
    assert node.addresses == {("vrrp1.51", ip("192.0.2.100"))}


def test_vmac_of_an_interface_that_comes_later() -> None:
    """dynamic_interfaces: nothing could be made at start; the link is asked for when its parent comes."""
    lan = Lan()
    node = lan.node("A", config(instance(vmac=Vmac())), view(interfaces=(interface("eth9", 9),)))
    assert node.state() == "FAULT"
    assert node.pools == []
    node.receive(inputs.InterfaceChanged(interface()))
    node.receive(inputs.AddressAdded(address("192.0.2.1/24")))
    ((_, wanted),) = node.effects(fx.CreateLink)
    assert (wanted.parent, wanted.family) == ("eth0", 4)  # type: ignore[attr-defined]
    node.receive(inputs.InterfaceChanged(interface("vrrp.51", 17, "00005e000133", parent="eth0")))
    node.receive(inputs.Attached("VI_1", "eth0", 4, "vrrp.51"))
    assert node.state() == "BACKUP"
    assert [pool.interface for pool in node.pools] == ["vrrp.51"]
    lan.run(4)
    assert node.addresses == {("vrrp.51", ip("192.0.2.100"))}


def test_address_vmac() -> None:
    """use_vmac on an address of another interface: it goes to the VMAC made there, asked for again when lost."""
    lan = Lan()
    addresses = (vip("192.0.2.100"), vip("198.51.100.7", "eth1", interface_given=True, use_vmac=True))
    machine = view(
        address("192.0.2.1/24"),
        interfaces=(interface(), interface("eth1", 3), interface("vrrp1.51", 8, "00005e000133", parent="eth1")),
        attachments={("VI_1", "eth1", 4): "vrrp1.51"},
    )
    node = lan.node("A", config(instance(virtual_addresses=addresses)), machine)
    lan.run(4)
    assert node.addresses == {("eth0", ip("192.0.2.100")), ("vrrp1.51", ip("198.51.100.7"))}
    assert node.snapshot().address_devices == ("", "vrrp1.51@eth1")
    node.receive(inputs.InterfaceRemoved("vrrp1.51"))
    assert node.state() == "FAULT"
    ((_, wanted),) = node.effects(fx.CreateLink)
    assert (wanted.parent, wanted.family) == ("eth1", 4)  # type: ignore[attr-defined]
