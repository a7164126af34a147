"""Instances of one VRID that meet on one base interface because an interface came back elsewhere."""

from __future__ import annotations

import pytest

from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, ip, view, vip

BASES = (interface("e0", 2), interface("e1", 3))
MACS = {"m0": "02000000000b", "m1": "02000000000c"}
CONFLICT = "VRID conflict between VI_1 and VI_0 IPv4 vrid 51"


def macvlan(name: str, parent: str, index: int) -> inputs.Interface:
    return interface(name, index, MACS[name], parent=parent)


def two(**more: object) -> tuple[Lan, Node]:
    """VI_0 on m0 above e0, VI_1 on m1 above e1."""
    lan = Lan()
    items = [
        instance(
            f"VI_{number}",
            interface=f"m{number}",
            virtual_addresses=(vip(f"10.0.{number}.100", f"m{number}"),),
            **(more if number else {}),
        )
        for number in (0, 1)
    ]
    machine = view(
        address("10.0.0.1/24", "m0"),
        address("10.0.1.1/24", "m1"),
        interfaces=(*BASES, macvlan("m0", "e0", 4), macvlan("m1", "e1", 5)),
    )
    return lan, lan.node("a", config(*items), machine)


def move(node: Node, name: str, parent: str, index: int) -> None:
    """The macvlan is made anew on another interface."""
    if node.router._machine.link(name).exists:
        node.receive(inputs.InterfaceRemoved(name))
    node.receive(inputs.InterfaceChanged(macvlan(name, parent, index)))
    node.receive(inputs.AddressAdded(address(f"10.0.{name[1]}.1/24", name)))


def states(node: Node) -> list[str]:
    return [node.state("VI_0"), node.state("VI_1")]


def test_apart_they_are_both_masters() -> None:
    lan, a = two()
    lan.run(5)
    assert states(a) == ["MASTER", "MASTER"]


def test_newcomer_is_in_fault_as_long_as_they_meet() -> None:
    lan, a = two()
    lan.run(5)
    move(a, "m1", "e0", 6)
    lan.run(5)
    assert states(a) == ["MASTER", "FAULT"]
    assert a.log().count(CONFLICT) == 1
    shown = a.snapshot("VI_1")
    assert shown.duplicate_vrid
    assert shown.fault_flags == ("duplicate VRID",)
    assert [(cause.fact, cause.subject, cause.detail) for cause in shown.faults] == [("vrid_conflict", "VI_0", "on e0")]
    assert a.snapshot("VI_0").faults == ()
    move(a, "m1", "e1", 7)
    assert states(a) == ["MASTER", "BACKUP"]
    lan.run(5)
    assert states(a) == ["MASTER", "MASTER"]
    assert not a.snapshot("VI_1").duplicate_vrid


def test_one_that_waits_takes_the_place_of_one_that_goes() -> None:
    lan, a = two()
    lan.run(5)
    move(a, "m1", "e0", 6)
    a.receive(inputs.InterfaceRemoved("m0"))
    assert states(a) == ["FAULT", "BACKUP"]
    lan.run(5)
    assert states(a) == ["FAULT", "MASTER"]
    move(a, "m0", "e0", 7)
    lan.run(5)
    assert states(a) == ["FAULT", "MASTER"]
    assert "VRID conflict between VI_0 and VI_1 IPv4 vrid 51" in a.log()


def test_nothing_of_the_newcomer_goes_out() -> None:
    lan, a = two()
    lan.run(5)
    a.receive(inputs.InterfaceRemoved("m1"))
    sent, done = len(lan.wire), len(a.operations())
    move(a, "m1", "e0", 6)
    lan.run(5)
    assert {item.flow.instance for item in lan.wire[sent:]} == {"VI_0"}
    assert not [item for item in a.operations()[done:] if isinstance(item, fx.AddAddress)]


@pytest.mark.parametrize(
    "more",
    [
        {"virtual_router_id": 52},
        {"mcast_dst_ip": ip("224.0.0.99")},
        {"family": 6, "virtual_addresses": (vip("fe80::100", "m1"),)},
    ],
    ids=["vrid", "group", "family"],
)
def test_other_routers_may_meet(more: dict[str, object]) -> None:
    lan = Lan()
    items = [
        instance("VI_0", interface="m0", virtual_addresses=(vip("10.0.0.100", "m0"),)),
        instance("VI_1", interface="m1", **{"virtual_addresses": (vip("10.0.1.100", "m1"),), **more}),
    ]
    machine = view(
        address("10.0.0.1/24", "m0"),
        address("10.0.1.1/24", "m1"),
        address("fe80::1/64", "m1"),
        interfaces=(*BASES, macvlan("m0", "e0", 4), macvlan("m1", "e0", 5)),
    )
    a = lan.node("a", config(*items), machine)
    lan.run(5)
    assert states(a) == ["MASTER", "MASTER"]


def test_at_start_the_first_one_runs() -> None:
    _, a = two()
    machine = view(
        address("10.0.0.1/24", "m0"),
        address("10.0.1.1/24", "m1"),
        interfaces=(*BASES, macvlan("m0", "e0", 4), macvlan("m1", "e0", 5)),
    )
    b = Lan().node("b", a.config, machine)
    assert states(b) == ["BACKUP", "FAULT"]
    assert CONFLICT in b.log()


def test_reload_that_takes_one_away_frees_the_other() -> None:
    lan, a = two()
    lan.run(5)
    move(a, "m1", "e0", 6)
    machine = view(address("10.0.1.1/24", "m1"), interfaces=(*BASES, macvlan("m1", "e0", 6)))
    a.receive(inputs.Reload(config(a.config.vrrp_instances[1]), machine))
    assert a.state("VI_1") == "BACKUP"


def test_interface_that_moved_while_events_were_lost() -> None:
    lan, a = two()
    lan.run(5)
    machine = view(
        address("10.0.0.1/24", "m0"),
        address("10.0.1.1/24", "m1"),
        interfaces=(*BASES, macvlan("m0", "e0", 4), macvlan("m1", "e0", 6)),
    )
    a.receive(inputs.Resynced(machine))
    lan.run(5)
    assert states(a) == ["MASTER", "FAULT"]
    assert CONFLICT in a.log()
