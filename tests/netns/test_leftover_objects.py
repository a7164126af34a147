"""The whole daemon is killed as master, and its successor has a configuration that does not name what it held: that
goes, what others have put beside it stays."""

from __future__ import annotations

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, has, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

HELD = """virtual_routes {
    10.9.0.0/16 via 192.0.2.254 dev eth0
  }
  virtual_rules {
    from 10.9.0.0/16 table 100 priority 77
  }
  virtual_ipaddress_excluded {
    2001:db8:77::200/64
  }"""
STATIC = "static_ipaddress {\n  203.0.113.9/32 dev eth0\n}\n"
FOREIGN = (
    "address add 192.0.2.151/32 dev eth0",
    "route add 10.8.0.0/16 via 192.0.2.254 dev eth0 proto 18",
    "rule add from 10.9.0.0/16 table 100 priority 78",
)
OURS = ("192.0.2.100/32", "2001:db8:77::200/64", "203.0.113.9/32", "10.9.0.0/16 via", "\n77:")
THEIRS = ("192.0.2.151/32", "10.8.0.0/16", "\n78:")


def found(node: Node, words: tuple[str, ...]) -> list[str]:
    host = node.namespace
    text = host.ip("address", "show", "dev", "eth0") + host.ip("route") + host.ip("rule")
    return [word for word in words if word in text]


@pytest.fixture
def killed(lan: Lan) -> Node:
    a = lan.host(STATIC + instance(150, HELD))
    a.start()
    lan.wait(lambda: lan.is_master(a) and found(a, OURS) == list(OURS))
    for line in FOREIGN:
        a.namespace.ip(*line.split())
    notes = a.directory / "parent.objects"
    lan.wait(lambda: notes.exists() and notes.read_text().count("\n+") == len(OURS))
    a.kill()
    assert found(a, OURS) == list(OURS)
    return a


@pytest.mark.parametrize(
    "config",
    [instance(100, name="VI_2", vrid=52, vip="192.0.2.200/32"), "global_defs {\n  router_id none\n}\n"],
    ids=["another-instance", "no-vrrp"],
)
def test_what_nobody_names_goes(lan: Lan, killed: Node, config: str) -> None:
    killed.config.write_text(config)
    killed.start()
    lan.wait(lambda: found(killed, OURS) == [])
    if "vrrp_instance" in config:
        lan.wait(lambda: has(killed, "192.0.2.200"))
    assert found(killed, THEIRS) == list(THEIRS)
    assert killed.stop() == 0
    assert found(killed, THEIRS) == list(THEIRS)
    assert not (killed.directory / "parent.objects").exists()


def test_what_was_given_up_is_somebodys(lan: Lan) -> None:
    """A node that has become backup is killed, and its operator takes the address over by hand."""
    a, b = lan.host(instance(100)), lan.host(instance(150))
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, "192.0.2.100"))
    b.start()
    lan.wait(lambda: lan.is_master(b) and not has(a, "192.0.2.100"))
    lan.wait(lambda: not (a.directory / "parent.objects").exists())
    a.kill()
    b.stop()
    a.namespace.ip("address", "add", "192.0.2.100/32", "dev", "eth0")
    a.config.write_text(instance(100, name="VI_2", vrid=52, vip="192.0.2.200/32"))
    a.start()
    lan.wait(lambda: has(a, "192.0.2.200"))
    assert has(a, "192.0.2.100")
