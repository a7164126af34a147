"""dynamic_interfaces: an interface vanishes and comes back as another kind of interface, with and without a VMAC on it,
or where another instance of the same VRID is already.

The same steps with ours and with the C daemon, and the same outcome at each; with a VMAC ours alone, because
keepalived 2.2.7 does not always find its way back then."""

from __future__ import annotations

import pytest

from pykeepalived.lab.net import Namespace
from pykeepalived.lab.node import OURS, Node
from tests.interop.conftest import C_DAEMON, MakePair, Pair

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(120)]

VIP = "203.0.113.100"


def make(host: Namespace, kind: str) -> None:
    """The interface if1, of another kind each time."""
    lines = {
        "veth": ["link add if1 type veth peer name far1", "link set far1 up"],
        "macvlan": ["link add if1 link eth0 type macvlan mode bridge"],
        "bridge": [
            "link add port type veth peer name far2",
            "link add if1 type bridge",
            "link set port master if1",
            "link set port up",
            "link set far2 up",
        ],
    }
    for line in (*lines[kind], "link set if1 up", "address add 203.0.113.1/24 dev if1"):
        host.ip(*line.split())


def placed(node: Node) -> list[str]:
    """Where the virtual address is, and what the VMAC stands on."""
    lines = node.namespace.ip("-o", "-4", "address", "show").splitlines()
    links = node.namespace.ip("-o", "link", "show", "type", "macvlan").splitlines()
    names = [line.split(":")[1].strip() for line in links]
    return [line.split()[1] for line in lines if VIP in line] + [name for name in names if name.startswith("vrrp")]


@pytest.mark.parametrize(
    ("program", "vmac"),
    [(OURS, ""), (C_DAEMON, ""), (OURS, "use_vmac")],
    ids=["plain-ours", "plain-c", "vmac-ours"],
)
@pytest.mark.keyword("global_defs/dynamic_interfaces")
def test_interface_comes_back_as_another_kind(make_pair: MakePair, program: tuple[str, ...], vmac: str) -> None:
    config = (
        "global_defs {\n  dynamic_interfaces allow_if_changes\n}\n"
        "vrrp_instance VI_1 {\n  interface if1\n  virtual_router_id 51\n"
        f"  priority 150\n  version 3\n  advert_int 0.1\n  {vmac}\n  virtual_ipaddress {{\n    {VIP}\n  }}\n}}\n"
    )
    pair: Pair = make_pair(config, "", program, C_DAEMON)
    host = pair.a.namespace

    def settles(state: str, place: list[str]) -> None:
        def settled() -> bool:
            return pair.a.states.get("VI_1") == state and placed(pair.a) == place

        assert pair.wait(settled), f"{placed(pair.a)}\n{pair.log()}"

    make(host, "veth")
    pair.a.start()
    for kind in ("veth", "macvlan", "bridge"):
        if "if1" not in host.ip("-o", "link", "show"):
            make(host, kind)
        below = "eth0" if kind == "macvlan" else "if1"
        settles("MASTER", ["vrrp.51", f"vrrp.51@{below}"] if vmac else ["if1"])
        host.ip("link", "del", "if1")
        for port in ("port", "far1"):
            host.ip("link", "del", port, check=False)
        settles("FAULT", [])


def macvlan(host: Namespace, number: int, base: str) -> None:
    """The interface mN, made anew above `base`."""
    host.ip("link", "del", f"m{number}", check=False)
    host.ip("link", "add", f"m{number}", "link", base, "type", "macvlan", "mode", "bridge")
    host.ip("link", "set", f"m{number}", "up")
    host.ip("address", "add", f"203.0.{113 + number}.1/24", "dev", f"m{number}")


@pytest.mark.parametrize("program", [OURS, C_DAEMON], ids=["ours", "c"])
@pytest.mark.keyword("vrrp_instance/virtual_router_id")
@pytest.mark.keyword("global_defs/dynamic_interfaces")
def test_instances_that_come_to_meet(make_pair: MakePair, program: tuple[str, ...]) -> None:
    """The newcomer is in FAULT until it stands elsewhere again. keepalived 2.2.7 leaves it there when the other one
    goes; ours takes its place."""
    config = "global_defs {\n  dynamic_interfaces allow_if_changes\n}\n" + "".join(
        f"vrrp_instance VI_{number} {{\n  interface m{number}\n  virtual_router_id 51\n  priority 150\n  version 3\n"
        f"  advert_int 0.1\n  virtual_ipaddress {{\n    203.0.{113 + number}.100\n  }}\n}}\n"
        for number in (0, 1)
    )
    pair: Pair = make_pair(config, "", program, C_DAEMON)
    host = pair.a.namespace
    pair.net.attach(host, "eth1", "other")

    def settles(*states: str) -> None:
        held = [number for number, state in enumerate(states) if state == "MASTER"]

        def settled() -> bool:
            lines = host.ip("-o", "-4", "address", "show")
            present = [number for number in (0, 1) if f"203.0.{113 + number}.100/" in lines]
            return [pair.a.states.get(f"VI_{number}") for number in (0, 1)] == list(states) and present == held

        assert pair.wait(settled), f"{host.ip('address')}\n{pair.log()}"

    macvlan(host, 0, "eth0")
    macvlan(host, 1, "eth1")
    pair.a.start()
    settles("MASTER", "MASTER")
    macvlan(host, 1, "eth0")
    settles("MASTER", "FAULT")
    assert pair.wait(lambda: pair.a.said("VRID conflict between VI_1 and VI_0 IPv4 vrid 51")), pair.log()
    pair.pause(1.5)
    settles("MASTER", "FAULT")
    macvlan(host, 1, "eth1")
    settles("MASTER", "MASTER")
    if program == OURS:
        macvlan(host, 1, "eth0")
        settles("MASTER", "FAULT")
        host.ip("link", "del", "m0")
        settles("FAULT", "MASTER")
        macvlan(host, 0, "eth0")
        settles("FAULT", "MASTER")
