"""Runs in a guest: a daemon of ours (host a, priority 150) and Debian's keepalived (host b, priority 100) with the same
instances on a VLAN, in a VRF, with ipvlan and on a dummy interface. Prints what was seen as JSON.

The kinds of interface here are those that a kernel in a container often lacks. test_interfaces.py judges.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import OURS, Node, watch

BOTH = ("vlan", "vlanmac", "vrf", "vrfmac", "ipvlan", "dummy")
SECONDS = 60


def block(name: str, vrid: int, priority: int, lines: str, vip: str) -> str:
    return (
        f"vrrp_instance {name} {{\n  virtual_router_id {vrid}\n  priority {priority}\n  version 3\n  advert_int 0.5\n"
        f"  {lines}\n  virtual_ipaddress {{\n    {vip}\n  }}\n}}\n"
    )


def config(own: int, priority: int) -> str:
    return "".join(
        (
            "global_defs {\n  nftables\n}\n",
            block("vlan", 11, priority, "interface eth0.10", "198.18.10.100/24"),
            block("vlanmac", 12, priority, "interface eth0.10\n  use_vmac", "198.18.10.101/24"),
            block("vrf", 13, priority, "interface eth1", "198.18.1.100/24"),
            block("vrfmac", 14, priority, "interface eth1\n  use_vmac", "198.18.1.101/24"),
            block("ipvlan", 16, priority, f"interface eth2\n  use_ipvlan 198.18.2.{own + 10}/24", "198.18.2.100/24"),
            block("dummy", 17, priority, "interface eth3", "198.18.3.100/32 dev dummy0"),
        )
    )


def config_of_ours() -> str:
    """What the other program does not know, or has nobody to talk to about."""
    unicast = "vrf red\n  unicast_src_ip 198.18.1.1\n  unicast_peer {\n    198.18.1.2\n  }"
    return "".join(
        (
            block("vrfuni", 15, 150, unicast, "198.18.1.102/24 dev eth1"),
            block("lonely", 18, 150, "interface dummy0", "198.18.4.101/32"),
            block("mute", 19, 150, "interface dummy1", "198.18.4.102/32"),
        )
    )


def build(net: Network, name: str, own: int) -> Namespace:
    host = net.namespace(name)
    for number in range(4):
        net.attach(host, f"eth{number}", f"lan{number}", [f"198.18.{number}.{own}/24"], f"02:00:00:00:0{number}:0{own}")
    for line in (
        "link add link eth0 name eth0.10 type vlan id 10",
        "link set eth0.10 up",
        f"address add 198.18.10.{own}/24 dev eth0.10",
        "link add red type vrf table 100",
        "link set red up",
        "link set eth1 master red",
        "link add dummy0 type dummy",
        "link set dummy0 multicast on up",
        f"address add 198.18.4.2{own}/32 dev dummy0",
        "link add dummy1 type dummy",
        "link set dummy1 up",
        f"address add 198.18.4.3{own}/32 dev dummy1",
    ):
        host.ip(*line.split())
    return host


def addresses(host: Namespace) -> dict[str, str]:
    """Virtual address -> interface."""
    found = {}
    for line in host.ip("-o", "-4", "address", "show").splitlines():
        words = line.split()
        if words[3].split("/")[0].split(".")[3].startswith("10"):
            found[words[3]] = words[1]
    return found


def main() -> None:
    directory = Path(sys.argv[1])
    seen: dict[str, object] = {}
    with network("pkvm") as net:
        a = Node("a", build(net, "a", 1), directory / "a.conf", directory / "a", OURS)
        b = Node("b", build(net, "b", 2), directory / "b.conf", directory / "b", ("keepalived",))
        a.config.write_text(config(1, 150) + config_of_ours())
        b.config.write_text(config(2, 100))

        def wait(what: str, *wanted: tuple[Node, str], names: tuple[str, ...] = BOTH) -> None:
            def reached() -> bool:
                return all(node.states.get(name) == state for node, state in wanted for name in names)

            def over() -> bool:
                return reached() or not all(node.alive for node, _ in wanted)

            seen[what] = watch([a, b], over, SECONDS) and reached()

        b.start()
        wait("b alone", (b, "MASTER"))
        a.start()
        wait("a preempts", (a, "MASTER"), (b, "BACKUP"))
        wait("alone", (a, "MASTER"), names=("vrfuni", "lonely"))
        seen["mute"] = a.states.get("mute")
        seen["addresses a"], seen["addresses b"] = addresses(a.namespace), addresses(b.namespace)
        links = json.loads(a.namespace.ip("-d", "-j", "link", "show"))
        seen["links"] = {
            link["ifname"]: {
                "kind": link.get("linkinfo", {}).get("info_kind"),
                "parent": link.get("link"),
                "master": link.get("master"),
                "mac": link["address"],
            }
            for link in links
        }
        seen["status"] = a.stop(30)
        wait("b again", (b, "MASTER"))
        seen["left addresses"] = addresses(a.namespace)
        seen["left links"] = sorted(link["ifname"] for link in json.loads(a.namespace.ip("-j", "link", "show")))
        b.stop(30)
        seen["log a"] = [line for _, line in a.lines]
        seen["log b"] = [line for _, line in b.lines]
    print(json.dumps(seen))


main()
