"""What a master leaves in the kernel is what keepalived 2.4.3 left there in the recordings no-accept-nft and
vmac-nft-sysctl: nftables, kernel parameters, addresses and multicast groups (`recorded/`, hosts as in tests/wire)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, has
from tests.rulesets import blocks

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
RECORDED = Path(__file__).parent / "recorded"

NO_ACCEPT = """vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  version 3
  advert_int 0.1
  no_accept
  virtual_ipaddress {
    192.0.2.100
  }
  virtual_ipaddress_excluded {
    2001:db8:77::200/64
    fe80::200/64
  }
}
"""

VMAC = """vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  version 3
  advert_int 0.1
  use_vmac
  virtual_ipaddress {
    192.0.2.100
  }
}
vrrp_instance VI_6 {
  state BACKUP
  interface eth0
  virtual_router_id 61
  priority 150
  advert_int 0.1
  use_vmac
  virtual_ipaddress {
    fe80::100
    2001:db8:77::100/64
  }
}
"""


def ruleset(node: Node) -> dict[str, list[str]]:
    return blocks(node.namespace.run("nft", "list", "ruleset"))


def recorded_ruleset(name: str) -> dict[str, list[str]]:
    return blocks((RECORDED / name).read_text())


@pytest.mark.parametrize("words", ["", "vrrp_iptables\n  vrrp_ipsets"], ids=["default", "iptables"])
@pytest.mark.keyword("vrrp_instance/no_accept")
@pytest.mark.keyword("global_defs/vrrp_iptables")
@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_ruleset_of_no_accept(lan: Lan, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where iptables is not installed, it is answered with keepalived's message and nftables."""
    (tmp_path / "bin").mkdir()
    for name in ("ip", "nft", "bridge", "sysctl"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    a = lan.host(f"global_defs {{\n  {words}\n}}\n{NO_ACCEPT}")
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, "fe80::200"))
    assert a.said("iptables not supported, using nftables instead") is bool(words)
    wanted = recorded_ruleset("no-accept-ruleset.txt")
    # without a VMAC nothing is ever in the set of this rule
    wanted["table ip6 keepalived / chain out"].remove(
        'icmpv6 type nd-neighbor-advert meta oifkind "macvlan" ip6 saddr . oifname @parent_link_local drop'
    )
    assert ruleset(a) == wanted


def groups(text: str) -> set[tuple[str, str, str]]:
    """Interface, family and address of every line of `ip maddress`."""
    found = set()
    interface = ""
    for line in text.splitlines():
        if head := re.match(r"\d+:\t(\S+)$", line):
            interface = head[1]
        elif entry := re.match(r"\t(link|inet6?)  ?(\S+)", line):
            found.add((interface, entry[1], entry[2]))
    return found


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_kernel_of_vmacs(lan: Lan) -> None:
    a = lan.host(VMAC)
    a.start()
    lan.wait(lambda: has(a, "192.0.2.100", "vrrp.51") and has(a, "2001:db8:77::100", "vrrp.61"))
    lan.wait(lambda: lan.is_master(a) and lan.is_master(a, "VI_6"))
    assert ruleset(a) == recorded_ruleset("vmac-ruleset.txt")
    recorded = (RECORDED / "vmac-net.txt").read_text()
    for line in recorded.splitlines():
        name, equals, value = line.partition(" = ")
        if equals and name.startswith("net."):
            path = name.replace("vrrp.", "vrrp/")
            assert a.namespace.run("sysctl", "-n", path).strip() == value, name
    wanted = {entry for entry in groups(recorded) if entry[0] != "lo"}
    assert {entry for entry in groups(a.namespace.ip("maddress", "show")) if entry[0] != "lo"} == wanted
    text = "".join(a.namespace.ip("address", "show", "dev", name) for name in ("vrrp.51", "vrrp.61"))
    assert {"192.0.2.100/32", "2001:db8:77::100/64", "fe80::100/128", "fe80::a/64"} == {
        line.split()[1] for line in text.splitlines() if line.strip().startswith("inet")
    }
    for address in ("fe80::100/128", "fe80::a/64"):
        assert f"inet6 {address} scope link nodad deprecated" in text
