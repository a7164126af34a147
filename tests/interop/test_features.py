"""What both programs do beside the protocol, in a pair of one of ours and one of the C daemon: who is master under
trackers, delays and groups, and that both leave the same things in the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pykeepalived.lab.node import OURS, Node
from tests.interop.conftest import MakePair, Pair
from tests.rulesets import blocks

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(180)]

Programs = tuple[tuple[str, ...], tuple[str, ...]]
VIP = "192.0.2.100"


def block(priority: int, lines: str = "", name: str = "VI_1", vrid: int = 51, interface: str = "eth0") -> str:
    vip = f"192.0.2.{vrid + 49}" if interface == "eth0" else f"198.51.100.{vrid}"
    return (
        f"vrrp_instance {name} {{\n  state BACKUP\n  interface {interface}\n  virtual_router_id {vrid}\n"
        f"  priority {priority}\n  version 3\n  advert_int 0.2\n  {lines}\n"
        f"  virtual_ipaddress {{\n    {vip}/24\n  }}\n}}\n"
    )


def second_segment(pair: Pair) -> None:
    """Another interface for both hosts, on a segment of its own."""
    for last, node in enumerate((pair.a, pair.b), 1):
        pair.net.attach(node.namespace, "eth1", "second", [f"198.51.100.{last}/24"])


def start(pair: Pair) -> None:
    """Both run, and a is master."""
    pair.b.start()
    pair.a.start()
    assert pair.wait(lambda: pair.masters() == ["a"] and pair.b.states.get("VI_1") == "BACKUP"), pair.log()


def moves(pair: Pair, name: str) -> None:
    assert pair.wait(lambda: pair.masters() == [name]), f"{name} is not the only master\n{pair.log()}"


def both(config: Callable[[int], str], make_pair: MakePair, programs: Programs) -> Pair:
    return make_pair(config(150), config(100), *programs)


@pytest.mark.keyword("vrrp_sync_group/group")
def test_sync_group(make_pair: MakePair, programs: Programs) -> None:
    def config(priority: int) -> str:
        second = block(priority, name="VI_2", vrid=52, interface="eth1")
        return f"vrrp_sync_group G {{\n  group {{\n    VI_1\n    VI_2\n  }}\n}}\n{block(priority)}{second}"

    pair = both(config, make_pair, programs)
    second_segment(pair)
    start(pair)
    assert pair.wait(lambda: pair.a.states == {"VI_1": "MASTER", "VI_2": "MASTER"}), pair.log()
    pair.a.namespace.carrier("eth1", False)
    assert pair.wait(lambda: pair.b.states == {"VI_1": "MASTER", "VI_2": "MASTER"}), pair.log()
    assert pair.a.states == {"VI_1": "FAULT", "VI_2": "FAULT"}
    pair.a.namespace.carrier("eth1", True)
    assert pair.wait(lambda: pair.a.states == {"VI_1": "MASTER", "VI_2": "MASTER"}), pair.log()
    assert pair.wait(lambda: pair.b.states == {"VI_1": "BACKUP", "VI_2": "BACKUP"}), pair.log()


@pytest.mark.keyword("vrrp_instance/track_interface")
@pytest.mark.parametrize("weight", ["", "weight -60"], ids=["fault", "weight"])
def test_tracked_interface(make_pair: MakePair, programs: Programs, weight: str) -> None:
    lines = f"track_interface {{\n    eth1 {weight}\n  }}"
    pair = both(lambda priority: block(priority, lines), make_pair, programs)
    second_segment(pair)
    start(pair)
    pair.a.namespace.carrier("eth1", False)
    moves(pair, "b")
    assert pair.a.states["VI_1"] == ("BACKUP" if weight else "FAULT")
    pair.a.namespace.carrier("eth1", True)
    moves(pair, "a")


@pytest.mark.keyword("vrrp_instance/track_script")
@pytest.mark.parametrize("weight", [0, -60], ids=["fault", "weight"])
def test_tracked_script(make_pair: MakePair, programs: Programs, weight: int) -> None:
    pair = make_pair("", "", *programs)
    flag = pair.a.directory.parent / "flag"
    script = (
        f'global_defs {{\n  script_user root\n}}\nvrrp_script S {{\n  script "/usr/bin/test ! -e {flag}"\n'
        f"  interval 1\n  weight {weight}\n}}\n"
    )
    pair.a.config.write_text(script + block(150, "track_script {\n    S\n  }"))
    pair.b.config.write_text(block(100))
    start(pair)
    flag.touch()
    moves(pair, "b")
    assert pair.a.states["VI_1"] == ("BACKUP" if weight else "FAULT")
    assert pair.a.said("Script `S` now returning 1")
    flag.unlink()
    moves(pair, "a")


@pytest.mark.keyword("vrrp_instance/nopreempt")
def test_nopreempt(make_pair: MakePair, programs: Programs) -> None:
    pair = both(lambda priority: block(priority, "nopreempt"), make_pair, programs)
    pair.b.start()
    moves(pair, "b")
    pair.a.start()
    assert pair.wait(lambda: pair.a.states.get("VI_1") == "BACKUP"), pair.log()
    pair.pause(2)
    assert pair.masters() == ["b"]
    pair.b.stop()
    moves(pair, "a")


@pytest.mark.keyword("vrrp_instance/preempt_delay")
def test_preempt_delay(make_pair: MakePair, programs: Programs) -> None:
    pair = both(lambda priority: block(priority, "preempt_delay 3"), make_pair, programs)
    pair.b.start()
    moves(pair, "b")
    pair.a.start()
    moves(pair, "a")
    begin = next(at for at, line in pair.a.lines if "start preempt delay (3.000000)" in line)
    end = next(at for at, line in pair.a.lines if "(VI_1) Entering MASTER STATE" in line)
    assert 3 < (end - begin) / 1e9 < 8


OWNED = """no_accept
  virtual_ipaddress_excluded {
    192.0.2.200/32
    2001:db8:77::200/64
    fe80::200/64
  }
  virtual_routes {
    10.9.0.0/16 via 192.0.2.254 dev eth0
    10.8.0.0/16 dev eth0 metric 7 mtu 1400
    blackhole 10.7.0.0/16
    2001:db8:99::/64 via 2001:db8:77::254 dev eth0
  }
  virtual_rules {
    from 10.9.0.0/16 table 100 priority 77
    to 10.8.0.0/16 iif eth0 lookup 101 priority 78
  }"""


def owned(node: Node) -> list[str]:
    """Everything a master put into the kernel of its host, as the tools of the system print it."""
    host = node.namespace
    text = [
        host.ip("-o", "address", "show", "dev", "eth0"),
        host.ip("-4", "route", "show", "proto", "18"),
        host.ip("-6", "route", "show", "proto", "18"),
        host.ip("rule", "show"),
    ]
    own = re.compile(r"192\.0\.2\.[12]/24|2001:db8:77::[12]/64|fe80::[ab]/64")
    return [re.sub(r"^\d+: ", "", line) for line in "\n".join(text).splitlines() if not own.search(line)]


def left(node: Node) -> list[str]:
    """What is still there after the end; keepalived 2.3.3 forgets IPv6 routes without a metric."""
    found = owned(node)
    return found if node.program == OURS else [line for line in found if not line.startswith("2001:db8:99::/64 ")]


def ruleset(node: Node) -> dict[str, list[str]]:
    """nftables, without the set and the rule that newer releases keep for VMACs, of which there are none here."""
    found = blocks(node.namespace.run("nft", "list", "ruleset"))
    found.pop("table ip6 keepalived / set parent_link_local", None)
    return {name: [line for line in lines if "@parent_link_local" not in line] for name, lines in found.items()}


@pytest.mark.keyword("vrrp_instance/no_accept")
@pytest.mark.keyword("vrrp_instance/virtual_ipaddress_excluded")
@pytest.mark.keyword("vrrp_instance/virtual_routes")
@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_both_own_the_same(make_pair: MakePair, programs: Programs) -> None:
    pair = both(lambda priority: block(priority, OWNED), make_pair, programs)
    before = owned(pair.a)
    start(pair)
    pair.pause(1)
    of_a, rules_a = owned(pair.a), ruleset(pair.a)
    assert pair.a.stop() == 0
    assert left(pair.a) == before, "something was left behind"
    moves(pair, "b")
    pair.pause(1)
    of_b, rules_b = owned(pair.b), ruleset(pair.b)
    assert of_a == of_b
    assert rules_a == rules_b
    assert any("192.0.2.200/32" in line for line in of_a)
    assert any("10.7.0.0/16" in line for line in of_a)
    assert rules_a["table ip keepalived / set vips"][1:] == ["elements = { 192.0.2.100, 192.0.2.200 }"]
    assert "0 received" in pair.a.namespace.run("ping", "-c1", "-W1", VIP, check=False)
