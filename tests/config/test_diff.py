"""Differences between configurations: objects matched by identity, fields named, secrets hidden."""

from __future__ import annotations

import dataclasses

from pykeepalived.config.diff import _SECTIONS, ChangeKind, diff, show
from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import SslContext, VirtualServer
from pykeepalived.config.model.vrrp import Vmac
from tests.config.support import config, instance_text

SERVER = "virtual_server 10.1.1.1 80 {\n protocol TCP\n%s}\n"
REAL = " real_server 10.2.0.%d 80 {\n  weight %d\n }\n"


def changes(old: str, new: str) -> list[str]:
    return [str(change) for change in diff(config(old), config(new))]


def test_equal_texts_differ_in_nothing() -> None:
    text = instance_text("priority 9") + SERVER % (REAL % (1, 2))
    assert changes(text, "# moved\n\n" + text) == []


def test_fields_of_an_instance() -> None:
    assert changes(instance_text(""), instance_text("priority 9\nnopreempt\ngarp_master_repeat 2")) == [
        "vrrp_instance A: priority 100 > 9",
        "vrrp_instance A: nopreempt off > on",
        "vrrp_instance A: garp.master_repeat 5 > 2",
    ]


def test_an_instance_is_its_vrid_not_its_name() -> None:
    (change,) = diff(config(instance_text("")), config(instance_text("", name="B")))
    assert (change.kind, change.path, change.old, change.new) == (ChangeKind.CHANGED, "name", "A", "B")
    moved = diff(config(instance_text("")), config(instance_text("interface eth1")))
    assert [change.kind for change in moved] == [ChangeKind.REMOVED, ChangeKind.ADDED]
    assert moved[1].at is not None
    assert moved[1].at.line == 1


def test_addresses_are_shown() -> None:
    new = instance_text("", vip=" virtual_ipaddress {\n 10.0.0.1/24\n 10.0.0.2/24 dev eth1\n }\n")
    assert changes(instance_text(""), new) == [
        "vrrp_instance A: virtual_addresses 10.0.0.1/24 dev eth0 > 10.0.0.1/24 dev eth0, 10.0.0.2/24 dev eth1"
    ]


def test_objects_are_shown_by_what_they_say() -> None:
    """What is as by default is left out."""
    routes = "static_routes {\n 10.8.0.0/16 via 192.0.2.9 dev eth0 table 101\n}\n"
    assert changes("", routes) == ["static_routes 10.8.0.0/16 via=192.0.2.9 table=101 interface=eth0: added"]
    assert show(Vmac()) == "default"
    assert show(Vmac(name="v1")) == "name=v1"


def test_secrets_are_hidden() -> None:
    auth = "authentication {\n auth_type PASS\n auth_pass %s\n}"
    (line,) = changes(instance_text(auth % "first"), instance_text(auth % "second"))
    assert line == "vrrp_instance A: auth_pass (hidden) > (hidden)"


def test_servers_are_matched_by_address() -> None:
    old = SERVER % (REAL % (1, 1) + REAL % (2, 1) + REAL % (3, 1))
    new = SERVER % (REAL % (3, 1) + REAL % (2, 5) + REAL % (4, 1))
    assert changes(old, new) == [
        "real_server [10.2.0.1]:80 of [10.1.1.1]:80: removed",
        "real_server [10.2.0.2]:80 of [10.1.1.1]:80: weight 1 > 5",
        "real_server [10.2.0.4]:80 of [10.1.1.1]:80: added",
    ]


def test_whole_services_and_globals() -> None:
    old = SERVER % (REAL % (1, 1))
    assert changes(old, "global_defs {\n router_id x\n}\n") == [
        "global_defs: router_id lb1.example.net > x",
        "virtual_server [10.1.1.1]:80: removed",
    ]
    assert changes("", old) == ["virtual_server [10.1.1.1]:80: added"]


def test_lengths_of_time_are_shown_as_they_are_written() -> None:
    assert changes(instance_text("version 3"), instance_text("version 3\nadvert_int 0.25")) == [
        "vrrp_instance A: advert_int 1 s > 0.25 s"
    ]
    check = "  TCP_CHECK {\n   connect_timeout %d\n  }\n"
    server = SERVER % " real_server 10.2.0.1 80 {\n%s }\n"
    (line,) = changes(server % check % 3, server % check % 4)
    assert "timeout=3 s" in line
    assert "timeout=4 s" in line
    assert "_us" not in line


def test_an_instance_that_speaks_to_another_group_is_another_one() -> None:
    moved = diff(config(instance_text("")), config(instance_text("mcast_dst_ip 224.0.0.99")))
    assert [change.kind for change in moved] == [ChangeKind.REMOVED, ChangeKind.ADDED]


def test_one_fwmark_serves_two_families() -> None:
    """A fwmark of IPv4 and the same of IPv6 are two virtual servers."""
    one = VirtualServer(fwmark=7, family=4)
    two = VirtualServer(fwmark=7, family=6, scheduler="rr")
    both, changed = Config(virtual_servers=(one, two)), Config(virtual_servers=(one,))
    (change,) = diff(both, changed)
    assert (change.kind, change.old) == (ChangeKind.REMOVED, two)
    assert diff(both, Config(virtual_servers=(two, one))) == ()


def test_what_is_there_once_is_compared_too() -> None:
    """The SSL block, of which nothing is shown, and linkbeat_use_polling."""
    plain, secret, other = Config(), Config(ssl=SslContext(password="a")), Config(ssl=SslContext(password="b"))
    kinds = [diff(old, new)[0].kind for old, new in ((plain, secret), (secret, other), (other, plain))]
    assert kinds == [ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED]
    assert str(diff(secret, other)[0]) == "SSL: context (hidden) > (hidden)"
    assert [str(each) for each in diff(plain, Config(linkbeat_use_polling=True))] == [
        "linkbeat_use_polling: value off > on"
    ]


def test_no_part_of_a_configuration_is_forgotten() -> None:
    """What a reload may change is in one of the sections that are compared, or is named here."""
    compared = {attribute for attribute, *_ in _SECTIONS}
    alone = {"globals", "virtual_servers", "linkbeat_use_polling", "ssl"}
    assert {field.name for field in dataclasses.fields(Config)} - compared - alone == {
        "wants_vrrp",
        "wants_checker",
        "wants_bfd",
    }
