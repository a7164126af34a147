"""Generates configurations from the keyword table: a sound file of every section with one or several odd lines in it.

Everything follows from a seed. keepalived 2.2.7 judges the same text, so words it does not know are left out, and so is
what ends a config test for reasons outside the file (namespaces, instances).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from pykeepalived.config.schema.base import Block, Keyword, ValueBlock
from pykeepalived.config.schema.root import ROOT
from pykeepalived.config.schema.types import Address, Choice, Decimal, Flag, Integer, Switch

ADDRESS, NEIGHBOR = "10.255.0.50", "10.255.0.9"

BASE = """global_defs {
enable_script_security
script_user root
#global_defs
}
#root
track_file f {
file /tmp/pkcb-f
#track_file
}
vrrp_script s {
script "/usr/bin/true"
#vrrp_script
}
bfd_instance b {
neighbor_ip 10.255.0.9
#bfd_instance
}
static_ipaddress {
10.255.0.77/24 dev eth0
#static_ipaddress
}
static_routes {
10.77.0.0/24 dev eth0
#static_routes
}
static_rules {
from 10.78.0.0/24 table 100 preference 100
#static_rules
}
vrrp_instance v {
interface eth0
virtual_router_id 5
virtual_ipaddress {
10.255.0.50/24
#vrrp_instance/virtual_ipaddress
}
virtual_ipaddress_excluded {
10.255.0.51/24
#vrrp_instance/virtual_ipaddress_excluded
}
virtual_routes {
10.79.0.0/24 dev eth0
#vrrp_instance/virtual_routes
}
virtual_rules {
from 10.80.0.0/24 table 100 preference 101
#vrrp_instance/virtual_rules
}
track_interface {
eth1
#vrrp_instance/track_interface
}
track_script {
s
#vrrp_instance/track_script
}
track_file {
f
#vrrp_instance/track_file
}
track_bfd {
b
#vrrp_instance/track_bfd
}
#vrrp_instance
}
vrrp_instance w {
interface eth1
virtual_router_id 6
virtual_ipaddress {
10.255.1.50/24
}
unicast_peer {
10.255.1.9
#vrrp_instance/unicast_peer
}
}
vrrp_instance y {
interface eth1
virtual_router_id 7
virtual_ipaddress {
10.255.1.51/24
}
}
vrrp_sync_group g {
group {
w
y
}
#vrrp_sync_group
}
track_group t {
group {
v
}
}
virtual_server_group vg {
10.255.0.60 80
#virtual_server_group
}
virtual_server 10.255.0.50 80 {
lvs_sched rr
lvs_method NAT
protocol TCP
#virtual_server
real_server 10.255.1.20 80 {
#virtual_server/real_server
MISC_CHECK {
misc_path "/usr/bin/true"
#virtual_server/real_server/MISC_CHECK
}
TCP_CHECK {
#virtual_server/real_server/TCP_CHECK
}
PING_CHECK {
#virtual_server/real_server/PING_CHECK
}
UDP_CHECK {
#virtual_server/real_server/UDP_CHECK
}
SMTP_CHECK {
#virtual_server/real_server/SMTP_CHECK
host {
#virtual_server/real_server/SMTP_CHECK/host
}
}
DNS_CHECK {
#virtual_server/real_server/DNS_CHECK
}
HTTP_GET {
#virtual_server/real_server/HTTP_GET
url {
path /
#virtual_server/real_server/HTTP_GET/url
}
}
SSL_GET {
#virtual_server/real_server/SSL_GET
url {
path /
#virtual_server/real_server/SSL_GET/url
}
}
FILE_CHECK {
track_file f
#virtual_server/real_server/FILE_CHECK
}
BFD_CHECK {
name b
#virtual_server/real_server/BFD_CHECK
}
}
}
"""
"""A file both daemons find nothing wrong with; each `#PATH` line is a place for lines of that block."""

PLACES = tuple(line[1:] for line in BASE.splitlines() if line.startswith("#"))

LEFT_OUT = frozenset(
    (
        # What they do is no matter of the file alone.
        *("net_namespace", "net_namespace_ipvs", "namespace_with_ipsets", "instance", "use_pid_dir", "include"),
        *("include_check", "smtp_server", "vrrp_ipsets", "vrrp_iptables", "vmac_prefix"),
        # They write or need things outside.
        *("config_save_dir", "tmp_config_directory", "config_copy_directory", "notify_fifo", "iproute_usr_dir"),
        *("iproute_etc_dir", "script_user", "init_file"),
    )
)

_WORDS = (
    *("", "x", "0", "1", "2", "255", "256", "-1", "1.5", "7x", '""', "on", "off", "maybe"),
    *("10.0.0.1", "fe80::1", "eth0", "99999999999", "a b c"),
)
_ENTRIES = {
    "address": """
        10.9.9.9
        10.9.9.9/24
        10.9.9.9/33
        10.9.9.x
        fe80::9
        10.9.9.9 dev eth1
        10.9.9.9 dev
        10.9.9.9 scope link
        10.9.9.9 scope foo
        10.9.9.9/24 brd +
        10.9.9.9/31 brd +
        10.9.9.9 brd x
        10.9.9.9 label a
        10.9.9.9 label aaaaaaaaaaaaaaaaaaaa
        10.9.9.9 peer 10.9.9.8
        10.9.9.9 peer x
        10.9.9.9 home noprefixroute
        10.9.9.9 preferred_lft 5
        10.9.9.9 preferred_lft x
        10.9.9.9 foo
        10.9.9.9 no_track
        10.9.9.9 scope
        10.9.9.9/24 peer 10.9.9.8
        10.9.9.9 -nodad
        foo bar
    """,
    "route": """
        10.9.0.0/24 dev eth0
        blackhole 10.9.0.0/24 dev eth0
        10.9.0.0/24 dev eth0 mtu 1400
        default dev eth1
        10.9.0.0/24 dev eth0 via 10.255.0.7
        10.9.0.0/24 dev eth0 src fe80::1
        10.9.0.0/24 dev eth0 table foo
        10.9.0.0/24 dev eth0 table
        10.9.0.0/24 dev eth0 foo
        dev eth0
        10.9.0.0/33 dev eth0
        10.9.0.0/24 dev eth0 encap mpls 5
        10.9.0.0/24 dev eth0 realms 4
        10.9.0.0/24 dev eth0 pref low
        10.9.0.0/24 dev eth0 metric x
        10.9.0.0/24 dev eth0 gw 10.255.0.7
        10.9.0.0/24 dev eth0 protocol 7
        10.9.0.0/24 dev eth0 rtt 300ms
        10.9.0.0/24 dev eth0 hoplimit 256
        default6 dev eth0
        10.9.0.0/24 dev eth0 features ecn
        10.9.0.0/24 dev eth0 features x
        10.9.0.0/24 dev eth0 expires 5
    """,
    "rule": """
        from 10.9.0.0/24 table 5 preference 9
        from 10.9.0.0/24 table 5
        table 0 preference 9
        nop preference 9
        from 10.9.0.0/24 preference 9
        goto 8 preference 9
        goto 10 preference 9
        table 5 preference x
        fwmark 5/x table 5 preference 9
        sup_pl 5 nop preference 9
        uidrange 5 table 5 preference 9
        ipproto 128 table 5 preference 9
        ipproto tcp table 5 preference 9
        foo table 5 preference 9
        table
        table 5 table 6 preference 9
        protocol 4 table 5 preference 9
        iif eth0 oif eth1 table 5 preference 9
        not from default table 5 preference 9
        tunnel-id x table 5 preference 9
        realms 5 table 5 preference 9
    """,
    "peer": """
        10.255.1.10
        10.255.1.x
        fe80::1
        10.255.1.10 min_ttl 5
        10.255.1.10 min_ttl
        10.255.1.10 foo
    """,
    "interface": """
        p0
        p0 weight 5
        p0 weight 254
        p0 weight x
        p0 weight
        p0 foo
        eth1
        p0 weight 5 reverse
    """,
    "named": """
        nosuch
        nosuch weight 5
    """,
    "group": """
        10.255.0.61 80
        10.255.0.61-9 80
        10.255.0.61-255 80
        10.255.0.61-x
        10.255.0.0/24 80
        10.255.0.1/24
        10.255.0.1/0
        fwmark 5
        fwmark x
        fwmark
        fwmark 5 inet7
        10.255.0.x
        10.255.0.61 x
        10.255.0.61 0
        fe80::1 80
    """,
}
_PLACE_ENTRIES = {
    "static_ipaddress": "address",
    "vrrp_instance/virtual_ipaddress": "address",
    "vrrp_instance/virtual_ipaddress_excluded": "address",
    "static_routes": "route",
    "vrrp_instance/virtual_routes": "route",
    "static_rules": "rule",
    "vrrp_instance/virtual_rules": "rule",
    "vrrp_instance/unicast_peer": "peer",
    "vrrp_instance/track_interface": "interface",
    "vrrp_instance/track_script": "named",
    "vrrp_instance/track_file": "named",
    "vrrp_instance/track_bfd": "named",
    "virtual_server_group": "group",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line for one place of the base."""

    place: str
    line: str


def text_with(*changes: Change) -> str:
    """The base with these lines in their places."""
    lines: dict[str, list[str]] = {}
    for change in changes:
        lines.setdefault(change.place, []).append(change.line)
    return (
        "\n".join("\n".join(lines.get(line[1:], [])) if line.startswith("#") else line for line in BASE.splitlines())
        + "\n"
    )


def candidates(keyword: Keyword) -> tuple[str, ...]:
    """Arguments for a keyword: values at and beyond its limits, its choices, and words that fit nothing."""
    argument = keyword.type
    words: list[str] = list(_WORDS)
    if isinstance(argument, Flag):
        words = ["", "x"]
    elif isinstance(argument, Switch):
        words = ["", "on", "off", "true", "no", "maybe", "ON", "1"]
    elif isinstance(argument, Integer):
        low, high = argument.low, argument.high
        words = [
            "",
            "x",
            '""',
            f"{low}x",
            "1.5",
            *(str(number) for number in (low, high, low - 1, high + 1, (low + high) // 2)),
        ]
    elif isinstance(argument, Decimal):
        words = ["", "x", '""', "5x", "-1", "0", "1", "0.5", "2.5", "1.2345678", "100000", "4294968"]
    elif isinstance(argument, Choice):
        words = ["", "x", *argument.limits.split("|")]
    elif isinstance(argument, Address):
        words = ["", "10.0.0.1", "fe80::1", "10.0.0.1/24", "10.0.0.300", "x"]
    else:
        for part in keyword.limits.replace("[", "|").replace("]", "|").replace("(", "|").split("|"):
            if 0 < len(part.strip()) < 20:
                words.append(part.strip())
    return tuple(dict.fromkeys(words))


def _inner(place: str) -> dict[str, Keyword]:
    keywords = dict(ROOT)
    for name in () if place == "root" else place.split("/"):
        block = keywords[name].block
        if not isinstance(block, Block):
            return {}
        keywords = dict(block.keywords)
    return keywords


def all_changes() -> Iterator[Change]:
    """Every change the generator knows, in the order of the places."""
    for place in PLACES:
        if place in _PLACE_ENTRIES:
            for line in _ENTRIES[_PLACE_ENTRIES[place]].strip().splitlines():
                yield Change(place, line.strip())
            continue
        for name, keyword in _inner(place).items():
            if name in LEFT_OUT or "debian2.2.7=no" in keyword.since or isinstance(keyword.block, (Block, ValueBlock)):
                continue
            for words in candidates(keyword):
                yield Change(place, f"{name} {words}".strip())
        yield Change(place, "no_such_keyword 5")


def single(seed: int) -> tuple[Change, ...]:
    """One change, chosen by the seed."""
    return (random.Random(seed).choice(tuple(all_changes())),)


def several(seed: int) -> tuple[Change, ...]:
    """Two to six changes, chosen by the seed."""
    chance = random.Random(seed)
    return tuple(chance.choices(tuple(all_changes()), k=chance.randint(2, 6)))
