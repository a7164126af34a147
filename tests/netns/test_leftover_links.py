"""The whole daemon is killed, and its successor has another configuration: links of the former that nobody wants go,
those that are wanted stay as they are, those of others are never touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, has, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

FIRST = instance(150, "use_vmac")
SECOND = instance(150, "use_vmac", "VI_2", 52, "192.0.2.200/32")
NOTHING = "global_defs {\n  router_id none\n}\n"
FOREIGN = "link add vrrp.53 link eth0 address 00:00:5e:00:01:35 type macvlan mode private"


def links(node: Node) -> dict[str, int]:
    """Macvlans: name -> index."""
    found = (line.split(":") for line in node.namespace.ip("-o", "link", "show", "type", "macvlan").splitlines())
    return {words[1].split("@")[0].strip(): int(words[0]) for words in found}


def parameter(node: Node) -> str:
    return node.namespace.run("sysctl", "-n", "net.ipv4.conf.eth0.arp_ignore").strip()


@pytest.fixture
def killed(lan: Lan) -> Node:
    """A master of two instances, killed with all its processes, beside a macvlan of somebody's."""
    a = lan.host(FIRST + SECOND)
    a.namespace.ip(*FOREIGN.split())
    a.start()
    lan.wait(lambda: lan.is_master(a) and lan.is_master(a, "VI_2"))
    a.kill()
    assert set(links(a)) == {"vrrp.51", "vrrp.52", "vrrp.53"}
    assert parameter(a) == "1"
    return a


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_unwanted_goes_and_wanted_stays(lan: Lan, killed: Node) -> None:
    before = links(killed)
    killed.config.write_text(FIRST)
    killed.start()
    lan.wait(lambda: lan.is_master(killed))
    assert killed.said("Removing macvlan interface vrrp.52 of a killed predecessor")
    assert links(killed) == {name: before[name] for name in ("vrrp.51", "vrrp.53")}
    assert killed.stop() == 0
    assert set(links(killed)) == {"vrrp.53"}
    assert not (killed.directory / "parent.links").exists()


def test_nothing_stays_when_no_vrrp_is_left(lan: Lan, killed: Node) -> None:
    killed.config.write_text(NOTHING)
    killed.start()
    lan.wait(lambda: set(links(killed)) == {"vrrp.53"})
    lan.wait(lambda: parameter(killed) == "0" and killed.namespace.run("nft", "list", "ruleset") == "")
    assert not list(killed.directory.glob("parent.*s"))
    assert killed.alive


def test_name_taken_by_somebody_since_is_theirs(lan: Lan, killed: Node) -> None:
    for name, last in (("vrrp.51", "33"), ("vrrp.52", "34")):
        killed.namespace.ip("link", "del", name)
        killed.namespace.ip(*FOREIGN.replace("vrrp.53", name).replace(":35", f":{last}").split())
    before = links(killed)
    killed.config.write_text(instance(150))
    killed.start()
    lan.wait(lambda: lan.is_master(killed))
    assert links(killed) == before
    killed.stop()
    assert links(killed) == before


def test_other_mac_address_under_the_same_name(lan: Lan, killed: Node) -> None:
    """The configured name stays, but the link cannot: it is of another virtual router now."""
    before = links(killed)
    killed.config.write_text(instance(150, "use_vmac vrrp.51", "VI_9", 59))
    killed.start()
    lan.wait(lambda: lan.is_master(killed, "VI_9") and has(killed, "192.0.2.100", "vrrp.51"))
    assert set(links(killed)) == {"vrrp.51", "vrrp.53"}
    assert links(killed)["vrrp.51"] != before["vrrp.51"]
    assert "00:00:5e:00:01:3b" in killed.namespace.ip("link", "show", "vrrp.51")


def test_lookalike_in_another_namespace_stays(lan: Lan, killed: Node) -> None:
    """The next daemon with these files runs elsewhere, where a link is in every respect like the one noted."""
    b = lan.host(instance(100))
    index = str(links(killed)["vrrp.52"])
    line = FOREIGN.replace("vrrp.53", "vrrp.52").replace(":35", ":34")
    b.namespace.ip(*line.replace("link add", f"link add index {index}").split())
    before = links(b)
    assert before["vrrp.52"] == int(index)
    assert (killed.directory / "parent.links").exists()
    elsewhere = replace(b, directory=killed.directory)
    lan.nodes["b"] = elsewhere
    elsewhere.start()
    lan.wait(lambda: lan.is_master(elsewhere))
    assert links(elsewhere) == before
    assert set(links(killed)) == {"vrrp.51", "vrrp.52", "vrrp.53"}


def test_two_lives_later(lan: Lan, killed: Node) -> None:
    """The successor knows what its predecessor took over from its own."""
    before = links(killed)
    killed.start()
    lan.wait(lambda: lan.is_master(killed) and lan.is_master(killed, "VI_2"))
    killed.kill()
    assert links(killed) == before
    killed.config.write_text(instance(150))
    killed.start()
    lan.wait(lambda: lan.is_master(killed))
    assert set(links(killed)) == {"vrrp.53"}
