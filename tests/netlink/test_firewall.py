"""The nftables commands: one transaction a step, nothing twice, everything undone."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.firewall import Dropped, Firewall, Settings, State, VmacRule
from pykeepalived.netlink.operations import Operation, RunNft

ip = Ip.parse
VIP4, VIP6 = Dropped(ip("192.0.2.100")), Dropped(ip("2001:db8::1"))
LOCAL = Dropped(ip("fe80::200"), "eth0", 3)
NAMED = Dropped(ip("fe80::201"), "eth0", 3, by_name=True)


def text(operations: list[Operation]) -> str:
    return "".join(operation.commands for operation in operations if isinstance(operation, RunNft))


def test_nothing_wanted_is_nothing_done() -> None:
    firewall = Firewall(Settings())
    assert firewall.change(State()) == []
    assert firewall.clear() == []


def test_only_the_family_in_use_gets_a_table() -> None:
    firewall = Firewall(Settings())
    commands = text(firewall.change(State(frozenset([VIP4]))))
    assert "table ip keepalived" in commands
    assert "ip6" not in commands
    assert "add element ip keepalived vips { 192.0.2.100 }" in commands
    assert text(firewall.clear()) == "delete table ip keepalived\n"


def test_older_table_of_the_name_is_replaced() -> None:
    commands = text(Firewall(Settings()).change(State(frozenset([VIP4]))))
    assert commands.startswith("add table ip keepalived\ndelete table ip keepalived\ntable ip keepalived {")


def test_table_is_made_once_and_survives_a_time_without_addresses() -> None:
    firewall = Firewall(Settings())
    firewall.change(State(frozenset([VIP4])))
    assert text(firewall.change(State())) == "delete element ip keepalived vips { 192.0.2.100 }\n"
    assert text(firewall.change(State(frozenset([VIP4])))) == "add element ip keepalived vips { 192.0.2.100 }\n"


def test_every_removal_stands_alone_and_is_forgiven() -> None:
    firewall = Firewall(Settings())
    firewall.change(State(frozenset([VIP6, LOCAL])))
    operations = firewall.change(State())
    assert [operation.lenient for operation in operations if isinstance(operation, RunNft)] == [True, True]
    assert len(operations) == 2


def test_additions_share_one_transaction() -> None:
    firewall = Firewall(Settings())
    firewall.change(State(frozenset([VIP4])))
    more = frozenset(Dropped(ip(f"192.0.2.{last}")) for last in range(1, 4))
    operations = firewall.change(State(more | {VIP4}))
    assert text(operations) == "add element ip keepalived vips { 192.0.2.1, 192.0.2.2, 192.0.2.3 }\n"
    assert len(operations) == 1


def test_link_local_addresses_are_bound_to_their_interface() -> None:
    firewall = Firewall(Settings())
    commands = text(firewall.change(State(frozenset([LOCAL, NAMED]))))
    assert "add element ip6 keepalived vips_link_local { fe80::200 . 3 }" in commands
    assert 'add element ip6 keepalived vips_link_local_name { fe80::201 . "eth0" }' in commands
    for kind in ("vips_link_local", "vips_link_local_name"):
        assert commands.count(f"add set ip6 keepalived {kind} ") == 1
    assert text(firewall.change(State())).count("delete element") == 2
    assert "add set" not in text(firewall.change(State(frozenset([LOCAL, NAMED]))))


@pytest.mark.keyword("global_defs/nftables_counters")
@pytest.mark.keyword("global_defs/nftables_priority")
@pytest.mark.keyword("global_defs/nftables")
def test_settings_show_in_the_rules() -> None:
    firewall = Firewall(Settings(table="mine", priority=-7, counters=True))
    commands = text(firewall.change(State(frozenset([VIP4]))))
    assert "table ip mine" in commands
    assert "hook input priority -7;" not in commands.replace("type filter hook input priority -7;", "")
    assert "ip daddr @vips counter drop" in commands


@pytest.mark.keyword("global_defs/nftables_ifindex")
def test_copied_link_local_address_is_matched_by_index_on_request() -> None:
    vmac = VmacRule(6, "vrrp.51", 9, 3, ip("fe80::a"))
    by_name = text(Firewall(Settings()).change(State(vmacs=frozenset([vmac]))))
    by_index = text(Firewall(Settings(by_index=True)).change(State(vmacs=frozenset([vmac]))))
    assert 'parent_link_local { fe80::a . "vrrp.51" }' in by_name
    assert "parent_link_local { fe80::a . 9 }" in by_index


def test_vmac_reports_are_redirected_until_the_vmac_goes() -> None:
    firewall = Firewall(Settings())
    vmac = VmacRule(4, "vrrp.51", 9, 3)
    commands = text(firewall.change(State(vmacs=frozenset([vmac]))))
    assert 'ip protocol igmp meta oifkind "macvlan" dup to ip daddr device oif map @vmac_map drop' in commands
    assert "add element ip keepalived vmac_map { 9 : 3 }" in commands
    assert text(firewall.change(State())) == "delete element ip keepalived vmac_map { 9 }\n"
    again = text(firewall.change(State(vmacs=frozenset([vmac]))))
    assert again == "add element ip keepalived vmac_map { 9 : 3 }\n"
