"""Addresses, routes and rules with every word there is, put into the kernel by ours on one host and by the C daemon on
another: the tools of the system print the same, and nothing is left after our stop (keepalived 2.2.7 forgets addresses
with a peer)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pykeepalived.lab.net import LabError
from pykeepalived.lab.node import OURS, Node
from tests.interop.conftest import C_DAEMON, MakePair

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(120)]

ADDRESSES = """
192.0.2.100
192.0.2.101/24 label eth0:vip
192.0.2.102/24 brd 192.0.2.255
192.0.2.103/25 brd +
203.0.113.104/24 scope link
192.0.2.105 peer 192.0.2.205
192.0.2.106/24 noprefixroute
192.0.2.107/32 dev eth1 scope host
192.0.2.108/24 preferred_lft 0
192.0.2.109/24 preferred_lft forever
"""
ADDRESSES_6 = """
2001:db8:77::100/64
2001:db8:77::101
2001:db8:77::102 preferred_lft forever
2001:db8:77::103/64 preferred_lft 0
2001:db8:77::104/64 home
2001:db8:77::105/64 mngtmpaddr
2001:db8:77::106/64 -nodad
2001:db8:77::107/64 noprefixroute dev eth1
fe80::100/64
"""
ROUTES = """
10.1.0.0/16 via 192.0.2.254 dev eth0
10.2.0.0/16 dev eth0 scope link src 192.0.2.100
10.3.0.0/16 dev eth0 metric 7 mtu 1400 advmss 1300
10.3.0.0/16 dev eth0 metric 8 mtu lock 1400 hoplimit 33 window 9000
10.4.0.0/16 dev eth0 tos 0x10 table 100
10.5.0.0/16 dev eth0 rtt 300ms rttvar 200ms rto_min 400ms
10.6.0.0/16 dev eth0 cwnd 4 ssthresh 5 reordering 6 initcwnd 7 initrwnd 8
10.7.0.0/16 dev eth0 quickack 1 features ecn fastopen_no_cookie 1 congctl cubic
10.8.0.0/16 via 203.0.113.7 dev eth0 onlink
10.9.0.0/16 nexthop via 192.0.2.254 dev eth0 weight 3 nexthop dev eth1 weight 5
10.10.0.0/16 dev eth0 realms 5/6
blackhole 10.20.0.0/16
unreachable 10.21.0.0/16 metric 4
prohibit 10.22.0.0/16
throw 10.23.0.0/16 table 100
local 10.24.0.1 dev eth0 table 100 scope host
2001:db8:1::/64 via 2001:db8:77::254 dev eth0
2001:db8:2::/64 dev eth0 metric 33 mtu 1400
2001:db8:3::/64 via fe80::9 dev eth0 pref high src 2001:db8:77::100
2001:db8:4::/64 dev eth0 expires 900
blackhole 2001:db8:5::/64
unreachable 2001:db8:6::/64
2001:db8:7::/64 nexthop via fe80::9 dev eth0 weight 2 nexthop via fe80::8 dev eth1
"""
RULES = """
from 10.1.0.0/16 table 100 priority 70
to 10.2.0.0/16 lookup 101 preference 71
not from 10.3.0.0/16 table 100 order 72
tos 0x10 table 100 priority 73
dsfield 0x08 table 100 priority 74
fwmark 7 table 100 priority 75
fwmark 0x10/0xf0 table 100 priority 76
iif eth0 table 100 priority 77
oif eth1 table 100 priority 78
from 10.4.0.0/16 realms 3/4 table 100 priority 79
table 100 suppress_prefixlength 8 priority 80
table 100 suppress_ifgroup 9 priority 81
uidrange 1000-2000 table 100 priority 82
ipproto tcp table 100 priority 83
ipproto udp sport 100-200 dport 300-400 table 100 priority 84
from 10.5.0.0/16 blackhole priority 85
from 10.6.0.0/16 unreachable priority 86
from 10.7.0.0/16 prohibit priority 87
from 10.8.0.0/16 goto 85 priority 84
tunnel-id 5 table 100 priority 88
from 2001:db8:1::/64 table 100 priority 70
to 2001:db8:2::/64 iif eth0 table 101 priority 71
from 2001:db8:3::/64 fwmark 8 table 100 priority 72
from 10.9.0.0/16 table 100
"""


def lines(text: str) -> str:
    return "\n    ".join(text.split("\n"))


CONFIG = f"""vrrp_instance VI_1 {{
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  version 3
  advert_int 0.1
  virtual_ipaddress {{{lines(ADDRESSES)}}}
  virtual_ipaddress_excluded {{{lines(ADDRESSES_6)}}}
  virtual_routes {{{lines(ROUTES)}}}
  virtual_rules {{{lines(RULES)}}}
}}
"""
FORGOTTEN = {"expires", "dynamic", "valid_life_time", "tentative", "protocol", "ifindex"}
"""What runs on, or is only in some versions."""


def listed(node: Node, *words: str) -> list[Any]:
    """What `ip -details -json` says, without what differs between any two moments or hosts."""
    try:
        text = node.namespace.ip("-details", "-json", "-N", *words)
    except LabError:  # there is no such table
        return []
    return [{key: value for key, value in item.items() if key not in FORGOTTEN} for item in json.loads(text or "[]")]


def owned(node: Node) -> dict[str, list[Any]]:
    """Everything in the tables where the master's things are."""
    found: dict[str, list[Any]] = {}
    own = re.compile(r"192\.0\.2\.[12]|198\.51\.100\.[12]|2001:db8:77::[12]|fe80::[ab]")
    for name in ("eth0", "eth1"):
        [link] = listed(node, "address", "show", "dev", name)
        for item in link["addr_info"]:
            if not own.fullmatch(item["local"]):
                kept = {key: value for key, value in item.items() if key not in FORGOTTEN}
                found[f"address {name} {item['local']}"] = [kept]
    for family in ("-4", "-6"):
        for table in ("main", "100"):
            for item in listed(node, family, "route", "show", "table", table, "proto", "18"):
                found.setdefault(f"route {table} {item['dst']}", []).append(item)
        for item in listed(node, family, "rule", "show"):
            if item["priority"] not in (0, 32766, 32767):
                found.setdefault(f"rule {family} {item['priority']}", []).append(item)
    return found


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
@pytest.mark.keyword("vrrp_instance/virtual_ipaddress_excluded")
@pytest.mark.keyword("vrrp_instance/virtual_routes")
@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_every_word_gives_the_same(make_pair: MakePair) -> None:
    pair = make_pair(CONFIG, CONFIG, OURS, C_DAEMON)
    for last, node in enumerate((pair.a, pair.b), 1):
        pair.net.attach(node.namespace, "eth1", "second", [f"198.51.100.{last}/24"], f"02:00:00:00:01:0{node.name}")
    pair.net.partition("a", "b")
    empty = owned(pair.a)
    pair.a.start()
    pair.b.start()
    assert pair.wait(lambda: all(node.states.get("VI_1") == "MASTER" for node in (pair.a, pair.b))), pair.log()
    pair.pause(1)
    ours, theirs = owned(pair.a), owned(pair.b)
    different = {
        key: (ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)
    }
    assert different == {}
    assert pair.a.stop() == 0
    assert owned(pair.a) == empty


STATIC = """static_ipaddress {
  203.0.113.9/32 dev eth0
  203.0.113.8/32 dev eth0 no_track
}
static_routes {
  10.9.0.0/16 via 192.0.2.254 dev eth0
  10.8.0.0/16 via 192.0.2.254 dev eth0 no_track
}
static_rules {
  from 10.9.0.0/16 table 100 priority 77
  from 10.8.0.0/16 table 100 priority 78 no_track
}
vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  version 3
  advert_int 0.1
  virtual_ipaddress {
    192.0.2.100
  }
}
"""
TAKEN = ("address del 203.0.113.%d/32 dev eth0", "route del 10.%d.0.0/16", "rule del priority 7%d")


@pytest.mark.parametrize("program", [OURS, C_DAEMON], ids=["ours", "c"])
@pytest.mark.keyword("static_ipaddress:no_track")
@pytest.mark.keyword("static_routes:no_track")
@pytest.mark.keyword("static_rules:no_track")
def test_static_objects_are_put_back(make_pair: MakePair, program: tuple[str, ...]) -> None:
    """Those that are tracked, whoever took them away, without a change of state; keepalived 2.2.7 only addresses."""
    back = [True] * 3 if program == OURS else [True, False, False]
    pair = make_pair(STATIC, "", program, C_DAEMON)
    host = pair.a.namespace

    def there(which: int) -> list[bool]:
        return [
            f"203.0.113.{which}/" in host.ip("address"),
            f"10.{which}.0.0/16" in host.ip("route"),
            f"from 10.{which}.0.0/16" in host.ip("rule"),
        ]

    pair.a.start()
    assert pair.wait(lambda: pair.masters() == ["a"] and there(9) == there(8) == [True] * 3), pair.log()
    for which, priority in ((9, 7), (8, 8)):
        for words, number in zip(TAKEN, (which, which, priority), strict=True):
            host.ip(*(words % number).split())
    assert pair.wait(lambda: there(9) == back), pair.log()
    pair.pause(1)
    assert (there(9), there(8)) == (back, [False] * 3), pair.log()
    assert pair.masters() == ["a"]
    assert pair.a.stop() == 0
    assert there(9) == [False] * 3
