"""The kernel in memory answers as the real one does (test_kernel.py asks the real one the same questions)."""

from __future__ import annotations

import errno

import pytest

from pykeepalived.config.model.network import IpAddress, IpRoute
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.facts import AddressAdded, AddressRemoved, LinkChanged, LinkRemoved, Overrun, RouteRemoved
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.operations import (
    AddAddress,
    AddLink,
    AddRoute,
    DeleteAddress,
    DeleteLink,
    DeleteRoute,
    OperationError,
    SetLink,
    SetSysctl,
    VirtualLink,
)

ip = Ip.parse


def address(text: str, length: int = 24) -> IpAddress:
    return IpAddress(address=ip(text), prefix_length=length)


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.add_interface("eth0")
    made.read_events()
    return made


def names(kernel: FakeKernel) -> list[str]:
    return [str(each.address) for each in kernel.facts().addresses]


def test_what_is_there_already_and_what_is_gone_already_is_success(kernel: FakeKernel) -> None:
    vip = address("192.0.2.1")
    assert kernel.perform([AddAddress(vip, "eth0"), AddAddress(vip, "eth0")]) == []
    assert kernel.perform([DeleteAddress(vip, "eth0"), DeleteAddress(vip, "eth0")]) == []
    events = kernel.read_events()
    assert [type(event) for event in events] == [AddressAdded, AddressRemoved]


def test_missing_link_is_an_error_for_adding_only(kernel: FakeKernel) -> None:
    vip = address("192.0.2.1")
    assert kernel.perform([AddAddress(vip, "eth9")]) == [OperationError(AddAddress(vip, "eth9"), errno.ENODEV)]
    assert kernel.perform([DeleteAddress(vip, "eth9")]) == []


@pytest.mark.keyword("vrrp_instance/promote_secondaries")
@pytest.mark.parametrize(("promote", "left"), [("0", []), ("1", ["192.0.2.2", "192.0.2.3"])])
def test_primary_address_takes_its_secondaries_along_unless_promoted(
    kernel: FakeKernel, promote: str, left: list[str]
) -> None:
    kernel.perform([SetSysctl("net/ipv4/conf/eth0/promote_secondaries", promote)])
    kernel.perform([AddAddress(address(f"192.0.2.{last}"), "eth0") for last in (1, 2, 3)])
    assert [each.is_secondary for each in kernel.facts().addresses] == [False, True, True]
    kernel.perform([DeleteAddress(address("192.0.2.1"), "eth0")])
    assert names(kernel) == left
    assert [each.is_secondary for each in kernel.facts().addresses] == [False, True][: len(left)]


def test_addresses_of_other_lengths_are_primary(kernel: FakeKernel) -> None:
    kernel.perform([AddAddress(address("192.0.2.1"), "eth0"), AddAddress(address("192.0.2.2", 32), "eth0")])
    assert not any(each.is_secondary for each in kernel.facts().addresses)


def test_route_goes_silently_with_its_source_address_or_link(kernel: FakeKernel) -> None:
    vip = address("192.0.2.1")
    by_source = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, src=vip.address, interface="eth0")
    by_link = IpRoute(family=4, destination=ip("11.0.0.0"), prefix_length=8, interface="eth0")
    kernel.perform([AddAddress(vip, "eth0"), AddRoute(by_source), AddRoute(by_link)])
    kernel.perform([DeleteAddress(vip, "eth0")])
    assert [str(route.destination) for route in kernel.facts(routes=True).routes] == ["11.0.0.0"]
    kernel.perform([SetLink("eth0", up=False)])
    assert kernel.facts(routes=True).routes == ()
    assert not any(isinstance(event, RouteRemoved) for event in kernel.read_events())


def test_route_deletion_is_told_and_a_missing_route_refused(kernel: FakeKernel) -> None:
    route = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, interface="eth0")
    assert kernel.perform([AddRoute(route), AddRoute(route)]) == []
    assert kernel.perform([DeleteRoute(route)]) == []
    assert any(isinstance(event, RouteRemoved) for event in kernel.read_events())
    assert kernel.perform([DeleteRoute(route)]) == [OperationError(DeleteRoute(route), errno.ESRCH)]
    assert kernel.perform([DeleteRoute(route, lenient=True)]) == []


def test_route_needs_a_link_that_is_up(kernel: FakeKernel) -> None:
    kernel.perform([SetLink("eth0", up=False)])
    route = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, interface="eth0")
    assert kernel.perform([AddRoute(route)])[0].errno == errno.ENETDOWN


def test_macvlan_follows_the_carrier_of_its_parent_and_goes_with_it(kernel: FakeKernel) -> None:
    vmac = VirtualLink(name="vrrp.51", parent="eth0", mac=bytes(6))
    kernel.perform([AddLink(vmac), SetLink("vrrp.51", up=True), AddAddress(address("192.0.2.1"), "vrrp.51")])
    made = kernel.link("vrrp.51")
    assert made is not None
    assert made.is_up
    assert kernel.perform([AddLink(vmac)])[0].errno == errno.EEXIST
    kernel.read_events()
    kernel.set_carrier("eth0", False)
    changed = [event.link for event in kernel.read_events() if isinstance(event, LinkChanged)]
    assert [(link.name, link.is_up) for link in changed] == [("eth0", False), ("vrrp.51", False)]
    kernel.remove_interface("eth0")
    assert [event for event in kernel.read_events() if isinstance(event, LinkRemoved)] == [
        LinkRemoved(made.index, "vrrp.51"),
        LinkRemoved(made.parent, "eth0"),
    ]
    assert kernel.facts().addresses == ()
    assert kernel.perform([DeleteLink("vrrp.51")]) == []


def test_failures_on_demand_and_lost_events(kernel: FakeKernel) -> None:
    refused = AddAddress(address("192.0.2.1"), "eth0")
    kernel.refuse[refused] = errno.ENOBUFS
    assert kernel.perform([refused]) == [OperationError(refused, errno.ENOBUFS)]
    kernel.overrun()
    assert kernel.read_events() == [Overrun()]
