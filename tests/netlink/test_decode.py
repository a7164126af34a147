"""Decoders: round trips with the encoder, and one error type whatever the bytes."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import decode
from pykeepalived.netlink.attributes import DecodeError, attribute, message, messages, parse_attributes
from pykeepalived.netlink.facts import (
    AddressAdded,
    AddressRemoved,
    Link,
    LinkChanged,
    RouteHop,
    RouteRemoved,
    RuleRemoved,
)
from pykeepalived.netlink.messages import encode
from pykeepalived.netlink.operations import (
    AddAddress,
    AddLink,
    AddRule,
    DeleteAddress,
    DeleteRoute,
    DeleteRule,
    VirtualLink,
)
from pykeepalived.netlink.rules import kernel_key, rule_key

ip = Ip.parse
LINKS = {"eth0": Link(index=7, name="eth0"), "eth1": Link(index=8, name="eth1")}


def event_of(data: bytes) -> object:
    kind = struct.unpack_from("=H", data, 4)[0]
    return decode.decode_event(kind, data, 16, len(data))


def test_address_events() -> None:
    wish = IpAddress(address=ip("192.0.2.1"), prefix_length=24, label="eth0:1", broadcast=ip("192.0.2.255"), scope=253)
    added = event_of(encode(AddAddress(wish, "eth0"), LINKS.get))
    assert isinstance(added, AddressAdded)
    assert (added.address.index, added.address.address, added.address.prefix_length) == (7, wish.address, 24)
    assert (added.address.label, added.address.broadcast, added.address.scope) == ("eth0:1", wish.broadcast, 253)
    removed = event_of(encode(DeleteAddress(wish, "eth0"), LINKS.get))
    assert isinstance(removed, AddressRemoved)
    assert removed.address.peer is None


def test_route_event() -> None:
    hops = (NextHop(via=ip("192.0.2.1"), interface="eth0"), NextHop(via=ip("fe80::1"), interface="eth1", weight=9))
    route = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, table=1000, metric=5, tos=8, nexthops=hops)
    removed = event_of(encode(DeleteRoute(route), LINKS.get))
    assert isinstance(removed, RouteRemoved)
    assert removed.route.key == (4, 1000, bytes((10, 0, 0, 0)), 8, 8, 5)
    assert removed.route.hops == (
        RouteHop(index=7, via=ip("192.0.2.1")),
        RouteHop(index=8, via=ip("fe80::1"), weight=9),
    )


def test_rule_event_has_the_key_of_its_configuration() -> None:
    rule = IpRule(
        family=6,
        from_address=ip("2001:db8::"),
        from_length=32,
        table=500,
        priority=77,
        fwmark=3,
        iif="eth0",
        uid_range=(1, 2),
        destination_ports=(80, 81),
        tunnel_id=5,
        ip_protocol=17,
    )
    removed = event_of(encode(DeleteRule(rule), LINKS.get))
    assert isinstance(removed, RuleRemoved)
    assert kernel_key(removed.rule) == rule_key(rule)


def test_link_event() -> None:
    link = VirtualLink(name="vrrp.51", parent="eth0", mac=bytes(range(6)), group=5)
    changed = event_of(encode(AddLink(link), LINKS.get))
    assert isinstance(changed, LinkChanged)
    found = changed.link
    assert (found.name, found.kind, found.parent, found.mac, found.mode, found.group) == (
        *("vrrp.51", "macvlan", 7),
        *(bytes(range(6)), 1, 5),
    )


def test_bridge_port_messages_are_not_about_links() -> None:
    body = struct.pack("=BxHiII", 7, 1, 3, 0, 0)
    assert decode.decode_event(17, body, 0, len(body)) is None


def test_additions_of_rules_are_not_events() -> None:
    data = encode(AddRule(IpRule(family=4, table=5, priority=1)), LINKS.get)
    assert event_of(data) is None


def test_messages_of_a_datagram() -> None:
    data = message(20, 0, b"1234") + message(21, 0, b"12")
    assert [(kind, end - start) for kind, _, _, start, end in messages(data + b"\0\0")] == [(20, 4), (21, 2)]
    with pytest.raises(DecodeError):
        list(messages(struct.pack("=IHHII", 99, 20, 0, 0, 0)))


def test_attribute_longer_than_its_message() -> None:
    with pytest.raises(DecodeError):
        parse_attributes(struct.pack("=HH", 9, 1) + b"1234", 0, 8)
    assert parse_attributes(attribute(5, b"abc"), 0, 8) == {5: b"abc"}


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_decode_error(kind: int, data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode.decode_event(kind, data, 0, len(data))


@given(
    st.sampled_from([16, 17, 20, 21, 25, 33]),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=40))),
)
def test_any_attributes_are_an_event_or_a_decode_error(kind: int, family: int, pairs: list[tuple[int, bytes]]) -> None:
    body = bytes((0, 2, 10, 7)[family : family + 1]) + bytes(15 if kind < 20 else 7 if kind < 24 else 11)
    data = body + b"".join(attribute(number, value) for number, value in pairs)
    with contextlib.suppress(DecodeError):
        decode.decode_event(kind, data, 0, len(data))
