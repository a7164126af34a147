"""What `plan` says a reload would do to the kernel, and that doing it leaves nothing more to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import Vmac, VrrpInstance
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.operations import AddAddress, AddLink, SetLink
from pykeepalived.vrrp import attachments
from pykeepalived.vrrp.forecast import forecast

ip = Ip.parse


def address(text: str, interface: str = "eth0") -> IpAddress:
    return IpAddress(address=ip(text), prefix_length=32, interface=interface)


ROUTE = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, interface="eth0")
RULE = IpRule(family=4, table=100, priority=1000)
FIRST = VrrpInstance(
    name="VI_1",
    interface="eth0",
    virtual_router_id=51,
    virtual_addresses=(address("192.0.2.100"), address("192.0.2.101")),
    virtual_routes=(ROUTE,),
    virtual_rules=(RULE,),
)
SECOND = VrrpInstance(name="VI_2", interface="eth0", virtual_router_id=52, virtual_addresses=(address("192.0.2.200"),))


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.add_interface("eth0")
    return made


def config(*instances: VrrpInstance, static: tuple[IpAddress, ...] = ()) -> Config:
    return Config(vrrp_instances=instances, static_addresses=static)


def take(kernel: FakeKernel, instance: VrrpInstance) -> None:
    """The instance has become master."""
    started = forecast(config(), config(instance), kernel.facts(True, True))
    assert started == []
    kernel.perform([AddAddress(each, each.interface) for each in instance.virtual_addresses[:1]])
    kernel.perform(forecast(config(instance), config(instance), kernel.facts(True, True)))


def lines(kernel: FakeKernel, before: Config, after: Config) -> list[str]:
    """The forecast in words; performs it and checks that it was all."""
    operations = forecast(before, after, kernel.facts(True, True))
    assert kernel.perform(operations) == []
    assert forecast(after, after, kernel.facts(True, True)) == []
    return [str(operation) for operation in operations]


def test_what_a_master_misses_is_put_back(kernel: FakeKernel) -> None:
    take(kernel, FIRST)
    assert [str(each.address) for each in kernel.facts().addresses] == ["192.0.2.100", "192.0.2.101"]
    assert lines(kernel, config(FIRST), config(FIRST)) == []


def test_backup_owns_nothing_before_and_after(kernel: FakeKernel) -> None:
    after = replace(FIRST, virtual_addresses=(*FIRST.virtual_addresses, address("192.0.2.102")))
    assert lines(kernel, config(FIRST), config(after)) == []


def test_master_gains_and_loses_addresses_routes_and_rules(kernel: FakeKernel) -> None:
    take(kernel, FIRST)
    other = replace(ROUTE, metric=5)
    after = replace(
        FIRST,
        name="renamed",
        virtual_addresses=(FIRST.virtual_addresses[0], address("192.0.2.102")),
        virtual_routes=(other,),
        virtual_rules=(),
    )
    assert lines(kernel, config(FIRST), config(after)) == [
        "rule delete from all priority 1000 lookup 100",
        "route delete 10.0.0.0/8 dev eth0",
        "route add 10.0.0.0/8 dev eth0 metric 5",
        "address delete 192.0.2.101/32 dev eth0",
        "address add 192.0.2.102/32 dev eth0",
    ]


def test_instance_that_goes_takes_its_things_along_and_only_its_own(kernel: FakeKernel) -> None:
    take(kernel, FIRST)
    take(kernel, SECOND)
    kernel.add_address("eth0", "192.0.2.1", 24)
    assert lines(kernel, config(FIRST, SECOND), config(SECOND))[-2:] == [
        "address delete 192.0.2.100/32 dev eth0",
        "address delete 192.0.2.101/32 dev eth0",
    ]
    assert [str(each.address) for each in kernel.facts().addresses] == ["192.0.2.200", "192.0.2.1"]


def test_address_that_moves_between_two_masters_stays(kernel: FakeKernel) -> None:
    take(kernel, FIRST)
    take(kernel, SECOND)
    moved = FIRST.virtual_addresses[1]
    poorer = replace(FIRST, virtual_addresses=FIRST.virtual_addresses[:1])
    richer = replace(SECOND, virtual_addresses=(*SECOND.virtual_addresses, moved))
    assert lines(kernel, config(FIRST, SECOND), config(poorer, richer)) == []


def test_static_entries_need_no_master(kernel: FakeKernel) -> None:
    static = (address("198.51.100.1"),)
    assert lines(kernel, config(), config(static=static)) == ["address add 198.51.100.1/32 dev eth0"]
    assert lines(kernel, config(static=static), config()) == ["address delete 198.51.100.1/32 dev eth0"]


def test_vmac_is_made_and_carries_the_addresses(kernel: FakeKernel) -> None:
    take(kernel, FIRST)
    after = replace(FIRST, vmac=Vmac(), virtual_routes=(), virtual_rules=())
    said = [str(each) for each in forecast(config(FIRST), config(after), kernel.facts(True, True))]
    assert said[2:] == [
        "link add vrrp.51 link eth0 address 00:00:5e:00:01:33 type macvlan",
        "address delete 192.0.2.100/32 dev eth0",
        "address delete 192.0.2.101/32 dev eth0",
        "address add 192.0.2.100/32 dev vrrp.51",
        "address add 192.0.2.101/32 dev vrrp.51",
    ]


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_vmac_carries_the_addresses_of_its_interface_and_family_only(kernel: FakeKernel) -> None:
    kernel.add_interface("eth1")
    take(kernel, FIRST)
    named = replace(address("192.0.2.102"), interface_given=True)
    elsewhere = replace(address("192.0.2.103", "eth1"), interface_given=True)
    other = IpAddress(address=ip("2001:db8::1"), prefix_length=64, interface="eth0")
    after = replace(FIRST, vmac=Vmac(), excluded_addresses=(named, elsewhere, other))
    said = [str(each) for each in forecast(config(FIRST), config(after), kernel.facts(True, True))]
    assert [line.removeprefix("address add ") for line in said if line.startswith("address add")] == [
        "192.0.2.100/32 dev vrrp.51",
        "192.0.2.101/32 dev vrrp.51",
        "192.0.2.102/32 dev vrrp.51",
        "192.0.2.103/32 dev eth1",
        "2001:db8::1/64 dev eth0",
    ]


def test_vmac_that_is_no_longer_wanted_goes(kernel: FakeKernel) -> None:
    before = replace(FIRST, vmac=Vmac(), virtual_routes=(), virtual_rules=())
    link = attachments.plan(config(before), kernel.facts()).attachments[0].link
    kernel.perform([AddLink(link), SetLink("vrrp.51", up=True), AddAddress(FIRST.virtual_addresses[0], "vrrp.51")])
    said = [str(each) for each in forecast(config(before), config(), kernel.facts(True, True))]
    assert said == ["link delete vrrp.51", "address delete 192.0.2.100/32 dev vrrp.51"]
