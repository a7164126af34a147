"""Configuration deltas: what is sent, what is kept, and that both sides end with the same configuration."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import get_args, get_type_hints
from unittest.mock import Mock

from hypothesis import given, settings
from hypothesis import strategies as st

from pykeepalived.config.model import Config
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import BfdCheck, RealServer, VirtualServer
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip, Span
from pykeepalived.config.model.vrrp import VrrpInstance, VrrpSyncGroup
from pykeepalived.runtime.delta import DeltaReader, _looks, make_delta


def group(name: str, *members: str, line: int = 1) -> VrrpSyncGroup:
    return VrrpSyncGroup(name=name, members=members, at=Span("f", line))


def walked(hint: object) -> Iterator[type]:
    """All dataclasses inside a type."""
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
        for inner in get_type_hints(hint).values():
            yield from walked(inner)
    for inner in get_args(hint):
        yield from walked(inner)


def apply(old: Config, new: Config) -> tuple[Config, int]:
    delta = pickle.loads(pickle.dumps(make_delta(old, new, 1, 2)))
    reader = DeltaReader(old, delta)
    while reader.step():
        pass
    return reader.result(), len(delta.parts)


def config(*groups: VrrpSyncGroup, router_id: str = "r") -> Config:
    return Config(globals=GlobalDefs(router_id=router_id), vrrp_sync_groups=groups)


def test_an_equal_configuration_sends_nothing_and_keeps_every_object():
    old = config(group("a", "x"), group("b", "y"))
    new = config(group("a", "x"), group("b", "y"))
    result, parts = apply(old, new)
    assert parts == 0
    assert result.vrrp_sync_groups is old.vrrp_sync_groups
    assert result.globals is old.globals


def test_lines_that_moved_inside_a_block_are_sent():
    """A blank line before the second real server: equal in all but its position, and that of its checker."""

    def server(line: int) -> RealServer:
        check = BfdCheck(name="b", at=Span("f", line + 1))
        return RealServer(address=Ip.parse("10.0.0.2"), port=80, checkers=(check,), at=Span("f", line))

    first = RealServer(address=Ip.parse("10.0.0.1"), port=80, at=Span("f", 2))
    one, two = (
        Config(
            virtual_servers=(VirtualServer(address=Ip.parse("10.9.9.9"), real_servers=(first, last), at=Span("f", 1)),)
        )
        for last in (server(5), server(6))
    )
    result, parts = apply(one, two)
    assert parts == 1
    kept, moved = result.virtual_servers[0].real_servers
    assert kept is first
    assert (moved.at, moved.checkers[0].at) == (Span("f", 6), Span("f", 7))


def test_lines_that_moved_inside_an_instance_are_sent():
    def instance(line: int, priority_line: int) -> VrrpInstance:
        vip = IpAddress(address=Ip.parse("10.0.0.9"), prefix_length=32, at=Span("f", line))
        where = {"priority": Span("f", priority_line)}
        return VrrpInstance(name="a", virtual_router_id=51, virtual_addresses=(vip,), positions=where, at=Span("f", 1))

    before = Config(vrrp_instances=(instance(5, 2),))
    assert apply(before, Config(vrrp_instances=(instance(5, 2),))) == (before, 0)
    for line, priority_line in ((6, 2), (5, 3)):
        result, parts = apply(before, Config(vrrp_instances=(instance(line, priority_line),)))
        assert parts == 1
        [told] = result.vrrp_instances
        assert told.virtual_addresses[0].at == Span("f", line)
        assert told.positions["priority"] == Span("f", priority_line)


def test_every_part_of_a_configuration_can_be_looked_into():
    """No class of the model hides a position from the comparison."""
    blind = {
        kind.__name__: field.name
        for kind in set(walked(Config))
        for field in fields(kind)
        if field.compare and set(walked(get_type_hints(kind)[field.name])) and not _looks(kind)[1](Mock(kind))
    }
    assert blind == {}


def test_only_the_changed_element_is_sent():
    old = config(*(group(f"g{number}", "x") for number in range(100)))
    changed = list(old.vrrp_sync_groups)
    changed[40] = group("g40", "x", "z")
    result, parts = apply(old, replace(old, vrrp_sync_groups=tuple(changed)))
    assert parts == 1
    assert result.vrrp_sync_groups[40].members == ("x", "z")
    assert all(result.vrrp_sync_groups[n] is old.vrrp_sync_groups[n] for n in range(100) if n != 40)


def test_insertion_removal_and_order_without_sending_the_rest():
    old = config(group("a"), group("b"), group("c"))
    new = config(group("c"), group("new"), group("a"))
    result, parts = apply(old, new)
    assert parts == 1
    assert [g.name for g in result.vrrp_sync_groups] == ["c", "new", "a"]
    assert result.vrrp_sync_groups[0] is old.vrrp_sync_groups[2]


def test_a_moved_line_is_a_change_because_why_cites_it():
    result, parts = apply(config(group("a", line=1)), config(group("a", line=7)))
    assert parts == 1
    assert result.vrrp_sync_groups[0].at == Span("f", 7)


def test_elements_that_are_equal_twice():
    same = Ip.parse("192.0.2.1")
    first = BfdInstance(name="x", neighbor=same)
    old = replace(config(), bfd_instances=(first, first))
    result, _ = apply(old, replace(config(), bfd_instances=(first,)))
    assert result.bfd_instances == (first,)


def server(number: int, weight: int = 1, line: int = 0) -> RealServer:
    address = Ip.parse(f"10.0.{number // 250}.{number % 250 + 1}")
    return RealServer(address=address, port=80, weight=weight, at=Span("f", line or number))


def service(*servers: RealServer, quorum: int = 1, port: int = 80) -> VirtualServer:
    return VirtualServer(address=Ip.parse("10.1.0.1"), port=port, real_servers=servers, quorum=quorum)


def sent(old: Config, new: Config) -> int:
    return len(pickle.dumps(make_delta(old, new, 1, 2)))


def test_real_servers_that_stay_are_not_sent_with_their_virtual_server():
    old = replace(config(), virtual_servers=(service(*(server(n) for n in range(1000))),))
    changed = [server(n) for n in range(1000) if n != 7]
    changed[500] = server(501, weight=9)
    changed.insert(3, server(2000))
    new = replace(old, virtual_servers=(service(*changed, quorum=5),))
    result, parts = apply(old, new)
    assert parts == 1
    assert result.virtual_servers == new.virtual_servers
    before, after = old.virtual_servers[0].real_servers, result.virtual_servers[0].real_servers
    assert len(after) == 1000
    assert sum(one is two for one in after for two in before) == 998
    assert [one.at for one in after] == [one.at for one in changed]
    assert sent(old, new) < 10_000 < len(pickle.dumps(new))


def test_a_real_server_on_another_line_is_sent_and_one_service_is_not_taken_for_another():
    old = replace(config(), virtual_servers=(service(server(1)), service(server(1), port=81)))
    new = replace(
        config(), virtual_servers=(service(server(1, line=9), quorum=2), service(server(1, weight=3), port=82))
    )
    result, parts = apply(old, new)
    assert parts == 2
    assert result.virtual_servers == new.virtual_servers
    assert result.virtual_servers[0].real_servers[0].at == Span("f", 9)


def test_changed_globals_are_sent_whole():
    result, parts = apply(config(router_id="a"), config(router_id="b"))
    assert parts == 1
    assert result.globals.router_id == "b"


groups = st.lists(
    st.builds(group, st.sampled_from("abcdef"), st.sampled_from("xyz"), line=st.integers(1, 2)), max_size=6
)


@settings(max_examples=200, deadline=None)
@given(groups, groups, st.sampled_from("rs"), st.sampled_from("rs"))
def test_the_child_always_ends_with_the_parents_configuration(before, after, old_id, new_id):
    old, new = config(*before, router_id=old_id), config(*after, router_id=new_id)
    result, _ = apply(old, new)
    assert result == new
    assert [g.at for g in result.vrrp_sync_groups] == [g.at for g in new.vrrp_sync_groups]
