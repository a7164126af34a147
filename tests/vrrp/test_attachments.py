"""Which VMAC and ipvlan interfaces a configuration needs on a machine, and how they are made ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import Ipvlan, Vmac, VrrpInstance
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.operations import AddAddress, AddLink, DeleteLink, SetLink, VirtualLink
from pykeepalived.observe.dump.instance import excluded_addresses
from pykeepalived.vrrp import attachments
from tests.vrrp import lan

ip = Ip.parse
MAC51 = bytes.fromhex("00005e000133")


def address(text: str, interface: str = "eth0", **words: object) -> IpAddress:
    made = ip(text)
    return IpAddress(address=made, prefix_length=made.bits, interface=interface, **words)  # type: ignore[arg-type]


INSTANCE = VrrpInstance(
    name="VI_1",
    interface="eth0",
    virtual_router_id=51,
    vmac=Vmac(),
    virtual_addresses=(address("192.0.2.100"),),
)


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.add_interface("eth0", mac=bytes.fromhex("020000000001"))
    made.add_interface("eth1", mac=bytes.fromhex("020000000002"))
    made.add_address("eth0", "fe80::a", 64)
    return made


def config(*instances: VrrpInstance, **words: str) -> Config:
    return Config(vrrp_instances=instances, globals=GlobalDefs(vrrp_defaults=VrrpDefaults(**words)))  # type: ignore[arg-type]


def names(plan: attachments.Plan) -> list[tuple[str, str, bool]]:
    return [(each.key[0], each.link.name, each.exists) for each in plan.attachments]


def test_no_vmac_no_plan(kernel: FakeKernel) -> None:
    assert attachments.plan(config(replace(INSTANCE, vmac=None)), kernel.facts()).attachments == ()


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_vmac_has_the_virtual_router_mac(kernel: FakeKernel) -> None:
    plan = attachments.plan(config(INSTANCE), kernel.facts())
    assert plan.names == {("VI_1", "eth0", 4): "vrrp.51"}
    assert plan.attachments[0].link == VirtualLink(name="vrrp.51", parent="eth0", mac=MAC51)
    assert attachments.virtual_mac(52, 6) == bytes.fromhex("00005e000234")


@pytest.mark.keyword("global_defs/vmac_prefix")
def test_prefix_and_taken_names(kernel: FakeKernel) -> None:
    kernel.add_interface("lan.51")
    other = replace(INSTANCE, name="VI_2", interface="eth1")
    plan = attachments.plan(config(INSTANCE, other, vmac_prefix="lan"), kernel.facts())
    assert names(plan) == [("VI_1", "lan1.51", False), ("VI_2", "lan2.51", False)]


def test_name_mac_and_group_as_configured(kernel: FakeKernel) -> None:
    wanted = replace(INSTANCE, vmac=Vmac(name="my0", mac=bytes.fromhex("0200005e0001"), group=4))
    plan = attachments.plan(config(wanted), kernel.facts())
    assert plan.attachments[0].link == VirtualLink(
        name="my0", parent="eth0", mac=bytes.fromhex("0200005e0001"), group=4
    )


def test_configured_name_of_another_kind_of_link_is_ignored(kernel: FakeKernel) -> None:
    plan = attachments.plan(config(replace(INSTANCE, vmac=Vmac(name="eth1"))), kernel.facts())
    assert names(plan) == [("VI_1", "vrrp.51", False)]


def test_what_a_predecessor_left_is_adopted(kernel: FakeKernel) -> None:
    kernel.perform([AddLink(VirtualLink(name="old0", parent="eth0", mac=MAC51))])
    plan = attachments.plan(config(INSTANCE), kernel.facts())
    assert names(plan) == [("VI_1", "old0", True)]


def test_macvlan_of_the_wanted_name_with_another_mac_is_replaced(kernel: FakeKernel) -> None:
    kernel.perform([AddLink(VirtualLink(name="my0", parent="eth1", mac=bytes(6)))])
    plan = attachments.plan(config(replace(INSTANCE, vmac=Vmac(name="my0"))), kernel.facts())
    attachment = plan.attachments[0]
    assert not attachment.exists
    assert attachments.creation(attachment, kernel.facts()) == [
        DeleteLink("my0"),
        AddLink(attachment.link),
        SetLink("my0", no_link_local=True),
    ]


def test_reload_keeps_the_name_in_use(kernel: FakeKernel) -> None:
    kernel.perform([AddLink(VirtualLink(name="vrrp7.51", parent="eth0", mac=MAC51))])
    plan = attachments.plan(config(INSTANCE), kernel.facts(), {("VI_1", "eth0", 4): "vrrp7.51"})
    assert names(plan) == [("VI_1", "vrrp7.51", True)]


def test_name_is_planned_before_the_parent_exists(kernel: FakeKernel) -> None:
    plan = attachments.plan(config(replace(INSTANCE, interface="eth9")), kernel.facts())
    assert names(plan) == [("VI_1", "vrrp.51", False)]


@pytest.mark.keyword("vrrp_instance/use_vmac_addr")
def test_addresses_elsewhere_share_a_vmac_for_each_parent(kernel: FakeKernel) -> None:
    excluded = (address("198.51.100.1", "eth1"), address("198.51.100.2", "eth1"), address("2001:db8::1", "eth1"))
    instance = replace(INSTANCE, vmac=None, use_vmac_addr=True, excluded_addresses=excluded)
    plan = attachments.plan(config(instance, vmac_addr_prefix="addr"), kernel.facts())
    assert plan.names == {("VI_1", "eth1", 4): "addr.51", ("VI_1", "eth1", 6): "addr6.51"}
    assert plan.attachments[1].link.mac == bytes.fromhex("00005e000233")


@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_ipvlan_has_its_flag_and_address(kernel: FakeKernel) -> None:
    ipvlan = Ipvlan(address=ip("192.0.2.9"), prefix_length=24, mode_flag="vepa")
    instance = replace(INSTANCE, vmac=None, ipvlan=ipvlan)
    attachment = attachments.plan(config(instance), kernel.facts()).attachments[0]
    assert attachment.link == VirtualLink(name="vrrp.51", parent="eth0", kind="ipvlan", mode_flag=2)
    operations = attachments.addresses(attachment, kernel.facts())
    assert [str(operation) for operation in operations] == ["address add 192.0.2.9/24 dev vrrp.51"]


def test_kernel_parameters_of_an_ipv4_vmac(kernel: FakeKernel) -> None:
    attachment = attachments.plan(config(INSTANCE), kernel.facts()).attachments[0]
    assert dict(attachments.sysctls(attachment)) == {
        "net/ipv4/conf/vrrp.51/arp_ignore": "1",
        "net/ipv4/conf/vrrp.51/accept_local": "1",
        "net/ipv4/conf/vrrp.51/rp_filter": "0",
        "net/ipv4/conf/vrrp.51/promote_secondaries": "1",
        "net/ipv6/conf/vrrp.51/disable_ipv6": "1",
    }
    assert dict(attachments.parent_sysctls(attachment)) == {
        "net/ipv4/conf/eth0/arp_ignore": "1",
        "net/ipv4/conf/eth0/arp_filter": "1",
    }
    assert attachments.addresses(attachment, kernel.facts()) == []


def test_ipv6_stays_on_when_excluded_addresses_need_it(kernel: FakeKernel) -> None:
    instance = replace(INSTANCE, excluded_addresses=(address("2001:db8::1"),))
    attachment = attachments.plan(config(instance), kernel.facts()).attachments[0]
    assert "net/ipv6/conf/vrrp.51/disable_ipv6" not in dict(attachments.sysctls(attachment))


IPV6 = replace(INSTANCE, family=6, virtual_addresses=(address("fe80::100"),))


def link_local(kernel: FakeKernel, instance: VrrpInstance) -> list[tuple[str, int, int | None]]:
    attachment = attachments.plan(config(instance), kernel.facts()).attachments[0]
    assert attachments.sysctls(attachment) == [("net/ipv4/conf/vrrp.51/arp_ignore", "1")]
    made = attachments.addresses(attachment, kernel.facts())
    wishes = [operation.address for operation in made if isinstance(operation, AddAddress)]
    return [(str(wish.address), wish.prefix_length, wish.preferred_lft) for wish in wishes]


def test_ipv6_vmac_copies_the_link_local_address_of_its_parent(kernel: FakeKernel) -> None:
    assert link_local(kernel, IPV6) == [("fe80::a", 64, 0)]


def test_ipv6_vmac_prefers_the_configured_source(kernel: FakeKernel) -> None:
    assert link_local(kernel, replace(IPV6, source_address=ip("fe80::7"))) == [("fe80::7", 64, 0)]


def test_ipv6_vmac_of_a_parent_without_one_uses_its_mac(kernel: FakeKernel) -> None:
    assert link_local(kernel, replace(IPV6, interface="eth1")) == [("fe80::ff:fe00:2", 64, 0)]


@pytest.mark.keyword("vrrp_instance/vmac_xmit_base")
def test_ipv6_vmac_beside_the_adverts_needs_no_source_address(kernel: FakeKernel) -> None:
    assert link_local(kernel, replace(IPV6, vmac=Vmac(xmit_base=True))) == []


@pytest.mark.keyword("vrrp_instance/use_vmac_addr")
def test_vmacs_of_addresses_elsewhere(kernel: FakeKernel) -> None:
    """Each carries addresses of one family: no IPv6 for the one, a link-local address to speak from for the other."""
    other = (lan.vip("198.51.100.7", "eth1"), lan.vip("2001:db8::1/64", "eth1"))
    instance = replace(INSTANCE, excluded_addresses=other, use_vmac_addr=True, source_address=ip("192.0.2.7"))
    _, four, six = attachments.plan(config(instance), kernel.facts()).attachments
    assert (four.family, four.link.parent, six.family, six.link.parent) == (4, "eth1", 6, "eth1")
    assert dict(attachments.sysctls(four))[f"net/ipv6/conf/{four.link.name}/disable_ipv6"] == "1"
    assert attachments.addresses(four, kernel.facts()) == []
    made = attachments.addresses(six, kernel.facts())
    assert [str(operation) for operation in made] == [f"address add fe80::ff:fe00:2/64 dev {six.link.name}"]


@pytest.mark.keyword("vrrp_instance/use_vmac")
@pytest.mark.keyword("vrrp_instance/virtual_ipaddress_excluded")
def test_master_puts_on_the_vmac_what_is_of_its_interface_and_family() -> None:
    excluded = (
        lan.vip("192.0.2.101", interface_given=True),
        lan.vip("198.51.100.7", "eth1", interface_given=True),
        lan.vip("2001:db8::1/64"),
        lan.vip("2001:db8::2/64", interface_given=True),
    )
    configuration = lan.config(lan.instance(vmac=Vmac(), excluded_addresses=excluded))
    view = lan.view(
        lan.address("192.0.2.1/24"),
        interfaces=(
            lan.interface(),
            lan.interface("eth1", 3),
            lan.interface("vrrp.51", 4, "00005e000133", parent="eth0"),
        ),
        attachments={("VI_1", "eth0", 4): "vrrp.51"},
    )
    network = lan.Lan()
    node = network.node("a", configuration, view)
    node.start()
    network.run(5)
    assert node.is_master
    assert {(name, str(address)) for name, address in node.addresses} == {
        ("vrrp.51", "192.0.2.100"),
        ("vrrp.51", "192.0.2.101"),
        ("eth1", "198.51.100.7"),
        ("eth0", "2001:db8::1"),
        ("eth0", "2001:db8::2"),
    }
    dumped = excluded_addresses(configuration.vrrp_instances[0], node.snapshot())
    assert [line.split(" dev ")[1].split()[0] for line in dumped] == ["vrrp.51@eth0", "eth1", "eth0", "eth0"]
