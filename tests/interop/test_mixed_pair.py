"""A pair of one node of ours and one of the C daemon, in both roles and every way adverts travel.

The same conversation for each: election, crash, return and preemption, orderly handover. The VIP is
where the master is.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pykeepalived.lab.node import Node
from tests.interop.conftest import MakePair, Pair

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(180)]

VIP4, VIP6 = "192.0.2.100", "2001:db8:77::100"


@dataclass(frozen=True)
class Mode:
    """One way of speaking VRRP: extra lines of the instance, the VIPs, and how a unicast peer is named."""

    name: str
    lines: str
    addresses: tuple[str, ...] = (f"{VIP4}/24",)
    unicast: tuple[str, str] | None = None

    @property
    def vip(self) -> str:
        return self.addresses[-1].split("/")[0]

    def config(self, host: str, priority: int) -> str:
        peers = ""
        if self.unicast:
            own, peer = self.unicast if host == "a" else self.unicast[::-1]
            peers = f"unicast_src_ip {own}\n  unicast_peer {{\n    {peer}\n  }}"
        vips = "\n    ".join(self.addresses)
        return (
            f"vrrp_instance VI_1 {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n  priority {priority}\n"
            f"  {self.lines}\n  {peers}\n  virtual_ipaddress {{\n    {vips}\n  }}\n}}\n"
        )


V3 = "version 3\n  advert_int 0.2"
V2 = "version 2\n  advert_int 1"
PASS = f"{V2}\n  authentication {{\n    auth_type PASS\n    auth_pass secret12\n  }}"
AH = f"{V2}\n  authentication {{\n    auth_type AH\n    auth_pass secret12\n  }}"
IP6 = ("fe80::100/64", f"{VIP6}/64")
MODES = [
    Mode("v2", V2),
    Mode("v3", V3),
    Mode("v3-ipv6", V3, IP6),
    Mode("v2-unicast", V2, unicast=("192.0.2.1", "192.0.2.2")),
    Mode("v3-unicast", V3, unicast=("192.0.2.1", "192.0.2.2")),
    Mode("v3-ipv6-unicast", V3, (f"{VIP6}/64",), ("2001:db8:77::1", "2001:db8:77::2")),
    Mode("v2-pass", PASS),
    Mode("v2-ah", AH),
    Mode("v3-vmac", f"{V3}\n  use_vmac"),
]


def only_master(pair: Pair, node: Node, vip: str) -> bool:
    """This node alone is master, and the address is on it and not on the other."""
    other = pair.b if node is pair.a else pair.a
    return pair.masters() == [node.name] and holds(node, vip) and not holds(other, vip)


def holds(node: Node, vip: str) -> bool:
    """The address is on any interface of the node (a VMAC has its own)."""
    return f" {vip}/" in node.namespace.ip("-o", "address", "show", check=False)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.keyword("vrrp_instance/priority")
@pytest.mark.keyword("vrrp_instance/version")
@pytest.mark.keyword("vrrp_instance/authentication/auth_type")
@pytest.mark.keyword("vrrp_instance/unicast_peer")
def test_election_crash_return_and_handover(
    mode: Mode, make_pair: MakePair, programs: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    pair = make_pair(mode.config("a", 150), mode.config("b", 100), *programs)
    a, b = pair.a, pair.b
    a.start()
    b.start()
    assert pair.wait(lambda: only_master(pair, a, mode.vip)), f"a was not elected\n{pair.log()}"
    pair.pause(2.0)
    assert only_master(pair, a, mode.vip), f"the election did not last\n{pair.log()}"

    a.kill()
    a.namespace.carrier("eth0", False)
    assert pair.wait(lambda: pair.masters() == ["b"] and holds(b, mode.vip)), f"b did not take over\n{pair.log()}"

    a.namespace.carrier("eth0", True)
    a.start()
    assert pair.wait(lambda: only_master(pair, a, mode.vip)), f"a did not preempt\n{pair.log()}"

    assert a.stop() == 0
    assert pair.wait(lambda: only_master(pair, b, mode.vip)), f"no orderly handover\n{pair.log()}"
    assert b.stop() == 0
    assert not holds(a, mode.vip) and not holds(b, mode.vip)
