"""The pure diffs: addresses, routes, rules, links, and what a fake kernel makes of their operations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import addresses, links, routes, rules
from pykeepalived.netlink.addresses import Wish
from pykeepalived.netlink.facts import Facts
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.operations import (
    AddAddress,
    AddLink,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteRoute,
    DeleteRule,
    ReplaceRoute,
    SetSysctl,
    VirtualLink,
)

ip = Ip.parse


def wish(text: str, interface: str = "eth0", length: int = 32, **words: object) -> Wish:
    return Wish(IpAddress(address=ip(text), prefix_length=length, interface=interface, **words), interface)  # type: ignore[arg-type]


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.add_interface("eth0")
    made.add_interface("eth1", mac=b"\x02\0\0\0\0\x02")
    made.read_events()
    return made


# addresses


def test_nothing_to_do() -> None:
    assert addresses.diff([], [], Facts()) == []


def test_missing_address_is_added_and_then_nothing_is_left_to_do(kernel: FakeKernel) -> None:
    wanted = [wish("192.0.2.1"), wish("192.0.2.2")]
    operations = addresses.diff(wanted, [], kernel.facts())
    assert operations == [AddAddress(each.address, "eth0") for each in wanted]
    assert kernel.perform(operations) == []
    assert addresses.diff(wanted, wanted, kernel.facts()) == []


def test_vanished_address_is_removed_only_if_it_is_there(kernel: FakeKernel) -> None:
    here, gone = wish("192.0.2.1"), wish("192.0.2.9")
    kernel.perform([AddAddress(here.address, "eth0")])
    assert addresses.diff([], [here, gone], kernel.facts()) == [DeleteAddress(here.address, "eth0")]


def test_foreign_address_is_never_touched(kernel: FakeKernel) -> None:
    kernel.add_address("eth0", "192.0.2.200", 24)
    assert addresses.diff([], [], kernel.facts()) == []


def test_address_moves_in_one_step(kernel: FakeKernel) -> None:
    before, after = wish("192.0.2.1", "eth0"), wish("192.0.2.1", "eth1")
    kernel.perform([AddAddress(before.address, "eth0")])
    assert addresses.diff([after], [before], kernel.facts()) == [
        DeleteAddress(before.address, "eth0"),
        AddAddress(after.address, "eth1"),
    ]


@pytest.mark.parametrize("change", [{"scope": 253}, {"label": "eth0:1"}])
def test_changed_identity_is_removed_and_added(kernel: FakeKernel, change: dict[str, object]) -> None:
    before, after = wish("192.0.2.1"), wish("192.0.2.1", **change)
    kernel.perform([AddAddress(before.address, "eth0")])
    operations = addresses.diff([after], [before], kernel.facts())
    assert operations == [DeleteAddress(before.address, "eth0"), AddAddress(after.address, "eth0")]
    assert kernel.perform(operations) == []


def test_changed_broadcast_alone_is_the_same_address(kernel: FakeKernel) -> None:
    before, after = wish("192.0.2.1"), wish("192.0.2.1", broadcast=ip("192.0.2.255"))
    kernel.perform([AddAddress(before.address, "eth0")])
    assert addresses.diff([after], [before], kernel.facts()) == []


# routes

NET = IpRoute(family=4, destination=ip("10.9.0.0"), prefix_length=16, via=ip("192.0.2.254"), interface="eth0")


def test_route_is_added_replaced_and_deleted(kernel: FakeKernel) -> None:
    assert routes.diff([NET], [], kernel.facts(routes=True)) == [AddRoute(NET)]
    kernel.perform([AddRoute(NET)])
    facts = kernel.facts(routes=True)
    assert routes.diff([NET], [NET], facts) == []
    moved = replace(NET, via=ip("192.0.2.253"))
    assert routes.diff([moved], [NET], facts) == [ReplaceRoute(moved)]
    assert routes.diff([], [NET], facts) == [DeleteRoute(NET, lenient=True)]


def test_vanished_route_that_is_not_there_is_not_deleted(kernel: FakeKernel) -> None:
    assert routes.diff([], [NET], kernel.facts(routes=True)) == []


@pytest.mark.parametrize("change", [{"table": 100}, {"metric": 5}, {"tos": 16}, {"prefix_length": 17}])
def test_other_key_is_another_route(kernel: FakeKernel, change: dict[str, int]) -> None:
    kernel.perform([AddRoute(NET)])
    other = replace(NET, **change)  # type: ignore[arg-type]
    assert routes.diff([other], [NET], kernel.facts(routes=True)) == [
        DeleteRoute(NET, lenient=True),
        AddRoute(other),
    ]


def test_ipv6_route_has_a_metric_of_its_own() -> None:
    route = IpRoute(family=6, destination=ip("2001:db8::"), prefix_length=32)
    assert routes.route_key(route)[-1] == 1024
    assert routes.route_key(replace(route, metric=0))[-1] == 1024
    assert routes.route_key(replace(route, metric=7))[-1] == 7


def test_default_route_has_one_key_however_it_is_written() -> None:
    assert routes.route_key(IpRoute(family=4)) == routes.route_key(IpRoute(family=4, destination=ip("0.0.0.0")))


def test_route_is_matched_by_way_when_keys_are_equal(kernel: FakeKernel) -> None:
    first = replace(NET, interface="eth0", family=6, destination=ip("2001:db8::"), prefix_length=32, via=None)
    second = replace(first, interface="eth1")
    kernel.perform([AddRoute(first), AddRoute(second)])
    facts = kernel.facts(routes=True)
    assert {routes.match_route(each, [first, second], facts.links) for each in facts.routes} == {first, second}
    assert routes.match_route(facts.routes[0], [NET], facts.links) is None


# rules

RULE = IpRule(family=4, from_address=ip("10.0.0.0"), from_length=8, table=100, priority=1000)


def test_rule_is_added_once_and_deleted(kernel: FakeKernel) -> None:
    assert rules.diff([RULE], [], kernel.facts(rules=True)) == [AddRule(RULE)]
    kernel.perform([AddRule(RULE)])
    facts = kernel.facts(rules=True)
    assert rules.diff([RULE], [], facts) == []
    assert rules.diff([], [RULE], facts) == [DeleteRule(RULE, lenient=True)]


def test_changed_rule_is_deleted_before_the_new_one_is_added(kernel: FakeKernel) -> None:
    kernel.perform([AddRule(RULE)])
    other = replace(RULE, table=200)
    assert rules.diff([other], [RULE], kernel.facts(rules=True)) == [DeleteRule(RULE, lenient=True), AddRule(other)]


@pytest.mark.parametrize(
    "change",
    [
        {"priority": 5},
        {"iif": "eth0"},
        {"fwmark": 1},
        {"to_address": ip("10.0.0.1"), "to_length": 32},
        {"invert": True},
        {"tos": 8},
        {"ip_protocol": 6},
        {"source_ports": (1, 1)},
        {"uid_range": (0, 0)},
        {"suppress_prefixlength": 0},
        {"goto": 7},
    ],
)
def test_every_word_tells_rules_apart(kernel: FakeKernel, change: dict[str, object]) -> None:
    kernel.perform([AddRule(RULE)])
    actual = kernel.facts(rules=True).rules[0]
    assert rules.match_rule(actual, [replace(RULE, **change), RULE]) is RULE  # type: ignore[arg-type]


def test_mark_without_mask_means_all_bits(kernel: FakeKernel) -> None:
    marked = replace(RULE, fwmark=5)
    kernel.perform([AddRule(replace(marked, fwmask=0xFFFFFFFF))])
    assert rules.match_rule(kernel.facts(rules=True).rules[0], [marked]) is marked


# links

VMAC = VirtualLink(name="vrrp.51", parent="eth0", mac=bytes.fromhex("00005e000133"))


def test_link_is_made_once(kernel: FakeKernel) -> None:
    assert links.diff([VMAC], kernel.facts()) == [AddLink(VMAC)]
    kernel.perform([AddLink(VMAC)])
    assert links.diff([VMAC], kernel.facts(), ours=["vrrp.51"]) == []
    assert links.diff([], kernel.facts(), ours=["vrrp.51"]) == [DeleteLink("vrrp.51")]


def test_link_that_somebody_else_removed_is_not_removed_again(kernel: FakeKernel) -> None:
    assert links.diff([], kernel.facts(), ours=["vrrp.51"]) == []


def test_existing_macvlan_with_the_mac_is_adopted_whatever_its_name(kernel: FakeKernel) -> None:
    kernel.perform([AddLink(replace(VMAC, name="mac0"))])
    found = links.find_match(VMAC, kernel.facts())
    assert found is not None
    assert found.name == "mac0"
    assert links.find_match(VMAC, kernel.facts(), taken={"mac0"}) is None


def test_macvlan_wanted_on_a_macvlan_stands_beside_it(kernel: FakeKernel) -> None:
    """The kernel puts it on what the other one stands on."""
    kernel.perform([AddLink(replace(VMAC, name="mac0", mac=b"\x02\0\0\0\0\x77")), AddLink(VMAC)])
    found = links.find_match(replace(VMAC, parent="mac0"), kernel.facts())
    assert found is not None
    assert found.name == "vrrp.51"
    assert links.find_match(replace(VMAC, parent="eth1"), kernel.facts()) is None


def test_macvlan_with_another_parent_or_mac_is_not_adopted(kernel: FakeKernel) -> None:
    kernel.perform([AddLink(replace(VMAC, parent="eth1")), AddLink(replace(VMAC, name="x", mac=bytes(6)))])
    assert links.find_match(VMAC, kernel.facts()) is None
    assert links.diff([VMAC], kernel.facts()) == [DeleteLink("vrrp.51"), AddLink(VMAC)]


@pytest.mark.keyword("global_defs/vmac_prefix")
def test_names_count_up_and_leave_six_to_ipv6() -> None:
    names4, names6 = links.numbered_names("vrrp", 51, 4), links.numbered_names("vrrp", 51, 6)
    assert [next(names4) for _ in range(7)] == [
        *("vrrp.51", "vrrp1.51", "vrrp2.51", "vrrp3.51", "vrrp4.51", "vrrp5.51"),
        "vrrp7.51",
    ]
    assert [next(names6) for _ in range(3)] == ["vrrp.51", "vrrp6.51", "vrrp1.51"]


def test_free_name_is_short_and_free(kernel: FakeKernel) -> None:
    kernel.add_interface("vrrp.51")
    assert links.free_name(links.numbered_names("vrrp", 51, 4), kernel.facts(), {"vrrp1.51"}) == "vrrp2.51"
    with pytest.raises(LookupError):
        links.free_name(["sixteen-letters-"], kernel.facts())


def test_reverse_path_filter_keeps_its_effect_on_every_interface() -> None:
    values = {"all": 1, "default": 0, "eth0": 0, "eth1": 2, "lo": 1}
    assert links.rp_filter_pushdown(values) == [
        SetSysctl("net/ipv4/conf/default/rp_filter", "1"),
        SetSysctl("net/ipv4/conf/eth0/rp_filter", "1"),
        SetSysctl("net/ipv4/conf/all/rp_filter", "0"),
    ]
    assert links.rp_filter_pushdown({"all": 0, "eth0": 0}) == []
